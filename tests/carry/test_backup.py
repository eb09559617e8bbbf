"""P4, P5: a backup has all that was done before it, while others write, whatever is killed."""

from __future__ import annotations

import io
import os
import random
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.contents import blobs, check_sound
from support.kills import Killer
from support.proofs import TIMES
from support.used_registry import make_used_registry

from localreg import Model, Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.errors import (
    ConflictError,
    DamagedRegistryError,
    InvalidValueError,
    LockTimeoutError,
    PathExistsError,
    StorageFullError,
)
from localreg.operations.carry.backup import back_up
from localreg.registry import open_registry

WRITERS = 8


@pytest.fixture
def registry(tmp_path):
    with Registry(tmp_path / "registry", durability="fast") as registry:
        registry.add(io.BytesIO(b"one" * 1_000), "net", "vision", filename="w.pt", alias="prod")
        registry.add(io.BytesIO(b"two" * 1_000), "net", "vision", filename="w.pt")
        yield registry


def add(registry, content, name="more"):
    return registry.add(io.BytesIO(content), name, filename=f"{name}.pt")


def check(root, *, ids=None, clean=True):
    """Check that a backup is a sound registry; return the ids of its models.

    Args:
        root: its directory.
        ids: models that it must have.
        clean: False if weights may be there that were removed while the backup was made.
    """
    check_sound(root)
    with Registry(root, durability="fast") as copy:
        found = copy.verify(full=True)
        assert found.ok, found.problems
        assert not clean or copy.gc(grace_seconds=0).garbage == ()
        there = {model.id for model in copy.models(archived=True)}
        for model in copy.models(archived=True):
            if model.digest is not None and model.size:
                assert Path(model.get_local_copy(raise_on_error=True)).exists()
    assert ids is None or ids <= there
    return there


def text_of(root):
    """Return what the commands print of a registry."""
    shown = []
    for command in (["ls", "--json"], ["history", "--json", "-l", "0"], ["task", "ls", "--json"]):
        code, out, err = run_cli("-R", root, *command)
        assert (code, err) == (0, "")
        shown.append(out.replace(str(root), "ROOT"))
    return shown


def write_all_the_time(root, count, folder):
    """Fork writers that add, tag and remove models, and collect garbage, until a file is there."""
    import io
    import os
    from pathlib import Path

    from localreg import Model, Registry

    folder = Path(folder)
    pids = []
    for number in range(count):
        pid = os.fork()
        if pid:
            pids.append(pid)
            continue
        try:
            step = 0
            with (
                Registry(root, durability="fast") as registry,
                open(folder / f"{number}", "w") as done,
            ):
                while not (folder / "stop").exists():
                    content = f"{number} {step}".encode() * 100
                    model = registry.add(io.BytesIO(content), f"n{number}", filename="w.pt")
                    model.tags = [f"t{step}"]
                    done.write(f"{model.id}\n")
                    done.flush()
                    gone = registry.add(io.BytesIO(content + b"gone"), "gone", filename="g.pt")
                    Model.remove(gone, delete_weights_file=True)
                    step += 1
        except BaseException:  # noqa: BLE001  (shown by the test)
            import traceback

            (folder / f"failed-{number}").write_text(traceback.format_exc())
        os._exit(0)
    for pid in pids:
        os.waitpid(pid, 0)
    return [path.read_text() for path in folder.glob("failed-*")]


def wait_for(condition):
    import time

    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_what_was_acknowledged_before_is_in_it_while_others_write(tmp_path, children, journal):
    """By eight processes that add and remove all the time; each row has its bytes."""
    root, notes = tmp_path / "registry", tmp_path / "notes"
    notes.mkdir()
    open_registry(root, journal=journal).close()

    def acknowledged():
        files = [notes / str(number) for number in range(WRITERS)]
        return [path.read_text().split() if path.exists() else [] for path in files]

    process = children.start(write_all_the_time, root, WRITERS, notes)
    try:
        wait_for(lambda: all(acknowledged()))
        with Registry(root, durability="fast") as registry:
            for target in ("backup", "backup", "file.tar", "backup"):
                before = {each for ids in acknowledged() for each in ids}
                done = registry.backup(tmp_path / target)
                assert done.failed == ()
                if target == "file.tar":
                    with tarfile.open(done.path) as file:
                        file.extractall(tmp_path / "unpacked", filter="data")
                    check(tmp_path / "unpacked", ids=before, clean=False)
                else:
                    copy = tmp_path / "copied"
                    shutil.rmtree(copy, ignore_errors=True)
                    subprocess.run(["cp", "-a", done.path, copy], check=True)
                    check(copy, ids=before, clean=False)
    finally:
        (notes / "stop").touch()
        out, err = process.communicate(timeout=120)
    assert (out.strip(), process.returncode) == ("[]", 0), out + err


@pytest.mark.parametrize("target", ["backup", "file.tar"])
def test_a_restored_backup_is_the_same_registry(tmp_path, target):
    """Copied back with any tool: models, history, tasks, reports, local copies."""
    root = make_used_registry(tmp_path)
    with Registry(root) as registry:
        done = registry.backup(tmp_path / target)
        local = sorted(str(path.relative_to(root)) for path in (root / "files").rglob("*"))
    before = text_of(root)
    shutil.rmtree(root)
    if target == "backup":
        subprocess.run(["cp", "-a", done.path, root], check=True)
    else:
        root.mkdir()
        subprocess.run(["tar", "xf", done.path, "-C", root], check=True)
    assert text_of(root) == before
    assert sorted(str(path.relative_to(root)) for path in (root / "files").rglob("*")) == local
    assert (root / "registry.db-reserve").stat().st_size == 262_144
    check(root)
    with Registry(root, durability="fast") as registry:
        assert add(registry, b"later").version == 1


def test_the_bytes_are_linked_and_hashed_by_nobody_again(registry, tmp_path):
    """On the same disk a backup takes no space for bytes; neither side reads them again."""
    done = registry.backup(tmp_path / "backup")
    assert (done.blobs, done.new, done.linked) == (2, 2, 2)
    for here, there in zip(blobs(registry.path), blobs(tmp_path / "backup"), strict=True):
        assert here.samefile(there)
    assert registry.verify().hashed == 0
    with Registry(tmp_path / "backup") as copy:
        found = copy.verify()
        assert (found.ok, found.hashed, found.checked) == (True, 0, 2)


def test_only_new_bytes_come_to_an_earlier_backup(registry, tmp_path):
    registry.backup(tmp_path / "backup")
    three = add(registry, b"three")
    done = registry.backup(tmp_path / "backup")
    assert (done.blobs, done.new, done.new_size, done.linked) == (3, 1, 5, 1)
    assert three.id in check(tmp_path / "backup")
    done = registry.backup(tmp_path / "backup")
    assert (done.blobs, done.new) == (3, 0)


def test_a_registry_that_is_only_read_is_copied(registry, tmp_path):
    """Not even the number of links of its files changes."""

    def look():
        return {path: (os.lstat(path).st_nlink, os.lstat(path).st_ctime_ns)
                for path in registry.path.rglob("*") if path.is_file()}  # fmt: skip

    registry.close()
    before = look()
    with Registry(registry.path, readonly=True) as reader:
        done = reader.backup(tmp_path / "backup")
    assert (done.new, done.linked) == (2, 0)
    assert look() == before
    with Registry(tmp_path / "backup") as copy:
        assert copy.verify().hashed == 0
    check(tmp_path / "backup")


def test_a_registry_on_a_read_only_mount(registry, tmp_path, small_disk):
    registry.close()
    disk = small_disk("--bind", registry.path)
    small_disk("-o", "remount,bind,ro")
    code, out, err = run_cli("-R", disk, "backup", tmp_path / "backup")
    assert (code, out) == (0, f"{tmp_path / 'backup'}\n")
    assert "hard links" not in err
    check(tmp_path / "backup")


def test_another_disk(registry, tmp_path, made_disk):
    """A mount point is a folder as any other; where the file system can, copies are clones."""
    disk = made_disk("btrfs", 320)
    for number in range(2):
        add(registry, b"more %d" % number)
        done = registry.backup(disk / "backup")
        assert done.linked == 0
    check(disk / "backup")


def back_up_to(place, root):
    """Back up twice to a stick; return what verify and a local copy say there."""
    import io
    from pathlib import Path

    from localreg import Registry

    with Registry(root, durability="fast") as registry:
        registry.backup(place)  # the mount point itself
        registry.add(io.BytesIO(b"more"), "more", filename="m.pt")
        linked = registry.backup(place).linked
    with Registry(place, durability="fast") as copy:
        content = Path(copy.model("more").get_local_copy()).read_bytes().decode()
        return [linked, copy.verify(full=True).ok, content]


def test_a_stick_without_links_and_modes(registry, stick):
    registry.close()
    assert stick.run(back_up_to, stick.place, registry.path) == [0, True, "more"]


def test_what_a_backup_lost_or_damaged_comes_again(registry, tmp_path):
    """Copies whose file changed are hashed, and replaced if their bytes are others."""
    registry.close()
    with Registry(registry.path, readonly=True) as reader:
        reader.backup(tmp_path / "backup")
        first, second = blobs(tmp_path / "backup")
        first.unlink()
        second.chmod(0o644)
        second.write_bytes(b"x" * second.stat().st_size)
        assert reader.backup(tmp_path / "backup").new == 2
    check(tmp_path / "backup")


def test_damaged_weights_do_not_replace_sound_ones(registry, tmp_path):
    """They are named; the earlier backup keeps its sound bytes, a new one has none."""
    registry.close()
    with Registry(registry.path, readonly=True) as reader:
        reader.backup(tmp_path / "old")
    damaged = registry.path / "blobs" / blobs(registry.path)[0].relative_to(registry.path / "blobs")
    damaged.chmod(0o644)
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    with Registry(registry.path) as registry:
        assert registry.backup(tmp_path / "old").failed == ()
        for target in ("new", "new.tar"):
            (failed,) = registry.backup(tmp_path / target).failed
            assert "its bytes changed" in failed
        damaged.unlink()
        (failed,) = registry.backup(tmp_path / "other").failed
        assert "the weights are gone" in failed
    check(tmp_path / "old")
    assert len(blobs(tmp_path / "new")) == 1
    code, _, err = run_cli("-R", registry.path, "backup", tmp_path / "third")
    assert code == 4
    assert "Not in it: " in err


def test_large_weights_that_cannot_be_had_are_tried_twice(registry, tmp_path):
    """Bytes that are not there do not keep a state of the registry from being kept."""
    file = tmp_path / "large.pt"
    with open(file, "xb") as stream:
        stream.truncate(70_000_000)
    digest = registry.add(file, "large").digest
    (registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]).unlink()
    calls = []
    done = back_up(
        registry._chain, tmp_path / "backup", progress=lambda *sizes: calls.append(sizes)
    )
    assert done.failed == (f"{digest[:12]}…: the weights are gone",)
    assert len(calls) == len(blobs(registry.path)) + 2  # the others come once
    assert calls[-1][0] == calls[-1][1]


def test_a_damaged_database_does_not_replace_a_sound_backup(registry, tmp_path):
    registry.backup(tmp_path / "backup")
    ids = {model.id for model in registry.models()}
    registry.close()
    with open(registry.path / "registry.db", "r+b") as file:
        file.seek(8 * 4_096)
        file.write(b"\xff" * 4_096)
    with (
        Registry(registry.path, durability="fast") as broken,
        pytest.raises(DamagedRegistryError, match="nothing is backed up"),
    ):
        broken.backup(tmp_path / "backup")
    assert check(tmp_path / "backup") == ids


def test_a_full_disk_keeps_the_earlier_backup(registry, tmp_path, small_disk):
    """P5: and with room the next one succeeds."""
    disk = small_disk("-t", "tmpfs", "-o", "size=3m", "none")
    registry.backup(disk / "backup")
    ids = {model.id for model in registry.models()}
    large = add(registry, os.urandom(3_000_000))
    for target in (disk / "backup", disk / "file.tar"):
        with pytest.raises(StorageFullError):
            registry.backup(target)
    assert check(disk / "backup") == ids
    assert sorted(path.name for path in disk.iterdir()) == ["backup"]
    small_disk("-o", "remount,size=20m")
    registry.backup(disk / "backup")
    assert check(disk / "backup") == ids | {large.id}


@pytest.mark.parametrize("target", ["there", "there.tar"])
def test_anything_else_at_the_target_stays(registry, tmp_path, target):
    place = tmp_path / target
    if target == "there":
        place.mkdir()
        (place / "mine").write_text("mine")
    else:
        place.write_text("mine")
    with pytest.raises(PathExistsError, match="not an earlier backup of this registry"):
        registry.backup(place)
    assert [path.name for path in tmp_path.rglob("*") if path.name == "mine"] == (
        ["mine"] if target == "there" else []
    )
    assert place.is_dir() or place.read_text() == "mine"


def test_another_registry_is_no_backup_of_this_one(registry, tmp_path):
    Registry(tmp_path / "other").close()
    with pytest.raises(PathExistsError, match="another registry"):
        registry.backup(tmp_path / "other")
    with Registry(tmp_path / "other") as other:
        other.backup(tmp_path / "other.tar")
    with pytest.raises(PathExistsError, match="not an earlier backup"):
        registry.backup(tmp_path / "other.tar")


def test_a_backup_goes_on_where_one_was_killed_before_its_mark_was_written(registry, tmp_path):
    place = tmp_path / "backup"
    place.mkdir()
    (place / "unfinished-backup").touch()
    registry.backup(place)
    check_sound(place)
    assert not (place / "unfinished-backup").exists()


def test_a_backup_that_was_changed_is_not_overwritten(registry, tmp_path):
    """Else the changes would be lost: also those that a registry lost by going back in time."""
    registry.backup(tmp_path / "backup")
    with Registry(tmp_path / "backup", durability="fast") as copy:
        mine = add(copy, b"only here")
    with pytest.raises(ConflictError, match="has changes that this registry lacks"):
        registry.backup(tmp_path / "backup")
    assert mine.id in check(tmp_path / "backup")
    assert run_cli("-R", registry.path, "backup", tmp_path / "backup")[0] == 5


def test_a_backup_is_not_made_inside_the_registry(registry):
    with pytest.raises(InvalidValueError, match="inside the registry"):
        registry.backup(registry.path / "backup")
    assert not (registry.path / "backup").exists()


def test_two_backups_at_once_do_not_mix(registry, tmp_path, children):
    """The second one says that it has to wait."""
    import filelock

    registry.backup(tmp_path / "backup")
    with (
        filelock.FileLock(tmp_path / "backup" / "locks" / "backup.lock"),
        pytest.raises(LockTimeoutError, match="another process is making a backup"),
    ):
        registry.backup(tmp_path / "backup")


def test_reported_values_that_wait_in_memory_are_in_it(registry, tmp_path):
    model = registry.model("vision/net")
    model.report_scalar("loss", "train", 0.5, 1)
    registry.backup(tmp_path / "backup")
    with Registry(tmp_path / "backup") as copy:
        assert copy.model(model.id).get_reported_scalars()["loss"]["train"]["y"] == [0.5]


def test_the_command_says_what_hard_links_do_not_do(registry, tmp_path):
    registry.close()
    code, out, err = run_cli("-R", registry.path, "backup", tmp_path / "backup")
    assert (code, out) == (0, f"{tmp_path / 'backup'}\n")
    assert "copy the backup to another disk" in err
    code, out, err = run_cli("-R", registry.path, "backup", tmp_path / "backup", "--json")
    assert (code, err) == (0, "")
    assert '"new": 0' in out


@pytest.fixture(scope="module")
def killer(children):
    with Killer(children, "support.killed_backups") as killer:
        yield killer


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Return a function that makes the folder that `prepare` makes, again."""
    from support.killed_backups import prepare

    folder, copy = tmp_path_factory.mktemp("kills") / "work", tmp_path_factory.mktemp("copy") / "c"
    copy.mkdir()
    prepare(copy)

    def fresh():
        if folder.exists():
            remove_tree(folder)
        subprocess.run(["cp", "-a", copy, folder], check=True)
        return folder

    return fresh


def names(root):
    with Registry(root, durability="fast") as registry:
        return {model.name for model in registry.models()}


OLD = {"old-0", "old-1", "old-2", "packed"}
NEW = OLD | {"new-0", "new-1", "new-2"}


@pytest.mark.long
@pytest.mark.parametrize("name", ["first", "first by copies", "update", "update by copies", "tar"])
def test_a_killed_backup_leaves_the_earlier_one_whole(killer, prepared, name):
    """P4: wherever it is killed; the next one goes on, and nothing is left over."""
    code, text = killer.run(name, prepared())
    assert code == 0, text
    count = int(text)
    for at in random.sample(range(count), min(count, 4 * TIMES)):
        folder = prepared()
        code, text = killer.run(name, folder, at)
        assert code == -signal.SIGKILL, text
        if name == "tar":
            with tarfile.open(folder / "old.tar") as file:
                file.extractall(folder / "unpacked", filter="data")
            assert names(folder / "unpacked") in (OLD, NEW)
            check(folder / "unpacked")
        elif name.startswith("update") or (folder / "first" / "registry.db").exists():
            place = folder / ("old" if name.startswith("update") else "first")
            assert names(place) in (OLD, NEW)
            check_sound(place)
            with Registry(place, durability="fast") as copy:
                assert copy.verify(full=True).ok
        target = {"tar": "old.tar", "first": "first"}.get(name.split()[0], "old")
        with Registry(folder / "registry", durability="fast") as registry:
            registry.backup(folder / target)
            registry.gc(grace_seconds=0, dry_run=False)
            assert registry.verify(full=True).ok
        if name == "tar":
            assert {path.name for path in folder.iterdir()} == {
                "registry", "old", "old.tar", "package", "unpacked"
            }  # fmt: skip
        else:
            assert not (folder / target / "unfinished-backup").exists()
            assert names(folder / target) == NEW
            check(folder / target)


def die_while_the_database_is_written(root, database):
    """Bring the database of a backup up to date, and be killed after a few pages."""
    import os
    import signal
    from pathlib import Path

    from localreg import Registry
    from localreg.store.database.backup import update_copy

    steps = []

    def report(*_):
        steps.append(1)
        if len(steps) == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    with Registry(root)._chain.first.store.read() as connection:
        update_copy(connection, Path(database), sync=True, pages=1, report=report)


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_database_that_is_half_written_is_the_old_one(tmp_path, children, journal):
    """P4: SQLite brings back the state before, for the next reader."""
    root, database = tmp_path / "registry", tmp_path / "backup" / "registry.db"
    open_registry(root, journal=journal).close()
    with Registry(root, durability="fast") as registry:
        old = add(registry, b"old", "old")
        registry.backup(tmp_path / "backup")
        new = add(registry, b"new", "new")
        process = children.start(die_while_the_database_is_written, root, database)
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        assert check(tmp_path / "backup") == {old.id}
        registry.backup(tmp_path / "backup")
        assert check(tmp_path / "backup") == {old.id, new.id}


def test_what_is_deleted_meanwhile_is_not_missing(tmp_path):
    """A blob that goes between a look at the rows and its turn is not in the state that is kept."""
    # The processes above do that by chance; here it happens each time.
    root = tmp_path / "registry"
    calls = []
    with (
        Registry(root, durability="fast") as registry,
        Registry(root, durability="fast") as other,
    ):
        kept = add(registry, b"kept" * 1_000, "kept")

        def meanwhile(done, total):
            calls.append(done)
            if len(calls) == 1:  # the next look at the rows finds them
                for name in ("one", "two"):
                    add(other, name.encode() * 1_000, name)
            elif len(calls) == 2:  # one of them was brought
                for name in ("one", "two"):
                    Model.remove(other.model(name), delete_weights_file=True)

        done = back_up(registry._chain, tmp_path / "backup", progress=meanwhile)
        assert done.failed == ()
    assert len(calls) > 2
    assert check(tmp_path / "backup", clean=False) == {kept.id}
