"""Aliases: names that move between the versions of a model."""

from __future__ import annotations

from localreg.errors import (
    AliasConflictError,
    AliasNotFoundError,
)
from localreg.operations.finding.gates import check_alias as check_alias
from localreg.operations.finding.references import require_model
from localreg.operations.trust import gates
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import gate_rows, model_rows
from localreg.store.rows.model_rows import ModelRow
from localreg.values.frozen import Frozen

ANYTHING = object()
"""The default of `expect` in `set_alias`: the alias may point anywhere."""


class Aliased(Frozen):
    """What became of an alias.

    Attributes:
        before: the id of the model that it pointed to before; None if it is new.
        changed: False if it was so already.
        override: the reason that is kept, since the model does not pass the gate of the alias; None
            if it passes, or there is no gate.
    """

    before: str | None
    changed: bool
    override: str | None


def set_alias(
    chain: Chain,
    model_id: str,
    alias: object,
    expect: object = ANYTHING,
    *,
    override: object = None,
) -> Aliased:
    """Point an alias of a model's project and name at the model.

    If the alias has a gate, the model must pass it (`operations/trust/gates.py`). That is checked
    again if the alias points to the model already, and is held.

    Args:
        chain: the registry of the model is its first.
        expect: id of the model that it must point to before, or None if there must be no alias.
        override: a reason for which the alias is set although the model does not pass.

    Raises:
        AliasConflictError: it points elsewhere; nothing was changed.
        GateError: the model does not pass the gate; nothing was changed.
    """
    name = check_alias(alias)
    reason = gates.check_override(override)
    chain.first.store.check_writable()
    gates.prepare(chain, model_id, name)
    with chain.first.store.write() as change:
        row = require_model(change.connection, model_id)
        found = _target(change, row, name)
        if expect is not ANYTHING and found != expect:
            raise AliasConflictError(
                f"alias {name!r} of {_line(row)} was expected {_place(change, expect)}, and "
                f"{_found_at(change, found)}; look with `localreg show`, then decide again",
                alias=name,
                found=found,
            )
        return _point(chain, change, row, name, reason)


def point_alias(
    chain: Chain, change: Change, model_id: str, alias: str, *, remedy: str = ""
) -> None:
    """Point an alias at a model, within a transaction.

    Args:
        remedy: what to do if the model does not pass the gate, for the error.
    """
    _point(chain, change, require_model(change.connection, model_id), alias, None, remedy)


def _point(
    chain: Chain,
    change: Change,
    row: ModelRow,
    alias: str,
    override: str | None,
    remedy: str = "",
) -> Aliased:
    line = gates.line_of(row)
    before = gate_rows.target(change.connection, line, alias)
    found = None if before is None else before.model
    if before is not None and before.model == row.id and not before.held:
        return Aliased(found, False, None)
    passed = gates.check_gate(chain, change.connection, row, alias, override, remedy=remedy)
    gates.record_alias(change, line, alias, found, row.id, passed)
    return Aliased(found, True, passed[1])


def remove_alias(registry: OpenRegistry, model_id: str, alias: object) -> str:
    """Drop an alias of a model's project and name, whichever version it points to.

    Returns:
        The id of the model that it pointed to.

    Raises:
        AliasNotFoundError: there is no such alias.
    """
    name = check_alias(alias)
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        found = _target(change, row, name)
        if found is None:
            raise AliasNotFoundError(
                f"{_line(row)} has no alias {name!r}; `localreg show` lists them", reference=name
            )
        gates.record_alias(change, gates.line_of(row), name, found, None, gates.NO_GATE)
    return found


def drop_aliases(change: Change, row: ModelRow) -> None:
    """Drop every alias that points to a model, within a transaction."""
    for alias in model_rows.aliases(change.connection, row.id):
        gates.record_alias(change, gates.line_of(row), alias, row.id, None, gates.NO_GATE)


def alias_at(change: Change, row: ModelRow, alias: str) -> str | None:
    """Return the id of the model that an alias of a model's project and name points to, or None."""
    return _target(change, row, alias)


def _target(change: Change, row: ModelRow, alias: str) -> str | None:
    project = row.project.name if row.project else ""
    return model_rows.alias_target(change.connection, (project, row.name), alias)


def _line(row: ModelRow) -> str:
    return f"{row.project.name}/{row.name}" if row.project else row.name


def _place(change: Change, target: object) -> str:
    if target is None:
        return "not to exist"
    row = model_rows.model_row(change.connection, str(target))
    return f"at {row.ref if row else target}"


def _found_at(change: Change, target: str | None) -> str:
    return "does not exist" if target is None else f"is {_place(change, target)}"
