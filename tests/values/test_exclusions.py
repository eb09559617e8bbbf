"""What a pattern leaves out of a folder."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.errors import InvalidValueError
from localreg.values.exclusions import ALWAYS, matcher, parse_exclusion, parse_exclusions

NAMES = st.text("ab.-", min_size=1, max_size=6).filter(lambda name: name.strip("."))
PIECES = st.sampled_from(["a", "b", ".", "-", "*", "?", "[ab]", "[!a]", "[a-b]", "[]a]", "[-b]"])
PATTERNS = (
    st.lists(PIECES, min_size=1, max_size=6)
    .map("".join)
    .filter(lambda text: "**" not in text and text.strip("."))
)


def leaves_out(*patterns):
    return matcher([parse_exclusion(each) for each in patterns])


@given(PATTERNS, st.lists(NAMES, max_size=3), NAMES, st.booleans())
def test_a_pattern_without_a_slash_matches_a_name_at_any_depth_as_in_a_shell(
    pattern, above, name, is_folder
):
    path = "/".join([*above, name])
    assert leaves_out(pattern)(path, is_folder) == fnmatchcase(name, pattern)


@given(st.lists(PATTERNS, min_size=2, max_size=3), st.lists(NAMES, min_size=1, max_size=3))
def test_a_pattern_with_a_slash_matches_the_path_from_the_top(patterns, names):
    fits = len(patterns) == len(names) and all(map(fnmatchcase, names, patterns))
    assert leaves_out("/".join(patterns))("/".join(names), False) == fits


@given(PATTERNS, NAMES)
def test_a_slash_in_front_matches_at_the_top_only(pattern, name):
    at_top = leaves_out(f"/{pattern}")
    assert at_top(name, False) == fnmatchcase(name, pattern)
    assert not at_top(f"a/{name}", False)


@given(PATTERNS, NAMES)
def test_a_slash_at_the_end_matches_folders_only(pattern, name):
    folders = leaves_out(f"{pattern}/")
    assert folders(f"a/{name}", True) == fnmatchcase(name, pattern)
    assert not folders(f"a/{name}", False)


@given(st.lists(PATTERNS, max_size=4), NAMES)
def test_several_patterns_leave_out_what_any_of_them_does(patterns, name):
    one_of = any(fnmatchcase(name, each) for each in patterns)
    assert leaves_out(*patterns)(name, False) == one_of


def test_a_star_matches_no_slash():
    assert not leaves_out("a/*")("a/b/c", False)
    assert leaves_out("a/*")("a/b", True)


def test_what_tools_put_beside_a_model_is_always_left_out():
    left_out = leaves_out(*ALWAYS)
    assert left_out(".git", True)
    assert left_out("src/__pycache__", True)
    assert left_out(".cache/huggingface", True)
    assert left_out(".localregignore", False)
    assert not left_out(".cache", True)
    assert not left_out("docs/.localregignore", False)
    assert not left_out(".gitattributes", False)


def test_a_file_of_patterns_has_comments_and_empty_lines():
    text = "# notes\n\n*.log\r\n  runs/  \n"
    assert parse_exclusions(text, "f") == [parse_exclusion("*.log"), parse_exclusion("runs/")]


@pytest.mark.parametrize(
    "pattern",
    [*"!a ** a/**/b [a [ a[]b [!] [z-a] [^a] {a,b} a\\b .. a/../b ./a a//b / //".split(), "", None],
)
def test_what_is_not_a_pattern_is_refused_with_a_reason(pattern):
    with pytest.raises(InvalidValueError, match=r"exclude cannot have the pattern .*: "):
        parse_exclusion(pattern)


def test_a_bad_line_of_a_file_is_named():
    with pytest.raises(InvalidValueError, match=r"m/\.localregignore, line 3, cannot have .*'!b'"):
        parse_exclusions("a\n\n!b\n", "m/.localregignore")
