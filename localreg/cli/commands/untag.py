"""Remove tags from a model."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODEL, opened
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("untag")
@MODEL
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@IN_REGISTRY
def untag_command(model: str, tags: tuple[str, ...], directory: str | None) -> None:
    """Remove tags from a MODEL."""
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        edits.edit_tags(found.registry, found.id, drop=tags)
