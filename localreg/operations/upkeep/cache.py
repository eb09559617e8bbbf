"""The cache: what can be downloaded or unpacked again, and unfinished downloads."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext, suppress
from pathlib import Path

from localreg.blobs.local_files.unpacked_trees import tree_size
from localreg.errors import InvalidValueError, LocalregError, NotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import is_alive
from localreg.operations.weights.locations import is_upstream_only
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES, TEMPORARY, TREES, UNFINISHED_DOWNLOAD
from localreg.values.urls import is_sha256, public_url

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)b?", re.IGNORECASE)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhdw])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Cached(Frozen, kw_only=True):
    """Something in the cache.

    Attributes:
        kind: "download"; "tree", an unpacked package; "copy", a local copy of upstream weights;
            or "partial", an unfinished download.
        name: the digest; of a partial the name of its folder.
        size: in bytes.
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
    registry = chain.first
    blobs = registry.blobs
    trees = [path for path in _folders(blobs.folder_path(TREES)) if not path.name.startswith(".")]
    copies = [
        path
        for path in _folders(blobs.folder_path(FILES))
        if is_sha256(path.name) and is_upstream_only(chain, path.name)
    ]
    partials = [
        path
        for path in _folders(blobs.folder_path(TEMPORARY))
        if path.name.startswith(UNFINISHED_DOWNLOAD) and is_alive(path.name) is not True
    ]
    with registry.store.read() as connection:
        kept = blob_rows.kept_digests(connection)
        downloads = [
            row
            for row in blob_rows.blobs(connection)
            if row.digest not in kept and blobs.has(row.digest, row.size)
        ]
        found = [
            _cached(connection, "download", row.digest, row.size, _used(blobs.blob(row.digest)))
            for row in downloads
        ]
        found = [each for each in found if each.source]  # without a URL gc deletes it
        found += [
            _cached(connection, "tree", path.name, tree_size(path), _used(path)) for path in trees
        ]
        found += [
            _cached(connection, "copy", path.name, tree_size(path), _last_used(path))
            for path in copies
        ]
    found += [
        Cached(
            kind="partial",
            name=path.name,
            size=tree_size(path),
            used=_used(path),
            source="",
            models=(),
        )
        for path in partials
    ]
    return sorted(found, key=lambda each: each.used, reverse=True)


def _cached(
    connection: blob_rows.Connection, kind: str, digest: str, size: int, used: float
) -> Cached:
    uses = blob_rows.uses(connection, digest)
    urls = [use.url for use in uses if use.url]
    urls += [each.url for each in blob_rows.served_by(connection, digest)]
    return Cached(
        kind=kind,
        name=digest,
        size=size,
        used=used,
        source=public_url(urls[0]) if urls else "",
        models=tuple(dict.fromkeys(use.ref for use in uses)),
    )


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
    deleted, failed = [], []
    with nullcontext() if dry_run else chain.first.store.freeing_space():
        for each in _choose(cached(chain), most, oldest, partials):
            try:
                if dry_run or _delete(chain.first, each):
                    deleted.append(each)
            except LocalregError as error:  # the others can still be deleted
                failed.append(f"{each.name}: {error}")
    return Pruned(tuple(deleted), sum(each.size for each in deleted), tuple(failed), bool(dry_run))


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


def _delete(registry: OpenRegistry, each: Cached) -> bool:
    """Delete one thing, and return True; False if it must be kept by now."""
    folders = {"tree": TREES, "copy": FILES, "partial": TEMPORARY}
    if each.kind in folders:
        from localreg.blobs.archives.unpacking import remove_tree

        folder = registry.blobs.folder_path(folders[each.kind]) / each.name
        with disk_errors("deleting from the cache", folder):
            remove_tree(folder)
        return True
    aside: list[Path] = []
    with registry.store.write() as change:
        if blob_rows.kept(change.connection, each.name):
            return False
        if not blob_rows.referred(change.connection, each.name):
            blob_rows.forget(change.connection, [each.name])
        registry.blobs.delete([each.name], aside)
    return True


def parse_size(value: object) -> int:
    """Return a number of bytes, given as a number or as text.

    >>> parse_size("1.5GB"), parse_size(10)
    (1500000000, 10)
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError(
            f"a size must be a number of bytes, or text such as 500MB or 20GB, not {shown(value)}",
            argument="max_size",
        )
    return int(float(match[1]) * _UNITS[match[2].lower()])


def parse_span(value: object) -> float:
    """Return a time in seconds, given as a number or as text.

    >>> parse_span("2h"), parse_span(5)
    (7200.0, 5.0)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return float(value)
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise InvalidValueError(
            "a time must be a number of seconds, or text such as 30m, 12h or 7d, "
            f"not {shown(value)}",
            argument="older_than",
        )
    return float(match[1]) * _SECONDS[match[2].lower()]
