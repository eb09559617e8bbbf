"""The state tables, which an event changes at once; `state.py` says what each operation does."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
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
        self._made: dict[str, int] = {}  # keys of the models and tasks that were made here

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
        insert, update = _creating(owner)
        made = self._connection.execute(insert, (subject, *values))
        if made.rowcount:
            self._made[subject] = int(made.lastrowid or 0)
        else:
            self._connection.execute(update, (*values, subject))

    def change(self, owner: str, subject: str, columns: dict[str, object]) -> None:
        self._connection.execute(_changing(owner, *columns), (*columns.values(), subject))

    def _key(self, owner: str, subject: str) -> int | None:
        """Return the key of a model or task; None if it is not there."""
        key = self._made.get(subject)
        if key is None:
            sql = f"SELECT pk FROM {owner} WHERE id = ?"
            row = self._connection.execute(sql, (subject,)).fetchone()
            key = None if row is None else int(row[0])
        return key

    def delete_task(self, subject: str) -> None:
        self._made.pop(subject, None)
        self._connection.execute("DELETE FROM task WHERE id = ?", (subject,))

    def bury(self, subject: str, stamp: int) -> None:
        self._made.pop(subject, None)
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

    def put_all(
        self, table: str, subject: str, rows: Mapping[tuple[object, ...], Sequence[object]]
    ) -> None:
        owner = self._key(OWNED[table].owner, subject) if rows else None
        if owner is not None:
            self._connection.executemany(
                _putting_all(table), [(owner, *key, *values) for key, values in rows.items()]
            )

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

    def born_with(
        self, owner: str, subject: str, tags: Sequence[str], system: bool, stamp: int
    ) -> None:
        key = self._key(owner, subject) if tags else None
        if key is None:
            return
        columns, values = (", stamp", ", ?") if owner == "model" else ("", "")
        sql = (
            f"INTO {TAGS[owner]} ({owner}{columns}, tag, born) "
            f"SELECT ?{values}, pk, 1 FROM tag WHERE name = ? AND system = ?"
        )
        stamps = (stamp,) if owner == "model" else ()
        rows = [(key, *stamps, tag, system) for tag in tags]
        given = self._connection.executemany(f"INSERT {sql}", rows).rowcount
        if given < len(rows):  # some of the tags are new
            for tag in tags:
                self.tag(tag, system)
            self._connection.executemany(f"INSERT OR IGNORE {sql}", rows)

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
def _creating(owner: str) -> tuple[str, str]:
    """Return the statements that insert a model or task if it is not there, and change it."""
    columns = ", ".join(OWNERS[owner])
    marks = ", ".join("?" * len(OWNERS[owner]))
    return (
        f"INSERT INTO {owner} (id, {columns}) VALUES (?, {marks}) ON CONFLICT (id) DO NOTHING",
        f"UPDATE {owner} SET ({columns}) = ({marks}) WHERE id = ?",
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
    return f"{_into(table)} SELECT pk, {marks} FROM {owned.owner} WHERE id = ?"


@cache
def _putting_all(table: str) -> str:
    return f"{_into(table)} VALUES ({', '.join('?' * len(OWNED[table].columns))})"


def _into(table: str) -> str:
    # Of weights one is current: a second one must not replace it.
    verb = "INSERT" if table == "weights" else "INSERT OR REPLACE"
    return f"{verb} INTO {table} ({', '.join(OWNED[table].columns)})"


@cache
def _dropping(table: str) -> str:
    owned = OWNED[table]
    key = "".join(f" AND {each} = ?" for each in owned.keys)
    owner = owned.owner
    return f"DELETE FROM {table} WHERE {owner} = (SELECT pk FROM {owner} WHERE id = ?){key}"
