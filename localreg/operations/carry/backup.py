"""Back up a registry while other processes write to it.

The rows of a backup must have their bytes, although others add weights, and gc deletes some. Most
blobs are brought first, without a transaction. Then a read transaction begins, whose state is what
the backup will hold: the few blobs that are new in it are brought, and the database is copied as
that transaction sees it. If a blob was deleted before it was brought, and the newest state does not
need it any more, that is done again with a newer state. No writer waits for this.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from localreg.errors import DamagedRegistryError, InvalidValueError, StorageError
from localreg.filesystem.given_paths import output_path
from localreg.operations.carry.backup_folder import GONE, FolderBackup
from localreg.operations.carry.backup_tar import TarBackup
from localreg.operations.upkeep.verify import database_problems
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, remote_gap_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.progress import Progress

    Value = TypeVar("Value")

TAR = ".tar"
# With more new bytes than this, no transaction is held while they are brought: it would keep the
# log of the database from being emptied.
_HELD_BYTES = 64 * 1024 * 1024
_TRIES = 20
_AT_ONCE = 2_000  # so many rows are in memory


class Backup(Frozen, kw_only=True):
    """What a backup holds.

    Attributes:
        path: the directory, or the tar file.
        blobs, size: how many blobs it has, and their bytes.
        new, new_size: those that came with this call.
        linked: how many of these share their bytes with the registry, as hard links.
        elsewhere: blobs without bytes: only URLs, upstream registries or remotes have them.
        failed: which weights are damaged or missing in the registry, and so in the backup too,
            unless an earlier backup has them whole.
    """

    path: Path
    blobs: int
    size: int
    new: int
    new_size: int
    linked: int
    elsewhere: int
    failed: tuple[str, ...]


def back_up(chain: Chain, target: object, *, progress: Progress | None = None) -> Backup:
    """Copy the whole registry to a directory, or to a file whose name ends in ``.tar``.

    Args:
        target: a new path, an empty directory, or an earlier backup of this registry, which is
            brought up to date.
        progress: called with the bytes that were looked at so far, and with all bytes.

    Raises:
        PathExistsError: something else is there.
        ConflictError: the earlier backup has changes that the registry lacks.
        DamagedRegistryError: the database is damaged; the earlier backup stays as it is.
        LockTimeoutError: another process is making the same backup.
    """
    registry = chain.first
    place = output_path("target", target)
    _check_place(registry, place)
    for problem in database_problems(registry, full=False):
        raise DamagedRegistryError(
            f"nothing is backed up: {registry.store.path}: {problem.text}. An earlier backup is "
            "better",
            path=str(registry.store.path),
        )
    registry.store.flush()
    copy = TarBackup(registry, place) if place.name.endswith(TAR) else FolderBackup(registry, place)
    with copy.writing():
        taking = _Taking(registry, copy, progress)
        taking.run()
        copy.record()
    return Backup(
        path=place,
        blobs=taking.blobs,
        size=taking.size,
        new=copy.new,
        new_size=copy.new_size,
        linked=copy.linked,
        elsewhere=len(taking.missing - taking.failed.keys()),
        failed=tuple(f"{digest[:12]}…: {why}" for digest, why in taking.failed.items()),
    )


def _check_place(registry: OpenRegistry, place: Path) -> None:
    root = registry.root.resolve()
    if place.resolve().is_relative_to(root):
        raise InvalidValueError(
            f"target {place} is inside the registry {registry.root}; choose a directory outside "
            "it, best on another disk",
            argument="target",
        )


def _some_of(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """Yield the values, as many at a time as may have their rows in memory."""
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


class _Taking:
    """Brings the blobs of a registry to its backup, then the database.

    Attributes:
        blobs, size: of the state that the backup holds: those whose bytes it has.
        missing: digests of those whose bytes the registry does not have.
        failed: why the bytes of others are not in the backup, by digest.
    """

    def __init__(
        self, registry: OpenRegistry, copy: FolderBackup | TarBackup, progress: Progress | None
    ) -> None:
        self.blobs = self.size = 0
        self.missing: set[str] = set()
        self.failed: dict[str, str] = {}
        self._registry = registry
        self._copy = copy
        self._progress = progress
        self._done = self._total = 0

    def run(self) -> None:
        self._take_most()
        self._copy.add_local_copies()
        for tries_left in reversed(range(_TRIES)):
            with self._registry.store.read() as connection:
                new, untried = self._look(connection)
                held = not tries_left or untried <= _HELD_BYTES
                if held:
                    self._take_new(connection, new)
                    if not self._was_deleted(connection):
                        self._copy.finish(connection)
                        return
            if not held:
                for digests in _some_of(new):
                    with self._registry.store.read() as connection:
                        rows = blob_rows.rows_of(connection, digests)
                    self._take(rows.values())
        raise StorageError(
            f"other processes delete weights of {self._registry.root} all the time, so no state of "
            "it could be kept; try again",
            path=str(self._registry.root),
        )

    def _take_most(self) -> None:
        """Bring blobs, of which there may be many; no transaction lasts meanwhile."""
        store = self._registry.store
        with store.read() as connection:
            found = blob_rows.places(connection)
        self._total = sum(size for _, size in found if isinstance(size, int))
        places = [place for place, _ in found]
        del found
        for some in _some_of(places):
            with store.read() as connection:
                rows = blob_rows.rows_at(connection, some)
            self._take(rows)
            self._copy.record_links()

    def _look(self, connection: blob_rows.Connection) -> tuple[list[str], int]:
        """Count what the backup has of a state.

        Returns:
            Digests of the blobs that it lacks, and the bytes of those that were not tried yet.
        """
        tried = self.missing | self.failed.keys()
        self.blobs = self.size = untried = 0
        self._total = self._done
        new = []
        for row in blob_rows.blobs(connection):
            if row.digest in self._copy.taken:
                self.blobs += 1
                self.size += row.size
            else:
                new.append(row.digest)
                self._total += row.size
                untried += 0 if row.digest in tried else row.size
        self.missing.clear()
        self.failed.clear()
        return new, untried

    def _take_new(self, connection: blob_rows.Connection, digests: Sequence[str]) -> None:
        for some in _some_of(digests):
            rows = blob_rows.rows_of(connection, some).values()
            self._take(rows)
            there = [row.size for row in rows if row.digest in self._copy.taken]
            self.blobs += len(there)
            self.size += sum(there)

    def _take(self, rows: Collection[BlobRow]) -> None:
        for row, why in self._copy.take(rows):
            if why is GONE:
                self.missing.add(row.digest)
            elif why is not None:
                self.failed[row.digest] = why
            self._done += row.size
            if self._progress is not None:
                self._progress(self._done, max(self._done, self._total))

    def _was_deleted(self, connection: blob_rows.Connection) -> bool:
        """Return True if a state names bytes that are gone because they are not needed any more.

        Args:
            connection: in a read transaction, which sees that state.
        """
        if not self.missing:
            return False
        kept = blob_rows.kept_among(connection, self.missing)
        with self._registry.store.fresh_connection() as newest:
            deleted = self.missing - blob_rows.recorded(newest, self.missing)
            needless = kept - blob_rows.kept_among(newest, kept)
        if deleted or needless:
            return True
        for digest in kept:
            if all(place.lacks for place in remote_gap_rows.suppliers(connection, digest)):
                self.failed[digest] = GONE
        return False
