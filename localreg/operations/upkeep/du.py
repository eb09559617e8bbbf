"""Measure what takes space in a registry."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from localreg.blobs.local_files.local_file import size_of_copies
from localreg.operations.weights.locations import digests_with_local_files
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import QUARANTINE, TEMPORARY, TREES


class Share(Frozen):
    """The bytes of a project, of all versions of a model, or of a blob.

    Attributes:
        name: the project, ``project/name``, or the digest.
        size: bytes of its weights in this registry, each blob counted once.
        alone: bytes of the blobs that no other share has: what its removal would free.
        blobs: number of blobs.
        models: number of model versions.
    """

    name: str
    size: int
    alone: int
    blobs: int
    models: int


class Usage(Frozen):
    """What takes space. All sizes are in bytes.

    Attributes:
        projects, lines, blobs: the shares, largest first; a line is all versions of one name.
        kept: weights that the registry must keep.
        cached: downloads, which can be fetched again.
        unused: weights of no model; `gc` deletes them after the grace period.
        copies: local copies that are not links to weights kept or cached here. The file system
            has no links, the directory was copied without them, or the weights are upstream. They
            can be deleted: they are made again as long as the weights are there.
        upstream: weights that only upstream registries keep; not part of the total.
        trees: unpacked packages.
        temporary: the folders ``tmp`` and ``quarantine``.
        database: the database.
    """

    projects: tuple[Share, ...]
    lines: tuple[Share, ...]
    blobs: tuple[Share, ...]
    kept: int
    cached: int
    unused: int
    copies: int
    trees: int
    temporary: int
    database: int
    upstream: int

    @property
    def total(self) -> int:
        """The sum of all, without what is upstream."""
        weights = self.kept + self.cached + self.unused
        return weights + self.copies + self.trees + self.temporary + self.database


def usage(registry: OpenRegistry) -> Usage:
    """Return what takes space in a registry."""
    with registry.store.read() as connection:
        rows = blob_rows.blobs(connection)
        kept = blob_rows.kept_digests(connection)
        unused = {row.digest for row in blob_rows.unreferred(connection)}
        uses = list(blob_rows.uses(connection))
    sizes = {row.digest: row.size for row in rows if registry.blobs.has(row.digest, row.size)}
    uses = [use for use in uses if use.digest in sizes]
    return Usage(
        projects=_shares(sizes, [(use.project or "(no project)", use) for use in uses]),
        lines=_shares(sizes, [(use.ref.rpartition(":")[0], use) for use in uses]),
        blobs=_shares(sizes, [(use.digest, use) for use in uses]),
        kept=sum(size for digest, size in sizes.items() if digest in kept),
        cached=sum(sizes[each] for each in sizes if each not in kept and each not in unused),
        unused=sum(sizes[each] for each in sizes if each in unused),
        copies=sum(
            size_of_copies(registry.blobs, each) for each in digests_with_local_files(registry)
        ),
        trees=_folder_size(registry.root / TREES),
        temporary=_folder_size(registry.root / TEMPORARY)
        + _folder_size(registry.root / QUARANTINE),
        database=sum(_size(path) for path in registry.root.glob(f"{registry.store.path.name}*")),
        upstream=sum(row.size for row in rows if row.upstream and row.digest not in sizes),
    )


def _shares(sizes: dict[str, int], uses: list[tuple[str, blob_rows.Use]]) -> tuple[Share, ...]:
    """Return the share of each name; `uses` says which blobs and models it has."""
    digests: dict[str, set[str]] = defaultdict(set)
    owners: dict[str, set[str]] = defaultdict(set)
    models: dict[str, set[str]] = defaultdict(set)
    for name, use in uses:
        digests[name].add(use.digest)
        owners[use.digest].add(name)
        models[name].add(use.model)
    shares = (
        Share(
            name,
            sum(sizes[each] for each in found),
            sum(sizes[each] for each in found if len(owners[each]) == 1),
            len(found),
            len(models[name]),
        )
        for name, found in digests.items()
    )
    return tuple(sorted(shares, key=lambda share: (-share.size, share.name)))


def _folder_size(top: Path) -> int:
    if top.is_symlink():  # os.walk would follow it
        return 0
    return sum(_size(Path(folder) / name) for folder, _, names in os.walk(top) for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0
