"""`FoundTasks`: the tasks that `Registry.tasks` found."""

from __future__ import annotations

from localreg import operations
from localreg.api.models.found import RecordMethods
from localreg.api.tasks.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.registry import Chain
    from localreg.values.summaries import TaskSummary


class FoundTasks(list[Task], RecordMethods):
    """The tasks that a search found: a list, shown as a table in a notebook."""

    __slots__ = ()

    def records(self) -> list[TaskSummary]:
        """Return what lists show of the tasks, in a few statements for all of them.

        Each record has the attributes id, project, name, type, status, tags, archived, comment,
        parent, created, ended, updated, ``metrics`` (by name, each with last, low, high, points
        and single) and ``parameters`` (a dict). Secrets are hidden. Tasks that were removed since
        the search are missing.
        """
        if not self:
            return []
        found = [operations.finding.upstream.Found(each._registry, each._id) for each in self]
        return operations.tasks.search.summaries(self[0]._chain, found)

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import SHOWN, shown_or_why, tasks_html

        shown = FoundTasks(self[:SHOWN])
        return shown_or_why(lambda: tasks_html(shown.records(), len(self) - len(shown)))


def found_tasks(chain: Chain, **filters: Any) -> FoundTasks:  # noqa: ANN401
    """Return the tasks that match some filters, see `operations.tasks.search.check_search`."""
    search = operations.tasks.search.check_search(**filters)
    found = operations.tasks.search.search_tasks(chain, search)
    if not found:
        operations.finding.unknown_values.warn_of_unknown(chain, "task", search.query.order)
    return FoundTasks(Task._of(chain, each.registry, each.id) for each in found)
