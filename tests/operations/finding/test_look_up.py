"""Finding models: decisions 1 to 5 and 41 of localreg/guide/decisions.md.

The comments below name the decisions. tests/values/test_tag_filters.py tests the algebra of tags.
"""

from __future__ import annotations

import random
import re

import pytest
from support.new_models import imported

from localreg import InputModel, Model, Task
from localreg.errors import InvalidValueError, ModelNotFoundError, TagFilterError


def names(models):
    return [model.name for model in models]


def stamps(registry):
    rows = registry.db.execute("SELECT id, stamp FROM model ORDER BY stamp DESC")
    return dict(rows.fetchall())


# decision 1: the order ---------------------------------------------------------------------

EVENTS_ON_A_MODEL = {
    "comment": lambda model, _: setattr(model, "comment", "new"),
    "name": lambda model, _: setattr(model, "name", "renamed"),
    "project": lambda model, _: setattr(model, "project", "elsewhere"),
    "tags": lambda model, _: setattr(model, "tags", ["t"]),
    "add_tags": lambda model, _: model.add_tags("t"),
    "system_tags": lambda model, _: setattr(model, "system_tags", ["s"]),
    "set_metadata": lambda model, _: model.set_metadata("k", "v"),
    "set_all_metadata": lambda model, _: model.set_all_metadata({"k": "v"}),
    "publish": lambda model, _: model.publish(),
    "archive": lambda model, _: model.archive(),
    "alias": lambda model, registry: registry.set_alias(model, "prod"),
}


@pytest.mark.parametrize("change", EVENTS_ON_A_MODEL.values(), ids=EVENTS_ON_A_MODEL)
def test_every_event_on_a_model_makes_it_the_newest(change, registry):
    old, new = imported("old"), imported("new")
    assert InputModel.query_models(include_archived=True)[0].id == new.id
    before = stamps(registry)[new.id]
    change(old, registry)
    assert InputModel.query_models(include_archived=True)[0].id == old.id
    assert stamps(registry)[old.id] > before


def test_a_call_that_changes_nothing_does_not_move_stamps(registry):
    old = imported("old", tags=["t"], comment="c", metadata={"k": "v"}, project="p")
    imported("new")
    before = stamps(registry)
    old.tags, old.comment, old.name, old.project = ["t"], "c", "old", "p"
    old.set_metadata("k", "v")
    old.set_all_metadata({"k": "v"})
    old.unarchive()
    old.add_tags("t")
    old.remove_tags("other")
    assert stamps(registry) == before


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"model_name": "m"},
        {"project_name": "p"},
        {"tags": ["t"]},
        {"tags": ["__$all", "t", "u"]},
        {"tags": ["t", "u"]},
        {"tags": ["-x"]},
        {"metadata": {"k": "v"}},
        {"tags": ["t"], "model_name": "m", "project_name": "p", "metadata": {"k": "v"}},
    ],
    ids=str,
)
def test_the_order_is_the_same_whichever_index_a_query_uses(filters, registry):
    models = [
        imported("m", url=f"s3://b/{number}", project="p", tags=["t", "u"], metadata={"k": "v"})
        for number in range(10)
    ]
    chosen = random.Random(1)
    expected = [model.id for model in reversed(models)]
    for step in range(30):
        model = chosen.choice(models)
        model.set_metadata("step", step)
        expected.remove(model.id)
        expected.insert(0, model.id)
        assert [each.id for each in InputModel.query_models(**filters)] == expected
    found = stamps(registry)
    assert len(set(found.values())) == len(found)


def test_the_order_survives_a_clock_that_went_back(registry):
    first, second = imported("first"), imported("second")
    connection = registry.db.conn
    year_2100 = 4_102_444_800_000_000
    connection.execute("UPDATE model SET stamp = ? WHERE id = ?", (year_2100, first.id))
    connection.commit()
    assert names(InputModel.query_models()) == ["first", "second"]
    second.set_metadata("k", "v")
    third = imported("third")
    assert names(InputModel.query_models()) == ["third", "second", "first"]
    assert stamps(registry)[third.id] > stamps(registry)[second.id] > year_2100


def test_a_transaction_with_many_events_sets_the_stamp_once(registry):
    model = imported("a")
    before = stamps(registry)[model.id]
    model.set_all_metadata({f"k{number}": number for number in range(50)})
    entries = registry.history(limit=50)
    after = stamps(registry)[model.id]
    assert after > before
    assert len({entry.at for entry in entries}) == 1


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"name": "a"},
        {"project": "p"},
        {"tags": ["even"]},
        {"name": "a", "project": "p", "tags": ["__$not", "even"]},
    ],
)
def test_input_model_is_exactly_the_first_of_the_query(filters, registry):
    for number in range(12):
        InputModel.import_model(
            f"s3://bucket/{number}.pt",
            name="ab"[number % 3 == 0],
            project="p" if number % 4 else "q",
            tags=["even"] if number % 2 == 0 else ["odd"],
        )
    first = InputModel.query_models(
        project_name=filters.get("project"), model_name=filters.get("name"),
        tags=filters.get("tags"),
    )[0]  # fmt: skip
    assert InputModel(**filters) == first


@pytest.mark.parametrize("limit", [0, -1, -(2**70), True, 1.0, "1"])
def test_max_results_of_0_or_less_is_a_value_error(limit, registry):
    imported("a")
    with pytest.raises(ValueError, match="max_results") as raised:
        InputModel.query_models(max_results=limit)
    assert isinstance(raised.value, InvalidValueError)


def test_more_than_500_results_have_no_repeated_and_no_missing_models(registry):
    """ClearML's SDK repeats some and misses others."""
    for number in range(520):
        imported(f"m{number}")
    found = names(InputModel.query_models(max_results=510))
    assert found == [f"m{number}" for number in range(519, 9, -1)]


# decision 2: names -------------------------------------------------------------------------


def test_an_unknown_project_has_no_models(registry):
    imported("a", project="vision")
    assert InputModel.query_models(project_name="audio") == []
    with pytest.raises(ModelNotFoundError, match="audio"):
        InputModel(project="audio")


@pytest.mark.parametrize("near", ["Vision", "visio", "vision/", "vision/sub", "v%", "visio_", "*"])
def test_names_and_projects_match_exactly(near, registry):
    imported("vision", project="vision")
    imported("vision", url="s3://b/sub.pt", project="vision/sub/deeper")
    assert InputModel.query_models(project_name=near) == []
    assert InputModel.query_models(model_name=near) == []
    assert len(InputModel.query_models(project_name="vision")) == 1
    assert len(InputModel.query_models(model_name="vision")) == 2


def test_an_empty_project_is_no_filter_and_an_empty_name_matches_nothing(registry):
    imported("a", project="vision")
    imported("b")
    assert names(InputModel.query_models(project_name="")) == ["b", "a"]
    assert InputModel(project="").name == "b"
    assert InputModel.query_models(model_name="") == []


# decision 3: malformed tag filters ---------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "token"),
    [
        ("a", "a"),
        ({"a"}, {"a"}),
        (["a", "__$nand"], "__$nand"),
        (["a", "__$not"], "__$not"),
        (["__$not", "__$or", "a"], "__$or"),
        (["a", "-"], "-"),
        (["a", 7], 7),
        (["a", ""], ""),
        (["a", b"b"], b"b"),
    ],
)
def test_a_malformed_list_is_a_value_error_that_names_the_token(tags, token, registry):
    for query in (lambda: InputModel.query_models(tags=tags), lambda: InputModel(tags=tags)):
        with pytest.raises(ValueError, match=re.escape(repr(token))) as raised:
            query()
        assert isinstance(raised.value, TagFilterError)
        assert raised.value.argument == "tags"


# decision 4: metadata filters --------------------------------------------------------------

STORED = {
    "text": "v",
    "number": 90,
    "float": 0.5,
    "flag": True,
    "nothing": None,
    "list": [1, "a"],
    "dict": {"b": 1, "a": [2]},
    "dotted.key $": "x",
    "dash": "-x",
    "operator": "__$not",
}


@pytest.mark.parametrize("key", STORED)
def test_a_value_is_found_by_itself_and_by_its_text(key, registry):
    model, other = imported("a"), imported("b")
    for each, value in STORED.items():
        model.set_metadata(each, value)
        other.set_metadata(each, "other")
    assert InputModel.query_models(metadata={key: STORED[key]}) == [model]
    assert InputModel.query_models(metadata={key: model.get_metadata(key)}) == [model]


def test_all_metadata_must_be_equal_to_the_stored_text(registry):
    imported("a", metadata={"x": "1", "y": "V"})
    assert names(InputModel.query_models(metadata={"x": 1, "y": "V"})) == ["a"]
    for other in ({"x": "1", "y": "v"}, {"x": 1.0}, {"x": " 1"}, {"X": 1}, {"z": "1"}, {"y": "%"}):
        assert InputModel.query_models(metadata=other) == []
        assert InputModel.query_models(model_name="a", metadata=other) == []
    assert names(InputModel.query_models(model_name="a", metadata={"y": "V"})) == ["a"]
    assert names(InputModel.query_models(metadata={})) == ["a"]


def test_metadata_values_are_never_operators(registry):
    imported("a", metadata={"x": "1"})
    assert InputModel.query_models(metadata={"x": "-2"}) == []
    assert InputModel.query_models(metadata={"x": ["1", "2"]}) == []
    assert InputModel.query_models(metadata={"x": "__$all"}) == []


# decision 5: the constructor ---------------------------------------------------------------


@pytest.mark.parametrize("kind", [InputModel, Model])
def test_an_unknown_id_is_an_error_at_construction_that_names_it(kind, registry):
    unknown = "0123456789abcdef" * 2
    with pytest.raises(ModelNotFoundError, match=unknown) as raised:
        kind(unknown)
    assert isinstance(raised.value, ValueError)
    assert raised.value.reference == unknown


def test_blanks_around_an_id_are_stripped(registry):
    model = imported("a")
    assert InputModel(f"  {model.id}\n").id == model.id


def test_the_error_says_that_a_model_was_removed(registry):
    model = imported("a")
    InputModel.remove(model)
    with pytest.raises(ModelNotFoundError, match=f"{model.id}.*was removed"):
        InputModel(model.id)
    with pytest.raises(ModelNotFoundError) as raised:
        InputModel(model.id[:1])
    assert "removed" not in str(raised.value)


def test_without_arguments_the_newest_model_is_found_and_logged(registry, caplog):
    imported("a")
    newest = imported("b")
    with caplog.at_level("INFO", logger="localreg"):
        assert InputModel() == newest
    assert newest.id in caplog.text


def test_the_error_for_no_match_repeats_the_arguments(registry):
    with pytest.raises(ModelNotFoundError) as raised:
        InputModel(name="n", project="p", tags=["t"], only_published=True)
    for part in ("'n'", "'p'", "'t'", "only_published=True"):
        assert part in str(raised.value)


# decision 41: tags -------------------------------------------------------------------------


def test_tags_come_back_sorted_and_unique(registry):
    model = imported("a", tags=["b", "a", "b", "C"])
    assert model.tags == ["C", "a", "b"]
    model.tags = ("z", "y", "z")
    assert model.tags == ["y", "z"]


def test_changing_the_returned_tags_changes_nothing(registry):
    model = imported("a", tags=["x"])
    model.tags.append("y")
    assert model.tags == ["x"]


@pytest.mark.parametrize(
    "give",
    [
        lambda model: InputModel.import_model("s3://b/x.pt", tags="best"),
        lambda model: setattr(model, "tags", "best"),
        lambda model: setattr(model, "system_tags", "best"),
        lambda model: InputModel.query_models(tags="best"),
        lambda model: InputModel(tags="best"),
        lambda model: Task.init(task_name="t", tags="best"),
    ],
)
def test_a_str_instead_of_a_list_of_tags_is_an_error(give, registry):
    model = imported("a", tags=["b", "e", "s", "t"])
    with pytest.raises(InvalidValueError, match=r"tags must be a list.*str"):
        give(model)
    assert model.tags == ["b", "e", "s", "t"]


def test_a_dash_inside_a_group_means_not(registry):
    imported("ab", tags=["a", "b"])
    imported("a", tags=["a"])
    imported("c", tags=["c"])
    assert names(InputModel.query_models(tags=["__$all", "a", "-b"])) == ["a"]
    assert names(InputModel.query_models(tags=["__$or", "c", "-b"])) == ["c", "a"]


def test_after_not_the_next_token_is_literal(registry):
    imported("dash", tags=["-x", "y"])
    imported("plain", tags=["x", "y"])
    assert names(InputModel.query_models(tags=["__$not", "-x"])) == ["plain"]
    assert names(InputModel.query_models(tags=["-x"])) == ["dash"]


def test_none_in_a_filter_means_without_tags(registry):
    imported("tagged", tags=["x"])
    imported("bare")
    system = imported("system")
    system.system_tags = ["s"]
    assert names(InputModel.query_models(tags=[None])) == ["system", "bare"]
    assert len(InputModel.query_models(tags=["x", None])) == 3
    assert names(InputModel.query_models(tags=["__$not", None])) == ["tagged"]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["a", "b", "__$and", "c", "d"], {"a+c+d", "b+c+d"}),
        (["__$and", "__$or", "a", "b", "__$and", "c", "d"], {"a+c+d", "b+c+d"}),
        (["__$not", "a", "b", "__$not", "c"], {"b"}),
        (["__$or", "a", "__$not", "b", "__$not", "c"], {"a", "a+c+d", "b", "d"}),
    ],
)
def test_the_examples_of_the_guide_find_these_models(tags, found, registry):
    for tagged in ("a", "b", "d", "a+c+d", "b+c+d"):
        imported(tagged, tags=tagged.split("+"))
    assert set(names(InputModel.query_models(tags=tags))) == found


def test_tags_are_case_sensitive_and_system_tags_are_not_among_them(registry):
    imported("a", tags=["Best"], is_package=True)
    assert InputModel.query_models(tags=["best"]) == []
    assert InputModel.query_models(tags=["package"]) == []
    assert names(InputModel.query_models(tags=["Best"])) == ["a"]
    imported("system").system_tags = ["mine"]
    assert InputModel.query_models(tags=["mine"]) == []
    imported("user", tags=["mine"])
    assert names(InputModel.query_models(tags=["mine"])) == ["user"]
    assert names(InputModel.query_models(tags=["-mine"])) == ["system", "a"]
