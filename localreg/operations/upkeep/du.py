"""Where the bytes of a registry are."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from localreg.blobs.local_files.handed_out import own_copies
from localreg.operations.weights.locations import handed_out
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import QUARANTINE, TEMPORARY, TREES


class Share(Frozen):
    """The bytes of a project, a model's line of versions, or a blob.

    Attributes:
        name: the project, ``project/name``, or the digest.
        size: bytes that its weights have here, each blob counted once.
        alone: how many of them no other one of its kind has: what its removal would free.
        blobs: how many blobs that are.
        models: how many model versions have them.
    """

    name: str
    size: int
    alone: int
    blobs: int
    models: int


class Usage(Frozen):
    """Where the bytes are.

    Attributes:
        projects, lines, blobs: the largest first; a line is all versions of one name.
        kept: bytes that the registry owes.
        cached: bytes of downloads that can be fetched again.
        unused: bytes of weights that no model has; `gc` deletes them in time.
        copies: bytes of local copies that are no links to what is kept or cached: the file system
            has none, the directory came here without them, or the weights are upstream. They are
            made again when deleted, as long as those are there.
        upstream: bytes of weights that are left to upstream registries, and not part of the total.
        trees: bytes of unpacked archives.
        temporary: bytes in ``tmp/`` and ``quarantine/``.
        database: bytes of the database.
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
        """All of it."""
        held = self.kept + self.cached + self.unused
        return held + self.copies + self.trees + self.temporary + self.database


def usage(registry: OpenRegistry) -> Usage:
    """Return where the bytes of a registry are."""
    with registry.store.read() as connection:
        known = blob_rows.blobs(connection)
        rows = [row for row in known if registry.blobs.has(row.digest, row.size)]
        kept = blob_rows.kept_digests(connection)
        unused = {row.digest for row in blob_rows.unreferred(connection)}
        uses = list(blob_rows.uses(connection))
    here = {row.digest for row in rows}
    sizes = {row.digest: row.size for row in rows}
    uses = [use for use in uses if use.digest in sizes]
    return Usage(
        projects=_shares(sizes, [(use.project or "(no project)", use) for use in uses]),
        lines=_shares(sizes, [(use.ref.rpartition(":")[0], use) for use in uses]),
        blobs=_shares(sizes, [(use.digest, use) for use in uses]),
        kept=sum(size for digest, size in sizes.items() if digest in kept),
        cached=sum(sizes[each] for each in sizes if each not in kept and each not in unused),
        unused=sum(sizes[each] for each in sizes if each in unused),
        copies=sum(own_copies(registry.blobs, each) for each in handed_out(registry)),
        trees=_below(registry.root / TREES),
        temporary=_below(registry.root / TEMPORARY) + _below(registry.root / QUARANTINE),
        database=sum(_size(path) for path in registry.root.glob(f"{registry.store.path.name}*")),
        upstream=sum(row.size for row in known if row.upstream and row.digest not in here),
    )


def _shares(sizes: dict[str, int], uses: list[tuple[str, blob_rows.Use]]) -> tuple[Share, ...]:
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


def _below(folder: Path) -> int:
    return sum(_size(Path(place) / name) for place, _, names in os.walk(folder) for name in names)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0
