"""Queries over a registry of 10,000 and of 1,000,000 models.

Each shape runs beside the best SQL that can be written by hand for it: several candidates take
their turns, and the quickest is the raw one. Both answer with the ids of at most 20 models, the
one updated last first, on a connection that is warm.

Budgets: 1.5 of raw or 15 µs more, whichever is larger, by name, by key=value, by tags of which one
is required, and for the newest, which are as fast with 1,000,000 models as with 10,000; 0.5 s when
nothing is found. The other shapes are reported.

The registry is written with SQL in one transaction: state as the events would have left it, but
no events, since queries do not read them. That takes a minute or two for 1,000,000 models;
``--keep DIR`` leaves the registries there for the next run (delete them when the schema changes).
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import (
    Finding,
    Rounds,
    Table,
    difference,
    median,
    ratio,
    take_turns,
    timed,
)
from benchmarks.peers import Program, running
from benchmarks.raw_sqlite import DATABASE, connect
from localreg import InputModel, Registry
from localreg.operations.finding import queries
from localreg.values.metadata import number_of

LIMIT = 20
COMMON = "common AND common NOT common"
NEWEST = "newest 20"
ROWS = ("by name", COMMON, "rare AND common", "key=value, rare", NEWEST)  # of the table of speed
FLAT = 1.3
HOPELESS = 3  # a candidate that takes so many times the quickest one's time gets no turns
NAMES = 10  # models of a name
PROJECTS = 100
RARE = 5  # models that the rare tag, and each rare metadata value, have
# Tags and the share of the models that carry them; beside these "rare" and, disjoint, the halves.
SHARES = {
    "verified": 0.5, "production": 0.3, "quantised": 0.2, "nightly": 0.1, "baseline": 0.05,
    "edge": 0.02, "audited": 0.02, "frozen": 0.02,
}  # fmt: skip

# Shapes that MLflow has too; its store is a tenth as large, written with SQL as well.
_MLFLOW = """
import sqlite3
from mlflow import MlflowClient
client = MlflowClient("sqlite:///store.db")
tags = ["verified", "production", "quantised"]
client.create_registered_model("detector-000000", tags={tag: "1" for tag in tags})
with sqlite3.connect("store.db") as connection:
    connection.row_factory = sqlite3.Row
    for table in ("registered_models", "registered_model_tags"):
        rows = []
        (first, *_) = map(dict, connection.execute(f"SELECT * FROM {table}"))
        for number in range(1, 100_000):
            row = first | {"name": f"detector-{number:06}"}
            if table == "registered_models":
                rows.append(row | {"last_updated_time": first["last_updated_time"] + number})
            else:
                keys = [(tag, "1") for shift, tag in enumerate(tags) if number % (2 + shift) == 0]
                rows += [row | {"key": key, "value": value}
                         for key, value in [*keys, ("run", str(number // 5))]]
        names = ", ".join(first)
        marks = ", ".join(f":{name}" for name in first)
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
def call(folder):
    started = clock()
    client.search_registered_models(
        arguments[0], max_results=20, order_by=["last_updated_timestamp DESC"]
    )
    return clock() - started
"""
MLFLOW = "mlflow (100,000 models)"
FILTERS = {
    "by name": "name = 'detector-050000'",
    COMMON: "tags.verified = '1' AND tags.production = '1'",  # it has no NOT
    "key=value, rare": "tags.run = '7000'",
    NEWEST: "",
}


Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of query.

    Attributes:
        what: in words.
        kind: which budget holds: "index", "empty" or "reported".
        raw: candidates for the best SQL, each with its parameters.
        name, tags, metadata: the filters.
    """

    what: str
    kind: str
    raw: tuple[Statement, ...]
    name: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, object] | None = None


QUICK = ("--models", "1000", "10000", "--rounds", "2")
SPEED = ("--models", "1000000", "--rounds", "7")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--models", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", type=Path, help="where registries are found and left")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = options.keep or Path(folder)
        homes = {models: place / f"{models}-models" for models in sorted(options.models)}
        for models, home in homes.items():
            if not home.exists():
                build(home, models)
            yield from compare(home, models, options.rounds, largest=models == max(homes))
        if len(homes) > 1:
            yield Table("The newest 20 as the registry grows", [growth(homes, options.rounds)])


def growth(homes: dict[int, Path], rounds: int) -> Finding:
    """Return how the newest of the largest registry compare with those of the smallest."""
    few, many = min(homes), max(homes)
    shape = Shape(NEWEST, "index", ())
    with Registry(homes[few]) as small, Registry(homes[many]) as large:
        taken = take_turns(
            {
                "few": timed(lambda: find(shape, small), 100),
                "many": timed(lambda: find(shape, large), 100),
            },
            rounds,
        )
    times = ratio(taken["many"], taken["few"])
    told = f"{median(taken['few'])} -> {median(taken['many'])}"
    return Finding(
        f"{few:,} -> {many:,} models", told, ratio=times, budget=f"<= {FLAT}", met=times <= FLAT
    )


def compare(home: Path, models: int, rounds: int, *, largest: bool) -> Iterator[Table]:
    """Measure every shape, and print the table."""
    findings = []
    with Registry(home) as registry, closing(connect(f"{home}/{DATABASE}", durable=True)) as raw:
        for shape in shapes(models):
            check_same(shape, registry, raw)
            program = {MLFLOW: Program("mlflow", _MLFLOW)} if shape.what in FILTERS else {}
            with running(program if largest else {}, FILTERS.get(shape.what)) as others:
                taken = take_turns(cases(shape, registry, raw) | others, rounds)
            findings.append(finding(shape, taken, largest=largest))
    yield Table(
        f"Queries over {models:,} models, at most {LIMIT} ids; (…): InputModel.query_models",
        findings,
    )


def cases(
    shape: Shape, registry: Registry, raw: sqlite3.Connection
) -> dict[str, Callable[[], float]]:
    """Return what takes turns: localreg's operation, its public method, and the candidates."""

    def ours() -> object:
        return find(shape, registry)

    def public() -> object:
        return InputModel.query_models(
            model_name=shape.name, tags=shape.tags, metadata=shape.metadata, max_results=LIMIT
        )

    # A quick query is timed in bundles, longer than the clock and the scheduler can blur.
    calls = max(1, min(100, int(0.005 / timed(ours)())))
    found = {"ours": timed(ours, calls), "public": timed(public, calls)}
    works = [by_hand(raw, sql, parameters) for sql, parameters in shape.raw]
    once = [min(timed(work)(), timed(work)()) for work in works]
    for number, work in enumerate(works):
        if once[number] <= HOPELESS * min(once):
            found[f"raw {number}"] = timed(work, calls)
    return found


def by_hand(
    raw: sqlite3.Connection, sql: str, parameters: tuple[object, ...]
) -> Callable[[], list[str]]:
    """Return what runs a statement written by hand."""

    def run() -> list[str]:
        return [model_id for (model_id,) in raw.execute(sql, parameters)]

    return run


def find(shape: Shape, registry: Registry) -> list[str]:
    """Return what localreg finds."""
    query = queries.check_query(
        name=shape.name, tags=shape.tags, metadata=shape.metadata, limit=LIMIT
    )
    return queries.find_models(registry._chain.first, query)


def check_same(shape: Shape, registry: Registry, raw: sqlite3.Connection) -> None:
    """Check that what is compared gives the same answer.

    Raises:
        SystemExit: it does not.
    """
    wanted = find(shape, registry)
    for sql, parameters in shape.raw:
        if by_hand(raw, sql, parameters)() != wanted:
            raise SystemExit(f"{shape.what}: not the same answer from\n{sql}")


def finding(shape: Shape, taken: Rounds, *, largest: bool) -> Finding:
    """Return how a shape fared against the quickest of its candidates."""
    ours = taken["ours"]
    raw = min((taken[name] for name in taken if name.startswith("raw")), key=statistics.median)
    times, spent, beyond = ratio(ours, raw), statistics.median(ours), difference(ours, raw)
    budget, met = {
        "index": ("<= 1.5 or +15 µs", times <= 1.5 or beyond <= 15e-6),
        "empty": ("<= 0.5 s", spent <= 0.5),
        "reported": ("", None),
    }[shape.kind]
    told = f"{median(ours)} ({median(taken['public'])})"
    row = f"ids: {shape.what}" if largest and shape.what in ROWS else ""
    others = {MLFLOW: ratio(taken[MLFLOW], raw)} if MLFLOW in taken else {}
    return Finding(shape.what, told, median(raw), times, budget, met, others, row)


def shapes(models: int) -> Iterator[Shape]:
    """Yield every shape, with the statements that one would write by hand for it."""
    name, run = f"detector-{models // NAMES // 2:06}", f"run-{models // RARE // 2:06}"
    by_name = "SELECT id FROM model WHERE name = ? AND archived = 0 ORDER BY stamp DESC LIMIT 20"
    yield Shape("by name", "index", ((by_name, (name,)),), name=name)
    for what, key, value in (("rare", "run", run), ("common", "stage", "0")):
        raw = tuple(by_metadata(key, value))
        yield Shape(f"key=value, {what}", "index", raw, metadata={key: value})
    newest = "SELECT id FROM model WHERE archived = 0 ORDER BY stamp DESC LIMIT 20"
    yield Shape(NEWEST, "index", ((newest, ()),))
    yield _tags("one common tag", ["verified"], [], "index")
    yield _tags(COMMON, ["verified", "production"], ["quantised"], "index")
    yield _tags("rare AND common", ["verified", "rare"], [], "index")
    yield _tags("three 2 % tags", ["edge", "audited", "frozen"], [], "index")
    yield _tags("two disjoint halves (empty)", ["even", "odd"], [], "empty")
    yield _tags("a half NOT low NOT high (empty)", ["even"], ["low", "high"], "empty")
    yield _tags("NOT common", [], ["verified"], "reported")
    yield _tags("NOT one half, NOT the other (empty)", [], ["even", "odd"], "reported")


def by_metadata(key: str, value: str) -> Iterator[Statement]:
    """Yield both ways to look for a metadata entry: from it, and along the newest models."""
    yield (
        "SELECT m.id FROM metadata d INDEXED BY metadata_value "
        "CROSS JOIN model m ON m.pk = d.model "
        "WHERE d.key = ? AND d.value = ? AND m.archived = 0 ORDER BY m.stamp DESC LIMIT 20",
        (key, value),
    )
    yield (
        "SELECT m.id FROM model m INDEXED BY model_newest_active WHERE m.archived = 0 "
        "AND EXISTS (SELECT 1 FROM metadata WHERE model = m.pk AND key = ? AND value = ?) "
        "ORDER BY m.stamp DESC LIMIT 20",
        (key, value),
    )


def _tags(what: str, required: list[str], excluded: list[str], kind: str) -> Shape:
    tags = [*(["__$all", *required] if required else []), *(f"-{tag}" for tag in excluded)]
    return Shape(what, kind, tuple(by_tags(required, excluded)), tags=tuple(tags))


_TAG = "(SELECT pk FROM tag WHERE name = ? AND system = 0)"
_MEMBERS = f"SELECT model FROM model_tag WHERE tag = {_TAG}"
# Two ways to ask whether a model has a tag. `stamp` is unique, so it names a model as well; the
# entries of a tag lie in its order, so that such probes walk along with what drives them.
_BY_MODEL = f"EXISTS (SELECT 1 FROM model_tag x WHERE x.model = {{0}}.{{1}} AND x.tag = {_TAG})"
_BY_TIME = (
    "EXISTS (SELECT 1 FROM model_tag x INDEXED BY model_tag_newest "
    f"WHERE x.stamp = {{0}}.stamp AND x.tag = {_TAG})"
)


def by_tags(required: list[str], excluded: list[str]) -> Iterator[Statement]:
    """Yield the ways to look for tags.

    Along the newest models of one required tag (each in turn) or of all, with a probe of either
    kind for every other tag; or by sets of keys, which are sorted in the end.
    """
    along_a_tag = "model_tag d INDEXED BY model_tag_newest CROSS JOIN model m ON m.pk = d.model"
    drivers = [(along_a_tag, f"d.tag = {_TAG}", ("d", "model"), [first]) for first in required] or [
        ("model m INDEXED BY model_newest_active", "1", ("m", "pk"), [])
    ]
    for source, condition, (driver, key), first in drivers:
        others = [tag for tag in required if tag not in first]
        for probe in (_BY_MODEL, _BY_TIME):
            has = probe.format(driver, key)
            where = [condition, "m.archived = 0"]
            where += [has] * len(others) + [f"NOT {has}"] * len(excluded)
            yield (
                f"SELECT m.id FROM {source} WHERE {' AND '.join(where)} "
                f"ORDER BY {driver}.stamp DESC LIMIT 20",
                (*first, *others, *excluded),
            )
    if len(required) + len(excluded) > 1:
        everything = "SELECT pk AS model FROM model WHERE archived = 0"
        sets = " INTERSECT ".join([_MEMBERS] * len(required) or [everything])
        sets += "".join(f" EXCEPT {_MEMBERS}" for _ in excluded)
        yield (
            f"SELECT m.id FROM ({sets}) d CROSS JOIN model m ON m.pk = d.model "
            "WHERE m.archived = 0 ORDER BY m.stamp DESC LIMIT 20",
            (*required, *excluded),
        )


def build(home: Path, models: int) -> None:
    """Make a registry with so many models: one in a hundred archived, one in ten changed later."""
    started = time.perf_counter()
    with Registry(home, durability="fast"):
        pass
    chance = random.Random(models)
    with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN")
        # Indexes are quicker to make in the end than to keep in order.
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}")
        _fill(connection, models, chance)
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
    taken = time.perf_counter() - started
    print(f"{models:,} models written in {taken:.0f} s", file=sys.stderr)


def _fill(connection: sqlite3.Connection, models: int, chance: random.Random) -> None:
    tags = [*SHARES, "rare", "even", "odd", "low", "high"]
    connection.executemany("INSERT INTO tag VALUES (?, ?, 0)", enumerate(tags, 1))
    connection.executemany(
        "INSERT INTO project VALUES (?, ?, ?, 1)",
        [(pk, f"{pk:032x}", f"project-{pk}") for pk in range(1, PROJECTS + 1)],
    )
    stamps = list(range(1, models + 1))
    moved = chance.sample(range(models), models // 10)
    late = iter(range(models + 1, models + 1 + len(moved)))
    for index in moved:
        stamps[index] = next(late)
    connection.executemany(
        "INSERT INTO model (pk, id, name, project, version, framework, package, published, "
        "contested, archived, created, updated, birth, stamp) "
        "VALUES (?, ?, ?, ?, ?, 'PyTorch', 0, 0, 0, ?, ?, ?, ?, ?)",
        (
            (pk, f"{chance.getrandbits(128):032x}", f"detector-{pk // NAMES:06}",
             pk // NAMES % PROJECTS + 1, pk % NAMES + 1, pk % 100 == 0, pk,
             stamps[pk - 1], pk, stamps[pk - 1])
            for pk in range(1, models + 1)
        ),
    )  # fmt: skip
    rare = frozenset(chance.sample(range(1, models + 1), RARE))
    connection.executemany(
        "INSERT INTO model_tag VALUES (?, ?, ?, 1)",
        (
            (pk, tag, stamps[pk - 1])
            for pk in range(1, models + 1)
            for tag in sorted(_tags_of(pk, models, pk in rare, chance))
        ),
    )
    connection.executemany(
        "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
        (
            (pk, key, value, kind, number_of(value))
            for pk in range(1, models + 1)
            for key, value, kind in (
                ("accuracy", f"{chance.random():.4f}", "float"),
                ("run", f"run-{pk // RARE:06}", "str"),
                ("stage", str(pk % 2), "int"),
            )
        ),
    )


def _tags_of(pk: int, models: int, rare: bool, chance: random.Random) -> Iterator[int]:
    """Yield the keys of a model's tags, in the order in which they were made."""
    for key, share in enumerate(SHARES.values(), 1):
        if chance.random() < share:
            yield key
    first = len(SHARES) + 1
    if rare:
        yield first
    yield first + (1 if pk % 2 == 0 else 2)
    yield first + (3 if pk <= models // 2 else 4)
