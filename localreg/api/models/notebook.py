"""How models and tasks show themselves in a notebook: as a small table, all text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from localreg.values.units import moment, size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.models.model import Model
    from localreg.values.records import TaskRecord

SHOWN = 100
_LEFT = "text-align:left"


def model_html(model: Model) -> str:
    """Return a model as a table of facts."""
    row = model._subject.row()
    if row.name is None:
        return "<em>an empty model, in no registry</em>"
    states = " ".join(model.system_tags + (["published"] if row.published else []))
    values = model.get_reported_single_values()
    facts = [
        ("model", row.ref),
        ("id", row.id),
        ("aliases", " ".join(model.aliases)),
        ("tags", " ".join(model.tags)),
        ("state", states),
        ("framework", row.framework or ""),
        ("size", size_text(model.size)),
        ("comment", row.comment or ""),
        *((key, each["value"]) for key, each in model.get_all_metadata().items()),
        *((name, f"{value:.6g}") for name, value in values.items()),
        ("updated", f"{moment(row.updated)} UTC"),
    ]
    return _facts_html([(name, value) for name, value in facts if value])


def task_html(task: TaskRecord) -> str:
    """Return a task as a table of facts."""
    facts = [
        ("task", task.name),
        ("id", task.id),
        ("project", task.project.name if task.project else ""),
        ("status", task.status),
        ("created", f"{moment(task.created)} UTC"),
    ]
    return _facts_html([(name, value) for name, value in facts if value])


def models_html(models: Sequence[Model]) -> str:
    """Return models as a table, the first hundred of them."""
    head = ("model", "aliases", "tags", "framework", "size", "updated", "id")
    rows = [
        (
            model.ref,
            " ".join(model.aliases),
            " ".join(model.tags),
            model.framework or "",
            size_text(model.size),
            moment(model._subject.row().updated),
            model.id[:8],
        )
        for model in models[:SHOWN]
    ]
    cells = "".join(f"<th style='{_LEFT}'>{name}</th>" for name in head)
    more = f"<p>and {len(models) - SHOWN:,} more</p>" if len(models) > SHOWN else ""
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{_rows_html(rows)}</tbody></table>{more}"


def _facts_html(facts: Iterable[tuple[str, str]]) -> str:
    return f"<table><tbody>{_rows_html(facts)}</tbody></table>"


def _rows_html(rows: Iterable[Sequence[str]]) -> str:
    return "".join(
        "<tr>" + "".join(f"<td style='{_LEFT}'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
