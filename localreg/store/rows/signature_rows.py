"""The signatures of models, as they are recorded: only a check shows that one is true."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from localreg.store.rows.checked_values import COUNT, DIGEST, ID, TEXT, TIME, Columns
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection


class SignatureRow(Frozen):
    """A recorded signature.

    Attributes:
        id: of its event.
        digest: of the weights that were signed.
        file: sha256 of the signature file.
        size: number of bytes of that file.
        signer: which key or certificate it names; "" for none.
        at: when it was recorded, microseconds.
    """

    id: str
    digest: str
    file: str
    size: int
    signer: str
    at: int


_ROWS = Columns("signature", id=ID, digest=DIGEST, file=DIGEST, size=COUNT, signer=TEXT, at=TIME)
_FROM = "FROM model m JOIN signature s ON s.model = m.pk JOIN blob b ON b.pk = s.blob"
_ARRIVED = f"{_FROM} LEFT JOIN event e ON e.event_id = s.id"
_OF_WEIGHTS = "WHERE m.id = ? AND s.digest = ?"


def some(connection: Connection, model_id: str, digest: str) -> bool:
    """Return True if there is a signature of some weights of a model.

    Args:
        digest: of the weights.
    """
    row = connection.execute(
        f"SELECT 1 {_FROM} {_OF_WEIGHTS} LIMIT 1", (model_id, digest)
    ).fetchone()
    return row is not None


def signed_models(connection: Connection) -> set[str]:
    """Return the ids of the models with a signature of the weights that they have now."""
    rows = connection.execute(
        "SELECT DISTINCT m.id FROM signature s CROSS JOIN model m ON m.pk = s.model "
        "JOIN weights w ON w.model = m.pk AND w.current = 1 JOIN blob b ON b.pk = w.blob "
        "WHERE b.digest = s.digest"
    )
    return {id_ for (id_,) in rows}


def of_weights(
    connection: Connection,
    model_id: str,
    digest: str,
    *,
    first: Sequence[str] = (),
    limit: int | None = None,
) -> list[SignatureRow]:
    """Return the signatures of some weights of a model.

    Who may send events may send any number of signatures later, with any time and any signer: so
    they come in the order in which they came here, and those that name something else have a
    limit of their own.

    Args:
        digest: of the weights.
        first: those that name one of these come first. Of these, and of the others, those come
            first that were made in this registry.
        limit: the most to return of these, and of the others; None for all.
    """
    rows = _ROWS.all(
        connection,
        "WITH found AS (SELECT s.id, s.digest, b.digest AS file, b.size, s.signer, s.at, "
        "s.signer IN (SELECT value FROM json_each(?)) AS named, e.arrived "
        f"{_ARRIVED} {_OF_WEIGHTS}), "
        "ordered AS (SELECT *, row_number() OVER (PARTITION BY named "
        "ORDER BY arrived IS NOT NULL, arrived, at, id) AS place FROM found) "
        "SELECT id, digest, file, size, signer, at FROM ordered WHERE place <= ? "
        "ORDER BY NOT named, place",
        (json.dumps(list(first)), model_id, digest, 2**62 if limit is None else limit),
        key=model_id,
    )
    return [SignatureRow(*row) for row in rows]


def has_file(connection: Connection, model_id: str, digest: str, file: str, *, among: int) -> bool:
    """Return True if a signature file is one of the first of some weights of a model.

    Args:
        digest: of the weights.
        file: sha256 of the signature file.
        among: how many are looked at, in the order of `of_weights`: it may be hidden by others.
    """
    row = connection.execute(
        "SELECT 1 FROM (SELECT b.digest AS file "
        f"{_ARRIVED} {_OF_WEIGHTS} "
        "ORDER BY e.arrived IS NOT NULL, e.arrived, s.at, s.id LIMIT ?) WHERE file = ?",
        (model_id, digest, among, file),
    ).fetchone()
    return row is not None
