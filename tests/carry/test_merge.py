"""P31: two registries take in what the other has; the source is only read."""

from __future__ import annotations

import hashlib
import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.contents import blobs, unaccounted

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.errors import (
    InvalidValueError,
    NewerFormatError,
    NoRegistryError,
    RegistryError,
)
from localreg.operations.upkeep import cache


@pytest.fixture
def new(tmp_path):
    """Make or open a registry in the test's folder."""
    opened = []

    def make(name, **options):
        registry = Registry(tmp_path / name, **({"durability": "fast"} | options))
        opened.append(registry)
        return registry

    yield make
    for registry in opened:
        registry.close()


def add(registry, content, name="resnet", project="vision", **options):
    return registry.add(io.BytesIO(content), name, project, filename="w.pt", **options)


def digests(root):
    """Return the sha256 of each file below a folder."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(root).rglob("*"))
        if path.is_file()
    }


def shown(registry):
    """Return what a registry shows of its models."""
    return {
        model.id: (
            model.name, model.version, tuple(model.tags), model.digest, model.comment,
            tuple(sorted((key, str(value)) for key, value in model.get_all_metadata().items())),
        )
        for model in registry.models(archived=True)
    }  # fmt: skip


def test_what_the_other_registry_has_comes_here(new):
    here, there = new("here"), new("there")
    model = add(there, b"theirs", alias="prod", tags=["good"])
    model.report_scalar("loss", "train", 0.5, iteration=1)
    there.close()
    done = here.merge(there.path)
    assert done.models == ("vision/resnet:1",)
    assert (done.blobs, done.size, done.conflict) == (1, 6, False)
    found = here.model("vision/resnet@prod")
    assert found.tags == ["good"]
    assert found.get_reported_scalars()["loss"]["train"]["y"] == [0.5]
    assert Path(found.get_local_copy()).read_bytes() == b"theirs"
    assert here.verify(full=True).ok
    assert unaccounted(here.path) == []


def test_after_both_merged_each_other_both_hold_the_same(new):
    one, two = new("one"), new("two")
    add(one, b"1", name="a").set_metadata("k", 1)
    add(two, b"2", name="b", tags=["t"])
    one.merge(two.path)
    two.merge(one.path)
    one.merge(two.path)
    assert shown(one) == shown(two)
    ids = [{row["event_id"] for row in each.db["event"].rows} for each in (one, two)]
    assert ids[0] == ids[1]


def test_twice_is_once(new):
    here, there = new("here"), new("there")
    add(there, b"theirs")
    here.merge(there.path)
    events = here.db["event"].count
    done = here.merge(there.path)
    assert (done.events, done.models, done.blobs, done.differences) == (0, (), 0, ())
    assert here.db["event"].count == events
    assert here.db["arrival"].count == 1


def test_places_in_the_order_of_a_remote_come_also_if_nothing_else_does(new):
    here, there = new("here"), new("there")
    add(there, b"weights")
    here.merge(there.path)
    place = "SELECT remote, position FROM event WHERE kind = 'model.created'"
    with there._chain.first.store.write() as change:
        change.connection.execute("UPDATE event SET remote = ?, position = 1", ("e" * 32,))
    assert here.merge(there.path).events == 0
    assert here.db.execute(place).fetchall() == [("e" * 32, 1)]


def test_the_source_is_not_changed(new):
    """Not a byte of its files, and no further link to them."""
    here, there = new("here"), new("there")
    add(there, b"theirs", alias="prod")
    package = Path(there.path).parent / "pkg"
    package.mkdir()
    (package / "a").write_bytes(b"a" * 100)
    there.add(package, "pkg")
    there.close()
    with closing(sqlite3.connect(there.path / "registry.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = digests(there.path)
    links = [path.stat().st_nlink for path in blobs(there.path)]
    here.merge(there.path)
    assert {name: each for name, each in digests(there.path).items() if "-shm" not in name} == {
        name: each for name, each in before.items() if "-shm" not in name
    }
    assert [path.stat().st_nlink for path in blobs(there.path)] == links
    assert here.verify(full=True).ok


def test_a_dry_run_changes_nothing(new):
    here, there = new("here"), new("there")
    add(there, b"theirs")
    dry = here.merge(there.path, dry_run=True)
    assert here.db["event"].count == 0
    assert blobs(here.path) == []
    done = here.merge(there.path)
    assert (dry.models, dry.events, dry.blobs, dry.size) == (
        done.models,
        done.events,
        done.blobs,
        done.size,
    )


def test_tasks_come_with_what_they_have(new, tmp_path):
    here, there = new("here"), new("there")
    with there:
        task = Task.create(project_name="lab", task_name="train")
        task.upload_artifact("table", {"rows": 3})
        task.get_logger().report_scalar("loss", "train", 0.25, 7)
        (tmp_path / "net.pt").write_bytes(b"trained")
        OutputModel(task=task, name="net").update_weights(str(tmp_path / "net.pt"))
    here = new("here")
    here.merge(there.path)
    with here:
        (found,) = Task.get_tasks(project_name="lab")
        assert found.artifacts["table"].get() == {"rows": 3}
        assert found.get_reported_scalars()["loss"]["train"]["y"] == [0.25]


def test_reports_that_both_have_are_joined(new, tmp_path):
    here = new("here")
    model = add(here, b"w")
    model.report_scalar("loss", "train", 0.5, iteration=1)
    here.close()
    shutil.copytree(here.path, tmp_path / "there")
    for name, iteration in (("here", 2), ("there", 3)):
        with Registry(tmp_path / name, durability="fast") as registry:
            registry.model(model.id).report_scalar("loss", "train", 0.1, iteration=iteration)
    here = new("here")
    here.merge(tmp_path / "there")
    assert here.model(model.id).get_reported_scalars()["loss"]["train"]["x"] == [1, 2, 3]


def test_a_copied_registry_that_went_on_is_merged(new, tmp_path):
    here = new("here")
    add(here, b"1")
    here.close()
    shutil.copytree(here.path, tmp_path / "copy")
    with Registry(tmp_path / "copy", durability="fast") as copy:
        copy.model("vision/resnet:1").set_metadata("k", 1)
        add(copy, b"2")
    with Registry(tmp_path / "here", durability="fast") as here:
        add(here, b"3", name="other")
        done = here.merge(tmp_path / "copy")
        assert done.models == ("vision/resnet:2",)
        assert here.model("vision/resnet:1").get_metadata("k") == "1"
        assert here.verify(full=True).ok


def test_a_number_that_both_gave_is_ambiguous_and_can_be_given_anew(new):
    one, two = new("one"), new("two")
    add(one, b"1"), add(two, b"2")
    done = one.merge(two.path)
    assert any("ambiguous" in each for each in done.differences), done.differences
    done = one.merge(two.path, renumber=True)
    two.merge(one.path, renumber=True)
    assert {model.id: model.version for model in one.models()} == {
        model.id: model.version for model in two.models()
    }
    assert sorted(model.version for model in one.models()) == [1, 2]
    assert one.model("vision/resnet:1").digest == two.model("vision/resnet:1").digest


def test_new_numbers_also_for_what_was_removed_or_moved_away(new):
    """A removed model takes the next number, one that was moved away gives its number up."""
    one, two = new("one"), new("two")
    add(two, b"0", "other")  # so that the events of two are later in order
    for registry, content in ((one, b"1"), (two, b"2")):
        for name in ("removed", "moved"):
            add(registry, content + name.encode(), name)
    with two:
        Model.remove(two.model("vision/removed:1"))
        two.model("vision/moved:1").name = "elsewhere"
    with one:
        Model.remove(one.model("vision/removed:1"))
    one, two = new("one"), new("two")
    one.merge(two.path, renumber=True)
    two.merge(one.path, renumber=True)
    for registry in (one, two):
        assert registry.model("vision/moved:1").name == "moved"
        assert registry.model("vision/elsewhere:1").name == "elsewhere"
        assert sorted(row["version"] for row in registry.db["tombstone"].rows) == [1, 2]
        assert registry.verify().ok
    assert one.merge(two.path, renumber=True).events == 0
    assert one.merge(two.path, renumber=True).differences == ()


def test_a_change_that_has_lost_is_a_conflict(new, tmp_path):
    one = new("one")
    model = add(one, b"1")
    one.close()
    shutil.copytree(one.path, tmp_path / "two")
    for name, value in (("one", "a"), ("two", "b")):
        with Registry(tmp_path / name, durability="fast") as registry:
            registry.model(model.id).comment = value
    with Registry(tmp_path / "one", durability="fast") as one:
        first = one.merge(tmp_path / "two")
    with Registry(tmp_path / "two", durability="fast") as two:
        second = two.merge(tmp_path / "one")
    assert sorted([first.conflict, second.conflict]) == [False, True], "one of them has lost"
    assert any("lost" in each for each in first.differences + second.differences)


def test_what_was_removed_here_does_not_come_again(new):
    """Its bytes are not even copied."""
    here, there = new("here"), new("there")
    add(there, b"large weights")
    here.merge(there.path)
    with here:
        Model.remove(here.model("vision/resnet:1"), delete_weights_file=True)
    here = new("here")
    assert blobs(here.path) == []
    done = here.merge(there.path)
    assert (done.blobs, done.events) == (0, 0)
    assert here.models() == []


@pytest.mark.parametrize("merged_before", [True, False])
def test_packages_of_models_that_were_removed_there_do_not_come(new, tmp_path, merged_before):
    """Their manifests are there until gc deletes them."""
    here, there = new("here"), new("there")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a").write_bytes(b"a" * 100)
    there.add(tmp_path / "pkg", "net")
    if merged_before:
        here.merge(there.path)
        with here:
            Model.remove(here.model("net"), delete_weights_file=True)
        here = new("here")
    else:
        with there:
            Model.remove(there.model("net"))
        there = new("there")
    add(there, b"weights")
    done = here.merge(there.path)
    came = ("vision/resnet:1",) if merged_before else ("net:1", "vision/resnet:1")
    assert (done.models, done.blobs) == (came, 1)
    assert len(blobs(here.path)) == 1
    assert here.verify(full=True).ok


def test_packages_without_bytes_come_with_the_names_of_their_files(new, tmp_path):
    here, there = new("here"), new("there")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "a").write_bytes(b"a" * 100)
    digest = there.add(tmp_path / "pkg", "net").digest
    manifest = there.path / "blobs" / "sha256" / digest[:2] / digest[2:]
    (tmp_path / "manifest").write_bytes(manifest.read_bytes())
    manifest.unlink()
    done = here.merge(there.path)
    assert [each.ref for each in done.missing] == ["net:1"]
    assert [each.path for each in here.model("net").files] == ["a"]
    assert [each.text for each in here.verify(full=True).problems] == ["the weights are gone"]


def test_weights_that_are_only_pointed_to_come_if_their_file_fits(new, tmp_path):
    here, there = new("here"), new("there")
    for name in ("same.pt", "gone.pt"):
        (tmp_path / name).write_bytes(name.encode())
        pin = hashlib.sha256(name.encode()).hexdigest()
        there.add(tmp_path / name, mode="reference", expected_sha256=pin)
    (tmp_path / "gone.pt").unlink()
    done = here.merge(there.path)
    assert (done.blobs, done.size) == (1, 7)
    assert [(each.ref, each.size) for each in done.missing] == [("gone:1", 7)]
    assert Path(here.model("same").get_local_copy()).read_bytes() == b"same.pt"


def test_bytes_whose_url_did_not_come_are_no_cache(new, tmp_path):
    """A model was uploaded to a folder of that machine: the path is private and stays there."""
    with new("there"):
        for name, source in (("file", tmp_path / "w.pt"), ("package", tmp_path / "pkg")):
            model = OutputModel(name=name, task=Task.create(project_name="p", task_name=name))
            if name == "file":
                source.write_bytes(b"weights")
                model.update_weights(
                    str(source), upload_uri=str(tmp_path / "share"), async_enable=False
                )
            else:
                source.mkdir()
                (source / "a").write_bytes(b"a" * 100)
                model.update_weights_package(
                    weights_path=str(source), upload_uri=str(tmp_path / "share"),
                    async_enable=False,
                )  # fmt: skip
            InputModel(model.id).get_local_copy(raise_on_error=True)
    here = new("here")
    here.merge(tmp_path / "there")
    shutil.rmtree(tmp_path / "share")
    shutil.rmtree(tmp_path / "there")
    found = here._chain
    assert cache.cached(found) == []
    assert cache.prune(found, max_size=0, dry_run=False).freed == 0
    assert here.gc(grace_seconds=0, dry_run=False).garbage == ()
    for name in ("file", "package"):
        assert here.model(f"p/{name}").get_local_copy(raise_on_error=True)


def test_bytes_that_are_damaged_there_are_named_and_the_rest_comes(new):
    here, there = new("here"), new("there")
    add(there, b"damaged", name="bad")
    add(there, b"good", name="good")
    for blob in blobs(there.path):
        if blob.read_bytes() == b"damaged":
            blob.chmod(0o644)
            blob.write_bytes(b"DAMAGED")
    done = here.merge(there.path)
    assert [each.ref for each in done.missing] == ["vision/bad:1"]
    assert Path(here.model("vision/good").get_local_copy()).read_bytes() == b"good"
    assert [path.read_bytes() for path in blobs(here.path)] == [b"good"]


def test_a_read_only_mount_is_merged(new, small_disk, tmp_path):
    disk = small_disk("-t", "tmpfs", "none")
    with Registry(disk / "there", durability="fast") as there:
        add(there, b"theirs")
    small_disk("-o", "remount,ro")
    here = new("here")
    assert here.merge(disk / "there").models == ("vision/resnet:1",)


class TestErrors:
    """Nothing is changed."""

    def test_itself(self, new):
        here = new("here")
        with pytest.raises(InvalidValueError, match="this registry itself"):
            here.merge(here.path)

    def test_no_registry(self, new, tmp_path):
        with pytest.raises(NoRegistryError):
            new("here").merge(tmp_path / "unknown")

    def test_the_folder_that_a_registry_is_in(self, new, tmp_path):
        new("project/.localreg")
        with pytest.raises(NoRegistryError, match=r"localreg merge .*project/\.localreg`"):
            new("here").merge(tmp_path / "project")

    def test_a_bundle_is_imported_and_not_merged(self, new, tmp_path):
        there = new("there")
        add(there, b"theirs")
        there.export(everything=True, path=tmp_path / "b.tar")
        there.export(everything=True, path=tmp_path / "folder")
        for name in ("b.tar", "folder"):
            with pytest.raises(InvalidValueError, match="localreg import"):
                new("here").merge(tmp_path / name)

    def test_a_registry_of_a_newer_format(self, new):
        here, there = new("here"), new("there")
        there.close()
        with closing(sqlite3.connect(there.path / "registry.db")) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version = {version + 1}")
        with pytest.raises(NewerFormatError, match=rf"{version + 1}.*{version}"):
            here.merge(there.path)

    def test_a_damaged_registry(self, new):
        here, there = new("here"), new("there")
        there.close()
        (there.path / "registry.db").write_bytes(b"no database" * 1_000)
        with pytest.raises(RegistryError):
            here.merge(there.path)
        assert here.db["event"].count == 0
