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


def hostile_values(root, chance):
    """Give a column any value, in one row or in all; return what was done."""
    found = tables(root)
    while True:
        table = chance.choice(sorted(found))
        column, value = chance.choice(found[table]), chance.choice(VALUES)
        one = f"{column} IS (SELECT {column} FROM {table} ORDER BY random() LIMIT 1)"
        rows = chance.choice(["1", one])
        if changed_cells(root, table, column, value, rows):
            return f"{table}.{column} = {value} where {rows}"


def damaged_pages(root, chance):
    """Change bytes or pages of the database; return what was done."""
    path = root / "registry.db"
    data = bytearray(path.read_bytes())
    size = int.from_bytes(data[16:18]) or 4096
    pages = len(data) // size
    first, second = (size * chance.randrange(pages) for _ in range(2))
    kind = chance.choice(["bits", "bytes", "near bytes", "swap", "copy", "zeros", "garbage", "cut"])
    if kind == "bits":
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "bytes":
        for _ in range(chance.randint(1, 30)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif kind == "near bytes":
        for place in range(first, first + chance.randint(1, 60)):
            data[place] = chance.randrange(256)
    elif kind == "swap":
        one, other = data[first : first + size], data[second : second + size]
        data[first : first + size], data[second : second + size] = other, one
    elif kind == "copy":
        data[first : first + size] = data[second : second + size]
    elif kind == "zeros":
        data[first : first + size] = bytes(size)
    elif kind == "garbage":
        data[first : first + size] = chance.randbytes(size)
    else:
        del data[first + chance.randrange(size) :]
    path.write_bytes(data)
    return f"{kind} at {first} and {second}"
