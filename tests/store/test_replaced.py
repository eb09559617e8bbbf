"""A registry whose directory is removed or replaced while it is open."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localreg import InputModel, Registry, Task
from localreg.errors import RegistryReplacedError

REFUSED = "was removed or replaced while it was open; open it again"


def opened(path, **options):
    return Registry(path, durability="fast", **options)


def removed(path):
    shutil.rmtree(path)


def replaced(path):
    """Rename another registry over a directory."""
    other = path.with_name("other")
    opened(other).close()
    shutil.rmtree(path)
    other.rename(path)


def moved_away(path):
    path.rename(path.with_name("elsewhere"))


def wait_for(condition, seconds=60):
    """Wait until a thread makes a condition true; fail after a minute."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


SWAPS = (removed, replaced, moved_away)


@pytest.fixture
def home(tmp_path):
    """A registry with a model `a`; returns its path."""
    with opened(tmp_path / "home") as registry:
        InputModel.import_model("s3://b/a.pt", name="a", registry=registry)
    return tmp_path / "home"


WRITES = {
    "import": lambda model, registry, _: InputModel.import_model("s3://b/n.pt", registry=registry),
    "add": lambda model, registry, file: registry.add(file, name="b"),
    "name": lambda model, registry, _: setattr(model, "name", "b"),
    "metadata": lambda model, registry, _: model.set_metadata("k", "v"),
    "alias": lambda model, registry, _: registry.set_alias(model, "prod"),
    "task": lambda model, registry, _: Task.init(task_name="t", registry=registry),
    "gc": lambda model, registry, _: registry.gc(dry_run=False),
    "render": lambda model, registry, _: registry.render(),
}
READS = {
    "name": lambda model, registry: model.name,
    "query": lambda model, registry: registry.models(),
    "history": lambda model, registry: registry.history(),
    "database": lambda model, registry: registry.db,
    "verify": lambda model, registry: registry.verify(full=True),
    "local copy": lambda model, registry: model.get_local_copy(raise_on_error=True),
}


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_to_a_registry_that_is_gone_is_an_error_and_writes_nothing(
    write, swap, home, tmp_path
):
    """The open connection could still write into the deleted file, where no one finds it."""
    (tmp_path / "w.pt").write_bytes(b"weights")
    with opened(home) as registry:
        model = registry.model("a")
        swap(home)
        with pytest.raises(RegistryReplacedError, match=REFUSED) as raised:
            write(model, registry, tmp_path / "w.pt")
        assert raised.value.path == str(home)
    assert home.exists() == (swap is replaced)
    if swap is replaced:
        with opened(home) as there:
            assert len(there.models()) == len(there.history()) == 0
            assert there.gc(grace_seconds=0).garbage == ()


@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_of_a_registry_that_is_gone_is_an_error(read, swap, home):
    with opened(home) as registry:
        model = registry.model("a")
        swap(home)
        with pytest.raises(RegistryReplacedError, match=REFUSED):
            read(model, registry)


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_registry_that_is_moved_back_is_used_again(tmp_path, journal, run_init):
    home = run_init(tmp_path / "home", journal)
    with opened(home) as registry:
        model = InputModel.import_model("s3://b/a.pt", name="a", registry=registry)
        moved_away(home)
        with pytest.raises(RegistryReplacedError):
            model.set_metadata("k", "lost")
        home.with_name("elsewhere").rename(home)
        model.set_metadata("k", "kept")
        assert model.get_metadata("k") == "kept"
    with opened(home) as again:
        assert again.model("a").get_metadata("k") == "kept"


@pytest.fixture
def run_init():
    """Return a function that makes a registry with a journal mode."""
    from localreg.registry import open_registry

    def init(path, journal):
        open_registry(path, durability="fast", journal=journal).close()
        return path

    return init


def test_a_backup_with_the_same_id_is_not_mistaken_for_the_open_registry(home):
    with opened(home) as registry:
        model = registry.model("a")
        shutil.copytree(home, home.with_name("backup"))
        shutil.rmtree(home)
        home.with_name("backup").rename(home)
        with pytest.raises(RegistryReplacedError):
            model.set_metadata("k", "v")


def test_a_new_registry_with_the_inode_of_the_removed_one_is_not_mistaken_for_it(home, children):
    """File systems use the number of a deleted file again as soon as it is closed."""

    def swap_before_a_new_connection(home):
        import shutil
        from pathlib import Path

        from localreg import Registry
        from localreg.errors import RegistryReplacedError
        from localreg.store.database.same_file import file_at

        registry = Registry(home, durability="fast")
        model = registry.model("a")
        before = file_at(f"{home}/registry.db")
        registry._chain.first.store.let_go()
        shutil.rmtree(home)
        made = []
        for number in range(50):  # one of them gets the number
            made.append(Path(f"{home}-{number}"))
            Registry(made[-1], durability="fast").close()
            if file_at(f"{made[-1]}/registry.db") == before:
                break
        made[-1].rename(home)
        try:
            model.set_metadata("k", "v")
        except RegistryReplacedError:
            return True
        return False

    assert children.run(swap_before_a_new_connection, home)


def test_threads_that_open_their_connection_after_the_swap_are_refused(home):
    with opened(home) as registry:
        model = registry.model("a")
        replaced(home)
        with ThreadPoolExecutor(2) as threads:
            for _ in range(4):
                with pytest.raises(RegistryReplacedError):
                    threads.submit(model.set_metadata, "k", "v").result()


def test_a_forked_child_opens_no_registry_that_took_the_place(home, children):
    def fork_after_the_swap(home):
        import os
        import shutil

        from localreg import Registry
        from localreg.errors import RegistryReplacedError

        registry = Registry(home, durability="fast")
        model = registry.model("a")
        shutil.rmtree(home)
        Registry(home, durability="fast").close()
        child = os.fork()
        if child == 0:
            try:
                model.set_metadata("k", "v")
            except RegistryReplacedError:
                os._exit(3)
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert children.run(fork_after_the_swap, home) == 3


def test_another_inode_of_a_file_that_was_closed_is_no_replacement(home, children):
    """FAT, exFAT and FUSE number a file again when it is opened again, as after a fork."""

    def number_again(root):
        import os
        import shutil
        from pathlib import Path

        from localreg import InputModel, Registry
        from localreg.registry import open_registry

        root = Path(root)
        open_registry(root, journal="truncate").close()  # all is in one file
        registry = Registry(root, durability="fast")
        model = InputModel.import_model("s3://b/a.pt", name="a", registry=registry)
        if (child := os.fork()) == 0:  # closes the connections
            os._exit(0)
        os.waitpid(child, 0)
        shutil.copy(root / "registry.db", root / "copy")
        (root / "copy").rename(root / "registry.db")
        if (child := os.fork()) == 0:
            os._exit(0 if model.name == "a" else 1)
        status = os.waitpid(child, 0)[1]
        model.set_metadata("k", "v")
        return [status, registry.verify().ok, registry.model("a").get_metadata("k")]

    assert children.run(number_again, home.with_name("new")) == [0, True, "v"]


def test_an_older_copy_with_another_inode_is_a_replacement(home):
    """It has the id of the registry, and not what was written since."""
    with opened(home) as registry:
        model = registry.model("a")
        shutil.copytree(home, home.with_name("backup"))
        model.set_metadata("k", "v")
        registry._chain.first.store.let_go()
        shutil.rmtree(home)
        home.with_name("backup").rename(home)
        with pytest.raises(RegistryReplacedError):
            model.set_metadata("k", "w")
        with pytest.raises(RegistryReplacedError):
            model.get_metadata("k")


def test_what_is_committed_while_the_directory_goes_is_not_acknowledged(home):
    """The last look is after the commit."""
    with opened(home) as registry:
        store = registry._chain.first.store
        model = registry.model("a")

        def write():
            with store.write() as change:
                set_comment = "UPDATE model SET comment = 'x' WHERE id = ?"
                change.connection.execute(set_comment, (model.id,))
                removed(home)

        with pytest.raises(RegistryReplacedError):
            write()


def test_waiting_reports_of_a_registry_that_is_gone_are_an_error_at_flush_and_at_close(home):
    registry = opened(home)
    model = registry.model("a")
    model.report_scalar("loss", "train", 1.0, 0)
    removed(home)
    with pytest.raises(RegistryReplacedError, match=REFUSED):
        model.flush()
    with pytest.raises(RegistryReplacedError, match=REFUSED):
        registry.close()
    assert not home.exists()
    registry.close()


def test_the_next_report_after_a_failed_write_in_the_background_is_an_error(home, caplog):
    with opened(home) as registry:
        model = registry.model("a")
        model.report_scalar("loss", "train", 1.0, 0)
        moved_away(home)
        wait_for(lambda: "cannot be written" in caplog.text)
        with pytest.raises(RegistryReplacedError, match=REFUSED):
            model.report_scalar("loss", "train", 1.0, 1)
        home.with_name("elsewhere").rename(home)
        model.report_scalar("loss", "train", 1.0, 2)
        assert model.get_reported_scalars()["loss"]["train"]["x"] == [0, 2]


@pytest.mark.parametrize("swap", SWAPS)
def test_a_registry_that_is_gone_can_be_closed(swap, home):
    registry = opened(home)
    model = registry.model("a")
    model.report_scalar("loss", "train", 1.0, 0)
    model.flush()
    swap(home)
    registry.close()
    assert home.exists() == (swap is replaced)


def test_closing_a_replaced_registry_keeps_the_log_of_the_new_one(home):
    """SQLite names the log by the path; it must not delete that of the other database."""
    registry = opened(home)
    registry.model("a").set_metadata("k", "v")
    replaced(home)
    with opened(home) as there:
        InputModel.import_model("s3://b/new.pt", name="new", registry=there)
        registry.close()
        InputModel.import_model("s3://b/newer.pt", name="newer", registry=there)
    with opened(home) as there:
        assert {model.name for model in there.models()} == {"new", "newer"}
        assert there.verify().problems == ()


# read-only ---------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [True, False])
def test_a_reader_sees_a_new_copy_of_its_registry(home, readonly):
    """Copies for reading are refreshed by putting a new one in the place of the old one."""
    with opened(home, readonly=True) as reader, opened(home.with_name("mine")) as mine:
        upstream = Registry(mine.path, durability="fast", upstream=[home])
        asked = reader if readonly else upstream
        assert [model.name for model in asked.models()] == ["a"]
        newer = home.with_name("newer")
        shutil.copytree(home, newer)
        with opened(newer) as registry:
            InputModel.import_model("s3://b/b.pt", name="b", registry=registry)
        (newer / "registry.db").replace(home / "registry.db")
        assert {model.name for model in asked.models()} == {"a", "b"}
        with ThreadPoolExecutor(1) as threads:
            assert len(threads.submit(asked.models).result()) == 2
        upstream.close()


@pytest.mark.parametrize("swap", [removed, replaced])
def test_a_reader_says_that_another_registry_took_the_place(home, swap):
    with opened(home, readonly=True) as reader:
        assert len(reader.models()) == 1
        swap(home)
        with pytest.raises(RegistryReplacedError, match=str(home)):
            reader.models()


@pytest.mark.parametrize("swap", [removed, replaced])
def test_an_upstream_registry_that_is_gone_is_skipped_with_a_warning(home, swap, tmp_path, caplog):
    with opened(tmp_path / "mine", upstream=[home]) as registry:
        assert len(registry.models()) == 1
        swap(home)
        assert registry.models() == []
        assert (
            f"the upstream registry {home} is skipped: the registry in {home} was removed or"
            in (caplog.text)
        )


def test_many_threads_read_while_the_copy_is_refreshed(home):
    with opened(home, readonly=True) as reader:
        stop = threading.Event()

        def read():
            while not stop.is_set():
                assert [model.name for model in reader.models()] == ["a"]

        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(read) for _ in range(4)]
            try:
                for _ in range(20):
                    shutil.copy(home / "registry.db", home.with_name("copy"))
                    home.with_name("copy").replace(home / "registry.db")
            finally:
                stop.set()
            for each in running:
                each.result()
