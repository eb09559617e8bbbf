"""Queries in SQL that users write: they only read, within a time limit, and see no secrets.

The views are temporary: they belong to the connection of one query, and are what the guide
documents (`localreg guide sql`). The tables can be read, too; their columns that may hold secrets
are NULL there, and the views have their values, with secrets hidden.

SQLite asks the authorizer about no column of USING or NATURAL JOIN. So a table with such columns
cannot be named, either: a view of its name is in the way, and "main." is refused.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from localreg.errors import QueryError, QueryTimeoutError
from localreg.store.database.sqlite_errors import as_registry_error
from localreg.store.database.store import Store
from localreg.store.rows.held_sql import HELD
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.secrets import masked, masked_config, masked_text

Value = str | int | float | bytes | None

_LONGEST_VALUE = 100_000_000  # bytes, so that a query cannot use up the memory with one value
_STEPS = 10_000  # of SQLite's machine between two looks at the clock
_TIME = "strftime('%Y-%m-%dT%H:%M:%SZ', {} / 1000000, 'unixepoch')"
# Functions of the views, with the number of their arguments.
_HIDE: dict[str, tuple[int, Callable[..., str]]] = {
    "localreg_value": (2, masked),
    "localreg_text": (1, masked_text),
    "localreg_config": (1, masked_config),
}
_REF = "CASE p.name WHEN '' THEN '' ELSE p.name || '/' END || m.name || ':' || m.version"
# What a model or task has itself, and what a model has from the task that made it.
_METRICS = (
    "SELECT o.id AS id, s.title || '/' || s.name AS metric, s.last AS last, s.low AS low, "
    "s.high AS high, s.points AS points, 0 AS single FROM main.series s "
    "JOIN main.{owner} o ON o.pk = s.{owner}",
    "SELECT o.id, s.name, s.value, s.value, s.value, 1, 1 FROM main.single s "
    "JOIN main.{owner} o ON o.pk = s.{owner}",
)
_INHERITED = (
    "SELECT m.id, s.title || '/' || s.name, s.last, s.low, s.high, s.points, 0 "
    "FROM main.model m JOIN main.task t ON t.id = m.task JOIN main.series s ON s.task = t.pk "
    "WHERE NOT EXISTS "
    "(SELECT 1 FROM main.series x WHERE x.model = m.pk AND x.title = s.title AND x.name = s.name) "
    "AND NOT EXISTS "
    "(SELECT 1 FROM main.single x WHERE x.model = m.pk AND x.name = s.title || '/' || s.name)",
    "SELECT m.id, s.name, s.value, s.value, s.value, 1, 1 FROM main.model m "
    "JOIN main.task t ON t.id = m.task JOIN main.single s ON s.task = t.pk WHERE NOT EXISTS "
    "(SELECT 1 FROM main.single x WHERE x.model = m.pk AND x.name = s.name) AND NOT EXISTS "
    "(SELECT 1 FROM main.series x WHERE x.model = m.pk AND x.title || '/' || x.name = s.name)",
)
VIEWS = {
    "models": f"""
        SELECT m.id AS id, {_REF} AS ref, p.name AS project, m.name AS name, m.version AS version,
            m.framework AS framework, localreg_text(m.comment) AS comment,
            m.published AS published, m.archived AS archived, m.package AS package,
            w.filename AS filename, b.digest AS digest,
            CASE w.tree WHEN 1 THEN b.total ELSE b.size END AS size, m.task AS task,
            m.parent AS parent, {_TIME.format("m.created")} AS created,
            {_TIME.format("m.updated")} AS updated
        FROM main.model m JOIN main.project p ON p.pk = m.project
            LEFT JOIN main.weights w ON w.model = m.pk AND w.current = 1
            LEFT JOIN main.blob b ON b.pk = w.blob
        WHERE NOT EXISTS (SELECT 1 FROM main.model_tag x JOIN main.tag t ON t.pk = x.tag
            WHERE x.model = m.pk AND t.system = 1 AND t.name = 'dataset')""",
    "tasks": f"""
        SELECT t.id AS id, p.name AS project, t.name AS name, t.type AS type, t.status AS status,
            localreg_text(t.comment) AS comment, t.published AS published, t.parent AS parent,
            {_TIME.format("t.created")} AS created, {_TIME.format("t.ended")} AS ended,
            (t.ended - t.created) / 1e6 AS seconds, {_TIME.format("t.updated")} AS updated
        FROM main.task t JOIN main.project p ON p.pk = t.project""",
    "metrics": " UNION ALL ".join(
        [
            *(sql.format(owner=owner) for owner in ("model", "task") for sql in _METRICS),
            *_INHERITED,
        ]
    ),
    "parameters": """
        SELECT t.id AS id, x.section || '/' || x.name AS name,
            localreg_value(x.section || '/' || x.name, x.value) AS value, x.type AS type
        FROM main.parameter x JOIN main.task t ON t.pk = x.task
        UNION ALL
        SELECT m.id, x.section || '/' || x.name,
            localreg_value(x.section || '/' || x.name, x.value), x.type
        FROM main.model m JOIN main.task t ON t.id = m.task
            JOIN main.parameter x ON x.task = t.pk""",
    "metadata": """
        SELECT m.id AS id, x.key AS key, localreg_value(x.key, x.value) AS value, x.type AS type,
            CASE x.value WHEN localreg_value(x.key, x.value) THEN x.number END AS number
        FROM main.metadata x JOIN main.model m ON m.pk = x.model""",
    "configurations": """
        SELECT m.id AS id, '' AS name, localreg_config(d.config) AS text
        FROM main.design d JOIN main.model m ON m.pk = d.model WHERE d.config <> ''
        UNION ALL
        SELECT t.id, '', localreg_config(d.config)
        FROM main.task_design d JOIN main.task t ON t.pk = d.task WHERE d.config <> ''
        UNION ALL
        SELECT t.id, c.name, localreg_config(c.text)
        FROM main.configuration c JOIN main.task t ON t.pk = c.task""",
    "tags": """
        SELECT m.id AS id, t.name AS tag FROM main.model_tag x JOIN main.tag t ON t.pk = x.tag
            JOIN main.model m ON m.pk = x.model WHERE t.system = 0
        UNION ALL
        SELECT o.id, t.name FROM main.task_tag x JOIN main.tag t ON t.pk = x.tag
            JOIN main.task o ON o.pk = x.task WHERE t.system = 0""",
    "aliases": """
        SELECT m.id AS id, p.name AS project, m.name AS name, a.alias AS alias
        FROM main.alias a JOIN main.model m ON m.id = a.model AND m.project = a.project
            AND m.name = a.name JOIN main.project p ON p.pk = m.project""",
    "gates": f"""
        SELECT p.name AS project, g.name AS name, g.alias AS alias, g.conditions AS conditions,
            m.id AS id, m.id IS NOT NULL AND {HELD} AS held, localreg_text(a.override) AS override
        FROM main.gate g JOIN main.project p ON p.pk = g.project
            LEFT JOIN main.alias a ON a.project = g.project AND a.name = g.name
                AND a.alias = g.alias
            LEFT JOIN main.model m ON m.id = a.model AND m.project = a.project
                AND m.name = a.name""",
    "signatures": f"""
        SELECT m.id AS id, s.digest AS digest, b.digest AS file, s.signer AS signer,
            {_TIME.format("s.at")} AS at, s.id AS event
        FROM main.signature s JOIN main.model m ON m.pk = s.model
            JOIN main.blob b ON b.pk = s.blob""",
    "inputs": """
        SELECT t.id AS task, x.name AS name, x.model AS model
        FROM main.task_model x JOIN main.task t ON t.pk = x.task WHERE x.role = 'input'""",
    "changes": f"""
        SELECT e.event_id AS event, {_TIME.format("e.at")} AS at, a.name AS actor,
            o.name AS origin, e.kind AS kind, e.subject AS id, e.field AS field
        FROM main.event e JOIN main.actor a ON a.pk = e.actor
            JOIN main.origin o ON o.pk = e.origin""",
}
# Of the tables; NULL, but where a view reads them.
HIDDEN = frozenset(
    {
        ("parameter", "value"), ("configuration", "text"), ("design", "config"),
        ("task_design", "config"), ("metadata", "value"), ("metadata", "number"),
        ("event", "payload"),
        ("private_url", "url"), ("task_place", "place"), ("weights", "url"), ("upload", "url"),
        ("url", "url"), ("model", "comment"), ("task", "comment"), ("task", "run"),
        ("task", "reason"), ("message", "text"), ("plot", "spec"), ("plot", "shown"),
        ("plot", "data"), ("artifact", "details"), ("open_dataset_file", "link"),
        ("arrival", "source"), ("arrival", "differences"), ("remote", "url"),
        ("alias", "override"),
    }
)  # fmt: skip
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_READ})
_PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo",
     "foreign_key_list", "compile_options", "function_list"}
)  # fmt: skip
_FORBIDDEN = frozenset({"load_extension", "fts3_tokenizer"})
# Comments, texts and quoted names, words, and other characters, as SQLite divides a statement.
_TOKENS = re.compile(
    r"--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/|\Z)"
    r"""|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]"""
    r"|[\w$]+|[^\s\ufeff]"
)
# All others are faults of the file or of the system.
_OF_THE_QUERY = frozenset(
    {0, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH,
     sqlite3.SQLITE_RANGE, sqlite3.SQLITE_READONLY}
)  # fmt: skip


class Answer(Frozen):
    """The answer to a query.

    Attributes:
        columns: their names.
        rows: read while the block of `answered` runs.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[Value, ...]]


@contextmanager
def answered(store: Store, sql: str, *, seconds: float) -> Iterator[Answer]:
    """Yield the answer to a query in SQL.

    Args:
        sql: one statement that reads.
        seconds: how long it may take, with the reading of its rows.

    Raises:
        QueryError: SQLite does not understand it, or it does not only read.
        QueryTimeoutError: it took too long.
    """
    _check_names(sql)
    with store.fresh_connection() as connection:
        _restrict(connection)
        until = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        try:
            with _checked(store, seconds):
                cursor = connection.execute(sql)
            if cursor.description is None:
                raise QueryError("this is no query: a SELECT is wanted")
            columns = tuple(each[0] for each in cursor.description)
            yield Answer(columns, _rows(store, cursor, seconds))
        finally:
            connection.set_progress_handler(None, 0)


def _check_names(sql: str) -> None:
    """Refuse names with "main.", which reach the tables past the views that are in the way."""
    before = ""
    for token in _TOKENS.findall(sql):
        if token.startswith(("--", "/*")):
            continue
        if token == "." and before.strip("'\"`[]").lower() == "main":
            raise QueryError("tables are named without `main.` before their names")
        before = token


def _restrict(connection: sqlite3.Connection) -> None:
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    for name, (arguments, hide) in _HIDE.items():
        connection.create_function(name, arguments, _of_texts(hide), deterministic=True)
    connection.execute("PRAGMA query_only = OFF")  # else there would be no views, either
    token = new_id()  # a query may name a part of itself like a view, but not like these
    trusted = {name: f"view_{token}_{name}" for name in VIEWS}
    for name, view in VIEWS.items():
        connection.execute(f"CREATE TEMP VIEW {trusted[name]} AS {view}")
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM temp.{trusted[name]}")
    for table in {table for table, _ in HIDDEN} - VIEWS.keys():
        columns = [row[1] for row in connection.execute(f"PRAGMA main.table_info({table})")]
        texts = [f"NULL AS {each}" if (table, each) in HIDDEN else each for each in columns]
        shown = ", ".join(texts)
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT {shown} FROM main.{table}")
    connection.execute("PRAGMA query_only = ON")
    connection.set_authorizer(partial(_authorize, frozenset(trusted.values())))


def _of_texts(hide: Callable[..., str]) -> Callable[..., str | None]:
    """Return a function for SQLite that gets texts, and returns NULL for NULL."""

    def hidden(*values: object) -> str | None:
        if values[-1] is None:
            return None
        return hide(*("" if each is None else str(each) for each in values))

    return hidden


def _authorize(
    trusted: frozenset[str],
    action: int,
    first: str | None,
    second: str | None,
    database: str | None,
    source: str | None,
) -> int:
    """Return what SQLite may do: read, and nothing that changes a file or loads code.

    Args:
        trusted: the names of the views that may read what is hidden.
    """
    hidden = action == sqlite3.SQLITE_READ and database == "main" and (first, second) in HIDDEN
    if hidden and source not in trusted:
        return sqlite3.SQLITE_IGNORE
    allowed = (
        action in _READING
        or (action == sqlite3.SQLITE_FUNCTION and second not in _FORBIDDEN)
        or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _rows(store: Store, cursor: sqlite3.Cursor, seconds: float) -> Iterator[tuple[Value, ...]]:
    while True:
        with _checked(store, seconds):
            row = cursor.fetchone()
        if row is None:
            return
        yield tuple(masked_text(each) if isinstance(each, str) else each for each in row)


@contextmanager
def _checked(store: Store, seconds: float) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_INTERRUPT:
            raise QueryTimeoutError(
                f"the query was stopped after {seconds:g} s; ask for less, or allow more time with "
                "--timeout",
            ) from error
        if isinstance(error, sqlite3.Error) and code not in _OF_THE_QUERY:
            raise as_registry_error(error, store.path) from error
        why = str(error)
        if code == sqlite3.SQLITE_AUTH or "prohibited" in why or "not authorized" in why:
            why = f"{why}: only queries that read are allowed"
        raise QueryError(why) from error
