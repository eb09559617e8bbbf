"""Tag filters as SQL, the same for models and tasks."""

from __future__ import annotations

from localreg.values.tags import AllOf, AnyOf, HasTag, Not, TagCondition

TAG = "(SELECT pk FROM tag WHERE name = ? AND system = 0)"  # NULL for a tag that does not exist


def tag_sql(
    condition: TagCondition,
    parameters: list[object],
    *,
    tagged: str,
    untagged: str,
) -> str:
    """Return an SQL expression for a condition, and append its parameters.

    Args:
        tagged: SQL that holds for an owner with one tag, whose name is its only parameter.
        untagged: SQL that holds for an owner without any tag.
    """
    match condition:
        case HasTag(None):
            return untagged
        case HasTag(str(name)):
            parameters.append(name)
            return tagged
        case Not(part):
            return f"NOT {tag_sql(part, parameters, tagged=tagged, untagged=untagged)}"
        case AllOf(parts) | AnyOf(parts):
            joiner = " AND " if isinstance(condition, AllOf) else " OR "
            texts = [tag_sql(part, parameters, tagged=tagged, untagged=untagged) for part in parts]
            return f"({joiner.join(texts)})"
    raise AssertionError(condition)  # pragma: no cover  (these are all)
