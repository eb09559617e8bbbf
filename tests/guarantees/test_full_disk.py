"""P5, P29: full disks, limits and refusals give a typed error, lose nothing, and need no repair."""

from __future__ import annotations

import errno
import io
import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from support.command_line import run_cli
from support.contents import check_sound

from localreg import InputModel, Model, Registry, Task
from localreg.errors import (
    DamagedRegistryError,
    LockTimeoutError,
    ReadOnlyRegistryError,
    RegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.models import adding, recording
from localreg.registry import open_registry
from localreg.store.database.sqlite_errors import as_registry_error


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_disk_full_of_rows(small_disk, journal):
    """P5: completed calls are kept when the disk is full; with free space the next ones succeed."""
    disk = small_disk("-t", "tmpfs", "-o", "size=3m", "none")
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    open_registry(disk / "registry", journal=journal).close()
    with Registry(disk / "registry") as registry:
        acknowledged = []

        def add():
            number = len(acknowledged)
            url, comment = f"s3://b/{number}", f"{number}" * 50_000
            acknowledged.append(InputModel.import_model(url, comment=comment).id)

        def fill():
            for _ in range(100):
                add()

        with pytest.raises(StorageFullError, match="free some space") as raised:
            fill()
        assert raised.value.path == str(registry.path / "registry.db")
        assert acknowledged
        assert {model.id for model in registry.models()} == set(acknowledged)
        with pytest.raises(StorageFullError):  # still
            add()
        ballast.unlink()
        add()
        assert {model.id for model in registry.models()} == set(acknowledged)
    check_sound(registry.path)


def test_a_disk_full_of_weights(small_disk, tmp_path):
    """P5: weights that do not fit leave no file and no row; smaller ones are kept."""
    disk = small_disk("-t", "tmpfs", "-o", "size=4m", "none")
    large, small = tmp_path / "large.pt", tmp_path / "small.pt"
    large.write_bytes(os.urandom(5_000_000))
    small.write_bytes(b"small")
    with Registry(disk / "registry") as registry:
        for call in (
            lambda: InputModel.import_model(large, copy=True, project="new"),
            lambda: adding.add_model(registry._chain, large, recording.describe(project="new")),
        ):
            with pytest.raises(StorageFullError, match="nothing was kept") as raised:
                call()
            assert str(disk) in raised.value.path or str(large) in raised.value.path
            assert registry.history() == []
            files = [path.name for path in registry.path.rglob("*") if path.is_file()]
            assert all(name.startswith("registry.db") for name in files)
        kept = InputModel.import_model(small, copy=True)
        assert Path(kept.get_weights(raise_on_error=True)).read_bytes() == b"small"
    check_sound(registry.path)


def test_a_disk_too_small_for_a_registry(small_disk):
    """P5: a registry that does not fit is not made, and nothing of it is left."""
    disk = small_disk("-t", "tmpfs", "-o", "size=128k", "none")
    with pytest.raises(StorageFullError):
        Registry(disk / "registry")
    assert list((disk / "registry").iterdir()) == []


def write_past_a_limit(root, weights):
    """Write with a limit on the size of files, then without; return each result or error."""
    import resource
    from pathlib import Path

    from localreg import InputModel, Registry
    from localreg.errors import StorageError

    registry = Registry(root)
    InputModel.import_model("s3://b/first", name="first", registry=registry)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    told = []

    def attempt(call):
        try:
            told.append(["ok", call().name])
        except StorageError as error:
            told.append([type(error).__name__, str(error)])

    def long():
        comment = "x" * 10_000_000
        return InputModel.import_model("s3://b/l", name="long", comment=comment, registry=registry)

    def kept():
        return InputModel.import_model(weights, name="kept", copy=True, registry=registry)

    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    attempt(long)
    attempt(kept)
    left = [path.name for path in Path(root).rglob("*") if "blob-" in path.name]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    attempt(long)
    attempt(kept)
    registry.close()
    return [told, left]


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_limit_on_the_size_of_files(tmp_path, children, journal):
    """P5: EFBIG is a StorageError for rows and weights; without the limit both are written."""
    open_registry(tmp_path / "registry", journal=journal).close()
    (tmp_path / "w.pt").write_bytes(os.urandom(3_000_000))
    told, left = children.run(write_past_a_limit, tmp_path / "registry", tmp_path / "w.pt")
    assert [kind for kind, _ in told] == ["StorageError", "StorageError", "ok", "ok"]
    assert "registry.db" in told[0][1]
    assert "keeping weights" in told[1][1]
    assert left == []
    with Registry(tmp_path / "registry") as registry:
        assert {model.name for model in registry.models()} == {"first", "long", "kept"}
    check_sound(tmp_path / "registry")


def run_out_of_descriptors(root, weights):
    """Use a registry with fewer and fewer file descriptors left; return each result or error."""
    import os
    import resource

    from localreg import InputModel, Registry
    from localreg.errors import LocalregError

    Registry(root).close()
    InputModel.import_model(weights, copy=True, registry=Registry(root)).get_weights()
    told, plugs = set(), []
    for spare in range(12):
        registry = Registry(root)
        used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
        while (plug := os.dup(0)) < used:  # no free number below the limit
            plugs.append(plug)
        os.close(plug)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + spare, hard))
        try:
            second = Registry(root)
            InputModel.import_model(f"s3://b/{spare}", registry=second)
            with open(weights, "ab") as file:
                file.write(b"+")
            InputModel.import_model(weights, copy=True, registry=second)
            told.add("ok")
        except LocalregError as error:
            told.add(type(error).__name__)
        except OSError:  # the test's own file
            pass
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        InputModel.import_model(f"s3://b/after/{spare}", registry=registry)
    return sorted(told)


def test_too_few_file_descriptors(tmp_path, children):
    """P5: EMFILE is a StorageError in whichever call it happens, and nothing is lost."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    told = children.run(run_out_of_descriptors, tmp_path / "registry", tmp_path / "w.pt")
    assert told == ["StorageError", "ok"]
    with Registry(tmp_path / "registry") as registry:
        assert len(registry.models()) >= 12
    assert not list(tmp_path.glob("registry/tmp/*"))
    check_sound(tmp_path / "registry")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EIO, StorageError),
        (errno.EACCES, StorageError),
        (errno.EROFS, StorageError),
        (errno.EMFILE, StorageError),
        (errno.ELOOP, StorageError),
    ],
)
def test_errors_of_the_operating_system_are_translated(tmp_path, code, kind):
    """P5: every error of the operating system below blobs/ is a StorageError with the path."""

    def refuse():
        with disk_errors("keeping weights", tmp_path):
            raise OSError(code, os.strerror(code), str(tmp_path / "w.pt"))

    with pytest.raises(kind) as raised:
        refuse()
    assert type(raised.value) is kind
    assert raised.value.path == str(tmp_path / "w.pt")
    assert os.strerror(code) in str(raised.value)


# SQLite's codes for wrong use of it: only a defect of localreg can cause them.
MISTAKES = frozenset(
    "ERROR INTERNAL ABORT NOTFOUND EMPTY SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS "
    "RANGE NOTICE WARNING".split()
)
MEANINGS = {
    "BUSY": LockTimeoutError,
    "LOCKED": LockTimeoutError,
    "PROTOCOL": LockTimeoutError,
    "CORRUPT": DamagedRegistryError,
    "NOTADB": DamagedRegistryError,
    "FORMAT": DamagedRegistryError,
    "INTERRUPT": DamagedRegistryError,
    "FULL": StorageFullError,
    "READONLY": ReadOnlyRegistryError,
    "IOERR": StorageError,
    "CANTOPEN": StorageError,
    "PERM": StorageError,
    "AUTH": StorageError,
    "NOMEM": StorageError,
}


PRIMARY = {name: getattr(sqlite3, f"SQLITE_{name}") for name in [*MEANINGS, *sorted(MISTAKES)]}


@pytest.mark.parametrize("name", PRIMARY)
def test_every_code_of_sqlite_has_a_meaning(name):
    """P5: every result code of SQLite has an error class; those of misuse are called a defect."""
    for extended in (0, 1 << 8, 7 << 8):
        error = sqlite3.OperationalError("reason")
        error.sqlite_errorcode = PRIMARY[name] | extended
        found = as_registry_error(error, Path("/r/registry.db"))
        assert type(found) is MEANINGS.get(name, RegistryError)
        assert found.path == "/r/registry.db"
        assert ("a bug of localreg" in str(found)) is (name in MISTAKES)


def test_no_code_of_sqlite_is_missing_here():
    """P5: the codes above are all of SQLite's, from SQLITE_ERROR to SQLITE_NOTADB, and two more."""
    assert sorted(PRIMARY.values()) == [*range(1, 27), 27, 28]


def test_a_lock_that_is_held_too_long_is_an_error(tmp_path):
    """P14: a writer that never ends causes a LockTimeoutError in bounded time, with advice."""
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    told = as_registry_error(error, tmp_path / "registry.db")
    assert isinstance(told, LockTimeoutError)
    assert isinstance(told, TimeoutError)
    assert "30 s" in str(told)
    with Registry(tmp_path) as registry, registry._chain.first.store.read() as connection:
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (30_000,)


def use_where_folders_cannot_be_synced(root, weights, error):
    """Use a registry while fsync refuses folders, as some network file systems do."""
    import errno
    import os
    import stat
    from pathlib import Path

    import localreg

    sync, refused = os.fsync, []

    def sync_files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            refused.append(descriptor)
            raise OSError(getattr(errno, error), error)
        sync(descriptor)

    os.fsync = sync_files_only
    with localreg.Registry(root) as registry:
        model = registry.add(weights, "m")
        output = localreg.OutputModel(
            task=localreg.Task.init(project_name="p", task_name="t"), name="uploaded"
        )
        output.update_weights(weights, target_filename="w.pt", upload_uri=f"{root}-uploads")
        output.wait_for_uploads()
        text = Path(model.get_local_copy()).read_text()
        return [text, bool(refused), os.listdir(f"{root}-uploads"), registry.verify(full=True).ok]


@pytest.mark.parametrize("error", ["EINVAL", "ENOSYS", "EOPNOTSUPP"])
def test_folders_that_cannot_be_synced(tmp_path, children, error):
    """P5: where only files can be synced, they are, and everything works."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    told = children.run(
        use_where_folders_cannot_be_synced, tmp_path / "registry", tmp_path / "w.pt", error
    )
    assert told[:2] == ["weights", True]
    assert told[2]
    assert told[3]


KINDS = [
    pytest.param((disk, journal, end), id=f"{disk} {journal} {end}")
    for disk in ("tmpfs", "ext4")
    for journal in ("wal", "truncate")
    for end in ("closed", "killed")
]


def fill_disk(disk):
    """Write until not one more byte fits."""
    descriptor = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for size in (1 << 20, 4_096, 1):
        with suppress(OSError):
            while os.write(descriptor, os.urandom(size)) == size:
                pass
    os.close(descriptor)


def write_and_be_killed(root):
    """Write a model, and end without closing the database: its log stays."""
    import os
    import signal

    from localreg import InputModel, Registry

    InputModel.import_model("s3://b/l", name="late", comment="x" * 60_000, registry=Registry(root))
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(params=KINDS)
def full(request, tmp_path, small_disk, made_disk, children, temporary_folder):
    """A registry with all kinds of contents on a disk without a free byte; it has a small reserve.

    Blocks of this ext4 are smaller than pages of memory, as on all small ones.
    """
    kind, journal, end = request.param
    if kind == "tmpfs":
        disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    else:
        disk = made_disk("ext4", 16)
    root = disk / "registry"
    sources = tmp_path / "sources"
    (sources / "package").mkdir(parents=True)
    (sources / "package" / "a.txt").write_text("packed")
    for name in ("kept", "unwanted", "gone"):
        (sources / f"{name}.pt").write_bytes(os.urandom(300_000))
    open_registry(root, journal=journal).close()
    with Registry(root) as registry:
        kept = registry.add(sources / "kept.pt", "kept", alias="prod")
        kept.report_scalar("loss", "train", 1.0, 0)
        registry.add(sources / "package", "package")
        registry.add(sources / "unwanted.pt", "unwanted")
        gone = registry.add(sources / "gone.pt", "gone")
        Model.remove(gone, delete_weights_file=False)
        task = Task.init(project_name="p", task_name="train")
        task.upload_artifact("numbers", {"a": 1})
        task.close()
        registry.render()
    for path in (root / "files").rglob("*"):  # as if no link had been made when they were added
        if path.is_file():
            path.unlink()
    (root / "tmp" / "blob-of-nobody").write_bytes(bytes(20_000))
    if end == "killed":
        with pytest.raises(AssertionError):
            children.run(write_and_be_killed, root)
    fill_disk(disk)
    return root


def test_a_full_disk_can_be_read(full, tmp_path, temporary_folder):
    """P29: every command that reads works, as on a read-only mount, and the API too."""
    told = {}
    for command in (
        "ls", "show kept", "path kept", "path package", f"get kept -o {tmp_path}/copy.pt",
        "verify", "verify --full", "du", "history", "history kept", "task ls", "show package",
        "lineage kept", "gc", "gc --grace 0", "cache ls", "env",
    ):  # fmt: skip
        code, told[command], err = run_cli("-R", full, *command.split())
        assert code == 0, (command, err)
        fill_disk(full.parent)
    assert (tmp_path / "copy.pt").stat().st_size == 300_000
    assert Path(told["path kept"].strip()).stat().st_size == 300_000
    assert Path(told["path package"].strip(), "a.txt").read_text() == "packed"
    assert "blob-of-nobody" in told["gc --grace 0"]
    code, said, err = run_cli("-R", full, "doctor")
    assert (code, err) == (1, ""), "it says that there is little space"
    assert "BAD" in next(line for line in said.splitlines() if line.startswith("disk"))
    known = {"kept", "package", "unwanted"}
    for options in ({}, {"readonly": True}):
        with Registry(full, **options) as registry:
            assert {model.name for model in registry.models()} - {"late"} == known
            scalars = registry.model("kept@prod").get_reported_scalars()
            assert scalars["loss"]["train"]["y"] == [1.0]
            if (full / "registry.db-wal").exists() and "late" in told["ls"]:
                with pytest.raises(StorageFullError, match="the disk is full"):
                    _ = registry.db
            else:
                assert list(registry.db.query("SELECT count(*) AS n FROM project")) == [{"n": 2}]
    with Registry(tmp_path / "mine", upstream=[full]) as registry:
        assert {model.name for model in registry.models()} - {"late"} == known
        path = Path(registry.model("kept").get_weights(raise_on_error=True))
        assert path.stat().st_size == 300_000
    (full.parent / "ballast").unlink()
    check_sound(full)


def test_a_full_disk_can_be_emptied(full):
    """P29: a write says that the disk is full, and what would free how much; rm and gc work."""
    with Registry(full) as registry:
        model = registry.model("kept")
        for write in (
            lambda: model.add_tags("t"),
            lambda: registry.add(io.BytesIO(b"bytes"), "new", filename="new.pt"),
            lambda: model.report_single_value("a", 1),
        ):
            with pytest.raises(StorageFullError, match="the disk is full"):
                write()
    code, _, err = run_cli("-R", full, "tag", "kept", "t")
    assert code == 1
    assert "the disk is full" in err
    assert "`localreg gc --grace 0 --delete` would free 320.0 kB" in err
    assert "cache prune" in err
    code, _, err = run_cli("-R", full, "rm", "unwanted", "--delete-weights")
    assert code == 0, err
    fill_disk(full.parent)  # another program takes what was freed
    code, _, err = run_cli("-R", full, "gc", "--grace", "0", "--delete")
    assert (code, err) == (0, "Freed 320.0 kB (2 items).\n")
    code, _, err = run_cli("-R", full, "tag", "kept", "t")
    assert (code, err) == (0, "Tagged kept:1: t.\n")
    assert (full / "registry.db-reserve").stat().st_size >= 131_072
    with Registry(full) as registry:
        assert {model.name for model in registry.models()} - {"late"} == {"kept", "package"}
        assert registry.verify(full=True).ok
    check_sound(full)


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_reports_wait_for_space_and_lines_are_refused(small_disk, journal, caplog):
    """P5: on a full disk scalars stay in memory, a line of a log is an error and not written later.

    A task that ends then says why it cannot be recorded. With space again all of it works.
    """
    disk = small_disk("-t", "tmpfs", "-o", "size=4m", "none")
    open_registry(disk / "registry", journal=journal).close()
    with Registry(disk / "registry") as registry:
        task = Task.init(project_name="p", task_name="train")
        logger = task.get_logger()
        logger.report_text("before", print_console=False)
        task.flush()
        fill_disk(disk)
        numbers = iter(range(1_000_000))

        def flood():
            while True:  # the log of the database may have room for some
                logger.report_text(f"{next(numbers)} {'x' * 100_000}", print_console=False)

        with pytest.raises(StorageFullError, match="the disk is full"):
            flood()
        fill_disk(disk)
        for step in range(5_000):
            logger.report_scalar("loss", "train", step, step)
        with pytest.raises(StorageFullError, match="the disk is full"):
            task.flush()
        with pytest.raises(StorageFullError, match="the disk is full"):
            task.close()
        (disk / "ballast").unlink()
        logger.report_text("after", print_console=False)
        task.close()
        assert task.status == "completed"
        assert len(task.get_reported_scalars()["loss"]["train"]["y"]) == 5_000
        texts = [text for (text,) in registry.db.execute("SELECT text FROM message ORDER BY pk")]
        assert [text.split()[0] for text in texts] == [
            "before", *(f"{each}" for each in range(next(numbers) - 1)), "after",
        ]  # fmt: skip
    check_sound(disk / "registry")


@pytest.mark.parametrize(
    "full", [("tmpfs", "wal", end) for end in ("closed", "killed")], indirect=True
)
def test_a_full_disk_is_noticed_where_no_number_shows_it(full, monkeypatch):
    """P29: a quota that is used up is in no number of the file system, only in errors."""
    plenty = os.statvfs("/")
    monkeypatch.setattr(os, "statvfs", lambda path: plenty)
    code, out, err = run_cli("-R", full, "ls", "-q")
    assert (code, err) == (0, "")
    assert len(out.split()) >= 3
    code, _, err = run_cli("-R", full, "tag", "kept", "t")
    assert (code, "the disk is full" in err) == (1, True)
    assert run_cli("-R", full, "rm", "unwanted", "--delete-weights")[0] == 0
    assert run_cli("-R", full, "tag", "kept", "t")[0] == 0


def test_a_missing_reserve_is_made_by_gc(tmp_path):
    """P29: doctor says that there is none; a collection makes it."""
    with Registry(tmp_path / "registry") as registry:
        reserve = registry.path / "registry.db-reserve"
        reserve.write_bytes(b"short")
        said = run_cli("-R", registry.path, "doctor")[1]
        assert "no reserve for a full disk" in said
        registry.gc(dry_run=False)
        assert reserve.stat().st_size == 262_144
        assert "no reserve" not in run_cli("-R", registry.path, "doctor")[1]


@pytest.mark.parametrize("full", [("ext4", "wal", "killed")], indirect=True)
def test_readers_of_a_full_disk_do_not_lock_out_each_other_or_a_writer(full, children):
    """P12, P29: threads and processes read at once; with space again another thread writes."""
    with Registry(full) as registry, Registry(full) as other:
        over, counts = threading.Event(), []

        def read(opened):
            while not over.is_set():
                counts.append(len(opened.models()))

        threads = [threading.Thread(target=read, args=(each,)) for each in (registry, other) * 2]
        for each in threads:
            each.start()
        assert children.run(names_in, full) == ["kept", "late", "package", "unwanted"]
        (full.parent / "ballast").unlink()
        registry.model("kept").add_tags("t")
        over.set()
        for each in threads:
            each.join()
        assert set(counts) == {4}
        assert other.model("kept").tags == ["t"]
    check_sound(full)


def names_in(root):
    from localreg import Registry

    with Registry(root) as registry:
        return sorted(model.name for model in registry.models())
