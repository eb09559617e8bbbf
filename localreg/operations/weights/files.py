"""The files of a model: those of a package, or its one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from localreg.operations.finding.upstream import Found, read_each
from localreg.operations.weights.local_copies import current
from localreg.registry import Chain
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.values.frozen import Frozen
from localreg.values.manifest import PackageFile
from localreg.values.records import Json, WeightsRecord


class ModelFile(Frozen):
    """A file of a model.

    Attributes:
        path: relative to the package, with slashes; of a single file its name.
        size: number of bytes.
        digest: sha256 of its bytes.
        executable: True if its owner may run it.
        facts: what its headers say, as JSON values; {} if its format is not known.
    """

    path: str
    size: int
    digest: str
    executable: bool
    facts: Json

    @property
    def inside(self) -> list[str]:
        """What its headers say, as lines of text."""
        from localreg.blobs.headers.facts_text import lines

        with taken_apart("blob", self.digest, "facts"):
            return lines(self.facts) if self.facts else []

    @property
    def summary(self) -> str:
        """The most important of it, in one line: what may be run, and the format."""
        first, *rest = self.inside or [""]
        parts = ["executable" if self.executable else "", _danger(self.facts.get("pickle"))]
        parts += [first] if first != "pickle" else []
        # The rest may be metadata of any length.
        parts += rest[:1] if self.facts.keys() & {"problem", "unread"} else []
        return "; ".join(filter(None, parts))


def _danger(pickle: object) -> str:
    if pickle in ("flagged", "unscanned"):
        return f"pickle {pickle}"
    return "pickle not flagged" if pickle else ""


class Files(Frozen):
    """The files of a model, by path.

    Attributes:
        files: all of them.
        folders: the empty folders.
    """

    files: tuple[ModelFile, ...]
    folders: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """The number of bytes of all files; equal files count each."""
        return sum(each.size for each in self.files)


def model_files(chain: Chain, found: Found) -> Files | None:
    """Return the files of a model's current weights.

    Returns:
        None if they are not known: there are no weights, or they were not read yet.
    """
    weights = current(found)
    return None if weights is None else files_of(chain, weights)


def files_of(chain: Chain, weights: WeightsRecord) -> Files | None:
    """Return the files of weights, as `model_files`."""
    if weights.digest is None or weights.size is None:
        return None
    digest = weights.digest
    if weights.tree:
        return package_files(chain, digest)
    facts = next(
        (each for _, each in read_each(chain, lambda one: blob_rows.facts(one, digest)) if each),
        {},
    )
    return Files((ModelFile(weights.filename or "", weights.size, digest, False, facts),))


def package_files(chain: Chain, digest: str, limit: int | None = None) -> Files | None:
    """Return the files of a package.

    Args:
        digest: of its manifest.
        limit: the most files and empty folders, by path; None for all.

    Returns:
        None if no registry of the chain knows them: they are fetched with the package.
    """
    for _, rows in read_each(chain, lambda one: tree_rows.contents(one, digest, limit)):
        if rows:
            return _files(rows)
    return None


def file_counts(chain: Chain, packages: Iterable[str]) -> dict[str, int]:
    """Return the number of files of packages that are known, by the digests of their manifests."""
    wanted = set(packages)
    found: dict[str, int] = {}
    if wanted:
        for _, some in read_each(chain, lambda one: tree_rows.counts(one, wanted)):
            found = some | found
    return found


def _files(rows: Sequence[tuple[PackageFile | str, Json]]) -> Files:
    return Files(
        tuple(
            ModelFile(each.path, each.size, each.digest, each.executable, facts)
            for each, facts in rows
            if not isinstance(each, str)
        ),
        tuple(each for each, _ in rows if isinstance(each, str)),
    )
