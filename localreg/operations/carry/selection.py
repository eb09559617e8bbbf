"""Which models a bundle holds: those that references name, that a query finds, or all."""

from __future__ import annotations

from localreg.errors import InvalidValueError, ModelNotFoundError
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found, search
from localreg.registry import Chain
from localreg.store.rows import model_rows
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from localreg.store.rows.model_query import ModelQuery


class Selection(Frozen):
    """Models to export.

    Attributes:
        found: the models, each once.
        everything: True for the whole first registry: its aliases, its other tasks, and what was
            removed go, too.
    """

    found: tuple[Found, ...]
    everything: bool = False


def select(
    chain: Chain,
    references: Sequence[object] = (),
    *,
    query: ModelQuery | None = None,
    everything: bool = False,
    versions: bool = False,
) -> Selection:
    """Return the models that references, a query or the whole registry stand for.

    Args:
        references: each names one version; see `resolve_model`.
        query: all models that match it; not together with references.
        everything: the whole first registry; not together with the others.
        versions: all versions of the name of each model.

    Raises:
        InvalidValueError: nothing, or more than one of the three, was given.
        ModelNotFoundError: a reference names no model, or no model matches the query.
    """
    given = [bool(references), query is not None, everything]
    if sum(given) != 1:
        wanted = "references of models, filters, or everything=True"
        what = "nothing was given" if not any(given) else "only one of them can be used"
        raise InvalidValueError(f"an export needs {wanted}; {what}", argument="models")
    if everything:
        with chain.first.store.read() as connection:
            ids = model_rows.ids(connection)
        return Selection(tuple(Found(chain.first, each) for each in ids), everything=True)
    if query is not None:
        found = search(chain, query)
        if not found:
            raise ModelNotFoundError(
                f"no model in {chain.first.root} matches the filters", reference=""
            )
    else:
        found = [resolve_model(chain, each, "models") for each in references]
    if versions:
        found = [version for each in found for version in _versions(each)]
    return Selection(tuple(dict.fromkeys(found)))


def _versions(found: Found) -> list[Found]:
    """Return all versions of a model's name, in its registry, the first one first."""
    with found.registry.store.read() as connection:
        line = model_rows.line(connection, found.id, -1)
    return [Found(found.registry, model_id) for model_id, _, _ in reversed(line)]
