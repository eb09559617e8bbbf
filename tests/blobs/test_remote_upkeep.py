"""The table of a remote: compaction, vacuum, check and repair."""

import contextlib
import os
import subprocess
import sys
import tempfile

import polars
import pytest
from support.remote_rows import row, rows_of

from localreg.blobs.remote_store import maintenance
from localreg.blobs.remote_store.commits import commit_key
from localreg.blobs.remote_store.event_files import CHECKPOINT_INTERVAL
from localreg.blobs.remote_store.store import CommitConflict, open_remote
from localreg.errors import RemoteError, StorageError
from localreg.filesystem.temporary_owners import owner_mark
from localreg.values.ids import new_id
from localreg.values.remote_format import IDENTITY, place


@pytest.fixture
def remote(tmp_path):
    made = open_remote(tmp_path / "a b %20 ü#?")
    made.create()
    return made


@pytest.fixture
def root(tmp_path, remote):
    return tmp_path / "a b %20 ü#?"


def grown(remote, commits):
    """Append commits of two rows."""
    for version in range(remote.head().version + 1, remote.head().version + 1 + commits):
        remote.append([row(2 * version), row(2 * version + 1)], version)


def parquet_files(root):
    return sorted(root.glob("events/*.parquet"))


def aged(path, days=30):
    """Let a file look older."""
    at = path.stat().st_mtime - days * 86_400
    os.utime(path, (at, at))


def test_compaction_changes_no_row(remote, root):
    grown(remote, 20)
    before = rows_of(remote)
    done = remote.compact()
    assert (done.version, done.files, done.into) == (21, 20, 1)
    newest = max(parquet_files(root), key=lambda path: path.stat().st_size)
    assert polars.read_parquet(newest, use_pyarrow=False)["seq"].to_list() == list(range(2, 42))
    assert rows_of(remote) == before
    assert rows_of(remote, 12, 14) == [each for each in before if 12 < each[0] <= 14]
    assert remote.at([place(7, 1)]) == [each for each in before if each[:2] == (7, 1)]
    assert (remote.count_rows(20), remote.count_rows(7)) == (40, None)
    grown(remote, 1)
    assert rows_of(remote, 20) == [(22, 0, *row(44)), (22, 1, *row(45))]
    assert remote.compact().version is None  # two files are not worth it
    assert remote.check() == []


def test_a_writer_that_did_not_see_a_compaction_looks_again(remote, root):
    grown(remote, 8)
    writer = open_remote(root)
    head = writer.head()
    remote.compact()
    assert not writer.is_still(head)
    with pytest.raises(CommitConflict):
        writer.append([row(99)], head.version + 1)
    writer.append([row(99)], writer.head().version + 1)
    assert rows_of(writer, head.version) == [(10, 0, *row(99))]


def test_vacuum_deletes_what_is_not_needed_for_a_week(remote, root):
    grown(remote, 10)
    (root / "events/part-of-a-push-that-was-killed.parquet").write_bytes(b"rows")
    (root / "blobs").mkdir()
    part, empty = root / "blobs" / f".{new_id()}", root / f".{new_id()}"
    part.write_bytes(b"part")
    empty.mkdir()
    others = [root / ".stfolder", root / ".git", root / ".git" / "config", root / ".htaccess"]
    for each in others:  # of other programs
        each.mkdir() if each.name in (".stfolder", ".git") else each.write_bytes(b"")
    before, old = rows_of(remote), parquet_files(root)
    remote.compact()
    for path in [*old, part, empty, *others, *root.glob("events/_delta_log/*0.json")]:
        aged(path)
    done = remote.vacuum()  # the compaction is younger than a week
    assert (done.files, done.size) == (1, 4)
    assert not part.exists()
    assert not empty.exists()
    assert all(each.exists() for each in others)
    for path in root.glob("events/_delta_log/*.json"):
        aged(path)
    assert remote.vacuum().files == 10
    assert rows_of(remote) == before
    assert rows_of(remote, 4, 10) == [each for each in before if each[0] > 4]
    assert remote.vacuum().files == 0
    assert remote.check() == []


def test_the_log_is_read_from_a_checkpoint(remote, root):
    grown(remote, CHECKPOINT_INTERVAL + 3)
    log = root / "events/_delta_log"
    assert (log / "_last_checkpoint").exists()
    before = rows_of(remote)
    assert len(before) == 2 * CHECKPOINT_INTERVAL + 6
    assert remote.count_rows(CHECKPOINT_INTERVAL + 1) == 2 * CHECKPOINT_INTERVAL + 2
    checkpoint = log / f"{CHECKPOINT_INTERVAL:020}.checkpoint.parquet"
    commits = [root / commit_key(version) for version in range(10)]
    kept = [path.read_bytes() for path in commits]
    for path in commits:  # another program may delete old commits
        path.unlink()
    fresh = open_remote(root)
    assert fresh.head().version == CHECKPOINT_INTERVAL + 3
    assert fresh.count_rows(CHECKPOINT_INTERVAL + 1) == 2 * CHECKPOINT_INTERVAL + 2
    assert rows_of(fresh, -1) == before
    for path, data in zip(commits, kept, strict=True):
        path.write_bytes(data)
    checkpoint.chmod(0o644)
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    fresh = open_remote(root)  # without the checkpoint
    assert fresh.count_rows(CHECKPOINT_INTERVAL + 1) == 2 * CHECKPOINT_INTERVAL + 2
    assert remote.repair() == ["the checkpoint of its log was damaged, and is not used any more"]
    assert remote.repair() == []


def test_other_engines_read_the_events(remote, root):
    grown(remote, 9)
    remote.compact()
    grown(remote, 2)
    plain = root.parent / "plain"  # they read no path with an escape in it
    root.rename(plain)
    wanted = [each[:3] for each in rows_of(open_remote(plain))]
    frame = polars.scan_delta(str(plain / "events")).sort("position", "n").collect()
    assert list(frame.select("position", "n", "event_id").iter_rows()) == wanted
    assert frame["time"].dtype == polars.Datetime("us", "UTC")


@pytest.mark.parametrize(
    "cut",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[: data.index(b"\n") + 1],  # after a whole line
        lambda data: data[:-20],
    ],
)
def test_a_newest_commit_that_was_cut_is_repaired(remote, root, cut):
    grown(remote, 3)
    path = root / commit_key(3)
    path.chmod(0o644)
    path.write_bytes(cut(path.read_bytes()))
    fresh = open_remote(root)
    with pytest.raises(RemoteError, match=r"commit 3 .*`localreg remote check --repair`"):
        fresh.head()
    assert len(fresh.repair()) == 1
    assert fresh.head().version == 2
    fresh.append([row(9)], 3)
    assert [each[0] for each in rows_of(fresh)] == [1, 1, 2, 2, 3]


def test_a_newest_commit_without_its_file_is_repaired(remote, root):
    grown(remote, 2)
    newest = max(parquet_files(root), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    assert remote.check() == [f"a file of events is missing: {newest.name}"]
    with pytest.raises(RemoteError, match="a file of its events is missing"):
        rows_of(remote)
    assert len(remote.repair()) == 1
    assert [each[0] for each in rows_of(remote)] == [1, 1]


def test_a_repair_removes_checkpoints_of_removed_commits(remote, root):
    """Else later commits with their numbers would be missing in the log that is read from them."""
    grown(remote, CHECKPOINT_INTERVAL)
    for version in (CHECKPOINT_INTERVAL - 1, CHECKPOINT_INTERVAL):
        path = root / commit_key(version)
        path.chmod(0o644)
        path.write_bytes(b"")
    fresh = open_remote(root)
    assert len(fresh.repair()) == 2
    assert [*(root / "events/_delta_log").glob("*checkpoint*")] == []
    grown(fresh, 4)
    assert rows_of(open_remote(root)) == rows_of(fresh)
    assert fresh.count_rows(CHECKPOINT_INTERVAL + 2) == 2 * (CHECKPOINT_INTERVAL + 2)


def test_damage_in_the_middle_is_said(remote, root):
    grown(remote, 4)
    path = root / commit_key(2)
    data = path.read_bytes()
    path.unlink()
    for read in (lambda: open_remote(root).head(), lambda: rows_of(open_remote(root))):
        with pytest.raises(RemoteError, match="commit 2 is missing, though there are later ones"):
            read()
    path.write_bytes(data[:-10])
    for read in (lambda: rows_of(remote), remote.check):
        with pytest.raises(RemoteError, match=r"commit 2 is (damaged|cut short)"):
            read()
    path.write_bytes(b"")
    assert remote.check() == [
        "commit 2 is empty: its writer broke down, and sends its events again"
    ]
    path.write_bytes(data)
    first = parquet_files(root)[0]
    first.chmod(0o644)
    first.write_bytes(first.read_bytes()[:-1])
    assert "instead of" in remote.check()[0]
    with pytest.raises(RemoteError, match=r"its events cannot be read: .* instead of"):
        rows_of(remote)
    first.write_bytes(bytes(first.stat().st_size + 1))
    with pytest.raises(RemoteError, match=r"its events cannot be read: .*parquet"):
        rows_of(remote)


def test_a_lost_identity_is_written_again(remote, root):
    grown(remote, 1)
    before = remote.identity()
    (root / IDENTITY).unlink()
    with pytest.raises(RemoteError, match="it has events, but no registry"):
        remote.create()
    assert remote.repair() == ["registry.json was missing, and was written again"]
    assert remote.identity() == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", '{"format": "x", "table_id": 1}', '{"format": 1}', '{"format": 2}',
     '{"format": 1, "table_id": 7}', '{"format": 1e400}'],
)  # fmt: skip
def test_a_strange_identity_is_refused(remote, root, text):
    (root / IDENTITY).unlink()
    (root / IDENTITY).write_text(text)
    with pytest.raises(RemoteError, match=r"damaged|has format 2"):
        remote.identity()


def test_another_table_is_refused(tmp_path):
    polars.DataFrame({"x": [1]}).write_delta(str(tmp_path / "r/events"))
    with pytest.raises(RemoteError, match="not a table of localreg"):
        open_remote(tmp_path / "r").create()
    assert not (tmp_path / "r" / IDENTITY).exists()


def test_compaction_gives_up_for_another_one(remote, root):
    """What another compaction joined meanwhile is not joined twice."""
    grown(remote, 8)
    files = remote.log.all_files(8)
    lines, gone = ['{"txn":{"appId":"a","version":1}}'], {files[0].path}
    other = open_remote(root)
    grown(other, 1)
    other.compact()
    with pytest.raises(RemoteError, match="others wrote at the same time"):
        maintenance._commit(remote.objects, remote.log, 9, lines, 0, gone)
    assert remote.head().version == 10


def test_rows_of_another_program_are_refused(remote, root):
    grown(remote, 2)
    plain = root.rename(root.parent / "plain")
    first = polars.read_parquet(parquet_files(plain)[0], use_pyarrow=False)
    first.write_delta(str(plain / "events"), mode="append")
    with pytest.raises(RemoteError, match="commit 3 holds rows of others: another program"):
        rows_of(open_remote(plain))


@pytest.mark.parametrize("room", [0, 12_288])
def test_a_full_disk_for_temporary_files_is_said(remote, made_disk, monkeypatch, room):
    grown(remote, 1)
    disk = made_disk("ext2", 1)
    (disk / "room").write_bytes(bytes(room))
    with contextlib.suppress(OSError), open(disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1024))
    (disk / "room").unlink()
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    with pytest.raises((StorageError, RemoteError), match=r"(?i)disk is full|no space"):
        remote.append([row(number, payload="x" * 9000) for number in range(9)], 2)
    monkeypatch.undo()
    assert rows_of(remote) == [(1, 0, *row(2)), (1, 1, *row(3))]


def test_what_a_killed_process_read_is_deleted_by_the_next_read(remote, tmp_path, monkeypatch):
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    grown(remote, 1)
    ended = subprocess.run(
        [sys.executable, "-c", "from localreg.filesystem.temporary_owners import owner_mark\n"
                               "print(owner_mark())"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    left, used = (
        place / f"localreg-remote-x{mark}" for mark in (ended.stdout.strip(), owner_mark())
    )
    for folder in (left, used):
        folder.mkdir()
        (folder / "events.parquet").write_bytes(b"x")
    assert len(rows_of(remote)) == 2
    assert [*place.iterdir()] == [used]
