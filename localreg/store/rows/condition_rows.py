"""If models meet the conditions of gates."""

from __future__ import annotations

import sqlite3

from localreg.store.rows.value_sources import holds_sql, sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.comparisons import Comparison

Connection = sqlite3.Connection


def holds(connection: Connection, model_id: str, kind: str, comparison: Comparison) -> bool:
    """Return True if a value of a model meets a comparison.

    Args:
        kind: "metadata", "metric" or "parameter".

    Raises:
        InvalidValueError: there are several such parameters.
    """
    parameters: list[object] = [model_id]
    found = sources(connection, "model", kind, comparison.key)
    condition = holds_sql(found, comparison, parameters)
    sql = f"SELECT 1 FROM model m WHERE m.id = ? AND {condition}"
    return connection.execute(sql, parameters).fetchone() is not None


def value(connection: Connection, model_id: str, kind: str, key: str) -> object:
    """Return a value of a model, a number or a text; None if it has none; as `holds`."""
    for each in sources(connection, "model", kind, key):
        row = connection.execute(
            f"SELECT {each.column} FROM model m {each.then} WHERE m.id = ? AND {each.condition}",
            (model_id, *each.parameters),
        ).fetchone()
        if row is not None:
            found: object = row[0]
            return found
    return None
