"""An import, and the first query, load only Python's own modules and a few of localreg's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from localreg import InputModel
from localreg.operations.upkeep.config import set_setting

HEAVY = (
    "numpy", "plotly", "requests", "sqlite_utils", "filelock", "platformdirs", "jinja2", "rich",
    "click", "kaleido", "pandas", "ruamel", "pyhocon", "urllib3", "pytest", "hypothesis",
)  # fmt: skip

REPORT = """
import json, sys
print(json.dumps(sorted(sys.modules)))
"""


def modules_after(script, tmp_path):
    """Return the names of all modules that a fresh interpreter has loaded after `script`."""
    done = subprocess.run(
        [sys.executable, "-c", script + REPORT],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def added(tmp_path):
    """Return a function that returns the modules that a script loads and an empty one does not."""
    # Without -S Python loads what .pth files of the environment name, which is not localreg's.
    bare = modules_after("", tmp_path)
    return lambda script: modules_after(script, tmp_path) - bare


def foreign(modules):
    """Return the top-level names that belong neither to the standard library nor to localreg."""
    tops = {name.partition(".")[0] for name in modules}
    return tops - set(sys.stdlib_module_names) - {"localreg", "__main__", "__mp_main__"}


SCRIPTS = {
    "import localreg": "import localreg",
    "from localreg import InputModel": "from localreg import InputModel",
    "every public name": "from localreg import *",
    "open and query": (
        "from localreg import InputModel\nassert len(InputModel.query_models(tags=['t'])) == 1"
    ),
    "open by path and query": (
        "import os\nfrom localreg import Registry\n"
        "with Registry(os.environ['LOCALREG_HOME']) as registry:\n"
        "    assert registry.model('vision/resnet@prod').tags == ['t']"
    ),
    "read everything": (
        "from localreg import InputModel\nmodel = InputModel(name='resnet')\n"
        "for name in ('name', 'project', 'tags', 'system_tags', 'config_dict', 'labels', 'url', \n"
        "             'task', 'comment', 'framework', 'aliases', 'digest', 'ref'):\n"
        "    getattr(model, name)\n"
        "model.get_all_metadata_casted(), model.history(), model.get_weights()"
    ),
    "import a model": (
        "from localreg import InputModel\n"
        "InputModel.import_model('s3://bucket/new.pt', tags=['t'], metadata={'k': 1})"
    ),
    "run a task": (
        "from localreg import InputModel, Task\ntask = Task.init(task_name='t')\n"
        "task.connect(InputModel(name='resnet'))\ntask.close()"
    ),
}


@pytest.fixture
def filled(registry, tmp_path):
    file = tmp_path / "resnet.pt"
    file.write_bytes(b"weights")
    model = InputModel.import_model(
        file, name="resnet", project="vision", tags=["t"], config_dict={"a": 1}, copy=True
    )
    model.set_metadata("k", 1)
    registry.set_alias(model, "prod")
    return registry


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_nothing_but_pythons_own_modules_is_loaded(script, added, filled):
    modules = added(script)
    assert "localreg" in modules
    assert foreign(modules) == set()
    assert not {name.partition(".")[0] for name in modules} & set(HEAVY)


def test_importing_localreg_loads_no_other_module_of_it(added):
    """Each name is loaded when it is first used."""
    assert {name for name in added("import localreg") if name.startswith("localreg")} == {
        "localreg"
    }


@pytest.mark.parametrize("name", ["InputModel", "Model", "OutputModel", "Logger", "Registry"])
def test_importing_a_name_loads_no_database(name, added):
    """Opening a registry does; a program that only defines its functions does not wait for it."""
    loaded = added(f"from localreg import {name}")
    assert not {"sqlite3", "json", "localreg.registry", "localreg.store"} & loaded


SLOW = {
    "collections", "contextlib", "functools", "json", "localreg.rare_errors", "pathlib", "re",
    "threading", "typing",
}  # fmt: skip


@pytest.mark.parametrize("name", ["InputModel", "Model", "Registry"])
def test_importing_a_name_loads_few_modules(name, added):
    """Each of these modules takes as long as several of localreg's own."""
    loaded = added(f"from localreg import {name}")
    assert not SLOW & loaded
    assert len({each for each in loaded if each.startswith("localreg")}) <= 30


@pytest.mark.parametrize(
    "module",
    ["cli", "store.database.migrations", "values.config_text", "values.urls"],
)
def test_a_query_loads_only_what_it_needs(module, added, filled):
    assert f"localreg.{module}" not in added(SCRIPTS["open and query"])


SLOWEST = {
    "json", "localreg.rare_errors", "pathlib", "re", "typing", "urllib", "urllib.parse",
}  # fmt: skip


def test_opening_and_asking_loads_no_slow_module(added, filled):
    """They take up to a tenth of the time until the first result; sqlite3 needs none of them."""
    assert not SLOWEST & added(SCRIPTS["open and query"])


GIVEN = (
    "from localreg import InputModel, Registry\nwith Registry('signed') as registry:\n"
    "    assert registry.model('p/m').get_local_copy()\n"
)
REFUSED = """
from localreg import Registry
from localreg.errors import TrustError
with Registry('signed') as registry:
    try:
        registry.model('p/plain').get_local_copy(raise_on_error=True)
    except TrustError:
        registry = None
assert registry is None
"""


@pytest.fixture
def signed(tmp_path):
    """A registry with a signed model and one that is not, and a key that is trusted."""
    from support.foreign_signatures import new_key, private_pem, public_pem

    from localreg import Registry

    key = new_key()
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    (tmp_path / "key.pub").write_bytes(public_pem(key))
    with Registry(tmp_path / "signed", durability="fast") as registry:
        for name in ("m", "plain"):
            registry.add(tmp_path / "key.pub", name, "p").get_local_copy()
        registry.sign("p/m", tmp_path / "key.pem")
        registry.add_key(tmp_path / "key.pub")
        yield registry


def test_weights_are_given_out_without_what_checks_signatures(added, signed):
    """Who does not want signatures pays nothing for them, though there are some."""
    modules = added(GIVEN)
    assert foreign(modules) == set()
    checks = ("operations.weights.trusted", "operations.weights.signatures", "blobs.signing")
    assert not {f"localreg.{each}" for each in checks} & modules


def test_unsigned_weights_are_refused_without_cryptography(added, signed):
    """It is loaded when there is a signature to check."""
    set_setting(signed._chain.first, "trust.mode", "enforce")
    assert "cryptography" not in foreign(added(REFUSED))
    assert "cryptography" in foreign(added(GIVEN))


def test_the_list_of_heavy_modules_is_of_real_ones(added):
    """With a wrong name in the list, the test would miss that module."""
    assert "sqlite_utils" in added("from localreg import Registry\nRegistry('x').db")
    assert "click" in added("import localreg.cli.main")


def test_importing_neither_makes_files_nor_needs_a_home(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    subprocess.run(
        [sys.executable, "-c", "from localreg import *"], check=True, cwd=empty, env={"HOME": "/x"}
    )
    assert list(empty.iterdir()) == []


def test_every_public_name_is_found_and_others_are_not(tmp_path):
    import localreg

    for name in localreg.__all__:
        assert getattr(localreg, name) is not None
        assert name in dir(localreg)
    with pytest.raises(AttributeError, match="Tusk"):
        _ = localreg.Tusk


LEFT_OPEN = """
import sys
from localreg import InputModel, Registry
def used():
    with Registry(sys.argv[1]):
        InputModel.import_model("s3://bucket/a.pt")
        yield
left = used()
next(left)
"""


def test_a_registry_in_a_generator_is_closed_when_python_ends(tmp_path):
    """Then nothing can be imported any more."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, tmp_path / "registry"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert not (tmp_path / "registry" / "registry.db-wal").exists()
