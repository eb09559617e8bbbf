"""Bring archived models back."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODELS, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("unarchive")
@MODELS
@AS_JSON
@SILENT
@IN_REGISTRY
def unarchive_command(
    models: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Bring archived models back: lists show them again."""
    with opened(directory) as chain:
        done = []
        for found in [resolve_model(chain, model) for model in models]:
            changed = edits.set_archived(found.registry, found.id, False)
            done.append(change_json(found, changed, archived=False))
            ref = done[-1]["ref"]
            say_change(changed, f"Unarchived {ref}", f"{ref} is not archived")
    if as_json:
        print_json(done)
