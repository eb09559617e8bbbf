"""The overview of 100,000 models: writing it, opening it, sorting it.

Writing stands beside a dump of the same rows as JSON, by Python's sqlite3 module (`fetchall`,
`json.dumps`, one file) and by the command `sqlite3 -json`, where there is one. Opening and sorting
stand beside a bare page that parses that dump, joins the values of the one metric to the models,
sorts, and draws forty rows; and beside one that parses the columns of the overview instead. The
browser is a Chromium; without one, or without playwright, only writing is measured.

Budgets: written in at most 4 times the dump, opened and sorted in at most 2 times the bare page.

    python -m benchmarks overview [--models N] [--tasks N] [--rounds N] [--keep DIR]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.measure import Finding, Table, median, ratio, take_turns, timed
from benchmarks.raw_sqlite import DATABASE
from localreg import Registry
from localreg.operations.reports import pages
from localreg.operations.reports.index_page import index_values
from localreg.operations.reports.page_links import Site, reports_folder
from localreg.pages.index_data import index_data
from localreg.registry import Chain
from localreg.values.metadata import number_of

METRICS = ("loss/train", "loss/val", "accuracy/val", "lr/lr", "f1/val", "throughput/train")
OWN = ("accuracy/test", "loss/test")  # of models
SORTED = "metrics.accuracy/test"
# What the overview shows, table by table.
DUMPED = {
    "models": "SELECT m.pk, m.id, p.name, m.name, m.version, m.framework, m.published, m.archived, "
    "m.package, m.updated, (SELECT b.size FROM weights w JOIN blob b ON b.pk = w.blob WHERE "
    "w.model = m.pk AND w.current = 1), m.created, m.task, m.comment FROM model m "
    "JOIN project p ON p.pk = m.project ORDER BY m.stamp DESC",
    "model_tags": "SELECT x.model, t.name FROM tag t JOIN model_tag x ON x.tag = t.pk",
    "tasks": "SELECT t.pk, t.id, p.name, t.name, t.status, t.published, t.updated, t.type, "
    "t.created, t.ended, t.comment FROM task t JOIN project p ON p.pk = t.project "
    "ORDER BY t.stamp DESC",
    "task_tags": "SELECT x.task, t.name FROM tag t JOIN task_tag x ON x.tag = t.pk",
    "series": "SELECT model, task, title || '/' || name, last, low, high FROM series",
    "parameters": "SELECT task, section || '/' || name, value FROM parameter",
    "metadata": "SELECT model, key, value, type FROM metadata",
}
BARE = """<!doctype html><meta charset="utf-8"><title>bare</title><table id="rows"></table>
<script type="application/json" id="data">%s</script>
<script>
const data = JSON.parse(document.getElementById('data').textContent);
%s
const shown = document.getElementById('rows');
for (const cells of sorted.slice(0, 40)) {
  const row = shown.insertRow();
  for (const cell of cells) row.insertCell().textContent = cell;
}
document.title = 'drawn';
</script>"""
OF_ROWS = f"""
const values = new Map();
for (const [model, , name, last] of data.series) {{
  if (model !== null && name === '{SORTED.partition(".")[2]}') values.set(model, last);
}}
const sorted = data.models.map((row) => [row[3], row[4], row[2], values.get(row[0])]);
sorted.sort((a, b) => b[3] - a[3]);
"""
OF_COLUMNS = f"""
const packs = new Map(data.packs);
const column = (number) => {{
  const {{ d, p, v, u }} = packs.get(number);
  let made = d ?? new Array(data.tables.models.count).fill(null);
  if (p) p.forEach((place, at) => {{ made[place] = v[at]; }});
  return u ? made.map((at) => u[at]) : made;
}};
const {{ rows, columns }} = data.tables.models;
const last = column(columns.find((each) => each[1] === '{SORTED.partition(".")[2]}')[6]);
const [name, version, project] = ['name', 'version', 'project'].map((each) => column(rows[each]));
const sorted = name.map((each, i) => [each, version[i], project[i], last[i]]);
sorted.sort((a, b) => b[3] - a[3]);
"""


QUICK = ("--models", "1000", "--tasks", "100", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="where the registry is found and left")


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        home = options.keep or Path(folder) / "registry"
        if not home.exists():
            build(home, options.models, options.tasks)
        findings = [*written(home, Path(folder), options.rounds)]
        findings += opened(home, Path(folder), options.rounds)
    yield Table(f"The overview of {options.models:,} models, {options.tasks:,} tasks", findings)


def dump(home: Path, place: Path) -> None:
    """Write the rows of the overview as JSON, as one would by hand."""
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        rows = {name: connection.execute(sql).fetchall() for name, sql in DUMPED.items()}
    place.write_text(json.dumps(rows, separators=(",", ":")), encoding="utf-8")


def dump_by_command(home: Path, place: Path) -> None:
    """Write them with the command `sqlite3`."""
    statements = "; ".join(DUMPED.values())
    with open(place, "wb") as file:
        subprocess.run(
            ["sqlite3", "-json", str(home / DATABASE), statements], check=True, stdout=file
        )


def written(home: Path, folder: Path, rounds: int) -> Iterator[Finding]:
    """Yield what writing costs, and how many bytes there are."""
    with Registry(home) as registry:
        first = registry._chain.first
        cases = {
            "ours": timed(lambda: pages.write_index(Chain(first))),
            "module": timed(lambda: dump(home, folder / "rows.json")),
        }
        if shutil.which("sqlite3"):
            cases["command"] = timed(lambda: dump_by_command(home, folder / "lines.json"))
        taken = take_turns(cases, rounds)
    reports = home / "reports"
    ours = (reports / "index.html").stat().st_size
    files = sum(each.stat().st_size for each in (reports / "columns").iterdir())
    for raw, what in (("module", "Python's sqlite3"), ("command", "sqlite3 -json")):
        if raw in taken:
            times = ratio(taken["ours"], taken[raw])
            yield Finding(
                f"written, beside {what}", median(taken["ours"]), median(taken[raw]), times,
                "<= 4", times <= 4,
            )  # fmt: skip
    dumped = (folder / "rows.json").stat().st_size
    yield Finding("MB in the page", f"{ours / 1e6:.1f}", f"{dumped / 1e6:.1f}", ours / dumped)
    yield Finding("MB in files that are loaded later", f"{files / 1e6:.1f}")


def opened(home: Path, folder: Path, rounds: int) -> Iterator[Finding]:
    """Yield what opening and sorting costs."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None or not importlib.util.find_spec("playwright"):
        return
    from playwright.sync_api import sync_playwright

    rows = (folder / "rows.json").read_text("utf-8").replace("<", "\\u003c")
    (folder / "rows.html").write_text(BARE % (rows, OF_ROWS), encoding="utf-8")
    with Registry(home) as registry:
        first = registry._chain.first
        values = index_values(Chain(first), Site(reports_folder(first), root=""))
    columns = index_data(values).page.replace("<", "\\u003c")
    (folder / "columns.html").write_text(BARE % (columns, OF_COLUMNS), encoding="utf-8")
    index = (home / "reports" / "index.html").as_uri()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = started.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)

        def until(address: str, drawn: str) -> float:
            page.goto("about:blank")
            begun = time.perf_counter()
            page.goto(address)
            page.wait_for_function(drawn)
            page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
            return time.perf_counter() - begun

        ours = (
            "document.querySelector('.vt-row') && !document.querySelector('#panel[aria-busy]')"
            " && document.getElementById('count').textContent !== ''"
        )
        bare = "document.title === 'drawn'"
        taken = take_turns(
            {
                "open": lambda: until(index, ours),
                "name": lambda: until(f"{index}#sort=ref&order=up", ours),
                "metric": lambda: until(f"{index}#sort={SORTED}&order=down&col={SORTED}", ours),
                "rows": lambda: until((folder / "rows.html").as_uri(), bare),
                "columns": lambda: until((folder / "columns.html").as_uri(), bare),
            },
            rounds,
        )
        started.close()
    for case, what in (
        ("open", "opened"), ("name", "opened and sorted by name"),
        ("metric", "opened and sorted by a metric"),
    ):  # fmt: skip
        for raw, beside in (("rows", "a bare page with the dump"), ("columns", "one with columns")):
            times = ratio(taken[case], taken[raw])
            yield Finding(
                f"{what}, beside {beside}", median(taken[case]), median(taken[raw]), times,
                "<= 2", times <= 2,
            )  # fmt: skip


def build(home: Path, models: int, tasks: int) -> None:
    """Make a registry: each task with parameters and metrics, each model with some of its own."""
    started = time.perf_counter()
    with Registry(home, durability="fast"):
        pass
    chance = random.Random(models)
    day = 86_400_000_000
    begun = 20_000 * day
    with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO project VALUES (?, ?, ?, 1)",
            [(pk, f"{pk:032x}", f"group-{pk % 7}/project-{pk}") for pk in range(1, 101)],
        )
        connection.executemany(
            "INSERT INTO tag VALUES (?, ?, 0)", [(pk, f"tag-{pk}") for pk in range(1, 21)]
        )
        ids = [f"{chance.getrandbits(128):032x}" for _ in range(tasks)]
        connection.executemany(
            "INSERT INTO task (pk, id, project, name, type, status, published, run, created, "
            "ended, updated, stamp) VALUES (?, ?, ?, ?, 'training', 'completed', 0, '{}', ?, ?, "
            "?, ?)",
            (
                (pk, id_, pk % 100 + 1, f"train detector {pk}", begun + pk, begun + pk + day // 24,
                 begun + pk, pk)
                for pk, id_ in enumerate(ids, 1)
            ),
        )  # fmt: skip
        connection.executemany(
            "INSERT INTO parameter VALUES (?, 'General', ?, ?, 'str')",
            (
                (pk, name, value)
                for pk in range(1, tasks + 1)
                for name, value in (
                    ("lr", f"{10 ** -chance.uniform(1, 5):.6f}"), ("seed", str(pk)),
                    ("batch", str(2 ** chance.randrange(4, 9))), ("depth", str(pk % 5)),
                    ("optimizer", chance.choice(("adam", "sgd"))), ("epochs", "20"),
                    ("dropout", f"{chance.random():.3f}"), ("warmup", str(pk % 1000)),
                    ("data", f"/data/part-{pk % 50}"), ("precision", "bf16"),
                )
            ),
        )  # fmt: skip
        connection.executemany("INSERT INTO task_tag VALUES (?, ?, 1)", (
            (pk, pk % 20 + 1) for pk in range(1, tasks + 1)
        ))  # fmt: skip
        connection.executemany(
            "INSERT INTO model (pk, id, name, project, version, framework, package, published, "
            "contested, archived, task, created, updated, birth, stamp) "
            "VALUES (?, ?, ?, ?, ?, 'PyTorch', 0, 0, 0, 0, ?, ?, ?, ?, ?)",
            (
                (pk, f"{chance.getrandbits(128):032x}", f"detector-{pk // 10:06}", pk % 100 + 1,
                 pk % 10 + 1, ids[pk % tasks], begun + pk, begun + pk, pk, pk)
                for pk in range(1, models + 1)
            ),
        )  # fmt: skip
        connection.executemany("INSERT INTO model_tag VALUES (?, ?, ?, 1)", (
            (pk, pk % 20 + 1, pk) for pk in range(1, models + 1)
        ))  # fmt: skip
        connection.executemany(
            "INSERT INTO metadata VALUES (?, ?, ?, ?, ?)",
            (
                (pk, key, value, kind, number_of(value))
                for pk in range(1, models + 1)
                for key, value, kind in (
                    ("stage", f"stage-{pk % 3}", "str"),
                    ("score", f"{chance.random()}", "float"),
                    ("commit", f"{chance.getrandbits(40):010x}", "str"),
                )
            ),
        )
        for owner, count, names in (("task", tasks, METRICS), ("model", models, OWN)):
            connection.executemany(
                f"INSERT INTO series ({owner}, title, name, epoch, points, last, low, high) "
                "VALUES (?, ?, ?, 0, 100, ?, ?, ?)",
                (
                    (pk, *name.split("/"), *sorted(chance.random() for _ in range(3)))
                    for pk in range(1, count + 1)
                    for name in names
                ),
            )
        connection.execute("COMMIT")
    taken = time.perf_counter() - started
    print(f"{models:,} models written in {taken:.0f} s", file=sys.stderr)
