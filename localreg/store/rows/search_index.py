"""The index of `search`: its tables, in a database of its own, and the questions to it.

`entry` has a row for each model and task, `words` the full text of the same keys (SQLite's FTS5).
`state` says what of the registry is in it: all events up to `event`, and the models that were
`forgotten` (JSON) then.
"""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence

from localreg.errors import DamagedRowError, InvalidValueError
from localreg.store.rows.checked_values import COUNT, ID, NUMBER, Columns, Rule
from localreg.store.rows.search_texts import (
    FIELDS,
    MATCH_BEGIN,
    MATCH_END,
    Texts,
    as_written,
    separated,
)
from localreg.values.checks import check_text, shown
from localreg.values.frozen import Frozen

Connection = sqlite3.Connection

KINDS = ("model", "dataset", "task")
KIND: Rule = ("a kind", frozenset({str}), KINDS.__contains__)
VERSION = 1  # of these tables, and of what is in them; another one is made again
LONGEST_WORD = 1_000
MOST_WORDS = 50
# What a match in each of `FIELDS` counts.
WEIGHTS = (10.0, 4.0, 6.0, 6.0, 3.0, 2.0, 1.0, 1.0)
_MATCHES = Columns("entry", 1, pk=COUNT, id=ID, kind=KIND, stamp=COUNT, score=NUMBER)
MANY = 2_000  # matches
_BEST = ("name", "name tags aliases", "name tags aliases project comment", " ".join(FIELDS))
_WORDS = (
    f"CREATE VIRTUAL TABLE words USING fts5({', '.join(FIELDS)}, "
    "tokenize = 'unicode61 remove_diacritics 2')"
)
_TABLES = (
    "CREATE TABLE state (registry TEXT NOT NULL, event INTEGER NOT NULL, event_id TEXT NOT NULL, "
    "forgotten TEXT NOT NULL, refolded INTEGER NOT NULL)",
    "CREATE TABLE entry (pk INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, "
    "archived INTEGER NOT NULL, project TEXT NOT NULL, name TEXT NOT NULL, stamp INTEGER NOT NULL)",
    "CREATE TABLE pointing (alias TEXT NOT NULL, entry INTEGER NOT NULL, "
    "PRIMARY KEY (alias, entry)) WITHOUT ROWID",
    "CREATE INDEX pointing_entry ON pointing (entry)",
    _WORDS,
    f"PRAGMA user_version = {VERSION}",
)


class State(Frozen):
    """What of a registry is in an index.

    Attributes:
        registry: its id.
        event: the key of the last event that is in it, and `event_id` its id.
        forgotten: the models that were removed from this registry only.
        refolded: the key of what was folded again last without a new event.
    """

    registry: str
    event: int
    event_id: str
    forgotten: frozenset[str]
    refolded: int


class Question(Frozen, kw_only=True):
    """What is searched for.

    Attributes:
        match: in FTS5's language, as `match_of` makes it.
        kinds: "model", "dataset" and "task", those that are wanted.
        project, name: exact; None for any.
        archived: archived ones too.
        ids: only these; None for any.
        limit: the most matches; None for all.
    """

    match: str
    kinds: tuple[str, ...]
    project: str | None = None
    name: str | None = None
    archived: bool = False
    ids: tuple[str, ...] | None = None
    limit: int | None = None


class Match(Frozen):
    """A model or task that matches.

    Attributes:
        score: the greater, the better; only of matches of one index.
        fields: the names of the fields with a word that was searched for, the best one first.
        snippet: the text around the first match in the best field, in parts: those with an odd
            place match.
    """

    id: str
    kind: str
    score: float
    stamp: int
    fields: tuple[str, ...]
    snippet: tuple[str, ...]


def match_of(words: Sequence[str]) -> str:
    """Return words of a user as an expression of FTS5, which can hold nothing else.

    All words must match, in any field. The last part of each may go on: "resn" finds "resnet50". A
    word with blanks or signs in it is a phrase: its parts must follow each other. Only "/" is as a
    blank between two words. Signs alone are left out.

    >>> match_of(["vision/resnet", "-", "learning rate", 'a"b'])
    '"vision" * AND "resnet" * AND "learning rate" * AND "a""b" *'
    """
    if len(words) > MOST_WORDS:
        raise InvalidValueError(
            f"search takes at most {MOST_WORDS} words, not {len(words):,}", argument="words"
        )
    parts = []
    for each in words:
        text = check_text("words", each, limit=LONGEST_WORD, nul=False)
        # Project and name are two fields, in which no phrase can be.
        pieces = [text.strip()] if len(text.split()) > 1 else text.split("/")
        parts += [separated(piece) for piece in pieces if any(map(_is_letter, piece))]
    if not parts:
        raise InvalidValueError(
            f"search needs a word: there is no letter or digit in {shown(' '.join(words))}",
            argument="words",
        )
    return " AND ".join('"{}" *'.format(part.replace('"', '""')) for part in parts)


def _is_letter(char: str) -> bool:
    """Return True if a character is part of a word for the tokenizer unicode61."""
    kind = unicodedata.category(char)
    return kind[0] in "LN" or kind == "Co"


def make(index: Connection) -> None:
    """Make the tables, in a transaction.

    Raises:
        sqlite3.OperationalError: this SQLite has no FTS5.
    """
    for sql in _TABLES:
        index.execute(sql)


def is_made(index: Connection) -> bool:
    """Return True if the tables are there as this version makes them, False if there is nothing.

    Raises:
        sqlite3.DatabaseError: there is something else.
    """
    version = index.execute("PRAGMA user_version").fetchone()[0]
    found = dict(
        index.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type IN ('trigger', 'view') "
            "OR (type = 'table' AND name NOT LIKE 'words^_%' ESCAPE '^')"
        ).fetchall()
    )
    if version == 0 and not found:
        return False
    wanted = {sql.split()[2]: sql for sql in _TABLES if sql.startswith("CREATE TABLE")}
    if version != VERSION or found != {**wanted, "words": _WORDS}:
        raise sqlite3.DatabaseError("these are not the tables of this version")
    return True


def state(index: Connection) -> State | None:
    """Return what is in the index; None if nothing is."""
    row = index.execute(
        "SELECT registry, event, event_id, forgotten, refolded FROM state"
    ).fetchone()
    if row is None:
        return None
    try:
        registry, event, event_id, forgotten, refolded = row
        return State(
            str(registry),
            int(event),
            str(event_id),
            frozenset(json.loads(forgotten)),
            int(refolded),
        )
    except (TypeError, ValueError) as error:
        raise sqlite3.DatabaseError(f"its state cannot be read: {error}") from error


def set_state(index: Connection, now: State) -> None:
    """Record what is in the index; in a write transaction."""
    index.execute("DELETE FROM state")
    index.execute(
        "INSERT INTO state VALUES (?, ?, ?, ?, ?)",
        (now.registry, now.event, now.event_id, json.dumps(sorted(now.forgotten)), now.refolded),
    )


def put(index: Connection, texts: Sequence[Texts]) -> None:
    """Record texts of models and tasks, instead of those that are there; in a write transaction.

    Their keys grow, so the order of the keys is about that of the last changes.
    """
    drop(index, [each.id for each in texts])
    first = index.execute("SELECT coalesce(max(pk), 0) + 1 FROM entry").fetchone()[0]
    index.executemany(
        "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (pk, each.id, each.kind, each.archived, each.project, each.name, each.stamp)
            for pk, each in enumerate(texts, first)
        ],
    )
    index.executemany(
        f"INSERT INTO words (rowid, {', '.join(FIELDS)}) VALUES (?{', ?' * len(FIELDS)})",
        [(pk, *each.fields) for pk, each in enumerate(texts, first)],
    )
    index.executemany(
        "INSERT OR IGNORE INTO pointing VALUES (?, ?)",
        [(alias, pk) for pk, each in enumerate(texts, first) for alias in each.aliases],
    )


def drop(index: Connection, ids: Iterable[str]) -> None:
    """Remove models and tasks; in a write transaction."""
    rows = index.execute(
        "SELECT pk FROM entry WHERE id IN (SELECT value FROM json_each(?))", (json.dumps([*ids]),)
    ).fetchall()
    for sql in (
        "DELETE FROM words WHERE rowid = ?",
        "DELETE FROM pointing WHERE entry = ?",
        "DELETE FROM entry WHERE pk = ?",
    ):
        index.executemany(sql, rows)


def pointed_to(index: Connection, aliases: Iterable[str]) -> list[str]:
    """Return the ids of the models that aliases point to, as the index has it."""
    rows = index.execute(
        "SELECT DISTINCT e.id FROM pointing x JOIN entry e ON e.pk = x.entry "
        "WHERE x.alias IN (SELECT value FROM json_each(?))",
        (json.dumps([*aliases]),),
    )
    return [str(id_) for (id_,) in rows]


def matches(index: Connection, question: Question) -> list[Match]:
    """Return what matches, the best first, and of equal matches the one that changed last.

    Of more than `MANY` matches, those that changed last in the best fields are ranked.
    """
    where, parameters = _filters(question)
    among = _candidates(index, question, where, parameters)
    rank = f"-bm25(words, {', '.join(map(str, WEIGHTS))})"
    sql = (
        f"SELECT e.pk, e.id, e.kind, e.stamp, {rank} AS score "
        f"FROM words JOIN entry e ON e.pk = words.rowid WHERE words MATCH ? AND {where} "
    )
    given = [question.match, *parameters]
    if among is not None:  # with "+": else FTS5 would begin again for each of them
        sql += "AND +words.rowid IN (SELECT value FROM json_each(?)) "
        given.append(json.dumps(among))
    sql += "ORDER BY score DESC, e.stamp DESC, e.id"
    if question.limit is not None:
        sql += " LIMIT ?"
        given.append(question.limit)
    rows = index.execute(sql, given).fetchall()
    places = _where(index, question.match, [row[0] for row in rows])
    for row in rows:
        try:
            _MATCHES.check(row)
        except DamagedRowError as error:
            raise sqlite3.DatabaseError(f"a row is damaged: {error}") from error
    return [Match(id_, kind, score, stamp, *places[pk])
            for pk, id_, kind, stamp, score in rows if pk in places]  # fmt: skip


def _filters(question: Question) -> tuple[str, list[object]]:
    where = ["e.kind IN (SELECT value FROM json_each(?))"]
    parameters: list[object] = [json.dumps(question.kinds)]
    for column, wanted in (("project", question.project), ("name", question.name)):
        if wanted is not None:
            where.append(f"e.{column} = ?")
            parameters.append(wanted)
    if not question.archived:
        where.append("e.archived = 0")
    if question.ids is not None:
        where.append("e.id IN (SELECT value FROM json_each(?))")
        parameters.append(json.dumps(question.ids))
    return " AND ".join(where), parameters


def _candidates(
    index: Connection, question: Question, where: str, parameters: Sequence[object]
) -> list[int] | None:
    """Return the keys of the matches to rank; None for all of them."""
    if question.limit is None or question.limit > MANY:
        return None
    count = index.execute("SELECT count(*) FROM words WHERE words MATCH ?", (question.match,))
    if count.fetchone()[0] <= MANY:
        return None
    found: dict[int, None] = {}
    for fields in _BEST:
        rows = index.execute(
            "SELECT words.rowid FROM words JOIN entry e ON e.pk = words.rowid "
            f"WHERE words MATCH ? AND {where} ORDER BY words.rowid DESC LIMIT ?",
            (f"{{{fields}}} : ({question.match})", *parameters, MANY),
        )
        found.update(dict.fromkeys(int(pk) for (pk,) in rows))
        if len(found) >= question.limit:
            break
    return list(found)


def _where(
    index: Connection, match: str, keys: Sequence[int]
) -> dict[int, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return for matches the fields with words, and the text around the first in the best one."""
    marked = (
        f"highlight(words, {place}, '{MATCH_BEGIN}', '{MATCH_END}')" for place in range(len(FIELDS))
    )
    rows = index.execute(
        f"SELECT rowid, {', '.join(marked)} FROM words WHERE words MATCH ? "
        "AND +rowid IN (SELECT value FROM json_each(?))",
        (match, json.dumps(keys)),
    )
    found = {}
    for pk, *texts in rows:
        places = [place for place, text in enumerate(texts) if MATCH_BEGIN in text]
        places.sort(key=lambda place: -WEIGHTS[place])
        around = _around(texts[places[0]]) if places else ()
        found[int(pk)] = (tuple(FIELDS[place] for place in places), around)
    return found


_BEFORE, _AFTER = 30, 90  # characters around the beginning of a match


def _around(text: str) -> tuple[str, ...]:
    """Return the line around the first match in parts, of which those with an odd place match."""
    at = text.index(MATCH_BEGIN)
    line = next((each for each in text[at:].splitlines() if each), "")
    first = max(text.rfind("\n", 0, at) + 1, 0)
    text, at = text[first : at + len(line)], at - first
    start, end = max(at - _BEFORE, 0), at + _AFTER
    piece = text[start:end]
    if piece.count(MATCH_BEGIN) > piece.count(MATCH_END):
        piece += MATCH_END
    parts = piece.replace(MATCH_END, MATCH_BEGIN).split(MATCH_BEGIN)
    parts[0] = f"…{parts[0]}" if start else parts[0].lstrip()
    parts[-1] += "…" if end < len(text) else ""
    return tuple(map(as_written, parts))
