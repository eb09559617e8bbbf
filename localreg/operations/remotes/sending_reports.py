"""What was reported, to a remote: a stream for each model and task with something new.

The pictures and files in reports are blobs, which are sent before. The event that made the model or
task is at the remote, or in the same commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from localreg.operations.remotes.remote_events import note_row
from localreg.operations.remotes.reports import AT_ONCE, Stream
from localreg.registry import Chain
from localreg.store.rows import (
    blob_rows,
    carried_blobs,
    remote_report_rows,
    report_rows,
    report_transfer,
)
from localreg.store.rows.remote_report_rows import Reported
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.frozen import Frozen, replace
from localreg.values.records import Owner
from localreg.values.remote_format import REPORTED, REPORTS, blob_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.operations.remotes.remote_events import Row
    from localreg.operations.remotes.sending_blobs import Sending
    from localreg.store.events.change import Change

_AT_ONCE = 200  # models and tasks whose streams are in memory, or in files
_IN_MEMORY = 1 << 16  # bytes of one of these


class _New(Frozen):
    """A stream that goes along with the next commit.

    Attributes:
        stream: the stream.
        data: its bytes, or the file with them.
        stamp: that of the last report in it.
        joined: numbers that are others when something was joined since.
    """

    stream: Stream
    data: bytes | Path
    stamp: int
    joined: tuple[object, ...]


class Changed:
    """What was reported here, and is not at a remote.

    Args:
        sending: sends the pictures and files in the reports.
        dry_run: send nothing.

    Attributes:
        owners: to how many models and tasks the reports of the last `rows` are.
    """

    def __init__(
        self,
        chain: Chain,
        remote: RemoteRow,
        store: RemoteStore,
        sending: Sending,
        *,
        dry_run: bool,
    ) -> None:
        self.owners = 0
        self._chain = chain
        self._registry = chain.first
        self._remote = remote
        self._store = store
        self._sending = sending
        self._dry_run = dry_run
        self._named: list[_New] = []

    def rows(self, coming: Iterable[int]) -> list[Row]:
        """Upload what is not there; return the notes that name it, for the next commit.

        Args:
            coming: the keys of the events of this commit.
        """
        self._named = []
        with self._registry.store.read() as connection:
            changed = remote_report_rows.changed(connection, self._remote.pk, coming)
        for start in range(0, len(changed), _AT_ONCE):
            with self._registry.blobs.temporary_folder("reports") as folder:
                new = [self._read(each, folder) for each in changed[start : start + _AT_ONCE]]
                sent = self._sent([each for each in new if each is not None])
                self._named += [replace(each, data=b"") for each in sent]  # there may be many
        self.owners = len(self._named)
        if self._dry_run:
            return []
        return [
            note_row(
                self._registry,
                REPORTED,
                each.stream.owner.id,
                {"digest": each.stream.digest, "size": each.stream.size},
                each.stream.owner.kind,
            )
            for each in self._named
        ]

    def sent(self, change: Change) -> None:
        """Record that a commit with the last `rows` is there."""
        for each in self._named:
            owner = each.stream.owner
            same = report_rows.owner_pk(change.connection, owner) is not None and (
                report_rows.joined(change.connection, owner) == each.joined
            )
            stamp = each.stamp if same else remote_report_rows.CHANGED
            remote_report_rows.record(
                change.connection, self._remote.pk, owner, each.stream.digest, stamp
            )

    def _read(self, reported: Reported, folder: Path) -> _New | None:
        """Return the stream of a model or task; None if the remote has just that."""
        owner = reported.owner
        with self._registry.store.read() as connection:
            last = report_rows.last_report(connection, owner.kind, owner.id)
            if last is None:  # removed meanwhile
                return None
            joined = report_rows.joined(connection, owner)
            media = carried_blobs.blobs_of(connection, owner)
            data, digest, size = _spooled(report_transfer.read(connection, owner), folder, owner)
            needed = blob_rows.needed_among(connection, [each.digest for each in media])
        if digest == reported.digest:
            if not self._dry_run:
                with self._registry.store.write_unsynced() as change:
                    remote_report_rows.record(
                        change.connection, self._remote.pk, owner, digest, last[0]
                    )
            return None
        self._sending.send_needed(needed, f"{owner.kind} {owner.id[:8]}")
        return _New(Stream(owner, digest, size), data, last[0], joined)

    def _sent(self, new: list[_New]) -> list[_New]:
        """Upload streams that are not there."""
        if self._dry_run:
            return new
        there = self._sending.settled({each.stream.digest for each in new})
        lacking = [each for each in new if each.stream.digest not in there]
        with ThreadPoolExecutor(AT_ONCE, "localreg-reports") as pool:
            try:
                for _ in pool.map(self._upload, lacking):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        self._sending.seen(each.stream.digest for each in lacking)
        return new

    def _upload(self, new: _New) -> None:
        key = blob_path(new.stream.digest, REPORTS)
        if self._store.size_of(key) == new.stream.size:
            return
        if isinstance(new.data, bytes):
            if not self._store.put_bytes(key, new.data):  # what is there is not whole
                self._store.replace_bytes(key, new.data)
        else:
            self._store.put(key, new.data, digest=new.stream.digest)


def _spooled(pieces: Iterable[bytes], folder: Path, owner: Owner) -> tuple[bytes | Path, str, int]:
    """Return a stream, or the file that it was written to; its sha256, and its size."""
    found = hashlib.sha256()
    held: list[bytes] = []
    size = 0
    path = folder / owner.id
    with ExitStack() as stack:
        writer = None
        for piece in pieces:
            found.update(piece)
            size += len(piece)
            held.append(piece)
            if size > _IN_MEMORY:
                if writer is None:
                    writer = stack.enter_context(open(path, "xb"))
                writer.writelines(held)
                held = []
    return b"".join(held) if writer is None else path, found.hexdigest(), size
