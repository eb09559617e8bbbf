"""If only signed weights are given out, nothing that can be called gives a way to unsigned ones.

The roads are not listed here: every public member of a model and every command is tried, so that
one that is added later is tried too. What carries whole models to other registries gives them
with their signatures, and the receiver decides: that is left out.
"""

from __future__ import annotations

import inspect
import os

import pytest
from support.command_line import run_cli

from localreg import Dataset, InputModel, Model, OutputModel, Registry, Task
from localreg.cli.main import COMMANDS
from localreg.errors import LocalregError
from localreg.operations.upkeep.config import set_setting, unset

SECRET = b"the unsigned weights of a stranger"
CARRYING = {"export", "import", "merge", "backup", "push", "pull", "clone", "remote"}
OTHER = {"demo", "completion", "init"}  # they make registries, or need none
# What a folder of a registry that holds bytes is called.
PLACES = ("/blobs/", "/files/", "/trees/", "/tmp/localreg")


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "registry"))
    (tmp_path / "pkg").mkdir()
    for name in ("README.md", "w.pt"):
        (tmp_path / "pkg" / name).write_bytes(SECRET)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "w.pt").write_bytes(SECRET)
    with Registry(tmp_path / "registry", durability="fast") as made:
        made.add(tmp_path / "pkg" / "w.pt", "single", "p")
        made.add(tmp_path / "pkg", "packed", "p")
        InputModel.import_model(tmp_path / "shared" / "w.pt", name="pointed", project="p")
        task = Task.create("p", "train")
        OutputModel(task=task, name="trained").update_weights(
            str(tmp_path / "shared" / "w.pt"), auto_delete_file=False
        )
        dataset = Dataset.create("data", "p", registry=made)
        dataset.add_files(tmp_path / "pkg")
        dataset.finalize(auto_upload=True)
        for model in made.models():
            model.get_local_copy()  # so that all local copies are there
        set_setting(made._chain.first, "trust.mode", "enforce")
        yield made


def texts_of(value, depth=4):
    """Yield the texts and bytes in a value."""
    if isinstance(value, str | bytes | os.PathLike):
        yield os.fspath(value) if isinstance(value, os.PathLike) else value
    elif depth and isinstance(value, dict):
        for key, each in value.items():
            yield from texts_of(key, depth - 1)
            yield from texts_of(each, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from texts_of(each, depth - 1)
    elif depth and type(value).__module__.startswith("localreg"):
        for name in getattr(type(value), "__slots__", ()) or vars(value):
            if not name.startswith("_"):
                yield from texts_of(getattr(value, name, None), depth - 1)


def ways_in(value):
    """Return what of a value leads to bytes of weights, or is such bytes."""
    found = []
    for each in texts_of(value):
        text = each.decode("latin-1") if isinstance(each, bytes) else each
        if SECRET.decode() in text or any(place in text for place in PLACES):
            found.append(text)
    return found


def members(handle):
    """Yield (name, function without arguments) for each public member of a handle."""
    for name in dir(type(handle)):
        if name.startswith("_"):
            continue
        member = inspect.getattr_static(type(handle), name)
        if isinstance(member, property):
            yield name, lambda name=name: getattr(handle, name)
        elif inspect.isfunction(member):
            needed = [
                each
                for each in [*inspect.signature(member).parameters.values()][1:]
                if each.default is each.empty and each.kind in (0, 1, 3)
            ]
            if not needed:
                yield name, getattr(handle, name)


def handles(registry):
    """Return handles of all kinds, of all models."""
    found = []
    for model in registry.models():
        found += [Model(model.id), InputModel(model.id)]
    found.append(Task.get_task(project_name="p", task_name="train").models["output"][0])
    return [*found, Dataset.get(dataset_project="p", dataset_name="data", registry=registry)]


# They change what a model is; here only what can be read is of interest.
CHANGING = ("remove", "delete", "close", "publish", "archive", "unarchive", "finalize")


def everything(registry):
    """Return what each member of each handle gives, by its name."""
    given = {}
    for handle in handles(registry):
        for name, call in members(handle):
            if name in CHANGING:
                continue
            try:
                value = call()
            except (LocalregError, TypeError):
                continue
            for way in ways_in(value):
                given.setdefault(f"{type(handle).__name__}.{name}", way)
    return given


def test_no_member_of_a_model_leads_to_unsigned_weights(registry):
    given = everything(registry)
    assert given == {}


def test_the_members_lead_there_if_nothing_is_enforced(registry):
    """Else the other test would pass whatever they give."""
    unset(registry._chain.first, "trust.mode")
    given = everything(registry)
    for name in ("url", "get_local_copy", "get_weights"):
        assert f"InputModel.{name}" in given
    assert "Dataset.get_local_copy" in given


# They need no model, or would wait for the user; `gc`, `rm` and others change what is there.
SKIPPED = CARRYING | OTHER | {"cache", "gc", "guide", "restore", "rm", "sql", "task", "undo"}


def shown_by_commands(commands, tmp_path):
    """Return the commands that print, or write, unsigned weights or a way to them."""
    given, number = {}, 0
    for command in sorted(commands):
        for reference in ("p/single", "p/packed"):
            for more in ([], ["--json"], ["-o", "FILE"], ["-o", "-"]):
                number += 1
                target = tmp_path / f"out{number}"
                words = [str(target) if each == "FILE" else each for each in more]
                _, out, _ = run_cli(command, reference, *words, stdin=b"")
                files = [target] if target.is_file() else [*target.rglob("*")]
                written = b"".join(each.read_bytes() for each in files if each.is_file())
                if found := ways_in([out, written]):
                    given.setdefault(command, found[0][:200])
    return given


def test_no_command_gives_unsigned_weights(registry, tmp_path):
    assert shown_by_commands({*COMMANDS} - SKIPPED, tmp_path) == {}


def test_commands_give_weights_if_nothing_is_enforced(registry, tmp_path):
    """Else the other test would pass whatever they print."""
    unset(registry._chain.first, "trust.mode")
    assert {*shown_by_commands(["path", "get"], tmp_path)} == {"path", "get"}
