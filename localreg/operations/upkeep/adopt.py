"""Copy weights here that only upstream registries have, so that these are not needed any more."""

from __future__ import annotations

from pathlib import Path

from localreg.errors import CorruptBlobError, LocalregError
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.locations import holder, upstream_state, whole_local_file
from localreg.operations.weights.sources import Source
from localreg.registry import Chain
from localreg.store.rows import blob_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


class Adopted(Frozen):
    """A blob that was copied here.

    Attributes:
        upstream: directory of the registry that it came from; this registry's own when only a
            local copy was left.
        models: references of the models that have it.
    """

    digest: str
    size: int
    upstream: str
    models: tuple[str, ...]


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


def adopt(chain: Chain, *, progress: Progress | None = None) -> Adoption:
    """Copy the bytes here that the registry's models, tasks and reports have only upstream.

    Args:
        progress: called with the bytes copied so far, and with all bytes.
    """
    registry = chain.first
    registry.store.check_writable()
    with registry.store.read() as connection:
        wanted = [
            (row, blob_rows.uses(connection, row.digest))
            for row in blob_rows.blobs(connection)
            if row.upstream is not None
            and not registry.blobs.has(row.digest, row.size)
            and blob_rows.referred(connection, row.digest)
        ]
    total, done = sum(row.size for row, _ in wanted), 0
    adopted, failed = [], []
    for row, uses in wanted:
        models = tuple(dict.fromkeys(use.ref for use in uses))
        try:
            place = _copy_here(chain, row, next((use.filename for use in uses), None))
        except LocalregError as error:  # the others can still be copied
            failed.append(f"{row.digest[:12]}… ({' '.join(models) or 'no model'}): {error}")
        else:
            adopted.append(Adopted(row.digest, row.size, place, models))
        done += row.size
        if progress is not None:
            progress(done, total)
    size = sum(each.size for each in adopted)
    return Adoption(tuple(adopted), tuple(failed), size)


def _copy_here(chain: Chain, row: BlobRow, filename: str | None) -> str:
    """Copy one blob here, and return the directory that it came from.

    Raises:
        CorruptBlobError, DigestMismatchError: no registry has it, or it is damaged.
    """
    registry = chain.first
    holding = holder(chain, row.digest, row.size)
    path: Path | None = (
        holding.blobs.blob(row.digest)
        if holding
        else whole_local_file(registry, row.digest, row.size)
    )
    if path is None:
        raise CorruptBlobError(
            upstream_state(chain, str(row.upstream), row.digest),
            digest=row.digest,
            path=str(registry.blobs.path(row.digest)),
        )
    source = Source(path=path, filename=filename, wanted=row.digest)
    # With upstream registries the bytes would be kept upstream again.
    with taken_in(Chain(registry), source):
        pass  # the blob is recorded, and nothing else
    return str(holding.root if holding else registry.root)
