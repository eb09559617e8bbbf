"""Metadata: a value becomes text and the name of a type, and is read back from them."""

from __future__ import annotations

import enum
import math
import sqlite3
import types
import warnings
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.proofs import TIMES

from localreg.errors import InvalidValueError
from localreg.values.metadata import MetadataEntry, cast, entries, entry, number_of, to_text

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
JSON_VALUES = st.recursive(
    SCALARS, lambda values: st.lists(values) | st.dictionaries(st.text(), values), max_leaves=20
)


class Colour(int, enum.Enum):
    RED = 1


class Boxed:
    """What array libraries have: a scalar with `item()` and no `tolist()`."""

    def __init__(self, value):
        self.value = value

    def item(self):
        return self.value


class TestToText:
    @pytest.mark.parametrize(
        ("value", "text", "type_name"),
        [
            ("as it is\0\r\n", "as it is\0\r\n", "str"),
            (3, "3", "int"),
            (0.1, "0.1", "float"),
            (-math.inf, "-inf", "float"),
            (True, "True", "bool"),
            (None, "null", "NoneType"),
            ([1, "é", None], '[1, "é", null]', "list"),
            ((1, (2,)), "[1, [2]]", "tuple"),
            ({"a": {"b": True}}, '{"a": {"b": true}}', "dict"),
            (types.MappingProxyType({"a": [types.MappingProxyType({})]}), '{"a": [{}]}', "dict"),
            (Colour.RED, "1", "int"),
            (1 + 2j, "(1+2j)", "complex"),
        ],
    )
    def test_each_type_has_one_form(self, value, text, type_name):
        assert to_text(value) == text
        assert entry("key", value) == MetadataEntry("key", text, type_name)

    @pytest.mark.parametrize(
        ("value", "text", "type_name"),
        [
            (np.float64(0.5), "0.5", "float"),
            (np.float32(0.5), "0.5", "float"),
            (np.int8(3), "3", "int"),
            (np.bool_(True), "True", "bool"),
            (np.str_("x"), "x", "str"),
            (np.array([1, 2]), "[1, 2]", "list"),
            (np.array(3), "3", "int"),
            ([np.int8(1), {"a": np.arange(2)}], '[1, {"a": [0, 1]}]', "list"),
            (np.longdouble(1.5), "1.5", "longdouble"),
            (Boxed(2.5), "2.5", "float"),
        ],
    )
    def test_scalars_and_arrays_count_as_python_values(self, value, text, type_name):
        assert entry("key", value) == MetadataEntry("key", text, type_name)

    def test_text_of_a_subclass_of_str_is_plain_text(self):
        assert type(to_text(np.str_("x"))) is str

    def test_an_object_whose_item_method_takes_arguments_becomes_its_str(self):
        class Shop:
            def item(self, number):
                return number

            def __str__(self):
                return "a shop"

        assert entry("key", Shop()) == MetadataEntry("key", "a shop", "Shop")

    @pytest.mark.parametrize("value", [[{1, 2}], {"a": object()}, {(1, 2): 3}, [b""]])
    def test_a_container_of_values_unknown_to_json_is_refused(self, value):
        with pytest.raises(InvalidValueError, match="metadata value of type"):
            to_text(value)

    def test_cycles_deep_nesting_and_huge_numbers_are_refused(self):
        cycle: list[object] = []
        cycle.append(cycle)
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        for value in (cycle, deep, 10**5000, [10**5000]):
            with pytest.raises(InvalidValueError, match="cannot be written as text"):
                to_text(value)


class TestEntry:
    def test_a_type_object_counts_as_its_name(self):
        assert entry("key", "3", int).type == "int"

    @pytest.mark.parametrize("type_name", ["list/int", "anything at all", "", "None"])
    def test_the_type_may_be_any_text(self, type_name):
        assert entry("key", 3, type_name) == MetadataEntry("key", "3", type_name)

    @pytest.mark.parametrize("key", [None, "", " ", "a\0b", "k" * 1025, "\ud800"])
    def test_an_unusable_key_is_refused(self, key):
        with pytest.raises(InvalidValueError, match="metadata key"):
            entry(key, "value")

    @pytest.mark.parametrize("key", ["a.b", "$set", " a ", "größe", "k" * 1024])
    def test_a_key_is_kept_unchanged(self, key):
        assert entry(key, "value").key == key

    @pytest.mark.parametrize("value", ["\ud800", ["\ud800"], "x" * 16_777_217])
    def test_a_value_that_cannot_be_stored_is_refused(self, value):
        with pytest.raises(InvalidValueError, match="metadata value"):
            entry("key", value)

    def test_a_type_that_cannot_be_stored_is_refused(self):
        with pytest.raises(InvalidValueError, match="metadata type"):
            entry("key", "x", "\ud800")


class TestEntries:
    @pytest.mark.parametrize(
        ("given_entry", "value", "type_name"),
        [
            ({"value": "3", "type": "int"}, "3", "int"),
            ({"key": "k", "value": "3", "type": "int"}, "3", "int"),
            ({"value": 3}, "3", "int"),
            ({"value": 3, "type": None}, "3", "int"),
            ({"value": {"value": 1}, "type": dict}, '{"value": 1}', "dict"),
            (3, "3", "int"),
            ("text", "text", "str"),
            ({"value": 1, "unit": "s"}, '{"value": 1, "unit": "s"}', "dict"),
            ({"type": "a", "size": 2}, '{"type": "a", "size": 2}', "dict"),
            ({"key": "x"}, '{"key": "x"}', "dict"),
            ({}, "{}", "dict"),
        ],
    )
    def test_an_entry_is_a_dict_or_a_bare_value(self, given_entry, value, type_name):
        assert entries({"k": given_entry}) == {"k": MetadataEntry("k", value, type_name)}

    def test_an_empty_dict_has_no_entries(self):
        assert entries({}) == {}

    @pytest.mark.parametrize("metadata", [None, "text", [("k", 1)], 3])
    def test_metadata_that_is_not_a_mapping_is_refused(self, metadata):
        with pytest.raises(InvalidValueError, match="metadata must be a dict"):
            entries(metadata)

    def test_a_type_without_a_value_is_refused(self):
        for given_entry in ({"type": "int"}, {"type": "int", "key": "k"}):
            with pytest.raises(InvalidValueError, match="'k' has a type and no value"):
                entries({"k": given_entry})

    def test_an_entry_that_names_another_key_is_refused(self):
        with pytest.raises(InvalidValueError, match="'k' names another key: 'other'"):
            entries({"k": {"key": "other", "value": 1}})


class TestCast:
    @pytest.mark.parametrize(
        ("value", "type_name", "result"),
        [
            (" 4 ", "int", 4),
            ("1_000", "INT ", 1000),
            ("nan?", "float", "nan?"),
            ("3.7", "int", "3.7"),
            ("1e400", "float", math.inf),
            ("x", "float", "x"),
            ("3", "str", "3"),
            ("true", "bool", True),
            (" FALSE ", "bool", False),
            ("1", "bool", True),
            ("0", "bool", False),
            ("yes", "bool", "yes"),
            ("", "bool", ""),
            ("[1, 2]", "list", [1, 2]),
            ("[1, 2]", "list/int", [1, 2]),
            ("[1, 2]", "list[int]", [1, 2]),
            ("[1, 2]", "tuple", (1, 2)),
            ("(1, 2)", "tuple", (1, 2)),
            ("(1, 2)", "list", [1, 2]),
            ("['a', 'b\\n']", "list", ["a", "b\n"]),
            ("{'a': 1, 'b': 2}", "dict", {"a": 1, "b": 2}),
            ('{"a": null}', "dict", {"a": None}),
            ("null", "NoneType", None),
            ("None", "None", None),
            ("3", "list", "3"),
            ("{}", "list", "{}"),
            ("[]", "dict", "[]"),
            ("[]", "none", "[]"),
            ("abc", "list", "abc"),
            ("", "list", ""),
            ("3", " INT ", 3),
            ("3", "", "3"),
            ("3", "basestring", "3"),
            ("3", "unknown/int", "3"),
        ],
    )
    def test_text_is_cast_to_its_type_or_returned_unchanged(self, value, type_name, result):
        found = cast(value, type_name)
        assert found == result
        assert type(found) is type(result)

    @pytest.mark.parametrize("type_name", ["int", "float", "bool", "list", "tuple", "dict", "none"])
    @pytest.mark.parametrize(
        "value",
        [
            "9" * 5000,
            "[" + "9" * 5000 + "]",
            "[" * 100_000,
            "-" * 100_000 + "1",
            "1" + "+1" * 100_000,
            "{[]: 1}",
            "\0",
            "\ud800",
            "['\\d']",
            "__import__('os').getcwd()",
            "[print(1)]",
            "(" + "1," * 1_000_000 + ")",
        ],
    )
    def test_hostile_text_is_returned_unchanged(self, value, type_name):
        found = cast(value, type_name)
        assert found == value or (type_name == "float" and found == math.inf)

    def test_casting_gives_no_warnings(self):
        """Python's parser warns of unknown escapes, which repr() never writes."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            assert cast("['\\d']", "list") == "['\\d']"
        assert warned == []

    @given(st.text(), st.text())
    def test_no_text_makes_cast_fail(self, value, type_name):
        for name in (type_name, "int", "float", "bool", "list", "tuple", "dict", "None"):
            cast(value, name)

    @given(JSON_VALUES)
    def test_a_stored_value_is_read_back(self, value):
        stored = entry("key", value)
        found = cast(stored.value, stored.type)
        assert found == value
        assert type(found) is type(value)

    @given(st.lists(JSON_VALUES))
    def test_a_tuple_comes_back_as_a_tuple(self, items):
        stored = entry("key", tuple(items))
        assert cast(stored.value, stored.type) == tuple(items)

    def test_nan_comes_back(self):
        stored = entry("key", [math.nan])
        assert math.isnan(cast(stored.value, stored.type)[0])


def number_in_sqlite(text):
    """Return what SQLite makes of a text in a column of numbers; None if it stays a text."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE x (number NUMERIC)")
        connection.execute("INSERT INTO x VALUES (?)", (text,))
        (value,) = connection.execute("SELECT number FROM x").fetchone()
    return None if isinstance(value, str) else value


NUMBERS = (
    "0", "-0", "+7", "007", "0.90", ".5", "5.", ".", "-.5e-3", "1e3", "1E+3", "1e", "1e+", "e3",
    " 7 ", "\t7\n", "\v7\f\r", "7 m", "7\xa0", "\x1c7", "7\x1c", "1 2", "", " ", "+", "--1", "1_0",
    "0x10",
    "inf", "-Infinity", "nan", "1e400", "-1e400", "1e-400", "9" * 18, "9" * 30, "9" * 5_000,
    "0" * 30 + "5", str(2**63 - 1), str(2**63), str(-(2**63)), str(2**60 + 1), "1.5.2", "1,5",
    "½", "٣",
    "True", "2024-01-01", "1e5e5", "12345678901234567890.5",
)  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS, ids=lambda text: repr(text)[:20])
def test_a_text_is_a_number_if_it_is_one_to_sqlite(text):
    """Parameters are compared by SQLite, metadata by `number_of`."""
    assert number_of(text) == number_in_sqlite(text)


@settings(max_examples=300 * TIMES)
@given(st.text("0123456789.eE+- \tx", max_size=12) | st.integers().map(str))
def test_any_text_is_a_number_if_it_is_one_to_sqlite(text):
    """SQLite may round the last digits differently."""
    found, wanted = number_of(text), number_in_sqlite(text)
    assert (found is None) == (wanted is None)
    assert found == wanted or math.isclose(found, wanted, rel_tol=1e-14)
