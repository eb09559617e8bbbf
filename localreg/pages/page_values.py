"""What pages show: plain values, which operations make of rows and pages.py makes HTML of.

All text in them may be hostile; only pages.py and its templates turn it into markup. Links
(`href`) are relative to the page, or None where there is no page to go to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Figure = dict[str, Any]
else:
    Figure = dict


class Link(Frozen):
    """A text that leads somewhere, or nowhere when `href` is None."""

    text: str
    href: str | None = None


class Fact(Frozen):
    """One line of a list of facts: its name, its value, and where the value leads."""

    name: str
    value: str
    href: str | None = None


class Line(Frozen, kw_only=True):
    """One scalar series: the points to draw, in the order of their iterations.

    Attributes:
        name: the series.
        iterations, values, seconds: one each for a point; a value of None is a gap (NaN or an
            infinity was reported), seconds count from 1970 in UTC.
        points: how many the registry holds; more than are listed when they were thinned.
    """

    name: str
    iterations: Sequence[int]
    values: Sequence[float | None]
    seconds: Sequence[float]
    points: int


class Chart(Frozen):
    """The scalar series of one title, drawn into one chart."""

    title: str
    lines: tuple[Line, ...]


class Picture(Frozen):
    """A reported image, or another file: `source` is a relative URL or a data: URL."""

    source: str
    kind: str  # "image", "audio", "video" or "file"
    filename: str


class Step(Frozen, kw_only=True):
    """What was reported under one title and series at one iteration.

    Attributes:
        shown: a Plotly figure (data and layout) that may be drawn as it is, or a picture.
        note: what the reader must know, such as that it was thinned.
    """

    iteration: int
    shown: Figure | Picture
    note: str | None = None


class Plot(Frozen):
    """A plot at each of the iterations it was reported for, the last one shown first."""

    title: str
    series: str
    steps: tuple[Step, ...]


class Reported(Frozen, kw_only=True):
    """Everything reported to a model or a task."""

    charts: tuple[Chart, ...] = ()
    singles: tuple[tuple[str, float | None], ...] = ()
    plots: tuple[Plot, ...] = ()


class Version(Frozen, kw_only=True):
    """One model of the line that a page's model is of."""

    link: Link
    aliases: tuple[str, ...]
    created: str
    here: bool  # whether it is the page's own


class Node(Frozen, kw_only=True):
    """A model or a task of a lineage.

    Attributes:
        key: names it in `Lineage.edges`.
        kind: "model" or "task".
        column: 0 is leftmost; edges go from left to right.
        here: whether it is what the page is about.
    """

    key: str
    kind: str
    link: Link
    column: int
    here: bool = False


class Lineage(Frozen):
    """Where a model comes from and where it went, as a graph; edges are (from, to, label)."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str, str], ...]


class Change(Frozen):
    """One line of a history: when, who, what."""

    at: str
    actor: str
    what: str


class ModelPage(Frozen, kw_only=True):
    """Everything the page of one model shows; times are text for people, in UTC."""

    id: str
    ref: str
    name: str
    project: Link | None
    version: int
    states: tuple[str, ...]  # of "published", "archived", "package"
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    comment: str | None
    facts: tuple[Fact, ...]
    weights: tuple[Fact, ...]
    inside: tuple[Fact, ...]
    metadata: tuple[tuple[str, str, str], ...]  # key, value, type
    labels: tuple[tuple[str, int], ...]
    config: str
    versions: tuple[Version, ...]
    lineage: Lineage
    history: tuple[Change, ...]
    more_history: int  # changes that are not listed
    reported: Reported


class TaskPage(Frozen, kw_only=True):
    """Everything the page of one task shows."""

    id: str
    name: str
    project: Link | None
    status: str
    tags: tuple[str, ...]
    comment: str | None
    facts: tuple[Fact, ...]
    inputs: tuple[tuple[str, Link], ...]  # name on the task, model
    outputs: tuple[tuple[str, Link], ...]
    config: str
    labels: tuple[tuple[str, int], ...]
    parameters: tuple[tuple[str, str, str], ...]  # section, name, value
    configurations: tuple[tuple[str, str], ...]  # name, text; `config` is the model's
    artifacts: tuple[tuple[str, str, str, str], ...]  # name, kind, size, sha256
    log: tuple[tuple[str, str, str], ...]  # when, level, text
    more_log: int  # earlier lines that are not listed
    reported: Reported


class Compared(Frozen, kw_only=True):
    """One of the models that are compared."""

    link: Link
    facts: Mapping[str, str]  # by name; the same names for all, "" where one has none
    metadata: Mapping[str, str]
    config: str
    reported: Reported


class ComparePage(Frozen):
    """Two or more models side by side.

    `directions` says for a single value or metadata key whether more is better: 1 or -1, and 0
    where nobody can tell.
    """

    models: tuple[Compared, ...]
    directions: Mapping[str, int]


class IndexPage(Frozen, kw_only=True):
    """The overview of a registry, by columns: entry i of each column is of model i.

    Attributes:
        name: the registry's directory, its last part.
        models: "ref", "project", "name", "version" (int), "aliases" and "tags" (lists of str),
            "framework", "size" (bytes, or None), "states" (list of str), "updated" (seconds since
            1970), "href" (or None), "id".
        metrics: values by "title/series" or the name of a single value: {position: value}.
        tasks: "name", "project", "status", "tags", "updated", "href", "id" likewise.
        projects: name, number of models, number of tasks, updated (seconds).
        note: what the reader must know, such as that only so many are listed.
    """

    name: str
    models: Mapping[str, Sequence[object]]
    metrics: Mapping[str, Mapping[int, float]]
    tasks: Mapping[str, Sequence[object]]
    projects: tuple[tuple[str, int, int, float], ...]
    note: str | None = None
