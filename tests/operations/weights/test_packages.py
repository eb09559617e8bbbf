"""Keeping packages: each file is a blob, recorded with the manifest, all of it or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from pathlib import Path

import pytest
from support.contents import blobs, check_sound, rows

from localreg import Registry
from localreg.errors import (
    DigestMismatchError,
    InvalidValueError,
    SourceNotFoundError,
    StorageFullError,
)
from localreg.operations.weights.ingest import taken_in
from localreg.operations.weights.packages import keep_package, staged_package
from localreg.operations.weights.sources import Source
from localreg.store.rows import blob_rows
from localreg.values.frozen import replace
from localreg.values.manifest import PackageFile, make_manifest, parse_manifest

LARGE = bytes(range(256)) * 8_192  # 2 MiB


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path):
    """One of each kind that a package may have."""
    place = tmp_path / "user" / "bert"
    (place / "inner" / "deep").mkdir(parents=True)
    (place / "empty" / "folder").mkdir(parents=True)
    (place / "model.bin").write_bytes(LARGE)
    (place / "config.json").write_text("{}")
    (place / "inner" / "copy.json").write_text("{}")
    (place / "inner" / "deep" / "größe.txt").write_text("1")
    (place / "nothing").touch()
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "link").symlink_to("config.json")
    return place


@pytest.fixture
def settled(monkeypatch):
    """The clock is ahead, so that files are old enough to be known by their status."""
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + 10)


EXPECTED = make_manifest(
    [
        PackageFile("config.json", sha256(b"{}"), 2),
        PackageFile("inner/copy.json", sha256(b"{}"), 2),
        PackageFile("inner/deep/größe.txt", sha256(b"1"), 1),
        PackageFile("link", sha256(b"{}"), 2),
        PackageFile("model.bin", sha256(LARGE), len(LARGE)),
        PackageFile("nothing", sha256(b""), 0),
        PackageFile("run.sh", sha256(b"#!/bin/sh\n"), 10, executable=True),
    ],
    ["empty/folder"],
)


def take(registry, path=None, **given):
    """Keep a package as a model would be, and return what the registry has then."""
    source = Source(path=path, filename="pkg", **given)
    with taken_in(registry._chain, source) as (_, held):
        return replace(held, new=0)  # how much of it was new is the same only once


def kept(registry):
    """Return the digests of the blobs on the disk."""
    return {path.parent.name + path.name for path in blobs(registry.path)}


def files_of(registry, digest):
    """Return what is recorded of the files of a package."""
    return rows(
        registry,
        "SELECT f.path, b.digest, f.size, f.executable FROM tree_file f "
        "JOIN blob t ON t.pk = f.tree LEFT JOIN blob b ON b.pk = f.blob "
        "WHERE t.digest = ? ORDER BY f.path",
        digest,
    )


def no_temporary_files(registry):
    return list((registry.path / "tmp").glob("*")) == []


# what is kept -------------------------------------------------------------------------------


def test_each_file_is_a_blob_and_the_manifest_lists_them(registry, folder):
    held = take(registry, folder)
    encoded = EXPECTED.encoded()
    assert (held.digest, held.size, held.total) == (sha256(encoded), len(encoded), len(LARGE) + 17)
    assert held.tree
    assert kept(registry) == {each.digest for each in EXPECTED.files} | {held.digest}
    for path in blobs(registry.path):
        assert sha256(path.read_bytes()) == path.parent.name + path.name
        assert path.stat().st_mode & 0o333 == 0
    manifest = registry._chain.first.blobs.blob(held.digest).read_bytes()
    assert parse_manifest(manifest) == EXPECTED
    assert no_temporary_files(registry)


def test_the_files_are_recorded_with_the_facts_of_their_bytes(registry, folder):
    held = take(registry, folder)
    assert files_of(registry, held.digest) == sorted(
        [(each.path, each.digest, each.size, each.executable) for each in EXPECTED.files]
        + [("empty/folder", None, 0, 0)]
    )
    found = {
        digest: (size, total, ctime)
        for digest, size, total, ctime in rows(
            registry, "SELECT digest, size, total, ctime FROM blob WHERE verified IS NOT NULL"
        )
    }
    assert found.keys() == kept(registry)
    for digest, (size, total, ctime) in found.items():
        status = registry._chain.first.blobs.blob(digest).lstat()
        assert (size, ctime) == (status.st_size, status.st_ctime_ns)
        assert total == (held.total if digest == held.digest else None)
    check_sound(registry.path)


def safetensors(values):
    """Return a safetensors file with one tensor of so many values."""
    header = {"w": {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4 * values)


def test_facts_are_read_from_the_headers_of_each_file(registry, tmp_path):
    place = tmp_path / "net"
    place.mkdir()
    (place / "small.safetensors").write_bytes(safetensors(6))
    (place / "large.safetensors").write_bytes(safetensors(2**20))
    (place / "other").write_bytes(b"1")
    take(registry, place)
    parameters = rows(
        registry,
        "SELECT f.path, json_extract(b.facts, '$.parameters') FROM tree_file f "
        "JOIN blob b ON b.pk = f.blob ORDER BY f.path",
    )
    assert parameters == [("large.safetensors", 2**20), ("other", None), ("small.safetensors", 6)]


def test_the_facts_of_the_package_are_those_of_its_files_known_or_new(registry, tmp_path, settled):
    place = tmp_path / "net"
    place.mkdir()
    (place / "a.safetensors").write_bytes(safetensors(6))
    (place / "b.safetensors").write_bytes(safetensors(7))
    take(registry, place)
    (place / "b.safetensors").write_bytes(safetensors(8))
    held = take(registry, place)
    ((text,),) = rows(registry, "SELECT facts FROM blob WHERE digest = ?", held.digest)
    facts = json.loads(text)
    assert (facts["files"], facts["parameters"], facts["dtypes"]) == (2, 14, {"F32": 14})


def test_a_package_that_lacks_a_shard_is_kept_with_a_warning(registry, tmp_path, caplog, settled):
    place = tmp_path / "net"
    place.mkdir()
    (place / "model-00001-of-00002.safetensors").write_bytes(safetensors(6))
    for _ in range(2):  # also when nothing is new
        caplog.clear()
        assert take(registry, place).tree
        assert "net lacks files that it needs: model-00002-of-00002.safetensors" in caplog.text


def test_the_same_files_are_the_same_package_wherever_and_however_they_are(registry, folder):
    """Owners, times, other modes, links and the order on the disk do not count."""
    other = folder.parent / "other"
    (other / "inner" / "deep").mkdir(parents=True)
    (other / "empty" / "folder").mkdir(parents=True)
    for each in reversed(EXPECTED.files):
        (other / each.path).write_bytes((folder / each.path).read_bytes())
        (other / each.path).chmod(0o700 if each.executable else 0o600)
        os.utime(other / each.path, (1, 1))
    assert take(registry, other) == take(registry, folder)


def test_several_files_are_a_package_of_their_names(registry, folder):
    held = take(registry, files=(folder / "run.sh", folder / "inner" / "copy.json"))
    assert [(path, executable) for path, _, _, executable in files_of(registry, held.digest)] == [
        ("copy.json", 0), ("run.sh", 1),
    ]  # fmt: skip


def test_what_is_excluded_is_not_kept(registry, folder):
    held = take(registry, folder, excluded=lambda name, _: name in ("model.bin", "inner"))
    assert sha256(LARGE) not in kept(registry)
    assert [path for path, *_ in files_of(registry, held.digest)] == [
        "config.json", "empty/folder", "link", "nothing", "run.sh",
    ]  # fmt: skip


def test_progress_counts_all_bytes_up_to_the_last(registry, folder):
    seen = []
    take(registry, folder, progress=lambda done, total: seen.append((done, total)))
    total = EXPECTED.total
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)
    assert {each for _, each in seen} == {total}


def test_the_digest_that_is_expected_is_that_of_the_manifest(registry, folder):
    take(registry, folder, wanted=sha256(EXPECTED.encoded()))
    with pytest.raises(DigestMismatchError) as raised:
        take(registry, folder, wanted="0" * 64)
    assert (raised.value.wanted, raised.value.found) == ("0" * 64, sha256(EXPECTED.encoded()))


def test_nothing_is_kept_with_another_digest(registry, folder):
    with pytest.raises(DigestMismatchError):
        take(registry, folder, wanted="0" * 64)
    assert kept(registry) == set()
    assert rows(registry, "SELECT * FROM blob") == rows(registry, "SELECT * FROM known_file") == []
    assert no_temporary_files(registry)


def test_a_folder_with_the_registry_in_it_is_refused(registry):
    with pytest.raises(InvalidValueError, match="holds the registry itself"):
        take(registry, registry.path.parent)


def test_a_folder_that_is_missing_or_has_a_pipe_is_refused(registry, folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidValueError, match="pipe is a device"):
        take(registry, folder)
    with pytest.raises(SourceNotFoundError):
        take(registry, files=(folder / "missing",))
    assert no_temporary_files(registry)


# modes ---------------------------------------------------------------------------------------


def test_files_are_linked_in_mode_link_and_executable_ones_copied(registry, folder):
    held = take(registry, folder, mode="link")
    assert held.digest == sha256(EXPECTED.encoded())
    blob = registry._chain.first.blobs.blob
    if blob(sha256(LARGE)).samefile(folder / "model.bin"):  # else the file system made a clone
        assert (folder / "model.bin").stat().st_mode & 0o222 == 0
    script = folder / "run.sh"
    assert not blob(sha256(script.read_bytes())).samefile(script)
    assert stat.S_IMODE(script.stat().st_mode) == 0o755


def test_a_linked_package_that_is_not_recorded_leaves_the_files_as_they_were(registry, folder):
    before = stat.S_IMODE((folder / "model.bin").stat().st_mode)
    with pytest.raises(DigestMismatchError):
        take(registry, folder, mode="link", wanted="0" * 64)
    assert stat.S_IMODE((folder / "model.bin").stat().st_mode) == before
    assert (folder / "model.bin").stat().st_nlink == 1


def test_a_folder_that_was_moved_is_gone(registry, folder):
    held = take(registry, folder, mode="move")
    assert held.digest == sha256(EXPECTED.encoded())
    assert not folder.exists()
    assert folder.parent.exists()


def test_moving_deletes_links_and_not_what_they_lead_to(registry, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("mine")
    (folder / "folder").symlink_to(other)
    (folder / "file").symlink_to(other / "file")
    held = take(registry, folder, mode="move")
    assert ("folder/file", sha256(b"mine"), 4, 0) in files_of(registry, held.digest)
    assert not folder.exists()
    (other / "file").write_text("mine, still writable")
    assert registry._chain.first.blobs.is_sound(sha256(b"mine"))


def test_moving_leaves_what_was_left_out(registry, folder):
    (folder / "inner" / "mine").symlink_to(folder / "config.json")
    left = {"inner/deep", "model.bin", "inner/mine"}
    take(registry, folder, mode="move", excluded=lambda name, _: name in left)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
    assert there == {"inner", "inner/deep", "inner/deep/größe.txt", "inner/mine", "model.bin"}


def test_a_file_that_changes_after_it_was_moved_is_not_deleted(registry, folder, caplog):
    source = Source(path=folder, filename="pkg", mode="move")
    with taken_in(registry._chain, source):
        (folder / "new").write_text("new")
        (folder / "config.json").unlink()
        (folder / "config.json").write_text("other")
    assert (folder / "config.json").read_text() == "other"
    assert (folder / "new").read_text() == "new"
    assert "1 of its files could not be deleted" in caplog.text


def test_single_files_that_were_moved_are_gone(registry, folder):
    take(registry, files=(folder / "run.sh", folder / "config.json"), mode="move")
    assert not (folder / "run.sh").exists()
    assert not (folder / "config.json").exists()
    assert (folder / "model.bin").exists()


# what is known -------------------------------------------------------------------------------


def bytes_read(work):
    """Return how many bytes this process read meanwhile, from files of any kind."""

    def count():
        for line in Path("/proc/self/io").read_text().splitlines():
            if line.startswith("rchar:"):
                return int(line.split()[1])
        raise AssertionError

    before = count()
    work()
    return count() - before


@pytest.fixture
def wide(tmp_path):
    """A folder of 16 MB, in small and in large files."""
    place = tmp_path / "wide"
    place.mkdir()
    for number in range(80):
        (place / f"small {number}").write_bytes(os.urandom(100_000))
    for number in range(4):
        (place / f"large {number}").write_bytes(os.urandom(2_000_000))
    return place


needs_counts = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="this system does not count bytes"
)


@needs_counts
@pytest.mark.parametrize("mode", ["copy", "link"])
def test_files_that_are_known_are_not_read_again(mode, registry, wide, settled):
    first = take(registry, wide)
    found = []
    assert bytes_read(lambda: found.append(take(registry, wide, mode=mode))) < 1_000_000
    assert found == [first]


@needs_counts
def test_of_a_package_that_was_changed_only_the_new_file_is_read(registry, wide, settled):
    take(registry, wide)
    (wide / "small 7").write_bytes(b"other")
    held = []
    assert bytes_read(lambda: held.append(take(registry, wide))) < 1_000_000
    assert ("small 7", sha256(b"other"), 5, 0) in files_of(registry, held[0].digest)


def test_a_second_add_records_nothing_new(registry, folder, settled):
    first = take(registry, folder)
    everything = [
        rows(registry, f"SELECT * FROM {table}") for table in ("blob", "tree_file", "known_file")
    ]
    before = {path: path.stat().st_ino for path in blobs(registry.path)}
    assert take(registry, folder) == first
    assert everything == [
        rows(registry, f"SELECT * FROM {table}") for table in ("blob", "tree_file", "known_file")
    ]
    assert before == {path: path.stat().st_ino for path in blobs(registry.path)}


@pytest.mark.parametrize("change", ["names", "a name", "a mode", "an empty folder", "no file"])
def test_a_known_folder_is_another_package_after_any_change_of_names_and_modes(
    change, registry, folder, settled
):
    take(registry, folder)
    one, other = folder / "config.json", folder / "run.sh"
    if change == "names":
        one.rename(folder / "between")
        other.rename(one)
        (folder / "between").rename(other)
    elif change == "a name":
        (folder / "nothing").rename(folder / "something")
    elif change == "a mode":
        other.chmod(0o644)
    elif change == "an empty folder":
        (folder / "empty" / "folder").rename(folder / "empty" / "other")
    else:
        (folder / "nothing").unlink()
    with Registry(registry.path.with_name("new")) as fresh:
        expected = take(fresh, folder)
    assert take(registry, folder) == expected
    assert expected.digest != sha256(EXPECTED.encoded())


def test_a_known_folder_has_one_more_version_with_its_framework(registry, folder, settled):
    (folder / "net.onnx").write_bytes(b"1")
    models = [registry.add(folder, "m") for _ in range(2)]
    assert [model.framework for model in models] == ["ONNX", "ONNX"]
    assert models[0].digest == models[1].digest


def test_bytes_that_are_here_under_another_path_are_not_written_again(registry, wide):
    first = take(registry, wide)
    before = {path: path.stat().st_ctime_ns for path in blobs(registry.path)}
    other = wide.rename(wide.with_name("other"))
    with staged_package(registry._chain, Source(path=other, filename="pkg")) as staged:
        assert staged.files == ()
    assert take(registry, other) == first
    assert before == {path: path.stat().st_ctime_ns for path in blobs(registry.path)}


def test_files_that_just_changed_are_not_remembered(registry, folder):
    take(registry, folder)
    assert rows(registry, "SELECT * FROM known_file") == []


def test_the_same_bytes_twice_are_written_once(registry, folder):
    with staged_package(registry._chain, Source(path=folder, filename="pkg")) as staged:
        digests = [each.digest for each in staged.files]
        assert len(digests) == len(set(digests)) == 6


@pytest.mark.parametrize("name", ["model.bin", "config.json"])
def test_a_blob_that_is_damaged_is_replaced(name, registry, folder, settled):
    held = take(registry, folder)
    blob = registry._chain.first.blobs.blob(sha256((folder / name).read_bytes()))
    blob.chmod(0o644)
    blob.write_bytes(bytes(blob.stat().st_size))
    assert take(registry, folder) == held
    assert sha256(blob.read_bytes()) == blob.parent.name + blob.name
    assert blob.stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("name", ["model.bin", "config.json", "the manifest"])
def test_a_blob_that_is_missing_or_too_short_is_made_again(name, registry, folder, settled):
    held = take(registry, folder)
    digest = held.digest if name == "the manifest" else sha256((folder / name).read_bytes())
    blob = registry._chain.first.blobs.blob(digest)
    blob.unlink()
    assert take(registry, folder) == held
    assert registry._chain.first.blobs.is_sound(digest)
    blob.unlink()
    blob.write_bytes(b"x")
    assert take(registry, folder) == held
    assert registry._chain.first.blobs.is_sound(digest)


@needs_counts
def test_blobs_with_a_new_link_are_hashed_once_and_nothing_is_written(registry, wide, settled):
    """A local copy is a link to a blob, which changes one of the times of its file."""
    held = take(registry, wide)
    for path in blobs(registry.path):
        os.link(path, registry.path / "tmp" / f"{path.name}")
        (registry.path / "tmp" / path.name).unlink()
    before = {path: path.stat().st_ino for path in blobs(registry.path)}
    assert bytes_read(lambda: take(registry, wide)) > 16_000_000
    assert bytes_read(lambda: take(registry, wide)) < 1_000_000
    assert before == {path: path.stat().st_ino for path in blobs(registry.path)}
    assert take(registry, wide) == held


def test_a_package_whose_bytes_are_deleted_before_it_is_recorded_is_staged_again(
    registry, folder, settled
):
    held = take(registry, folder)
    store = registry._chain.first
    with staged_package(registry._chain, Source(path=folder, filename="pkg")) as staged:
        with store.store.write() as change:  # as gc does it
            blob_rows.forget_packages(change.connection, [held.digest])
            blob_rows.forget(change.connection, [sha256(LARGE)])
            store.blobs.delete([sha256(LARGE)], [])
        with store.store.write() as change:
            assert keep_package(store, change, staged) is None
    with (
        staged_package(registry._chain, Source(path=folder, filename="p"), every=True) as staged,
        store.store.write() as change,
    ):
        again = keep_package(store, change, staged)
    assert again is not None
    assert replace(again, new=0) == held
    assert store.blobs.is_sound(sha256(LARGE))


def test_bytes_that_are_pruned_before_a_package_is_recorded_are_staged_again(
    registry, folder, settled
):
    """Pruning the cache deletes bytes of packages that URLs serve; their rows stay."""
    held = take(registry, folder)
    blobs = registry._chain.first.blobs

    def prune(done, total):
        if done == total:
            blobs.delete([sha256(LARGE)], [])

    assert take(registry, folder, progress=prune) == held  # the whole folder is known
    assert blobs.is_sound(sha256(LARGE))
    with staged_package(registry._chain, Source(path=folder, filename="pkg")) as staged:
        assert sha256(LARGE) in staged.here
        blobs.delete([sha256(LARGE)], [])
        with registry._chain.first.store.write() as change:
            assert keep_package(registry._chain.first, change, staged) is None


def test_rows_that_are_missing_are_recorded_again(registry, folder, settled):
    held = take(registry, folder)
    before = files_of(registry, held.digest)
    with registry.db.conn as connection:
        connection.execute("DELETE FROM tree_file WHERE path = 'model.bin'")
    assert take(registry, folder) == held
    assert files_of(registry, held.digest) == before


# upstream -------------------------------------------------------------------------------------


@pytest.fixture
def upstream(tmp_path, registry):
    """A registry, and one that reads it."""
    with Registry(tmp_path / "upstream") as up:
        yield up


def test_files_that_an_upstream_registry_keeps_are_only_recorded(tmp_path, upstream, folder):
    (folder / "new").write_text("new")
    new = [folder / "model.bin", folder / "config.json"]
    take(upstream, files=tuple(new))
    with Registry(tmp_path / "first", upstream=[upstream.path]) as first:
        held = take(first, folder)
        assert kept(first) == {
            held.digest, *(sha256(each) for each in (b"", b"1", b"new", b"#!/bin/sh\n")),
        }  # fmt: skip
        kept_upstream = rows(
            first, "SELECT digest FROM blob WHERE upstream = ?", str(upstream.path)
        )
        assert {digest for (digest,) in kept_upstream} == {sha256(LARGE), sha256(b"{}")}
        assert len(files_of(first, held.digest)) == 9


def test_a_package_that_an_upstream_registry_keeps_is_only_recorded(tmp_path, upstream, folder):
    held = take(upstream, folder)
    with Registry(tmp_path / "first", upstream=[upstream.path]) as first:
        assert take(first, folder) == held
        assert kept(first) == set()
        assert files_of(first, held.digest) == files_of(upstream, held.digest)


# all or nothing -----------------------------------------------------------------------------


def test_a_block_that_fails_leaves_nothing(registry, folder):
    with pytest.raises(KeyError), taken_in(registry._chain, Source(path=folder, filename="p")):
        raise KeyError
    assert kept(registry) == set()
    assert rows(registry, "SELECT * FROM blob") == []
    assert no_temporary_files(registry)
    assert folder.exists()


def test_blobs_that_were_there_stay_when_a_block_fails(registry, folder):
    take(registry, folder)
    before = kept(registry)
    (folder / "new").write_text("new")
    with pytest.raises(KeyError), taken_in(registry._chain, Source(path=folder, filename="p")):
        raise KeyError
    assert kept(registry) == before


def write(path, content):
    path.write_bytes(content)


CHANGES = {
    "a byte of a file": lambda folder: write(folder / "config.json", b"[]"),
    "a file that was read": lambda folder: write(folder / "a", b"2"),
    "a file grows": lambda folder: write(folder / "z", b"longer"),
    "a large file": lambda folder: write(folder / "model.bin", LARGE[::-1]),
    "a file comes": lambda folder: write(folder / "new", b""),
    "a file goes": lambda folder: (folder / "nothing").unlink(),
    "a folder comes": lambda folder: (folder / "one more").mkdir(),
    "an empty folder goes": lambda folder: (folder / "empty" / "folder").rmdir(),
    "a mode": lambda folder: (folder / "config.json").chmod(0o755),
    "a link": lambda folder: (folder / "link").unlink() or (folder / "link").symlink_to("run.sh"),
    "the folder goes": lambda folder: folder.rename(folder.with_name("away")),
}


@pytest.mark.parametrize("mode", ["copy", "link", "move"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_package_that_changes_while_it_is_read_is_refused(change, mode, registry, folder):
    """It changes when its first file was read."""
    (folder / "a").write_text("1")
    (folder / "z").write_text("1")
    done = []

    def progress(*_):
        if not done:
            done.append(True)
            CHANGES[change](folder)

    with pytest.raises((InvalidValueError, SourceNotFoundError)) as raised:
        take(registry, folder, mode=mode, progress=progress)
    assert "changed while it was read" in str(raised.value) or change == "the folder goes"
    assert kept(registry) == set()
    assert rows(registry, "SELECT * FROM blob") == []
    assert rows(registry, "SELECT * FROM known_file") == []
    assert no_temporary_files(registry)


def test_a_package_that_does_not_fit_is_refused_before_it_is_copied(registry, tmp_path, small_disk):
    disk = small_disk("-t", "tmpfs", "-o", "size=20m", "tmpfs")
    place = tmp_path / "huge"
    place.mkdir()
    for number in range(2):
        with open(place / f"{number}", "wb") as file:
            file.truncate(15_000_000)
            file.write(b"%d" % number)
    with Registry(disk / "registry") as full:
        with pytest.raises(StorageFullError, match="30,000,000 bytes do not fit"):
            take(full, place)
        assert kept(full) == set()
        assert no_temporary_files(full)


def test_a_disk_that_becomes_full_leaves_nothing(tmp_path, small_disk):
    disk = small_disk("-t", "tmpfs", "-o", "size=20m", "tmpfs")
    place = tmp_path / "huge"
    place.mkdir()
    for number in range(100):
        (place / f"{number}").write_bytes(os.urandom(100_000))
    with Registry(disk / "registry") as full:
        take(full, files=(place / "1",))
        before = kept(full)

        def fill(*_):
            if not (disk / "other").exists():
                with open(disk / "other", "wb", buffering=0) as file:
                    while file.write(bytes(100_000)) == 100_000:
                        pass

        with pytest.raises(StorageFullError, match="nothing was kept"):
            take(full, place, progress=fill)
        assert kept(full) == before
        assert no_temporary_files(full)
        (disk / "other").unlink()
        assert len(files_of(full, take(full, place).digest)) == 100
        check_sound(full.path)


def test_the_framework_of_a_package_comes_from_its_files(registry, tmp_path):
    """The name of the folder says nothing."""
    folder = tmp_path / "model.onnx.d"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    assert registry.add(folder, "net").framework == "PyTorch"
    assert registry.add(folder, "net", framework="JAX").framework == "JAX"
