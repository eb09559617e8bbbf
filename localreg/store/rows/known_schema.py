"""What schema.sql says: the statements that make a database, and the columns of its tables."""

from __future__ import annotations

import os
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
    # Each opening of a registry reads them, so it does not go through the text line by line.
    _, *statements = f"\n{schema_text()}".split("\nCREATE ")
    return tuple(map(_object, statements))


def _object(text: str) -> SchemaObject:
    """Return the object of a statement: its text after CREATE, and what follows it."""
    last = "\nEND" if text.startswith("TRIGGER ") else ""
    sql = f"CREATE {text.partition(f'{last};')[0]}{last}"
    _, kind, name, rest = sql.replace(" UNIQUE ", " ", 1).split(maxsplit=3)
    table = name if kind == "TABLE" else rest.partition("ON ")[2].split(maxsplit=1)[0]
    return SchemaObject(kind.lower(), name, table, sql)
