"""P25: every column has a rule, and a value that breaks it is found and named."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from localreg.store.rows.checked_values import COUNT, ID, TEXT, TIME, URL, Columns, or_null
from localreg.store.rows.column_rules import RULES, damaged_rows
from localreg.store.rows.known_schema import schema_text

NOT_READ = {("plot", "shown"), ("plot", "data")}  # large, and checked when they are drawn


def test_every_column_of_the_schema_has_a_rule():
    """A new column needs a rule."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema_text())
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        columns = {
            (table, row[1])
            for (table,) in tables
            for row in connection.execute(f"PRAGMA table_info({table})")
        }
    assert columns - NOT_READ == {(table, name) for table in RULES for name in RULES[table]}


CASES = [
    (ID, "0" * 32, True), (ID, "0" * 31 + "G", False), (ID, "../" * 10 + "xx", False),
    (ID, "0" * 32 + "\n", False), (ID, b"0" * 32, False), (ID, None, False),
    (TEXT, "", True), (TEXT, b"", False), (TEXT, 5, False),
    (COUNT, 0, True), (COUNT, -1, False), (COUNT, 2**63 - 1, False), (COUNT, 1.0, False),
    (TIME, 0, True), (TIME, 10**15, True), (TIME, 10**18, False), (TIME, -1, True),
    (URL, "s3://bucket/x.pt", True), (URL, "file:///a%20b", True), (URL, "file:///%00", False),
    (URL, "s3://bucket/%00", True), (URL, "http://[::1]:80/%00", True),
    (URL, "http://[x", False), (URL, "http://[::1]:80/x", True), (URL, "/etc/passwd", False),
    (URL, "http://me:secret@host:1/x?y", True), (URL, "http://x/a\r\nb: c", False),
    (or_null(TIME), None, True), (or_null(TIME), "", False),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "value", "sound"), CASES)
def test_a_rule_tells_values_apart(rule, value, sound):
    """One row and many rows are checked in two ways, which agree."""
    columns = Columns("table", 1, value=rule, key=TEXT)
    row = (value, "k")
    assert (list(columns.damage([row])) == []) == sound
    assert len(list(columns.damage([row] * 3))) == (0 if sound else 3)


def test_a_damaged_row_is_named():
    """The error says table, row and column."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(schema_text())
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(
            "INSERT INTO blob (digest, size, added, facts) "
            "VALUES ('../x', 5, 1, CAST(x'ff' AS TEXT))"
        )
        (error,) = damaged_rows(connection, ["blob"])
    assert (error.table, error.row, error.column) == ("blob", "../x", "digest")
    assert error.problem == "digest must be 64 hex digits, not ../x"
