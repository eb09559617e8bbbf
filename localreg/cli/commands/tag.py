"""Add tags to a model."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODEL, opened
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("tag")
@MODEL
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@IN_REGISTRY
def tag_command(model: str, tags: tuple[str, ...], directory: str | None) -> None:
    """Add tags to a MODEL."""
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        edits.edit_tags(found.registry, found.id, add=tags)
