"""Which bytes go along with a model or task: of its pictures, files, artifacts and signatures."""

from __future__ import annotations

import sqlite3

from localreg.store.rows import tree_rows
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    NAME,
    TEXT,
    Columns,
    object_of,
    or_null,
)
from localreg.values.frozen import Frozen
from localreg.values.records import Owner


class CarriedBlob(Frozen):
    """A blob that a report or an artifact needs.

    Attributes:
        filename: its name; None if none is recorded.
        package: if the blob is the manifest of a package: path, digest and size of its files.
    """

    digest: str
    size: int
    filename: str | None
    package: tuple[tuple[str, str, int], ...] | None = None


class CarriedSignature(Frozen):
    """A signature of a model, as `model.signed` records it.

    Attributes:
        digest: of the weights that were signed.
        signature, size: the sha256 of the file that holds the signature, and its bytes.
        signer: which key it names.
    """

    digest: str
    signature: str
    size: int
    signer: str


_SIGNATURES = Columns("signature", digest=DIGEST, signature=DIGEST, size=COUNT, signer=TEXT)
_MEDIA = Columns("plot", digest=DIGEST, size=COUNT, spec=TEXT)
_ARTIFACTS = Columns("artifact", digest=DIGEST, size=COUNT, filename=or_null(NAME), package=FLAG)


def signatures_of(connection: sqlite3.Connection, model: str) -> list[CarriedSignature]:
    """Return the signatures of a model, of any of its weights, each once.

    Raises:
        DamagedRowError: a row is one that localreg does not write.
    """
    rows = _SIGNATURES.all(
        connection,
        "SELECT s.digest, b.digest, b.size, s.signer FROM model m JOIN signature s "
        "ON s.model = m.pk JOIN blob b ON b.pk = s.blob WHERE m.id = ? "
        "ORDER BY s.digest, b.digest, s.id",
        (model,),
    )
    found = {(row[0], row[1]): CarriedSignature(*row) for row in reversed(rows)}
    return [found[key] for key in sorted(found)]


def blobs_of(connection: sqlite3.Connection, owner: Owner) -> list[CarriedBlob]:
    """Return the blobs that the reports and artifacts of a model or task need, each once.

    They are sorted by digest. Weights are not among them: revisions of models name those.

    Raises:
        DamagedRowError: a row is one that localreg does not write.
    """
    found = {}
    for digest, size, spec in _MEDIA.all(
        connection,
        f"SELECT b.digest, b.size, p.spec FROM {owner.kind} o JOIN plot p ON p.{owner.kind} = o.pk "
        "JOIN blob b ON b.pk = p.blob WHERE o.id = ? ORDER BY b.digest, p.spec",
        (owner.id,),
    ):
        options = object_of(spec, "plot", owner.id, "spec").get("options")
        name = options.get("filename") if isinstance(options, dict) else None
        found[digest] = CarriedBlob(digest, size, name if isinstance(name, str) else None)
    if owner.kind == "task":
        for digest, size, filename, package in _ARTIFACTS.all(
            connection,
            "SELECT b.digest, b.size, x.filename, x.kind = 'package' FROM task t "
            "JOIN artifact x ON x.task = t.pk JOIN blob b ON b.pk = x.blob WHERE t.id = ? "
            "ORDER BY b.digest, x.kind = 'package', x.filename",
            (owner.id,),
        ):
            manifest = tree_rows.manifest(connection, digest) if package else None
            files = None
            if manifest is not None:
                files = tuple((each.path, each.digest, each.size) for each in manifest.files)
            found[digest] = CarriedBlob(digest, size, filename, files)
    return [found[digest] for digest in sorted(found)]
