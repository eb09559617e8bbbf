"""Full-text search over 100,000 models, beside SQLite's own ways.

- Answers: `Registry.search` of an index that is there, beside ``LIKE`` over a table with the same
  texts. Budget: at most 0.5 of LIKE, or 1 for a word that every model has.
- The first search, which makes the index: beside an INSERT of the same texts, which are in memory
  already, into a bare FTS5 table in one transaction. Budget: at most 5 times that.
- A search after one change, beside one without a change: at most 100 ms.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.measure import Finding, Table, median, ratio, take_turns, timed
from benchmarks.query import build
from localreg import Registry
from localreg.store.rows import search_texts
from localreg.store.rows.search_texts import FIELDS
from localreg.values.layout import SEARCH

LIMIT = 20
COMMON = "stage"
WORDS = ("detector-004999", "run-000500", "detector 0042", COMMON, "nothingatall")


QUICK = ("--models", "1000", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="where the registry is found and left")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        home = options.keep or Path(folder) / "registry"
        if not home.exists():
            build(home, options.models)
        with Registry(home) as registry:
            findings = [making(registry, Path(folder), options.rounds)]
            findings += answering(registry, Path(folder), options.rounds)
            findings.append(after_a_change(registry))
    yield Table(f"Search over {options.models:,} models, at most {LIMIT} hits", findings)


def texts_of(registry: Registry) -> list[tuple[str, ...]]:
    """Return the texts of all models."""
    with registry._chain.first.store.read() as connection:
        return [each.fields for each in search_texts.texts_from(connection, 0, 2**40)[1]]


def making(registry: Registry, folder: Path, rounds: int) -> Finding:
    """Return how the first search compares with an INSERT of its texts."""
    texts = texts_of(registry)

    def ours() -> float:
        (registry.path / SEARCH).unlink(missing_ok=True)
        started = time.perf_counter()
        registry.search("nothingatall")
        return time.perf_counter() - started

    def raw() -> float:
        path = folder / "bare.db"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -64000")
            connection.execute(f"CREATE VIRTUAL TABLE words USING fts5({', '.join(FIELDS)})")
            started = time.perf_counter()
            connection.execute("BEGIN")
            marks = ", ".join("?" * len(FIELDS))
            connection.executemany(f"INSERT INTO words VALUES ({marks})", texts)
            connection.execute("COMMIT")
            return time.perf_counter() - started

    taken = take_turns({"ours": ours, "raw": raw}, max(2, rounds // 2))
    times = ratio(taken["ours"], taken["raw"])
    return Finding(
        "the first search, which makes the index", median(taken["ours"]), median(taken["raw"]),
        times, "<= 5", times <= 5,
    )  # fmt: skip


def answering(registry: Registry, folder: Path, rounds: int) -> list[Finding]:
    """Return how searches compare with LIKE over the same texts."""
    path = folder / "texts.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        columns = ", ".join(f"{each} TEXT" for each in FIELDS)
        connection.execute(f"CREATE TABLE words ({columns})")
        connection.execute("BEGIN")
        marks = ", ".join("?" * len(FIELDS))
        connection.executemany(f"INSERT INTO words VALUES ({marks})", texts_of(registry))
        connection.execute("COMMIT")
        findings = []
        for words in WORDS:

            def raw(words: str = words) -> list[object]:
                either = " OR ".join(f"{each} LIKE ?" for each in FIELDS)
                where = " AND ".join(f"({either})" for _ in words.split())
                given = [f"%{word}%" for word in words.split() for _ in FIELDS]
                # Those with the first word in the name come first.
                sql = (
                    f"SELECT rowid FROM words WHERE {where} ORDER BY name LIKE ? DESC, rowid DESC "
                    f"LIMIT {LIMIT}"
                )
                return connection.execute(sql, [*given, f"%{words.split()[0]}%"]).fetchall()

            def ours(words: str = words) -> list[object]:
                return list(registry.search(words, limit=LIMIT))

            taken = take_turns({"ours": timed(ours), "raw": timed(raw)}, rounds)
            times = ratio(taken["ours"], taken["raw"])
            most = 1 if words == COMMON else 0.5
            findings.append(
                Finding(
                    f"{words!r}: {len(ours())} hits",
                    median(taken["ours"]),
                    median(taken["raw"]),
                    times,
                    f"<= {most}",
                    times <= most,
                )
            )
    return findings


def after_a_change(registry: Registry) -> Finding:
    """Return how long a search takes after one change."""
    model = registry.models(limit=1)[0]
    spent = []
    for number in range(5):
        model.comment = f"changed{number}"
        started = time.perf_counter()
        assert len(registry.search(f"changed{number}")) == 1
        spent.append(time.perf_counter() - started)
    least = statistics.median(spent)
    return Finding("after one change", median(spent), budget="<= 100 ms", met=least <= 0.1)
