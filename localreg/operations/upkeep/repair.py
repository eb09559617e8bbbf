"""Repair what a verification found: replace damaged bytes by good ones from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from localreg import log
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import LocalregError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import remove_file
from localreg.operations.upkeep.verify import Problem, verify
from localreg.operations.weights.fetching import SCHEMES, Wish, fetched
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.locations import upstream_holders
from localreg.operations.weights.sources import Source
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import FILES, QUARANTINE, quarantined_name
from localreg.values.urls import local_path, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


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
    registry, the original path or the URL, in this order. They are hashed before they are kept.

    Args:
        full: hash every byte.
        progress: called with the bytes checked so far, and with all bytes.
    """
    chain.first.store.check_writable()
    found = verify(chain, chain.first, full=full, progress=progress)
    mended: list[Mended] = []
    lost: list[Problem] = []
    for problem in found.problems:
        try:
            how = _mend(chain, problem)
        except LocalregError as error:  # the others can still be repaired
            log.warning("%s could not be repaired: %s", problem.path, error)
            how = None
        if how is None:
            lost.append(problem)
        else:
            mended.append(Mended(problem, how))
    return Repair(tuple(mended), tuple(lost))


def _mend(chain: Chain, problem: Problem) -> str | None:
    """Repair one problem; return how, or None if there are no good bytes."""
    registry = chain.first
    path = registry.root / problem.path
    if problem.digest is None:
        return None
    if problem.kind in ("tree", "file"):
        with disk_errors("repairing weights", path):
            if problem.kind == "tree":
                remove_tree(path)
                return "deleted; it is unpacked again when needed"
            remove_file(path, missing_ok=True)
            return "deleted; it is made again when needed"
    damaged = _quarantine(registry, problem.digest)
    how = _bring_back(chain, problem.digest)
    if how is not None and not registry.blobs.is_sound(problem.digest):
        return None  # the files in quarantine may be the best that is left
    if how is None and not problem.kept:
        how = "deleted from the cache; it is downloaded again when needed"
    if how is not None:
        for file in damaged:
            remove_file(file, missing_ok=True)
    return how


def _quarantine(registry: OpenRegistry, digest: str) -> list[Path]:
    """Move a damaged blob and its local copies to quarantine; return their new paths."""
    blobs, moved = registry.blobs, []
    with disk_errors("repairing weights", registry.root), registry.store.write() as change:
        folder = blobs.folder_path(FILES, digest)
        places = [blobs.blob(digest), *(sorted(folder.iterdir()) if folder.is_dir() else [])]
        seen: set[tuple[int, int]] = set()
        for place in places:
            if place.is_dir() or not (place.exists() or place.is_symlink()):
                continue
            file = place.lstat()
            if place.is_symlink() or (file.st_dev, file.st_ino) in seen:
                remove_file(place)
                continue
            seen.add((file.st_dev, file.st_ino))
            target = blobs.make_folder(QUARANTINE) / quarantined_name(digest)
            with suppress(FileNotFoundError):  # deleted meanwhile
                place.rename(target)
                moved.append(target)
        blob_rows.record_verified(change.connection, {digest: None})
    return moved


def _bring_back(chain: Chain, digest: str) -> str | None:
    """Keep the right bytes from the first source that has them; return how, or None."""
    # With upstream registries they would be kept upstream, where they may be damaged.
    alone = Chain(chain.first)
    for source in _sources(chain, digest):
        try:
            if isinstance(source, Wish):
                with fetched(alone, source):
                    pass  # the blob is recorded, and nothing else
                return f"downloaded from {public_url(source.url)}"
            if source.path is not None and source.path.is_file():
                with taken_in(alone, source):
                    pass
                if source.path.parent == chain.first.root / QUARANTINE:
                    return "copied from a local copy"
                return f"copied from {source.path}"
        except LocalregError as error:  # the next source may be good
            log.info("%s", error)
    return None


def _sources(chain: Chain, digest: str) -> Iterator[Source | Wish]:
    """Yield where the right bytes may be, the cheapest first."""
    registry = chain.first
    with registry.store.read() as connection:
        uses = blob_rows.uses(connection, digest)
        served = blob_rows.served_by(connection, digest)
        row = blob_rows.blob(connection, digest)
    folder = registry.root / QUARANTINE
    name = next((use.filename for use in uses), None)
    # A local copy that is not a link to the blob may be good; it is in quarantine by now.
    for path in sorted(folder.glob(f"{digest}.*")):
        yield Source(path=path, filename=name, wanted=digest)
    for each in upstream_holders(chain, digest, None if row is None else row.size):
        yield Source(path=each.blobs.blob(digest), filename=name, wanted=digest)
    urls = dict.fromkeys([use.url for use in uses if use.url] + [each.url for each in served])
    for url in urls:
        place = local_path(url)
        if place is not None:
            yield Source(path=place, filename=name, wanted=digest)
        elif scheme_of(url) in SCHEMES:
            yield Wish(url=url, filename=name, wanted=digest)
