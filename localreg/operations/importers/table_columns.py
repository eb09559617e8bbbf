"""The columns of a table of metrics: which is the step, which the time; and their numbers."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time

from localreg.operations.importers.table_rows import Piece
from localreg.values.checks import NAME_LIMIT, shown
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from localreg.operations.importers.table_rows import Column

    Numbers = NDArray[Any]

# In the order in which they count.
_STEPS = ("step", "_step", "global_step", "iteration", "iter", "epoch")
_TIMES = ("timestamp", "_timestamp", "wall_time", "datetime", "date", "time")
_RUNS = ("run", "run_id", "run_name", "run_uuid")
_NAMES = ("metric", "name", "key", "tag")
_VALUE = "value"
_MOST = 2**53  # of an iteration: a page is exact only up to it
# What a number of seconds, milliseconds, microseconds and nanoseconds is below: until the year
# 5138 for seconds, and after 1973 for the others.
_UNITS = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (float("inf"), 1e-6))
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999  # years 1 to 9999
_INFINITE = frozenset({"inf", "infinity"})
NO_NUMBER = "values that are no numbers"


class Roles(Frozen):
    """What the columns of a table are.

    Attributes:
        step, time, run: the names of these columns, or None.
        name, value: of a table with a row for each value; else None.
    """

    step: str | None
    time: str | None
    run: str | None
    name: str | None
    value: str | None

    @property
    def is_long(self) -> bool:
        """True if each row is one value."""
        return self.value is not None


class Cells(Frozen):
    """The values of a column, one for each row.

    Attributes:
        values: an array.
        has: which rows have a value.
    """

    values: Numbers
    has: Numbers


def roles_of(names: Iterable[str]) -> Roles:
    """Return what columns are, by their names; capitals and blanks in them do not matter."""
    by_name = {each.lower().replace(" ", "_"): each for each in reversed(list(names))}

    def first(wanted: tuple[str, ...]) -> str | None:
        return next((by_name[each] for each in wanted if each in by_name), None)

    name, value = first(_NAMES), by_name.get(_VALUE)
    if name is None or value is None:
        name = value = None
    return Roles(first(_STEPS), first(_TIMES), first(_RUNS), name, value)


def metrics(piece: Piece, roles: Roles) -> Mapping[str, Column]:
    """Return the columns that are metrics, or the values of each metric that the rows name."""
    if roles.name is None or roles.value is None:
        others = {roles.step, roles.time, roles.run, ""}
        return {name: column for name, column in piece.columns.items() if name not in others}
    names = dict(zip(*piece.columns.get(roles.name, ((), [])), strict=True))
    found: dict[str, tuple[list[int], list[object]]] = {}
    for row, value in zip(*piece.columns.get(roles.value, ((), [])), strict=True):
        name = names.get(row)
        if not isinstance(name, str) or not name.strip():
            raise piece.wrong(row, f"names no metric as {shown(roles.name)}")
        rows, values = found.setdefault(name.strip(), ([], []))
        rows.append(row)
        values.append(value)
    return dict(found)


def runs(piece: Piece, name: str | None) -> tuple[list[str], Numbers]:
    """Return the names of the runs of some rows, and which of them each row belongs to.

    A row without a run belongs to the run "".
    """
    import numpy as np

    which = np.zeros(len(piece.numbers), "i8")
    rows, values = ((), []) if name is None else piece.columns.get(name, ((), []))
    texts = ["" if each is None else str(each).strip()[:NAME_LIMIT] for each in values]
    if len(texts) == len(which) and len({*texts}) == 1:
        return texts[:1], which
    known = {"": 0}
    for row, text in zip(rows, texts, strict=True):
        which[row] = known.setdefault(text, len(known))
    return list(known), which


def numbers(column: Column, left: Counter[str]) -> tuple[Numbers, Numbers]:
    """Return the rows of a column that have a number, and the numbers.

    Args:
        left: counts values that are none.
    """
    import numpy as np

    rows, values = column
    kinds = {*map(type, values)}
    if kinds <= {float, int, bool} or (kinds == {str} and _are_plain(values)):
        try:
            found = np.array(array("d", map(float, values)))  # type: ignore[arg-type]  # as checked
        except (ValueError, OverflowError):
            pass
        else:
            if kinds != {str} or np.isfinite(found).all():
                return np.asarray(rows), found
    kept: list[int] = []
    exact = array("d")
    for row, value in zip(rows, values, strict=True):
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        number = _number(value)
        if number is None:
            left[NO_NUMBER] += 1
        else:
            kept.append(row)
            exact.append(number)
    return np.array(kept, "i8"), np.array(exact)


def _are_plain(values: Sequence[object]) -> bool:
    """Return True if no text has "_", which Python takes in a number."""
    return "_" not in "".join(values)  # type: ignore[arg-type]  # the caller knows that they are texts


def _number(value: object) -> float | None:
    """Return a number, or None if it is none, or too large for one."""
    if isinstance(value, str):
        if "_" in value:
            return None
        text = value.strip().lower().lstrip("+-")
    elif not isinstance(value, (float, int)):
        return None
    else:
        text = ""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if text and number in (float("inf"), float("-inf")) and text not in _INFINITE:
        return None
    return number


def steps(piece: Piece, name: str) -> Cells:
    """Return the step of each row.

    Raises:
        SourceError: one is no whole number, or too large.
    """
    import numpy as np

    rows, values = piece.columns.get(name, ((), []))
    found = np.zeros(len(piece.numbers), "i8")
    has = np.zeros(len(piece.numbers), bool)
    kinds = {*map(type, values)}
    if kinds == {int} or (kinds == {str} and _are_plain(values)):
        try:
            exact = np.array(array("q", map(int, values)))  # type: ignore[arg-type]  # as checked
        except (ValueError, OverflowError):
            pass
        else:
            if len(exact) and exact.min() >= -_MOST and exact.max() <= _MOST:
                found[np.asarray(rows)] = exact
                has[np.asarray(rows)] = True
                return Cells(found, has)
    for row, value in zip(rows, values, strict=True):
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        found[row] = _whole(piece, row, name, value)
        has[row] = True
    return Cells(found, has)


def _whole(piece: Piece, row: int, name: str, value: object) -> int:
    number: float | None = _number(value)
    if isinstance(value, int):
        number = value  # which a float may not hold
    elif isinstance(value, str) and number is not None and value.strip().isdecimal():
        number = int(value)
    if number is None or not -_MOST <= number <= _MOST or number != int(number):
        wanted = f"a whole number up to 2^53 as {shown(name)}"
        raise piece.wrong(row, f"should have {wanted}, not {shown(value)}")
    return int(number)


class Clock:
    """Reads the column of times. Its first value says what it is, for the whole table.

    Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970, by their size;
    texts are ISO 8601, in UTC if they do not say.

    Attributes:
        is_none: True if the first value is no time: then the column is a metric as others are.
    """

    def __init__(self) -> None:
        self.is_none = False
        self._scale: float | None = None  # 0: texts
        self._last = 0

    def look(self, values: Iterable[object]) -> None:
        """Learn from the first value that there is."""
        if self._scale is not None or self.is_none:
            return
        value = next((each for each in values if each not in (None, "")), None)
        if value is None:
            return
        number = _number(value)
        if number is not None and number == number:
            self._scale = next(scale for most, scale in _UNITS if abs(number) < most)
        elif _iso(value) is not None:
            self._scale = 0
        else:
            self.is_none = True

    def times(self, piece: Piece, name: str) -> Cells:
        """Return the time of each row in milliseconds; one without has that of the row before.

        Raises:
            SourceError: one is no time, or beyond the year 9999.
        """
        import numpy as np

        rows, values = piece.columns.get(name, ((), []))
        found = np.zeros(len(piece.numbers), "i8")
        has = np.zeros(len(piece.numbers), bool)
        fast = self._scale and {*map(type, values)} <= {str, float, int}
        if fast:
            left: Counter[str] = Counter()
            places, numbers_ = numbers((rows, values), left)
            fast = not left and len(places) and bool(np.isfinite(numbers_).all())
            if fast:
                ms = np.rint(numbers_ * self._scale)
                fast = bool((ms >= _FIRST).all() and (ms <= _LAST).all())
            if fast:
                found[places] = ms.astype("i8")
                has[places] = True
        if not fast:
            for row, value in zip(rows, values, strict=True):
                if value is None or (isinstance(value, str) and not value.strip()):
                    continue
                found[row] = self._ms(piece, row, name, value)
                has[row] = True
        return Cells(self._filled(found, has), has)

    def _filled(self, found: Numbers, has: Numbers) -> Numbers:
        import numpy as np

        if not len(found):
            return found
        last = np.maximum.accumulate(np.where(has, np.arange(len(found)), -1))
        filled: Numbers = np.where(last >= 0, found[last], self._last)
        self._last = int(filled[-1])
        return filled

    def _ms(self, piece: Piece, row: int, name: str, value: object) -> int:
        if self._scale:
            number = _number(value)
            at = None if number is None or number != number else number * self._scale
        else:
            at = _iso(value)
        if at is None:
            wanted = "a number" if self._scale else "a time in ISO 8601"
            raise piece.wrong(row, f"should have {wanted} as {shown(name)}, not {shown(value)}")
        if not _FIRST <= at <= _LAST:
            raise piece.wrong(row, f"has the {shown(name)} {shown(value)}, beyond the year 9999")
        return round(at)


def _iso(value: object) -> float | None:
    """Return a time in milliseconds, or None if it is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    known = value if value.tzinfo else value.replace(tzinfo=UTC)
    return (known - _EPOCH).total_seconds() * 1_000


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
