"""Delete what nothing needs any more: unused weights, leftovers of dead processes, stray files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

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
from localreg.operations.upkeep import leftovers
from localreg.operations.upkeep.leftovers import Candidate, last_change
from localreg.operations.upkeep.verify import database_problems, row_problems
from localreg.operations.weights.locations import is_upstream_only
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.layout import (
    BLOBS,
    FILES,
    TREES,
)
from localreg.values.urls import is_sha256

_LAST_SECOND = 253_402_300_799.0  # of the year 9999
_FILES = frozenset({"leftover", "stray"})
GRACE_SECONDS = 86_400.0  # time for a reader to finish, and for a user to restore a model


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
        waiting: bytes of what nothing needs, but was needed within the grace period.
        next_due: when the first of that can be deleted; None if nothing waits.
    """

    garbage: tuple[Garbage, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool
    waiting: int = 0
    next_due: datetime | None = None


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
            f"nothing is deleted: {registry.store.path}: {problem.text}. "
            "Restore the registry from a backup",
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
    """Return what a collection without a grace period would delete; no server is asked."""
    return _collect(chain, 0.0, dry_run=True, servers=False).garbage


def _collect(chain: Chain, grace: float, *, dry_run: bool, servers: bool = True) -> Collection:
    registry = chain.first
    finders: list[Callable[[], Iterator[Candidate]]] = [
        lambda: leftovers.in_temporary_folder(registry, grace),
        lambda: leftovers.beside_what_is_finished(registry, grace),
        lambda: leftovers.in_quarantine(registry, grace),
        lambda: leftovers.stale_pages(registry, grace),
    ]
    candidates: list[Candidate] = []
    failed: list[str] = []
    strange = row_problems(registry, of_blobs=True)
    if strange:  # such a row may refer to any weights
        failed.append(
            "no weights are deleted, because a row that may need them cannot be read: "
            f"{strange[0].text}. `localreg verify` lists all such rows"
        )
    else:
        finders += [lambda: _unused_weights(chain, grace), lambda: _strays(chain, grace)]
        if servers:
            finders.append(lambda: leftovers.uploads(registry, grace))
    for find in finders:
        try:
            for candidate in find():
                candidates.append(candidate)  # noqa: PERF402  (keeps what came before an error)
        except (StorageError, NotARegistryError) as error:
            failed.append(str(error))
    moment = time.time()
    waiting = [each for each in candidates if each.due > moment]
    for each in () if dry_run else waiting:
        # Written by a clock ahead of this one. It would wait until the time that the clock said.
        if each.kind in _FILES and each.due > moment + max(grace, leftovers.OTHER_MACHINE_SECONDS):
            leftovers.correct_times(registry.root / each.path)
    garbage: list[Garbage] = []
    for each in candidates:
        if each.trouble is not None:
            failed.append(f"{each.path}: {each.trouble}")
        elif each.due <= moment:
            try:
                # FileNotFoundError: another collection deleted it meanwhile.
                with disk_errors("deleting", registry.root), suppress(FileNotFoundError):
                    if (dry_run or each.delete()) and each.named:
                        garbage.append(Garbage(each.kind, each.path, each.size, each.why))
            except LocalregError as error:
                failed.append(f"{each.path}: {error}")
    return Collection(
        garbage=tuple(garbage),
        freed=sum(each.size for each in garbage),
        failed=tuple(failed),
        dry_run=dry_run,
        waiting=sum(each.size for each in waiting),
        next_due=_moment(min(each.due for each in waiting)) if waiting else None,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(seconds, _LAST_SECOND), UTC)


def _unused_weights(chain: Chain, grace: float) -> Iterator[Candidate]:
    """Yield weights that nothing has referred to for the grace period."""
    registry = chain.first
    blobs = registry.blobs
    with registry.store.read() as connection:
        rows = blob_rows.unneeded(connection)
    for row in rows:
        since = row.added if row.unreferenced is None else row.unreferenced
        size = row.size if blobs.has(row.digest, row.size) else 0
        size += size_of_copies(blobs, row.digest)
        size += unpacked_trees.tree_size(blobs.folder_path(TREES) / row.digest)
        yield Candidate(
            kind="weights",
            path=leftovers.shown_path(registry, blobs.path(row.digest)),
            why="no model has them",
            size=size,
            due=since / 1e6 + grace,
            delete=_deletion_of_weights(registry, row.digest),
        )


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


def _strays(chain: Chain, grace: float) -> Iterator[Candidate]:
    """Yield blobs, local copies and unpacked folders that the database does not know."""
    registry = chain.first
    blobs = registry.blobs
    with registry.store.read() as connection:
        known = blob_rows.digests(connection)
    found = [
        (folder.name + path.name, path)
        for folder in leftovers.entries(blobs.folder_path(*BLOBS))
        for path in leftovers.entries(folder)
    ]
    # Those of upstream weights are a cache, which `cache.prune` empties.
    found += [
        (path.name, path)
        for name in (FILES, TREES)
        for path in leftovers.entries(blobs.folder_path(name))
        if is_sha256(path.name) and not is_upstream_only(chain, path.name)
    ]
    for digest, path in found:
        changed = None if digest in known or not is_sha256(digest) else last_change(path)
        if changed is not None:
            yield Candidate(
                kind="stray",
                path=leftovers.shown_path(registry, path),
                why="the database does not know it",
                size=leftovers.size_below(path),
                due=changed + grace,
                delete=_deletion_of_stray(registry, digest, path),
            )


def _deletion_of_stray(registry: OpenRegistry, digest: str, path: Path) -> Callable[[], bool]:
    def delete() -> bool:
        with registry.store.write() as change:
            if blob_rows.blob(change.connection, digest) is not None:  # added meanwhile
                return False
            return leftovers.deletion(path)()

    return delete
