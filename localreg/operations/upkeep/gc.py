"""Collecting what nothing needs any more: leftovers of dead processes, and unreferenced weights."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.folders import NEW_FOLDER
from localreg.blobs.local_files import unpacked_trees
from localreg.blobs.local_files.handed_out import own_copies
from localreg.errors import (
    DamagedRegistryError,
    InvalidValueError,
    LocalregError,
    NotARegistryError,
    StorageError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import is_alive, is_marked
from localreg.operations.upkeep.verify import database_problems
from localreg.operations.weights.locations import is_left
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.layout import BLOBS, FILES, TEMPORARY, TREES
from localreg.values.urls import is_sha256

GRACE_SECONDS = 86_400.0  # a reader, or a second thought, has a day
ELSEWHERE_SECONDS = 3_600.0  # at least, for what a process of another machine may be writing


class Garbage(Frozen):
    """Something that nothing needs.

    Attributes:
        kind: "weights" of no model, "leftover" of a process that is gone, "stray" file that the
            database does not know.
        path: relative to the registry.
        size: bytes.
        why: for people.
    """

    kind: str
    path: str
    size: int
    why: str


class Collection(Frozen):
    """What a collection came to.

    Attributes:
        garbage: what was deleted, or would be in a dry run.
        freed: bytes of it.
        failed: what could not be deleted, and why; the rest was all the same.
        dry_run: whether nothing was deleted.
    """

    garbage: tuple[Garbage, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool


def collect(
    registry: OpenRegistry, *, grace_seconds: object = GRACE_SECONDS, dry_run: bool = True
) -> Collection:
    """Delete what nothing needs, or only say what that is.

    Weights go when no model, artifact, plot or URL refers to them any more, and none did for the
    grace period. A cache of what a URL serves is left to `caching.prune`.

    Args:
        grace_seconds: 0 or more.
        dry_run: only look.

    Raises:
        InvalidValueError: it is no such period.
        DamagedRegistryError: the database is not sound; nothing was deleted.
        ReadOnlyRegistryError: the registry is open for reading only, and not `dry_run`.
    """
    if isinstance(grace_seconds, bool) or not isinstance(grace_seconds, (int, float)):
        grace_seconds = _no_grace(grace_seconds)
    if not 0 <= grace_seconds < float("inf"):
        _no_grace(grace_seconds)
    for problem in database_problems(registry, full=False):
        raise DamagedRegistryError(
            f"{registry.store.path}: {problem.text}; nothing is deleted without a sound database",
            path=str(registry.store.path),
        )
    if not dry_run:
        with registry.store.write():
            pass  # raises where nothing can be written
    return _Collector(registry, float(grace_seconds), bool(dry_run)).run()


def _no_grace(value: object) -> float:
    raise InvalidValueError(
        f"grace_seconds must be a number, 0 or more, not {shown(value)}", argument="grace_seconds"
    )


class _Collector:
    def __init__(self, registry: OpenRegistry, grace: float, dry_run: bool) -> None:
        self._registry = registry
        self._blobs = registry.blobs
        self._grace = grace
        self._dry_run = dry_run
        self._garbage: list[Garbage] = []
        self._failed: list[str] = []

    def run(self) -> Collection:
        for step in (self._leftovers, self._unreferred, self._strays):
            try:
                step()
            except (StorageError, NotARegistryError) as error:
                self._failed.append(str(error))
        freed = sum(each.size for each in self._garbage)
        return Collection(tuple(self._garbage), freed, tuple(self._failed), self._dry_run)

    def _take(
        self, kind: str, path: Path, why: str, delete: Callable[[], bool], size: int | None = None
    ) -> None:
        """Delete one thing, and note it; what fails is noted, and the next one comes."""
        shown_path = str(path.relative_to(self._registry.root))
        try:
            with disk_errors("deleting", path):
                found = Garbage(kind, shown_path, _bytes(path) if size is None else size, why)
                if self._dry_run or delete():
                    self._garbage.append(found)
        except LocalregError as error:
            self._failed.append(f"{shown_path}: {error}")

    def _leftovers(self) -> None:
        for path in self._entries(TEMPORARY):
            resumable = path.name.startswith("get-")
            if self._is_left(path, wait=resumable):
                why = "a download that was broken off" if resumable else "its process is gone"
                self._take("leftover", path, why, _deleting(path))
        for path in self._entries(TREES):
            if path.name.startswith(".") and self._is_left(path, wait=False):
                self._take("leftover", path, "its process is gone", _deleting(path))
        for folder in self._entries(FILES):
            for path in _entries(folder):
                if path.name.startswith(".") and self._is_left(path, wait=False):
                    self._take("leftover", path, "its process is gone", _deleting(path))
        for path in self._entries():
            if path.name.startswith(NEW_FOLDER) and self._is_left(path, wait=False):
                self._take("leftover", path, "its process is gone", _deleting(path))

    def _is_left(self, path: Path, *, wait: bool) -> bool:
        alive = is_alive(path.name)
        if alive is None and is_marked(path.name):
            # Of another machine, or container: a process that nobody here can ask for.
            return self._is_old(path, max(self._grace, ELSEWHERE_SECONDS))
        if alive is None or wait:
            return alive is not True and self._is_old(path)
        return not alive

    def _is_old(self, path: Path, grace: float | None = None) -> bool:
        """Return whether nobody touched it for the grace period; never by a clock gone back."""
        try:
            status = path.lstat()
            newest = max(status.st_ctime, status.st_mtime)
            if stat.S_ISDIR(status.st_mode):
                newest = max([newest, *(each.lstat().st_ctime for each in _entries(path))])
        except FileNotFoundError:  # it is gone by now
            return False
        return time.time() - newest >= (self._grace if grace is None else grace)

    def _unreferred(self) -> None:
        with self._registry.store.read() as connection:
            rows = blob_rows.unreferred(connection)
        for row in rows:
            since = row.unreferenced or row.added
            if now() - since >= self._grace * 1e6:
                path = self._blobs.path(row.digest)
                size = row.size if self._blobs.has(row.digest, row.size) else 0
                size += own_copies(self._blobs, row.digest)
                size += unpacked_trees.tree_size(self._blobs.folder_path(TREES) / row.digest)
                self._take("weights", path, "no model has them", self._forgetting(row.digest), size)

    def _forgetting(self, digest: str) -> Callable[[], bool]:
        def delete() -> bool:
            with self._registry.store.write() as change:
                # Somebody may have added the same bytes meanwhile; from here on nobody can.
                connection = change.connection
                if blob_rows.referred(connection, digest) or blob_rows.served_by(
                    connection, digest
                ):
                    return False
                blob_rows.forget(connection, digest)
                self._blobs.delete(digest)
                return True

        return delete

    def _strays(self) -> None:
        with self._registry.store.read() as connection:
            known = {row.digest for row in blob_rows.blobs(connection)}
        for folder in self._entries(*BLOBS):
            for path in _entries(folder):
                self._stray(path, folder.name + path.name, known)
        for path in (*self._entries(FILES), *self._entries(TREES)):
            # What was made of an upstream registry's weights is a cache, and `caching.prune`'s.
            if is_sha256(path.name) and not is_left(self._registry, path.name):
                self._stray(path, path.name, known)

    def _stray(self, path: Path, digest: str, known: set[str]) -> None:
        if digest in known or not is_sha256(digest) or not self._is_old(path):
            return

        def delete() -> bool:
            with self._registry.store.write() as change:
                if blob_rows.blob(change.connection, digest) is not None:
                    return False  # it came meanwhile
                return _deleting(path)()

        self._take("stray", path, "the database does not know it", delete)

    def _entries(self, *names: str) -> list[Path]:
        return _entries(self._blobs.folder_path(*names))


def _entries(folder: Path) -> list[Path]:
    with disk_errors("looking for what can be deleted", folder):
        return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []


def _deleting(path: Path) -> Callable[[], bool]:
    def delete() -> bool:
        if path.is_dir():
            from localreg.blobs.archives.unpacking import remove_tree

            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
        return True

    return delete


def _bytes(path: Path) -> int:
    """Return how many bytes a file, or what is below a folder, has; links to others count 0."""
    if path.is_dir() and not path.is_symlink():
        places = (Path(place) / name for place, _, names in os.walk(path) for name in names)
        return sum(_own_bytes(each) for each in places)
    return _own_bytes(path)


def _own_bytes(path: Path) -> int:
    return (size_of(path) or 0) if path.lstat().st_nlink == 1 else 0


def leftovers(registry: OpenRegistry) -> Iterator[Garbage]:
    """Yield what a collection without grace period would find, for a check of the registry."""
    yield from _Collector(registry, 0.0, dry_run=True).run().garbage
