"""Tables in Parquet: each value is the registry's, for every program that reads them."""

from __future__ import annotations

import math
from datetime import UTC

import duckdb
import polars as pl
import pytest

from localreg import Task
from localreg.operations.exporters.parquet_tables import TABLES


@pytest.fixture
def tables(made, tmp_path):
    """The folder of the tables, and the registry that they were made from."""
    made.export(everything=True, path=tmp_path / "tables", format="parquet")
    return tmp_path / "tables", made


def read(folder, name):
    return pl.read_parquet(folder / f"{name}.parquet")


def test_there_is_a_file_for_each_table_with_the_documented_columns(tables):
    folder, _ = tables
    assert {each.name for each in folder.iterdir()} == {f"{name}.parquet" for name in TABLES}
    for name, columns in TABLES.items():
        assert read(folder, name).columns == [*columns]


def test_runs_are_the_tasks(tables):
    folder, registry = tables
    records = {each.id: each for each in registry.tasks().records()}
    rows = read(folder, "runs").to_dicts()
    assert {row["id"] for row in rows} == {*records}
    for row in rows:
        record, task = records[row["id"]], Task.get_task(row["id"])
        assert row["name"] == record.name
        assert row["project"] == record.project
        assert row["status"] == record.status
        assert row["created"] == record.created.astimezone(UTC)
        assert row["tags"] == task.get_tags()
        assert row["comment"] == (task.comment or None)
        assert row["parent"] == task.parent
    [failed] = [row for row in rows if row["name"] == "broken"]
    assert failed["reason"] == "no memory"


def test_params_are_the_parameters(tables):
    folder, registry = tables
    wanted = {
        (task.id, key): value
        for task in registry.tasks()
        for key, value in task.get_parameters().items()
    }
    assert len(wanted) == 4
    found = {
        (row["task"], f"{row['section']}/{row['name']}"): row["value"]
        for row in read(folder, "params").to_dicts()
    }
    assert found == wanted


def points_of(owner, kind):
    """Return the rows of a task or model, by the API."""
    values = owner.get_reported_scalars(max_samples=0)
    times = owner.get_reported_scalars(max_samples=0, x_axis="timestamp")
    return [
        (owner.id, kind, title, name, step, ms * 1_000, value)
        for title, series in sorted(values.items())
        for name, points in sorted(series.items())
        for step, value, ms in zip(points["x"], points["y"], times[title][name]["x"], strict=True)
    ]


def plain(row):
    """Return a row with NaN as a text, to be compared."""
    return tuple("nan" if isinstance(each, float) and math.isnan(each) else each for each in row)


def test_metrics_are_all_points_in_order(tables):
    folder, registry = tables
    wanted = []
    owners = [(each, "task") for each in registry.tasks()]
    owners += [(each, "model") for each in registry.models(archived=True)]
    for owner, kind in sorted(owners, key=lambda each: each[0].id):
        wanted += points_of(owner, kind)
    assert len(wanted) == 11
    frame = read(folder, "metrics").with_columns(pl.col("time").dt.timestamp("us"))
    found = [row for row in frame.rows() if row[3] is not None]
    assert [*map(plain, found)] == [*map(plain, wanted)]


def test_single_values_have_neither_series_nor_step(tables):
    folder, _ = tables
    [row] = read(folder, "metrics").filter(pl.col("series").is_null()).to_dicts()
    assert (row["title"], row["step"], row["value"]) == ("score", None, 0.75)


def test_models_and_metadata_are_those_of_the_registry(tables):
    folder, registry = tables
    models = {each.id: each for each in registry.models(archived=True)}
    rows = read(folder, "models").to_dicts()
    assert {row["id"] for row in rows} == {*models}
    for row in rows:
        model = models[row["id"]]
        assert row["ref"] == model.ref
        assert (row["name"], row["version"]) == (model.name, model.version)
        assert row["project"] == model.project_name
        assert (row["tags"], row["aliases"]) == (model.tags, model.aliases)
        assert (row["digest"], row["archived"]) == (model.digest, model.archived)
        assert row["task"] == model.task
    found = {
        (row["model"], row["key"]): (row["value"], row["type"])
        for row in read(folder, "metadata").to_dicts()
    }
    assert found == {
        (model.id, key): (each["value"], each["type"])
        for model in models.values()
        for key, each in model.get_all_metadata().items()
    }


def test_duckdb_and_pandas_read_them(tables):
    folder, _ = tables
    query = f"SELECT count(*), count(DISTINCT id), min(time) FROM '{folder}/metrics.parquet'"
    count, owners, _ = duckdb.execute(query).fetchone()
    assert (count, owners) == (12, 2)
    sql = f"SELECT ref, created FROM '{folder}/models.parquet' WHERE 'prod' IN aliases"
    frame = duckdb.execute(sql).df()  # of pandas
    assert frame["ref"].tolist() == ["vision/resnet:1"]
    assert frame["created"].dt.tz is not None


def test_many_points_come_in_order_in_small_groups(registry, tmp_path):
    """More than one piece on the way becomes one file."""
    task = Task.create("p", "long")
    logger = task.get_logger()
    for name in "abc":
        for step in range(100_000):
            logger.report_scalar("loss", name, step / 2, step)
    registry.export(everything=True, path=tmp_path / "tables", format="parquet")
    frame = read(tmp_path / "tables", "metrics")
    assert len(frame) == 300_000
    assert frame["series"].unique(maintain_order=True).to_list() == ["a", "b", "c"]
    for name in "abc":
        part = frame.filter(pl.col("series") == name)
        assert part["step"].to_list() == [*range(100_000)]
        assert part["value"].to_list() == [step / 2 for step in range(100_000)]
    path = tmp_path / "tables" / "metrics.parquet"
    groups = f"SELECT max(row_group_num_rows) FROM parquet_metadata('{path}')"
    assert duckdb.execute(groups).fetchone()[0] <= 250_000
    assert {each.name for each in (tmp_path / "tables").iterdir()} == {
        f"{name}.parquet" for name in TABLES
    }


def test_an_empty_registry_gives_empty_tables(registry, tmp_path):
    registry.export(everything=True, path=tmp_path / "tables", format="parquet")
    for name, columns in TABLES.items():
        frame = read(tmp_path / "tables", name)
        assert (len(frame), frame.columns) == (0, [*columns])


def test_secrets_are_hidden_as_in_sql(registry, tmp_path):
    task = Task.create("p", "t")
    task.set_parameters({"General/api_key": "hunter2-hunter2", "General/nul": "a\0b"})
    task.set_comment("see https://me:hunter2-hunter2@example.org/")
    registry.add(__file__, "m", "p", metadata={"token": "hunter2-hunter2"})
    done = registry.export(everything=True, path=tmp_path / "tables", format="parquet")
    assert done.changed == {"values, whose secrets are hidden": 2}
    for each in (tmp_path / "tables").iterdir():
        text = str(pl.read_parquet(each).to_dicts())
        assert "hunter2" not in text
    values = dict(read(tmp_path / "tables", "params").select("name", "value").rows())
    assert values == {"api_key": "***", "nul": "a\0b"}
