"""Packages that come as archives: an archive is unpacked once, and its files are kept as blobs.

Which package an archive unpacks to is remembered by the digest of the archive. So the archive's own
bytes are needed only until then, and stay as a cache of their URL.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg import log
from localreg.blobs.archives.unpacking import (
    is_archive,
    limits_from_environment,
    remove_tree,
    unpack,
)
from localreg.blobs.local_files.copying import replacing
from localreg.blobs.staging.hashing import file_digest
from localreg.blobs.trees import local_tree
from localreg.blobs.trees.listing import Entry, Listing
from localreg.errors import (
    ArchiveError,
    CorruptBlobError,
    InvalidValueError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import content_of, plain_status, status_of
from localreg.operations.finding.upstream import read_each
from localreg.operations.weights.package_copies import package_folder
from localreg.operations.weights.packages import (
    StagedPackage,
    keep_package,
    known_package,
    taken_in_package,
)
from localreg.operations.weights.sources import Held, Source
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import tree_rows
from localreg.values.frozen import Frozen, replace
from localreg.values.layout import TREES
from localreg.values.manifest import Manifest, PackageFile, make_manifest, parse_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.archives.unpacking import Unpacked
    from localreg.blobs.blobstore import BlobStore
    from localreg.filesystem.plain_files import FileStatus

_NOTE = ".manifest"  # a file in the user's cache folder, which is named by the archive's digest
_LONGEST_NOTE = 256 * 1024 * 1024  # bytes


class Archive(Frozen):
    """An archive that is to be unpacked.

    Attributes:
        digest, size: of its bytes.
        path: where they are.
        filename: its original name; the ending gives the format.
        hashed: the status that it had before it was hashed, if it is a file of the user.
    """

    digest: str
    size: int
    path: Path
    filename: str
    hashed: FileStatus | None = None


def packages_of(chain: Chain, digest: str) -> list[tuple[OpenRegistry, str]]:
    """Return the packages that an archive is known to unpack to, each with its registry."""
    answers = read_each(chain, lambda connection: tree_rows.unpacked(connection, digest))
    return [(each, tree) for each, tree in answers if tree is not None]


def known_package_of(chain: Chain, digest: str) -> StagedPackage | None:
    """Return the package that an archive unpacks to, if no byte of it is missing, or None."""
    for _, tree in packages_of(chain, digest):
        known = known_package(chain, tree)
        if known is not None:
            return known
    return None


def record_known(
    change: Change,
    registry: OpenRegistry,
    known: StagedPackage,
    archive: str,
    archive_size: int | None,
) -> Held | None:
    """Record a package that an archive unpacks to; None if bytes were deleted meanwhile."""
    held = keep_package(registry, change, known)
    if held is None:
        return None
    tree_rows.record_unpacked(change.connection, archive, held.digest)
    return replace(held, archive=archive, archive_size=archive_size)


@contextmanager
def taken_in_archive(chain: Chain, archive: Archive) -> Iterator[tuple[Change, Held]]:
    """Keep the files of an archive; yield the package within the transaction that records it.

    What the block records is in the same transaction: all of it is written, or nothing. An archive
    whose package is here is not unpacked again.

    Raises:
        ArchiveError: it is broken, unsafe or beyond the limits, or has changed since it was
            hashed; nothing was kept.
    """
    registry = chain.first
    known = known_package_of(chain, archive.digest)
    if known is not None:
        with registry.store.write() as change:
            held = record_known(change, registry, known, archive.digest, archive.size)
            if held is not None:
                yield change, held
                return
    with registry.blobs.temporary_folder("unpacked") as folder:
        found = _unpack(archive, folder, registry.blobs.group)
        source = Source(path=None, filename=None, mode="move", look=lambda: _listing(found))
        with taken_in_package(chain, source) as (change, held):
            tree_rows.record_unpacked(change.connection, archive.digest, held.digest)
            yield change, replace(held, archive=archive.digest, archive_size=archive.size)


@contextmanager
def taken_in_as_package(chain: Chain, source: Source) -> Iterator[tuple[Change, Held]]:
    """Keep the files of an archive of the user; any other file is kept as it is.

    The archive itself is not kept. The expected sha256 is that of the archive.

    Raises:
        SourceNotFoundError, DigestMismatchError, ArchiveError: nothing was kept.
    """
    from localreg.operations.weights import ingest

    path = source.path
    if path is None or not is_archive(path.name):
        with ingest.taken_in(chain, source) as taken:
            yield taken
        return
    chain.first.store.check_writable()
    with disk_errors("keeping weights", path):
        hashed = status_of(plain_status(path, "weights_url"))
    found = ingest.digest_of(chain.first, source)
    archive = Archive(found.digest, found.size, path, path.name, hashed)
    with taken_in_archive(chain, archive) as (change, held):
        yield change, replace(held, filename=source.filename)


def unpacked_folder(chain: Chain, archive: Archive, *, verify: bool) -> Path:
    """Return the read-only folder of what an archive unpacks to.

    Args:
        verify: hash each file of a folder that is there already.

    Raises:
        ArchiveError: it is broken, unsafe or beyond the limits; nothing was made.
        StorageError: this file system cannot have a folder with its names.
    """
    for registry, tree in packages_of(chain, archive.digest):
        try:
            return package_folder(chain, registry, tree, verify=verify)
        except CorruptBlobError as error:  # the archive has the bytes
            log.info("%s", error)
    first = chain.first
    if not first.store.readonly:
        try:
            with taken_in_archive(chain, archive) as (_, held):
                pass  # which package it is, is recorded, and nothing else
            return package_folder(chain, first, held.digest, verify=False)
        except StorageFullError as error:
            log.info("%s is unpacked elsewhere: %s", archive.filename, error)
    return _unpacked_elsewhere(first.blobs_of_full_disk, archive, verify=verify)


def _unpack(archive: Archive, folder: Path, group: int | None) -> Unpacked:
    """Unpack an archive that must not change meanwhile into an empty folder."""
    limits = limits_from_environment()
    with disk_errors("unpacking weights", archive.path):
        before = archive.hashed or status_of(archive.path.stat())
        found = unpack(archive.path, archive.filename, folder, limits, group)
        after = status_of(archive.path.stat())
        # A blob gets another change time with each new name.
        if not before.same_content(after) or (archive.hashed is not None and after != before):
            raise ArchiveError(
                f"{archive.path} changed while it was unpacked; try again when it is finished",
                path=str(archive.path),
                member=None,
            )
    if not found.files and not found.folders:
        raise ArchiveError(
            f"{archive.path} holds nothing: no file and no folder",
            path=str(archive.path),
            member=None,
        )
    return found


def _listing(found: Unpacked) -> Listing:
    """Return the files of an archive, as they are now where it was unpacked to."""
    entries = [
        Entry(each.name, str(each.path), status_of(each.path.lstat()), each.executable)
        for each in found.files
    ]
    entries += [Entry(name, "", None) for name in found.folders]
    return Listing(sorted(entries, key=lambda each: each.name), [])


# where nothing can be written to the registry -------------------------------------------------


def _unpacked_elsewhere(blobs: BlobStore, archive: Archive, *, verify: bool) -> Path:
    """Return the folder of an archive in the user's cache folder, made if it is not whole there.

    There is no database, so the manifest is in a file that is named by the archive's digest.
    """
    from localreg.blobs.local_files.readonly_registry import place_elsewhere
    from localreg.filesystem.temporary_owners import unfinished

    assert blobs.cache_name is not None
    note = place_elsewhere(blobs.cache_name, TREES) / f"{archive.digest}{_NOTE}"
    with disk_errors("unpacking weights", note):
        known = _noted(note)
        if known is not None:
            place = local_tree.place_of(blobs, _digest(known))
            if not _wrong(place, known, verify=verify):
                return place
        folder = unfinished(note.with_suffix(""))
        folder.mkdir()
        try:
            found = _unpack(archive, folder, None)
            paths: dict[str, Path] = {}
            files = []
            for each in found.files:
                digest = file_digest(each.path)
                paths[digest] = each.path
                size = each.path.stat().st_size
                files.append(PackageFile(each.name, digest, size, each.executable))
            manifest = make_manifest(files, found.folders)
            place = _made_elsewhere(blobs, manifest, paths)
        finally:
            remove_tree(folder)
        with replacing(note) as temporary:
            temporary.write_bytes(manifest.encoded())
    return place


def _made_elsewhere(blobs: BlobStore, manifest: Manifest, paths: dict[str, Path]) -> Path:
    digest = _digest(manifest)
    place = local_tree.place_of(blobs, digest)
    seen = local_tree.seen_at(place)
    if seen is not None and not _wrong(place, manifest, verify=False):
        return place  # another archive has the same files
    with local_tree.new_tree(
        blobs, digest, manifest, lambda file: (str(paths[file.digest]), True)
    ) as temporary:
        local_tree.put_in_place(blobs, digest, temporary, seen)
    return place


def _noted(note: Path) -> Manifest | None:
    """Return the manifest in a file, or None if it is not one."""
    data = content_of(note, _LONGEST_NOTE)
    try:
        return None if data is None else parse_manifest(data)
    except InvalidValueError:
        return None


def _wrong(place: Path, manifest: Manifest, *, verify: bool) -> bool:
    entries: list[local_tree.Entry] = [
        (each.path, each.size, int(each.executable), 0) for each in manifest.files
    ]
    entries += [(path, 0, 0, None) for path in manifest.folders]
    if not local_tree.is_whole(str(place), entries):
        has_modes = hasattr(os, "geteuid")
        if local_tree.seen_at(place) is None or local_tree.differences(
            place, entries, executable=has_modes
        ):
            return True
    return verify and bool(local_tree.changed_bytes(place, manifest.files))


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(manifest.encoded()).hexdigest()
