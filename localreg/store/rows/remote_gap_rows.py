"""Which remotes should have some bytes, and which of these are known to lack them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from localreg.store.rows.checked_values import DIGEST, FLAG, TEXT, WHOLE, Columns
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection


class Supplier(Frozen):
    """A remote that has events of a model or task to which some bytes belong.

    Attributes:
        pk, name, url: of the remote.
        lacks: True if it did not have the bytes when they were last looked for.
    """

    pk: int
    name: str
    url: str
    lacks: bool


_SUPPLIERS = Columns("remote", pk=WHOLE, name=TEXT, url=TEXT, lacks=FLAG)
_DIGESTS = Columns("remote_gap", digest=DIGEST)
# The ids of the models and tasks that refer to a blob, by themselves or with a package.
_OWNERS = """
WITH bytes AS (SELECT pk FROM blob WHERE digest = :digest),
packages AS (SELECT tree AS pk FROM tree_file WHERE blob IN bytes),
owners AS (
    SELECT m.id FROM weights w JOIN model m ON m.pk = w.model
    WHERE w.blob IN bytes OR (w.tree = 1 AND w.blob IN packages)
    UNION SELECT t.id FROM artifact a JOIN task t ON t.pk = a.task
    WHERE a.blob IN bytes OR (a.kind = 'package' AND a.blob IN packages)
    UNION SELECT m.id FROM signature s JOIN model m ON m.pk = s.model WHERE s.blob IN bytes
    UNION SELECT m.id FROM plot p JOIN model m ON m.pk = p.model WHERE p.blob IN bytes
    UNION SELECT t.id FROM plot p JOIN task t ON t.pk = p.task WHERE p.blob IN bytes
)
"""
_IS_THERE = (
    "CASE r.mirror WHEN 0 THEN e.position IS NOT NULL AND e.remote = r.table_id "
    "ELSE EXISTS (SELECT 1 FROM mirrored x WHERE x.remote = r.pk AND x.event = e.pk) END"
)
_HAS_EVENTS = f"EXISTS (SELECT 1 FROM owners o JOIN event e ON e.subject = o.id WHERE {_IS_THERE})"


def suppliers(connection: Connection, digest: str) -> list[Supplier]:
    """Return the remotes that should have some bytes, in the order in which to ask them.

    Those known to lack them are last; of the others the one that orders the events is first.
    """
    rows = _SUPPLIERS.all(
        connection,
        f"{_OWNERS} SELECT r.pk, r.name, r.url, "
        "EXISTS (SELECT 1 FROM remote_gap g WHERE g.remote = r.pk AND g.digest = :digest) AS gap "
        f"FROM remote r WHERE r.table_id IS NOT NULL AND {_HAS_EVENTS} "
        "ORDER BY gap, r.mirror, r.pk",
        {"digest": digest},
    )
    return [Supplier(pk, name, url, bool(lacks)) for pk, name, url, lacks in rows]


def is_known(connection: Connection, subject: str) -> bool:
    """Return True if a remote has events of a model or task, also of one that was removed here."""
    return (
        connection.execute(
            f"SELECT 1 FROM event e JOIN remote r WHERE e.subject = ? AND {_IS_THERE} LIMIT 1",
            (subject,),
        ).fetchone()
        is not None
    )


def has_remotes(connection: Connection) -> bool:
    """Return True if the registry has any remote."""
    return connection.execute("SELECT 1 FROM remote LIMIT 1").fetchone() is not None


def record_gaps(connection: Connection, remote: int, digests: Iterable[str]) -> None:
    """Record that a remote lacks bytes that it should have; in a write transaction."""
    connection.execute(
        "INSERT OR IGNORE INTO remote_gap (remote, digest) "
        "SELECT r.pk, d.value FROM remote r JOIN json_each(?) d WHERE r.pk = ?",
        (json.dumps(list(digests)), remote),
    )


def forget_gaps(connection: Connection, remote: int, digests: Iterable[str]) -> None:
    """Record that a remote has bytes that it lacked; in a write transaction."""
    connection.execute(
        "DELETE FROM remote_gap WHERE remote = ? AND digest IN (SELECT value FROM json_each(?))",
        (remote, json.dumps(list(digests))),
    )


def filled(connection: Connection, remote: int) -> list[str]:
    """Return the digests of bytes that a remote lacks and that are here, or upstream, by now."""
    rows = _DIGESTS.all(
        connection,
        "SELECT g.digest FROM remote_gap g JOIN blob b ON b.digest = g.digest "
        "WHERE g.remote = ? AND (b.ctime IS NOT NULL OR b.upstream IS NOT NULL)",
        (remote,),
    )
    return [digest for (digest,) in rows]


def gaps(connection: Connection, remote: int) -> list[str]:
    """Return the digests of the bytes that a remote lacks, as far as that is known."""
    rows = _DIGESTS.all(
        connection, "SELECT digest FROM remote_gap WHERE remote = ? ORDER BY digest", (remote,)
    )
    return [digest for (digest,) in rows]
