"""The guide for contributors names what exists, and the catalogue of events is complete."""

from __future__ import annotations

import json
import re

import pytest
from support.documents import GUIDE, README, ROOT, prose, text_of

from localreg import InputModel, Model, OutputModel, Task
from localreg.store.events import fold

PACKAGE = ROOT / "localreg"
NAMED = [README, GUIDE / "architecture.md", GUIDE / "speed.md"]
SUFFIXES = (".py", ".sql", ".md", ".css", ".js", ".html", ".toml")
ARCHITECTURE = prose(GUIDE / "architecture.md")


def paths(page):
    """Return what is written as code in a page and is a path of the repository."""
    roots = {each.name for folder in (ROOT, PACKAGE) for each in folder.iterdir()}
    found = re.findall(r"`([\w.-]+(?:/[\w.-]+)*/?(?:\w+)?(?::\w+)?)`", prose(page))
    return sorted(
        each
        for each in set(found)
        if each.partition(":")[0].endswith(SUFFIXES)
        or ("/" in each and each.split("/", 1)[0] in roots)
    )


@pytest.mark.parametrize("page", NAMED, ids=lambda page: page.stem)
def test_every_path_exists(page):
    assert paths(page)
    for named in paths(page):
        path = named.partition(":")[0].replace("NAME", "add")
        assert (ROOT / path).exists() or (PACKAGE / path).exists(), named


def test_every_function_that_is_named_with_its_file_exists():
    named = [each.split(":") for each in paths(GUIDE / "architecture.md") if ":" in each]
    assert len(named) > 15
    for path, function in named:
        file = ROOT / path if path.startswith("tests/") else PACKAGE / path
        source = file.read_text(encoding="utf-8")
        assert re.search(rf"^ *(?:def|class) {function}\b", source, re.MULTILINE), (path, function)


def test_every_module_beside_the_folders_is_named():
    modules = {each.name for each in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert [each for each in sorted(modules) if f"`{each}`" not in ARCHITECTURE] == []


def test_every_folder_of_the_package_is_named():
    folders = {
        str(each.parent.relative_to(PACKAGE))
        for each in PACKAGE.rglob("*.py")
        if each.parent != PACKAGE
    }
    assert [each for each in sorted(folders) if f"`{each}/" not in ARCHITECTURE] == []


def test_the_catalogue_has_every_kind_of_event_and_no_other():
    rows = re.findall(
        r"^\| `((?:project|model|weights|alias|task)\.\w+)` \|", ARCHITECTURE, re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert {(kind, 1) for kind in rows} == set(fold.KINDS)


def test_the_catalogue_has_the_keys_of_each_payload(localreg_registry, tmp_path):
    """Those of a life in which most kinds of events occur."""
    live(localreg_registry, tmp_path)
    rows = {
        kind: (field.strip(), payload)
        for kind, field, payload in re.findall(
            r"^\| `(\w+\.\w+)` \|(.*?)\|(.*)\|$", ARCHITECTURE, re.MULTILINE
        )
    }
    found = localreg_registry.db.execute("SELECT kind, field, payload FROM event").fetchall()
    assert len({kind for kind, _, _ in found}) >= 21
    for kind, field, payload in found:
        field_cell, payload_cell = rows[kind]
        assert bool(field) == bool(field_cell), kind
        if "the whole model" not in payload_cell:
            assert set(json.loads(payload)) == keys_in(payload_cell), (kind, payload)


def keys_in(cell):
    """Return the words that a cell has as code, outside parentheses."""
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", cell)))


def live(registry, folder):
    weights = folder / "weights.pt"
    weights.write_bytes(b"weights")
    model = registry.add(weights, "resnet", "vision", alias="prod")
    registry.set_alias(registry.add(weights, "resnet", "vision"), "prod")
    registry.remove_alias("vision/resnet:2", "prod")
    model.tags = ["a"]
    model.comment = "first"
    model.set_metadata("accuracy", 0.9)
    model.name = "net"
    task = Task.init(project_name="vision", task_name="train", registry=registry)
    task.connect({"lr": 0.1})
    task.connect_configuration({"layers": 3})
    task.connect(InputModel(model.id, registry=registry))
    task.add_tags(["night"])
    task.move_to_project(new_project_name="speech")
    task.upload_artifact("numbers", {"a": 1})
    output = OutputModel(task=task, name="tuned", label_enumeration={"cat": 0})
    output.update_weights(weights, async_enable=False)
    output.update_weights(weights, async_enable=False, keep_last=2)
    weights.write_bytes(b"better weights")
    output.update_weights(weights, upload_uri=str(folder / "uploads"), async_enable=False)
    output.restore_weights(2)
    output.update_weights(weights, keep_last=1, async_enable=False)
    task.set_packages(["numpy==2.0"])
    task.close()
    Model.remove(model.id, delete_weights_file=False, force=True, registry=registry)
    registry.restore(model.id)
    task.delete()


def test_every_promise_is_named_by_a_test_and_is_in_the_guide():
    found = re.findall(r"\*\*(P\d+)\*\*", text_of(GUIDE / "promises.md"))
    promised = {f"P{number}" for number in range(1, 48)}
    assert sorted(found) == sorted(promised)
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert set(re.findall(r"\bP[1-9]\d?\b", tests)) == promised


def test_each_decision_has_a_number_of_its_own():
    found = re.findall(r"^\| (\d+) \|", text_of(GUIDE / "decisions.md"), re.MULTILINE)
    assert sorted(map(int, found)) == [*range(1, 121)]


def test_every_decision_that_a_test_names_is_in_the_guide():
    numbers = set(re.findall(r"^\| (\d+) \|", text_of(GUIDE / "decisions.md"), re.MULTILINE))
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests/operations").rglob("*.py")
    )
    named = re.findall(r"\bdecisions? (\d+)(?: (?:to|and) (\d+))?", tests)
    assert named
    assert {number for pair in named for number in pair if number} <= numbers
