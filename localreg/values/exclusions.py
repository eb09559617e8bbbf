"""Patterns that name what is left out of a folder when it is added.

A pattern is written as in a shell: ``*`` is any characters, ``?`` is one, ``[abc]`` and ``[a-z]``
are one of these, ``[!abc]`` is another one; none of them matches a slash. Without a slash a pattern
matches a name at any depth, with a slash the path from the top of the folder. A slash at its end
matches folders only.

A file of patterns has one on each line; empty lines and those that begin with ``#`` do not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import translate

from localreg.errors import InvalidValueError
from localreg.values.frozen import Frozen

IGNORE_FILE = ".localregignore"
# Left out of every folder: what version control, Python and downloads put beside a model.
ALWAYS = (".git", "__pycache__", ".cache/huggingface", f"/{IGNORE_FILE}")

_WILDCARD = re.compile(r"[*?\[]")
_SET = re.compile(r"\[!?+.[^\]]*\]", re.DOTALL)  # a ] that comes first belongs to the set
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)


class Exclusion(Frozen):
    """A pattern, taken apart.

    Attributes:
        parts: the pattern of each name of a path; one for a name at any depth.
        from_top: True if they match the whole path, from the top of the folder.
        only_folders: True if it matches no files.
    """

    parts: tuple[str, ...]
    from_top: bool
    only_folders: bool


def parse_exclusion(text: object, where: str = "exclude") -> Exclusion:
    """Return a pattern taken apart.

    Args:
        text: the pattern.
        where: the argument or the line that it comes from, for errors.

    Raises:
        InvalidValueError: it is not a pattern.

    >>> parse_exclusion("logs/*.txt")
    Exclusion(parts=('logs', '*.txt'), from_top=True, only_folders=False)
    """
    if not isinstance(text, str):
        raise _cannot(where, text, f"it is {type(text).__name__}, not text")
    if text.startswith("!"):
        raise _cannot(
            where, text, "what a pattern leaves out cannot be taken back by another; give "
            "narrower patterns, or ? for the character itself"
        )  # fmt: skip
    path = text.removesuffix("/")
    parts = tuple(path.removeprefix("/").split("/"))
    for part in parts:
        _check(part, where, text)
    return Exclusion(parts, "/" in path, path != text)


def parse_exclusions(text: str, where: str) -> list[Exclusion]:
    """Return the patterns of a file, one for each line.

    Raises:
        InvalidValueError: a line is not a pattern; the error names it.
    """
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [
        parse_exclusion(line, f"{where}, line {number},")
        for number, line in lines
        if line and not line.startswith("#")
    ]


def matcher(exclusions: Iterable[Exclusion]) -> Callable[[str, bool], bool]:
    """Return a function that returns True for what is left out.

    It takes the path of a file or folder, relative to the top and with slashes, and True for a
    folder. It does not look at the folders above: what is in a folder that is left out is left out.

    >>> left_out = matcher([parse_exclusion("*.log"), parse_exclusion("runs/")])
    >>> left_out("logs/a.log", False), left_out("runs", True), left_out("runs", False)
    (True, True, False)
    """
    given = list(exclusions)
    for_folders = _Matcher(given)
    for_files = _Matcher([each for each in given if not each.only_folders])
    return lambda path, is_folder: (for_folders if is_folder else for_files).matches(path)


class _Matcher:
    """Matches paths. What has no wildcard is looked up: that is faster, and the usual case."""

    def __init__(self, exclusions: list[Exclusion]) -> None:
        plain = [each for each in exclusions if not any(map(_WILDCARD.search, each.parts))]
        wild = [each for each in exclusions if each not in plain]
        self._plain_names = {each.parts[0] for each in plain if not each.from_top}
        self._plain_paths = {"/".join(each.parts) for each in plain if each.from_top}
        names = [translate(each.parts[0]) for each in wild if not each.from_top]
        self._names = re.compile("|".join(names)) if names else None
        self._paths = [
            [re.compile(translate(part)) for part in each.parts] for each in wild if each.from_top
        ]

    def matches(self, path: str) -> bool:
        name = path.rpartition("/")[2]
        if name in self._plain_names or path in self._plain_paths:
            return True
        if self._names is not None and self._names.match(name):
            return True
        if not self._paths:
            return False
        parts = path.split("/")
        return any(
            len(each) == len(parts)
            and all(one.match(part) for one, part in zip(each, parts, strict=True))
            for each in self._paths
        )


def _check(part: str, where: str, text: str) -> None:
    if part in ("", ".", ".."):
        raise _cannot(where, text, f"a name in it is {part!r}; write the path from the top")
    if "**" in part:
        raise _cannot(where, text, "** is not known; a pattern without a slash matches everywhere")
    if "\\" in part:
        raise _cannot(where, text, "write / between names, and [*] for a star itself")
    rest = _SET.sub("", part)
    if "[" in rest:
        raise _cannot(where, text, "a [ has no ]; write [[] for the character itself")
    if "{" in rest:
        raise _cannot(where, text, "give a pattern for each, not {a,b}; [{] is the character")
    for found in _SET.findall(part):
        if found.startswith("[^"):
            raise _cannot(where, text, "write [!abc] for other characters than these")
        ranges = _RANGE.findall(found[1:-1].removeprefix("!"))
        if any(low > high for low, high in ranges):
            raise _cannot(where, text, f"{found} has a range that ends before it begins")


def _cannot(where: str, text: object, why: str) -> InvalidValueError:
    return InvalidValueError(f"{where} cannot have the pattern {text!r:.80}: {why}", argument=where)
