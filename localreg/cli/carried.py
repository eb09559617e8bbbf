"""Print what came by an import, a merge, a pull or a push."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from localreg.cli.cells import steady, terminal_width, wrapped
from localreg.cli.output import counted, one_line, print_json, record_json, remark, say
from localreg.values.units import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.carry.arrival import Arrived
    from localreg.operations.carry.export import Missing
    from localreg.operations.importers.bringing import Brought
    from localreg.operations.importers.clearml_session import Imported

NAMED = 20  # of the models or tasks that are new here; --json has all of them
_INDENT = "    "
# The exit code when a change that was made here has lost, something is contested, or held.
CONFLICT = 5


def print_arrival(done: Arrived, *, as_json: bool, quiet: bool) -> int:
    """Print what came and what is different now; return the exit code."""
    if as_json:
        print_json(record_json(done))
    else:
        print_changes(done, quiet=quiet)
        remark(_summary(done))
    return CONFLICT if done.conflict else 0


def print_changes(done: Arrived, *, quiet: bool) -> None:
    """Print which models came, what is different now, and which bytes did not come."""
    if not quiet:
        _print_models(done)
    print_missing(done.missing, "would not come" if done.dry_run else "did not come")


def print_missing(missing: Sequence[Missing], what: str) -> None:
    """Print which bytes did not come, or go; `what` is the verb, such as "did not come"."""
    for each in missing:
        say(f"Bytes that {what}: {one_line(each.ref)}: {one_line(each.why)}")
    size = sum(each.size or 0 for each in missing)
    if size:
        say(f"Bytes that {what}: {size:,} ({size_text(size)})")


def print_session(done: Imported, *, as_json: bool, quiet: bool) -> int:
    """Print what an offline session brought; return the exit code."""
    if as_json:
        print_json(record_json(done))
        return CONFLICT if done.arrived.conflict else 0
    if not quiet:
        click.echo(f"task: {one_line(done.name)} ({done.task})")
    _print_left(done.ignored, dry_run=done.arrived.dry_run)
    return print_arrival(done.arrived, as_json=False, quiet=quiet)


def print_brought(done: Brought, *, as_json: bool, quiet: bool) -> int:
    """Print what came from another program; return the exit code."""
    if as_json:
        print_json(record_json(done))
        return CONFLICT if done.arrived.conflict else 0
    if not quiet:
        tasks = [f"task {name} ({task_id[:8]})" for task_id, name in done.tasks.items()]
        _print_new(tasks, "tasks")
    code = print_arrival(done.arrived, as_json=False, quiet=quiet)
    _print_left(done.left, dry_run=done.arrived.dry_run)
    return code


def _print_left(left: Mapping[str, int], *, dry_run: bool) -> None:
    """Print what does not come, counted."""
    for what, count in left.items():
        say(f"{'Would not be' if dry_run else 'Not'} imported: {one_line(what)} ({count:,})")


def _print_models(done: Arrived) -> None:
    """Print which models came, and what is different now."""
    _print_new(done.models, "models")
    print_lines(done.differences)


def _print_new(names: Sequence[str], what: str) -> None:
    """Print what is new here: the first of the names, and how many there are more."""
    for each in names[:NAMED]:
        click.echo(f"new: {one_line(each)}")
    if len(names) > NAMED:
        click.echo(f"new: {len(names) - NAMED:,} more {what}")


def print_lines(lines: Iterable[str]) -> None:
    """Print sentences, each on a line; on a terminal on as many as it takes, indented."""
    for line in lines:
        text = one_line(line)
        if not sys.stdout.isatty():
            click.echo(text)
            continue
        first, *rest = wrapped(steady(text), terminal_width() - len(_INDENT), whole=True)
        click.echo("\n".join([first, *(f"{_INDENT}{each}" for each in rest)]))


def came_text(done: Arrived) -> str:
    """Return what came, counted; "" for nothing."""
    parts = [
        text
        for count, text in (
            (done.events, counted(done.events, "event")),
            (len(done.tasks), counted(len(done.tasks), "task")),
            (len(done.models), counted(len(done.models), "model")),
            (done.blobs, f"{counted(done.blobs, 'blob')} ({size_text(done.size)})"),
            (done.reports, counted(done.reports, "reported value")),
        )
        if count
    ]
    return ", ".join(parts)


def _summary(done: Arrived) -> str:
    came = came_text(done)
    if came:
        return f"{came} {'would come' if done.dry_run else 'came'}."
    nothing = "Nothing else" if done.differences else "Nothing"
    what = f"{nothing} would come" if done.dry_run else f"{nothing} came"
    if done.missing:
        return f"{what}."
    return f"{what}: all of it {'is here' if done.dry_run else 'was here already'}."
