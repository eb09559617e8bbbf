"""Apply the events of projects, models and aliases to the state tables; see fold.py."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from localreg.store.rows.keys import blob_pk, next_version, project_pk, tag_pk
from localreg.values.frozen import replace
from localreg.values.records import ModelRecord, StateChange, WeightsRecord, model_from_payload

Connection = sqlite3.Connection

MODEL_COLUMNS = frozenset(
    {"comment", "published", "archived", "package", "framework", "task", "parent"}
)


def project_created(connection: Connection, event: StateChange) -> None:
    """Insert a project."""
    connection.execute(
        "INSERT INTO project (id, name, created) VALUES (?, ?, ?)",
        (event.subject, event.payload["name"], event.at),
    )


def created(connection: Connection, event: StateChange) -> None:
    """Insert a model as the next version of its project and name."""
    record = model_from_payload(event.subject, event.payload)
    project = project_pk(connection, record.project.id if record.project else "")
    version = next_version(connection, project, record.name)
    born = replace(record, version=version, birth=event.stamp, created=event.at)
    _insert_model(connection, born, project, event)


def removed(connection: Connection, event: StateChange) -> None:
    """Delete a model, and insert a tombstone."""
    connection.execute(
        "INSERT INTO tombstone SELECT id, project, name, version, ? FROM model WHERE id = ?",
        (event.stamp, event.subject),
    )
    connection.execute("DELETE FROM model WHERE id = ?", (event.subject,))


def restored(connection: Connection, event: StateChange) -> None:
    """Insert a removed model again, with its old version number."""
    record = model_from_payload(event.subject, event.payload)
    project = project_pk(connection, record.project.id if record.project else "")
    connection.execute("DELETE FROM tombstone WHERE id = ?", (event.subject,))
    version = record.version or next_version(connection, project, record.name)
    pk = _insert_model(connection, replace(record, version=version), project, event)
    connection.executemany(
        # An alias that another version got in the meantime stays there.
        "INSERT OR IGNORE INTO alias VALUES (?, ?, ?, ?)",
        [(project, record.name, alias, pk) for alias in record.aliases],
    )


def changed(connection: Connection, event: StateChange) -> None:
    """Set one column of a model."""
    if event.field in MODEL_COLUMNS:
        connection.execute(
            f"UPDATE model SET {event.field} = ? WHERE id = ?",
            (event.payload["new"], event.subject),
        )


def moved(connection: Connection, event: StateChange) -> None:
    """Make a model the next version of another project or name."""
    name, target = event.payload["new"]["name"], event.payload["new"]["project"]
    project = project_pk(connection, target["id"] if target else "")
    version = next_version(connection, project, name)
    connection.execute(
        "UPDATE model SET project = ?, name = ?, version = ? WHERE id = ?",
        (project, name, version, event.subject),
    )


def tagged(connection: Connection, event: StateChange) -> None:
    """Add or drop a tag."""
    tag = tag_pk(connection, str(event.field), event.payload["system"])
    if event.payload["new"]:
        sql = "INSERT OR IGNORE INTO model_tag SELECT pk, ?, stamp FROM model WHERE id = ?"
    else:
        sql = "DELETE FROM model_tag WHERE tag = ? AND model = (SELECT pk FROM model WHERE id = ?)"
    connection.execute(sql, (tag, event.subject))


def described(connection: Connection, event: StateChange) -> None:
    """Set or drop a metadata entry."""
    model = "(SELECT pk FROM model WHERE id = ?)"
    if event.payload["new"] is None:
        connection.execute(
            f"DELETE FROM metadata WHERE model = {model} AND key = ?", (event.subject, event.field)
        )
    else:
        connection.execute(
            f"INSERT OR REPLACE INTO metadata VALUES ({model}, ?, ?, ?)",
            (event.subject, event.field, *event.payload["new"]),
        )


def alias_set(connection: Connection, event: StateChange) -> None:
    """Point an alias of the model's line at the model."""
    connection.execute(
        "INSERT OR REPLACE INTO alias SELECT project, name, ?, pk FROM model WHERE id = ?",
        (event.field, event.subject),
    )


def alias_dropped(connection: Connection, event: StateChange) -> None:
    """Drop an alias of the model."""
    connection.execute(
        "DELETE FROM alias WHERE alias = ? AND model = (SELECT pk FROM model WHERE id = ?)",
        (event.field, event.subject),
    )


def weights_served(connection: Connection, event: StateChange) -> None:
    """Set the bytes that the URL of a revision served."""
    _set_bytes(connection, event, event.payload["new"])


def weights_kept(connection: Connection, event: StateChange) -> None:
    """Set the bytes of a revision that the registry only pointed to, and keeps from now on."""
    _set_bytes(connection, event, event.payload["digest"])
    connection.execute(
        "UPDATE weights SET kept = 1 "
        "WHERE model = (SELECT pk FROM model WHERE id = ?) AND revision = ?",
        (event.subject, event.payload["revision"]),
    )


def _set_bytes(connection: Connection, event: StateChange, digest: str) -> None:
    """Set what a revision consists of."""
    new = event.payload
    found = WeightsRecord(digest=digest, size=new["size"], total=new["total"], at=event.at)
    connection.execute(
        "UPDATE weights SET blob = ?, filename = ?, tree = ?, archive = ?, archive_size = ? "
        "WHERE model = (SELECT pk FROM model WHERE id = ?) AND revision = ?",
        (blob_pk(connection, found), new["filename"], new["tree"], new["archive"],
         new["archive_size"], event.subject, new["revision"]),
    )  # fmt: skip


def designed(connection: Connection, event: StateChange) -> None:
    """Set the configuration and the label enumeration of a model."""
    new = event.payload["new"]
    if new["config"] or new["labels"]:
        connection.execute(
            "INSERT OR REPLACE INTO design SELECT pk, ?, ? FROM model WHERE id = ?",
            (new["config"], _labels(new["labels"]), event.subject),
        )
    else:
        connection.execute(
            "DELETE FROM design WHERE model = (SELECT pk FROM model WHERE id = ?)",
            (event.subject,),
        )


def weights_added(connection: Connection, event: StateChange) -> None:
    """Insert a revision of a model's weights, and make it the current one."""
    model = connection.execute("SELECT pk FROM model WHERE id = ?", (event.subject,)).fetchone()
    if model is not None:
        connection.execute("UPDATE weights SET current = 0 WHERE model = ?", model)
        weights = WeightsRecord(**event.payload["new"])
        _insert_weights(connection, event.subject, int(model[0]), weights)


def weights_chosen(connection: Connection, event: StateChange) -> None:
    """Make another revision of a model's weights the current one."""
    model = "(SELECT pk FROM model WHERE id = ?)"
    connection.execute(f"UPDATE weights SET current = 0 WHERE model = {model}", (event.subject,))
    connection.execute(
        f"UPDATE weights SET current = 1 WHERE model = {model} AND revision = ?",
        (event.subject, event.payload["new"]["revision"]),
    )


def weights_dropped(connection: Connection, event: StateChange) -> None:
    """Delete a revision of a model's weights."""
    connection.execute(
        "DELETE FROM weights WHERE model = (SELECT pk FROM model WHERE id = ?) AND revision = ?",
        (event.subject, event.payload["revision"]),
    )


def weights_uploaded(connection: Connection, event: StateChange) -> None:
    """Set the URL a revision was uploaded to; the registry need not keep its bytes any more.

    A package was uploaded as an archive.
    """
    revision = event.payload["revision"]
    connection.execute(
        "UPDATE weights SET url = ?, uploaded = ?, archive = ?, archive_size = ?, kept = 0 "
        "WHERE model = (SELECT pk FROM model WHERE id = ?) AND revision = ?",
        (_real_url(connection, event.subject, revision, event.payload["url"]),
         event.payload.get("made", True), event.payload["archive"], event.payload["archive_size"],
         event.subject, revision),
    )  # fmt: skip


def _insert_model(
    connection: Connection,
    record: ModelRecord,
    project: int,
    event: StateChange,
) -> int:
    cursor = connection.execute(
        "INSERT INTO model (id, name, project, version, comment, framework, package, published, "
        "archived, task, parent, created, updated, birth, stamp) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (record.id, record.name, project, record.version, record.comment, record.framework,
         record.package, record.published, record.archived, record.task,
         record.parent, record.created, event.at, record.birth, event.stamp),
    )  # fmt: skip
    pk = int(cursor.lastrowid or 0)
    if record.config or record.labels:
        connection.execute(
            "INSERT INTO design VALUES (?, ?, ?)", (pk, record.config, _labels(record.labels))
        )
    tags = [(tag, False) for tag in record.tags] + [(tag, True) for tag in record.system_tags]
    for tag, system in tags:
        key = tag_pk(connection, tag, system)
        connection.execute("INSERT INTO model_tag VALUES (?, ?, ?)", (pk, key, event.stamp))
    connection.executemany(
        "INSERT INTO metadata VALUES (?, ?, ?, ?)",
        [(pk, key, entry.value, entry.type) for key, entry in record.metadata.items()],
    )
    for weights in record.weights:
        _insert_weights(connection, record.id, pk, weights)
    return pk


def _insert_weights(connection: Connection, model_id: str, pk: int, weights: WeightsRecord) -> None:
    connection.execute(
        "INSERT INTO weights (model, revision, url, blob, filename, pinned, kept, uploaded, "
        "current, tree, archive, archive_size, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (pk, weights.revision, _real_url(connection, model_id, weights.revision, weights.url),
         blob_pk(connection, weights), weights.filename, weights.pinned, weights.kept,
         weights.uploaded, weights.current, weights.tree, weights.archive, weights.archive_size,
         weights.at),
    )  # fmt: skip


def _real_url(
    connection: Connection, model_id: str, revision: int, public: str | None
) -> str | None:
    private = connection.execute(
        "SELECT url FROM private_url WHERE model = ? AND revision = ?", (model_id, revision)
    ).fetchone()
    return str(private[0]) if private else public


def _labels(labels: Mapping[str, int]) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, sort_keys=True)
