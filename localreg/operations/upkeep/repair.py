"""Repair what a verification found: replace damaged bytes by good ones from elsewhere."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from localreg import log
from localreg.errors import InvalidValueError, LocalregError, StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import remove_file
from localreg.operations.upkeep.leftovers import entries
from localreg.operations.upkeep.package_checks import remove_folder
from localreg.operations.upkeep.verify import Problem, verify
from localreg.operations.weights.fetching import SCHEMES, Wish, fetched
from localreg.operations.weights.gathering import AT_ONCE, Wanted, gather
from localreg.operations.weights.known_digests import digest_at, status_of
from localreg.operations.weights.locations import holder, upstream_holders
from localreg.operations.weights.unpacking import Archive, taken_in_archive
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES, QUARANTINE, TEMPORARY, TREES, quarantined_name
from localreg.values.manifest import parse_manifest
from localreg.values.urls import local_path, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


_OF_BLOBS = frozenset({"missing", "size", "digest", "upstream"})  # kinds of problems


class Mended(Frozen):
    """A problem that was repaired, and how."""

    problem: Problem
    how: str


class Repair(Frozen):
    """The result of a repair.

    Attributes:
        mended: what was repaired.
        lost: problems without a source of the right bytes. The damaged files are in the folder
            ``quarantine`` of the registry.
    """

    mended: tuple[Mended, ...]
    lost: tuple[Problem, ...]


def repair(chain: Chain, *, full: bool = False, progress: Progress | None = None) -> Repair:
    """Verify, and repair what is damaged.

    Damaged files are moved to ``quarantine`` first. Good bytes come from a local copy, an upstream
    registry, the original path or the URL, in this order. They are hashed before they are kept. A
    manifest is written again from the recorded files of its package, and the other way round.

    Args:
        full: hash every byte.
        progress: called with the bytes checked so far, and with all bytes.
    """
    chain.first.store.check_writable()
    found = verify(chain, chain.first, full=full, progress=progress)
    lists = [each for each in found.problems if each.kind == "row" and each.digest is not None]
    blobs = [each for each in found.problems if each.kind in _OF_BLOBS]
    hows = _mend_lists(chain.first, lists)
    # Now that it is known which files these packages have, some may be missing.
    more = [*_missing_files(chain, hows, {each.digest for each in blobs})]
    hows |= _mend_blobs(chain, [*blobs, *more])
    hows |= _mend_lists(chain.first, [each for each in lists if each not in hows])
    for problem in found.problems:
        if problem.kind in ("tree", "file"):
            hows |= _attempt(problem, lambda problem=problem: _mend_copy(chain.first, problem))  # type: ignore[misc]  # bound now
    everything = [*found.problems, *more]
    lost = [each for each in everything if each not in hows]
    return Repair(
        tuple(Mended(each, hows[each]) for each in everything if each in hows),
        tuple(_still_needed(chain.first, lost)),
    )


def _still_needed(registry: OpenRegistry, problems: list[Problem]) -> Iterator[Problem]:
    """Yield the problems without those of blobs that were removed since they were found."""
    if not problems:
        return
    with registry.store.read() as connection:
        needed = blob_rows.kept_digests(connection)
        cached = blob_rows.recorded(connection, {each.digest for each in problems if each.digest})
    for each in problems:
        of_blob = each.digest is not None and each.kind not in ("file", "tree")
        if not of_blob or each.digest in (needed if each.kept else cached):
            yield each


def _attempt(problem: Problem, mend: Callable[[], str | None]) -> dict[Problem, str]:
    try:
        how = mend()
    except LocalregError as error:  # the others can still be repaired
        log.warning("%s could not be repaired: %s", problem.path, error)
        how = None
    return {} if how is None else {problem: how}


def _mend_copy(registry: OpenRegistry, problem: Problem) -> str | None:
    """Delete a damaged local copy; what is not of this package in a folder goes to quarantine."""
    path = registry.root / problem.path
    with disk_errors("repairing weights", path):
        if problem.kind == "tree":
            assert problem.digest is not None
            moved = remove_folder(registry, problem.digest)
            if moved is not None:
                return f"moved to {moved}, since files were added; it is made again when needed"
            return "deleted; it is made again when needed"
        remove_file(path, missing_ok=True)
        return "deleted; it is made again when needed"


def _mend_lists(registry: OpenRegistry, problems: list[Problem]) -> dict[Problem, str]:
    """Record the files of packages again from their manifests, where these are sound."""
    hows: dict[Problem, str] = {}
    for problem in problems:
        digest = problem.digest
        if digest is None or not registry.blobs.is_sound(digest):
            continue
        try:
            with disk_errors("reading a manifest", registry.root):
                manifest = parse_manifest(registry.blobs.blob(digest).read_bytes())
        except StorageError as error:  # deleted meanwhile, or it cannot be read
            log.warning("%s… could not be repaired: %s", digest[:12], error)
            continue
        except InvalidValueError as error:  # it is no package
            log.warning("%s… is not the manifest of a package: %s", digest[:12], error)
            continue
        with registry.store.write() as change:
            if blob_rows.blob(change.connection, digest) is None:  # removed meanwhile
                continue
            sizes = {each.digest: each.size for each in manifest.files}
            blob_rows.record_sizes(change.connection, sizes)
            tree_rows.record(change.connection, digest, manifest)
        hows[problem] = "the files were recorded again from the manifest"
    return hows


def _missing_files(
    chain: Chain, mended: Iterable[Problem], known: set[str | None]
) -> Iterator[Problem]:
    """Yield a problem for each file of some packages that no registry has."""
    registry = chain.first
    for package in mended:
        assert package.digest is not None
        with registry.store.read() as connection:
            manifest = tree_rows.manifest(connection, package.digest)
        for file in () if manifest is None else manifest.files:
            if file.digest not in known and holder(chain, file.digest, file.size) is None:
                known.add(file.digest)
                yield Problem(
                    kind="missing",
                    digest=file.digest,
                    path=str(registry.blobs.path(file.digest).relative_to(registry.root)),
                    models=package.models,
                    kept=package.kept,
                    text="the weights are gone",
                    file=file.path,
                )


def _mend_blobs(chain: Chain, problems: list[Problem]) -> dict[Problem, str]:
    """Bring back the right bytes of blobs; return how, for those whose bytes were found."""
    registry = chain.first
    by_digest = {each.digest: each for each in problems if each.digest is not None}
    damaged = _put_away(registry, by_digest)
    with registry.store.read() as connection:
        rows = blob_rows.rows_of(connection, damaged)
    hows: dict[Problem, str] = {}
    remote = _Remote(chain)
    wanted = (_with_sources(chain, row) for row in rows.values())
    for each in gather(registry, wanted):
        digest = each.row.digest
        problem = by_digest[digest]
        if each.source is None:
            how = remote.bring_back(digest, each.row.size)
        else:
            how = _how(registry, each.source)
        # If it is not sound now, the files in quarantine may be the best that is left.
        sound = how is None or registry.blobs.is_sound(digest)
        if how is None and not _must_keep(registry, digest):
            how = "deleted from the cache; it is downloaded again when needed"
        if how is not None and sound:
            hows[problem] = how
            for file in damaged.get(digest, ()):
                remove_file(file, missing_ok=True)
    for tree in _packages_with(registry, rows):
        # They hold links to what was damaged; it is a source until now.
        with disk_errors("repairing weights", registry.root):
            remove_folder(registry, tree)
    return hows


def _must_keep(registry: OpenRegistry, digest: str) -> bool:
    with registry.store.read() as connection:
        return blob_rows.kept(connection, digest)


def _packages_with(registry: OpenRegistry, digests: Iterable[str]) -> list[str]:
    with registry.store.read() as connection:
        found = {tree for each in digests for tree in tree_rows.packages_with(connection, each)}
    return sorted(found)


def _put_away(registry: OpenRegistry, problems: Mapping[str, Problem]) -> dict[str, list[Path]]:
    """Move damaged blobs to quarantine, many in one transaction; leave out what cannot be moved."""
    digests = list(problems)
    moved: dict[str, list[Path]] = {}
    for start in range(0, len(digests), AT_ONCE):
        group = digests[start : start + AT_ONCE]
        try:
            moved |= _quarantine(registry, group)
        except LocalregError:
            for digest in group:  # most of them can be repaired
                try:
                    moved |= _quarantine(registry, [digest])
                except LocalregError as error:
                    log.warning("%s could not be repaired: %s", problems[digest].path, error)
    return moved


def _how(registry: OpenRegistry, source: Path) -> str:
    """Return how bytes were brought back from a file."""
    if not source.is_relative_to(registry.root):
        return f"copied from {source}"
    if source.relative_to(registry.root).parts[0] == TEMPORARY:
        return "written again from the recorded files of the package"
    return "copied from a local copy"


def _quarantine(registry: OpenRegistry, digests: Iterable[str]) -> dict[str, list[Path]]:
    """Move damaged blobs and their local copies to quarantine; return their new paths."""
    blobs = registry.blobs
    moved: dict[str, list[Path]] = {}
    with disk_errors("repairing weights", registry.root), registry.store.write() as change:
        # Of a blob without a row nothing is needed any more.
        for digest in sorted(blob_rows.recorded(change.connection, digests)):
            moved[digest] = []
            places = [blobs.blob(digest), *entries(blobs.folder_path(FILES, digest))]
            seen: set[tuple[int, int]] = set()
            for place in places:
                with suppress(FileNotFoundError):  # deleted meanwhile
                    file = place.lstat()
                    if stat.S_ISDIR(file.st_mode):
                        continue
                    if stat.S_ISLNK(file.st_mode) or (file.st_dev, file.st_ino) in seen:
                        remove_file(place)
                        continue
                    seen.add((file.st_dev, file.st_ino))
                    target = blobs.make_folder(QUARANTINE) / quarantined_name(digest)
                    place.rename(target)
                    moved[digest].append(target)
        blob_rows.record_verified(change.connection, dict.fromkeys(moved))
    return moved


def _with_sources(chain: Chain, row: BlobRow) -> Wanted:
    """Return a blob with the files that may have its bytes, the cheapest first."""
    registry, digest = chain.first, row.digest
    with registry.store.read() as connection:
        uses = blob_rows.uses(connection, digest)
        places = tree_rows.places_of(connection, digest)

    def sources() -> Iterator[Path]:
        # A local copy that is not a link to the blob may be good; it is in quarantine by now.
        folder = registry.root / QUARANTINE
        yield from sorted(folder.glob(f"{digest}.*"))
        for tree, path in places:
            above = [registry.root / TREES / tree, *sorted(folder.glob(f"{tree}.*"))]
            yield from (each / path for each in above)
        if row.total is not None:
            yield from _manifest(registry, digest)
        for each in upstream_holders(chain, digest, row.size):
            yield each.blobs.blob(digest)
        for use in uses:
            place = None if use.url is None else local_path(use.url)
            if place is not None:
                yield place if use.path is None else place / use.path

    name = next((use.filename if use.path is None else use.path for use in uses), None)
    return Wanted(
        row,
        lambda: (each for each in sources() if each.is_file()),
        None if name is None else name.rpartition("/")[2],
    )


def _manifest(registry: OpenRegistry, digest: str) -> Iterator[Path]:
    """Yield a temporary file with the manifest of a package, made of its recorded files."""
    with registry.store.read() as connection:
        found = tree_rows.manifest(connection, digest)
    if found is not None:
        with registry.blobs.temporary("manifest") as path:
            path.write_bytes(found.encoded())
            yield path


class _Remote:
    """Brings back blobs from URLs, and from the archives of packages; each archive once."""

    def __init__(self, chain: Chain) -> None:
        # With upstream registries they would be kept upstream, where they may be damaged.
        self._chain = Chain(chain.first)
        self._unpacked: dict[str, str | None] = {}

    def bring_back(self, digest: str, size: int) -> str | None:
        """Keep the bytes of a blob; return where they came from, or None."""
        registry = self._chain.first
        with registry.store.read() as connection:
            uses = blob_rows.uses(connection, digest)
            served = blob_rows.served_by(connection, digest)
        name = next((use.filename for use in uses), None)
        urls = [use.url for use in uses if use.url and use.path is None and use.archive is None]
        for url in dict.fromkeys([*urls, *(each.url for each in served)]):
            if scheme_of(url) in SCHEMES and self._try(
                lambda url=url: fetched(self._chain, Wish(url=url, filename=name, wanted=digest))  # type: ignore[misc]  # bound now
            ):
                return f"downloaded from {public_url(url)}"
        for use in uses:
            if use.archive is None or use.url is None:
                continue
            if use.archive not in self._unpacked:
                self._unpacked[use.archive] = self._unpack(use.archive, use.url, use.filename)
            how = self._unpacked[use.archive]
            if how is not None and registry.blobs.has(digest, size):
                return how
        return None

    def _unpack(self, archive: str, url: str, filename: str | None) -> str | None:
        """Keep all files of the archive at a URL; return how, or None."""
        place = local_path(url)
        if place is not None:
            status = status_of(place)
            if status is None or digest_at(self._chain.first, place) != archive:
                return None
            found = Archive(archive, status.size, place, place.name, status)
            return (
                f"unpacked from {place}"
                if self._try(lambda: taken_in_archive(self._chain, found))
                else None
            )
        if scheme_of(url) not in SCHEMES:
            return None
        wish = Wish(url=url, filename=filename, wanted=archive, package=True)
        # If the archive itself is here and damaged, it is downloaded.
        done = self._try(lambda: fetched(self._chain, wish))
        return f"unpacked from {public_url(url)}" if done else None

    @staticmethod
    def _try(keep: Callable[[], AbstractContextManager[object]]) -> bool:
        try:
            with keep():
                pass  # the bytes are recorded, and nothing else
        except LocalregError as error:  # the next source may be good
            log.info("%s", error)
            return False
        return True
