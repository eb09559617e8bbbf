"""Queries in SQL that users write: they only read, within a time limit."""

from __future__ import annotations

from contextlib import AbstractContextManager

from localreg.errors import InvalidValueError
from localreg.registry import OpenRegistry
from localreg.store.database import user_queries
from localreg.store.database.user_queries import Answer as Answer
from localreg.values.checks import check_text

LONGEST = 1_000_000  # characters


def query(registry: OpenRegistry, sql: object, *, seconds: float) -> AbstractContextManager[Answer]:
    """Return a block with the answer to a query; see `localreg guide sql`.

    Args:
        sql: one statement that reads.
        seconds: how long it may take.

    Raises:
        QueryError: SQLite does not understand it, or it does not only read.
        QueryTimeoutError: it took too long.
    """
    text = check_text("sql", sql, limit=LONGEST, nul=False)
    if not 0 < seconds < float("inf"):
        raise InvalidValueError(
            f"seconds must be greater than 0, not {seconds}", argument="seconds"
        )
    registry.store.flush()  # what this process has just reported
    return user_queries.answered(registry.store, text, seconds=seconds)
