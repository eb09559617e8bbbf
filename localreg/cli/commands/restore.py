"""Bring removed models back."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODELS, SILENT, opened, print_json, say
from localreg.operations.finding.upstream import Found
from localreg.operations.models import removal


@click.command("restore")
@MODELS
@AS_JSON
@SILENT
@IN_REGISTRY
def restore_command(
    models: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Bring removed models back, by id or by project/name:version."""
    with opened(directory) as chain:
        done = []
        for model in models:
            restored = removal.restore_model(chain, model)
            missing = list(dict.fromkeys(restored.missing))
            found, held = Found(chain.first, restored.model), list(restored.held)
            done.append(change_json(found, True, missing=missing, held=held))
            say_change(True, f"Restored {done[-1]['ref']}", "")
            if missing and not as_json:
                say(f"Its weights were deleted, and are still missing: {', '.join(missing)}")
            for line in () if as_json else held:
                say(line)
    if as_json:
        print_json(done)
