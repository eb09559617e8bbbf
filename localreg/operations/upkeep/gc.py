"""Delete what nothing needs any more: unused weights, leftovers of dead processes, stray files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from localreg.blobs.local_files.listing import lister, size_of_copies
from localreg.errors import (
    DamagedRegistryError,
    DamagedRowError,
    InvalidValueError,
    LocalregError,
    NotARegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.upkeep import leftovers
from localreg.operations.upkeep.leftovers import Candidate, last_change
from localreg.operations.upkeep.retention import Verdict, check_rules, decide, remove
from localreg.operations.upkeep.verify import database_problems, row_problems
from localreg.operations.weights.deleting import delete_unneeded
from localreg.operations.weights.locations import is_upstream_only
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.checks import shown
from localreg.values.frozen import Frozen, replace
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
        models: what retention removed or kept, and why; empty without rules.
    """

    garbage: tuple[Garbage, ...]
    freed: int
    failed: tuple[str, ...]
    dry_run: bool
    waiting: int = 0
    next_due: datetime | None = None
    models: tuple[Verdict, ...] = ()


def collect(
    chain: Chain,
    *,
    grace_seconds: object = GRACE_SECONDS,
    keep_last: object = None,
    keep_best: object = None,
    max_size: object = None,
    retention: bool = True,
    dry_run: bool = True,
) -> Collection:
    """Delete what nothing needs, or only say what that is.

    Weights are deleted when no model, artifact, plot or URL has referred to them for the grace
    period. What a URL serves is in the cache, which `cache.prune` empties.

    Before that, models are removed by the rules of retention, if there are any.

    Args:
        grace_seconds: 0 or more.
        keep_last, keep_best, max_size: see `retention.check_rules`.
        retention: False to remove no models, whatever the registry's settings are.
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
    rules = check_rules(
        registry,
        keep_last=keep_last,
        keep_best=keep_best,
        max_size=max_size,
        settings=retention,
    )
    for problem in database_problems(registry, full=False):
        raise DamagedRegistryError(
            f"nothing is deleted: {registry.store.path}: {problem.text}. "
            "Restore the registry from a backup",
            path=str(registry.store.path),
        )
    failed: list[str] = []
    models: list[Verdict] = []
    try:
        models = decide(registry, rules)
    except DamagedRowError as error:
        failed.append(
            f"no models are removed, because a row that may need them is damaged: {error}"
        )
    except InvalidValueError as error:
        if keep_best is not None:
            raise
        failed.append(f"no models are removed by the settings of the registry: {error}")
    if dry_run:
        return _with_models(_collect(chain, float(grace_seconds), dry_run=True), models, failed)
    with registry.store.freeing_space():
        # Raises now if a write would fail later. On a full disk leftovers can be deleted first.
        with suppress(StorageFullError), registry.store.write() as change:
            blob_rows.correct_marks(change.connection)
        models = remove(registry, models, failed)
        return _with_models(_collect(chain, float(grace_seconds), dry_run=False), models, failed)


def _with_models(collection: Collection, models: list[Verdict], failed: list[str]) -> Collection:
    return replace(collection, models=tuple(models), failed=(*failed, *collection.failed))


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
    due = [each for each in candidates if each.due <= moment and each.trouble is None]
    failed += [f"{each.path}: {each.trouble}" for each in candidates if each.trouble is not None]
    for each in due:
        if not each.blobs:
            try:
                # FileNotFoundError: another collection deleted it meanwhile.
                with disk_errors("deleting", registry.root), suppress(FileNotFoundError):
                    if (dry_run or each.delete()) and each.named:
                        garbage.append(Garbage(each.kind, each.path, each.size, each.why))
            except LocalregError as error:
                failed.append(f"{each.path}: {error}")
    unused = [each for each in due if each.blobs]
    garbage += map(_named, unused) if dry_run else _delete(registry, unused, failed)
    return Collection(
        garbage=tuple(garbage),
        freed=sum(each.size for each in garbage),
        failed=tuple(failed),
        dry_run=dry_run,
        waiting=sum(each.size for each in waiting),
        next_due=_moment(min(each.due for each in waiting)) if waiting else None,
    )


def _named(candidate: Candidate) -> Garbage:
    return Garbage(candidate.kind, candidate.path, candidate.size, candidate.why)


def _delete(
    registry: OpenRegistry, candidates: list[Candidate], failed: list[str]
) -> Iterator[Garbage]:
    """Delete blobs; yield the candidates of which something was deleted, and add to `failed`."""
    # All packages before the files, which several of them may have.
    order = [each.blobs[0] for each in candidates]
    order += [digest for each in candidates for digest in each.blobs[1:]]
    deleted = delete_unneeded(registry, order)
    for each in candidates:
        failed += [
            f"{leftovers.shown_path(registry, registry.blobs.path(digest))}: {why}"
            for digest, why in deleted.failed.items()
            if digest in each.blobs
        ]
        if any(digest in deleted.sizes for digest in each.blobs):
            yield _named(each)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(seconds, _LAST_SECOND), UTC)


def _unused_weights(chain: Chain, grace: float) -> Iterator[Candidate]:
    """Yield weights that nothing has referred to for the grace period: a package with its files."""
    registry = chain.first
    with registry.store.read() as connection:
        rows = {row.digest: row for row in blob_rows.unneeded(connection)}
        due = {
            digest: (row.added if row.unreferenced is None else row.unreferenced) / 1e6 + grace
            for digest, row in rows.items()
        }
        packages = _unused_packages(connection, due)
    sizes = _Sizes(registry, rows)
    in_packages = {digest for _, digests, _ in packages for digest in digests}
    for manifest, digests, count in packages:
        yield Candidate(
            kind="weights",
            path=leftovers.shown_path(registry, registry.blobs.path(manifest)),
            why=f"a package of {count:,} file{'' if count == 1 else 's'}, which no model has",
            size=sum(map(sizes.of, digests)),
            due=max((due[each] for each in digests), default=0.0),
            delete=_never,
            blobs=tuple(dict.fromkeys([manifest, *digests])),
        )
    for digest in rows:
        if digest not in in_packages:
            yield Candidate(
                kind="weights",
                path=leftovers.shown_path(registry, registry.blobs.path(digest)),
                why="no model has them",
                size=sizes.of(digest),
                due=due[digest],
                delete=_never,
                blobs=(digest,),
            )


def _never() -> bool:
    raise AssertionError("blobs are deleted together")


def _unused_packages(
    connection: blob_rows.Connection, due: Mapping[str, float]
) -> list[tuple[str, list[str], int]]:
    """Return each package that nothing needs: manifest, blobs that go with it, number of files.

    A blob goes with the package that can be deleted last, unless it must wait longer itself.

    Args:
        due: the blobs that nothing needs, and when each may be deleted.
    """
    found = []
    taken: set[str] = set()
    packages = [
        (due.get(digest), digest, count)
        for digest, count in blob_rows.unneeded_packages(connection)
    ]
    # Last those whose manifest something needs as a file: their files say when they may go.
    packages.sort(key=lambda each: (each[0] is not None, each[0] or 0.0), reverse=True)
    for moment, manifest, count in packages:
        own = [
            each
            for each in (manifest, *tree_rows.digests(connection, manifest))
            if each in due and each not in taken and (moment is None or due[each] <= moment)
        ]
        taken.update(own)
        found.append((manifest, own, count))
    return found


class _Sizes:
    """What the deletion of blobs frees: their files, and local copies that are no links."""

    def __init__(self, registry: OpenRegistry, rows: Mapping[str, BlobRow]) -> None:
        self._blobs = registry.blobs
        self._rows = rows
        self._here = registry.blobs.states(rows)
        self._local_files = lister(self._blobs)
        self._trees = set(leftovers.names(self._blobs.folder_path(TREES)))

    def of(self, digest: str) -> int:
        size, _ = self._here.get(digest, (None, None))
        freed = self._rows[digest].size if size == self._rows[digest].size else 0
        freed += size_of_copies(self._local_files(digest))
        if digest in self._trees:
            freed += leftovers.size_below(self._blobs.folder_path(TREES) / digest)
        return freed


def _strays(chain: Chain, grace: float) -> Iterator[Candidate]:
    """Yield blobs, local copies and folders of packages that the database does not know."""
    registry = chain.first
    blobs = registry.blobs
    with registry.store.read() as connection:
        known = blob_rows.digests(connection)
    found = [
        (folder.name + name, folder / name)
        for folder in leftovers.entries(blobs.folder_path(*BLOBS))
        for name in leftovers.names(folder)
        if folder.name + name not in known
    ]
    # Those of upstream weights are a cache, which `cache.prune` empties.
    found += [
        (digest, folder / digest)
        for folder in (blobs.folder_path(FILES), blobs.folder_path(TREES))
        for digest in leftovers.names(folder)
        if digest not in known and is_sha256(digest) and not is_upstream_only(chain, digest)
    ]
    for digest, path in found:
        changed = last_change(path) if is_sha256(digest) else None
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
