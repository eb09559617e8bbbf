"""P15 to P17: the place of a registry, its clock, and the modes of its files."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localreg import InputModel, Model, Registry, Task
from localreg.errors import (
    CorruptBlobError,
    NotARegistryError,
    ReadOnlyRegistryError,
)
from localreg.operations.models import adding, recording
from localreg.registry import open_registry
from localreg.store.rows import overview_rows
from tests.support.command_line import run_cli


def fill(root, weights):
    """Make a registry with a model whose weights it stores, and one with a URL only."""
    weights.write_bytes(b"weights")
    with Registry(root, durability="fast") as registry:
        kept = adding.add_model(registry._chain, weights, recording.describe(name="kept"))
        InputModel.import_model("s3://b/x.pt", name="pointed", tags=["t"])
        Model(kept).get_weights(raise_on_error=True)
    weights.unlink()
    return registry.path


@pytest.fixture
def root(tmp_path):
    return fill(tmp_path / "registry", tmp_path / "w.pt")


def check_use(root, **options):
    """Read everything that `fill` made."""
    with Registry(root, **options) as registry:
        assert [model.name for model in registry.models()] == ["pointed", "kept"]
        path = Path(registry.model("kept").get_weights(raise_on_error=True))
        assert path.read_bytes() == b"weights"
        assert path.name == "w.pt"
        assert path.is_relative_to(root)


def test_the_directory_can_be_moved(root, tmp_path):
    """P15: after a move it is used at its new place, with its weights, and not at the old one."""
    moved = tmp_path / "elsewhere" / "deeper"
    moved.parent.mkdir()
    root.rename(moved)
    check_use(moved)
    with Registry(moved):
        InputModel.import_model("s3://b/new.pt")
    assert not root.exists()


def test_the_directory_can_be_copied(root, tmp_path):
    """P15: a copy is an independent registry, with its weights."""
    copy = shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(root)
    check_use(copy)


def test_the_directory_can_be_linked_to(root, tmp_path):
    """P15: the same registry is used through a link to it and directly, at the same time."""
    alias = tmp_path / "alias"
    alias.symlink_to(root)
    check_use(alias)
    with Registry(alias) as linked, Registry(root) as direct:
        InputModel.import_model("s3://b/1", name="new", registry=linked)
        InputModel.import_model("s3://b/2", name="new", registry=direct)
        for registry in (linked, direct):
            assert {model.version for model in registry.models(name="new")} == {1, 2}
    assert {path.name for path in root.iterdir()} == {
        "registry.db", "registry.db-reserve", "blobs", "files", "tmp",
    }  # fmt: skip


def test_no_path_of_the_directory_is_in_it(tmp_path):
    """P15: neither the database nor any name in it contains the directory's path."""
    root = tmp_path / "a-place-to-be-found"
    (tmp_path / "w.pt").write_bytes(b"weights")
    with Registry(root, durability="fast") as registry:
        first = InputModel.import_model(tmp_path / "w.pt", name="m", copy=True)
        first.get_weights(raise_on_error=True)
        # The registry recognises its own local copies by their bytes, also of archived models.
        assert InputModel.import_model(first.get_weights()).id == first.id
        assert InputModel.load_model(f"file://{first.get_weights()}").id == first.id
        first.archive()
        second = InputModel.import_model(first.get_weights(), name="again")
        assert second.id != first.id
        registry.set_alias(second, "prod")
        Model.remove(first)
        registry.restore(first.id)
        handed_out = second.get_weights(raise_on_error=True)
    name = root.name.encode()
    for path in root.rglob("*"):
        assert root.name not in str(path.relative_to(root))
        if path.is_file():
            assert name not in path.read_bytes(), path
    moved = root.rename(tmp_path / "moved")
    with Registry(moved):
        assert Path(Model(second.id).get_weights()).read_bytes() == b"weights"
        assert Path(Model(second.id).get_weights()) == moved / Path(handed_out).relative_to(root)


def unprivileged(root, readonly):
    """Use a registry as a user who may only read it; return the results."""
    import importlib
    import os
    from pathlib import Path

    import localreg

    # This user may not be able to read Python's files, so everything is imported before.
    home = Path(localreg.__file__).parent
    for package in ("api", "blobs", "filesystem", "operations", "store", "values"):
        for source in home.glob(f"{package}/**/[a-z]*.py"):
            if source.stem not in ("user_database", "migrations"):  # which take long
                name = source.relative_to(home.parent).with_suffix("").as_posix()
                importlib.import_module(name.replace("/", "."))
    if os.getuid() == 0:
        os.setgid(65_534)
        os.setuid(65_534)
    told = []
    try:
        with localreg.Registry(root, readonly=readonly) as registry:
            told.append([model.name for model in registry.models()])
            told.append(Path(registry.model("kept").get_weights(raise_on_error=True)).read_text())
            registry.model("kept").publish()
    except localreg.LocalregError as error:
        told.append(type(error).__name__)
        told.append(str(error))
    return told


def protect(root):
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o555)


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_readonly_works_without_the_right_to_write(public_folder, children, journal):
    """P15: without the right to write, readonly=True reads everything; a write says why not."""
    root = public_folder / "registry"
    open_registry(root, journal=journal).close()
    fill(root, public_folder / "w.pt")
    protect(root)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    names, weights, error, message = children.run(unprivileged, root, True)
    assert (names, weights) == (["pointed", "kept"], "weights")
    assert error == "ReadOnlyRegistryError"
    assert "readonly=True" in message
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_write_without_the_right_to_write_is_a_typed_error(public_folder, children, journal):
    """P15: opened without readonly=True where writing is not allowed, it reads; a write says so."""
    root = public_folder / "registry"
    open_registry(root, journal=journal).close()
    fill(root, public_folder / "w.pt")
    protect(root)
    names, weights, error, message = children.run(unprivileged, root, False)
    assert (names, weights) == (["pointed", "kept"], "weights")
    assert error == "ReadOnlyRegistryError"
    assert f"you may not write to {root}" in message


def die_with_open_log(root, journal):
    """Leave a write-ahead log, or a rollback journal (truncate), and die."""
    import os

    from localreg import InputModel, Registry

    registry = Registry(root)
    InputModel.import_model("s3://b/late.pt", name="late", registry=registry)
    if journal == "truncate":
        with registry._chain.first.store.write() as change:
            change.connection.execute("PRAGMA cache_size = 1")
            change.connection.execute("UPDATE model SET comment = ?", ("x" * 100_000,))
            change.connection.execute("UPDATE model SET comment = ?", ("y" * 100_000,))
            os.kill(os.getpid(), 9)
    os.kill(os.getpid(), 9)


@pytest.mark.parametrize(("journal", "log"), [("wal", "-wal"), ("truncate", "-journal")])
def test_a_log_of_a_killed_process_is_reported_on_a_read_only_disk(
    public_folder, children, journal, log
):
    """P15: changes that a killed process left in the log are not ignored there."""
    root = public_folder / "registry"
    open_registry(root, journal=journal).close()
    fill(root, public_folder / "w.pt")
    with children.start(die_with_open_log, root, journal) as child:
        assert child.wait() == -9
    (root / "registry.db-shm").unlink(missing_ok=True)  # as after a copy, or another boot
    protect(root)
    error, message = children.run(unprivileged, root, True)
    assert error == "ReadOnlyRegistryError"
    assert f"registry.db{log}" in message
    # Opened once where it can be written to, it can be read there.
    for path in [root, *root.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    Registry(root).close()
    protect(root)
    names, weights, *_ = children.run(unprivileged, root, True)
    assert (names, weights) == (["late", "pointed", "kept"], "weights")


def test_a_journal_of_a_killed_process_is_reported_with_readonly(tmp_path, children):
    """P15: readonly=True neither undoes a half transaction nor reads it: it raises an error."""
    root = tmp_path / "registry"
    open_registry(root, journal="truncate").close()
    fill(root, tmp_path / "w.pt")
    with children.start(die_with_open_log, root, "truncate") as child:
        assert child.wait() == -9
    with pytest.raises(ReadOnlyRegistryError, match=r"registry\.db-journal"):
        Registry(root, readonly=True)
    with Registry(root) as registry:
        assert [model.comment for model in registry.models()] == [None] * 3


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_read_only_mount_is_read(tmp_path, small_disk, journal):
    """P15: mounted read-only, readonly=True reads everything."""
    disk = small_disk("-t", "tmpfs", "-o", "size=8m", "none")
    root = disk / "registry"
    open_registry(root, journal=journal).close()
    fill(root, tmp_path / "w.pt")
    small_disk("-o", "remount,ro")
    check_use(root, readonly=True)
    check_use(root)
    with pytest.raises(ReadOnlyRegistryError), Registry(root):
        InputModel.import_model("s3://b/new.pt")


def register_at(root, nanoseconds, names):
    """Register models while the clock shows the given time."""
    import time

    time.time_ns = lambda: nanoseconds
    from localreg import InputModel, Registry

    with Registry(root) as registry:
        for name in names:
            InputModel.import_model(f"s3://b/{name}", name=name)
        if "second" in names:
            registry.model("first").add_tags("touched")


def test_order_does_not_depend_on_the_clock(tmp_path, children):
    """P16: models are in the order of the calls, even if the clock goes back or stands still.

    The times shown are what the clock said at each call; a wrong one does not stay for good.
    """
    year = 365 * 86_400 * 10**9
    begun = datetime.now(UTC)
    children.run(register_at, tmp_path, 130 * year, ["first"])  # 2100
    children.run(register_at, tmp_path, 20 * year, ["second", "third"])  # 1990, standing still
    children.run(register_at, tmp_path, -year, ["fourth"])  # 1969
    with Registry(tmp_path) as registry:
        InputModel.import_model("s3://b/fifth", name="fifth")
        names = [model.name for model in registry.models()]
        assert names == ["fifth", "fourth", "first", "third", "second"]
        rows = [model._row() for model in registry.models()]
        stamps = [row.stamp for row in rows]
        assert stamps == sorted(set(stamps), reverse=True)
        calls = ("first", "second", "third", "fourth", "fifth")
        births = [registry.model(name)._row().birth for name in calls]
        assert births == sorted(set(births))
        history = list(reversed(registry.history()))
        assert [each.seq for each in history] == [1, 2, 3, 4, 5, 6]
        assert [each.kind for each in history][3] == "model.tag"
        set_to = [2099, 1989, 1989, 1989, 1969, begun.year]
        assert [each.at.year for each in history[:5]] == set_to[:5]
        assert begun <= history[5].at <= datetime.now(UTC)


def train_in_2038():
    """Make a model and a task that ends, with all kinds of reports, while the clock is wrong."""
    import time

    time.time_ns = lambda: 2_160_000_000_000_000_000
    from localreg import Registry, Task

    with Registry("registry") as registry:
        model = registry.add("w.pt", "wrong", project="p")
        task = Task.init(project_name="p", task_name="wrong")
        task.upload_artifact("numbers", {"a": 1})
        task.get_logger().report_text("line")
        task.get_logger().report_scalar("loss", "train", 1.0, 0)
        model.report_scalar("loss", "train", 1.0, 0)
        task.close()


def train_now():
    """Do it again with the right clock; change what the wrong one made, too."""
    from localreg import Registry, Task

    with Registry("registry") as registry:
        model = registry.add("x.pt", "right", project="p")
        task = Task.init(project_name="p", task_name="right")
        task.upload_artifact("numbers", {"a": 1})
        task.get_logger().report_text("line")
        task.get_logger().report_scalar("loss", "train", 1.0, 0)
        model.report_scalar("loss", "train", 1.0, 0)
        task.close()
    with Registry("registry") as registry:
        registry.model("p/wrong").add_tags("changed")


def test_a_clock_that_was_wrong_once_is_not_seen_in_later_times(tmp_path, monkeypatch, children):
    """P16: everything that shows a time shows what the clock said at that change."""
    monkeypatch.chdir(tmp_path)
    for name in ("w.pt", "x.pt"):
        Path(name).write_bytes(name.encode())
    children.run(train_in_2038)
    children.run(train_now)

    def said(*arguments):
        code, out, _ = run_cli("-R", "registry", *arguments)
        assert code == 0, arguments
        return out

    year = str(datetime.now(UTC).year)
    models = json.loads(said("ls", "--json"))
    assert [each["name"] for each in models] == ["wrong", "right"], "the last change is first"
    assert [each["created"][:4] for each in models] == ["2038", year]
    assert [each["updated"][:4] for each in models] == [year, year]
    tasks = json.loads(said("task", "ls", "--json"))
    assert [each["name"] for each in tasks] == ["right", "wrong"]
    assert [each["created"][:4] for each in tasks] == [year, "2038"]
    for arguments in (
        ("ls", "p/right"), ("show", "p/right"), ("show", "p/right", "--json"),
        ("history", "p/right"), ("history", "p/right", "--json"),
        ("task", "show", tasks[0]["id"]), ("task", "show", tasks[0]["id"], "--json"),
    ):  # fmt: skip
        assert year in said(*arguments), arguments
        assert not re.search(r"\b2038\b", said(*arguments)), arguments  # ids may have it, too
    with Registry("registry") as registry:
        right = Task.get_task(task_id=tasks[0]["id"])
        assert right.artifacts["numbers"].timestamp.year == int(year)
        assert registry.models(order_by="created")[0].name == "right"
        assert InputModel.load_model(Path("x.pt").resolve().as_uri()).name == "right"
        pages = [Path(registry.model("p/right").report()), Path(right.report())]
        for page in pages:
            assert year in page.read_text(encoding="utf-8")
            assert "2038-" not in page.read_text(encoding="utf-8"), page
        assert "2038-" in Path(registry.model("p/wrong").report()).read_text(encoding="utf-8")
        with registry._chain.first.store.read() as connection:
            [(name, *counts, changed)] = overview_rows.projects(connection)
        assert (name, *counts) == ("p", 2, 2)
        assert datetime.fromtimestamp(changed / 1e6, UTC).year == int(year)


def use_with_umask(root, umask, weights):
    """Make a registry under a umask; return the modes of its files while it is open."""
    import os
    from pathlib import Path

    os.umask(umask)
    from localreg import InputModel, Registry

    registry = Registry(root)
    InputModel.import_model(weights, copy=True, registry=registry).get_weights(raise_on_error=True)
    found = [registry.path, *registry.path.rglob("*")]
    return {str(path.relative_to(Path(root))): path.stat().st_mode for path in found}


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077, 0o002, 0o000])
def test_the_umask_is_kept(tmp_path, children, umask):
    """P17: files and folders have the modes that the umask asks for; weights are read-only."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    modes = children.run(use_with_umask, tmp_path / "deep" / "registry", umask, tmp_path / "w.pt")
    assert {"registry.db", "registry.db-wal", "registry.db-shm", "tmp"} < set(modes)
    weights = 0
    for name, mode in modes.items():
        wanted = 0o777 if stat.S_ISDIR(mode) else 0o666
        if name.startswith(("blobs", "files")) and stat.S_ISREG(mode):
            wanted, weights = 0o444, weights + 1
        assert stat.S_IMODE(mode) == wanted & ~umask, name
    assert weights == 2
    parent = (tmp_path / "deep").stat().st_mode
    assert stat.S_IMODE(parent) == 0o777 & ~umask


def linked_away(folder):
    """Move a folder of the registry elsewhere, and leave a link to it."""
    elsewhere = folder.parent.parent / f"elsewhere-{folder.name}"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    return elsewhere


def listing(folder):
    return {path.relative_to(folder): path.lstat().st_mtime_ns for path in folder.rglob("*")}


FOLDERS = ["blobs", "blobs/sha256", "blobs/sha256/{digest[0]}{digest[1]}", "files",
           "files/{digest}", "tmp"]  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_links_inside_are_not_followed(root, tmp_path, name):
    """P17: a link in place of a folder is refused: for adding, local copies and deleting."""
    with Registry(root, durability="fast") as registry:
        kept = registry.model("kept")
        elsewhere = linked_away(root / name.format(digest=kept.digest))
        before = listing(elsewhere)
        # Into tmp/ comes only what is not here already.
        (tmp_path / "w.pt").write_bytes(b"others!" if name == "tmp" else b"weights")
        again = recording.describe(name="kept")
        with pytest.raises(NotARegistryError, match="links inside a registry"):
            adding.add_model(registry._chain, tmp_path / "w.pt", again)
        if name != "tmp":
            with pytest.raises(NotARegistryError, match="links inside a registry"):
                kept.get_weights(raise_on_error=True)
            assert Model.remove(kept) is False
        assert listing(elsewhere) == before
        assert len(registry.models(name="kept")) == (name == "tmp")


def test_a_link_in_the_place_of_weights_is_not_followed(root, tmp_path):
    """P17: a link in place of weights is damage; adding the weights again replaces it."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"wEIGHTs")
    with Registry(root, durability="fast") as registry:
        kept = registry.model("kept")
        blob = registry._chain.first.blobs.path(kept.digest)
        handed_out = Path(kept.get_weights(raise_on_error=True))
        for place in (blob, handed_out):
            place.unlink()
            place.symlink_to(precious)
        with pytest.raises(CorruptBlobError):
            kept.get_weights(raise_on_error=True)
        (tmp_path / "w.pt").write_bytes(b"weights")
        adding.add_model(registry._chain, tmp_path / "w.pt", recording.describe(name="again"))
        assert Path(kept.get_weights(raise_on_error=True)).read_bytes() == b"weights"
        assert not blob.is_symlink()
        assert not handed_out.is_symlink()
    assert precious.read_bytes() == b"wEIGHTs"
    assert os.access(precious, os.W_OK)
