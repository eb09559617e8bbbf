"""What remotes have of what was reported: for each model and task the newest stream there.

A stream there holds all that was in those before it, since who sends one has joined those with what
it has. So only the newest one counts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable

from localreg.store.rows.checked_values import COUNT, DIGEST, ID, TEXT, Columns, or_null
from localreg.values.frozen import Frozen
from localreg.values.records import Owner

Connection = sqlite3.Connection

CHANGED = 0  # as a stamp: there is more here than in the stream


class Reported(Frozen):
    """A model or task to which there may be more reports here than at a remote.

    Attributes:
        owner: the model or task.
        stamp: that of its last report here.
        digest: sha256 of its newest stream there; None without one.
    """

    owner: Owner
    stamp: int
    digest: str | None


_STREAMS = Columns("remote_report", digest=DIGEST)
_STREAMS_OF = Columns("remote_report", kind=TEXT, owner=ID, digest=DIGEST, stamp=COUNT)
_CHANGED = Columns("reported", id=ID, stamp=COUNT, digest=or_null(DIGEST))
_KNOWN = Columns("remote_report", digest=DIGEST, stamp=COUNT)


# The event that made a model or task has its id.
_IS_THERE = (
    "EXISTS (SELECT 1 FROM event e JOIN remote x ON x.pk = :remote WHERE e.event_id = o.id AND "
    "(e.pk IN (SELECT value FROM json_each(:coming)) OR CASE x.mirror WHEN 0 THEN "
    "e.position IS NOT NULL ELSE EXISTS (SELECT 1 FROM mirrored m WHERE m.remote = x.pk "
    "AND m.event = e.pk) END))"
)


def changed(connection: Connection, remote: int, coming: Iterable[int]) -> list[Reported]:
    """Return the models and tasks with reports that a remote may lack, by kind and id.

    Only those whose creation is there, or comes there: a report without it is of no use to others.

    Args:
        coming: the keys of events that are sent together with the reports.
    """
    keys = json.dumps([*coming])
    return [
        Reported(Owner(kind, owner), stamp, digest)
        for kind in ("model", "task")
        for owner, stamp, digest in _CHANGED.all(
            connection,
            # By CROSS JOIN and CASE the few rows of `reported` come first, and the dearest look
            # last: else SQLite would begin with all models, since they are in order.
            f"SELECT o.id, r.stamp, s.digest FROM reported r CROSS JOIN {kind} o "
            f"ON o.pk = r.{kind} LEFT JOIN remote_report s ON s.remote = :remote "
            f"AND s.kind = '{kind}' AND s.owner = o.id "
            f"WHERE CASE WHEN s.stamp IS r.stamp THEN 0 ELSE {_IS_THERE} END ORDER BY o.id",
            {"remote": remote, "coming": keys},
        )
    ]


def newest(connection: Connection, remote: int, owner: Owner) -> tuple[str, int] | None:
    """Return digest and stamp of the newest stream of a model or task; None without one."""
    row = _KNOWN.one(
        connection,
        "SELECT digest, stamp FROM remote_report WHERE remote = ? AND kind = ? AND owner = ?",
        (remote, owner.kind, owner.id),
    )
    return None if row is None else (row[0], row[1])


def known(
    connection: Connection, remote: int, digests: Collection[str]
) -> list[tuple[Owner, str, int]]:
    """Return those of some streams that are the newest known ones: owner, digest, stamp."""
    rows = _STREAMS_OF.all(
        connection,
        "SELECT kind, owner, digest, stamp FROM remote_report WHERE remote = ? "
        "AND digest IN (SELECT value FROM json_each(?)) ORDER BY kind, owner",
        (remote, json.dumps([*digests])),
    )
    return [(Owner(kind, owner), digest, stamp) for kind, owner, digest, stamp in rows]


def record(connection: Connection, remote: int, owner: Owner, digest: str, stamp: int) -> None:
    """Record the newest stream of a model or task; in a write transaction.

    Args:
        stamp: that of the last report in it; `CHANGED` if there is more here.
    """
    connection.execute(
        "INSERT OR REPLACE INTO remote_report VALUES (?, ?, ?, ?, ?)",
        (remote, owner.kind, owner.id, digest, stamp),
    )


def forget(connection: Connection, remote: int, digests: Collection[str]) -> None:
    """Record that a remote lost some streams, so that a push sends them again."""
    connection.execute(
        "DELETE FROM remote_report WHERE remote = ? AND digest IN (SELECT value FROM json_each(?))",
        (remote, json.dumps([*digests])),
    )


def mark_changed(connection: Connection, owner: Owner) -> None:
    """Record that there may be more reports here than at any remote; in a write transaction."""
    connection.execute(
        "UPDATE remote_report SET stamp = ? WHERE remote IN (SELECT pk FROM remote) "
        "AND kind = ? AND owner = ?",
        (CHANGED, owner.kind, owner.id),
    )


def streams(connection: Connection, remote: int, owners: Collection[str] = ()) -> set[str]:
    """Return the digests of the newest streams of all models and tasks that are here.

    Args:
        owners: ids of further models and tasks.
    """
    rows = _STREAMS.all(
        connection,
        "SELECT digest FROM remote_report r WHERE remote = ? AND "
        "(EXISTS (SELECT 1 FROM model m WHERE kind = 'model' AND m.id = r.owner) "
        "OR EXISTS (SELECT 1 FROM task t WHERE kind = 'task' AND t.id = r.owner) "
        "OR owner IN (SELECT value FROM json_each(?)))",
        (remote, json.dumps([*owners])),
    )
    return {digest for (digest,) in rows}
