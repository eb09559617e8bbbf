"""The reports of a model or task as a stream of bytes, and joining such a stream with a registry.

Reports have no events, so they travel by themselves. Joining is a union. It gives the same in any
order, and twice is once:

- Of two points of one series and iteration the later one counts, of equal times the larger value,
  and any number before NaN. So it is for single values of one name.
- Of two plots of one title, series and iteration the later one counts, of equal times the one with
  the greater sha256.
- Lines of a log are the same if stamp, time, level and text are the same.
- Of two last reports (`reported`) the one with the greater stamp counts.

A stream is a sequence of frames. Each is a line of canonical JSON, some of them with bytes after
it. Only the reports decide about the bytes: not the keys or the epochs in the database, nor the
order of arrival. Nothing is compressed, since each version of a compressor writes other bytes.

======== ========================================================================================
reports  the first frame, with the version `v`
points   up to 65,536 points of one series. Iterations and times are differences, less the least
         difference, in the narrowest type that holds all; values are 4 bytes each if that is exact
singles  rows of name, value, time
plot     a plot; after the line its specification, its data and its thinned data
log      rows of stamp, time, level, text
reported stamp and time of the last report
end      the last frame
======== ========================================================================================

A stream may come from a stranger. Everything in it is checked before it is written.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat

from localreg.errors import BundleError
from localreg.store.rows import blob_rows, remote_report_rows, report_rows
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    EARLIEST,
    ID,
    LATEST,
    TEXT,
    TIME,
    WHOLE,
    Columns,
    Rule,
    damaged_row,
    is_undecodable,
    or_null,
)
from localreg.values.canonical import canonical
from localreg.values.checks import NAME_LIMIT, shown
from localreg.values.frozen import Frozen
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Numbers = NDArray[Any]

Connection = sqlite3.Connection

MOST_POINTS = 65_536  # in one frame
_MOST_ROWS = 65_536
_FULL_LINE = 1 << 20  # characters: a frame of rows ends with the row that reaches this size
_LINE_LIMIT = 8 << 20  # bytes; a line of a log has at most a million characters
_TEXT_LIMIT = 1_000_000  # characters of a line of a log
_SPEC_LIMIT = 16 << 20  # bytes
_DATA_LIMIT = 500_000_000
_SHOWN_LIMIT = 100_000_000
_PIECE = 1 << 20
_WHOLE_CELL = 4 << 20  # bytes; a larger cell is read and written in pieces
_AT_ONCE = 200  # points in one statement
_WIDTHS = {"": 0, "u1": 1, "u2": 2, "u4": 4, "u8": 8, "f4": 4, "f8": 8}
_FIRST_MS, _LAST_MS = EARLIEST // 1_000, LATEST // 1_000
_LAST_ITERATION = 2**53  # as what reports accept: a page is exact only up to it


def _text(limit: int, *, empty: bool = True) -> Rule:
    wanted = f"text of at most {limit:,} characters, without NUL"
    return (
        wanted if empty else f"{wanted}, and not blank",
        frozenset({str}),
        lambda value: len(value) <= limit and "\0" not in value and (empty or value.strip()),
    )


_TITLE, _NAME = _text(NAME_LIMIT, empty=False), _text(NAME_LIMIT)
_ITERATION: Rule = (
    "a whole number from -2^53 to 2^53",
    frozenset({int}),
    range(-_LAST_ITERATION, _LAST_ITERATION + 1).__contains__,
)
_STAMP: Rule = ("a stamp up to the year 9999", frozenset({int}), range(LATEST).__contains__)
_LINE: Rule = (
    f"text of at most {_TEXT_LIMIT:,} characters",
    frozenset({str}),
    lambda value: len(value) <= _TEXT_LIMIT,
)
_VALUE: Rule = ("a number with a point", frozenset({float}), None)  # as JSON writes a float
_SIZE_OF_DATA: Rule = (
    f"a number of bytes up to {_DATA_LIMIT:,}",
    frozenset({int}),
    range(_DATA_LIMIT + 1).__contains__,
)
_SIZE_OF_SHOWN: Rule = (
    f"a number of bytes up to {_SHOWN_LIMIT:,}",
    frozenset({int}),
    range(_SHOWN_LIMIT + 1).__contains__,
)
_LEVEL: Rule = ("a level", frozenset({int}), range(-(2**53), 2**53 + 1).__contains__)

_SERIES = Columns("series", 1, pk=WHOLE, title=_TITLE, name=_NAME)
_KEYS = Columns("series", title=_TITLE, name=_NAME)
_SINGLES = Columns("single", name=_TITLE, value=or_null(_VALUE), at=TIME)
_PLOTS = Columns(
    "plot", 1, pk=WHOLE, title=_TITLE, series=_NAME, iteration=_ITERATION, kind=_NAME, at=TIME,
    digest=or_null(DIGEST), size=or_null(COUNT), data=or_null(_SIZE_OF_DATA),
    shown=or_null(_SIZE_OF_SHOWN),
)  # fmt: skip
_MESSAGES = Columns("message", stamp=_STAMP, at=TIME, level=_LEVEL, text=_LINE)
_LAST = Columns("reported", stamp=_STAMP, at=TIME)


class Joined(Frozen):
    """How much of a stream was new: points, single values, plots, and lines of the log."""

    points: int = 0
    singles: int = 0
    plots: int = 0
    messages: int = 0


def has_reports(connection: Connection, owner: Owner) -> bool:
    """Return True if anything was reported to a model or task."""
    tables = " UNION ALL ".join(
        f"SELECT 1 FROM {table} x JOIN {owner.kind} o ON o.pk = x.{owner.kind} WHERE o.id = :id"
        for table in ("series", "single", "plot", "message")
    )
    return connection.execute(f"{tables} LIMIT 1", {"id": owner.id}).fetchone() is not None


def owners(connection: Connection) -> Iterator[Owner]:
    """Yield the models and tasks to which anything was reported: by creation, and by id."""
    for kind, order in (("model", "birth"), ("task", "id")):
        reported = " OR ".join(
            f"EXISTS (SELECT 1 FROM {table} WHERE {kind} = o.pk)"
            for table in ("series", "single", "plot", "message")
        )
        sql = f"SELECT o.id FROM {kind} o WHERE {reported} ORDER BY o.{order}"
        for (owner,) in Columns(kind, id=ID).stream(connection, sql):
            yield Owner(kind, owner)


# --- reading ------------------------------------------------------------------------------------


def read(connection: Connection, owner: Owner) -> Iterator[bytes]:
    """Yield the stream of what was reported to a model or task, in pieces of up to a few MB.

    What waits in memory is not in it: flush the reports of the registry before.

    Args:
        connection: in a read transaction, until the last piece.

    Raises:
        DamagedRowError: a value is one that no report writes.
    """
    yield _line({"kind": "reports", "v": 1})
    try:
        yield from _read_points(connection, owner)
        yield from _read_rows(
            "singles",
            (
                (name, _written(value), at)
                for name, value, at in _rows(
                    connection, owner, _SINGLES, "SELECT x.name, x.value, x.at FROM single x",
                    "x.name",
                )
            ),
        )  # fmt: skip
        yield from _read_plots(connection, owner)
        yield from _read_rows(
            "log",
            _rows(
                connection, owner, _MESSAGES,
                "SELECT x.stamp, x.at, x.level, x.text FROM message x",
                "x.stamp, x.at, x.level, x.text",
            ),
        )  # fmt: skip
        for stamp, at in _rows(
            connection, owner, _LAST, "SELECT x.stamp, x.at FROM reported x", "x.stamp"
        ):
            yield _line({"kind": "reported", "stamp": stamp, "at": at})
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
        raise damaged_row(owner.kind, owner.id, "reports", "hold text that is not UTF-8") from error
    yield _line({"kind": "end"})


def _line(value: object) -> bytes:
    return f"{canonical(value)}\n".encode()


def _rows(
    connection: Connection, owner: Owner, columns: Columns, select: str, order: str
) -> Iterator[tuple[Any, ...]]:
    """Yield the checked rows of one table that belong to an owner, some at a time."""
    cursor = connection.execute(
        f"{select} JOIN {owner.kind} o ON x.{owner.kind} = o.pk WHERE o.id = ? ORDER BY {order}",
        (owner.id,),
    )
    while rows := cursor.fetchmany(256):
        for error in columns.damage(rows):
            raise error
        yield from rows


def _read_rows(kind: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[bytes]:
    """Yield frames with rows, each of about a megabyte."""
    held: list[str] = []
    size = 0
    for row in rows:
        held.append(canonical(row))
        size += len(held[-1])
        if size >= _FULL_LINE or len(held) == _MOST_ROWS:
            yield f'{{"kind":"{kind}","rows":[{",".join(held)}]}}\n'.encode()
            held, size = [], 0
    if held:
        yield f'{{"kind":"{kind}","rows":[{",".join(held)}]}}\n'.encode()


def _written(value: float | None) -> float | str | None:
    """Return a number as JSON can hold it."""
    if value is None:
        return None
    return value if abs(value) < float("inf") else str(value)


def _read_points(connection: Connection, owner: Owner) -> Iterator[bytes]:
    series = "SELECT x.pk, x.title, x.name FROM series x"
    for pk, title, name in [*_rows(connection, owner, _SERIES, series, "x.title, x.name")]:
        (epoch,) = connection.execute("SELECT epoch FROM series WHERE pk = ?", (pk,)).fetchone()
        cursor = connection.execute(
            "SELECT iteration, value, ms FROM scalar WHERE series = ? ORDER BY iteration", (pk,)
        )
        while rows := cursor.fetchmany(MOST_POINTS):
            steps, values, times = zip(*rows, strict=True)
            if type(epoch) is not int or not (
                set(map(type, steps)) == set(map(type, times)) == {int}
                and set(map(type, values)) <= {float, type(None)}
                and steps[0] >= -_LAST_ITERATION
                and steps[-1] <= _LAST_ITERATION
                and min(times) + epoch >= _FIRST_MS
                and max(times) + epoch <= _LAST_MS
            ):
                raise damaged_row(
                    "scalar", title, "value", "must be a number, at a whole iteration and a time"
                )
            yield from _points(title, name, steps, values, times, epoch)


def _points(
    title: str,
    name: str,
    steps: Sequence[int] | Numbers,
    values: Sequence[float | None] | Numbers,
    times: Sequence[int] | Numbers,
    epoch: int,
) -> tuple[bytes, ...]:
    import numpy as np

    numbers = np.array(values, "<f8")
    numbers[np.isnan(numbers)] = np.nan  # of all bits that mean NaN always the same
    with np.errstate(over="ignore"):
        narrow = numbers.astype("<f4")
    if np.array_equal(narrow.astype("<f8"), numbers, equal_nan=True):
        numbers = narrow
    step, step_bytes = _differences(np.array(steps, "i8"))
    time, time_bytes = _differences(np.array(times, "i8") + epoch)
    line = {
        "kind": "points",
        "series": [title, name],
        "count": len(steps),
        "iteration": step,
        "ms": time,
        "value": numbers.dtype.str[1:],
    }
    return _line(line), step_bytes, time_bytes, numbers.tobytes()


def _differences(numbers: Numbers) -> tuple[list[object], bytes]:
    """Return the first of some whole numbers, type and least of their differences; and the rest."""
    import numpy as np

    first = int(numbers[0])
    if len(numbers) == 1:
        return [first, "", 0], b""
    differences = np.diff(numbers)
    base = int(differences.min())
    rest = (differences - base).astype("u8")
    most = int(rest.max())
    kind = next(kind for kind, width in _WIDTHS.items() if most < 256**width)
    return [first, kind, base], rest.astype(f"<{kind}").tobytes() if kind else b""


def _read_plots(connection: Connection, owner: Owner) -> Iterator[bytes]:
    strange = connection.execute(
        f"SELECT x.title FROM plot x JOIN {owner.kind} o ON x.{owner.kind} = o.pk WHERE o.id = ? "
        "AND (typeof(x.data) NOT IN ('blob', 'null') OR typeof(x.shown) NOT IN ('blob', 'null')) "
        "LIMIT 1",
        (owner.id,),
    ).fetchone()
    if strange is not None:
        raise damaged_row("plot", strange[0], "data", "must be bytes, or NULL")
    plots = _rows(
        connection,
        owner,
        _PLOTS,
        "SELECT x.pk, x.title, x.series, x.iteration, x.kind, x.at, b.digest, b.size, "
        "length(x.data), length(x.shown) FROM plot x LEFT JOIN blob b ON b.pk = x.blob",
        "x.title, x.series, x.iteration",
    )
    for pk, title, series, iteration, kind, at, digest, size, data, thinned in plots:
        spec = _spec(connection, pk)
        yield _line(
            {
                "kind": "plot",
                "series": [title, series],
                "iteration": iteration,
                "plot": kind,
                "at": at,
                "blob": None if digest is None else [digest, size],
                "bytes": [len(spec), data, thinned],
                "sha256": _sha256_of_plot(connection, pk),
            }
        )
        yield spec
        yield from _cell(connection, pk, "data", data)
        yield from _cell(connection, pk, "shown", thinned)


def _spec(connection: Connection, pk: int) -> bytes:
    (text,) = connection.execute("SELECT spec FROM plot WHERE pk = ?", (pk,)).fetchone()
    spec = text.encode() if type(text) is str else b""
    if not _is_object(spec) or len(spec) > _SPEC_LIMIT:
        raise damaged_row("plot", pk, "spec", f"must be a JSON object, not {shown(text)}")
    return spec


def _is_object(text: bytes) -> bool:
    try:
        return type(json.loads(text)) is dict
    except (ValueError, RecursionError):
        return False


def _cell(connection: Connection, pk: int, column: str, size: int | None) -> Iterator[bytes]:
    """Yield the bytes of a cell of a plot, in pieces if it is large."""
    if size is None:
        return
    if size <= _WHOLE_CELL:
        yield connection.execute(f"SELECT {column} FROM plot WHERE pk = ?", (pk,)).fetchone()[0]
        return
    with connection.blobopen("plot", column, pk, readonly=True) as cell:
        while piece := cell.read(_PIECE):
            yield piece


def _sha256_of_plot(connection: Connection, pk: int) -> str:
    kind, digest, data, thinned = connection.execute(
        "SELECT x.kind, b.digest, length(x.data), length(x.shown) FROM plot x "
        "LEFT JOIN blob b ON b.pk = x.blob WHERE x.pk = ?",
        (pk,),
    ).fetchone()
    spec = _spec(connection, pk)
    hashing = _begun_sha256(kind, digest, (len(spec), data, thinned))
    hashing.update(spec)
    for column, size in (("data", data), ("shown", thinned)):
        for piece in _cell(connection, pk, column, size):
            hashing.update(piece)
    return hashing.hexdigest()


def _begun_sha256(kind: str, digest: str | None, sizes: Sequence[int | None]) -> hashlib._Hash:
    return hashlib.sha256(_line([kind, digest, *sizes]))


# --- writing a stream of what no registry holds ---------------------------------------------------

BEGIN, END = _line({"kind": "reports", "v": 1}), _line({"kind": "end"})


def points_frames(
    title: str,
    name: str,
    steps: Sequence[int] | Numbers,
    values: Sequence[float] | Numbers,
    times: Sequence[int] | Numbers,
) -> Iterator[bytes]:
    """Yield frames with the points of one series, as a stream has them.

    Args:
        steps: iterations; they must grow.
        times: milliseconds since 1970.
    """
    for start in range(0, len(steps), MOST_POINTS):
        some = slice(start, start + MOST_POINTS)
        yield from _points(title, name, steps[some], values[some], times[some], 0)


def singles_frames(rows: Iterable[tuple[str, float, int]]) -> Iterator[bytes]:
    """Yield frames with single values: name, value, time in microseconds."""
    numbers = ((name, None if value != value else value, at) for name, value, at in rows)
    return _read_rows("singles", ((name, _written(value), at) for name, value, at in numbers))


def log_frames(rows: Iterable[tuple[int, int, int, str]]) -> Iterator[bytes]:
    """Yield frames with lines of a log: stamp, time in microseconds, level, text."""
    return _read_rows("log", rows)


def plot_frames(
    place: tuple[str, str, int],
    drawing: tuple[str, str, bytes | None, bytes | None],
    blob: tuple[str, int] | None,
    at: int,
) -> tuple[bytes, ...]:
    """Return the frame of a plot.

    Args:
        place: title, series, iteration.
        drawing: kind of the plot, its specification as JSON, its data, and its thinned data.
        blob: of media, digest and size of the bytes.
        at: microseconds since 1970.
    """
    title, series, iteration = place
    kind, text, data, thinned = drawing
    spec = text.encode()
    sizes = [len(spec), *(None if each is None else len(each) for each in (data, thinned))]
    hashing = _begun_sha256(kind, None if blob is None else blob[0], sizes)
    pieces = [spec, data or b"", thinned or b""]
    for piece in pieces:
        hashing.update(piece)
    line = {
        "kind": "plot",
        "series": [title, series],
        "iteration": iteration,
        "plot": kind,
        "at": at,
        "blob": None if blob is None else [*blob],
        "bytes": sizes,
        "sha256": hashing.hexdigest(),
    }
    return _line(line), *pieces


def last_frame(at: int) -> bytes:
    """Return the frame that says when something was reported last, in microseconds."""
    return _line({"kind": "reported", "stamp": at, "at": at})


# --- joining ------------------------------------------------------------------------------------


def join(
    connection: Connection, owner: Owner, pieces: Iterable[bytes], size: int | None = None
) -> Joined:
    """Add the reports of a stream to those of a model or task.

    An error leaves everything as it was. If the model or task is not here, nothing is read.

    Args:
        connection: in a write transaction, in which the events were taken already.
        pieces: the stream, in pieces of any size; of another registry what `read` yields.
        size: the bytes of the stream, if they are known: then nothing in it can promise more.

    Returns:
        How much was new.

    Raises:
        BundleError: the stream is damaged or forged; it says where.
    """
    pk = report_rows.owner_pk(connection, owner)
    if pk is None:
        return Joined()
    connection.execute("SAVEPOINT joining_reports")
    try:
        joined = _Joining(connection, owner, pk, _Stream(pieces, size)).run()
    except BaseException:
        if connection.in_transaction:  # on some errors SQLite has rolled back already
            connection.execute("ROLLBACK TO joining_reports")
            connection.execute("RELEASE joining_reports")
        raise
    connection.execute("RELEASE joining_reports")
    return joined


def _refused(what: str) -> BundleError:
    return BundleError(
        f"the reports that should come are damaged: {what}. Nothing of them was taken; export them "
        "again"
    )


class _Stream:
    """Takes lines and bytes from the pieces of a stream."""

    def __init__(self, pieces: Iterable[bytes], size: int | None) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()
        self._size = size
        self._taken = 0

    def line(self) -> bytes:
        """Return the next line."""
        start = 0
        while (end := self._held.find(b"\n", start)) < 0:
            start = len(self._held)
            if start > _LINE_LIMIT:
                break
            self._more()
        if end < 0 or end > _LINE_LIMIT:
            raise _refused(f"a line has more than {_LINE_LIMIT:,} bytes")
        return self._take(end + 1)

    def some(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes."""
        if self._size is not None and size > self._size - self._taken:
            raise _refused(f"{size:,} bytes should follow, more than the stream has")
        while size:
            if not self._held:
                self._more()
            piece = self._take(min(size, len(self._held)))
            size -= len(piece)
            yield piece

    def whole(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        return b"".join(self.some(size))

    def end(self) -> None:
        """Raise unless the stream ends here."""
        if self._held or any(self._pieces):
            raise _refused("something follows its last frame")

    def _more(self) -> None:
        for piece in self._pieces:
            if piece:
                self._held += piece
                return
        raise _refused(f"it ends after {self._taken + len(self._held):,} bytes, too early")

    def _take(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[:size]
        self._taken += size
        return piece


# The later time counts; of equal times the larger value, and NaN (NULL) after all.
_IS_BETTER = (
    "excluded.{time} > {time} OR (excluded.{time} = {time} AND "
    "(excluded.value > value OR (value IS NULL AND excluded.value IS NOT NULL)))"
)
_BETTER_POINT = (
    "ON CONFLICT (series, iteration) DO UPDATE SET value = excluded.value, ms = excluded.ms "
    f"WHERE {_IS_BETTER.format(time='ms')}"
)
_ONE_POINT = f"INSERT INTO scalar VALUES (?, ?, ?, ?) {_BETTER_POINT}"
_MANY_POINTS = f"INSERT INTO scalar VALUES {', '.join(['(?, ?, ?, ?)'] * _AT_ONCE)} {_BETTER_POINT}"
_EPOCH = Columns("series", pk=WHOLE, epoch=TIME)
_HELD = Columns("plot", pk=WHOLE, at=TIME)
_SPEC_SIZE: Rule = (
    f"a number of bytes up to {_SPEC_LIMIT:,}",
    frozenset({int}),
    range(_SPEC_LIMIT + 1).__contains__,
)
_FRAME_OF_POINTS = Columns("points", title=_TITLE, name=_NAME, count=COUNT, value=TEXT)
_FRAME_OF_NUMBERS = Columns("points", first=WHOLE, type=TEXT, base=WHOLE)
_FRAME_OF_PLOT = Columns(
    "plot", title=_TITLE, series=_NAME, iteration=_ITERATION, plot=_NAME, at=TIME,
    digest=or_null(DIGEST), size=or_null(COUNT), spec=_SPEC_SIZE, data=or_null(_SIZE_OF_DATA),
    shown=or_null(_SIZE_OF_SHOWN), sha256=DIGEST,
)  # fmt: skip


class _Joining:
    """Takes the frames of one stream."""

    def __init__(self, connection: Connection, owner: Owner, pk: int, stream: _Stream) -> None:
        self._connection = connection
        self._owner = owner
        self._pk = pk
        self._stream = stream
        self._series: tuple[str, str] | None = None
        self._series_pk = self._epoch = 0
        self._changed: set[int] = set()  # series
        self._points = self._singles = self._plots = self._messages = 0

    def run(self) -> Joined:
        takers: dict[object, Callable[[dict[str, Any]], None]] = {
            "points": self._take_points,
            "singles": self._take_singles,
            "plot": self._take_plot,
            "log": self._take_log,
            "reported": self._take_last,
        }
        head = self._frame()
        if head != {"kind": "reports", "v": 1}:
            raise _refused(
                f"it begins with {shown(head)}, not with the format of reports that this localreg "
                "reads"
            )
        while (frame := self._frame()).get("kind") != "end":
            kind = frame.get("kind")
            taker = takers.get(kind) if type(kind) is str else None
            if taker is None:
                raise _refused(f"it has a frame of the unknown kind {shown(kind)}")
            taker(frame)
        self._stream.end()
        for series in self._changed:
            report_rows.count_points(self._connection, series)
            self._connection.execute(
                "UPDATE series SET joined = joined + 1 WHERE pk = ?", (series,)
            )
        joined = Joined(self._points, self._singles, self._plots, self._messages)
        if joined != Joined():
            remote_report_rows.mark_changed(self._connection, self._owner)
        return joined

    def _frame(self) -> dict[str, Any]:
        line = self._stream.line()
        try:
            frame = json.loads(line)
            if b"\\u" in line:  # it may name half of a character
                canonical(frame).encode()
        except (ValueError, RecursionError) as error:
            raise _refused(f"a line is not JSON: {str(error)[:100]}") from error
        if type(frame) is not dict:
            raise _refused(f"a line must be a JSON object, not {shown(frame)}")
        return frame

    def _changes(self) -> int:
        return self._connection.total_changes

    def _take_points(self, frame: dict[str, Any]) -> None:
        import numpy as np

        title, name = _list(frame, "series", 2)
        count, kind = _values(frame, "count", "value")
        _check(_FRAME_OF_POINTS, [(title, name, count, kind)])
        if not 0 < count <= MOST_POINTS or kind not in ("f4", "f8"):
            raise _refused(f"points of {shown(title)}: {count:,} values of type {shown(kind)}")
        steps = self._numbers(frame, "iteration", count)
        times = self._numbers(frame, "ms", count)
        values = np.frombuffer(self._stream.whole(count * _WIDTHS[kind]), f"<{kind}")
        if not (
            steps[0] >= -_LAST_ITERATION
            and steps[-1] <= _LAST_ITERATION
            and (steps[1:] > steps[:-1]).all()
        ):
            raise _refused(
                f"points of {shown(title)}: iterations must grow, from -2^53 to 2^53 at most"
            )
        if times.min() < _FIRST_MS or times.max() > _LAST_MS:
            raise _refused(f"points of {shown(title)}: a time is not in the years 1 to 9999")
        self._open_series(title, name, int(times[0]))
        before = self._changes()
        self._write_points(steps.tolist(), values.tolist(), (times - self._epoch).tolist())
        if new := self._changes() - before:
            self._changed.add(self._series_pk)
            self._points += new

    def _numbers(self, frame: dict[str, Any], column: str, count: int) -> Numbers:
        """Return what `_differences` wrote. Numbers that are too large come back as others."""
        import numpy as np

        values = _list(frame, column, 3)
        _check(_FRAME_OF_NUMBERS, [values])
        first, kind, base = values
        if kind not in _WIDTHS or kind in ("f4", "f8"):
            raise _refused(f"{column} of points has the type {shown(kind)}")
        numbers = np.empty(count, "u8")
        numbers[1:] = 0
        if kind:
            numbers[1:] = np.frombuffer(self._stream.whole((count - 1) * _WIDTHS[kind]), f"<{kind}")
        numbers += np.uint64(base % 2**64)
        numbers[0] = first % 2**64
        return np.cumsum(numbers, out=numbers).view("i8")

    def _open_series(self, title: str, name: str, ms: int) -> None:
        """Find the series of the next points; make it if it is new."""
        if self._series == (title, name):
            return
        row = _EPOCH.one(
            self._connection,
            f"SELECT pk, epoch FROM series WHERE {self._owner.kind} = ? AND title = ? AND name = ?",
            (self._pk, title, name),
        )
        if row is None:
            cursor = self._connection.execute(
                f"INSERT INTO series ({self._owner.kind}, title, name, epoch, points) "
                "VALUES (?, ?, ?, ?, 0)",
                (self._pk, title, name, ms),
            )
            row = int(cursor.lastrowid or 0), ms
        self._series, (self._series_pk, self._epoch) = (title, name), row

    def _write_points(self, steps: list[int], values: list[float], times: list[int]) -> None:
        whole = len(steps) - len(steps) % _AT_ONCE
        flat: list[float] = [0] * (4 * whole)
        flat[0::4] = [self._series_pk] * whole
        flat[1::4], flat[2::4], flat[3::4] = steps[:whole], values[:whole], times[:whole]
        for start in range(0, 4 * whole, 4 * _AT_ONCE):
            self._connection.execute(_MANY_POINTS, flat[start : start + 4 * _AT_ONCE])
        rest = zip(
            repeat(self._series_pk), steps[whole:], values[whole:], times[whole:], strict=False
        )
        self._connection.executemany(_ONE_POINT, rest)

    def _take_singles(self, frame: dict[str, Any]) -> None:
        rows = [(name, _read_value(value), at) for name, value, at in _table(frame, 3)]
        _check(_SINGLES, rows)
        kind = self._owner.kind
        before = self._changes()
        self._connection.executemany(
            f"INSERT INTO single ({kind}, name, value, at) VALUES (?, ?, ?, ?) "
            f"ON CONFLICT ({kind}, name) WHERE {kind} IS NOT NULL "
            "DO UPDATE SET value = excluded.value, at = excluded.at "
            f"WHERE {_IS_BETTER.format(time='at')}",
            ((self._pk, *row) for row in rows),
        )
        self._singles += self._changes() - before

    def _take_log(self, frame: dict[str, Any]) -> None:
        rows = _table(frame, 4)
        _check(_MESSAGES, rows)
        kind = self._owner.kind
        before = self._changes()
        self._connection.executemany(
            f"INSERT INTO message ({kind}, stamp, at, level, text) SELECT ?, ?, ?, ?, ? "
            f"WHERE NOT EXISTS (SELECT 1 FROM message WHERE {kind} = ? AND stamp = ? "
            "AND at = ? AND level = ? AND text = ?)",
            ((self._pk, *row, self._pk, *row) for row in rows),
        )
        self._messages += self._changes() - before

    def _take_last(self, frame: dict[str, Any]) -> None:
        stamp, at = _values(frame, "stamp", "at")
        _check(_LAST, [(stamp, at)])
        report_rows.touch_later(self._connection, self._owner, self._pk, stamp, at)

    def _take_plot(self, frame: dict[str, Any]) -> None:
        title, series = _list(frame, "series", 2)
        digest, size = (None, None) if frame.get("blob") is None else _list(frame, "blob", 2)
        spec_size, data, thinned = sizes = _list(frame, "bytes", 3)
        iteration, kind, at, sha256 = _values(frame, "iteration", "plot", "at", "sha256")
        row = (title, series, iteration, kind, at, digest, size, *sizes, sha256)
        _check(_FRAME_OF_PLOT, [row])
        if (digest is None) != (size is None):
            raise _refused(f"the plot {shown(title)} lacks the digest or the size of its file")
        spec = self._stream.whole(spec_size)
        if not _is_object(spec):
            raise _refused(f"the specification of the plot {shown(title)} is not a JSON object")
        hashing = _begun_sha256(kind, digest, sizes)
        hashing.update(spec)
        place = (title, series, iteration)
        if self._is_wanted(place, at, sha256):
            if digest is not None:
                blob_rows.record_elsewhere(self._connection, digest, size)
                blob_rows.mark_referred(self._connection, digest)
            plot = self._make_plot(place, (kind, spec.decode(), digest, at), thinned, data)
            for column, length in (("data", data), ("shown", thinned)):
                if length:
                    with self._connection.blobopen("plot", column, plot) as cell:
                        for piece in self._stream.some(length):
                            hashing.update(piece)
                            cell.write(piece)
            self._plots += 1
        else:
            for piece in self._stream.some((data or 0) + (thinned or 0)):
                hashing.update(piece)
        if hashing.hexdigest() != sha256:
            raise _refused(f"the sha256 of the plot {shown(title)} is another one")

    def _is_wanted(self, place: tuple[str, str, int], at: int, sha256: str) -> bool:
        """Return True if a plot replaces the one that is here, or if there is none."""
        row = _HELD.one(
            self._connection,
            f"SELECT pk, at FROM plot WHERE {self._owner.kind} = ? AND title = ? AND series = ? "
            "AND iteration = ?",
            (self._pk, *place),
        )
        if row is None or row[1] != at:
            return row is None or row[1] < at
        return _sha256_of_plot(self._connection, row[0]) < sha256

    def _make_plot(
        self,
        place: tuple[str, str, int],
        values: tuple[object, ...],
        thinned: int | None,
        data: int | None,
    ) -> int:
        """Make the row of a plot, whose data is zeros for now; return its key."""
        kind = self._owner.kind
        self._connection.execute(
            f"DELETE FROM plot WHERE {kind} = ? AND title = ? AND series = ? AND iteration = ?",
            (self._pk, *place),
        )
        cursor = self._connection.execute(
            f"INSERT INTO plot ({kind}, title, series, iteration, kind, spec, blob, at, shown, "
            "data) VALUES (?, ?, ?, ?, ?, ?, (SELECT pk FROM blob WHERE digest = ?), ?, "
            "CASE WHEN ? IS NOT NULL THEN zeroblob(?) END, "
            "CASE WHEN ? IS NOT NULL THEN zeroblob(?) END)",
            (self._pk, *place, *values, thinned, thinned, data, data),
        )
        return int(cursor.lastrowid or 0)


def _check(columns: Columns, rows: list[tuple[Any, ...]]) -> None:
    """Raise if a row of a stream breaks its rules.

    Raises:
        BundleError: the first such value.
    """
    for error in columns.damage(rows):
        raise _refused(f"{error.table} {error.row}: {error.problem}")


def _values(frame: dict[str, Any], *keys: str) -> tuple[Any, ...]:
    """Return values of a frame; None for those that it lacks."""
    return tuple(map(frame.get, keys))


def _list(frame: dict[str, Any], key: str, length: int) -> tuple[Any, ...]:
    """Return a list of a frame that must have some length."""
    found = frame.get(key)
    if type(found) is not list or len(found) != length:
        raise _refused(f"{key} must be a list of {length} values, not {shown(found)}")
    return tuple(found)


def _table(frame: dict[str, Any], columns: int) -> list[tuple[Any, ...]]:
    """Return the rows of a frame, which must have some number of columns."""
    found = frame.get("rows")
    if type(found) is not list or len(found) > _MOST_ROWS:
        raise _refused(f"rows must be a list of at most {_MOST_ROWS:,}, not {shown(found)}")
    for row in found:
        if type(row) is not list or len(row) != columns:
            raise _refused(f"a row must have {columns} values, not {shown(row)}")
    return [*map(tuple, found)]


def _read_value(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Return the number that `_written` wrote."""
    return float(value) if value in ("inf", "-inf") else value
