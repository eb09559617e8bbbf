"""Delete what nothing needs any more."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    DELETE,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
    say_deleted,
)
from localreg.errors import InvalidValueError
from localreg.operations.upkeep import gc
from localreg.values.ids import now
from localreg.values.units import moment, parse_span, size_text, span_text


@click.command("gc")
@click.option(
    "--grace",
    default="1d",
    show_default=True,
    metavar="TIME",
    help="Spare what was used or changed more recently than this, such as 30m, 12h or 7d.",
)
@DELETE
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def gc_command(grace: str, delete: bool, as_json: bool, quiet: bool, directory: str | None) -> int:
    """Delete unused weights and leftovers of dead processes.

    Weights are unused if no model has them. The exit code is 1 if something could not be deleted.
    """
    try:
        seconds = parse_span(int(grace) if grace.isdecimal() else grace)
    except InvalidValueError as error:
        raise click.UsageError(f"--grace: {error}") from error
    with opened(directory) as chain:
        done = gc.collect(chain, grace_seconds=seconds, dry_run=not delete)
    if as_json:
        print_json(record_json(done))
    else:
        print_table(
            (
                Column("KIND", "id"),
                Column("SIZE", "size"),
                Column("FILE", "path"),
                Column("WHY", "prose", 1),
            ),
            ((each.kind, each.size, each.path, each.why) for each in done.garbage),
        )
        say_deleted(len(done.garbage), done.freed, done.failed, dry_run=done.dry_run)
        if done.next_due is not None:
            due = int(done.next_due.timestamp() * 1_000_000)
            remark(
                f"{size_text(done.waiting)} wait for the end of the grace period: the first can be "
                f"deleted from {moment(due)} UTC on, in {span_text((due - now()) / 1e6)}."
            )
    return 1 if done.failed else 0
