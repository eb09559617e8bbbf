"""A check says what is wrong with a remote, and changes nothing unless it is asked for."""

from __future__ import annotations

import hashlib
import shutil

import pytest
from support.remote_rows import row
from support.used_registry import make_used_registry

from localreg.blobs.remote_store.store import open_remote
from localreg.operations.remotes import checking, compaction, names, pushing, resetting
from localreg.registry import Chain, open_registry
from localreg.values.remote_format import blob_path


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A registry with a remote that has all of it."""
    folder = tmp_path_factory.mktemp("template")
    chain = Chain(open_registry(make_used_registry(folder), durability="fast"))
    names.add(chain, "origin", folder / "remote")
    pushing.push(chain)
    chain.close()
    return folder


@pytest.fixture
def fleet(template, tmp_path):
    """A chain whose remote may be damaged."""
    shutil.copytree(template / "registry", tmp_path / "registry", symlinks=True)
    shutil.copytree(template / "remote", tmp_path / "remote")
    chain = Chain(open_registry(tmp_path / "registry", durability="fast"))
    names.rm(chain, "origin")
    names.add(chain, "origin", tmp_path / "remote")
    yield chain
    chain.close()


def below(folder):
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file()
    }


def blobs(folder):
    return sorted(each for each in (folder / "blobs").rglob("*") if each.is_file())


def test_a_sound_remote_has_no_problems(fleet, tmp_path):
    """Without a checkpoint, and with one; nothing changes."""
    before = below(tmp_path / "remote")
    found = checking.check(fleet, full=True)
    assert (found.problems, found.ok, found.repaired) == ((), True, ())
    assert (found.remote, found.version, found.checkpoint) == ("origin", 1, None)
    assert found.events > 50
    assert found.blobs == len(blobs(tmp_path / "remote")) > 5
    assert found.size == sum(each.stat().st_size for each in blobs(tmp_path / "remote"))
    assert found.hashed >= found.blobs
    assert (found.missing, found.unused, found.collections) == (0, 0, 0)
    assert below(tmp_path / "remote") == before
    made = compaction.compact(fleet)
    again = checking.check(fleet)
    assert (again.problems, again.checkpoint) == ((), made.checkpoint)
    assert again.events == found.events


def test_a_blob_that_is_missing_is_named_with_what_needs_it(fleet, tmp_path):
    path = next(each for each in blobs(tmp_path / "remote") if b"weights 2" in each.read_bytes())
    path.unlink()
    found = checking.check(fleet)
    assert (len(found.problems), found.missing) == (1, 1)
    assert "is missing; vision/net:" in found.problems[0]


def test_a_blob_that_was_cut_is_sent_again(fleet, tmp_path):
    path = next(each for each in blobs(tmp_path / "remote") if b"weights 2" in each.read_bytes())
    path.unlink()
    path.write_bytes(b"")
    assert len(checking.check(fleet).problems) == 1
    assert pushing.push(fleet).blobs == 1
    assert checking.check(fleet).problems == ()


def test_what_is_not_named_is_counted_too(fleet, tmp_path):
    events = checking.check(fleet).events
    rows = [row(number, kind="model.tag", subject=f"{9:032x}") for number in range(30)]
    remote = open_remote(tmp_path / "remote")
    remote.append(rows, remote.head().version + 1)
    found = checking.check(fleet)
    assert found.problems[20] == "there are 10 more of this kind"
    assert found.events == events + 30


def test_damaged_bytes_are_found(fleet, tmp_path):
    """Another size always; other bytes of the same size if they are hashed."""
    cut, changed = (
        next(each for each in blobs(tmp_path / "remote") if data in each.read_bytes())
        for data in (b"weights 1", b"model.bin")
    )
    sizes = [each.stat().st_size for each in (cut, changed)]
    for each, data in ((cut, b"x"), (changed, bytes(sizes[1]))):
        each.unlink()
        each.write_bytes(data)
    found = checking.check(fleet, full=True)
    texts = "\n".join(found.problems)
    assert len(found.problems) == 2
    assert f"has 1 bytes instead of {sizes[0]:,}" in texts
    assert "is damaged: its bytes have another digest" in texts
    assert found.missing == 0


def test_the_files_of_a_package_are_looked_at(fleet, tmp_path):
    """They are known by its list of files, which is at the remote."""
    path = next(
        each for each in blobs(tmp_path / "remote") if each.read_bytes() == b'{"name": "model.bin"}'
    )
    path.unlink()
    found = checking.check(fleet)
    assert len(found.problems) == 1
    assert "is missing; vision/p" in found.problems[0]


def test_what_nothing_names_is_counted(fleet, tmp_path):
    extra = tmp_path / "remote" / blob_path("0" * 64)
    extra.parent.mkdir(parents=True)
    extra.write_bytes(b"12345")
    found = checking.check(fleet)
    assert (found.problems, found.unused, found.unused_size) == ((), 1, 5)


def test_a_missing_file_of_events_is_a_problem(fleet, tmp_path):
    for each in (tmp_path / "remote" / "events").glob("*.parquet"):
        each.unlink()
    found = checking.check(fleet)
    assert not found.ok
    assert "a file of events is missing" in found.problems[0]


def test_rows_that_are_no_events_are_problems(fleet, tmp_path):
    open_remote(tmp_path / "remote").append([row(1, payload="{")], 2)
    found = checking.check(fleet)
    assert "is not JSON" in found.problems[0]
    assert "cannot be cloned" in found.problems[1]


def test_a_damaged_checkpoint_is_a_problem(fleet, tmp_path):
    made = compaction.compact(fleet)
    (tmp_path / "remote" / made.checkpoint).unlink()
    (tmp_path / "remote" / made.checkpoint).write_bytes(b"x")
    found = checking.check(fleet)
    assert len(found.problems) == 1
    assert made.checkpoint in found.problems[0]
    assert found.checkpoint is None


def test_another_remote_at_its_place_is_a_problem(fleet, tmp_path):
    shutil.rmtree(tmp_path / "remote")
    found = checking.check(fleet)
    assert (found.version, len(found.problems)) == (None, 1)
    assert "this directory does not exist" in found.problems[0]
    open_remote(tmp_path / "remote").create()
    found = checking.check(fleet)
    assert "--reset" in found.problems[0]
    resetting.reset(fleet, "origin")
    found = checking.check(fleet)
    assert (found.problems, found.events) == ((), 0)
    assert pushing.push(fleet).events > 50
    assert checking.check(fleet).events > 50


def test_a_repair_removes_a_commit_that_was_cut(fleet, tmp_path):
    """Without it, the check only says so."""
    commit = tmp_path / "remote" / "events" / "_delta_log" / f"{2:020}.json"
    store = open_remote(tmp_path / "remote")
    store.append([row(1)], 2)
    commit.chmod(0o644)
    commit.write_bytes(commit.read_bytes()[:100])
    found = checking.check(fleet)
    assert (len(found.problems), found.version, found.repaired) == (1, None, ())
    assert "--repair" in found.problems[0]
    assert commit.exists()
    repaired = checking.check(fleet, repair=True)
    assert len(repaired.repaired) == 1
    assert (repaired.problems, repaired.version) == ((), 1)
    assert not commit.exists()
