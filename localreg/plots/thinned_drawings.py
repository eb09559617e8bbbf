"""What is drawn of a plot that is too large to be drawn whole, made once, when it is reported.

A page then reads and writes as much as a screen can show, however much was reported.
"""

from __future__ import annotations

from localreg.plots.drawings import Drawing
from localreg.plots.thinning import thinned_cloud, thinned_line, thinned_matrix
from localreg.values.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.plots.arrays import Array

TABLE_ROWS = 1_000


def thinned(drawing: Drawing) -> Drawing | None:
    """Return a plot with so much of its data as is drawn, and a note of it in its options.

    Returns:
        None when all of it is drawn.
    """
    if drawing.kind == "table":
        return _table(drawing)
    if drawing.kind in ("matrix", "surface"):
        return _matrix(drawing)
    if drawing.kind in ("line", "scatter2d", "scatter3d"):
        return _points(drawing)
    return None


def _with_note(drawing: Drawing, parts: dict[str, Any], note: str, **more: object) -> Drawing:
    return replace(drawing, options=drawing.options | more | {"note": note}, parts=parts)


def _table(drawing: Drawing) -> Drawing | None:
    rows = drawing.parts["rows"]
    if len(rows) <= TABLE_ROWS:
        return None
    parts = {"header": drawing.parts["header"], "rows": rows[:TABLE_ROWS]}
    note = f"the first {TABLE_ROWS:,} of {len(rows):,} rows are shown"
    return _with_note(drawing, parts, note)


def _matrix(drawing: Drawing) -> Drawing | None:
    matrix = drawing.parts["matrix"]
    cells, down, across = thinned_matrix(matrix)
    if down == across == 1:
        return None
    rows, columns = matrix.shape
    note = f"each cell is the average of {down} × {across} of {rows:,} × {columns:,}"
    return _with_note(drawing, {"matrix": cells}, note, blocks=[rows, down, columns, across])


def _points(drawing: Drawing) -> Drawing | None:
    parts = dict(drawing.parts)
    notes = []
    for name in drawing.parts:
        if not name.startswith("points"):
            continue
        points = parts[name]
        chosen = _chosen(points, drawing.options["mode"])
        if chosen is not None:
            parts[name] = points[chosen]
            labels = name.replace("points", "labels")
            if labels in parts:
                parts[labels] = [parts[labels][place] for place in chosen.tolist()]
            notes.append(f"{len(chosen):,} of {len(points):,} points are drawn")
    return _with_note(drawing, parts, "; ".join(dict.fromkeys(notes))) if notes else None


def _chosen(points: Array, mode: str) -> Array | None:
    if "lines" in mode and points.shape[1] == 2:
        return thinned_line(points[:, 0], points[:, 1])
    return thinned_cloud(points)
