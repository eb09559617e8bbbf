"""Aliases: names that move between the versions of a model."""

from __future__ import annotations

from localreg.errors import (
    AliasConflictError,
    AliasNotFoundError,
    InvalidValueError,
)
from localreg.operations.finding.references import require_model
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import model_rows
from localreg.store.rows.model_rows import ModelRow
from localreg.values.checks import check_name
from localreg.values.ids import alias_id

ANYTHING = object()
"""The default of `expect` in `set_alias`: the alias may point anywhere."""


def check_alias(alias: object) -> str:
    """Return `alias` if it can be one: no blanks, none of the signs of references."""
    name = check_name("alias", alias)
    if any(sign in name for sign in "/:@") or name.split() != [name]:
        raise InvalidValueError(
            f"alias must not hold blanks or any of / : @, which references use: {name!r}",
            argument="alias",
        )
    return name


def set_alias(
    registry: OpenRegistry, model_id: str, alias: object, expect: object = ANYTHING
) -> str | None:
    """Point an alias of a model's project and name at the model.

    Returns:
        The id of the model that it pointed to before; None if it is new.

    Args:
        expect: id of the model that it must point to before, or None if there must be no alias.

    Raises:
        AliasConflictError: it points elsewhere; nothing was changed.
    """
    name = check_alias(alias)
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        found = _target(change, row, name)
        if expect is not ANYTHING and found != expect:
            raise AliasConflictError(
                f"alias {name!r} of {_line(row)} was expected {_place(change, expect)}, and "
                f"{_found_at(change, found)}; look with `localreg show`, then decide again",
                alias=name,
                found=found,
            )
        point_alias(change, model_id, name)
    return found


def point_alias(change: Change, model_id: str, alias: str) -> None:
    """Point an alias at a model, within a transaction."""
    row = require_model(change.connection, model_id)
    found = _target(change, row, alias)
    if found == model_id:
        return
    _record(change, row, alias, found, model_id)


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
        _record(change, row, name, found, None)
    return found


def drop_aliases(change: Change, row: ModelRow) -> None:
    """Drop every alias that points to a model, within a transaction."""
    for alias in model_rows.aliases(change.connection, row.id):
        _record(change, row, alias, row.id, None)


def _record(change: Change, row: ModelRow, alias: str, old: str | None, new: str | None) -> None:
    project = row.project.name if row.project else ""
    payload = {"project": project, "name": row.name, "old": old, "new": new}
    change.record("alias.set", alias_id(project, row.name, alias), payload, field=alias)


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
