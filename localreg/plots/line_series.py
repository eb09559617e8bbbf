"""`SeriesInfo`, one line of a line plot, and the forms in which lines can be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localreg.errors import InvalidValueError
from localreg.plots.arrays import points_of
from localreg.plots.options import check_labels, check_series
from localreg.values.checks import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.plots.arrays import Array

_KEYS = {"name", "data", "labels"}


class SeriesInfo:
    """One line of `report_line_plot`.

    Args:
        name: its name in the legend.
        data: its points, an array of shape (N, 2) or a list of (x, y).
        labels: a text for each point, shown when the mouse is over it.

    Raises:
        InvalidValueError: (a ValueError) the data has another shape, or the number of labels is
            not the number of points.

    >>> SeriesInfo("loss", [(0, 1.0), (1, 0.5)]).data.shape
    (2, 2)

    Source: ``clearml.utilities.plotly_reporter.SeriesInfo``.
    """

    __slots__ = ("data", "labels", "name")

    def __init__(self, name: str, data: object, labels: Sequence[str] | None = None) -> None:
        self.name = check_series(name)
        self.data: Array = points_of("data", data, 2, f"points (x, y) of series {name!r:.60}")
        self.labels = check_labels("labels", labels, len(self.data), "point")

    def __repr__(self) -> str:
        return f"SeriesInfo({self.name!r}, {len(self.data)} points)"


def as_line_series(series: object) -> list[SeriesInfo]:
    """Return the `series` argument of `report_line_plot` as a list of `SeriesInfo`.

    Args:
        series: a `SeriesInfo`, a dict of its arguments or an array of shape (N, 2), or a list of
            these.
    """
    if isinstance(series, SeriesInfo | Mapping) or getattr(series, "ndim", None) == 2:
        series = [series]
    if isinstance(series, str | bytes) or not hasattr(series, "__iter__"):
        raise InvalidValueError(
            f"series must be a list of SeriesInfo, dicts or arrays of shape (N, 2), not "
            f"{type(series).__name__}: {shown(series)}",
            argument="series",
        )
    found = [_as_series(each, number) for number, each in enumerate(series, start=1)]
    if not found:
        raise InvalidValueError("series must contain at least one series", argument="series")
    return found


def _as_series(given: object, number: int) -> SeriesInfo:
    if isinstance(given, SeriesInfo):
        return given
    if isinstance(given, Mapping):
        if not {"name", "data"} <= set(given) <= _KEYS:
            raise InvalidValueError(
                f"a series given as a dict must have the keys name and data, and may have labels; "
                f"series {number} has {', '.join(map(str, given))[:200] or 'no keys'}",
                argument="series",
            )
        return SeriesInfo(**given)
    name, data, labels = (getattr(given, key, None) for key in ("name", "data", "labels"))
    if isinstance(name, str) and data is not None:  # the SeriesInfo of ClearML itself
        return SeriesInfo(name, data, labels)
    return SeriesInfo(f"series {number}", given)
