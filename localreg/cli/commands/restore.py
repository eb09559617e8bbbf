"""Bring removed models back."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODELS, opened, say
from localreg.operations.finding.upstream import Found
from localreg.operations.models import removal
from localreg.operations.models.details import model_record


@click.command("restore")
@MODELS
@IN_REGISTRY
def restore_command(models: tuple[str, ...], registry: str | None) -> None:
    """Bring removed models back, by id or by project/name:version."""
    with opened(registry) as target:
        for model in models:
            restored = removal.restore_model(target, model)
            say(f"Restored {model_record(Found(target.first, restored.model)).ref}.")
            if restored.missing:
                missing = ", ".join(restored.missing)
                say(f"Its weights were deleted, and are still missing: {missing}")
