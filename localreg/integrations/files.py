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
    if isinstance(file, str | bytes | os.PathLike):
        return os.fsdecode(file)
    opened = getattr(file, "file", file)  # of a named temporary file
    name = getattr(file, "name", None)
    if not isinstance(opened, _PLAIN) or not isinstance(name, str):
        return None
    if opened.writable() and not opened.closed:
        opened.flush()
    return name


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
        path = path_of(_argument(position, keyword, args, kwargs))
        weights = args[position - 1] if 0 < position <= len(args) else None
        recorder.saved_model(library, path, framework=framework, weights=weights)

    return note


def loading(
    library: str, framework: str, *, position: int = 0, keyword: str = "path"
) -> Callable[..., None]:
    """Return a note for `Patches.after` on a function that loads a model from a file."""

    def note(recorder: Recorder, result: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        path = path_of(_argument(position, keyword, args, kwargs))
        recorder.loaded_model(library, path, framework=framework)

    return note


def _argument(position: int, keyword: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    return args[position] if position < len(args) else kwargs.get(keyword)
