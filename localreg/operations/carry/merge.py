"""Take in what another registry's directory has: its bytes first, then its events and reports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from localreg.errors import CorruptBlobError, InvalidValueError, NoRegistryError, StorageError
from localreg.operations.carry.arrival import Arrived, arrive
from localreg.operations.carry.export import Missing, has_bytes
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import Chain, OpenRegistry, check_directory, open_registry
from localreg.store.rows import (
    blob_rows,
    logged_rows,
    model_rows,
    report_transfer,
    tree_rows,
)
from localreg.values.bundle_format import LAYOUT_NAME
from localreg.values.layout import DATABASE, HIDDEN
from localreg.values.urls import local_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.progress import Progress
    from localreg.store.rows.logged_rows import Connection
    from localreg.values.manifest import Manifest
    from localreg.values.records import LoggedEvent, Owner

_AT_ONCE = 10_000  # ids of models that are looked up together


def merge(
    chain: Chain,
    directory: str | os.PathLike[str],
    *,
    renumber: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Arrived:
    """Take in what another registry has and the first registry of a chain lacks.

    The other one is only read, also while others write to it.

    Args:
        directory: of the other registry; it may be on a read-only disk.
        renumber: where two models have one number, give new ones to the later.
        dry_run: change nothing.
        progress: called with the bytes taken so far, and with all bytes.

    Raises:
        NoRegistryError: there is no registry in the directory.
        RegistryError: it cannot be read, or has another format.
    """
    chain.first.store.check_writable()
    other = _open(chain, directory)
    try:
        # In one transaction, so that all that its events name is among the bytes.
        with other.store.read() as connection, ArrivingBlobs(chain) as blobs:
            incoming = _Merged(other, connection)
            incoming.bring(chain.first, blobs, dry_run=dry_run, progress=progress)
            return arrive(chain, incoming, blobs, renumber=renumber, dry_run=dry_run)
    finally:
        other.close()


def _open(chain: Chain, directory: object) -> OpenRegistry:
    root = check_directory("directory", directory)
    if os.path.realpath(root) == os.path.realpath(chain.first.root):
        raise InvalidValueError(
            f"{root} is this registry itself; name another one", argument="directory"
        )
    if not os.path.lexists(root / DATABASE) and (
        root.is_file() or os.path.lexists(root / LAYOUT_NAME)
    ):
        raise InvalidValueError(
            f"{root} is no registry; `localreg import {root}` takes in a bundle",
            argument="directory",
        )
    inside = root / HIDDEN
    if not os.path.lexists(root / DATABASE) and os.path.lexists(inside / DATABASE):
        raise NoRegistryError(
            f"{root} is no registry, but {inside} is: `localreg merge {inside}`", path=str(root)
        )
    return open_registry(root, readonly=True, make=False)


class _Merged:
    """What another registry has, read in one transaction."""

    def __init__(self, other: OpenRegistry, connection: Connection) -> None:
        self._other = other
        self._connection = connection
        self._missing: list[Missing] = []
        self.source = str(other.root)
        self.whole = True

    def bring(
        self,
        registry: OpenRegistry,
        blobs: ArrivingBlobs,
        *,
        dry_run: bool,
        progress: Progress | None,
    ) -> None:
        """Copy the bytes that are lacking; in a dry run only note them."""
        unwanted = self._of_removed(registry)
        wanted = [
            (digest, size)
            for digest, size in blob_rows.referred_blobs(self._connection)
            if digest not in unwanted and blobs.lacks(digest, size)
        ]
        total, done = sum(size for _, size in wanted), 0
        for digest, size in wanted:
            source, name = self._source_of(digest, size)
            if source is None:
                self._lack(digest, size, "its bytes are not there")
            elif dry_run:
                blobs.would_come[digest] = size
            else:
                try:
                    blobs.add_file(source, digest, size, name)
                except (CorruptBlobError, StorageError) as error:
                    if source.is_relative_to(registry.root):
                        raise
                    self._lack(digest, size, str(error))
            done += size
            if progress is not None:
                progress(done, total)
        if not dry_run:
            blobs.flush()

    def origins(self) -> dict[str, str]:
        """Return the names of the origins of its events."""
        return logged_rows.origins(self._connection)

    def events(self) -> Iterator[LoggedEvent]:
        """Yield all its events, in the order in which they came there."""
        return logged_rows.all_events(self._connection)

    def packages(self) -> Iterator[tuple[str, Manifest]]:
        """Yield its packages."""
        for digest in sorted(blob_rows.packages(self._connection)):
            manifest = tree_rows.manifest(self._connection, digest)
            if manifest is not None:
                yield digest, manifest

    def reports(self) -> Iterator[tuple[Owner, Iterator[bytes], int | None]]:
        """Yield what was reported to each model and task."""
        for owner in report_transfer.owners(self._connection):
            yield owner, report_transfer.read(self._connection, owner), None

    def models(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield nothing: a merge makes no copies."""
        return iter(())

    def missing(self) -> tuple[Missing, ...]:
        """Return the bytes that its models need, and that could not be copied."""
        return tuple(self._missing)

    def _source_of(self, digest: str, size: int) -> tuple[Path | None, str | None]:
        """Return a file with the bytes of a digest, and its original name."""
        uses = blob_rows.uses(self._connection, digest)
        name = next((each.path or each.filename for each in uses), None)
        if self._other.blobs.has(digest, size):
            return self._other.blobs.blob(digest), name
        for each in uses:
            path = None if each.url is None or each.path else local_path(each.url)
            if path is not None and has_bytes(path, digest, size):
                return path, name
        return None, name

    def _lack(self, digest: str, size: int, why: str) -> None:
        uses = blob_rows.uses(self._connection, digest)
        ref = uses[0].ref if uses else f"{digest[:12]}…"
        self._missing.append(Missing(ref, digest, size, why))

    def _of_removed(self, registry: OpenRegistry) -> set[str]:
        """Return the blobs that only models have which were removed here, and stay so."""
        ids = model_rows.each_id(self._connection)
        removed: set[str] = set()
        with registry.store.read() as here:
            while some := [*islice(ids, _AT_ONCE)]:
                removed.update(
                    model_id
                    for model_id in model_rows.removed(here, some)
                    if logged_rows.knows_all(here, logged_rows.ids_of(self._connection, model_id))
                )
        found: set[str] = set()
        for model_id in removed:
            found.update(blob_rows.signature_files(self._connection, model_id))
            for weights in model_rows.weights(self._connection, model_id):
                if weights.digest is not None:
                    found.add(weights.digest)
                    if weights.tree:
                        found.update(tree_rows.digests(self._connection, weights.digest))
        used = blob_rows.used_by_others
        return {digest for digest in found if not used(self._connection, digest, removed)}
