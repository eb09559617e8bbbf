"""The lineage of a model: its relatives, and the texts that show them (a tree, DOT and JSON)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import Found, model_row, read_each, why_absent
from localreg.operations.finding.upstream import uses as all_uses
from localreg.registry import Chain
from localreg.store.rows import model_rows, task_rows
from localreg.store.rows.model_rows import Connection, ModelRow
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    Answer = TypeVar("Answer")

MOST = 12  # relatives of one kind


class Relative(Frozen):
    """A model or task in a lineage.

    Attributes:
        kind: "model" or "task".
        text: a model's reference, or a task's name; the start of the id if it was removed, or is
            not in this registry.
        distance: the number of steps from the model whose lineage this is; below 0 for what it
            was made from.
    """

    kind: str
    id: str
    text: str
    distance: int


class Family(Frozen):
    """The lineage of a model.

    Attributes:
        members: the model itself, then its relatives.
        relations: (from id, to id, how) of two members.
        versions: other versions of the model; they are not members.
    """

    members: tuple[Relative, ...]
    relations: tuple[tuple[str, str, str], ...]
    versions: tuple[Relative, ...] = ()

    def __repr__(self) -> str:
        return tree(self)


class _Builder:
    """Collects the members and relations of a lineage, from all registries of a chain."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.members: dict[str, Relative] = {}
        self.relations: dict[tuple[str, str, str], None] = {}

    def add_model(self, model_id: str, distance: int) -> None:
        if model_id not in self.members:
            found = model_row(self.chain, model_id)
            text = found[1].ref if found else self.absent(model_id)
            self.members[model_id] = Relative("model", model_id, text, distance)

    def add_task(self, task_id: str, distance: int) -> None:
        if task_id not in self.members:
            answers = self.ask(lambda connection: task_rows.task(connection, task_id))
            found = next((task for task in answers if task is not None), None)
            text = found.name if found else self.absent(task_id)
            self.members[task_id] = Relative("task", task_id, text, distance)

    def absent(self, id_: str) -> str:
        return f"{id_[:8]}… ({why_absent(self.chain, id_)})"

    def ask(self, question: Callable[[Connection], Answer]) -> Iterator[Answer]:
        """Yield the answer of each registry's database."""
        return (answer for _, answer in read_each(self.chain, question))

    def relate(self, source: str, target: str, how: str) -> None:
        self.relations[source, target, how] = None


def lineage(chain: Chain, of: Found) -> Family:
    """Return the lineage of a model.

    Its relatives are its parent and children, the task that made it and the inputs of that task,
    the tasks that have it as input and their outputs. Each kind has at most `MOST`.
    """
    with of.registry.store.read() as connection:  # open until the end: all reads see one state
        row = require_model(connection, of.id)
        stem = row.ref.rpartition(":")[0]
        versions = tuple(
            Relative("model", model_id, f"{stem}:{version}", 0)
            for model_id, version, _ in model_rows.line(connection, row.id, MOST + 1)
            if model_id != row.id
        )
        builder = _Builder(chain)
        builder.members[row.id] = Relative("model", row.id, row.ref, 0)
        _add_origins(builder, row)
        _add_uses(builder, row)
    return Family(tuple(builder.members.values()), tuple(builder.relations), versions)


def _add_origins(builder: _Builder, row: ModelRow) -> None:
    if row.parent:
        builder.add_model(row.parent, -2)
        builder.relate(row.parent, row.id, "parent")
    if row.task:
        task_id = row.task
        builder.add_task(task_id, -1)
        builder.relate(task_id, row.id, "made")
        answers = builder.ask(lambda each: task_rows.models(each, task_id, "input"))
        inputs = (entry for models in answers for entry in models.items())
        for name, model_id in islice(inputs, MOST):
            builder.add_model(model_id, -2)
            builder.relate(model_id, task_id, name)


def _add_uses(builder: _Builder, row: ModelRow) -> None:
    uses = [(task, name) for task, _, role, name in all_uses(builder.chain, row.id)
            if role == "input"]  # fmt: skip
    for task, name in islice(reversed(uses), MOST):  # the latest
        builder.add_task(task, 1)
        builder.relate(row.id, task, name)
        for made, how in islice(_outputs(builder, task), MOST):
            if made != row.id:
                builder.add_model(made, 2)
                builder.relate(task, made, how)
    answers = builder.ask(lambda connection: model_rows.children(connection, row.id))
    children = dict.fromkeys(child for some in answers for child in some)
    for child in islice(children, MOST):
        builder.add_model(child, 2)
        builder.relate(row.id, child, "parent")


def _outputs(builder: _Builder, task_id: str) -> Iterator[tuple[str, str]]:
    """Yield the id of each model that a task made, and its name on the task or "made"."""

    def read(connection: Connection) -> dict[str, str]:
        outputs = task_rows.models(connection, task_id, "output")
        made = dict.fromkeys(model_rows.made_by(connection, task_id), "made")
        return made | {model: name for name, model in outputs.items()}

    return (pair for models in builder.ask(read) for pair in models.items())


def tree(family: Family, shorten: Callable[[str], str] = str) -> str:
    """Return a lineage as a tree of text, with the model at the root.

    Args:
        family: the lineage.
        shorten: makes the name of a member shorter.
    """
    family = replace(
        family,
        members=tuple(replace(each, text=shorten(each.text)) for each in family.members),
        versions=tuple(replace(each, text=shorten(each.text)) for each in family.versions),
    )
    lines = [_named(family.members[0])]
    branches = list(_branches(family))
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


def _branches(family: Family) -> Iterator[tuple[str, list[str]]]:
    """Yield a line for each relation of the model, and the lines below it."""
    members = {each.id: each for each in family.members}
    root = family.members[0].id
    for source, target, how in family.relations:
        if root not in (source, target):
            continue
        other = members[source if target == root else target]
        if other.kind == "model":
            yield f"{'child' if target == root else 'parent'} of {_named(other)}", []
        elif target == root:
            inputs = [
                f"which took {_named(members[model])} as {shown(entry)}"
                for model, task, entry in family.relations
                if task == other.id and model != root
            ]
            yield f"made by task {_named(other)}", inputs
        else:
            outputs = [
                f"which made {_named(members[model])}"
                for task, model, _ in family.relations
                if task == other.id and model != root
            ]
            yield f"taken as {shown(how)} by task {_named(other)}", outputs


def dot(family: Family) -> str:
    """Return a lineage as a graph for Graphviz: models are boxes, tasks ellipses."""
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for index, each in enumerate(family.members):
        shape = "box" if each.kind == "model" else "ellipse"
        lines.append(
            f"  {_quoted(each.id)} [label={_quoted(each.text)}, shape={shape}"
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
    """Return a lineage as a dict for JSON."""
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
