"""A re-run gives what the script connects the values of the task, in place.

Scripts often ignore what `Task.connect` returns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from localreg import Task
from localreg.api import ambient
from localreg.errors import InvalidValueError


class Color(Enum):
    RED = 1
    GREEN = 2


class Settings(MutableMapping):
    """A mapping that is not a dict, with a method that a script uses."""

    def __init__(self, **values):
        self.values_ = values

    def __getitem__(self, key):
        return self.values_[key]

    def __setitem__(self, key, value):
        self.values_[key] = value

    def __delitem__(self, key):
        del self.values_[key]

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)

    def rate(self):
        return self.values_["lr"]


@pytest.fixture(autouse=True)
def _isolated():
    with ambient.isolated():
        yield


@pytest.fixture
def rerun(registry, monkeypatch):
    """Return a function that makes a task with what a first run records, and runs it again."""
    begun = []

    def run(first, configurations=(), **parameters):
        """Run `first` with a task; set parameters and configurations of a copy; begin that."""
        recorded = Task.init(project_name="p", task_name="train")
        first(recorded)
        recorded.close()
        task = Task.clone(recorded)
        for name, value in parameters.items():
            task.set_parameter(f"General/{name}", value)
        for name, text in dict(configurations).items():
            task.set_configuration_object(name, config_text=text)
        monkeypatch.setenv("LOCALREG_TASK_ID", task.id)
        begun.append(Task.init(project_name="p", task_name="train"))
        return begun[-1]

    yield run
    for task in begun:
        task.close()


def general(task):
    found = task.get_parameters(cast=True)
    return {name.removeprefix("General/"): value for name, value in found.items()}


def test_a_dict_gets_the_values_of_the_task_in_place(rerun):
    """Decision 48: dicts inside it stay the same objects, and keep their keys' types."""
    make = lambda: {"lr": 0.1, "opt": {"name": "sgd", "deep": {"b": [1]}}, 5: "five", "n": None}  # noqa: E731
    task = rerun(lambda task: task.connect(make()), **{"lr": 0.3, "opt/deep/b": [2, 3], "5": "six"})
    args = make()
    optimizer, deep, untouched = args["opt"], args["opt"]["deep"], dict(args["opt"])
    live = task.connect(args)
    assert args == live == {
        "lr": 0.3, "opt": {"name": "sgd", "deep": {"b": [2, 3]}}, 5: "six", "n": None,
    }  # fmt: skip
    assert args["opt"] is optimizer
    assert optimizer["deep"] is deep
    assert untouched["name"] == optimizer["name"]
    assert general(task) == {
        "lr": 0.3, "opt/name": "sgd", "opt/deep/b": [2, 3], "5": "six", "n": None,
    }  # fmt: skip


def test_ignore_remote_overrides_leaves_what_is_given(rerun):
    args = {"lr": 0.1}
    task = rerun(lambda task: task.connect(dict(args)), lr=0.3)
    task.connect(args, ignore_remote_overrides=True)
    assert args == {"lr": 0.1}
    assert general(task) == {"lr": 0.1}, "what is recorded is what was used"


def test_an_object_that_the_task_has_no_other_value_for_stays_the_same_object(rerun):
    """Its text need not name it: an address is another one in each run."""

    def make():
        return {"model": object(), "rates": [0.1, 0.2], "pair": (1, 2), "layers": [object()],
                "kinds": {1, 2}, "lr": 0.1}  # fmt: skip

    task = rerun(lambda task: task.connect(make()), lr=0.3)
    args = make()
    before = dict(args)
    task.connect(args)
    assert args == before | {"lr": 0.3}
    assert all(args[name] is before[name] for name in before if name != "lr")


def test_values_are_made_of_the_text_as_the_type_of_the_scripts_value(rerun):
    def make():
        return {"folder": Path("a"), "rate": np.float32(0.5), "cost": Decimal("1.5"), "on": True,
                "color": Color.RED, "sizes": (1, 2), "seed": 1, "name": "x"}  # fmt: skip

    task = rerun(
        lambda task: task.connect(make()),
        folder="b", rate=0.25, cost="2.50", on="false", color="GREEN", sizes="[3, 4]", seed="7",
        name=5,
    )  # fmt: skip
    args = make()
    task.connect(args)
    assert args == {
        "folder": Path("b"), "rate": np.float32(0.25), "cost": Decimal("2.50"), "on": False,
        "color": Color.GREEN, "sizes": (3, 4), "seed": 7, "name": "5",
    }  # fmt: skip
    assert all(type(args[name]) is type(value) for name, value in make().items())


def test_a_number_may_get_a_fraction_and_a_list_never_a_text(rerun):
    def make():
        return {"rate": 1, "steps": 5, "sizes": [1], "empty": 3}

    task = rerun(lambda task: task.connect(make()), rate=0.5, steps="1e3", sizes="(2, 3)", empty="")
    args = make()
    task.connect(args)
    assert args == {"rate": 0.5, "steps": 1000.0, "sizes": [2, 3], "empty": None}
    task.set_parameter("General/sizes", "large")
    with pytest.raises(InvalidValueError, match=r"sizes.*'large'.*a list"):
        task.connect(make())


def test_a_pydantic_model_is_connected_by_its_fields(rerun):
    pydantic = pytest.importorskip("pydantic")

    class Settings(pydantic.BaseModel):
        lr: float = 0.1
        opt: dict = {"b": 1}  # noqa: RUF012  (pydantic copies it)

    class Frozen(pydantic.BaseModel, frozen=True):
        lr: float = 0.1

    task = rerun(lambda task: task.connect(Settings()), **{"lr": 0.3, "opt/b": 2})
    settings = Settings()
    assert task.connect(settings) is settings
    assert settings == Settings(lr=0.3, opt={"b": 2})
    with pytest.raises(InvalidValueError, match="Frozen cannot be changed"):
        task.connect(Frozen())
    for wrong in ([1], iter([1]), {1}, np.ones(2), range(3)):
        with pytest.raises(InvalidValueError, match="mutable must be"):
            task.connect(wrong)


class Layer:
    """An object whose text does not make it."""

    def __str__(self):
        return "a layer"


def test_a_value_that_was_set_and_does_not_fit_is_an_error(rerun):
    task = rerun(lambda task: task.connect({"layer": Layer()}), layer="another")
    args = {"layer": Layer()}
    with pytest.raises(InvalidValueError, match=r"layer.*'another'.*a Layer"):
        task.connect(args)


def test_an_object_or_class_gets_the_values_and_keeps_its_dicts(rerun):
    class Base:
        size = 3

    class Settings(Base):
        lr = 0.1
        opt = {"name": "sgd", "b": [1]}  # noqa: RUF012  (as scripts write it)

    def connect(task):
        class Same(Base):
            lr = 0.1
            opt = {"name": "sgd", "b": [1]}  # noqa: RUF012

        task.connect(Same)

    optimizer = Settings.opt
    task = rerun(connect, **{"lr": 0.3, "opt/name": "adam", "size": 5})
    assert task.connect(Settings) is Settings
    assert (Settings.lr, Settings.size, Settings.opt) == (0.3, 5, {"name": "adam", "b": [1]})
    assert Settings.opt is optimizer

    @dataclass
    class Data:
        lr: float = 0.1
        opt: dict = field(default_factory=lambda: {"name": "sgd"})

    data = Data()
    inner = data.opt
    task.connect(data)
    assert (data, inner) == (Data(0.3, {"name": "adam", "b": [1]}), data.opt) or (
        data.lr, inner) == (0.3, {"name": "adam"})  # fmt: skip
    assert data.opt is inner


def test_an_object_does_not_get_what_others_recorded_in_its_section(rerun):
    """Two things that a script connects in one section stay apart; only what was set is added."""

    class Settings:
        size = 3

    def first(task):
        task.connect({"lr": 0.1})
        task.connect(Settings)
        task.set_parameter("General/best", 0.9)

    task = rerun(first, momentum=0.5)
    args = {"lr": 0.1}
    live = task.connect(args)
    task.connect(Settings)
    assert args == live == {"lr": 0.1, "momentum": 0.5}
    assert not hasattr(Settings, "lr")
    assert not hasattr(Settings, "best")


def test_frozen_objects_and_read_only_mappings_have_a_rule(rerun, caplog):
    """An object that cannot be changed is an error; of a mapping the returned dict counts."""

    @dataclass(frozen=True)
    class Frozen:
        lr: float = 0.1

    task = rerun(lambda task: task.connect(Frozen()), lr=0.3)
    with pytest.raises(InvalidValueError, match=r"'lr'.*Frozen cannot be changed"):
        task.connect(Frozen())
    given = MappingProxyType({"lr": 0.1, "inner": MappingProxyType({"a": 1})})
    assert task.connect(given) == {"lr": 0.3, "inner": {"a": 1}}
    assert "only the dict that is returned has the values" in caplog.text
    assert general(task)["lr"] == 0.3
    task.set_parameter("General/lr", 0.1)
    caplog.clear()
    assert task.connect(Frozen()) == Frozen()
    task.connect(given)
    assert "only the dict" not in caplog.text, "nothing is to be changed"


def test_another_mapping_that_can_be_changed_is_returned_itself(rerun):
    def make():
        return Settings(lr=0.1, inner=Settings(b=1))

    task = rerun(lambda task: task.connect(make()), **{"lr": 0.3, "inner/b": 2})
    args = make()
    inner = args["inner"]
    assert task.connect(args) is args
    assert (args.rate(), args["inner"], inner["b"]) == (0.3, inner, 2)
    assert task.connect_configuration(args, name="net") is args
    assert json.loads(task.get_configuration_object("net")) == {"lr": 0.3, "inner": {"b": 2}}


def test_omegaconf_is_changed_in_place(rerun):
    omegaconf = pytest.importorskip("omegaconf")

    def make():
        return omegaconf.OmegaConf.create({"lr": 0.1, "net": {"layers": 3, "on": True}})

    task = rerun(lambda task: task.connect(make()), **{"lr": 0.3, "net/layers": 5})
    config = make()
    assert task.connect(config) is config
    assert (config.lr, config.net.layers, config.net.on) == (0.3, 5, True)


def test_a_namespace_gets_the_values_and_stays_the_same_object(rerun):
    def make():
        return argparse.Namespace(lr=0.1, out=Path("a"), model=Layer(), opt={"b": 1})

    def first(task):
        task.connect(make())

    task = rerun(first)
    task.set_parameters({"Args/lr": "0.3", "Args/out": "b", "Args/opt/b": "2",
                         "Args/model": "a layer"})  # fmt: skip
    args = make()
    model, options = args.model, args.opt
    assert task.connect(args) is args
    assert (args.lr, args.out, args.opt) == (0.3, Path("b"), {"b": 2})
    assert args.model is model
    assert args.opt is options


# configurations ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['{"a": 5, "inner": {"b": [6]}}', "a = 5\ninner { b = [6] }",
                                  "a: 5\ninner:\n  b: [6]\n"])  # fmt: skip
def test_a_configuration_is_changed_in_place(rerun, text):
    """Also one that was written as HOCON or YAML; keys that it does not have are removed."""
    make = lambda: {"a": 1.0, "inner": {"b": (1,), "gone": 2}, "folder": Path("x")}  # noqa: E731
    task = rerun(lambda task: task.connect_configuration(make(), name="net"), {"net": text})
    config = make()
    inner = config["inner"]
    live = task.connect_configuration(config, name="net")
    assert config == live == {"a": 5.0, "inner": {"b": (6,)}}
    assert config["inner"] is inner
    live["a"] = 7
    assert json.loads(task.get_configuration_object("net"))["a"] == 7


def test_a_file_is_never_changed_and_what_the_script_must_read_is_said(rerun, tmp_path, caplog):
    path = tmp_path / "net.yaml"
    path.write_text("a: 1\n")
    task = rerun(lambda task: task.connect_configuration(path, name="net"), {"net": "a: 2\n"})
    found = task.connect_configuration(path, name="net")
    assert (found.read_text(), path.read_text()) == ("a: 2\n", "a: 1\n")
    assert "must read the path that connect_configuration returns" in caplog.text
    path.unlink()
    assert task.connect_configuration(str(path), name="net").endswith(".yaml")
    caplog.clear()
    path.write_text("a: 2\n")
    assert Path(task.connect_configuration(path, name="net")).read_text() == "a: 2\n"
    assert "must read" not in caplog.text


def test_a_list_is_changed_in_place(rerun):
    task = rerun(lambda task: task.connect_configuration([1, 2], name="net"), {"net": "[3, {}]"})
    given = [1, 2]
    assert task.connect_configuration(given, name="net") is given
    assert given == [3, {}]
    with pytest.raises(InvalidValueError, match="is a list, and the script connects a dict"):
        task.connect_configuration({"a": 1}, name="net")


def test_a_configuration_holds_what_scripts_put_into_it(registry):
    """Paths, arrays and the like, as in ClearML; the script's objects stay as they are."""
    task = Task.init(task_name="train")
    given = {"folder": Path("a"), "rate": np.float32(0.5), "sizes": np.arange(2), "none": None,
             "color": Color.RED, "loss": float("inf"), "model": Layer(),
             1: MappingProxyType({})}  # fmt: skip
    task.connect_configuration(given)
    assert json.loads(task.get_configuration_object("General")) == {
        "folder": "a", "rate": 0.5, "sizes": [0, 1], "none": None, "color": "RED", "loss": "inf",
        "model": "a layer", "1": {},
    }  # fmt: skip
    itself = []
    itself.append(itself)
    with pytest.raises(InvalidValueError, match="JSON cannot store"):
        task.connect_configuration(itself, name="itself")
    task.close()


def test_an_unchanged_configuration_keeps_the_objects_of_the_script(rerun):
    def make():
        return {"folder": Path("a"), "sizes": np.arange(2), "on": True, "one": 1}

    task = rerun(lambda task: task.connect_configuration(make()))
    config = make()
    before = dict(config)
    task.connect_configuration(config)
    assert all(config[name] is before[name] for name in before)


def test_labels_are_changed_in_place(rerun):
    def first(task):
        task.connect_label_enumeration({"cat": 1})
        task.set_model_label_enumeration({"dog": 2})

    task = rerun(first)
    labels = {"cat": 1}
    assert task.connect_label_enumeration(labels) is labels
    assert labels == {"dog": 2}
    assert isinstance(MappingProxyType(labels), Mapping)
    assert task.connect_label_enumeration(MappingProxyType({"cat": 1})) == {"dog": 2}
    labels = {"cat": 1}
    task.connect_label_enumeration(labels, ignore_remote_overrides=True)
    assert labels == task.get_labels_enumeration() == {"cat": 1}


def test_a_key_that_the_script_sets_later_gets_the_value_that_was_set(rerun, caplog):
    """`settings = task.connect({})`, and then `settings["lr"] = 0.1`."""

    def first(task):
        live = task.connect({})
        live["lr"] = 0.1
        live.update(opt={"b": 1, "c": 1}, n=1)

    task = rerun(first, **{"lr": "0.3", "opt/b": 5})
    live = task.connect({})
    live["lr"] = 0.1
    live.update(opt={"b": 1, "c": 2}, n=1)
    assert live == {"lr": 0.3, "opt": {"b": 5, "c": 2}, "n": 1}
    live["lr"] = 0.2
    assert general(task) == {"lr": 0.2, "opt/b": 5, "opt/c": 2, "n": 1}


# later changes -----------------------------------------------------------------------------


def end(task):
    """End a task, and return what is recorded."""
    task.close()
    return general(task)


def test_what_the_script_changes_in_its_own_dict_is_recorded_when_the_task_ends(registry):
    """A plain dict does not say when it is changed. What was not used is not recorded."""
    task = Task.init(task_name="train")
    args = {"lr": 0.1, "opt": {"b": 1, "kind": "sgd"}, "seed": None, "sizes": [1], "words": "1,2",
            "on": False, "gone": 1, "out": Path("a")}  # fmt: skip
    task.connect(args)
    args |= {"lr": 1, "seed": 5, "words": [1, 2], "new": 1, "on": 3, "out": Path("b")}
    args["opt"]["b"] = 2
    args["opt"]["kind"] = Layer()
    args["sizes"].append(2)
    del args["gone"]
    found = end(task)
    assert found["sizes"] == [1, 2]
    assert found == {
        "lr": 1, "opt/b": 2, "opt/kind": "sgd", "seed": 5, "sizes": [1, 2], "words": "1,2",
        "on": False, "gone": 1, "out": "b",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["close", "mark", "exit", "error"])
def test_later_changes_are_recorded_however_a_task_ends(registry, tmp_path, way):
    ends = {"close": "task.close()", "mark": "task.mark_completed()", "exit": "sys.exit(0)",
            "error": "raise ValueError"}  # fmt: skip
    (tmp_path / "train.py").write_text(
        "import sys\nfrom localreg import Task\ntask = Task.init(task_name='train')\n"
        "args = {'lr': 0.1}\nconfig = {'a': 1}\nclass Size: x = 3\n"
        "task.connect(args)\ntask.connect_configuration(config)\ntask.connect(Size, name='Mine')\n"
        f"args['lr'], config['a'], Size.x = 0.2, 2, 4\n{ends[way]}\n"
    )
    subprocess.run([sys.executable, "train.py"], check=False, cwd=tmp_path, capture_output=True)
    task = Task.get_task(task_name="train")
    assert task.get_parameters() == {"General/lr": "0.2", "Mine/x": "4"}
    assert task.get_configuration_object_as_dict("General") == {"a": 2}


def test_what_was_recorded_otherwise_meanwhile_stays(registry):
    """By the dict that `connect` returned, or by any other call: the last one counts."""
    task = Task.init(task_name="train")
    args, config = {"a": 1, "b": 1}, {"a": 1}
    live = task.connect(args)
    task.connect_configuration(config)
    live["a"] = 2
    task.set_parameter("b", 3)
    task.set_configuration_object("General", config_dict={"a": 5})
    args |= {"a": 7, "b": 8}
    config["a"] = 9
    assert end(task) == {"a": 2, "b": 3}
    assert task.get_configuration_object_as_dict("General") == {"a": 5}


def test_another_run_starts_as_the_first_one_did(rerun, registry):
    """With the script's own values of what it changes, unless others were set for the run."""

    def first(task):
        args, config, items = {"left": 10, "lr": 0.1, "n": 1}, {"left": 10}, [1]
        task.connect(args)
        task.connect_configuration(config, name="net")
        task.connect_configuration(items, name="list")
        args |= {"left": 0, "lr": 0.01}
        config["left"] = 0
        items.append(2)

    task = rerun(first, lr=0.5)
    assert general(task) == {"left": 0, "lr": 0.5, "n": 1}
    args, config, items = {"left": 10, "lr": 0.1, "n": 1}, {"left": 10}, [1]
    task.connect(args)
    task.connect_configuration(config, name="net")
    task.connect_configuration(items, name="list")
    assert (args, config, items) == ({"left": 10, "lr": 0.5, "n": 1}, {"left": 10}, [1])
    assert general(task) == args
    assert task.get_configuration_object_as_dict("list") == [1]
