"""The cache: what can be downloaded or unpacked again, and unfinished downloads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

from localreg.blobs.archives.unpacking import remove_tree
from localreg.blobs.local_files.listing import digests_with_local_files, lister
from localreg.errors import InvalidValueError, LocalregError, NotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import is_alive
from localreg.operations.upkeep.package_checks import remove_folder
from localreg.operations.weights.deleting import AT_ONCE, delete_unneeded, deleting
from localreg.operations.weights.locations import is_upstream_only
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.blob_rows import Use
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES, TEMPORARY, TREES, UNFINISHED_DOWNLOAD
from localreg.values.units import parse_size, parse_span
from localreg.values.urls import is_sha256, public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.blobstore import BlobStore

_AT_ONCE = 500  # blobs of one look-up


class Cached(Frozen, kw_only=True):
    """Something in the cache.

    Attributes:
        kind: "download", a file; "archive", one whose files are known as a package; "tree", such a
            package, or one that a URL serves; "copy", local copies that are no links, such as those
            of upstream weights; or "partial", an unfinished download.
        name: the digest; of a partial the name of its folder.
        size: in bytes; of a package those of the files that nothing else needs.
        used: when it was last read, in seconds since 1970. Some file systems record only when it
            was last changed.
        source: the URL without secrets; "" if none is known.
        models: references of the models that have it.
    """

    kind: str
    name: str
    size: int
    used: float
    source: str
    models: tuple[str, ...]


class Pruned(Frozen):
    """The result of pruning.

    Attributes:
        deleted: what was deleted, or in a dry run would be.
        freed: size of that in bytes.
        failed: what could not be deleted, and why.
        dry_run: True if nothing was deleted.
    """

    deleted: tuple[Cached, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool


def cached(chain: Chain) -> list[Cached]:
    """Return what is in the cache, last used first; weights that must be kept are not in it."""
    found = [
        *_blobs(chain.first),
        *_packages(chain.first),
        *_copies(chain, FILES),
        *_copies(chain, TREES),
        *_partials(chain.first),
    ]
    return sorted(found, key=lambda each: each.used, reverse=True)


def _blobs(registry: OpenRegistry) -> Iterator[Cached]:
    """Yield the downloads and archives that are here."""
    status = registry.blobs.status_reader()
    with registry.store.read() as connection:
        kept = blob_rows.alone_here(connection)
        archives = tree_rows.archives(connection)
        packages = blob_rows.packages(connection)
        sizes = blob_rows.sizes(connection)
        candidates = [each for each in sizes if each not in kept and each not in packages]
        for start in range(0, len(candidates), _AT_ONCE):
            some = candidates[start : start + _AT_ONCE]
            uses = blob_rows.uses_of(connection, some)
            urls = blob_rows.urls_of(connection, some)
            for digest in some:
                found = status(digest)
                own = uses.get(digest, [])
                url = next((use.url for use in own if use.url), urls.get(digest))
                # Without a URL gc deletes it.
                if (
                    found is not None
                    and found.st_size == sizes[digest]
                    and (url or digest in archives)
                ):
                    yield Cached(
                        kind="archive" if digest in archives else "download",
                        name=digest,
                        size=found.st_size,
                        used=max(found.st_atime, found.st_mtime),
                        source=public_url(url) if url else "",
                        models=_names(own) or _models(connection, archives.get(digest)),
                    )


def _packages(registry: OpenRegistry) -> Iterator[Cached]:
    """Yield the packages of which something is here that nothing else needs."""
    here = registry.blobs.sizes()
    with registry.store.read() as connection:
        for digest in blob_rows.cached_packages(connection):
            own = [each for each in blob_rows.only_in(connection, digest) if each in here]
            if not own:
                continue
            archives = tree_rows.archives_of(connection, digest)
            sources = filter(None, (_source(connection, each) for each in (digest, *archives)))
            yield Cached(
                kind="tree",
                name=digest,
                size=sum(here[each] for each in own),
                used=max(_used(registry.blobs.blob(each)) for each in own),
                source=next(sources, ""),
                models=_models(connection, digest),
            )


def _copies(chain: Chain, name: str) -> Iterator[Cached]:
    """Yield local copies that take space: of weights that are upstream, or without links."""
    registry = chain.first
    blobs = registry.blobs
    with registry.store.read() as connection:
        packages = set(blob_rows.cached_packages(connection)) if name == TREES else set()
    for digest, size, used in _local_copies(blobs) if name == FILES else _local_trees(blobs):
        if digest in packages:  # it is deleted with its package
            continue
        if size and (name == TREES or is_upstream_only(chain, digest)):
            with registry.store.read() as connection:
                yield Cached(
                    kind="copy",
                    name=digest,
                    size=size,
                    used=used,
                    source=_source(connection, digest),
                    models=_models(connection, digest),
                )


def _local_copies(blobs: BlobStore) -> Iterator[tuple[str, int, float]]:
    """Yield the digests with local files: bytes without another name, and when last used."""
    listed = lister(blobs)
    for digest in digests_with_local_files(blobs):
        files = [status for _, status in listed(digest)]
        size = sum(each.st_size for each in files if each.st_nlink == 1)
        yield digest, size, max((max(each.st_atime, each.st_mtime) for each in files), default=0.0)


def _local_trees(blobs: BlobStore) -> Iterator[tuple[str, int, float]]:
    """Yield the packages with folders, as `_local_copies`."""
    for path in _folders(blobs.folder_path(TREES)):
        if is_sha256(path.name):
            yield path.name, _copied_size(path), _last_used(path)


def _partials(registry: OpenRegistry) -> Iterator[Cached]:
    for path in _folders(registry.blobs.folder_path(TEMPORARY)):
        if path.name.startswith(UNFINISHED_DOWNLOAD) and is_alive(path.name) is not True:
            yield Cached(
                kind="partial",
                name=path.name,
                size=_copied_size(path),
                used=_used(path),
                source="",
                models=(),
            )


def _models(connection: blob_rows.Connection, digest: str | None) -> tuple[str, ...]:
    return _names([] if digest is None else blob_rows.uses_as_weights(connection, digest))


def _names(uses: list[Use]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(use.ref for use in uses))


def _source(connection: blob_rows.Connection, digest: str) -> str:
    """Return a URL of a blob without its secrets; "" if none is known."""
    urls = [use.url for use in blob_rows.uses_as_weights(connection, digest) if use.url]
    urls += [each.url for each in blob_rows.served_by(connection, digest)]
    return public_url(urls[0]) if urls else ""


def _folders(folder: Path) -> list[Path]:
    with disk_errors("reading the cache", folder), suppress(FileNotFoundError):
        return (
            [each for each in sorted(folder.iterdir()) if each.is_dir()] if folder.is_dir() else []
        )
    return []  # deleted meanwhile


def _used(path: Path) -> float:
    try:
        status = path.lstat()
    except FileNotFoundError:  # deleted meanwhile
        return 0.0
    return max(status.st_atime, status.st_mtime)


def _last_used(folder: Path) -> float:
    try:
        return max((_used(each) for each in folder.iterdir()), default=_used(folder))
    except FileNotFoundError:  # deleted meanwhile
        return 0.0


def _copied_size(folder: Path) -> int:
    """Return the bytes of the files below a folder that have no other name."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # deleted meanwhile
                status = (Path(place) / name).lstat()
                size += status.st_size if status.st_nlink == 1 else 0
    return size


def remove(chain: Chain, name: str) -> list[Cached]:
    """Delete one thing from the cache, by its name or the first digits of it.

    Raises:
        NotFoundError: nothing in the cache has this name.
        InvalidValueError: several things have it.
    """
    found = [each for each in cached(chain) if each.name.startswith(name)]
    if not name or not found:
        raise NotFoundError(
            f"there is no {name!r:.80} in the cache; `localreg cache ls` lists it", reference=name
        )
    if len({each.name for each in found}) > 1:
        raise InvalidValueError(
            f"{len(found)} names in the cache begin with {name!r}; give more digits",
            argument="name",
        )
    with chain.first.store.freeing_space():
        for each in found:
            _delete(chain.first, each)
    return found


def prune(
    chain: Chain,
    *,
    max_size: object = None,
    older_than: object = None,
    partials: bool = False,
    dry_run: bool = True,
) -> Pruned:
    """Delete from the cache what was not used for the longest time.

    Args:
        max_size: keep at most this much, in bytes or as text such as "20GB"; None for all.
        older_than: delete what was not used for this long, in seconds or as text such as "30d".
        partials: delete unfinished downloads.
        dry_run: delete nothing.
    """
    most = None if max_size is None else parse_size(max_size)
    oldest = None if older_than is None else parse_span(older_than)
    if most is None and oldest is None and not partials:
        raise InvalidValueError(
            "say what to delete: max_size, older_than or partials", argument="max_size"
        )
    deleted, failed, freed = [], [], 0
    with nullcontext() if dry_run else chain.first.store.freeing_space():
        for each in _choose(cached(chain), most, oldest, partials):
            try:
                size = each.size if dry_run else _delete(chain.first, each)
            except LocalregError as error:  # the others can still be deleted
                failed.append(f"{each.name}: {error}")
            else:
                if size is not None:
                    deleted.append(each)
                    freed += size
    return Pruned(tuple(deleted), freed, tuple(failed), bool(dry_run))


def _choose(
    found: list[Cached], most: int | None, oldest: float | None, partials: bool
) -> list[Cached]:
    """Return what to delete; `found` is in the order of use, the last first."""
    chosen, stays = [], 0
    for each in found:
        old = oldest is not None and time.time() - each.used > oldest
        if each.kind == "partial":
            goes = partials or old
        else:
            goes = old or (most is not None and stays + each.size > most)
            stays += 0 if goes else each.size
        if goes:
            chosen.append(each)
    return chosen


def _delete(registry: OpenRegistry, each: Cached) -> int | None:
    """Delete one thing, and return its bytes; None if it must be kept by now."""
    if each.kind == "tree":
        return _delete_package(registry, each.name)
    if each.kind in ("download", "archive"):
        return _delete_blob(registry, each)
    folder = registry.blobs.folder_path(TEMPORARY if each.kind == "partial" else FILES) / each.name
    with disk_errors("deleting from the cache", folder):
        remove_tree(folder)
        if each.kind == "copy":
            remove_folder(registry, each.name)
    return each.size


def _delete_blob(registry: OpenRegistry, each: Cached) -> int | None:
    """Delete a download or an archive; what the archive unpacks to stays known."""
    with deleting(registry) as (connection, delete):
        if blob_rows.is_alone_here(connection, each.name):
            return None
        if not blob_rows.referred(connection, each.name) and (
            each.kind == "download" or not each.source
        ):
            blob_rows.forget(connection, [each.name])
        delete([each.name])
    return each.size


def _delete_package(registry: OpenRegistry, package: str) -> int | None:
    """Delete the files of a package that nothing else needs, and its folder.

    If no model has it, what is known of it is forgotten too.
    """
    with registry.store.write() as change:
        connection = change.connection
        if not blob_rows.is_cached_package(connection, package):
            return None
        models = blob_rows.is_package_referred(connection, package)
        chosen = blob_rows.only_in(connection, package)
        if not models:
            archives = tree_rows.archives_of(connection, package)
            tree_rows.forget_unpacked(connection, archives)
            # An archive that is here can be unpacked again.
            here = registry.blobs.states(archives)
            blob_rows.give_up(connection, [each for each in archives if each not in here])
            chosen += archives
    if not models:
        return sum(delete_unneeded(registry, chosen).sizes.values())
    sizes: dict[str, int] = {}
    for start in range(0, len(chosen), AT_ONCE):
        with deleting(registry) as (connection, delete):
            if blob_rows.is_cached_package(connection, package):
                some = chosen[start : start + AT_ONCE]
                sizes |= delete(blob_rows.only_in(connection, package, some))
    return sum(sizes.values())
