"""The cache: bytes that can be had again from a URL or an archive, and rests of downloads."""

from __future__ import annotations

import re
import time
from pathlib import Path

from localreg.blobs.local_files import unpacked_trees
from localreg.errors import (
    InvalidValueError,
    LocalregError,
    NotFoundError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import is_alive
from localreg.operations.weights.locations import is_left
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES, TEMPORARY, TREES
from localreg.values.urls import is_sha256, public_url

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", re.IGNORECASE)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Cached(Frozen, kw_only=True):
    """Something in the cache.

    Attributes:
        kind: "download", "tree" (what an archive unpacked to), "copy" (of what an upstream registry
            has, under another name) or "partial" (of a download).
        name: the digest; of a partial its folder.
        size: bytes on disk.
        used: when it was read last, as far as the file system tells; seconds since 1970.
        source: the public URL, where one is known.
        models: references of the models that have it.
    """

    kind: str
    name: str
    size: int
    used: float
    source: str
    models: tuple[str, ...]


class Pruned(Frozen):
    """What pruning came to: what was deleted, or would be, and what could not be."""

    deleted: tuple[Cached, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool


def cached(registry: OpenRegistry) -> list[Cached]:
    """Return what is in the cache, used last first; what the registry owes is not in it."""
    found = [
        *_downloads(registry), *_trees(registry), *_copies(registry), *_partials(registry)
    ]  # fmt: skip
    return sorted(found, key=lambda each: each.used, reverse=True)


def _downloads(registry: OpenRegistry) -> list[Cached]:
    with registry.store.read() as connection:
        kept = blob_rows.kept_digests(connection)
        rows = [row for row in blob_rows.blobs(connection) if row.digest not in kept]
        told = {row.digest: _told(connection, row.digest) for row in rows}
    return [
        Cached(
            kind="download",
            name=row.digest,
            size=row.size,
            used=_used(registry.blobs.blob(row.digest)),
            source=told[row.digest][0],
            models=told[row.digest][1],
        )
        for row in rows
        # Without a URL it is no cache but garbage, and gc's.
        if told[row.digest][0] and registry.blobs.has(row.digest, row.size)
    ]


def _told(connection: blob_rows.Connection, digest: str) -> tuple[str, tuple[str, ...]]:
    uses = list(blob_rows.uses(connection, digest))
    urls = [use.url for use in uses if use.url]
    urls += [each.url for each in blob_rows.served_by(connection, digest)]
    return public_url(urls[0]) if urls else "", tuple(dict.fromkeys(use.ref for use in uses))


def _trees(registry: OpenRegistry) -> list[Cached]:
    folder = registry.blobs.folder_path(TREES)
    with registry.store.read() as connection:
        return [
            Cached(
                kind="tree",
                name=path.name,
                size=unpacked_trees.tree_size(path),
                used=_used(path),
                source=_told(connection, path.name)[0],
                models=_told(connection, path.name)[1],
            )
            for path in _folders(folder)
            if not path.name.startswith(".")
        ]


def _copies(registry: OpenRegistry) -> list[Cached]:
    with registry.store.read() as connection:
        return [
            Cached(
                kind="copy",
                name=path.name,
                size=unpacked_trees.tree_size(path),
                used=max((_used(each) for each in path.iterdir()), default=_used(path)),
                source=_told(connection, path.name)[0],
                models=_told(connection, path.name)[1],
            )
            for path in _folders(registry.blobs.folder_path(FILES))
            if is_sha256(path.name) and is_left(registry, path.name)
        ]


def _partials(registry: OpenRegistry) -> list[Cached]:
    return [
        Cached(
            kind="partial",
            name=path.name,
            size=unpacked_trees.tree_size(path),
            used=_used(path),
            source="",
            models=(),
        )
        for path in _folders(registry.blobs.folder_path(TEMPORARY))
        if path.name.startswith("get-") and is_alive(path.name) is not True
    ]


def _folders(folder: Path) -> list[Path]:
    with disk_errors("reading the cache", folder):
        return (
            [each for each in sorted(folder.iterdir()) if each.is_dir()] if folder.is_dir() else []
        )


def _used(path: Path) -> float:
    status = path.lstat()
    return max(status.st_atime, status.st_mtime)


def remove(registry: OpenRegistry, name: str) -> list[Cached]:
    """Delete one thing from the cache, by its digest or name, or the first digits of it.

    Raises:
        NotFoundError: nothing in the cache answers to it.
        InvalidValueError: several do.
        ReadOnlyRegistryError: nothing can be written.
        StorageError: it cannot be deleted.
    """
    found = [each for each in cached(registry) if each.name.startswith(name)]
    if not name or not found:
        raise NotFoundError(
            f"there is no {name!r:.80} in the cache; `localreg cache ls` lists it", reference=name
        )
    if len({each.name for each in found}) > 1:
        raise InvalidValueError(
            f"{name!r} names {len(found)} things in the cache; give more digits", argument="name"
        )
    registry.store.check_writable()
    for each in found:
        _delete(registry, each)
    return found


def prune(
    registry: OpenRegistry,
    *,
    max_size: object = None,
    older_than: object = None,
    partials: bool = False,
    dry_run: bool = True,
) -> Pruned:
    """Delete from the cache what was not used for longest; never what the registry owes.

    Args:
        max_size: what may stay, in bytes or as text such as "20GB"; None for any amount.
        older_than: delete what was not used for so long, in seconds or as text such as "30d".
        partials: delete rests of downloads, so that they start anew.
        dry_run: only say what would be deleted.

    Raises:
        InvalidValueError: nothing is told, or what is told is no size or time.
        ReadOnlyRegistryError: the registry is open for reading only, and not `dry_run`.
    """
    most = None if max_size is None else parse_size(max_size)
    oldest = None if older_than is None else parse_span(older_than)
    if most is None and oldest is None and not partials:
        raise InvalidValueError(
            "say what to delete: max_size, older_than or partials", argument="max_size"
        )
    if not dry_run:
        registry.store.check_writable()
    chosen = _choose(cached(registry), most, oldest, partials)
    deleted, failed = [], []
    for each in chosen:
        try:
            if dry_run or _delete(registry, each):
                deleted.append(each)
        except LocalregError as error:  # go on with the others
            failed.append(f"{each.name}: {error}")
    return Pruned(tuple(deleted), sum(each.size for each in deleted), tuple(failed), bool(dry_run))


def _choose(
    found: list[Cached], most: int | None, oldest: float | None, partials: bool
) -> list[Cached]:
    """Return what has to go; `found` is ordered by use, the last first."""
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


def _delete(registry: OpenRegistry, each: Cached) -> bool:
    if each.kind == "tree":
        _remove_tree(registry.blobs.folder_path(TREES) / each.name)
        return True
    if each.kind == "copy":
        _remove_tree(registry.blobs.folder_path(FILES) / each.name)
        return True
    if each.kind == "partial":
        _remove_tree(registry.blobs.folder_path(TEMPORARY) / each.name)
        return True
    with registry.store.write() as change:
        if blob_rows.kept(change.connection, each.name):
            return False  # somebody asked to keep it meanwhile
        if not blob_rows.referred(change.connection, each.name):
            blob_rows.forget(change.connection, each.name)
        registry.blobs.delete(each.name)
    return True


def _remove_tree(folder: Path) -> None:
    from localreg.blobs.archives.unpacking import remove_tree

    with disk_errors("deleting from the cache", folder):
        remove_tree(folder)


def parse_size(value: object) -> int:
    """Return a number of bytes that was given as a number or as text.

    Raises:
        InvalidValueError: it is neither.

    >>> parse_size("1.5GB"), parse_size(10)
    (1500000000, 10)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError(
            f"a size is bytes, or a number with kB, MB, GB or TB, not {shown(value)}",
            argument="max_size",
        )
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_span(value: object) -> float:
    """Return a time in seconds that was given as a number or as text.

    Raises:
        InvalidValueError: it is neither.

    >>> parse_span("2h"), parse_span(5)
    (7200.0, 5.0)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError(
            f"a time is seconds, or a number with s, m, h, d or w, not {shown(value)}",
            argument="older_than",
        )
    return float(match[1]) * _SECONDS[match[2].lower()]
