"""The index of search by itself: very many matches, and the texts that are put into it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from localreg.store.rows import search_index
from localreg.store.rows.search_index import MANY, Question, match_of
from localreg.store.rows.search_texts import FIELDS, Texts, as_written, separated


@pytest.fixture
def index():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        search_index.make(connection)
        yield connection


def texts(number, **fields):
    """Return texts of a model; its number is its stamp."""
    return Texts(
        f"{number:032x}", "model", number % 2 == 1, f"p{number % 3}", "name", number,
        tuple(fields.get(each, "") for each in FIELDS), (),
    )  # fmt: skip


def found(index, words, **asked):
    question = Question(match=match_of(words.split()), kinds=("model",), **asked)
    return [int(each.id, 16) for each in search_index.matches(index, question)]


def test_of_very_many_matches_the_best_fields_and_the_last_changed_count(index):
    count = MANY * 2
    search_index.put(index, [texts(number, metadata="word here") for number in range(count)])
    search_index.put(
        index, [texts(5, name="word"), texts(8, tags="word"), texts(7, comment="word")]
    )
    assert found(index, "word", limit=3, archived=True) == [5, 8, 7]
    newest = found(index, "word here", limit=10, archived=True)
    assert newest == [*range(count - 1, count - 11, -1)]
    assert found(index, "word", limit=3) == [8, count - 2, count - 4]
    assert len(found(index, "word", limit=MANY + 1, archived=True)) == MANY + 1
    assert len(found(index, "word", archived=True)) == count
    assert len(found(index, "word", archived=True, project="p1", limit=50)) == 50
    assert found(index, "word", archived=True, ids=(f"{9:032x}",), limit=5) == [9]


def test_what_is_put_again_is_there_once(index):
    for _ in range(2):
        search_index.put(index, [texts(1, name="word"), texts(3, name="word")])
    assert found(index, "word", archived=True) == [3, 1]
    search_index.drop(index, [f"{1:032x}", "unknown"])
    assert found(index, "word", archived=True) == [3]


@pytest.mark.parametrize(
    "text", ["", "resnet", "模型", "resnet模型50", "ที่นี่", "カタカナ ひらがな", "é模"]
)
def test_separated_texts_are_shown_as_they_were_written(text):
    assert as_written(separated(text)) == text
