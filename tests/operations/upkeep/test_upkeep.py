"""Upkeep: damage is found and repaired, and only what nothing needs is deleted."""

from __future__ import annotations

import errno
import io
import os
import shutil
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from localreg import InputModel, Model, Registry
from localreg.errors import (
    CorruptBlobError,
    DamagedRegistryError,
    InvalidValueError,
    NotFoundError,
    RegistryReplacedError,
)
from localreg.filesystem.temporary_owners import is_alive, owner_mark
from localreg.operations.upkeep import cache, doctor
from localreg.registry import open_registry
from localreg.values.layout import unfinished_name

BYTES = bytes(range(256)) * 40
OTHER = b"other" * 1000
HERE = str(Path(__file__).parents[2])


@pytest.fixture
def file(write_file):
    return write_file("user/net.pt", BYTES)


def blob_of(registry, model):
    return registry.path / "blobs" / "sha256" / model.digest[:2] / model.digest[2:]


def flip(path):
    path.chmod(0o644)
    with path.open("r+b") as writer:
        first = writer.read(1)
        writer.seek(0)
        writer.write(bytes([first[0] ^ 1]))


def cut(path):
    path.chmod(0o644)
    os.truncate(path, 100)


def through_the_link(path):
    """Write through a local copy, as root can by mistake."""
    digest = path.parent.name + path.name
    (link,) = (path.parents[3] / "files" / digest).iterdir()
    flip(link)


DAMAGES = {
    "a flipped byte": (flip, "digest"),
    "a cut file": (cut, "size"),
    "a deleted file": (Path.unlink, "missing"),
    "a write through the link": (through_the_link, "digest"),
}


# verify ------------------------------------------------------------------------------------


def test_a_sound_registry_verifies(registry, file):
    registry.add(file, "m")
    registry.add(io.BytesIO(OTHER), "n", filename="n")
    for full in (False, True):
        found = registry.verify(full=full)
        assert found.ok
        assert (found.checked, found.size) == (2, len(BYTES) + len(OTHER))


def test_unchanged_files_are_hashed_again_only_by_a_full_verification(registry, file):
    registry.add(file, "m")
    assert registry.verify().hashed == 0
    assert registry.verify(full=True).hashed == 1
    assert registry.verify().hashed == 0


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_reported(name, registry, file):
    damage, kind = DAMAGES[name]
    model = registry.add(file, "m", "p")
    sound = registry.add(io.BytesIO(OTHER), "n", filename="n")
    damage(blob_of(registry, model))
    found = registry.verify()
    (problem,) = found.problems
    assert (problem.kind, problem.digest, problem.models) == (kind, model.digest, ("p/m:1",))
    assert problem.kept
    assert not found.ok
    assert found.checked == 2
    assert sound.digest not in {each.digest for each in found.problems}
    # It stays found: a damaged file does not become trusted by having been looked at.
    assert not registry.verify().ok


def test_a_flip_that_hides_its_traces_is_found_by_a_full_verification(registry, file):
    """Bits rot without a change of any time: the database is made to know the file's new one."""
    model = registry.add(file, "m")
    blob = blob_of(registry, model)
    flip(blob)
    with registry.db.conn as connection:
        connection.execute("UPDATE blob SET ctime = ?", (blob.stat().st_ctime_ns,))
    assert registry.verify().ok
    (problem,) = registry.verify(full=True).problems
    assert problem.kind == "digest"


def test_the_rest_is_verified_when_one_blob_cannot_be(registry, file):
    first, second = registry.add(file, "m"), registry.add(io.BytesIO(OTHER), "n", filename="n")
    for model in (first, second):
        blob_of(registry, model).unlink()
    blob_of(registry, first).mkdir()
    shutil.rmtree(blob_of(registry, second).parent)
    blob_of(registry, second).parent.symlink_to(registry.path)
    assert {each.digest for each in registry.verify().problems} == {first.digest, second.digest}


def test_local_copies_are_verified_too(registry, file):
    model = registry.add(file, "m")
    link = Path(model.get_local_copy())
    link.unlink()
    link.write_bytes(b"x" * len(BYTES))
    (problem,) = registry.verify(full=True).problems
    assert (problem.kind, problem.path) == ("file", str(link.relative_to(registry.path)))
    registry.repair(full=True)
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


def test_the_bytes_of_a_package_in_its_folder_are_compared(registry, tmp_path):
    folder = tmp_path / "pkg"
    folder.mkdir()
    (folder / "a.txt").write_text("right")
    model = registry.add(folder, "p")
    tree = Path(model.get_local_copy())
    tree.chmod(0o755)
    (tree / "a.txt").unlink()  # else the blob would be written to
    (tree / "a.txt").write_text("wrong")
    assert registry.verify().ok
    (problem,) = registry.verify(full=True).problems
    assert problem.kind == "tree"
    (mended,) = registry.repair(full=True).mended
    assert mended.problem.kind == "tree"
    assert (Path(model.get_local_copy()) / "a.txt").read_text() == "right"


def test_a_damaged_database_is_a_problem_and_not_an_exception(registry, file):
    registry.add(file, "m")
    with registry.db.conn as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE model_tag SET tag = 99")
        connection.execute("UPDATE weights SET blob = 99")
    found = registry.verify()
    (problem,) = found.problems
    assert problem.kind == "database"
    assert found.checked == 0, "what such a database tells of blobs is not believed"
    assert registry.repair().lost == (problem,)
    with pytest.raises(DamagedRegistryError, match="nothing is deleted"):
        registry.gc(dry_run=False)


def flip_in_the_table_of_models(registry):
    """Change a byte of the database file, which the open registry has in memory."""
    path = registry.path / "registry.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'model'"
        (page,) = connection.execute(query).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        byte = file.read(1)[0] ^ 0x40
        file.seek((page - 1) * size)
        file.write(bytes([byte]))


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_database_that_is_damaged_behind_an_open_registry_is_found(journal, file, tmp_path):
    open_registry(tmp_path / "r", durability="fast", journal=journal).close()
    with Registry(tmp_path / "r", durability="fast") as registry:
        Model.remove(registry.add(file, "m"), delete_weights_file=False)
        assert registry.verify(full=True).ok
        flip_in_the_table_of_models(registry)
        for full in (False, True):
            (problem,) = registry.verify(full=full).problems
            assert problem.kind == "database"
        with pytest.raises(DamagedRegistryError, match="nothing is deleted"):
            registry.gc(grace_seconds=0, dry_run=False)
        (tmp_path / "r" / "registry.db").rename(tmp_path / "elsewhere")
        with pytest.raises(RegistryReplacedError):
            registry.gc(grace_seconds=0, dry_run=False)
        (tmp_path / "elsewhere").rename(tmp_path / "r" / "registry.db")
        assert len(list((tmp_path / "r" / "blobs").rglob("*"))) == 3


# repair ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_repaired_from_the_file_it_was_copied_from(name, registry, file):
    model = registry.add(file, "m")
    link = Path(model.get_local_copy())
    DAMAGES[name][0](blob_of(registry, model))
    done = registry.repair()
    assert [each.problem.digest for each in done.mended] == [model.digest]
    assert done.lost == ()
    assert str(file) in done.mended[0].how or "local copy" in done.mended[0].how
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert link.read_bytes() == BYTES
    assert registry.verify(full=True).ok
    assert registry.repair().mended == ()
    assert list((registry.path / "quarantine").glob("*")) == []


@pytest.mark.parametrize("name", DAMAGES)
def test_weights_without_a_source_are_reported_as_lost(name, registry, file):
    """Neither a source that is gone nor one that changed is taken for it."""
    model = registry.add(file, "m")
    file.write_bytes(OTHER)
    DAMAGES[name][0](blob_of(registry, model))
    shutil.rmtree(registry.path / "files")
    done = registry.repair()
    (lost,) = done.lost
    assert (lost.digest, lost.models) == (model.digest, ("m:1",))
    with pytest.raises(CorruptBlobError):
        model.get_local_copy(raise_on_error=True)
    ctime = registry.db.conn.execute("SELECT ctime FROM blob").fetchone()[0]
    assert ctime is None, "no file is taken for the one that was hashed once"
    if name != "a deleted file":
        assert len(list((registry.path / "quarantine").iterdir())) == 1
    file.write_bytes(BYTES)
    assert registry.add(file, "m").digest == model.digest
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_a_repair_goes_on_past_what_cannot_be_mended(registry, file, tmp_path):
    """Nothing can be put into a quarantine that is a link, and none is followed."""
    models = [registry.add(file, "a"), registry.add(io.BytesIO(OTHER), "b", filename="b")]
    first, second = sorted(models, key=lambda model: model.digest)
    flip(blob_of(registry, first))
    link = Path(second.get_local_copy())
    link.unlink()
    link.write_bytes(b"x")
    (tmp_path / "outside").mkdir()
    (registry.path / "quarantine").symlink_to(tmp_path / "outside")
    done = registry.repair()
    assert [each.digest for each in done.lost] == [first.digest]
    assert [each.problem.digest for each in done.mended] == [second.digest]
    assert list((tmp_path / "outside").iterdir()) == []
    (registry.path / "quarantine").unlink()


def test_a_link_in_a_blobs_place_is_not_kept_in_quarantine(registry, file, tmp_path):
    model = registry.add(file, "m")
    blob_of(registry, model).unlink()
    blob_of(registry, model).symlink_to(file)
    done = registry.repair()
    assert done.lost == ()
    assert not blob_of(registry, model).is_symlink()
    assert blob_of(registry, model).read_bytes() == BYTES
    assert file.read_bytes() == BYTES

    shutil.rmtree(registry.path / "files")
    blob_of(registry, model).unlink()
    (tmp_path / "other").write_bytes(OTHER)
    blob_of(registry, model).symlink_to(tmp_path / "other")
    file.unlink()
    assert [each.digest for each in registry.repair().lost] == [model.digest]
    assert list((registry.path / "quarantine").glob("*")) == []


def test_damage_under_two_names_is_quarantined_once(registry, file):
    model = registry.add(file, "m", filename="a.pt")
    registry.add(file, "m", filename="b.pt")
    file.unlink()
    flip(blob_of(registry, model))
    assert [each.digest for each in registry.repair().lost] == [model.digest]
    assert len(list((registry.path / "quarantine").iterdir())) == 1


def test_a_local_copy_repairs_the_blob(registry, file):
    """Where hard links were lost, as after a copy without them, both hold the bytes."""
    model = registry.add(file, "m", mode="move")
    link = Path(model.get_local_copy())
    link.unlink()
    link.write_bytes(BYTES)
    flip(blob_of(registry, model))
    done = registry.repair()
    assert "copied from a local copy" in [each.how for each in done.mended]
    assert done.lost == ()
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


# collecting --------------------------------------------------------------------------------


def test_nothing_that_a_model_needs_is_garbage(registry, file):
    registry.add(file, "m")
    registry.add(file, "m", mode="reference")
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    assert registry.verify().ok


def test_the_weights_of_a_removed_model_are_collected_after_the_grace_period(registry, file):
    model = registry.add(file, "m")
    blob = blob_of(registry, model)
    Model.remove(model, delete_weights_file=False)
    assert registry.gc().garbage == ()
    found = registry.gc(grace_seconds=0)
    assert [(each.kind, each.size) for each in found.garbage] == [("weights", len(BYTES))]
    assert found.dry_run
    assert blob.exists()
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert (done.freed, done.failed) == (len(BYTES), ())
    assert not blob.exists()
    assert not any((registry.path / "files").iterdir())
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()


def test_freed_bytes_include_the_unpacked_package(registry, tmp_path):
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "config.json").write_text("{}" * 50)
    model = registry.add(folder, "m")
    archive = blob_of(registry, model).stat().st_size
    tree = Path(model.get_local_copy())
    Model.remove(model, delete_weights_file=False)
    assert registry.gc(grace_seconds=0).freed == archive + 100
    assert registry.gc(grace_seconds=0, dry_run=False).freed == archive + 100
    assert not tree.exists()


def test_freed_bytes_include_local_copies_that_are_not_links(registry, file):
    """As on file systems without links, or in a directory that was copied."""
    model = registry.add(file, "m")
    path = Path(model.get_local_copy())
    path.unlink()
    path.write_bytes(BYTES)
    Model.remove(model, delete_weights_file=False)
    assert registry.gc(grace_seconds=0).freed == 2 * len(BYTES)
    assert registry.gc(grace_seconds=0, dry_run=False).freed == 2 * len(BYTES)
    assert not path.exists()


def test_a_leftover_beside_a_local_copy_is_counted_once(registry, file, children):
    model = registry.add(file, "m")
    local = Path(model.get_local_copy())
    unfinished = unfinished_name(local.name, children.run(mark_of_a_process))
    local.with_name(unfinished).write_bytes(b"12345")
    Model.remove(model, delete_weights_file=False)
    assert registry.gc(grace_seconds=0).freed == len(BYTES) + 5
    assert registry.gc(grace_seconds=0, dry_run=False).freed == len(BYTES) + 5
    assert not local.parent.exists()


def test_the_grace_period_begins_when_the_model_is_removed(registry, file):
    model = registry.add(file, "m")
    with registry.db.conn as connection:
        connection.execute("UPDATE blob SET added = 0")
    Model.remove(model, delete_weights_file=False)
    assert registry.gc().garbage == ()
    with registry.db.conn as connection:
        connection.execute("UPDATE blob SET unreferenced = unreferenced - 86400000001")
    assert len(registry.gc().garbage) == 1


def test_the_grace_period_begins_again_when_weights_are_removed_again(registry, file):
    for _ in range(2):
        model = registry.add(file, "m")
        Model.remove(model, delete_weights_file=False)
        assert registry.gc().garbage == ()
        with registry.db.conn as connection:
            connection.execute("UPDATE blob SET unreferenced = unreferenced - 86400000001")
        assert len(registry.gc().garbage) == 1


def test_a_clock_that_went_back_collects_nothing(registry, file):
    model = registry.add(file, "m")
    Model.remove(model, delete_weights_file=False)
    with registry.db.conn as connection:
        connection.execute("UPDATE blob SET unreferenced = unreferenced + 9000000000")
    assert registry.gc(grace_seconds=1).garbage == ()


@pytest.mark.parametrize("column", ["unreferenced", "added"])
def test_the_grace_of_weights_marked_by_a_wrong_clock_begins_at_the_next_collection(
    column, registry, file
):
    """P16: they would else stay until the time that the clock said."""
    model = registry.add(file, "m")
    Model.remove(model, delete_weights_file=False)
    year = 365 * 86_400_000_000
    with registry.db.conn as connection:
        connection.execute("UPDATE blob SET unreferenced = NULL")
        connection.execute(f"UPDATE blob SET {column} = ?", (time.time_ns() // 1_000 + 12 * year,))
    assert registry.gc(grace_seconds=3600, dry_run=False).garbage == ()
    with registry.db.conn as connection:  # an hour passes
        connection.execute("UPDATE blob SET unreferenced = unreferenced - 3600000001")
    assert len(registry.gc(grace_seconds=3600, dry_run=False).garbage) == 1


def test_restored_and_readded_weights_are_no_garbage(registry, file):
    model = registry.add(file, "m")
    Model.remove(model, delete_weights_file=False)
    registry.restore(model.id)
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    Model.remove(model, delete_weights_file=False)
    again = registry.add(file, "m")
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    assert Path(again.get_local_copy()).read_bytes() == BYTES
    Model.remove(again, delete_weights_file=False)
    assert registry.gc().garbage == (), "the grace period begins again"


def test_a_blob_that_two_models_have_stays_for_the_second(registry, file):
    first, second = registry.add(file, "a"), registry.add(file, "b")
    Model.remove(first)
    assert Path(second.get_local_copy()).read_bytes() == BYTES
    assert registry.gc(grace_seconds=0).garbage == ()


def test_leftovers_of_dead_processes_are_collected_and_those_of_live_ones_stay(
    registry, children, monkeypatch
):
    registry.path.joinpath("tmp").mkdir(exist_ok=True)
    dead = children.run(mark_of_a_process)
    left = registry.path / "tmp" / f"blob-1{dead}"
    mine = registry.path / "tmp" / f"blob-2{owner_mark()}"
    elsewhere = registry.path / "tmp" / "blob-3.0123456789ab-1"
    tree = registry.path / "trees" / unfinished_name("0" * 64, dead)
    tree.mkdir(parents=True)
    (tree / "a").write_bytes(b"12345")
    folder = registry.path / unfinished_name("files", dead)
    folder.mkdir()
    for path in (left, mine, elsewhere):
        path.write_bytes(b"12345")
    assert [is_alive(each.name) for each in (left, mine, elsewhere)] == [False, True, None]
    done = registry.gc(dry_run=False)
    assert {each.path for each in done.garbage} == {
        f"tmp/{left.name}",
        f"trees/{tree.name}",
        folder.name,
    }
    assert done.freed == 10
    # Whether another machine's process lives nobody here can tell: it has an hour.
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    later = time.time() + 3_601
    monkeypatch.setattr("time.time", lambda: later)
    assert registry.gc(grace_seconds=0, dry_run=False).freed == 5
    assert [each.name for each in (registry.path / "tmp").iterdir()] == [mine.name]


def test_two_collections_at_once_fail_at_nothing(registry, children):
    dead = children.run(mark_of_a_process)
    registry.path.joinpath("tmp").mkdir(exist_ok=True)
    for number in range(300):
        registry.path.joinpath("tmp", f"blob-{number}{dead}").write_bytes(b"12345")
    both = Barrier(2)

    def collect(_):
        with Registry(registry.path) as own:
            both.wait()
            return own.gc(grace_seconds=0, dry_run=False)

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(collect, range(2)))
    assert [each.failed for each in done] == [(), ()]
    assert len({found.path for each in done for found in each.garbage}) == 300
    assert list(registry.path.joinpath("tmp").iterdir()) == []


def ask_as_somebody_else(name):
    import os

    from localreg.filesystem.temporary_owners import is_alive, owner_mark

    mark = owner_mark().rpartition("-")[0]
    if os.getuid() == 0:
        os.setuid(65534)
    return is_alive(f"{name}{mark}-1")


def test_a_process_of_somebody_else_is_alive(children):
    assert children.run(ask_as_somebody_else, "blob-1") is True


def test_the_rest_of_a_download_is_as_old_as_its_last_byte(registry, children, monkeypatch):
    folder = registry.path / "tmp" / f"get-1{children.run(mark_of_a_process)}"
    folder.mkdir(parents=True)
    part = folder / "part"
    part.write_bytes(b"12")
    begun = folder.stat().st_ctime
    while part.stat().st_ctime <= begun:
        part.write_bytes(b"34")
    middle = (begun + part.stat().st_ctime) / 2
    monkeypatch.setattr("time.time", lambda: middle + 100)
    assert registry.gc(grace_seconds=100, dry_run=False).garbage == ()
    assert part.exists()
    monkeypatch.setattr("time.time", lambda: middle + 200)
    (found,) = registry.gc(grace_seconds=100, dry_run=False).garbage
    assert (found.kind, found.size) == ("leftover", 2)


def test_a_download_that_stalls_stays_while_its_process_lives(registry):
    folder = registry.path / "tmp" / f"get-1{owner_mark()}"
    folder.mkdir(parents=True)
    (folder / "part").write_bytes(b"12")
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    assert (folder / "part").exists()


def test_a_local_copy_being_made_stays_for_the_grace_period(registry, file, monkeypatch):
    model = registry.add(file, "m")
    begun = Path(model.get_local_copy()).with_name(unfinished_name("w.pt", ".0123456789ab-1"))
    begun.write_bytes(b"12345")
    assert registry.gc(dry_run=False).garbage == ()
    assert begun.exists()
    later = time.time() + 3_601
    monkeypatch.setattr("time.time", lambda: later)
    assert registry.gc(grace_seconds=0, dry_run=False).freed == 5
    assert not begun.exists()


def test_a_link_in_place_of_a_folder_is_reported_and_the_rest_is_collected(registry, file):
    outside = file.parent
    model = registry.add(file, "m")
    Model.remove(model, delete_weights_file=False)
    (registry.path / "tmp").rmdir()
    (registry.path / "tmp").symlink_to(outside)
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert [each.kind for each in done.garbage] == ["weights"]
    assert "links inside a registry are not followed" in done.failed[0]
    assert file.exists()


def mark_of_a_process():
    from localreg.filesystem.temporary_owners import owner_mark

    return owner_mark()


def test_files_the_database_does_not_know_are_collected_after_the_grace_period(registry, file):
    model = registry.add(file, "m")
    stray = registry.path / "blobs" / "sha256" / "ab" / ("0" * 62)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"stray")
    own = [registry.path / name for name in ("blobs/README", "blobs/sha256/ab/README", "files/x")]
    for path in own:
        path.parent.mkdir(exist_ok=True)
        path.write_text("a user's own")
    assert registry.gc(dry_run=False).garbage == ()
    (found,) = registry.gc(grace_seconds=0, dry_run=False).garbage
    assert (found.kind, found.size) == ("stray", 5)
    assert not stray.exists()
    assert all(path.exists() for path in own)
    assert blob_of(registry, model).exists()


def test_no_link_to_a_folder_is_followed(registry, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in (".begun", "0" * 62, "0" * 64):
        (outside / name).write_text("a user's own")
    before = sorted(outside.iterdir())
    links = ("blobs/sha256/ab", f"files/{'1' * 64}", f"trees/{'2' * 64}", "tmp/get-1", "tmp/blob-1")
    for name in links:
        (registry.path / name).parent.mkdir(parents=True, exist_ok=True)
        (registry.path / name).symlink_to(outside)
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert (done.freed, done.failed) == (0, ())
    assert sorted(outside.iterdir()) == before
    assert [name for name in links if os.path.lexists(registry.path / name)] == [links[0]]


def stray_of(registry):
    stray = registry.path / "blobs" / "sha256" / "ab" / ("0" * 62)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"stray")
    return stray


@pytest.mark.parametrize(("days", "grace"), [(-30, 86_400), (30, 0)])
def test_a_file_is_as_young_as_the_younger_of_its_times(days, grace, registry):
    """A copy keeps the old time of writing; a clock that went back leaves a later one."""
    stray = stray_of(registry)
    moment = time.time() + days * 86_400
    os.utime(stray, (moment, moment))
    assert registry.gc(grace_seconds=grace, dry_run=False).garbage == ()
    assert stray.exists()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_grace_of_a_file_written_by_a_wrong_clock_begins_at_the_next_collection(kind, registry):
    """P16: it would else stay until the time that the clock said."""
    stray = stray_of(registry)
    if kind == "folder":
        stray = registry.path / "trees" / ("0" * 64)
        stray.mkdir(parents=True)
        (stray / "a.txt").write_text("unpacked")
    in_2038 = time.time() + 12 * 365 * 86_400
    os.utime(stray, (in_2038, in_2038))
    registry.gc(grace_seconds=0)
    assert stray.stat().st_mtime == in_2038, "a dry run changes nothing"
    assert str(stray.relative_to(registry.path)) not in {
        each.path for each in registry.gc(grace_seconds=0, dry_run=False).garbage
    }
    assert str(stray.relative_to(registry.path)) in {
        each.path for each in registry.gc(grace_seconds=0, dry_run=False).garbage
    }
    assert not stray.exists()


def test_a_file_that_has_another_name_frees_nothing(registry, file):
    stray = stray_of(registry)
    stray.unlink()
    os.link(file, stray)
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert [each.size for each in done.garbage] == [0]
    assert done.freed == 0
    assert not stray.exists()
    assert file.read_bytes() == BYTES


def test_the_collection_goes_on_past_what_cannot_be_deleted(registry, file):
    models = [registry.add(file, "a"), registry.add(io.BytesIO(OTHER), "b", filename="b")]
    first, second = sorted(models, key=lambda model: model.digest)
    digests = first.digest, second.digest
    paths = blob_of(registry, first), blob_of(registry, second)
    for model in models:
        Model.remove(model, delete_weights_file=False)
    paths[0].unlink()
    paths[0].mkdir()  # unlink refuses it
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert len(done.failed) == 1
    assert digests[0][2:] in done.failed[0]
    assert not paths[1].exists()


def test_nothing_is_collected_without_a_database(tmp_path, file):
    with Registry(tmp_path / "r", durability="fast") as registry:
        blob = blob_of(registry, registry.add(file, "m"))
    (tmp_path / "r" / "registry.db").unlink()
    with pytest.raises(OSError, match="blobs"):
        Registry(tmp_path / "r")
    assert blob.exists()


def test_a_registry_that_is_open_for_reading_collects_nothing(tmp_path, file):
    with Registry(tmp_path / "r", durability="fast") as registry:
        Model.remove(registry.add(file, "m"), delete_weights_file=False)
    with Registry(tmp_path / "r", readonly=True) as registry:
        assert len(registry.gc(grace_seconds=0).garbage) == 1
        with pytest.raises(OSError, match="readonly"):
            registry.gc(grace_seconds=0, dry_run=False)


def test_verifying_writes_nothing_into_a_registry_that_is_open_for_reading(tmp_path, file):
    with Registry(tmp_path / "r", durability="fast") as registry:
        registry.add(file, "m")
    with Registry(tmp_path / "r", readonly=True) as registry:
        assert registry.verify(full=True).ok


# du ----------------------------------------------------------------------------------------


def test_shared_bytes_are_counted_once_and_listed_for_each(registry, file):
    registry.add(file, "a", "p")
    registry.add(file, "b", "q")
    registry.add(io.BytesIO(OTHER), "b", "q", filename="o")
    registry.add(file, "b", "q", mode="reference")
    found = registry.du()
    shares = {each.name: (each.size, each.alone, each.blobs) for each in found.projects}
    both = len(BYTES) + len(OTHER)
    assert shares == {"p": (len(BYTES), 0, 1), "q": (both, len(OTHER), 2)}
    assert [each.name for each in found.lines] == ["q/b", "p/a"]
    assert [each.models for each in found.blobs] == [2, 1]
    assert found.kept == both
    assert found.cached == found.unused == 0
    assert found.total >= both + found.database


def test_bytes_of_no_model_are_reported(registry, file):
    Model.remove(registry.add(file, "a"), delete_weights_file=False)
    found = registry.du()
    assert (found.kept, found.unused, found.projects) == (0, len(BYTES), ())


# the cache ---------------------------------------------------------------------------------


def cached_url(registry, url, data):
    """Have the registry hold what a URL served, without a server."""
    model = registry.add(
        io.BytesIO(data), url.rpartition("/")[2].partition(".")[0], filename="w.pt"
    )
    with registry.db.conn as connection:
        connection.execute("UPDATE weights SET kept = 0, url = ? WHERE url IS NULL", (url,))
        connection.execute(
            "INSERT INTO url SELECT ?, pk, NULL, NULL, 0 FROM blob WHERE digest = ?",
            (url, model.digest),
        )
    return model


def test_the_cache_holds_what_can_be_had_again_and_nothing_that_is_kept(registry, file, tmp_path):
    kept = registry.add(file, "m")
    model = cached_url(registry, "https://me:secret@example.org/a.pt?sig=1", OTHER)
    folder = tmp_path / "pkg"
    folder.mkdir()
    (folder / "a").write_bytes(b"12345")
    package = registry.add(folder, "pkg")
    package.get_local_copy()
    found = cache.cached(registry._chain)
    assert {(each.kind, each.name, each.size) for each in found} == {
        ("download", model.digest, len(OTHER)),
    }
    assert "secret" not in repr(found)
    assert cache.prune(registry._chain, max_size=0, dry_run=False).freed == len(OTHER)
    assert not blob_of(registry, model).exists()
    assert blob_of(registry, kept).exists()
    assert blob_of(registry, package).exists()
    assert (model.digest, model.size) == (model.digest, len(OTHER)), "what it was stays known"
    assert registry.verify().ok, "a cache that was pruned is no damage"
    assert Path(package.get_local_copy()).is_dir()


def test_pruning_is_a_dry_run_by_default(registry):
    model = cached_url(registry, "https://example.org/a.pt", OTHER)
    done = cache.prune(registry._chain, max_size=0)
    assert (done.dry_run, done.freed) == (True, len(OTHER))
    assert blob_of(registry, model).exists()


def test_what_was_used_last_stays(registry):
    old = cached_url(registry, "https://example.org/a.pt", OTHER)
    new = cached_url(registry, "https://example.org/b.pt", BYTES)
    hour = time.time() - 3_600
    os.utime(blob_of(registry, old), (hour, hour))
    done = cache.prune(registry._chain, max_size=len(BYTES), dry_run=False)
    assert [each.name for each in done.deleted] == [old.digest]
    assert blob_of(registry, new).exists()
    os.utime(blob_of(registry, new), (hour, hour))
    assert cache.prune(registry._chain, older_than="2h").deleted == ()
    assert len(cache.prune(registry._chain, older_than="30m").deleted) == 1


def test_rests_of_downloads_are_pruned_when_that_is_asked(registry):
    part = registry.path / "tmp" / "get-00.free" / "part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"12345")
    alive = registry.path / "tmp" / f"get-01{owner_mark()}" / "part"
    alive.parent.mkdir()
    alive.write_bytes(b"12345")
    assert cache.prune(registry._chain, max_size=0, dry_run=False).deleted == ()
    assert cache.prune(registry._chain, partials=True, dry_run=False).freed == 5
    assert not part.exists()
    assert alive.exists()


def test_single_things_are_deleted_from_the_cache_by_name(registry, file):
    kept = registry.add(file, "m")
    model = cached_url(registry, "https://example.org/a.pt", OTHER)
    cache.remove(registry._chain, model.digest[:10])
    assert not blob_of(registry, model).exists()
    for name in (kept.digest, "", "nothing"):
        with pytest.raises(NotFoundError):
            cache.remove(registry._chain, name)
    assert blob_of(registry, kept).exists()


@pytest.mark.parametrize("wrong", ["", "1 PB", "-1", -1, True, "x", 1.5, [], "1e3"])
def test_what_is_no_size_is_refused(wrong, registry):
    with pytest.raises(InvalidValueError, match="size"):
        cache.prune(registry._chain, max_size=wrong)


@pytest.mark.parametrize("wrong", ["", "1 y", "-1s", -1, True, "x", [], "1e3s", "10"])
def test_what_is_no_time_is_refused(wrong, registry):
    with pytest.raises(InvalidValueError, match="time"):
        cache.prune(registry._chain, older_than=wrong)


def test_pruning_without_saying_what_is_refused(registry):
    with pytest.raises(InvalidValueError, match="say what"):
        cache.prune(registry._chain)


# doctor ------------------------------------------------------------------------------------


def test_a_healthy_registry_is_called_healthy(registry, file):
    registry.add(file, "m")
    findings = {each.what: each for each in doctor.examine(registry._chain)}
    assert {each.state for each in findings.values()} <= {"ok", "note"}
    assert findings["locks"].state == "ok"
    assert findings["database"].state == "ok"
    assert findings["leftovers"].text == "none"
    assert list((registry.path / "tmp").iterdir()) == []


def test_what_needs_care_is_bad(registry, file):
    registry.add(file, "m")
    (registry.path / "quarantine").mkdir()
    (registry.path / "quarantine" / "x").write_bytes(b"1")
    (registry.path / "tmp" / "blob-old").write_bytes(b"1")
    (registry.path / "tmp").chmod(0o777)
    with closing(sqlite3.connect(registry.path / "registry.db")) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE weights SET model = 99")
    states = {each.what: each.state for each in doctor.examine(registry._chain)}
    assert states["quarantine"] == states["permissions"] == states["database"] == "bad"


def test_leftovers_are_a_note(registry):
    (registry.path / "tmp").mkdir(exist_ok=True)
    (registry.path / "tmp" / "blob-old").write_bytes(b"1")
    found = {each.what: each for each in doctor.examine(registry._chain)}
    assert found["leftovers"].state == "note"
    assert InputModel.query_models() == []


@pytest.mark.parametrize("answer", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_only_a_note(tmp_path, children, answer):
    state, text = children.run(examine_without_locks, HERE, answer, tmp_path / "r")
    assert state == "note"
    assert text.startswith(f"none ({os.strerror(answer)})")


def examine_without_locks(here, answer, root):

    sys.path.insert(0, here)
    from support.lockless import flock_answers

    flock_answers(answer)
    from localreg import Registry
    from localreg.operations.upkeep.doctor import examine

    with Registry(root) as registry:
        (found,) = (each for each in examine(registry._chain) if each.what == "locks")
    return [found.state, found.text]
