"""A compaction joins files and makes a checkpoint, whoever else is at work, and if it is killed."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from support.used_registry import make_used_registry

from localreg import Registry
from localreg.blobs.remote_store.store import open_remote
from localreg.errors import LocalregError, RemoteChangedError
from localreg.operations.remotes import checking, checkpoints, cloning, compaction, names, pushing
from localreg.registry import Chain, open_registry
from localreg.store.database import checkpoint

COMMITS = 12


@pytest.fixture
def fleet(tmp_path):
    """A chain whose registry has a remote, with what it has in several commits."""
    root = make_used_registry(tmp_path)
    chain = Chain(open_registry(root, durability="fast"))
    names.add(chain, "origin", tmp_path / "remote")
    pushing.push(chain)
    grow(tmp_path, chain, COMMITS)
    yield chain
    chain.close()


def grow(folder, chain, count):
    for number in range(count):
        path = folder / "grown.pt"
        path.write_bytes(b"grown %d" % number)
        with Registry(chain.first.root, durability="fast") as registry:
            registry.add(path, name="grown", project="vision")
        pushing.push(chain)


def tables(root):
    """Return all rows of a registry that a clone has, without keys and local times."""
    found = {}
    with closing(sqlite3.connect(Path(root) / "registry.db")) as connection:
        connection.text_factory = bytes
        for table in sorted(checkpoint.SHARED - {"remote", "origin", "actor"}):
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [each[0] for each in cursor.description]
            kept = [n for n, each in enumerate(names) if each not in LOCAL_COLUMNS]
            found[table] = sorted(tuple(row[n] for n in kept) for row in map(plain, cursor))
    return found


LOCAL_COLUMNS = {
    "arrived", "positioned", "grp", "added", "remote", "verified", "ctime", "sample", "facts",
}  # fmt: skip


def plain(row):
    return tuple(repr(value) for value in row)


def cloned(folder, name):
    return cloning.clone(folder / "remote", folder / name, durability="fast")


def test_a_clone_is_the_same_with_a_checkpoint_and_without(fleet, tmp_path):
    """The table has one file instead of many, and a clone that begins with the checkpoint."""
    before = cloned(tmp_path, "before")
    assert before.checkpoint is None
    done = compaction.compact(fleet)
    assert (done.files, done.into, done.deleted) == (COMMITS + 1, 1, 0)
    assert done.events == before.arrived.events
    assert done.made
    assert done.size == (tmp_path / "remote" / done.checkpoint).stat().st_size
    after = cloned(tmp_path, "after")
    assert (after.checkpoint, after.skipped) == (done.checkpoint, ())
    assert after.arrived.events == before.arrived.events
    assert tables(tmp_path / "after") == tables(tmp_path / "before")
    (tmp_path / "remote" / done.checkpoint).unlink()
    assert cloned(tmp_path, "joined").checkpoint is None
    assert tables(tmp_path / "joined") == tables(tmp_path / "before")
    with Registry(tmp_path / "after") as registry:
        assert registry.model("vision/net@prod").get_local_copy()


def test_an_object_store_is_compacted_like_a_directory(new_bucket, tmp_path):
    root, url = make_used_registry(tmp_path), f"{new_bucket('seaweedfs').url}/fleet"
    chain = Chain(open_registry(root, durability="fast"))
    names.add(chain, "origin", url)
    pushing.push(chain)
    grow(tmp_path, chain, COMMITS)
    cloning.clone(url, tmp_path / "before", durability="fast")
    done = compaction.compact(chain)
    assert (done.files, done.into, done.made) == (COMMITS + 1, 1, True)
    assert compaction.compact(chain).made is False
    checked = checking.check(chain, full=True)
    assert (checked.problems, checked.checkpoint) == ((), done.checkpoint)
    chain.close()
    after = cloning.clone(url, tmp_path / "after", durability="fast")
    assert (after.checkpoint, after.skipped) == (done.checkpoint, ())
    assert tables(tmp_path / "after") == tables(tmp_path / "before")
    shutil.rmtree(tmp_path)


def test_what_came_after_the_checkpoint_comes_from_the_log(fleet, tmp_path):
    done = compaction.compact(fleet)
    grow(tmp_path, fleet, 1)
    later = cloned(tmp_path, "later")
    assert later.checkpoint == done.checkpoint
    assert later.arrived.models == (f"vision/grown:{COMMITS + 1}",)
    (tmp_path / "remote" / "checkpoint").rename(tmp_path / "hidden")
    assert cloned(tmp_path, "whole").checkpoint is None
    assert tables(tmp_path / "later") == tables(tmp_path / "whole")


def test_a_second_compaction_finds_nothing_to_do(fleet, tmp_path):
    first = compaction.compact(fleet)
    path = tmp_path / "remote" / first.checkpoint
    written = path.read_bytes(), path.stat().st_mtime_ns
    second = compaction.compact(fleet)
    assert (second.files, second.into, second.made) == (0, 0, False)
    assert (second.checkpoint, second.size) == (first.checkpoint, first.size)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == written


def test_the_newest_checkpoints_are_kept(fleet, tmp_path):
    made = []
    for _ in range(compaction.KEPT + 1):
        made.insert(0, compaction.compact(fleet).checkpoint)
        grow(tmp_path, fleet, 1)
    store = open_remote(tmp_path / "remote")
    assert [each.key for each in checkpoints.checkpoints(store)] == made[: compaction.KEPT]
    beyond = tmp_path / "remote" / checkpoints.key_of(1 << 60)  # of a remote that was restored
    beyond.write_bytes(b"")
    compaction.compact(fleet)
    assert not beyond.exists()


def test_a_damaged_checkpoint_is_made_again(fleet, tmp_path):
    first = compaction.compact(fleet)
    path = tmp_path / "remote" / first.checkpoint
    path.unlink()
    path.write_bytes(b"nothing")
    second = compaction.compact(fleet)
    assert (second.checkpoint, second.made) == (first.checkpoint, True)
    assert len(second.skipped) == 1
    assert cloned(tmp_path, "clone").skipped == ()


def test_a_remote_without_events_has_no_checkpoint(tmp_path):
    chain = Chain(open_registry(tmp_path / "registry", durability="fast"))
    names.add(chain, "origin", tmp_path / "remote")
    done = compaction.compact(chain)
    chain.close()
    assert (done.checkpoint, done.made, done.events, done.files) == (None, False, 0, 0)
    shutil.rmtree(tmp_path)


def test_another_remote_at_its_place_is_not_touched(fleet, tmp_path):
    shutil.rmtree(tmp_path / "remote")
    open_remote(tmp_path / "remote").create()
    with pytest.raises(RemoteChangedError):
        compaction.compact(fleet)


def test_several_compact_while_one_pushes(fleet, tmp_path):
    """Nobody fails, and the clone of what comes out is whole."""
    others = [cloned(tmp_path, f"other{number}").path for number in range(2)]
    failed = []

    def compacts(root):
        chain = Chain(open_registry(root, durability="fast"))
        try:
            for _ in range(2):
                compaction.compact(chain)
        except LocalregError as error:
            failed.append(error)
        finally:
            chain.close()

    threads = [threading.Thread(target=compacts, args=(each,)) for each in others]
    for each in threads:
        each.start()
    grow(tmp_path, fleet, 10)
    for each in threads:
        each.join()
    assert failed == []
    last = compaction.compact(fleet)
    assert last.skipped == ()
    with_it = cloned(tmp_path, "with")
    assert with_it.checkpoint == last.checkpoint
    shutil.rmtree(tmp_path / "remote" / "checkpoint")
    cloned(tmp_path, "without")
    assert tables(tmp_path / "with") == tables(tmp_path / "without")


_KILLED = """
import sys
sys.path.insert(0, sys.argv[3])
from support.kills import Counter
from localreg.operations.remotes import compaction
from localreg.registry import Chain, open_registry
chain = Chain(open_registry(sys.argv[1], durability="fast"))
with Counter(int(sys.argv[2]) if sys.argv[2] else None) as counter:
    compaction.compact(chain)
print(counter.count)
"""


def test_one_that_is_killed_leaves_a_sound_remote(fleet, tmp_path):
    """The next one does what is left to do."""
    untouched = tmp_path / "untouched"
    (tmp_path / "remote").rename(untouched)

    def run(at):
        shutil.rmtree(tmp_path / "remote", ignore_errors=True)
        shutil.copytree(untouched, tmp_path / "remote")
        return subprocess.run(
            [sys.executable, "-c", _KILLED, str(fleet.first.root), at, str(TESTS)],
            stdout=subprocess.PIPE,
            text=True,
        )

    count = int(run("").stdout)
    assert count > 100
    cloned(tmp_path, "wanted")
    wanted = tables(tmp_path / "wanted")
    for number in range(1, PLACES + 1):
        assert run(str(count * number // (PLACES + 1))).returncode == -signal.SIGKILL
        cloned(tmp_path, f"killed{number}")
        assert tables(tmp_path / f"killed{number}") == wanted
        done = compaction.compact(fleet)
        assert done.checkpoint is not None
        assert cloned(tmp_path, f"after{number}").checkpoint == done.checkpoint
        assert tables(tmp_path / f"after{number}") == wanted


TESTS = Path(__file__).parents[2]
PLACES = 4
