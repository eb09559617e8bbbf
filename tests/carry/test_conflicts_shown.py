"""What registries that met do not agree about is shown: on pages, in lists and by `show`."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil

import pytest
from support.command_line import run_cli as run
from support.meetings import bring_events, name_origin

from localreg import InputModel, Registry, Task
from localreg.errors import ContestedError
from localreg.operations.models import conflicts, designs, revisions
from localreg.operations.reports.pages import write_site
from localreg.operations.weights.sources import Source

HOSTILE = "<img src=x onerror=alert(1)>"


def model_of(registry):
    return next(iter(registry.models()))


def with_weights(data):
    """Return a change: new weights for the model, and publish it."""

    def change(registry, tmp_path):
        file = tmp_path / "new.pt"
        file.write_bytes(data)
        model = model_of(registry)
        update = revisions.Update(
            task="", entry=None, iteration=None, comment=False, package=False, keep_last=None
        )
        revisions.keep(registry._chain, model.id, Source(path=file, filename="m.pt"), update)
        model.publish()

    return change


def with_config(text):
    def change(registry, tmp_path):
        designs.set_config(registry._chain.first, model_of(registry).id, "", text, None)
        model_of(registry).publish()

    return change


def with_metadata(value):
    def change(registry, tmp_path):
        model_of(registry).set_metadata("note", value)

    return change


def another(name):
    def change(registry, tmp_path):
        InputModel.import_model(f"s3://bucket/{name}.pt", name="m")

    return change


@pytest.fixture
def met(tmp_path, monkeypatch):
    """Return a function: two copies of a registry with a model go their own ways, and meet."""

    def made(ours, theirs):
        with Registry(tmp_path / "ours", durability="fast") as registry:
            name_origin(registry, "laptop")
            (tmp_path / "m.pt").write_bytes(b"weights")
            registry.add(tmp_path / "m.pt", "m")
        shutil.copytree(tmp_path / "ours", tmp_path / "theirs")
        for name, user, change in (("ours", "anna", ours), ("theirs", f"ben{HOSTILE}", theirs)):
            monkeypatch.setenv("LOGNAME", user)
            with Registry(tmp_path / name, durability="fast") as registry:
                if name == "theirs":
                    name_origin(registry, f"srv{HOSTILE}")
                change(registry, tmp_path)
        with Registry(tmp_path / "theirs") as source, Registry(tmp_path / "ours") as target:
            bring_events(source, target)
        monkeypatch.setenv("LOCALREG_HOME", str(tmp_path / "ours"))
        return tmp_path / "ours"

    return made


def page(root, name):
    with Registry(root, durability="fast") as registry:
        write_site(registry._chain)
    return (root / "reports" / name).read_text("utf-8")


def test_a_contested_model_is_shown_with_both_publications(met):
    root = met(with_weights(b"one"), with_weights(b"two"))
    with Registry(root) as registry:
        model = model_of(registry)
        found = conflicts.conflicts(registry._chain.first, model.id)
        assert found.publications[0].digest == model.digest
    one, two = (hashlib.sha256(data).hexdigest() for data in (b"one", b"two"))
    assert {each.digest for each in found.publications} == {one, two}
    assert found.claimants == ()

    html = page(root, f"models/{model.id}.html")
    shown = run("show", model.id)[1]
    for text in (html, shown):
        for digest in (one, two):
            assert digest in text
        assert "published 2 times, with different weights" in text
        assert f"localreg publish {model.id}" in text
    assert "by anna@" in shown
    assert "in laptop: sha256" in shown
    assert re.search("state +published contested", shown)
    assert HOSTILE in shown  # a terminal runs no markup
    assert HOSTILE not in html
    assert html.index("published 2 times") < html.index('id="facts"')
    listed = json.loads(run("show", model.id, "--json")[1])["contested"]
    assert {each["digest"] for each in listed} == {one, two}
    index = page(root, "index.html")
    assert "1 model is contested: its page says what to do." in index
    assert '"contested"' in index


def test_no_local_copy_of_a_contested_model_is_given(met, tmp_path):
    root = met(with_weights(b"one"), with_weights(b"two"))
    with Registry(root) as registry:
        model = model_of(registry)
        with pytest.raises(ContestedError) as raised:
            model.get_local_copy(raise_on_error=True)
        found = conflicts.conflicts(registry._chain.first, model.id).publications
    assert raised.value.publications == tuple(each.event_id for each in found)
    for command in (["path", "m"], ["get", "m", "-o", tmp_path / "copy.pt"]):
        code, out, error = run(*command)
        assert code != 0
        assert out == ""
        for data in (b"one", b"two"):
            assert hashlib.sha256(data).hexdigest() in error
        assert f"localreg publish {model.id[:8]}" in error
    assert not (tmp_path / "copy.pt").exists()


def test_a_model_that_is_published_again_is_not_contested_any_more(met):
    root = met(with_weights(b"one"), with_weights(b"two"))
    with Registry(root) as registry:
        model = model_of(registry)
        digest = model.digest
    assert run("publish", model.id)[0] == 0
    shown = run("show", model.id)[1]
    assert "contested" not in shown
    assert digest in shown
    html = page(root, f"models/{model.id}.html")
    assert "contested" not in html
    assert "published 2 times" not in html
    assert "contested" not in page(root, "index.html")


def test_publications_of_the_same_weights_may_differ_in_the_configuration(met):
    root = met(with_config("lr = 1"), with_config("lr = 2"))
    with Registry(root) as registry:
        model = model_of(registry)
    assert "with another configuration or labels" in run("show", model.id)[1]


def test_equal_publications_are_no_conflict(met):
    root = met(with_config("lr = 1"), with_config("lr = 1"))
    with Registry(root) as registry:
        model = model_of(registry)
    assert "contested" not in run("show", model.id)[1]


def test_lost_changes_and_kept_weights_are_marked_in_the_history(met):
    root = met(with_metadata("ours"), with_metadata("theirs"))
    with Registry(root) as registry:
        model = model_of(registry)
        (lost,) = [each for each in model.history() if each.outcome is not None]
        assert lost.outcome == "lost"
        assert lost.kind == "model.metadata"
    html = page(root, f"models/{model.id}.html")
    assert len(re.findall(r'<span class="badge failed">lost</span> metadata note', html)) == 1
    assert "Changes that are marked lost are not in effect" in html


def test_weights_that_are_only_kept_are_marked(met):
    root = met(with_weights(b"one"), with_weights(b"two"))
    with Registry(root) as registry:
        model = model_of(registry)
    html = page(root, f"models/{model.id}.html")
    assert len(re.findall(r'<span class="badge archived">kept</span> weights', html)) == 1


def test_a_number_of_two_models_is_shown_with_both(met):
    root = met(another("ours"), another("theirs"))
    with Registry(root) as registry:
        second = [each for each in registry.models() if each.version == 2]
        assert len(second) == 2
    one, two = (each.id for each in second)
    for model_id in (one, two):
        shown = run("show", model_id)[1]
        assert "2 models have the number of m:2" in shown
        html = page(root, f"models/{model_id}.html")
        assert "2 models have the number of m:2" in html
        for other in (one, two):
            assert f"{other}: " in shown
            assert f"{other}: " in html
        assert f'href="../models/{two if model_id == one else one}.html"' in html
        found = json.loads(run("show", model_id, "--json")[1])["ambiguous"]
        assert {each["id"] for each in found} == {one, two}
        assert all(each["here"] for each in found)
        command = re.search(r"`localreg (mv [^`]+)`", shown)[1]
        assert f"localreg {command}" in html
    assert "2 models are ambiguous: their pages say what to do." in page(root, "index.html")
    assert run(*shlex.split(command))[0] == 0
    for model_id in (one, two):
        assert "ambiguous" not in run("show", model_id)[1]
    assert "ambiguous" not in page(root, "index.html")


def test_a_number_of_a_removed_model_can_be_released(met):
    root = met(another("ours"), another("theirs"))
    with Registry(root) as registry:
        one, two = [each for each in registry.models() if each.version == 2]
        InputModel.remove(two, force=True)
    shown = run("show", one.id)[1]
    assert f"{two.id}: " in shown
    assert "removed or moved" in shown
    command = re.search(r"`localreg (mv --release [^`]+)`", shown)[1]
    assert run(*shlex.split(command))[0] == 0
    assert "ambiguous" not in run("show", one.id)[1]


def test_a_task_shows_changes_that_are_not_in_effect(tmp_path, monkeypatch):
    with Registry(tmp_path / "ours", durability="fast"):
        task = Task.create(task_name="train")
    shutil.copytree(tmp_path / "ours", tmp_path / "theirs")
    for name, value in (("ours", "1"), ("theirs", f"2{HOSTILE}")):
        with Registry(tmp_path / name, durability="fast") as registry:
            if name == "theirs":
                name_origin(registry, "srv")
            Task.get_task(task.id).set_parameter("General/lr", value)
    with Registry(tmp_path / "theirs") as source, Registry(tmp_path / "ours") as target:
        before = page(tmp_path / "ours", f"tasks/{task.id}.html")
        bring_events(source, target)
    html = page(tmp_path / "ours", f"tasks/{task.id}.html")
    assert "not in effect" not in before
    assert '<span class="badge failed">lost</span> parameter General/lr' in html
    assert HOSTILE not in html


def test_without_conflicts_nothing_is_said(registry, tmp_path):
    (tmp_path / "m.pt").write_bytes(b"weights")
    model = registry.add(tmp_path / "m.pt", "m")
    model.set_metadata("note", "x")
    model.publish()
    registry.render()
    folder = registry.path / "reports"
    texts = [
        run("show", model.id)[1],
        (folder / "index.html").read_text("utf-8"),
        (folder / "models" / f"{model.id}.html").read_text("utf-8"),
    ]
    for text in texts:
        for word in ("contested", "ambiguous", "lost", ">kept<", "not in effect"):
            assert word not in text
    found = json.loads(run("show", model.id, "--json")[1])
    assert (found["contested"], found["ambiguous"]) == ([], [])
