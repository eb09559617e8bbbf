"""Hints for queries by a value that nothing has, such as a metric with a typing error."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from localreg import log
from localreg.operations.finding.upstream import read_each
from localreg.registry import Chain
from localreg.store.rows import name_rows, value_sources
from localreg.store.rows.name_rows import Connection
from localreg.store.rows.value_sources import Order

_NAMES = {
    "metric": name_rows.metrics,
    "parameter": name_rows.parameters,
    "metadata": name_rows.metadata_keys,
}
_MOST = 3  # similar names


def warn_of_unknown(chain: Chain, subject: str, order: Order) -> None:
    """Log a warning if an order is by a value that no model or task of the registries has.

    Args:
        subject: "model" or "task".
        order: of a query that found nothing.
    """
    if not order.is_of_values or is_known(chain, subject, order.by, order.key):
        return
    close = similar(chain, order.by, order.key)
    hint = f"; similar ones are {', '.join(map(repr, close))}" if close else ""
    log.warning("no %s has the %s %r, so none is returned%s", subject, order.by, order.key, hint)


def is_known(chain: Chain, subject: str, kind: str, name: str) -> bool:
    """Return True if any model or task of the registries has a value of this name.

    Args:
        subject: "model" or "task".
        kind: "metric", "parameter" or "metadata".
        name: as `value_sources.sources` takes it.
    """

    def has(connection: Connection) -> bool:
        if kind == "metadata":
            return name in name_rows.metadata_keys(connection, name)
        return bool(value_sources.sources(connection, subject, kind, name))

    return any(known for _, known in read_each(chain, has))


def similar(chain: Chain, kind: str, name: str) -> list[str]:
    """Return the names of some values that are spelled like a name, the most similar first."""
    found = read_each(chain, lambda connection: _NAMES[kind](connection, ""))
    return _closest(name, (each for _, some in found for each in some))


def _closest(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that differ little from a name, or end like it after a slash.

    >>> _closest("acuracy", ["accuracy", "loss"]), _closest("lr", ["Args/lr", "Args/rate"])
    (['accuracy'], ['Args/lr'])
    """
    names = list(dict.fromkeys(known))
    ends = [each for each in names if each.endswith(f"/{name}")]
    return list(dict.fromkeys([*ends, *get_close_matches(name, names, n=_MOST, cutoff=0.5)]))[
        :_MOST
    ]
