"""Check that the database and all weights of a registry are unchanged."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.errors import (
    CorruptBlobError,
    DamagedRegistryError,
    NotARegistryError,
    ReadOnlyRegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.weights.locations import (
    check_upstream,
    digests_with_local_files,
    holder,
    is_known_damaged,
    local_files_of,
    upstream_state,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.database.checking import damage, strange_values
from localreg.store.rows import blob_rows, model_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found
    from localreg.progress import Progress


DIFFERENT_COPY = "the local copy differs from the stored weights"


class Problem(Frozen, kw_only=True):
    """Something that is damaged or missing.

    Attributes:
        kind: "database"; "row", a value in it that cannot be what it should be; "missing", "size"
            or "digest" of a blob; "upstream", a blob that is damaged in the upstream registry that
            keeps it; "file", a local copy; "tree", an unpacked package.
        digest: of the weights; None for the database.
        path: relative to the registry; absolute if it is upstream.
        models: references of the models that have these weights.
        kept: True if the registry must keep the bytes; False if they can be downloaded again.
        text: what was found.
    """

    kind: str
    digest: str | None
    path: str
    models: tuple[str, ...] = ()
    kept: bool = True
    text: str


class Verification(Frozen):
    """The result of a verification.

    Attributes:
        checked: number of blobs that were checked.
        hashed: how many of them were read and hashed. The files of the others did not change
            since they were last hashed.
        size: bytes of all that were checked.
        problems: what was found.
        elsewhere: number of blobs that only their URLs have. They were not checked.
    """

    checked: int
    hashed: int
    size: int
    problems: tuple[Problem, ...]
    elsewhere: int = 0

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
            of files upstream, and compare unpacked packages with their archives.
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
        rows = _wanted_rows(connection, models)
        kept = blob_rows.kept_digests(connection)
    total, done, hashed = sum(row.size for row in rows), 0, 0
    away = [row for row in rows if row.digest not in kept and _is_away(chain, registry, row)]
    for row in rows:
        checked = _Check(chain, registry, row, row.digest in kept, full)
        found = checked.run()
        hashed += checked.hashed
        # Another process may have removed the model or a local copy meanwhile: look again. Damage
        # that was read is certain, and upstream it is recorded: the next look avoids it.
        if found and _is_still_known(registry, row.digest):
            certain = any(each.kind in ("digest", "upstream") for each in found)
            problems += found if certain else checked.run()
        done += row.size
        if progress is not None:
            progress(done, total)
    if full and models is None:
        problems += _copies_of_others(registry, {row.digest for row in rows})
    size = total - sum(row.size for row in away)
    return Verification(len(rows) - len(away), hashed, size, tuple(problems), len(away))


def _is_still_known(registry: OpenRegistry, digest: str) -> bool:
    with registry.store.read() as connection:
        return blob_rows.blob(connection, digest) is not None


def _is_away(chain: Chain, registry: OpenRegistry, row: BlobRow) -> bool:
    """Return True if there is no file with these bytes here, good or damaged, nor upstream."""
    here = registry.blobs.ctime(row.digest) is not None
    return not here and holder(chain, row.digest, row.size) is None


def _copies_of_others(registry: OpenRegistry, known: Container[str]) -> Iterator[Problem]:
    """Yield the damaged local copies of weights that only upstream registries record."""
    from localreg.blobs.staging.hashing import file_digest

    for digest in digests_with_local_files(registry):
        for path in local_files_of(registry, digest) if digest not in known else ():
            with disk_errors("verifying local copies", path):
                try:
                    whole = size_of(path) is not None and file_digest(path) == digest
                except FileNotFoundError:  # deleted meanwhile
                    continue
            if not whole and os.path.lexists(path):
                yield Problem(
                    kind="file",
                    digest=digest,
                    path=str(path.relative_to(registry.root)),
                    kept=False,
                    text=DIFFERENT_COPY,
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


def _wanted_rows(connection: blob_rows.Connection, models: Iterable[str] | None) -> list[BlobRow]:
    if models is None:
        return blob_rows.blobs(connection)
    digests = {
        weights.digest
        for model_id in models
        for weights in model_rows.weights(connection, model_id)
        if weights.digest
    }
    found = (blob_rows.blob(connection, digest) for digest in sorted(digests))
    return [row for row in found if row is not None]


class _Check:
    """The check of one blob, its local copies and its unpacked package."""

    def __init__(
        self,
        chain: Chain,
        registry: OpenRegistry,
        row: BlobRow,
        kept: bool,
        full: bool,
    ) -> None:
        self._chain, self._registry = chain, registry
        self._blobs = registry.blobs
        self._row = row
        self._kept = kept
        self._full = full
        self.hashed = 0

    def run(self) -> list[Problem]:
        try:
            return [*self._blob(), *self._local_copies(), *self._tree()]
        except (StorageError, NotARegistryError) as error:  # the others can still be checked
            return [self._problem("missing", self._blobs.path(self._row.digest), str(error))]

    def _problem(self, kind: str, path: Path, text: str) -> Problem:
        root = self._registry.root
        return Problem(
            kind=kind,
            digest=self._row.digest,
            path=str(path.relative_to(root) if path.is_relative_to(root) else path),
            models=self._models(),
            kept=self._kept,
            text=text,
        )

    def _models(self) -> tuple[str, ...]:
        """Return the models of the blob: each once, however many of its revisions have it."""
        with self._registry.store.read() as connection:
            return tuple(
                dict.fromkeys(use.ref for use in blob_rows.uses(connection, self._row.digest))
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
        elif self._full or self._blobs.ctime(row.digest) != row.ctime:
            yield from self._hash(path)

    def _upstream(self, path: Path) -> Iterator[Problem]:
        """Check bytes that are not here; hash those upstream only if `full`."""
        row = self._row
        holding = holder(self._chain, row.digest, row.size)
        if holding is None and self._kept:
            left = row.upstream and upstream_state(self._chain, row.upstream, row.digest)
            yield self._problem("missing", path, left or "the weights are gone")
        elif holding is not None and (
            self._full or is_known_damaged(self._chain.first, holding, row.digest)
        ):
            self.hashed = 1
            try:
                check_upstream(self._chain.first, holding, row.digest)
            except CorruptBlobError as error:
                yield self._problem("upstream", holding.blobs.blob(row.digest), str(error))

    def _hash(self, path: Path) -> Iterator[Problem]:
        from localreg.blobs.staging.hashing import file_digest

        self.hashed = 1
        ctime = self._blobs.ctime(self._row.digest)
        with disk_errors("verifying weights", path):
            found = file_digest(path)
        right = found == self._row.digest
        with (
            suppress(ReadOnlyRegistryError, StorageFullError),  # found, but not recorded
            self._registry.store.write() as change,
        ):
            blob_rows.record_verified(change.connection, self._row.digest, ctime if right else None)
        if not right:
            yield self._problem("digest", path, f"its bytes changed: the sha256 is now {found}")

    def _local_copies(self) -> Iterator[Problem]:
        folder = self._blobs.folder_path(FILES, self._row.digest)
        blob = self._blobs.blob(self._row.digest)
        if not folder.is_dir() or (size_of(blob) is None and not self._is_upstream(blob)):
            return
        # Without the blob they are copies of weights that are, or were, upstream.
        status = None if size_of(blob) is None else blob.lstat()
        with disk_errors("verifying weights", folder):
            for path in sorted(folder.iterdir()):
                if path.name.startswith("."):
                    continue
                if status is not None and os.path.samestat(path.lstat(), status):
                    continue
                if not self._is_copy(path):
                    yield self._problem("file", path, DIFFERENT_COPY)

    def _is_upstream(self, blob: Path) -> bool:
        """Return True if the bytes are upstream, or should be; others are reported as missing."""
        row = self._row
        holding = holder(self._chain, row.digest, row.size)
        return not os.path.lexists(blob) and (row.upstream is not None or holding is not None)

    def _is_copy(self, path: Path) -> bool:
        """Return True if a file that is not a link to the blob has the same bytes."""
        from localreg.blobs.staging.hashing import file_digest

        if size_of(path) != self._row.size:
            return False
        return not self._full or file_digest(path) == self._row.digest

    def _tree(self) -> Iterator[Problem]:
        from localreg.blobs.local_files import unpacked_trees

        folder = unpacked_trees.tree(self._blobs, self._row.digest) if self._full else None
        holding = None if folder is None else holder(self._chain, self._row.digest, self._row.size)
        if folder is None or holding is None:
            return
        from localreg.blobs.archives.unpacking import differences

        name = self._archive_name()
        if name is not None:
            found = differences(holding.blobs.blob(self._row.digest), name, folder)
            if found:
                yield self._problem("tree", folder, "; ".join(found[:3]))

    def _archive_name(self) -> str | None:
        """Return a name with the ending of the archive's format; None if no name has one."""
        from localreg.blobs.archives.unpacking import is_archive

        folder = self._blobs.folder_path(FILES, self._row.digest)
        with self._registry.store.read() as connection:
            names = [each.filename or "" for each in blob_rows.uses(connection, self._row.digest)]
        names += sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return next(filter(is_archive, names), None)
