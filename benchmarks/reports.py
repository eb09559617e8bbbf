"""Scalars a second, bytes a point, carrying them; a page beside Plotly's own.

Scalars stand beside `executemany` of the same rows into the same table at the same durability, in
batches of 1,000, and beside other programs. Ten times as many are read as they
travel, beside the bare SELECT, and joined with an empty registry, beside `executemany`. The page
has 18 lines of 1,000 points, one of 1,000,000 and a heatmap of 1,000 × 1,000; beside it stand the
same figures in one page by `plotly.io.to_html`, as numpy arrays. Where there is a Chromium, it is
timed until what is on the screen is drawn: in ours the plots that are visible, in theirs all of
them, which are drawn without a pause.

    python -m benchmarks reports [--rounds N] [--points N]
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio

from benchmarks.measure import (
    Case,
    Finding,
    Table,
    in_fresh_folder,
    median,
    ratio,
    take_turns,
    timed,
)
from benchmarks.peers import Program, running
from localreg import InputModel, Registry
from localreg.store.rows import report_rows, report_transfer
from localreg.utilities.plotly_reporter import SeriesInfo
from localreg.values.records import Owner

LONG, SIDE = 1_000_000, 1_000
CALLS = 5_000  # as many as wait without being written in between
_TABLE = (
    "CREATE TABLE scalar (series INTEGER NOT NULL, iteration INTEGER NOT NULL, value REAL, "
    "ms INTEGER NOT NULL, PRIMARY KEY (series, iteration)) WITHOUT ROWID"
)
SCALARS = 0.8
# The same by other programs; those that take long report a tenth, and their time is ten times that.
OTHERS = {
    "tensorboardX": Program(
        "tensorboardX",
        """
from tensorboardX import SummaryWriter
def call(folder):
    writer = SummaryWriter(folder)
    started = clock()
    for step in range(int(arguments[0])):
        writer.add_scalar("loss/train", step * 0.5, step)
    writer.close()
    return clock() - started
""",
    ),
    "mlflow": Program(
        "mlflow",
        """
from mlflow import MlflowClient
from mlflow.entities import Metric
def call(folder):
    client = MlflowClient(f"sqlite:///{folder}/store.db")
    run = client.create_run("0").info.run_id
    points = range(int(arguments[0]) // 10)
    metrics = [Metric("loss", step * 0.5, step, step) for step in points]
    started = clock()
    for first in range(0, len(metrics), 1_000):
        client.log_batch(run, metrics[first : first + 1_000])
    return 10 * (clock() - started)
""",
    ),
    "wandb": Program(
        "wandb",
        """
import wandb
def call(folder):
    run = wandb.init(project="p", dir=folder)
    started = clock()
    for step in range(int(arguments[0]) // 10):
        run.log({"loss": step * 0.5}, step=step)
    run.finish()
    return 10 * (clock() - started)
""",
    ),
}


QUICK = ("--rounds", "1", "--points", "2000")
SPEED = ("--rounds", "3")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--points", type=int, default=100_000)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _scalars(Path(folder), options.rounds, options.points)
        yield from _carried(Path(folder), options.rounds, 10 * options.points)
        yield from _pages(Path(folder), options.rounds)


# scalars -----------------------------------------------------------------------------------


def _scalars(place: Path, rounds: int, points: int) -> Iterator[Table]:
    cases: dict[str, Case] = {
        "localreg": in_fresh_folder(place, lambda folder: _reported(folder, points)),
        "executemany": in_fresh_folder(place, lambda folder: _executed(folder, points)),
    }
    with running(OTHERS, points) as others:
        taken = take_turns(cases | others, rounds)
    raw = taken["executemany"]
    shares = {name: ratio(raw, times) for name, times in taken.items()}
    findings = [
        Finding(
            f"{name}: {points / statistics.median(times):,.0f} points a second",
            median(times),
            median(raw),
            shares[name],
        )
        for name, times in taken.items()
        if name not in ("executemany", "localreg")
    ]
    ours = Finding(
        f"localreg: {points / statistics.median(taken['localreg']):,.0f} points a second",
        median(taken["localreg"]),
        median(raw),
        shares["localreg"],
        f">= {SCALARS}",
        shares["localreg"] >= SCALARS,
        {name: shares[name] for name in others},
        f"{points:,} scalars, a second",
    )
    call, size = _call(place, rounds), _bytes_a_point(place, points)
    findings = [
        ours,
        *findings,
        Finding("one call of report_scalar", median(call), budget="2 µs",
                met=statistics.median(call) <= 2e-6),
        Finding("bytes a point", f"{size:.1f}", budget="30", met=size <= 30,
                row="bytes of a scalar on disk"),
    ]  # fmt: skip
    yield Table(f"{points:,} points of one series, on disk at the end ({rounds} rounds)", findings)


def _reported(folder: Path, points: int) -> float:
    with Registry(folder / "r"):
        model = InputModel.import_model("s3://bucket/m.pt", name="m")
        started = time.perf_counter()
        for step in range(points):
            model.report_scalar("loss", "train", step * 0.5, step)
        model.flush()
        return time.perf_counter() - started


def _executed(folder: Path, points: int) -> float:
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_TABLE)
    started = time.perf_counter()
    for first in range(0, points, 1_000):
        rows = [(1, step, step * 0.5, step) for step in range(first, min(first + 1_000, points))]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO scalar VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    taken = time.perf_counter() - started
    connection.close()
    return taken


def _call(place: Path, rounds: int) -> list[float]:
    """Return the seconds of one call, as a loop sees it whose points wait."""

    def work(folder: Path) -> float:
        with Registry(folder / "r"):
            model = InputModel.import_model("s3://bucket/m.pt", name="m")
            model.report_scalar("loss", "train", 0.0, -1)
            started = time.perf_counter()
            for step in range(CALLS):
                model.report_scalar("loss", "train", step * 0.5, step)
            return (time.perf_counter() - started) / CALLS

    return take_turns({"call": in_fresh_folder(place, work)}, rounds)["call"]


def _bytes_a_point(place: Path, points: int) -> float:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        file = Path(folder) / "r" / "registry.db"
        with Registry(Path(folder) / "r"):
            model = InputModel.import_model("s3://bucket/m.pt", name="m")
        before = file.stat().st_size
        with Registry(Path(folder) / "r"):
            for step in range(points):
                InputModel(model.id).report_scalar("loss", "train", step * 0.123, step)
        return (file.stat().st_size - before) / points


# carrying ----------------------------------------------------------------------------------


def _carried(place: Path, rounds: int, points: int) -> Iterator[Table]:
    with Registry(place / "from", durability="fast") as registry:
        model = InputModel.import_model("s3://bucket/m.pt", name="m")
        owner = Owner("model", model.id)
        losses = np.random.default_rng(0).random(points).astype("f4").tolist()
        with registry._chain.first.store.write() as change:
            pk = report_rows.owner_pk(change.connection, owner)
            assert pk is not None
            rows = [(step, loss, step * 7_000_000) for step, loss in enumerate(losses)]
            report_rows.add_points(change.connection, "model", pk, "loss", "train", rows)
        with registry._chain.first.store.read() as connection:
            stream = b"".join(report_transfer.read(connection, owner))
            select = "SELECT iteration, value, ms FROM scalar ORDER BY iteration"
            read = take_turns(
                {
                    "SELECT": timed(lambda: [*_fetched(connection, select)]),
                    "localreg": timed(lambda: [*report_transfer.read(connection, owner)]),
                },
                rounds,
            )
            rows = connection.execute(select).fetchall()
    shutil.copytree(place / "from", place / "to")
    with Registry(place / "to", durability="fast") as registry:
        store = registry._chain.first.store

        def emptied(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM scalar")
            connection.execute("UPDATE series SET points = 0")

        def joined() -> float:
            with store.write() as change:
                emptied(change.connection)
                started = time.perf_counter()
                report_transfer.join(change.connection, owner, [stream], len(stream))
                return time.perf_counter() - started

        def inserted() -> float:
            with store.write() as change:
                emptied(change.connection)
                started = time.perf_counter()
                change.connection.executemany("INSERT INTO scalar VALUES (1, ?, ?, ?)", rows)
                return time.perf_counter() - started

        written = take_turns({"localreg": joined, "executemany": inserted}, rounds)
    size = len(stream) / points
    findings = [
        _wanted("reading them as a stream, beside SELECT", read["localreg"], read["SELECT"], 2),
        _wanted(
            "joining them, beside executemany", written["localreg"], written["executemany"], 1.5
        ),
        Finding("bytes a point in the stream", f"{size:.1f}", budget="8", met=size <= 8),
    ]
    yield Table(f"carrying {points:,} points of one series ({rounds} rounds)", findings)


def _fetched(connection: sqlite3.Connection, sql: str) -> Iterator[list[tuple[object, ...]]]:
    cursor = connection.execute(sql)
    while rows := cursor.fetchmany(report_transfer.MOST_POINTS):
        yield rows


# pages -------------------------------------------------------------------------------------


def _pages(place: Path, rounds: int) -> Iterator[Table]:
    rng = np.random.default_rng(0)
    lines = [
        np.column_stack([np.arange(1_000), rng.normal(size=1_000).cumsum()]) for _ in range(18)
    ]
    lines.append(np.column_stack([np.arange(LONG), rng.normal(size=LONG).cumsum()]))
    matrix = rng.normal(size=(SIDE, SIDE))
    theirs = place / "theirs"
    theirs.mkdir()
    with Registry(place / "pages", durability="fast") as registry:
        model = registry.model(InputModel.import_model("s3://bucket/m.pt", name="m").id)
        for number, line in enumerate(lines):
            model.report_line_plot(f"line {number:02}", [SeriesInfo("y", line)], "x", "y")
        model.report_matrix("matrix", "m", matrix)
        model.report()  # the plotly.min.js, once for all pages, is theirs too
        taken = take_turns(
            {
                "localreg": timed(model.report),
                "plotly": timed(lambda: _plotly(theirs, lines, matrix)),
            },
            rounds,
        )
        page = model.report()
        sizes = page.stat().st_size, (theirs / "page.html").stat().st_size
        findings = [
            _wanted("writing it", taken["localreg"], taken["plotly"], 0.1,
                    "a page of 20 plots, beside plotly: written"),
            Finding("its bytes", f"{sizes[0] / 1e6:.2f} MB", f"{sizes[1] / 1e6:.1f} MB",
                    sizes[0] / sizes[1], "<= 0.03", sizes[0] / sizes[1] <= 0.03,
                    row="its bytes"),
            *_drawn(page, theirs / "page.html", rounds),
        ]  # fmt: skip
    yield Table(f"a page of 20 plots, beside plotly.io.to_html ({rounds} rounds)", findings)


def _wanted(
    what: str, ours: list[float], raw: list[float], budget: float, row: str = ""
) -> Finding:
    found = ratio(ours, raw)
    met = found <= budget
    return Finding(what, median(ours), median(raw), found, f"<= {budget:g}", met, row=row)


def _plotly(folder: Path, lines: list[Array], matrix: Array) -> None:
    figures = [go.Figure(go.Scatter(x=line[:, 0], y=line[:, 1])) for line in lines]
    figures.append(go.Figure(go.Heatmap(z=matrix)))
    parts = [
        pio.to_html(figure, include_plotlyjs="directory" if number == 0 else False, full_html=False)
        for number, figure in enumerate(figures)
    ]
    (folder / "page.html").write_text(
        f"<!DOCTYPE html><meta charset='utf-8'>{''.join(parts)}", encoding="utf-8"
    )


def _drawn(ours: Path, theirs: Path, rounds: int) -> Iterator[Finding]:
    """Yield when the first charts are seen, when the plots can be used, and the memory of both."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None or not importlib.util.find_spec("playwright"):
        return
    source = importlib.util.find_spec("plotly")
    assert source is not None
    assert source.origin is not None
    script = Path(source.origin).parent / "package_data" / "plotly.min.js"
    shutil.copy(script, theirs.with_name("plotly.min.js"))
    heaps: dict[str, list[float]] = {"localreg": [], "plotly": []}
    with _chromium(browser) as opened:

        def used(name: str, page: Path, count: int) -> float:
            seconds, heap = opened(page, _PLOTS, count)
            heaps[name].append(heap)
            return seconds

        taken = take_turns(
            {
                "seen": lambda: opened(ours, _CHARTS, 1)[0],
                "localreg": lambda: used("localreg", ours, 1),
                "plotly": lambda: used("plotly", theirs, 20),
            },
            rounds,
        )
    raw = taken["plotly"]
    yield _wanted("until a chart is seen", taken["seen"], raw, 0.1, "its first charts visible")
    yield _wanted("until it can be used", taken["localreg"], raw, 0.47, "its plots interactive")
    heap = ratio(heaps["localreg"], heaps["plotly"])
    ours_mb, raw_mb = (f"{statistics.median(found) / 1e6:.0f} MB" for found in heaps.values())
    yield Finding("memory of its scripts", ours_mb, raw_mb, heap, "<= 0.1", heap <= 0.1,
                  row="memory of its scripts")  # fmt: skip


# What is there when a plot can be used; and a chart of any kind: a sketch that the page brings
# along, or a plot.
_PLOTS = ".main-svg .trace, .heatmaplayer image"
_CHARTS = f"{_PLOTS}, .figure svg"


@contextmanager
def _chromium(path: str) -> Iterator[_Opened]:
    """Yield what opens a page, and returns the seconds until so many of a kind are there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])

        def opened(page: Path, kind: str, count: int) -> tuple[float, float]:
            tab = browser.new_page()
            started = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="commit")
            tab.wait_for_function(
                "([kind, count]) => document.querySelectorAll(kind).length >= count",
                arg=[kind, count],
                timeout=120_000,
            )
            taken = time.perf_counter() - started
            session = tab.context.new_cdp_session(tab)
            used = session.send("Runtime.getHeapUsage")
            heap = used["usedSize"] + used.get("backingStorageSize", 0)  # the latter: arrays
            tab.close()
            return taken, heap

        yield opened
        browser.close()


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from localreg.plots.arrays import Array

    _Opened = Callable[[Path, str, int], tuple[float, float]]
