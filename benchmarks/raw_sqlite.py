"""The floor: what localreg writes, written by hand on `sqlite3` with nothing around it.

Same schema, same rows, same durability, same foreign keys. It is for one project of well-formed
models, holds one connection, and looks up projects and tags by SQL and nothing else: no check of
what it is given, no search for a model that has the URL already, no error made readable. It
imports only what a script of its own would, since a fresh process pays for that too.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time

import localreg

SCHEMA = os.path.join(localreg.__path__[0], "store", "schema.sql")
DATABASE = "registry.db"
PROJECT = "vision/detectors"
TAGS = ("baseline", "quantised", "verified")
METADATA = {"accuracy": 0.91, "dataset": "coco-2017", "epochs": 12, "lr": 0.001, "seed": 7}


class Sample:
    """A model to register: three tags and five metadata entries, like everyone's."""

    __slots__ = ("metadata", "number", "tags")

    def __init__(self, number: int) -> None:
        self.number = number
        self.tags = TAGS
        self.metadata: dict[str, object] = {**METADATA}

    @property
    def name(self) -> str:
        """Ten models of each name, so that there are versions."""
        return f"detector-{self.number // 10:06}"

    @property
    def url(self) -> str:
        """Where its weights would be."""
        return f"s3://bucket/weights/{self.number:08}.pt"


def make(folder: str, *, durable: bool) -> str:
    """Make a database from the schema and return its path.

    Args:
        folder: where; it exists.
        durable: wait until it is on disk, once: the journal comes after.
    """
    path = os.path.join(folder, DATABASE)
    with open(SCHEMA, encoding="utf-8") as reader:
        schema = reader.read()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.executescript(f"BEGIN;\n{schema}")
    origin = _new_id()
    connection.execute("INSERT INTO setting VALUES ('registry_id', ?)", (_new_id(),))
    connection.execute("INSERT INTO setting VALUES ('origin', ?)", (origin,))
    connection.execute("INSERT INTO origin VALUES (1, ?, ?)", (origin, os.uname().nodename))
    connection.execute("INSERT INTO setting VALUES ('journal', 'wal')")
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    if durable:
        for each in (path, folder):
            descriptor = os.open(each, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    return path


def connect(path: str, *, durable: bool) -> sqlite3.Connection:
    """Return a connection with localreg's durability and foreign keys."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30, cached_statements=256)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    return connection


def payload_of(
    sample: Sample,
    project_id: str,
    model_id: str,
    version: int,
    at: int,
    blob: tuple[str, int] | None = None,
) -> str:
    """Return the payload of the event that creates a model, as JSON.

    Args:
        blob: the digest and the size of its weights if they are here; then they have no URL.
    """
    digest, size = blob or (None, None)
    metadata = {key: [str(value), type(value).__name__] for key, value in sample.metadata.items()}
    return json.dumps(
        {
            "name": sample.name, "project": {"id": project_id, "name": PROJECT},
            "version": version, "comment": None, "framework": "PyTorch", "package": False,
            "published": False, "archived": False, "task": None, "parent": None,
            "created": at, "birth": at, "config": "", "labels": {}, "tags": sample.tags,
            "system_tags": [], "metadata": metadata, "aliases": [],
            "weights": [
                {"id": model_id, "revision": 1, "url": None if blob else sample.url,
                 "filename": sample.url.rpartition("/")[2], "digest": digest, "size": size,
                 "total": None, "pinned": None, "kept": blob is not None, "uploaded": False,
                 "current": True, "package": False, "tree": False, "archive": None,
                 "archive_size": None, "at": at},
            ],
        },
        ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"),
    )  # fmt: skip


class RawWriter:
    """Registers models, one transaction each.

    Args:
        path: a database that `make` made.
        durable: as in `connect`.
        actor: who is said to do it.
    """

    def __init__(self, path: str, *, durable: bool, actor: str = "me@here") -> None:
        self._connection = connect(path, durable=durable)
        self._connection.execute("BEGIN IMMEDIATE")  # others may start at the same time
        self._actor = self._key("actor", actor)
        self._connection.execute("COMMIT")

    def register(self, sample: Sample) -> None:
        """Write one model, its weights, tags and metadata, and the event that tells of them."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        seq, at, group = execute(
            "SELECT coalesce(max(seq), 0), (SELECT coalesce(max(stamp), 0) FROM model), "
            "(SELECT coalesce(max(pk), 0) + 1 FROM event) FROM event WHERE origin = 1"
        ).fetchone()
        at = max(time.time_ns() // 1_000, at + 1)
        found = execute("SELECT pk, id FROM project WHERE name = ?", (PROJECT,)).fetchone()
        if found is None:
            seq += 1
            found = self._new_project(seq, group, at)
        project, project_id = found
        model_id = _new_id()
        metadata = {
            key: [str(value), type(value).__name__] for key, value in sample.metadata.items()
        }
        filename = sample.url.rpartition("/")[2]
        version = execute(
            "SELECT coalesce(max(number), 0) + 1 FROM claim WHERE project = ? AND name = ?",
            (project, sample.name),
        ).fetchone()[0]
        payload = payload_of(sample, project_id, model_id, version, at)
        execute(
            "INSERT INTO event (event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, "
            "subject, payload) VALUES (?, 1, ?, ?, ?, ?, ?, ?, 'model.created', 1, ?, ?)",
            (model_id, seq + 1, group, seq + 1, at, at, self._actor, model_id, payload),
        )
        execute(
            "INSERT INTO claim VALUES (?, ?, ?, ?, 0, ?)",
            (project, sample.name, version, model_id, model_id),
        )
        model = execute(
            "INSERT INTO model (id, name, project, version, framework, package, published, "
            "contested, archived, created, updated, birth, stamp) "
            "VALUES (?, ?, ?, ?, 'PyTorch', 0, 0, 0, 0, ?, ?, ?, ?)",
            (model_id, sample.name, project, version, at, at, at, at),
        ).lastrowid
        for tag in sample.tags:
            key = self._key("tag", tag)
            execute("INSERT INTO model_tag VALUES (?, ?, ?, 1)", (model, key, at))
        self._connection.executemany(
            "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
            [
                (model, key, *entry, _number(sample.metadata[key]))
                for key, entry in metadata.items()
            ],
        )
        execute(
            "INSERT INTO weights (model, id, revision, url, filename, kept, uploaded, current, "
            "package, tree, at) VALUES (?, ?, 1, ?, ?, 0, 0, 1, 0, 0, ?)",
            (model, model_id, sample.url, filename, at),
        )
        execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _new_project(self, seq: int, group: int, at: int) -> tuple[int | None, str]:
        project_id = _new_id()
        payload = json.dumps({"name": PROJECT}, separators=(",", ":"))
        self._connection.execute(
            "INSERT INTO event (event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, "
            "subject, payload) VALUES (?, 1, ?, ?, ?, ?, ?, ?, 'project.created', 1, ?, ?)",
            (project_id, seq, group, seq, at, at, self._actor, project_id, payload),
        )
        insert = "INSERT INTO project (id, name, created) VALUES (?, ?, ?)"
        key = self._connection.execute(insert, (project_id, PROJECT, at)).lastrowid
        self._connection.execute("INSERT INTO project_id VALUES (?, ?)", (project_id, key))
        return key, project_id

    def _key(self, table: str, name: str) -> int | None:
        """Return the key of a tag or an actor, made if it is new."""
        extra, value = (", system", ", 0") if table == "tag" else ("", "")
        where = "name = ? AND system = 0" if table == "tag" else "name = ?"
        execute = self._connection.execute
        row = execute(f"SELECT pk FROM {table} WHERE {where}", (name,)).fetchone()
        if row is not None:
            return int(row[0])
        return execute(f"INSERT INTO {table} (name{extra}) VALUES (?{value})", (name,)).lastrowid


def differences(ours: str, raw: str) -> list[str]:
    """Return in which tables and columns two databases do not hold the same amount.

    Ids, times and texts of one run have the lengths of another's, so that the number of rows and
    the length of each column say whether the same was written. Actors may differ.
    """
    found = []
    with sqlite3.connect(ours) as first, sqlite3.connect(raw) as second:
        tables = first.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN "
            "('actor', 'setting', 'sqlite_sequence') ORDER BY name"
        ).fetchall()
        for (table,) in tables:
            columns = [row[1] for row in first.execute(f"PRAGMA table_info({table})")]
            lengths = ", ".join(f"sum(length({column}))" for column in columns)
            sql = f"SELECT count(*), {lengths} FROM {table}"
            amounts = zip(
                ("count", *columns),
                first.execute(sql).fetchone(),
                second.execute(sql).fetchone(),
                strict=True,
            )
            found += [
                f"{table}.{column}: {one} and {other}"
                for column, one, other in amounts
                if one != other
            ]
    first.close()
    second.close()
    return found


def _number(value: object) -> int | float | None:
    return value if isinstance(value, int | float) else None


def _new_id() -> str:
    return os.urandom(16).hex()
