"""The command scalars: what was reported, as a table, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing, redirect_stdout

import pytest
from support.command_line import run_cli

from localreg import InputModel, OutputModel, Registry, Task
from localreg.cli.main import main
from localreg.registry import open_registry


@pytest.fixture
def model(registry):
    """A model whose task reported more than the model itself."""
    task = Task.init("p", "train")
    logger = task.get_logger()
    for step, value in enumerate((0.5, 0.25, float("nan"))):
        logger.report_scalar("loss", "train", value, step)
    logger.report_scalar("loss", "val, all", 0.75, 0)
    logger.report_scalar("acc", "val", 0.1, 10)
    logger.report_single_value("params", 12)
    model = OutputModel(task, name="net")
    model.update_weights(__file__, async_enable=False)
    model.report_scalar("acc", "val", 0.9, 20)
    task.close()
    return model


def run(*arguments):
    """Return what a command prints on stdout."""
    code, out, err = run_cli("scalars", *arguments)
    assert (code, err) == (0, "")
    return out


def rows(out):
    return list(csv.reader(io.StringIO(out)))


def test_a_line_for_each_series_with_last_least_greatest_and_points(model):
    assert [line.split("\t") for line in run(model.ref).splitlines()] == [
        ["acc/val", "0.9", "0.9", "0.9", "1"],
        ["loss/train", "nan", "0.25", "0.5", "3"],
        ["loss/val, all", "0.75", "0.75", "0.75", "1"],
        ["params", "12.0", "12.0", "12.0", "1"],
    ]


def test_show_and_scalars_agree_on_values_that_are_not_finite(registry):
    task = Task.create(task_name="odd")
    for step in range(2):
        task.get_logger().report_scalar("odd", "low", float("-inf"), step)
        task.get_logger().report_scalar("odd", "nan", float("nan"), step)
    registry._chain.first.store.flush()
    assert run(task.id).splitlines() == ["odd/low\t-inf\t\t\t2", "odd/nan\tnan\t\t\t2"]
    code, out, err = run_cli("task", "show", task.id)
    assert (code, err) == (0, "")
    found = [line.split() for line in out.splitlines() if "odd/" in line]
    assert [words[-2:] for words in found] == [["odd/low", "-inf"], ["odd/nan", "nan"]]


def test_a_model_has_its_own_series_and_else_those_of_its_task(model):
    """The task reported acc/val too; the model's own counts for the model."""
    assert "acc/val\t0.1\t" in run(model.original_task)
    found = json.loads(run(model.ref, "--json"))
    assert {each["title"]: each["reported_to"] for each in found["scalars"]} == {
        "acc": "model", "loss": "task",
    }  # fmt: skip


def test_json_has_every_point_and_null_for_what_json_lacks(model):
    found = json.loads(run("--json", model.ref, "loss/train", "params"))
    assert found["model"] == model.id
    (series,) = found["scalars"]
    assert series["iterations"] == [0, 1, 2]
    assert series["values"] == [0.5, 0.25, None]
    assert (series["last"], series["min"], series["max"]) == (None, 0.25, 0.5)
    assert all(time.endswith("Z") for time in series["times"])
    assert found["single_values"] == [{"name": "params", "reported_to": "task", "value": 12.0}]


def test_csv_has_every_point_below_a_head(model):
    head, *lines = rows(run("--csv", model.ref))
    assert head == ["title", "series", "iteration", "time", "value"]
    assert [(t, s, i, v) for t, s, i, _, v in lines] == [
        ("acc", "val", "20", "0.9"),
        ("loss", "train", "0", "0.5"),
        ("loss", "train", "1", "0.25"),
        ("loss", "train", "2", "nan"),
        ("loss", "val, all", "0", "0.75"),
        ("", "params", "", "12.0"),
    ]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["loss"], ["loss/train", "loss/val, all"]),
        (["loss/train"], ["loss/train"]),
        (["*/val*"], ["acc/val", "loss/val, all"]),
        (["params", "acc"], ["acc/val", "params"]),
    ],
)
def test_names_choose_titles_series_and_single_values(model, names, found):
    assert [line.partition("\t")[0] for line in run(model.ref, *names).splitlines()] == found


def test_a_name_that_nothing_has_is_an_error_that_says_what_is_there(model):
    code, out, err = run_cli("scalars", model.ref, "los")
    assert (code, out) == (3, "")
    assert "nothing with the name 'los' was reported; did you mean 'loss'?" in err
    code, _, err = run_cli("scalars", model.ref, "zzz")
    assert (code, "there is 'acc/val', 'loss/train'" in err) == (3, True)


def test_a_model_without_reports_is_no_error(registry):
    InputModel.import_model("s3://bucket/a.pt", name="a")
    assert run_cli("scalars", "a") == (0, "", "Nothing was reported.\n")
    assert json.loads(run_cli("scalars", "a", "--json")[1])["scalars"] == []
    assert run_cli("scalars", "a", "--json", "--csv")[0] == 2
    assert run_cli("scalars", "b")[0] == 3


def test_hostile_titles_stay_in_their_cells(registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    model.report_scalar('a"b\n,c', "\x1b[2J\t=1+1", 1.5, 0)
    model.flush()
    (line,) = run("a").splitlines()
    assert ("\x1b" in line, line.count("\t")) == (False, 4)
    assert rows(run("a", "--csv"))[1][:2] == ['a"b\n,c', "\x1b[2J\t=1+1"]


def test_all_points_are_printed_with_all_their_digits(registry):
    model = InputModel.import_model("s3://bucket/a.pt", name="a")
    for step in range(20_000):
        model.report_scalar("loss", "train", step / 3, step)
    model.flush()
    lines = rows(run("a", "--csv"))[1:]
    assert [float(line[4]) for line in lines] == [step / 3 for step in range(20_000)]


@pytest.mark.parametrize("form", ["--csv", "--json"])
def test_no_one_waits_for_a_program_that_reads_scalars_slowly(tmp_path, form):
    """On network file systems a read would keep all others from writing."""
    root = tmp_path / "registry"
    open_registry(root, durability="fast", journal="truncate").close()
    with Registry(root, durability="fast"):
        model = InputModel.import_model("s3://b/net.pt", name="net")
        for step in range(3):
            model.report_scalar("loss", "train", step / 2, step)

    class Slow(io.StringIO):
        written = 0

        def write(self, text):
            with closing(sqlite3.connect(root / "registry.db", timeout=0)) as other:
                other.execute("UPDATE setting SET value = value")
                other.commit()
            self.written += 1
            return super().write(text)

    out = Slow()
    with redirect_stdout(out):
        assert main(["-R", str(root), "scalars", "net", form]) == 0
    assert out.written > 1
    assert "train" in out.getvalue()
