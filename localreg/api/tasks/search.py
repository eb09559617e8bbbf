"""The part of `Task` that finds and copies tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from localreg import operations
from localreg.api import ambient
from localreg.api.models.model import open_of
from localreg.api.task_handle import TaskHandle
from localreg.errors import InvalidValueError
from localreg.values.checks import check_flag, is_empty, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from localreg.api.registry import Registry


class SearchMethods(TaskHandle):
    """Find and copy tasks; mixed into `Task`."""

    __slots__ = ()

    @classmethod
    def get_task(
        cls,
        task_id: str | None = None,
        project_name: str | None = None,
        task_name: str | None = None,
        tags: Sequence[str | None] | None = None,
        allow_archived: bool = True,
        task_filter: Mapping[str, object] | None = None,
        *,
        registry: Registry | None = None,
    ) -> Self | None:
        """Return a task by its id, or the last changed task that matches the filters.

        Args:
            task_id: its id; the filters are then ignored.
            project_name: exact; None searches in all projects.
            task_name: exact; None for any.
            tags: a tag filter, as for `InputModel.query_models`.
            allow_archived: True returns an archived task if no other matches; False never.
            task_filter: see `get_tasks`.
            registry: where to search; the current registry when None.

        Returns:
            The task; None if none matches the filters.

        Raises:
            TaskNotFoundError: there is no task with this id.
            InvalidValueError: (a ValueError) a filter cannot be used, or none is given.
        """
        chain = open_of(registry)
        by_id = not (task_id is None or is_empty(task_id))
        no_tags = tags is None or (isinstance(tags, (list, tuple)) and not tags)
        no_filter = task_filter is None or (isinstance(task_filter, Mapping) and not task_filter)
        if by_id or (no_tags and no_filter and project_name is None and task_name is None):
            hit = operations.tasks.search.look_up_task(chain, task_id)
            return cls._of(chain, hit.registry, hit.id)
        within = operations.finding.references.check_project_name(project_name, "project_name")
        # An archived one only if there is no other.
        for archived in (False, True) if check_flag("allow_archived", allow_archived) else (False,):
            search = operations.tasks.search.check_search(
                project=within,
                name=task_name,
                tags=tags,
                task_filter=task_filter,
                archived=archived,
            )
            found = operations.tasks.search.search_tasks(chain, search)
            if found:
                return cls._of(chain, found[0].registry, found[0].id)
        return None

    @classmethod
    def get_tasks(
        cls,
        task_ids: Sequence[str] | None = None,
        project_name: str | Sequence[str] | None = None,
        task_name: str | None = None,
        tags: Sequence[str | None] | None = None,
        allow_archived: bool = True,
        task_filter: Mapping[str, object] | None = None,
        *,
        registry: Registry | None = None,
    ) -> list[Self]:
        """Return the tasks that match all filters, the last changed first.

        Args:
            task_ids: only these.
            project_name: exact, or a list of names.
            task_name: a regular expression, searched for anywhere in the name.
            tags: a tag filter, as for `InputModel.query_models`.
            allow_archived: False leaves archived tasks out.
            task_filter: a dict with any of these keys, as in ClearML: "id", "status", "type",
                "tags", "system_tags", "parent", "project" (ids) with one value or a list;
                "name", a regular expression; "search_text", a part of id, name or comment;
                "_all_" and "_any_", ``{"fields": ["comment"], "pattern": "a regular expression"}``;
                times such as ``"started": [">=2026-01-31"]``; "order_by", such as
                ``["-last_update"]``, ``["-metrics.loss/train"]`` for the last value of a metric or
                ``["parameters.Args/lr"]``; "page" and "page_size".
            registry: where to search; the current registry when None.

        Raises:
            InvalidValueError: (a ValueError) a filter cannot be used.
        """
        search = operations.tasks.search.check_search(
            ids=task_ids,
            project=project_name,
            pattern=task_name,
            tags=tags,
            task_filter=task_filter,
            archived=check_flag("allow_archived", allow_archived),
        )
        chain = open_of(registry)
        found = operations.tasks.search.search_tasks(chain, search)
        return [cls._of(chain, each.registry, each.id) for each in found]

    @classmethod
    def query_tasks(
        cls,
        project_name: str | Sequence[str] | None = None,
        task_name: str | None = None,
        tags: Sequence[str | None] | None = None,
        additional_return_fields: Sequence[str] | None = None,
        task_filter: Mapping[str, object] | None = None,
        *,
        registry: Registry | None = None,
    ) -> list[str] | list[dict[str, Any]]:
        """Return ids of the tasks that match all filters; see `get_tasks`.

        Args:
            additional_return_fields: fields of tasks, such as "name", "last_update" (a time),
                "script.diff" or "hyperparams.Args.lr.value", or names of properties of a task;
                returns dicts with "id" and these.
            project_name, task_name, tags, task_filter, registry: as for `get_tasks`.
        """
        found = cls.get_tasks(
            None, project_name, task_name, tags, True, task_filter, registry=registry
        )
        fields = () if additional_return_fields is None else additional_return_fields
        if isinstance(fields, str) or not isinstance(fields, Iterable):
            raise InvalidValueError(
                f"additional_return_fields must be a list of names, not {shown(fields)}",
                argument="additional_return_fields",
            )
        names = [
            each if isinstance(getattr(cls, str(each), None), property) and each[0] != "_"
            else operations.tasks.fields.check_field("additional_return_fields", each)
            for each in fields
        ]  # fmt: skip
        if not names:
            return [task.id for task in found]
        return [{"id": task.id} | task._fields(names) for task in found]

    def _fields(self, names: Sequence[str]) -> dict[str, Any]:
        """Return fields of the task, and properties that are none."""
        found = operations.tasks.fields.TaskFields(self._registry, self._id)
        return {
            name: found.get(name) if name.partition(".")[0] in operations.tasks.fields.FIELDS
            else getattr(self, name)
            for name in names
        }  # fmt: skip

    @classmethod
    def clone(
        cls,
        source_task: TaskHandle | str | None = None,
        name: str | None = None,
        comment: str | None = None,
        parent: str | None = None,
        project: str | None = None,
        *,
        registry: Registry | None = None,
    ) -> Self:
        """Record a copy of a task, which `localreg task run` then runs.

        It has the parameters, configurations, labels, tags and input models of the source. Reports,
        artifacts and output models are not copied.

        Args:
            source_task: a task, or its id; the current one when None.
            name: "Clone of …" when None.
            comment: the source's when None.
            parent: id of the parent task; the source when None.
            project: id or name of a project; the source's when None.
            registry: where it is; the current registry when None.

        Raises:
            TaskNotFoundError: there is no such task.
            InvalidValueError: (a ValueError) an argument cannot be used.

        Source: ``Task.clone`` of the ClearML SDK.
        """
        if isinstance(source_task, TaskHandle):
            chain, source = source_task._own_chain(), source_task.id
        else:
            chain = open_of(registry)
            given = source_task
            if given is None or is_empty(given):
                given = ambient.current_task(chain)
            source = operations.tasks.search.find_task(chain.first, given)
        into = (
            None
            if project is None
            else operations.tasks.lifecycle.project_name(chain.first, project)
        )
        return cls._of(
            chain,
            chain.first,
            operations.tasks.cloning.clone_task(
                chain.first, source, name=name, comment=comment, parent=parent, project=into
            ),
        )
