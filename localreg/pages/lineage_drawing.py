"""Draws a lineage as SVG: columns from left to right, with nodes near their neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from unicodedata import combining, east_asian_width

from localreg.pages.markup import directed, safe_href, visible
from localreg.pages.page_values import Lineage, Node
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from markupsafe import Markup

WIDTH, HEIGHT = 176, 46  # of a node, in pixels
ACROSS, DOWN = 78, 18  # space between columns and between nodes, in pixels
MARGIN = 12
NAME_CELLS, LABEL_CELLS = 18, 11  # how much of a text fits, in letters of average width


class _Place(Frozen):
    """A node, or if `node` is None the point where an edge passes through a column."""

    key: str
    column: int
    node: Node | None


def lineage_svg(lineage: Lineage) -> Markup:
    """Return the SVG element of a lineage; each node links to its page, if it has one."""
    from markupsafe import Markup

    places, routes = _routed(lineage)
    columns = _ordered(places, routes)
    corners = _corners(columns)
    bottom = max((y for _, y in corners.values()), default=0)
    width = 2 * MARGIN + len(columns) * (WIDTH + ACROSS) - ACROSS
    height = 2 * MARGIN + bottom + HEIGHT
    edges = "".join(_edge(route, label, corners) for route, label in routes)
    nodes = "".join(
        _node(place.node, *corners[place.key]) for place in places.values() if place.node
    )
    return Markup(
        f'<svg class="lineage" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="group" aria-label="Lineage"><g transform="translate({MARGIN} {MARGIN})">'
        f"{edges}{nodes}</g></svg>"
    )


def shortened(text: str, cells: int) -> str:
    """Return as much of a text as fits; wide letters count as two cells, combining marks as none.

    >>> shortened("resnet", 6), shortened("resnet50-pretrained", 8)
    ('resnet', 'resnet5…')
    """
    text = " ".join(visible(text).split())
    space = cells
    for i, letter in enumerate(text):
        space -= 0 if combining(letter) else 1 + (east_asian_width(letter) in "WF")
        if space < 0 or (space == 0 and i + 1 < len(text)):
            return text[:i] + "…"
    return text


def _routed(lineage: Lineage) -> tuple[dict[str, _Place], list[tuple[list[str], str]]]:
    """Return the places by key, and each edge as the keys of the places it runs through."""
    used = sorted({node.column for node in lineage.nodes})
    places = {n.key: _Place(n.key, used.index(n.column), n) for n in lineage.nodes}
    labels: dict[tuple[str, str], list[str]] = {}
    for start, end, label in lineage.edges:
        if start in places and end in places and start != end:
            known = labels.setdefault((start, end), [])
            if label and label not in known:
                known.append(label)
    routes = []
    for number, ((start, end), texts) in enumerate(labels.items()):
        route = [start]
        for column in range(places[start].column + 1, places[end].column):
            key = f"\0{number}/{column}"  # keys of nodes contain no NUL
            places[key] = _Place(key, column, None)
            route.append(key)
        routes.append(([*route, end], ", ".join(texts)))
    return places, routes


def _ordered(
    places: Mapping[str, _Place], routes: Sequence[tuple[list[str], str]]
) -> list[list[str]]:
    """Return the keys of each column from top to bottom, with few crossings of edges.

    Each node moves to the mean height of its neighbours, in sweeps to the right and to the left.
    """
    count = 1 + max((place.column for place in places.values()), default=-1)
    columns: list[list[str]] = [[] for _ in range(count)]
    for place in places.values():
        columns[place.column].append(place.key)
    near: dict[str, list[str]] = {key: [] for key in places}
    for route, _ in routes:
        for one, other in pairwise(route):
            near[one].append(other)
            near[other].append(one)
    for sweep in range(8):
        backwards = sweep % 2
        order = range(count - 2, -1, -1) if backwards else range(1, count)
        for column in order:
            beside = columns[column + (1 if backwards else -1)]
            height = {key: i - len(beside) / 2 for i, key in enumerate(beside)}
            weights = {}
            for i, key in enumerate(columns[column]):
                known = [height[each] for each in near[key] if each in height]
                own = i - len(columns[column]) / 2
                weights[key] = sum(known) / len(known) if known else own
            columns[column].sort(key=weights.__getitem__)
    return columns


def _corners(columns: Sequence[Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Return the upper left corner of each node; shorter columns are centered."""
    tallest = max(map(len, columns), default=0)
    step = HEIGHT + DOWN
    return {
        key: (column * (WIDTH + ACROSS), (tallest - len(keys)) * step / 2 + row * step)
        for column, keys in enumerate(columns)
        for row, key in enumerate(keys)
    }


def _edge(route: Sequence[str], label: str, corners: Mapping[str, tuple[float, float]]) -> str:
    """Return a smooth line with an arrow head, and its label between the first two columns."""
    x, y = corners[route[0]]
    x, y = x + WIDTH, y + HEIGHT / 2
    path = f"M{x:g} {y:g}"
    for key in route[1:]:
        to_x, to_y = corners[key][0], corners[key][1] + HEIGHT / 2
        bend = max(abs(to_x - x) / 2, ACROSS / 2)
        path += f"C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}"
        if key != route[-1]:
            path += f"H{to_x + WIDTH:g}"
        x, y = to_x + WIDTH, to_y
    first, second = corners[route[0]], corners[route[1]]
    tip_x, tip_y = x - WIDTH, y
    drawn = f'<path class="edge" d="{path}"/><path class="tip" d="M{tip_x:g} {tip_y:g}l-7 -4v8z"/>'
    if label:
        middle = (first[0] + WIDTH + second[0]) / 2
        height = (first[1] + second[1] + HEIGHT) / 2
        drawn += (
            f'<text class="edge-label" x="{middle:g}" y="{height - 5:g}">'
            f"<title>{escape(directed(label))}</title>"
            f"{escape(directed(shortened(label, LABEL_CELLS)))}</text>"
        )
    return drawn


def _node(node: Node, x: float, y: float) -> str:
    kind = "task" if node.kind == "task" else "model"
    shown_kind = node.kind if node.kind in ("task", "data set") else "model"
    here = " here" if node.here else ""
    full = node.link.text
    # The inner svg element clips a text that is too wide in the font of the browser.
    drawn = (
        f'<svg x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}">'
        f"<title>{shown_kind}: {escape(directed(full))}</title>"
        f'<rect x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}"'
        f' rx="{22 if kind == "task" else 7}"/>'
        f'<text class="kind" x="16" y="18">{shown_kind}</text>'
        f'<text class="name" x="16" y="34">'
        f"{escape(directed(shortened(full, NAME_CELLS)))}</text></svg>"
    )
    href = safe_href(node.link.href)
    if href is None or node.here:
        return f'<g class="node {kind}{here}">{drawn}</g>'
    return f'<a class="node {kind}{here}" href="{escape(href)}">{drawn}</a>'
