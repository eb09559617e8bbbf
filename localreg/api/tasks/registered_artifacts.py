"""The part of `Task` for registered artifacts: DataFrames that are stored when they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from localreg import log, operations
from localreg.api import ambient
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import check_key, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.registry import Chain


class RegisteredArtifactMethods(TaskHandle):
    """Registered artifacts of a task; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    def register_artifact(
        self,
        name: str,
        artifact: object,
        metadata: Mapping[str, object] | None = None,
        uniqueness_columns: bool | Sequence[str] = True,
    ) -> None:
        """Store a DataFrame as an artifact, and again whenever it has changed.

        It is looked at when the task is flushed and when it ends.

        Args:
            name: of the artifact; one of this name is replaced.
            artifact: a pandas DataFrame.
            metadata: JSON values that describe it.
            uniqueness_columns: the columns that make a row unique; True for all. The preview of the
                artifact says how many rows are unique.

        Raises:
            InvalidValueError: (a ValueError) it is not a DataFrame, or cannot be stored.
        """
        if uniqueness_columns is not True and not isinstance(uniqueness_columns, Sequence):
            raise InvalidValueError(
                "uniqueness_columns must be True or a list of columns, not "
                f"{shown(uniqueness_columns)}",
                argument="uniqueness_columns",
            )
        columns = (
            [uniqueness_columns] if isinstance(uniqueness_columns, str) else uniqueness_columns
        )
        registered = self._registered()
        registered.describe(check_key("name", name), metadata, columns)
        registered[name] = artifact

    def unregister_artifact(self, name: str) -> None:
        """Stop to look at a registered artifact; what was stored of it stays."""
        self._registered().pop(name, None)

    def get_registered_artifacts(self) -> dict[str, Any]:
        """Return the registered DataFrames by name; a DataFrame that is set is registered."""
        return self._registered()

    def _registered(self) -> RegisteredArtifacts:
        found = ambient.registered(self._id)
        if not isinstance(found, RegisteredArtifacts):
            found = RegisteredArtifacts(self._own_chain(), self._id)
            ambient.set_registered(self._id, found)
            ambient.watch(self._registry, self._id, found.store)
        return found


class RegisteredArtifacts(dict[str, object]):
    """The registered DataFrames of a task, by name.

    Args:
        chain: its first registry has the task.
        task_id: the task.
    """

    def __init__(self, chain: Chain, task_id: str) -> None:
        super().__init__()
        self._chain, self._task_id = chain, task_id
        self._described: dict[str, tuple[Mapping[str, object] | None, object]] = {}
        self._stored: dict[str, str] = {}  # digests of what was stored last

    def describe(self, name: str, metadata: Mapping[str, object] | None, columns: object) -> None:
        """Set what is stored with an artifact; see `Task.register_artifact`."""
        self._described[name] = (metadata, columns)

    def __setitem__(self, name: str, frame: object) -> None:
        if not hasattr(frame, "to_csv") or not hasattr(frame, "columns"):
            raise InvalidValueError(
                f"artifact must be a pandas DataFrame, not {type(frame).__name__}; store other "
                "values by Task.upload_artifact",
                argument="artifact",
            )
        super().__setitem__(check_key("name", name), frame)
        self._store(name)

    def store(self) -> None:
        """Store those that have changed; one that cannot be stored is logged."""
        for name in list(self):
            try:
                self._store(name)
            except InvalidValueError as error:
                log.warning("the registered artifact %r was not stored: %s", name, error)

    def _store(self, name: str) -> None:
        frame = self[name]
        prepared = operations.tasks.artifacts.prepare(
            self._chain, name, frame, ending=None, serialize=None, move=False
        )
        stream = prepared.source.stream
        digest = "" if stream is None else sha256(stream.read()).hexdigest()
        if stream is not None:
            stream.seek(0)
        if self._stored.get(name) == digest:
            return
        metadata, columns = self._described.get(name, (None, True))
        operations.tasks.artifacts.keep_artifact(
            self._chain,
            self._task_id,
            name,
            prepared,
            metadata=metadata,
            preview=f"{prepared.preview}\n\n{_uniqueness(name, frame, columns)}",
        )
        self._stored[name] = digest


def _uniqueness(name: str, frame: Any, columns: object) -> str:  # noqa: ANN401  (a DataFrame)
    """Return how many rows are unique, as text."""
    wanted = list(frame.columns) if columns is True else list(columns)  # type: ignore[call-overload]  # a list
    missing = [each for each in wanted if each not in frame.columns]
    if missing:
        log.warning("the registered artifact %r has no columns %s", name, missing)
    there = [each for each in wanted if each in frame.columns]
    try:
        unique = len(frame.drop_duplicates(there)) if there else 0
    except TypeError:  # a cell with a list, which cannot be compared by its hash
        return f"[{name}]: shape={frame.shape}"
    share = 100 * unique / len(frame) if len(frame) else 100
    return f"[{name}]: shape={frame.shape}, {unique} unique rows, {share:.1f}% uniqueness"
