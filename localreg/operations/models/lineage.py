"""The lineage of a model: its relatives as values, as a tree, as DOT and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found, model_row, read_each
from localreg.operations.finding.upstream import uses as all_uses
from localreg.registry import Chain
from localreg.store.rows import model_rows, task_rows
from localreg.store.rows.model_rows import Connection, ModelRow
from localreg.values.checks import shown
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Answer = TypeVar("Answer")
    Item = TypeVar("Item")

MOST = 12  # neighbours of one kind
Branch = tuple[str, list[str]]  # a line, and the lines below it


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
        return tree(self)


class _Gathering:
    """A lineage that grows, read from the databases of a chain."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.members: dict[str, Relative] = {}
        self.relations: dict[tuple[str, str, str], None] = {}

    def model(self, model_id: str, distance: int) -> None:
        if model_id not in self.members:
            found = model_row(self.chain, model_id)
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
        return (answer for _, answer in read_each(self.chain, question))

    def relate(self, source: str, target: str, how: str) -> None:
        self.relations[source, target, how] = None


def lineage(chain: Chain, of: Found) -> Family:
    """Return a model's relatives.

    They are its parent and children, the task that made it and what that took, the tasks that take
    it and what they made; and its other versions.
    """
    with of.registry.store.read() as connection:  # around all of it: it is of one state
        row = require_model(connection, of.id)
        return _family(chain, row, _versions(connection, row))


def _family(chain: Chain, row: ModelRow, versions: tuple[Relative, ...]) -> Family:
    found = _Gathering(chain)
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
    uses = [(task, name) for task, _, role, name in all_uses(chain, row.id)
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


def tree(family: Family) -> str:
    """Return a lineage as a tree below the model that it is of."""
    members = {each.id: each for each in family.members}
    root = family.members[0]
    lines = [_named(root)]
    branches = [*_origins(family, members), *_uses(family, members)]
    if family.versions:
        branches.append(("other versions", [_named(each) for each in family.versions]))
    for index, (line, below) in enumerate(branches):
        last = index == len(branches) - 1
        lines.append(f"{'└─' if last else '├─'} {line}")
        stem = "   " if last else "│  "
        for number, each in enumerate(below):
            lines.append(f"{stem}{'└─' if number == len(below) - 1 else '├─'} {each}")
    return "\n".join(lines)


def _named(member: Relative) -> str:
    return f"{member.text}  {member.id[:8]}"


def _origins(family: Family, members: dict[str, Relative]) -> Iterator[Branch]:
    """Yield what the model comes from."""
    here = family.members[0].id
    for source, target, _ in family.relations:
        if target != here:
            continue
        if members[source].kind == "model":
            yield f"child of {_named(members[source])}", []
        else:
            taken = [
                f"which took {_named(members[model])} as {shown(entry)}"
                for model, task, entry in family.relations
                if task == source and model != here
            ]
            yield f"made by task {_named(members[source])}", taken


def _uses(family: Family, members: dict[str, Relative]) -> Iterator[Branch]:
    """Yield what became of the model."""
    here = family.members[0].id
    for source, target, how in family.relations:
        if source != here:
            continue
        if members[target].kind == "model":
            yield f"parent of {_named(members[target])}", []
        else:
            made = [
                f"which made {_named(members[model])}"
                for task, model, _ in family.relations
                if task == target and model != here
            ]
            yield f"taken as {shown(how)} by task {_named(members[target])}", made


def dot(family: Family) -> str:
    """Return a lineage as a graph for Graphviz: models are boxes, tasks are round."""
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for index, each in enumerate(family.members):
        look = "shape=box" if each.kind == "model" else "shape=ellipse"
        lines.append(
            f"  {_quoted(each.id)} [label={_quoted(each.text)}, {look}"
            f"{', style=bold' if index == 0 else ''}];"
        )
    lines += [
        f"  {_quoted(source)} -> {_quoted(target)} [label={_quoted(how)}];"
        for source, target, how in family.relations
    ]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(escaped.split())}"'


def as_json(family: Family) -> dict[str, object]:
    """Return a lineage as JSON values."""
    return {
        "model": family.members[0].id,
        "members": _members(family.members),
        "relations": [
            {"from": source, "to": target, "how": how} for source, target, how in family.relations
        ],
        "versions": _members(family.versions),
    }


def _members(members: Sequence[Relative]) -> list[dict[str, object]]:
    return [
        {"kind": each.kind, "id": each.id, "text": each.text, "distance": each.distance}
        for each in members
    ]
