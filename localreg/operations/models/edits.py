"""Changing the record of a model: name, project, comment, states, tags and metadata."""

from __future__ import annotations

from localreg.operations.finding.references import check_project_name, ensure_project, require_model
from localreg.operations.models.aliases import drop_aliases
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.events.refolding import publications
from localreg.store.rows import addition_rows, model_rows, project_rows
from localreg.store.rows.keys import next_number
from localreg.values.checks import check_comment, check_name
from localreg.values.metadata import check_metadata_key, entries, entry
from localreg.values.records import Json, MetadataValue, Project, line_payload
from localreg.values.tags import check_tags

STATES = ("archived", "package")
"""The system tags that are states of the model. Each has a column of the same name."""


def rename(registry: OpenRegistry, model_id: str, name: object) -> None:
    """Rename a model: it becomes the next version of the new name, and loses its aliases."""
    new = check_name("name", name)
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        if row.name != new:
            move_within(change, row, row.project, new)


def move(registry: OpenRegistry, model_id: str, project: object) -> None:
    """Move a model to another project: it becomes the next version there, and loses its aliases.

    Args:
        project: id of a project, or its name (a new one is made); None for no project.
    """
    name = check_project_name(project)
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        found = project_rows.by_id(change.connection, name) if name else None
        target = found or ensure_project(change, name)
        if (row.project and row.project.name) != (target and target.name):
            move_within(change, row, target, row.name)


def move_within(
    change: Change,
    row: model_rows.ModelRow,
    project: Project | None,
    name: str,
    version: int | None = None,
) -> None:
    """Make a model a version of another project or name, within a transaction.

    Args:
        version: its number there, which no model had; None for the next one.
    """
    drop_aliases(change, row)
    number = version or next_number(change.connection, project.name if project else "", name)
    payload = {
        "old": line_payload(row.project, row.name, row.version),
        "new": line_payload(project, name, number),
    }
    change.record("model.moved", row.id, payload)


def set_comment(registry: OpenRegistry, model_id: str, comment: object) -> None:
    """Set or, with None or "", clear a model's comment."""
    new = check_comment(comment)
    with registry.store.write() as change:
        set_columns(change, require_model(change.connection, model_id), comment=new)


def publish(registry: OpenRegistry, model_id: str) -> bool:
    """Publish a model; return False if it was published already."""
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        if row.published and not row.contested:
            return False
        connection = change.connection
        current = model_rows.current_weights(connection, model_id)
        config, labels = model_rows.design(connection, model_id)
        payload: Json = {
            "digest": current.digest if current else None,
            "revision": current.id if current else None,
            "config": config,
            "labels": labels,
            "over": publications(connection, model_id) if row.contested else [],
        }
        change.record("model.published", model_id, payload)
    return True


def set_archived(registry: OpenRegistry, model_id: str, archived: bool) -> bool:
    """Archive a model, or unarchive it; return False if it was so already."""
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        set_columns(change, row, archived=archived)
    return row.archived != archived


def set_tags(registry: OpenRegistry, model_id: str, tags: object) -> None:
    """Replace a model's tags."""
    new = set(check_tags("tags", tags))
    with registry.store.write() as change:
        require_model(change.connection, model_id)
        replace_tags(change, model_id, new)


def edit_tags(
    registry: OpenRegistry, model_id: str, *, add: object = (), drop: object = ()
) -> list[str]:
    """Add tags to a model, and drop others; a tag in both lists is dropped.

    Returns:
        The tags that were added or dropped.
    """
    added, dropped = set(check_tags("tags", add)), set(check_tags("tags", drop))
    with registry.store.write() as change:
        require_model(change.connection, model_id)
        old = set(model_rows.tags(change.connection, model_id, system=False))
        new, gone = added - old - dropped, dropped & old
        _change_tags(change, model_id, added=new, dropped=gone)
    return sorted(new | gone)


def set_system_tags(registry: OpenRegistry, model_id: str, tags: object) -> None:
    """Replace a model's system tags; "archived" and "package" set these states."""
    wanted = set(check_tags("system_tags", tags))
    with registry.store.write() as change:
        row = require_model(change.connection, model_id)
        set_columns(change, row, **{state: state in wanted for state in STATES})
        replace_tags(change, model_id, wanted - set(STATES), system=True)


def set_metadata(
    registry: OpenRegistry, model_id: str, key: object, value: object, v_type: object = None
) -> None:
    """Set one metadata entry of a model."""
    new = entry(key, value, v_type)
    with registry.store.write() as change:
        require_model(change.connection, model_id)
        old = model_rows.metadata_value(change.connection, model_id, new.key)
        _describe(change, model_id, new.key, old, (new.value, new.type))


def describe(change: Change, model_id: str, key: str, value: str) -> None:
    """Set one metadata entry of a model to a text, within a transaction."""
    old = model_rows.metadata_value(change.connection, model_id, key)
    _describe(change, model_id, key, old, (value, "str"))


def set_all_metadata(
    registry: OpenRegistry, model_id: str, metadata: object, *, replace: bool
) -> list[str]:
    """Set many metadata entries of a model; return the keys of those that changed.

    Args:
        metadata: dict of key to value, or to ``{"value": …, "type": …}``.
        replace: drop all other entries.
    """
    new = entries(metadata)
    with registry.store.write() as change:
        require_model(change.connection, model_id)
        old = model_rows.metadata(change.connection, model_id)
        changed = [
            key
            for key in old.keys() - new.keys()
            if replace and _describe(change, model_id, key, old[key], None)
        ]
        for key, each in new.items():
            if _describe(change, model_id, key, old.get(key), (each.value, each.type)):
                changed.append(key)
    return changed


def drop_metadata(registry: OpenRegistry, model_id: str, key: object) -> bool:
    """Drop one metadata entry; return True if it existed."""
    name = check_metadata_key(key)
    with registry.store.write() as change:
        require_model(change.connection, model_id)
        old = model_rows.metadata_value(change.connection, model_id, name)
        _describe(change, model_id, name, old, None)
    return old is not None


def set_columns(change: Change, row: model_rows.ModelRow, **new: object) -> None:
    """Set columns of a model, within a transaction; equal values make no event."""
    for column, value in new.items():
        old = getattr(row, column)
        if old != value:
            change.record("model.changed", row.id, {"old": old, "new": value}, field=column)


def replace_tags(change: Change, model_id: str, new: set[str], *, system: bool = False) -> None:
    """Replace a model's tags, or its system tags, within a transaction."""
    old = set(model_rows.tags(change.connection, model_id, system=system))
    _change_tags(change, model_id, added=new - old, dropped=old - new, system=system)


def _change_tags(
    change: Change, model_id: str, *, added: set[str], dropped: set[str], system: bool = False
) -> None:
    payload: Json
    for tag in sorted(dropped):
        adds = addition_rows.additions(change.connection, "model", model_id, tag, system=system)
        payload = {"old": True, "new": False, "system": system, "adds": adds}
        change.record("model.tag", model_id, payload, field=tag)
    for tag in sorted(added):
        payload = {"old": False, "new": True, "system": system}
        change.record("model.tag", model_id, payload, field=tag)


def _describe(
    change: Change,
    model_id: str,
    key: str,
    old: MetadataValue | None,
    new: tuple[str, str] | None,
) -> bool:
    """Record a metadata entry; return False if it is so already."""
    before = None if old is None else (old.value, old.type)
    if before == new:
        return False
    payload = {
        "old": None if before is None else list(before),
        "new": None if new is None else list(new),
    }
    change.record("model.metadata", model_id, payload, field=key)
    return True
