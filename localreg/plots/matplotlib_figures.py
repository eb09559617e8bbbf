"""Figures of matplotlib: as a Plotly figure that loses nothing, or as a picture.

`interactive` knows lines, points, bars and histograms in one pair of plain axes. Anything else that
the figure shows, such as an annotation, a filled area or a second pair of axes, would be lost, so
it returns None: `picture` draws everything.
"""

from __future__ import annotations

import io
import math
import sys

from localreg.plots.figures import escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.plots.figures import Figure

POINTS = 50_000  # a figure with more is a picture
DPI = 150  # of pictures, at least
_PIXELS = 4 / 3  # of a typographic point

_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_STEPS = {"steps": "vh", "steps-pre": "vh", "steps-post": "hv", "steps-mid": "hvh"}
_MARKERS = {
    "o": "circle", ".": "circle", ",": "circle", "s": "square", "D": "diamond", "d": "diamond-tall",
    "^": "triangle-up", "v": "triangle-down", "<": "triangle-left", ">": "triangle-right",
    "*": "star", "p": "pentagon", "h": "hexagon", "H": "hexagon2", "8": "octagon", "P": "cross",
    "+": "cross-thin-open", "x": "x-thin-open", "X": "x",
}  # fmt: skip
_SCALED = {".": 0.5, ",": 0.2}  # small ones, of the size that is given
_NUMBERED = ("ScalarFormatter", "LogFormatter", "LogFormatterSciNotation", "LogFormatterMathtext")
_NAMED = ("FixedFormatter", "StrCategoryFormatter")


class _Unlike(Exception):  # noqa: N818  (never leaves this module)
    """The figure shows something that a Plotly figure would lose."""


def is_figure(value: object) -> bool:
    """Return True for a figure of matplotlib; does not import it."""
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, module.Figure)


def mark_reported(figure: object) -> None:
    """Mark a figure that a script reported: it is not reported again when it is shown or saved."""
    if is_figure(figure):
        figure.localreg_reported = True  # type: ignore[attr-defined]  # the mark


def is_reported(figure: object) -> bool:
    """Return True if `mark_reported` was called for a figure."""
    return getattr(figure, "localreg_reported", False) is True


def picture(figure: Any) -> bytes:  # noqa: ANN401
    """Return a figure as a PNG file.

    Args:
        figure: of matplotlib, or anything with its ``savefig``.
    """
    into = io.BytesIO()
    dpi = max(DPI, float(getattr(figure, "dpi", DPI)))
    figure.savefig(into, format="png", bbox_inches="tight", dpi=dpi)
    return into.getvalue()


def interactive(figure: object) -> Figure | None:
    """Return a figure of matplotlib as a figure of Plotly, or None if that would lose something."""
    if not is_figure(figure):
        return None
    try:
        return _figure(figure)
    except _Unlike:
        return None


def _need(condition: object) -> None:
    if not condition:
        raise _Unlike


def _figure(figure: Any) -> Figure:  # noqa: ANN401
    titles: list[Any] = [each for each in figure.texts if each is figure._suptitle]
    _need(len(titles) == len(figure.texts))
    _need(len(figure.axes) == 1 and not figure.subfigs)
    _need(not (figure.images or figure.legends or figure.lines or figure.patches))
    axes = figure.axes[0]
    _need(axes.name == "rectilinear" and axes.axison and not axes.child_axes)
    traces = _traces(axes)
    _need(0 < sum(len(trace["x"]) for trace in traces) <= POINTS)
    shown = [axes.get_title(), *(each.get_text() for each in titles)]
    layout: dict[str, Any] = {
        "xaxis": _axis(axes, axes.xaxis),
        "yaxis": _axis(axes, axes.yaxis),
        "title": {"text": escaped(_text(next(filter(None, shown), "")))},
        "bargap": 0,
        "barmode": "overlay",
    }
    _need(axes.get_aspect() in ("auto", 1.0, "equal"))
    if axes.get_aspect() != "auto":
        layout["yaxis"]["scaleanchor"] = "x"
    _colour(traces, layout)
    _set_legend(axes, traces, layout)
    return {"data": traces, "layout": layout}


def _text(text: str) -> str:
    _need(text.count("$") < 2)  # a formula
    return text


def _traces(axes: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    bars = [each for each in axes.containers if type(each).__name__ == "BarContainer"]
    known = {
        *axes.spines.values(), axes.xaxis, axes.yaxis, axes.patch, axes.title, axes.get_legend(),
        *(patch for each in bars for patch in each.patches),
    }  # fmt: skip
    traces = [_bars(each) for each in bars if each.patches and each.patches[0].get_visible()]
    for artist in axes.get_children():
        if artist in known or not artist.get_visible():
            continue
        kind = type(artist).__name__
        if kind == "Text":  # an empty one is a title of the left or right side
            _need(not artist.get_text())
        elif kind == "Line2D":
            traces.append(_line(axes, artist))
        else:
            _need(kind == "PathCollection")
            traces.append(_points(axes, artist))
    return traces


def _line(axes: Any, line: Any) -> dict[str, Any]:  # noqa: ANN401
    _need(line.get_transform() is axes.transData)
    style, marker = line.get_linestyle(), line.get_marker()
    has_line = style not in ("None", " ", "") and line.get_linewidth() > 0
    has_marker = marker not in (None, "None", "none", " ", "")
    _need(has_line or has_marker)
    trace = {
        "type": "scatter",
        "mode": "+".join(["lines"] * has_line + ["markers"] * has_marker),
        "x": _numbers(line.get_xdata(orig=False)),
        "y": _numbers(line.get_ydata(orig=False)),
        **_named(line),
    }
    colour = _hex(line.get_color())
    if has_line:
        trace["line"] = {"color": colour, "width": line.get_linewidth() * _PIXELS}
        trace["line"]["dash"] = _DASHES.get(style, "dash")
        if line.get_drawstyle() != "default":
            trace["line"]["shape"] = _STEPS[line.get_drawstyle()]
    if has_marker:
        _need(isinstance(marker, str) and marker in _MARKERS)
        _need(line.get_fillstyle() == "full" and line.get_markevery() is None)
        fill = line.get_markerfacecolor()
        _need(not isinstance(fill, str) or fill != "none")
        size = line.get_markersize() * _SCALED.get(marker, 1) * _PIXELS
        trace["marker"] = {"symbol": _MARKERS[marker], "size": size, "color": _hex(fill)}
        if marker in "+x":  # nothing but lines
            trace["marker"]["line"] = {"width": line.get_markeredgewidth() * _PIXELS}
    trace["opacity"] = _opacity(line.get_color(), line.get_alpha())
    return trace


def _points(axes: Any, points: Any) -> dict[str, Any]:  # noqa: ANN401
    _need(points.get_offset_transform() is axes.transData and len(points.get_paths()) == 1)
    _need(len(points.get_paths()[0].vertices) == 26)  # a circle
    points.update_scalarmappable()  # values become colours
    colours, sizes, places = points.get_facecolors(), points.get_sizes(), points.get_offsets()
    _need(len(colours) and len(colours) in (1, len(places)) and len(sizes) in (1, len(places)))
    diameters = [math.sqrt(size) * _PIXELS for size in sizes.tolist()]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _numbers(places[:, 0]),
        "y": _numbers(places[:, 1]),
        **_named(points),
        "marker": {
            "color": _one([_hex(each) for each in colours]),
            "size": _one(diameters),
            "line": {"width": 0},
        },
        "opacity": _opacity(colours[0]),
    }
    _need(len({each[3] for each in colours.tolist()}) == 1)
    return trace


def _bars(container: Any) -> dict[str, Any]:  # noqa: ANN401
    patches = container.patches
    _need(all(type(each).__name__ == "Rectangle" and not each.angle for each in patches))
    _need(not any(each.get_hatch() or not each.get_fill() for each in patches))
    _need(all(_is_hidden(each) for each in patches[1:]))  # else each bar has an entry in the legend
    lies = container.orientation == "horizontal"
    middles = [
        each.get_y() + each.get_height() / 2 if lies else each.get_x() + each.get_width() / 2
        for each in patches
    ]
    lengths = [float(each.get_width() if lies else each.get_height()) for each in patches]
    return {
        "type": "bar",
        "orientation": "h" if lies else "v",
        "x": lengths if lies else _numbers(middles),
        "y": _numbers(middles) if lies else lengths,
        "base": [float(each.get_x() if lies else each.get_y()) for each in patches],
        "width": [float(each.get_height() if lies else each.get_width()) for each in patches],
        **_named(container if not _is_hidden(container) else patches[0]),
        "marker": {"color": _one([_hex(each.get_facecolor()) for each in patches])},
        "opacity": _opacity(patches[0].get_facecolor()),
    }


def _is_hidden(artist: Any) -> bool:  # noqa: ANN401
    """Return True if an artist has no entry in a legend."""
    return str(artist.get_label()).startswith("_")


def _named(artist: Any) -> dict[str, Any]:  # noqa: ANN401
    return {} if _is_hidden(artist) else {"name": escaped(_text(str(artist.get_label())))}


def _numbers(values: Any) -> list[float | None]:  # noqa: ANN401
    """Return numbers; None is a gap, as where a masked array has none."""
    import numpy as np

    found: Any = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
    return [each if math.isfinite(each) else None for each in found.tolist()]


def _one(values: list[Any]) -> Any:  # noqa: ANN401
    """Return a value that all have, or all values."""
    return values[0] if values.count(values[0]) == len(values) else values


def _hex(colour: Any) -> str:  # noqa: ANN401
    from matplotlib.colors import to_hex

    return str(to_hex(colour))


def _opacity(colour: Any, alpha: float | None = None) -> float:  # noqa: ANN401
    from matplotlib.colors import to_rgba

    found = float(to_rgba(colour, alpha)[3])
    _need(found > 0)
    return found


def _colour(traces: list[dict[str, Any]], layout: dict[str, Any]) -> None:
    """Leave the colours to the page if they are matplotlib's own; keep the others readable."""
    parts = [
        [part for name in ("line", "marker") if (part := trace.get(name)) and "color" in part]
        for trace in traces
    ]
    used = [part["color"] for some in parts for part in some]
    own = all(
        part["color"] == _hex(f"C{number}") for number, some in enumerate(parts) for part in some
    )
    if own:
        for some in parts:
            for part in some:
                del part["color"]
    elif any(_is_near_black(each) for each in used if isinstance(each, str)):
        layout["plot_bgcolor"] = "#ffffff"
        for name in ("xaxis", "yaxis"):
            layout[name] |= {"gridcolor": "#e6e6e6", "zerolinecolor": "#cccccc"}


def _is_near_black(colour: str) -> bool:
    return max(int(colour[at : at + 2], 16) for at in (1, 3, 5)) < 100


def _axis(axes: Any, axis: Any) -> dict[str, Any]:  # noqa: ANN401
    name = axis.axis_name
    scale = axis.get_scale()
    _need(scale in ("linear", "log"))
    found: dict[str, Any] = {
        "type": scale,
        "title": {"text": escaped(_text(axis.get_label_text()))},
    }
    formatter = axis.get_major_formatter()
    kind = type(formatter).__name__
    fixed = kind == "FuncFormatter" and type(axis.get_major_locator()).__name__ == "FixedLocator"
    if kind in _NAMED or fixed:  # ticks with texts
        places = [float(each) for each in axis.get_majorticklocs()]
        found["tickmode"], found["tickvals"] = "array", places
        found["ticktext"] = [escaped(_text(each)) for each in formatter.format_ticks(places)]
    elif kind == "NullFormatter":
        found["showticklabels"] = False
    else:
        _need(kind in _NUMBERED)
    low, high = (float(each) for each in axis.get_view_interval())
    is_free = getattr(axes, f"get_autoscale{name}_on")()
    if not is_free:
        ends = [math.log10(low), math.log10(high)] if scale == "log" else [low, high]
        found["range"] = ends
    elif axis.get_inverted():
        found["autorange"] = "reversed"
    return found


def _set_legend(axes: Any, traces: list[dict[str, Any]], layout: dict[str, Any]) -> None:  # noqa: ANN401
    legend = axes.get_legend()
    layout["showlegend"] = legend is not None
    if legend is None:
        return
    texts = [escaped(_text(each.get_text())) for each in legend.get_texts()]
    names = [trace["name"] for trace in traces if "name" in trace]
    _need(sorted(map(str, texts)) == sorted(names))
    for trace in traces:
        trace["showlegend"] = "name" in trace
    if legend.get_title().get_text():
        layout["legend"] = {"title": {"text": escaped(_text(legend.get_title().get_text()))}}
