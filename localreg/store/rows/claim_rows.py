"""Who claims a version number. Two registries may have given one number to two models."""

from __future__ import annotations

import sqlite3

from localreg.store.rows.checked_values import (
    COUNT,
    FLAG,
    ID,
    TEXT,
    TIME,
    WHOLE,
    Columns,
    Rule,
    is_digest,
    or_null,
)
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection

_ANYTHING: Rule = ("anything", frozenset({str, bytes, int, float, type(None)}), None)
_CLAIMANTS = Columns(
    "claim", id=ID, at=or_null(TIME), origin=or_null(TEXT), here=FLAG, digest=_ANYTHING
)
_MODELS = Columns("claim", model=WHOLE)
_NUMBERS = Columns("claim", project=TEXT, name=TEXT, number=COUNT)


class Claimant(Frozen):
    """A model that claims a version number.

    Attributes:
        at: when it was created, microseconds; None if its first event did not come.
        origin: the name of the registry that it was created in; None likewise.
        here: True if a model of this registry has the number now; False if that one was removed,
            or moved away.
        digest: the sha256 of its weights; None if they are not known.
    """

    id: str
    at: int | None
    origin: str | None
    here: bool
    digest: str | None


def claimants(connection: Connection, project: str, name: str, number: int) -> list[Claimant]:
    """Return the models that claim a version number and did not release it.

    They are in the order of the events by which they claim it: the first one keeps the number when
    the others are renumbered.

    Args:
        project: name of the project; "" for none.
    """
    rows = _CLAIMANTS.all(
        connection,
        "SELECT c.model, e.at, o.name, m.pk IS NOT NULL, b.digest FROM project p "
        "JOIN claim c ON c.project = p.pk "
        "LEFT JOIN event e ON e.event_id = c.model LEFT JOIN origin o ON o.pk = e.origin "
        "JOIN event x ON x.event_id = c.event "
        "LEFT JOIN model m ON m.id = c.model AND m.project = c.project AND m.name = c.name "
        "AND m.version = c.number "
        "LEFT JOIN weights w ON w.model = m.pk AND w.current = 1 LEFT JOIN blob b ON b.pk = w.blob "
        "WHERE p.name = ? AND c.name = ? AND c.number = ? "
        "AND (c.released = 0 OR m.pk IS NOT NULL) "
        "ORDER BY x.position IS NULL, x.position, x.lamport, x.event_id",
        (project, name, number),
    )
    # Whoever needs the bytes says what is wrong with a damaged digest.
    return [
        Claimant(id_, at, origin, bool(here), digest if is_digest(digest) else None)
        for id_, at, origin, here, digest in rows
    ]


def ambiguous(connection: Connection) -> set[int]:
    """Return the keys of the models whose version number another model claims, too."""
    rows = _MODELS.sound(
        connection,
        "SELECT m.pk FROM (SELECT project, name, number FROM claim "
        "GROUP BY project, name, number HAVING count(*) > 1) c "
        "JOIN model m ON m.project = c.project AND m.name = c.name AND m.version = c.number "
        "WHERE (SELECT count(*) FROM claim x LEFT JOIN model h ON h.id = x.model "
        "AND h.project = x.project AND h.name = x.name AND h.version = x.number "
        "WHERE x.project = c.project AND x.name = c.name AND x.number = c.number "
        "AND (x.released = 0 OR h.pk IS NOT NULL)) > 1",
    )
    return {key for (key,) in rows}


def was_named(connection: Connection, project: str, name: str, number: int) -> bool:
    """Return True if a model has, or had, a version number that was not released.

    Args:
        project: name of the project; "" for none.
    """
    row = connection.execute(
        "SELECT 1 FROM claim c JOIN project p ON p.pk = c.project "
        "WHERE p.name = ? AND c.name = ? AND c.number = ? AND c.released = 0 LIMIT 1",
        (project, name, number),
    ).fetchone()
    return row is not None


def named_twice(connection: Connection) -> list[tuple[str, str, int]]:
    """Return the numbers that several models claim, or may: project, name, and number.

    The project is "" for none. `claimants` returns which models do.
    """
    return _NUMBERS.all(
        connection,
        "SELECT p.name, c.name, c.number FROM claim c JOIN project p ON p.pk = c.project "
        "GROUP BY c.project, c.name, c.number HAVING count(*) > 1 ORDER BY 1, 2, 3",
    )
