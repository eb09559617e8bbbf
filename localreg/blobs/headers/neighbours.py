"""What a single file needs that is in other files: parts, external data, an index."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from localreg.blobs.headers.contents import inside
from localreg.blobs.headers.needed_files import needed_files, part_of
from localreg.values.frozen import Frozen
from localreg.values.paths import printable_path

_MOST_NAMED = 3  # files in a message or a command


class Neighbours(Frozen):
    """The other files that a file needs.

    Attributes:
        path: the file.
        beside: the names of those that are there, relative to its folder.
        absent: the names of those that are not; with a * it stands for at least one file.
    """

    path: Path
    beside: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line that says what the file needs, and how to keep it as well."""
        name = self.path.name
        if not self.beside:
            return f"{name} needs {_list(self.absent)}, which is not beside it"
        text = f"{name} needs {_list(self.beside)}: `{self._command()}` keeps them together"
        return f"{text}; {_list(self.absent)} is missing" if self.absent else text

    def _command(self) -> str:
        few = len(self.beside) <= _MOST_NAMED and not self.absent
        if few and not any("/" in each or "*" in each for each in self.beside):
            files = [self.path, *(self.path.parent / each for each in self.beside)]
            return f"localreg add {' '.join(shlex.quote(str(each)) for each in files)} -n NAME"
        return f"localreg add {shlex.quote(str(self.path.parent))} -n NAME"


def neighbours(path: Path, filename: str | None = None) -> Neighbours | None:
    """Return the other files that a file needs; None if it needs none.

    Only a file whose name is that of a format that needs others is opened.

    Args:
        path: the file.
        filename: its name; by default that of the path.
    """
    name = filename or path.name
    if not _may_need_others(name):
        return None
    first = None
    part = part_of(name)
    if part is not None:
        before, _, count, after = part
        first = 0 if _is_there(path, f"{before}00000-of-{count:05}{after}") else None
    needed = [each.name for each in needed_files(name, inside(path, name, None), first)]
    if not needed:
        return None
    beside = [each for each in needed if _is_there(path, each)]
    return Neighbours(path, tuple(beside), tuple(each for each in needed if each not in beside))


def _may_need_others(name: str) -> bool:
    return (
        name.lower().endswith((".onnx", ".xml", ".index", ".index.json", ".distcp", ".metadata"))
        or name == "saved_model.pb"
        or part_of(name) is not None
    )


def _is_there(path: Path, name: str) -> bool:
    if name.startswith("*"):
        return any(path.parent.glob(name))
    try:
        return (path.parent / name).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(map(printable_path, names[:_MOST_NAMED]))
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown
