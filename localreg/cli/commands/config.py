"""Show or change the settings of a registry."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    Column,
    opened,
    print_json,
    print_table,
)
from localreg.operations.upkeep import config


@click.command("config")
@click.argument("key", required=False)
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Go back to the default.")
@AS_JSON
@HEADER
@IN_REGISTRY
def config_command(
    key: str | None, value: str | None, unset: bool, as_json: bool, directory: str | None
) -> None:
    """Show the settings of the registry, or set one.

    They hold for everybody who uses the registry. What only one process wants is an environment
    variable: see `localreg guide registries`.
    """
    if unset and (key is None or value is not None):
        raise click.UsageError("--unset needs KEY, and no VALUE.")
    with opened(directory) as chain:
        registry = chain.first
        if key is None:
            every = config.every_setting(registry)
        elif unset:
            config.unset(registry, key)
            return
        elif value is not None:
            config.set_setting(registry, key, value)
            return
        else:
            every = [config.setting(registry, key)]
    if as_json:
        print_json({each.key: each.value for each in every})
    elif key is not None:
        click.echo(every[0].value or "")
    else:
        print_table(
            (
                Column("SETTING", "id"),
                Column("VALUE", "path"),
                Column("", "id", 2),
                Column("WHAT IT DOES", "prose", 1),
            ),
            (
                (each.key, each.value or "", "" if each.chosen else "default", each.summary)
                for each in every
            ),
        )
