"""Upkeep of packages: their files are used, deleted, counted, checked and repaired with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.contents import below, blobs, check_sound, rows
from support.statements import counted

from localreg import InputModel, Registry


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes a folder of files; their contents are given by path."""

    def make(name, **files):
        for path, content in {"config.json": "{}", "model.bin": "weights", **files}.items():
            place = tmp_path / "user" / name / path.replace("__", "/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        return tmp_path / "user" / name

    return make


def bytes_here(registry):
    """Return the bytes of all blobs, as text."""
    return {path.read_bytes().decode() for path in blobs(registry.path)}


def contents(registry):
    """Return the contents of the blobs that are no manifest."""
    return {each for each in bytes_here(registry) if not each.startswith('{"files"')}


def marks(registry):
    """Return if each blob with a mark is unreferenced, by its content."""
    found = {}
    for digest, mark in rows(registry, "SELECT digest, unreferenced FROM blob"):
        path = registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]
        found[path.read_text()] = mark is not None
    return {key: mark for key, mark in found.items() if not key.startswith('{"files"')}


def on_disk(root):
    """Return the bytes of the files of a registry outside its database, each file once."""
    seen = {}
    for name in ("blobs", "files", "trees", "tmp", "quarantine"):
        for place, _, names in os.walk(root / name):
            for each in names:
                status = (Path(place) / each).lstat()
                seen[status.st_ino] = status.st_size
    return sum(seen.values())


# references ------------------------------------------------------------------------------------


def test_a_file_is_used_as_long_as_one_package_with_it_is(registry, folder):
    first = registry.add(folder("a", readme="first"), "m")
    second = registry.add(folder("b", readme="second"), "m")
    InputModel.remove(first, delete_weights_file=False)
    assert marks(registry) == {"{}": False, "weights": False, "first": True, "second": False}
    InputModel.remove(second, delete_weights_file=False)
    assert set(marks(registry).values()) == {True}


def test_a_file_that_is_also_weights_of_its_own_stays(registry, folder, write_file):
    registry.add(write_file("model.bin", "weights"), "single")
    package = registry.add(folder("a"), "m")
    InputModel.remove(package, delete_weights_file=True)
    assert contents(registry) == {"weights"}
    assert registry.verify(full=True).ok


def test_adding_or_restoring_a_package_clears_the_marks_of_all_its_files(registry, folder):
    source = folder("a", readme="first")
    model = registry.add(source, "m")
    for bring_back in (lambda: registry.add(source, "m"), lambda: registry.restore(model.id)):
        for each in registry.models():
            InputModel.remove(each, delete_weights_file=False)
        assert set(marks(registry).values()) == {True}
        bring_back()
        assert set(marks(registry).values()) == {False}
    registry.gc(grace_seconds=0, dry_run=False)
    assert below(Path(registry.model("m").get_local_copy())) == [
        "config.json", "model.bin", "readme",
    ]  # fmt: skip


def test_a_restored_package_whose_file_is_gone_is_missing(registry, folder):
    model = registry.add(folder("a"), "m")
    InputModel.remove(model, delete_weights_file=False)
    next(each for each in blobs(registry.path) if each.read_text() == "weights").unlink()
    registry.restore(model.id)
    (problem,) = registry.verify().problems
    assert problem.models == ("m:1",)


def test_the_manifest_of_one_package_may_be_a_file_of_another(registry, folder):
    """What bytes are is said by the reference: as a file, a manifest needs none of its files."""
    inner = registry.add(folder("a"), "inner")
    manifest = (registry.path / "blobs/sha256" / inner.digest[:2] / inner.digest[2:]).read_text()
    outer = registry.add(folder("b", **{"config.json": "other", "model.bin": manifest}), "outer")
    digest = inner.digest
    InputModel.remove(inner, delete_weights_file=True)
    assert contents(registry) == {"other"}
    assert bytes_here(registry) >= {"other", manifest}
    assert rows(registry, "SELECT total FROM blob WHERE digest = ?", digest) == [(None,)]
    assert registry.verify(full=True).ok
    again = registry.add(folder("a"), "inner")
    assert again.digest == digest
    InputModel.remove(again, delete_weights_file=False)
    InputModel.remove(outer, delete_weights_file=False)
    registry.gc(grace_seconds=0, dry_run=False)
    assert blobs(registry.path) == []
    check_sound(registry.path)


def test_gc_forgets_a_package_whose_manifest_is_needed_as_a_file(registry, folder, write_file):
    package = registry.add(folder("a"), "m")
    manifest = registry.path / "blobs/sha256" / package.digest[:2] / package.digest[2:]
    plain = registry.add(write_file("list.json", manifest.read_bytes()), "plain")
    assert plain.digest == package.digest
    InputModel.remove(package, delete_weights_file=False)
    assert registry.gc(dry_run=False).garbage == ()  # it may be restored
    assert len(blobs(registry.path)) == 3
    (garbage,) = registry.gc(grace_seconds=0, dry_run=False).garbage
    assert garbage.why.startswith("a package of 2 files")
    assert blobs(registry.path) == [manifest]
    assert registry.verify(full=True).ok


# gc --------------------------------------------------------------------------------------------


def test_an_unused_package_is_one_line_of_garbage(registry, folder):
    kept = registry.add(folder("a", readme="first"), "m")
    gone = registry.add(folder("b", readme="second", deep__notes="notes"), "m")
    digest = gone.digest
    gone.get_local_copy()
    InputModel.remove(gone, delete_weights_file=False)
    dry = registry.gc(grace_seconds=0)
    (garbage,) = dry.garbage
    assert garbage.why == "a package of 4 files, which no model has"
    assert digest.endswith(Path(garbage.path).name)
    before = on_disk(registry.path)
    done = registry.gc(grace_seconds=0, dry_run=False)
    assert done.garbage == dry.garbage
    assert before - on_disk(registry.path) == done.freed > len("secondnotes")
    assert contents(registry) == {"{}", "weights", "first"}
    assert not (registry.path / "trees" / digest).exists()
    assert kept.get_local_copy()
    assert registry.verify(full=True).ok


def test_shared_files_wait_for_the_package_that_can_be_deleted_last(registry, folder):
    first = registry.add(folder("a", readme="first"), "m")
    second = registry.add(folder("b", readme="second"), "m")
    InputModel.remove(first, delete_weights_file=False)
    with registry.db.conn as connection:  # long ago
        connection.execute("UPDATE blob SET unreferenced = 1 WHERE unreferenced IS NOT NULL")
    InputModel.remove(second, delete_weights_file=False)
    found = registry.gc(dry_run=False)
    assert [each.why for each in found.garbage] == ["a package of 3 files, which no model has"]
    assert found.waiting > 0
    assert contents(registry) == {"{}", "weights", "second"}
    registry.restore(second.id)
    assert registry.verify(full=True).ok


def test_a_package_that_is_removed_for_good_leaves_the_files_of_one_that_waits(registry, folder):
    """The other model can still be restored."""
    first = registry.add(folder("a", readme="first"), "m")
    second = registry.add(folder("b", readme="second"), "m")
    InputModel.remove(first, delete_weights_file=False)
    InputModel.remove(second, delete_weights_file=True)
    assert contents(registry) == {"{}", "weights", "first"}
    registry.restore(first.id)
    assert registry.verify(full=True).ok
    assert below(Path(first.get_local_copy())) == ["config.json", "model.bin", "readme"]


def test_what_a_killed_removal_left_is_taken_by_the_next_gc(tmp_path, folder, children):
    """Nothing refers to it after the commit; it waits for no grace period."""
    source = folder("a", **{f"f{number}": str(number) for number in range(300)})
    with Registry(tmp_path / "registry") as registry:
        kept = registry.add(folder("b", f0="0"), "kept")
        gone = registry.add(source, "gone")

    def remove(root, model, at):
        import os
        import signal

        from localreg import InputModel, Registry

        seen = 0

        def stop(event, arguments):
            nonlocal seen
            if event == "os.remove" and "/blobs/" in os.fspath(arguments[0]):
                if seen == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen += 1

        with Registry(root) as registry:
            import sys

            sys.addaudithook(stop)
            InputModel.remove(registry.model(model), delete_weights_file=True)

    for at in (0, 150, 30):  # each starts where the one before was killed
        process = children.start(remove, tmp_path / "registry", gone.id, at)
        process.communicate(timeout=60)
        assert process.returncode == -9
        with Registry(tmp_path / "registry") as registry:
            assert [each.name for each in registry.models()] == ["kept"]
            assert registry.verify(full=True).ok
            if at == 0:
                registry.restore(gone.id)
                assert registry.verify(full=True).ok
                continue
            found = registry.gc(dry_run=False)
            assert not found.failed
            assert contents(registry) == {"{}", "weights", "0"}
            check_sound(registry.path)
            assert registry.model("kept").get_local_copy()
            gone = registry.add(source, "gone")
    assert kept.id


def test_a_large_package_is_deleted_in_few_transactions(tmp_path, folder):
    source = folder("a", **{f"f{number}": str(number) for number in range(1_000)})
    for delete in (True, False):
        with counted() as statements, Registry(tmp_path / f"registry-{delete}") as registry:
            model = registry.add(source, "m")
            statements.clear()
            InputModel.remove(model, delete_weights_file=delete)
            if not delete:
                registry.gc(grace_seconds=0, dry_run=False)
            assert blobs(registry.path) == []
        assert statements["COMMIT"] < 20
        assert sum(statements.values()) < 400


def test_gc_and_adding_the_same_package_end_with_all_of_it_or_an_error(tmp_path, folder, children):
    """In each round both begin at once; what was added last is whole."""
    source = folder("a", **{f"f{number}": str(number) for number in range(40)})
    root = tmp_path / "registry"
    with Registry(root) as registry:
        registry.add(source, "m")

    def race(number, barrier, root, source):
        from localreg import InputModel, Registry

        with Registry(root) as registry:
            for _ in range(12):
                barrier.wait()
                if number == 0:
                    for model in registry.models():
                        InputModel.remove(model, delete_weights_file=False)
                    registry.gc(grace_seconds=0, dry_run=False)
                else:
                    model = registry.add(source, "m")
                barrier.wait()
                if number == 1:
                    found = registry.verify(full=True)
                    assert found.ok, found
        return number

    assert children.crowd(3, race, root, source) == [0, 1, 2]
    check_sound(root)


def test_strays_and_leftovers_of_packages_are_deleted(registry, folder):
    registry.add(folder("a"), "m").get_local_copy()
    stray = registry.path / "trees" / ("0" * 64)
    stray.mkdir()
    (stray / "file").write_text("stray")
    staging = registry.path / "tmp" / ("tree-" + "0" * 32)
    staging.mkdir(parents=True)
    (staging / "0").write_text("staged")
    for path in (stray, staging):
        os.utime(path, (1, 1))
    found = registry.gc(grace_seconds=0, dry_run=False)
    assert {Path(each.path).name for each in found.garbage} == {stray.name, staging.name}
    assert not stray.exists()
    assert not staging.exists()
    assert registry.verify(full=True).ok
    assert registry.gc(grace_seconds=0).garbage == ()


# adopt -----------------------------------------------------------------------------------------


def test_a_package_that_is_kept_upstream_is_adopted_whole(tmp_path, folder, write_file):
    """Its manifest and files come in a few transactions, and are one line of the result."""
    many = {f"f{number}": str(number) for number in range(300)}
    with Registry(tmp_path / "team", durability="fast") as team:
        team.add(folder("a", **many), "net")
    with counted() as statements, Registry(tmp_path / "mine", upstream=[team.path]) as mine:
        mine.add(write_file("f7", "7"), "single")
        model = mine.add(folder("b", own="own", **many), "net")
        assert contents(mine) == {"own"}
        statements.clear()
        done = mine.adopt()
        assert statements["COMMIT"] < 20
        package, single = sorted(done.adopted, key=lambda each: each.files or 0, reverse=True)
        assert (package.digest, package.models, package.files) == (model.digest, ("net:1",), 301)
        assert (single.models, single.size, single.files) == (("single:1",), 1, None)
        assert done.failed == ()
        assert mine.adopt().adopted == ()
    with Registry(tmp_path / "mine") as mine:
        assert mine.verify(full=True).ok
        assert len(below(Path(mine.model("net").get_local_copy()))) == 303


def test_a_file_that_no_upstream_registry_has_any_more_is_named(tmp_path, folder):
    with Registry(tmp_path / "team", durability="fast") as team:
        team.add(folder("a"), "net")
        gone = next(each for each in blobs(team.path) if each.read_text() == "weights")
    with Registry(tmp_path / "mine", upstream=[team.path]) as mine:
        mine.add(folder("b", own="own"), "net")
        gone.unlink()
        done = mine.adopt()
        (failure,) = done.failed
        assert "net:1, model.bin" in failure
        assert [each.files for each in done.adopted] == [1]
        (problem,) = mine.verify().problems
        assert (problem.kind, problem.file) == ("missing", "model.bin")
