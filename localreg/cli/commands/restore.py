"""Bring removed models back."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODELS, opened, say
from localreg.operations.finding.upstream import Found
from localreg.operations.models import reading, removal


@click.command("restore")
@MODELS
@IN_REGISTRY
def restore_command(models: tuple[str, ...], directory: str | None) -> None:
    """Bring removed models back, by id or by project/name:version."""
    with opened(directory) as chain:
        for model in models:
            restored = removal.restore_model(chain, model)
            say(f"Restored {reading.row(Found(chain.first, restored.model)).ref}.")
            if restored.missing:
                missing = ", ".join(dict.fromkeys(restored.missing))
                say(f"Its weights were deleted, and are still missing: {missing}")
