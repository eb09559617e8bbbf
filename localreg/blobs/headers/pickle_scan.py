"""Scan pickles for known harmful calls, without loading them.

What a scanner finds is worth a warning; what it does not find proves nothing. So the result is
"flagged", "unscanned", or that nothing was flagged, and never "safe".
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
_SCANNER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError, struct.error,
)  # fmt: skip
LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def is_pickle(start: bytes) -> bool:
    """Return True if bytes start like a pickle of protocol 2 to 5."""
    return len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def installed_scanner() -> tuple[Scanner, str] | None:
    """Return picklescan as a function, with its name and version; None if it is not installed."""
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
    logger.setLevel(logging.CRITICAL)  # the facts report its findings
    try:
        return scan(file, "weights")
    finally:
        logger.setLevel(level)


def _can_be_read(file: IO[bytes]) -> bool:
    """Return True if a pickle can be parsed; the scanner does not report one that cannot."""
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
    """Return a scanner's result for some pickles: ``pickle``, and the names it ``flagged``.

    Args:
        files: functions that each open one pickle of at most 64 MB.
        scanner: a function and its name, or None. The function takes a file, and True for PyTorch's
            first format; it returns True if the file is flagged, and the flagged names.
        legacy: True if the pickles are of PyTorch's first format.
    """
    if scanner is None:
        return {"pickle": UNSCANNED}
    scan, name = scanner
    flagged, names, whole = False, set[str](), True
    for opening in files:
        try:
            with opening() as file:
                bad, found = scan(file, legacy)
        except _SCANNER_ERRORS:  # then it did not scan the file
            whole = False
            continue
        flagged |= bad
        names |= set(found)
    if flagged:
        return {"pickle": FLAGGED, "flagged": sorted(names)[:MOST_NAMES], "scanner": name}
    return {"pickle": f"scanned by {name}, nothing flagged" if whole else UNSCANNED}
