"""Copy weights here that only upstream registries have, so that these are not needed any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localreg.operations.weights.gathering import Gathered, Wanted, gather
from localreg.operations.weights.locations import upstream_holders, upstream_state, whole_local_file
from localreg.registry import Chain
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.blob_rows import BlobRow, Use
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


class Adopted(Frozen):
    """A blob, or a package, that was copied here.

    Attributes:
        digest: of a package that of its manifest.
        size: bytes copied. Files of a package that are weights of their own do not count to it.
        upstream: directory of the registry that it came from; this registry's own when only a
            local copy was left.
        models: references of the models that have it.
        files: number of files of the package that were copied; None for a single blob.
    """

    digest: str
    size: int
    upstream: str
    models: tuple[str, ...]
    files: int | None = None


class Adoption(Frozen):
    """The result of an adoption.

    Attributes:
        adopted: what was copied here.
        failed: what could not be copied, and why.
        size: bytes copied.
    """

    adopted: tuple[Adopted, ...]
    failed: tuple[str, ...]
    size: int


class _Part(Frozen):
    """A blob to copy.

    Attributes:
        package: the package whose file or manifest it is; None for weights of their own.
        path: in the package; None for its manifest, and for weights of their own.
        uses: the models that have it as weights of their own.
    """

    row: BlobRow
    package: str | None
    path: str | None
    uses: tuple[Use, ...]


def adopt(chain: Chain, *, progress: Progress | None = None) -> Adoption:
    """Copy the bytes here that the registry's models, tasks and reports have only upstream.

    Args:
        progress: called with the bytes copied so far, and with all bytes.
    """
    registry = chain.first
    registry.store.check_writable()
    with registry.store.read() as connection:
        parts = _wanted(chain, connection)
    total, done = sum(part.row.size for part in parts.values()), 0
    adopted: dict[str, Adopted] = {}
    failed = []
    wanted = (_with_sources(chain, part) for part in parts.values())
    for each in gather(registry, wanted):
        part = parts[each.row.digest]
        if each.source is None:
            failed.append(_failure(chain, part, each))
        else:
            _add(chain, adopted, part, each.source)
        done += each.row.size
        if progress is not None:
            progress(done, total)
    size = sum(each.size for each in adopted.values())
    return Adoption(tuple(adopted.values()), tuple(failed), size)


def _wanted(chain: Chain, connection: blob_rows.Connection) -> dict[str, _Part]:
    """Return what to copy, by digest: packages first, with their files."""
    rows = {row.digest: row for row in blob_rows.with_upstream(connection)}
    here = chain.first.blobs.states(rows)
    rows = {
        digest: row
        for digest, row in rows.items()
        if (digest not in here or here[digest][0] != row.size)
        and blob_rows.referred(connection, digest)
    }
    uses = {digest: tuple(blob_rows.uses_as_weights(connection, digest)) for digest in rows}
    found: dict[str, _Part] = {}
    for package in sorted(blob_rows.packages(connection)):
        models = tuple(blob_rows.uses_as_weights(connection, package))
        for path, digest in ((None, package), *tree_rows.paths(connection, package)):
            if digest in rows and digest not in found and (path is None or not uses[digest]):
                found[digest] = _Part(rows[digest], package, path, models)
    for digest, row in rows.items():
        found.setdefault(digest, _Part(row, None, None, uses[digest]))
    return found


def _with_sources(chain: Chain, part: _Part) -> Wanted:
    row = part.row
    name = next((use.filename for use in part.uses), None)

    def sources() -> Iterator[Path]:
        for each in upstream_holders(chain, row.digest, row.size):
            yield each.blobs.blob(row.digest)
        copy = whole_local_file(chain.first, row.digest, row.size)
        if copy is not None:
            yield copy

    return Wanted(row, sources, name if part.path is None else part.path.rpartition("/")[2])


def _failure(chain: Chain, part: _Part, gathered: Gathered) -> str:
    row = part.row
    why = gathered.why or upstream_state(chain, str(row.upstream), row.digest)
    models = " ".join(_models(part)) or "no model"
    file = "" if part.path is None else f", {part.path}"
    return f"{row.digest[:12]}… ({models}{file}): {why}"


def _models(part: _Part) -> tuple[str, ...]:
    return tuple(dict.fromkeys(use.ref for use in part.uses))


def _add(chain: Chain, adopted: dict[str, Adopted], part: _Part, source: Path) -> None:
    """Add a blob that was copied to the line of its package, or as a line of its own."""
    place = next(
        (each.root for each in chain.others if source.is_relative_to(each.root)), chain.first.root
    )
    if part.package is None:
        adopted[part.row.digest] = Adopted(
            part.row.digest, part.row.size, str(place), _models(part)
        )
        return
    before = adopted.get(part.package)
    size, files = (0, 0) if before is None else (before.size, before.files or 0)
    adopted[part.package] = Adopted(
        part.package,
        size + part.row.size,
        str(place) if before is None else before.upstream,
        _models(part),
        files + (part.path is not None),
    )
