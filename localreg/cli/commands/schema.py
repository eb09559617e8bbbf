"""Print the shape of what a command prints with ``--json``."""

from __future__ import annotations

import click

from localreg.cli import schemas
from localreg.cli.output import AS_JSON, HEADER, Column, print_json, print_table


@click.command("schema")
@click.argument("command", nargs=-1)
@AS_JSON
@HEADER
def schema_command(command: tuple[str, ...], as_json: bool) -> None:
    """Print the JSON Schema of what COMMAND prints with --json.

    COMMAND is such as `ls` or `task ls`; `version` is for `localreg --version --json`, and `error`
    for errors. Without COMMAND all of them are listed.
    """
    if command:
        print_json(schemas.schema(" ".join(command)))
        return
    rows = [(name, schemas.title(name)) for name in schemas.names()]
    if as_json:
        print_json([{"command": name, "about": about} for name, about in rows])
    else:
        print_table((Column("COMMAND", "id"), Column("WHAT --json PRINTS", "prose")), rows)
