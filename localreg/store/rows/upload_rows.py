"""What processes write outside the registry's directory, until the weights are recorded."""

from __future__ import annotations

import sqlite3

from localreg.store.rows import keys
from localreg.store.rows.checked_values import ID, TEXT, TIME, URL, WHOLE, Columns, or_null
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection


class UploadRow(Frozen):
    """An upload that is not recorded yet, or an upload to delete.

    Attributes:
        id: part of the name of the unfinished file; in the metadata of the object.
        url: where it goes.
        owner: the mark of the process, as in `localreg.filesystem.temporary_owners`.
        at: when it began, microseconds.
        modified: mtime of the file in nanoseconds; None for an object.
        etag: of an object that is deleted; None for an upload.
    """

    id: str
    url: str
    owner: str
    at: int
    modified: int | None
    etag: str | None = None


_UPLOADS = Columns(
    "upload", id=ID, url=URL, owner=TEXT, at=TIME, modified=or_null(WHOLE), etag=or_null(TEXT)
)


def announce(connection: Connection, row: UploadRow) -> None:
    """Record what is about to be written, or deleted; in a write transaction."""
    modified = None if row.modified is None else keys.in_64_bits(row.modified)
    connection.execute(
        "INSERT INTO upload (id, url, owner, at, modified, etag) VALUES (?, ?, ?, ?, ?, ?)",
        (row.id, row.url, row.owner, row.at, modified, row.etag),
    )


def forget(connection: Connection, upload_id: str) -> None:
    """Delete the row of an upload that is recorded, or gone."""
    connection.execute("DELETE FROM upload WHERE id = ?", (upload_id,))


def is_open(connection: Connection, upload_id: str) -> bool:
    """Return True if an upload is neither recorded nor forgotten."""
    row = connection.execute("SELECT 1 FROM upload WHERE id = ?", (upload_id,)).fetchone()
    return row is not None


def uploads(connection: Connection) -> list[UploadRow]:
    """Return all uploads that are not recorded, the oldest first."""
    rows = _UPLOADS.sound(
        connection, "SELECT id, url, owner, at, modified, etag FROM upload ORDER BY at, id"
    )
    return [UploadRow(*row) for row in rows]
