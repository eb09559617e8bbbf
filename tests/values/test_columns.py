"""Columns hold what was added to them, in less memory than lists."""

from __future__ import annotations

from math import isnan

from hypothesis import given
from hypothesis import strategies as st

from localreg.values.columns import Numbers, Shared


@given(st.lists(st.lists(st.none() | st.floats())), st.integers(-9, 9), st.integers(-9, 9))
def test_numbers_are_those_that_were_added(parts, start, stop):
    """NaN is None; of everything else not a bit is lost."""
    column, wanted = Numbers(), []
    for part in parts:
        column.extend(part)
        wanted += [None if each is None or isnan(each) else each for each in part]
    assert repr([*column]) == repr(wanted)
    assert repr(column[start:stop]) == repr(wanted[start:stop])
    assert repr([column[place] for place in range(len(column))]) == repr(wanted)


def test_numbers_equal_numbers_with_the_same_gaps():
    first, second = Numbers(), Numbers()
    first.extend([1.0, None])
    second.extend([1.0, float("nan")])
    assert first == second
    second.extend([2.0])
    assert first != second
    assert first != [1.0, None]


@given(st.lists(st.lists(st.none() | st.text() | st.integers())))
def test_shared_values_are_those_that_were_added(parts):
    column = Shared()
    for part in parts:
        column.extend(part)
    assert column.values == [each for part in parts for each in part]


def test_values_that_repeat_are_one_object_also_after_many_different_ones():
    """Only the first different values of a column are kept for that: the rest seldom repeat."""
    column = Shared()
    for number in range(20_000):
        column.extend([str(number), "-".join(("a", "b"))])
    assert len({id(each) for each in column.values[1::2]}) == 1
    assert column.values[::2] == [str(number) for number in range(20_000)]
    assert len(column._kept) < 10_000
