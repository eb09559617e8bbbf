"""Thinned plots: fewer points, cells and rows for drawing, with the peaks kept.

A screen is a few thousand points wide. A thinned drawing is made once, when the plot is reported,
so that a page reads and writes no more than a screen can show.
"""

from __future__ import annotations

from localreg.plots.drawings import Drawing
from localreg.values.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from localreg.plots.arrays import Array

POINTS = 4_000  # of a line
CLOUD = 10_000  # points drawn as markers
TABLE_ROWS = 1_000
CELLS = 300  # rows, or columns, of a matrix


def thinned(drawing: Drawing) -> Drawing | None:
    """Return a plot with only the data to draw, and a note about that; None to draw all of it."""
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
    note = f"each drawn cell is the average of {down} × {across} of {rows:,} × {columns:,} cells"
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


def thinned_line(x: Array, y: Array, most: int = POINTS) -> NDArray[np.int64] | None:
    """Return the indexes of the points of a line to draw, in order; None for all.

    Peaks are kept. Where a gap (NaN or infinity) lies between two chosen points, one point of the
    gap is chosen too, so that no line is drawn across it.

    Args:
        x, y: shape (N,) each.
        most: points to choose, besides those of gaps.
    """
    import numpy as np

    if len(y) <= most:
        return None
    finite = np.isfinite(x) & np.isfinite(y)
    if finite.all():
        return _min_max(x, y, most)
    kept = np.flatnonzero(finite)
    if len(kept) > most:
        kept = kept[_min_max(x[kept], y[kept], most)]
    holes = np.flatnonzero(~finite)
    before_gap = np.flatnonzero(np.diff(np.cumsum(~finite)[kept]))
    gaps = holes[np.searchsorted(holes, kept[before_gap])]
    return np.sort(np.concatenate([kept, gaps]))


def _min_max(x: Array, y: Array, count: int) -> NDArray[np.int64]:
    """Return the indexes of `count` points that keep the shape of a line (MinMaxLTTB)."""
    import numpy as np
    from tsdownsample import MinMaxLTTBDownsampler

    values = np.ascontiguousarray(y, np.float64)
    places = np.ascontiguousarray(x, np.float64)
    downsampler = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]  # tsdownsample has no types here
    if bool((np.diff(places) >= 0).all()):
        chosen = downsampler.downsample(places, values, n_out=count)
    else:  # x goes back: use the order of the points instead
        chosen = downsampler.downsample(values, n_out=count)
    return np.asarray(chosen, np.int64)


def thinned_cloud(points: Array) -> NDArray[np.int64] | None:
    """Return the indexes of the points of a cloud to draw; None for all.

    They are evenly spaced in the order of the points, plus the extremes along each axis.

    Args:
        points: shape (N, 2) or (N, 3).
    """
    import numpy as np

    if len(points) <= CLOUD:
        return None
    some = np.linspace(0, len(points) - 1, CLOUD).astype(np.int64)
    finite = np.isfinite(points).all(axis=1)
    if finite.any():
        places = np.flatnonzero(finite)
        inner = points[places]
        outer = np.concatenate([inner.argmin(axis=0), inner.argmax(axis=0)])
        some = np.concatenate([some, places[outer]])
    return np.unique(some)


def thinned_matrix(matrix: Array) -> tuple[Array, int, int]:
    """Return a matrix of block averages, and the number of rows and columns of a block.

    The type is float32, or float64 if the numbers are too large for float32.

    Args:
        matrix: shape (rows, columns).
    """
    import numpy as np

    down = -(-matrix.shape[0] // CELLS)
    across = -(-matrix.shape[1] // CELLS)
    if down == across == 1:
        return matrix, 1, 1
    known = np.isfinite(matrix)  # before any conversion: a large float64 overflows float32
    whole = bool(known.all())
    values = matrix if whole else np.where(known, matrix, 0)
    counts = _block_counts(values.shape, down, across)
    if not whole:
        counts = _block_sums(known.astype(np.float32), down, across)
    peak = max(abs(float(values.max())), abs(float(values.min())))
    scale = 2.0**-64 if peak > 1e280 else 1.0  # a sum could overflow float64
    sums = _block_sums(values * scale if scale < 1 else values, down, across)
    with np.errstate(invalid="ignore", divide="ignore"):
        averages = sums / counts / scale
    fits = peak <= float(np.finfo(np.float32).max)
    return averages.astype(np.float32) if fits else averages, down, across


def _block_sums(values: Array, down: int, across: int) -> Array:
    import numpy as np

    rows = np.add.reduceat(values, np.arange(0, values.shape[0], down), axis=0, dtype=np.float64)
    return np.add.reduceat(rows, np.arange(0, values.shape[1], across), axis=1)


def _block_counts(shape: tuple[int, ...], down: int, across: int) -> Array:
    import numpy as np

    heights = np.diff(np.append(np.arange(0, shape[0], down), shape[0]))
    widths = np.diff(np.append(np.arange(0, shape[1], across), shape[1]))
    return np.outer(heights, widths)
