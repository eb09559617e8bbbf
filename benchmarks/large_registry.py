"""Registries of any size with some of everything, for the benchmark `growth`.

What there is much of is written with SQL, as the calls would have left it: the rows of a model are
those that `raw_sqlite` writes, with their event. The rest is done by the API.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.raw_sqlite import DATABASE, METADATA, PROJECT, TAGS, Sample, payload_of
from benchmarks.register import into
from localreg import InputModel, OutputModel, Registry, Task
from localreg.store.rows import report_rows
from localreg.values.metadata import number_of
from localreg.values.records import Owner

BATCH = 20_000
CHANGED, REVISED, REPORTED = "changed", "revised", "reported"  # names of models with much of one
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is.

    Attributes:
        models: in all, beside three that have much of one thing.
        blobs: files of weights; the first models have them.
        points: of one series of the model `REPORTED`.
        events: changes of the model `CHANGED`.
        revisions: of the weights of the model `REVISED`.
        tasks: each with ten parameters and six series.
    """

    models: int
    blobs: int
    points: int
    events: int
    revisions: int
    tasks: int

    @classmethod
    def of(cls, models: int) -> Sizes:
        """Return the sizes that belong to a number of models.

        >>> Sizes.of(1_000_000)
        Sizes(models=1000000, blobs=200000, points=10000000, events=100000, revisions=10000, \
tasks=10000)
        """
        return cls(models, models // 5, models * 10, models // 10, models // 100, models // 100)


def build(home: Path, sizes: Sizes) -> None:
    """Make a registry of these sizes."""
    started = time.perf_counter()
    with Registry(home, durability="fast") as registry:
        into(registry)(Sample(0))  # which makes the project and the tags
    with _in_bulk(home / DATABASE) as connection:
        _write_models(connection, home, sizes)
    with Registry(home, durability="fast") as registry:
        _do(registry, sizes)
    taken = time.perf_counter() - started
    print(f"{sizes} written in {taken:.0f} s", file=sys.stderr)


@contextmanager
def _in_bulk(file: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection in a transaction; the indexes are made at its end, which is faster."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for index, _ in indexes:
            connection.execute(f"DROP INDEX {index}")
        yield connection
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")


def _write_models(connection: sqlite3.Connection, home: Path, sizes: Sizes) -> None:
    """Write models after the first one, as `RawWriter.register` does."""
    project, project_id = connection.execute(
        "SELECT pk, id FROM project WHERE name = ?", (PROJECT,)
    ).fetchone()
    tags = [
        connection.execute("SELECT pk FROM tag WHERE name = ?", (tag,)).fetchone()[0]
        for tag in TAGS
    ]
    key, origin, seq, lamport, stamp, actor = connection.execute(
        "SELECT pk, origin, seq, lamport, stamp, actor FROM event ORDER BY pk DESC LIMIT 1"
    ).fetchone()
    (first,) = connection.execute("SELECT max(pk) FROM model").fetchone()
    metadata = {name: [str(value), type(value).__name__] for name, value in METADATA.items()}
    for start in range(1, sizes.models, BATCH):
        rows: dict[str, list[Row]] = {name: [] for name in _INSERTS}
        for number in range(start, min(start + BATCH, sizes.models)):
            sample, model, at = Sample(number), first + number, stamp + number
            model_id, version = os.urandom(16).hex(), number % 10 + 1
            url: str | None = sample.url
            filename = sample.url.rpartition("/")[2]
            blob = digest = size = None
            if number <= sizes.blobs:
                blob, url = number, None
                digest, size, changed = _write_blob(home, number)
                rows["blob"].append((blob, digest, size, at, at, changed))
            known = None if digest is None or size is None else (digest, size)
            payload = payload_of(sample, project_id, model_id, version, at, known)
            event = key + number
            rows["event"].append((event, model_id, origin, seq + number, event, lamport + number,
                                  at, at, actor, model_id, payload))  # fmt: skip
            rows["claim"].append((project, sample.name, version, model_id, model_id))
            rows["model"].append((model, model_id, sample.name, project, version, at, at, at, at))
            rows["model_tag"].extend((model, tag, at) for tag in tags)
            rows["metadata"].extend(
                (model, name, *entry, number_of(entry[0])) for name, entry in metadata.items()
            )
            rows["weights"].append((model, model_id, url, blob, filename, int(url is None), at))
        for name, sql in _INSERTS.items():
            connection.executemany(sql, rows[name])


def _write_blob(home: Path, number: int) -> tuple[str, int, int]:
    """Write a file of weights; return its digest, its size, and when it was changed."""
    data = b"weights %012d" % number
    digest = hashlib.sha256(data).hexdigest()
    folder = f"{home}/blobs/sha256/{digest[:2]}"
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103  (200,000 times)
    descriptor = os.open(f"{folder}/{digest[2:]}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    try:
        os.write(descriptor, data)
        return digest, len(data), os.fstat(descriptor).st_ctime_ns
    finally:
        os.close(descriptor)


_INSERTS = {
    "blob": "INSERT INTO blob (pk, digest, size, added, verified, ctime) VALUES (?, ?, ?, ?, ?, ?)",
    "event": "INSERT INTO event (pk, event_id, origin, seq, grp, lamport, stamp, at, actor, kind, "
    "v, subject, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'model.created', 1, ?, ?)",
    "claim": "INSERT INTO claim VALUES (?, ?, ?, ?, 0, ?)",
    "model": "INSERT INTO model (pk, id, name, project, version, framework, package, published, "
    "contested, archived, created, updated, birth, stamp) "
    "VALUES (?, ?, ?, ?, ?, 'PyTorch', 0, 0, 0, 0, ?, ?, ?, ?)",
    "model_tag": "INSERT INTO model_tag VALUES (?, ?, ?, 1)",
    "metadata": "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
    "weights": "INSERT INTO weights (model, id, revision, url, blob, filename, kept, uploaded, "
    "current, package, tree, at) VALUES (?, ?, 1, ?, ?, ?, ?, 0, 1, 0, 0, ?)",
}


def _do(registry: Registry, sizes: Sizes) -> None:
    """Make what has much of one thing, and tasks."""
    changed = InputModel.import_model("s3://bucket/changed.pt", name=CHANGED, project=PROJECT)
    for number in range(sizes.events):
        changed.comment = f"change {number}"
    task = Task.create(PROJECT, "revising")
    revised = OutputModel(task, name=REVISED)
    for number in range(sizes.revisions):
        revised.update_weights(register_uri=f"s3://bucket/{number}/net.pt")
    reported = InputModel.import_model("s3://bucket/reported.pt", name=REPORTED, project=PROJECT)
    store = registry._chain.first.store
    for start in range(0, sizes.points, BATCH):
        with store.write() as change:
            pk = report_rows.owner_pk(change.connection, Owner("model", reported.id))
            assert pk is not None
            points = [(step, step % 977 / 977, step)
                      for step in range(start, min(start + BATCH, sizes.points))]  # fmt: skip
            report_rows.add_points(change.connection, "model", pk, "loss", "train", points)
    for number in range(sizes.tasks):
        each = Task.create(PROJECT, f"training {number}")
        each.set_parameters({f"General/p{name}": number * name for name in range(10)})
        logger = each.get_logger()
        for series in range(6):
            logger.report_scalar("metric", f"s{series}", number / 7 + series, 0)
        each.flush()
