"""Scan pickles for known harmful calls, without loading them.

What a scanner finds is worth a warning; what it does not find proves nothing. So the result is
"flagged", "unscanned", or that nothing was flagged, and never "safe".

The scanner keeps every operation of a pickle in memory, some 100 bytes for each: for 60 MB of marks
it took 6 GB and a minute. So long pickles are not scanned, and the result says why.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module

from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    Scanner = Callable[[IO[bytes], bool], "tuple[bool, list[str]]"]
else:
    Scanner = object

UNSCANNED, FLAGGED = "unscanned", "flagged"
MOST_BYTES = 32 * 1024 * 1024
MOST_OPERATIONS = 500_000  # of all pickles of a file; a pickle of 100,000 words has 400,000
MOST_NAMES = 20
_SCANNER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, TypeError, ValueError, struct.error,
)  # fmt: skip
LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def is_pickle(start: bytes) -> bool:
    """Return True if bytes start like a pickle of protocol 2 to 5."""
    return len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5


class Pickle(Frozen):
    """A pickle that is to be scanned.

    Attributes:
        opening: opens it; it begins where the file does.
        legacy: True if it is of PyTorch's first format: several in a row, then numbers.
    """

    opening: Callable[[], IO[bytes]]
    legacy: bool = False


@cache
def installed_scanner() -> tuple[Scanner, str] | None:
    """Return picklescan as a function, with its name and version; None if it is not installed."""
    from importlib import metadata  # only here: it loads email and zipfile

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
        if found.scan_err:
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


def _operations(file: IO[bytes], most: int) -> tuple[int, bool]:
    """Return how many operations the pickles in a file have, and True if the first is complete.

    The scanner does not report one that cannot be parsed; it parses with `pickletools`, too.

    Args:
        most: stop after so many.
    """
    import pickletools

    count, complete = 0, False
    try:
        while count <= most:
            for opcode, _, _ in pickletools.genops(file):
                count += 1
                complete |= opcode.name == "STOP"
                if count > most:
                    break
    except _SCANNER_ERRORS:  # at the end of the file, too
        pass
    except Warning:  # of a wrong escape, if warnings are errors
        complete = False
    return count, complete


def verdict(
    pickles: Sequence[Pickle], scanner: tuple[Scanner, str] | None, why: str | None = None
) -> dict[str, object]:
    """Return a scanner's result for some pickles: ``pickle``, and the names it ``flagged``.

    Args:
        pickles: together they have at most `MOST_BYTES`.
        scanner: a function and its name, or None. The function takes a file, and True for PyTorch's
            first format; it returns True if the file is flagged, and the flagged names.
        why: why there may be more that are not scanned; None if these are all.
    """
    if scanner is None:
        return unscanned("there is no scanner")
    scan, name = scanner
    flagged, names, whole, left = False, set[str](), why is None, MOST_OPERATIONS
    for each in pickles:
        try:
            with each.opening() as file:
                count, complete = _operations(file, left)
                left -= count
                if left < 0:
                    whole, why = False, why or f"it has more than {MOST_OPERATIONS:,} operations"
                    break
                file.seek(0)
                bad, found = scan(file, each.legacy)
                whole &= complete or each.legacy
        except _SCANNER_ERRORS:  # then it did not scan the file
            whole = False
            continue
        flagged |= bad
        names |= set(found)
    if flagged:
        return {"pickle": FLAGGED, "flagged": sorted(names)[:MOST_NAMES], "scanner": name}
    if not whole:
        return unscanned(why or "the scanner cannot read it")
    return {"pickle": f"scanned by {name}, nothing flagged"}


def unscanned(why: str) -> dict[str, object]:
    """Return the result for pickles that were not scanned, with the reason."""
    return {"pickle": UNSCANNED, "why": why}
