"""The values of 10,000 models by `.records()`, beside a dump and beside handles.

Each model has three tags, five entries of metadata and a single value; the task that made it five
scalar series and ten parameters. "Raw" is `fetchall` of the same rows on `sqlite3`, table by table,
from which nothing is made. The handles are what one writes without `.records()`: five properties
and methods of each model, measured on every hundredth one.

Budget: `.records()` at most 5 times the dump, and a fifth of the handles' time.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.measure import Finding, Table, median, ratio, take_turns, timed
from benchmarks.raw_sqlite import DATABASE, connect
from localreg import Registry, Task
from localreg.api.models.model import FoundModels

SHARE = 100  # of the models a handle is asked for, one in so many
ROWS = (
    "SELECT m.id, p.name, m.name, m.version, m.comment, m.framework, m.package, m.published, "
    "m.archived, m.task, m.parent, m.created, m.updated FROM model m "
    "JOIN project p ON p.pk = m.project",
    "SELECT x.model, t.name FROM model_tag x JOIN tag t ON t.pk = x.tag",
    "SELECT m.pk, a.alias FROM alias a JOIN model m ON m.id = a.model",
    "SELECT model, url, digest, size FROM weights LEFT JOIN blob b ON b.pk = blob",
    "SELECT model, key, value, type FROM metadata",
    "SELECT model, name, value FROM single WHERE model IS NOT NULL",
    "SELECT task, title, name, last, low, high, points FROM series WHERE task IS NOT NULL",
    "SELECT task, section, name, value, type FROM parameter",
)


QUICK = ("--models", "1000", "--rounds", "2")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "registry")
        build(home, options.models)
        with (
            Registry(home) as registry,
            closing(connect(f"{home}/{DATABASE}", durable=True)) as raw,
        ):
            found = registry.models()
            some = FoundModels(found[::SHARE])
            taken = take_turns(
                {
                    "query": timed(registry.models),
                    "records": timed(found.records),
                    "flat": timed(found.to_records),
                    "dump": timed(lambda: [raw.execute(sql).fetchall() for sql in ROWS]),
                    "handles": timed(lambda: one_by_one(some)),
                },
                options.rounds,
            )
    handles = [each * SHARE for each in taken["handles"]]
    findings = [
        finding("records, beside a dump", taken["records"], taken["dump"], 5.0),
        finding("records, beside handles", taken["records"], handles, 0.2),
        finding("to_records, beside a dump", taken["flat"], taken["dump"], None),
        finding("query alone, beside a dump", taken["query"], taken["dump"], None),
    ]
    yield Table(f"The values of {options.models:,} models", findings)


def finding(what: str, ours: list[float], raw: list[float], budget: float | None) -> Finding:
    """Return a row of the table."""
    times = ratio(ours, raw)
    wanted = "" if budget is None else f"<= {budget}"
    met = None if budget is None else times <= budget
    return Finding(what, median(ours), median(raw), times, wanted, met)


def one_by_one(models: FoundModels) -> list[object]:
    """Return what `.records()` gives, by the properties and methods of each model."""
    return [
        (
            model.ref, model.tags, model.aliases, model.size, model.get_all_metadata_casted(),
            model.get_reported_single_values(), task.get_parameters(),
            task.get_last_scalar_metrics(),
        )
        for model in models
        for task in Task.get_tasks([model.original_task or ""])
    ]  # fmt: skip


def build(home: Path, models: int) -> None:
    """Make a registry with so many models: its tables, but no events, which nothing reads."""
    with Registry(home, durability="fast"):
        pass
    chance = random.Random(models)
    ids = [f"{chance.getrandbits(128):032x}" for _ in range(2 * models)]
    numbers = range(1, models + 1)
    rows: dict[str, list[tuple[object, ...]]] = {
        "tag VALUES (?, ?, 0)": [(each, f"tag-{each}") for each in (1, 2, 3)],
        "project VALUES (1, ?, 'vision', 1)": [("a" * 32,)],
        "task (pk, id, project, name, type, status, published, run, created, updated, stamp) "
        "VALUES (?, ?, 1, 'train', 'training', 'completed', 0, '{}', ?, ?, ?)": [
            (each, ids[each - 1], each, each, each) for each in numbers
        ],
        "model (pk, id, name, project, version, framework, package, published, contested, "
        "archived, task, created, updated, birth, stamp) "
        "VALUES (?, ?, ?, 1, 1, 'PyTorch', 0, 0, 0, 0, ?, ?, ?, ?, ?)": [
            (each, ids[-each], f"net-{each}", ids[each - 1], each, each, each, each)
            for each in numbers
        ],
        "model_tag VALUES (?, ?, ?, 1)": [
            (each, tag, each) for each in numbers for tag in (1, 2, 3)
        ],
        "metadata VALUES (?, ?, ?, 'float')": [
            (each, f"entry-{key}", str(chance.random())) for each in numbers for key in range(5)
        ],
        "single (model, name, value, at) VALUES (?, 'f1', ?, 1)": [
            (each, chance.random()) for each in numbers
        ],
        "series (task, title, name, epoch, points, last, low, high) "
        "VALUES (?, ?, 'train', 1, 100, ?, 0, 1)": [
            (each, f"metric-{key}", chance.random()) for each in numbers for key in range(5)
        ],
        "parameter VALUES (?, 'Args', ?, ?, 'float')": [
            (each, f"parameter-{key}", str(chance.random()))
            for each in numbers
            for key in range(10)
        ],
    }  # fmt: skip
    with closing(sqlite3.connect(home / DATABASE)) as connection, connection:
        for into, values in rows.items():
            connection.executemany(f"INSERT INTO {into}", values)
