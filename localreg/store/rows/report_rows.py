"""Rows of reports: scalars, single values, plots and log lines.

Functions that write need a write transaction.
"""

from __future__ import annotations

import json
import math
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, pairwise
from operator import gt, lt

from localreg.errors import DamagedRowError
from localreg.store.rows import model_rows, task_rows
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    LATEST,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    Columns,
    damaged_row,
    or_null,
)
from localreg.values.frozen import Frozen
from localreg.values.records import Owner

Connection = sqlite3.Connection
Point = tuple[int, float, int]  # iteration, value, nanoseconds since 1970


class SeriesRow(Frozen):
    """A scalar series.

    Attributes:
        epoch: start of the times of its points, in milliseconds since 1970.
        points: how many points it has.
        last: the value at the greatest iteration; None for NaN.
        low, high: the least and greatest finite value; None if there is none.
    """

    pk: int
    title: str
    name: str
    epoch: int
    points: int
    last: float | None
    low: float | None
    high: float | None


class PlotRow(Frozen):
    """A plot, without its data."""

    pk: int
    title: str
    series: str
    iteration: int
    kind: str
    spec: str
    digest: str | None
    size: int | None
    at: int


class Message(Frozen):
    """A line of a log; `at` is in microseconds since 1970, `level` is as in `logging`."""

    at: int
    level: int
    text: str


# Points in one statement. SQLite releases Python's lock during a statement, and a training loop
# that takes it may hold it for 5 ms: few statements mean few such pauses. Preparing one takes
# quadratic time: with thousands of points it would be slower again.
_AT_ONCE = (512, 64, 8, 1)
_FINITE = "s.value > -9e999 AND s.value < 9e999"


def owner_pk(connection: Connection, owner: Owner) -> int | None:
    """Return the key of a model or task, or None if it does not exist."""
    row = connection.execute(f"SELECT pk FROM {owner.kind} WHERE id = ?", (owner.id,)).fetchone()
    return None if row is None else int(row[0])


def touch(connection: Connection, owner: Owner, pk: int, stamp: int, at: int) -> None:
    """Set stamp and time of a model or task that was reported to, and remember both."""
    _touch(connection, owner, stamp, at)
    connection.execute(f"DELETE FROM reported WHERE {owner.kind} = ?", (pk,))
    connection.execute(
        f"INSERT INTO reported ({owner.kind}, stamp, at) VALUES (?, ?, ?)", (pk, stamp, at)
    )


def _touch(connection: Connection, owner: Owner, stamp: int, at: int) -> None:
    rows = model_rows if owner.kind == "model" else task_rows
    rows.touch(connection, owner.id, stamp, at)


def joined(connection: Connection, owner: Owner) -> tuple[object, ...]:
    """Return numbers that change when reports of another registry were joined with an owner's.

    What is reported here changes the stamp of the owner.
    """
    found: tuple[object, ...] = connection.execute(
        f"SELECT (SELECT sum(joined) FROM series WHERE {owner.kind} = o.pk), "
        f"(SELECT max(pk) FROM plot WHERE {owner.kind} = o.pk), "
        f"(SELECT max(pk) FROM message WHERE {owner.kind} = o.pk), "
        f"(SELECT group_concat(quote(value) || ' ' || at) FROM single WHERE {owner.kind} = o.pk) "
        f"FROM {owner.kind} o WHERE id = ?",
        (owner.id,),
    ).fetchone()
    return found


def touch_later(connection: Connection, owner: Owner, pk: int, stamp: int, at: int) -> None:
    """Remember the last report of another registry, if it is later than the last one here."""
    held = connection.execute(
        f"SELECT stamp, at FROM reported WHERE {owner.kind} = ?", (pk,)
    ).fetchone()
    if held is not None and tuple(held) >= (stamp, at):
        return
    connection.execute(f"DELETE FROM reported WHERE {owner.kind} = ?", (pk,))
    connection.execute(
        f"INSERT INTO reported ({owner.kind}, stamp, at) VALUES (?, ?, ?)", (pk, stamp, at)
    )
    changed = connection.execute(
        f"SELECT stamp, updated FROM {owner.kind} WHERE pk = ?", (pk,)
    ).fetchone()
    if tuple(changed) < (stamp, at):
        _touch(connection, owner, stamp, at)


def touch_reported(connection: Connection) -> None:
    """Set stamp and time again for every report: a fold of the events knows no reports."""
    for kind in ("model", "task"):
        rows = connection.execute(
            f"SELECT o.id, r.stamp, r.at FROM reported r JOIN {kind} o ON o.pk = r.{kind} "
            "WHERE r.stamp > o.stamp"
        ).fetchall()
        for owner_id, stamp, at in rows:
            _touch(connection, Owner(kind, owner_id), stamp, at)


def last_report(connection: Connection, kind: str, owner_id: str) -> tuple[int, int] | None:
    """Return (stamp, time) of the last report to a model or task, or None."""
    row = connection.execute(
        f"SELECT r.stamp, r.at FROM {kind} o JOIN reported r ON r.{kind} = o.pk WHERE o.id = ?",
        (owner_id,),
    ).fetchone()
    return None if row is None else (int(row[0]), int(row[1]))


def add_points(
    connection: Connection, kind: str, pk: int, title: str, name: str, points: Sequence[Point]
) -> None:
    """Write points of a series; a point replaces an earlier one of the same iteration.

    Args:
        kind, pk: table and key of the owner.
        points: at least one, in the order they were reported.
    """
    series = _series(connection, kind, pk, title, name, points[0][2])
    steps = [iteration for iteration, _, _ in points]
    if not all(map(lt, steps, steps[1:])):  # unordered or repeated: the last one counts
        points = sorted({point[0]: point for point in points}.values())
    passed = series.top is not None and points[0][0] <= series.top  # else nothing is replaced
    replaced = _held(connection, series.pk, points) if passed else _NOTHING
    _insert(connection, series, points)
    low, high = _extremes([value for _, value, _ in points])
    is_last = series.top is None or points[-1][0] >= series.top
    connection.execute(
        "UPDATE series SET points = points + :new, last = iif(:is_last, :last, last), "
        "low = min(ifnull(low, :low), ifnull(:low, low)), "
        "high = max(ifnull(high, :high), ifnull(:high, high)) WHERE pk = :pk",
        {
            "new": len(points) - replaced.points,
            "is_last": is_last,
            "last": points[-1][1],
            "low": low,
            "high": high,
            "pk": series.pk,
        },
    )
    if _is_lost(replaced.low, series.low, low, gt) or _is_lost(
        replaced.high, series.high, high, lt
    ):
        count_points(connection, series.pk)


class _Summary(Frozen):
    """A series, or some of its points, in short.

    Attributes:
        points: their number.
        low, high: the least and greatest finite value; None if there is none.
        top: the greatest iteration; None if there is none, or if no one asked.
        pk, epoch: of the series; 0 if no one asked.
    """

    points: int
    low: float | None
    high: float | None
    top: int | None = None
    pk: int = 0
    epoch: int = 0


_NOTHING = _Summary(0, None, None)


def _extremes(values: list[float]) -> tuple[float | None, float | None]:
    """Return the least and the greatest finite value."""
    if not math.isfinite(sum(values)):  # the usual case needs no list
        values = [value for value in values if math.isfinite(value)]
    return min(values, default=None), max(values, default=None)


def _is_lost(
    replaced: float | None,
    held: float | None,
    new: float | None,
    worse: Callable[[float, float], bool],
) -> bool:
    """Return True if an extreme of a series was replaced, and not by a better one.

    Args:
        replaced, held, new: the extreme of the points that are gone, of the series, and of the
            points that replaced them.
        worse: compares two of them.
    """
    return replaced is not None and replaced == held and (new is None or worse(new, replaced))


def _held(connection: Connection, series: int, points: Sequence[Point]) -> _Summary:
    """Return what a series has at the iterations of some points."""
    row = connection.execute(
        f"SELECT count(*), min(s.value) FILTER (WHERE {_FINITE}), "
        f"max(s.value) FILTER (WHERE {_FINITE}) FROM json_each(?) k "
        "CROSS JOIN scalar s ON s.series = ? AND s.iteration = k.value",
        (json.dumps([iteration for iteration, _, _ in points]), series),
    ).fetchone()
    return _Summary(*row)


def count_points(connection: Connection, series_pk: int) -> None:
    """Set the number of points of a series, and its last, least and greatest value."""
    connection.execute(
        "UPDATE series SET (points, low, high) = (SELECT count(*), "
        f"min(s.value) FILTER (WHERE {_FINITE}), max(s.value) FILTER (WHERE {_FINITE}) "
        "FROM scalar s WHERE s.series = :pk), "
        "last = (SELECT value FROM scalar WHERE series = :pk ORDER BY iteration DESC LIMIT 1) "
        "WHERE pk = :pk",
        {"pk": series_pk},
    )


@cache
def _insertion(count: int) -> str:
    # What replaces a value is later than it, also if the clock went back: when registries meet, the
    # later value counts, and this one must not lose to the one that it replaced.
    return (
        "INSERT INTO scalar SELECT ?, column1, column2, column3 / 1000000 - ? "
        f"FROM (VALUES {', '.join(['(?, ?, ?)'] * count)}) WHERE true "
        "ON CONFLICT DO UPDATE SET value = excluded.value, ms = max(excluded.ms, ms + 1)"
    )


def _insert(connection: Connection, series: _Summary, points: Sequence[Point]) -> None:
    start = 0
    for count in _AT_ONCE:
        while start + count <= len(points):
            some = chain.from_iterable(points[start : start + count])
            connection.execute(_insertion(count), [series.pk, series.epoch, *some])
            start += count


def _series(
    connection: Connection, kind: str, owner: int, title: str, name: str, at: int
) -> _Summary:
    """Return a series; create it if it is new."""
    row = connection.execute(
        "SELECT points, low, high, (SELECT max(iteration) FROM scalar WHERE series = pk), pk, "
        f"epoch FROM series WHERE {kind} = ? AND title = ? AND name = ?",
        (owner, title, name),
    ).fetchone()
    if row is not None:
        return _Summary(*row)
    epoch = at // 1_000_000
    cursor = connection.execute(
        f"INSERT INTO series ({kind}, title, name, epoch, points) VALUES (?, ?, ?, ?, 0)",
        (owner, title, name, epoch),
    )
    return _Summary(0, None, None, None, int(cursor.lastrowid or 0), epoch)


def set_single(
    connection: Connection, kind: str, pk: int, name: str, value: float, at: int
) -> None:
    """Write a single value; it replaces an earlier one of the same name."""
    connection.execute(
        f"INSERT INTO single ({kind}, name, value, at) VALUES (?, ?, ?, ?) "
        f"ON CONFLICT ({kind}, name) WHERE {kind} IS NOT NULL "
        "DO UPDATE SET value = excluded.value, at = max(excluded.at, at + 1)",
        (pk, name, value, at),
    )


def set_plot(
    connection: Connection,
    kind: str,
    pk: int,
    key: tuple[str, str, int],
    drawing: tuple[str, str, bytes | None, bytes | None],
    digest: str | None,
    at: int,
) -> None:
    """Write a plot; it replaces an earlier one of the same title, series and iteration.

    Args:
        kind, pk: table and key of the owner.
        key: title, series, iteration.
        drawing: kind of the plot, its specification as JSON, its data, and its thinned data.
        digest: for media, the digest of the blob with its bytes; else None.
    """
    where = f"{kind} = ? AND title = ? AND series = ? AND iteration = ?"
    held = connection.execute(f"SELECT at FROM plot WHERE {where}", (pk, *key)).fetchone()
    if held is not None:
        connection.execute(f"DELETE FROM plot WHERE {where}", (pk, *key))
        at = max(at, held[0] + 1)
    connection.execute(
        f"INSERT INTO plot ({kind}, title, series, iteration, kind, spec, data, shown, blob, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT pk FROM blob WHERE digest = ?), ?)",
        (pk, *key, *drawing, digest, at),
    )


def forget_old_media(
    connection: Connection, kind: str, pk: int, title: str, series: str, keep: int
) -> None:
    """Delete all but the last `keep` iterations of a picture or another file."""
    connection.execute(
        f"DELETE FROM plot WHERE {kind} = :pk AND title = :title AND series = :series "
        f"AND kind = 'media' AND iteration NOT IN (SELECT iteration FROM plot WHERE {kind} = :pk "
        "AND title = :title AND series = :series AND kind = 'media' "
        "ORDER BY iteration DESC LIMIT :keep)",
        {"pk": pk, "title": title, "series": series, "keep": keep},
    )


def add_messages(connection: Connection, kind: str, pk: int, messages: Sequence[Message]) -> None:
    """Write lines of a log. Their stamps keep their order, also if the clock went back."""
    (last,) = connection.execute(
        f"SELECT max(stamp) FROM message WHERE {kind} = ?", (pk,)
    ).fetchone()
    rows = []
    for each in messages:
        last = each.at if last is None else max(each.at, last + 1)
        rows.append((pk, last, each.at, each.level, each.text))
    connection.executemany(
        f"INSERT INTO message ({kind}, stamp, at, level, text) VALUES (?, ?, ?, ?, ?)", rows
    )


_SERIES = Columns(
    "series", 1, pk=WHOLE, title=TEXT, name=TEXT, epoch=TIME, points=COUNT, last=or_null(NUMBER),
    low=or_null(NUMBER), high=or_null(NUMBER),
)  # fmt: skip
_SINGLES = Columns("single", name=TEXT, value=or_null(NUMBER))
_TIMED_SINGLES = Columns("single", name=TEXT, value=or_null(NUMBER), at=TIME)
_PLOTS = Columns(
    "plot", 1, pk=WHOLE, title=TEXT, series=TEXT, iteration=WHOLE, kind=TEXT, spec=TEXT,
    digest=or_null(DIGEST), size=or_null(COUNT), at=TIME,
)  # fmt: skip
_MESSAGES = Columns("message", at=TIME, level=WHOLE, text=TEXT)


_POINTS = "SELECT iteration, value, ms FROM scalar WHERE series = ? ORDER BY iteration"
_PIECE = 10_000  # points in memory
# SQL that is true for a point with values that no report writes.
STRANGE_POINT = (
    "NOT (typeof(iteration) = 'integer' AND typeof(value) IN ('real', 'null') "
    f"AND typeof(ms) = 'integer' AND ms BETWEEN -{LATEST} AND {LATEST})"
)


def series(connection: Connection, owner: Owner) -> list[SeriesRow]:
    """Return the scalar series of a model or task, sorted by title and name."""
    rows = _SERIES.sound(
        connection,
        "SELECT s.pk, s.title, s.name, s.epoch, s.points, s.last, s.low, s.high "
        f"FROM {owner.kind} o JOIN series s ON s.{owner.kind} = o.pk WHERE o.id = ? "
        "ORDER BY s.title, s.name",
        (owner.id,),
    )
    return [SeriesRow(*row) for row in rows]


def points(connection: Connection, series_pk: int) -> list[tuple[int, float | None, int]]:
    """Return iteration, value, and milliseconds since `SeriesRow.epoch`, of each point."""
    _check_points(connection, series_pk)
    return connection.execute(_POINTS, (series_pk,)).fetchall()


def _check_points(connection: Connection, series_pk: int) -> None:
    strange = connection.execute(
        f"SELECT iteration FROM scalar WHERE series = ? AND {STRANGE_POINT} LIMIT 1", (series_pk,)
    ).fetchone()
    if strange is not None:
        raise _damaged(series_pk)


def point_stream(
    connection: Connection, series_pk: int
) -> Iterator[list[tuple[int, float | None, int]]]:
    """Yield the points of a series as `points` does, some at a time: there may be millions."""
    _check_points(connection, series_pk)
    cursor = connection.execute(_POINTS, (series_pk,))
    while rows := cursor.fetchmany(_PIECE):
        yield rows


def packed_points(
    connection: Connection, series_pk: int
) -> tuple[array[int], array[int], array[float]]:
    """Return what `points` does as three columns, in 24 bytes for each point.

    They are iterations, milliseconds since `SeriesRow.epoch`, and values, NaN for None.
    """
    steps, times, values = array("q"), array("q"), array("d")
    for rows in point_stream(connection, series_pk):
        some_steps, some_values, some_times = zip(*rows, strict=True)
        steps.extend(some_steps)
        times.extend(some_times)
        values.extend(math.nan if value is None else value for value in some_values)
    return steps, times, values


def columns(connection: Connection, series_pk: int, place: str) -> tuple[list[int], list[float]]:
    """Return a number and the value of each point of a series, by iteration, as two lists.

    Args:
        place: the number: "iteration", or "ms" since `SeriesRow.epoch`.
    """
    places: list[int] = []
    values: list[float] = []
    add_place, add_value = places.append, values.append
    # Each row is dropped before the next one comes, so there is never more than the result.
    for number, value in connection.execute(
        f"SELECT {place}, value FROM scalar WHERE series = ? ORDER BY iteration", (series_pk,)
    ):
        add_place(number)
        add_value(value)
    kinds = {*map(type, values)}
    if not {*map(type, places)} <= {int} or not kinds <= {float, type(None)}:
        raise _damaged(series_pk)
    if place == "ms" and places and not -LATEST <= min(places) <= max(places) <= LATEST:
        raise _damaged(series_pk)
    if type(None) in kinds:
        values = [math.nan if value is None else value for value in values]
    return places, values


_OF_RANGE = (
    "FROM scalar s WHERE s.series = ? AND s.iteration BETWEEN ? AND ? "
    f"AND {_FINITE}"
)  # fmt: skip
# SQLite takes the other columns from the row that has the least, or the greatest, value.
_LEAST = f"SELECT s.iteration, min(s.value), s.ms, count(*) {_OF_RANGE}"
_GREATEST = f"SELECT s.iteration, max(s.value), s.ms {_OF_RANGE}"
_FIRST_GAP = (
    "SELECT s.iteration, s.value, s.ms FROM scalar s WHERE s.series = ? AND s.iteration > ? "
    f"AND s.iteration < ? AND (s.value IS NULL OR NOT ({_FINITE})) LIMIT 1"
)


def thinned(
    connection: Connection, series: SeriesRow, most: int
) -> list[tuple[int, float | None, int]]:
    """Return points of a series to draw, as `points` does.

    They are the first and the last one, and those with the least and the greatest finite value of
    each of many equal ranges of iterations: what a chart as many pixels wide shows. SQLite finds
    them six times as fast as it gives all points to Python. Where a value that is not finite lies
    between two of them, one such point is there too.

    Args:
        most: of finite points, at least 4.
    """
    ends = "SELECT iteration, value, ms FROM scalar WHERE series = ? ORDER BY iteration"
    first = connection.execute(f"{ends} LIMIT 1", (series.pk,)).fetchone()
    last = connection.execute(f"{ends} DESC LIMIT 1", (series.pk,)).fetchone()
    if first is None:
        return []
    found = {point[0]: point for point in (first, last)}
    _check_drawn(series.pk, found.values())
    width = (last[0] - first[0]) // (most // 2 - 1) + 1
    finite = 0
    for start in range(first[0], last[0] + 1, width):
        of_range = (series.pk, start, start + width - 1)
        *least, count = connection.execute(_LEAST, of_range).fetchone()
        if count:
            greatest = connection.execute(_GREATEST, of_range).fetchone()
            found |= {least[0]: tuple(least), greatest[0]: greatest}
            finite += count
    if finite < series.points:
        for before, after in pairwise(sorted(found)):
            if gap := connection.execute(_FIRST_GAP, (series.pk, before, after)).fetchone():
                found[gap[0]] = gap
    _check_drawn(series.pk, found.values())
    return sorted(found.values())


def _check_drawn(series_pk: int, points: Iterable[tuple[object, ...]]) -> None:
    for iteration, value, ms in points:
        is_sound = type(iteration) is type(ms) is int and type(value) in (float, type(None))
        if not is_sound or not -LATEST <= ms <= LATEST:  # type: ignore[operator]  # an int
            raise _damaged(series_pk)


def _damaged(series_pk: int) -> DamagedRowError:
    return damaged_row("scalar", series_pk, "value", "must be a number, at a whole iteration")


def timed_singles(connection: Connection, owner: Owner) -> list[tuple[str, float | None, int]]:
    """Return name, value and microseconds of the single values of an owner, sorted by name."""
    return _TIMED_SINGLES.all(
        connection,
        f"SELECT s.name, s.value, s.at FROM {owner.kind} o JOIN single s ON s.{owner.kind} = o.pk "
        "WHERE o.id = ? ORDER BY s.name",
        (owner.id,),
    )


def message_stream(connection: Connection, owner: Owner) -> Iterator[Message]:
    """Yield the lines of a log, oldest first."""
    rows = _MESSAGES.stream(
        connection,
        f"SELECT m.at, m.level, m.text FROM {owner.kind} o JOIN message m "
        f"ON m.{owner.kind} = o.pk WHERE o.id = ? ORDER BY m.stamp, m.at, m.level, m.text",
        (owner.id,),
    )
    return (Message(*row) for row in rows)


def singles(connection: Connection, owner: Owner) -> list[tuple[str, float | None]]:
    """Return the single values of a model or task, sorted by name."""
    return _SINGLES.sound(
        connection,
        f"SELECT s.name, s.value FROM {owner.kind} o JOIN single s ON s.{owner.kind} = o.pk "
        "WHERE o.id = ? ORDER BY s.name",
        (owner.id,),
    )


def plots(connection: Connection, owner: Owner) -> list[PlotRow]:
    """Return the plots of a model or task, sorted by title, series and iteration."""
    rows = _PLOTS.sound(
        connection,
        "SELECT p.pk, p.title, p.series, p.iteration, p.kind, p.spec, b.digest, b.size, p.at "
        f"FROM {owner.kind} o JOIN plot p ON p.{owner.kind} = o.pk LEFT JOIN blob b "
        "ON b.pk = p.blob WHERE o.id = ? ORDER BY p.title, p.series, p.iteration",
        (owner.id,),
    )
    return [PlotRow(*row) for row in rows]


def plot_data(connection: Connection, plot_pk: int, *, shown: bool) -> bytes:
    """Return the data of a plot, or if `shown` its thinned data."""
    column = "shown" if shown else "data"
    row = connection.execute(f"SELECT {column} FROM plot WHERE pk = ?", (plot_pk,)).fetchone()
    if row is None or row[0] is None:
        return b""
    if type(row[0]) is not bytes:
        raise damaged_row("plot", plot_pk, column, "must be bytes")
    return row[0]


def last_messages(connection: Connection, owner: Owner, limit: int) -> list[Message]:
    """Return the last lines of a log, oldest first."""
    rows = _MESSAGES.sound(
        connection,
        f"SELECT m.at, m.level, m.text FROM {owner.kind} o JOIN message m "
        f"ON m.{owner.kind} = o.pk WHERE o.id = ? "
        "ORDER BY m.stamp DESC, m.at DESC, m.level DESC, m.text DESC LIMIT ?",
        (owner.id, limit),
    )
    return [Message(*row) for row in reversed(rows)]


COUNTED = 100_000  # lines of a log: counting all would read all of them for each page


def messages(connection: Connection, owner: Owner, limit: int) -> tuple[list[Message], int]:
    """Return the last lines of a log, oldest first, and the number of earlier lines.

    A number greater than `COUNTED` only says that there are more than these.
    """
    count = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {owner.kind} o "
        f"JOIN message m ON m.{owner.kind} = o.pk WHERE o.id = ? LIMIT ?)",
        (owner.id, limit + COUNTED + 1),
    ).fetchone()[0]
    return last_messages(connection, owner, limit), max(0, count - limit)
