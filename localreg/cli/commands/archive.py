"""Archive models."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODELS, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("archive")
@MODELS
@AS_JSON
@SILENT
@IN_REGISTRY
def archive_command(
    models: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Archive models: lists leave them out.

    `localreg ls -a` shows them, and `localreg unarchive` brings them back.
    """
    with opened(directory) as chain:
        done = []
        for found in [resolve_model(chain, model) for model in models]:
            changed = edits.set_archived(found.registry, found.id, True)
            done.append(change_json(found, changed, archived=True))
            ref = done[-1]["ref"]
            say_change(changed, f"Archived {ref}", f"{ref} is archived already")
    if as_json:
        print_json(done)
