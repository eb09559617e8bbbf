"""What schema.sql says: the statements that make a database, and the columns of its tables."""

from __future__ import annotations

import os
import sqlite3
from functools import cache

from localreg.values.frozen import Frozen


class SchemaObject(Frozen):
    """A table, index or trigger, as SQLite lists it in ``sqlite_schema``.

    Attributes:
        kind: "table", "index" or "trigger".
        table: the table that it is, or belongs to.
        sql: its statement; SQLite keeps it word for word.
    """

    kind: str
    name: str
    table: str
    sql: str


def schema_text() -> str:
    """Return the text of schema.sql."""
    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "schema.sql")
    with open(path, encoding="utf-8") as file:
        return file.read()


@cache
def known_objects() -> tuple[SchemaObject, ...]:
    """Return every table, index and trigger of schema.sql, in its order."""
    found: list[SchemaObject] = []
    statement = ""
    for line in schema_text().splitlines(keepends=True):
        if not statement and not line.startswith("CREATE "):
            continue
        statement += line
        if ";" in line and sqlite3.complete_statement(statement):
            found.append(_object(statement.rstrip().removesuffix(";")))
            statement = ""
    return tuple(found)


def _object(sql: str) -> SchemaObject:
    words = sql.replace("(", " ").split()
    if words[1] == "UNIQUE":
        del words[1]
    kind, name = words[1].lower(), words[2]
    table = name if kind == "table" else words[words.index("ON") + 1]
    return SchemaObject(kind, name, table, sql)
