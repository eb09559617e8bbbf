"""The pytest plugin, as users have it: pytest runs on small test files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localreg import InputModel, Registry, current_registry

# Both fixtures, in this run of pytest -------------------------------------------------


def test_the_fixture_yields_an_empty_registry_that_is_current(localreg_registry):
    assert isinstance(localreg_registry, Registry)
    assert localreg_registry.models() == []
    assert current_registry().path == localreg_registry.path
    assert Path(os.environ["LOCALREG_HOME"]) == localreg_registry.path


def test_registry_is_another_name_of_it(localreg_registry, registry):
    assert registry is localreg_registry


def test_the_registry_is_in_the_tests_temporary_folder(registry, tmp_path):
    assert tmp_path in registry.path.parents


def test_processes_that_the_test_starts_find_it(registry):
    script = "from localreg import InputModel; InputModel.import_model('s3://b/a.pt', name='a')"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert InputModel(name="a").url == "s3://b/a.pt"


# Runs of pytest ----------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Return a function that runs pytest on a test file and returns its counts and its output."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def start(text, *arguments, plugins=("localreg.pytest_plugin",), **variables):
        (folder / "test_it.py").write_text(text)
        kept = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        if plugins:  # faster than with all installed plugins
            kept["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        named = [word for plugin in plugins for word in ("-p", plugin)]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *named, "-rA",
             f"--basetemp={tmp_path / 'base'}", *arguments],
            capture_output=True, text=True, cwd=folder, env=kept | variables,
        )  # fmt: skip
        outcomes = [line.partition(" ")[0] for line in done.stdout.splitlines()]
        counts = {kind: outcomes.count(kind) for kind in ("PASSED", "FAILED", "ERROR")}
        return counts, done.stdout + done.stderr

    return start


EACH_ITS_OWN = """
import os
import pytest
from localreg import InputModel, Task, current_registry

@pytest.mark.parametrize("number", range({count}))
def test_fresh(localreg_registry, number):
    assert InputModel.query_models() == []
    model = InputModel.import_model("s3://bucket/a.pt", name="a", project="p")
    assert model.version == 1
    assert Task.current_task() is None
    Task.init(task_name="t")
    assert current_registry().path == localreg_registry.path
"""


def test_each_test_has_a_registry_of_its_own(run):
    """Here pytest finds the plugin by its entry point, as after an installation."""
    counts, output = run(EACH_ITS_OWN.format(count=4), plugins=())
    assert counts == {"PASSED": 4, "FAILED": 0, "ERROR": 0}, output


def test_it_works_with_xdist(run):
    pytest.importorskip("xdist")
    counts, output = run(
        EACH_ITS_OWN.format(count=8)
        + "    assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == '2'\n",
        *("-n", "2"),
        plugins=("localreg.pytest_plugin", "xdist.plugin"),
    )
    assert counts == {"PASSED": 8, "FAILED": 0, "ERROR": 0}, output


AROUND_IT = """
import os
from pathlib import Path
import pytest
from localreg import Registry, current_registry
from localreg.errors import ClosedRegistryError

seen = []

def outside():
    registry = current_registry()
    path = registry.path
    registry.close()
    return path

def test_before():
    assert outside() == Path(os.environ["LOCALREG_HOME"])
    assert os.environ["LOCALREG_TASK_ID"] == "f" * 32

def test_inside(localreg_registry):
    seen.append(localreg_registry)
    assert current_registry().path == localreg_registry.path
    assert "LOCALREG_TASK_ID" not in os.environ

def test_after():
    assert outside() == Path(os.environ["LOCALREG_HOME"]) != seen[0].path
    assert os.environ["LOCALREG_TASK_ID"] == "f" * 32
    with pytest.raises(ClosedRegistryError):
        seen[0].models()
"""


def test_it_is_current_only_during_its_test(run, tmp_path):
    variables = {"LOCALREG_HOME": str(tmp_path / "users"), "LOCALREG_TASK_ID": "f" * 32}
    counts, output = run(AROUND_IT, **variables)
    assert counts == {"PASSED": 3, "FAILED": 0, "ERROR": 0}, output


FOR_A_MODULE = """
import os
import subprocess
import sys
import pytest
from localreg import InputModel, current_registry

outside = os.environ.get("LOCALREG_HOME")
made = []

@pytest.fixture(scope="module")
def models(localreg_registry_factory):
    with localreg_registry_factory() as registry:
        InputModel.import_model("s3://bucket/a.pt", name="a")
        made.append(registry)
        yield registry
    assert os.environ.get("LOCALREG_HOME") == outside

def test_one(models):
    assert current_registry().path == models.path
    assert InputModel(name="a").version == 1
    script = "from localreg import InputModel; InputModel.import_model('s3://b/b.pt', name='b')"
    subprocess.run([sys.executable, "-c", script], check=True)

def test_another_within_it(models, localreg_registry):
    assert localreg_registry.path != models.path
    assert current_registry().path == localreg_registry.path
    assert InputModel.query_models() == []

def test_the_same_again(models):
    assert current_registry().path == models.path
    assert InputModel(name="b").url == "s3://b/b.pt"
    assert made == [models]

def test_two_at_once(localreg_registry_factory):
    with localreg_registry_factory() as one, localreg_registry_factory() as two:
        assert one.path != two.path
        assert current_registry().path == two.path
"""


def test_a_factory_makes_registries_for_fixtures_of_any_scope(run, tmp_path):
    for scope in ("module", "session"):
        text = FOR_A_MODULE.replace('scope="module"', f'scope="{scope}"')
        counts, output = run(text, LOCALREG_HOME=str(tmp_path / "users"))
        assert counts == {"PASSED": 4, "FAILED": 0, "ERROR": 0}, output
    assert not (tmp_path / "users").exists()


def test_a_test_that_fails_leaves_nothing_to_the_next(run, tmp_path):
    counts, output = run(
        "from localreg import InputModel, current_registry\n"
        "def test_fails(localreg_registry):\n"
        "    InputModel.import_model('s3://bucket/a.pt')\n"
        "    assert False\n"
        "def test_next(localreg_registry):\n"
        "    assert InputModel.query_models() == []\n"
    )
    assert counts == {"PASSED": 1, "FAILED": 1, "ERROR": 0}, output


OWN_REGISTRY = """
import pytest

@pytest.fixture
def registry():
    return "mine"

def test_mine(registry):
    assert registry == "mine"

def test_both(registry, localreg_registry):
    assert registry == "mine"
    assert localreg_registry.models() == []
"""


def test_a_users_own_fixture_named_registry_wins(run):
    counts, output = run(OWN_REGISTRY)
    assert counts == {"PASSED": 2, "FAILED": 0, "ERROR": 0}, output


def test_a_fixture_of_a_conftest_named_registry_wins(run, tmp_path):
    (tmp_path / "project" / "conftest.py").write_text(
        "import pytest\n@pytest.fixture\ndef registry():\n    return 'conftest'\n"
    )
    counts, output = run("def test_it(registry):\n    assert registry == 'conftest'\n")
    assert counts == {"PASSED": 1, "FAILED": 0, "ERROR": 0}, output


def test_a_run_that_does_not_use_it_loads_nothing_of_localreg_but_the_plugin(run):
    counts, output = run(
        "import sys\n"
        "def test_it():\n"
        "    names = {name for name in sys.modules if name.startswith('localreg')}\n"
        "    assert names == {'localreg', 'localreg.pytest_plugin'}\n"
    )
    assert counts == {"PASSED": 1, "FAILED": 0, "ERROR": 0}, output


def test_the_fixtures_are_listed_with_what_they_do(run):
    _, output = run("", "--fixtures")
    assert "localreg_registry" in output
    assert "Yield a new registry" in output
