"""Configurations, labels and metadata: decisions 12 to 14 of localreg/guide/decisions.md.

Formats and casts are tested in tests/values; these tests are about handles of models.
"""

from __future__ import annotations

import json
import math

import pytest

from localreg import InputModel, Model
from localreg.errors import ConfigTextError, InvalidValueError

URL = "s3://bucket/model.pt"


@pytest.fixture
def model(registry):
    return InputModel.import_model(URL, name="m")


def with_config(**arguments):
    return InputModel.import_model(URL, **arguments)


# decision 12: configurations ---------------------------------------------------------------

TEXTS = ["", "  \n", "a = 1\r\nb = 2\r\n", '{"a":1}', "\ufeff[net]\n", "not a config at all", "\0"]


@pytest.mark.parametrize("make", [with_config, InputModel.empty], ids=["stored", "empty"])
@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_text_comes_back_byte_for_byte(text, make, registry):
    assert make(config_text=text).config_text == text


@pytest.mark.parametrize("make", [with_config, InputModel.empty], ids=["stored", "empty"])
def test_a_dict_is_stored_as_json_with_an_indent_of_2(make, registry):
    config = {"b": 1, "a": {"größe": [1.5, None, True, "x"]}}
    model = make(config_dict=config)
    assert model.config_text == json.dumps(config, indent=2, ensure_ascii=False)
    assert model.config_dict == config
    assert list(model.config_dict) == ["b", "a"]


def test_without_a_configuration_there_is_an_empty_text_and_an_empty_dict(model):
    assert model.config_text == ""
    assert model.config_dict == {}
    assert InputModel.empty().config_text == ""
    assert InputModel.empty().config_dict == {}


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ('{"a": {"b": [1]}}', {"a": {"b": [1]}}),
        ('lr = 0.1\n[net]\nname = "adam"\n', {"lr": 0.1, "net": {"name": "adam"}}),
        ("[optimizer]\nname = adam\n", {"optimizer": {"name": "adam"}}),
        ("", {}),
    ],
    ids=["json", "toml", "ini", "none"],
)
def test_config_dict_reads_several_formats(text, config, registry):
    assert with_config(config_text=text).config_dict == config


@pytest.mark.parametrize("text", ["as good as it gets", "import os\nos.abort()\n", "[1, 2"])
def test_text_that_is_not_a_configuration_is_a_value_error_and_not_evaluated(text, registry):
    model = with_config(config_text=text)
    with pytest.raises(ValueError, match="config") as raised:
        _ = model.config_dict
    assert isinstance(raised.value, ConfigTextError)
    assert model.config_text == text


def test_a_change_of_a_returned_dict_changes_nothing(registry):
    model = with_config(config_dict={"a": [1]}, label_enumeration={"x": 1})
    model.config_dict["a"].append(2)
    model.labels["y"] = 2
    assert model.config_dict == {"a": [1]}
    assert model.labels == {"x": 1}


def test_a_later_change_of_a_given_dict_changes_nothing(registry):
    config, labels = {"a": 1}, {"x": 1}
    model = InputModel.empty(config_dict=config, label_enumeration=labels)
    config["a"], labels["x"] = 2, 2
    assert (model.config_dict, model.labels) == ({"a": 1}, {"x": 1})


# labels ------------------------------------------------------------------------------------


def test_labels_come_back_as_they_were_given(registry):
    labels = {"background": 0, "nothing": 0, "person": 1, "größe": -2, "x" * 1000: 2**62}
    assert with_config(label_enumeration=labels).labels == labels
    assert InputModel.empty(label_enumeration=labels).labels == labels


def test_without_labels_there_is_an_empty_dict(model):
    assert model.labels == {}
    assert InputModel.empty().labels == {}


@pytest.mark.parametrize("make", [with_config, InputModel.empty], ids=["stored", "empty"])
@pytest.mark.parametrize(
    "labels",
    [{"a": 1, "b": 1}, {"a": -3, "b": -3}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"a": None},
     {1: 1}, {"": 1}, {None: 1}, ["a"], "a", [("a", 1)], {"a": 2**63}],
)  # fmt: skip
def test_labels_are_names_with_integers_of_which_only_0_may_repeat(labels, make, registry):
    with pytest.raises(InvalidValueError, match="label_enumeration"):
        make(label_enumeration=labels)
    assert InputModel.query_models() == []


# decision 13: the form of get_all_metadata -------------------------------------------------


def test_get_all_metadata_casted_returns_the_form_of_clearmls_page(model):
    model.set_metadata("epochs", 90)
    model.set_metadata("shape", [3, 224])
    assert model.get_all_metadata_casted() == {
        "epochs": {"key": "epochs", "value": 90, "type": "int"},
        "shape": {"key": "shape", "value": [3, 224], "type": "list"},
    }
    assert model.get_all_metadata() == {
        "epochs": {"key": "epochs", "value": "90", "type": "int"},
        "shape": {"key": "shape", "value": "[3, 224]", "type": "list"},
    }


def test_without_metadata_get_all_metadata_returns_an_empty_dict(model):
    assert model.get_all_metadata() == {}
    assert model.get_all_metadata_casted() == {}


# decision 14: metadata values --------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "type_name"),
    [
        ("as it is ", "as it is ", "str"),
        ("", "", "str"),
        ("{'a': 1}", "{'a': 1}", "str"),
        (90, "90", "int"),
        (-1.5, "-1.5", "float"),
        (1e300, "1e+300", "float"),
        (True, "True", "bool"),
        ([1, "a"], '[1, "a"]', "list"),
        ((1, 2), "[1, 2]", "tuple"),
        ({"b": [1], "a": None}, '{"b": [1], "a": null}', "dict"),
    ],
)
def test_the_text_and_the_type_of_a_value(value, text, type_name, model):
    model.set_metadata("k", value)
    assert model.get_metadata("k") == text
    assert model.get_all_metadata()["k"]["type"] == type_name
    casted = model.get_metadata_casted("k")
    assert casted == value
    assert type(casted) is type(value)


def test_none_is_json_null_and_comes_back_as_none(model):
    model.set_metadata("k", None)
    assert model.get_metadata("k") == "null"
    assert model.get_all_metadata_casted()["k"]["value"] is None


@pytest.mark.parametrize(
    ("value", "v_type", "casted"),
    [
        ("3", "int", 3),
        (" 4 ", "int", 4),
        ("3.7", "int", "3.7"),
        ("3.7", "float", 3.7),
        ("x", "float", "x"),
        ("3", int, 3),
        ("3", "str", "3"),
        (3, "str", "3"),
        ("true", "bool", True),
        ("FALSE", "bool", False),
        ("1", "bool", True),
        ("0", bool, False),
        ("yes", "bool", "yes"),
        ("{'a': 1, 'b': 2}", "dict", {"a": 1, "b": 2}),
        ('{"a": 1, "b": 2}', "dict", {"a": 1, "b": 2}),
        ("(1, 2)", "tuple", (1, 2)),
        ("['a', 'b']", list, ["a", "b"]),
        ("abc", "list", "abc"),
        ("__import__('os').abort()", "dict", "__import__('os').abort()"),
        ("x", "unknown", "x"),
    ],
)
def test_casting_goes_by_the_name_of_the_type(value, v_type, casted, model):
    model.set_metadata("k", value, v_type)
    found = model.get_metadata_casted("k")
    assert found == casted
    assert type(found) is type(casted)


def test_a_type_object_counts_as_its_name(model):
    model.set_metadata("k", "3", int)
    assert model.get_all_metadata()["k"]["type"] == "int"


def test_not_a_number_and_infinity_come_back(model):
    model.set_metadata("nan", math.nan)
    model.set_metadata("inf", -math.inf)
    assert math.isnan(model.get_metadata_casted("nan"))
    assert model.get_metadata_casted("inf") == -math.inf


def test_replacing_with_an_empty_dict_removes_all_metadata(model):
    model.set_metadata("k", "v")
    assert model.set_all_metadata({}, replace=False) is True
    assert model.get_metadata("k") == "v"
    assert model.set_all_metadata({}, replace=True) is True
    assert model.get_all_metadata() == {}


def test_an_entry_may_be_a_bare_value(model):
    model.set_all_metadata({"a": 1, "b": "x", "c": [1], "d": {"value": "2", "type": "int"}})
    assert {key: each["value"] for key, each in model.get_all_metadata_casted().items()} == {
        "a": 1,
        "b": "x",
        "c": [1],
        "d": 2,
    }


def test_the_result_of_get_all_metadata_can_be_set_again(model):
    """Its entries contain their "key", which is accepted."""
    model.set_all_metadata({"a": 1, "b": "x"})
    first = model.get_all_metadata()
    other = InputModel.import_model("s3://bucket/other.pt")
    other.set_all_metadata(first)
    assert other.get_all_metadata() == first


def test_set_all_metadata_is_all_or_nothing(model):
    model.set_metadata("k", "v")
    with pytest.raises(InvalidValueError):
        model.set_all_metadata({"good": "1", "bad": "\ud800"})
    assert set(model.get_all_metadata()) == {"k"}


@pytest.mark.parametrize(
    "key", ["a.b", "$set", "größe 模型", "a b", "-x", "__$all", "'\"", "a" * 900]
)
def test_keys_may_contain_any_characters(key, model):
    model.set_metadata(key, 1)
    assert model.get_metadata_casted(key) == 1
    assert list(model.get_all_metadata()) == [key]


def test_an_entry_of_another_type_replaces_the_one_before(model):
    model.set_metadata("k", 1)
    model.set_metadata("k", "1")
    assert model.get_all_metadata()["k"] == {"key": "k", "value": "1", "type": "str"}


@pytest.mark.parametrize(
    ("key", "text"), [(1, "1"), (True, "True"), (1.5, "1.5"), ((1, "a"), '[1, "a"]')]
)
def test_metadata_keys_that_are_not_text_are_converted_as_values_are(registry, key, text):
    """Decision 47: by the same function when written, read, queried and dropped."""
    model = InputModel.import_model("s3://bucket/a.pt", metadata={key: "v"})
    assert model.get_all_metadata() == {text: {"key": text, "value": "v", "type": "str"}}
    assert model.get_metadata(key) == model.get_metadata(text) == "v"
    assert Model.query_models(metadata={key: "v"}) == [model]
    model.set_metadata(key, 2)
    assert model.get_metadata_casted(text) == 2
    model.set_all_metadata({key: {"key": key, "value": 3}})
    assert model.get_metadata(text) == "3"


@pytest.mark.parametrize("metadata", [{None: 1}, {"": 1}, {1: "a", "1": "b"}])
def test_metadata_keys_that_are_empty_or_the_same_text_are_refused(registry, metadata):
    """Decision 47: nothing is written."""
    model = InputModel.import_model("s3://bucket/a.pt")
    with pytest.raises(InvalidValueError, match="metadata"):
        model.set_all_metadata(metadata)
    assert model.get_all_metadata() == {}
