"""A hint for an order by a value that nothing has, such as a metric with a typing error."""

from __future__ import annotations

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


def warn_of_unknown(chain: Chain, subject: str, order: Order) -> None:
    """Log a warning if an order is by a value that no model or task of the registries has.

    Args:
        subject: "model" or "task".
        order: of a query that found nothing.
    """
    if not order.is_of_values:
        return
    names = _NAMES[order.by]

    def is_known(connection: Connection) -> bool:
        if order.by == "metadata":
            return order.key in names(connection, order.key)
        return bool(value_sources.sources(connection, subject, order.by, order.key))

    if any(known for _, known in read_each(chain, is_known)):
        return
    every = [each for _, some in read_each(chain, lambda c: names(c, "")) for each in some]
    close = get_close_matches(order.key, dict.fromkeys(every), n=3, cutoff=0.5)
    similar = f"; similar ones are {', '.join(map(repr, close))}" if close else ""
    log.warning("no %s has the %s %r, so none is returned%s", subject, order.by, order.key, similar)
