"""Bring archived models back."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODELS, opened
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("unarchive")
@MODELS
@IN_REGISTRY
def unarchive_command(models: tuple[str, ...], directory: str | None) -> None:
    """Bring archived models back: lists show them again."""
    with opened(directory) as chain:
        for found in [resolve_model(chain, model) for model in models]:
            edits.set_archived(found.registry, found.id, False)
