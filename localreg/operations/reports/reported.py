"""Reports of a task as ClearML's calls return them: log lines, plots, files, scalars."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import groupby

from localreg.operations.reports.charts import figure_json, named_figures
from localreg.operations.reports.reading import reading
from localreg.operations.weights.locations import local_file
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import report_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def console(registry: OpenRegistry, owner: Owner, number: int) -> list[str]:
    """Return the last lines of a log, the oldest of them first."""
    with reading(registry, owner) as connection:
        lines = report_rows.last_messages(connection, owner, number)
    return [each.text for each in lines]


def plots(registry: OpenRegistry, owner: Owner, number: int) -> list[dict[str, Any]]:
    """Return the last iterations of each plot as dicts with a Plotly figure in JSON."""
    figures = named_figures(registry, owner, full=True, every=True)
    found = []
    for (title, series), steps in groupby(
        (each for each in figures if each.iteration is not None),
        key=lambda each: (each.title, each.series),
    ):
        found += [
            {
                "type": "plot",
                "task": owner.id,
                "metric": title,
                "variant": series,
                "iter": each.iteration,
                "plot_str": figure_json(each.figure),
            }
            for each in list(steps)[-number:]
        ]
    return found


def debug_samples(
    chain: Chain, registry: OpenRegistry, owner: Owner, title: str, series: str, number: int | None
) -> list[dict[str, Any]]:
    """Return the files of one title and series as dicts, the last iteration first."""
    with reading(registry, owner) as connection:
        rows = [
            row
            for row in report_rows.plots(connection, owner)
            if (row.kind, row.title, row.series) == ("media", title, series)
        ]
    rows.sort(key=lambda row: row.iteration, reverse=True)
    found = []
    for row in rows[:number]:
        with taken_apart("plot", row.title, "spec"):
            options = json.loads(row.spec)["options"]
            filename, url = str(options.get("filename") or "file"), options.get("url")
        if url is None:
            url = local_file(chain, registry, row.digest or "", row.size, filename).as_uri()
        found.append(
            {
                "task": owner.id,
                "metric": row.title,
                "variant": row.series,
                "iter": row.iteration,
                "timestamp": row.at // 1000,
                "url": url,
            }
        )
    return found


def all_scalars(
    registry: OpenRegistry, owner: Owner, axis: str
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return every point of the scalars by title and series.

    Args:
        axis: "iter", "timestamp" or "iso_time".
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    with reading(registry, owner) as connection:
        for row in report_rows.series(connection, owner):
            place = "iteration" if axis == "iter" else "ms"
            numbers, values = report_rows.columns(connection, row.pk, place)
            places: list[int] | list[str] = numbers
            if axis != "iter":
                places = numbers = [row.epoch + ms for ms in numbers]
            if axis == "iso_time":
                places = [_iso(at) for at in numbers]
            found.setdefault(row.title, {})[row.name] = {"name": row.name, "x": places, "y": values}
    return found


def _iso(milliseconds: int) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
