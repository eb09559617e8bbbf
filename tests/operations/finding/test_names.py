"""Names: one form is kept and looked up. Decision 51 of localreg/guide/decisions.md."""

from __future__ import annotations

import io
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg import InputModel, Model, Task
from localreg.errors import InvalidValueError
from localreg.values.checks import kept_name

COMPOSED, DECOMPOSED = normalize("NFC", "café"), normalize("NFD", "café")
SPELLINGS = ("vision", " vision", "vision ", "\tvision\n", "\u00a0vision\u2003")
FORMS = (COMPOSED, DECOMPOSED, f" {DECOMPOSED} ")


def add(registry, name, project=None, **more):
    return registry.add(io.BytesIO(b"w"), name, project, filename="w.bin", **more)


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_blanks_around_names_are_kept_out_when_written_and_when_looked_up(registry, spelled):
    model = add(registry, "vision", "vision", tags=["vision"], alias="vision")
    task = Task.create("vision", "vision", registry=registry)
    task.set_tags(["vision"])
    assert InputModel(name=spelled) == model
    assert InputModel(project=spelled) == model
    assert Model.query_models(spelled, spelled, [spelled]) == [model]
    assert Model.query_models(tags=[f"-{spelled}"]) == []
    assert registry.model(f"{spelled}/{spelled}") == model
    assert registry.model(f"{spelled}/{spelled}:1") == model
    assert registry.model(f"{spelled}/{spelled}@{spelled}") == model
    assert registry.models(project=spelled, name=spelled, tags=[spelled]) == [model]
    assert Task.get_task(project_name=spelled, task_name=spelled) == task
    assert Task.get_tasks(project_name=spelled, tags=[spelled]) == [task]
    registry.remove_alias(model, spelled)
    assert model.aliases == []


@pytest.mark.parametrize("spelled", [*SPELLINGS])
def test_names_are_written_without_blanks_around_them(registry, spelled):
    model = add(registry, spelled, spelled, tags=[spelled, "vision"], alias=spelled)
    assert (model.ref, model.tags, model.aliases) == ("vision/vision:1", ["vision"], ["vision"])
    imported = InputModel.import_model("s3://b/a.pt", name=spelled, project=spelled, tags=[spelled])
    assert (imported.ref, imported.tags) == ("vision/vision:2", ["vision"])
    model.name = f" {spelled} "
    assert model.name == "vision"
    task = Task.init(spelled, spelled, tags=[spelled])
    assert (task.name, task.get_project_name(), task.get_tags()) == ("vision", "vision", ["vision"])
    assert Task.init("vision ", " vision") == task


@pytest.mark.parametrize("written", FORMS)
@pytest.mark.parametrize("asked", FORMS)
def test_two_forms_of_a_letter_are_one_name(registry, written, asked):
    """What looks the same on a screen is the same name: it is kept in the form NFC."""
    model = add(registry, written, written, tags=[written], alias=written)
    assert (model.name, model.project_name, model.tags) == (COMPOSED, COMPOSED, [COMPOSED])
    assert registry.model(f"{asked}/{asked}@{asked}") == model
    assert Model.query_models(asked, asked, [asked]) == [model]
    assert add(registry, asked, asked).version == 2


def test_names_that_only_look_alike_stay_apart(registry):
    """Compatible letters, such as ligatures, are other letters."""
    assert add(registry, "ﬁle").name == "ﬁle"
    assert add(registry, "file").version == 1


@given(st.text())
def test_the_kept_form_of_a_name_has_the_same_kept_form(text):
    assert kept_name(kept_name(text)) == kept_name(text)
    assert kept_name(f" {text}\t") == kept_name(text)
    assert kept_name(normalize("NFD", text)) == kept_name(text)


@pytest.mark.parametrize("name", ["trail ", " lead", "a  b", " ", DECOMPOSED])
def test_paths_are_never_changed(registry, tmp_path, name):
    """A file with a blank at the end of its name is another file than one without."""
    for other in {name.strip() or "x", normalize("NFC", name)} - {name}:
        (tmp_path / other).write_bytes(b"other")
    path = tmp_path / name
    path.write_bytes(b"right")
    imported = InputModel.import_model(str(path), name="imported")
    assert imported.get_local_copy() == str(path)
    model = registry.add(str(path), "added")
    with open(model.get_local_copy(), "rb") as file:
        assert file.read() == b"right"


def test_blanks_around_urls_are_kept_out(registry):
    model = InputModel.import_model(" s3://bucket/a.pt\n", name="a")
    assert model.url == "s3://bucket/a.pt"
    assert InputModel.load_model("s3://bucket/a.pt ") == model


def test_a_blank_name_is_refused_and_found_nowhere(registry):
    add(registry, "a")
    with pytest.raises(InvalidValueError, match="name must not be empty"):
        add(registry, " \u00a0")
    assert Model.query_models(project_name="  ") == []
    assert Model.query_models(model_name="  ") == []
