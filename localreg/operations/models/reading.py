"""What is recorded about a model: its row, tags, metadata, configuration, labels and aliases."""

from __future__ import annotations

from localreg.operations.finding.references import require_model
from localreg.operations.finding.upstream import last_user
from localreg.store.rows import model_rows
from localreg.store.rows.model_rows import ModelRow as ModelRow
from localreg.values.frozen import Frozen
from localreg.values.records import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found
    from localreg.registry import Chain
    from localreg.values.records import MetadataValue


def row(found: Found) -> ModelRow:
    """Return the model's own row."""
    with found.registry.store.one_statement() as connection:
        return require_model(connection, found.id)


def tags(found: Found, *, system: bool) -> list[str]:
    """Return the tags, sorted; or the system tags, among them the states that are set."""
    with found.registry.store.read() as connection:
        model = require_model(connection, found.id)
        names = model_rows.tags(connection, found.id, system=system)
    if system:
        states = (("archived", model.archived), ("package", model.package))
        names += [name for name, is_set in states if is_set]
    return sorted(names)


def metadata(found: Found) -> dict[str, MetadataValue]:
    """Return every metadata entry by its key."""
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        return model_rows.metadata(connection, found.id)


def metadata_value(found: Found, key: str) -> MetadataValue | None:
    """Return the metadata entry of a key, or None."""
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        return model_rows.metadata_value(connection, found.id, key)


def config(found: Found) -> str:
    """Return the configuration text."""
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        return model_rows.config(connection, found.id)


def labels(found: Found) -> dict[str, int]:
    """Return the label enumeration."""
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        return model_rows.labels(connection, found.id)


def aliases(found: Found) -> list[str]:
    """Return the aliases that point to the model, sorted."""
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        return model_rows.aliases(connection, found.id)


class LineAlias(Frozen):
    """An alias of one of the versions of a model: the id, reference and version of that one.

    It is `held` if it leads to no model, since it was set without passing its gate.
    """

    alias: str
    id: str
    ref: str
    version: int
    held: bool


class Versions(Frozen):
    """The versions of a model, itself too, and their aliases.

    Attributes:
        newest: (id, version) of the newest ones.
        aliases: all, sorted.
    """

    newest: tuple[tuple[str, int], ...]
    aliases: tuple[LineAlias, ...]


def versions(found: Found, limit: int) -> Versions:
    """Return the versions of a model, at most so many, and all their aliases."""
    with found.registry.store.read() as connection:
        model = require_model(connection, found.id)
        newest = model_rows.line(connection, found.id, limit)
        names = model_rows.aliases_of_line(connection, found.id)
    return Versions(
        tuple((id_, version) for id_, version, _ in newest),
        tuple(
            LineAlias(alias, id_, reference(model.project, model.name, version), version, held)
            for alias, id_, version, held in names
        ),
    )


def task(chain: Chain, found: Found) -> str | None:
    """Return the id of the task that last connected the model as input, else of its maker.

    Tasks of every registry of the chain count.
    """
    with found.registry.store.read() as connection:
        model = require_model(connection, found.id)
        last = last_user(chain, found.id)
    return model.task if last is None else last


def unset_row(model_id: str) -> ModelRow:
    """Return the row of a model that no registry has: everything is unset."""
    return ModelRow(
        id=model_id,
        name=None,  # type: ignore[arg-type]  # a str in every registry; only this model has none
        project=None,
        version=0,
        comment=None,
        framework=None,
        package=False,
        published=False,
        contested=False,
        archived=False,
        task=None,
        parent=None,
        created=0,
        updated=0,
        birth=0,
        stamp=0,
    )
