"""Reported tables: rows, DataFrames and CSV files."""

from __future__ import annotations

import numpy as np
import pytest
from support.reports import drawings, figures

from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.operations.reports import charts


def test_a_table_of_rows(model):
    rows = [["animal", "legs"], ["falcon", 2], ["spider", 8.5], ["<b>snake</b>", None]]
    model.report_table("table example", "rows", table_plot=rows)
    (figure,) = figures(model)
    (trace,) = figure["data"]
    assert trace["header"]["values"] == ["<b>animal</b>", "<b>legs</b>"]
    assert trace["cells"]["values"] == [
        ["falcon", "spider", "&lt;b&gt;snake&lt;/b&gt;"], [2, 8.5, ""]
    ]  # fmt: skip
    stored = drawings(model)["table example", "rows", 0].parts
    assert stored["rows"] == rows[1:]


def test_a_table_of_a_pandas_dataframe(model):
    """See decision 31 of the guide."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"num_legs": [2, 4, 8, 0], "num_wings": [2, 0, 0, 0], "num_specimen_seen": [10, 2, 1, 8]},
        index=["falcon", "dog", "spider", "fish"],
    )
    model.report_table(
        title="table example", series="pandas DataFrame", iteration=0, table_plot=frame
    )
    stored = drawings(model)["table example", "pandas DataFrame", 0].parts
    assert stored["header"] == ["", "num_legs", "num_wings", "num_specimen_seen"]
    assert stored["rows"][0] == ["falcon", 2, 2, 10]
    model.report_table("plain", "s", table_plot=frame.reset_index(drop=True))
    assert drawings(model)["plain", "s", 0].parts["header"][0] == "num_legs"
    several = frame.set_index([["a", "a", "b", "b"], [1, 2, 1, 2]])
    several.columns = pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)])
    model.report_table("levels", "s", table_plot=several)
    stored = drawings(model)["levels", "s", 0].parts
    assert stored["header"] == ["", "", "x / 1", "x / 2", "y / 1"]
    assert stored["rows"][3] == ["b", 2, 0, 0, 8]


def test_a_table_of_a_polars_dataframe(model):
    """See decision 31 of the guide."""
    pl = pytest.importorskip("polars")
    model.report_table("t", "s", table_plot=pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))
    stored = drawings(model)["t", "s", 0].parts
    assert (stored["header"], stored["rows"]) == (["a", "b"], [[1, "x"], [None, "y"]])


def test_a_table_of_a_csv_file(model, tmp_path):
    """See decision 31 of the guide."""
    path = tmp_path / "table.csv"
    path.write_text('\ufeffname,value\n"a, b",1\nc,2.5\nshort\n', encoding="utf-8")
    model.report_table("t", "path", csv=str(path))
    model.report_table("t", "url", url=path.as_uri())
    for series in ("path", "url"):
        stored = drawings(model)["t", series, 0].parts
        assert stored["header"] == ["name", "value"]
        assert stored["rows"] == [["a, b", 1], ["c", 2.5], ["short", None]]


def test_exactly_one_source_of_a_table_is_allowed(model, tmp_path):
    """See decision 31 of the guide."""
    for given in ({}, {"table_plot": [["a"]], "csv": "x.csv"}, {"csv": "x.csv", "url": "s3://b/x"}):
        with pytest.raises(InvalidValueError, match="exactly one of table_plot, csv and url"):
            model.report_table("t", "s", **given)
    with pytest.raises(SourceNotFoundError, match=r"no file .*gone\.csv"):
        model.report_table("t", "s", csv=tmp_path / "gone.csv")


def test_a_page_shows_the_first_rows_of_a_long_table_and_says_so(model):
    model.report_table("t", "s", table_plot=[["n"], *([n] for n in range(3_000))])
    _, registry, owner = model._owned()
    reported = charts.reported_values(registry, owner, lambda *_: "")
    (step,) = reported.plots[0].steps
    assert "1,000 of 3,000 rows" in step.note
    assert len(step.shown["data"][0]["cells"]["values"][0]) == 1_000
    assert len(drawings(model)["t", "s", 0].parts["rows"]) == 3_000


def test_tables_may_contain_missing_values_and_arrays(task):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {"n": pd.array([1, None], dtype="Int64"), "b": pd.array([None, True], dtype="boolean")}
    )
    logger = task.get_logger()
    logger.report_table("nullable", "s", table_plot=frame)
    rows = [
        [np.array([1, 2]), "h", pd.NA],
        [np.array([1, 2]), np.array(3), pd.NaT],
        [np.longdouble(1), np.float32("nan"), pd.NA],
    ]
    logger.report_table("arrays", "s", table_plot=rows)
    found = drawings(task)
    assert found["nullable", "s", 0].parts["rows"] == [[1, ""], ["", True]]
    arrays = found["arrays", "s", 0].parts
    assert arrays["header"] == ["[1 2]", "h", ""]
    assert arrays["rows"][0] == ["[1 2]", 3, ""]
    assert arrays["rows"][1][1:] == ["", ""]
    with pytest.raises(InvalidValueError, match="table_plot"):
        logger.report_table("t", "s", table_plot=[["a"], [10**5_000]])


def test_only_exact_numbers_of_a_csv_file_become_numbers(task, tmp_path):
    texts = ["01234", "nan", "inf", "9" * 5_000, "1e999", "-01.5", "1_000", "12345678901234567"]
    numbers = ["0", "-5", "1.5", "-0.25", "2e3", "1.5E-3"]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["a", *texts, *numbers]))
    task.get_logger().report_table("t", "s", csv=path)
    cells = [row[0] for row in drawings(task)["t", "s", 0].parts["rows"]]
    assert cells == [*texts, 0, -5, 1.5, -0.25, 2_000, 0.0015]
