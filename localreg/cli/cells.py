"""Text on a terminal: how many cells it takes, made harmless, cut and wrapped by cells.

Chinese and emoji take two cells, an accent of its own none. What `str.isprintable` refuses, among
it control characters and U+202E, which shows text backwards, is replaced by U+FFFD. A name from
right to left is isolated, so that a terminal that reorders text moves neither its version nor the
columns beside it.
"""

from __future__ import annotations

import re
import unicodedata

ISOLATE, END_ISOLATE, LEFT_TO_RIGHT = "\u2068", "\u2069", "\u200e"
_STYLES = "\ufe0e\ufe0f"  # "as text" and "as emoji", whose width depends on the terminal
_IDS = re.compile(r"\b[0-9a-f]{32}\b")
_MARKS_AT_MOST = 4  # on one character; more of them cover the lines above and below


def terminal_width() -> int:
    """Return the number of columns of the terminal; at least 40, which a table needs."""
    import shutil

    return max(shutil.get_terminal_size().columns, 40)


def printable(text: str) -> str:
    """Return text without control characters, which could change what a terminal does."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char == "\n" or (char.isprintable() or char == " ") else "\ufffd" for char in text
    )


def one_line(text: str) -> str:
    """Return text that fits a line of a table: no line breaks, tabs or control characters."""
    return printable(text.replace("\n", "⏎").replace("\t", " "))


def short_ids(text: str) -> str:
    """Return text with the first 8 digits of ids, which are enough to name them, and never cut.

    >>> short_ids("by task 0123456789abcdef0123456789abcdef")
    'by task 01234567'
    """
    return _IDS.sub(lambda match: match[0][:8], text)


def steady(text: str) -> str:
    r"""Return printable text whose width every terminal agrees about.

    >>> steady("\u0301a" + "e" + "\u0301" * 9) == "◌\u0301ae" + "\u0301" * 4
    True
    >>> steady("\u2764\ufe0f") == "\u2764"
    True
    """
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for char in text:
        if char in _STYLES:
            continue
        if not _is_mark(char):
            marks = 0
        elif not kept:
            kept.append("◌")
        marks += _is_mark(char)
        if marks <= _MARKS_AT_MOST:
            kept.append(char)
    return "".join(kept)


def cell_width(text: str) -> int:
    """Return the number of cells that text takes.

    >>> cell_width("résumé"), cell_width("模型"), cell_width("e\u0301")
    (6, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if char < "\u0300":
        return 1
    if _is_mark(char) or char in (ISOLATE, END_ISOLATE, LEFT_TO_RIGHT):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _is_mark(char: str) -> bool:
    """Return True if a character is drawn on the one before it, such as an accent."""
    # The vowels and final consonants of decomposed Korean are no marks, but drawn like those.
    return char >= "\u0300" and (
        unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff"
    )


def _begin(text: str, width: int) -> str:
    """Return as much of the begin of a text as fits."""
    used = 0
    for index, char in enumerate(text):
        used += _width(char)
        if used > width:
            return text[:index]
    return text


def _end(text: str, width: int) -> str:
    """Return as much of the end of a text as fits; no accent without its letter."""
    used, start = 0, len(text)
    for index in range(len(text) - 1, -1, -1):
        used += _width(text[index])
        if used > width:
            break
        if not _is_mark(text[index]):
            start = index
    return text[start:]


def cut_end(text: str, width: int) -> str:
    """Return text that is not wider than a number of cells; its begin stays.

    >>> cut_end("safetensors: 1,200 parameters", 12)
    'safetensors…'
    """
    return text if cell_width(text) <= width else f"{_begin(text, width - 1)}…"


def cut_middle(text: str, width: int) -> str:
    """Return text that is not wider than a number of cells; its ends stay, most of its last one.

    >>> cut_middle("layers/encoder/attention.safetensors", 24)
    'layers/…tion.safetensors'
    """
    if cell_width(text) <= width:
        return text
    begin = _begin(text, (width - 1) // 3)
    return f"{begin}…{_end(text, width - 1 - cell_width(begin))}"


def cut_words(words: tuple[str, ...], width: int) -> str:
    """Return as many of some words as fit, and how many more there are.

    >>> cut_words(("prod", "best", "candidate"), 12), cut_words(("candidate:12",), 9)
    ('prod best +1', 'ca…ate:12')
    """
    whole = " ".join(words)
    if cell_width(whole) <= width:
        return whole
    for count in range(len(words) - 1, 0, -1):
        text = f"{' '.join(words[:count])} +{len(words) - count}"
        if cell_width(text) <= width:
            return text
    more = f" +{len(words) - 1}" if len(words) > 1 and width > 6 else ""
    return f"{cut_middle(words[0], width - len(more))}{more}"


def filled(text: str, width: int, *, right: bool = False) -> str:
    """Return text with blanks up to a number of cells; its end is at the right if so wanted."""
    blanks = " " * (width - cell_width(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"


def wrapped(text: str, width: int, *, whole: bool = False) -> list[str]:
    """Return a line in parts that are not wider than a number of cells, broken at blanks.

    Args:
        whole: leave a word whole that is longer than a part; otherwise it is broken.

    >>> wrapped("  status = failed: out of memory", 18)
    ['  status = failed:', 'out of memory']
    """
    parts: list[str] = []
    line = ""
    for blanks, word in re.findall("( *)([^ ]+)", text):
        if cell_width(line) + len(blanks) + cell_width(word) <= width:
            line += blanks + word
            continue
        if line:
            parts.append(line)
        while not whole and cell_width(word) > width:
            first = _begin(word, width) or word[0]
            parts.append(first)
            word = word[len(first) :]
        line = word
    return [*parts, line]


def isolated(text: str) -> str:
    """Return text that keeps its place and the version at its end, in whatever language it is."""
    if text.isascii() or not any(unicodedata.bidirectional(char) in ("R", "AL") for char in text):
        return text
    head, sign, tail = text.rpartition(":")
    if not (sign and tail.isdigit()):
        head, sign, tail = text, "", ""
    return f"{LEFT_TO_RIGHT}{ISOLATE}{head}{END_ISOLATE}{sign}{tail}{LEFT_TO_RIGHT}"
