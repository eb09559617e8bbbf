"""The rows that units come to when all their events are folded: in memory, written in batches.

`state.py` says what each operation does. A unit is begun, its events are applied, and it is ended;
`write` puts the rows of many units into the tables, a statement for each table. So a fold costs
little more than the rows that it leaves.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from localreg.store.rows import forgotten_rows, keys
from localreg.store.rows.loading import has_rows
from localreg.store.rows.state import OWNED, OWNERS, TAGS
from localreg.store.rows.state_tables import StateTables
from localreg.values.frozen import Frozen
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.store.rows.state import Passed

Connection = sqlite3.Connection
Number = tuple[int, str, int]  # key of a project, name and number of a version

_MOST = 1_000  # units that wait to be written
_WEIGHTS = {name: place for place, name in enumerate(OWNED["weights"].values)}
_CURRENT, _PACKAGE = _WEIGHTS["current"], _WEIGHTS["package"]
_OWNED_BY = {table: owned.owner for table, owned in OWNED.items()}
# What is deleted of a unit before it is folded again, by what the first column has.
_BY_KEY = {
    owner: (TAGS[owner], *(table for table, owned in OWNED.items() if owned.owner == owner))
    for owner in OWNERS
}
# The tables of aliases, and their columns beside project, name and alias.
_OF_ALIASES = {"alias": ("model", "gate", "override"), "gate": ("conditions", "event")}
_BY_ID = (("tombstone", "id"), ("claim", "model"), ("addition", "subject"), ("writer", "subject"))


def _inserting(table: str, columns: Sequence[str], verb: str = "INSERT") -> str:
    marks = ", ".join("?" * len(columns))
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({marks})"


# In the order in which they are written: what is referred to comes first.
_STATEMENTS = {
    **{f"delete {table}": f"DELETE FROM {table} WHERE {owner} = ?"
       for owner, tables in _BY_KEY.items() for table in tables},
    **{f"delete {table}": f"DELETE FROM {table} WHERE {column} = ?" for table, column in _BY_ID},
    **{f"delete {owner}": f"DELETE FROM {owner} WHERE pk = ?" for owner in OWNERS},
    **{f"delete {table}": f"DELETE FROM {table} WHERE "
       "project = (SELECT pk FROM project WHERE name = ?) AND name = ? AND alias = ?"
       for table in _OF_ALIASES},
    "blob": _inserting("blob", ("pk", "digest", "size", "total", "added")),
    **{f"change {owner}": f"UPDATE {owner} SET ({', '.join(columns)}) = "
       f"({', '.join('?' * len(columns))}) WHERE pk = ?" for owner, columns in OWNERS.items()},
    **{owner: _inserting(owner, ("pk", "id", *columns)) for owner, columns in OWNERS.items()},
    "model_tag": _inserting("model_tag", ("model", "tag", "born", "stamp")),
    "task_tag": _inserting("task_tag", ("task", "tag", "born")),
    **{table: _inserting(table, owned.columns) for table, owned in OWNED.items()},
    "tombstone": _inserting(
        "tombstone", ("id", "project", "name", "version", "stamp"), "INSERT OR REPLACE"
    ),
    "claim": _inserting(
        "claim", ("project", "name", "number", "model", "released", "event"), "INSERT OR REPLACE"
    ),
    "addition": _inserting("addition", ("subject", "tag", "event"), "INSERT OR IGNORE"),
    "writer": _inserting("writer", ("subject", "register", "events"), "INSERT OR REPLACE"),
    **{table: _inserting(table, ("project", "name", "alias", *columns), "INSERT OR REPLACE")
       for table, columns in _OF_ALIASES.items()},
    **{f"no {table}": f"DELETE FROM {table} WHERE project = ? AND name = ? AND alias = ?"
       for table in _OF_ALIASES},
    "alias_event": _inserting("alias_event", ("model", "event"), "INSERT OR IGNORE"),
}  # fmt: skip


# All of them.
TABLES = (
    *OWNERS, *OWNED, *TAGS.values(), *_OF_ALIASES, "blob", "tombstone", "claim", "addition",
    "writer", "alias_event",
)  # fmt: skip


class Folded(Frozen):
    """What a unit came to.

    Attributes:
        line: key of the project, name and number of the model, also of a removed one; or None.
        removed: True if it is a model that is removed.
        contested: True if it is a model that was published twice, with different content.
        claims: the version numbers that it claims and did not release.
    """

    line: Number | None
    removed: bool
    contested: bool
    claims: frozenset[Number]


class FoldedRows:
    """The rows of units, in memory until `write`. It is a `State`.

    Args:
        connection: in a write transaction. Between `begin` of the first unit and `write` nothing
            else may add models, tasks or blobs.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._tables = StateTables(connection)
        self._waiting: dict[str, list[Sequence[Any]]] = {each: [] for each in _STATEMENTS}
        self._units = 0
        self._projects: dict[tuple[str, str], int] = {}
        self._named: dict[str, int] = {}
        self._tags: dict[tuple[str, bool], int] = {}
        self._blobs: dict[str, int | None] = {}  # None: it is known that there is none
        self._next: dict[str, int] = {}
        self._is_named: dict[str, bool] = {}
        # True if there are rows of that kind at all; most registries have none.
        self._some_forgotten: bool | None = None
        self._private: bool | None = None
        self._clear("")

    def _clear(self, subject: str) -> None:
        self._subject = subject
        self._owner = ""
        self._removed = False
        self._values: dict[str, object] = {}
        self._rows: dict[str, dict[tuple[object, ...], Sequence[Any]]] = {}
        self._tagged: dict[int, int] = {}  # 1: since the creation
        self._additions: dict[int, dict[str, None]] = {}
        self._claims: dict[Number, tuple[int, str]] = {}
        self._tombstone: tuple[object, ...] | None = None
        self._aliases: dict[tuple[int, str, str], Sequence[str | None] | None] = {}
        self._gates: dict[tuple[int, str, str], Sequence[str | None] | None] = {}
        self._keys: dict[str, int] = {}  # of the rows that are there, by owner

    def expect(self, digests: Iterable[str]) -> None:
        """Look for blobs that the next units name, by one statement."""
        if not self._waiting["blob"]:
            self._blobs.clear()
        self._look_for_blobs([each for each in digests if each not in self._blobs])

    def _look_for_blobs(self, wanted: list[str]) -> None:
        self._blobs.update(dict.fromkeys(wanted))
        self._blobs.update(
            self.connection.execute(
                "SELECT digest, pk FROM blob WHERE digest IN (SELECT value FROM json_each(?))",
                (json.dumps(wanted),),
            )
        )

    def begin(self, subject: str, *, fresh: bool) -> None:
        """Begin a unit.

        Args:
            fresh: True if none of its events was folded before. Otherwise its rows are replaced;
                those of a model or task keep their keys.
        """
        self._clear(subject)
        if fresh:
            return
        for owner, tables in _BY_KEY.items():
            found = self.connection.execute(
                f"SELECT pk FROM {owner} WHERE id = ?", (subject,)
            ).fetchone()
            if found is not None:
                self._keys[owner] = int(found[0])
                for table in tables:
                    self._waiting[f"delete {table}"].append(found)
        for table, _ in _BY_ID:
            self._waiting[f"delete {table}"].append((subject,))

    def empty_alias(self, project: str, name: str, alias: str) -> None:
        """Let the unit, which was folded before and is an alias, have no target and no gate."""
        for table in _OF_ALIASES:
            self._waiting[f"delete {table}"].append((project, name, alias))

    def end(self) -> Folded:
        """End the unit; its rows wait to be written."""
        waiting, subject = self._waiting, self._subject
        for (project, name, number), (released, event) in self._claims.items():
            waiting["claim"].append((project, name, number, subject, released, event))
        for tag, events in self._additions.items():
            waiting["addition"] += [(subject, tag, event) for event in events]
        for table, alias_rows in (("alias", self._aliases), ("gate", self._gates)):
            for alias, values in alias_rows.items():
                if values is None:
                    waiting[f"no {table}"].append(alias)
                else:
                    waiting[table].append((*alias, *values))
        if self._tombstone is not None:
            waiting["tombstone"].append(self._tombstone)
        if self._removed:
            for owner in OWNERS:
                if self._owner == owner and owner in self._keys:
                    waiting[f"delete {owner}"].append((self._keys[owner],))
        elif self._owner:
            self._end_owner(self._owner)
        found = Folded(
            self._line(),
            self._tombstone is not None,
            not self._removed and bool(self._values.get("contested")),
            frozenset(key for key, (released, _) in self._claims.items() if not released),
        )
        self._units += 1
        if self._units >= _MOST:
            self.write()
        return found

    def _end_owner(self, owner: str) -> None:
        waiting = self._waiting
        key = self._keys.get(owner)
        if key is None:
            key = self._new_key(owner)
            waiting[owner].append((key, self._subject, *self._values.values()))
        else:
            waiting[f"change {owner}"].append((*self._values.values(), key))
        for table, rows in self._rows.items():
            waiting[table] += [(key, *names, *values) for names, values in rows.items()]
        if self._tagged:
            stamp = (self._values["stamp"],) if owner == "model" else ()
            waiting[TAGS[owner]] += [(key, tag, born, *stamp) for tag, born in self._tagged.items()]

    def _line(self) -> Number | None:
        if self._owner != "model":
            return None
        values: dict[str, Any] = self._values
        return values["project"], values["name"], values["version"]

    def write(self) -> None:
        """Write all rows that wait."""
        for name, statement in _STATEMENTS.items():
            rows = self._waiting[name]
            if rows:
                self.connection.executemany(statement, rows)
                rows.clear()
        self._units = 0
        self._next.clear()

    def _new_key(self, table: str) -> int:
        """Return a key that was never used."""
        key = self._next.get(table)
        if key is None:
            key = keys.next_key(self.connection, table)
        self._next[table] = key + 1
        return key

    def expect_models(self, model_ids: Sequence[str]) -> None:
        """Look which of the next units alias events name, by one statement."""
        self._is_named = dict.fromkeys(model_ids, False)
        if not has_rows(self.connection, "alias_event"):
            return
        found = self.connection.execute(
            "SELECT DISTINCT model FROM alias_event "
            "WHERE model IN (SELECT value FROM json_each(?))",
            (json.dumps(model_ids),),
        )
        self._is_named.update((str(model_id), True) for (model_id,) in found)

    def is_named(self, model_id: str) -> bool:
        """Return True if alias events may name a model."""
        return self._is_named.get(model_id, True)

    def is_forgotten(self) -> bool:
        """Return True if the unit is a model that is removed from this registry only."""
        if self._some_forgotten is None:
            self._some_forgotten = has_rows(self.connection, "forgotten")
        return self._some_forgotten and forgotten_rows.is_forgotten(self.connection, self._subject)

    def set_writers(self, registers: Mapping[str, Sequence[str]]) -> None:
        """Set the events whose values the registers of the unit have."""
        self._waiting["writer"] += [
            (self._subject, register, " ".join(events)) for register, events in registers.items()
        ]

    def claim_own_number(self) -> None:
        """Let the model claim the number that it has, even if an event elsewhere released it."""
        line = self._line()
        if line in self._claims and not self._removed:
            self._claims[line] = 0, self._claims[line][1]

    def touch(self, owner: str, stamp: int, at: int) -> None:
        """Set stamp and time of the last change of a model or task."""
        if self._owner == owner:
            self._values["stamp"], self._values["updated"] = stamp, at

    def project(self, project: Json | None, at: int) -> int:
        if project is None:
            return 0
        named = project["id"], project["name"]
        key = self._projects.get(named)
        if key is None:
            key = self._projects[named] = self._tables.project(project, at)
        return key

    def add_project_id(self, project_id: str, key: int) -> None:
        self._tables.add_project_id(project_id, key)

    def project_named(self, name: str, at: int) -> int:
        key = self._named.get(name)
        if key is None:
            key = self._named[name] = self._tables.project_named(name, at)
        return key

    def tag(self, name: str, system: bool) -> int:
        key = self._tags.get((name, system))
        if key is None:
            key = self._tags[name, system] = self._tables.tag(name, system)
        return key

    def blob(self, digest: str | None, size: int | None, total: int | None, at: int) -> int | None:
        if digest is None:
            return None
        if digest not in self._blobs:
            self._look_for_blobs([digest])
        key = self._blobs[digest]
        if key is None:
            key = self._blobs[digest] = self._new_key("blob")
            self._waiting["blob"].append((key, digest, size, total, at))
        return key

    def real_url(self, revision: str, public: str | None) -> str | None:
        if self._private is None:
            self._private = has_rows(self.connection, "private_url")
        return self._tables.real_url(revision, public) if self._private else public

    def create(self, owner: str, subject: str, values: Sequence[object]) -> None:
        self._owner = owner
        self._values = dict(zip(OWNERS[owner], values, strict=True))

    def change(self, owner: str, subject: str, columns: dict[str, object]) -> None:
        if self._owner == owner:
            self._values.update(columns)

    def delete_task(self, subject: str) -> None:
        self._removed = self._owner == "task"

    def bury(self, subject: str, stamp: int) -> None:
        line = self._line()
        if line is not None:
            self._removed = True
            self._tombstone = (subject, *line, stamp)

    def unbury(self, subject: str) -> None:
        self._tombstone = None

    def put(
        self, table: str, subject: str, key: tuple[object, ...], values: Sequence[object]
    ) -> None:
        if self._owner == _OWNED_BY[table]:
            rows = self._rows.get(table)
            if rows is None:
                rows = self._rows[table] = {}
            rows[key] = values

    def put_all(
        self, table: str, subject: str, rows: Mapping[tuple[object, ...], Sequence[object]]
    ) -> None:
        if rows and self._owner == _OWNED_BY[table]:
            self._rows.setdefault(table, {}).update(rows)

    def drop(self, table: str, subject: str, key: tuple[object, ...]) -> None:
        rows = self._rows.get(table)
        if rows is not None:
            rows.pop(key, None)

    def change_weights(self, model_id: str, revision: str, columns: dict[str, object]) -> None:
        rows = self._rows.get("weights", {})
        if (revision,) in rows:
            values = [*rows[revision,]]
            for name, value in columns.items():
                values[_WEIGHTS[name]] = value
            rows[revision,] = values

    def serve(self, model_id: str, revision: str) -> None:
        rows = self._rows.get("weights", {})
        found = rows.get((revision,))
        if found is None or found[_CURRENT]:
            return
        for key, values in rows.items():
            if values[_CURRENT] or values is found:
                changed = [*values]
                changed[_CURRENT] = values is found
                rows[key] = changed
        self._values["package"] = found[_PACKAGE]

    def born_with(
        self, owner: str, subject: str, tags: Sequence[str], system: bool, stamp: int
    ) -> None:
        for tag in tags:
            self._tagged[self.tag(tag, system)] = 1

    def add_tag(self, owner: str, subject: str, tag: int, event_id: str) -> None:
        if self._owner == owner:
            self._additions.setdefault(tag, {})[event_id] = None
            self._tagged.setdefault(tag, 0)

    def drop_tag(self, owner: str, subject: str, tag: int, seen: Sequence[str]) -> None:
        if self._owner != owner:
            return
        additions = self._additions.get(tag, {})
        for event in seen:
            additions.pop(event, None)
        if tag in self._tagged and subject in seen:
            self._tagged[tag] = 0
        if not additions and self._tagged.get(tag) == 0:
            del self._tagged[tag]

    def claim(self, project: int, name: str, number: int, model_id: str, event_id: str) -> None:
        key = project, name, number
        if key not in self._claims or self._claims[key][0]:
            self._claims[key] = 0, event_id

    def release(self, project: int, name: str, number: int, model_id: str) -> None:
        key = project, name, number
        if key in self._claims:
            self._claims[key] = 1, self._claims[key][1]

    def point_alias(
        self, project: int, name: str, alias: str, model_id: str | None, passed: Passed
    ) -> None:
        self._aliases[project, name, alias] = None if model_id is None else (model_id, *passed)

    def set_gate(self, project: int, name: str, alias: str, gate: tuple[str, str] | None) -> None:
        self._gates[project, name, alias] = gate

    def name_in_alias_event(self, model_id: str, event_id: str) -> None:
        self._waiting["alias_event"].append((model_id, event_id))

    def touch_task(self, subject: str, stamp: int, at: int) -> None:
        self.touch("task", stamp, at)
