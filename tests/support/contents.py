"""What tests look at: the files and the database of a registry, and what a URL names."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def read(path):
    """Return the text of a file."""
    return Path(path).read_text()


def below(folder):
    """Return the paths of the files below a folder, relative to it, sorted."""
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def path_of(url):
    """Return the path that a file:// URL without escapes names."""
    assert url.startswith("file://")
    return Path(url.removeprefix("file://"))


def blobs(root):
    """Return the paths of the blobs in the registry at `root`, sorted."""
    return sorted(each for each in (Path(root) / "blobs").rglob("*") if each.is_file())


def rows(registry, sql, *parameters):
    """Return the rows of a query on the registry's database, as tuples."""
    return [tuple(row) for row in registry.db.conn.execute(sql, parameters).fetchall()]


def check_sound(root, *, events=None):
    """Check the database of the registry at `root`.

    Args:
        root: where the registry is.
        events: how many events there must be, counted from 1 without a gap; None: any.
    """
    with closing(sqlite3.connect(Path(root) / "registry.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        found = connection.execute("SELECT seq FROM event ORDER BY pk").fetchall()
    if events is not None:
        assert [seq for (seq,) in found] == list(range(1, events + 1))
