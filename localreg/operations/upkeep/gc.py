"""Delete what nothing needs any more: unused weights, leftovers of dead processes, stray files."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.local_files import unpacked_trees
from localreg.blobs.local_files.local_file import size_of_copies
from localreg.errors import (
    DamagedRegistryError,
    InvalidValueError,
    LocalregError,
    NotARegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import is_alive, is_marked
from localreg.operations.upkeep.verify import database_problems
from localreg.operations.weights.locations import is_upstream_only
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.layout import (
    BLOBS,
    FILES,
    TEMPORARY,
    TREES,
    UNFINISHED_DOWNLOAD,
    UNFINISHED_IN,
    owner_of_unfinished,
)
from localreg.values.urls import is_sha256

GRACE_SECONDS = 86_400.0  # time for a reader to finish, and for a user to restore a model
OTHER_MACHINE_SECONDS = 3_600.0  # at least, for a file that another machine may be writing
DEAD_PROCESS = "its process is dead"


class Garbage(Frozen):
    """Something that nothing needs.

    Attributes:
        kind: "weights" of no model, "leftover" of a dead process, or "stray", a file that the
            database does not know.
        path: relative to the registry.
        size: in bytes.
        why: why it is not needed, as text.
    """

    kind: str
    path: str
    size: int
    why: str


class Collection(Frozen):
    """The result of a collection.

    Attributes:
        garbage: what was deleted, or in a dry run would be.
        freed: size of that in bytes.
        failed: what could not be deleted, and why. The rest was deleted all the same.
        dry_run: True if nothing was deleted.
    """

    garbage: tuple[Garbage, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool


class _Candidate(Frozen):
    """Something to delete.

    Attributes:
        kind, why: as in `Garbage`.
        delete: deletes it if it is still garbage, and returns True if it did.
        size: in bytes; None for the size of the path.
    """

    kind: str
    path: Path
    why: str
    delete: Callable[[], bool]
    size: int | None = None


def collect(
    chain: Chain, *, grace_seconds: object = GRACE_SECONDS, dry_run: bool = True
) -> Collection:
    """Delete what nothing needs, or only say what that is.

    Weights are deleted when no model, artifact, plot or URL has referred to them for the grace
    period. What a URL serves is in the cache, which `cache.prune` empties.

    Args:
        grace_seconds: 0 or more.
        dry_run: delete nothing.

    Raises:
        DamagedRegistryError: the database is damaged; nothing was deleted.
    """
    if (
        isinstance(grace_seconds, bool)
        or not isinstance(grace_seconds, (int, float))
        or not 0 <= grace_seconds < float("inf")
    ):
        raise InvalidValueError(
            f"grace_seconds must be a number, 0 or more, not {shown(grace_seconds)}",
            argument="grace_seconds",
        )
    registry = chain.first
    for problem in database_problems(registry, full=False):
        raise DamagedRegistryError(
            f"nothing is deleted, because the database {registry.store.path} is damaged: "
            f"{problem.text}",
            path=str(registry.store.path),
        )
    if dry_run:
        return _collect(chain, float(grace_seconds), dry_run=True)
    with registry.store.freeing_space():
        # Raises now if a write would fail later. On a full disk leftovers can be deleted first.
        with suppress(StorageFullError), registry.store.write() as change:
            blob_rows.correct_marks(change.connection)
        return _collect(chain, float(grace_seconds), dry_run=False)


def all_garbage(chain: Chain) -> tuple[Garbage, ...]:
    """Return what a collection without a grace period would delete."""
    return _collect(chain, 0.0, dry_run=True).garbage


def _collect(chain: Chain, grace: float, *, dry_run: bool) -> Collection:
    candidates: list[_Candidate] = []
    failed: list[str] = []
    for find in (_leftovers, _unused_weights, _strays):
        try:
            for candidate in find(chain, grace):
                candidates.append(candidate)  # noqa: PERF402  (keeps what came before an error)
        except (StorageError, NotARegistryError) as error:
            failed.append(str(error))
    garbage: list[Garbage] = []
    for each in candidates:
        path = str(each.path.relative_to(chain.first.root))
        try:
            # FileNotFoundError: another collection deleted it meanwhile.
            with disk_errors("deleting", each.path), suppress(FileNotFoundError):
                size = _size(each.path) if each.size is None else each.size
                if dry_run or each.delete():
                    garbage.append(Garbage(each.kind, path, size, each.why))
        except LocalregError as error:
            failed.append(f"{path}: {error}")
    freed = sum(each.size for each in garbage)
    return Collection(tuple(garbage), freed, tuple(failed), dry_run)


def _leftovers(chain: Chain, grace: float) -> Iterator[_Candidate]:
    """Yield temporary files and folders whose processes are dead."""
    registry = chain.first
    blobs = registry.blobs
    for path in _entries(blobs.folder_path(TEMPORARY)):
        # The next download of the same URL can continue an unfinished one.
        unfinished = path.name.startswith(UNFINISHED_DOWNLOAD)
        if _is_leftover(path, grace, wait=unfinished):
            why = "an unfinished download" if unfinished else DEAD_PROCESS
            yield _Candidate("leftover", path, why, _deletion(path))
    for name, levels in UNFINISHED_IN.items():
        for path in _unfinished(blobs.folder_path(*filter(None, [name])), levels):
            if _is_leftover(path, grace):
                yield _Candidate("leftover", path, DEAD_PROCESS, _deletion(path))


def _unfinished(folder: Path, levels: int) -> Iterator[Path]:
    """Yield what is unfinished in a folder, and in those so many levels below."""
    for path in _entries(folder):
        if owner_of_unfinished(path.name) is not None:
            yield path
        elif levels and path.is_dir():
            yield from _unfinished(path, levels - 1)


def _is_leftover(path: Path, grace: float, *, wait: bool = False) -> bool:
    """Return True if the process that made a temporary file is dead, or must be by now.

    Args:
        wait: also wait for the grace period when it is dead.
    """
    owner = owner_of_unfinished(path.name) or path.name
    alive = is_alive(owner)
    if alive is None and is_marked(owner):  # of another machine or container: we cannot ask
        return _is_old(path, max(grace, OTHER_MACHINE_SECONDS))
    if alive is None or (wait and not alive):
        return _is_old(path, grace)
    return not alive


def _is_old(path: Path, grace: float) -> bool:
    """Return True if a file, or a file in a folder, was not changed for a number of seconds.

    A clock that went back makes nothing old.
    """
    try:
        status = path.lstat()
        newest = max(status.st_ctime, status.st_mtime)
        if stat.S_ISDIR(status.st_mode):
            newest = max([newest, *(each.lstat().st_ctime for each in _entries(path))])
    except FileNotFoundError:  # deleted meanwhile
        return False
    return time.time() - newest >= grace


def _unused_weights(chain: Chain, grace: float) -> Iterator[_Candidate]:
    """Yield weights that nothing has referred to for the grace period."""
    registry = chain.first
    blobs = registry.blobs
    with registry.store.read() as connection:
        rows = blob_rows.unreferred(connection)
    for row in rows:
        if now() - (row.unreferenced or row.added) < grace * 1e6:
            continue
        size = row.size if blobs.has(row.digest, row.size) else 0
        size += size_of_copies(blobs, row.digest)
        size += unpacked_trees.tree_size(blobs.folder_path(TREES) / row.digest)
        path, delete = blobs.path(row.digest), _deletion_of_weights(registry, row.digest)
        yield _Candidate("weights", path, "no model has them", delete, size)


def _deletion_of_weights(registry: OpenRegistry, digest: str) -> Callable[[], bool]:
    def delete() -> bool:
        with registry.store.write() as change:
            # Another process may have added the same bytes meanwhile; during this transaction
            # none can.
            connection = change.connection
            if blob_rows.referred(connection, digest) or blob_rows.served_by(connection, digest):
                return False
            blob_rows.forget(connection, digest)
            registry.blobs.delete(digest)
            return True

    return delete


def _strays(chain: Chain, grace: float) -> Iterator[_Candidate]:
    """Yield blobs, local copies and unpacked folders that the database does not know."""
    registry = chain.first
    blobs = registry.blobs
    with registry.store.read() as connection:
        known = {row.digest for row in blob_rows.blobs(connection)}
    found = [
        (folder.name + path.name, path)
        for folder in _entries(blobs.folder_path(*BLOBS))
        for path in _entries(folder)
    ]
    # Those of upstream weights are a cache, which `cache.prune` empties.
    found += [
        (path.name, path)
        for name in (FILES, TREES)
        for path in _entries(blobs.folder_path(name))
        if is_sha256(path.name) and not is_upstream_only(chain, path.name)
    ]
    for digest, path in found:
        if digest not in known and is_sha256(digest) and _is_old(path, grace):
            delete = _deletion_of_stray(registry, digest, path)
            yield _Candidate("stray", path, "the database does not know it", delete)


def _deletion_of_stray(registry: OpenRegistry, digest: str, path: Path) -> Callable[[], bool]:
    def delete() -> bool:
        with registry.store.write() as change:
            if blob_rows.blob(change.connection, digest) is not None:  # added meanwhile
                return False
            return _deletion(path)()

    return delete


def _entries(folder: Path) -> list[Path]:
    with disk_errors("looking for what can be deleted", folder):
        return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _deletion(path: Path) -> Callable[[], bool]:
    def delete() -> bool:
        if path.is_dir():
            from localreg.blobs.archives.unpacking import remove_tree

            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
        return True

    return delete


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; files with other links count 0."""
    files = [path]
    if path.is_dir() and not path.is_symlink():
        files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sum(size_of(each) or 0 for each in files if each.lstat().st_nlink == 1)
