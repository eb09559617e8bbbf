"""What is needed to measure a registry: all blobs, and all that uses them, with their keys.

A hundred versions of a package of 20,000 files use two million files. So nothing here makes an
object for each use: the rows come in the order of the blobs, and can be counted as they come.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from localreg.store.rows import blob_rows
from localreg.store.rows.checked_values import COUNT, DIGEST, FLAG, TEXT, WHOLE, Columns
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection


class Blob(Frozen):
    """A blob, as far as its use of space goes.

    Attributes:
        kept: True if the registry must keep it.
        needed: True if something refers to it, or it is in the cache.
        upstream: True if an upstream registry keeps it.
    """

    digest: str
    size: int
    kept: bool
    needed: bool
    upstream: bool


class Owner(Frozen):
    """A model version, and the blob of one of its weights.

    Attributes:
        model, blob: their keys.
        package: True if the blob is the manifest of a package.
    """

    model: int
    project: str
    name: str
    blob: int
    package: bool


_BLOBS = Columns("blob", 1, pk=WHOLE, digest=DIGEST, size=COUNT, kept=FLAG, needed=FLAG,
                 upstream=FLAG)  # fmt: skip
_OWNERS = Columns("weights", model=WHOLE, project=TEXT, name=TEXT, blob=WHOLE, tree=FLAG)


def blobs(connection: Connection) -> dict[int, Blob]:
    """Return all blobs, by their keys; damaged rows are logged."""
    rows = _BLOBS.sound(
        connection,
        f"SELECT b.pk, b.digest, b.size, {blob_rows.KEPT}, {blob_rows.NEEDED}, "
        "b.upstream IS NOT NULL FROM blob b",
    )
    return {
        key: Blob(digest, size, bool(kept), bool(needed), bool(upstream))
        for key, digest, size, kept, needed, upstream in rows
    }


def owners(connection: Connection) -> list[Owner]:
    """Return the model versions and the blobs of their weights; damaged rows are logged."""
    rows = _OWNERS.sound(
        connection,
        "SELECT w.model, p.name, m.name, w.blob, w.tree FROM weights w "
        "JOIN model m ON m.pk = w.model JOIN project p ON p.pk = m.project "
        "WHERE w.blob IS NOT NULL",
    )
    return [
        Owner(model, project, name, key, bool(tree)) for model, project, name, key, tree in rows
    ]


def files_of_packages(connection: Connection) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the key of each blob that is a file of packages, and the keys of these packages."""
    rows = connection.execute(
        "SELECT blob, tree FROM tree_file WHERE blob IS NOT NULL ORDER BY blob"
    )
    for key, found in groupby(rows, itemgetter(0)):
        yield key, tuple(tree for _, tree in found)
