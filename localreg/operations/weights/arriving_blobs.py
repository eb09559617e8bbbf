"""Bytes that come here before the rows that need them: from a bundle, or from another registry.

They are staged, synced, renamed to their digest and recorded, many in one transaction. So an import
that was killed is resumed: what it brought is here already. If it is never resumed, gc deletes
those bytes after the grace period, since nothing refers to them.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from localreg.blobs.headers.contents import START, may_have_facts
from localreg.blobs.staging import hashing, staging
from localreg.blobs.trees.staging import SMALL, StagedFile
from localreg.errors import CorruptBlobError, DigestMismatchError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import discard
from localreg.filesystem.portable_files import make_readonly_at, replace_file
from localreg.filesystem.syncing import open_for_sync, sync_of_all, sync_tree
from localreg.operations.weights.deleting import delete_unneeded
from localreg.operations.weights.ingest import inside_of
from localreg.operations.weights.sources import keeper, record_kept_upstream
from localreg.registry import Chain
from localreg.store.rows import blob_rows
from localreg.values.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Protocol

    from localreg.blobs.staging.staging import Mode
    from localreg.operations.weights.sources import KeptUpstream
    from localreg.progress import Progress
    from localreg.store.events.change import Change
    from localreg.values.records import Json

    class Stage(Protocol):
        """Writes bytes to a new path, and hashes them."""

        def __call__(
            self, target: Path, /, *, sync: bool, progress: Progress | None, group: int | None
        ) -> staging.StagedBlob:
            """Return what was written."""


# Of one sync and one transaction. What is staged and not recorded yet is lost by a kill.
AT_ONCE, BYTES_AT_ONCE = 200, 256 * 1024 * 1024


class ArrivingBlobs:
    """Blobs on their way into the first registry of a chain.

    Use it as a context manager: after an error, what came is deleted if nothing else needs it.

    Attributes:
        would_come: the bytes that a dry run would bring, with their sizes.
        came: the digests of the bytes that came here, with their sizes.
        there: those that were here, or that an upstream registry keeps.
    """

    def __init__(self, chain: Chain) -> None:
        self.would_come: dict[str, int] = {}
        self.came: dict[str, int] = {}
        self.there: dict[str, int] = {}
        self._chain = chain
        self._registry = chain.first
        self._blobs = chain.first.blobs
        self._state = self._blobs.state_reader()
        self._upstream: dict[str, KeptUpstream] = {}
        self._damaged: set[str] = set()
        self._unspared: list[str] = []
        self._staged: list[StagedFile] = []
        self._waiting: set[str] = set()  # the digests of what is staged
        self._bytes = 0
        self._batch = ExitStack()
        self._folder: Path | None = None
        self._opened: int | None = None

    def __enter__(self) -> ArrivingBlobs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_batch()
        if kind is not None and self.came:
            delete_unneeded(self._registry, [*self.came])

    def lacks(self, digest: str, size: int) -> bool:
        """Return True if bytes are wanted here: they are not here as they were hashed.

        What an upstream registry keeps is not wanted.
        """
        if digest in self.came or digest in self.there or digest in self._waiting:
            return False
        with self._registry.store.read() as connection:
            row = blob_rows.blob(connection, digest)
        found = self._state(digest)
        if row is not None and found == (size, row.ctime):
            self.there[digest] = size
            self._unspared.append(digest)
            return False
        upstream = keeper(self._chain, digest, size) if found is None else None
        if upstream is not None:
            self.there[digest] = size
            self._upstream[digest] = upstream
            return False
        if found is not None:  # they were left by a process that was killed, or changed
            self._damaged.add(digest)
        return True

    def add(
        self,
        stage: Stage,
        digest: str,
        size: int,
        filename: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Stage bytes.

        Args:
            stage: writes them to a path, as `BundleBlob.stage` does.
            digest, size: what they must be.
            filename: helps to find out what is in them.
            progress: called with the number of bytes done, and the total.

        Raises:
            DigestMismatchError: they are others.
        """
        target = self._target()
        with disk_errors("keeping weights", target):
            blob = stage(target, sync=self._alone(size), progress=progress, group=self._blobs.group)
        if (blob.digest, blob.size) != (digest, size):
            raise DigestMismatchError(
                f"wanted are {size:,} bytes with the sha256 {digest}; found were {blob.size:,} "
                f"bytes with the sha256 {blob.digest}",
                model="",
                wanted=digest,
                found=blob.digest,
            )
        self._take(blob, filename)

    def add_bytes(self, data: bytes, digest: str) -> None:
        """Stage a few bytes, whose digest was checked already."""
        import io
        from functools import partial

        self.add(partial(staging.stage_stream, io.BytesIO(data)), digest, len(data))

    def add_file(self, path: Path, digest: str, size: int, filename: str | None = None) -> None:
        """Stage a copy of a file, or a clone where the file system can.

        Args:
            path: a file that nothing changes.
            digest, size, filename: as for `add`.

        Raises:
            CorruptBlobError: it has other bytes.
        """
        target = self._target()
        with disk_errors("keeping weights", path):
            blob = staging.stage_file(
                path, target, "copy", sync=self._alone(size), progress=None, group=self._blobs.group
            )
        if (blob.digest, blob.size) != (digest, size):
            target.unlink()
            raise CorruptBlobError(
                f"{path} should have the sha256 {digest}; it has {blob.digest}",
                digest=digest,
                path=str(path),
                model="",
            )
        self._take(blob, filename)

    def bring_file(
        self, path: Path, mode: Mode, filename: str | None, progress: Progress | None = None
    ) -> tuple[str, int]:
        """Stage a file, unless its bytes are here already; return its digest and size.

        It is read once: its digest need not be known before.

        Args:
            path: a file of somebody else.
            mode: "copy", which clones where the file system can; or "link", which then makes a
                hard link, and the file read-only.
            filename: helps to find out what is in it.
            progress: called with the number of bytes done, and the total.

        Raises:
            InvalidValueError: it changed meanwhile, or cannot be linked.
        """
        target = self._target()
        with disk_errors("keeping weights", path):
            size = path.stat().st_size
            blob = staging.stage_file(
                path, target, mode, sync=self._alone(size), progress=progress,
                group=self._blobs.group,
            )  # fmt: skip
            if self.lacks(blob.digest, blob.size):
                shared = mode == "link" and target.samefile(path)
                self._take(blob, filename, shared=shared)
            else:
                discard(target)
        return blob.digest, blob.size

    def move_in(self, blob: staging.StagedBlob, filename: str | None = None) -> None:
        """Stage a temporary file of the registry whose bytes were hashed; it is moved.

        Args:
            blob: the file; if the registry is durable it is synced already.
            filename: helps to find out what is in it.
        """
        target = self._target()
        with disk_errors("keeping weights", blob.path):
            make_readonly_at(blob.path, self._blobs.group)
            replace_file(blob.path, target)
        self._take(replace(blob, path=target), filename)

    def flush(self) -> None:
        """Keep what is staged: a kill does not lose it any more, and gc spares it for a time."""
        if not self._staged:
            self._spare()
            return
        registry, blobs, files = self._registry, self._blobs, self._staged
        folder = self._folder
        assert folder is not None
        with disk_errors("keeping weights", folder):
            if blobs.durable:
                sync_tree(folder, self._opened)
            with registry.store.write() as change:
                connection = change.connection
                digests = [each.digest for each in files]
                recorded = blob_rows.recorded(connection, digests)
                kept = blobs.keep_many(files, self._damaged, recorded)
                try:
                    blob_rows.record_many(
                        connection,
                        [
                            blob_rows.New(each.digest, each.size, ctime, each.sample, each.facts)
                            for each, ctime in zip(files, kept.ctimes, strict=True)
                        ],
                    )
                    blob_rows.spare(connection, digests)
                except BaseException:
                    blobs.give_back(kept)
                    raise
        self.came |= {each.digest: each.size for each in files}
        self._end_batch()

    def _spare(self) -> None:
        """Let gc spare what was here before as long as what comes."""
        if self._unspared:
            with self._registry.store.write_unsynced() as change:
                blob_rows.spare(change.connection, self._unspared)
            self._unspared = []

    def record(self, change: Change) -> None:
        """Record in the last transaction that something is about to refer to all these bytes.

        Raises:
            CorruptBlobError: some of them were deleted meanwhile, or changed.
        """
        self._end_batch()
        connection = change.connection
        for digest, upstream in self._upstream.items():
            record_kept_upstream(change, upstream, digest, self.there[digest])
        held = {
            digest: size
            for digest, size in (self.came | self.there).items()
            if digest not in self._upstream
        }
        for digest, size in held.items():
            found = self._state(digest)
            if found is None or found[0] != size:
                raise CorruptBlobError(
                    f"the bytes {digest[:12]}… came, and were deleted before they were recorded, "
                    "by gc or by another import that failed; do it again",
                    digest=digest,
                    path=str(self._blobs.path(digest)),
                    model="",
                )
        blob_rows.mark_many_referred(connection, held)

    def _take(
        self, blob: staging.StagedBlob, filename: str | None, *, shared: bool = False
    ) -> None:
        with open(blob.path, "rb", buffering=0) as reader:
            start = reader.read(START)
        facts: Json = {}
        if may_have_facts(start, filename or ""):
            facts = inside_of(blob, filename)
        ends = hashing.sample(blob.path) if blob.size > SMALL else None
        self._staged.append(StagedFile(blob.digest, blob.size, str(blob.path), ends, facts, shared))
        self._waiting.add(blob.digest)
        self._bytes += blob.size
        if len(self._staged) >= AT_ONCE or self._bytes >= BYTES_AT_ONCE:
            self.flush()

    def _target(self) -> Path:
        if self._folder is None:
            self._folder = self._batch.enter_context(self._blobs.temporary_folder())
            self._opened = self._batch.enter_context(open_for_sync(self._folder))
        return self._folder / str(len(self._staged))

    def _alone(self, size: int) -> bool:
        """Return True if a file of this size must be synced by itself."""
        return self._blobs.durable and (size > staging.SYNC_STEP or sync_of_all() is None)

    def _end_batch(self) -> None:
        self._batch.close()
        self._folder = self._opened = None
        self._staged = []
        self._waiting = set()
        self._bytes = 0
