"""JSON in its one form."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.values.canonical import canonical

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)  # fmt: skip


@given(VALUES)
def test_it_is_what_json_writes_with_sorted_keys_and_no_blanks(value):
    assert canonical(value) == json.dumps(
        value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
    )


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_has_no_such_number(number):
    with pytest.raises(ValueError, match="JSON"):
        canonical({"value": number})


def test_what_is_no_json_is_named_and_later_values_are_not_harmed():
    with pytest.raises(TypeError, match="set"):
        canonical({"a": {1, 2}})
    circle = []
    circle.append(circle)
    with pytest.raises(RecursionError):
        canonical(circle)
    assert canonical({"a": [{}]}) == '{"a":[{}]}'
