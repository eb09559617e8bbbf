"""`Task.data`: what `Task.export_task` returns, by attributes."""

from __future__ import annotations

from collections.abc import Mapping

from localreg import operations
from localreg.api.task_handle import TaskHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ExportedDataMethods(TaskHandle):
    """What a task holds, in ClearML's layout; mixed into `Task`."""

    __slots__ = ()

    @property
    def data(self) -> Any:  # noqa: ANN401  (its parts are found by attributes)
        """A copy of what `export_task` returns, such as ``task.data.script.repository``.

        Its parts are dicts whose keys are attributes, too. Changing it changes nothing.
        """
        found = operations.tasks.exported.export_task(self._registry, self._id)
        found["last_iteration"] = operations.tasks.lifecycle.last_iteration(
            self._registry, self._id
        )
        return _parts(found)


class Parts(dict[str, object]):
    """A dict whose keys are attributes, too."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"the task's data has no {name!r}; it has {', '.join(map(str, self))}"
            ) from None


def _parts(value: Any) -> Any:  # noqa: ANN401  (JSON values)
    if isinstance(value, Mapping):
        return Parts({key: _parts(each) for key, each in value.items()})
    return [_parts(each) for each in value] if isinstance(value, list) else value
