"""A lineage as text: a tree for people, and DOT for Graphviz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from localreg.operations.models.lineage import Family, Relative
from localreg.values.checks import shown

Branch = tuple[str, list[str]]  # a line, and the lines below it


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
