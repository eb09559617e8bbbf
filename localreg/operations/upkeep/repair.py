"""Mending what a verification found, from wherever the right bytes still are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localreg import log
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import LocalregError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.upkeep.verify import Problem, verify
from localreg.operations.weights.fetching import SCHEMES, Wish, fetch
from localreg.operations.weights.ingest import Source, take_in
from localreg.operations.weights.locations import upstream_holders
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen, replace
from localreg.values.ids import new_id
from localreg.values.layout import FILES, QUARANTINE
from localreg.values.urls import local_path, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


class Mended(Frozen):
    """A problem that is none any more, and how that was done."""

    problem: Problem
    how: str


class Repair(Frozen):
    """What a repair came to.

    Attributes:
        mended: what is right again.
        lost: what is not: no source gives the right bytes. What is left of them is in the
            registry's folder ``quarantine``.
    """

    mended: tuple[Mended, ...]
    lost: tuple[Problem, ...]


def repair(
    registry: OpenRegistry, *, full: bool = False, progress: Progress | None = None
) -> Repair:
    """Verify, and mend what is found.

    Damaged bytes are moved to ``quarantine`` first. The right ones come from a copy that was handed
    out, from upstream, from the file they were copied from, or from their URL; whatever the source
    gives is hashed before it counts.

    Args:
        full: hash every byte.
        progress: told of the bytes checked.

    Raises:
        ReadOnlyRegistryError: nothing can be written.
    """
    registry.store.check_writable()
    found = verify(registry, full=full, progress=progress)
    mended: list[Mended] = []
    lost: list[Problem] = []
    for problem in found.problems:
        try:
            how = _mend(registry, problem)
        except LocalregError as error:  # go on with the others
            log.warning("%s could not be repaired: %s", problem.path, error)
            how = None
        if how is None:
            lost.append(problem)
        else:
            mended.append(Mended(problem, how))
    return Repair(tuple(mended), tuple(lost))


def _mend(registry: OpenRegistry, problem: Problem) -> str | None:
    """Mend one problem, and return how, or None when it could not be."""
    path = registry.root / problem.path
    if problem.digest is None:
        return None
    if problem.kind == "tree":
        with disk_errors("repairing weights", path):
            remove_tree(path)
        return "deleted; it is unpacked again when it is wanted"
    if problem.kind == "file":
        with disk_errors("repairing weights", path):
            path.unlink(missing_ok=True)
        return "deleted; it is linked again when it is wanted"
    aside = _quarantine(registry, problem.digest)
    how = _bring_back(registry, problem.digest)
    if how is not None and not registry.blobs.is_sound(problem.digest):
        return None  # what was moved aside may be all that is left
    if how is None and not problem.kept:
        how = "deleted from the cache; it is fetched again when it is wanted"
    if how is not None:
        for leftover in aside:
            leftover.unlink()
    return how


def _quarantine(registry: OpenRegistry, digest: str) -> list[Path]:
    """Move what is there of a damaged blob out of the way; return where it is now."""
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
                place.unlink()
                continue
            seen.add((file.st_dev, file.st_ino))
            aside = blobs.make_folder(QUARANTINE) / f"{digest}.{new_id()[:8]}"
            place.rename(aside)
            moved.append(aside)
        blob_rows.record_verified(change.connection, digest, None)
    return moved


def _bring_back(registry: OpenRegistry, digest: str) -> str | None:
    """Hold the right bytes again, from the first source that gives them; return which, or None.

    As if nothing were upstream: or they would be left there, where they may be damaged.
    """
    alone = replace(registry, upstream=())
    for source in _sources(registry, digest):
        try:
            if isinstance(source, Wish):
                fetch(alone, source, lambda change, held: held)
                return f"fetched from {public_url(source.url)}"
            if source.path is not None and source.path.is_file():
                take_in(alone, source, lambda change, held: held)
                if source.path.parent == registry.root / QUARANTINE:
                    return "copied from a file that was handed out"
                return f"copied from {source.path}"
        except LocalregError as error:  # the next source may be better
            log.info("%s", error)
    return None


def _sources(registry: OpenRegistry, digest: str) -> Iterator[Source | Wish]:
    with registry.store.read() as connection:
        uses = list(blob_rows.uses(connection, digest))
        served = blob_rows.served_by(connection, digest)
        row = blob_rows.blob(connection, digest)
    folder = registry.root / QUARANTINE
    name = next((use.filename for use in uses), None)
    # A copy that was handed out may be whole, where links do not exist or were not kept.
    for path in sorted(folder.glob(f"{digest}.*")):
        yield Source(path=path, filename=name, wanted=digest)
    for each in upstream_holders(registry, digest, None if row is None else row.size):
        yield Source(path=each.blobs.blob(digest), filename=name, wanted=digest)
    urls = dict.fromkeys([use.url for use in uses if use.url] + [each.url for each in served])
    for url in urls:
        place = local_path(url)
        if place is not None:
            yield Source(path=place, filename=name, wanted=digest)
        elif scheme_of(url) in SCHEMES:
            yield Wish(url=url, filename=name, wanted=digest)
