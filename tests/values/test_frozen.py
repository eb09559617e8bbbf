"""Records behave like frozen dataclasses, and have no further feature."""

from __future__ import annotations

import copy
import pickle

import pytest

from localreg.values.frozen import Frozen, replace


class Point(Frozen):
    """A record whose values may be positional."""

    x: int
    y: int = 0


class Named(Frozen, kw_only=True):
    """A record whose values are keyword-only, all with defaults."""

    a: int = 1
    b: str = "b"


def test_values_are_given_by_position_by_name_or_by_default():
    assert (Point(1).x, Point(1).y, Point(1, 2).y, Point(y=2, x=1).y) == (1, 0, 2, 2)
    assert (Named().a, Named(b="c").b) == (1, "c")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Point(),
        lambda: Point(1, 2, 3),
        lambda: Point(1, x=2),
        lambda: Point(1, z=2),
        lambda: Named(1),
        lambda: Named(c=1),
    ],
)
def test_values_that_do_not_fit_are_refused(make):
    with pytest.raises(TypeError, match=r"Point|Named"):
        make()


def test_nothing_can_be_changed_or_added():
    point = Point(1)
    for change in (lambda: setattr(point, "x", 2), lambda: setattr(point, "z", 2)):
        with pytest.raises(AttributeError, match="frozen"):
            change()
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    assert not hasattr(point, "__dict__")


def test_records_of_one_type_with_equal_values_are_equal():
    assert Point(1, 2) == Point(1, 2) != Point(1, 3)
    assert Named() != Point(1)
    assert len({Point(1), Point(1), Named()}) == 2
    assert Point(1) != (1, 0)


def test_records_have_a_repr_and_can_be_matched_replaced_and_pickled():
    assert repr(Named()) == "Named(a=1, b='b')"
    assert replace(Point(1), y=3) == Point(1, 3)
    assert pickle.loads(pickle.dumps(Point(1, 2))) == Point(1, 2)
    match Point(4, 5):
        case Point(x, y):
            assert (x, y) == (4, 5)


def test_a_record_can_extend_another():
    class Point3D(Point):
        z: int = 0

    class Low(Point):
        y: int = -1

    assert repr(Point3D(1, 2, 3)) == "Point3D(x=1, y=2, z=3)"
    assert Point3D(1) != Point(1)
    assert Point(1) != Point3D(1)
    assert len({Point3D(1), Point(1), Point3D(1, 0, 0)}) == 2
    assert replace(Point3D(1), x=2, z=3) == Point3D(2, 0, 3)
    assert copy.deepcopy(Point3D(1, z=2)) == Point3D(1, z=2)
    match Point3D(4, 5, 6):
        case Point(x, y):
            assert (x, y) == (4, 5)
    # A default that is defined again: the value that is given counts.
    assert (Low(1).y, Low(1, 5).y, Low(1, y=6).y) == (-1, 5, 6)
