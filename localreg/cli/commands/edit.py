"""Commands that change what is recorded of models, and remove and restore them."""

from __future__ import annotations

import sys

import click

from localreg.cli.output import IN_REGISTRY, opened, pairs, print_table, say
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import aliases, edits, removal
from localreg.store.rows import model_rows

MODEL = click.argument("model")
MODELS = click.argument("models", nargs=-1, required=True, metavar="MODEL...")


@click.command("tag")
@MODEL
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@IN_REGISTRY
def tag_command(model: str, tags: tuple[str, ...], registry: str | None) -> None:
    """Add tags to a MODEL."""
    with opened(registry) as target:
        found = resolve_model(target, model)
        edits.edit_tags(found.registry, found.id, add=tags)


@click.command("untag")
@MODEL
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@IN_REGISTRY
def untag_command(model: str, tags: tuple[str, ...], registry: str | None) -> None:
    """Take tags off a MODEL."""
    with opened(registry) as target:
        found = resolve_model(target, model)
        edits.edit_tags(found.registry, found.id, drop=tags)


@click.command("meta")
@MODEL
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--drop", multiple=True, metavar="KEY", help="Drop this entry.")
@click.option("--type", "v_type", metavar="TYPE", help="The type of the values: int, float, …")
@IN_REGISTRY
def meta_command(
    model: str,
    values: tuple[str, ...],
    drop: tuple[str, ...],
    v_type: str | None,
    registry: str | None,
) -> None:
    """Set metadata of a MODEL, or show it."""
    given = pairs("meta", values)
    with opened(registry) as target:
        found = resolve_model(target, model)
        if given:
            entries = {key: {"value": value, "type": v_type} for key, value in given.items()}
            edits.set_all_metadata(found.registry, found.id, entries, replace=False)
        for key in drop:
            if not edits.drop_metadata(found.registry, found.id, key):
                say(f"There is no metadata {key!r}.")
        if not given and not drop:
            with found.registry.store.read() as connection:
                told = model_rows.metadata(connection, found.id)
            rows = ((key, each.value, each.type) for key, each in told.items())
            print_table(("KEY", "VALUE", "TYPE"), rows)


@click.command("alias")
@MODEL
@click.argument("alias", required=False)
@click.option(
    "--expect",
    metavar="MODEL",
    help="Move it only when it points to this model until now; 'none': only when it is new.",
)
@click.option("--drop", is_flag=True, help="Drop the alias.")
@IN_REGISTRY
def alias_command(
    model: str, alias: str | None, expect: str | None, drop: bool, registry: str | None
) -> None:
    """Point an ALIAS at a MODEL, or show its aliases."""
    with opened(registry) as target:
        found = resolve_model(target, model)
        if alias is None:
            with found.registry.store.read() as connection:
                for each in model_rows.aliases(connection, found.id):
                    click.echo(each)
        elif drop:
            aliases.remove_alias(found.registry, found.id, alias)
        else:
            wanted = aliases.ANYTHING
            if expect is not None:
                wanted = None if expect == "none" else resolve_model(target, expect).id
            aliases.set_alias(found.registry, found.id, alias, wanted)


@click.command("publish")
@MODELS
@IN_REGISTRY
def publish_command(models: tuple[str, ...], registry: str | None) -> None:
    """Publish models: their weights, configuration and labels are fixed from here on."""
    with opened(registry) as target:
        for found in [resolve_model(target, model) for model in models]:
            edits.publish(found.registry, found.id)


@click.command("archive")
@MODELS
@IN_REGISTRY
def archive_command(models: tuple[str, ...], registry: str | None) -> None:
    """Archive models: lists pass them over."""
    with opened(registry) as target:
        for found in [resolve_model(target, model) for model in models]:
            edits.set_archived(found.registry, found.id, True)


@click.command("unarchive")
@MODELS
@IN_REGISTRY
def unarchive_command(models: tuple[str, ...], registry: str | None) -> None:
    """Take models out of the archive."""
    with opened(registry) as target:
        for found in [resolve_model(target, model) for model in models]:
            edits.set_archived(found.registry, found.id, False)


@click.command("rm")
@MODELS
@click.option("-f", "--force", is_flag=True, help="Also when tasks need a model.")
@click.option(
    "--delete-weights",
    is_flag=True,
    help="Also delete the bytes kept for these models alone; restore cannot bring them back.",
)
@IN_REGISTRY
def rm_command(
    models: tuple[str, ...], force: bool, delete_weights: bool, registry: str | None
) -> None:
    """Remove models. `localreg restore` brings them back.

    Leaves with 1 when weights that were to be deleted could not be.
    """
    done = True
    with opened(registry) as target:
        for found in dict.fromkeys(resolve_model(target, model) for model in models):
            done &= removal.remove_model(
                found.registry, found.id, delete_weights=delete_weights, force=force
            )
            say(f"Removed {found.id}; `localreg restore {found.id[:8]}` brings it back.")
    if not done:
        sys.exit(1)


@click.command("restore")
@MODELS
@IN_REGISTRY
def restore_command(models: tuple[str, ...], registry: str | None) -> None:
    """Bring removed models back, by id or by project/name:version."""
    with opened(registry) as target:
        for model in models:
            restored = removal.restore_model(target, model)
            with target.store.read() as connection:
                record = model_rows.record(connection, restored.model)
            say(f"Restored {record.ref if record else restored.model}.")
            if restored.missing:
                say("Its weights were deleted, and are not back: " + ", ".join(restored.missing))
