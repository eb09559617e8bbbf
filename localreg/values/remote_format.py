"""What a remote holds: the names of its parts, and the columns of its events.

::

    registry.json              format and id, written once
    events/                    a Delta table, which only grows: one row for each event
    blobs/sha256/ab/cdef…      weights, by digest
    reports/sha256/ab/cdef…    what was reported to models and tasks, by digest
    checkpoint/PLACE.db.zst    the folded events up to a place, for clones

A commit of the table has a number, its version, which is written into its rows as `position`; `n`
counts the rows of a commit. The place of an event is one number made of both. Some rows are not
events but notes on the remote itself: their kinds are in `NOTES`.
"""

from __future__ import annotations

from localreg.values.frozen import Frozen

FORMAT = 1
IDENTITY = "registry.json"
EVENTS = "events"
BLOBS = "blobs/sha256"
REPORTS = "reports/sha256"
CHECKPOINTS = "checkpoint"

# `position`, `n`, `seq`, `lamport`, `stamp`, `v` are integers, `time` is microseconds since 1970 (a
# timestamp in the table), and the others are texts; `payload` is canonical JSON. Only `field` may
# be null. `origin_name` is the origin's name for people.
COLUMNS = (
    "position", "n", "event_id", "origin", "origin_name", "seq", "lamport", "stamp", "time",
    "actor", "kind", "v", "subject", "field", "payload",
)  # fmt: skip

# Kinds of rows that are no events of a registry.
REPORTED = "remote.reports"  # subject: the owner's id; payload: {"owner", "digest", "size"}
GC_BEGIN = "remote.gc_begin"  # payload: {"digests"}
GC_END = "remote.gc_end"  # payload: {"begin": event_id of the row that began it}
NOTES = frozenset({REPORTED, GC_BEGIN, GC_END})

NOTE = "remote."  # how these kinds begin

MOST_ROWS = 1 << 20  # in one commit


def is_note(kind: str) -> bool:
    """Return True if rows of a kind are no events; later versions may have further kinds.

    >>> is_note("remote.gc_begin"), is_note("model.tag")
    (True, False)
    """
    return kind.startswith(NOTE)


class Identity(Frozen):
    """What `registry.json` says.

    Attributes:
        format: the number of the format.
        table_id: the id of the Delta table, which is that of the remote.
    """

    format: int
    table_id: str


def place(position: int, n: int) -> int:
    """Return the place of a row as one number.

    >>> place(3, 1)
    3145729
    """
    return position * MOST_ROWS + n


def commit_of(place: int) -> tuple[int, int]:
    """Return position and n of a place.

    >>> commit_of(3145729)
    (3, 1)
    """
    return divmod(place, MOST_ROWS)


def blob_path(digest: str, folder: str = BLOBS) -> str:
    """Return where the bytes of a digest are in a remote.

    >>> blob_path("ab12")
    'blobs/sha256/ab/12'
    """
    return f"{folder}/{digest[:2]}/{digest[2:]}"
