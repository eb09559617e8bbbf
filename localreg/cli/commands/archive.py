"""Archive models."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODELS, opened
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("archive")
@MODELS
@IN_REGISTRY
def archive_command(models: tuple[str, ...], directory: str | None) -> None:
    """Archive models: lists leave them out.

    `localreg ls -a` shows them, and `localreg unarchive` brings them back.
    """
    with opened(directory) as chain:
        for found in [resolve_model(chain, model) for model in models]:
            edits.set_archived(found.registry, found.id, True)
