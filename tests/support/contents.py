"""What tests look at: the files and the database of a registry, and what a URL names."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote


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


def unaccounted(root, *destinations):
    """Return the files in a registry, and at destinations of uploads, that no row accounts for.

    Args:
        root: where the registry is.
        destinations: folders that hold uploads of this registry, and nothing else.
    """
    root = Path(root)
    with closing(sqlite3.connect(root / "registry.db")) as connection:

        def column(sql):
            return {value for (value,) in connection.execute(sql)}

        known = column("SELECT digest FROM blob")
        urls = {unquote(url) for url in column("SELECT url FROM weights WHERE url IS NOT NULL")}
        models, tasks = column("SELECT id FROM model"), column("SELECT id FROM task")
    pages = {f"reports/models/{each}.html" for each in models}
    pages |= {f"reports/tasks/{each}.html" for each in tasks}

    def is_accounted(name):
        top, _, rest = name.partition("/")
        match top:
            case "registry.db" | "registry.db-wal" | "registry.db-shm" | "registry.db-journal":
                return True
            case "registry.db-reserve":
                return True
            case "blobs":
                return rest.removeprefix("sha256/").replace("/", "") in known
            case "files" | "trees":
                digest, _, inner = rest.partition("/")
                return digest in known and not inner.startswith(".")
            case "locks":
                return name.endswith(".lock")
            case "reports":
                shared = re.fullmatch(r"reports/(index\.html|assets/\w[^/]*)", name)
                return bool(shared) or name in pages
        return False

    strange = [name for name in below(root) if not is_accounted(name)]
    for folder in destinations:
        strange += [str(each) for each in sorted(folder.rglob("*"))
                    if each.is_file() and f"file://{each}" not in urls]  # fmt: skip
    return strange
