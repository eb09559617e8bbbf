"""The current registry and the current task."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from localreg import InputModel, Registry, Task, current_registry, use_registry
from localreg.api import ambient
from localreg.errors import (
    ClosedRegistryError,
    InvalidURLError,
    InvalidValueError,
    NoRegistryError,
    NotARegistryError,
    ReadOnlyRegistryError,
)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """Work where no registry is named, so that the user's data directory is the default."""
    monkeypatch.delenv("LOCALREG_HOME")
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    here = tmp_path / "work" / "deep" / "deeper"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def current():
    """Return a function that opens the current registry, closes it and returns its path."""

    def look():
        registry = current_registry()
        path = registry.path
        registry.close()
        return path

    return look


def make(path):
    Registry(path, durability="fast").close()
    return path


# where it is -------------------------------------------------------------------------------


def test_a_mistyped_durability_is_named_after_its_variable(nowhere, current, monkeypatch):
    monkeypatch.setenv("LOCALREG_DURABILITY", "slow")
    with pytest.raises(InvalidValueError, match="LOCALREG_DURABILITY must be full or fast"):
        current()


def test_localreg_home_names_the_registry(nowhere, current, tmp_path, monkeypatch):
    make(nowhere / ".localreg")
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    assert current() == tmp_path / "home"
    monkeypatch.setenv("LOCALREG_HOME", "relative")
    assert current() == nowhere / "relative"


def test_localreg_home_may_begin_with_a_tilde(nowhere, current, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALREG_HOME", "~/models")
    assert current() == tmp_path / "models"


def test_localreg_home_of_an_unknown_user_is_an_error_that_names_it(nowhere, monkeypatch):
    monkeypatch.setenv("LOCALREG_HOME", "~nobody-here/models")
    with pytest.raises(InvalidValueError, match=r"LOCALREG_HOME.*~nobody-here/models"):
        InputModel.query_models()


def test_in_a_deleted_working_directory_the_registry_is_in_the_users_data(
    nowhere, current, tmp_path
):
    make(nowhere.parent / ".localreg")
    nowhere.rmdir()
    assert current() == tmp_path / "data" / "localreg"


def test_without_localreg_home_the_nearest_localreg_folder_upwards_is_current(nowhere, current):
    far = make(nowhere.parent.parent / ".localreg")
    assert current() == far
    near = make(nowhere.parent / ".localreg")
    assert current() == near
    nearest = make(nowhere / ".localreg")
    assert current() == nearest


def test_a_localreg_folder_without_a_registry_is_skipped(nowhere, current):
    far = make(nowhere.parent / ".localreg")
    (nowhere / ".localreg").mkdir()
    assert current() == far
    (nowhere / ".localreg").rmdir()
    (nowhere / ".localreg").write_text("a file")
    assert current() == far


def test_without_either_the_registry_is_in_the_users_data(nowhere, current, tmp_path, monkeypatch):
    assert current() == tmp_path / "data" / "localreg"
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.delenv("XDG_DATA_HOME")
    assert current() == tmp_path / "me" / ".local" / "share" / "localreg"


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may chown")
def test_a_localreg_folder_of_another_user_is_skipped(nowhere, current):
    mine = make(nowhere.parent / ".localreg")
    theirs = make(nowhere / ".localreg")
    assert current() == theirs
    os.chown(theirs, 65534, 65534)
    assert current() == mine


LOCATE_AS_NOBODY = """
import os, sys
from localreg.api import ambient
ambient.locate()
if os.getuid() == 0:
    os.seteuid(65534)
print(ambient.locate()[0])
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the modes of POSIX")
def test_a_localreg_folder_without_access_is_skipped(nowhere, tmp_path):
    """Any user can make one in /tmp; it must not stop users who work below /tmp."""
    locked = make(nowhere / ".localreg")
    locked.chmod(0)
    try:
        found = subprocess.run(
            [sys.executable, "-c", LOCATE_AS_NOBODY],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    finally:
        locked.chmod(0o755)
    assert found.stdout.strip() == str(tmp_path / "data" / "localreg")


def test_registry_without_a_path_is_the_default_registry(nowhere):
    home = make(nowhere.parent / ".localreg")
    with Registry() as registry:
        assert registry.path == home


def test_a_registry_is_made_with_its_parent_folders(tmp_path):
    with Registry(tmp_path / "a" / "b", durability="fast") as registry:
        assert registry.path == tmp_path / "a" / "b"
        assert InputModel.query_models() == []


def test_a_file_is_not_a_registry(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(NotARegistryError, match="file"):
        Registry(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "text"


# which one is current ----------------------------------------------------------------------


def test_a_with_block_makes_its_registry_current_and_closes_it(registry, tmp_path):
    with Registry(tmp_path / "inner", durability="fast") as inner:
        assert current_registry().path == inner.path
        model = InputModel.import_model("s3://b/a.pt")
    assert current_registry().path == registry.path
    assert InputModel.query_models() == []
    with pytest.raises(ClosedRegistryError, match="closed"):
        _ = model.name


def test_with_blocks_nest(tmp_path):
    with Registry(tmp_path / "a", durability="fast") as a:
        with Registry(tmp_path / "b", durability="fast") as b:
            assert current_registry().path == b.path
            with a:
                assert current_registry().path == a.path
            assert current_registry().path == b.path
        assert b.path == tmp_path / "b"


def test_a_block_that_raises_restores_the_current_registry(registry, tmp_path):
    with pytest.raises(ZeroDivisionError), Registry(tmp_path / "inner", durability="fast"):
        _ = 1 / 0
    assert current_registry().path == registry.path


def test_use_registry_lasts_until_another_is_chosen_or_it_is_closed(
    nowhere, current, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    first = use_registry(tmp_path / "first", durability="fast")
    assert current_registry().path == first.path
    second = use_registry(tmp_path / "second", durability="fast")
    assert current_registry().path == second.path
    first.close()
    assert current_registry().path == second.path
    second.close()
    assert current() == tmp_path / "home"


def test_a_with_block_overrides_use_registry(tmp_path):
    chosen = use_registry(tmp_path / "chosen", durability="fast")
    with Registry(tmp_path / "entered", durability="fast") as entered:
        assert current_registry().path == entered.path
        inside = use_registry(tmp_path / "inside", durability="fast")
        assert current_registry().path == entered.path
    assert current_registry().path == inside.path
    inside.close()
    chosen.close()


def test_a_registry_that_is_closed_inside_its_block_is_not_current(registry, tmp_path):
    with Registry(tmp_path / "inner", durability="fast") as inner:
        inner.close()
        assert current_registry().path == registry.path
    assert current_registry().path == registry.path


def test_closing_twice_is_fine_and_use_after_it_says_what_to_do(tmp_path):
    registry = Registry(tmp_path / "a", durability="fast")
    registry.close()
    registry.close()
    with pytest.raises(ClosedRegistryError, match=r"open it again.*Registry\(path\)") as raised:
        registry.models()
    assert isinstance(raised.value, OSError)
    assert isinstance(raised.value, ValueError)


def test_a_registry_that_does_not_open_changes_nothing_current(registry, tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(NotARegistryError):
        use_registry(tmp_path / "file")
    assert current_registry().path == registry.path


def test_current_registry_returns_a_registry(registry):
    model = InputModel.import_model("s3://b/a.pt", name="a")
    assert current_registry().models() == [model]
    assert current_registry().model("a") == model
    assert str(registry.path) in repr(current_registry())


# the current task --------------------------------------------------------------------------


def test_a_task_is_current_only_while_its_registry_is(registry, tmp_path):
    task = Task.init(project_name="vision", task_name="train")
    with Registry(tmp_path / "other", durability="fast"):
        assert Task.current_task() is None
        foreign = InputModel.import_model("s3://b/a.pt")
        assert foreign.name.startswith("Anonymous model ")
        assert foreign.project is None
    assert Task.current_task() == task
    assert InputModel.import_model("s3://b/a.pt").name == "Imported by train"


def test_a_task_started_elsewhere_does_not_end_the_current_one(registry, tmp_path):
    task = Task.init(task_name="outer")
    with Registry(tmp_path / "other", durability="fast"):
        inner = Task.init(task_name="inner")
        assert Task.current_task() == inner
    assert Task.current_task() == task


def test_init_in_another_registry_starts_another_task(registry, tmp_path):
    task = Task.init(project_name="vision", task_name="train")
    with Registry(tmp_path / "other", durability="fast") as other:
        again = Task.init(project_name="vision", task_name="train")
        assert again != task
        assert other.db["task"].count == 1
    assert registry.db["task"].count == 1


def test_a_task_of_another_registry_becomes_current_with_its_registry(registry, tmp_path):
    with Registry(tmp_path / "other", durability="fast") as other:
        task = Task.init(task_name="train", registry=registry)
        assert Task.current_task() is None
        assert other.history() == []
    assert Task.current_task() == task


def test_closing_the_registry_ends_the_current_task(tmp_path):
    with Registry(tmp_path / "a", durability="fast"):
        Task.init(task_name="train")
    with Registry(tmp_path / "a", durability="fast"):
        assert Task.current_task() is None


def test_a_second_handle_of_the_same_registry_shares_the_current_task(registry):
    task = Task.init(task_name="train")
    with Registry(registry.path, durability="fast"):
        assert Task.current_task() == task
    assert Task.current_task() == task


def test_threads_share_the_current_registry_and_task(registry):
    from concurrent.futures import ThreadPoolExecutor

    task = Task.init(task_name="train")
    with ThreadPoolExecutor(2) as threads:
        assert threads.submit(Task.current_task).result() == task
        assert threads.submit(lambda: current_registry().path).result() == registry.path


def test_another_process_finds_the_registry_by_its_home(registry):
    script = "from localreg import current_registry; print(current_registry().path)"
    found = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()) == registry.path


# readonly ----------------------------------------------------------------------------------

CHANGES = {
    "import": lambda model, _: InputModel.import_model("s3://b/new.pt"),
    "name": lambda model, _: setattr(model, "name", "b"),
    "tags": lambda model, _: model.add_tags("t"),
    "metadata": lambda model, _: model.set_metadata("k", "v"),
    "publish": lambda model, _: model.publish(),
    "remove": lambda model, _: InputModel.remove(model, raise_on_errors=True),
    "alias": lambda model, registry: registry.set_alias(model, "prod"),
    "task": lambda model, _: Task.init(task_name="t"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_read_only_registry_is_read_and_never_changed(change, tmp_path):
    with Registry(tmp_path / "a", durability="fast") as registry:
        made = InputModel.import_model("s3://b/a.pt", name="a")
        before = registry.history()
    with Registry(tmp_path / "a", readonly=True) as registry:
        model = InputModel(made.id)
        assert (model.name, registry.model("a"), registry.history()) == ("a", model, before)
        with pytest.raises(ReadOnlyRegistryError, match="readonly=True"):
            change(model, registry)
        assert registry.history() == before
        assert Task.current_task() is None


def test_a_known_url_is_found_in_a_read_only_registry(tmp_path):
    with Registry(tmp_path / "a", durability="fast"):
        made = InputModel.import_model("s3://b/a.pt", name="a").id
    with Registry(tmp_path / "a", readonly=True):
        assert InputModel.import_model("s3://b/a.pt").id == made


def test_opening_read_only_makes_nothing(tmp_path):
    with pytest.raises(NoRegistryError):
        Registry(tmp_path / "none", readonly=True)
    assert list(tmp_path.iterdir()) == []


def test_asking_for_the_current_task_makes_no_registry(monkeypatch, tmp_path):
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "never-made"))
    assert Task.current_task() is None
    assert not (tmp_path / "never-made").exists()


def test_a_relative_path_in_a_deleted_directory_is_an_error(registry, monkeypatch, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(InvalidURLError, match="working directory"):
        InputModel.import_model("a.pt")
    monkeypatch.chdir(tmp_path)


def test_registry_db_is_one_per_thread_and_is_closed_with_the_registry(tmp_path):
    with Registry(tmp_path, durability="fast") as opened:
        database = opened.db
        assert opened.db.conn is database.conn
        assert database["project"].count == 1
        database.close()
        assert opened.db["project"].count == 1  # a new one
        last = opened.db
    with pytest.raises(sqlite3.ProgrammingError):
        last.execute("SELECT 1")
    with pytest.raises(ClosedRegistryError):
        _ = opened.db


def test_a_registry_that_is_garbage_collected_closes_its_connections(tmp_path):
    """Python 3.13 warns about connections that were not closed, and warnings are errors here."""
    registry = Registry(tmp_path, durability="fast")
    _ = registry.db
    InputModel.import_model("s3://bucket/a.pt", registry=registry)
    del registry
    gc.collect()
    assert not (tmp_path / "registry.db-wal").exists()


def test_an_isolated_block_has_nothing_current_and_then_all_is_as_before(
    registry, tmp_path, monkeypatch
):
    task = Task.init(task_name="outside")
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "inside"))
    with ambient.isolated():
        located = current_registry()
        assert located.path == tmp_path / "inside"
        assert Task.current_task() is None
        assert ambient.first_time("tested") is True
        InputModel.import_model("s3://bucket/a.pt")
        assert len(located.models()) == 1
    assert current_registry().path == registry.path
    assert Task.current_task() == task
    assert ambient.first_time("tested") is True
    with pytest.raises(ClosedRegistryError):
        located.history()
