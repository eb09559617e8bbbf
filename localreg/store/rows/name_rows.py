"""Names that begin with a text, for the completion of command lines: a few, in order.

Each function runs one statement. Texts are compared as they are, without patterns. Damaged rows are
left out. The caller decides what can be shown.

There may be a million rows of a few names. So an index is not read through: from each name it is
entered again at the next one that is greater.
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
_BEGINS = "substr({0}, 1, length(:text)) = :text"
_NEXT = "FROM model INDEXED BY model_version WHERE project = found.project AND name > found.name"
# Of one column, in order, the names that begin with :text, and at most one more.
_DISTINCT = (
    "WITH RECURSIVE found (name) AS ("
    "SELECT min({column}) FROM {table} INDEXED BY {index} WHERE {column} >= :text UNION ALL "
    "SELECT (SELECT min({column}) FROM {table} INDEXED BY {index} WHERE {column} > found.name) "
    f"FROM found WHERE {_BEGINS.format('found.name')} LIMIT {AT_MOST + 10}) "
)
_MODEL_NAMES = _DISTINCT.format(column="name", table="model", index="model_name")
_METADATA_KEYS = _DISTINCT.format(column="key", table="metadata", index="metadata_value")
# The lines that begin with :text, and few others, in order: always the least of the next ones of
# each project. `begin` is what all lines of a project begin with.
_LINES = (
    "WITH RECURSIVE place (project, begin) AS (SELECT p.pk, CASE p.name WHEN '' THEN '' ELSE "
    "p.name || '/' END FROM project p WHERE {kept}), "
    "entered (project, begin, name) AS (SELECT project, begin, (SELECT min(name) FROM model "
    "INDEXED BY model_version WHERE project = place.project "
    "AND name >= substr(:text, length(begin) + 1)) FROM place WHERE "
    f"substr(:text, 1, length(begin)) = begin OR {_BEGINS.format('begin')}), "
    "found (line, project, begin, name) AS ("
    "SELECT begin || name AS line, * FROM entered WHERE name IS NOT NULL UNION ALL "
    f"SELECT begin || (SELECT min(name) {_NEXT}), project, begin, (SELECT min(name) {_NEXT}) "
    f"FROM found WHERE {_BEGINS.format('line')} AND EXISTS (SELECT 1 {_NEXT}) "
    f"ORDER BY 1 LIMIT {AT_MOST + 20}) "
)
# The series and single values of models and tasks, by the key of one of each title and name.
_SERIES = (
    "{who}_series (pk, title, name) AS (SELECT * FROM (SELECT pk, title, name FROM series "
    "INDEXED BY series_{who}_last WHERE {who} IS NOT NULL ORDER BY title, name LIMIT 1) UNION ALL "
    "SELECT s.pk, s.title, s.name FROM {who}_series f CROSS JOIN series s ON s.pk = coalesce("
    "(SELECT pk FROM series INDEXED BY series_{who}_last WHERE {who} IS NOT NULL "
    "AND title = f.title AND name > f.name ORDER BY name LIMIT 1), "
    "(SELECT pk FROM series INDEXED BY series_{who}_last WHERE {who} IS NOT NULL "
    "AND title > f.title ORDER BY title, name LIMIT 1))), "
    "{who}_single (name) AS (SELECT min(name) FROM single INDEXED BY single_{who}_value "
    "WHERE {who} IS NOT NULL UNION ALL SELECT (SELECT min(name) FROM single "
    "INDEXED BY single_{who}_value WHERE {who} IS NOT NULL AND name > f.name) "
    "FROM {who}_single f WHERE f.name IS NOT NULL)"
)
_METRICS = f"WITH RECURSIVE {_SERIES.format(who='model')}, {_SERIES.format(who='task')} "


def lines(connection: Connection, text: str, *, datasets: bool = False) -> list[str]:
    """Return ``project/name`` of models, or as they are stored, of data sets."""
    kept = _IN_DATASETS if datasets else f"NOT {_IN_DATASETS}"
    return _names(
        connection,
        f"{_LINES.format(kept=kept)}"
        f"SELECT DISTINCT line FROM found WHERE {_BEGINS.format('line')} "
        f"ORDER BY line LIMIT {AT_MOST}",
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
    own = "" if line is None else "AND a.project = p.pk AND p.name = :project AND a.name = :name "
    return _names(
        connection,
        "SELECT DISTINCT a.alias FROM alias a JOIN project p ON p.pk = a.project "
        "JOIN model m ON m.id = a.model AND m.project = a.project AND m.name = a.name "
        f"WHERE {_BEGINS.format('a.alias')} {own}ORDER BY a.alias LIMIT {AT_MOST}",
        text,
        project=project,
        name=name,
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
        f"{_MODEL_NAMES}SELECT name FROM found WHERE {_BEGINS.format('name')} "
        f"ORDER BY name LIMIT {AT_MOST}",
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
        f"WHERE m.id = :model AND t.system = 0 AND {_BEGINS.format('t.name')} ORDER BY t.name",
        text,
        model=model_id,
    )


def tasks(connection: Connection, text: str) -> list[tuple[str, str]]:
    """Return id and name of tasks whose ids begin with a text, last changed first."""
    return _TASK.sound(
        connection,
        f"SELECT t.id, t.name FROM task t WHERE {_BEGINS.format('t.id')} "
        f"ORDER BY t.stamp DESC, t.id LIMIT {AT_MOST}",
        {"text": text},
    )


def metrics(connection: Connection, text: str) -> list[str]:
    """Return ``title/series`` of scalars, and names of single values."""
    return _names(
        connection,
        f"{_METRICS}SELECT path FROM (SELECT title || '/' || name AS path FROM model_series UNION "
        "SELECT title || '/' || name FROM task_series UNION SELECT name FROM model_single UNION "
        f"SELECT name FROM task_single) WHERE {_BEGINS.format('path')} "
        f"ORDER BY path LIMIT {AT_MOST}",
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
        f"{_METADATA_KEYS}SELECT name FROM found WHERE {_BEGINS.format('name')} "
        f"AND name NOT IN (:version, :parents, :state) ORDER BY name LIMIT {AT_MOST}",
        text,
        version=VERSION,
        parents=PARENTS,
        state=STATE,
    )


def events(connection: Connection, text: str) -> list[tuple[str, str, str]]:
    """Return id, kind and field of changes, newest first; the field may be ""."""
    # Without a text the newest ones are wanted, with one those that the index has there.
    among = f"WHERE e.event_id BETWEEN :text AND :text || 'g' AND {_BEGINS.format('e.event_id')} "
    return _EVENT.sound(
        connection,
        f"SELECT e.event_id, e.kind, coalesce(e.field, '') FROM event e {among if text else ''}"
        f"ORDER BY e.pk DESC LIMIT {AT_MOST}",
        {"text": text},
    )


def _names(connection: Connection, sql: str, text: str, **others: str) -> list[str]:
    return [name for (name,) in _NAME.sound(connection, sql, {"text": text, **others})]
