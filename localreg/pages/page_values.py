"""Values that pages show: operations/reports makes them from rows, pages.py makes HTML of them.

Any text in them may be hostile; only pages.py and its templates turn it into markup. Links (`href`)
are relative to the page, or None where there is no page to link to.
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
    """A text with a link, or without one when `href` is None."""

    text: str
    href: str | None = None


class Fact(Frozen):
    """One line of a list of facts: its name, its value, and the link of the value."""

    name: str
    value: str
    href: str | None = None


class Line(Frozen, kw_only=True):
    """One scalar series: the points to draw, in the order of their iterations.

    Attributes:
        name: the series.
        iterations, values, seconds: one of each for a point. A value of None is a gap (NaN or an
            infinity was reported); seconds are since 1970, UTC.
        points: how many points the registry has; more than are listed here if they were thinned.
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
    """A reported image or another file; `source` is a relative URL or a data: URL."""

    source: str
    kind: str  # "image", "audio", "video" or "file"
    filename: str


class Step(Frozen, kw_only=True):
    """One iteration of a plot.

    Attributes:
        shown: a Plotly figure (data and layout) with escaped texts, or a picture.
        note: a text below it, for example that it was thinned.
    """

    iteration: int
    shown: Figure | Picture
    note: str | None = None


class Plot(Frozen):
    """A plot with all its iterations; the page shows the last one first."""

    title: str
    series: str
    steps: tuple[Step, ...]


class Reported(Frozen, kw_only=True):
    """All reports of a model or a task."""

    charts: tuple[Chart, ...] = ()
    singles: tuple[tuple[str, float | None], ...] = ()
    plots: tuple[Plot, ...] = ()
    inherited: bool = False  # True if some are of the task that made the model


class Version(Frozen, kw_only=True):
    """One version of the model of a page."""

    link: Link
    aliases: tuple[str, ...]
    created: str
    here: bool  # True for the model of the page itself


class Node(Frozen, kw_only=True):
    """A model or a task of a lineage.

    Attributes:
        key: its name in `Lineage.edges`.
        kind: "model", "task" or "data set".
        column: 0 is leftmost; edges go from left to right.
        here: True for the model of the page itself.
    """

    key: str
    kind: str
    link: Link
    column: int
    here: bool = False


class Lineage(Frozen):
    """The ancestors and descendants of a model as a graph; edges are (from, to, label)."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str, str], ...]


class Change(Frozen):
    """One line of a history: time, actor, change; and "lost" or "kept" if it is not in effect."""

    at: str
    actor: str
    what: str
    outcome: str | None = None


class Conflict(Frozen):
    """What registries do not agree about, at the top of a page.

    Attributes:
        title, text: what is wrong, and what to do.
        sides: one line for each side.
        command: what settles it, if one command does.
    """

    title: str
    text: str
    sides: tuple[Link, ...]
    command: str | None = None


class PageFile(Frozen):
    """A file of a package, or an empty folder; all are texts.

    Attributes:
        path: relative to the package.
        inside: what is known about its content.
    """

    path: str
    size: str
    digest: str
    inside: str


class DatasetPart(Frozen, kw_only=True):
    """What the page of a data set shows besides that of a model.

    Attributes:
        pending: what was changed and is not uploaded; None if nothing.
        parents, children: what it comes from, and what comes from it.
        changes: of "added", "modified" and "removed" since the parents: number, and the first
            paths.
        compared: False if there are no parents, or one is not here.
        uses: what a task calls it, and the task.
        links: path, size and URL of files that are outside.
        more_links: links that are not listed.
    """

    pending: str | None
    parents: tuple[Link, ...]
    children: tuple[Link, ...]
    changes: tuple[tuple[str, int, tuple[str, ...]], ...]
    compared: bool
    uses: tuple[tuple[str, Link], ...]
    links: tuple[tuple[str, str, str], ...]
    more_links: int


class Card(Frozen):
    """A model card in Markdown: its YAML head, the rest, and where it was written."""

    head: str
    text: str
    source: str


class ModelPage(Frozen, kw_only=True):
    """Everything that the page of a model shows; times are texts, in UTC."""

    id: str
    ref: str
    name: str
    project: Link | None
    version: int
    states: tuple[str, ...]  # of "published", "archived", "package", "contested", "signed"
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    comment: str | None
    facts: tuple[Fact, ...]
    weights: tuple[Fact, ...]
    inside: tuple[Fact, ...]
    files: tuple[PageFile, ...]
    more_files: int  # files that are not listed
    metadata: tuple[tuple[str, str, str], ...]  # key, value, type
    labels: tuple[tuple[str, int], ...]
    config: str
    versions: tuple[Version, ...]
    lineage: Lineage
    history: tuple[Change, ...]
    more_history: int  # changes that are not listed
    reported: Reported
    conflicts: tuple[Conflict, ...] = ()
    maker: Link | None = None  # the task that made it, if this registry has it
    parameters: tuple[tuple[str, str, str], ...] = ()  # of that task: section, name, value
    dataset: DatasetPart | None = None  # of a data set, which is recorded as a model
    card: Card | None = None


class TaskPage(Frozen, kw_only=True):
    """Everything that the page of a task shows."""

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
    configurations: tuple[tuple[str, str], ...]  # name, text; `config` is that of the models
    artifacts: tuple[tuple[str, str, str, str], ...]  # name, kind, size, sha256
    log: tuple[tuple[str, str, str], ...]  # time, level, text
    log_lines: str  # how many there are, "1,234" or "more than 105,000"
    more_log: str  # how many earlier lines are not listed, likewise; "" if none
    reported: Reported
    diff: str = ""  # what was not committed, as a patch
    lost: tuple[Change, ...] = ()  # changes that are not in effect
    renewed: float | None = None  # how often it is written while the task runs, in seconds


class Measured(Frozen):
    """A metric of one run: the last, least and greatest value; only one if `single`."""

    last: float | None
    low: float | None
    high: float | None
    single: bool


class Compared(Frozen, kw_only=True):
    """One of the compared runs: a model with what the task that made it has, or a task.

    Attributes:
        facts: texts by name; "" where the run lacks the fact.
        metrics: by ``title/series``, or by the name of a single value.
        parameters: texts by ``Section/name``.
        metadata: texts by key.
        config: texts by key; the keys of nested values are joined by points.
        texts: configurations that cannot be read as keys and values, by name.
    """

    link: Link
    facts: Mapping[str, str]
    metrics: Mapping[str, Measured]
    parameters: Mapping[str, str]
    metadata: Mapping[str, str]
    config: Mapping[str, str]
    texts: Mapping[str, str]
    reported: Reported


class ComparePage(Frozen):
    """Two or more runs side by side.

    Attributes:
        what: what they are: "models", "tasks" or "models and tasks".
        directions: 1 if more of a metric or metadata key is better, -1 if less is better, and 0 if
            that is unknown, by its name.
        ids: of the runs, for the link from the overview.
    """

    what: str
    runs: tuple[Compared, ...]
    directions: Mapping[str, int]
    ids: tuple[str, ...] = ()


class IndexColumn(Frozen, kw_only=True):
    """A column of values that only some rows have: a metric, a parameter or an entry of metadata.

    Attributes:
        kind: "metrics", "parameters" or "metadata".
        key: "title/series" or the name of a single value, "Section/name", or the key.
        at: the positions of the rows that have a value.
        values: their values: numbers and texts; of a metric the last ones.
        low, high: of a metric, the least and the greatest values; None of anything else.
        different: the number of different values.
        better: 1 if more is better, -1 if less is, 0 if that is unknown.
    """

    kind: str
    key: str
    at: Sequence[int]
    values: Sequence[object]
    low: Sequence[object] | None = None
    high: Sequence[object] | None = None
    different: int = 2
    better: int = 0


class IndexTable(Frozen, kw_only=True):
    """Models, tasks or data sets in columns: entry i of each column belongs to row i.

    Attributes:
        rows: columns that all rows have; "id" is one of them.
        columns: the most common first.
    """

    rows: Mapping[str, Sequence[object]]
    columns: tuple[IndexColumn, ...] = ()


class IndexPage(Frozen, kw_only=True):
    """The overview of a registry.

    Times are seconds since 1970. "paged" is 1 for a row that has a page.

    Attributes:
        name: the last part of the registry's path.
        models: "id", "project" (or None), "name", "version", "aliases" and "tags" (tuples of str),
            "framework", "size" (bytes, or None), "states" (tuple of str), "created", "updated",
            "comment" (or None), "paged", "task" (the row of the task that made it, or None).
            Metrics and parameters of that task are not repeated.
        tasks: "id", "project", "name", "type", "status", "tags", "created", "ended" (or None),
            "updated", "comment", "paged", "archived" (0 or 1).
        datasets: "id", "ref", "project", "name", "order" (of the versions), "tags", "files",
            "size", "states", "updated", "paged".
        projects: name, number of models, number of tasks, updated, number of data sets.
        comparisons: names of the pages that compare, with the ids of what they compare.
        notes: texts above the list, for example that not all models are listed.
    """

    name: str
    models: IndexTable
    tasks: IndexTable
    datasets: IndexTable
    projects: tuple[tuple[str, int, int, float, int], ...] = ()
    comparisons: tuple[tuple[str, tuple[str, ...]], ...] = ()
    notes: tuple[str, ...] = ()
