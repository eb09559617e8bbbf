"""Lineage: what a model was made from and used for; as a value, as text and as JSON."""

from __future__ import annotations

import json

import pytest
from support.command_line import run_cli

from localreg import InputModel, Model, Task
from localreg.operations.models import adding, recording
from localreg.operations.models.lineage import Family
from localreg.operations.tasks import lifecycle


@pytest.fixture
def relatives(registry, tmp_path):
    """A base model, a task that has it as input, the output, and a task that evaluates that."""
    base = InputModel.import_model("s3://bucket/base.pt", name="base")
    train, evaluate = Task.create(task_name="train"), Task.create(task_name='eval "1"')
    base.connect(train, name="backbone")
    file = tmp_path / "best.pt"
    file.write_bytes(b"weights")
    chain = registry._chain
    made = registry.model(
        adding.add_model(
            chain, file, recording.describe(name="best"), task=lifecycle.task(chain.first, train.id)
        )
    )
    InputModel(made.id).connect(evaluate, name="model")
    registry.add(file, "best")
    return base, train, made, evaluate


def test_lineage_has_the_relatives_of_a_model(relatives):
    base, train, made, evaluate = relatives
    family = made.lineage()
    assert isinstance(family, Family)
    assert {(each.kind, each.id, each.distance) for each in family.members} == {
        ("model", made.id, 0), ("task", train.id, -1), ("model", base.id, -2),
        ("task", evaluate.id, 1),
    }  # fmt: skip
    assert set(family.relations) == {
        (train.id, made.id, "made"), (base.id, train.id, "backbone"),
        (made.id, evaluate.id, "model"),
    }  # fmt: skip
    assert [each.text for each in family.versions] == ["best:2"]


def test_a_lineage_is_printed_as_a_tree(relatives):
    base, train, made, evaluate = relatives
    assert repr(made.lineage()).splitlines() == [
        f"best:1  {made.id[:8]}",
        f"├─ made by task train  {train.id[:8]}",
        f"│  └─ which took base:1  {base.id[:8]} as 'backbone'",
        f"├─ taken as 'model' by task eval \"1\"  {evaluate.id[:8]}",
        "└─ other versions",
        f"   └─ best:2  {made.lineage().versions[0].id[:8]}",
    ]
    assert "which made best:1" in repr(base.lineage())


def test_a_removed_relative_is_named_by_its_id(relatives):
    base, _, made, _ = relatives
    InputModel.remove(base, force=True)
    assert "(removed)" in repr(made.lineage())


def test_a_relative_that_never_was_here_is_named_by_its_id(run, relatives, registry, tmp_path):
    """A model may come from another registry without its parent and the task that made it."""
    made = InputModel.import_model("s3://bucket/child.pt", name="child")
    parent, maker = "12345678" * 4, "87654321" * 4
    chain = registry._chain
    with chain.first.store.write() as change:
        for column, value in (("parent", parent), ("task", maker)):
            payload = {"old": None, "new": value}
            change.record("model.changed", made.id, payload, field=column)
    texts = {each.text for each in Model(made.id).lineage().members}
    assert texts == {
        "child:1", "12345678… (not in this registry)", "87654321… (not in this registry)",
    }  # fmt: skip
    out = run("lineage", "child:1")[1]
    assert "child of 12345678… (not in this registry)" in out
    assert "made by task 87654321… (not in this registry)" in out
    out = run("show", "child")[1]
    assert f"{parent} (not in this registry)" in out
    assert f"{maker} (not in this registry)" in out
    page = tmp_path / "page.html"
    assert run("report", "child", "-o", page)[0] == 0
    text = page.read_text()
    assert f"{parent} (not in this registry)" in text
    assert f"{maker} (not in this registry)" in text
    assert "12345678… (not in this registry)" in text  # in the drawing


def test_a_task_names_models_and_a_parent_that_never_were_here(run, registry, tmp_path):
    task = Task.create(task_name="train")
    absent, parent = "12345678" * 4, "87654321" * 4
    with registry._chain.first.store.write() as change:
        payload = {"role": "input", "old": None, "new": absent}
        change.record("task.model", task.id, payload, field="base")
        change.record("task.changed", task.id, {"old": None, "new": parent}, field="parent")
    out = run("task", "show", task.id)[1]
    assert "base: not in this registry (12345678)" in out
    assert f"{parent} (not in this registry)" in out
    page = tmp_path / "page.html"
    assert run("report", task.id, "-o", page)[0] == 0
    text = page.read_text()
    assert f"{absent} (not in this registry)" in text
    assert f"{parent} (not in this registry)" in text


@pytest.fixture
def run(registry):
    return run_cli


def test_the_command_prints_the_tree(run, relatives):
    made = relatives[2]
    assert run("lineage", "best:1") == (0, f"{made.lineage()!r}\n", "")


def test_the_command_prints_a_graph(run, relatives):
    base, train, _, evaluate = relatives
    code, out, _ = run("lineage", "best:1", "--dot")
    assert code == 0
    assert out.startswith("digraph lineage {")
    assert f'"{base.id}" -> "{train.id}" [label="backbone"];' in out
    assert f'"{evaluate.id}" [label="eval \\"1\\"", shape=ellipse];' in out


def test_the_command_prints_json(run, relatives):
    made = relatives[2]
    found = json.loads(run("lineage", made.id[:8], "--json")[1])
    assert found["model"] == made.id
    assert len(found["members"]) == 4
    assert {"from", "to", "how"} == set(found["relations"][0])
    assert [each["text"] for each in found["versions"]] == ["best:2"]


def test_the_command_accepts_one_format(run, relatives):
    assert run("lineage", "best", "--json", "--dot")[0] == 2
    assert run("lineage", "nothing")[0] == 3
