"""Tables of metrics that loggers and people write, brought here as tasks."""

from __future__ import annotations

import csv
import json
import math
import random

import polars
import pytest
from support.command_line import run_cli
from support.foreign_stores import brought, counts, survives
from support.proofs import TIMES, random_numbers

from localreg import Registry, Task
from localreg.errors import InvalidValueError, SourceError
from localreg.operations.importers import metrics_table


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


@pytest.fixture
def bring(registry, tmp_path):
    """Return a function that writes a table and brings it as the task "run"."""

    def bring(text, name="metrics.csv", **wish):
        path = tmp_path / name
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return brought(registry, path, "metrics", task="run", **wish)

    return bring


def series(name="run"):
    """Return the points of a task: by title and series, its steps with values."""
    task = Task.get_task(task_name=name)
    return {
        f"{title}|{each}": dict(zip(points["x"], points["y"], strict=True))
        for title, found in task.get_reported_scalars().items()
        for each, points in found.items()
    }


def times(registry, name="run"):
    """Return the times of the points of a task in milliseconds, by metric and step."""
    rows = registry.db.query(
        "SELECT s.name AS metric, c.iteration, s.epoch + c.ms AS at FROM scalar c "
        "JOIN series s ON s.pk = c.series JOIN task t ON t.pk = s.task WHERE t.name = ?", [name]
    )  # fmt: skip
    return {(row["metric"], row["iteration"]): row["at"] for row in rows}


def test_columns_are_metrics_and_slashes_divide_their_names(bring):
    done = bring("step,loss,val/acc,val/top/5\n0,1.5,0.1,0.2\n10,1.25,0.3,0.4\n")
    assert done.left == {}
    assert series() == {
        "loss|loss": {0: 1.5, 10: 1.25},
        "val|acc": {0: 0.1, 10: 0.3},
        "val|top/5": {0: 0.2, 10: 0.4},
    }


def test_the_csv_logger_of_keras(bring):
    bring("epoch,accuracy,loss,val_loss\n0,0.5,2.0,2.5\n1,0.75,1.0,1.5\n")
    assert series()["val_loss|val_loss"] == {0: 2.5, 1: 1.5}
    assert "epoch|epoch" not in series()


def test_the_csv_logger_of_lightning_whose_step_counts_before_the_epoch(bring):
    done = bring("epoch,step,train_loss,val_loss\n0,49,0.5,\n0,99,,0.6\n1,99,,\n")
    assert series() == {
        "train_loss|train_loss": {49: 0.5},
        "val_loss|val_loss": {99: 0.6},
        "epoch|epoch": {49: 0, 99: 1},
    }
    assert done.left == {"points of which a later one has the same iteration": 1}


def test_results_of_ultralytics_with_blanks_around_the_names(bring, registry):
    bring(
        "                  epoch,       time,         train/box_loss\n"
        "                      1,       12.5,                 1.2345\n"
        "                      2,         25,                    0.5\n"
    )
    assert series() == {"train|box_loss": {1: 1.2345, 2: 0.5}}
    assert times(registry)["box_loss", 1] == 12_500


def test_history_of_fastai_in_which_time_is_how_long_it_took(bring):
    done = bring("epoch,train_loss,valid_loss,time\n0,0.5,0.75,00:12\n1,0.25,,01:02\n")
    assert series()["train_loss|train_loss"] == {0: 0.5, 1: 0.25}
    assert done.left == {"values that are no numbers": 2}


def test_the_state_and_the_log_of_a_transformers_trainer(bring):
    log = [
        {"epoch": 0.5, "grad_norm": 1.5, "loss": 2.0, "step": 10},
        {"epoch": 1.0, "eval_loss": 1.75, "step": 20},
    ]
    for content in ({"log_history": log, "global_step": 20}, log):
        bring(json.dumps(content), "trainer_state.json")
        assert series() == {
            "epoch|epoch": {10: 0.5, 20: 1}, "grad_norm|grad_norm": {10: 1.5},
            "loss|loss": {10: 2}, "eval_loss|eval_loss": {20: 1.75},
        }  # fmt: skip


def test_json_lines_with_objects_in_objects_and_lists(bring):
    rows = [{"step": 1, "loss": {"train": 0.5, "val": {"a": 2}}, "lr": [1, 2]}, {}, {"step": 2}]
    done = bring("\n".join(map(json.dumps, rows)) + "\n\n", "log.jsonl")
    assert series() == {"loss|train": {1: 0.5}, "loss|val/a": {1: 2}}
    assert done.left == {"values that are no numbers": 1, "rows without a step": 1}


def test_an_object_that_nests_too_deep_is_an_error_or_no_number(bring):
    deep = '{"loss":2,"deep":' + '{"a":' * 500 + "1" + "}" * 501
    assert bring(deep, "log.jsonl").left == {"values that are no numbers": 1}
    with pytest.raises(SourceError, match=r"log\.jsonl line 2 is not JSON"):
        bring('{"a":1}\n' + '{"a":' * 100_000 + "1" + "}" * 100_000, "log.jsonl")


def test_a_row_for_each_value(bring, registry):
    bring(
        "run_id,key,value,step,timestamp\n"
        "a,loss,0.5,0,1700000000000\na,acc,0.1,0,1700000000500\nb,loss,0.25,0,1700000001000\n"
        "a,loss,0.4,1,1700000002000\n"
    )
    assert series("run/a") == {"loss|loss": {0: 0.5, 1: 0.4}, "acc|acc": {0: 0.1}}
    assert series("run/b") == {"loss|loss": {0: 0.25}}
    assert times(registry, "run/a")["acc", 0] == 1_700_000_000_500


def test_rows_of_values_without_steps_are_counted_for_each_metric(bring):
    bring("metric,value\nloss,3\nacc,1\nloss,2\n")
    assert series() == {"loss|loss": {0: 3, 1: 2}, "acc|acc": {0: 1}}


def test_rows_without_steps_are_counted_for_each_run(bring):
    bring("run,loss\na,3\nb,1\na,2\n,5\n")
    assert series("run/a") == {"loss|loss": {0: 3, 1: 2}}
    assert series("run/b") == {"loss|loss": {0: 1}}
    assert series("run") == {"loss|loss": {0: 5}}


@pytest.mark.parametrize(
    ("column", "first", "ms"),
    [
        ("timestamp", "1700000000.25", 1_700_000_000_250),
        ("Wall time", "1700000000250", 1_700_000_000_250),
        ("_timestamp", "1700000000250000", 1_700_000_000_250),
        ("time", "1700000000250000000", 1_700_000_000_250),
        ("date", "2023-11-14T22:13:20.250Z", 1_700_000_000_250),
        ("date", "2023-11-14 23:13:20.250+01:00", 1_700_000_000_250),
        ("date", "2023-11-14 22:13:20.25", 1_700_000_000_250),
        ("date", "1969-12-31", -86_400_000),
    ],
)
def test_times_are_understood(bring, registry, column, first, ms):
    if first == "2023-11-14 22:13:20.25":
        first += "0"
    bring(f"step,{column},loss\n0,{first},1\n1,,2\n")
    assert times(registry) == {("loss", 0): ms, ("loss", 1): ms}
    created = next(iter(registry.db.query("SELECT created, ended FROM task")))
    assert created == {"created": ms * 1_000, "ended": ms * 1_000}


def test_separators_ends_of_lines_quotes_and_a_byte_order_mark(bring):
    texts = {
        "a.csv": '\ufeff"step","lo,ss"\r\n1,"2"\r\n\r\n2,3\r\n',
        "b.csv": 'step;"lo,ss"\n1;2\n2;3',
        "c.tsv": "step\tlo,ss\n1\t2\n2\t3\n",
        "d.csv": "step\tlo,ss\n1\t2\n2\t3\n",
        "e.csv": "step|lo,ss\n1|2\n2|3\n",
    }
    for name, text in texts.items():
        bring(text, name, project=name)
        task = Task.get_task(task_name="run", project_name=name)
        assert task.get_reported_scalars()["lo,ss"]["lo,ss"] == {"x": [1, 2], "y": [2, 3]}


def test_numbers_are_exact_and_what_is_none_is_counted(bring):
    values = [
        "0.1",
        "1e300",
        "-0",
        "nan",
        "-inf",
        "Infinity",
        "9" * 400,
        "1_000",
        "x",
        "",
        " ",
        "²",
    ]
    done = bring("a,b\n" + "".join(f"{each},0\n" for each in values))
    assert done.left == {"values that are no numbers": 4}
    found = series()["a|a"]
    assert math.isnan(found.pop(3))
    assert found == {0: 0.1, 1: 1e300, 2: 0, 4: -math.inf, 5: math.inf}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("step,loss\n1,2\n1.5,3\n", "line 3 should have a whole number up to 2^53 as 'step'"),
        ("step,loss\n\n1,2\nx,3\n", "line 4 should have a whole number"),
        ("step,loss\nnan,3\n", "line 2 should have a whole number"),
        (f"step,loss\n1{'0' * 399},3\n", "line 2 should have a whole number"),
        ("step,loss\n9007199254740993,3\n", "2^53 as 'step', not '9007199254740993'"),
        ("step,loss\n1e16,3\n", "2^53 as 'step', not '1e16'"),
        ("step,time,loss\n1,5,2\n2,x,3\n", "line 3 should have a number as 'time', not 'x'"),
        ("step,time,loss\n1,5,2\n2,1e15,3\n", "line 3 has the 'time' '1e15', beyond the year"),
        ("step,date,loss\n1,2024-01-01,2\n2,soon,3\n", "line 3 should have a time in ISO 8601"),
        ("step,loss\n1,2\n3\n", "line 3 has 1 values, and the first line 2 names"),
        ('step,loss\n1,"a\nb"\n3,4,5\n', "line 4 has 3 values, and the first line 2 names"),
        ("0,1.5\n1,2.5\n", "line 1 has numbers only; the first line must name the columns"),
        ("step,loss,loss\n1,2,3\n", "line 1 names two columns 'loss'"),
        ("", "has no line with the names of its columns"),
        ("step,loss\n", "has no rows"),
        ("epoch;loss\n0;1,5\n1;0,5\n", "has no numbers but steps and times"),
        ("name,value\nloss,1\n,2\n", "line 3 names no metric as 'name'"),
        (b"step,loss\n1,2\n3,\xff\n", "line 3 is not UTF-8; save it as UTF-8"),
        ("step,loss\n1,2\n".encode("utf-16"), "line 1 is not UTF-8; save it as UTF-8"),
        ("step," + "x" * 200_000 + "\n", "line 1 is not CSV: field larger"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_an_error_that_names_the_line(bring, registry, text, problem):
    before = counts(registry)
    with pytest.raises(SourceError) as caught:
        bring(text)
    assert problem in str(caught.value)
    assert counts(registry) == before


def test_a_line_without_an_end_is_not_read_to_its_end(bring):
    with pytest.raises(SourceError, match=r"line 2 has more than 16,000,000 bytes"):
        bring("a\n" + "1," * 10_000_000)


def test_a_table_that_grew_brings_what_is_new_to_the_same_task(bring, registry):
    head = "step,time,loss\n0,1700000000,3\n"
    bring(head)
    task = Task.get_task(task_name="run")
    before = counts(registry)
    assert bring(head).arrived.events == 0
    assert counts(registry) == before
    bring(head + "1,1700000009,2\n0,1700000010,1\n")
    assert Task.get_task(task_name="run").id == task.id
    assert series() == {"loss|loss": {0: 1, 1: 2}}


def test_of_rows_without_times_the_later_counts_also_if_it_came_later(bring):
    bring("step,loss\n0,3\n1,9\n")
    bring("step,loss\n0,3\n1,9\n1,2\n")
    assert series() == {"loss|loss": {0: 3, 1: 2}}


def test_registries_that_imported_at_different_times_can_meet(bring, registry, tmp_path):
    bring("step,time,loss\n0,1700000000,3\n")
    other = Registry(tmp_path / "other")
    path = tmp_path / "metrics.csv"
    path.write_text("step,time,loss\n0,1700000000,3\n1,1700000005,2\n")
    brought(other, path, "metrics", task="run")
    registry.merge(tmp_path / "other")
    assert series() == {"loss|loss": {0: 3, 1: 2}}


def test_many_rows_come_as_csv_reads_them(bring, tmp_path):
    """More rows than are in memory at once, with quotes that cross what is read at once."""
    chance = random.Random(5)
    path = tmp_path / "metrics.csv"
    with open(path, "w", newline="") as writer:
        table = csv.writer(writer)
        table.writerow(["run", "step", "loss", "note"])
        for step in range(60_000):
            note = chance.choice(["", "a\nb", '"', "plain, text"])
            table.writerow([chance.choice("ab"), step, chance.random(), note])
    done = bring(None)
    with open(path, newline="") as reader:
        rows = list(csv.DictReader(reader))
    for run in "ab":
        expected = {int(row["step"]): float(row["loss"]) for row in rows if row["run"] == run}
        assert series(f"run/{run}") == {"loss|loss": expected}
    assert done.left == {"values that are no numbers": sum(row["note"] != "" for row in rows)}


def test_the_line_of_an_error_is_right_far_into_a_file(bring):
    text = "step,loss\n" + '1,"a\nb"\n\n' * 50_000
    with pytest.raises(SourceError, match=r"line 150,002 has 1 values"):
        bring(text + "3\n")


def test_parquet_has_the_same_values(bring, tmp_path, registry):
    frame = polars.DataFrame({
        "step": [0, 1, 2], "time": ["2024-01-01", None, "2024-01-03"],
        "loss": [0.5, None, math.inf], "ok": [True, False, None], "name": ["a", "b", "c"],
    }).with_columns(polars.col("time").str.to_datetime(strict=False))  # fmt: skip
    frame.write_parquet(tmp_path / "metrics.parquet")
    done = bring(None, "metrics.parquet")
    assert series() == {"loss|loss": {0: 0.5, 2: math.inf}, "ok|ok": {0: 1, 1: 0}}
    assert times(registry)["loss", 0] == 1_704_067_200_000
    assert done.left == {"values that are no numbers": 3}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_an_error(bring, content):
    with pytest.raises(SourceError, match="is not Parquet"):
        bring(content, "metrics.parquet")


@pytest.mark.long
def test_damaged_tables_are_errors_and_nothing_else(registry, tmp_path, monkeypatch):
    chance = random_numbers(1)
    rows = [
        {"step": n, "time": 1_700_000_000 + n, "loss": {"a": n / 3}, "run": "r"} for n in range(9)
    ]
    polars.DataFrame(rows).unnest("loss").write_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "t.json").write_text(json.dumps(rows))
    lines = [f"{n},{1_700_000_000 + n},{n / 3},r" for n in range(9)]
    (tmp_path / "t.csv").write_text("step,time,loss,run\n" + "\n".join(lines))
    for ending in ("csv", "json", "jsonl", "parquet"):
        file = tmp_path / f"t.{ending}"
        refused = [
            survives(registry, file, "metrics", chance, file, task="run") for _ in range(50 * TIMES)
        ]
        assert any(refused)


def test_the_command_says_what_to_type(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text("step,loss\n0,1\n")
    code, _, err = run_cli("import", "m.csv")
    assert code == 2
    assert "--task NAME" in err
    assert run_cli("import", "m.csv", "--task", "run", "--project", "vision")[0] == 0
    assert Task.get_task(task_name="run").get_project_name() == "vision"
    with pytest.raises(InvalidValueError, match="its name must end in"):
        brought(registry, tmp_path, "metrics", task="run")


@pytest.mark.parametrize(
    ("name", "content", "is_table"),
    [
        ("a.CSV", "x", True), ("a.json", ' [\n {"a": 1}]', True), ("a.json", "{}", False),
        ("a.json", "[1]", False), ("trainer_state.json", "{}", True), ("a.txt", "a,b", False),
    ],
)  # fmt: skip
def test_tables_are_known_by_their_endings(tmp_path, name, content, is_table):
    (tmp_path / name).write_text(content)
    assert metrics_table.is_one(tmp_path / name) is is_table
    assert not metrics_table.is_one(tmp_path / "none.csv")
