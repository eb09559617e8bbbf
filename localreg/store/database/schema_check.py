"""Compare the schema of a database with schema.sql, before anything else is read from it.

The file may come from a stranger. A view or a virtual table under a name that we read can take for
ever, a trigger on our tables changes what we write, and an index with expressions runs on each of
our writes. So our tables, indexes and triggers must read as schema.sql, and nothing else may belong
to our tables. Users may add tables, views, and indexes on them; they are not read.
"""

from __future__ import annotations

import os
import sqlite3
from functools import cache

from localreg.errors import ForeignSchemaError
from localreg.store.rows.known_schema import SchemaObject, known_objects

# Functions that our queries use as tables: a table or view of that name would be read instead.
TABLE_FUNCTIONS = frozenset({"json_each"})
_LONGEST_PLAIN = 100
_OF_SQLITE = "sqlite_"  # begins names that only SQLite gives
_CHANGED = (
    "a development version of localreg made this registry, or another program changed it. Restore "
    "it from a backup, or make a new registry and add the models again"
)


def check_schema(connection: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
    """Raise if our tables are not as schema.sql makes them, or if anything else belongs to them.

    Args:
        connection: of a database of the current format.
        path: its file, for the error.

    Raises:
        ForeignSchemaError: the first difference.
    """
    known, tables, names = _known()
    missing = known.copy()
    others: list[str] = []
    for found in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"):
        if missing.pop(found, None) is not None:
            continue
        kind, name, table, sql = map(str, found)
        if sql == "None" and kind == "index" and name.startswith(_OF_SQLITE):
            continue  # SQLite's own, for UNIQUE and PRIMARY KEY
        if name.lower().startswith(_OF_SQLITE):
            if kind != "table" or not sql.startswith(f"CREATE TABLE {name}("):
                raise _foreign(path, kind, name, "has a name that only SQLite gives")
        elif name.lower() in names:
            raise ForeignSchemaError(
                f"{path}: the {kind} {name} is not as localreg makes it: {_CHANGED}",
                path=str(path),
                name=name,
            )
        elif table.lower() in tables:
            raise _foreign(path, kind, name, f"belongs to localreg's table {table}")
        elif kind == "table":
            others.append(name)
    for each in missing.values():
        raise ForeignSchemaError(
            f"{path} has no {each.kind} {each.name}: {_CHANGED}", path=str(path), name=each.name
        )
    for name in others:
        # A change of ours would change rows of such a table, or be refused by it.
        for _, _, table, *_ in connection.execute(f"PRAGMA foreign_key_list({_quoted(name)})"):
            if table.lower() in tables:
                raise _foreign(path, "table", name, f"has a foreign key to localreg's {table}")


@cache
def _known() -> tuple[dict[tuple[str, ...], SchemaObject], set[str], set[str]]:
    """Return our objects by their rows, our tables, and the names that we read."""
    every = known_objects()
    return (
        {(each.kind, each.name, each.table, each.sql): each for each in every},
        {each.table for each in every},
        {each.name for each in every} | TABLE_FUNCTIONS,
    )


def _foreign(path: str | os.PathLike[str], kind: str, name: str, why: str) -> ForeignSchemaError:
    is_plain = name.isascii() and name.isidentifier() and len(name) <= _LONGEST_PLAIN
    shown = name if is_plain else "…"  # a name may hold commands of the shell
    return ForeignSchemaError(
        f"{path}: the {kind} {name!r:.200} was added by somebody else and {why}. If you trust it, "
        f"delete it with `sqlite3 {os.path.basename(path)} 'DROP {kind.upper()} {shown}'`; else "
        "use no copy of this registry that it came with",
        path=str(path),
        name=name,
    )


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
