"""The files of a data set, where they come from, and how they differ from those of another."""

from __future__ import annotations

from collections.abc import Iterable

from localreg.errors import CorruptBlobError, ModelNotFoundError
from localreg.operations.datasets import looking
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.remote_packages import bring_manifest
from localreg.registry import Chain
from localreg.store.rows import dataset_rows, model_rows
from localreg.store.rows.dataset_rows import DatasetRow
from localreg.values import dataset_names, datasets
from localreg.values.datasets import DatasetFile
from localreg.values.frozen import Frozen

Files = dict[str, DatasetFile]


class Part(Frozen):
    """Files that a data set begins with: those of a package, and links.

    Attributes:
        tree: digest of the package; None without one.
        links: what is outside.
    """

    tree: str | None
    links: tuple[DatasetFile, ...]


class Difference(Frozen):
    """How the files of a data set differ from others: paths, sorted."""

    added: tuple[str, ...]
    modified: tuple[str, ...]
    removed: tuple[str, ...]


def contents(chain: Chain, found: Found) -> Files:
    """Return the files of a data set by path, sorted."""
    with found.registry.store.read() as connection:
        row = looking.require(connection, found.id)
        changed = dataset_rows.counters(connection, found.id)
        if changed is not None:
            return {each.path: each for each in dataset_rows.files(connection, found.id)}
    files: Files = {}
    for part in parts(chain, found, row):
        if part.tree is not None:
            files |= {each.path: each for each in _tree(chain, found, part.tree)}
        files |= {each.path: each for each in part.links}
    return dict(sorted(files.items()))


def parts(chain: Chain, found: Found, row: DatasetRow) -> list[Part]:
    """Return what a data set consists of, apart from changes that are not stored.

    Files of later parts replace those of earlier ones.
    """
    with found.registry.store.read() as connection:
        config, _ = model_rows.design(connection, found.id)
    if row.tree is not None or config or row.status != dataset_names.OPEN:
        tree = row.tree if datasets.has_files(config) else None
        return [Part(tree, tuple(datasets.parse_links(config)))]
    inherited: list[Part] = []
    for parent in row.parents:  # finalized, so they have parts of their own
        place = looking.by_id(chain, parent)
        inherited += parts(chain, place, looking.row(place))
    return inherited


def _tree(chain: Chain, found: Found, digest: str) -> list[DatasetFile]:
    manifest = bring_manifest(chain, found.registry, digest)
    if manifest is not None:
        return [
            DatasetFile(each.path, each.digest, each.size, each.executable)
            for each in manifest.files
        ]
    raise CorruptBlobError(
        f"the files of the package {digest[:12]}… are not recorded here; `localreg repair` reads "
        "its manifest again",
        digest=digest,
        path=str(chain.first.blobs.path(digest)),
    )


def graph(chain: Chain, found: Found) -> dict[str, tuple[str, ...]]:
    """Return the parents of a data set and of everything that it comes from, by id.

    Each registry is asked once for each generation. Those that were removed have no parents.
    """
    known: dict[str, tuple[str, ...]] = {}
    waiting = [found.id]
    while waiting:
        rows = {each.id: each for _, each in looking.every(chain, ids=waiting)}
        for each in waiting:
            known[each] = rows[each].parents if each in rows else ()
        below = dict.fromkeys(parent for each in waiting for parent in known[each])
        waiting = [each for each in below if each not in known]
    return known


def makers(chain: Chain, found: Found, files: Files) -> dict[str, str]:
    """Return the id of the version that added each file as it is, by path.

    That is the earliest one that has it, and of several parents the last, as in ClearML.
    """
    made = dict.fromkeys(files, found.id)
    parents = graph(chain, found)
    waiting = list(parents[found.id])
    seen: set[str] = set()
    for ancestor in waiting:  # it grows
        if ancestor in seen:
            continue
        seen.add(ancestor)
        waiting += parents[ancestor]
        try:
            theirs = contents(chain, looking.by_id(chain, ancestor))
        except ModelNotFoundError:  # it was removed
            continue
        for path, file in files.items():
            if file.same_content(theirs.get(path)):
                made[path] = ancestor
    return made


def difference(files: Files, others: Iterable[Files]) -> Difference:
    """Return how files differ from those of other data sets, of which later ones replace others."""
    before: Files = {}
    for each in others:
        before |= each
    return Difference(
        added=tuple(sorted(path for path in files if path not in before)),
        modified=tuple(
            sorted(
                path
                for path, file in files.items()
                if path in before and not file.same_content(before[path])
            )
        ),
        removed=tuple(sorted(path for path in before if path not in files)),
    )


def compared(chain: Chain, found: Found, other: object = None) -> Difference:
    """Return how a data set differs from another one, or from its parents.

    Args:
        other: the id of the other one; None, or its own id, for its parents.
    """
    row = looking.row(found)
    ids = row.parents if other is None or other == found.id else (other,)
    others = [contents(chain, looking.by_id(chain, each)) for each in ids]
    return difference(contents(chain, found), others)


def sums(chain: Chain, found: Found) -> tuple[int, int, int]:
    """Return how many files were added, removed and modified."""
    with found.registry.store.read() as connection:
        looking.require(connection, found.id)
        changed = dataset_rows.counters(connection, found.id)
    if changed is not None:
        return changed.added, changed.removed, changed.modified
    compared_files = compared(chain, found)
    return len(compared_files.added), len(compared_files.removed), len(compared_files.modified)
