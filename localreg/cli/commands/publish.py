"""Publish models."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODELS, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits


@click.command("publish")
@MODELS
@AS_JSON
@SILENT
@IN_REGISTRY
def publish_command(
    models: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Publish models: fix their weights, configuration and labels.

    Names, tags, comments, metadata and reports can still change. There is no way back.
    """
    with opened(directory) as chain:
        done = []
        for found in [resolve_model(chain, model) for model in models]:
            changed = edits.publish(found.registry, found.id)
            done.append(change_json(found, changed, published=True))
            ref = done[-1]["ref"]
            say_change(changed, f"Published {ref}", f"{ref} is published already")
    if as_json:
        print_json(done)
