"""`Drawing`: one plot as it was reported, and a function for each kind that checks and makes it.

Each function takes the arguments of a `report_*` method and raises InvalidValueError, which names
the argument, if one of them cannot be stored. `figures` turns a drawing into a Plotly figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from localreg.errors import InvalidValueError
from localreg.plots.arrays import as_numbers, matrix_of, points_of
from localreg.plots.line_series import as_line_series
from localreg.plots.options import (
    as_json,
    check_axis,
    check_bar_mode,
    check_camera,
    check_labels,
    check_plotly_options,
    check_point_mode,
)
from localreg.values.checks import check_comment, check_flag, shown
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.plots.arrays import Array, Parts
    from localreg.plots.tables import Table
    from localreg.values.records import Json

FIGURE_LIMIT = 100_000_000  # characters of JSON


class Drawing(Frozen):
    """One plot, as it was reported.

    Attributes:
        kind: the kind of plot, which selects the function in `figures`.
        options: labels, axis titles, modes and other settings, as JSON values.
        parts: arrays of numbers and lists of texts, by name.
    """

    kind: str
    options: Json
    parts: Parts


_CHECKS: dict[str, Callable[[str, object], object]] = {
    "xaxis": check_axis,
    "yaxis": check_axis,
    "zaxis": check_axis,
    "comment": lambda _, value: check_comment(value),
    "data_args": check_plotly_options,
    "extra_data": check_plotly_options,
    "extra_layout": check_plotly_options,
}


def _checked(**options: object) -> Json:
    """Return options that several kinds share, each checked by the rule for its name."""
    return {name: _CHECKS[name](name, value) for name, value in options.items()}


def bars(
    kind: str,
    values: object,
    *,
    series: str,
    labels: object,
    xlabels: object,
    xaxis: object,
    yaxis: object,
    mode: object,
    data_args: object,
    extra_layout: object,
) -> Drawing:
    """Return a histogram or a vector; each row of `values` is one group of bars.

    Args:
        kind: "histogram" or "vector".
        values: shape (bars,) or (rows, bars).
        labels: one for each row, or a single one for all rows.
        xlabels: one for each bar of a row.
    """
    found = as_numbers("values", values)
    if found.ndim not in (1, 2) or found.size == 0:
        raise InvalidValueError(
            "values must have the shape (bars,) or (rows, bars) and not be empty; its shape is "
            f"{found.shape}",
            argument="values",
        )
    rows = found.reshape(1, -1) if found.ndim == 1 else found
    if isinstance(labels, list | tuple) and len(labels) == 1:
        labels = list(labels) * len(rows)
    options = {
        "labels": check_labels("labels", labels, len(rows), "row"),
        "xlabels": check_labels("xlabels", xlabels, rows.shape[1], "bar of a row"),
        "mode": check_bar_mode(mode),
        "series": series,
    } | _checked(xaxis=xaxis, yaxis=yaxis, data_args=data_args, extra_layout=extra_layout)
    return Drawing(kind, options, {"values": rows})


def table(cells: Table, *, extra_layout: object, extra_data: object = None) -> Drawing:
    """Return a table of a header and rows."""
    header, rows = cells
    options = {"columns": len(header), "rows": len(rows)} | _checked(extra_layout=extra_layout)
    if extra_data is not None:
        options |= _checked(extra_data=extra_data)
    return Drawing("table", options, {"header": header, "rows": rows})


def lines(
    series: object,
    *,
    xaxis: object,
    yaxis: object,
    mode: object,
    reverse_xaxis: object,
    comment: object,
    extra_layout: object,
) -> Drawing:
    """Return a line plot; each line has its own points, see `as_line_series`."""
    found = as_line_series(series)
    parts: dict[str, Any] = {}
    for number, each in enumerate(found):
        parts[f"points {number}"] = each.data
        if each.labels is not None:
            parts[f"labels {number}"] = each.labels
    options = {
        "names": [each.name for each in found],
        "mode": check_point_mode(mode),
        "reverse_xaxis": check_flag("reverse_xaxis", reverse_xaxis),
    } | _checked(xaxis=xaxis, yaxis=yaxis, comment=comment, extra_layout=extra_layout)
    return Drawing("line", options, parts)


def scatter2d(
    scatter: object,
    *,
    xaxis: object,
    yaxis: object,
    labels: object,
    mode: object,
    comment: object,
    extra_layout: object,
) -> Drawing:
    """Return points in two dimensions."""
    points = points_of("scatter", scatter, 2, "points (x, y)")
    parts: dict[str, Any] = {"points": points}
    texts = check_labels("labels", labels, len(points), "point")
    if texts is not None:
        parts["labels"] = texts
    options = {"mode": check_point_mode(mode)} | _checked(
        xaxis=xaxis, yaxis=yaxis, comment=comment, extra_layout=extra_layout
    )
    return Drawing("scatter2d", options, parts)


def scatter3d(
    scatter: object,
    *,
    xaxis: object,
    yaxis: object,
    zaxis: object,
    labels: object,
    mode: object,
    fill: object,
    comment: object,
    extra_layout: object,
) -> Drawing:
    """Return points in three dimensions, of one series or of several.

    Args:
        scatter: points (x, y, z), an array of shape (N, 3); or a list of such series.
        labels: a text for each point; for several series a list of such lists.
    """
    groups = _groups(scatter)
    parts: dict[str, Any] = {}
    for number, points in enumerate(groups):
        parts[f"points {number}"] = points
    for number, texts in enumerate(_grouped_labels(labels, groups)):
        if texts is not None:
            parts[f"labels {number}"] = texts
    options = {
        "groups": len(groups),
        "mode": check_point_mode(mode),
        "fill": check_flag("fill", fill),
    } | _checked(xaxis=xaxis, yaxis=yaxis, zaxis=zaxis, comment=comment, extra_layout=extra_layout)
    return Drawing("scatter3d", options, parts)


def _groups(scatter: object) -> list[Array]:
    """Return the series of points: several from a nested list or a 3-D array, else one."""
    if not hasattr(scatter, "__array__") and isinstance(scatter, Iterable):
        scatter = list(scatter)
        first = scatter[0] if scatter else None
        point = next(iter(first), None) if isinstance(first, list | tuple) else None
        if getattr(first, "ndim", 1) == 2 or isinstance(point, list | tuple):
            what = "a list of series, each of them points (x, y, z)"
            return [points_of("scatter", each, 3, what) for each in scatter]
    elif getattr(scatter, "ndim", 2) == 3:  # an array of series of the same length
        what = "points (x, y, z)"
        return [points_of("scatter", each, 3, what) for each in scatter]  # type: ignore[attr-defined]  # an array
    return [points_of("scatter", scatter, 3, "points (x, y, z)")]


def _grouped_labels(labels: object, groups: list[Array]) -> list[list[str] | None]:
    """Return the labels of each series; a single series takes a flat or a nested list."""
    if labels is None or len(groups) == 1:
        nested = (
            isinstance(labels, list | tuple)
            and len(labels) == 1
            and isinstance(labels[0], list | tuple)
        )
        own = labels[0] if nested else labels  # type: ignore[index]  # nested: a list
        first = check_labels("labels", own, len(groups[0]), "point")
        return [first, *(None for _ in groups[1:])]
    if not isinstance(labels, list | tuple) or len(labels) != len(groups):
        raise InvalidValueError(
            f"labels must be a list of labels for each of the {len(groups)} series, not "
            f"{shown(labels)}",
            argument="labels",
        )
    return [
        check_labels("labels", own, len(points), "point")
        for own, points in zip(labels, groups, strict=True)
    ]


def matrix(
    value: object,
    *,
    xaxis: object,
    yaxis: object,
    xlabels: object,
    ylabels: object,
    yaxis_reversed: object,
    comment: object,
    extra_layout: object,
) -> Drawing:
    """Return a matrix to draw as a heatmap: row 0 is at the bottom unless `yaxis_reversed`."""
    found = matrix_of("matrix", value)
    options = _checked(xaxis=xaxis, yaxis=yaxis, comment=comment, extra_layout=extra_layout)
    options |= _matrix_labels(found, xlabels, ylabels) | {
        "yaxis_reversed": check_flag("yaxis_reversed", yaxis_reversed)
    }
    return Drawing("matrix", options, {"matrix": found})


def surface(
    value: object,
    *,
    xaxis: object,
    yaxis: object,
    zaxis: object,
    xlabels: object,
    ylabels: object,
    camera: object,
    comment: object,
    extra_layout: object,
) -> Drawing:
    """Return a matrix to draw as a surface in three dimensions."""
    found = matrix_of("matrix", value)
    options = _checked(
        xaxis=xaxis, yaxis=yaxis, zaxis=zaxis, comment=comment, extra_layout=extra_layout
    )
    options |= _matrix_labels(found, xlabels, ylabels) | {"camera": check_camera(camera)}
    return Drawing("surface", options, {"matrix": found})


def _matrix_labels(found: Array, xlabels: object, ylabels: object) -> Json:
    rows, columns = found.shape
    return {
        "xlabels": check_labels("xlabels", xlabels, columns, "column of the matrix"),
        "ylabels": check_labels("ylabels", ylabels, rows, "row of the matrix"),
    }


def plotly(figure: object) -> Drawing:
    """Return a finished Plotly figure, from a `plotly.graph_objects.Figure` or its dict."""
    to_dict = getattr(figure, "to_plotly_json", None)
    plain = to_dict() if callable(to_dict) else figure
    if not isinstance(plain, Mapping) or "data" not in plain:
        raise InvalidValueError(
            "figure must be a Plotly Figure or a dict with data and layout, not "
            f"{type(figure).__name__}: {shown(figure)}",
            argument="figure",
        )
    kept = {"data": plain["data"], "layout": plain.get("layout") or {}}
    found = as_json("figure", kept, FIGURE_LIMIT)
    traces = found["data"] if isinstance(found["data"], list) else [found["data"]]
    if not all(isinstance(each, dict) for each in [*traces, found["layout"]]):
        raise InvalidValueError(
            "figure's data must be a list of traces, and its layout a dict", argument="figure"
        )
    return Drawing("plotly", {}, {"traces": traces, "layout": [found["layout"]]})
