"""Add tags to a model."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODEL, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits, reading


@click.command("tag")
@MODEL
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@AS_JSON
@SILENT
@IN_REGISTRY
def tag_command(
    model: str, tags: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Add tags to a MODEL."""
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        added = edits.edit_tags(found.registry, found.id, add=tags)
        done = change_json(found, bool(added), added=added, tags=reading.tags(found, system=False))
    if as_json:
        print_json(done)
    say_change(
        bool(added),
        f"Tagged {done['ref']}: {', '.join(added)}",
        f"{done['ref']} has {'this tag' if len(tags) == 1 else 'these tags'} already",
    )
