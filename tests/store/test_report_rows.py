"""Series: their points and their summary, which is kept up to date while points are replaced."""

from __future__ import annotations

import math
import sqlite3
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg import InputModel, Registry
from localreg.errors import DamagedRowError
from localreg.store.rows import report_rows
from localreg.values.records import Owner

SUMMARY = "SELECT points, last, low, high FROM series"
POINTS = "SELECT iteration, value FROM scalar ORDER BY iteration"
values = st.sampled_from([0.0, 1.0, -1.0, 2.5, math.nan, math.inf, -math.inf])


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The database of a registry with one model, whose key is 1."""
    home = tmp_path_factory.mktemp("reports") / "r"
    with Registry(home, durability="fast"):
        InputModel.import_model("s3://bucket/m.pt", name="m")
    connection = sqlite3.connect(home / "registry.db", isolation_level=None)
    yield connection
    connection.close()


def add(connection, points):
    points = [(step, value, 10**18) for step, value in points]
    report_rows.add_points(connection, "model", 1, "loss", "train", points)


def instructions(connection, call):
    """Return how many hundred instructions of SQLite's machine a call takes."""
    found = []
    connection.set_progress_handler(lambda: found.append(1) and 0, 100)
    call()
    connection.set_progress_handler(None, 0)
    return len(found)


@given(st.lists(st.lists(st.tuples(st.integers(-4, 9), values), min_size=1, max_size=6)))
def test_the_summary_of_a_series_is_that_of_its_points(database, flushes):
    wanted: dict[int, float | None] = {}
    database.execute("BEGIN")
    try:
        for points in flushes:
            add(database, points)
            wanted |= {step: None if math.isnan(value) else value for step, value in points}
            assert database.execute(POINTS).fetchall() == sorted(wanted.items())
            finite = [each for each in wanted.values() if each is not None and math.isfinite(each)]
            assert database.execute(SUMMARY).fetchall() == [
                (
                    len(wanted),
                    wanted[max(wanted)],
                    min(finite, default=None),
                    max(finite, default=None),
                )
            ]
    finally:
        database.execute("ROLLBACK")


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 64, 65, 511, 512, 513, 1200])
def test_any_number_of_points_is_written_at_once(database, count):
    database.execute("BEGIN")
    add(database, [(step, step / 2) for step in range(count)])
    assert database.execute(POINTS).fetchall() == [(step, step / 2) for step in range(count)]
    database.execute("ROLLBACK")


def test_a_point_at_a_passed_iteration_reads_no_other_points(database):
    database.execute("BEGIN")
    add(database, [(step, step % 7 / 2) for step in range(19_998)])
    add(database, [(3, 1.0)])  # prepares the statements
    assert instructions(database, lambda: add(database, [(5, 2.0), (19_997, 1.5)])) < 10
    # The greatest value is replaced, so another one is looked for.
    add(database, [(9, 50.0)])
    assert instructions(database, lambda: add(database, [(9, 1.0)])) > 1000
    assert database.execute(SUMMARY).fetchone()[3] == 3.0
    database.execute("ROLLBACK")


def only_series(connection):
    pk, epoch, count, last, low, high = connection.execute(
        "SELECT pk, epoch, points, last, low, high FROM series"
    ).fetchone()
    return report_rows.SeriesRow(pk, "loss", "train", epoch, count, last, low, high)


@given(
    st.dictionaries(st.integers(-60, 60), values, min_size=9, max_size=80),
    st.integers(4, 12),
)
def test_a_thinned_series_keeps_its_ends_its_extremes_and_its_gaps(database, points, most):
    database.execute("BEGIN")
    try:
        add(database, list(points.items()))
        series = only_series(database)
        everything = report_rows.points(database, series.pk)
        drawn = report_rows.thinned(database, series, most)
    finally:
        database.execute("ROLLBACK")
    assert set(drawn) <= set(everything)
    steps = [step for step, _, _ in drawn]
    assert steps == sorted(set(steps))
    assert (drawn[0], drawn[-1]) == (everything[0], everything[-1])

    def is_finite(point):
        return point[1] is not None and math.isfinite(point[1])

    finite = [value for _, value, _ in filter(is_finite, everything)]
    shown = [value for _, value, _ in filter(is_finite, drawn)]
    assert (min(shown, default=0), max(shown, default=0)) == (
        min(finite, default=0),
        max(finite, default=0),
    )
    assert len(shown) <= most
    for before, after in pairwise(drawn):  # no line is drawn over a gap
        if is_finite(before) and is_finite(after):
            assert all(is_finite(each) for each in everything if before < each < after)


def test_a_thinned_series_has_the_shape_of_the_whole(database):
    database.execute("BEGIN")
    add(database, [(step, math.sin(step / 500)) for step in range(20_000)])
    drawn = report_rows.thinned(database, only_series(database), 400)
    database.execute("ROLLBACK")
    assert 390 <= len(drawn) <= 400
    widest = max(after[0] - before[0] for before, after in pairwise(drawn))
    assert widest < 3 * 20_000 / 200


@pytest.mark.parametrize("column", ["iteration", "value", "ms"])
def test_a_damaged_point_is_an_error_wherever_it_is_read(database, column):
    database.execute("BEGIN")
    add(database, [(step, step / 2) for step in range(100)])
    series = only_series(database)
    database.execute(f"UPDATE scalar SET {column} = 'odd' WHERE iteration = 99")
    for read in (
        lambda: report_rows.points(database, series.pk),
        lambda: report_rows.thinned(database, series, 10),
        lambda: report_rows.packed_points(database, series.pk),
        lambda: report_rows.columns(database, series.pk, "ms" if column == "ms" else "iteration"),
    ):
        with pytest.raises(DamagedRowError):
            read()
    database.execute("ROLLBACK")


@pytest.mark.parametrize("ms", [2**62, -(2**62)])
def test_a_point_at_a_time_that_no_calendar_has_is_an_error(database, ms):
    database.execute("BEGIN")
    add(database, [(step, step / 2) for step in range(100)])
    series = only_series(database)
    database.execute("UPDATE scalar SET ms = ? WHERE iteration = 50", (ms,))
    for read in (
        lambda: report_rows.points(database, series.pk),
        lambda: report_rows.packed_points(database, series.pk),
        lambda: report_rows.columns(database, series.pk, "ms"),
    ):
        with pytest.raises(DamagedRowError):
            read()
    database.execute("ROLLBACK")


def log_lines(connection, count):
    """Write a log of so many lines, and return what the page of it reads."""
    connection.execute("DELETE FROM message")
    connection.execute(
        "INSERT INTO message (model, stamp, at, level, text) "
        "WITH line(at) AS (SELECT 1 UNION ALL SELECT at + 1 FROM line WHERE at < ?) "
        "SELECT 1, at, at, 20, 'line ' || at FROM line",
        (count,),
    )
    (model,) = connection.execute("SELECT id FROM model").fetchone()
    return lambda: report_rows.messages(connection, Owner("model", model), 10)


def test_the_lines_of_a_log_before_the_last_ones_are_counted(database):
    database.execute("BEGIN")
    try:
        shown, earlier = log_lines(database, 25)()
        assert [each.text for each in shown] == [f"line {number}" for number in range(16, 26)]
        assert earlier == 15
        assert log_lines(database, 10)() == ([*map(report_rows.Message, *ten_lines())], 0)
        assert log_lines(database, report_rows.COUNTED + 10)()[1] == report_rows.COUNTED
    finally:
        database.execute("ROLLBACK")


def ten_lines():
    """Return the times, levels and texts of a log of ten lines."""
    return range(1, 11), [20] * 10, [f"line {number}" for number in range(1, 11)]


def test_a_very_long_log_is_not_counted_to_its_end(database):
    database.execute("BEGIN")
    try:
        most = report_rows.COUNTED
        long = instructions(database, log_lines(database, most + 20))
        read = log_lines(database, 3 * most)
        assert read()[1] > most
        assert instructions(database, read) <= long + 1
    finally:
        database.execute("ROLLBACK")
