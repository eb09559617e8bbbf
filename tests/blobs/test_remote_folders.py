"""Remotes in a directory: who may use it, which file systems can, and what is safe on the disk."""

import os
import stat
import tempfile
import threading
from pathlib import Path

import pytest
from support.remote_rows import row, rows_of
from support.two_users import ALICE, BOB, GROUP, STRANGER, need_root

from localreg.blobs.remote_store.store import open_remote
from localreg.errors import InvalidURLError, RemoteError


@pytest.fixture
def place():
    """A folder that the members of the group can make things in, as pytest's own are not."""
    need_root()
    with tempfile.TemporaryDirectory(prefix="localreg-test-", dir="/tmp") as folder:
        os.chown(folder, 0, GROUP)
        Path(folder).chmod(0o2775)
        yield Path(folder)


def use(user, umask, root, version):
    """Use all of a remote as somebody, and return what could be read; -1 reads only."""
    import os
    from pathlib import Path

    from support.remote_rows import row, rows_of
    from support.two_users import GROUP, STRANGER

    from localreg.blobs.remote_store.store import open_remote
    from localreg.errors import RemoteError

    # That user may not be able to read Python's files, so everything is used before.
    rehearsal = open_remote(Path(root).parent / f"rehearsal-{user}-{version}")
    rehearsal.create()
    rehearsal.append([row(1)], 1)
    for number in range(2, 10):
        rehearsal.append([row(number)], number)
    rehearsal.compact()
    rehearsal.vacuum()
    rows_of(rehearsal)
    os.setgroups([] if user == STRANGER else [GROUP])
    os.setgid(user)
    os.setuid(user)
    os.umask(umask)
    remote = open_remote(root)
    if version < 0:
        found = [remote.head().version, len(rows_of(remote)), remote.is_still(remote.head())]
        try:
            remote.append([row(99)], found[0] + 1)
        except RemoteError as error:
            return [*found, str(error)]
        return found
    remote.probe()
    remote.create()
    for number in range(version, version + 10):
        remote.append([row(number)], number)
    remote.put_bytes(f"blobs/sha256/ab/{version}", b"weights")
    remote.log.make_checkpoint(remote.head().version)
    remote.compact()
    remote.vacuum()
    remote.delete([f"blobs/sha256/ab/{version}", f"blobs/sha256/ab/{version - 11}"])
    remote.put_bytes(f"blobs/sha256/ab/{version}", b"weights")
    return [remote.head().version, len(rows_of(remote)), remote.is_still(remote.head())]


def test_a_group_uses_a_directory_whatever_its_umasks_are(place, children):
    root = str(place / "remote")
    assert children.run(use, ALICE, 0o077, root, 1) == [11, 10, True]
    assert children.run(use, BOB, 0o077, root, 12) == [22, 20, True]
    assert children.run(use, ALICE, 0o027, root, 23) == [33, 30, True]
    for path in [Path(root), *Path(root).rglob("*")]:
        status = path.stat()
        wanted = 0o2070 if path.is_dir() else 0o040
        assert status.st_gid == GROUP, path
        assert stat.S_IMODE(status.st_mode) & wanted == wanted, path
        assert not path.name.startswith("."), path


def test_a_directory_that_can_only_be_read_is_read(place, children):
    root = str(place / "remote")
    assert children.run(use, ALICE, 0o022, root, 1) == [11, 10, True]
    before = sorted(Path(root).rglob("*"))
    version, rows, still, why = children.run(use, STRANGER, 0o022, root, -1)
    assert (version, rows, still) == (11, 10, True)
    assert "Permission denied; without the right to write there, `localreg clone`" in why
    assert sorted(Path(root).rglob("*")) == before


def probe(place):
    from localreg.blobs.remote_store.store import open_remote
    from localreg.errors import RemoteError

    try:
        open_remote(f"{place}/remote").probe()
    except RemoteError as error:
        return str(error)
    return "it can be used"


def test_a_file_system_without_hard_links_is_refused(stick):
    assert "this file system has no hard links" in stick.run(probe, str(stick.place))


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_remote("remote").url == (tmp_path / "remote").as_uri()
    assert open_remote((tmp_path / "a b%").as_uri()).url == (tmp_path / "a b%").as_uri()
    with pytest.raises(RemoteError, match="make it, or mount what belongs there"):
        open_remote(tmp_path / "not mounted" / "remote").create()
    (tmp_path / "file").write_text("no directory")
    for call in ("probe", "create", "head", "identity"):
        with pytest.raises(RemoteError, match=r"file"):
            getattr(open_remote(tmp_path / "file"), call)()
    with pytest.raises(InvalidURLError, match="credentials"):
        open_remote("s3://me:secret@bucket/r")


def test_all_is_on_the_disk_before_it_is_seen(tmp_path, monkeypatch):
    """The file of the rows, its folder, and the file of the commit; then its name, its folder."""
    remote = open_remote(tmp_path / "remote")
    remote.create()
    remote.append([row(1)], 1)
    calls = []
    real_fsync, real_link = os.fsync, os.link

    def fsync(descriptor):
        calls.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_fsync(descriptor)

    def link(source, target):
        calls.append(("link", Path(target)))
        real_link(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    remote.append([row(2)], 2)
    events = tmp_path / "remote/events"
    kinds = [
        (kind, "folder" if path.is_dir() else path.suffix or "temporary") for kind, path in calls
    ]
    assert kinds == [
        ("sync", "temporary"), ("link", ".parquet"), ("sync", "folder"),
        ("sync", "temporary"), ("link", ".json"), ("sync", "folder"),
    ]  # fmt: skip
    folders = [path for kind, path in calls if path.is_dir()]
    assert folders == [events, events / "_delta_log"]


def test_a_process_that_was_killed_leaves_nothing_that_counts(tmp_path):
    remote = open_remote(tmp_path / "remote")
    remote.create()
    remote.append([row(1)], 1)
    for folder in ("events", "events/_delta_log", "blobs/sha256/ab"):
        (tmp_path / "remote" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "remote" / folder / ".0123").write_bytes(b"half")
    assert list(remote.keys("blobs")) == []
    assert remote.check() == []
    assert open_remote(tmp_path / "remote").head().version == 1
    assert rows_of(remote) == [(1, 0, *row(1))]


def test_a_full_disk_is_named_and_leaves_nothing(small_disk):
    folder = small_disk("-t", "tmpfs", "-o", "size=256k", "tmpfs")
    remote = open_remote(folder / "remote")
    remote.create()
    before = {each for each in folder.rglob("*") if each.is_file()}
    with pytest.raises(RemoteError, match="No space left on device; free some space there"):
        remote.put_bytes("blobs/sha256/ab/cd", bytes(1_000_000))
    assert {each for each in folder.rglob("*") if each.is_file()} == before
    remote.append([row(1)], 1)
    assert len(rows_of(remote)) == 1


def test_threads_that_make_the_same_folders_at_once_write_all(tmp_path):
    """A folder that is renamed to its name replaces an empty one of this name."""
    for number in range(40):
        (tmp_path / f"{number}").mkdir()
        remote = open_remote(tmp_path / f"{number}")
        barrier, failures = threading.Barrier(8), []

        def put(n, remote=remote, barrier=barrier, failures=failures):
            barrier.wait()
            try:
                remote.put_bytes(f"blobs/sha256/{n // 4:02x}/{n}", b"x")
            except RemoteError as error:
                failures.append(error)

        threads = [threading.Thread(target=put, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len([*remote.keys("blobs")]) == 8
