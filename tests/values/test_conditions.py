"""Conditions of gates: any text is one, or an error that names the argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.errors import InvalidValueError
from localreg.values.conditions import (
    MOST,
    WORDS,
    check_conditions,
    known_condition,
    parse_condition,
)

SIGNS = st.sampled_from(["=", "==", "!=", ">", ">=", "<", "<="])
KEYS = st.sampled_from(
    ["accuracy", "a/b", "metric:val/acc", "param:Args/lr", "größe", " a ", "<", ""]
)
VALUES = st.one_of(
    st.floats().map(repr), st.integers().map(str), st.text(max_size=9), st.just("true"),
    st.just("9" * 400), st.just("[" * 400), st.just('"1"'), st.just("1e999"),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from([*WORDS]),
    st.builds(lambda key, sign, value: f"{key}{sign}{value}", KEYS, SIGNS, VALUES),
)


@given(TEXTS)
def test_a_text_is_a_condition_or_an_error_that_names_the_argument(text):
    found = known_condition(text)
    if not found.kind:
        with pytest.raises(InvalidValueError) as caught:
            parse_condition(text, "--require")
        assert caught.value.argument == "--require"
        return
    assert parse_condition(text, "--require") == found
    assert (found.comparison is None) is (found.text in WORDS)
    assert parse_condition(found.text) == found


@given(st.lists(TEXTS, max_size=5))
def test_conditions_that_were_checked_stay_the_same(texts):
    try:
        found = check_conditions(texts)
    except InvalidValueError:
        return
    assert check_conditions(list(found)) == found == check_conditions(list(found[::-1]))
    assert len(found) <= min(MOST, len(texts))


@pytest.mark.parametrize(
    ("text", "kind", "key", "value"),
    [
        ("accuracy>=0.9", "metadata", "accuracy", 0.9),
        ("metric:val/acc > 0.9", "metric", "val/acc", 0.9),
        ("metric:score=7", "metric", "score", 7),
        ("param:Args/lr<1e-3", "parameter", "Args/lr", 0.001),
        ("stage==final", "metadata", "stage", "final"),
        ("epochs=3", "metadata", "epochs", ("3",)),
        ("until<2027-01-01", "metadata", "until", "2027-01-01"),
    ],
)
def test_comparisons_are_read_as_filters_are(text, kind, key, value):
    found = parse_condition(text)
    assert found.comparison is not None
    assert (found.kind, found.comparison.key, found.comparison.value) == (kind, key, value)
