"""Where a model comes from, and where it went."""

from __future__ import annotations

from collections.abc import Iterable

from localreg.frozen import Frozen
from localreg.operations.lookup import require_model
from localreg.registry import OpenRegistry
from localreg.store import model_rows, task_rows
from localreg.store.model_rows import Connection, ModelRow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Item = TypeVar("Item")

MOST = 12  # neighbours of one kind


class Relative(Frozen):
    """A model or task in a lineage.

    Attributes:
        kind: "model" or "task".
        text: a model's reference, a task's name; its id when it is gone.
        distance: how many steps from the model that the lineage is of; negative for where it
            comes from.
    """

    kind: str
    id: str
    text: str
    distance: int


class Family(Frozen):
    """A lineage: its members, and (from id, to id, how) for each relation.

    The first member is the model it is of. Other versions of that are not among the members.
    """

    members: tuple[Relative, ...]
    relations: tuple[tuple[str, str, str], ...]
    versions: tuple[Relative, ...] = ()

    def __repr__(self) -> str:
        from localreg.operations.lineage_text import tree

        return tree(self)


class _Gathering:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.members: dict[str, Relative] = {}
        self.relations: dict[tuple[str, str, str], None] = {}

    def model(self, model_id: str, distance: int) -> None:
        if model_id not in self.members:
            row = model_rows.model_row(self.connection, model_id)
            text = row.ref if row else f"{model_id[:8]}… (removed)"
            self.members[model_id] = Relative("model", model_id, text, distance)

    def task(self, task_id: str, distance: int) -> None:
        if task_id not in self.members:
            found = task_rows.task(self.connection, task_id)
            text = found.name if found else f"{task_id[:8]}… (removed)"
            self.members[task_id] = Relative("task", task_id, text, distance)

    def relate(self, source: str, target: str, how: str) -> None:
        self.relations[source, target, how] = None


def lineage(registry: OpenRegistry, model_id: str) -> Family:
    """Return a model's relatives.

    They are its parent and children, the task that made it and what that took, the tasks that take
    it and what they made; and its other versions.

    Raises:
        ModelNotFoundError: the model is gone.
    """
    with registry.store.read() as connection:
        row = require_model(connection, model_id)
        return family(connection, row)


def family(connection: Connection, row: ModelRow) -> Family:
    """Return the relatives of a model, as `lineage`."""
    found = _Gathering(connection)
    found.members[row.id] = Relative("model", row.id, row.ref, 0)
    if row.parent:
        found.model(row.parent, -2)
        found.relate(row.parent, row.id, "parent")
    if row.task:
        found.task(row.task, -1)
        found.relate(row.task, row.id, "made")
        for name, source in _some(task_rows.models(connection, row.task, "input").items()):
            found.model(source, -2)
            found.relate(source, row.task, name)
    uses = [(task, name) for task, _, role, name in task_rows.uses(connection, row.id)
            if role == "input"]  # fmt: skip
    for task, name in _some(reversed(uses)):  # the latest
        found.task(task, 1)
        found.relate(row.id, task, name)
        for made, label in _some(_outputs(connection, task)):
            if made != row.id:
                found.model(made, 2)
                found.relate(task, made, label)
    for child in _some(model_rows.children(connection, row.id)):
        found.model(child, 2)
        found.relate(row.id, child, "parent")
    return Family(tuple(found.members.values()), tuple(found.relations), _versions(connection, row))


def _versions(connection: Connection, row: ModelRow) -> tuple[Relative, ...]:
    stem = row.ref.rpartition(":")[0]
    return tuple(
        Relative("model", model_id, f"{stem}:{version}", 0)
        for model_id, version, _ in model_rows.line(connection, row.id, MOST + 1)
        if model_id != row.id
    )


def _outputs(connection: Connection, task_id: str) -> list[tuple[str, str]]:
    """Return the models that a task made, each with the name it has on it."""
    made = {model: name for name, model in task_rows.models(connection, task_id, "output").items()}
    return list((dict.fromkeys(model_rows.made_by(connection, task_id), "made") | made).items())


def _some(items: Iterable[Item]) -> list[Item]:
    return [item for item, _ in zip(items, range(MOST), strict=False)]
