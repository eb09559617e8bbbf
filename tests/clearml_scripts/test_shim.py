"""`import clearml` imports localreg: `python -m localreg.run` and `clearml_shim.install()`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Optional

import pytest

import localreg
from localreg import Task, clearml_shim
from localreg.errors import LocalregError, NotSupportedError


@pytest.fixture
def shim():
    clearml_shim.install()
    yield
    clearml_shim.uninstall()


# the names ---------------------------------------------------------------------------------

NAMES = {
    "clearml": ["Task", "InputModel", "Model", "Logger", "StorageManager"],
    "clearml.task": ["Task"],
    "clearml.model": ["InputModel", "Model", "Framework"],
    "clearml.logger": ["Logger"],
    "clearml.storage": ["StorageManager"],
    "clearml.storage.manager": ["StorageManager"],
}


@pytest.mark.parametrize("module", NAMES)
def test_modules_of_clearml_have_the_names_of_localreg(module, shim):
    found = importlib.import_module(module)
    for name in NAMES[module]:
        assert getattr(found, name) is getattr(localreg, name)
        assert name in found.__all__


@pytest.mark.skipif("OutputModel" not in localreg.__all__, reason="it is written elsewhere")
def test_output_model_is_that_of_localreg(shim):
    import clearml.model

    assert clearml.OutputModel is clearml.model.OutputModel is localreg.OutputModel


def test_other_names_that_scripts_import(shim):
    import clearml
    from clearml import TaskTypes
    from clearml.errors import UsageError
    from clearml.utilities.plotly_reporter import SeriesInfo
    from clearml.version import __version__

    assert clearml.__version__ == __version__ == "2.1.12"
    assert TaskTypes is Task.TaskTypes
    assert clearml.storage.StorageManager is localreg.StorageManager
    assert SeriesInfo.__name__ == "SeriesInfo"
    with pytest.raises(UsageError):
        Task.init(task_type="none")


# what is not there -------------------------------------------------------------------------


def test_unsupported_names_can_be_imported_and_raise_when_they_are_used(shim):
    from clearml import HyperDataset, PipelineDecorator
    from clearml.automation import HyperParameterOptimizer
    from clearml.automation.controller import PipelineController

    with pytest.raises(NotSupportedError, match=r"clearml\.HyperDataset\.get.*server") as error:
        HyperDataset.get(dataset_name="d")
    assert error.value.name == "clearml.HyperDataset.get"
    assert isinstance(error.value, NotImplementedError)
    assert isinstance(error.value, LocalregError)
    with pytest.raises(NotSupportedError, match=r"clearml\.PipelineController"):
        PipelineController(name="p", project="p", version="1")
    with pytest.raises(NotSupportedError, match="localreg task clone"):
        HyperParameterOptimizer()
    with pytest.raises(NotSupportedError, match=r"PipelineDecorator\.component"):
        PipelineDecorator.component(return_values=["x"])(len)
    with pytest.raises(NotSupportedError, match=r"clearml\.HyperDataset"):
        type("Mine", (HyperDataset,), {})()


def test_unsupported_names_can_be_used_in_annotations(shim):
    from clearml import HyperDataset

    assert (HyperDataset | None) == Optional[HyperDataset]  # noqa: UP045  (old scripts have it)
    assert not isinstance(1, HyperDataset)
    assert "HyperDataset" in repr(HyperDataset)


def test_data_sets_are_those_of_localreg(shim):
    import clearml.datasets
    from clearml.datasets.dataset import Dataset, FileEntry, LinkEntry

    import localreg
    from localreg.api.datasets import entries

    assert Dataset is clearml.Dataset is clearml.datasets.Dataset is localreg.Dataset
    assert (FileEntry, LinkEntry) == (entries.FileEntry, entries.LinkEntry)


@pytest.mark.parametrize(
    "line",
    [
        "from clearml import Nothing",
        "import clearml.nothing",
        "from clearml.backend_api.session import Nothing",
        "from clearml.model import Nothing",
        "from clearml.automation import Nothing",
    ],
)
def test_an_unknown_name_is_an_import_error_that_names_it(line, shim):
    with pytest.raises(ImportError, match=r"localreg does not have clearml\.") as error:
        exec(line, {})
    assert error.value.name.startswith("clearml.")


MODULES = Path(clearml_shim.__file__).with_name("modules.txt").read_text().splitlines()


def test_every_name_of_the_sdk_can_be_imported(shim):
    """Each is a name of localreg, or raises an error with its name and a reason at use."""
    absent = 0
    for line in MODULES:
        module, *words = line.split()
        found = importlib.import_module(module)
        for name in (word.partition("@")[0].removesuffix("!") for word in words):
            value = getattr(found, name)
            assert name in found.__all__
            if type(value).__name__ == "Absent":
                absent += 1
                for use in (value, lambda value=value: value.anything):
                    with pytest.raises(
                        NotSupportedError, match=rf"clearml\.[\w.]*{name}.*; [`\w]+"
                    ) as error:
                        use()
                    assert name in error.value.name
    assert absent > 1000


def test_exceptions_of_the_sdk_can_be_caught(shim):
    from clearml.backend_api import TimeoutExpiredError
    from clearml.backend_api.session.session import LoginError

    for each in (LoginError, TimeoutExpiredError):
        try:
            raise each("text")
        except (LoginError, TimeoutExpiredError) as error:
            assert str(error) == "text"  # noqa: PT017


def test_a_name_is_one_object_in_all_modules(shim):
    import clearml.automation.aws_driver
    import clearml.backend_api
    import clearml.backend_api.session.session
    import clearml.backend_interface.task

    assert clearml.automation.aws_driver.Task is Task
    assert clearml.backend_interface.task.Task is Task
    assert clearml.backend_api.Session is clearml.backend_api.session.session.Session


def test_libraries_that_the_sdk_copied_are_the_installed_ones(shim):
    import pyhocon
    from clearml.utilities.pyhocon import ConfigFactory
    from clearml.utilities.pyhocon.exceptions import ConfigMissingException

    assert ConfigFactory is pyhocon.ConfigFactory
    assert ConfigMissingException is pyhocon.exceptions.ConfigMissingException


def test_without_their_library_they_say_how_to_install_it(shim):
    from clearml.utilities.requests_toolbelt import MultipartEncoder

    with pytest.raises(NotSupportedError, match="pip install requests-toolbelt"):
        MultipartEncoder({})


# what importlib says -----------------------------------------------------------------------


def test_metadata_of_clearml_answers_while_the_shim_is_installed():
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.metadata("clearml")
    assert importlib.util.find_spec("clearml") is None
    clearml_shim.install()
    try:
        assert metadata.version("clearml") == clearml_shim.VERSION
        assert metadata.metadata("clearml")["Name"] == "clearml"
        assert metadata.distribution("clearml").files is None
        assert "clearml" in {each.name for each in metadata.distributions()}
        assert metadata.packages_distributions()["clearml"] == ["clearml"]
        assert importlib.util.find_spec("clearml") is not None
        assert importlib.util.find_spec("clearml.utilities.proxy_object") is not None
        assert metadata.version("pytest") == pytest.__version__
        assert "clearml" not in {each.name for each in metadata.distributions(path=sys.path)}
    finally:
        clearml_shim.uninstall()
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("clearml")
    assert importlib.util.find_spec("clearml") is None


def test_the_stand_in_is_not_recorded_as_an_installed_package(shim, registry):
    task = Task.init("p", "t")
    assert "clearml" not in task.get_requirements()
    assert "localreg" in task.get_requirements()
    task.close()


def test_an_unknown_attribute_is_an_attribute_error_that_names_it(shim):
    import clearml

    with pytest.raises(AttributeError, match=r"localreg does not have clearml\.Nothing"):
        _ = clearml.Nothing


# putting it in and taking it out -----------------------------------------------------------


@pytest.fixture
def real(tmp_path, monkeypatch):
    """Install a package `clearml`."""
    package = tmp_path / "site" / "clearml"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("real = True\n")
    (package / "task.py").write_text("real = True\n")
    monkeypatch.syspath_prepend(package.parent)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "clearml"]:
        del sys.modules[name]


def test_the_real_clearml_is_hidden_until_uninstall(real):
    import clearml

    clearml_shim.install()
    clearml_shim.install()
    try:
        assert importlib.import_module("clearml").Task is Task
        assert importlib.import_module("clearml.task").Task is Task
    finally:
        clearml_shim.uninstall()
    assert importlib.import_module("clearml") is clearml
    assert importlib.import_module("clearml.task").real
    clearml_shim.uninstall()
    assert importlib.import_module("clearml") is clearml


def test_after_uninstall_clearml_is_what_it_was(shim):
    clearml_shim.uninstall()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("clearml")


def test_arguments_parsed_before_the_task_starts_are_recorded(registry, tmp_path):
    task = ran(
        tmp_path,
        "import argparse\nfrom clearml import Task\n"
        "parser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float)\n"
        "args = parser.parse_args()\nTask.init('p', 'early')\n",
        "--lr", "0.5",
    )  # fmt: skip
    assert task.returncode == 0, task.stderr
    assert Task.get_task(task_name="early").get_parameters(cast=True) == {"Args/lr": 0.5}


# python -m localreg.run --------------------------------------------------------------------


def ran(folder, text, *arguments, **options):
    """Run `python -m localreg.run` with a script, or with a list of words."""
    words = text if isinstance(text, list) else ["script.py"]
    if isinstance(text, str):
        (folder / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "localreg.run", *words, *arguments],
        cwd=folder, capture_output=True, text=True, **options,
    )  # fmt: skip


def test_a_script_sees_the_same_as_with_python(tmp_path):
    (tmp_path / "beside.py").write_text("value = 3\n")
    text = (
        "import sys, os, beside\n"
        "print(__name__, sys.argv, os.path.basename(__file__), beside.value)\n"
        "print(sys.modules['__main__'].beside is beside, sys.path[0] == os.getcwd(), __package__)\n"
    )
    plain = subprocess.run(
        [sys.executable, "script.py", "a", "-b"], cwd=tmp_path, capture_output=True, text=True
    )
    shimmed = ran(tmp_path, text, "a", "-b")
    assert plain.returncode == 2  # the script was not there yet
    plain = subprocess.run(
        [sys.executable, "script.py", "a", "-b"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (shimmed.stdout, shimmed.stderr) == (plain.stdout, "")


def test_a_module_runs_as_with_python(tmp_path):
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "beside.py").write_text("value = 3\n")
    (package / "__main__.py").write_text(
        "import sys\nfrom .beside import value\nfrom clearml import Task\n"
        "print(value, sys.argv[1:], Task.__module__, __name__, __package__)\n"
    )
    done = ran(tmp_path, ["-m", "pack"], "a")
    assert done.stdout == "3 ['a'] localreg.api.tasks.task __main__ pack\n", done.stderr


@pytest.mark.parametrize(
    ("ending", "code", "status", "reason"),
    [
        ("", 0, "completed", None),
        ("sys.exit()", 0, "completed", None),
        ("sys.exit(0)", 0, "completed", None),
        ("sys.exit(3)", 3, "failed", "exit code 3"),
        ("sys.exit('no data')", 1, "failed", "no data"),
        ("raise KeyError('k')", 1, "failed", "KeyError: 'k'"),
        ("Task.current_task().close()\nsys.exit(3)", 3, "completed", None),
        ("Task.current_task().mark_failed(status_reason='why')", 0, "failed", "why"),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, "aborted", "died"),
        ("if os.fork() == 0: sys.exit(5)\nos.wait()", 0, "completed", None),
        ("if os.fork() == 0: raise KeyError\nos.wait()", 0, "completed", None),
    ],
)
def test_the_exit_code_is_kept_and_the_status_is_recorded(
    ending, code, status, reason, registry, tmp_path
):
    text = f"import os, sys\nfrom clearml import Task\nTask.init('p', 't')\n{ending}\n"
    done = ran(tmp_path, text)
    assert done.returncode == code, done.stderr
    task = Task.get_task(task_name="t")
    assert task.status == status
    if reason is None:
        assert task.status_reason is None
    else:
        assert reason in task.status_reason


def test_a_task_that_is_run_again_uses_the_shim_again(registry, tmp_path):
    done = ran(tmp_path, "from clearml import Task\nprint(Task.init('p', 't').id)\n")
    task_id = done.stdout.strip()
    for _ in range(2):
        again = subprocess.run(
            [sys.executable, "-m", "localreg.cli", "task", "run", task_id],
            capture_output=True, text=True,
        )  # fmt: skip
        assert (again.returncode, again.stdout.strip()) == (0, task_id), again.stderr
    assert len(Task.get_tasks()) == 1


POOL = """
import multiprocessing, os, sys
from clearml import Logger, Task

def work(job):
    task_id, number = job
    task = Task.get_task(task_id=task_id)
    task.get_logger().report_scalar("work", f"part {number}", number / 2, iteration=number)
    task.get_logger().flush()
    return os.getpid()

if __name__ == "__main__":
    task = Task.init("p", "pool")
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        pids = pool.map(work, [(task.id, number) for number in range(6)], chunksize=1)
    assert os.getpid() not in pids
    print(task.id)
"""


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_pool_reports_to_one_task(method, registry, tmp_path):
    done = ran(tmp_path, POOL, method, timeout=100)
    assert done.returncode == 0, done.stderr
    task = Task.get_task(done.stdout.strip())
    assert task.status == "completed"
    assert task.get_reported_scalars()["work"] == {
        f"part {number}": {"x": [number], "y": [number / 2]} for number in range(6)
    }
    assert len(Task.get_tasks()) == 1


TREE = """
import subprocess, sys
from clearml import Task

task = Task.init("p", sys.argv[1])
if sys.argv[1] == "outer":
    words = [sys.executable, "-m", "localreg.run", __file__, "inner"]
    inner = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert inner.stdout.readline() == "ready\\n"
    task.get_logger().report_scalar("loss", "train", 1.0, iteration=1)
    assert {each.status for each in Task.get_tasks(project_name="p")} == {"in_progress"}
    inner.communicate("go on\\n")
else:
    task.get_logger().report_scalar("loss", "train", 2.0, iteration=1)
    print("ready", flush=True)
    input()
    sys.exit(4)
"""


def test_two_tasks_run_at_the_same_time_in_one_tree_of_processes(registry, tmp_path):
    done = ran(tmp_path, TREE, "outer")
    assert done.returncode == 0, done.stderr
    tasks = {task.name: task for task in Task.get_tasks(project_name="p")}
    assert {name: task.status for name, task in tasks.items()} == {
        "outer": "completed", "inner": "failed",
    }  # fmt: skip
    for name, value in (("outer", 1.0), ("inner", 2.0)):
        assert tasks[name].get_reported_scalars()["loss"]["train"]["y"] == [value]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "usage"),
        (["--nothing"], 2, "usage"),
        (["-h"], 0, "usage"),
        (["missing.py"], 2, "can't open 'missing.py'"),
        (["-m", "no_such_module"], 2, "no_such_module"),
        (["-m", "no_such.module"], 2, "no_such"),
        (["-m", "sys"], 2, "sys"),
    ],
)
def test_a_program_that_cannot_run_is_a_clear_error(words, code, message, tmp_path):
    done = ran(tmp_path, words)
    assert done.returncode == code
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_syntax_error_is_shown_as_python_shows_it(tmp_path):
    done = ran(tmp_path, "x = (\n")
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr


def test_the_shim_makes_no_files_at_import(tmp_path):
    done = ran(
        tmp_path, "import clearml\n", env=os.environ | {"LOCALREG_HOME": str(tmp_path / "r")}
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "r").exists()


def test_the_traceback_of_a_script_begins_in_the_script(registry, tmp_path):
    """Also in the reason why its task failed: what runs the script there is no help."""
    script = tmp_path / "fails.py"
    script.write_text(
        "from clearml import Task\nTask.init(task_name='t')\nraise ValueError('the reason')\n"
    )
    done = ran(tmp_path, [script])
    expected = [
        "Traceback (most recent call last):", f'  File "{script}", line 3, in <module>',
        "    raise ValueError('the reason')", "ValueError: the reason",
    ]  # fmt: skip
    assert done.stderr.splitlines() == expected
    reason = Task.get_task(task_name="t").status_reason
    assert reason.splitlines() == [each.replace(str(script), "fails.py") for each in expected]


FUNCTIONS = """
from clearml import Task

def train(x, steps=1):
    print("train", x, steps)

def check(x):
    print("check", x)

task = Task.init("p", "functions")
made = task.create_function_task(train, x=3, steps=2)
other = task.create_function_task(check, x=5)
print(made and made.id, other and other.id)
"""


def test_a_function_task_calls_its_function_with_its_parameters(registry, tmp_path):
    done = ran(tmp_path, FUNCTIONS)
    assert done.returncode == 0, done.stderr
    train, check = (Task.get_task(task_id) for task_id in done.stdout.split())
    train.set_parameter("Function/steps", 7)
    for task, printed in ((train, "train 3 7"), (check, "check 5")):
        again = subprocess.run(
            [sys.executable, "-m", "localreg.cli", "task", "run", task.id],
            capture_output=True, text=True,
        )  # fmt: skip
        assert again.returncode == 0, again.stderr
        assert again.stdout.strip() == printed
        assert task.status == "completed"
    assert len(Task.get_tasks()) == 3
