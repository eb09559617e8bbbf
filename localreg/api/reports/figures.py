"""`Figures`: the Plotly figures that `figures()` returns, and how a notebook shows them.

A notebook would show a list of figures as the text of their dicts. Plotly's own output of one
figure needs its extension, or a script from another host, or the package nbformat. So a list of
them is one HTML document in a frame that has Plotly in it: it works without a network, wherever
HTML is shown. The frame is closed off from the notebook, and its policy lets it load nothing.
"""

from __future__ import annotations

import html
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from plotly.graph_objects import Figure

SHOWN = 60
HEIGHT = 450  # pixels of a figure that says none
TALLEST = 1_700  # pixels of the frame; more is scrolled
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_DRAW = (
    "for (const each of document.querySelectorAll('script[type=\"application/json\"]')) {"
    "const figure = JSON.parse(each.textContent), place = document.createElement('div');"
    "each.replaceWith(place);"
    "Plotly.newPlot(place, figure.data, {...figure.layout, autosize: true},"
    " {responsive: true, displaylogo: false});}"
)


class Figures(list["Figure"]):
    """Plotly figures: a list, drawn in a notebook.

    In other places it is printed as one line; the figures themselves are those of Plotly.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        titles = [_title(each) for each in self]
        named = ", ".join(titles[:5]) + (", …" if len(titles) > 5 else "")
        return f"<{len(self)} figure{'' if len(self) == 1 else 's'}{': ' if named else ''}{named}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ANN401
        """Return what a notebook may show: text, HTML, and Plotly's own form of a single figure."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        if self:
            bundle["text/html"] = self._repr_html_()
        if len(self) == 1:
            bundle["application/vnd.plotly.v1+json"] = json.loads(self[0].to_json())
        return bundle

    def _repr_html_(self) -> str:
        from localreg.pages.assets import asset_path

        shown = self[:SHOWN]
        plotly = asset_path("plotly").read_text("utf-8").replace("</script", "<\\/script")
        figures = "".join(
            # Plotly escapes < and > in JSON, so no text ends the script.
            f'<script type="application/json">{each.to_json()}</script>'
            for each in shown
        )
        document = (
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
            f'content="{_POLICY}"><style>body{{margin:0;background:#fff}}</style><body>'
            f"<script>{plotly}</script>{figures}<script>{_DRAW}</script>"
        )
        height = min(TALLEST, sum(_height(each) for each in shown) + 20)
        rest = len(self) - len(shown)
        return (
            f'<iframe srcdoc="{html.escape(document)}" sandbox="allow-scripts allow-downloads" '
            f'title="{len(shown)} figures" style="width:100%;height:{height}px;border:0"></iframe>'
            + (f"<p>and {rest:,} more</p>" if rest else "")
        )


def _title(figure: Figure) -> str:
    text = figure.layout.title.text
    return ascii(html.unescape(str(text or "")))[:60]


def _height(figure: Figure) -> int:
    return int(figure.layout.height or HEIGHT)
