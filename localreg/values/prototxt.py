"""Protobuf's text format, read without a schema: the configurations of Caffe and TensorFlow.

Source: protobuf.dev, "Text Format Language Specification". Without a schema it is not known which
fields are repeated. So a field that occurs once is its value, and one that occurs more often is a
list of its values, in their order.

A text is refused that another format may mean as well: one without a block such as ``layer {``,
which YAML reads, one with ``;`` (CSS), or with a number that has a zero in front. Nothing is
evaluated, and time and memory grow with the length of the text alone.
"""

from __future__ import annotations

import math
import re
import sys

from localreg.errors import ConfigTextError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

DEPTH_LIMIT = 100  # that of protobuf's own parsers

_BLANK = re.compile(r"(?:[ \t\r\n\f\v]|#[^\n]*)*+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+|\[[A-Za-z0-9_./-]++\]")
_NUMBER = re.compile(
    r"([-+]?)(?:(0[xX][0-9a-fA-F]++)|(\d++(?![.eEfF]))"
    r"|((?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?+)[fF]?+|(inf(?:inity)?+|nan))(?![\w.])"
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*+)"' + r"|'((?:[^'\\\n]|\\.)*+)'")
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))"
)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
            "\\": "\\", "'": "'", '"': '"', "?": "?"}  # fmt: skip
_ENDS = {"{": "}", "<": ">"}


def read_prototxt(text: str) -> dict[str, object]:
    r"""Return what a text in protobuf's text format says.

    Raises:
        ConfigTextError: it is in another format.

    >>> read_prototxt('name: "net"\nlayer { top: "a" top: "b" phase: TRAIN }')
    {'name': 'net', 'layer': {'top': ['a', 'b'], 'phase': 'TRAIN'}}
    """
    reader = _Reader(text)
    found = reader.message("", 0)
    if not reader.has_block:
        _refuse("without a block such as name { … } it could be YAML as well")
    return found


def _refuse(reason: str) -> NoReturn:
    raise ConfigTextError(reason, argument="config_text")


class _Reader:
    """Reads one text from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.has_block = False

    def message(self, end: str, depth: int) -> dict[str, object]:
        """Read fields up to a bracket that ends them; "" is the end of the text."""
        if depth > DEPTH_LIMIT:
            _refuse(f"nests deeper than {DEPTH_LIMIT} levels")
        fields: dict[str, list[object]] = {}
        while self._next() != end:
            name = self._take(_NAME, "a field")
            fields.setdefault(name[0], []).extend(self._values(depth))
            if self._next() == ",":
                self._at += 1
        self._at += len(end)
        return {name: each[0] if len(each) == 1 else each for name, each in fields.items()}

    def _next(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        self._next()
        found = pattern.match(self._text, self._at)
        if found is None:
            line = self._text.count("\n", 0, self._at) + 1
            _refuse(f"line {line} has {self._text[self._at : self._at + 20]!r} instead of {what}")
        self._at = found.end()
        return found

    def _values(self, depth: int) -> list[object]:
        """Return the value after a name, or those of a list."""
        if self._next() != ":":
            if self._next() not in _ENDS:
                self._take(re.compile(":"), "a colon")
            self.has_block = True
            return [self._block(depth)]
        self._at += 1
        if self._next() != "[":
            return [self._value(depth)]
        self._at += 1
        found: list[object] = []
        while self._next() != "]":
            found.append(self._value(depth))
            if self._next() == ",":
                self._at += 1
            elif self._next() != "]":
                self._take(re.compile(","), "a comma")
        self._at += 1
        return [found]

    def _value(self, depth: int) -> object:
        first = self._next()
        if first in _ENDS and first:
            return self._block(depth)
        if first and first in "\"'":
            parts = []
            while (quote := self._next()) and quote in "\"'":
                parts.append(_unescaped(self._take(_STRING, "the end of a string")))
            return "".join(parts)
        number = _NUMBER.match(self._text, self._at)
        if number is not None:
            self._at = number.end()
            return _number(number)
        word = self._take(_WORD, "a value")[0]
        return {"true": True, "false": False}.get(word, word)

    def _block(self, depth: int) -> dict[str, object]:
        end = _ENDS[self._next()]
        self._at += 1
        return self.message(end, depth + 1)


def _number(found: re.Match[str]) -> int | float:
    sign, hexadecimal, whole, decimal, word = found.groups()
    if whole is not None and whole[0] == "0" and len(whole) > 1:
        _refuse(f"{whole[:20]} is eight times as much in some formats")
    value: int | float
    if hexadecimal is not None:
        value = int(hexadecimal, 16)
    elif whole is not None:
        value = int(whole)
    else:
        value = float(word or decimal)
        if word is None and math.isinf(value):
            _refuse(f"{decimal[:20]} is too large")
    return -value if sign == "-" else value


def _unescaped(found: re.Match[str]) -> str:
    """Return the text of a string; its escapes are bytes of UTF-8, or characters."""
    text = found[1] if found[1] is not None else found[2]
    if "\\" not in text:
        return str(text)
    parts = bytearray()
    at = 0
    for escape in _ESCAPE.finditer(text):
        parts += text[at : escape.start()].encode()
        at = escape.end()
        byte, octal, short, long, other = escape.groups()
        if byte is not None or octal is not None:
            code = int(byte, 16) if byte is not None else int(octal, 8)
            parts += bytes([code]) if code < 256 else b"\xff"
        elif short is not None or long is not None:
            code = int(short or long, 16)
            if code > sys.maxunicode:
                _refuse(f"{escape[0]} is no character")
            parts += chr(code).encode()
        elif other in _ESCAPED:
            parts += _ESCAPED[other].encode()
        else:
            _refuse(f"\\{other} is no escape")
    parts += text[at:].encode()
    return parts.decode()
