"""Models: rows to records, and the columns that change without an event."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from localreg.store.rows import setting_rows
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    ID,
    ID_OR_EMPTY,
    NAME,
    TEXT,
    TIME,
    URL,
    Columns,
    labels_of,
    or_null,
    texts,
)
from localreg.store.rows.held_sql import HELD, WITH_GATE
from localreg.store.rows.name_patterns import pattern_sql
from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue, ModelRecord, Project, WeightsRecord, reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

COLUMNS = (
    "m.id, m.name, p.id, p.name, m.version, m.comment, m.framework, m.package, m.published, "
    "m.contested, m.archived, m.task, m.parent, m.created, m.updated, m.birth, m.stamp"
)
_JOIN = "FROM model m JOIN project p ON p.pk = m.project"
MODEL = {
    "id": ID, "name": TEXT, "project_id": ID_OR_EMPTY, "project": TEXT, "version": COUNT,
    "comment": or_null(TEXT), "framework": or_null(TEXT), "package": FLAG, "published": FLAG,
    "contested": FLAG, "archived": FLAG, "task": or_null(ID), "parent": or_null(ID),
    "created": TIME, "updated": TIME, "birth": COUNT, "stamp": COUNT,
}  # fmt: skip
_MODELS = Columns("model", **MODEL)
_METADATA = Columns("metadata", key=TEXT, value=TEXT, type=TEXT)
_DESIGN = Columns("design", config=TEXT, labels=TEXT)
REVISION = {
    "id": ID, "revision": COUNT, "url": or_null(URL), "filename": or_null(NAME),
    "digest": or_null(DIGEST), "size": or_null(COUNT), "package": FLAG, "tree": FLAG,
    "total": or_null(COUNT), "archive": or_null(DIGEST), "archive_size": or_null(COUNT),
    "pinned": or_null(DIGEST), "kept": FLAG, "uploaded": FLAG, "current": FLAG, "at": TIME,
}  # fmt: skip
_REVISIONS = Columns("weights", **REVISION)
_SERVED = Columns("weights", **REVISION, of_package=FLAG, contested=FLAG, trust=or_null(TEXT))
_PACKAGES = Columns("weights", id=ID, digest=DIGEST)
_NUMBERS = Columns("weights", revision=COUNT)
_LINES = Columns("model", id=ID, version=COUNT, created=TIME)
_IDS = Columns("model", id=ID)
_ALIASES = Columns("alias", alias=TEXT, id=ID, version=COUNT, held=FLAG)
_OWN_ALIASES = Columns("alias", alias=TEXT, held=FLAG)
_REMOVED = Columns("tombstone", id=ID, project=TEXT, name=TEXT, version=COUNT)
_NEWEST = Columns("model", id=ID, archived=FLAG, version=COUNT)
_PLACES = Columns("model", id=ID, project_id=ID_OR_EMPTY, project=TEXT, name=TEXT, version=COUNT)
_AT_ONCE = 500  # parameters of a statement; SQLite takes 999 at least


class ModelRow(Frozen):
    """A model's own row, without tags, metadata, weights and aliases."""

    id: str
    name: str
    project: Project | None
    version: int
    comment: str | None
    framework: str | None
    package: bool
    published: bool
    contested: bool
    archived: bool
    task: str | None
    parent: str | None
    created: int
    updated: int
    birth: int
    stamp: int

    @property
    def ref(self) -> str:
        """The model's reference: ``project/name:version``."""
        return reference(self.project, self.name, self.version)


def model_row(connection: Connection, model_id: str) -> ModelRow | None:
    """Return a model's row, or None if there is no such model."""
    row = _MODELS.one(connection, f"SELECT {COLUMNS} {_JOIN} WHERE m.id = ?", (model_id,))
    return None if row is None else model_row_of(row)


def contested(connection: Connection) -> list[ModelRow]:
    """Return the models that were published twice with different content."""
    rows = _MODELS.sound(connection, f"SELECT {COLUMNS} {_JOIN} WHERE m.contested = 1")
    return [model_row_of(row) for row in rows]


def model_row_of(row: Sequence[Any]) -> ModelRow:
    """Return the row of a model that was read with `COLUMNS`."""
    (id_, name, project_id, project_name, version, comment, framework, package, published,
     contested, archived, task, parent, created, updated, birth, stamp) = row  # fmt: skip
    project = Project(project_id, project_name) if project_id else None
    return ModelRow(
        id_, name, project, version, comment, framework, bool(package), bool(published),
        bool(contested), bool(archived), task, parent, created, updated, birth, stamp,
    )  # fmt: skip


def present(connection: Connection, model_ids: Sequence[str]) -> set[str]:
    """Return the ids among these that models have."""
    there: set[str] = set()
    for start in range(0, len(model_ids), _AT_ONCE):
        some = model_ids[start : start + _AT_ONCE]
        marks = ", ".join("?" * len(some))
        rows = connection.execute(f"SELECT id FROM model WHERE id IN ({marks})", tuple(some))
        there.update(model_id for (model_id,) in rows)
    return there


def ids(connection: Connection) -> list[str]:
    """Return the ids of all models, in the order of their creation."""
    return [model_id for (model_id,) in _IDS.all(connection, "SELECT id FROM model ORDER BY birth")]


def each_id(connection: Connection) -> Iterator[str]:
    """Yield the ids of all models, of which there may be a million, sorted."""
    return (model_id for (model_id,) in _IDS.stream(connection, "SELECT id FROM model ORDER BY id"))


def line_of(connection: Connection, model_id: str) -> tuple[Project | None, str, int] | None:
    """Return project, name and number of a model, also of a removed one; None if it is unknown."""
    row = _PLACES.one(
        connection,
        "SELECT m.id, p.id, p.name, m.name, m.version FROM (SELECT id, project, name, version "
        "FROM model WHERE id = :id UNION ALL SELECT id, project, name, version FROM tombstone "
        "WHERE id = :id) m JOIN project p ON p.pk = m.project",
        {"id": model_id},
    )
    if row is None:
        return None
    _, project_id, project, name, version = row
    return (Project(project_id, project) if project_id else None), name, version


def removed(connection: Connection, model_ids: Iterable[str]) -> list[str]:
    """Return those of some ids that were models, and were removed."""
    import json  # many programs restore none

    rows = _IDS.all(
        connection,
        "SELECT id FROM tombstone WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps([*model_ids]),),
    )
    return [model_id for (model_id,) in rows]


def config(connection: Connection, model_id: str) -> str:
    """Return a model's configuration text, "" if it has none."""
    return design(connection, model_id)[0]


def labels(connection: Connection, model_id: str) -> dict[str, int]:
    """Return a model's label enumeration."""
    return design(connection, model_id)[1]


def design(connection: Connection, model_id: str) -> tuple[str, dict[str, int]]:
    """Return a model's configuration text and its label enumeration."""
    row = _DESIGN.one(
        connection,
        "SELECT config, labels FROM design JOIN model ON pk = model WHERE id = ?",
        (model_id,),
        key=model_id,
    )
    return ("", {}) if row is None else (row[0], labels_of(row[1], "design", model_id))


def tags(connection: Connection, model_id: str, *, system: bool) -> list[str]:
    """Return a model's tags, sorted."""
    sql = (
        "SELECT t.name FROM model m JOIN model_tag x ON x.model = m.pk JOIN tag t ON t.pk = x.tag "
        "WHERE m.id = ? AND t.system = ?"
    )
    return sorted(texts(connection, "tag", "name", sql, (model_id, system)))


def metadata(connection: Connection, model_id: str) -> dict[str, MetadataValue]:
    """Return a model's metadata by key, sorted."""
    rows = _METADATA.all(
        connection,
        "SELECT key, value, type FROM metadata JOIN model ON pk = model WHERE id = ? ORDER BY key",
        (model_id,),
        key=model_id,
    )
    return {key: MetadataValue(value, type_) for key, value, type_ in rows}


def metadata_value(connection: Connection, model_id: str, key: str) -> MetadataValue | None:
    """Return the metadata entry with this key, or None."""
    row = _METADATA.one(
        connection,
        "SELECT key, value, type FROM metadata JOIN model ON pk = model WHERE id = ? AND key = ?",
        (model_id, key),
        key=model_id,
    )
    return None if row is None else MetadataValue(*row[1:])


def weights(connection: Connection, model_id: str) -> tuple[WeightsRecord, ...]:
    """Return every revision of a model's weights, oldest first, with their real URLs."""
    sql = f"SELECT {_WEIGHTS} WHERE m.id = ? ORDER BY w.revision, w.id"
    rows = _REVISIONS.all(connection, sql, (model_id,), key=model_id)
    return tuple(weights_record(row) for row in rows)


def revision(connection: Connection, model_id: str, revision_id: str) -> WeightsRecord | None:
    """Return one revision of a model's weights, by the id of the event that added it, or None."""
    sql = f"SELECT {_WEIGHTS} WHERE m.id = ? AND w.id = ?"
    row = _REVISIONS.one(connection, sql, (model_id, revision_id), key=model_id)
    return None if row is None else weights_record(row)


def last_number(connection: Connection, model_id: str) -> int:
    """Return the greatest number of the revisions of a model's weights, or 0.

    Raises:
        DamagedRowError: it is not a number.
    """
    # The index of later revisions ends with it; only a model without them is asked for the first.
    row = _NUMBERS.one(
        connection,
        "SELECT coalesce((SELECT max(revision) FROM weights WHERE model = m.pk AND revision > 1), "
        "(SELECT max(revision) FROM weights WHERE model = m.pk), 0) FROM model m WHERE m.id = ?",
        (model_id,),
        key=model_id,
    )
    return 0 if row is None else int(row[0])


def older_weights(connection: Connection, model_id: str, newest: int) -> tuple[WeightsRecord, ...]:
    """Return the revisions of a model's weights but the newest so many, oldest first."""
    sql = f"SELECT {_WEIGHTS} WHERE m.id = ? ORDER BY w.revision DESC, w.id DESC LIMIT -1 OFFSET ?"
    rows = _REVISIONS.all(connection, sql, (model_id, newest), key=model_id)
    return tuple(weights_record(row) for row in reversed(rows))


def current_weights(connection: Connection, model_id: str) -> WeightsRecord | None:
    """Return the current revision of the weights, or None if the model has no weights."""
    sql = f"SELECT {_WEIGHTS} WHERE m.id = ? AND w.current = 1"
    row = _REVISIONS.one(connection, sql, (model_id,), key=model_id)
    return None if row is None else weights_record(row)


class Served(Frozen):
    """What a local copy of a model is made of.

    Attributes:
        weights: the current revision, or None.
        package: True if the model is a package.
        contested: True if two publications of the model differ.
        trust: the setting trust.mode of this registry; None if it is not set.
    """

    weights: WeightsRecord | None
    package: bool
    contested: bool
    trust: str | None


_TRUST = f"SELECT value FROM setting WHERE name = '{setting_rows.TRUST_MODE}'"
_TRUST_VALUE = Columns("setting", value=TEXT)


def trust_mode(connection: Connection) -> str | None:
    """Return the setting trust.mode, as `Served.trust`."""
    row = _TRUST_VALUE.one(connection, _TRUST, (), key=setting_rows.TRUST_MODE)
    return None if row is None else str(row[0])


class ServedFile(Frozen):
    """What is needed to give out a model's weights if they are here; `trust` as of `Served`.

    The others are as in `WeightsRecord`; `package` also if only the model is one.
    """

    digest: str
    size: int
    filename: str | None
    url: str | None
    kept: int
    package: int
    tree: int
    contested: int
    trust: str | None


_SERVED_FILE = Columns(
    "weights", digest=DIGEST, size=COUNT, filename=or_null(NAME), url=or_null(URL), kept=FLAG,
    package=FLAG, tree=FLAG, contested=FLAG, trust=or_null(TEXT),
)  # fmt: skip


def served_file(connection: Connection, model_id: str) -> ServedFile | None:
    """Return the file of a model's weights, or the list of files of a package; None without."""
    row = _SERVED_FILE.one(
        connection,
        "SELECT b.digest, b.size, w.filename, w.url, w.kept, w.package OR m.package, w.tree, "
        f"m.contested, ({_TRUST}) FROM model m JOIN weights w ON w.model = m.pk "
        "JOIN blob b ON b.pk = w.blob WHERE m.id = ? AND w.current = 1",
        (model_id,),
        key=model_id,
    )
    return None if row is None else ServedFile(*row)


def served(connection: Connection, model_id: str) -> Served:
    """Return what a local copy of a model is made of; nothing if there is no such model."""
    sql = (
        f"SELECT {WEIGHTS_COLUMNS}, m.package, m.contested, "
        f"({_TRUST}) {_WEIGHTS_JOIN} WHERE m.id = ? AND w.current = 1"
    )
    rows = _SERVED.all(connection, sql, (model_id,), key=model_id)
    if not rows:
        return Served(None, False, False, None)
    *weights, package, contested, trust = rows[0]
    return Served(weights_record(weights), bool(package), bool(contested), trust)


WEIGHTS_COLUMNS = (
    "w.id, w.revision, w.url, w.filename, b.digest, b.size, w.package, w.tree, "
    "CASE w.tree WHEN 1 THEN b.total END, w.archive, w.archive_size, w.pinned, w.kept, w.uploaded, "
    "w.current, w.at"
)
_WEIGHTS_JOIN = "FROM model m JOIN weights w ON w.model = m.pk LEFT JOIN blob b ON b.pk = w.blob"
_WEIGHTS = f"{WEIGHTS_COLUMNS} {_WEIGHTS_JOIN}"


def weights_record(row: Sequence[Any]) -> WeightsRecord:
    """Return the revision that was read with `WEIGHTS_COLUMNS`."""
    (id_, revision, url, filename, digest, size, package, tree, total, archive, archive_size,
     pinned, kept, uploaded, current, at) = row  # fmt: skip
    return WeightsRecord(
        id=id_, revision=revision, url=url, filename=filename, digest=digest, size=size,
        package=bool(package), tree=bool(tree), total=total, archive=archive,
        archive_size=archive_size, pinned=pinned, kept=bool(kept), uploaded=bool(uploaded),
        current=bool(current), at=at,
    )  # fmt: skip


def packages(connection: Connection, model_id: str, revisions: Iterable[object]) -> dict[str, str]:
    """Return the digests of those revisions of a model's weights that are packages, by their ids.

    Args:
        revisions: the ids to look for.
    """
    import json  # most programs ask for no packages

    rows = _PACKAGES.all(
        connection,
        "SELECT w.id, b.digest FROM model m JOIN json_each(?) k JOIN weights w "
        "ON w.model = m.pk AND w.id = k.value JOIN blob b ON b.pk = w.blob "
        "WHERE m.id = ? AND w.tree = 1",
        (json.dumps([*revisions]), model_id),
        key=model_id,
    )
    return dict(rows)


def aliases(connection: Connection, model_id: str) -> list[str]:
    """Return the aliases that point to a model, sorted."""
    sql = (
        "SELECT a.alias FROM model m JOIN alias a ON a.model = m.id "
        "AND a.project = m.project AND a.name = m.name WHERE m.id = ?"
    )
    return sorted(texts(connection, "alias", "alias", sql, (model_id,)))


def aliases_of_line(connection: Connection, model_id: str) -> list[tuple[str, str, int, bool]]:
    """Return (alias, id, version, is held) of all aliases of the versions of a model, sorted."""
    rows = _ALIASES.sound(
        connection,
        f"SELECT a.alias, o.id, o.version, {HELD} FROM model m JOIN alias a "
        "ON a.project = m.project AND a.name = m.name JOIN model o ON o.id = a.model "
        f"AND o.project = m.project AND o.name = m.name {WITH_GATE} WHERE m.id = ? "
        "ORDER BY a.alias",
        (model_id,),
    )
    return [(alias, id_, version, bool(held)) for alias, id_, version, held in rows]


def aliases_and_held(
    connection: Connection, model_id: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the aliases that point to a model, sorted; and those of them that are held."""
    rows = _OWN_ALIASES.all(
        connection,
        f"SELECT a.alias, {HELD} FROM model m JOIN alias a ON a.model = m.id "
        f"AND a.project = m.project AND a.name = m.name {WITH_GATE} WHERE m.id = ? "
        "ORDER BY a.alias",
        (model_id,),
        key=model_id,
    )
    return tuple(alias for alias, _ in rows), tuple(alias for alias, held in rows if held)


def alias_target(connection: Connection, line: tuple[str, str], alias: str) -> str | None:
    """Return the id of the model that an alias points to, or None.

    A model that was removed, or moved away, is no target.

    Args:
        line: name of the project ("" for none) and name of the models.
    """
    row = connection.execute(
        "SELECT m.id FROM project p JOIN alias a ON a.project = p.pk "
        "JOIN model m ON m.id = a.model AND m.project = a.project AND m.name = a.name "
        "WHERE p.name = ? AND a.name = ? AND a.alias = ?",
        (*line, alias),
    ).fetchone()
    return None if row is None else str(row[0])


def record(connection: Connection, model_id: str) -> ModelRecord | None:
    """Return the complete record of a model, with its real URLs, or None."""
    row = model_row(connection, model_id)
    return None if row is None else _record(connection, row, weights(connection, model_id))


def current_record(connection: Connection, model_id: str) -> ModelRecord | None:
    """Return the record of a model with its current weights only, of which it may have many."""
    row = model_row(connection, model_id)
    if row is None:
        return None
    current = current_weights(connection, model_id)
    return _record(connection, row, () if current is None else (current,))


def _record(
    connection: Connection, row: ModelRow, revisions: tuple[WeightsRecord, ...]
) -> ModelRecord:
    text, enumeration = design(connection, row.id)
    pointing, held = aliases_and_held(connection, row.id)
    return complete(
        row,
        config=text,
        labels=enumeration,
        tags=tuple(tags(connection, row.id, system=False)),
        system_tags=tuple(tags(connection, row.id, system=True)),
        metadata=metadata(connection, row.id),
        aliases=pointing,
        held=held,
        weights=revisions,
    )


def complete(
    row: ModelRow,
    *,
    config: str,
    labels: dict[str, int],
    tags: tuple[str, ...],
    system_tags: tuple[str, ...],
    metadata: dict[str, MetadataValue],
    aliases: tuple[str, ...],
    held: tuple[str, ...],
    weights: tuple[WeightsRecord, ...],
) -> ModelRecord:
    """Return the record of a model, of its row and of what other tables have."""
    return ModelRecord(
        id=row.id,
        name=row.name,
        project=row.project,
        version=row.version,
        comment=row.comment,
        framework=row.framework,
        package=row.package,
        published=row.published,
        contested=row.contested,
        archived=row.archived,
        task=row.task,
        parent=row.parent,
        created=row.created,
        updated=row.updated,
        birth=row.birth,
        stamp=row.stamp,
        config=config,
        labels=labels,
        tags=tags,
        system_tags=system_tags,
        metadata=metadata,
        aliases=aliases,
        held=held,
        weights=weights,
    )


def with_url(connection: Connection, url: str, *, archived: bool) -> list[str]:
    """Return ids of the models whose weights come from `url`, newest created first.

    Args:
        archived: include archived models.
    """
    rows = _IDS.sound(
        connection,
        "SELECT m.id FROM weights w JOIN model m ON m.pk = w.model "
        "WHERE w.current = 1 AND w.url = ? AND m.archived <= ? ORDER BY m.birth DESC",
        (url, archived),
    )
    return [model_id for (model_id,) in rows]


def has_uploaded(connection: Connection, url: str, *, made: bool = False) -> bool:
    """Return True if any revision of any model has this URL.

    Args:
        made: only if the registry made the file or object there.
    """
    row = connection.execute(
        "SELECT 1 FROM weights WHERE url = ? AND uploaded >= ? LIMIT 1", (url, made)
    ).fetchone()
    return row is not None


def with_digest(connection: Connection, digest: str, *, archived: bool) -> list[str]:
    """Return ids of the models whose current weights are this blob, newest created first."""
    rows = _IDS.sound(
        connection,
        "SELECT m.id FROM blob b JOIN weights w ON w.blob = b.pk JOIN model m ON m.pk = w.model "
        "WHERE w.current = 1 AND b.digest = ? AND m.archived <= ? ORDER BY m.birth DESC",
        (digest, archived),
    )
    return [model_id for (model_id,) in rows]


def having_digest(connection: Connection, digest: str, filename: str) -> list[str]:
    """Return ids of the models that are not archived and have a revision that is this blob.

    Those whose current weights it is come first, then those with this file name, then those
    created last.
    """
    rows = _IDS.sound(
        connection,
        "SELECT m.id FROM blob b JOIN weights w ON w.blob = b.pk JOIN model m ON m.pk = w.model "
        "WHERE b.digest = ? AND m.archived = 0 "
        "ORDER BY w.current DESC, w.filename IS ? DESC, m.birth DESC",
        (digest, filename),
    )
    return list(dict.fromkeys(model_id for (model_id,) in rows))


def in_line(
    connection: Connection, project: str | None, name: str, version: int | None
) -> list[str]:
    """Return the id of the newest version of a model, active before archived, as a list.

    Of several with one number the last in the order of events is the newest.

    Args:
        project: the project's name; None for no project.
        name: the model's name.
        version: look for this version only.
    """
    rows = _NEWEST.sound(
        connection,
        "SELECT m.id, m.archived, m.version FROM project p JOIN model m ON m.project = p.pk "
        "WHERE p.name = ? AND m.name = ? AND (? IS NULL OR m.version = ?) "
        "ORDER BY m.archived, m.version DESC LIMIT 2",
        (project or "", name, version, version),
    )
    if len(rows) == 2 and rows[0][1:] == rows[1][1:]:
        _, archived, number = rows[0]
        rows = _NEWEST.sound(
            connection,
            "SELECT m.id, m.archived, m.version FROM project p JOIN model m ON m.project = p.pk "
            "JOIN claim c ON c.project = p.pk AND c.name = m.name AND c.number = m.version "
            "AND c.model = m.id JOIN event e ON e.event_id = c.event "
            "WHERE p.name = ? AND m.name = ? AND m.version = ? AND m.archived = ? "
            "ORDER BY e.position IS NULL DESC, e.position DESC, e.lamport DESC, e.event_id DESC "
            "LIMIT 1",
            (project or "", name, number, archived),
        )
    return [model_id for model_id, _, _ in rows[:1]]


def line(connection: Connection, model_id: str, limit: int) -> list[tuple[str, int, int]]:
    """Return (id, version, created) of all versions of a model, newest first."""
    return _LINES.sound(
        connection,
        "SELECT o.id, o.version, o.created FROM model m JOIN model o "
        "ON o.project = m.project AND o.name = m.name WHERE m.id = ? "
        "ORDER BY o.version DESC, o.birth DESC LIMIT ?",
        (model_id, limit),
    )


def keep_private_url(connection: Connection, revision: str, url: str) -> None:
    """Record the real URL of a revision, which its event must not hold; in a write transaction.

    Args:
        revision: id of the weights.
        url: the URL.
    """
    connection.execute("INSERT OR REPLACE INTO private_url VALUES (?, ?)", (revision, url))


def renew_private_url(connection: Connection, model_id: str, revision: str, url: str) -> None:
    """Change the real URL of a revision that has another one; as `keep_private_url`."""
    changed = connection.execute(
        "UPDATE weights SET url = ? WHERE model = (SELECT pk FROM model WHERE id = ?) "
        "AND id = ? AND url IS NOT ?",
        (url, model_id, revision, url),
    )
    if changed.rowcount:
        keep_private_url(connection, revision, url)


def touch(connection: Connection, model_id: str, stamp: int, at: int) -> None:
    """Set stamp and time of a model's last change; its tags have the stamp too."""
    rows = connection.execute(
        "UPDATE model SET stamp = ?, updated = ? WHERE id = ? RETURNING pk", (stamp, at, model_id)
    ).fetchall()
    for (pk,) in rows:
        connection.execute("UPDATE model_tag SET stamp = ? WHERE model = ?", (stamp, pk))


def touch_later(connection: Connection, model_id: str, stamp: int, at: int) -> None:
    """Set stamp and time of a model's last change, if they are later than those that it has."""
    row = connection.execute(
        "SELECT 1 FROM model WHERE id = ? AND (stamp, updated) < (?, ?)", (model_id, stamp, at)
    ).fetchone()
    if row is not None:
        touch(connection, model_id, stamp, at)


def children(connection: Connection, model_id: str) -> list[str]:
    """Return ids of the models whose parent is this one, newest first."""
    rows = _IDS.sound(
        connection, "SELECT id FROM model WHERE parent = ? ORDER BY birth DESC", (model_id,)
    )
    return [child for (child,) in rows]


def made_by(connection: Connection, task_id: str) -> list[str]:
    """Return ids of the models made by a task, oldest first."""
    sql = "SELECT id FROM model WHERE task = ? ORDER BY birth"
    rows = _IDS.sound(connection, sql, (task_id,))
    return [model_id for (model_id,) in rows]


def with_prefix(connection: Connection, table: str, prefix: str, limit: int = 20) -> list[str]:
    """Return ids in `table` (model, task or tombstone) that start with `prefix`."""
    rows = _IDS.sound(
        connection,
        f"SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
        (prefix, f"{prefix}g", limit),  # "g" follows the hex digits
    )
    return [model_id for (model_id,) in rows]


def tombstones(
    connection: Connection, project: str | None, name: str, version: int | None
) -> list[str]:
    """Return ids of the removed models with this name, last removed first."""
    rows = _IDS.sound(
        connection,
        "SELECT t.id FROM project p JOIN tombstone t ON t.project = p.pk "
        "WHERE p.name = ? AND t.name = ? AND (? IS NULL OR t.version = ?) ORDER BY t.stamp DESC",
        (project or "", name, version, version),
    )
    return [model_id for (model_id,) in rows]


def all_removed(
    connection: Connection, project: str | None, name: str | None, patterns: Sequence[str]
) -> list[tuple[str, str, str, int]]:
    """Return id, project, name and version of the removed models, last removed first.

    Args:
        project, name: exact; None for any.
        patterns: which the name must match.
    """
    parameters: list[object] = [project, project, name, name]
    where = ["(? IS NULL OR p.name = ?)", "(? IS NULL OR t.name = ?)"]
    where.extend(
        pattern_sql(each, parameters, project="t.project", name="t.name") for each in patterns
    )
    return _REMOVED.sound(
        connection,
        "SELECT t.id, p.name, t.name, t.version FROM tombstone t JOIN project p "
        f"ON p.pk = t.project WHERE {' AND '.join(where)} ORDER BY t.stamp DESC",
        parameters,
    )


def some_references(connection: Connection, limit: int = 1_000) -> list[str]:
    """Return ``project/name`` of the models that changed last, to suggest for a mistyped one."""
    rows = connection.execute(
        "SELECT DISTINCT p.name, m.name FROM (SELECT project, name FROM model "
        "ORDER BY stamp DESC LIMIT ?) m JOIN project p ON p.pk = m.project",
        (limit,),
    )
    return [f"{project}/{name}" if project else str(name) for project, name in rows]
