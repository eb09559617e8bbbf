"""Where a model comes from, and where it went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found, model_row, reading
from localreg.operations.finding.upstream import uses as chain_uses
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, task_rows
from localreg.store.rows.model_rows import Connection, ModelRow
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Answer = TypeVar("Answer")
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
        from localreg.operations.models.lineage_text import tree

        return tree(self)


class _Gathering:
    """A lineage that grows, out of the databases of a registry and of those upstream."""

    def __init__(self, registry: OpenRegistry) -> None:
        self.registry = registry.base
        self.members: dict[str, Relative] = {}
        self.relations: dict[tuple[str, str, str], None] = {}

    def model(self, model_id: str, distance: int) -> None:
        if model_id not in self.members:
            found = model_row(self.registry, model_id)
            text = found[1].ref if found else f"{model_id[:8]}… (removed)"
            self.members[model_id] = Relative("model", model_id, text, distance)

    def task(self, task_id: str, distance: int) -> None:
        if task_id not in self.members:
            look = self.each(lambda connection: task_rows.task(connection, task_id))
            found = next((task for task in look if task is not None), None)
            text = found.name if found else f"{task_id[:8]}… (removed)"
            self.members[task_id] = Relative("task", task_id, text, distance)

    def each(self, question: Callable[[Connection], Answer]) -> Iterator[Answer]:
        """Yield what each database answers."""
        return (answer for _, answer in reading(self.registry, question))

    def relate(self, source: str, target: str, how: str) -> None:
        self.relations[source, target, how] = None


def lineage(registry: OpenRegistry, model_id: str) -> Family:
    """Return a model's relatives.

    They are its parent and children, the task that made it and what that took, the tasks that take
    it and what they made; and its other versions.
    """
    with registry.store.read() as connection:  # around all of it: it is of one state
        row = require_model(connection, model_id)
        return _family(registry, row, _versions(connection, row))


def _family(registry: OpenRegistry, row: ModelRow, versions: tuple[Relative, ...]) -> Family:
    found = _Gathering(registry)
    found.members[row.id] = Relative("model", row.id, row.ref, 0)
    if row.parent:
        found.model(row.parent, -2)
        found.relate(row.parent, row.id, "parent")
    if row.task:
        found.task(row.task, -1)
        found.relate(row.task, row.id, "made")
        for name, source in _some(_taken(found, row.task)):
            found.model(source, -2)
            found.relate(source, row.task, name)
    uses = [(task, name) for task, _, role, name in chain_uses(Found(registry, row.id))
            if role == "input"]  # fmt: skip
    for task, name in _some(reversed(uses)):  # the latest
        found.task(task, 1)
        found.relate(row.id, task, name)
        for made, label in _some(_outputs(found, task)):
            if made != row.id:
                found.model(made, 2)
                found.relate(task, made, label)
    children = found.each(lambda connection: model_rows.children(connection, row.id))
    for child in _some(dict.fromkeys(child for some in children for child in some)):
        found.model(child, 2)
        found.relate(row.id, child, "parent")
    return Family(tuple(found.members.values()), tuple(found.relations), versions)


def _versions(connection: Connection, row: ModelRow) -> tuple[Relative, ...]:
    stem = row.ref.rpartition(":")[0]
    return tuple(
        Relative("model", model_id, f"{stem}:{version}", 0)
        for model_id, version, _ in model_rows.line(connection, row.id, MOST + 1)
        if model_id != row.id
    )


def _taken(found: _Gathering, task_id: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the id of each model that a task takes."""
    for models in found.each(lambda connection: task_rows.models(connection, task_id, "input")):
        yield from models.items()


def _outputs(found: _Gathering, task_id: str) -> list[tuple[str, str]]:
    """Return the models that a task made, each with the name it has on it."""

    def look(connection: Connection) -> dict[str, str]:
        outputs = task_rows.models(connection, task_id, "output")
        made = dict.fromkeys(model_rows.made_by(connection, task_id), "made")
        return made | {model: name for name, model in outputs.items()}

    return [pair for made in found.each(look) for pair in made.items()]


def _some(items: Iterable[Item]) -> list[Item]:
    return [item for item, _ in zip(items, range(MOST), strict=False)]
