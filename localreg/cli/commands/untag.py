"""Remove tags from a model."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODEL, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits, reading


@click.command("untag")
@MODEL
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@AS_JSON
@SILENT
@IN_REGISTRY
def untag_command(
    model: str, tags: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Remove tags from a MODEL."""
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        dropped = edits.edit_tags(found.registry, found.id, drop=tags)
        done = change_json(
            found, bool(dropped), dropped=dropped, tags=reading.tags(found, system=False)
        )
    if as_json:
        print_json(done)
    say_change(
        bool(dropped),
        f"Untagged {done['ref']}: {', '.join(dropped)}",
        f"{done['ref']} has {'no such tag' if len(tags) == 1 else 'none of these tags'}",
    )
