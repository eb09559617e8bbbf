"""Recognise pickles that have no mark, by walking through their operations without doing them.

`pickletools.genops` does the same; but it reads lines of any length, and undoes the escapes of
texts, which warns of wrong ones.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pickletools import OpcodeInfo
    from typing import IO

MOST_OPERATIONS = 500_000  # of a pickle without a mark
_SAMPLE = 64  # bytes that show that most files are no pickles
# What a pickle without a mark can begin with: an operation that needs nothing before it.
_FIRST = frozenset(b"(IJKMLFGNSTUVXBC])}cP\x80\x82\x83\x84\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x95\x96")
_NAMING = frozenset({"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
_CALLING = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"})
_TWO_LINES = frozenset({"GLOBAL", "INST"})
_SIGNED = frozenset({"BINSTRING", "LONG4"})
_NAME = re.compile(rb"[A-Za-z_\x80-\xff][\w.\x80-\xff]*")
_WIDTHS = {-2: 1, -3: 4, -4: 4, -5: 8}  # of the length of an argument, by how pickletools names it


class NoPickleError(ValueError):
    """What follows is no operation."""


class Part:
    """The first bytes of a file.

    Attributes:
        short: True if more was asked for than they are, but the file may go on.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self.short = False
        self._file = file
        self._left = most

    def read(self, size: int) -> bytes:
        """Return so many bytes.

        Raises:
            NoPickleError: there are fewer.
        """
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        if len(data) < size:
            self.short = not self._left
            raise NoPickleError
        return data

    def line(self) -> bytes:
        """Return a line without its end; errors as in `read`."""
        data = self._file.readline(self._left)
        self._left -= len(data)
        if not data.endswith(b"\n"):
            self.short = not self._left
            raise NoPickleError
        return data[:-1]


def operations(part: Part) -> Iterator[tuple[OpcodeInfo, bytes]]:
    """Yield the operations of a pickle up to its end, each with its argument.

    Raises:
        NoPickleError: it ends before, or an argument is wrong.
    """
    codes, up_to_newline = _codes()
    while True:
        code = codes.get(part.read(1))
        if code is None:
            raise NoPickleError
        argument = b""
        if code.arg is not None:
            size = code.arg.n
            if size >= 0:
                argument = part.read(size)
            elif size == up_to_newline:
                argument = _line(part, code)
            else:
                width = part.read(_WIDTHS[size])
                length = int.from_bytes(width, "little", signed=code.name in _SIGNED)
                if length < 0:
                    raise NoPickleError
                argument = part.read(length)
        yield code, argument
        if code.name == "STOP":
            return


def may_name_code(start: bytes) -> bool:
    """Return True if a file that starts so may be a pickle without a mark, which names code.

    Protocols 0 and 1 have no mark: such a pickle may look like text.

    Args:
        start: the first bytes of the file, or the whole of it.
    """
    return (
        bool(start) and start[0] in _FIRST and names_code(io.BytesIO(start), _SAMPLE) is not False
    )


def names_code(file: IO[bytes], most: int) -> bool | None:
    """Return True if a file is a pickle that names code; None if its first part does not decide.

    It must be sound from its start up to a call, or up to its end with a name; so ordinary text,
    and a list of numbers, is none. Its stack is followed as `pickletools.dis` does.

    Args:
        file: open at its start.
        most: number of bytes to read.
    """
    from pickletools import markobject

    part = Part(file, most)
    stack: list[object] = []
    named, count = False, 0
    try:
        for code, _ in operations(part):
            count += 1
            if count > MOST_OPERATIONS:
                return None
            pops = len(code.stack_before)
            to_mark = markobject in code.stack_before
            if to_mark or (code.name == "POP" and stack and stack[-1] is markobject):
                pops = code.stack_before.index(markobject) if to_mark else 0
                while stack.pop() is not markobject:
                    pass
            if len(stack) < pops:
                return False
            named |= code.name in _NAMING
            if named and code.name in _CALLING:
                return True
            del stack[len(stack) - pops :]
            stack += code.stack_after
    except NoPickleError:
        return None if part.short else False
    except IndexError:  # there is no mark
        return False
    return named


@cache
def _codes() -> tuple[dict[bytes, OpcodeInfo], int]:
    import pickletools

    codes = {code.code.encode("latin-1"): code for code in pickletools.opcodes}
    return codes, pickletools.UP_TO_NEWLINE


def _line(part: Part, code: OpcodeInfo) -> bytes:
    """Return an argument that is a line, or two."""
    line = part.line()
    if code.name in _TWO_LINES:
        name = part.line()
        if not (_NAME.fullmatch(line) and _NAME.fullmatch(name)):
            raise NoPickleError
        return line + b" " + name
    assert code.arg is not None
    kind = code.arg.name
    try:
        if kind.startswith("decimalnl"):
            digits = line.strip().removesuffix(b"L")
            int(digits, 10 if digits.isdigit() else 0)  # pickle reads 0x1f, too
        elif kind == "floatnl":
            float(line)
    except ValueError as error:
        raise NoPickleError from error
    if kind == "stringnl" and not (len(line) > 1 and line[:1] == line[-1:] and line[:1] in b"'\""):
        raise NoPickleError
    return line
