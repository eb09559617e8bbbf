"""Sketches: each chart as a small SVG, which is there before Plotly has started.

Plotly takes a second to start. A page shows the sketches meanwhile; previews of mails and browsers
without scripts show nothing else, and paper waits for Plotly. Lines are stretched to the size of
the chart, so ticks are texts beside them, in the margins that charts.js gives to Plotly. Colours
come from the style sheet: a sketch is light and dark as the page is.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from html import escape

from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from markupsafe import Markup

    from localreg.plots.figures import Figure

WIDTH, HEIGHT = 500, 200  # what lines are rounded to
STEPS = 200  # places on the x axis of one line; several share them
TICKS = 5
_TYPES = frozenset({"f4", "f8", "i1", "i2", "i4", "u1", "u2", "u4"})
COLOURS = 8  # of lines: see page.css
_GREATEST = 1e300  # the difference of two numbers must be one
_BEYOND = 0.06  # of the height, above and below the lines


class SketchLine(Frozen):
    """One line of a sketch.

    Attributes:
        x: the places of its points, as they were reported.
        y: their values; None is a gap.
        colour: the number of a colour of the style sheet.
        dash: as `stroke-dasharray` of SVG has it.
    """

    x: Sequence[float]
    y: Sequence[float | None]
    colour: int
    dash: str = "none"


def sketch(lines: Sequence[SketchLine]) -> Markup:
    """Return the HTML of a sketch; it is empty if there is nothing to draw."""
    from markupsafe import Markup

    values = [value for line in lines for value in line.y if value is not None]
    if not values:
        return Markup("")
    across = _Axis.of(min(min(line.x) for line in lines if line.x),
                      max(max(line.x) for line in lines if line.x), 0, WIDTH)  # fmt: skip
    down = _Axis.of(min(values), max(values), _BEYOND, HEIGHT)
    steps = max(STEPS // len(lines), 16)
    paths = [(line, "".join(_path(line, across, down, steps))) for line in lines]
    drawn = "".join(
        f"<path class={'lines' if 'l' in path else 'dots'} "
        f'style="stroke:var(--series-{line.colour})"{_dashes(line)} d="{path}"/>'
        for line, path in paths
        if path
    )
    levels = list(down.ticks())
    grid = "".join(f"M0 {HEIGHT - round(part * HEIGHT)}h{WIDTH}" for part, _ in levels)
    ticks = [
        *(f'<span class="y" style="bottom:{part:.1%}">{text}</span>' for part, text in levels),
        *(
            f'<span class="x" style="left:{part:.1%}">{text}</span>'
            for part, text in across.ticks()
        ),
    ]
    return Markup(
        f'<div class="sketch" aria-hidden="true"><svg viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'preserveAspectRatio="none"><path class="grid" d="{grid}"/>{drawn}</svg>'
        f"{''.join(ticks)}</div>"
    )


def _dashes(line: SketchLine) -> str:
    return "" if line.dash == "none" else f' stroke-dasharray="{escape(line.dash)}"'


class _Axis(Frozen):
    """A range of numbers, and how long it is in a sketch."""

    low: float
    high: float
    length: int

    @classmethod
    def of(cls, low: float, high: float, beyond: float, length: int) -> _Axis:
        """Return an axis for numbers, with a part of it beyond them on both sides."""
        low, high = max(low, -_GREATEST), min(high, _GREATEST)
        if high - low <= abs(high) * 1e-12 + 1e-300:  # all are the same
            more = max(abs(high) * 0.001, 0.5)
        else:
            more = (high - low) * beyond
        return cls(low - more, high + more, length)

    def places(self, values: Sequence[float | None]) -> Iterator[int | None]:
        """Yield where numbers are, from 0 to the length; None stays."""
        low, span, length = self.low, self.high - self.low, self.length
        for value in values:
            if value is None:
                yield None
                continue
            part = (value - low) / span
            yield 0 if part < 0 else length if part > 1 else round(part * length)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield round numbers, as a part of the length and as a text."""
        rough = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next((each * power for each in (1, 2, 5) if each * power >= rough), 10 * power)
        for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            value = number * step
            yield (value - self.low) / (self.high - self.low), f"{value:.6g}"


def _path(line: SketchLine, across: _Axis, down: _Axis, steps: int) -> Iterator[str]:
    """Yield the commands of an SVG path: of each step the least and the greatest value."""
    last: tuple[int, int] | None = None
    for x, y in _thinned(line, across, down, steps):
        if y is None:
            last = None
            continue
        if last is None:
            yield f"M{x} {y}h0"  # with round ends, a point that stands alone is a dot
        elif (x, y) != last:
            yield f"l{x - last[0]} {y - last[1]}"
        last = x, y


def _thinned(
    line: SketchLine, across: _Axis, down: _Axis, steps: int
) -> Iterator[tuple[int, int | None]]:
    """Yield the points to draw, rounded, in the order of the line; a gap has no y."""
    width = max(across.length // steps, 1)
    held: list[tuple[int, int | None]] = []  # of one step
    step = None
    for x, up in zip(across.places(line.x), down.places(line.y), strict=True):
        assert x is not None  # as `SketchLine` says
        if x // width != step:
            yield from _ends(held)
            held, step = [], x // width
        held.append((x, None if up is None else down.length - up))
    yield from _ends(held)


def _ends(points: list[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    """Return the lowest and the highest of some points, and a gap if there is one, in order."""
    if len(points) <= 2:
        return points
    known = [(y, place) for place, (_, y) in enumerate(points) if y is not None]
    kept = {min(known)[1], max(known)[1]} if known else set()
    if len(known) < len(points):
        kept.add(next(place for place, (_, y) in enumerate(points) if y is None))
    return [points[place] for place in sorted(kept)]


def figure_sketch(figure: Figure) -> Markup:
    """Return the sketch of a Plotly figure of lines; it is empty for any other figure.

    A figure may be one that a user made, with anything in it.
    """
    from markupsafe import Markup

    traces, layout = figure.get("data") or [], figure.get("layout") or {}
    axes = [axis for name, axis in layout.items() if name[1:5] == "axis"]
    if not all(isinstance(axis, dict) and axis.keys() <= {"title"} for axis in axes):
        return Markup("")
    lines = []
    for number, trace in enumerate(traces):
        x, y = _numbers(trace.get("x")), _numbers(trace.get("y"))
        is_line = trace.get("type") == "scatter" and "lines" in str(trace.get("mode"))
        if not is_line or x is None or y is None or None in x or len(x) != len(y):
            return Markup("")
        lines.append(SketchLine(x, y, number % COLOURS))
    return sketch(lines)


def _numbers(values: object) -> list[Any] | None:
    """Return numbers of a figure, which are a list or bytes; in the list None is a gap."""
    if isinstance(values, list):
        return [*values] if all(map(_is_number, values)) else None
    if not isinstance(values, dict) or values.get("dtype") not in _TYPES:
        return None
    import numpy as np

    try:
        found = np.frombuffer(base64.b64decode(values["bdata"]), np.dtype(f"<{values['dtype']}"))
    except (ValueError, TypeError, KeyError):  # Plotly says so, when it draws the figure
        return None
    return [value if math.isfinite(value) else None for value in found.tolist()]


def _is_number(value: object) -> bool:
    if type(value) is int or type(value) is float:
        return abs(value) <= _GREATEST
    return value is None
