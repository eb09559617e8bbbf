"""Set, remove or show the aliases of a model."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODEL, opened
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import aliases, reading


@click.command("alias")
@MODEL
@click.argument("alias", required=False)
@click.option(
    "--expect",
    metavar="MODEL",
    help="Move the alias only if it points to this model now; with 'none', only if it is new.",
)
@click.option("--drop", is_flag=True, help="Remove the alias.")
@IN_REGISTRY
def alias_command(
    model: str, alias: str | None, expect: str | None, drop: bool, directory: str | None
) -> None:
    """Point an ALIAS at a MODEL, or show its aliases.

    Without ALIAS the aliases of the model are shown.
    """
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        if alias is None:
            for each in reading.aliases(found):
                click.echo(each)
        elif drop:
            aliases.remove_alias(found.registry, found.id, alias)
        else:
            wanted = aliases.ANYTHING
            if expect is not None:
                wanted = None if expect == "none" else resolve_model(chain, expect).id
            aliases.set_alias(found.registry, found.id, alias, wanted)
