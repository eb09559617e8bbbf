"""The statements that SQLite is given while a test runs, and the tables that each of them scans."""

from __future__ import annotations

import re
import sqlite3
import sys
import weakref
from collections import Counter
from contextlib import contextmanager

_seen: dict[str, set[str]] | None = None
_count: Counter[str] | None = None
_hooked = False
_FOLDER = "/localreg/store/"
_READS = frozenset({"SELECT", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE"})


@contextmanager
def recorded():
    """Record each statement of a block in the dict that is yielded, with the functions it is from.

    Python names each connection that is opened to an audit hook; from then on its methods note what
    they are given. Connections that were opened before the block are not recorded.
    """
    global _seen
    _hook_in()
    _seen = {}
    try:
        yield _seen
    finally:
        _seen = None


@contextmanager
def counted():
    """Count the calls for each statement of a block; an `executemany` is one."""
    global _count
    _hook_in()
    _count = Counter()
    try:
        yield _count
    finally:
        _count = None


def _hook_in():
    global _hooked  # an audit hook cannot be removed
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True


class Watched(sqlite3.Connection):
    """A connection of a test; those of the sqlite3 module have no place for attributes."""


def _hook(event, arguments):
    if event != "sqlite3.connect/handle" or (_seen is None and _count is None):
        return
    connection = arguments[0]
    if type(connection) is sqlite3.Connection:
        return
    reference = weakref.ref(connection)

    def watched(name):
        def call(sql, *arguments):
            _note(sql)
            return getattr(type(reference()), name)(reference(), sql, *arguments)

        return call

    for name in ("execute", "executemany"):
        setattr(connection, name, watched(name))


def _note(sql):
    if _count is not None:
        _count[sql] += 1
    if _seen is None or not isinstance(sql, str):
        return
    names = _seen.setdefault(sql, set())
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if _FOLDER in file:
            module = file.rpartition(_FOLDER)[2].removesuffix(".py")
            names.add(f"{module}:{frame.f_code.co_qualname.partition('.<locals>')[0]}")
        frame = frame.f_back


def steps(connection, call):
    """Return how many instructions SQLite's machine takes for a call; it says how much was read."""
    count = 0

    def note():
        nonlocal count
        count += 1

    connection.set_progress_handler(note, 1)
    try:
        call(connection)
    finally:
        connection.set_progress_handler(None, 1)
    return count


def scanned(connection, sql):
    """Return the tables of which a statement reads every row, or every entry of an index.

    What foreign keys and triggers do is part of the statement.
    """
    if sql.split(maxsplit=1)[0] not in _READS:
        return set()
    plan = [detail for *_, detail in _explained(connection, sql, "EXPLAIN QUERY PLAN")]
    scans = [each for each in plan if each.startswith("SCAN") and each != "SCAN CONSTANT ROW"]
    if sql.startswith("SELECT") and not scans:
        return set()  # the largest value of an index
    tables = dict(connection.execute("SELECT rootpage, tbl_name FROM sqlite_schema").fetchall())
    program = _explained(connection, sql, "EXPLAIN")
    cursors, begun, stepped = {}, set(), set()
    for _, opcode, first, second, *_ in program:
        if opcode in ("OpenRead", "OpenWrite", "ReopenIdx"):
            cursors[first] = tables.get(second)
        elif opcode in ("Rewind", "Last"):
            begun.add(first)
        elif opcode in ("Next", "Prev"):
            stepped.add(first)
    return {cursors[each] for each in begun & stepped if cursors.get(each)}


def _explained(connection, sql, how):
    parameters = ()
    names = set(re.findall(r"[:@$]([a-z_]+)", sql))
    if names:
        parameters = dict.fromkeys(names)
    for _ in range(2):
        try:
            return connection.execute(f"{how} {sql}", parameters).fetchall()
        except sqlite3.ProgrammingError as error:
            (count,) = re.findall(r"uses (\d+)", str(error))
            parameters = (None,) * int(count)
    raise AssertionError(sql)
