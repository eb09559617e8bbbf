"""Checkpoints: the database of a clone, which other clones begin with.

A checkpoint holds what came from its remote up to some place in the order of events: the events,
the tables that they were folded to, and what was reported. What is true of one registry only is not
in it. Its row of `remote` says which remote it is of, and what was the last event.

It comes from outside, and what it says is used like the events of the remote: who may write those
may write checkpoints. So these are not judged again. But nothing in it may run, or say anything
about this machine: its schema must be that of schema.sql and nothing else, and the tables with
local facts must be empty.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from localreg.errors import DamagedRegistryError, ForeignSchemaError
from localreg.store.database import opening
from localreg.store.database.checking import damage
from localreg.store.database.schema_check import check_schema
from localreg.store.database.sqlite_errors import translated
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.checked_values import damaged_row, is_id, object_of
from localreg.store.rows.known_schema import known_objects
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.remote_format import MOST_ROWS, commit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Connection = sqlite3.Connection

# Tables that are empty in a checkpoint: what they say is true of one registry only.
LOCAL = frozenset({
    "setting", "forgotten", "known_file", "open_dataset", "open_dataset_file", "upload",
    "private_url", "url", "unpacked", "task_place", "arrival", "mirrored", "remote_gap",
    "refolded", "gate_passed", "trusted_key",
})  # fmt: skip
# The others.
SHARED = frozenset({
    "project", "project_id", "claim", "model", "tombstone", "design", "blob", "tree_file",
    "weights", "signature", "alias", "gate", "alias_event", "tag", "model_tag", "addition",
    "metadata", "task", "task_design", "task_model", "task_tag", "configuration", "parameter",
    "artifact", "series", "scalar", "single", "plot", "message", "reported", "actor", "origin",
    "event", "writer", "remote", "remote_report", "remote_deletion",
})  # fmt: skip
_MAPPED = 1 << 28  # bytes, which count as memory of the process
_OF_THE_BYTES = "verified = NULL, ctime = NULL, sample = NULL, unreferenced = NULL, upstream = NULL"
_EVENT = (
    "SELECT e.position, e.event_id, o.id, e.seq, e.lamport, e.stamp, e.at, a.name, e.kind, e.v, "
    "e.subject, e.field, e.payload FROM event e JOIN origin o ON o.pk = e.origin "
    "JOIN actor a ON a.pk = e.actor"
)


class Content(Frozen):
    """What a checkpoint says that it holds.

    Attributes:
        table_id: the id of the remote.
        cursor: the version of its table up to which all events are there; it has the last of them.
        last, last_place: id and place of the last row up to there, which need not be an event.
        events, notes: how many rows are events, and how many are not; None if that is unknown.
        commit: the id of the commit `cursor`.
    """

    table_id: str
    cursor: int
    last: str
    last_place: int
    events: int
    notes: int | None
    commit: str


class Facts(Frozen):
    """What is known of the table up to a commit.

    Attributes:
        commit: the id of the commit.
        rows: how many rows there are up to it; None if that is unknown.
    """

    commit: str
    rows: int | None


def end_of(source: Path) -> int | None:
    """Return the place of the last row that a clone got; None without any.

    Args:
        source: its database; no process has it open.
    """
    with translated(source), closing(opening.connect(source, durability="fast")) as connection:
        (last,) = connection.execute("SELECT last_place FROM remote").fetchone()
    return None if last is None else int(last)


def pack(source: Path, target: Path, facts: Facts) -> Content:
    """Make the database of a checkpoint from that of a clone, which is used up.

    Args:
        source: a database that got all it has from its only remote; no process has it open.
        target: a new path.
        facts: of the commit with the place `end_of`.
    """
    with translated(source), closing(opening.connect(source, durability="fast")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in sorted(LOCAL):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(f"UPDATE blob SET facts = NULL, {_OF_THE_BYTES}")
        (count,) = connection.execute("SELECT count(*) FROM event").fetchone()
        notes = None if facts.rows is None else facts.rows - count
        connection.execute(
            f"UPDATE remote SET name = '', url = '', cursor = last_place / {MOST_ROWS}, "
            "commit_id = ?, seen = ?",
            (facts.commit, json.dumps({"notes": notes})),
        )
        for table in ("origin", "actor"):
            connection.execute(f"DELETE FROM {table} WHERE pk NOT IN (SELECT {table} FROM event)")
        connection.execute("COMMIT")
        connection.execute("VACUUM INTO ?", (str(target),))
    return check(target)


def check(path: Path) -> Content:
    """Return what the database of a checkpoint holds, before anything else reads it.

    Raises:
        NotARegistryError, DamagedRegistryError: it is no database of localreg, or damaged.
        NewerFormatError, ForeignSchemaError: it has another format, or other tables.
        DamagedRowError: it has facts of one registry only, or packages that are not what they say.
    """
    opening.check_file(path)
    with _opened(path) as connection:
        return _checked(connection, path)


def some_events(path: Path, count: int) -> list[tuple[Any, ...]]:
    """Return the first and the last event of a checkpoint, and others chosen by chance.

    Returns:
        Of each: its place, id, origin, seq, lamport, stamp, time, actor, kind, v, subject, field
        and payload. They are in the order of their places, and about `count`.
    """
    with _opened(path) as connection:
        first, last = connection.execute(
            "SELECT min(position), max(position) FROM event"
        ).fetchone()
        if first is None:
            return []
        wanted = {first, last, *(random.randint(first, last) for _ in range(count - 2))}
        return connection.execute(
            f"{_EVENT} WHERE e.position IN (SELECT (SELECT min(position) FROM event "
            "WHERE position >= value) FROM json_each(?)) ORDER BY e.position",
            (json.dumps([*wanted]),),
        ).fetchall()


def all_events(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield all events of a checkpoint, as `some_events`."""
    with _opened(path) as connection:
        yield from connection.execute(f"{_EVENT} ORDER BY e.position")


def take_over(connection: Connection, name: str, url: str, seen: str | None) -> None:
    """Make a checkpoint's database that of a registry to which its events come just now.

    Args:
        connection: to the database, in a write transaction.
        name, url: of the remote in this registry.
        seen: what its commit `cursor` looks like, as the table `remote` has it.
    """
    at = now()
    guard = "event_is_never_changed"
    (trigger,) = (each for each in known_objects() if each.name == guard)
    connection.execute(f"DROP TRIGGER {guard}")
    connection.execute("UPDATE event SET arrived = ?, positioned = ?", (at, at))
    connection.execute(trigger.sql)
    connection.execute(f"UPDATE blob SET added = ?, facts = NULL, {_OF_THE_BYTES}", (at,))
    connection.execute(
        "UPDATE remote SET name = ?, url = ?, seen = ?, "
        "sent = coalesce((SELECT max(pk) FROM event), 0)",
        (name, url, seen),
    )


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    with translated(path), closing(opening.open_uri(path, "mode=ro&immutable=1")) as connection:
        connection.execute(f"PRAGMA mmap_size = {_MAPPED}")  # no other process writes to it
        yield connection


def _checked(connection: Connection, path: Path) -> Content:
    version = opening.check_header(connection, path)
    if version != opening.FORMAT_VERSION:
        raise ForeignSchemaError(  # a newer one was refused above
            f"{path} has format {version}, and this localreg takes checkpoints of "
            f"{opening.FORMAT_VERSION}",
            path=str(path),
            name="user_version",
        )
    check_schema(connection, path)
    _check_nothing_more(connection, path)
    for problem in damage(connection, full=False):
        raise DamagedRegistryError(f"{path}: {problem}", path=str(path))
    for table in sorted(LOCAL):
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None:
            raise damaged_row(table, "any", "rows", "must not be in a checkpoint")
    _check_packages(connection)
    return _content(connection)


def _check_nothing_more(connection: Connection, path: Path) -> None:
    """Raise if there is any table, view, index or trigger that a new registry does not have."""
    known = {each.name for each in known_objects()}
    for kind, name, table in connection.execute("SELECT type, name, tbl_name FROM sqlite_schema"):
        own = kind == "index" and str(name).startswith("sqlite_autoindex_") and table in known
        if name not in known and name != "sqlite_sequence" and not own:
            raise ForeignSchemaError(
                f"{path}: a checkpoint has only the tables of localreg, not the {kind} "
                f"{name!r:.100}",
                path=str(path),
                name=str(name),
            )


def _check_packages(connection: Connection) -> None:
    """Raise if the files of a package are not those of its manifest, whose digest it has."""
    for digest in sorted(blob_rows.packages(connection)):
        manifest = tree_rows.manifest(connection, digest)
        if manifest is not None and hashlib.sha256(manifest.encoded()).hexdigest() != digest:
            raise damaged_row("tree_file", digest, "path", "must be those of its manifest")


def _content(connection: Connection) -> Content:
    rows = connection.execute(
        "SELECT table_id, mirror, cursor, last, last_place, commit_id, seen FROM remote"
    ).fetchmany(2)
    if len(rows) != 1:
        raise damaged_row("remote", "all", "rows", "must be of one remote")
    ((table_id, mirror, cursor, last, place, commit, seen),) = rows
    if not is_id(table_id) or mirror != 0:
        raise damaged_row("remote", 1, "table_id", "must be of a remote that orders events")
    if type(cursor) is not int or type(place) is not int or not is_id(last):
        raise damaged_row("remote", 1, "cursor", "must come with the last row")
    if cursor != commit_of(place)[0]:
        raise damaged_row("remote", 1, "cursor", "must be that of the last row")
    notes = object_of(seen, "remote", "1", "seen").get("notes") if type(seen) is str else ""
    if type(commit) is not str or not (notes is None or type(notes) is int):
        raise damaged_row("remote", 1, "commit_id", "must be that of the last row")
    count, placed = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE remote = ? AND typeof(position) = 'integer') "
        "FROM event",
        (table_id,),
    ).fetchone()
    if placed != count:
        raise damaged_row("event", "any", "position", "must be a place at this remote")
    return Content(table_id, cursor, last, place, count, notes, commit)
