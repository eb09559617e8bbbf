"""What notebooks show of models, tasks and lists of them: tables in HTML, with all text escaped.

Characters that hide or turn around text are shown as escapes, as on pages. What cannot be read any
more (a removed model, a closed registry) is a sentence that says so: an error would fill the cell.
"""

from __future__ import annotations

from html import escape

from localreg.errors import LocalregError
from localreg.pages.markup import clean, number_text, visible
from localreg.values.metrics import MONITORED
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from localreg.operations.models.history import HistoryEntry
    from localreg.values.summaries import Metric, ModelSummary, TaskSummary

SHOWN = 100  # rows of a list
NEWEST = 10  # models of a registry
METRICS = 4  # columns of metrics in a list
MOST = 50  # metrics or parameters of one model or task
_LEFT = "text-align:left"


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """Return a table of (name, value), a row for each; those without a value are left out."""
    shown = [(name, value) for name, value in facts if value]
    return f"<table><tbody>{_rows_html(shown)}</tbody></table>"


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]], *, more: int = 0) -> str:
    """Return a table under a head, and how many more rows there are; empty columns are left out."""
    every = [tuple(row) for row in rows]
    kept = [place for place in range(len(head)) if any(row[place] for row in every)]
    cells = "".join(f"<th style='{_LEFT}'>{_text(head[place])}</th>" for place in kept)
    rest = f"<p>and {more:,} more</p>" if more > 0 else ""
    body = _rows_html([row[place] for place in kept] for row in every)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>{rest}"


def shown_or_why(html: Callable[[], str]) -> str:
    """Return the result of a function, or a sentence that says why there is none."""
    try:
        return html()
    except LocalregError as error:
        return f"<em>{_text(str(error))}</em>"


def models_html(models: Sequence[ModelSummary], more: int = 0) -> str:
    """Return a table of models."""
    if not models:
        return "<em>no models</em>"
    names = _common_metrics([each.metrics for each in models])
    head = ("model", "aliases", "tags", "framework", "size", *names, "updated", "id")
    rows = (
        (
            each.ref,
            " ".join(each.shown_aliases),
            " ".join(each.tags),
            each.framework or "",
            size_text(each.size),
            *_values(each.metrics, names),
            _time(each.updated),
            each.id[:8],
        )
        for each in models
    )
    return table_html(head, rows, more=more)


def tasks_html(tasks: Sequence[TaskSummary], more: int = 0) -> str:
    """Return a table of tasks."""
    if not tasks:
        return "<em>no tasks</em>"
    names = _common_metrics([each.metrics for each in tasks])
    head = ("task", "project", "status", "tags", *names, "created", "id")
    rows = (
        (
            each.name,
            each.project or "",
            each.status,
            " ".join(each.tags),
            *_values(each.metrics, names),
            _time(each.created),
            each.id[:8],
        )
        for each in tasks
    )
    return table_html(head, rows, more=more)


def task_html(task: TaskSummary) -> str:
    """Return a table of what one task has."""
    return facts_html(
        [
            ("task", task.name),
            ("id", task.id),
            ("project", task.project or ""),
            ("status", task.status),
            ("tags", " ".join(task.tags)),
            ("comment", task.comment or ""),
            *_some(task.parameters),
            *metric_facts(task.metrics),
            ("created", _time(task.created)),
            ("ended", "" if task.ended is None else _time(task.ended)),
        ]
    )


def model_html(model: ModelSummary, size: str, inside: str) -> str:
    """Return a table of what one model has.

    Args:
        size: of its weights, as text.
        inside: what is in them.
    """
    states = ("published", model.published), ("archived", model.archived)
    return facts_html(
        [
            ("model", model.ref),
            ("id", model.id),
            ("aliases", " ".join(model.shown_aliases)),
            ("tags", " ".join(model.tags)),
            ("state", " ".join(name for name, holds in states if holds)),
            ("framework", model.framework or ""),
            ("size", size),
            ("inside", inside),
            ("comment", model.comment or ""),
            *_some({key: each for key, each in model.metadata.items() if key != "card"}),
            *metric_facts(model.metrics),
            ("updated", _time(model.updated)),
        ]
    )


def changes_html(changes: Sequence[HistoryEntry], more: int = 0) -> str:
    """Return a table of changes."""
    if not changes:
        return "<em>no changes</em>"
    rows = ((_time(each.at), each.actor, each.line, each.event_id[:8]) for each in changes)
    return table_html(("time", "by", "change", "event"), rows, more=more)


def metric_facts(metrics: Mapping[str, Metric]) -> list[tuple[str, str]]:
    """Return the last values of metrics, without those of the machine."""
    names = _own(metrics)
    return [(name, number_text(metrics[name].last)) for name in names[:MOST]]


def _own(metrics: Mapping[str, Metric]) -> list[str]:
    return [name for name in metrics if not name.startswith(tuple(f"{t}/" for t in MONITORED))]


def _common_metrics(found: Sequence[Mapping[str, Metric]]) -> list[str]:
    """Return the names of the metrics that most of a list have."""
    from collections import Counter

    counts = Counter(name for each in found for name in _own(each))
    return [name for name, _ in counts.most_common(METRICS)]


def _values(metrics: Mapping[str, Metric], names: Sequence[str]) -> list[str]:
    return [number_text(metrics[name].last) if name in metrics else "" for name in names]


def _some(values: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in list(values.items())[:MOST]]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _text(text: str) -> str:
    return escape(clean(visible(text)))


def _rows_html(rows: Iterable[Sequence[str]]) -> str:
    return "".join(
        "<tr>" + "".join(f"<td style='{_LEFT}'>{_text(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
