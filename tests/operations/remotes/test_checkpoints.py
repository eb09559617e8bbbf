"""A clone begins with the newest checkpoint that fits its remote; others are skipped, and named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from backports import zstd
from support.used_registry import make_used_registry

from localreg.blobs.archives import zstandard
from localreg.blobs.remote_store.store import open_remote
from localreg.operations.remotes import checkpoints, cloning
from localreg.registry import open_registry
from localreg.store.rows import logged_rows, remote_rows
from localreg.values.ids import new_id
from localreg.values.remote_format import NOTES

AT_ONCE = 20  # events in a commit


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A remote in a directory with the events of a registry, and a checkpoint of most of them."""
    folder = tmp_path_factory.mktemp("fleet")
    used = open_registry(make_used_registry(folder), readonly=True)
    with used.store.read() as connection:
        events = list(logged_rows.all_events(connection))
    used.close()
    store = open_remote(folder / "remote")
    store.create()
    rows = [
        (
            each.event_id, each.origin, "laptop", each.seq, each.lamport, each.stamp, each.at,
            each.actor, each.kind, each.v, each.subject, each.field, json.dumps(each.payload),
        )
        for each in events
    ]  # fmt: skip
    rows[AT_ONCE:AT_ONCE] = [note(rows[0])]
    version = 0
    for start in range(0, len(rows), AT_ONCE):
        version += 1
        store.append(rows[start : start + AT_ONCE], version)
        if version == 2:
            put_checkpoint(store, folder)
    put_checkpoint(store, folder)
    store.append([note(rows[0])], version + 1)
    return folder / "remote"


def note(row):
    """Return a row that is no event."""
    return (new_id(), *row[1:8], sorted(NOTES)[0], 1, row[10], None, '{"digests":[]}')


def pulled(store, root):
    """Make a registry of all events of a remote, from the log; return its directory."""
    hidden = store.objects.root / "checkpoint"
    if hidden.exists():
        hidden.rename(store.objects.root / "hidden")
    try:
        cloned = cloning.clone(store.objects.root, root, durability="fast")
    finally:
        if (store.objects.root / "hidden").exists():
            (store.objects.root / "hidden").rename(hidden)
    assert cloned.checkpoint is None
    return root


def put_checkpoint(store, folder):
    root = pulled(store, folder / "temporary")
    made = checkpoints.put(store, store.identity(), root / "registry.db", folder)
    assert made is not None
    shutil.rmtree(root)
    (folder / "checkpoint.db.zst").unlink()


@pytest.fixture
def remote(fleet, tmp_path):
    shutil.copytree(fleet, tmp_path / "remote")
    return open_remote(tmp_path / "remote")


def begun(store, root):
    return checkpoints.begin(
        store, store.identity(), store.head().version, root, name="origin", url="x"
    )


def events_of(root):
    sql = "SELECT event_id, position, outcome, payload FROM event ORDER BY position"
    with closing(sqlite3.connect(root / "registry.db")) as connection:
        return connection.execute(sql).fetchall()


def test_a_clone_begins_with_the_newest_checkpoint(remote, tmp_path):
    """It has the events, places and outcomes that the whole log gives."""
    first, second = checkpoints.checkpoints(remote)
    assert first.place > second.place
    found = begun(remote, tmp_path / "new")
    assert (found.checkpoint, found.skipped) == (first, ())
    whole = events_of(pulled(remote, tmp_path / "whole"))
    assert events_of(tmp_path / "new") == whole
    assert found.events == len(whole)
    assert [each.name for each in (tmp_path / "new").iterdir() if each.name[0] == "."] == []
    registry = open_registry(tmp_path / "new", make=False)
    with registry.store.read() as connection:
        (row,) = remote_rows.remotes(connection)
        head = remote.head().version - 1  # the newest commit came later
        assert (row.name, row.url, row.cursor) == ("origin", "x", head)
        assert row.seen == json.dumps({"mark": remote.mark_of(head)})
        assert remote_rows.count_waiting(connection, row) == 0
    registry.close()


def test_there_is_nothing_to_begin_with(tmp_path):
    """Without a checkpoint there is no registry yet, and nothing is left over."""
    store = open_remote(tmp_path / "empty")
    store.create()
    assert begun(store, tmp_path / "new") == checkpoints.Begun(None, 0, ())
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_of_this_place_is_not_replaced(remote, tmp_path):
    newest = checkpoints.checkpoints(remote)[0]
    path = tmp_path / "remote" / newest.key
    before = path.read_bytes()
    found = begun(remote, tmp_path / "new")
    assert found.checkpoint == newest
    source = tmp_path / "new" / "registry.db"
    assert checkpoints.put(remote, remote.identity(), source, tmp_path) is None
    assert path.read_bytes() == before


def test_one_that_cannot_be_used_is_replaced(remote, tmp_path):
    newest = checkpoints.checkpoints(remote)[0]
    FAULTS["a view"][0](tmp_path / "remote" / newest.key)
    # The newest row came later: without it, both are of one place.
    sorted((tmp_path / "remote" / "events" / "_delta_log").glob("*.json"))[-1].unlink()
    source = pulled(open_remote(tmp_path / "remote"), tmp_path / "shorter") / "registry.db"
    made = checkpoints.put(remote, remote.identity(), source, tmp_path)
    assert made.key == newest.key
    assert begun(open_remote(tmp_path / "remote"), tmp_path / "new").skipped == ()


def edited(*statements):
    """Return what unpacks a checkpoint, changes its database and packs it again."""

    def edit(path):
        database = path.with_name("edited.db")
        database.write_bytes(zstd.decompress(path.read_bytes()))
        guards = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            triggers = connection.execute(guards).fetchall()
            for name, _ in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for each in statements:
                done = connection.execute(each).rowcount
                assert done > 0 or not each.startswith(("UPDATE", "INSERT", "DELETE"))
            for _, sql in triggers:
                connection.execute(sql)
        path.unlink()
        zstandard.compress(database, path)
        database.unlink()

    return edit


def replaced(data):
    """Return what gives a checkpoint other bytes, made of its own."""

    def replace(path):
        found = path.read_bytes()
        path.unlink()
        path.write_bytes(data(found))

    return replace


ONE = "(SELECT pk FROM event ORDER BY pk LIMIT 1)"
FAULTS = {
    "cut": (replaced(lambda data: data[: len(data) // 2]), "incomplete"),
    "empty": (replaced(lambda _: b""), "incomplete"),
    "other bytes": (replaced(lambda _: b"x" * 10_000), "cannot be unpacked"),
    "no database": (replaced(lambda _: zstd.compress(b"x" * 10_000)), "not a database"),
    "a bomb": (
        replaced(lambda _: zstd.compress(bytes(100_000_000), level=19)),
        "unpacks to more than",
    ),
    "an event that the remote lacks": (
        edited(
            "INSERT INTO event (event_id, origin, seq, grp, lamport, stamp, at, actor, kind, v, "
            "subject, payload, arrived, remote, position, positioned) SELECT "
            f"'{'f' * 32}', origin, seq, grp, lamport, stamp, at, actor, kind, v, "
            f"subject, payload, 1, remote, 5, 1 FROM event WHERE pk = {ONE}"
        ),
        "events, and the remote has",
    ),
    "an event less": (
        edited(f"DELETE FROM event WHERE pk = {ONE} + 1"),
        "events, and the remote has",
    ),
    "another event": (
        edited(f"UPDATE event SET event_id = '{'f' * 32}' WHERE pk = {ONE}"),
        f"its event '{'f' * 32}' is not that of the remote",
    ),
    "another payload": (
        edited(
            "UPDATE event SET payload = '{}' WHERE position = (SELECT max(position) FROM event)"
        ),
        "is not that of the remote",
    ),
    "a payload that is no text": (
        edited(f"UPDATE event SET payload = x'00' WHERE pk = {ONE}"),
        "is not that of the remote",
    ),
    "another last event": (edited(f"UPDATE remote SET last = '{'f' * 32}'"), "its last event"),
    "an earlier end": (
        edited("UPDATE remote SET cursor = 2, last_place = 2 << 20"),
        "commit 2 of the remote is another one",
    ),
    "another commit": (
        edited("UPDATE remote SET commit_id = 'x'"),
        "of the remote is another one",
    ),
    "another remote": (
        edited(
            f"UPDATE remote SET table_id = '{'f' * 32}'", f"UPDATE event SET remote = '{'f' * 32}'"
        ),
        "of the remote ffff",
    ),
    "another format": (edited("PRAGMA user_version = 9"), "format 9"),
    "a view": (edited("CREATE VIEW spy AS SELECT 1"), "the view"),
    "settings of its maker": (edited("INSERT INTO setting VALUES ('origin', 'x')"), "setting"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_checkpoint_that_does_not_fit_is_skipped(remote, tmp_path, name):
    """The next one is taken, and a sentence says why; without any, there is no registry."""
    damage, text = FAULTS[name]
    newest, older = checkpoints.checkpoints(remote)
    damage(tmp_path / "remote" / newest.key)
    found = begun(remote, tmp_path / "new")
    assert found.checkpoint == older
    assert len(found.skipped) == 1
    assert text in found.skipped[0]
    assert newest.key in found.skipped[0]
    assert str(tmp_path) not in found.skipped[0].partition(" cannot be used")[2]
    (tmp_path / "remote" / older.key).unlink()
    found = begun(remote, tmp_path / "other")
    assert found.checkpoint is None
    assert [each.name for each in (tmp_path / "other").iterdir()] == []


def test_a_bomb_does_not_keep_a_small_disk_from_a_clone(remote, tmp_path, small_disk):
    """What unpacks to more than the disk has is skipped, too, and leaves no bytes."""
    newest = checkpoints.checkpoints(remote)[0]
    path = tmp_path / "remote" / newest.key
    path.unlink()
    path.write_bytes(zstd.compress(bytes(60_000_000)))
    disk = small_disk("-t", "tmpfs", "-o", "size=16m", "tmpfs")
    found = begun(remote, disk / "new")
    assert found.checkpoint == checkpoints.checkpoints(remote)[1]
    assert "the disk is full" in found.skipped[0]
    assert [each.name for each in (disk / "new").iterdir() if each.name[0] == "."] == []


def test_a_checkpoint_of_another_time_is_skipped(remote, tmp_path):
    """The remote was restored from an older copy, and the checkpoint is of what came later."""
    newest, older = checkpoints.checkpoints(remote)
    for number in range(1, 4):  # however many there are
        shutil.copy(
            tmp_path / "remote" / newest.key,
            tmp_path / "remote" / checkpoints.key_of(newest.place + number),
        )
    log = tmp_path / "remote" / "events" / "_delta_log"
    for each in sorted(log.glob("*.json"))[-2:]:
        each.unlink()
    found = begun(open_remote(tmp_path / "remote"), tmp_path / "new")
    assert found.checkpoint == older
    assert found.skipped[3] == f"{newest.key} is of events that are not at the remote any more"
    assert len(found.skipped) == 4
