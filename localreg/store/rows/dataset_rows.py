"""Data sets: the files of those that are not finalized, and look-ups among their models."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    ID,
    PACKAGE_PATH,
    TEXT,
    TIME,
    URL,
    Columns,
    or_null,
)
from localreg.values import dataset_names, datasets
from localreg.values.datasets import DatasetFile
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection

_FILES = Columns(
    "open_dataset_file", path=PACKAGE_PATH, digest=or_null(DIGEST), size=or_null(COUNT),
    executable=FLAG, link=or_null(URL),
)  # fmt: skip
_PATHS = Columns("open_dataset_file", path=PACKAGE_PATH)
_COUNTERS = Columns(
    "open_dataset", changes=COUNT, stored=COUNT, added=COUNT, modified=COUNT, removed=COUNT
)
_ROWS = Columns(
    "model", id=ID, project=TEXT, name=TEXT, version=or_null(TEXT), state=or_null(TEXT),
    published=FLAG, archived=FLAG, created=TIME, updated=TIME, stamp=COUNT, size=or_null(COUNT),
    tree=or_null(DIGEST), parents=or_null(TEXT), comment=or_null(TEXT), task=or_null(ID),
    tags=or_null(TEXT),
)  # fmt: skip
_MODEL = "(SELECT pk FROM model WHERE id = ?)"


class DatasetRow(Frozen):
    """A version of a data set.

    Attributes:
        project: name of the project of its model, which is below its own.
        state: "in_progress" or "completed".
        stamp: orders by the last change.
        size: the number of bytes of its files, without links; None if nothing was stored yet.
        tree: the digest of its package; None without one.
        task: id of the task that made it; None without one.
    """

    id: str
    project: str
    name: str
    version: str | None
    state: str | None
    published: bool
    archived: bool
    created: int
    updated: int
    stamp: int
    size: int | None
    tree: str | None
    parents: tuple[str, ...]
    comment: str | None
    task: str | None
    tags: tuple[str, ...]

    @property
    def shown_project(self) -> str:
        """The name of its project; "" without one."""
        return dataset_names.shown_project(self.project)

    @property
    def status(self) -> str:
        """One of "in_progress", "completed" and "published"."""
        if self.published:
            return dataset_names.PUBLISHED
        return dataset_names.FINAL if self.state == dataset_names.FINAL else dataset_names.OPEN

    @property
    def ref(self) -> str:
        """What names it: ``project/name:version``."""
        return f"{self.shown_project}/{self.name}:{self.version or '?'}".lstrip("/")


class Counters(Frozen):
    """What changed in a data set that is not finalized.

    Attributes:
        changes: how often.
        stored: what `changes` was when its files became weights of the model.
    """

    changes: int
    stored: int
    added: int
    modified: int
    removed: int


def find(
    connection: Connection,
    *,
    ids: Iterable[str] | None = None,
    project: str | None = None,
    recursive: bool = False,
    name: str | None = None,
) -> list[DatasetRow]:
    """Return versions of data sets, the last changed first, by one statement.

    Args:
        ids: only these.
        project: name of the project of the models.
        recursive: also of the projects below it.
        name: of the data set.
    """
    where, values = (
        ["d.tag = (SELECT pk FROM tag WHERE name = ? AND system = 1)"],
        [dataset_names.TAG],
    )
    if ids is not None:
        where.append("m.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(ids)))
    if project is not None:
        below = dataset_names.shown_project(project)
        if not recursive:
            where.append("p.name = ?")
            values.append(project)
        elif below:
            # Not LIKE: names may have % and _.
            where.append("(p.name = ? OR substr(p.name, 1, length(?)) = ?)")
            values += [project, f"{below}/", f"{below}/"]
    if name is not None:
        where.append("m.name = ?")
        values.append(name)
    rows = _ROWS.sound(
        connection,
        "SELECT m.id, p.name, m.name, "
        "(SELECT value FROM metadata WHERE model = m.pk AND key = ?), "
        "(SELECT value FROM metadata WHERE model = m.pk AND key = ?), "
        "m.published, m.archived, m.created, m.updated, m.stamp, "
        "iif(w.tree = 1, b.total, NULL), iif(w.tree = 1, b.digest, NULL), "
        "(SELECT value FROM metadata WHERE model = m.pk AND key = ?), m.comment, m.task, "
        "(SELECT group_concat(t.name, char(0)) FROM model_tag x JOIN tag t ON t.pk = x.tag "
        "WHERE x.model = m.pk AND t.system = 0) "
        "FROM model_tag d INDEXED BY model_tag_newest CROSS JOIN model m ON m.pk = d.model "
        "JOIN project p ON p.pk = m.project "
        "LEFT JOIN weights w ON w.model = m.pk AND w.current = 1 "
        f"LEFT JOIN blob b ON b.pk = w.blob WHERE {' AND '.join(where)} ORDER BY d.stamp DESC",
        (dataset_names.VERSION, dataset_names.STATE, dataset_names.PARENTS, *values),
    )
    return [
        DatasetRow(
            id_, project_, name_, version, state, bool(published), bool(archived), created,
            updated, stamp, size, tree, datasets.parse_parents(parents), comment, task,
            tuple(sorted(tags.split("\0"))) if tags else (),
        )
        for (id_, project_, name_, version, state, published, archived, created, updated, stamp,
             size, tree, parents, comment, task, tags) in rows
    ]  # fmt: skip


def row(connection: Connection, model_id: str) -> DatasetRow | None:
    """Return a version of a data set, or None if no data set has this id."""
    found = find(connection, ids=[model_id])
    return found[0] if found else None


def counters(connection: Connection, model_id: str) -> Counters | None:
    """Return what changed in a data set; None if nothing was, or it is finalized."""
    found = _COUNTERS.one(
        connection,
        "SELECT changes, stored, added, modified, removed FROM open_dataset "
        f"WHERE model = {_MODEL}",
        (model_id,),
        key=model_id,
    )
    return None if found is None else Counters(*found)


def files(
    connection: Connection, model_id: str, paths: Iterable[str] | None = None
) -> list[DatasetFile]:
    """Return the files of a data set that is not finalized, by path.

    Args:
        paths: only these; None for all.
    """
    among, values = "", [model_id]
    if paths is not None:
        among = "AND f.path IN (SELECT value FROM json_each(?)) "
        values.append(json.dumps(list(paths)))
    rows = _FILES.all(
        connection,
        "SELECT f.path, coalesce(b.digest, f.digest), f.size, f.executable, f.link "
        "FROM open_dataset_file f LEFT JOIN blob b ON b.pk = f.blob "
        f"WHERE f.model = {_MODEL} {among}ORDER BY f.path",
        values,
        key=model_id,
    )
    return [
        DatasetFile(path, digest, size, bool(executable), link)
        for path, digest, size, executable, link in rows
    ]


def folders(connection: Connection, model_id: str, paths: Iterable[str]) -> list[str]:
    """Return which of some paths are folders of a data set that is not finalized."""
    rows = _PATHS.all(
        connection,
        "SELECT j.value FROM json_each(?) j WHERE EXISTS (SELECT 1 FROM open_dataset_file "
        f"WHERE model = {_MODEL} AND path > j.value || '/' AND path < j.value || '0')",
        (json.dumps(list(paths)), model_id),
        key=model_id,
    )
    return [path for (path,) in rows]


def begin(connection: Connection, model_id: str) -> None:
    """Begin to record the files of a data set, which has none yet; in a write transaction."""
    connection.execute(f"INSERT INTO open_dataset VALUES ({_MODEL}, 0, 0, 0, 0, 0)", (model_id,))


def put(connection: Connection, model_id: str, changed: Iterable[DatasetFile]) -> None:
    """Add or replace files; the blobs of those that are no links are recorded."""
    (pk,) = connection.execute("SELECT pk FROM model WHERE id = ?", (model_id,)).fetchone()
    connection.executemany(
        "INSERT OR REPLACE INTO open_dataset_file VALUES "
        "(?, ?, (SELECT pk FROM blob WHERE digest = ?), ?, ?, ?, ?)",
        (
            # A file that is here has the digest of its blob, and a link its own.
            (pk, each.path, each.digest, each.size, each.executable, None, None)
            if each.link is None
            else (pk, each.path, None, each.size, each.executable, each.link, each.digest)
            for each in changed
        ),
    )


def drop(connection: Connection, model_id: str, paths: Iterable[str]) -> None:
    """Remove files."""
    (pk,) = connection.execute("SELECT pk FROM model WHERE id = ?", (model_id,)).fetchone()
    connection.executemany(
        "DELETE FROM open_dataset_file WHERE model = ? AND path = ?",
        ((pk, path) for path in paths),
    )


def count(
    connection: Connection, model_id: str, *, added: int = 0, modified: int = 0, removed: int = 0
) -> None:
    """Record that files were changed, and how many."""
    connection.execute(
        "UPDATE open_dataset SET changes = changes + 1, added = added + ?, "
        f"modified = modified + ?, removed = removed + ? WHERE model = {_MODEL}",
        (added, modified, removed, model_id),
    )


def mark_stored(connection: Connection, model_id: str, changes: int) -> None:
    """Record that the files became weights of the model, as they were after so many changes."""
    connection.execute(
        f"UPDATE open_dataset SET stored = ? WHERE model = {_MODEL}", (changes, model_id)
    )


def end(connection: Connection, model_id: str) -> None:
    """Forget the files of a data set that is finalized: they are in its package."""
    connection.execute(f"DELETE FROM open_dataset WHERE model = {_MODEL}", (model_id,))


def children(connection: Connection, model_id: str) -> list[str]:
    """Return the ids of the data sets that have another one as a parent."""
    return [
        child
        for (child,) in Columns("model", id=ID).sound(
            connection,
            "SELECT m.id FROM metadata x JOIN model m ON m.pk = x.model WHERE x.key = ? "
            "AND json_valid(x.value) AND EXISTS "
            "(SELECT 1 FROM json_each(iif(json_valid(x.value), x.value, '[]')) j "
            "WHERE j.value = ?) ORDER BY m.birth",
            (dataset_names.PARENTS, model_id),
        )
    ]
