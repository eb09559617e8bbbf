"""A path that a user gives may be any path of the system, and nothing else."""

import os

import pytest

from localreg.errors import InvalidValueError
from localreg.filesystem.given_paths import check_path


@pytest.mark.parametrize("value", ["", " ", "a\0b", "\ud800", 3, None, b"a"])
def test_what_is_no_path_is_an_error(value):
    with pytest.raises(InvalidValueError, match=r"^path "):
        check_path("path", value)


def test_a_path_may_hold_bytes_that_are_no_text():
    name = os.fsdecode(b"\xc4\xe3.pt")
    assert os.fsencode(check_path("path", name)) == b"\xc4\xe3.pt"
