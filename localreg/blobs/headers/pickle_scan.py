"""Scan pickles for known harmful calls, without loading them.

What a scanner finds is worth a warning; what it does not find proves nothing. So the result is
"flagged", "unscanned", or that nothing was flagged, and never "safe".

The scanner keeps every operation of a pickle in memory, some 100 bytes for each: for 60 MB of marks
it took 6 GB and a minute. So long pickles are not scanned, and the result says why.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module, metadata

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
_SAMPLE = 64  # bytes that show that most files are no pickles
# What a pickle without a mark can begin with: an operation that needs nothing before it.
_FIRST = frozenset(
    bytes([each])
    for each in b"(IJKMLFGNSTUVXBC])}cP\x80\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96"
)
_NAMING = frozenset({"STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
_CALLING = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"})
_NAMES = re.compile(r"[^\W\d][\w.]* [^\W\d][\w.]*")
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


def may_name_code(start: bytes) -> bool:
    """Return True if a file that starts so may be a pickle without a mark, which names code.

    Protocols 0 and 1 have no mark: such a pickle may look like text.

    Args:
        start: the first bytes of the file, or the whole of it.
    """
    return start[:1] in _FIRST and names_code(io.BytesIO(start), _SAMPLE) is not False


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Ignore warnings of escapes in texts of the first protocols, also in what is no pickle."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@_without_warnings()
def names_code(file: IO[bytes], most: int) -> bool | None:
    """Return True if a file is a pickle that names code; None if its first part does not decide.

    It must be sound from its start up to a call, or up to its end with a name; so ordinary text,
    and a list of numbers, is none. Its stack is followed as `pickletools.dis` does.

    Args:
        file: open at its start.
        most: number of bytes to read.
    """
    import pickletools

    part = _Part(file, most)
    mark = pickletools.markobject
    stack: list[object] = []
    named, count = False, 0
    try:
        for opcode, argument, _ in pickletools.genops(part):  # type: ignore[arg-type]  # it reads, and reads lines
            count += 1
            if count > MOST_OPERATIONS:
                return None
            pops = len(opcode.stack_before)
            to_mark = mark in opcode.stack_before
            if to_mark or (opcode.name == "POP" and stack and stack[-1] is mark):
                pops = opcode.stack_before.index(mark) if to_mark else 0
                while stack.pop() is not mark:
                    pass
            if opcode.name in ("GLOBAL", "INST"):
                if not _NAMES.fullmatch(str(argument)):
                    return False
                named = True
            named |= opcode.name in _NAMING
            if len(stack) < pops:
                return False
            if named and opcode.name in _CALLING:
                return True
            del stack[len(stack) - pops :]
            stack += opcode.stack_after
    except _SCANNER_ERRORS:
        return None if part.ended and part.cut else False
    return named


class _Part:
    """The first bytes of a file, as `pickletools` reads them.

    Attributes:
        ended: True if more was asked for than there is.
        cut: True if the file may go on.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.ended = False
        self._file = file
        self._left = most

    @property
    def cut(self) -> bool:
        return self._left == 0

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self.ended |= len(data) < size
        return data

    def readline(self) -> bytes:
        data = self._file.readline(self._left)
        self._left -= len(data)
        self.ended |= not data.endswith(b"\n")
        return data


@cache
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
        if found.scan_err:
            raise ValueError("it could not be scanned")
        return False, []

    return scan, f"picklescan {version}"


@_without_warnings()
def _quietly(scan: Callable[..., Any], file: IO[bytes]) -> Any:  # noqa: ANN401  (picklescan's)
    import logging

    logger = logging.getLogger("picklescan")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # the facts report its findings
    try:
        return scan(file, "weights")
    finally:
        logger.setLevel(level)


@_without_warnings()
def _operations(file: IO[bytes], most: int) -> tuple[int, bool]:
    """Return how many operations the pickles in a file have, and True if the first is complete.

    The scanner does not report one that cannot be parsed.

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
