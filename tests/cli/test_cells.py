"""P38: text on a terminal: its width, cut and wrapped, whatever characters it has."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.cli.cells import (
    cell_width,
    cut_end,
    cut_middle,
    cut_words,
    isolated,
    one_line,
    steady,
    wrapped,
)
from localreg.cli.tables import Column, table_lines

TEXTS = st.text(
    st.one_of(st.characters(), st.sampled_from("模型e\u0301\u202e\x1b\nשם🎉️ :1-…한")), max_size=40
).map(lambda text: steady(one_line(text)))
WIDTHS = st.integers(3, 60)


@given(TEXTS, WIDTHS)
def test_what_is_cut_is_not_wider_and_keeps_its_ends(text, width):
    for cut in (cut_end(text, width), cut_middle(text, width)):
        assert cell_width(cut) <= width
        assert cut == text or "…" in cut
    begin, sign, end = cut_middle(text, width).partition("…")
    assert cell_width(text) <= width or (sign and text.startswith(begin) and text.endswith(end))


@given(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=5), WIDTHS)
def test_words_are_not_wider(words, width):
    assert cell_width(cut_words(tuple(words), width)) <= width


@given(TEXTS, WIDTHS)
def test_wrapping_loses_nothing_but_blanks(text, width):
    parts = wrapped(text, width)
    assert all(cell_width(part) <= width or len(part) == 1 for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")


@given(st.text(max_size=30))
def test_nothing_that_a_terminal_obeys_is_shown(text):
    shown = steady(one_line(text))
    assert all(char.isprintable() for char in shown)
    assert not any(unicodedata.category(char) in ("Cc", "Cf") for char in shown)
    assert isolated(shown).translate(dict.fromkeys(map(ord, "\u2068\u2069\u200e"))) == shown


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("模型", 4), ("e\u0301", 1), ("🎉", 2), ("한", 2), ("\u1112\u1161\u11ab", 2)],
)
def test_widths(text, width):
    assert cell_width(text) == width


def test_a_version_stays_behind_a_name_from_right_to_left():
    assert isolated("שלום:12") == "\u200e\u2068שלום\u2069:12\u200e"
    assert isolated("vision/net:12") == "vision/net:12"


@given(
    st.lists(
        st.tuples(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), st.integers(0, 10**12)),
        min_size=1, max_size=4,
    ),
    st.integers(40, 200),
)  # fmt: skip
def test_a_table_fits_and_shows_every_id(rows, width):
    columns = [Column("NAME", "name"), Column("TAGS", "words", 2), Column("SIZE", "size", 1),
               Column("ID", "id")]  # fmt: skip
    ids = [f"{number:08x}" for number in range(len(rows))]
    lines, left_out = table_lines(
        columns, [[*row, id_] for row, id_ in zip(rows, ids, strict=True)], width
    )
    assert max(map(cell_width, lines)) <= width
    assert [line[-8:] for line in lines[1:]] == ids
    assert set(left_out) <= {"TAGS", "SIZE"}
