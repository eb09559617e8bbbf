"""The gates of aliases, and which aliases passed them.

An alias is held while it has a gate, was set without passing it, and was not checked here since.
"""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import FLAG, ID, TEXT, Columns, json_of, or_null, texts
from localreg.store.rows.column_rules import TEXTS
from localreg.store.rows.held_sql import HELD, WITH_GATE
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection
Line = tuple[str, str]  # name of a project ("" for none), and name of models
AliasKey = tuple[str, str, str]  # the same, and an alias

_KEY = "project = (SELECT pk FROM project WHERE name = ?) AND name = ? AND alias = ?"
_POINTING = "JOIN model m ON m.id = a.model AND m.project = a.project AND m.name = a.name"


class GateRow(Frozen):
    """The gate of an alias: its conditions, and the id of the event that made it."""

    conditions: tuple[str, ...]
    event: str


class Target(Frozen):
    """Where an alias points to.

    Attributes:
        model: the id of the model.
        gate: the event of the gate that was passed when it was set; None for none.
        override: the reason for which it was set although the model did not pass; None for none.
        held: True if it leads to no model, since a gate was not passed.
    """

    model: str
    gate: str | None
    override: str | None
    held: bool


class Held(Frozen):
    """An alias that is held: where it points to, and the event of its gate."""

    project: str
    name: str
    alias: str
    model: str
    gate: str

    @property
    def key(self) -> AliasKey:
        """Project, name and alias."""
        return self.project, self.name, self.alias


_TARGET = Columns("alias", model=ID, gate=or_null(ID), override=or_null(TEXT), held=FLAG)
_GATE = Columns("gate", 1, conditions=TEXTS, event=ID)
_ROWS = Columns("alias", 3, project=TEXT, name=TEXT, alias=TEXT, model=ID, gate=ID)


def target(connection: Connection, line: Line, alias: str) -> Target | None:
    """Return where an alias points to; None if that is no model of the line, or there is none."""
    row = _TARGET.one(
        connection,
        f"SELECT a.model, a.gate, a.override, {HELD} FROM project p JOIN alias a "
        f"ON a.project = p.pk {_POINTING} {WITH_GATE} "
        "WHERE p.name = ? AND a.name = ? AND a.alias = ?",
        (*line, alias),
    )
    if row is None:
        return None
    model, passed, override, is_held = row
    return Target(model, passed, override, bool(is_held))


def with_gates(connection: Connection, model_id: str) -> list[str]:
    """Return the aliases that point to a model and have gates, sorted."""
    sql = (
        f"SELECT a.alias FROM alias a {_POINTING} JOIN gate g ON g.project = a.project "
        "AND g.name = a.name AND g.alias = a.alias WHERE m.id = ? ORDER BY a.alias"
    )
    return texts(connection, "alias", "alias", sql, (model_id,))


def gate(connection: Connection, line: Line, alias: str) -> GateRow | None:
    """Return the gate of an alias, or None."""
    row = _GATE.one(connection, f"SELECT conditions, event FROM gate WHERE {_KEY}", (*line, alias))
    return None if row is None else _gate(*row)


def _gate(conditions: str, event: str) -> GateRow:
    return GateRow(tuple(json_of(conditions, "gate", event, "conditions")), event)


def held(connection: Connection) -> list[Held]:
    """Return all aliases that are held."""
    rows = _ROWS.sound(
        connection,
        "SELECT p.name, a.name, a.alias, a.model, g.event FROM gate g CROSS JOIN alias a "
        "ON a.project = g.project AND a.name = g.name AND a.alias = g.alias "
        f"{_POINTING} JOIN project p ON p.pk = a.project WHERE {HELD} "
        "ORDER BY p.name, a.name, a.alias",
    )
    return [Held(*row) for row in rows]


def let_pass(connection: Connection, alias: Held) -> None:
    """Record that a model passed the gate of an alias which was set without a check."""
    connection.execute(
        "INSERT OR REPLACE INTO gate_passed (project, name, alias, model, gate) "
        "SELECT pk, ?, ?, ?, ? FROM project WHERE name = ?",
        (alias.name, alias.alias, alias.model, alias.gate, alias.project),
    )
