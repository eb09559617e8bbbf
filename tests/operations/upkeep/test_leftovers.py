"""P30: `gc` deletes what dead processes left, in the registry and outside, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from support.contents import below, blobs, rows

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.blobs.local_files.readonly_registry import place_elsewhere
from localreg.filesystem.temporary_owners import owner_mark
from localreg.operations.weights import uploading
from localreg.store.rows import upload_rows
from localreg.store.rows.upload_rows import UploadRow
from localreg.values.layout import unfinished_name

ID = "0123456789abcdef" * 2


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry", durability="fast") as registry:
        yield registry


@pytest.fixture
def dead(children):
    """The mark of a process that has ended."""
    return children.run(mark_of_a_process)


def mark_of_a_process():
    from localreg.filesystem.temporary_owners import owner_mark

    return owner_mark()


def announce(registry, row):
    with registry._chain.first.store.write() as change:
        upload_rows.announce(change.connection, row)


def upload_row(place, owner, modified=1_700_000_000_123_456_000):
    return UploadRow(ID, place.as_uri(), owner, 1_700_000_000_123_456, modified)


def task_folder(tmp_path):
    return tmp_path / "share" / f"t.{ID}" / "models"


def write(path, modified=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    if modified is not None:
        os.utime(path, ns=(modified, modified))
    return path


@pytest.mark.parametrize(
    "folder",
    ["", "files/" + "0" * 64, "trees", "reports", "reports/models", "reports/assets", "tmp"],
)
@pytest.mark.parametrize("name", ["a.html", "registry.db"])
def test_gc_names_and_deletes_what_is_unfinished(registry, dead, folder, name):
    left = write(registry.path / folder / unfinished_name(name, dead))
    alive = write(registry.path / folder / unfinished_name(name, owner_mark()))
    other = write(registry.path / folder / ".keep")
    if folder == "tmp":
        other.unlink()  # all there is unfinished
    (found,) = registry.gc().garbage
    assert (found.path, found.size) == (str(left.relative_to(registry.path)), 5)
    assert left.exists()
    assert registry.gc(dry_run=False).garbage == (found,)
    assert not left.exists()
    assert alive.exists()
    assert other.exists() == (folder != "tmp")


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_gc_deletes_the_log_of_an_unfinished_database(registry, dead, ending):
    left = write(registry.path / (unfinished_name("registry.db", dead) + ending))
    assert registry.gc(dry_run=False).freed == 5
    assert not left.exists()


def test_gc_looks_where_copies_of_read_only_registries_are(registry, dead, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    left = write(place_elsewhere("a" * 32, "files", "0" * 64) / unfinished_name("w.pt", dead))
    kept = write(left.with_name("w.pt"))
    assert [each.path for each in registry.gc(dry_run=False).garbage] == [str(left)]
    assert kept.exists()


def die_in_a_private_copy(root, folder, package):
    """Die while a private copy is made."""
    import os
    import sys

    from localreg import Registry

    model = Registry(root, durability="fast").model("m")

    def kill(event, arguments):
        if event == "os.rename" and folder in str(arguments[1]):
            os.kill(os.getpid(), 9)

    model.get_local_copy()
    sys.addaudithook(kill)
    model.get_local_copy(target_folder=folder)


@pytest.mark.parametrize("package", [False, True])
def test_gc_deletes_an_unfinished_private_copy(registry, children, tmp_path, package):
    """The registry notes the folders of users that it writes into."""
    source = write(tmp_path / "pkg" / "w.pt")
    registry.add(source.parent if package else source, "m")
    folder = tmp_path / "mine"
    write(folder / "own")
    with children.start(die_in_a_private_copy, registry.path, folder, package) as child:
        assert child.wait() == -9, child.stderr.read()
    assert len(list(folder.iterdir())) == 2
    found = registry.gc().garbage
    assert str(folder) in " ".join(each.path for each in found)
    assert registry.gc(dry_run=False).failed == ()
    assert below(folder) == ["own"]
    assert list(registry.path.glob("tmp/*")) == []
    model = registry.model("m")
    assert Path(model.get_local_copy(target_folder=tmp_path / "other")).exists()
    assert list(registry.path.glob("tmp/*")) == []


class TestUploads:
    """What an upload left at its destination goes, if this registry made it and none records it."""

    def test_the_unfinished_and_the_finished_file_of_a_dead_process_go(
        self, registry, dead, tmp_path
    ):
        place = task_folder(tmp_path) / "w.pt"
        row = upload_row(place, dead)
        announce(registry, row)
        write(place.with_name(unfinished_name("w.pt", dead, ID)))
        write(place, row.modified)
        write(place.with_name("w.0123456789ab.pt"), row.modified)
        write(place.with_name("other.pt"), row.modified)
        (found,) = registry.gc().garbage
        assert (found.kind, found.size) == ("leftover", 15)
        assert str(place) in found.path
        assert registry.gc(dry_run=False).freed == 15
        assert below(place.parent) == ["other.pt"]
        assert registry.gc(dry_run=False) == registry.gc(dry_run=False)
        assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]

    def test_a_file_that_was_there_before_stays(self, registry, dead, tmp_path):
        place = write(task_folder(tmp_path) / "w.pt")
        announce(registry, upload_row(place, dead))
        assert registry.gc().garbage == ()
        assert registry.gc(dry_run=False).garbage == ()
        assert place.exists()
        assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]

    def test_that_of_a_living_process_stays(self, registry, tmp_path):
        row = upload_row(task_folder(tmp_path) / "w.pt", owner_mark())
        place = write(task_folder(tmp_path) / "w.pt", row.modified)
        announce(registry, row)
        assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
        assert place.exists()

    def test_a_file_that_a_model_has_stays(self, registry, dead, tmp_path):
        task = Task.create("p", "t")
        model = OutputModel(task)
        url = model.update_weights(
            str(write(tmp_path / "w.pt")), upload_uri=str(tmp_path / "share"), async_enable=False
        )
        place = Path(url.removeprefix("file://"))
        announce(registry, upload_row(place, dead, place.stat().st_mtime_ns))
        assert registry.gc(dry_run=False).garbage == ()
        assert place.exists()

    def test_a_destination_that_is_not_there_is_said_and_asked_again(
        self, registry, dead, tmp_path
    ):
        place = task_folder(tmp_path) / "w.pt"
        row = upload_row(place, dead)
        announce(registry, UploadRow(ID, row.url, dead, int(time.time() * 1e6), row.modified))
        for _ in range(2):
            done = registry.gc(dry_run=False)
            assert done.garbage == ()
            assert str(place.parent) in done.failed[0]
        write(place, row.modified)
        assert registry.gc(dry_run=False).freed == 5
        assert registry.gc(dry_run=False).failed == ()

    def test_an_upload_is_forgotten_whose_destination_is_gone_for_long(
        self, registry, dead, tmp_path
    ):
        announce(registry, upload_row(task_folder(tmp_path) / "w.pt", dead))  # of 2023
        assert registry.gc(dry_run=False).failed == ()
        assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]

    def test_names_from_a_stranger_lead_nowhere(self, registry, dead, tmp_path):
        """An owner or a URL that somebody wrote into the database deletes no file of the user."""
        victim = write(tmp_path / "victim")
        announce(registry, upload_row(task_folder(tmp_path) / "w.pt", f"/../../victim{dead}"))
        write(task_folder(tmp_path) / "x")
        registry.gc(grace_seconds=0, dry_run=False)
        assert victim.exists()

    @pytest.mark.parametrize("way", ["plain", "linked", "up"])
    def test_a_claimed_upload_deletes_no_file_of_the_user(self, registry, dead, tmp_path, way):
        """A database may name the bytes and the times of a file that no upload made."""
        documents = tmp_path / "documents"
        thesis = write(documents / "thesis.tex", 1_700_000_000_123_456_000)
        claimed = thesis
        if way == "linked":
            claimed = task_folder(tmp_path) / "thesis.tex"
            claimed.parent.parent.mkdir(parents=True)
            claimed.parent.symlink_to(documents)
        elif way == "up":
            task_folder(tmp_path).mkdir(parents=True)
            claimed = Path(f"{task_folder(tmp_path)}/../../../documents/thesis.tex")
        announce(registry, upload_row(claimed, dead))
        assert registry.gc().garbage == ()
        registry.gc(grace_seconds=0, dry_run=False)
        assert thesis.exists()
        assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]

        model = InputModel.import_model(str(thesis), copy=True)
        with registry._chain.first.store.write() as change:
            change.connection.execute(
                "UPDATE weights SET uploaded = 1, url = ?", (claimed.as_uri(),)
            )
        assert Model.remove(model.id)
        registry.gc(grace_seconds=0, dry_run=False)
        assert thesis.exists()
        assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]

    def test_ctrl_c_after_the_upload_leaves_nothing(self, registry, tmp_path):
        def interrupt():
            with uploading.uploaded_at_once(
                registry._chain.first, write(tmp_path / "w"), (tmp_path / "s").as_uri(), "w", None
            ):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupt()
        assert below(tmp_path / "s") == []
        assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]

    def test_a_file_that_was_there_before_is_not_deleted_with_the_model(self, registry, tmp_path):
        """The same bytes under the same name: the model refers to the file, and does not own it."""
        there = write(task_folder(tmp_path) / "w.pt")
        announced = uploading.uploaded_at_once(
            registry._chain.first, write(tmp_path / "w"), there.parent.as_uri(), "w.pt", None
        )
        with announced as (_, uploaded):
            assert not uploaded.made
        model = OutputModel(Task.create("p", "t"))
        folder = uploading.folder_of(registry._chain.first, (tmp_path / "out").as_uri(), model.task)
        before = write(Path(folder.removeprefix("file://")) / "w.pt")
        model.update_weights(
            str(write(tmp_path / "w.pt")), upload_uri=str(tmp_path / "out"), async_enable=False
        )
        assert Model.remove(model.id)
        assert before.exists()


def die_in_a_removal(root, model_id):
    """Die after the model was removed, and before its weights are deleted."""
    import os
    import sys

    from localreg import Model, Registry

    registry = Registry(root)

    def kill(event, arguments):
        if event == "os.remove" and "blobs" in str(arguments[0]):
            os.kill(os.getpid(), 9)

    sys.addaudithook(kill)
    Model.remove(model_id, registry=registry)


def test_weights_of_a_removal_that_was_killed_go_with_the_next_gc(
    registry, children, tmp_path, site
):
    """Also those that a URL served, which would be kept as a cache, and without a grace period."""
    site.files["/net.pt"] = b"weights"
    model = InputModel.import_model(site.url("/net.pt"), name="m", copy=True)
    assert len(blobs(registry.path)) == 1
    with children.start(die_in_a_removal, registry.path, model.id) as child:
        assert child.wait() == -9, child.stderr.read()
    assert len(blobs(registry.path)) == 1
    assert registry.gc(dry_run=False).freed == 7
    assert blobs(registry.path) == []


def test_a_model_restored_after_such_a_kill_keeps_its_weights(registry, children, tmp_path):
    model = registry.add(write(tmp_path / "w.pt"), "m")
    with children.start(die_in_a_removal, registry.path, model.id) as child:
        assert child.wait() == -9, child.stderr.read()
    registry.restore(model.id)
    assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
    Model.remove(model.id, delete_weights_file=False)
    assert registry.gc(dry_run=False).garbage == (), "the grace period begins again"


def test_what_waits_for_the_grace_period_is_said(registry, tmp_path):
    model = registry.add(write(tmp_path / "w.pt"), "m")
    Model.remove(model, delete_weights_file=False)
    done = registry.gc(grace_seconds=3_600)
    assert (done.garbage, done.waiting) == ((), 5)
    assert 3_500 < done.next_due.timestamp() - time.time() <= 3_600
    assert registry.gc(grace_seconds=0).waiting == 0
    assert registry.gc(grace_seconds=1e300).next_due.year == 9999


def test_damaged_files_go_when_a_good_copy_is_here(registry, tmp_path):
    model = registry.add(write(tmp_path / "w.pt"), "m")
    left = write(registry.path / "quarantine" / f"{model.digest}.01234567")
    other = write(registry.path / "quarantine" / f"{'0' * 64}.01234567")
    assert [each.path for each in registry.gc(dry_run=False).garbage] == [
        str(left.relative_to(registry.path))
    ]
    assert other.exists()


def delete_what_appears(number, barrier, root, turns):
    """Collect, prune, verify and measure without a grace period while others do the same."""
    from localreg import Model, Registry
    from localreg.operations.upkeep import cache, du

    failed = []
    with Registry(root, durability="fast") as registry:
        barrier.wait(60)
        for _ in range(turns):
            model = registry.add(f"{root}/../pkg", f"m{number}")
            model.get_local_copy()
            file = registry.add(f"{root}/../pkg/a", f"f{number}")
            file.get_local_copy()
            if number % 2:
                Model.remove(model, delete_weights_file=False)
                Model.remove(file, delete_weights_file=False)
                failed += registry.gc(grace_seconds=0, dry_run=False).failed
                failed += cache.prune(registry._chain, max_size=0, dry_run=False).failed
            else:
                Model.remove(model)
                Model.remove(file)
                failed += [each.text for each in registry.verify(full=True).problems]
                cache.cached(registry._chain)
                du.usage(registry._chain.first)
                failed += [each.problem.text for each in registry.repair().mended]
    return failed


def test_what_others_delete_meanwhile_is_no_failure(tmp_path, children):
    """gc, cache prune, verify, du and repair at once: what is gone is not an error."""
    for name in ("a", "b"):
        write(tmp_path / "pkg" / name)
    Registry(tmp_path / "r", durability="fast").close()
    assert children.crowd(4, delete_what_appears, tmp_path / "r", 6) == [[]] * 4


def test_pages_of_removed_models_and_tasks_go_with_gc_and_others_stay(registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    task = Task.create("p", "t")
    kept = [model.report(), task.report()]
    page = kept[0].read_bytes()
    folders = registry.path / "reports/models", registry.path / "reports/tasks"
    stale = [folder / f"{ID}.html" for folder in folders]
    ours = [folder / "notes.html" for folder in folders]
    # A task has no page among the models.
    stale.append(folders[0] / f"{task.id}.html")
    for each in (*stale, *ours):
        each.write_bytes(page)
    assert not [each for each in registry.gc().garbage if "page" in each.why]  # too young
    found = registry.gc(grace_seconds=0).garbage
    assert {each.path: each.why for each in found if "page" in each.why} == {
        str(each.relative_to(registry.path)): f"the page of a {each.parent.name[:-1]} "
        "that was removed"
        for each in stale
    }
    registry.gc(grace_seconds=0, dry_run=False)
    assert not [each for each in stale if each.exists()]
    assert all(each.exists() for each in (*kept, *ours))
