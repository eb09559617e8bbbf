"""Publish models."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODELS, opened
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("publish")
@MODELS
@IN_REGISTRY
def publish_command(models: tuple[str, ...], directory: str | None) -> None:
    """Publish models: fix their weights, configuration and labels.

    Names, tags, comments, metadata and reports can still change. There is no way back.
    """
    with opened(directory) as chain:
        for found in [resolve_model(chain, model) for model in models]:
            edits.publish(found.registry, found.id)
