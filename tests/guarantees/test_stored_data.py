"""P23: stored data is never unpickled, evaluated or imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import localreg
from localreg import InputModel, Registry
from localreg.errors import ConfigTextError

SOURCES = sorted(Path(localreg.__file__).parent.rglob("*.py"))
UNPICKLERS = frozenset(
    "pickle _pickle cPickle marshal shelve dill cloudpickle joblib torch jsonpickle imp runpy code "
    "codeop".split()
)
EVALUATORS = frozenset("eval exec compile execfile __import__".split())
# ruamel.yaml builds objects of any class unless it is told not to.
YAML = frozenset({"YAML", "error"})


def last_name(node):
    """Return the last name of a dotted path, else an empty text."""
    return getattr(node, "attr", "") or getattr(node, "id", "")


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []


def offences(nodes):
    """Yield what a module does that could execute data it reads."""
    for node in nodes:
        for name in imported(node):
            if name.partition(".")[0] in UNPICKLERS:
                yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Name) and node.id in EVALUATORS:
            yield f"line {node.lineno}: {node.id}"
        if (
            isinstance(node, ast.keyword)
            and node.arg in ("allow_pickle", "shell")
            and ast.unparse(node.value) != "False"
        ):
            yield f"line {node.value.lineno}: {node.arg}"
        if (
            isinstance(node, ast.Call)
            and last_name(node.func).endswith("YAML")
            and all(ast.unparse(each) != "typ='safe'" for each in node.keywords)
        ):
            yield f"line {node.lineno}: YAML without typ='safe'"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "yaml" and node.attr not in YAML:
                yield f"line {node.lineno}: yaml.{node.attr}"
            if (node.value.id, node.attr) in {("os", "system"), ("os", "popen")}:
                yield f"line {node.lineno}: os.{node.attr}"


RUNNER = "run.py"  # `python -m localreg.run SCRIPT`: runs the script that its caller names
FIXED_TEXTS = {"exit_hooks.py": "exec('raise KeyboardInterrupt')"}  # executed; nothing is read


@dataclass(frozen=True)
class Looked:
    """What the tests look at in a module, which is parsed once for all of them."""

    offences: list[str]
    calls: list[str]
    imports: set[str]
    named_by_variables: bool


@cache
def looked_at(source):
    nodes = list(ast.walk(ast.parse(source.read_text(encoding="utf-8"))))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return Looked(
        offences=list(offences(nodes)),
        calls=[ast.unparse(node) for node in calls if last_name(node.func) in EVALUATORS],
        imports={name for node in nodes for name in imported(node)}
        | {
            f"{node.module}.{alias.name}"
            for node in nodes
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        },
        named_by_variables=any(
            last_name(node.func).endswith("import_module")
            and not isinstance(node.args[0], ast.Constant)
            for node in calls
        ),
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_no_module_can_execute_what_it_reads(source):
    """P23: no module of the package imports an unpickler or calls an evaluator.

    Only the runner does: it executes the main module, or the code, that its command line names.
    """
    found = list(looked_at(source).offences)
    if source.name in FIXED_TEXTS:
        assert FIXED_TEXTS[source.name] in looked_at(source).calls
        found.remove(next(each for each in found if each.endswith(": exec")))
    if source.name == RUNNER:
        calls = sorted(each.rpartition(": ")[2] for each in found)
        assert calls == ["compile", "exec", "exec"]
    else:
        assert found == []


def test_nothing_imports_the_runner():
    """P23: code that reads a registry can reach it only by starting a new process."""
    assert "localreg.run" not in {name for source in SOURCES for name in looked_at(source).imports}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "exec(text)",
        "yaml.load(text, yaml.BaseLoader)",
        "yaml.YAML(pure=True)",
        "YAML(typ='unsafe')",
        "numpy.load(path, allow_pickle=True)",
        "os.system(text)",
        "__import__(name)",
    ],
)
def test_the_check_finds_what_it_looks_for(text):
    """The check above finds each kind of offence."""
    assert list(offences(ast.walk(ast.parse(text))))


MODULES_NAMED_BY_VARIABLES = {
    "__init__.py", "main.py", "config_text.py", "finder.py", "hook.py", "lazy.py", "machine.py",
    "tensorboard.py", "tensorflow.py",
}  # fmt: skip


def test_modules_named_by_variables_are_few():
    """P23: where a variable names the module to import, code sets it, never stored data."""
    found = {source.name for source in SOURCES if looked_at(source).named_by_variables}
    assert found <= MODULES_NAMED_BY_VARIABLES


HOSTILE = {
    "yaml tag": "!!python/object/apply:os.system ['touch ran']",
    "yaml tag inside": "a: !!python/object/apply:os.system ['touch ran']\nb: 1",
    "yaml new": "a: !!python/object/new:os.system [touch ran]",
    "yaml module": "a: !!python/module:antigravity",
    "yaml name": "a: !!python/name:os.system",
    "python": "__import__('os').system('touch ran')",
    "python dict": "{'a': __import__('os').system('touch ran')}",
    "ini": "[a]\nb = %(c)s ${d}\n",
    "hocon include": 'include file("secret.conf")\na = 1',
    "hocon substitution": "a = ${HOME}",
    "toml": 'a = """__import__(\'os\').system(\'touch ran\')"""',
    "json": '{"__class__": "os.system", "__reduce__": "touch ran", "py/object": "os.system"}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_configuration_does_not_run(tmp_path, monkeypatch, name):
    """P23: a configuration is read as text or plain values only."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/of/somebody")
    (tmp_path / "secret.conf").write_text("stolen = 1")
    with Registry("registry", durability="fast"):
        model = InputModel.import_model("s3://b/x.pt", config_text=HOSTILE[name])
        assert model.config_text == HOSTILE[name]
        try:
            read = model.config_dict
        except ConfigTextError:
            read = {}
    assert "stolen" not in read
    assert "/home/of/somebody" not in repr(read)
    assert plain(read)
    assert not (tmp_path / "ran").exists()


def plain(value):
    if isinstance(value, dict):
        return all(type(key) is str and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain, value))
    return value is None or type(value) in (str, int, float, bool)


@pytest.mark.parametrize("type_", ["eval", "os.system", "__import__", "pickle", "object", "dict"])
def test_hostile_metadata_does_not_run(tmp_path, monkeypatch, type_):
    """P23: a metadata value is cast by the name of its type from a fixed list, never by import."""
    monkeypatch.chdir(tmp_path)
    value = "__import__('os').system('touch ran')"
    with Registry("registry", durability="fast"):
        model = InputModel.import_model("s3://b/x.pt")
        model.set_metadata("key", value, type_)
        assert model.get_metadata_casted("key") == value
        assert model.get_all_metadata_casted()["key"]["value"] == value
    assert not (tmp_path / "ran").exists()


def test_hostile_weights_do_not_run(tmp_path, monkeypatch):
    """P23: weights are bytes: a pickle that runs code when loaded is stored, and never loaded."""
    monkeypatch.chdir(tmp_path)
    bomb = b"cos\nsystem\n(S'touch ran'\ntR."
    (tmp_path / "bomb.pkl").write_bytes(bomb)
    with Registry("registry", durability="fast") as registry:
        model = InputModel.import_model("bomb.pkl", copy=True)
        assert Path(model.get_weights(raise_on_error=True)).read_bytes() == bomb
        assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == bomb
        registry.history()
    assert not (tmp_path / "ran").exists()
