"""Databases as a stranger may leave them: cells, pages and objects of the schema changed."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

# SQL for values that no column should hold, or only some.
VALUES = (
    "'nope'", "''", "'{'", "'[]'", "'{\"a\": []}'", "'{\"a\": 1e999}'", "'null'", "x'fffe'",
    "CAST(x'c328' AS TEXT)", "'a' || char(0) || 'b'", "-1", "2", "1.5", "9e999", "-9e999",
    "9223372036854775807", "-9223372036854775808", "9007199254740993000", "'../../../victim'",
    "'/victim'", "printf('%.*c', 300000, 'x')", "printf('%.*c', 100000, '[')",
    "'<script>alert(1)</script>'", "char(27) || '[31m' || char(10)", "'file:///%00'",
    "'http://[x'", "'file:///etc/passwd'", "char(55296)", "NULL",
)  # fmt: skip


def tables(root):
    """Return the columns of each table of a registry's database that has rows."""
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        return {
            name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            for name in names
            if connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        }


def changed_cells(root, table, column, value, rows="1"):
    """Give a column a value in some rows; return False if SQLite has no way to do that.

    Args:
        value, rows: SQL; the second is a condition.
    """
    with closing(sqlite3.connect(root / "registry.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("BEGIN")
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        try:
            connection.execute(f"UPDATE OR IGNORE {table} SET {column} = {value} WHERE {rows}")
            done = connection.execute("SELECT changes()").fetchone()[0] > 0
        except sqlite3.Error:  # such as text as the integer key of a table
            done = False
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        return done


def blobs(root):
    """Return the path and the bytes of every blob of a registry."""
    return {path: path.read_bytes() for path in (root / "blobs").rglob("*") if path.is_file()}


def copy_of(template, folder):
    """Return a copy of a registry, in the place of an earlier one."""
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(template, folder, symlinks=True)
