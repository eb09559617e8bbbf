"""References, versions and aliases: how models are named other than by id."""

from __future__ import annotations

import re

import pytest
from support.new_models import new

from localreg import InputModel, Model
from localreg.errors import (
    AliasConflictError,
    AliasNotFoundError,
    AmbiguousReferenceError,
    InvalidValueError,
    ModelNotFoundError,
)


def texts(entries):
    return [entry.text for entry in entries]


# references --------------------------------------------------------------------------------


def test_every_form_of_a_reference(registry):
    first, second, bare = new(), new(), new(project=None)
    registry.set_alias(first, "prod")
    for reference, model in {
        first.id: first,
        f" {first.id} ": first,
        first.id[:12]: first,
        first.id[:6]: first,
        "vision/resnet": second,
        "vision/resnet:1": first,
        "vision/resnet:2": second,
        "vision/resnet@prod": first,
        "resnet": bare,
        "resnet:1": bare,
    }.items():
        found = registry.model(reference)
        assert type(found) is Model
        assert found.id == model.id, reference


def test_ref_names_exactly_this_version(registry):
    first, second, bare = new(), new(), new(project=None)
    assert (first.ref, second.ref, bare.ref) == ("vision/resnet:1", "vision/resnet:2", "resnet:1")
    for model in (first, second, bare):
        assert registry.model(model.ref).id == model.id


@pytest.mark.parametrize(
    "reference",
    ["vision/resnet:3", "vision/resnet:0", "vision/resnet:01x", "vision/resnet@dev",
     "Vision/resnet", "vision/", "vision", "/resnet", "0" * 32, "0" * 12, "vision/resnet:",
     "vision/resnet@", "vision/resnet:" + "9" * 30],
)  # fmt: skip
def test_the_error_for_an_unknown_reference_repeats_it(reference, registry):
    new()
    with pytest.raises(ModelNotFoundError, match=re.escape(reference)) as raised:
        registry.model(reference)
    assert isinstance(raised.value, LookupError)
    assert raised.value.reference == reference


def test_the_error_for_an_unknown_reference_suggests_similar_ones(registry):
    new()
    with pytest.raises(ModelNotFoundError, match="Did you mean vision/resnet"):
        registry.model("vision/resnte")
    for reference in ("resnet", "resnet:1", "resnet@prod"):  # the project is missing
        with pytest.raises(ModelNotFoundError, match=r"Did you mean vision/resnet\?"):
            registry.model(reference)


@pytest.mark.parametrize(
    ("reference", "hint"),
    [("vision/resnet:9", "vision/resnet has no version 9"),
     ("vision/resnet@dev", "vision/resnet has no alias 'dev'")],
)  # fmt: skip
def test_the_error_for_a_known_name_says_which_part_is_unknown(reference, hint, registry):
    new()
    with pytest.raises(ModelNotFoundError, match=f"{hint}; `localreg ls -a vision/resnet`"):
        registry.model(reference)


def test_the_error_for_a_removed_model_says_how_to_bring_it_back(registry):
    model = new()
    Model.remove(model)
    for reference in ("vision/resnet:1", model.id):
        with pytest.raises(ModelNotFoundError, match=f"`localreg restore {reference}` brings it"):
            registry.model(reference)


def test_fewer_than_6_digits_of_an_id_find_nothing(registry):
    model = new()
    with pytest.raises(ModelNotFoundError):
        registry.model(model.id[:5])


def test_a_name_wins_over_a_prefix_of_an_id(registry):
    model = new()
    named = new(name=model.id[:8], project=None)
    assert registry.model(model.id[:8]).id == named.id
    assert registry.model(model.id[:9]).id == model.id


def test_a_name_alone_finds_the_newest_active_version(registry):
    first, second = new(), new()
    second.archive()
    assert registry.model("vision/resnet").id == first.id
    first.archive()
    assert registry.model("vision/resnet").id == second.id
    assert registry.model("vision/resnet:1").id == first.id


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("a/b", "c"),
        ("a", "b/c"),
        ("a", "b:c"),
        ("a", "b@c"),
        ("a@b", "c:d"),
        ("a:1", "b"),
        (None, "a/b/c"),
        (None, "a:b"),
        (None, "user@host"),
        ("模型", "größe 1"),
    ],
)
def test_names_may_contain_the_signs_of_references(project, name, registry):
    first = new(name=name, project=project)
    second = new(name=name, project=project)
    registry.set_alias(first, "prod")
    line = f"{project}/{name}" if project else name
    assert registry.model(line).id == second.id
    assert registry.model(f"{line}:1").id == first.id
    assert registry.model(f"{line}@prod").id == first.id


def test_an_ambiguous_reference_is_an_error_that_lists_the_hits(registry):
    first = new(project="a", name="b/c")
    second = new(project="a/b", name="c")
    with pytest.raises(AmbiguousReferenceError, match="a/b/c") as raised:
        registry.model("a/b/c")
    assert set(raised.value.hits) == {first.id, second.id}
    assert first.id in str(raised.value)
    assert second.id in str(raised.value)
    assert isinstance(raised.value, LookupError)
    assert isinstance(raised.value, ValueError)
    assert registry.model(first.id).id == first.id


def test_a_name_that_ends_like_a_version_is_ambiguous_with_it(registry):
    versioned, named = new(name="m", project=None), new(name="m:1", project=None)
    with pytest.raises(AmbiguousReferenceError) as raised:
        registry.model("m:1")
    assert set(raised.value.hits) == {versioned.id, named.id}
    assert registry.model("m:1:1").id == named.id


def test_a_prefix_of_several_ids_is_ambiguous(registry):
    model = new()
    clash = model.id[:10] + "".join(reversed(model.id[10:]))
    connection = registry.db.conn
    connection.execute(
        "INSERT INTO model SELECT pk + 1000, ?, name, project, version + 1000, comment, framework, "
        "package, published, contested, archived, task, parent, created, updated, birth, "
        "stamp + 1000 FROM model",
        (clash,),
    )
    connection.commit()
    with pytest.raises(AmbiguousReferenceError) as raised:
        registry.model(model.id[:10])
    assert set(raised.value.hits) == {model.id, clash}


# versions ----------------------------------------------------------------------------------


def test_every_model_of_one_project_and_name_is_the_next_version(registry):
    assert [new().version for _ in range(3)] == [1, 2, 3]
    assert new(project=None).version == 1
    assert new(name="other").version == 1
    assert new(project="audio").version == 1


def test_a_version_number_is_never_reused(registry):
    first, second = new(), new()
    InputModel.remove(second)
    third = new()
    assert third.version == 3
    InputModel.remove(first)
    InputModel.remove(third)
    assert new().version == 4


def test_renaming_gives_the_next_version_under_the_new_name(registry):
    first, second = new(), new(name="other")
    first.name = "other"
    assert (first.version, first.ref) == (2, "vision/other:2")
    assert second.version == 1
    first.name = "resnet"
    assert first.version == 2  # 1 was used
    assert new().version == 3


def test_moving_gives_the_next_version_in_the_other_project(registry):
    new(project="audio")
    model = new()
    model.project = "audio"
    assert model.ref == "audio/resnet:2"
    model.project = None
    assert model.ref == "resnet:1"
    model.project = "vision"
    assert model.ref == "vision/resnet:2"


def test_renaming_to_the_same_name_changes_nothing(registry):
    model = new()
    registry.set_alias(model, "prod")
    events = model.history()
    model.name = "resnet"
    model.name = " resnet "
    model.project = "vision"
    model.project = model.project
    assert model.history() == events
    assert (model.version, model.aliases) == (1, ["prod"])


@pytest.mark.parametrize(("column", "value"), [("name", "other"), ("project", "audio")])
def test_renaming_and_moving_drop_the_aliases_with_an_event(column, value, registry):
    model = new()
    registry.set_alias(model, "prod")
    registry.set_alias(model, "best")
    setattr(model, column, value)
    assert model.aliases == []
    moved = f"moved from vision/resnet to {model.ref.rpartition(':')[0]}"
    assert texts(model.history(3)) == [moved, "alias prod dropped", "alias best dropped"]
    for reference in ("vision/resnet@prod", f"{model.ref.rpartition(':')[0]}@prod"):
        with pytest.raises(ModelNotFoundError):
            registry.model(reference)


# aliases -----------------------------------------------------------------------------------


def test_an_alias_points_to_one_version_and_moves(registry):
    first, second = new(), new()
    registry.set_alias(first, "prod")
    assert (first.aliases, second.aliases) == (["prod"], [])
    registry.set_alias("vision/resnet:2", "prod")
    assert (first.aliases, second.aliases) == ([], ["prod"])
    assert registry.model("vision/resnet@prod").id == second.id
    assert texts(first.history(1)) == [f"alias prod moved to {second.id[:8]}"]
    assert texts(second.history(1)) == [f"alias prod set, taken from {first.id[:8]}"]


def test_models_of_different_names_may_have_the_same_alias(registry):
    first, other = new(), new(name="other")
    registry.set_alias(first, "prod")
    registry.set_alias(other, "prod")
    assert first.aliases == other.aliases == ["prod"]


def test_setting_an_alias_to_the_same_model_changes_nothing(registry):
    model = new()
    registry.set_alias(model, "prod")
    events = registry.history()
    registry.set_alias(model, "prod")
    assert registry.history() == events


def test_aliases_are_sorted(registry):
    model = new()
    for alias in ("prod", "best", "Best", "模型", "v1.0-rc_1"):
        registry.set_alias(model, alias)
    assert model.aliases == sorted(["prod", "best", "Best", "模型", "v1.0-rc_1"])


def test_an_alias_moves_only_from_where_it_is_expected(registry):
    first, second, third = new(), new(), new()
    registry.set_alias(first, "prod")
    before = registry.history()
    for expect in (None, second, second.id, "vision/resnet:2"):
        with pytest.raises(AliasConflictError, match=r"'prod'.* is at vision/resnet:1;") as raised:
            registry.set_alias(third, "prod", expect=expect)
        assert (raised.value.alias, raised.value.found) == ("prod", first.id)
    assert registry.history() == before
    for target, expect in ((second, first), (third, "vision/resnet:2"), (first, third.id)):
        registry.set_alias(target, "prod", expect=expect)
        assert registry.model("vision/resnet@prod").id == target.id


def test_an_alias_is_created_only_if_it_is_expected_not_to_exist(registry):
    model = new()
    registry.set_alias(model, "prod", expect=None)
    assert model.aliases == ["prod"]
    with pytest.raises(AliasConflictError) as raised:
        registry.set_alias(model, "best", expect=model)
    assert raised.value.found is None
    assert model.aliases == ["prod"]


def test_an_alias_is_removed_through_any_version(registry):
    first, second = new(), new()
    registry.set_alias(first, "prod")
    registry.remove_alias(second, "prod")
    assert first.aliases == []
    assert texts(first.history(1)) == ["alias prod dropped"]
    with pytest.raises(AliasNotFoundError, match="vision/resnet") as raised:
        registry.remove_alias("vision/resnet", "prod")
    assert isinstance(raised.value, LookupError)


@pytest.mark.parametrize("alias", ["a/b", "a:b", "a@b", "a b", "a\nb", "", " ", "\t"])
def test_an_alias_must_not_contain_blanks_or_signs_of_references(alias, registry):
    """Blanks around it are no part of it, as of every name."""
    model = new()
    with pytest.raises(InvalidValueError, match="alias"):
        registry.set_alias(model, alias)
    assert model.aliases == []


def test_an_alias_of_a_removed_model_is_free(registry):
    first, second = new(), new()
    registry.set_alias(first, "prod")
    InputModel.remove(first)
    with pytest.raises(ModelNotFoundError):
        registry.model("vision/resnet@prod")
    registry.set_alias(second, "prod", expect=None)
    assert second.aliases == ["prod"]
