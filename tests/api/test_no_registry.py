"""Where there is no registry, reading makes none; the first write makes it: decision 50."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from support.sessions import SMALL, STORES

from localreg import (
    Dataset,
    InputModel,
    Model,
    OutputModel,
    Registry,
    StorageManager,
    Task,
    current_registry,
)
from localreg.api import ambient
from localreg.errors import NoRegistryError, NoTaskError

READING = {
    "Model.query_models": lambda: Model.query_models(),
    "InputModel by id": lambda: InputModel("0" * 32),
    "InputModel by name": lambda: InputModel(name="a"),
    "load_model": lambda: InputModel.load_model("s3://bucket/a.pt"),
    "Model.remove": lambda: Model.remove("0" * 32, raise_on_errors=True),
    "Task.get_task": lambda: Task.get_task(task_id="0" * 32),
    "Task.get_tasks": lambda: Task.get_tasks(),
    "Task.query_tasks": lambda: Task.query_tasks(),
    "Task.clone": lambda: Task.clone("0" * 32),
    "Dataset.get": lambda: Dataset.get(dataset_name="a"),
    "Dataset.list_datasets": lambda: Dataset.list_datasets(),
    "Dataset.delete": lambda: Dataset.delete("0" * 32),
    "Dataset.rename": lambda: Dataset.rename("b", "p", "a"),
    "Dataset.move_to_project": lambda: Dataset.move_to_project("q", "p", "a"),
    "models": lambda: current_registry().models(),
    "query_models": lambda: Registry().query_models(),
    "tasks": lambda: current_registry().tasks(),
    "model": lambda: current_registry().model("a"),
    "set_alias": lambda: current_registry().set_alias("a", "b"),
    "restore": lambda: current_registry().restore("a"),
    "history": lambda: Registry().history(),
    "verify": lambda: Registry().verify(),
    "repair": lambda: Registry().repair(),
    "gc": lambda: Registry().gc(),
    "du": lambda: Registry().du(),
    "render": lambda: Registry().render(),
    "compare": lambda: Registry().compare("a", "b"),
    "db": lambda: Registry().db,
    "upstream": lambda: Registry().upstream,
    "readonly": lambda: Registry(readonly=True),
}
WRITING = {
    "import_model": lambda: InputModel.import_model("s3://bucket/a.pt"),
    "Task.init": lambda: Task.init(task_name="a").close(),
    "Task.create": lambda: Task.create(task_name="a"),
    "Task.import_offline_session": lambda: Task.import_offline_session(STORES / SMALL),
    "Task.import_task": lambda: Task.import_task({"name": "a"}),
    "Dataset.create": lambda: Dataset.create("a", "p"),
    "Dataset.get with auto_create": lambda: Dataset.get(None, "p", "a", auto_create=True),
    "add": lambda: current_registry().add(io.BytesIO(b"weights"), "a", filename="a.bin"),
    "add to Registry()": lambda: Registry().add(io.BytesIO(b"w"), "a", filename="a.bin"),
    "with": lambda: Registry().__enter__().close(),
}


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Name a registry that does not exist, as the only one."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "unmounted"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    monkeypatch.setenv("LOCALREG_AUTO_RENDER", "0")
    with ambient.isolated():
        yield tmp_path / "unmounted"


@pytest.mark.parametrize("call", READING.values(), ids=READING)
def test_reading_makes_no_registry(home, call):
    """The error names the place, why it was looked at, and what to do."""
    with pytest.raises(NoRegistryError, match=r"unmounted, chosen by LOCALREG_HOME") as caught:
        call()
    assert caught.value.path == str(home)
    assert isinstance(caught.value, (OSError, LookupError))
    assert not home.exists()


@pytest.mark.parametrize("call", WRITING.values(), ids=WRITING)
def test_the_first_write_makes_the_registry(home, call):
    call()
    assert (home / "registry.db").is_file()
    current_registry().history()


def test_a_registry_that_is_not_there_yet_has_a_path_and_can_be_closed(home):
    registry = Registry()
    assert (registry.path, repr(registry)) == (home, f"Registry({str(home)!r})")
    assert registry.readonly is False
    registry.close()
    assert not home.exists()


def test_a_registry_handle_sees_what_others_make(home):
    """A handle made before the registry reads it afterwards."""
    registry = current_registry()
    Registry(home).close()
    assert registry.models() == []


def test_an_output_model_without_a_task_is_refused_first(home):
    with pytest.raises(NoTaskError):
        OutputModel(name="a")
    assert not home.exists()


def test_a_download_makes_the_registry_that_caches_it(home, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"weights")
    assert StorageManager.get_local_copy(str(tmp_path / "a.bin"))


def test_a_clearml_script_begins_with_an_empty_registry(home, tmp_path):
    """A new server of ClearML has no models; asking it for them is no error."""
    script = tmp_path / "script.py"
    script.write_text("from clearml import Model\nprint(Model.query_models())\n")
    found = subprocess.run(
        [sys.executable, "-m", "localreg.run", script],
        check=True, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert found.stdout == "[]\n"
    assert (home / "registry.db").is_file()
