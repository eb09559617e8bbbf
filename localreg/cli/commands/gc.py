"""Delete what nothing needs any more."""

from __future__ import annotations

import re

import click

from localreg.cli.collected import grace_seconds, print_garbage, say_waiting
from localreg.cli.output import (
    AS_JSON,
    DELETE,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    counted,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
    say_deleted,
)
from localreg.operations.upkeep import gc
from localreg.operations.upkeep.gc import Collection
from localreg.values.units import size_text


@click.command("gc")
@click.option(
    "--grace",
    default="1d",
    show_default=True,
    metavar="TIME",
    help="Spare what was used or changed more recently than this, such as 30m, 12h or 7d.",
)
@click.option(
    "--keep-last",
    type=click.IntRange(1),
    metavar="N",
    help="Of each model, keep the newest N versions, and remove others.",
)
@click.option(
    "--keep-best",
    multiple=True,
    metavar="METRIC:N",
    help="Keep the best N versions by a metric, and remove others, such as accuracy/val:3. The "
    "name says if the least is the best (loss), or + before it.",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    help="Remove the oldest versions of a project that has more bytes than this, such as 20GB, "
    "until it has not. What --keep-last and --keep-best name stays.",
)
@click.option(
    "--no-retention", is_flag=True, help="Remove no models: ignore the settings retention.*."
)
@DELETE
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def gc_command(
    grace: str,
    keep_last: int | None,
    keep_best: tuple[str, ...],
    max_size: str | None,
    no_retention: bool,
    delete: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Delete unused weights, leftovers of dead processes, and by rules old models.

    Weights are unused if no model has them. --keep-last, --keep-best and --max-size, or the
    settings retention.*, remove models first, but none that is published, has an alias, is an
    input of a task, or is the parent of a model that stays. `localreg restore` takes that back
    until the grace period ends. The exit code is 1 if something could not be deleted.
    """
    seconds = grace_seconds(grace)
    with opened(directory) as chain:
        done = gc.collect(
            chain,
            grace_seconds=seconds,
            keep_last=keep_last,
            # "metric:" is how `ls --sort` names them.
            keep_best=[re.sub(r"^([+-]?)metric:", r"\1", each) for each in keep_best] or None,
            max_size=max_size,
            retention=not no_retention,
            dry_run=not delete,
        )
    if as_json:
        print_json(record_json(done))
    else:
        _print_models(done)
        print_garbage(done.garbage)
        if done.garbage or done.failed or not any(each.goes for each in done.models):
            say_deleted(len(done.garbage), done.freed, done.failed, dry_run=done.dry_run)
        say_waiting(done.waiting, done.next_due)
    return 1 if done.failed else 0


def _print_models(done: Collection) -> None:
    """Print the models that go, and those that only what needs them keeps."""
    if not done.models:
        return
    gone = [each for each in done.models if each.goes]
    shown = [each for each in done.models if each.goes or not each.why.startswith("one of ")]
    print_table(
        (
            Column("MODEL", "name"),
            Column("SIZE", "size", 2),
            Column("", "id"),
            Column("ID", "id", 1),
            Column("WHY", "prose"),
        ),
        (
            (each.ref, each.size, "goes" if each.goes else "stays", each.id[:8], each.why)
            for each in shown
        ),
    )
    kept = counted(len(done.models) - len(gone), "model")
    size = size_text(sum(each.size for each in gone))
    removed = "--delete would remove" if done.dry_run else "Removed"
    remark(f"{removed} {counted(len(gone), 'model')} with {size} of weights; {kept} stay.")
