"""Blobs, what URLs served, and digests of known files."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from localreg import log
from localreg.errors import DamagedRowError
from localreg.store.rows import keys
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    FLAG,
    HEADER,
    ID,
    NAME,
    PACKAGE_PATH,
    TEXT,
    TIME,
    URL,
    WHOLE,
    Columns,
    fetched,
    is_digest,
    object_of,
    or_null,
)
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from localreg.filesystem.plain_files import FileStatus

    Record = TypeVar("Record", bound=Frozen)

Connection = sqlite3.Connection


class BlobRow(Frozen):
    """A blob.

    Attributes:
        added: when its row was made, microseconds.
        verified: when its bytes were last hashed, microseconds; None if never, or if damaged.
        ctime: change time of its file at `verified`, nanoseconds.
        unreferenced: since when nothing refers to it, microseconds; 0 if gc need not wait.
        facts: what its headers say about its content; None if they were not read.
        upstream: directory of the upstream registry that keeps the bytes; None if they are here.
        total: of the manifest of a package: the bytes of its files; None for any other blob.
    """

    digest: str
    size: int
    added: int
    verified: int | None
    ctime: int | None
    unreferenced: int | None
    facts: Json | None
    upstream: str | None
    total: int | None


class New(Frozen):
    """Bytes that came here and were hashed just now; the attributes are those of `record`."""

    digest: str
    size: int
    ctime: int
    sample: str | None
    facts: Json | None


class Served(Frozen):
    """What a URL served.

    Attributes:
        etag, modified: the headers ETag and Last-Modified of the answer.
        fetched: time of the download, microseconds.
    """

    url: str
    digest: str
    size: int
    etag: str | None
    modified: str | None
    fetched: int


_COLUMNS = "digest, size, added, verified, ctime, unreferenced, upstream, total, facts"
_BLOB = f"SELECT {_COLUMNS} FROM blob"
_RULES = {
    "digest": DIGEST, "size": COUNT, "added": TIME, "verified": or_null(TIME),
    "ctime": or_null(WHOLE), "unreferenced": or_null(TIME), "upstream": or_null(TEXT),
    "total": or_null(COUNT), "facts": or_null(TEXT),
}  # fmt: skip
_BLOBS = Columns("blob", **_RULES)
_DIGESTS = Columns("blob", digest=DIGEST)
# Conditions on a blob b. The files of a package are needed as long as the package is: as a package,
# not only as a file that happens to have the bytes of its manifest.
_PACKAGE_REFERRED = (
    "(EXISTS (SELECT 1 FROM weights WHERE blob = {0} AND tree = 1) "
    "OR EXISTS (SELECT 1 FROM artifact WHERE blob = {0} AND kind = 'package'))"
)
_PACKAGE_KEPT = (
    "(EXISTS (SELECT 1 FROM weights WHERE blob = {0} AND tree = 1 AND kept = 1) "
    "OR EXISTS (SELECT 1 FROM artifact WHERE blob = {0} AND kind = 'package'))"
)
_REFERRED = (
    "(EXISTS (SELECT 1 FROM weights WHERE blob = {0}.pk) "
    "OR EXISTS (SELECT 1 FROM artifact WHERE blob = {0}.pk) "
    "OR EXISTS (SELECT 1 FROM plot WHERE blob = {0}.pk) "
    "OR EXISTS (SELECT 1 FROM signature WHERE blob = {0}.pk) "
    "OR EXISTS (SELECT 1 FROM open_dataset_file WHERE blob = {0}.pk) "
    "OR EXISTS (SELECT 1 FROM tree_file f WHERE f.blob = {0}.pk "
    f"AND {_PACKAGE_REFERRED.format('f.tree')}))"
)
KEPT = (
    "(EXISTS (SELECT 1 FROM weights WHERE blob = b.pk AND kept = 1) "
    "OR EXISTS (SELECT 1 FROM artifact WHERE blob = b.pk) "
    "OR EXISTS (SELECT 1 FROM plot WHERE blob = b.pk) "
    "OR EXISTS (SELECT 1 FROM signature WHERE blob = b.pk) "
    "OR EXISTS (SELECT 1 FROM open_dataset_file WHERE blob = b.pk) "
    "OR EXISTS (SELECT 1 FROM tree_file f WHERE f.blob = b.pk "
    f"AND {_PACKAGE_KEPT.format('f.tree')}))"
)
# Kept, or without a URL that would bring it back: one that is private did not come with the model.
_ALONE_HERE = KEPT.replace("kept = 1", "(kept = 1 OR url IS NULL)")
_PACKAGE_ALONE_HERE = _PACKAGE_KEPT.replace("kept = 1", "(kept = 1 OR url IS NULL)")
# An archive that is outside, or that something needs or a URL served: its package is in the cache.
# The zip that localreg makes of a package would not bring it back.
_UNPACKED = (
    "EXISTS (SELECT 1 FROM unpacked u WHERE u.tree = {0} AND u.made = 0 AND ("
    "NOT EXISTS (SELECT 1 FROM blob a WHERE a.digest = u.archive) "
    "OR EXISTS (SELECT 1 FROM blob a WHERE a.digest = u.archive AND ("
    "EXISTS (SELECT 1 FROM url WHERE blob = a.pk) "
    f"OR {_REFERRED.format('a')}))))"
)
_PACKAGE_NEEDED = f"({_PACKAGE_REFERRED} OR {_UNPACKED})"
NEEDED = (
    f"({_REFERRED.format('b')} OR EXISTS (SELECT 1 FROM url WHERE blob = b.pk) "
    f"OR {_UNPACKED.format('b.pk')} "
    "OR EXISTS (SELECT 1 FROM tree_file f WHERE f.blob = b.pk "
    f"AND {_UNPACKED.format('f.tree')}))"
)
_REFERRED = _REFERRED.format("b")
_PACKAGE = f"(total IS NOT NULL OR {_PACKAGE_REFERRED.format('b.pk')})"
_KNOWN = f"SELECT {_COLUMNS}, {KEPT}, {_PACKAGE} FROM blob b"
_KNOWN_ROWS = Columns("blob", **_RULES, kept=FLAG, package=FLAG)


def blob(connection: Connection, digest: str) -> BlobRow | None:
    """Return the row of a blob, or None."""
    row = _BLOBS.one(connection, f"{_BLOB} WHERE digest = ?", (digest,))
    return None if row is None else _blob_row(row)


def blobs(connection: Connection) -> Iterator[BlobRow]:
    """Yield the sound rows of all blobs, by digest; damaged ones are logged."""
    yield from _sound(connection, f"{_BLOB} ORDER BY digest")


def with_upstream(connection: Connection) -> list[BlobRow]:
    """Return the sound rows of the blobs that an upstream registry keeps; damaged are logged."""
    return list(_sound(connection, f"{_BLOB} WHERE upstream IS NOT NULL ORDER BY digest"))


def rows_at(connection: Connection, places: Sequence[int]) -> list[BlobRow]:
    """Return the sound rows of some blobs, by digest; damaged ones are logged.

    Args:
        places: some of those that `places` returned.
    """
    sql = f"{_BLOB} WHERE pk IN (SELECT value FROM json_each(?)) ORDER BY digest"
    return list(_sound(connection, sql, (json.dumps(places),)))


class Known(Frozen):
    """What is known of a blob. A row that was deleted and made again has other times.

    Attributes:
        kept: the registry must keep the bytes.
        package: it is a package, or should be.
    """

    row: BlobRow
    kept: bool
    package: bool


def known(connection: Connection, digest: str) -> Known | None:
    """Return what is known of a blob, or None."""
    row = _KNOWN_ROWS.one(connection, f"{_KNOWN} WHERE digest = ?", (digest,))
    return None if row is None else _known(row)


def all_known(connection: Connection, places: Sequence[int]) -> list[Known]:
    """Return what is known of many blobs, by digest; damaged rows are logged.

    Args:
        places: some of those that `places` returned.
    """
    sql = f"{_KNOWN} WHERE pk IN (SELECT value FROM json_each(?)) ORDER BY digest"
    return list(_made(_KNOWN_ROWS.sound(connection, sql, (json.dumps(places),)), _known))


def _known(row: tuple[Any, ...]) -> Known:
    *values, kept_, package = row
    return Known(_blob_row(tuple(values)), bool(kept_), bool(package))


def places(
    connection: Connection, digests: Iterable[str] | None = None
) -> list[tuple[int, object]]:
    """Return the keys of blobs in the order of their digests, with their sizes.

    Args:
        digests: of which; those without a row are left out. None for all.
    """
    among = "" if digests is None else "WHERE digest IN (SELECT value FROM json_each(?))"
    parameters = () if digests is None else (_listed(digests),)
    return fetched(connection, f"SELECT pk, size FROM blob {among} ORDER BY digest", parameters)


def sizes(connection: Connection) -> dict[str, int]:
    """Return the sizes of all blobs, in the order of their digests; damaged rows are logged."""
    sql = "SELECT digest, size FROM blob ORDER BY digest"
    return dict(Columns("blob", digest=DIGEST, size=COUNT).sound(connection, sql))


def digests(connection: Connection) -> set[str]:
    """Return the digests of all blobs."""
    rows = _DIGESTS.all(connection, "SELECT digest FROM blob")
    return {digest for (digest,) in rows}


def _sound(
    connection: Connection, sql: str, parameters: Sequence[object] = ()
) -> Iterator[BlobRow]:
    return _made(_BLOBS.sound_stream(connection, sql, parameters), _blob_row)


def _made(
    rows: Iterable[tuple[Any, ...]], make: Callable[[tuple[Any, ...]], Record]
) -> Iterator[Record]:
    for row in rows:
        try:
            yield make(row)
        except DamagedRowError as error:
            log.warning("%s", error)


def _blob_row(row: tuple[Any, ...]) -> BlobRow:
    digest, size, added, verified, ctime, unreferenced, upstream, total, facts = row
    known = None if facts is None else object_of(facts, "blob", digest, "facts")
    return BlobRow(digest, size, added, verified, ctime, unreferenced, known, upstream, total)


def facts(connection: Connection, digest: str) -> Json | None:
    """Return what a blob's headers say, or None if they were not read."""
    found = blob(connection, digest)
    return None if found is None else found.facts


def has_total(connection: Connection, total: int) -> bool:
    """Return True if there is a package whose files have this number of bytes."""
    row = connection.execute("SELECT 1 FROM blob WHERE total = ? LIMIT 1", (total,)).fetchone()
    return row is not None


def has_sample(connection: Connection, size: int, sample: str) -> bool:
    """Return True if there is a blob of this size and sample."""
    row = connection.execute(
        "SELECT 1 FROM blob WHERE size = ? AND sample = ? LIMIT 1", (size, sample)
    ).fetchone()
    return row is not None


def record(
    connection: Connection,
    digest: str,
    size: int,
    ctime: int,
    sample: str,
    facts: Json | None,
) -> None:
    """Record that the bytes of a digest are here and were hashed just now; in a write transaction.

    Args:
        ctime: change time of the blob's file, nanoseconds.
        sample: digest of its first and last bytes.
        facts: what its headers say; None keeps what is recorded.
    """
    moment = now()
    text = None if facts is None else json.dumps(facts, ensure_ascii=False)
    connection.execute(
        "INSERT INTO blob (digest, size, added, verified, ctime, sample, facts) "
        "VALUES (:digest, :size, :now, :now, :ctime, :sample, :facts) "
        "ON CONFLICT (digest) DO UPDATE SET size = :size, verified = :now, ctime = :ctime, "
        "sample = :sample, unreferenced = NULL, facts = COALESCE(:facts, facts), upstream = NULL",
        {
            "digest": digest,
            "size": size,
            "now": moment,
            "ctime": ctime,
            "sample": sample,
            "facts": text,
        },
    )


def record_facts(connection: Connection, digest: str, facts: Json) -> None:
    """Record what is known about a package, or about the content of a blob."""
    connection.execute(
        "UPDATE blob SET facts = ? WHERE digest = ?",
        (json.dumps(facts, ensure_ascii=False), digest),
    )


def record_elsewhere(connection: Connection, digest: str, size: int) -> None:
    """Make a row for bytes that are not here, unless they have one; in a write transaction."""
    connection.execute(
        "INSERT OR IGNORE INTO blob (digest, size, added) VALUES (?, ?, ?)", (digest, size, now())
    )


def record_upstream(
    connection: Connection, digest: str, size: int, place: str, facts: Json | None
) -> None:
    """Record that an upstream registry keeps the bytes of a digest; in a write transaction.

    Args:
        place: its directory.
        facts: what its headers say; None keeps what is recorded.
    """
    text = None if facts is None else json.dumps(facts, ensure_ascii=False)
    connection.execute(
        "INSERT INTO blob (digest, size, added, facts, upstream) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (digest) DO UPDATE SET verified = NULL, ctime = NULL, unreferenced = NULL, "
        "facts = COALESCE(excluded.facts, facts), upstream = excluded.upstream",
        (digest, size, now(), text, place),
    )


def rows_of(connection: Connection, digests: Iterable[str]) -> dict[str, BlobRow]:
    """Return the rows of those of these blobs that have one, by digest."""
    rows = _BLOBS.all(
        connection, f"{_BLOB} WHERE digest IN (SELECT value FROM json_each(?))", (_listed(digests),)
    )
    return {row[0]: _blob_row(row) for row in rows}


def recorded(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Return those of these digests that have a row."""
    rows = connection.execute(
        "SELECT digest FROM blob WHERE digest IN (SELECT value FROM json_each(?))",
        (_listed(digests),),
    )
    return {digest for (digest,) in rows}


def sizes_of(connection: Connection, sizes: Iterable[int]) -> set[int]:
    """Return those of these numbers of bytes that some blob has."""
    rows = connection.execute(
        "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM blob WHERE size = value)",
        (json.dumps(list(sizes)),),
    )
    return {size for (size,) in rows}


def have_rows(connection: Connection, digests: Collection[str]) -> bool:
    """Return True if each of these digests, which differ, has a row."""
    (count,) = connection.execute(
        "SELECT count(*) FROM blob WHERE digest IN (SELECT value FROM json_each(?))",
        (_listed(digests),),
    ).fetchone()
    return bool(count == len(digests))


def record_many(connection: Connection, files: Sequence[New]) -> None:
    """Record that the bytes of many digests are here, as `record` does for one."""
    moment = now()
    connection.executemany(
        "INSERT INTO blob (digest, size, added, verified, ctime, sample, facts) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (digest) DO UPDATE SET size = excluded.size, verified = excluded.verified, "
        "ctime = excluded.ctime, sample = COALESCE(excluded.sample, sample), "
        "unreferenced = NULL, facts = COALESCE(excluded.facts, facts), upstream = NULL",
        (
            (
                each.digest,
                each.size,
                moment,
                moment,
                each.ctime,
                each.sample,
                _text(each.facts),
            )
            for each in files
        ),
    )


def _text(facts: Json | None) -> str | None:
    # Of most files nothing is known, and there may be thousands.
    return "{}" if facts == {} else None if facts is None else json.dumps(facts, ensure_ascii=False)


def mark_many_referred(connection: Connection, digests: Iterable[str]) -> None:
    """Record that something is about to refer to many blobs, as `mark_referred` for one."""
    connection.execute(
        "UPDATE blob SET unreferenced = NULL WHERE unreferenced IS NOT NULL "
        "AND digest IN (SELECT value FROM json_each(?))",
        (_listed(digests),),
    )


def _listed(digests: Iterable[str]) -> str:
    return json.dumps(list(digests))


def record_sizes(connection: Connection, sizes: Mapping[str, int]) -> None:
    """Record blobs that may be nowhere, so that a package can list them; known ones stay."""
    moment = now()
    connection.executemany(
        "INSERT OR IGNORE INTO blob (digest, size, added) VALUES (?, ?, ?)",
        ((digest, size, moment) for digest, size in sizes.items()),
    )


def record_verified(connection: Connection, ctimes: Mapping[str, int | None]) -> None:
    """Record that blobs were hashed again, and their ctimes; None for one that was damaged."""
    moment = now()
    connection.executemany(
        "UPDATE blob SET verified = ?, ctime = ? WHERE digest = ?",
        ((None if ctime is None else moment, ctime, digest) for digest, ctime in ctimes.items()),
    )


def record_linked(connection: Connection, ctimes: Iterable[tuple[str, int, int]]) -> None:
    """Record the new change times of blobs that got a further name; in a write transaction.

    Args:
        ctimes: digest, the time before and the time after; a blob of another time stays as it is.
    """
    connection.executemany(
        "UPDATE blob SET ctime = ? WHERE digest = ? AND ctime = ?",
        ((after, digest, before) for digest, before, after in ctimes),
    )


def record_files(connection: Connection, files: Iterable[tuple[str, int | None, int]]) -> None:
    """Record what is known of the files of blobs; in a write transaction.

    Args:
        files: digest, `verified` and `ctime`, as in `BlobRow`.
    """
    connection.executemany(
        "UPDATE blob SET verified = ?, ctime = ? WHERE digest = ?",
        ((verified, ctime, digest) for digest, verified, ctime in files),
    )


def referred(connection: Connection, digest: str) -> bool:
    """Return True if weights, artifacts, plots or signatures refer to a blob, even as a cache.

    A package that they refer to refers to its files.
    """
    return _holds(connection, _REFERRED, digest)


def referred_blobs(connection: Connection) -> list[tuple[str, int]]:
    """Return digest and size of all blobs that anything refers to as `referred`, by digest."""
    return Columns("blob", digest=DIGEST, size=COUNT).all(
        connection, f"SELECT digest, size FROM blob b WHERE {_REFERRED} ORDER BY digest"
    )


class Needed(Frozen):
    """Bytes that a model or task needs.

    Attributes:
        digest, size: of the bytes.
        alone: True if no URL would bring them back.
    """

    digest: str
    size: int
    alone: bool


_NEEDED_ROWS = Columns("blob", digest=DIGEST, size=COUNT, alone=FLAG)


def needed_among(connection: Connection, digests: Iterable[str]) -> list[Needed]:
    """Return those of these blobs that anything refers to, with the files of packages, by digest.

    Args:
        digests: also such as no blob has.
    """
    select = f"SELECT b.digest, b.size, {_ALONE_HERE}"
    rows = _NEEDED_ROWS.all(
        connection,
        f"{select} FROM blob b WHERE b.digest IN (SELECT value FROM json_each(:digests)) "
        f"AND {_REFERRED} UNION "
        f"{select} FROM blob t JOIN tree_file f ON f.tree = t.pk JOIN blob b ON b.pk = f.blob "
        "WHERE t.digest IN (SELECT value FROM json_each(:digests)) "
        f"AND {_PACKAGE_REFERRED.format('t.pk')} ORDER BY 1",
        {"digests": _listed(digests)},
    )
    return [Needed(digest, size, bool(alone)) for digest, size, alone in rows]


def pointed_to(connection: Connection, models: Iterable[str]) -> list[tuple[str, str]]:
    """Return references of models, and the ``file://`` URLs of weights that were never hashed."""
    rows = _POINTED_TO.all(
        connection,
        "SELECT p.name, m.name, m.version, w.url FROM json_each(?) i "
        "JOIN model m ON m.id = i.value JOIN project p ON p.pk = m.project "
        "JOIN weights w ON w.model = m.pk WHERE w.blob IS NULL AND w.url LIKE 'file://%' "
        "ORDER BY 1, 2, 3",
        (_listed(models),),
    )
    return [
        (f"{project}/{name}:{version}".lstrip("/"), url) for project, name, version, url in rows
    ]


_POINTED_TO = Columns("weights", project=TEXT, name=TEXT, version=COUNT, url=URL)


def unlisted_packages(connection: Connection) -> list[tuple[str, int]]:
    """Return digest and size of the manifests of packages that are needed, and not recorded."""
    return Columns("blob", digest=DIGEST, size=COUNT).all(
        connection,
        f"SELECT digest, size FROM blob b WHERE {_PACKAGE_REFERRED.format('b.pk')} "
        "AND NOT EXISTS (SELECT 1 FROM tree_file WHERE tree = b.pk) ORDER BY digest",
    )


def digests_of_models(connection: Connection, models: Iterable[str]) -> set[str]:
    """Return the digests of all weights of some models, and of their signatures."""
    rows = _DIGESTS.all(
        connection,
        "SELECT b.digest FROM json_each(:models) i JOIN model m ON m.id = i.value "
        "JOIN weights w ON w.model = m.pk JOIN blob b ON b.pk = w.blob UNION "
        "SELECT b.digest FROM json_each(:models) i JOIN model m ON m.id = i.value "
        "JOIN signature s ON s.model = m.pk JOIN blob b ON b.pk = s.blob",
        {"models": _listed(models)},
    )
    return {digest for (digest,) in rows}


def signature_files(connection: Connection, model: str) -> list[str]:
    """Return the digests of the signatures of a model."""
    rows = _DIGESTS.all(
        connection,
        "SELECT DISTINCT b.digest FROM model m JOIN signature s ON s.model = m.pk "
        "JOIN blob b ON b.pk = s.blob WHERE m.id = ? ORDER BY b.digest",
        (model,),
    )
    return [digest for (digest,) in rows]


def used_by_others(connection: Connection, digest: str, models: Collection[str]) -> bool:
    """Return True if anything but the weights and signatures of some models refers to a blob."""
    if any(each.model not in models for each in uses(connection, digest)):
        return True
    row = connection.execute(
        "SELECT 1 FROM blob b WHERE digest = ? AND ("
        "EXISTS (SELECT 1 FROM artifact WHERE blob = b.pk OR blob IN "
        "(SELECT tree FROM tree_file WHERE blob = b.pk)) "
        "OR EXISTS (SELECT 1 FROM plot WHERE blob = b.pk) "
        "OR EXISTS (SELECT 1 FROM open_dataset_file WHERE blob = b.pk))",
        (digest,),
    ).fetchone()
    return row is not None


def kept(connection: Connection, digest: str) -> bool:
    """Return True if the registry must keep the bytes of a blob."""
    return _holds(connection, KEPT, digest)


def _holds(connection: Connection, condition: str, digest: str) -> bool:
    sql = f"SELECT {condition} FROM blob b WHERE digest = ?"
    row = connection.execute(sql, (digest,)).fetchone()
    return row is not None and bool(row[0])


def kept_digests(connection: Connection) -> set[str]:
    """Return the digests of the blobs that the registry must keep."""
    rows = _DIGESTS.sound(connection, f"SELECT digest FROM blob b WHERE {KEPT}")
    return {digest for (digest,) in rows}


def kept_among(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Return those of these digests whose blobs the registry must keep."""
    sql = f"SELECT digest FROM blob b WHERE digest IN (SELECT value FROM json_each(?)) AND {KEPT}"
    return {digest for (digest,) in _DIGESTS.sound(connection, sql, (_listed(digests),))}


def alone_here(connection: Connection) -> set[str]:
    """Return the digests of the blobs that are no cache: kept, or of weights without a URL."""
    rows = _DIGESTS.sound(connection, f"SELECT digest FROM blob b WHERE {_ALONE_HERE}")
    return {digest for (digest,) in rows}


def is_alone_here(connection: Connection, digest: str) -> bool:
    """Return True if a blob is no cache: kept, or of weights without a URL."""
    return _holds(connection, _ALONE_HERE, digest)


def packages(connection: Connection) -> set[str]:
    """Return the digests of the blobs that are packages, or should be."""
    rows = _DIGESTS.sound(connection, f"SELECT digest FROM blob b WHERE {_PACKAGE}")
    return {digest for (digest,) in rows}


def unneeded(connection: Connection) -> list[BlobRow]:
    """Return the blobs that nothing refers to, and that no URL or archive brought here."""
    return list(_sound(connection, f"{_BLOB} b WHERE NOT {NEEDED} ORDER BY digest"))


def mark_unreferred(connection: Connection, digests: Iterable[str]) -> None:
    """Record the time since when nothing refers to these blobs; keep an earlier time.

    With a package its files are marked, and with an archive the packages that it unpacks to.
    """
    moment = now()
    for tree in _with_packages(connection, digests):
        for which in (_ITSELF, _ITS_FILES):
            connection.execute(
                f"UPDATE blob AS b SET unreferenced = ? WHERE {which} AND unreferenced IS NULL "
                f"AND NOT {_REFERRED}",
                (moment, tree),
            )


def spare(connection: Connection, digests: Iterable[str]) -> None:
    """Let the grace period of those of these blobs that nothing refers to begin now."""
    connection.execute(
        "UPDATE blob AS b SET unreferenced = ? "
        f"WHERE digest IN (SELECT value FROM json_each(?)) AND NOT {_REFERRED}",
        (now(), _listed(digests)),
    )


_ITSELF = "pk = ?"
_ITS_FILES = "pk IN (SELECT blob FROM tree_file WHERE tree = ?)"


def _with_packages(connection: Connection, digests: Iterable[str]) -> list[int]:
    """Return the keys of blobs, and of the packages that those unpack to that are archives."""
    found: dict[int, None] = {}
    for digest in digests:
        rows = connection.execute(
            "SELECT pk FROM blob WHERE digest = :digest "
            "UNION ALL SELECT tree FROM unpacked WHERE archive = :digest",
            {"digest": digest},
        )
        found |= dict.fromkeys(key for (key,) in rows)
    return list(found)


def correct_marks(connection: Connection) -> None:
    """Let the grace period of unused blobs begin now, if a clock ahead of this one marked them."""
    connection.execute(
        "UPDATE blob AS b SET unreferenced = :now "
        f"WHERE coalesce(unreferenced, added) > :now AND NOT {_REFERRED}",
        {"now": now()},
    )


def give_up(connection: Connection, digests: Iterable[str]) -> list[str]:
    """Let gc delete those of these blobs that nothing refers to, without a grace period.

    With a package its files are given up that nothing else needs, and the archives that it came
    from. What URLs served them is forgotten too: otherwise they would stay as a cache.

    Returns:
        The digests of these blobs and of what goes with them, to be deleted if nothing needs
        them; packages before their files.
    """
    own: dict[str, None] = {}
    files: dict[str, None] = {}
    waiting = _with_packages(connection, digests)
    for key in waiting:  # it grows
        connection.execute(
            "DELETE FROM url WHERE blob IN "
            f"(SELECT pk FROM blob b WHERE pk = ? AND NOT {_REFERRED})",
            (key,),
        )
        waiting += _without_archives(connection, key)
        for which in (_ITSELF, _ITS_FILES):
            connection.execute(
                f"UPDATE blob AS b SET unreferenced = 0 WHERE {which} AND NOT {NEEDED}", (key,)
            )
            rows = connection.execute(f"SELECT digest FROM blob WHERE {which}", (key,))
            (own if which is _ITSELF else files).update(dict.fromkeys(each for (each,) in rows))
    return [*own, *files]


def _without_archives(connection: Connection, key: int) -> list[int]:
    """Forget the archives of a package that nothing refers to; return their keys."""
    rows = connection.execute(
        "SELECT a.pk FROM unpacked u JOIN blob a ON a.digest = u.archive WHERE u.tree = :tree "
        f"AND NOT {_PACKAGE_REFERRED.format(':tree')}",
        {"tree": key},
    ).fetchall()
    connection.execute(
        f"DELETE FROM unpacked WHERE tree = :tree AND NOT {_PACKAGE_REFERRED.format(':tree')}",
        {"tree": key},
    )
    return [archive for (archive,) in rows]


def mark_referred(connection: Connection, digest: str) -> None:
    """Record that something is about to refer to a blob, so that gc starts counting again.

    With a package its files are marked.
    """
    connection.execute("UPDATE blob SET unreferenced = NULL WHERE digest = ?", (digest,))
    connection.execute(
        "UPDATE blob SET unreferenced = NULL WHERE unreferenced IS NOT NULL AND pk IN "
        "(SELECT f.blob FROM blob t JOIN tree_file f ON f.tree = t.pk WHERE t.digest = ?)",
        (digest,),
    )


def unneeded_packages(connection: Connection) -> list[tuple[str, int]]:
    """Return the packages that nothing needs as packages: digest, and number of files.

    Something may need the manifest of one: as a file that has these bytes.
    """
    return _PACKAGES.sound(
        connection,
        "SELECT digest, (SELECT count(*) FROM tree_file WHERE tree = b.pk AND blob IS NOT NULL) "
        f"FROM blob b WHERE total IS NOT NULL AND NOT {_PACKAGE_NEEDED.format('b.pk')}",
    )


_PACKAGES = Columns("blob", digest=DIGEST, files=COUNT)


def cached_packages(connection: Connection) -> list[str]:
    """Return the digests of the packages that are in the cache: needed, and to be had again."""
    rows = _DIGESTS.sound(
        connection,
        "SELECT digest FROM blob b WHERE total IS NOT NULL "
        f"AND {_PACKAGE_NEEDED.format('b.pk')} AND NOT {_PACKAGE_ALONE_HERE.format('b.pk')} "
        "ORDER BY digest",
    )
    return [digest for (digest,) in rows]


def is_cached_package(connection: Connection, digest: str) -> bool:
    """Return True if a package is in the cache: needed, and to be had again."""
    needed, kept = _PACKAGE_NEEDED.format("b.pk"), _PACKAGE_ALONE_HERE.format("b.pk")
    return _holds(connection, f"{needed} AND NOT {kept}", digest)


def is_package_referred(connection: Connection, digest: str) -> bool:
    """Return True if weights or artifacts refer to a package, even only as a cache."""
    return _holds(connection, _PACKAGE_REFERRED.format("b.pk"), digest)


def only_in(
    connection: Connection, package: str, digests: Iterable[str] | None = None
) -> list[str]:
    """Return the blobs that nothing but one package needs: its manifest, then its files.

    Args:
        digests: look only at these; None for all.
    """
    if digests is None:
        rows = _DIGESTS.all(connection, _ONLY_IN.format(""), {"package": package})
    else:
        among = "AND b.digest IN (SELECT value FROM json_each(:digests))"
        given = {"package": package, "digests": _listed(digests)}
        rows = _DIGESTS.all(connection, _ONLY_IN.format(among), given)
    return [digest for (digest,) in rows]


_ALONE = (
    "NOT EXISTS (SELECT 1 FROM weights WHERE blob = b.pk AND {}) "
    "AND NOT EXISTS (SELECT 1 FROM artifact WHERE blob = b.pk) "
    "AND NOT EXISTS (SELECT 1 FROM plot WHERE blob = b.pk) "
    "AND NOT EXISTS (SELECT 1 FROM signature WHERE blob = b.pk) "
    "AND NOT EXISTS (SELECT 1 FROM open_dataset_file WHERE blob = b.pk) "
    "AND NOT EXISTS (SELECT 1 FROM url WHERE blob = b.pk) "
    "AND NOT EXISTS (SELECT 1 FROM tree_file o WHERE o.blob = b.pk AND o.tree <> t.pk "
    f"AND {_PACKAGE_NEEDED.format('o.tree')})"
)
_ONLY_IN = (
    "SELECT digest FROM (SELECT b.digest FROM blob t JOIN blob b ON b.pk = t.pk "
    f"WHERE t.digest = :package {{0}} AND {_ALONE.format('tree = 0')}) UNION ALL "
    "SELECT digest FROM (SELECT DISTINCT b.digest FROM blob t JOIN tree_file f ON f.tree = t.pk "
    f"JOIN blob b ON b.pk = f.blob WHERE t.digest = :package {{0}} AND {_ALONE.format('1')})"
)


def forget_packages(connection: Connection, digests: Iterable[str]) -> None:
    """Forget which files those of these blobs have that nothing needs as packages.

    Otherwise their files could not be forgotten.
    """
    wanted = (
        "SELECT pk FROM blob b WHERE digest IN (SELECT value FROM json_each(:digests)) "
        f"AND total IS NOT NULL AND NOT {_PACKAGE_NEEDED.format('b.pk')}"
    )
    listed = {"digests": _listed(digests)}
    keys = [key for (key,) in connection.execute(wanted, listed)]
    for statement in (
        "DELETE FROM tree_file WHERE tree = ?",
        "DELETE FROM unpacked WHERE tree = ?",
        "UPDATE blob SET total = NULL WHERE pk = ?",
    ):
        connection.executemany(statement, ((key,) for key in keys))


def deletable(connection: Connection, digests: Iterable[str]) -> list[str]:
    """Return those of these blobs that nothing needs, and that no package lists."""
    rows = _DIGESTS.all(
        connection,
        "SELECT digest FROM blob b WHERE digest IN (SELECT value FROM json_each(?)) "
        f"AND NOT {NEEDED} AND NOT EXISTS (SELECT 1 FROM tree_file WHERE blob = b.pk)",
        (_listed(digests),),
    )
    return [digest for (digest,) in rows]


def forget(connection: Connection, digests: Sequence[str]) -> None:
    """Delete the rows of blobs that nothing refers to, and the URLs that served them.

    Of a package the list of its files goes with it, of an archive what it unpacks to.
    """
    for statement in (
        "DELETE FROM url WHERE blob = (SELECT pk FROM blob WHERE digest = ?)",
        "DELETE FROM unpacked WHERE archive = ?",
        "DELETE FROM blob WHERE digest = ?",
    ):
        connection.executemany(statement, ((digest,) for digest in digests))


_SERVED = (
    "SELECT u.url, b.digest, b.size, u.etag, u.modified, u.fetched "
    "FROM url u JOIN blob b ON b.pk = u.blob"
)


_URLS = Columns(
    "url", url=URL, digest=DIGEST, size=COUNT, etag=or_null(HEADER), modified=or_null(HEADER),
    fetched=TIME,
)  # fmt: skip


def served(connection: Connection, url: str) -> Served | None:
    """Return what a URL served last, or None if it was never downloaded."""
    row = _URLS.one(connection, f"{_SERVED} WHERE u.url = ?", (url,))
    return None if row is None else Served(*row)


def served_by(connection: Connection, digest: str) -> list[Served]:
    """Return the URLs that served a blob."""
    rows = _URLS.all(connection, f"{_SERVED} WHERE b.digest = ? ORDER BY u.url", (digest,))
    return [Served(*row) for row in rows]


def urls_of(connection: Connection, digests: Iterable[str]) -> dict[str, str]:
    """Return for those of these blobs that URLs served the first of these URLs, by digest."""
    rows = _URLS.all(
        connection,
        f"{_SERVED} WHERE b.digest IN (SELECT value FROM json_each(?)) ORDER BY u.url DESC",
        (_listed(digests),),
    )
    return {digest: url for url, digest, *_ in rows}


def record_served(
    connection: Connection, url: str, digest: str, etag: str | None, modified: str | None
) -> None:
    """Record what a URL served just now; its blob must have a row."""
    connection.execute(
        "INSERT OR REPLACE INTO url SELECT ?, pk, ?, ?, ? FROM blob WHERE digest = ?",
        (url, etag, modified, now(), digest),
    )


def known_digest(connection: Connection, status: FileStatus) -> str | None:
    """Return the digest of a file that has not changed since it was hashed, or None."""
    row = connection.execute(
        "SELECT digest FROM known_file WHERE device = ? AND inode = ? AND size = ? "
        "AND modified = ? AND changed = ?",
        _stored(status),
    ).fetchone()
    return str(row[0]) if row is not None and is_digest(row[0]) else None


def remember_file(connection: Connection, status: FileStatus, digest: str) -> None:
    """Record the digest of a file outside the registry."""
    connection.execute(
        "INSERT OR REPLACE INTO known_file VALUES (?, ?, ?, ?, ?, ?)",
        (*_stored(status), digest),
    )


def known_digests(connection: Connection, statuses: Sequence[FileStatus]) -> list[str | None]:
    """Return the digests of many files, as `known_digest` does for one; in the same order."""
    wanted = [*map(_stored, statuses)]
    found: dict[tuple[int, ...], object] = {}
    for device in {each[0] for each in wanted}:
        rows = connection.execute(
            "SELECT device, inode, size, modified, changed, digest FROM known_file "
            "WHERE device = ? AND inode IN (SELECT value FROM json_each(?))",
            (device, json.dumps([each[1] for each in wanted if each[0] == device])),
        )
        found |= {row[:5]: row[5] for row in rows}
    digests = (found.get(each) for each in wanted)
    return [str(each) if is_digest(each) else None for each in digests]


def remember_files(connection: Connection, files: Iterable[tuple[FileStatus, str]]) -> None:
    """Record the digests of many files outside the registry."""
    connection.executemany(
        "INSERT OR REPLACE INTO known_file VALUES (?, ?, ?, ?, ?, ?)",
        ((*_stored(status), digest) for status, digest in files),
    )


def _stored(status: FileStatus) -> tuple[int, ...]:
    """Return the facts of a file as SQLite can keep them: it has no more than 63 bits.

    Some network file systems use all 64 for their inodes, and times may be after 2262.
    """
    return status if max(status) < 2**63 else tuple(map(keys.in_64_bits, status))


class Use(Frozen):
    """A model, and a blob of its weights or a signature of it.

    Attributes:
        kept: True if the registry must keep the weights.
        filename, url: of the weights; None of a signature.
        archive: sha256 of the archive at `url` that a package came from; None without one.
        path: path of the blob in the package; None if the blob is the weights themselves.
    """

    digest: str
    size: int
    kept: bool
    model: str
    project: str
    name: str
    version: int
    filename: str | None
    url: str | None
    archive: str | None
    path: str | None

    @property
    def ref(self) -> str:
        """The model's reference: ``project/name:version``."""
        return f"{self.project}/{self.name}:{self.version}".lstrip("/")


_USES = Columns(
    "weights", 3, digest=DIGEST, size=COUNT, kept=FLAG, model=ID, project=TEXT, name=TEXT,
    version=COUNT, filename=or_null(NAME), url=or_null(URL), archive=or_null(DIGEST),
    path=or_null(PACKAGE_PATH),
)  # fmt: skip
_USE = (
    "SELECT b.digest, b.size, w.kept, m.id, p.name, m.name, m.version, w.filename, w.url, "
    "w.archive, {} FROM blob b {} JOIN model m ON m.pk = w.model "
    "JOIN project p ON p.pk = m.project WHERE b.digest = ? "
    "ORDER BY p.name, m.name, m.version, w.revision"
)
_AS_WEIGHTS = _USE.format("NULL", "JOIN weights w ON w.blob = b.pk")
_AS_WEIGHTS_OF_MANY = _AS_WEIGHTS.replace(
    "b.digest = ?", "b.digest IN (SELECT value FROM json_each(?))"
)
_IN_PACKAGES = _USE.format(
    "f.path", "JOIN tree_file f ON f.blob = b.pk JOIN weights w ON w.blob = f.tree AND w.tree = 1"
)


_AS_SIGNATURE = (
    "SELECT DISTINCT b.digest, b.size, 1, m.id, p.name, m.name, m.version, NULL, NULL, NULL, NULL "
    "FROM blob b JOIN signature s ON s.blob = b.pk JOIN model m ON m.pk = s.model "
    "JOIN project p ON p.pk = m.project WHERE b.digest = ? ORDER BY p.name, m.name, m.version"
)


def uses(connection: Connection, digest: str) -> list[Use]:
    """Return the models of a blob: those whose weights it is, then those with it in a package.

    Those that it is a signature of come last. Each are ordered by project and name. Damaged rows
    are logged.
    """
    found = uses_as_weights(connection, digest) + _uses(connection, _IN_PACKAGES, digest)
    return found + uses_as_signature(connection, digest)


def uses_as_signature(connection: Connection, digest: str) -> list[Use]:
    """Return the models of which a blob is a signature."""
    return _uses(connection, _AS_SIGNATURE, digest)


def uses_as_weights(connection: Connection, digest: str) -> list[Use]:
    """Return the models whose weights a blob is: a file, or the manifest of a package."""
    return _uses(connection, _AS_WEIGHTS, digest)


def uses_of(connection: Connection, digests: Iterable[str]) -> dict[str, list[Use]]:
    """Return the models whose weights these blobs are, as `uses_as_weights`, by digest."""
    found: dict[str, list[Use]] = {}
    for use in _uses(connection, _AS_WEIGHTS_OF_MANY, _listed(digests)):
        found.setdefault(use.digest, []).append(use)
    return found


def _uses(connection: Connection, sql: str, digests: str) -> list[Use]:
    rows = _USES.sound(connection, sql, (digests,))
    return [Use(digest_, size, bool(kept_), *rest) for digest_, size, kept_, *rest in rows]
