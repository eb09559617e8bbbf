"""Whether a pickle is known to do harm, without loading it.

A scanner is a tripwire: what it finds is worth a warning, and what it does not find proves nothing.
So the answer is "flagged", "unscanned", or that nothing was flagged, and never more.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from importlib import import_module, metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    Scanner = Callable[[IO[bytes], bool], "tuple[bool, list[str]]"]
else:
    Scanner = object

UNSCANNED, FLAGGED = "unscanned", "flagged"
MOST_BYTES = 64 * 1024 * 1024
MOST_NAMES = 20
_STUMBLES = (ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError,
             OSError, RuntimeError, TypeError, ValueError, struct.error)  # fmt: skip
LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def is_pickle(start: bytes) -> bool:
    """Return whether bytes begin as pickles of protocol 2 and later do."""
    return len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def installed_scanner() -> tuple[Scanner, str] | None:
    """Return picklescan as a function, and its name and version; None when it is not installed."""
    try:
        scanner = import_module("picklescan.scanner")
        version = metadata.version("picklescan")
    except (ImportError, metadata.PackageNotFoundError):
        return None

    def scan(file: IO[bytes], legacy: bool) -> tuple[bool, list[str]]:
        found = _quietly(scanner.scan_pytorch if legacy else scanner.scan_pickle_bytes, file)
        names = [
            f"{each.module}.{each.name}"
            for each in found.globals
            if getattr(each.safety, "value", "") == "dangerous"
        ]
        if found.issues_count:
            return True, names
        if found.scan_err or not (legacy or _can_be_read(file)):
            raise ValueError("it could not be scanned")
        return False, []

    return scan, f"picklescan {version}"


def _quietly(scan: Callable[..., Any], file: IO[bytes]) -> Any:  # noqa: ANN401  (picklescan's)
    import logging

    logger = logging.getLogger("picklescan")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what it says, the facts say
    try:
        return scan(file, "weights")
    finally:
        logger.setLevel(level)


def _can_be_read(file: IO[bytes]) -> bool:
    """Return whether a pickle can be taken apart: the scanner is silent about what cannot."""
    import pickletools

    file.seek(0)
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(file))
    except ValueError:
        return False


def verdict(
    files: list[Callable[[], IO[bytes]]],
    scanner: tuple[Scanner, str] | None,
    *,
    legacy: bool = False,
) -> dict[str, object]:
    """Return what a scanner says of some pickles: ``pickle``, and the names it ``flagged``.

    Args:
        files: each opens one; no more is read of it than 64 MB.
        scanner: takes a file and whether it is of PyTorch's first format, and returns whether it is
            flagged, and for what; None for no scanner. With it, its name.
        legacy: whether they are of PyTorch's first format.
    """
    if scanner is None:
        return {"pickle": UNSCANNED}
    scan, name = scanner
    flagged, names, whole = False, set[str](), True
    for opening in files:
        try:
            with opening() as file:
                bad, found = scan(file, legacy)
        except _STUMBLES:  # whatever it stumbled over, it did not scan it
            whole = False
            continue
        flagged |= bad
        names |= set(found)
    if flagged:
        return {"pickle": FLAGGED, "flagged": sorted(names)[:MOST_NAMES], "scanner": name}
    return {"pickle": f"scanned by {name}, nothing flagged" if whole else UNSCANNED}
