"""Names of files and folders for what has any name: portable, and never the same twice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from localreg.filesystem.portable_files import portable_name


class FileNames:
    """Gives names in one folder.

    Two names never differ only in case, or in the form of their letters; none is hidden, and none
    leads out of the folder.

    Args:
        taken: names that are there already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(map(_folded, taken))
        self._numbers: dict[str, int] = {}  # the next one to try

    def name(self, text: str, ending: str = "") -> str:
        """Return the next free name like a text.

        >>> names = FileNames()
        >>> [names.name(each, ".txt") for each in ("../x", "a/b", "A/B", "CON", "")]
        ['_._x.txt', 'a_b.txt', 'A_B (2).txt', '_CON.txt', '_.txt']
        """
        plain = re.sub(r"[/\\\x7f-\x9f]", "_", text)
        plain = re.sub(r"^\.", "_", plain)
        key = _folded(_short(plain, ending) + ending)
        number = self._numbers.get(key, 1)
        while True:
            again = ending if number == 1 else f" ({number}){ending}"
            found = portable_name(_short(plain, again) + again)
            number += 1
            if _folded(found) not in self._taken:
                break
        self._numbers[key] = number
        self._taken.add(_folded(found))
        return found


_MOST = 80  # bytes, as `portable_name` allows


def _short(text: str, ending: str) -> str:
    return text.encode()[: max(1, _MOST - len(ending.encode()))].decode(errors="ignore") or "_"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def name_and_ending(filename: str) -> tuple[str, str]:
    """Return the stem of a file name, and its ending with the dot, if it has a short one.

    >>> name_and_ending("stats.json"), name_and_ending("a.long description")
    (('stats', '.json'), ('a.long description', ''))
    """
    stem, dot, ending = filename.rpartition(".")
    if stem and re.fullmatch(r"\w{1,10}", ending, re.ASCII):
        return stem, dot + ending
    return filename, ""
