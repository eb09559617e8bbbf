"""The database of a checkpoint: what is in it, and what a registry does not take as one."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest
from support.used_registry import make_used_registry

from localreg.errors import (
    DamagedRegistryError,
    DamagedRowError,
    ForeignSchemaError,
    NewerFormatError,
    NotARegistryError,
)
from localreg.operations.carry.merge import merge
from localreg.registry import Chain, open_registry
from localreg.store.database import checkpoint
from localreg.store.database.creating import Beginning, create
from localreg.store.rows.known_schema import known_objects
from localreg.values.ids import new_id

TABLE_ID = "b" * 32
LAST, PLACE = "e" * 32, 7 << 20


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A registry that has all of another one, as if it had come from a remote."""
    folder = tmp_path_factory.mktemp("clone")
    used = make_used_registry(folder)
    registry = open_registry(folder / "clone", durability="fast")
    merge(Chain(registry), used)
    with registry.store.write() as change:
        run = change.connection.execute
        run("UPDATE event SET remote = ?, position = pk, positioned = 1", (TABLE_ID,))
        run(
            "INSERT INTO remote (name, url, table_id, mirror, cursor, last, last_place, seen, "
            "sent) VALUES ('the-depot', 's3://secret/place', ?, 0, 8, ?, ?, '{}', 0)",
            (TABLE_ID, LAST, PLACE),
        )
        run("INSERT INTO private_url VALUES (?, 'https://me:secret@host/x')", (new_id(),))
        run("INSERT INTO task_place VALUES (?, '{}')", (new_id(),))
        run("INSERT INTO known_file VALUES (1, 2, 3, 4, 5, ?)", ("a" * 64,))
        run("INSERT INTO forgotten VALUES (?)", (new_id(),))
    registry.close()
    return folder


@pytest.fixture
def packed(clone, tmp_path):
    """The database of a checkpoint of it, in a folder of its own."""
    path = tmp_path / "packed.db"
    shutil.copy(clone / "clone" / "registry.db", tmp_path / "source.db")
    assert checkpoint.end_of(tmp_path / "source.db") == PLACE
    facts = checkpoint.Facts("c0", 1_000)
    assert checkpoint.pack(tmp_path / "source.db", path, facts) == checkpoint.check(path)
    return path


def run(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for each in statements:
            connection.execute(each)


def rows(path, sql):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_every_table_is_shared_or_local():
    """A new table must be in one of the two lists: else its rows would go to strangers."""
    tables = {each.name for each in known_objects() if each.kind == "table"}
    assert tables == checkpoint.SHARED | checkpoint.LOCAL
    assert not checkpoint.SHARED & checkpoint.LOCAL


def test_nothing_local_is_in_a_checkpoint(packed, clone):
    """What is true of one registry only goes, and is nowhere in the file."""
    content = checkpoint.check(packed)
    assert (content.table_id, content.cursor) == (TABLE_ID, 7)
    assert (content.last, content.last_place, content.commit) == (LAST, PLACE, "c0")
    assert content.events + content.notes == 1_000
    source = clone / "clone" / "registry.db"
    settings = dict(rows(source, "SELECT name, value FROM setting"))
    data = packed.read_bytes()
    for name in ("registry_id", "origin"):
        assert settings[name].encode() in source.read_bytes()
        assert settings[name].encode() not in data
    assert b"secret" not in data
    assert b"the-depot" not in data
    for table in checkpoint.LOCAL:
        assert rows(packed, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert rows(packed, "SELECT DISTINCT verified, ctime, sample, upstream FROM blob") == [
        (None, None, None, None)
    ]
    assert rows(packed, "SELECT count(*) FROM event") == [(content.events,)]
    assert content.events > 50


def test_a_registry_that_begins_with_a_checkpoint_has_its_content(packed, clone, tmp_path):
    """Models, tasks, reports and history are those of the clone; id and origin are its own."""
    root = tmp_path / "new"
    root.mkdir()
    begun = root / ".begun"
    packed.rename(begun)

    def settle(connection):
        checkpoint.take_over(connection, "origin", "s3://bucket/fleet", '{"mark":"m"}')

    create(root / "registry.db", durability="full", beginning=Beginning(begun, settle))
    assert not begun.exists()
    old, new = clone / "clone" / "registry.db", root / "registry.db"
    for table in sorted(checkpoint.SHARED - {"event", "blob", "remote", "origin", "actor"}):
        sql = f"SELECT * FROM {table}"
        assert sorted(rows(old, sql), key=repr) == sorted(rows(new, sql), key=repr), table
    sql = "SELECT event_id, payload, position, outcome, remote FROM event ORDER BY pk"
    assert rows(old, sql) == rows(new, sql)
    (last,) = rows(new, "SELECT max(pk) FROM event")
    sql = "SELECT name, url, table_id, mirror, cursor, last, last_place, seen, sent FROM remote"
    assert rows(new, sql) == [
        ("origin", "s3://bucket/fleet", TABLE_ID, 0, 7, LAST, PLACE, '{"mark":"m"}', *last)
    ]
    (mine,) = rows(new, "SELECT value FROM setting WHERE name = 'registry_id'")
    assert mine not in rows(old, "SELECT value FROM setting WHERE name = 'registry_id'")
    (then,) = rows(old, "SELECT max(arrived) FROM event")
    ((first,),) = rows(new, "SELECT min(arrived) FROM event")
    assert first > then[0]
    assert rows(new, "SELECT count(*) FROM event WHERE positioned IS NOT arrived") == [(0,)]
    registry = open_registry(root, make=False)
    with registry.store.write() as change:
        assert change.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            change.connection.execute("UPDATE event SET arrived = 1")
    registry.close()


REFUSED = {
    "an event without a place": (
        ("UPDATE event SET position = NULL WHERE pk = 3",),
        DamagedRowError,
    ),
    "an event of another remote": (
        (f"UPDATE event SET remote = '{'c' * 32}' WHERE pk = 3",),
        DamagedRowError,
    ),
    "another format": (("PRAGMA user_version = 2",), NewerFormatError),
    "an older format": (("PRAGMA user_version = 0",), ForeignSchemaError),
    "of another program": (("PRAGMA application_id = 1",), NotARegistryError),
    "a trigger": (
        ("CREATE TRIGGER spy AFTER INSERT ON model BEGIN DELETE FROM blob; END",),
        ForeignSchemaError,
    ),
    "a view": (("CREATE VIEW spy AS SELECT 1",), ForeignSchemaError),
    "a view in place of a table": (
        ("DROP TABLE private_url", "CREATE VIEW private_url AS SELECT 1 AS revision, 2 AS url"),
        ForeignSchemaError,
    ),
    "a table of a user": (("CREATE TABLE mine (a)",), ForeignSchemaError),
    "statistics": (("ANALYZE",), ForeignSchemaError),
    "a table less": (("DROP TABLE message",), ForeignSchemaError),
    "settings": (("INSERT INTO setting VALUES ('origin', 'x')",), DamagedRowError),
    "a key to trust": (
        (f"INSERT INTO trusted_key VALUES ('{'a' * 64}', 'key', 'ann', 'a key', 1)",),
        DamagedRowError,
    ),
    "a gate that was passed": (
        (
            "INSERT INTO gate_passed SELECT g.project, g.name, g.alias, m.id, g.event "
            "FROM gate g, model m LIMIT 1",
        ),
        DamagedRowError,
    ),
    "an upload that gc would delete": (
        (f"INSERT INTO upload VALUES ('{'a' * 32}', 'file:///etc/passwd', 'x', 1, 1, NULL)",),
        DamagedRowError,
    ),
    "what a URL served": (
        ("INSERT INTO url SELECT 'https://host/x', pk, NULL, NULL, 1 FROM blob LIMIT 1",),
        DamagedRowError,
    ),
    "what an archive holds": (
        (f"INSERT INTO unpacked SELECT '{'a' * 64}', pk, 0 FROM blob LIMIT 1",),
        DamagedRowError,
    ),
    "digests of files": (
        (f"INSERT INTO known_file VALUES (1, 2, 3, 4, 5, '{'a' * 64}')",),
        DamagedRowError,
    ),
    "other files in a package": (
        (
            "UPDATE tree_file SET blob = (SELECT pk FROM blob WHERE total IS NULL "
            "ORDER BY digest LIMIT 1)",
        ),
        DamagedRowError,
    ),
    "two remotes": (
        (
            "INSERT INTO remote (name, url, table_id, mirror, cursor, sent) "
            f"VALUES ('x', 'x', '{'c' * 32}', 1, 2, 0)",
        ),
        DamagedRowError,
    ),
    "no remote": (("DELETE FROM remote",), DamagedRowError),
    "a mirror": (("UPDATE remote SET mirror = 1",), DamagedRowError),
    "a remote without a table": (("UPDATE remote SET table_id = NULL",), DamagedRowError),
    "no place": (("UPDATE remote SET last_place = NULL",), DamagedRowError),
    "a cursor after the last row": (("UPDATE remote SET cursor = 8",), DamagedRowError),
    "no commit": (("UPDATE remote SET commit_id = NULL",), DamagedRowError),
    "no facts": (("UPDATE remote SET seen = NULL",), DamagedRowError),
    "strange facts": (("UPDATE remote SET seen = '['",), DamagedRowError),
    "strange notes": (("UPDATE remote SET seen = '{\"notes\": []}'",), DamagedRowError),
    "a strange last event": (("UPDATE remote SET last = '../x'",), DamagedRowError),
    "a reference to nothing": (
        ("PRAGMA foreign_keys = OFF", "UPDATE event SET actor = 999 WHERE pk = 3"),
        DamagedRegistryError,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_checkpoint_that_is_not_one_is_refused(packed, name):
    statements, error = REFUSED[name]
    guard = "event_is_never_changed"
    if any("UPDATE event" in each for each in statements):
        ((sql,),) = rows(packed, f"SELECT sql FROM sqlite_schema WHERE name = '{guard}'")
        statements = (f"DROP TRIGGER {guard}", *statements, sql)
    run(packed, *statements)
    with pytest.raises(error):
        checkpoint.check(packed)


@pytest.mark.parametrize("kept", [0, 50, 5_000, 150_000])
def test_a_file_that_is_cut_is_refused(packed, kept):
    data = packed.read_bytes()
    assert len(data) > 150_000
    packed.write_bytes(data[:kept])
    with pytest.raises(DamagedRegistryError):
        checkpoint.check(packed)


def test_damaged_pages_are_refused(packed):
    data = bytearray(packed.read_bytes())
    for page in range(4096 * 60, len(data), 4096):
        data[page : page + 8] = b"\xff" * 8
    packed.write_bytes(data)
    with pytest.raises(DamagedRegistryError):
        checkpoint.check(packed)
