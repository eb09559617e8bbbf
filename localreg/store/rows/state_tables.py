"""The state tables, which an event changes at once; `state.py` says what each operation does."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache

from localreg.store.rows import addition_rows, keys, task_rows
from localreg.store.rows.state import OWNED, OWNERS, TAGS
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.state import Passed

Connection = sqlite3.Connection


class StateTables:
    """The state tables of a registry, in a write transaction. It is a `State`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def project(self, project: Json | None, at: int) -> int:
        return keys.project_pk(self._connection, project, at)

    def add_project_id(self, project_id: str, key: int) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO project_id VALUES (?, ?)", (project_id, key)
        )

    def project_named(self, name: str, at: int) -> int:
        return keys.project_named(self._connection, name, at)[0]

    def tag(self, name: str, system: bool) -> int:
        return keys.tag_pk(self._connection, name, system)

    def blob(self, digest: str | None, size: int | None, total: int | None, at: int) -> int | None:
        return keys.blob_pk(self._connection, digest, size, total, at)

    def real_url(self, revision: str, public: str | None) -> str | None:
        private = self._connection.execute(
            "SELECT url FROM private_url WHERE revision = ?", (revision,)
        ).fetchone()
        return str(private[0]) if private else public

    def create(self, owner: str, subject: str, values: Sequence[object]) -> None:
        look, insert, update = _creating(owner)
        row = self._connection.execute(look, (subject,)).fetchone()
        if row is None:
            self._connection.execute(insert, (subject, *values))
        else:
            self._connection.execute(update, (*values, int(row[0])))

    def change(self, owner: str, subject: str, columns: dict[str, object]) -> None:
        self._connection.execute(_changing(owner, *columns), (*columns.values(), subject))

    def delete_task(self, subject: str) -> None:
        self._connection.execute("DELETE FROM task WHERE id = ?", (subject,))

    def bury(self, subject: str, stamp: int) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO tombstone "
            "SELECT id, project, name, version, ? FROM model WHERE id = ?",
            (stamp, subject),
        )
        self._connection.execute("DELETE FROM model WHERE id = ?", (subject,))

    def unbury(self, subject: str) -> None:
        self._connection.execute("DELETE FROM tombstone WHERE id = ?", (subject,))

    def put(
        self, table: str, subject: str, key: tuple[object, ...], values: Sequence[object]
    ) -> None:
        self._connection.execute(_putting(table), (*key, *values, subject))

    def drop(self, table: str, subject: str, key: tuple[object, ...]) -> None:
        self._connection.execute(_dropping(table), (subject, *key))

    def change_weights(self, model_id: str, revision: str, columns: dict[str, object]) -> None:
        self._connection.execute(
            _changing_weights(*columns), (*columns.values(), model_id, revision)
        )

    def serve(self, model_id: str, revision: str) -> None:
        connection = self._connection
        found = connection.execute(
            "SELECT w.pk, w.model, w.package, w.current FROM model m JOIN weights w "
            "ON w.model = m.pk WHERE m.id = ? AND w.id = ?",
            (model_id, revision),
        ).fetchone()
        if found is None or found[3]:
            return
        pk, model, package, _ = found
        connection.execute(
            "UPDATE weights SET current = 0 WHERE model = ? AND current = 1", (model,)
        )
        connection.execute("UPDATE weights SET current = 1 WHERE pk = ?", (pk,))
        connection.execute("UPDATE model SET package = ? WHERE pk = ?", (package, model))

    def born_with(self, owner: str, subject: str, tag: int, stamp: int) -> None:
        columns, values = (", stamp", ", ?") if owner == "model" else ("", "")
        parameters = (tag, stamp, subject) if owner == "model" else (tag, subject)
        self._connection.execute(
            f"INSERT INTO {TAGS[owner]} ({owner}, tag{columns}, born) "
            f"SELECT pk, ?{values}, 1 FROM {owner} WHERE id = ?",
            parameters,
        )

    def add_tag(self, owner: str, subject: str, tag: int, event_id: str) -> None:
        addition_rows.add(self._connection, owner, subject, tag, event_id)

    def drop_tag(self, owner: str, subject: str, tag: int, seen: Sequence[str]) -> None:
        addition_rows.drop(self._connection, owner, subject, tag, seen)

    def claim(self, project: int, name: str, number: int, model_id: str, event_id: str) -> None:
        keys.claim(self._connection, project, name, number, model_id, event_id)

    def release(self, project: int, name: str, number: int, model_id: str) -> None:
        keys.release(self._connection, project, name, number, model_id)

    def point_alias(
        self, project: int, name: str, alias: str, model_id: str | None, passed: Passed
    ) -> None:
        if model_id is None:
            self._connection.execute(
                "DELETE FROM alias WHERE project = ? AND name = ? AND alias = ?",
                (project, name, alias),
            )
        else:
            self._connection.execute(
                "INSERT OR REPLACE INTO alias VALUES (?, ?, ?, ?, ?, ?)",
                (project, name, alias, model_id, *passed),
            )

    def set_gate(self, project: int, name: str, alias: str, gate: tuple[str, str] | None) -> None:
        if gate is None:
            self._connection.execute(
                "DELETE FROM gate WHERE project = ? AND name = ? AND alias = ?",
                (project, name, alias),
            )
        else:
            self._connection.execute(
                "INSERT OR REPLACE INTO gate VALUES (?, ?, ?, ?, ?)", (project, name, alias, *gate)
            )

    def name_in_alias_event(self, model_id: str, event_id: str) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO alias_event VALUES (?, ?)", (model_id, event_id)
        )

    def touch_task(self, subject: str, stamp: int, at: int) -> None:
        task_rows.touch(self._connection, subject, stamp, at)


@cache
def _creating(owner: str) -> tuple[str, str, str]:
    """Return the statements that look for a model or task, insert it, and change it."""
    columns = ", ".join(OWNERS[owner])
    marks = ", ".join("?" * len(OWNERS[owner]))
    return (
        f"SELECT pk FROM {owner} WHERE id = ?",
        f"INSERT INTO {owner} (id, {columns}) VALUES (?, {marks})",
        f"UPDATE {owner} SET ({columns}) = ({marks}) WHERE pk = ?",
    )


@cache
def _changing(owner: str, *columns: str) -> str:
    assert set(columns) <= {*OWNERS[owner]}
    return f"UPDATE {owner} SET {', '.join(f'{each} = ?' for each in columns)} WHERE id = ?"


@cache
def _changing_weights(*columns: str) -> str:
    return (
        f"UPDATE weights SET {', '.join(f'{each} = ?' for each in columns)} "
        "WHERE model = (SELECT pk FROM model WHERE id = ?) AND id = ?"
    )


@cache
def _putting(table: str) -> str:
    owned = OWNED[table]
    marks = ", ".join("?" * (len(owned.columns) - 1))
    # Of weights one is current: a second one must not replace it.
    verb = "INSERT" if table == "weights" else "INSERT OR REPLACE"
    return (
        f"{verb} INTO {table} ({', '.join(owned.columns)}) "
        f"SELECT pk, {marks} FROM {owned.owner} WHERE id = ?"
    )


@cache
def _dropping(table: str) -> str:
    owned = OWNED[table]
    key = "".join(f" AND {each} = ?" for each in owned.keys)
    owner = owned.owner
    return f"DELETE FROM {table} WHERE {owner} = (SELECT pk FROM {owner} WHERE id = ?){key}"
