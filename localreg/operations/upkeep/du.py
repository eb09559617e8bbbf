"""Measure what takes space in a registry."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from localreg.blobs.local_files.listing import digests_with_local_files, lister, size_of_copies
from localreg.registry import OpenRegistry
from localreg.store.rows import usage_rows
from localreg.store.rows.usage_rows import Blob, Owner
from localreg.values.frozen import Frozen
from localreg.values.layout import QUARANTINE, TEMPORARY, TREES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.blobs.blobstore import BlobStore

    Found = TypeVar("Found")


class Share(Frozen):
    """The bytes of a project, of all versions of a model, or of a blob.

    Attributes:
        name: the project, ``project/name``, or the digest.
        size: bytes of its weights in this registry, each blob counted once.
        alone: bytes of the blobs that no other share has: what its removal would free.
        blobs: number of blobs; a package has one for each file, and its manifest.
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
        trees: what takes space in the folders of packages: copies, not links to their files.
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
    copies = _size_of_all_copies(registry.blobs)  # before: it lists all digests
    here = registry.blobs.sizes()
    kept, cached, unused, upstream = 0, 0, 0, 0
    with registry.store.read() as connection:
        shares = _Shares(usage_rows.package_owners(connection))
        # All three come in the order of the blobs' keys, so that none is kept.
        owners = _in_order(usage_rows.owners(connection))
        packages = _in_order(usage_rows.files_of_packages(connection))
        for key, blob in usage_rows.blobs(connection):
            if here.get(blob.digest) != blob.size:
                upstream += blob.size if blob.upstream else 0
                continue
            if blob.kept:
                kept += blob.size
            elif blob.needed:
                cached += blob.size
            else:
                unused += blob.size
            shares.add(blob, owners(key) or [], packages(key) or ())
    return Usage(
        projects=shares.of_projects(),
        lines=shares.of_lines(),
        blobs=shares.of_blobs(),
        kept=kept,
        cached=cached,
        unused=unused,
        copies=copies,
        trees=_folder_size(registry.root / TREES, links=False),
        temporary=_folder_size(registry.root / TEMPORARY)
        + _folder_size(registry.root / QUARANTINE),
        database=sum(_size(path) for path in registry.root.glob(f"{registry.store.path.name}*")),
        upstream=upstream,
    )


def _in_order(stream: Iterator[tuple[int, Found]]) -> Callable[[int], Found | None]:
    """Return a function of rising keys that returns what a stream in their order has for each."""
    held = next(stream, None)

    def found(key: int) -> Found | None:
        nonlocal held
        while held is not None and held[0] < key:
            held = next(stream, None)
        return held[1] if held is not None and held[0] == key else None

    return found


def _size_of_all_copies(blobs: BlobStore) -> int:
    listed = lister(blobs)
    return sum(size_of_copies(listed(digest)) for digest in digests_with_local_files(blobs))


class _Owners(Frozen):
    """What has a blob: model versions, their projects, and their lines."""

    models: frozenset[int]
    projects: frozenset[str]
    lines: frozenset[str]


class _Shares:
    """The shares of projects, lines and blobs; each blob of a share counts once.

    Args:
        packages: who has each package, by the key of its manifest.
    """

    def __init__(self, packages: Mapping[int, list[Owner]]) -> None:
        self._packages = packages
        # For each name: bytes, bytes that no other name has, and blobs.
        self._sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self._models: Counter[tuple[str, str]] = Counter()
        self._counted: set[int] = set()
        self._blobs: list[Share] = []
        # Most files are in the same packages as others.
        self._owners_of = lru_cache(1_000)(self._owners_of_packages)

    def add(self, blob: Blob, own: list[Owner], packages: tuple[int, ...]) -> None:
        """Count a blob that is here.

        Args:
            own: the model versions that have it as weights.
            packages: the keys of the packages that it is a file of.
        """
        for owner in own:
            if owner.model not in self._counted:
                self._counted.add(owner.model)
                self._models["project", _project(owner)] += 1
                self._models["line", _line(owner)] += 1
        owners = self._owners_of(packages)
        if own:
            owners = _joined(owners, _owners(own))
        if owners.models:
            self._count(blob.size, owners)
            self._blobs.append(Share(blob.digest, blob.size, blob.size, 1, len(owners.models)))

    def _owners_of_packages(self, keys: tuple[int, ...]) -> _Owners:
        return _owners([owner for key in keys for owner in self._packages.get(key, ())])

    def _count(self, size: int, owners: _Owners) -> None:
        for kind, names in (("project", owners.projects), ("line", owners.lines)):
            for name in names:
                sums = self._sums[kind, name]
                sums[0] += size
                sums[1] += size if len(names) == 1 else 0
                sums[2] += 1

    def of_projects(self) -> tuple[Share, ...]:
        return self._of("project")

    def of_lines(self) -> tuple[Share, ...]:
        return self._of("line")

    def of_blobs(self) -> tuple[Share, ...]:
        return _sorted(self._blobs)

    def _of(self, kind: str) -> tuple[Share, ...]:
        return _sorted(
            Share(name, size, alone, blobs, self._models.get((kind, name), 0))
            for (of, name), (size, alone, blobs) in self._sums.items()
            if of == kind
        )


def _sorted(shares: Iterable[Share]) -> tuple[Share, ...]:
    return tuple(sorted(shares, key=lambda share: (-share.size, share.name)))


def _owners(found: list[Owner]) -> _Owners:
    return _Owners(
        frozenset(owner.model for owner in found),
        frozenset(map(_project, found)),
        frozenset(map(_line, found)),
    )


def _joined(first: _Owners, second: _Owners) -> _Owners:
    return _Owners(
        first.models | second.models,
        first.projects | second.projects,
        first.lines | second.lines,
    )


def _project(owner: Owner) -> str:
    return owner.project or "(no project)"


def _line(owner: Owner) -> str:
    return f"{owner.project}/{owner.name}".lstrip("/")


def _folder_size(top: Path, *, links: bool = True) -> int:
    """Return the bytes of the files below a folder.

    Args:
        links: count also files that have other names.
    """
    if top.is_symlink():  # os.walk would follow it
        return 0
    return sum(
        _size(Path(folder) / name, links=links)
        for folder, _, names in os.walk(top)
        for name in names
    )


def _size(path: Path, *, links: bool = True) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:  # deleted meanwhile
        return 0
    return status.st_size if links or status.st_nlink == 1 else 0
