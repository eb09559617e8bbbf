"""The values of 10,000 models by `.records()`, beside a dump and beside handles.

Each model has three tags, five entries of metadata and a single value; the task that made it five
scalar series and ten parameters. "Raw" is `fetchall` of the same rows on `sqlite3`, table by table,
from which nothing is made. The handles are what one writes without `.records()`: five properties
and methods of each model, measured on every hundredth one.

Budget: `.records()` at most 5 times the dump, and a fifth of the handles' time. Of the newest 100
and 20 models, with the query, at most twice the same by hand.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Case, Finding, Table, median, ratio, take_turns, timed
from benchmarks.peers import Program, running
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
# The newest models by hand: one statement for each part of what they have.
FIELDS = (
    "pk", "id", "project", "name", "version", "comment", "framework", "package", "published",
    "archived", "task", "parent", "created", "updated",
)  # fmt: skip
NEWEST = (
    "SELECT m.pk, m.id, p.name, m.name, m.version, m.comment, m.framework, m.package, m.published, "
    "m.archived, m.task, m.parent, m.created, m.updated FROM model m "
    "JOIN project p ON p.pk = m.project WHERE m.archived = 0 ORDER BY m.stamp DESC LIMIT ?"
)
_OF_TASK = "FROM model m JOIN task t ON t.id = m.task JOIN {} x ON x.task = t.pk WHERE m.pk"
PARTS = {
    "tags": "SELECT x.model, t.name FROM model_tag x JOIN tag t ON t.pk = x.tag WHERE x.model",
    "aliases": "SELECT m.pk, a.alias FROM model m JOIN alias a ON a.model = m.id WHERE m.pk",
    "weights": "SELECT w.model, w.url, b.digest, b.size FROM weights w "
    "LEFT JOIN blob b ON b.pk = w.blob WHERE w.model",
    "metadata": "SELECT model, key, value, type FROM metadata WHERE model",
    "singles": "SELECT model, name, value FROM single WHERE model",
    "series": "SELECT m.pk, x.title || '/' || x.name, x.last, x.low, x.high, x.points "
    + _OF_TASK.format("series"),
    "parameters": "SELECT m.pk, x.section || '/' || x.name, x.value, x.type "
    + _OF_TASK.format("parameter"),
}
_MLFLOW = """
from mlflow import MlflowClient
client = MlflowClient("sqlite:///store.db")
tags = {f"tag-{number}": str(number) for number in range(8)}
for number in range(200):
    client.create_registered_model(f"net-{number}", tags=tags)
    client.create_model_version(f"net-{number}", f"s3://bucket/{number}.pt")
def call(folder):
    started = clock()
    found = client.search_registered_models(
        max_results=MANY, order_by=["last_updated_timestamp DESC"]
    )
    assert len([each.tags for each in found]) == MANY
    return clock() - started
"""


QUICK = ("--models", "1000", "--rounds", "2")
SPEED = ("--rounds", "7")


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
            yield _all(registry, raw, options.models, options.rounds)
            found = [_newest(registry, raw, many, options.rounds) for many in (100, 20)]
            yield Table("The newest models: found, and their values read", found)


def _all(registry: Registry, raw: sqlite3.Connection, models: int, rounds: int) -> Table:
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
        rounds,
    )
    handles = [each * SHARE for each in taken["handles"]]
    findings = [
        finding("records, beside a dump", taken["records"], taken["dump"], 5.0),
        finding("records, beside handles", taken["records"], handles, 0.2),
        finding("to_records, beside a dump", taken["flat"], taken["dump"], None),
        finding("query alone, beside a dump", taken["query"], taken["dump"], None),
    ]
    return Table(f"The values of {models:,} models", findings)


def _newest(registry: Registry, raw: sqlite3.Connection, many: int, rounds: int) -> Finding:
    """Return how finding and reading the newest models compares with the same by hand."""
    wanted = [(each["id"], len(each["metadata"])) for each in by_hand(raw, many)]
    found = registry.models(limit=many).records()
    if [(each.id, len(each.metadata)) for each in found] != wanted:
        raise SystemExit("not the same models by hand")
    cases: dict[str, Case] = {
        "localreg": timed(lambda: registry.models(limit=many).records(), 10),
        "raw": timed(lambda: by_hand(raw, many), 10),
    }
    programs = {"mlflow": Program("mlflow", _MLFLOW.replace("MANY", str(many)))}
    with running(programs) as others:
        taken = take_turns(cases | others, rounds)
    what = f"the newest {many} models whole"
    row = finding(what, taken["localreg"], taken["raw"], 2.0)
    return replace(row, peers={name: ratio(taken[name], taken["raw"]) for name in others}, row=what)


def by_hand(raw: sqlite3.Connection, many: int) -> list[dict[str, Any]]:
    """Return the newest models, each as a dict with what `.records()` has."""
    models = {row[0]: dict(zip(FIELDS, row, strict=True)) for row in raw.execute(NEWEST, (many,))}
    keys = ",".join(map(str, models))
    for part, sql in PARTS.items():
        for each in models.values():
            each[part] = {}
        for pk, name, *values in raw.execute(f"{sql} IN ({keys})"):
            models[pk][part][name] = values
    return list(models.values())


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
        "metadata (model, key, value, type, number) VALUES (?, ?, ?, 'float', ?)": [
            (each, f"entry-{key}", str(value), value)
            for each in numbers
            for key in range(5)
            for value in (chance.random(),)
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
