"""A backup as one file: an uncompressed tar of the directory that `FolderBackup` makes."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.local_files.listing import digests_with_local_files
from localreg.errors import PathExistsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_found
from localreg.filesystem.portable_files import replace_file
from localreg.filesystem.syncing import sync, sync_folder
from localreg.filesystem.temporary_owners import unfinished
from localreg.operations.carry.backup_folder import GONE
from localreg.operations.weights.locations import local_files_of
from localreg.registry import OpenRegistry
from localreg.store.database import backup, reserve
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.ids import now
from localreg.values.layout import BLOBS, DATABASE, FILES, TREES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.values.manifest import PackageFile

_DOING = "making a backup"
_FILE, _PROGRAM, _FOLDER, _WRITABLE = 0o444, 0o555, 0o755, 0o644


class TarBackup:
    """A backup that is written to a tar file, blobs first and the database last.

    An earlier file of the same registry is replaced when the new one is complete.

    Attributes:
        taken, linked, new, new_size, updated: as for `FolderBackup`; nothing is linked.
    """

    updated = False

    def __init__(self, registry: OpenRegistry, place: Path) -> None:
        self.taken: set[str] = set()
        self.linked = self.new = self.new_size = 0
        self._registry = registry
        self._place = place
        self._source = registry.blobs.state_reader()
        self._mark = f"localreg backup of {registry.store.registry_id}"
        self._check()

    def _check(self) -> None:
        with disk_errors(_DOING, self._place):
            if not os.path.lexists(self._place):
                return
            if self._place.is_file() and not self._place.is_symlink():
                with (
                    suppress(tarfile.TarError),
                    open_found(self._place) as file,
                    tarfile.open(fileobj=file, mode="r:") as before,
                ):
                    if before.pax_headers.get("comment") == self._mark:
                        return
        raise PathExistsError(
            f"{self._place} exists, and is not an earlier backup of this registry; choose another "
            "name",
            path=str(self._place),
        )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A block at whose end the file gets its name; after an error it is deleted."""
        with disk_errors(_DOING, self._place):
            self._place.parent.mkdir(parents=True, exist_ok=True)
            temporary = unfinished(self._place)
            with self._registry.blobs.writing_outside(self._place.parent):
                try:
                    with open(temporary, "xb") as self._file:
                        with tarfile.open(
                            fileobj=self._file,
                            mode="w",
                            format=tarfile.PAX_FORMAT,
                            pax_headers={"comment": self._mark},
                        ) as self._tar:
                            yield
                        self._file.flush()
                        sync(self._file.fileno())
                    replace_file(temporary, self._place)
                    sync_folder(self._place.parent)
                finally:
                    temporary.unlink(missing_ok=True)

    def take(self, rows: Iterable[BlobRow]) -> Iterator[tuple[BlobRow, str | None]]:
        """Write the bytes of blobs; result and errors as for `FolderBackup.take`."""
        for row in rows:
            why = self._take(row)
            if why is None:
                self.taken.add(row.digest)
            yield row, why

    def _take(self, row: BlobRow) -> str | None:
        path = self._registry.blobs.path(row.digest)
        found = self._source(row.digest)
        if found is None:
            return GONE
        if found[0] != row.size:
            return f"it has {found[0]:,} bytes instead of {row.size:,}"
        try:
            with open_found(path) as reader:
                why = self._add(_name(row.digest), reader, row.digest, row.size, _FILE)
        except FileNotFoundError:  # deleted just now
            return GONE
        if why is None:
            self.new += 1
            self.new_size += row.size
        return why

    def _add(self, name: str, reader: BinaryIO, digest: str, size: int, mode: int) -> str | None:
        """Write the bytes of a blob under a name; return what is wrong, and take it back then."""
        begin = self._tar.offset
        hashing = _Hashing(reader)
        member = _member(name, mode)
        member.size = size
        with disk_errors(_DOING, self._place):
            self._tar.addfile(member, hashing)
        found = hashing.digest.hexdigest()
        self._forget_members()
        if found == digest:
            return None
        self._file.seek(begin)
        self._file.truncate()
        self._tar.offset = begin
        return f"its bytes changed: the sha256 is now {found}"

    def add_local_copies(self) -> None:
        """Write the local copies as links to the blobs, as `FolderBackup.add_local_copies`."""
        with disk_errors(_DOING, self._place):
            for digest in digests_with_local_files(self._registry.blobs):
                for path in local_files_of(self._registry, digest) if digest in self.taken else ():
                    self._link(f"{FILES}/{digest}/{path.name}", digest)
            source = self._registry.blobs.folder_path(TREES)
            for digest in sorted(os.listdir(source)) if source.is_dir() else ():
                if digest in self.taken:
                    self._add_tree(digest)

    def _add_tree(self, digest: str) -> None:
        with self._registry.store.read() as connection:
            manifest = tree_rows.manifest(connection, digest)
        if manifest is None or not self.taken.issuperset(each.digest for each in manifest.files):
            return
        for folder in manifest.folders:
            member = _member(f"{TREES}/{digest}/{folder}", _FOLDER)
            member.type = tarfile.DIRTYPE
            self._tar.addfile(member)
        for file in manifest.files:
            self._add_file_of_tree(f"{TREES}/{digest}/{file.path}", file)

    def _add_file_of_tree(self, name: str, file: PackageFile) -> None:
        if not file.executable:
            self._link(name, file.digest)
            return
        # Deleted meanwhile: the folder is made again when it is needed.
        with (
            suppress(FileNotFoundError),
            open_found(self._registry.blobs.path(file.digest)) as reader,
        ):
            self._add(name, reader, file.digest, file.size, _PROGRAM)

    def _link(self, name: str, digest: str) -> None:
        member = _member(name, _FILE)
        member.type = tarfile.LNKTYPE
        member.linkname = _name(digest)
        self._tar.addfile(member)
        self._forget_members()

    def _forget_members(self) -> None:
        """Free the memory that tarfile keeps for reading: a kilobyte for each member."""
        self._tar.members.clear()  # type: ignore[attr-defined]  # typeshed lacks it

    def finish(self, connection: blob_rows.Connection) -> None:
        """Write the database, when all bytes that it names are there."""
        copy = unfinished(self._place.with_name(DATABASE))
        try:
            backup.make_copy(connection, copy, None, sync=False)
            with disk_errors(_DOING, self._place), open(copy, "rb") as reader:
                size = os.fstat(reader.fileno()).st_size
                taken = io.BytesIO(os.urandom(reserve.RESERVE_BYTES))
                name = reserve.path_of(Path(DATABASE)).name
                self._add_plain(name, taken, reserve.RESERVE_BYTES)
                self._add_plain(DATABASE, reader, size)
        finally:
            copy.unlink(missing_ok=True)

    def _add_plain(self, name: str, reader: BinaryIO, size: int) -> None:
        member = _member(name, _WRITABLE)
        member.size = size
        self._tar.addfile(member, reader)

    def record_links(self) -> None:
        """Record nothing: no blob of the registry gets another name."""

    def record(self) -> None:
        """Record nothing: files that are unpacked are new ones, and `verify` hashes them."""


class _Hashing(io.RawIOBase):
    """A stream that hashes what is read from it."""

    def __init__(self, reader: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        data = self._reader.read(size)
        self.digest.update(data)
        return data


def _name(digest: str) -> str:
    return "/".join((*BLOBS, digest[:2], digest[2:]))


def _member(name: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = mode
    member.mtime = now() // 1_000_000
    return member
