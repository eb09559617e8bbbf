"""Compare what a remote has with what was read from it: was it replaced, or restored?

As long as the newest commit that was read is there, all before it is. Else, or if that is not
known, all rows up to there are compared with the places of the events here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, zip_longest

from localreg.operations.remotes import names
from localreg.operations.remotes.remote_events import broken
from localreg.store.rows import remote_rows
from localreg.store.rows.checked_values import is_id
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.remote_format import MOST_ROWS, is_note, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.event_log import Head
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.registry import OpenRegistry

_AT_ONCE = 10_000  # events of a mirror
_COLUMNS = ("position", "n", "event_id", "kind")


def check_rows(registry: OpenRegistry, remote: RemoteRow, store: RemoteStore, head: Head) -> None:
    """Compare all rows that were read from a remote with those that are there now.

    Raises:
        RemoteChangedError: they differ.
    """
    if remote.last_place is None:
        return
    known = remote.commit_id
    if known is not None and known == store.commit_id(remote.cursor):
        return  # a directory was copied: only the time of the file is another one
    until = min(remote.cursor, head.version)
    if remote.last_place > last_of(until):
        raise names.changed(remote, f"its last commit is {head.version}, and was {remote.cursor}")
    if remote.mirror:
        _check_mirror(registry, remote, store, until)
    else:
        check_places(registry, remote, store, -1, until)


def check_places(
    registry: OpenRegistry, remote: RemoteRow, store: RemoteStore, after: int, until: int
) -> None:
    """Compare the places of events here with those of the rows of some commits.

    Args:
        after, until: versions of the table: the commits after one and up to the other.

    Raises:
        RemoteChangedError: they differ.
    """
    theirs = _placed(remote, store, after, until)
    with registry.store.read() as connection:
        ours = remote_rows.places(connection, last_of(after), last_of(until))
        for mine, other in zip_longest(ours, theirs):
            if mine != other:
                raise names.changed(remote, _difference(mine, other))


def last_of(version: int) -> int:
    """Return the last place that a commit can give."""
    return place(version, MOST_ROWS - 1)


def _placed(
    remote: RemoteRow, store: RemoteStore, after: int, until: int
) -> Iterator[tuple[int, str]]:
    """Yield place and id of the events in some commits; of one that is there twice the first."""
    found: set[bytes] = set()
    for rows in store.rows(after, until, columns=_COLUMNS):
        for position, n, event_id, kind in rows:
            if (
                type(position) is not int
                or type(n) is not int
                or type(kind) is not str
                or not is_id(event_id)
            ):
                raise broken(remote, event_id, "it lacks its place, id or kind")
            key = bytes.fromhex(event_id)
            if not is_note(kind) and key not in found:
                found.add(key)
                yield place(position, n), event_id


def _difference(mine: tuple[int, str] | None, other: tuple[int, str] | None) -> str:
    if other is None or (mine is not None and mine < other):
        assert mine is not None
        return f"it lacks event {mine[1][:8]}, which it had, or had elsewhere in its order"
    return f"it has event {other[1][:8]} where it had none, or another one"


def _check_mirror(
    registry: OpenRegistry, remote: RemoteRow, store: RemoteStore, until: int
) -> None:
    theirs = _placed(remote, store, -1, until)
    count = 0
    while ids := {event_id for _, event_id in islice(theirs, _AT_ONCE)}:
        with registry.store.read() as connection:
            lacking = ids - remote_rows.mirrored(connection, remote.pk, ids)
        if lacking:
            raise names.changed(remote, f"it has event {min(lacking)[:8]} where it had none")
        count += len(ids)
    with registry.store.read() as connection:
        if count < remote_rows.count_mirrored(connection, remote.pk):
            raise names.changed(remote, "it lacks events that it had")
