"""What is needed to measure a registry: all blobs, and all that uses them, with their keys.

A hundred versions of a package of 20,000 files use two million files. So nothing here makes an
object for each use: the rows come in the order of the blobs, and can be counted as they come. Of
200,000 blobs no list is made either.
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
    """

    model: int
    project: str
    name: str
    blob: int


_BLOBS = Columns("blob", 1, pk=WHOLE, digest=DIGEST, size=COUNT, kept=FLAG, needed=FLAG,
                 upstream=FLAG)  # fmt: skip
_OWNERS = Columns("weights", model=WHOLE, project=TEXT, name=TEXT, blob=WHOLE, tree=FLAG)
_OWNED = """
SELECT w.model, p.name, m.name, w.blob, w.tree FROM weights w
JOIN model m ON m.pk = w.model JOIN project p ON p.pk = m.project
WHERE w.blob IS NOT NULL"""


def blobs(connection: Connection) -> Iterator[tuple[int, Blob]]:
    """Yield the key of each blob, and the blob, in the order of keys; damaged rows are logged."""
    rows = _BLOBS.sound_stream(
        connection,
        f"SELECT b.pk, b.digest, b.size, {blob_rows.KEPT}, {blob_rows.NEEDED}, "
        "b.upstream IS NOT NULL FROM blob b ORDER BY b.pk",
    )
    for key, digest, size, kept, needed, upstream in rows:
        yield key, Blob(digest, size, bool(kept), bool(needed), bool(upstream))


def owners(connection: Connection) -> Iterator[tuple[int, list[Owner]]]:
    """Yield the key of each blob of weights, and who has it, in the order of keys.

    Damaged rows are logged.
    """
    rows = _OWNERS.sound_stream(connection, f"{_OWNED} ORDER BY w.blob, w.pk")
    for key, found in groupby(rows, itemgetter(3)):
        yield key, [Owner(model, project, name, key) for model, project, name, _, _ in found]


def package_owners(connection: Connection) -> dict[int, list[Owner]]:
    """Return who has the packages, by the keys of their manifests; damaged rows are logged."""
    owners: dict[int, list[Owner]] = {}
    rows = _OWNERS.sound_stream(connection, f"{_OWNED} AND w.tree ORDER BY w.blob, w.pk")
    for model, project, name, key, _ in rows:
        owners.setdefault(key, []).append(Owner(model, project, name, key))
    return owners


def files_of_packages(connection: Connection) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the key of each blob that is a file of packages, and the keys of these packages.

    They come in the order of the blobs' keys.
    """
    rows = connection.execute(  # a damaged key is no number, and has no place in this order
        "SELECT blob, tree FROM tree_file WHERE blob IS NOT NULL AND typeof(blob) = 'integer' "
        "ORDER BY blob"
    )
    for key, found in groupby(rows, itemgetter(0)):
        yield key, tuple(tree for _, tree in found)
