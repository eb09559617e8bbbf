"""A repository of Aim, brought here as Aim's API describes it.

Aim is not installed here: what its API said of a repository is in aim.json, and stands in for it.
`make_aim.py` has compared that with what `aim_repository` reads.
"""

from __future__ import annotations

import importlib.util
import math

import pytest
from support.foreign_stores import counts, said_of

from localreg import Registry, Task
from localreg.errors import MissingPackageError, SourceError
from localreg.operations.importers import aim_store, kinds
from localreg.operations.importers.aim_repository import AimBars, AimFile, AimRun, AimSeries
from localreg.operations.importers.aim_store import AimStore
from localreg.operations.importers.bringing import Wish, bring

SAID = said_of("aim")
MADE = {
    "images": lambda value: AimFile(bytes.fromhex(value[0]), value[1]),
    "distributions": lambda value: AimBars(*value),
}


@pytest.fixture(autouse=True)
def current(registry):
    """Let every test have a current registry."""
    return registry


def run_of(said):
    """Return a run of Aim as it was recorded."""

    def series():
        for each in said["series"]:
            make = MADE.get(each["kind"])
            values = each["values"]
            if make is not None:
                values = [[make(value) for value in several] for several in values]
            yield AimSeries(**each | {"values": values})

    return AimRun(**said | {"series": series})


def recorded(*, first=None):
    """Return what was recorded as a store; of the first run with other values."""
    runs = [dict(each) for each in SAID]
    runs[0] |= first or {}
    return AimStore("/data/aim", [run_of(each) for each in runs])


def brought(registry, store):
    """Import a store; return what came."""
    return bring(registry._chain, store, Wish())


def task_of(said):
    """Return the task of a run."""
    return Task.get_task(task_name=said["name"])


def test_runs_come_as_aim_says_them(registry):
    done = brought(registry, recorded())
    assert done.left == {}
    for said in SAID:
        task = task_of(said)
        assert task.get_project_name() == (
            None if said["experiment"] == "default" else said["experiment"]
        )
        assert {*task.get_tags()} == {*said["tags"], *(["archived"] if said["archived"] else [])}
        assert task.comment == (said["description"] or None)
        assert task.status == "completed"
        row = next(
            iter(registry.db.query("SELECT created, ended FROM task WHERE id = ?", [task.id]))
        )
        assert row["created"] == round(said["created"] * 1e6)
        assert row["ended"] == round(said["ended"] * 1e6)
    assert task_of(SAID[0]).get_parameters(cast=True) == {
        "General/hparams/lr": 0.1, "General/hparams/layers": [1, 2],
        "General/hparams/opt/name": "adam", "General/hparams/none": None, "General/seed": 7,
    }  # fmt: skip


def test_every_point_has_its_step_value_and_time(registry):
    brought(registry, recorded())
    for said in SAID:
        rows = registry.db.query(
            "SELECT s.title, s.name, c.iteration, c.value, s.epoch + c.ms AS at FROM scalar c "
            "JOIN series s ON s.pk = c.series WHERE s.task = "
            "(SELECT pk FROM task WHERE name = ?)", [said["name"]]
        )  # fmt: skip
        found = {(row["title"], row["name"], row["iteration"]): row for row in rows}
        expected = {}
        for each in said["series"]:
            if each["kind"] != "metric":
                continue
            title, slash, rest = each["name"].partition("/")
            series = each["context"].get("subset") or (rest if slash else title)
            for step, value, epoch, at in zip(
                each["steps"], each["values"], each["epochs"], each["times"], strict=True
            ):
                expected[title, series, step] = value, at
                if epoch is not None:
                    expected["epoch", "epoch", step] = epoch, at
        assert {*found} == {*expected}
        for key, (value, at) in expected.items():
            assert found[key]["value"] == value or math.isnan(value)
            assert found[key]["at"] == round(at * 1e6) // 1_000


def test_texts_pictures_and_distributions_come(registry):
    brought(registry, recorded())
    rows = registry.db.query("SELECT title, series, iteration, kind FROM plot ORDER BY 1, 2")
    assert [tuple(row.values()) for row in rows] == [
        ("bars", "bars", 3, "plotly"), ("notes", "notes", 1, "media"),
        ("picture", "a=1, b=x", 2, "media"), ("several", "several/0", 4, "media"),
        ("several", "several/1", 4, "media"),
    ]  # fmt: skip
    lines = [row["text"] for row in registry.db.query("SELECT text FROM message")]
    assert lines == ["careful"]


def test_a_second_import_brings_only_what_is_new(registry, tmp_path):
    brought(registry, recorded())
    before = counts(registry)
    assert brought(registry, recorded()).arrived.events == 0
    assert counts(registry) == before
    other = Registry(tmp_path / "other")
    brought(other, recorded(first={"name": "renamed", "ended": SAID[0]["ended"] + 5}))
    registry.merge(tmp_path / "other")
    assert len(registry.tasks()) == 2
    brought(registry, recorded(first={"name": "renamed again"}))
    assert {*task_of({"name": "renamed again"}).get_tags()} == {*SAID[0]["tags"]}


def test_a_run_that_goes_on_has_not_ended(registry):
    brought(registry, recorded(first={"ended": None}))
    assert task_of(SAID[0]).status == "in_progress"


def test_contexts_keep_series_apart(registry):
    metric = {"kind": "metric", "steps": [0], "epochs": [None], "times": [1.0]}
    names = [("loss", {}), ("loss/loss", {}), ("loss", {"subset": "loss"}), ("a", {"b": 1}),
             ("loss", {"subset": "train", "b": 2})]  # fmt: skip
    series = [
        metric | {"name": name, "context": context, "values": [float(number)]}
        for number, (name, context) in enumerate(names)
    ]
    brought(registry, recorded(first={"series": series}))
    rows = registry.db.query("SELECT count(*) AS n FROM series WHERE task = 1")
    assert next(iter(rows))["n"] == len(names)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"created": 1e30}, "has the time"), ({"created": float("nan")}, "has the time"),
        ({"ended": -5.0}, "has the time"), ({"params": {"": 1}}, "cannot be kept"),
        ({"name": "x" * 5_000}, "cannot be kept"), ({"tags": ["a\0b"]}, "cannot be kept"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_an_error(registry, change, problem):
    before = counts(registry)
    with pytest.raises(SourceError, match=problem):
        brought(registry, recorded(first=change))
    assert counts(registry) == before


@pytest.mark.parametrize(
    "change", [{"steps": [2**60]}, {"times": [1e30]}, {"name": " "}, {"times": [float("inf")]}]
)
def test_odd_points_are_errors(registry, change):
    metric = {"kind": "metric", "name": "a", "context": {}, "steps": [0], "values": [1.0],
              "epochs": [None], "times": [1.0]}  # fmt: skip
    with pytest.raises(SourceError):
        brought(registry, recorded(first={"series": [metric | change]}))


@pytest.mark.skipif(importlib.util.find_spec("aim") is not None, reason="aim is installed here")
def test_without_aim_its_name_is_said(registry, tmp_path):
    for name in ("meta", "seqs"):
        (tmp_path / ".aim" / name).mkdir(parents=True)
    assert kinds.kind_of(str(tmp_path)) == "aim"
    assert aim_store.is_one(tmp_path / ".aim")
    with pytest.raises(MissingPackageError, match="pip install aim"):
        kinds.import_from(registry._chain, str(tmp_path), "aim", Wish())
