"""Set, remove or show the metadata of a model."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODEL, opened, pairs, print_table, say
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import edits, reading
from localreg.values.secrets import masked


@click.command("meta")
@MODEL
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--drop", multiple=True, metavar="KEY", help="Remove this entry. May be repeated.")
@click.option("--type", "v_type", metavar="TYPE", help="The type of the values, such as int.")
@IN_REGISTRY
def meta_command(
    model: str,
    values: tuple[str, ...],
    drop: tuple[str, ...],
    v_type: str | None,
    directory: str | None,
) -> None:
    """Set metadata of a MODEL, or show it.

    Without KEY=VALUE and --drop all entries are shown.
    """
    given = pairs("meta", values)
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        if given:
            entries = {key: {"value": value, "type": v_type} for key, value in given.items()}
            edits.set_all_metadata(found.registry, found.id, entries, replace=False)
        for key in drop:
            if not edits.drop_metadata(found.registry, found.id, key):
                say(f"There is no metadata {key!r}.")
        if not given and not drop:
            metadata = reading.metadata(found)
            rows = ((key, masked(key, each.value), each.type) for key, each in metadata.items())
            print_table(("KEY", "VALUE", "TYPE"), rows)
