"""Bringing home what is left to upstream registries, so that these can be unplugged."""

from __future__ import annotations

from pathlib import Path

from localreg.errors import CorruptBlobError, LocalregError
from localreg.operations.weights.ingest import Source, take_in
from localreg.operations.weights.locations import holder, last_copy, where_left
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


class Adopted(Frozen):
    """One blob that was left upstream: how many bytes, where, and the models that have it.

    Where that is the registry's own directory, a local copy was all that was left.
    """

    digest: str
    size: int
    upstream: str
    models: tuple[str, ...]


class Adoption(Frozen):
    """What an adoption came to.

    Attributes:
        adopted: what is here now.
        failed: what is not, and why.
        size: bytes of what is here now.
    """

    adopted: tuple[Adopted, ...]
    failed: tuple[str, ...]
    size: int


def adopt(registry: OpenRegistry, *, progress: Progress | None = None) -> Adoption:
    """Copy the bytes here that the registry's models, tasks and reports have only upstream.

    Args:
        progress: called with the bytes copied, and how many there are.

    Raises:
        ReadOnlyRegistryError: the registry is open for reading only.
    """
    registry.store.check_writable()
    rows = _left(registry)
    total, done = sum(row.size for row, _ in rows), 0
    adopted, failed = [], []
    for row, uses in rows:
        models = tuple(dict.fromkeys(use.ref for use in uses))
        try:
            home = _bring(registry, row, next((use.filename for use in uses), None))
        except LocalregError as error:  # go on with the others
            failed.append(f"{row.digest[:12]}… ({' '.join(models) or 'no model'}): {error}")
        else:
            adopted.append(Adopted(row.digest, row.size, home, models))
        done += row.size
        if progress is not None:
            progress(done, total)
    size = sum(each.size for each in adopted)
    return Adoption(tuple(adopted), tuple(failed), size)


def _left(registry: OpenRegistry) -> list[tuple[BlobRow, list[blob_rows.Use]]]:
    """Return the blobs that something here refers to and that are not here, with their uses."""
    with registry.store.read() as connection:
        return [
            (row, list(blob_rows.uses(connection, row.digest)))
            for row in blob_rows.blobs(connection)
            if row.upstream is not None
            and not registry.blobs.has(row.digest, row.size)
            and blob_rows.referred(connection, row.digest)
        ]


def _bring(registry: OpenRegistry, row: BlobRow, filename: str | None) -> str:
    """Copy one blob here; return where it was.

    Raises:
        CorruptBlobError, DigestMismatchError: it is nowhere, or damaged.
        StorageError: it cannot be kept.
    """
    home = holder(registry, row.digest, row.size)
    if home is not None:
        path: Path | None = home.blobs.blob(row.digest)
    else:
        path = last_copy(registry, row.digest, row.size)
    if path is None:
        raise CorruptBlobError(
            where_left(registry, str(row.upstream), row.digest),
            digest=row.digest,
            path=str(registry.blobs.path(row.digest)),
        )
    source = Source(path=path, filename=filename, wanted=row.digest)
    # As if nothing were upstream: or it would be left there again.
    take_in(replace(registry, upstream=()), source, lambda change, held: held)
    return str(registry.root if home is None else home.root)
