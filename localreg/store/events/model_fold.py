"""Apply the events of projects, models and aliases to the state tables; see fold.py."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from localreg.store.rows import addition_rows
from localreg.store.rows.keys import blob_pk, claim, project_named, project_pk, release, tag_pk
from localreg.values.frozen import replace
from localreg.values.records import (
    Json,
    ModelRecord,
    StateChange,
    WeightsRecord,
    model_from_payload,
)

Connection = sqlite3.Connection

MODEL_COLUMNS = frozenset({"comment", "archived", "package", "framework", "task", "parent"})


def project_created(connection: Connection, event: StateChange) -> None:
    """Insert a project; if there is one of this name, it has another id now."""
    project = {"id": event.subject, "name": event.payload["name"]}
    connection.execute(
        "INSERT OR IGNORE INTO project_id VALUES (?, ?)",
        (event.subject, project_pk(connection, project, event.at)),
    )


def created(connection: Connection, event: StateChange) -> None:
    """Insert a model; if it has a row, that one keeps its key."""
    payload = event.payload
    record = model_from_payload(event.subject, payload)
    project = project_pk(connection, payload["project"], event.at)
    born = replace(record, birth=event.stamp, created=event.at)
    claim(connection, project, record.name, payload["version"], event.subject, event.event_id)
    _insert_model(connection, born, project, event)


def removed(connection: Connection, event: StateChange) -> None:
    """Delete a model, and insert a tombstone."""
    connection.execute(
        "INSERT OR REPLACE INTO tombstone "
        "SELECT id, project, name, version, ? FROM model WHERE id = ?",
        (event.stamp, event.subject),
    )
    connection.execute("DELETE FROM model WHERE id = ?", (event.subject,))


def restored(connection: Connection, event: StateChange) -> None:
    """Delete the tombstone of a model, whose unit is folded again."""
    connection.execute("DELETE FROM tombstone WHERE id = ?", (event.subject,))


def published(connection: Connection, event: StateChange) -> None:
    """Publish a model: the weights and the design that the event names are fixed."""
    connection.execute(
        "UPDATE model SET published = 1, contested = 0 WHERE id = ?", (event.subject,)
    )
    fix(connection, event.subject, event.payload)


def fix(connection: Connection, model_id: str, publication: Json) -> None:
    """Give a model the weights and the design of a publication."""
    if publication["revision"] is not None:
        _serve(connection, model_id, publication["revision"])
    _set_design(connection, model_id, publication)


def changed(connection: Connection, event: StateChange) -> None:
    """Set one column of a model."""
    if event.field in MODEL_COLUMNS:
        connection.execute(
            f"UPDATE model SET {event.field} = ? WHERE id = ?",
            (event.payload["new"], event.subject),
        )


def moved(connection: Connection, event: StateChange) -> None:
    """Give a model another project, name or number."""
    new = event.payload["new"]
    project = project_pk(connection, new["project"], event.at)
    connection.execute(
        "UPDATE model SET project = ?, name = ?, version = ? WHERE id = ?",
        (project, new["name"], new["version"], event.subject),
    )


def claimed(connection: Connection, event: StateChange) -> None:
    """Record the claims of an event that moves or renumbers, whether it is in effect or lost."""
    old, new = event.payload["old"], event.payload["new"]
    if event.kind == "model.renumbered":
        project = project_pk(connection, old["project"], event.at)
        release(connection, project, old["name"], old["version"], event.subject)
    project = project_pk(connection, new["project"], event.at)
    claim(connection, project, new["name"], new["version"], event.subject, event.event_id)


def released(connection: Connection, event: StateChange) -> None:
    """Free the number that a model claims."""
    line = event.payload
    project = project_pk(connection, line["project"], event.at)
    release(connection, project, line["name"], line["version"], event.subject)


def tagged(connection: Connection, event: StateChange) -> None:
    """Add a tag, or drop its additions that the event saw."""
    tag = tag_pk(connection, str(event.field), event.payload["system"])
    if event.payload["new"]:
        addition_rows.add(connection, "model", event.subject, tag, event.event_id)
    else:
        addition_rows.drop(connection, "model", event.subject, tag, event.payload["adds"])


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
    """Point an alias at a model, or at none."""
    payload = event.payload
    project, _ = project_named(connection, payload["project"], event.at)
    if payload["new"] is None:
        connection.execute(
            "DELETE FROM alias WHERE project = ? AND name = ? AND alias = ?",
            (project, payload["name"], event.field),
        )
    else:
        connection.execute(
            "INSERT OR REPLACE INTO alias VALUES (?, ?, ?, ?)",
            (project, payload["name"], event.field, payload["new"]),
        )


def alias_named(connection: Connection, event: StateChange) -> None:
    """Record which models an alias event names, whether it is in effect or lost."""
    named = {event.payload["old"], event.payload["new"]} - {None}
    connection.executemany(
        "INSERT OR IGNORE INTO alias_event VALUES (?, ?)",
        [(model_id, event.event_id) for model_id in sorted(named)],
    )


def weights_served(connection: Connection, event: StateChange) -> None:
    """Set the bytes that the URL of a revision served."""
    _set_bytes(connection, event, event.payload["new"])


def weights_kept(connection: Connection, event: StateChange) -> None:
    """Set the bytes of a revision that the registry only pointed to, and keeps from now on."""
    _set_bytes(connection, event, event.payload["digest"])
    connection.execute(
        "UPDATE weights SET kept = 1 WHERE model = (SELECT pk FROM model WHERE id = ?) AND id = ?",
        (event.subject, event.payload["revision"]),
    )


def _set_bytes(connection: Connection, event: StateChange, digest: str) -> None:
    """Set what a revision consists of."""
    new = event.payload
    found = WeightsRecord(digest=digest, size=new["size"], total=new["total"], at=event.at)
    connection.execute(
        "UPDATE weights SET blob = ?, filename = ?, tree = ?, archive = ?, archive_size = ? "
        "WHERE model = (SELECT pk FROM model WHERE id = ?) AND id = ?",
        (blob_pk(connection, found), new["filename"], new["tree"], new["archive"],
         new["archive_size"], event.subject, new["revision"]),
    )  # fmt: skip


def designed(connection: Connection, event: StateChange) -> None:
    """Set the configuration and the label enumeration of a model."""
    _set_design(connection, event.subject, event.payload["new"])


def _set_design(connection: Connection, model_id: str, new: Json) -> None:
    if new["config"] or new["labels"]:
        connection.execute(
            "INSERT OR REPLACE INTO design SELECT pk, ?, ? FROM model WHERE id = ?",
            (new["config"], _labels(new["labels"]), model_id),
        )
    else:
        connection.execute(
            "DELETE FROM design WHERE model = (SELECT pk FROM model WHERE id = ?)", (model_id,)
        )


def weights_added(connection: Connection, event: StateChange) -> None:
    """Insert a revision of a model's weights, and make it the current one."""
    weights_not_served(connection, event)
    _serve(connection, event.subject, event.event_id)


def weights_not_served(connection: Connection, event: StateChange) -> None:
    """Insert a revision of a model's weights that is kept, but not the current one."""
    model = connection.execute("SELECT pk FROM model WHERE id = ?", (event.subject,)).fetchone()
    if model is not None:
        weights = WeightsRecord(**event.payload["new"])
        new = replace(weights, id=event.event_id, current=False)
        _insert_weights(connection, int(model[0]), new)


def weights_chosen(connection: Connection, event: StateChange) -> None:
    """Make another revision of a model's weights the current one."""
    _serve(connection, event.subject, event.payload["new"]["revision"])


def _serve(connection: Connection, model_id: str, revision: str) -> None:
    """Make a revision the current one, if the model has it."""
    found = connection.execute(
        "SELECT w.pk, w.model, w.package, w.current FROM model m JOIN weights w "
        "ON w.model = m.pk WHERE m.id = ? AND w.id = ?",
        (model_id, revision),
    ).fetchone()
    if found is None or found[3]:
        return
    pk, model, package, _ = found
    connection.execute("UPDATE weights SET current = 0 WHERE model = ? AND current = 1", (model,))
    connection.execute("UPDATE weights SET current = 1 WHERE pk = ?", (pk,))
    connection.execute("UPDATE model SET package = ? WHERE pk = ?", (package, model))


def weights_dropped(connection: Connection, event: StateChange) -> None:
    """Delete a revision of a model's weights."""
    connection.execute(
        "DELETE FROM weights WHERE model = (SELECT pk FROM model WHERE id = ?) AND id = ?",
        (event.subject, event.payload["revision"]),
    )


def weights_uploaded(connection: Connection, event: StateChange) -> None:
    """Set the URL a revision was uploaded to; the registry need not keep its bytes any more.

    A package was uploaded as an archive.
    """
    revision = event.payload["revision"]
    connection.execute(
        "UPDATE weights SET url = ?, uploaded = ?, archive = ?, archive_size = ?, kept = 0 "
        "WHERE model = (SELECT pk FROM model WHERE id = ?) AND id = ?",
        (_real_url(connection, revision, event.payload["url"]),
         event.payload.get("made", True), event.payload["archive"], event.payload["archive_size"],
         event.subject, revision),
    )  # fmt: skip


def _insert_model(
    connection: Connection,
    record: ModelRecord,
    project: int,
    event: StateChange,
) -> None:
    columns = (
        "name, project, version, comment, framework, package, published, contested, archived, "
        "task, parent, created, updated, birth, stamp"
    )
    values = (
        record.name, project, record.version, record.comment, record.framework, record.package,
        record.published, False, record.archived, record.task, record.parent, record.created,
        event.at, record.birth, event.stamp,
    )  # fmt: skip
    marks = ", ".join("?" * len(values))
    row = connection.execute("SELECT pk FROM model WHERE id = ?", (record.id,)).fetchone()
    if row is None:
        cursor = connection.execute(
            f"INSERT INTO model (id, {columns}) VALUES (?, {marks})", (record.id, *values)
        )
        pk = int(cursor.lastrowid or 0)
    else:
        pk = int(row[0])
        connection.execute(f"UPDATE model SET ({columns}) = ({marks}) WHERE pk = ?", (*values, pk))
    if record.config or record.labels:
        connection.execute(
            "INSERT INTO design VALUES (?, ?, ?)", (pk, record.config, _labels(record.labels))
        )
    tags = [(tag, False) for tag in record.tags] + [(tag, True) for tag in record.system_tags]
    for tag, system in tags:
        key = tag_pk(connection, tag, system)
        connection.execute("INSERT INTO model_tag VALUES (?, ?, ?, 1)", (pk, key, event.stamp))
    connection.executemany(
        "INSERT INTO metadata VALUES (?, ?, ?, ?)",
        [(pk, key, entry.value, entry.type) for key, entry in record.metadata.items()],
    )
    for weights in record.weights:
        _insert_weights(connection, pk, replace(weights, id=record.id))


def _insert_weights(connection: Connection, pk: int, weights: WeightsRecord) -> None:
    connection.execute(
        "INSERT INTO weights (model, id, revision, url, blob, filename, pinned, kept, uploaded, "
        "current, package, tree, archive, archive_size, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (pk, weights.id, weights.revision, _real_url(connection, weights.id, weights.url),
         blob_pk(connection, weights), weights.filename, weights.pinned, weights.kept,
         weights.uploaded, weights.current, weights.package, weights.tree, weights.archive,
         weights.archive_size, weights.at),
    )  # fmt: skip


def _real_url(connection: Connection, revision: str, public: str | None) -> str | None:
    private = connection.execute(
        "SELECT url FROM private_url WHERE revision = ?", (revision,)
    ).fetchone()
    return str(private[0]) if private else public


def _labels(labels: Mapping[str, int]) -> str:
    return json.dumps(dict(labels), ensure_ascii=False, sort_keys=True)
