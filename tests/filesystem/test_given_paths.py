"""A path that a user gives may be any path of the system, and nothing else."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localreg.errors import InvalidValueError
from localreg.filesystem.given_paths import absolute, absolute_text, check_path


@pytest.mark.parametrize("value", ["", " ", "a\0b", "\ud800", 3, None, b"a"])
def test_what_is_no_path_is_an_error(value):
    with pytest.raises(InvalidValueError, match=r"^path "):
        check_path("path", value)


def test_a_path_may_hold_bytes_that_are_no_text():
    name = os.fsdecode(b"\xc4\xe3.pt")
    assert os.fsencode(check_path("path", name)) == b"\xc4\xe3.pt"


@given(st.lists(st.sampled_from(["a", "..", ".", "~", "/", "//", "b c", "é"]), min_size=1))
@example(["/"])
@example(["//", "a"])
@example(["~", "/", "a"])
@example(["a", "/", "..", "/", "b"])
@example(["a", "/"])
def test_the_text_of_an_absolute_path_is_that_of_pathlib(parts):
    """Only what pathlib would leave as it is, is found without it."""
    text = "".join(parts)
    try:
        wanted = str(absolute("path", Path(text).expanduser()))
    except RuntimeError:  # "~a" is no user
        with pytest.raises(RuntimeError):
            absolute_text("path", text)
    else:
        assert absolute_text("path", text) == wanted


def test_a_relative_path_is_an_error_in_a_deleted_working_directory(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(InvalidValueError, match="was deleted; give an absolute path"):
        absolute_text("path", "here")
    assert absolute_text("path", "/there") == "/there"
