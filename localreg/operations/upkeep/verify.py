"""Check that the database and all weights of a registry are unchanged."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.blobs.blob_files import regular_file, size_of
from localreg.blobs.local_files.listing import digests_with_local_files, lister
from localreg.blobs.trees.local_tree import shown
from localreg.errors import (
    CorruptBlobError,
    DamagedRegistryError,
    NotARegistryError,
    ReadOnlyRegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.upkeep.leftovers import entries
from localreg.operations.upkeep.package_checks import folder_differences, list_difference
from localreg.operations.weights.locations import (
    check_upstream,
    holder,
    local_files_of,
    upstream_state,
)
from localreg.operations.weights.sources import is_known_damaged
from localreg.registry import Chain, OpenRegistry
from localreg.store.database.checking import damage, strange_values
from localreg.store.rows import blob_rows, model_rows, remote_gap_rows, tree_rows
from localreg.store.rows.blob_rows import BlobRow, Known
from localreg.values.frozen import Frozen
from localreg.values.layout import TREES
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found
    from localreg.progress import Progress
    from localreg.store.rows.remote_gap_rows import Supplier


# So many blobs are in memory. What was hashed is recorded when it is as many, or took so long.
_AT_ONCE, _SECONDS = 500, 5.0
DIFFERENT_COPY = "the local copy differs from the stored weights"


class Problem(Frozen, kw_only=True):
    """Something that is damaged or missing.

    Attributes:
        kind: "database"; "row", a value in it that cannot be what it should be, or a list of a
            package's files that is not its manifest; "missing", "size" or "digest" of a blob;
            "upstream", a blob that is damaged in the upstream registry that keeps it; "file", a
            local copy; "tree", the folder of a package.
        digest: of the blob; None for the database.
        path: relative to the registry; absolute if it is upstream.
        models: references of the models that have these weights.
        kept: True if the registry must keep the bytes; False if they can be downloaded again.
        text: what was found.
        file: path of the blob in a package of these models; None if it is in none.
    """

    kind: str
    digest: str | None
    path: str
    models: tuple[str, ...] = ()
    kept: bool = True
    text: str
    file: str | None = None


class Incomplete(Frozen):
    """A package that lacks files.

    Attributes:
        digest: of the package.
        models: references of the models that have it.
        missing: the names of the files.
        more: number of further such files.
    """

    digest: str
    models: tuple[str, ...]
    missing: tuple[str, ...]
    more: int = 0


class Verification(Frozen):
    """The result of a verification.

    Attributes:
        checked: number of blobs that were checked.
        hashed: how many of them were read and hashed. The files of the others did not change
            since they were last hashed.
        size: bytes of all that were checked.
        problems: what was found.
        elsewhere: number of blobs that only their URLs or remotes have. They were not checked.
        incomplete: packages that lack files which their own index names. They were added like this,
            so it is no damage.
    """

    checked: int
    hashed: int
    size: int
    problems: tuple[Problem, ...]
    elsewhere: int = 0
    incomplete: tuple[Incomplete, ...] = ()

    @property
    def ok(self) -> bool:
        """True if no problem was found."""
        return not self.problems


def verify(
    chain: Chain,
    registry: OpenRegistry,
    *,
    full: bool = False,
    models: Iterable[str] | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check the database, and that all weights are here or upstream, whole and unchanged.

    Args:
        full: hash every byte, also of files that did not change since they were last hashed and
            of files upstream, and in the folders of packages.
        models: ids of the models whose weights are checked; None for all.
        progress: called with the bytes checked so far, and with all bytes.
    """
    problems = list(database_problems(registry, full=full))
    if problems:
        with suppress(DamagedRegistryError):  # too damaged to name the rows too
            problems += row_problems(registry)
        return Verification(0, 0, 0, tuple(problems))
    problems += row_problems(registry)
    with registry.store.read() as connection:
        places = blob_rows.places(connection, _wanted(connection, models))
    looker = _Looker(chain, registry, full)
    total = sum(size for _, size in places if isinstance(size, int))
    checked, size, away, done = 0, 0, 0, 0
    incomplete: list[Incomplete] = []
    with looker.recording():
        for known in _known(registry, [place for place, _ in places]):
            row = known.row
            changed = not looker.is_unchanged(known)
            if changed and looker.is_away(known):
                away += 1
            else:
                checked, size = checked + 1, size + row.size
            if changed:
                problems += looker.problems(known)
            if known.package and row.facts is not None:
                incomplete += looker.incomplete(row)
            done += row.size
            if progress is not None:
                progress(done, total)
    if full and models is None:
        with registry.store.read() as connection:
            recorded = blob_rows.digests(connection)
        problems += _copies_of_others(registry, recorded)
        problems += _folders_of_others(chain, registry, recorded)
    return Verification(checked, looker.hashed, size, tuple(problems), away, tuple(incomplete))


def _wanted(connection: blob_rows.Connection, models: Iterable[str] | None) -> set[str] | None:
    """Return the digests of the weights of some models with the files of packages; None for all."""
    if models is None:
        return None
    digests: set[str] = set()
    for model_id in models:
        for weights in model_rows.weights(connection, model_id):
            if weights.digest is not None:
                digests.add(weights.digest)
                digests.update(
                    tree_rows.digests(connection, weights.digest) if weights.tree else ()
                )
    return digests


def _known(registry: OpenRegistry, places: Sequence[int]) -> Iterator[Known]:
    """Yield what is known of blobs, as it is when they are looked at: some at a time."""
    for start in range(0, len(places), _AT_ONCE):
        with registry.store.read() as connection:
            known = blob_rows.all_known(connection, places[start : start + _AT_ONCE])
        yield from known


def _copies_of_others(registry: OpenRegistry, known: Container[str]) -> Iterator[Problem]:
    """Yield the damaged local copies of weights that only upstream registries record."""
    from localreg.blobs.staging.hashing import file_digest

    for digest in digests_with_local_files(registry.blobs):
        for path in local_files_of(registry, digest) if digest not in known else ():
            with disk_errors("verifying local copies", path):
                try:
                    regular = stat.S_ISREG(path.lstat().st_mode)
                    whole = regular and file_digest(path) == digest
                except FileNotFoundError:  # deleted meanwhile
                    continue
            if not whole:
                yield Problem(
                    kind="file",
                    digest=digest,
                    path=str(path.relative_to(registry.root)),
                    kept=False,
                    text=DIFFERENT_COPY,
                )


def _folders_of_others(
    chain: Chain, registry: OpenRegistry, known: Container[str]
) -> Iterator[Problem]:
    """Yield the damaged folders of packages that only upstream registries record."""
    for folder in entries(registry.blobs.folder_path(TREES)):
        if is_sha256(folder.name) and folder.name not in known:
            found = folder_differences(chain, registry, folder.name, full=True)
            if found:
                yield Problem(
                    kind="tree",
                    digest=folder.name,
                    path=str(folder.relative_to(registry.root)),
                    kept=False,
                    text=f"the folder of a package: {shown(found)}",
                )


def verify_chosen(
    chain: Chain,
    models: Iterable[Found] | None,
    *,
    full: bool,
    progress: Progress | None = None,
) -> Verification:
    """Check the weights of some models, each in its own registry; with None a whole registry."""
    if models is None:
        return verify(chain, chain.first, full=full, progress=progress)
    chosen: dict[OpenRegistry, list[str]] = {}
    for each in models:
        chosen.setdefault(each.registry, []).append(each.id)
    done = [
        verify(chain, registry, full=full, models=ids, progress=progress)
        for registry, ids in chosen.items()
    ]
    return Verification(
        sum(each.checked for each in done),
        sum(each.hashed for each in done),
        sum(each.size for each in done),
        tuple(problem for each in done for problem in each.problems),
        sum(each.elsewhere for each in done),
        tuple(package for each in done for package in each.incomplete),
    )


def database_problems(registry: OpenRegistry, *, full: bool) -> Iterator[Problem]:
    """Yield the damage that SQLite finds in the database as it is on disk now."""

    def problem(text: str) -> Problem:
        return Problem(kind="database", digest=None, path=registry.store.path.name, text=text)

    try:
        with registry.store.fresh_connection() as connection:
            for text in damage(connection, full=full):
                yield problem(text)
    except DamagedRegistryError as error:
        yield problem(str(error))


def row_problems(registry: OpenRegistry, *, of_blobs: bool = False) -> list[Problem]:
    """Return the values in the database that their columns cannot hold; all else can be read.

    Args:
        of_blobs: look only at the tables that say which blobs are needed.
    """
    with registry.store.fresh_connection() as connection:
        found = strange_values(connection, of_blobs=of_blobs)
    return [
        Problem(
            kind="row",
            digest=None,
            path=registry.store.path.name,
            text=f"{each.table} {each.row:.80}: {each.problem}",
        )
        for each in found
    ]


class _Looker:
    """Looks at blobs one after the other.

    Attributes:
        hashed: how many were read and hashed.
    """

    def __init__(self, chain: Chain, registry: OpenRegistry, full: bool) -> None:
        self.chain, self.registry, self.full = chain, registry, full
        self.hashed = 0
        self._status = registry.blobs.status_reader()
        self._local_files = lister(registry.blobs)
        with registry.store.read() as connection:
            self._has_remotes = remote_gap_rows.has_remotes(connection)
        self._ctimes: dict[str, int | None] = {}
        self._recorded = time.monotonic()

    def is_unchanged(self, known: Known) -> bool:
        """Return True if there is nothing to look at; most blobs need no more.

        Its file is the one that was hashed, and its local files are links to it.
        """
        if self.full or known.package:
            return False
        row = known.row
        try:
            blob = self._status(row.digest)
            if blob is None or (blob.st_size, blob.st_ctime_ns) != (row.size, row.ctime):
                return False
            return all(
                os.path.samestat(status, blob) or name.startswith(".")
                for name, status in self._local_files(row.digest)
            )
        except (StorageError, NotARegistryError):  # it is looked at again, and reported
            return False

    def is_away(self, known: Known) -> bool:
        """Return True if no file with these bytes must be here, and none is, nor upstream."""
        digest = known.row.digest
        if known.kept and not self.is_in_remote(digest):
            return False
        return self._status(digest) is None and holder(self.chain, digest, known.row.size) is None

    def is_in_remote(self, digest: str) -> bool:
        """Return True if a remote should have some bytes, and is not known to lack them."""
        return any(not each.lacks for each in self.suppliers(digest))

    def suppliers(self, digest: str) -> list[Supplier]:
        """Return the remotes that should have some bytes."""
        if not self._has_remotes:
            return []
        with self.registry.store.read() as connection:
            return remote_gap_rows.suppliers(connection, digest)

    def problems(self, known: Known) -> list[Problem]:
        """Return the problems of a blob.

        Other processes may remove the model meanwhile, delete the bytes before the transaction that
        forgets them ends, and add the same bytes again. But bytes are deleted only while no
        committed row needs them. So what was found is true if the same was recorded before and
        after the look.
        """
        before: Known | None = known
        again = False
        while before is not None:
            found = _Check(self, before, again=again).run()
            after = self._known(known.row.digest) if found else before
            # Damage that was read is certain, and the row of such a blob may change by this look.
            certain = any(each.kind in ("digest", "upstream") for each in found)
            if after == before or (certain and after is not None):
                return found
            before, again = after, True
        return []

    def _known(self, digest: str) -> Known | None:
        """Return what is recorded of a blob now, or None if it has no row any more."""
        with self.registry.store.read() as connection:
            return blob_rows.known(connection, digest)

    def incomplete(self, row: BlobRow) -> list[Incomplete]:
        """Return the package if it lacks files that its own index names."""
        facts = row.facts or {}
        missing, more = facts.get("missing"), facts.get("more_missing")
        if type(missing) is not list or not missing:
            return []
        with self.registry.store.read() as connection:
            uses = blob_rows.uses(connection, row.digest)
        models = tuple(dict.fromkeys(use.ref for use in uses if use.path is None))
        names = tuple(name for name in missing if type(name) is str)
        count = more if type(more) is int else 0
        return [Incomplete(row.digest, models, names, count)] if models and names else []

    def note(self, digest: str, ctime: int | None) -> None:
        """Note that a blob was hashed, to be recorded soon with others."""
        self._ctimes[digest] = ctime
        if len(self._ctimes) >= _AT_ONCE or time.monotonic() - self._recorded > _SECONDS:
            self._record()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """A block at whose end everything is recorded that was noted."""
        try:
            yield
        finally:
            self._record()

    def _record(self) -> None:
        ctimes, self._ctimes = self._ctimes, {}
        self._recorded = time.monotonic()
        if ctimes:
            with (
                suppress(ReadOnlyRegistryError, StorageFullError),  # found, but not recorded
                self.registry.store.write() as change,
            ):
                blob_rows.record_verified(change.connection, ctimes)


class _Check:
    """The check of one blob, its local copies and its folder if it is a package.

    Args:
        again: True if the bytes were hashed just now.
    """

    def __init__(self, looker: _Looker, known: Known, *, again: bool) -> None:
        self._looker = looker
        self._chain, self._registry = looker.chain, looker.registry
        self._blobs = looker.registry.blobs
        self._row, self._kept, self._is_package = known.row, known.kept, known.package
        self._full = looker.full
        self._again = again

    def run(self) -> list[Problem]:
        try:
            found = [*self._blob(), *self._local_copies()]
            if self._is_package:
                found += self._package()
        except (StorageError, NotARegistryError) as error:  # the others can still be checked
            return [self._problem("missing", self._blobs.path(self._row.digest), str(error))]
        return found

    def _problem(self, kind: str, path: Path, text: str) -> Problem:
        root = self._registry.root
        with self._registry.store.read() as connection:
            uses = blob_rows.uses(connection, self._row.digest)
        return Problem(
            kind=kind,
            digest=self._row.digest,
            path=str(path.relative_to(root) if path.is_relative_to(root) else path),
            # Each model once, however many of its revisions have the blob.
            models=tuple(dict.fromkeys(use.ref for use in uses)),
            kept=self._kept,
            text=text,
            file=next((use.path for use in uses if use.path is not None), None),
        )

    def _blob(self) -> Iterator[Problem]:
        row, path = self._row, self._blobs.blob(self._row.digest)
        size = size_of(path)
        if size is None:
            if path.is_symlink() or path.exists():
                yield self._problem("missing", path, "it is not a regular file")
            else:
                yield from self._upstream(path)
        elif size != row.size:
            yield self._problem("size", path, f"it has {size:,} bytes instead of {row.size:,}")
        elif (self._full and not self._again) or self._blobs.ctime(row.digest) != row.ctime:
            yield from self._hash(path)

    def _upstream(self, path: Path) -> Iterator[Problem]:
        """Check bytes that are not here; hash those upstream only if `full`."""
        row = self._row
        holding = holder(self._chain, row.digest, row.size)
        if holding is None and self._kept:
            remotes = self._looker.suppliers(row.digest)
            if any(not each.lacks for each in remotes):
                return
            left = row.upstream and upstream_state(self._chain, row.upstream, row.digest)
            if not left and remotes:
                names = ", ".join(each.name for each in remotes)
                left = (
                    f"the weights are not here, and a remote that should have them has not: {names}"
                )
            yield self._problem("missing", path, left or self._gone())
        elif holding is not None and (
            self._full or is_known_damaged(self._chain.first, holding, row.digest)
        ):
            self._looker.hashed += 0 if self._again else 1
            try:
                check_upstream(self._chain.first, holding, row.digest)
            except CorruptBlobError as error:
                yield self._problem("upstream", holding.blobs.blob(row.digest), str(error))

    def _gone(self) -> str:
        with self._registry.store.read() as connection:
            is_signature = bool(blob_rows.uses_as_signature(connection, self._row.digest))
        if is_signature:
            return "a signature is gone; import or merge the model again, or sign it again"
        return "the weights are gone"

    def _hash(self, path: Path) -> Iterator[Problem]:
        from localreg.blobs.staging.hashing import file_digest

        self._looker.hashed += 0 if self._again else 1
        while True:
            ctime = self._blobs.ctime(self._row.digest)
            with disk_errors("verifying weights", path):
                try:
                    found = file_digest(path)
                except FileNotFoundError:  # deleted meanwhile
                    yield from self._upstream(path)
                    return
            right = found == self._row.digest
            if right or self._blobs.ctime(self._row.digest) == ctime:
                break  # else another process replaced it meanwhile
        self._looker.note(self._row.digest, ctime if right else None)
        if not right:
            yield self._problem("digest", path, f"its bytes changed: the sha256 is now {found}")

    def _local_copies(self) -> Iterator[Problem]:
        blob = self._blobs.blob(self._row.digest)
        with disk_errors("verifying weights", self._registry.root):
            status = regular_file(blob)
            # Without the blob they are copies of weights that are, or were, upstream.
            if status is None and not self._is_upstream(blob):
                return
            for path in local_files_of(self._registry, self._row.digest):
                if self._is_changed(path, status):
                    yield self._problem("file", path, DIFFERENT_COPY)

    def _is_upstream(self, blob: Path) -> bool:
        """Return True if the bytes are upstream, or should be; others are reported as missing."""
        row = self._row
        holding = holder(self._chain, row.digest, row.size)
        return not os.path.lexists(blob) and (row.upstream is not None or holding is not None)

    def _is_changed(self, path: Path, blob: os.stat_result | None) -> bool:
        """Return True if a file has other bytes than the blob; False if it is gone, or a link."""
        from localreg.blobs.staging.hashing import file_digest

        try:
            status = path.lstat()
            if blob is not None and os.path.samestat(status, blob):
                return False
            if not stat.S_ISREG(status.st_mode) or status.st_size != self._row.size:
                return True
            return self._full and file_digest(path) != self._row.digest
        except FileNotFoundError:  # deleted meanwhile
            return False

    def _package(self) -> Iterator[Problem]:
        """Check the list of a package's files, and its folder."""
        digest, size = self._row.digest, self._row.size
        wrong = list_difference(self._registry, digest)
        if wrong is None:
            folder = self._blobs.folder_path(TREES) / digest
            found = folder_differences(self._chain, self._registry, digest, full=self._full)
            if found:
                yield self._problem("tree", folder, f"the folder of a package: {shown(found)}")
        elif holder(self._chain, digest, size) is not None or (
            self._kept and not self._looker.is_in_remote(digest)
        ):
            yield self._problem("row", self._registry.store.path, wrong)
