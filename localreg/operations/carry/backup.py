"""Back up a registry while other processes write to it.

The rows of a backup must have their bytes, although others add weights, and gc deletes some. Most
blobs are brought first, without a transaction. Then a read transaction begins, whose state is what
the backup will hold: the few blobs that are new in it are brought, and the database is copied as
that transaction sees it. If a blob was deleted before it was brought, and the newest state does not
need it any more, that is done again with a newer state. No writer waits for this.
"""

from __future__ import annotations

from collections.abc import Iterable
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
    from localreg.progress import Progress

TAR = ".tar"
# With more new bytes than this, no transaction is held while they are brought: it would keep the
# log of the database from being emptied.
_HELD_BYTES = 64 * 1024 * 1024
_TRIES = 20


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
        copy.record(taking.rows.values())
    sizes = [taking.rows[digest].size for digest in taking.taken if digest in taking.rows]
    return Backup(
        path=place,
        blobs=len(sizes),
        size=sum(sizes),
        new=copy.new,
        new_size=copy.new_size,
        linked=copy.linked,
        elsewhere=len(taking.missing.keys() - taking.failed.keys()),
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


class _Taking:
    """Brings the blobs of a registry to its backup, then the database.

    Attributes:
        rows: of all blobs, in the state that the backup holds.
        taken: digests of the blobs that the backup has.
        missing: rows of the blobs whose bytes the registry does not have.
        failed: why the bytes of others are not in the backup, by digest.
    """

    def __init__(
        self, registry: OpenRegistry, copy: FolderBackup | TarBackup, progress: Progress | None
    ) -> None:
        self.rows: dict[str, BlobRow] = {}
        self.taken: set[str] = set()
        self.missing: dict[str, BlobRow] = {}
        self.failed: dict[str, str] = {}
        self._registry = registry
        self._copy = copy
        self._progress = progress
        self._done = 0

    def run(self) -> None:
        store = self._registry.store
        with store.read() as connection:
            first = {row.digest: row for row in blob_rows.blobs(connection)}
        self._take(first.values())
        self._copy.add_local_copies(first)
        del first  # of 200,000 blobs it takes 50 MB, and each state has rows of its own
        for tries_left in reversed(range(_TRIES)):
            with store.read() as connection:
                self.rows = {row.digest: row for row in blob_rows.blobs(connection)}
                new = [row for row in self.rows.values() if row.digest not in self.taken]
                if tries_left and sum(row.size for row in new) > _HELD_BYTES:
                    held = False
                else:
                    held = True
                    self._take(new)
                    if not self._was_deleted(connection):
                        self._copy.finish(connection)
                        return
            if not held:
                self._take(new)
        raise StorageError(
            f"other processes delete weights of {self._registry.root} all the time, so no state of "
            "it could be kept; try again",
            path=str(self._registry.root),
        )

    def _take(self, rows: Iterable[BlobRow]) -> None:
        wanted = list(rows)
        total = self._done + sum(row.size for row in wanted)
        for row in wanted:
            self.failed.pop(row.digest, None)
            self.missing.pop(row.digest, None)
            why = self._copy.take(row)
            if why is None:
                self.taken.add(row.digest)
            elif why is GONE:
                self.missing[row.digest] = row
            else:
                self.failed[row.digest] = why
            self._done += row.size
            if self._progress is not None:
                self._progress(self._done, total)

    def _was_deleted(self, connection: blob_rows.Connection) -> bool:
        """Return True if a state names bytes that are gone because they are not needed any more.

        Args:
            connection: in a read transaction, which sees that state.
        """
        missing = self.missing.keys() & self.rows.keys()
        if not missing:
            self.missing.clear()
            return False
        kept = blob_rows.kept_digests(connection) & missing
        with self._registry.store.fresh_connection() as newest:
            recorded = blob_rows.recorded(newest, missing)
            still_kept = blob_rows.kept_digests(newest)
        if missing - recorded or kept - still_kept:
            return True
        self.missing = {digest: self.missing[digest] for digest in missing}
        for digest in kept:
            if all(place.lacks for place in remote_gap_rows.suppliers(connection, digest)):
                self.failed[digest] = GONE
        return False
