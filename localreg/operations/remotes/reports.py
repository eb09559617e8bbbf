"""What was reported, from a remote: streams by their digest, which notes name.

A stream holds all that was in those of the same model or task before it: who sends one has joined
the earlier ones with what it has. So only the newest of each is downloaded. Who removed the model
or task meanwhile may send one that lacks something; the next push of another one completes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path

from localreg import log
from localreg.errors import BundleError, DigestMismatchError, RemoteError
from localreg.filesystem.disk_errors import disk_errors
from localreg.registry import Chain
from localreg.store.rows import remote_gap_rows, remote_report_rows, report_rows, report_transfer
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen
from localreg.values.records import Owner
from localreg.values.remote_format import REPORTED, REPORTS, blob_path
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Note
    from localreg.store.events.change import Change

    Join = Callable[[Change, RemoteRow], int]

AT_ONCE = 8
_IN_MEMORY = 1 << 20  # bytes; a larger stream is downloaded to a file
_ALL_IN_MEMORY = 8 << 20  # of all streams; further ones are in files until they are joined
_PIECE = 1 << 20


class Stream(Frozen):
    """A stream that a note names."""

    owner: Owner
    digest: str
    size: int


@contextmanager
def taken(
    chain: Chain, remote: RemoteRow, store: RemoteStore, notes: Sequence[Note]
) -> Iterator[Join]:
    """Download what notes name, outside of a transaction.

    A stream that is not there, or is damaged, is passed over with a warning: the events are of use
    without it.

    Yields:
        What joins it with what is here, in a write transaction, as of a remote; it returns how many
        points, values, plots and log lines came.
    """
    named = newest(remote, notes)
    with chain.first.store.read() as connection:
        wanted = [each for each in named if _is_new(connection, remote, each)]
    with ExitStack() as stack:
        streams: list[tuple[Stream, bytes | Path | None]] = []
        if wanted:
            kept = _first(wanted, _ALL_IN_MEMORY)
            folder = stack.enter_context(chain.first.blobs.temporary_folder("reports"))
            pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE, "localreg-reports"))
            try:
                found = pool.map(partial(_downloaded, store, folder, kept), wanted)
                streams = [*zip(wanted, found, strict=True)]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        yield partial(_join, streams)


def newest(remote: RemoteRow, notes: Sequence[Note]) -> list[Stream]:
    """Return the newest stream of each model and task."""
    found: dict[Owner, Stream] = {}
    for note in notes:
        if note.kind != REPORTED:
            continue
        digest, size = note.payload.get("digest"), note.payload.get("size")
        if (
            note.field not in ("model", "task")
            or not (type(digest) is str and is_sha256(digest))
            or not (type(size) is int and size >= 0)
        ):
            raise RemoteError(
                f"the remote {remote.name} ({remote.url}) has a note {note.event_id} that does not "
                "say which reports it is of; nothing of it was taken",
                remote=remote.url,
            )
        owner = Owner(note.field, note.subject)
        found[owner] = Stream(owner, digest, size)
    return [*found.values()]


def _is_new(connection: remote_report_rows.Connection, remote: RemoteRow, stream: Stream) -> bool:
    known = remote_report_rows.newest(connection, remote.pk, stream.owner)
    return known is None or known[0] != stream.digest


def _first(streams: Sequence[Stream], most: int) -> frozenset[str]:
    """Return the digests of the first ones of some streams, which have at most so many bytes."""
    ends = accumulate(each.size for each in streams)
    return frozenset(each.digest for each, end in zip(streams, ends, strict=True) if end <= most)


def _downloaded(
    store: RemoteStore, folder: Path, kept: Collection[str], stream: Stream
) -> bytes | Path | None:
    """Return the bytes of a stream, or the file with them; None if it is not there as it was.

    Args:
        folder: for files.
        kept: the digests of those streams that need no file, if they are small.
    """
    path = folder / f"{stream.owner.kind} {stream.owner.id}"
    key = blob_path(stream.digest, REPORTS)
    if stream.size <= _IN_MEMORY:
        try:
            data = store.get_bytes(key, _IN_MEMORY)
        except RemoteError:
            if store.size_of(key) in (None, stream.size):
                raise
            return None  # it is larger than that
        if data is None or hashlib.sha256(data).hexdigest() != stream.digest:
            return None
        if stream.digest in kept:
            return data
        with disk_errors("keeping reports of a remote", path):
            path.write_bytes(data)
        return path
    if store.size_of(key) != stream.size:
        return None
    try:
        store.download(key, path, wanted=stream.digest, durable=False)
    except DigestMismatchError:
        return None
    return path


def _join(
    streams: Sequence[tuple[Stream, bytes | Path | None]], change: Change, remote: RemoteRow
) -> int:
    connection = change.connection
    count = 0
    for stream, found in streams:
        owner = stream.owner
        if found is None:
            remote_gap_rows.record_gaps(connection, remote.pk, [stream.digest])
            log.warning(
                "what was reported to the %s %s is not in the remote %s as it should be; where it "
                "was made, `localreg remote check` and then `localreg push` send it again",
                owner.kind, owner.id, remote.name,
            )  # fmt: skip
            continue
        # Else the next push compares the whole: who sent this may lack what an earlier one had.
        holds_all = _last(connection, owner) is None
        pieces = [found] if isinstance(found, bytes) else _pieces(found)
        try:
            joined = report_transfer.join(connection, owner, pieces, stream.size)
        except BundleError as error:
            raise RemoteError(
                f"the remote {remote.name} ({remote.url}) has reports of the {owner.kind} "
                f"{owner.id} that are none: {error}",
                remote=remote.url,
            ) from error
        count += joined.points + joined.singles + joined.plots + joined.messages
        after = _last(connection, owner)
        stamp = after if holds_all and after is not None else remote_report_rows.CHANGED
        remote_report_rows.record(connection, remote.pk, owner, stream.digest, stamp)
    return count


def _last(connection: remote_report_rows.Connection, owner: Owner) -> int | None:
    """Return the stamp of the last report to a model or task that is here."""
    found = report_rows.last_report(connection, owner.kind, owner.id)
    return None if found is None else found[0]


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as reader:
        while piece := reader.read(_PIECE):
            yield piece
