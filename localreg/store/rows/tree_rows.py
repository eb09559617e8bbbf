"""Packages: the files that their manifests list, and the archives that they were unpacked from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    PACKAGE_PATH,
    TEXT,
    WHOLE,
    Columns,
    are_digests,
    object_of,
    or_null,
)
from localreg.values.manifest import Manifest, PackageFile
from localreg.values.records import Json

Connection = sqlite3.Connection

_ENTRIES = Columns("tree_file", path=PACKAGE_PATH, size=COUNT, executable=FLAG, blob=or_null(WHOLE))
_FILES = Columns(
    "tree_file", path=PACKAGE_PATH, digest=or_null(DIGEST), size=COUNT, executable=FLAG
)
_CONTENTS = Columns(
    "tree_file", path=PACKAGE_PATH, digest=or_null(DIGEST), size=COUNT, executable=FLAG,
    facts=or_null(TEXT),
)  # fmt: skip
_FACTS = Columns("tree_file", path=PACKAGE_PATH, facts=or_null(TEXT))
_COUNTS = Columns("blob", digest=DIGEST, files=COUNT)
_NUMBERS = Columns("tree_file", changed=COUNT, added=COUNT, removed=COUNT)
_DIGESTS = Columns("blob", digest=DIGEST)
_TREE = "(SELECT pk FROM blob WHERE digest = ?)"


def record(connection: Connection, digest: str, manifest: Manifest) -> None:
    """Record the files of a package; in a write transaction. It replaces what is recorded.

    Args:
        digest: of the manifest, whose blob is recorded already, as are those of the files.
    """
    (tree,) = connection.execute("SELECT pk FROM blob WHERE digest = ?", (digest,)).fetchone()
    connection.execute("UPDATE blob SET total = ? WHERE pk = ?", (manifest.total, tree))
    connection.execute("DELETE FROM tree_file WHERE tree = ?", (tree,))
    connection.executemany(
        "INSERT INTO tree_file (tree, path, blob, size, executable) "
        "VALUES (?, ?, (SELECT pk FROM blob WHERE digest = ?), ?, ?)",
        ((tree, each.path, each.digest, each.size, each.executable) for each in manifest.files),
    )
    connection.executemany(
        "INSERT INTO tree_file (tree, path, blob, size, executable) VALUES (?, ?, NULL, 0, 0)",
        ((tree, path) for path in manifest.folders),
    )


def is_recorded(connection: Connection, digest: str, total: int, count: int) -> bool:
    """Return True if all files of a package are recorded.

    Args:
        total: number of bytes of its files.
        count: number of its files and empty folders.
    """
    row = connection.execute(
        "SELECT total, (SELECT count(*) FROM tree_file WHERE tree = b.pk) FROM blob b "
        "WHERE digest = ?",
        (digest,),
    ).fetchone()
    return row is not None and tuple(row) == (total, count)


def states(connection: Connection, digest: str) -> list[tuple[str, int, int | None]]:
    """Return the digest, size and recorded change time of the blob of each file of a package."""
    sql = (
        "SELECT b.digest, b.size, b.ctime FROM tree_file f JOIN blob b ON b.pk = f.blob "
        f"WHERE f.tree = {_TREE}"
    )
    rows = connection.execute(sql, (digest,)).fetchall()
    # The digests become paths. The rest is compared with what is on the disk, and needs no check.
    if not are_digests([row[0] for row in rows]):
        _DIGESTS.all(connection, sql.replace(", b.size, b.ctime", ""), (digest,), key=digest)
    return rows


def entries(connection: Connection, digest: str) -> list[tuple[str, int, int, int | None]]:
    """Return (path, size, executable, blob) of each file of a package, and of its empty folders.

    Of an empty folder the blob is None. The list is empty if the package is not recorded.
    """
    return _ENTRIES.all(
        connection,
        f"SELECT path, size, executable, blob FROM tree_file WHERE tree = {_TREE}",
        (digest,),
        key=digest,
    )


def manifest(connection: Connection, digest: str) -> Manifest | None:
    """Return the manifest of a package, or None if it is not recorded."""
    rows = _FILES.all(
        connection,
        "SELECT f.path, b.digest, f.size, f.executable FROM tree_file f "
        f"LEFT JOIN blob b ON b.pk = f.blob WHERE f.tree = {_TREE} ORDER BY f.path",
        (digest,),
        key=digest,
    )
    if not rows:
        return None
    return Manifest(
        tuple(
            PackageFile(path, file, size, bool(executable))
            for path, file, size, executable in rows
            if file is not None
        ),
        tuple(path for path, file, _, _ in rows if file is None),
    )


def contents(
    connection: Connection, digest: str, limit: int | None = None
) -> list[tuple[PackageFile | str, Json]]:
    """Return the files of a package by path, each with the facts in its header.

    Of an empty folder there is only its path. The list is empty if the package is not recorded.

    Args:
        limit: the most files and empty folders; None for all.
    """
    rows = _CONTENTS.all(
        connection,
        "SELECT f.path, b.digest, f.size, f.executable, b.facts FROM tree_file f "
        f"LEFT JOIN blob b ON b.pk = f.blob WHERE f.tree = {_TREE} ORDER BY f.path LIMIT ?",
        (digest, -1 if limit is None else limit),
        key=digest,
    )
    return [
        (path, {})
        if file is None
        else (
            PackageFile(path, file, size, bool(executable)),
            {} if facts in (None, "{}") else object_of(facts, "blob", file, "facts"),
        )
        for path, file, size, executable, facts in rows
    ]


def facts(connection: Connection, digest: str) -> list[tuple[str, Json | None]]:
    """Return the paths of a package's files, each with the facts in its header.

    The facts are None if they were not read. The list is empty if the package is not recorded.
    """
    rows = _FACTS.all(
        connection,
        "SELECT f.path, b.facts FROM tree_file f JOIN blob b ON b.pk = f.blob "
        f"WHERE f.tree = {_TREE} ORDER BY f.path",
        (digest,),
        key=digest,
    )
    return [
        (path, None if facts is None else object_of(facts, "tree_file", path, "facts"))
        for path, facts in rows
    ]


def file(connection: Connection, digest: str, path: str) -> PackageFile | None:
    """Return one file of a package, or None if it has no such file."""
    row = _FILES.one(
        connection,
        "SELECT f.path, b.digest, f.size, f.executable FROM tree_file f "
        f"JOIN blob b ON b.pk = f.blob WHERE f.tree = {_TREE} AND f.path = ?",
        (digest, path),
        key=digest,
    )
    return None if row is None else PackageFile(row[0], row[1], row[2], bool(row[3]))


def digests(connection: Connection, digest: str) -> list[str]:
    """Return the digests of the files of a package, each once."""
    rows = _DIGESTS.all(
        connection,
        "SELECT DISTINCT b.digest FROM tree_file f JOIN blob b ON b.pk = f.blob "
        f"WHERE f.tree = {_TREE}",
        (digest,),
    )
    return [file for (file,) in rows]


def counts(connection: Connection, digests: Iterable[str]) -> dict[str, int]:
    """Return the number of files of packages, by their digests; of those that are recorded."""
    rows = _COUNTS.all(
        connection,
        "SELECT b.digest, (SELECT count(*) FROM tree_file WHERE tree = b.pk AND blob IS NOT NULL) "
        "FROM blob b WHERE b.digest IN (SELECT value FROM json_each(?)) AND b.total IS NOT NULL "
        "AND EXISTS (SELECT 1 FROM tree_file WHERE tree = b.pk)",
        (json.dumps([*digests]),),
    )
    return dict(rows)


def differences(connection: Connection, before: str, after: str) -> tuple[int, int, int] | None:
    """Return how many files of a package were changed, added and removed in another one.

    None if one of them is not recorded.
    """
    if len(counts(connection, {before, after})) < len({before, after}):
        return None
    pairs = (
        "SELECT count(*) FROM tree_file a {join} JOIN tree_file b ON b.tree = {second} "
        "AND b.path = a.path WHERE a.tree = {first} AND a.blob IS NOT NULL AND "
    )
    return _NUMBERS.all(
        connection,
        "SELECT ("
        + pairs.format(join="", first="x.pk", second="y.pk")
        + "(a.blob IS NOT b.blob OR a.executable <> b.executable)), ("
        + pairs.format(join="LEFT", first="y.pk", second="x.pk")
        + "b.path IS NULL), ("
        + pairs.format(join="LEFT", first="x.pk", second="y.pk")
        + "b.path IS NULL) FROM blob x, blob y WHERE x.digest = ? AND y.digest = ?",
        (before, after),
    )[0]


def paths(connection: Connection, digest: str) -> list[tuple[str, str]]:
    """Return path and digest of each file of a package."""
    return _PATHS.all(
        connection,
        "SELECT f.path, b.digest FROM tree_file f JOIN blob b ON b.pk = f.blob "
        f"WHERE f.tree = {_TREE} ORDER BY f.path",
        (digest,),
        key=digest,
    )


_PATHS = Columns("tree_file", path=PACKAGE_PATH, digest=DIGEST)


def places_of(connection: Connection, digest: str) -> list[tuple[str, str]]:
    """Return the packages that have a file with these bytes, and its paths in them."""
    rows = _PATHS.all(
        connection,
        "SELECT f.path, t.digest FROM blob b JOIN tree_file f ON f.blob = b.pk "
        "JOIN blob t ON t.pk = f.tree WHERE b.digest = ?",
        (digest,),
    )
    return [(tree, path) for path, tree in rows]


def packages_with(connection: Connection, digest: str) -> list[str]:
    """Return the digests of the packages that have a file with these bytes."""
    rows = _DIGESTS.all(
        connection,
        "SELECT DISTINCT t.digest FROM blob b JOIN tree_file f ON f.blob = b.pk "
        "JOIN blob t ON t.pk = f.tree WHERE b.digest = ?",
        (digest,),
    )
    return [tree for (tree,) in rows]


def record_unpacked(
    connection: Connection, archive: str, digest: str, *, made: bool = False
) -> None:
    """Record that an archive unpacks to a package, which is recorded; in a write transaction.

    Args:
        made: True for the zip that localreg makes of the package.
    """
    connection.execute(
        f"INSERT INTO unpacked (archive, tree, made) VALUES (?, {_TREE}, ?) "
        "ON CONFLICT (archive) DO UPDATE SET tree = excluded.tree, made = max(made, excluded.made)",
        (archive, digest, made),
    )


def made_archive(connection: Connection, digest: str) -> str | None:
    """Return the sha256 of the zip that localreg made of a package, or None if it is not known."""
    row = Columns("unpacked", archive=DIGEST).one(
        connection, f"SELECT archive FROM unpacked WHERE tree = {_TREE} AND made = 1", (digest,)
    )
    return None if row is None else str(row[0])


def unpacked(connection: Connection, archive: str) -> str | None:
    """Return the digest of the package that an archive unpacks to, or None if it is not known."""
    row = _DIGESTS.one(
        connection,
        "SELECT b.digest FROM unpacked u JOIN blob b ON b.pk = u.tree WHERE u.archive = ?",
        (archive,),
    )
    return None if row is None else str(row[0])


def archives(connection: Connection) -> dict[str, str]:
    """Return the archives that are known to unpack to packages, with these packages."""
    return dict(
        Columns("unpacked", archive=DIGEST, tree=DIGEST).sound(
            connection,
            "SELECT u.archive, b.digest FROM unpacked u JOIN blob b ON b.pk = u.tree",
        )
    )


def archives_of(connection: Connection, digest: str) -> list[str]:
    """Return the sha256 of the archives that are known to unpack to a package."""
    rows = Columns("unpacked", archive=DIGEST).all(
        connection, f"SELECT archive FROM unpacked WHERE tree = {_TREE} ORDER BY archive", (digest,)
    )
    return [archive for (archive,) in rows]


def forget_unpacked(connection: Connection, archives: Iterable[str]) -> None:
    """Forget what some archives unpack to; in a write transaction."""
    connection.executemany("DELETE FROM unpacked WHERE archive = ?", ((each,) for each in archives))
