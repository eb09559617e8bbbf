"""Delete bytes that nothing needs: many in one transaction, packages before their files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.trees import local_tree
from localreg.errors import NotARegistryError, StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import TREES

# Of one transaction, which keeps other writers waiting: blobs, and files in the lists of packages.
AT_ONCE, ROWS_AT_ONCE = 200, 5_000


class Deleted(Frozen):
    """What was deleted.

    Attributes:
        sizes: the bytes of each blob whose row and file are gone; 0 for one that was not here.
        failed: why others could not be deleted, by digest.
    """

    sizes: dict[str, int]
    failed: dict[str, str]


def delete_unneeded(registry: OpenRegistry, digests: Sequence[str]) -> Deleted:
    """Delete those of some blobs that nothing needs.

    Another process may add the same bytes meanwhile: that is found out in the transaction that
    deletes them. If this process is killed, gc goes on: nothing refers to what is left.

    Args:
        digests: packages before their files. Of a package that is only needed as the file that its
            manifest is, the list of its files is forgotten.
    """
    sizes: dict[str, int] = {}
    failed: dict[str, str] = {}
    with registry.store.read() as connection:
        files = tree_rows.counts(connection, digests)
    for batch in _batches(digests, files):
        try:
            _delete(registry, batch, sizes)
        except (StorageError, NotARegistryError):
            for digest in batch:  # most of them can be deleted
                try:
                    _delete(registry, [digest], sizes)
                except (StorageError, NotARegistryError) as error:
                    failed[digest] = str(error)
    return Deleted({each: size for each, size in sizes.items() if each not in failed}, failed)


def _batches(digests: Sequence[str], files: Mapping[str, int]) -> Iterator[list[str]]:
    """Yield the digests in groups, each of so few blobs, and of so few files of packages."""
    batch: list[str] = []
    rows = 0
    for digest in digests:
        batch.append(digest)
        rows += files.get(digest, 0)
        if len(batch) == AT_ONCE or rows >= ROWS_AT_ONCE:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _delete(registry: OpenRegistry, digests: Sequence[str], sizes: dict[str, int]) -> None:
    with deleting(registry) as (connection, delete):
        folders = _folders_of_users(registry, connection, digests)
        blob_rows.forget_packages(connection, digests)
        gone = blob_rows.deletable(connection, digests)
        for digest in folders.keys() & set(gone):
            local_tree.quarantine(registry.blobs, digest, folders[digest])
        blob_rows.forget(connection, gone)
        for digest in gone:
            sizes.setdefault(digest, 0)
        sizes |= delete(gone)


def _folders_of_users(
    registry: OpenRegistry, connection: blob_rows.Connection, digests: Iterable[str]
) -> dict[str, Path]:
    """Return the folders of packages to which somebody added files; those are never deleted."""
    trees = registry.blobs.folder_path(TREES)
    found = {}
    with disk_errors("deleting weights", trees):
        there = {*os.listdir(trees)} if trees.is_dir() else set()
        for digest in there.intersection(digests):
            entries = tree_rows.entries(connection, digest)
            if entries and local_tree.added(trees / digest, entries):
                found[digest] = trees / digest
    return found


@contextmanager
def deleting(
    registry: OpenRegistry,
) -> Iterator[tuple[blob_rows.Connection, Callable[[Iterable[str]], dict[str, int]]]]:
    """A write transaction: yield its connection, and a function that deletes blobs.

    The function takes digests, and returns the sizes of those that were here. What takes long is
    deleted after the transaction.
    """
    aside: list[Path] = []
    try:
        with registry.store.write() as change:
            yield change.connection, lambda digests: registry.blobs.delete(digests, aside)
    finally:
        if aside:
            from localreg.blobs.archives.unpacking import remove_tree

            for folder in aside:
                with disk_errors("deleting weights", folder):
                    remove_tree(folder)
