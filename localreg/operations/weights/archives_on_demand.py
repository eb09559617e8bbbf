"""The archive of a package, for who wants one file: the original one, or a zip that is made now.

The zip is a cache: nothing refers to its blob, and gc deletes it after the grace period.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.archives.packing import (
    ZipEntry,
    entries_of,
    size_of_zip,
    write_zip,
    zip_size,
)
from localreg.blobs.archives.unpacking import is_archive
from localreg.blobs.blob_files import damaged, size_of
from localreg.blobs.local_files.copying import replacing
from localreg.blobs.staging import staging
from localreg.errors import CorruptBlobError, StorageFullError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import changed, wait_for_tick
from localreg.filesystem.portable_files import kept_name, make_readonly_at
from localreg.operations.weights.ingest import keep
from localreg.operations.weights.locations import holder, local_file
from localreg.operations.weights.packages import check_source, listing_of
from localreg.operations.weights.remote_packages import bring_manifest, bring_package
from localreg.operations.weights.sources import Held, Source, check_wanted
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.values.layout import FILES
from localreg.values.manifest import Manifest, PackageFile, make_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import StagedBlob
    from localreg.progress import Progress

_ENDINGS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar")


def archive_of(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    filename: str | None,
    *,
    archive: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return a local file with an archive of a package: the original one, or else a zip.

    The same package gives the same zip everywhere.

    Args:
        registry: the registry that knows the package; the bytes may be in another.
        digest: of the manifest.
        filename: the name of the package; the zip has the ending .zip.
        archive: sha256 of the archive that it came from, whose bytes need not be here.
        progress: called with the number of bytes that are written.

    Raises:
        CorruptBlobError: bytes of the package are damaged, or no registry has them.
    """
    original = None if archive is None else _bytes_of(chain, archive)
    if original is not None and archive is not None and filename and is_archive(filename):
        return local_file(chain, registry, archive, original, filename)
    name = zip_name(filename)
    manifest = bring_manifest(chain, registry, digest) or manifest_of(registry, digest)
    if not chain.first.store.readonly:
        try:
            made = _made_before(chain.first, digest, zip_size(manifest))
            if made is None:
                bring_package(chain, registry, digest, progress=progress)
                made = _keep_zip(chain, registry, digest, manifest, name, progress)
            return local_file(chain, chain.first, made, zip_size(manifest), name)
        except StorageFullError:
            pass  # perhaps there is room in the user's cache
    return _elsewhere(chain, registry, digest, manifest, name)


def zip_name(filename: str | None) -> str:
    """Return the name for the zip of a package.

    >>> zip_name("bert"), zip_name("bert.zip"), zip_name("bert.tar.gz"), zip_name("v1.5")
    ('bert.zip', 'bert.zip', 'bert.zip', 'v1.5.zip')
    """
    name = filename or "package"
    for ending in _ENDINGS:
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
            break
    return name if name.lower().endswith(".zip") else f"{name}.zip"


def manifest_of(registry: OpenRegistry, digest: str) -> Manifest:
    """Return the files of a package that a registry knows.

    Raises:
        CorruptBlobError: it does not know them any more.
    """
    with registry.store.read() as connection:
        manifest = tree_rows.manifest(connection, digest)
    if manifest is None:
        raise CorruptBlobError(
            f"the files of the package {digest[:12]}… are not known: the registry "
            f"{registry.root} has no rows of them; add the same folder again",
            digest=digest,
            path=str(registry.blobs.path(digest)),
        )
    return manifest


@contextmanager
def zipped(registry: OpenRegistry, source: Source) -> Iterator[tuple[Path, Held]]:
    """Yield a zip of a package of the user, and what is in it; nothing is kept.

    Raises:
        SourceNotFoundError: there is no such folder or file.
        InvalidValueError: it cannot be a package, or it changed meanwhile.
    """
    registry.store.check_writable()  # the zip is made in the registry
    check_source(registry, source)
    listing = listing_of(source)
    statuses = [each.status for each in listing.entries if each.status is not None]
    entries = [
        ZipEntry(each.name, None if each.status is None else Path(each.path), each.size,
                 each.executable)
        for each in listing.entries
    ]  # fmt: skip
    with registry.blobs.temporary("archive") as target, disk_errors("making an archive", target):
        size = size_of_zip(entries)
        staging.check_room(target.parent, size)
        wait_for_tick(statuses)
        with open(target, "xb"):
            pass
        progress = source.progress
        digests = write_zip(
            entries,
            target,
            advance=lambda done: None if progress is None else progress(done, size),
        )
        again = {each.name: each for each in listing_of(source).entries}
        before = {each.name: each for each in listing.entries}
        for name in sorted(before.keys() | again.keys()):
            if before.get(name) != again.get(name):
                raise changed(Path((before.get(name) or again[name]).path), "weights_url")
        manifest = make_manifest(
            [
                PackageFile(each.name, digests[each.name], each.size, each.executable)
                for each in listing.entries
                if each.status is not None
            ],
            [each.name for each in listing.entries if each.status is None],
        )
        encoded = manifest.encoded()
        digest = hashlib.sha256(encoded).hexdigest()
        check_wanted(source, digest)
        yield target, Held(digest, len(encoded), total=manifest.total)


def staged_zip(
    chain: Chain,
    registry: OpenRegistry,
    manifest: Manifest,
    target: Path,
    progress: Progress | None = None,
) -> StagedBlob:
    """Write the zip of a package to a temporary file of the first registry, and hash it.

    Args:
        registry: the registry that knows the package.
        target: the new file.
        progress: called with the number of bytes written, and the total.

    Raises:
        CorruptBlobError: bytes of the package are damaged, or no registry has them.
    """
    blobs = chain.first.blobs
    size = zip_size(manifest)
    staging.check_room(target.parent, size)
    return staging.stage_written(
        lambda path, advance: _write(chain, registry, manifest, path, advance),
        target,
        sync=blobs.durable,
        size=size,
        progress=progress,
        group=blobs.group,
    )


def _bytes_of(chain: Chain, digest: str) -> int | None:
    """Return the number of bytes of a blob that a registry of the chain has, or None."""
    for each in chain.registries:
        with each.store.read() as connection:
            row = blob_rows.blob(connection, digest)
        if row is not None and holder(chain, digest, row.size) is not None:
            return row.size
    return None


def _made_before(first: OpenRegistry, digest: str, size: int) -> str | None:
    """Return the digest of the zip that was made of a package before, if it is whole."""
    with first.store.read() as connection:
        made = tree_rows.made_archive(connection, digest)
    return made if made is not None and first.blobs.has(made, size) else None


def _keep_zip(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    manifest: Manifest,
    name: str,
    progress: Progress | None,
) -> str:
    first = chain.first
    with first.blobs.temporary("archive") as temporary:
        with disk_errors("making an archive", temporary):
            blob = staged_zip(chain, registry, manifest, temporary, progress)
        with disk_errors("keeping weights", temporary), first.store.write() as change:
            keep(first, change, blob, name, {}, upstream=None, replace=False)
            blob_rows.mark_unreferred(change.connection, [blob.digest])
            if blob_rows.blob(change.connection, digest) is not None:
                tree_rows.record_unpacked(change.connection, blob.digest, digest, made=True)
    return blob.digest


def _elsewhere(
    chain: Chain, registry: OpenRegistry, digest: str, manifest: Manifest, name: str
) -> Path:
    """Return a zip in the user's cache folder; it is made unless a whole one is there."""
    from localreg.blobs.local_files.readonly_registry import place_elsewhere

    cache = chain.first.blobs_of_full_disk.cache_name
    assert cache is not None
    path = place_elsewhere(cache, FILES, digest) / kept_name(name)
    with disk_errors("making an archive", path):
        if size_of(path) == zip_size(manifest):
            return path
        staging.check_room(path.parent, zip_size(manifest))
        with replacing(path) as temporary:
            temporary.touch()
            _write(chain, registry, manifest, temporary, lambda _: None)
            make_readonly_at(temporary, None)
    return path


def _write(
    chain: Chain,
    registry: OpenRegistry,
    manifest: Manifest,
    target: Path,
    advance: Callable[[int], None],
) -> None:
    entries = entries_of(manifest, lambda file: _place(chain, registry, file))
    write_zip(entries, target, advance=advance)


def _place(chain: Chain, registry: OpenRegistry, file: PackageFile) -> Path:
    """Return where the bytes of a file of a package are.

    Raises:
        CorruptBlobError: no registry has them.
    """
    holding = holder(chain, file.digest, file.size)
    if holding is None:
        raise damaged(file.digest, registry.blobs.path(file.digest), "is missing or cut short")
    return holding.blobs.blob(file.digest)
