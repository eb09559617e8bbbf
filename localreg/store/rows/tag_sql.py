"""Tag filters as SQL, the same for models and tasks."""

from __future__ import annotations

import sqlite3

from localreg.values.tags import AllOf, AnyOf, HasTag, Not, TagCondition

NO_ROW = -1  # a key that no row has


def tag_keys(connection: sqlite3.Connection, condition: TagCondition) -> dict[str, int]:
    """Return the keys of all tags that a condition names; `NO_ROW` for tags that do not exist."""
    match condition:
        case HasTag(None):
            return {}
        case HasTag(str(name)):
            row = connection.execute(
                "SELECT pk FROM tag WHERE name = ? AND system = 0", (name,)
            ).fetchone()
            return {name: NO_ROW if row is None else int(row[0])}
        case Not(part):
            return tag_keys(connection, part)
        case AllOf(parts) | AnyOf(parts):
            found: dict[str, int] = {}
            for each in parts:
                found |= tag_keys(connection, each)
            return found
    raise AssertionError(condition)  # pragma: no cover  (these are all)


def tag_sql(
    condition: TagCondition,
    keys: dict[str, int],
    parameters: list[object],
    *,
    tagged: str,
    untagged: str,
) -> str:
    """Return an SQL expression for a condition, and append its parameters.

    Args:
        keys: as `tag_keys` returns them.
        tagged: SQL that holds for an owner with one tag, whose key is its only parameter.
        untagged: SQL that holds for an owner without any tag.
    """
    match condition:
        case HasTag(None):
            return untagged
        case HasTag(str(name)):
            parameters.append(keys[name])
            return tagged
        case Not(part):
            return f"NOT {tag_sql(part, keys, parameters, tagged=tagged, untagged=untagged)}"
        case AllOf(parts) | AnyOf(parts):
            joiner = " AND " if isinstance(condition, AllOf) else " OR "
            texts = [
                tag_sql(part, keys, parameters, tagged=tagged, untagged=untagged) for part in parts
            ]
            return f"({joiner.join(texts)})"
    raise AssertionError(condition)  # pragma: no cover  (these are all)
