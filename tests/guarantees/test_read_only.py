"""P15: a registry that cannot be written to opens read-only, and a write says why it fails."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from localreg import InputModel, Model, Registry, Task
from localreg.errors import ReadOnlyRegistryError, StorageError
from localreg.operations.upkeep import cache
from localreg.operations.upkeep.doctor import examine
from localreg.registry import open_registry

NAMES = {"kept", "package", "pointed", "remote"}


def fill(root, folder, journal="wal"):
    """Make a registry with all kinds of weights in it, and pages."""
    open_registry(root, journal=journal).close()
    (folder / "w.pt").write_bytes(b"weights")
    (folder / "package" / "deep").mkdir(parents=True)
    (folder / "package" / "deep" / "a.txt").write_text("packed")
    with Registry(root) as registry:
        kept = registry.add(folder / "w.pt", "kept", alias="prod", metadata={"accuracy": 1})
        kept.report_scalar("loss", "train", 1.0, 0)
        registry.add(folder / "package", "package")
        InputModel.import_model("s3://b/x.pt", name="pointed", tags=["t"])
        InputModel.import_model("http://127.0.0.1:9/never.pt", name="remote")
        gone = registry.add(folder / "w.pt", "gone")
        Model.remove(gone, delete_weights_file=False)
        registry.render()
    for path in (root / "files").rglob("*"):  # as if no link had been made when they were added
        if path.is_file():
            path.unlink()


@pytest.fixture(params=["remounted wal", "remounted truncate", "bound wal", "bound truncate"])
def root(tmp_path, small_disk, request, temporary_folder):
    """A registry on a file system that is mounted read-only, as a whole or by a bind mount."""
    kind, journal = request.param.split()
    if kind == "remounted":
        root = small_disk("-t", "tmpfs", "-o", "size=16m", "none") / "registry"
        fill(root, tmp_path, journal)
        small_disk("-o", "remount,ro")
        return root
    (tmp_path / "writable").mkdir()
    fill(tmp_path / "writable" / "registry", tmp_path, journal)
    disk = small_disk("--bind", tmp_path / "writable")
    small_disk("-o", "remount,bind,ro")
    return disk / "registry"


def test_it_opens_read_only_without_being_asked_and_everything_can_be_read(
    root, tmp_path, temporary_folder
):
    with Registry(root) as registry:
        assert registry.readonly
        assert {model.name for model in registry.models()} == NAMES
        assert [model.name for model in registry.models(tags=["t"])] == ["pointed"]
        kept = registry.model("kept@prod")
        assert kept.get_all_metadata()["accuracy"]["value"] == "1"
        assert kept.get_reported_scalars()["loss"]["train"]["y"] == [1.0]
        assert [event.kind for event in kept.history()][-1] == "model.created"
        kept.lineage()
        path = Path(kept.get_weights(raise_on_error=True))
        assert (path.name, path.read_bytes()) == ("w.pt", b"weights")
        assert path.is_relative_to(temporary_folder)
        assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0
        assert kept.get_weights() == str(path), "made once"
        assert Path(kept.get_local_copy(mutable=True)).read_bytes() == b"weights"
        package = registry.model("package")
        tree = Path(package.get_local_copy(raise_on_error=True))
        assert (tree / "deep" / "a.txt").read_text() == "packed"
        assert package.get_local_copy() == str(tree)
        own = Path(package.get_local_copy(mutable=True, target_folder=tmp_path / "own"))
        assert own.name == "package", "named after its archive, not its digest"
        assert registry.verify(full=True).ok
        assert registry.gc().dry_run
        findings = {each.what: each for each in examine(registry._chain)}
        assert str(root) in findings["writing"].text
        page = kept.report(path=tmp_path / "page.html")
        assert "kept" in page.read_text()
        registry.compare("kept", "pointed", path=tmp_path / "compared.html")
        assert (root / "reports" / "index.html").is_file()
    assert stat.S_IMODE((temporary_folder / f"localreg-{os.getuid()}").stat().st_mode) == 0o700


def caught(name, act):
    try:
        act()
    except ReadOnlyRegistryError as error:
        return str(error)
    pytest.fail(f"{name}: nothing was raised")


WRITES = {
    "import": lambda registry, folder: InputModel.import_model("s3://b/new.pt"),
    "import with a copy": lambda registry, folder: InputModel.import_model(
        folder / "package" / "deep" / "a.txt", copy=True
    ),
    "add a file": lambda registry, folder: registry.add(folder / "w.pt", "new"),
    "add a folder": lambda registry, folder: registry.add(folder / "package", "new"),
    "fetch": lambda registry, folder: registry.model("remote").get_weights(raise_on_error=True),
    "name": lambda registry, folder: setattr(registry.model("kept"), "name", "new"),
    "tags": lambda registry, folder: registry.model("kept").add_tags("new"),
    "metadata": lambda registry, folder: registry.model("kept").set_metadata("a", "b"),
    "publish": lambda registry, folder: registry.model("kept").publish(),
    "archive": lambda registry, folder: registry.model("kept").archive(),
    "remove": lambda registry, folder: Model.remove(
        registry.model("kept"), raise_on_errors=True
    ),
    "restore": lambda registry, folder: registry.restore("gone"),
    "alias": lambda registry, folder: registry.set_alias("kept", "new"),
    "report a value": lambda registry, folder: registry.model("kept").report_single_value("a", 1),
    "report a series": lambda registry, folder: registry.model("kept").report_scalar(
        "a", "b", 1, 0
    ),
    "task": lambda registry, folder: Task.create(project_name="p", task_name="t"),
    "repair": lambda registry, folder: registry.repair(),
    "collect": lambda registry, folder: registry.gc(dry_run=False),
    "prune": lambda registry, folder: cache.prune(registry._chain, max_size=0, dry_run=False),
}  # fmt: skip
PAGES = {
    "the page of a model": lambda registry: registry.model("kept").report(),
    "the page of a model that stands alone": lambda registry: registry.model("kept").report(
        standalone=True
    ),
    "all pages": lambda registry: registry.render(),
    "a comparison": lambda registry: registry.compare("kept", "pointed"),
}


@pytest.fixture
def mounted(tmp_path, small_disk, temporary_folder):
    root = small_disk("-t", "tmpfs", "-o", "size=16m", "none") / "registry"
    fill(root, tmp_path)
    small_disk("-o", "remount,ro")
    return root


def test_each_write_says_why_it_is_refused(mounted, tmp_path):
    with Registry(mounted) as registry:
        for name, write in WRITES.items():
            said = caught(name, lambda write=write: write(registry, tmp_path))
            assert f"{mounted} is on a read-only file system" in said, name
        for name, write in PAGES.items():
            said = caught(name, lambda write=write: write(registry))
            assert f"{mounted} is on a read-only file system" in said, name
            assert "-o FILE" in said, name


def test_a_write_with_readonly_true_names_that_argument(tmp_path, temporary_folder):
    fill(tmp_path / "registry", tmp_path)
    with Registry(tmp_path / "registry", readonly=True) as registry:
        assert registry.readonly
        for name, write in WRITES.items():
            said = caught(name, lambda write=write: write(registry, tmp_path))
            assert "opened with readonly=True" in said, name
    with Registry(tmp_path / "registry") as registry:
        assert not registry.readonly


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "localreg.cli", *arguments], capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_reads_and_says_why_it_does_not_write(mounted, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    here = f"{mounted} is on a read-only file system"
    assert "kept:1" in run("-R", str(mounted), "ls")[1]
    assert Path(run("-R", str(mounted), "path", "kept")[1].strip()).read_bytes() == b"weights"
    assert json.loads(run("-R", str(mounted), "env", "--json")[1])["writable"] == f"no: {here}"
    assert f"writing\tnote\tnot possible: {here}\n" in run("-R", str(mounted), "doctor")[1]
    for arguments in (["tag", "kept", "new"], ["site"], ["report", "kept"], ["repair"]):
        code, _, said = run("-R", str(mounted), *arguments)
        assert code == 1
        assert here in said, arguments
    page = tmp_path / "page.html"
    assert run("-R", str(mounted), "report", "kept", "-o", str(page)) == (0, f"{page}\n", "")


def as_reader(root, folder):
    """Use a registry as a user who may only read; return the results."""
    import tempfile
    from pathlib import Path

    from support.two_users import STRANGER, become

    become(STRANGER, 0o022)
    tempfile.tempdir = folder
    from localreg import LocalregError, Registry

    with Registry(root) as registry:
        told = [registry.readonly, sorted(model.name for model in registry.models())]
        told.append(Path(registry.model("kept").get_weights(raise_on_error=True)).read_text())
        tree = Path(registry.model("package").get_local_copy(raise_on_error=True))
        told.append((tree / "deep" / "a.txt").read_text())
        told.append(registry.verify(full=True).ok)
        try:
            registry.model("kept").publish()
        except LocalregError as error:
            told += [type(error).__name__, str(error)]
    return told


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_user_without_the_right_to_write_reads_everything(public_folder, members, journal):
    root = public_folder / "registry"
    fill(root, public_folder, journal)
    told = members.run(as_reader, root, public_folder / "free")
    assert told[:5] == [True, sorted(NAMES), "weights", "packed", True]
    assert told[5] == "ReadOnlyRegistryError"
    assert f"you may not write to {root}" in told[6]


def plant(folder):
    """As another user, make the folder in which local copies of root would be made."""
    from pathlib import Path

    from support.two_users import STRANGER, become

    become(STRANGER, 0o022)
    (Path(folder) / "localreg-0").mkdir()


def test_a_folder_for_copies_that_another_user_made_is_not_used(
    public_folder, members, monkeypatch
):
    """Its owner could change the local copies in it."""
    root = public_folder / "registry"
    fill(root, public_folder)
    members.run(plant, public_folder / "free")
    monkeypatch.setattr(tempfile, "tempdir", str(public_folder / "free"))
    with (
        Registry(root, readonly=True) as registry,
        pytest.raises(StorageError, match="TMPDIR"),
    ):
        registry.model("kept").get_weights(raise_on_error=True)


# while somebody else writes ------------------------------------------------------------------


def read_meanwhile(root, rounds):
    """Read repeatedly without the right to write; print each number of models found."""
    import sys

    from support.two_users import STRANGER, become

    become(STRANGER, 0o022)
    from localreg import Registry
    from localreg.errors import StorageError

    seen, again = [], 0
    with Registry(root) as registry:
        print("ready", flush=True)
        for line in sys.stdin:
            for _ in range(rounds):
                try:
                    models = registry.models()
                    # All of one state: the list, and the facts of each model.
                    assert all(model.tags == [model.name] for model in models)
                    seen.append(len(models))
                except StorageError as error:
                    if "try again" not in str(error):
                        raise
                    again += 1
            if line.strip() == "end":
                break
            print(seen[-1], flush=True)
    return [seen, again]


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_read_only_user_sees_the_changes_of_others(public_folder, children, journal):
    """P11, P15: opened before a writer comes, it follows its commits and its checkpoint."""
    root = public_folder / "registry"
    open_registry(root, journal=journal).close()
    with children.start(read_meanwhile, root, 3) as child:
        assert child.stdout.readline() == "ready\n", child.stderr.read()

        def seen_now():
            print("go", file=child.stdin, flush=True)
            return int(child.stdout.readline() or child.stderr.read())

        assert seen_now() == 0
        with Registry(root, durability="fast") as registry:
            for number in range(3):
                InputModel.import_model(f"s3://b/{number}", name="m", tags=["m"])
                assert seen_now() == number + 1  # from the log
            with registry._chain.first.store.one_statement() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            assert seen_now() == 3
        assert seen_now() == 3  # the writer has closed, and removed its log
        for number in range(3, 6):
            with Registry(root, durability="fast"):
                InputModel.import_model(f"s3://b/{number}", name="m", tags=["m"])
            assert seen_now() == number + 1
        print("end", file=child.stdin, flush=True)
        output, errors = child.communicate()
    assert child.returncode == 0, errors
    seen, again = json.loads(output.splitlines()[-1])
    assert seen == sorted(seen)
    assert again == 0, "nobody wrote while it read"


def write_at_once(number, barrier, root, count):
    """Number 0 registers models, with a new handle each time; the others may only read."""
    from support.two_users import STRANGER, become

    from localreg import InputModel, Registry
    from localreg.errors import StorageError

    if number == 0:
        barrier.wait()
        for turn in range(count):
            with Registry(root, durability="fast"):
                InputModel.import_model(f"s3://b/{turn}", name="m", tags=["m"])
        return [count]
    become(STRANGER, 0o022)
    barrier.wait()
    seen = [0]
    while seen[-1] < count:
        try:
            with Registry(root) as registry:
                for _ in range(5):
                    models = registry.models()
                    assert all(model.tags == ["m"] for model in models)
                    seen.append(len(models))
        except StorageError as error:
            if "try again" not in str(error):
                raise
    return seen


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_read_only_user_never_sees_half_a_change(public_folder, members, journal):
    """While writers come and go, each read is of one state, and none is older than the last."""
    root = public_folder / "registry"
    open_registry(root, journal=journal).close()
    _, *readers = members.crowd(3, write_at_once, root, 60)
    for seen in readers:
        assert seen == sorted(seen)
        assert seen[-1] == 60


def read_in_the_middle(root, damaged):
    """Read while the file changes between two statements; return the result or error."""
    import sqlite3
    import sys

    from support.two_users import STRANGER, become

    become(STRANGER, 0o022)
    from localreg import LocalregError, Registry

    with Registry(root) as registry:
        try:
            with registry._chain.first.store.read() as connection:
                connection.execute("SELECT count(*) FROM model").fetchone()
                print("reading", flush=True)
                sys.stdin.readline()
                if damaged:
                    raise sqlite3.DatabaseError("database disk image is malformed")
        except LocalregError as error:
            return [type(error).__name__, str(error)]
    return ["", ""]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_read_during_a_change_of_the_file_is_an_error(public_folder, children, damaged):
    """P11: a reader that cannot lock gets an error saying that the file changed, not damage."""
    root = public_folder / "registry"
    open_registry(root, journal="wal").close()
    with children.start(read_in_the_middle, root, damaged) as child:
        assert child.stdout.readline() == "reading\n", child.stderr.read()
        with Registry(root):
            InputModel.import_model("s3://b/x", name="m")
        output, errors = child.communicate("go\n")
    assert child.returncode == 0, errors
    kind, said = json.loads(output.splitlines()[-1])
    assert kind == "StorageError"
    assert "try again" in said


HEADERS = 96  # bytes of SQLite's two headers of its index: equal, with a checksum each


def read_past_a_broken_index(root):
    """Read, and show each wait for the index; return the names of models, or the error."""
    import sys
    import time

    from support.two_users import STRANGER, become

    become(STRANGER, 0o022)
    from localreg import LocalregError, Registry

    def wait(_):
        print("waits", flush=True)
        sys.stdin.readline()

    with Registry(root) as registry:
        print("opened", flush=True)
        sys.stdin.readline()
        time.sleep = wait
        try:
            return [model.name for model in registry.models()]
        except LocalregError as error:
            return [type(error).__name__, str(error)]


@pytest.mark.parametrize("mended_after", [1, 3, None])
def test_a_read_waits_while_the_index_of_the_log_is_half_written(
    public_folder, children, mended_after
):
    """P11, P15: between two commits a reader may see a header that only a writer can make again."""
    root = public_folder / "registry"
    open_registry(root, journal="wal").close()
    index = root / "registry.db-shm"
    with Registry(root), children.start(read_past_a_broken_index, root) as child:
        InputModel.import_model("s3://b/x", name="m")
        assert child.stdout.readline() == "opened\n", child.stderr.read()
        headers = index.read_bytes()[:HEADERS]

        def write(content):
            with index.open("r+b") as file:
                file.write(content)

        write(bytes(HEADERS))
        waits = 0
        print("go", file=child.stdin, flush=True)
        while (line := child.stdout.readline()) == "waits\n":
            waits += 1
            if waits == mended_after:
                write(headers)
            print("go", file=child.stdin, flush=True)
        write(headers)
        _, errors = child.communicate()
    assert child.returncode == 0, errors
    if mended_after is None:
        assert json.loads(line)[0] == "ReadOnlyRegistryError"
        assert "only a process that may write can apply it" in json.loads(line)[1]
    else:
        assert (waits, json.loads(line)) == (mended_after, ["m"])


def ask(root, folder):
    """Call all that looks at weights, as a user who may only read; return the messages."""
    import tempfile
    from pathlib import Path

    from support.two_users import STRANGER, become

    become(STRANGER, 0o022, pages=True)
    tempfile.tempdir = str(folder)
    from localreg import LocalregError, Registry
    from localreg.operations.upkeep import cache
    from localreg.operations.upkeep.doctor import examine

    with Registry(root) as registry:
        kept, package = registry.model("kept"), registry.model("package")
        asked = {
            "local copy": lambda: kept.get_local_copy(raise_on_error=True),
            "tree": lambda: package.get_local_copy(raise_on_error=True),
            "verify": lambda: [each.text for each in registry.verify(full=True).problems],
            "du": registry.du,
            "gc": registry.gc,
            "cache": lambda: cache.cached(registry._chain),
            "page": lambda: kept.report(path=Path(folder) / "page.html"),
            "doctor": lambda: [
                f"{each.text}" for each in examine(registry._chain) if each.state == "bad"
            ],
        }
        told = {}
        for name, act in asked.items():
            try:
                told[name] = str(act())
            except LocalregError as error:
                told[name] = f"{type(error).__name__}: {error}"
    return told


@pytest.mark.parametrize("closed", ["blobs", "blobs/sha256", "files", "trees"])
def test_the_error_names_a_folder_that_the_user_may_not_enter(public_folder, members, closed):
    """Every call raises localreg's own error."""
    root = public_folder / "registry"
    fill(root, public_folder)
    (root / "trees").mkdir(exist_ok=True)
    (root / closed).chmod(0o700)
    told = members.run(ask, root, public_folder / "free")
    why = f"you may not enter {root / closed} (mode 0700, user 0, group 0): only its owner may"
    if closed.startswith("blobs"):
        assert why in told["tree"]
    else:  # it is made of the blobs, elsewhere
        assert (Path(told["tree"]) / "deep" / "a.txt").read_text() == "packed"
    assert why in told["doctor"]
    assert why in told["verify"]
    if closed != "trees":
        assert why in told["local copy"]
