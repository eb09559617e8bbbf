"""Which events a registry has, in few bytes; so that another one sends only what it lacks.

Of each origin the range names the highest number up to which no event is missing, and the sha256 of
the ids of the events up to it. Two events may have one number: a registry that was copied, or went
back to an older backup, numbers its next events twice before that is noticed. Both are in the range
of a registry that has both, in the order of their ids. So its digest differs from that of a
registry with one of them, and all events of the origin are sent: too many, but never too few. They
are also sent if the other registry has more of the origin.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from hashlib import sha256

from localreg.store.rows import logged_rows
from localreg.store.rows.checked_values import COUNT, ID, Columns
from localreg.values.records import LoggedEvent

Connection = sqlite3.Connection
Ranges = Mapping[str, tuple[int, str]]

_NUMBERED = Columns("event", event_id=ID, seq=COUNT)
_SQL = (
    "SELECT e.event_id, e.seq FROM origin o JOIN event e ON e.origin = o.pk "
    "WHERE o.id = ? ORDER BY e.seq, e.event_id"
)


def known_ranges(connection: Connection) -> dict[str, tuple[int, str]]:
    """Return by origin the highest number without a gap before it, and the digest up to it."""
    found = {}
    for origin in logged_rows.origins(connection):
        digest, last = sha256(), 0
        for event_id, seq in _NUMBERED.stream(connection, _SQL, (origin,)):
            if seq > last + 1:
                break
            digest.update(event_id.encode())
            last = seq
        found[origin] = last, digest.hexdigest()
    return found


def held(connection: Connection, theirs: Ranges) -> dict[str, int]:
    """Return by origin up to which number another registry has all events that are here.

    Args:
        theirs: its `known_ranges`.
    """
    found = {}
    for origin, (last, wanted) in theirs.items():
        digest = sha256()
        for event_id, seq in _NUMBERED.stream(connection, _SQL, (origin,)):
            if seq > last:
                break
            digest.update(event_id.encode())
        if digest.hexdigest() == wanted:
            found[origin] = last
    return found


def lacking(connection: Connection, theirs: Ranges) -> Iterator[LoggedEvent]:
    """Yield the events that another registry may lack, in the order in which they came here.

    Args:
        theirs: its `known_ranges`.
    """
    yield from logged_rows.beyond(connection, held(connection, theirs))
