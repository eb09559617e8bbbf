"""Names that begin with a text, for the completion of command lines: a few, in order.

Each function runs one statement. Texts are compared as they are, without patterns. Damaged rows are
left out. The caller decides what can be shown.
"""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import ID, TEXT, WHOLE, Columns
from localreg.values.dataset_names import FOLDER, PARENTS, STATE, VERSION

Connection = sqlite3.Connection

AT_MOST = 100  # more would not help anybody who types

_NAME = Columns("name", name=TEXT)
_VERSION = Columns("model", version=WHOLE)
_TASK = Columns("task", id=ID, name=TEXT)
_EVENT = Columns("event", event_id=ID, kind=TEXT, field=TEXT)

_LINE = "CASE p.name WHEN '' THEN m.name ELSE p.name || '/' || m.name END"
_IN_DATASETS = f"substr('/' || p.name, -{len(FOLDER) + 1}) = '/{FOLDER}'"
_BEGINS = "substr({0}, 1, length(?1)) = ?1"


def lines(connection: Connection, text: str, *, datasets: bool = False) -> list[str]:
    """Return ``project/name`` of models, or as they are stored, of data sets."""
    kept = _IN_DATASETS if datasets else f"NOT {_IN_DATASETS}"
    return _names(
        connection,
        f"SELECT DISTINCT {_LINE} AS line FROM project p "
        "JOIN (SELECT DISTINCT project, name FROM model) m ON m.project = p.pk "
        f"WHERE {kept} AND {_BEGINS.format('line')} ORDER BY line LIMIT {AT_MOST}",
        text,
    )


def versions(connection: Connection, line: str) -> list[int]:
    """Return the versions of a ``project/name``, newest first."""
    project, _, name = line.rpartition("/")
    rows = _VERSION.sound(
        connection,
        "SELECT DISTINCT m.version FROM model m JOIN project p ON p.pk = m.project "
        f"WHERE p.name = ? AND m.name = ? ORDER BY m.version DESC LIMIT {AT_MOST}",
        (project, name),
    )
    return [version for (version,) in rows]


def aliases(connection: Connection, line: str | None, text: str) -> list[str]:
    """Return aliases of a ``project/name``, or with None all that there are."""
    project, _, name = (line or "").rpartition("/")
    own = "" if line is None else "AND a.project = p.pk AND p.name = ?2 AND a.name = ?3 "
    given = (text,) if line is None else (text, project, name)
    return _names(
        connection,
        "SELECT DISTINCT a.alias FROM alias a JOIN project p ON p.pk = a.project "
        "JOIN model m ON m.id = a.model AND m.project = a.project AND m.name = a.name "
        f"WHERE {_BEGINS.format('a.alias')} {own}ORDER BY a.alias LIMIT {AT_MOST}",
        *given,
    )


def projects(connection: Connection, text: str) -> list[str]:
    """Return projects, without those that hold data sets."""
    return _names(
        connection,
        f"SELECT p.name FROM project p WHERE p.pk > 0 AND NOT {_IN_DATASETS} "
        f"AND {_BEGINS.format('p.name')} ORDER BY p.name LIMIT {AT_MOST}",
        text,
    )


def model_names(connection: Connection, text: str) -> list[str]:
    """Return names of models, without their projects."""
    return _names(
        connection,
        f"SELECT DISTINCT m.name FROM model m WHERE {_BEGINS.format('m.name')} "
        f"ORDER BY m.name LIMIT {AT_MOST}",
        text,
    )


def removed(connection: Connection, text: str) -> list[str]:
    """Return ``project/name:version`` of removed models, the last removed first."""
    line = _LINE.replace("m.name", "x.name")
    return _names(
        connection,
        f"SELECT {line} || ':' || x.version AS ref FROM tombstone x "
        f"JOIN project p ON p.pk = x.project WHERE {_BEGINS.format('ref')} "
        f"ORDER BY x.stamp DESC LIMIT {AT_MOST}",
        text,
    )


def tags(connection: Connection, kind: str, text: str) -> list[str]:
    """Return tags of models or of tasks.

    Args:
        kind: "model" or "task".
        text: what they begin with.
    """
    return _names(
        connection,
        f"SELECT t.name FROM tag t WHERE t.system = 0 AND {_BEGINS.format('t.name')} "
        f"AND EXISTS (SELECT 1 FROM {kind}_tag x WHERE x.tag = t.pk) "
        f"ORDER BY t.name LIMIT {AT_MOST}",
        text,
    )


def tags_of(connection: Connection, model_id: str, text: str) -> list[str]:
    """Return tags of one model."""
    return _names(
        connection,
        "SELECT t.name FROM model m JOIN model_tag x ON x.model = m.pk JOIN tag t ON t.pk = x.tag "
        f"WHERE m.id = ?2 AND t.system = 0 AND {_BEGINS.format('t.name')} ORDER BY t.name",
        text,
        model_id,
    )


def tasks(connection: Connection, text: str) -> list[tuple[str, str]]:
    """Return id and name of tasks whose ids begin with a text, last changed first."""
    return _TASK.sound(
        connection,
        f"SELECT t.id, t.name FROM task t WHERE {_BEGINS.format('t.id')} "
        f"ORDER BY t.stamp DESC, t.id LIMIT {AT_MOST}",
        (text,),
    )


def metrics(connection: Connection, text: str) -> list[str]:
    """Return ``title/series`` of scalars, and names of single values."""
    return _names(
        connection,
        "SELECT name FROM (SELECT title || '/' || name AS name FROM "
        "(SELECT DISTINCT title, name FROM series) UNION SELECT DISTINCT name FROM single) "
        f"WHERE {_BEGINS.format('name')} ORDER BY name LIMIT {AT_MOST}",
        text,
    )


def parameters(connection: Connection, text: str) -> list[str]:
    """Return ``Section/name`` of the parameters of tasks."""
    return _names(
        connection,
        "SELECT DISTINCT p.section || '/' || p.name AS path FROM parameter p "
        f"WHERE {_BEGINS.format('path')} ORDER BY path LIMIT {AT_MOST}",
        text,
    )


def metadata_keys(connection: Connection, text: str) -> list[str]:
    """Return keys of the metadata of models, without those that data sets have."""
    return _names(
        connection,
        f"SELECT DISTINCT key FROM metadata WHERE {_BEGINS.format('key')} "
        f"AND key NOT IN (?2, ?3, ?4) ORDER BY key LIMIT {AT_MOST}",
        text,
        *(VERSION, PARENTS, STATE),
    )


def events(connection: Connection, text: str) -> list[tuple[str, str, str]]:
    """Return id, kind and field of changes, newest first; the field may be ""."""
    return _EVENT.sound(
        connection,
        "SELECT e.event_id, e.kind, coalesce(e.field, '') FROM event e "
        f"WHERE {_BEGINS.format('e.event_id')} ORDER BY e.pk DESC LIMIT {AT_MOST}",
        (text,),
    )


def _names(connection: Connection, sql: str, *given: str) -> list[str]:
    return [name for (name,) in _NAME.sound(connection, sql, given)]
