"""The part of `Task` for projects."""

from __future__ import annotations

from datetime import UTC, datetime

from localreg import operations
from localreg.api.models.model import open_of
from localreg.api.task_handle import TaskHandle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.registry import Registry
    from localreg.operations.finding.projects import ProjectFacts


class Project:
    """A project of a registry, as it was when it was asked for.

    Attributes:
        id: 32 hex digits.
        name: with its folders, such as "vision/detection".
        created, last_update: in UTC; when it was made, and when a model or task in it changed.
    """

    __slots__ = ("created", "id", "last_update", "name")

    def __init__(self, facts: ProjectFacts) -> None:
        self.id, self.name = facts.id, facts.name
        self.created = datetime.fromtimestamp(facts.created / 1_000_000, UTC)
        self.last_update = datetime.fromtimestamp(facts.updated / 1_000_000, UTC)

    def __repr__(self) -> str:
        return f"Project({self.name!r})"

    @property
    def basename(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]


class ProjectMethods(TaskHandle):
    """Projects; mixed into `Task`.

    Source: ``Task`` of the ClearML SDK.
    """

    __slots__ = ()

    @classmethod
    def get_projects(cls, *, registry: Registry | None = None, **kwargs: object) -> list[Project]:
        """Return the projects, the one that changed last at the end.

        Args:
            registry: where to look; the current registry when None.
            kwargs: ``name``: a regular expression, searched for anywhere in the name; ``id``: a
                list of ids; ``order_by``: "name", "created" or "last_update", or a list of these,
                with a "-" in front for the other direction; ``page``, ``page_size``,
                ``search_hidden`` and ``_allow_extra_fields_`` are ignored.

        Raises:
            InvalidValueError: (a ValueError) an argument cannot be used.
        """
        asked = operations.finding.projects.check_asked(kwargs)
        found = operations.finding.projects.projects(open_of(registry), asked)
        return [Project(each) for each in found]

    @classmethod
    def get_project_id(
        cls, project_name: str, search_hidden: bool = True, *, registry: Registry | None = None
    ) -> str | None:
        """Return the id of a project by its exact name, or None.

        Args:
            project_name: the name.
            search_hidden: ignored: no project is hidden.
            registry: where to look; the current registry when None.
        """
        return operations.finding.projects.id_of(open_of(registry), project_name)

    def get_project_object(self) -> Project | None:
        """Return the project of the task, None without one."""
        project = self._row().project
        if project is None:
            return None
        asked = operations.finding.projects.Asked(ids=(project.id,))
        found = operations.finding.projects.projects(self._own_chain(), asked)
        return Project(found[0]) if found else None
