"""The paths of what a library saves to and loads from: a path, or an open file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.integrations.recorder import Recorder

_PLAIN = (io.BufferedWriter, io.BufferedRandom, io.BufferedReader, io.FileIO)


def path_of(file: object) -> str | None:
    """Return the path of a file; of an open one, what was written so far is flushed.

    It is None for anything that is no file with a name, or that compresses what is written to it:
    then the file is not whole before it is closed.
    """
    if isinstance(file, str | os.PathLike):
        return os.fsdecode(file)
    opened = getattr(file, "file", file)  # of a named temporary file
    name = getattr(file, "name", None)
    if not isinstance(opened, _PLAIN) or not isinstance(name, str):
        return None
    if opened.writable() and not opened.closed:
        opened.flush()
    return name


def files_in(folder: object) -> list[str]:
    """Return the names of the files in a folder, without hidden ones and without folders.

    Libraries that save a model as a folder write them there, and other things may be beside them,
    such as the checkpoints of its training.
    """
    if not isinstance(folder, str | os.PathLike) or not os.path.isdir(folder):  # noqa: PTH112
        return []
    with os.scandir(os.fsdecode(folder)) as entries:
        return sorted(
            each.name for each in entries if each.is_file() and not each.name.startswith(".")
        )


def saving(
    library: str, framework: str, *, position: int = 1, keyword: str = "path"
) -> Callable[..., None]:
    """Return a note for `Patches.after` on a function that saves a model to a file.

    Args:
        library, framework: as for `Recorder.saved_model`.
        position: of the argument that is the file; the argument before it, if there is one, is
            the model.
        keyword: the name of that argument.
    """

    def note(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        path = path_of(argument(position, keyword, args, kwargs))
        weights = args[position - 1] if 0 < position <= len(args) else None
        recorder.saved_model(library, path, framework=framework, weights=weights)

    return note


def loading(
    library: str, framework: str, *, position: int = 0, keyword: str = "path"
) -> Callable[..., None]:
    """Return a note for `Patches.after` on a function that loads a model from a file."""

    def note(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        path = path_of(argument(position, keyword, args, kwargs))
        recorder.loaded_model(library, path, framework=framework)

    return note


def argument(position: int, keyword: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """Return an argument of a call by its position or by its name, None if it is not given."""
    return args[position] if position < len(args) else kwargs.get(keyword)
