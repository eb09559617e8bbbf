"""The command `localreg task ls`: tasks with their metrics and parameters, as a table of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from time import time

import click

from localreg.cli.columns import (
    COLUMNS_HELP,
    SORT_HELP,
    check_columns,
    check_sort,
    only_with,
    table,
    values_json,
    values_of,
)
from localreg.cli.filters import TAG, Named, named, task_conditions
from localreg.cli.nearby import say_nearby
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    LIMIT,
    QUIET,
    Column,
    opened,
    print_json_list,
    print_lines,
    print_table,
    say,
)
from localreg.cli.task_records import task_json, task_status, whole
from localreg.cli.unknown_keys import say_unknown
from localreg.operations.finding.upstream import Found
from localreg.operations.finding.values import Values, task_values
from localreg.operations.tasks import lifecycle, search
from localreg.registry import Chain
from localreg.values.records import Json, TaskRecord
from localreg.values.secrets import masked_text
from localreg.values.units import is_known

STATUSES = (
    "created",
    "in_progress",
    "completed",
    "failed",
    "stopped",
    "aborted",
    "published",
)
KINDS = ("metric", "param")
USUAL = ("task", "project", "type", "status", "tags", "duration", "updated", "id")
OTHER_COLUMNS = "created, ended, progress, comment, reason"
_PART = 500  # tasks whose values are read together
_LOOKED_AT = 500  # tasks, for names that are similar to one that no task has

Row = tuple[Found, TaskRecord]


@click.command("ls")
@click.argument("pattern", required=False)
@click.option("-p", "--project", metavar="NAME", help="Only tasks of this project.")
@click.option("-n", "--name", metavar="NAME", help="Only tasks of this name; it may be a pattern.")
@TAG
@click.option(
    "-m",
    "--meta",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only with this parameter: 'Args/lr=0.1', or compared, 'lr<0.01', also with <= > >= != "
    "==. metric:TITLE/SERIES compares the last value of a metric: 'metric:val/accuracy>0.9'.",
)
@click.option(
    "--status",
    metavar="STATUS",
    type=click.Choice(STATUSES),
    help=f"Only this status: {', '.join(STATUSES[:-1])} or {STATUSES[-1]}.",
)
@click.option("-a", "--archived", is_flag=True, help="Archived tasks too.")
@click.option(
    "--sort", default="updated", show_default=True, metavar="KEY", help=SORT_HELP.format("")
)
@click.option(
    "--columns", multiple=True, metavar="NAMES",
    help=COLUMNS_HELP.format(f"{', '.join(USUAL)}, {OTHER_COLUMNS}", ""),
)  # fmt: skip
@LIMIT
@AS_JSON
@QUIET
@HEADER
@IN_REGISTRY
def ls_command(
    pattern: str | None,
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    status: str | None,
    archived: bool,
    sort: str,
    columns: tuple[str, ...],
    limit: int,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """List tasks, last updated first.

    PATTERN is a task's name or project/name; in it * is any text: 'sweep/*'. The runs of a sweep,
    the best first, with the parameters that differ: `localreg task ls -p sweep --sort
    metric:val/accuracy --columns +params`.
    """
    names = named(pattern, project, name)
    order, sorted_by = check_sort(sort, KINDS)
    wanted = check_columns(columns, FIXED, (*KINDS, "min", "max"))
    conditions = task_conditions(meta)
    filters = {
        "tags": list(tags),
        "status": status,
        "archived": archived,
        "limit": limit + 1 if limit else None,
        "order": order,
        **conditions,
    }
    with opened(directory) as chain:
        search.abort_dead_tasks(chain.first)
        found = _find(chain, filters, names) or _find(chain, filters, names.otherwise)
        shown = found[:limit] if limit else found
        if quiet:
            print_lines(each.id for each in shown)
        elif as_json:
            print_json_list(_json(shown))
        elif shown:
            fixed = {name: column for name, (column, _) in FIXED.items()}
            rows = partial(_rows, shown)
            print_table(*table(fixed, USUAL, wanted, sorted_by, rows, _cells_of, _values))
        if len(found) > len(shown):
            which = "newest" if sort == "updated" else "first"
            say(f"These are the {which} {limit}; -l 0 shows all.")
        elif not found and not as_json:
            filtered = any((pattern, project, name, tags, meta, status, sorted_by))
            _say_none(chain, filtered=filtered, archived=archived)
            say_unknown(chain, "task", conditions)
            if sorted_by is not None:
                newest = search.check_search(archived=archived, limit=_LOOKED_AT)
                values = values_of(search.search_tasks(chain, newest), task_values)
                say(only_with(sorted_by, "tasks", values))


def _find(chain: Chain, filters: Mapping[str, object], names: Named | None) -> list[Found]:
    if names is None:
        return []
    wanted = search.check_search(
        project=names.project,
        name=names.name,
        patterns=names.patterns,
        **filters,  # type: ignore[arg-type]  # they are checked there
    )
    return search.search_tasks(chain, wanted)


def _parts(shown: Sequence[Found]) -> Iterator[Sequence[Found]]:
    return (shown[start : start + _PART] for start in range(0, len(shown), _PART))


def _rows(shown: Sequence[Found]) -> Iterator[list[Row]]:
    for part in _parts(shown):
        yield [(each, lifecycle.settled(each.registry, each.id)) for each in part]


def _cells_of(_: Sequence[Row]) -> dict[str, Callable[[Row], object]]:
    return {name: cell for name, (_, cell) in FIXED.items()}


def _values(rows: Sequence[Row]) -> list[Values]:
    return values_of([found for found, _ in rows], task_values)


def _json(shown: Sequence[Found]) -> Iterator[Json]:
    for part in _parts(shown):
        for each, values in zip(part, values_of(part, task_values), strict=True):
            yield whole(task_json(each.registry, each.id)) | values_json(values, metrics_only=True)


def _say_none(chain: Chain, *, filtered: bool, archived: bool) -> None:
    root = chain.first.root
    archived_too = "" if archived else "; -a lists archived ones, too"
    if filtered:
        say(f"No tasks match in {root}{archived_too}.")
    else:
        say(f"There are no tasks in {root}{archived_too}.")
        say("`Task.init` in a script makes one; `localreg demo` shows how it all works.")
    say_nearby(root)


def duration(task: TaskRecord) -> int | None:
    """Return how many seconds a task took, or has taken until now; None if that is not known."""
    if not is_known(task.created):
        return None
    if task.ended is not None:
        return max(round((task.ended - task.created) / 1_000_000), 0)
    if task.status == "in_progress":
        return max(round(time() - task.created / 1_000_000), 0)
    return None


def _cells(cell: Callable[[TaskRecord], object]) -> Callable[[Row], object]:
    return lambda row: cell(row[1])


def _tags(row: Row) -> object:
    found, _ = row
    return tuple(lifecycle.tags(found.registry, found.id))


FIXED: dict[str, tuple[Column, Callable[[Row], object]]] = {
    "task": (Column("TASK", "name"), _cells(lambda task: task.name)),
    "project": (
        Column("PROJECT", "name", 4),
        _cells(lambda task: task.project.name if task.project else None),
    ),
    "type": (Column("TYPE", "text", 7), _cells(lambda task: task.type)),
    "status": (Column("STATUS", "text", 1), _cells(task_status)),
    "tags": (Column("TAGS", "words", 5), _tags),
    "duration": (Column("DURATION", "duration", 3), _cells(duration)),
    "updated": (Column("UPDATED", "time", 2), _cells(lambda task: task.updated)),
    "id": (Column("ID", "id"), _cells(lambda task: task.id[:8])),
    "created": (Column("CREATED", "time", 1), _cells(lambda task: task.created)),
    "ended": (Column("ENDED", "time", 1), _cells(lambda task: task.ended)),
    "progress": (Column("PROGRESS", "number"), _cells(lambda task: task.progress)),
    "comment": (Column("COMMENT", "text"), _cells(lambda task: masked_text(task.comment or ""))),
    "reason": (Column("REASON", "text"), _cells(lambda task: masked_text(task.reason or ""))),
}
