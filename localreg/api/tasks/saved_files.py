"""Models of files that a script saves and loads while a task runs, for `recording`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from localreg import log, operations
from localreg.api import ambient
from localreg.api.models.input_model import InputModel
from localreg.api.models.model import handle
from localreg.api.models.output_model import OutputModel
from localreg.api.tasks import weights_callbacks
from localreg.api.tasks.weights_callbacks import CallbackType, ModelInfo
from localreg.operations.weights.sources import Source
from localreg.values.frozen import Frozen, replace
from localreg.values.saved_names import final_name, is_random
from localreg.values.urls import is_folder, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.tasks.task import Task
    from localreg.operations.models.revisions import Added

_MOST_LOOKED_AT = 10_000  # loaded files that are remembered


def final_path(path: str) -> str:
    """Return the path that a file will have when it is whole."""
    folder, name = os.path.split(path)
    return os.path.join(folder, final_name(name))


class SavedFile(Frozen):
    """A file or folder that was saved.

    Attributes:
        path: absolute.
        files: the names of the files in a folder that belong to the model, () for all; or of a
            file and those beside it that belong to it.
        name: of the model; None for that of the file without its ending.
        framework: of the model.
        config: the configuration of the model.
    """

    path: str
    files: tuple[str, ...]
    name: str | None
    framework: str | None
    config: Mapping[str, object] | None


class SavedFiles:
    """Records on one task what is saved and loaded.

    A file with a random name waits until it has its final one: it is looked for when something
    else is saved or loaded, and when the task ends.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._waiting: list[tuple[SavedFile, tuple[int, int]]] = []
        self._replaced: list[Added] = []
        self._looked_at: set[tuple[object, ...]] = set()

    def saved(self, file: SavedFile, weights: object = None) -> None:
        """Keep a file or folder as the next weights of its model."""
        self._settle()
        if is_random(os.path.basename(file.path)) and not is_folder(Path(file.path)):  # noqa: PTH119
            self._waiting.append((file, _identity(file.path)))
        else:
            self._keep(file, final_path(file.path), weights)

    def _keep(self, file: SavedFile, shown: str, weights: object = None) -> None:
        """Keep a file under the path that it will have."""
        task, chain = self._task, self._task._own_chain()
        package = is_folder(Path(file.path))
        own = os.path.basename(shown)  # noqa: PTH119
        info = ModelInfo(None, own, shown, shown, file.framework, task)
        info.weights_object = weights
        changed = weights_callbacks.before(CallbackType.save, info)
        if changed is None:
            return
        changed.weights_object = None
        named = safe_filename(changed.upload_filename or own) or "weights"
        stem = named if package else os.path.splitext(named)[0]  # noqa: PTH122
        entry = file.name if file.name and named == own else stem
        saved = operations.models.saved_files.Saved(
            task=task.id,
            name=str(changed.local_model_id or shown),
            source=_source(file, named),
            entry=entry,
            description=operations.models.recording.describe(
                name=f"{task.name} - {entry}",
                framework=file.framework,
                config_dict=None if file.config is None else dict(file.config),
            ),
        )
        given = None if changed.model is None else changed.model.id
        kept = operations.models.saved_files.keep_saved(chain, saved, given)
        model = OutputModel._of(chain, task.id, kept.model)
        destination = model.upload_storage_uri
        if destination is not None:
            folder = operations.weights.uploading.folder_of(chain.first, destination, task.id)
            ambient.uploads().start(chain, kept.model, kept.added.weights, folder)
        self._replaced.append(kept.added)
        self._delete_replaced()
        changed.model, changed.weights_object = model, weights
        weights_callbacks.after(CallbackType.save, changed)
        changed.weights_object = None

    def _delete_replaced(self) -> None:
        """Delete what later revisions replaced, unless an upload may still need it."""
        registry = self._task._registry
        if ambient.uploads().wait(0, registry=registry) == 0:
            while self._replaced:
                operations.models.revisions.delete_replaced(registry, self._replaced.pop())

    def loaded(self, path: str, files: tuple[str, ...], framework: str | None) -> None:
        """Make the model of a loaded file or folder an input of the task, if it is known."""
        self._settle()
        seen = (path, *_identity(path), os.stat(path).st_mtime_ns)  # noqa: PTH116
        if seen in self._looked_at or _is_data_worker():
            return
        info = ModelInfo(None, None, path, path, framework, self._task)
        changed = weights_callbacks.before(CallbackType.load, info)
        if changed is None:
            return
        if len(self._looked_at) >= _MOST_LOOKED_AT:
            self._looked_at.clear()
        self._looked_at.add(seen)
        chain = self._task._own_chain()
        found = operations.tasks.loaded_files.connect_loaded(
            chain,
            self._task.id,
            Path(changed.local_model_path),
            tuple(_inside(Path(path), files)),
        )
        if found is not None:
            changed.model = handle(InputModel, chain, found)
            weights_callbacks.after(CallbackType.load, changed)

    def deleted(self, path: str) -> None:
        """Remove the model of a file that the library which saved it has deleted."""
        operations.models.saved_files.forget_saved(self._task._registry, self._task.id, path)

    def _settle(self, *, end: bool = False) -> None:
        """Keep the files that have got their final names since they were saved."""
        waiting, self._waiting = self._waiting, []
        for file, identity in waiting:
            path = _renamed(file.path, identity)
            if path is None:
                log.info("%s was deleted after it was saved; it is not recorded", file.path)
            elif path == file.path and not end:
                self._waiting.append((file, identity))
            else:
                self._keep(replace(file, path=path, name=None), final_path(path))

    def finish(self) -> None:
        """Keep what still waits for its final name, and delete what was replaced."""
        self._settle(end=True)
        if self._replaced:
            ambient.finish_uploads(self._task._registry)
            self._delete_replaced()


def _source(file: SavedFile, filename: str) -> Source:
    path = Path(file.path)
    if file.files:
        listed = tuple(_inside(path, file.files))
        return Source(path=None, files=listed, filename=filename)
    return Source(path=path, filename=filename)


def _inside(path: Path, files: tuple[str, ...]) -> list[Path]:
    """Return the paths of files in a folder, or of those beside a file."""
    folder = path if is_folder(path) else path.parent
    return [folder / each for each in files]


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _renamed(path: str, identity: tuple[int, int]) -> str | None:
    """Return where in its folder a file is now; None if it is gone."""
    with suppress(FileNotFoundError):  # it was renamed
        if _identity(path) == identity:
            return path
    try:
        with os.scandir(os.path.dirname(path)) as entries:  # noqa: PTH120
            found = [each.path for each in entries if each.inode() == identity[1]]
    except OSError:
        return None
    return next((each for each in found if _identity(each) == identity), None)


def _is_data_worker() -> bool:
    """Return True in a process that loads data for torch: what it loads is no model."""
    import sys

    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None
