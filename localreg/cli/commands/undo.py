"""Undo one change."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    SILENT,
    opened,
    print_json,
    record_json,
    remark,
)
from localreg.operations.carry import undo


@click.command("undo")
@click.argument("event", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@AS_JSON
@SILENT
@IN_REGISTRY
def undo_command(
    event: str | None, dry_run: bool, as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Undo the change EVENT, or the last one that was made here.

    EVENT is the first 6 or more digits of an id, which `localreg history` shows. An undo is a
    change of its own, which can be undone, too. The exit code is 5 if somebody changed the same
    value since, or if another command is needed.
    """
    with opened(directory) as chain:
        done = undo.undo(chain.first, event, dry_run=dry_run)
    if as_json:
        others = [{"event_id": event_id, "text": text} for event_id, text in done.others]
        print_json(record_json(done) | {"others": others, "changed": not dry_run})
    if as_json or quiet:
        return
    what = "Would undo" if dry_run else "Undone"
    click.echo(f"{what}: {done.of}: {done.text} ({done.event_id[:8]})")
    click.echo(f"{'Now:':>{len(what) + 1}} {done.inverse}")
    for event_id, text in done.others:
        remark(f"The same call also changed: {text} (localreg undo {event_id[:8]})")
