"""Upkeep of packages: their files are used, deleted, counted, checked and repaired with them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.contents import below, blobs, check_sound, rows
from support.statements import counted

from localreg import InputModel, Registry, StorageManager
from localreg.operations.finding.references import resolve_model
from localreg.operations.upkeep import cache, doctor
from localreg.operations.upkeep.verify import verify_chosen


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


@pytest.mark.parametrize("delete", [False, True], ids=["gc", "removal"])
def test_a_package_that_is_deleted_and_added_at_once_is_whole(delete, tmp_path, folder, children):
    """In each round all processes begin at once: one deletes, two add the same package."""
    source = folder("a", **{f"f{number}": str(number) for number in range(40)})
    root = tmp_path / "registry"
    with Registry(root) as registry:
        registry.add(source, "m")

    def race(number, barrier, root, source, delete):
        from localreg import InputModel, Registry

        with Registry(root) as registry:
            for _ in range(12):
                barrier.wait()
                if number == 0:
                    for model in registry.models():
                        InputModel.remove(model, delete_weights_file=delete)
                    registry.gc(grace_seconds=0, dry_run=False)
                else:
                    model = registry.add(source, "m")
                barrier.wait()
                if number == 1:
                    found = registry.verify(full=True)
                    assert found.ok, found
        return number

    assert children.crowd(3, race, root, source, delete) == [0, 1, 2]
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


# verify ----------------------------------------------------------------------------------------


def blob_with(registry, text):
    """Return the path of the blob with a text."""
    return next(each for each in blobs(registry.path) if each.read_bytes() == text.encode())


def change(path, text):
    """Replace a file by another one, as if it were not read-only, and leave its other names."""
    path.parent.chmod(0o755)
    path.unlink(missing_ok=True)
    path.write_text(text)


def test_a_damaged_or_missing_file_names_the_models_and_its_path(registry, folder):
    registry.add(folder("a", deep__notes="notes"), "m", "p")
    registry.add(folder("b", readme="second"), "m", "p")
    blob_with(registry, "notes").unlink()
    change(blob_with(registry, "weights"), "WEIGHTS")
    found = registry.verify()
    problems = {(each.kind, each.file, each.models, each.kept) for each in found.problems}
    assert problems == {
        ("missing", "deep/notes", ("p/m:1",), True),
        ("digest", "model.bin", ("p/m:1", "p/m:2"), True),
    }
    assert found.checked == 6


def test_verifying_a_model_checks_all_files_of_its_package(registry, folder, write_file):
    model = registry.add(folder("a"), "m")
    registry.add(write_file("w", "other"), "other")
    change(blob_with(registry, "weights"), "WEIGHTS")
    change(blob_with(registry, "other"), "OTHER")
    found = verify_chosen(registry._chain, [resolve_model(registry._chain, model.id)], full=False)
    assert found.checked == 3
    assert [each.file for each in found.problems] == ["model.bin"]


LIST_DAMAGES = {
    "a row too few": "DELETE FROM tree_file WHERE path = 'model.bin'",
    "all rows gone": "DELETE FROM tree_file",
    "another path": "UPDATE tree_file SET path = 'other.bin' WHERE path = 'model.bin'",
    "another file": "UPDATE tree_file SET blob = (SELECT min(blob) FROM tree_file), size = 2",
    "executable": "UPDATE tree_file SET executable = 1",
    "no total": "UPDATE blob SET total = NULL",
}


@pytest.mark.parametrize("name", LIST_DAMAGES)
def test_a_list_of_files_that_is_not_the_manifest_is_found_and_recorded_again(
    name, registry, folder
):
    model = registry.add(folder("a"), "m")
    with registry.db.conn as connection:
        connection.execute(LIST_DAMAGES[name])
    if name == "no total":  # a fold makes it again; nothing else depends on it
        assert registry.verify().ok
        return
    (problem,) = registry.verify().problems
    assert (problem.kind, problem.digest, problem.models) == ("row", model.digest, ("m:1",))
    (mended,) = registry.repair().mended
    assert mended.how == "the files were recorded again from the manifest"
    assert registry.verify(full=True).ok
    assert below(Path(model.get_local_copy())) == ["config.json", "model.bin"]


def test_files_that_only_the_manifest_names_are_missing_after_a_repair(registry, folder):
    source = folder("a")
    model = registry.add(source, "m")
    shutil.rmtree(source)
    blob_with(registry, "weights").unlink()
    with registry.db.conn as connection:
        connection.execute("DELETE FROM tree_file")
        connection.execute("DELETE FROM blob WHERE size = 7")
    (problem,) = registry.verify().problems
    assert problem.kind == "row"
    done = registry.repair()
    assert [each.problem.kind for each in done.mended] == ["row"]
    assert [(each.kind, each.file) for each in done.lost] == [("missing", "model.bin")]
    assert [each.file for each in registry.verify().problems] == ["model.bin"]
    assert registry.add(folder("a"), "m").digest == model.digest
    assert registry.verify(full=True).ok


FOLDER_DAMAGES = {
    "a file too many": lambda folder: change(folder / "added", "mine"),
    "a file too few": lambda folder: (folder.chmod(0o755), (folder / "model.bin").unlink()),
    "another size": lambda folder: change(folder / "model.bin", "longer than before"),
    "a folder in its place": lambda folder: (
        folder.chmod(0o755), (folder / "model.bin").unlink(), (folder / "model.bin").mkdir()
    ),
    "a link in its place": lambda folder: (
        folder.chmod(0o755),
        (folder / "model.bin").unlink(),
        (folder / "model.bin").symlink_to("/etc/hostname"),
    ),
    "no executable bit": lambda folder: (folder / "run.sh").chmod(0o444),
    "other bytes": lambda folder: change(folder / "model.bin", "WEIGHTS"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDER_DAMAGES)
def test_a_damaged_folder_is_found_and_made_again(name, registry, folder):
    source = folder("a", **{"run.sh": "#!/bin/sh"})
    (source / "run.sh").chmod(0o755)
    model = registry.add(source, "m")
    local = Path(model.get_local_copy())
    FOLDER_DAMAGES[name](local)
    assert registry.verify().ok == (name == "other bytes")
    (problem,) = registry.verify(full=True).problems
    assert (problem.kind, problem.path) == ("tree", f"trees/{model.digest}")
    (mended,) = registry.repair(full=True).mended
    assert mended.problem == problem
    assert not local.exists()
    quarantine = registry.path / "quarantine"
    if name == "a file too many":
        (kept,) = quarantine.iterdir()
        assert (kept / "added").read_text() == "mine"
        assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
        assert (kept / "added").read_text() == "mine", "a file of the user is never deleted"
    else:
        assert not quarantine.exists() or not list(quarantine.iterdir())
    assert Path(model.get_local_copy()) == local
    assert registry.verify(full=True).ok


def test_a_package_that_lacks_files_is_incomplete_and_not_damaged(registry, folder):
    index = '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}'
    source = folder("a", **{"model.safetensors.index.json": index})
    model = registry.add(source, "m", "p")
    found = registry.verify()
    assert found.ok
    (each,) = found.incomplete
    assert (each.digest, each.models) == (model.digest, ("p/m:1",))
    assert each.missing == ("model-00001-of-00002.safetensors",)
    code, out, err = run_cli("verify")
    assert (code, "lacks model-00001-of-00002.safetensors" in err) == (0, True)
    code, out, _ = run_cli("verify", "--json")
    assert json.loads(out)["incomplete"][0]["missing"] == list(each.missing)


def test_a_verification_needs_few_statements_for_many_files(tmp_path, folder):
    many = {f"f{number}": str(number) for number in range(1_000)}
    with (
        counted() as statements,
        Registry(tmp_path / "registry", durability="fast") as registry,
    ):
        for version in range(3):
            registry.add(folder("a", **many, version=f"version {version}"), "m")
        for full in (False, True):
            statements.clear()
            found = registry.verify(full=full)
            assert (found.ok, found.checked, found.hashed) == (True, 1_008, 1_008 * full)
            assert sum(statements.values()) < 200
            assert statements["COMMIT"] < 40


# repair ----------------------------------------------------------------------------------------


def test_a_file_comes_back_from_the_folder_that_was_added(registry, folder, tmp_path):
    model = InputModel.import_model(str(folder("a")), name="m", copy=True)
    change(blob_with(registry, "weights"), "WEIGHTS")
    (mended,) = registry.repair().mended
    assert mended.how == f"copied from {tmp_path}/user/a/model.bin"
    assert registry.verify(full=True).ok
    assert (Path(model.get_local_copy()) / "model.bin").read_text() == "weights"
    assert not list((registry.path / "quarantine").iterdir())


def test_a_file_comes_back_from_its_copy_in_a_folder(registry, folder):
    """Where there are no links, the folders hold copies; so do executable files everywhere."""
    source = folder("a", **{"run.sh": "#!/bin/sh"})
    (source / "run.sh").chmod(0o755)
    model = registry.add(source, "m")
    local = Path(model.get_local_copy())
    blob_with(registry, "#!/bin/sh").unlink()
    shutil.rmtree(source)
    (mended,) = registry.repair().mended
    assert mended.how == "copied from a local copy"
    assert registry.verify(full=True).ok
    assert os.access(local / "run.sh", os.X_OK) or not local.exists()
    assert os.access(Path(model.get_local_copy()) / "run.sh", os.X_OK)


def test_the_folder_with_a_damaged_file_is_not_given_out_after_a_repair(registry, folder):
    """The file of the folder is a link to the damaged blob, and has its size."""
    source = folder("a")
    model = InputModel.import_model(str(source), name="m", copy=True)
    local = Path(model.get_local_copy())
    (local / "model.bin").chmod(0o644)
    (local / "model.bin").write_text("WEIGHTS")
    assert len(registry.repair().mended) == 1
    assert (Path(model.get_local_copy()) / "model.bin").read_text() == "weights"


def test_a_manifest_is_written_again_from_the_recorded_files(registry, folder):
    model = registry.add(folder("a"), "m")
    manifest = registry.path / "blobs/sha256" / model.digest[:2] / model.digest[2:]
    before = manifest.read_bytes()
    for damage in (lambda: change(manifest, "x" * len(before)), manifest.unlink):
        damage()
        (mended,) = registry.repair().mended
        assert mended.how == "written again from the recorded files of the package"
        assert manifest.read_bytes() == before
        assert registry.verify(full=True).ok


def test_files_come_back_from_the_archive_that_a_url_serves(registry, site):
    site.files["/m.zip"] = zipped(a="a file", b="another file")
    model = InputModel.import_model(site.url("/m.zip"), name="m", is_package=True)
    model.get_local_copy()
    for text in ("a file", "another file"):
        blob_with(registry, text).unlink()
    delete_folder(registry.path / "trees" / model.digest)
    next(each for each in blobs(registry.path) if each.read_bytes()[:2] == b"PK").unlink()
    del site.gets[:]
    done = registry.repair()
    if done.mended:  # what can be downloaded again is not kept, so its absence is no damage
        assert {each.how for each in done.mended} == {f"unpacked from {site.url('/m.zip')}"}
    assert done.lost == ()
    assert below(Path(model.get_local_copy())) == ["a", "b"]
    delete_folder(registry.path / "trees" / model.digest)
    change(blob_with(registry, "a file"), "A FILE")
    done = registry.repair()
    assert [each.how for each in done.mended] == [f"unpacked from {site.url('/m.zip')}"]
    assert registry.verify(full=True).ok


def zipped(**files):
    """Return a zip with some files."""
    import io
    import zipfile

    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as writer:
            for name, text in files.items():
                writer.writestr(name, text)
        return stream.getvalue()


def delete_folder(folder):
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_many_damaged_files_are_repaired_in_few_transactions(tmp_path, folder):
    source = folder("a", **{f"f{number}": str(number) for number in range(400)})
    with (
        counted() as statements,
        Registry(tmp_path / "registry", durability="fast") as registry,
    ):
        model = InputModel.import_model(str(source), name="m", copy=True)
        for each in blobs(registry.path):
            if each.read_text().isdecimal():
                change(each, "x" * each.stat().st_size)
        statements.clear()
        done = registry.repair()
        assert (len(done.mended), done.lost) == (400, ())
        assert statements["COMMIT"] - statements["BEGIN"] < 30
        assert registry.verify(full=True).ok
        assert model.get_local_copy()


# du and the cache --------------------------------------------------------------------------------


def test_du_counts_each_file_once_and_agrees_with_the_disk(registry, folder, write_file):
    source = folder("a", readme="first", **{"run.sh": "#!/bin/sh"})
    (source / "run.sh").chmod(0o755)
    registry.add(source, "m", "p").get_local_copy()
    registry.add(folder("b", readme="second"), "m", "p")
    registry.add(folder("c", readme="third"), "n", "q")
    registry.add(write_file("w", "third"), "single", "q")
    InputModel.remove(registry.add(write_file("x", "unused"), "u"), delete_weights_file=False)
    found = registry.du()
    sizes = {each: each.stat().st_size for each in blobs(registry.path)}
    manifests = {path: size for path, size in sizes.items() if b'"files"' in path.read_bytes()}
    assert (found.kept, found.unused) == (sum(sizes.values()) - 6, 6)
    assert found.trees == len("#!/bin/sh")
    assert found.total - found.database == on_disk(registry.path)
    shared = len("{}" + "weights")
    lines = {each.name: each for each in found.lines}
    own = sum(manifests.values()) // 3
    assert lines["q/single"].size == 5
    assert (lines["q/single"].alone, lines["q/single"].blobs, lines["q/single"].models) == (0, 1, 1)
    assert lines["q/n"].blobs == 4
    assert lines["p/m"].models == 2
    assert lines["p/m"].size - lines["p/m"].alone == shared
    projects = {each.name: each for each in found.projects}
    assert projects["q"].size - projects["q"].alone == shared
    assert projects["q"].alone == 5 + lines["q/n"].size - shared - 5
    assert own > 0
    by_blob = {each.size: each.models for each in found.blobs if each.size == 7}
    assert by_blob == {7: 3}


def test_a_package_of_a_url_is_one_line_of_the_cache(registry, site, folder):
    kept = registry.add(folder("a"), "kept")
    site.files["/m.zip"] = zipped(a="a file", model="weights")
    model = InputModel.import_model(site.url("/m.zip"), name="m", is_package=True)
    model.get_local_copy()
    found = {each.kind: each for each in cache.cached(registry._chain)}
    assert set(found) == {"archive", "tree"}
    manifest = registry.path / "blobs/sha256" / model.digest[:2] / model.digest[2:]
    assert found["tree"].name == model.digest
    assert found["tree"].size == len("a file") + manifest.stat().st_size, "weights are kept"
    assert found["tree"].models == found["archive"].models == ("m:1",)
    assert found["archive"].source == site.url("/m.zip")
    before = on_disk(registry.path)
    done = cache.prune(registry._chain, max_size=0, dry_run=False)
    assert before - on_disk(registry.path) == done.freed
    assert cache.cached(registry._chain) == []
    assert contents(registry) == {"{}", "weights"}
    assert registry.verify(full=True).ok
    assert below(Path(kept.get_local_copy())) == ["config.json", "model.bin"]
    assert below(Path(model.get_local_copy())) == ["a", "model"]
    assert registry.verify(full=True).ok


def test_an_archive_is_deleted_without_its_package(registry, site):
    site.files["/m.zip"] = zipped(a="a file")
    copied = Path(StorageManager.get_local_copy(site.url("/m.zip")))
    assert below(copied) == ["a"]
    archive = next(each for each in cache.cached(registry._chain) if each.kind == "archive")
    cache.remove(registry._chain, archive.name)
    assert [each.kind for each in cache.cached(registry._chain)] == ["tree"]
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    (tree,) = cache.cached(registry._chain)
    cache.remove(registry._chain, tree.name)
    assert blobs(registry.path) == []
    assert rows(registry, "SELECT * FROM blob") == rows(registry, "SELECT * FROM unpacked") == []
    check_sound(registry.path)


def test_the_zip_of_a_package_is_a_cache(registry, folder):
    model = registry.add(folder("a"), "m")
    model.get_local_copy(extract_archive=False)
    (archive,) = cache.cached(registry._chain)
    assert (archive.kind, archive.models) == ("archive", ("m:1",))
    assert [each.kind for each in registry.gc(grace_seconds=0).garbage] == ["weights"]
    cache.remove(registry._chain, archive.name)
    assert contents(registry) == {"{}", "weights"}
    assert cache.cached(registry._chain) == []
    InputModel.remove(model, delete_weights_file=True)
    assert blobs(registry.path) == []


def test_files_that_a_user_put_into_a_folder_outlive_its_package(registry, folder):
    for delete in (False, True):
        model = registry.add(folder("a"), "m")
        change(Path(model.get_local_copy()) / "mine", "mine")
        digest = model.digest
        InputModel.remove(model, delete_weights_file=delete)
        registry.gc(grace_seconds=0, dry_run=False)
        assert contents(registry) == set()
        assert not (registry.path / "trees" / digest).exists()
        (kept,) = (registry.path / "quarantine").iterdir()
        assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
        assert (kept / "mine").read_text() == "mine"
        assert "quarantine" in [each.what for each in doctor.examine(registry._chain)]
        shutil.rmtree(kept)


def test_the_zip_that_was_uploaded_of_a_package_does_not_keep_it(registry, folder):
    """Its bytes are not here, and localreg made it: it would not bring the package back."""
    model = registry.add(folder("a"), "m")
    with registry.db.conn as connection:
        connection.execute(
            "INSERT INTO unpacked SELECT ?, pk, 1 FROM blob WHERE digest = ?",
            ("0" * 64, model.digest),
        )
    InputModel.remove(model, delete_weights_file=False)
    registry.gc(grace_seconds=0, dry_run=False)
    assert blobs(registry.path) == []


def test_a_file_that_was_used_longer_than_its_package_waits_alone(registry, folder, write_file):
    package = registry.add(folder("a"), "m")
    single = registry.add(write_file("w", "weights"), "single")
    InputModel.remove(package, delete_weights_file=False)
    with registry.db.conn as connection:  # long ago
        connection.execute("UPDATE blob SET unreferenced = 1 WHERE unreferenced IS NOT NULL")
    InputModel.remove(single, delete_weights_file=False)
    assert len(registry.gc(dry_run=False).garbage) == 1
    assert contents(registry) == {"weights"}
    registry.restore(single.id)
    assert registry.verify(full=True).ok
