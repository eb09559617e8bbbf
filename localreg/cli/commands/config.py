"""Show or change the settings of a registry."""

from __future__ import annotations

import click

from localreg.cli.changes import say_change
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    opened,
    print_json,
    print_table,
)
from localreg.operations.upkeep import config
from localreg.registry import OpenRegistry


@click.command("config")
@click.argument("key", required=False)
@click.argument("value", required=False)
@click.option("--unset", is_flag=True, help="Go back to the default.")
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def config_command(
    key: str | None,
    value: str | None,
    unset: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
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
        else:
            if unset or value is not None:
                _change(registry, key, value)
            every = [config.setting(registry, key)]
    if as_json:
        print_json({each.key: each.value for each in every})
    elif unset or value is not None:
        return
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


def _change(registry: OpenRegistry, key: str, value: str | None) -> None:
    """Set a setting, or with None go back to its default, and say so."""
    before = config.setting(registry, key)
    if value is None:
        config.unset(registry, key)
        now = config.setting(registry, key)
        default = f"has its default{f', {now.value}' if now.value else ''}"
        say_change(before.chosen, f"{now.key} {default} again", f"{now.key} {default}")
    else:
        config.set_setting(registry, key, value)
        now = config.setting(registry, key)
        say_change(now != before, f"Set {now.key} to {now.value}", f"{now.key} is {now.value}")
