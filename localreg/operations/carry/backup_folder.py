"""A backup as a directory: a registry that only this operation writes to."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.blobstore import BlobStore
from localreg.blobs.local_files.copying import set_same_time
from localreg.blobs.local_files.listing import digests_with_local_files
from localreg.blobs.local_files.local_file import delete_local_files
from localreg.blobs.staging import staging
from localreg.blobs.staging.hashing import file_digest
from localreg.blobs.trees import local_tree
from localreg.errors import (
    ConflictError,
    LockTimeoutError,
    PathExistsError,
    StorageError,
)
from localreg.filesystem.clones import CANNOT, clone_open
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.group_modes import share_at
from localreg.filesystem.plain_files import open_found
from localreg.filesystem.portable_files import make_readonly_at, replace_file
from localreg.filesystem.syncing import (
    NO_LOCKS,
    open_for_sync,
    sync_file,
    sync_folder,
    sync_of_all,
    sync_tree,
)
from localreg.operations.weights.locations import local_files_of
from localreg.registry import OpenRegistry
from localreg.store.database import backup, reserve
from localreg.store.database.store import Store
from localreg.store.rows import blob_rows, event_rows, tree_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.ids import now
from localreg.values.layout import BLOBS, DATABASE, FILES, TREES, UNFINISHED_BACKUP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.manifest import PackageFile

_DOING = "making a backup"
GONE = "the weights are gone"
_AT_ONCE = 2_000  # so many rows are in memory


class FolderBackup:
    """A backup that is made in a directory, or brought up to date there.

    Bytes come first and the database last, so a kill leaves the earlier backup whole, or the
    beginning of the first one, which the next call goes on with.

    Attributes:
        taken: digests of the blobs that it has.
        linked: how many blobs share their bytes with the registry.
        new, new_size: how many blobs came now, and their bytes.
        updated: True if there was an earlier backup.
    """

    def __init__(self, registry: OpenRegistry, place: Path) -> None:
        self.taken: set[str] = set()
        self.linked = self.new = self.new_size = 0
        self._registry = registry
        self._place = place
        self._database = place / DATABASE
        self._durable = registry.store.durability == "full"
        self._blobs = BlobStore(place, self._durable, registry.store.group)
        self._hashed: dict[str, int] = {}  # when, also for an earlier backup
        self._ctimes: dict[str, int] = {}  # of blobs in the registry, before they got another name
        self._may_link = not registry.store.readonly
        self._one_by_one = self._durable and sync_of_all() is None
        self._touched: set[Path] = set()
        self._folders: dict[str, Path] = {}  # of the backup, by how digests begin
        self._marker = place / UNFINISHED_BACKUP
        self.updated = self._check()
        self._state = self._blobs.state_reader()
        self._source = registry.blobs.state_reader()

    def _check(self) -> bool:
        """Return True if an earlier backup is there; raise if anything else is."""
        place = self._place
        with disk_errors(_DOING, place):
            if not place.is_dir():
                if os.path.lexists(place):
                    raise PathExistsError(
                        f"{place} exists and is not a directory; choose another path, or one that "
                        "ends in .tar for a single file",
                        path=str(place),
                    )
                return False
            if self._database.exists():
                self._check_earlier()
                return True
            entries = os.listdir(place)
            # A backup that was killed at once left a mark without the id in it.
            if {*entries} <= {UNFINISHED_BACKUP} or (
                self._registry.store.registry_id == self._unfinished()
            ):
                return False
        raise PathExistsError(
            f"{place} is not empty, and not an earlier backup of this registry; choose another "
            "directory",
            path=str(place),
        )

    def _unfinished(self) -> str | None:
        """Return the id of the registry whose first backup was not finished here."""
        try:
            return self._marker.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def _check_earlier(self) -> None:
        source, place = self._registry.store, self._place
        earlier = Store(self._database, readonly=True)
        try:
            if earlier.registry_id != source.registry_id:
                raise PathExistsError(
                    f"{place} is another registry, or a backup of another one; choose another "
                    "directory",
                    path=str(place),
                )
            with earlier.read() as connection:
                last = event_rows.newest_id(connection)
        finally:
            earlier.close()
        with source.read() as connection:
            known = last is None or event_rows.has_event(connection, last)
        if not known:
            raise ConflictError(
                f"the backup in {place} has changes that this registry lacks: the registry was "
                "restored from an older backup, or the backup was changed. Merge it "
                f"(`localreg merge {place}`), or choose another directory"
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A block in which no other process writes this backup."""
        with disk_errors(_DOING, self._place):
            if not self._place.is_dir():
                self._place.mkdir(parents=True)
                share_at(self._place, self._blobs.group)
            if not self.updated:
                self._marker.write_text(self._registry.store.registry_id, encoding="utf-8")
            with self._lock(), open_for_sync(self._place) as self._opened:
                self._delete_leftovers()
                yield

    @contextmanager
    def _lock(self) -> Iterator[None]:
        import filelock

        path = self._blobs.lock_file("backup.lock")
        lock = filelock.FileLock(path, fallback_to_soft=False)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise LockTimeoutError(
                f"another process is making a backup in {self._place}; wait for its end",
                path=str(path),
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        try:
            yield
        finally:
            lock.release()

    def _delete_leftovers(self) -> None:
        """Delete what a killed backup was writing; only this operation writes here."""
        from localreg.blobs.archives.unpacking import remove_tree
        from localreg.values.layout import TEMPORARY, owner_of_unfinished

        folders = (TEMPORARY, "", TREES)
        for name in folders:
            folder = self._place / name
            for each in sorted(folder.iterdir()) if folder.is_dir() else ():
                if name == TEMPORARY or owner_of_unfinished(each.name) is not None:
                    if each.is_dir() and not each.is_symlink():
                        remove_tree(each)
                    else:
                        each.unlink(missing_ok=True)

    def take(self, rows: Collection[BlobRow]) -> Iterator[tuple[BlobRow, str | None]]:
        """Bring the bytes of blobs, unless they are there.

        Yields:
            Each blob with None, or with why its bytes cannot be brought: `GONE` if the registry
            does not have them.

        Raises:
            StorageError: the backup cannot be written to.
        """
        earlier = self._earlier(rows)
        for row in rows:
            with disk_errors(_DOING, self._place):
                why = self._take(row, earlier.get(row.digest))
            if why is None:
                self.taken.add(row.digest)
            yield row, why

    def _earlier(self, rows: Iterable[BlobRow]) -> dict[str, BlobRow]:
        """Return the rows of the same blobs in the earlier backup, by digest."""
        if not self.updated:
            return {}
        store = Store(self._database, readonly=True)
        try:
            with store.read() as connection:
                places = [
                    pk for pk, _ in blob_rows.places(connection, [each.digest for each in rows])
                ]
                return {each.digest: each for each in blob_rows.rows_at(connection, places)}
        finally:
            store.close()

    def _take(self, row: BlobRow, earlier: BlobRow | None) -> str | None:
        there = self._state(row.digest)
        if there is not None and there[0] == row.size and self._is_sound(row, earlier, there[1]):
            return None
        try:
            return self._bring(row)
        except FileNotFoundError:
            if self._source(row.digest) is not None:
                raise
            return GONE  # deleted just now

    def _is_sound(self, row: BlobRow, earlier: BlobRow | None, ctime: int) -> bool:
        """Return True if a file of the backup has the right bytes, by hashing it if it changed."""
        if earlier is not None and earlier.verified is not None and earlier.ctime == ctime:
            self._hashed[row.digest] = earlier.verified
            return True
        path = self._blobs.path(row.digest)
        if self._is_unchanged(row) and path.samefile(self._registry.blobs.path(row.digest)):
            return True
        if file_digest(path) != row.digest:
            return False
        self._hashed[row.digest] = now()
        return True

    def _is_unchanged(self, row: BlobRow) -> bool:
        """Return True if the registry's own file did not change since it was hashed."""
        return row.verified is not None and self._source(row.digest) == (row.size, row.ctime)

    def _bring(self, row: BlobRow) -> str | None:
        source = self._registry.blobs.path(row.digest)
        found = self._source(row.digest)
        if found is None:
            return GONE
        if found[0] != row.size:
            return f"it has {found[0]:,} bytes instead of {row.size:,}"
        folder = self._folders.get(row.digest[:2])
        if folder is None:
            folder = self._blobs.make_folder(*BLOBS, row.digest[:2])
            self._folders[row.digest[:2]] = folder
        target = folder / row.digest[2:]
        if os.path.lexists(target):  # damaged, so its local copies are damaged too
            delete_local_files(self._blobs, row.digest)
        if self._may_link:
            unchanged = self._is_unchanged(row)
            if not unchanged and file_digest(source) != row.digest:
                return "its bytes changed"
            self._note(row)
            if self._link(source, target):
                if not unchanged:
                    self._hashed[row.digest] = now()
                self.linked += 1
                self._came(row, folder)
                return None
        why = self._copy(source, target, row.digest)
        if why is None:
            self._hashed[row.digest] = now()
            self._came(row, folder)
        return why

    def _note(self, row: BlobRow) -> None:
        """Note the change time of a blob of the registry: one more link changes it."""
        if row.ctime is not None and self._is_unchanged(row):
            self._ctimes.setdefault(row.digest, row.ctime)

    def _came(self, row: BlobRow, folder: Path) -> None:
        self.new += 1
        self.new_size += row.size
        self._touched.add(folder)

    def _link(self, source: Path, target: Path) -> bool:
        try:
            if not os.path.lexists(target):
                os.link(source, target)
                return True
            with self._blobs.temporary() as temporary:  # what is there is damaged
                os.link(source, temporary)
                replace_file(temporary, target)
        except OSError as error:
            if error.errno not in CANNOT:
                raise
            self._may_link = error.errno == errno.EMLINK  # too many links of this one
            return False
        return True

    def _copy(self, source: Path, target: Path, digest: str) -> str | None:
        """Clone or copy a blob, and hash the result; return what is wrong with it."""
        with self._blobs.temporary() as temporary:
            try:
                with open_found(source) as reader:
                    if clone_open(reader, temporary):
                        make_readonly_at(temporary, self._blobs.group)
                        if self._one_by_one:
                            sync_file(temporary)
                        found = file_digest(temporary)
                    else:
                        staged = staging.stage_stream(
                            reader,
                            temporary,
                            sync=self._one_by_one,
                            progress=None,
                            group=self._blobs.group,
                        )
                        found = staged.digest
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                return f"it cannot be read ({error.strerror})"
            if found != digest:
                return f"its bytes changed: the sha256 is now {found}"
            with suppress(FileNotFoundError):
                set_same_time(source, temporary)
            replace_file(temporary, target)
        return None

    def add_local_copies(self) -> None:
        """Give the local copies of the registry to the backup, as links to its own blobs.

        Where it can have no links there are none: each is made again when it is needed.
        """
        with disk_errors(_DOING, self._place):
            try:
                self._add_files()
                self._add_trees()
            except OSError as error:
                if error.errno not in CANNOT:
                    raise
        self.record_links()

    def _add_files(self) -> None:
        for digest in digests_with_local_files(self._registry.blobs):
            for path in local_files_of(self._registry, digest) if digest in self.taken else ():
                target = self._blobs.make_folder(FILES, digest) / path.name
                if not os.path.lexists(target):
                    self._note_all((digest,))
                    os.link(self._blobs.path(digest), target)
                    self._touched.add(target.parent)

    def _add_trees(self) -> None:
        source = self._registry.blobs.folder_path(TREES)
        for digest in sorted(os.listdir(source)) if source.is_dir() else ():
            if digest not in self.taken or os.path.lexists(self._place / TREES / digest):
                continue
            with self._registry.store.read() as connection:
                manifest = tree_rows.manifest(connection, digest)
            if manifest is None or not self.taken.issuperset(
                each.digest for each in manifest.files
            ):
                continue
            self._note_all({each.digest for each in manifest.files})
            # A folder that cannot be had here is made, or refused, when it is needed.
            with (
                suppress(StorageError),
                local_tree.new_tree(self._blobs, digest, manifest, self._found) as temporary,
            ):
                local_tree.put_in_place(self._blobs, digest, temporary, None)

    def _found(self, file: PackageFile) -> tuple[str, bool]:
        return str(self._blobs.path(file.digest)), True

    def _note_all(self, digests: Collection[str]) -> None:
        if len(self._ctimes) >= _AT_ONCE:
            self.record_links()
        with self._registry.store.read() as connection:
            rows = blob_rows.rows_of(connection, digests)
        for row in rows.values():
            self._note(row)

    def finish(self, connection: blob_rows.Connection) -> None:
        """Write the database, when all bytes that it names are there.

        Args:
            connection: in a read transaction: the state to keep.
        """
        with disk_errors(_DOING, self._place):
            self._sync()
            if self.updated:
                backup.update_copy(connection, self._database, sync=self._durable)
            else:
                backup.make_copy(connection, self._database, self._blobs.group, sync=self._durable)
                reserve.make(self._database, self._blobs.group)

    def _sync(self) -> None:
        if not self._durable or not self._touched:
            return
        if self._one_by_one:
            for folder in sorted(self._touched):
                sync_folder(folder)
        else:
            sync_tree(self._place, self._opened)

    def record(self) -> None:
        """Record what is known of the files of the backup, and what linking changed here."""
        state = self._blobs.state_reader()
        with disk_errors(_DOING, self._place):
            with backup.changing(self._database, sync=self._durable) as connection:
                places = [place for place, _ in blob_rows.places(connection)]
                for start in range(0, len(places), _AT_ONCE):
                    rows = blob_rows.rows_at(connection, places[start : start + _AT_ONCE])
                    blob_rows.record_files(connection, self._files(rows, state))
            self._marker.unlink(missing_ok=True)
        self.record_links()

    def _files(
        self, rows: Iterable[BlobRow], state: Callable[[str], tuple[int, int] | None]
    ) -> Iterator[tuple[str, int | None, int]]:
        """Yield digests, when the files were hashed last, and their change times."""
        for row in rows:
            found = state(row.digest) if row.digest in self.taken else None
            if found is not None:
                yield row.digest, self._hashed.get(row.digest, row.verified), found[1]

    def record_links(self) -> None:
        """Record the change times of the blobs of the registry that got further names.

        Without it the next `verify` there hashes them again.
        """
        before, self._ctimes = self._ctimes, {}
        after = {digest: self._source(digest) for digest in before}
        changed = [
            (digest, before[digest], found[1])
            for digest, found in after.items()
            if found is not None and found[1] != before[digest]
        ]
        if changed:
            with suppress(StorageError), self._registry.store.write_unsynced() as change:
                blob_rows.record_linked(change.connection, changed)
