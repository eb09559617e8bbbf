"""Commands that change something say what, in one manner; and that nothing changed, if so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import Task

# Each line, what it says, and what it says when it is called again; None if that is an error.
SAID = [
    ("tag vision/net:1 b a", "Tagged vision/net:1: a, b.",
     "Nothing changed: vision/net:1 has these tags already."),
    ("tag vision/net:1 a", "Nothing changed: vision/net:1 has this tag already.", ...),
    ("untag vision/net:1 b never", "Untagged vision/net:1: b.",
     "Nothing changed: vision/net:1 has none of these tags."),
    ("meta vision/net:1 lr=0.1 n=3", "Set metadata of vision/net:1: lr, n.",
     "Nothing changed: vision/net:1 has these values already."),
    ("meta vision/net:1 --drop n", "Removed metadata of vision/net:1: n.",
     "Nothing changed: vision/net:1 has no metadata 'n'."),
    ("alias vision/net:1 prod", "Set the alias prod to vision/net:1.",
     "Nothing changed: the alias prod points to vision/net:1 already."),
    ("alias vision/net:2 prod", "Moved the alias prod to vision/net:2, from vision/net:1.",
     "Nothing changed: the alias prod points to vision/net:2 already."),
    ("alias vision/net prod --drop", "Removed the alias prod of vision/net:2.", None),
    ("publish vision/net:1", "Published vision/net:1.",
     "Nothing changed: vision/net:1 is published already."),
    ("archive vision/net:1", "Archived vision/net:1.",
     "Nothing changed: vision/net:1 is archived already."),
    ("unarchive vision/net:1", "Unarchived vision/net:1.",
     "Nothing changed: vision/net:1 is not archived."),
    ("mv vision/net:1 nlp/net", "Moved vision/net:1 to nlp/net:1.", None),
    ("mv nlp/net:1 nlp/net:1", "Nothing changed: nlp/net:1 is there already.", ...),
    ("alias nlp/net:1 prod", "Set the alias prod to nlp/net:1.",
     "Nothing changed: the alias prod points to nlp/net:1 already."),
    ("mv nlp/net:1 nlp/cnn", "Moved nlp/net:1 to nlp/cnn:1; it lost @prod.", None),
    ("config origin.name here", "Set origin.name to here.",
     "Nothing changed: origin.name is here."),
    ("task rm {task}", "Removed task train ({digits}).", None),
    ("init {root}", "Nothing changed: there is a registry already in {root}", ...),
    ("init new", "Made a registry in {folder}/new",
     "Nothing changed: there is a registry already in {folder}/new"),
]  # fmt: skip


@pytest.fixture
def facts(registry, tmp_path, monkeypatch):
    """vision/net:1 and :2, a task, and what lines call them."""
    monkeypatch.chdir(tmp_path)
    Path("a.pt").write_bytes(b"weights")
    for _ in range(2):
        registry.add("a.pt", "net", "vision")
    task = Task.create("vision", "train")
    return {"task": task.id, "digits": task.id[:8], "root": registry.path, "folder": tmp_path}


def test_a_sentence_says_what_changed_or_that_nothing_did(facts):
    for line, said, again in SAID:
        words = line.format(**facts).split()
        assert run_cli(*words) == (0, "", f"{said.format(**facts)}\n"), line
        code, out, err = run_cli(*words)
        if again is None:
            assert (code, err.startswith("localreg: ")) == (3, True), line
        else:
            expected = said if again is ... else again
            assert (code, out, err) == (0, "", f"{expected.format(**facts)}\n"), line


def test_json_says_if_something_changed(facts):
    for line, said, again in SAID:
        words = line.format(**facts).split()
        if words[0] == "config":  # prints the setting
            continue
        assert changed(words) == [not said.startswith("Nothing")], line
        if again is not None:
            assert changed(words) == [False], line


def changed(words):
    code, out, err = run_cli(*words, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    return [each["changed"] for each in (found if isinstance(found, list) else [found])]


def test_every_removal_says_how_to_take_it_back(facts):
    model = json.loads(run_cli("show", "vision/net:2", "--json")[1])["id"]
    back = f"`localreg restore {model[:8]}` brings it back."
    assert run_cli("rm", "vision/net:2")[2] == f"Removed vision/net:2; {back}\n"
    assert run_cli("restore", model[:8])[2] == "Restored vision/net:2.\n"
    said = f"Removed vision/net:2 from this registry only; {back}\n"
    assert run_cli("rm", "vision/net:2", "--local")[2] == said


def test_what_was_done_before_an_error_is_said(facts, registry):
    """The second model is the input of a task."""
    task = Task.get_task(task_id=facts["task"])
    task.set_input_model(model_id=registry.model("vision/net:2").id, name="base")
    code, out, err = run_cli("rm", "vision/net:1", "vision/net:2")
    assert (code, out) == (5, "")
    first, second = err.splitlines()
    assert first.startswith("Removed vision/net:1;")
    assert second.startswith("localreg: model vision/net:2")
