"""The default registry and the current task, when the directory is removed or replaced."""

from __future__ import annotations

import shutil

import pytest

from localreg import InputModel, Logger, OutputModel, Registry, Task, current_registry
from localreg.api import ambient
from localreg.errors import NoRegistryError, RegistryReplacedError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Name a registry by the environment; return its directory."""
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOCALREG_DURABILITY", "fast")
    with ambient.isolated():
        yield tmp_path / "home"


def replace(path):
    """Rename another registry, with a model `other`, over a directory."""
    other = path.with_name("other")
    with Registry(other, durability="fast"):
        InputModel.import_model("s3://b/other.pt", name="other")
    shutil.rmtree(path)
    other.rename(path)


def names():
    return {model.name for model in InputModel.query_models()}


def test_the_default_registry_is_opened_again_when_it_was_replaced(home, caplog):
    lost = InputModel.import_model("s3://b/a.pt", name="a")
    replace(home)
    assert names() == {"other"}
    assert f"the registry in {home} was removed or replaced" in caplog.text
    InputModel.import_model("s3://b/b.pt", name="b")
    with Registry(home, durability="fast") as there:
        assert {model.name for model in there.models()} == {"other", "b"}
    with pytest.raises(RegistryReplacedError):
        lost.set_metadata("k", "v")


def test_the_default_registry_is_made_again_by_a_write_when_it_was_removed(home):
    InputModel.import_model("s3://b/a.pt", name="a")
    shutil.rmtree(home)
    with pytest.raises(NoRegistryError):
        InputModel.query_models()
    InputModel.import_model("s3://b/b.pt", name="b")
    assert names() == {"b"}


def test_models_of_the_default_registry_work_again_when_it_is_moved_back(home):
    model = InputModel.import_model("s3://b/a.pt", name="a")
    home.rename(home.with_name("away"))
    with pytest.raises(RegistryReplacedError):
        model.set_metadata("k", "v")
    home.with_name("away").rename(home)
    model.set_metadata("k", "v")
    assert InputModel(model.id).get_metadata("k") == "v"


def test_a_task_whose_registry_was_replaced_says_so_in_each_call(home, caplog):
    """Its reports must not go into another registry, or nowhere."""
    task = Task.init(project_name="p", task_name="t")
    task.report_scalar("a", "b", 1.0, 0)
    task.flush()
    replace(home)
    for call in (
        Task.current_task,
        Logger.current_logger,
        lambda: OutputModel(name="out"),
        lambda: task.get_logger().report_text("line"),
        lambda: task.report_scalar("c", "d", 1.0, 0),
        lambda: task.get_parameters(),
        lambda: task.connect({"lr": 0.1}),
    ):
        with pytest.raises(RegistryReplacedError, match=str(home)):
            call()
    with pytest.raises(RegistryReplacedError, match=task.id):
        Task.current_task()
    again = Task.init(project_name="p", task_name="t")
    assert again != task
    assert f"task {task.id} is lost" in caplog.text
    assert Task.current_task() == again
    assert OutputModel(name="out").task == again.id
    again.close()


def test_closing_a_task_whose_registry_was_removed_is_an_error_and_the_task_is_gone(home):
    task = Task.init(task_name="t")
    shutil.rmtree(home)
    with pytest.raises(RegistryReplacedError):
        task.close()
    assert Task.current_task() is None
    assert not home.exists()


def test_a_running_task_found_by_a_localreg_folder_is_not_continued_elsewhere(
    tmp_path, monkeypatch
):
    """The next registry up, or that of the user, must not get its models."""
    monkeypatch.delenv("LOCALREG_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    Registry(tmp_path / ".localreg", durability="fast").close()
    monkeypatch.chdir(tmp_path)
    task = Task.init(task_name="t")
    shutil.rmtree(tmp_path / ".localreg")
    with pytest.raises(RegistryReplacedError, match=task.id):
        InputModel.import_model("s3://b/a.pt")
    again = Task.init(task_name="t")
    assert current_registry().path == tmp_path / "data" / "localreg"
    again.close()


@pytest.mark.parametrize("same", [True, False])
def test_a_suite_of_tests_may_remove_the_registry_after_each_test(same, home, children):
    """As unittest's setUp and tearDown do; nothing is closed, and no folder comes back."""

    def run_suite(home, same):
        import os
        import shutil
        import unittest

        from localreg import InputModel, OutputModel, Task

        class Suite(unittest.TestCase):
            number = 0

            def setUp(self):
                Suite.number += 1
                self.home = os.environ["LOCALREG_HOME"] = home if same else f"{home}-{self.number}"

            def tearDown(self):
                shutil.rmtree(self.home)

            def test_a_model(self):
                model = InputModel.import_model("s3://b/a.pt", name="a")
                model.report_scalar("t", "s", 1, 0)
                self.assertEqual(InputModel.query_models(), [model])  # noqa: PT009

            def test_a_task(self):
                task = Task.init(project_name="p", task_name="t")
                task.report_scalar("t", "s", 1, 0)
                self.assertEqual(OutputModel(name="out").task, task.id)  # noqa: PT009

            test_a_task_again = test_a_task
            test_a_model_after_it = test_a_model

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Suite).run(result)
        return [result.testsRun, result.errors, result.failures]

    process = children.start(run_suite, home, same)
    output, errors = process.communicate(timeout=60)
    assert (output, process.returncode) == ("[4, [], []]\n", 0)
    assert "Traceback" not in errors
    assert not list(home.parent.glob(f"{home.name}*"))


def test_a_process_whose_registries_were_removed_ends_without_a_traceback(home, children):
    def leave_it_open(home):
        import os
        import shutil

        os.environ["LOCALREG_HOME"] = home
        from localreg import InputModel, Registry, Task

        Task.init(task_name="t").report_scalar("a", "b", 1, 0)
        InputModel.import_model("s3://b/a.pt").report_scalar("a", "b", 1, 0)
        named = Registry(home + "-named", durability="fast")
        InputModel.import_model("s3://b/b.pt", registry=named).report_scalar("a", "b", 1, 0)
        shutil.rmtree(home)
        shutil.rmtree(home + "-named")

    process = children.start(leave_it_open, home)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert f"the registry in {home} was removed or replaced" in errors
    assert f"the registry in {home}-named was removed or replaced" in errors
    assert not home.exists()
    assert not home.with_name("home-named").exists()
