"""Make a registry, or share one with a group of users."""

from __future__ import annotations

from pathlib import Path

import click

from localreg.api import ambient
from localreg.cli.output import AS_JSON, SILENT, print_json, record_json, remark, say
from localreg.operations.upkeep import doctor, sharing
from localreg.registry import open_registry
from localreg.values.layout import DATABASE, HIDDEN


@click.command("init")
@click.argument("directory", required=False)
@click.option(
    "--journal",
    type=click.Choice(["wal", "truncate"]),
    help="The journal mode of SQLite. Use truncate for a directory that several machines share. "
    "By default it depends on the file system.",
)
@click.option(
    "--shared",
    metavar="GROUP",
    help="Let all members of this group of users read and write the registry, whatever their "
    "umask. If the registry exists, this gives the group the files in it that are yours.",
)
@AS_JSON
@SILENT
def init_command(
    directory: str | None, journal: str | None, shared: str | None, as_json: bool, quiet: bool
) -> int:
    """Make a registry in DIRECTORY, by default in .localreg.

    A registry named .localreg is found by the commands that run in the folder that holds it, or
    in a folder below that one. Name any other registry with -R or LOCALREG_HOME.
    """
    path = directory or click.get_current_context().find_root().obj or HIDDEN
    existed = (Path(path).expanduser() / DATABASE).exists()
    durability = ambient.default_durability()
    if shared is None:
        registry = open_registry(path, durability=durability, journal=journal)
    else:
        group = sharing.group_named(shared)
        registry = sharing.make_shared(Path(path), group, durability=durability, journal=journal)
    there = "Nothing changed: there is a registry already"
    remark(f"{there if existed else 'Made a registry'} in {registry.root}")
    if existed and journal:
        remark("Its journal mode stays the same: it is chosen when a registry is made.")
    findings = doctor.examine_sharing(registry) if shared else []
    registry.close()
    if as_json:
        found = [record_json(each) for each in findings]
        print_json({"registry": str(registry.root), "changed": not existed, "findings": found})
    for each in findings if not as_json else ():
        say(f"{each.what}: {each.text}")
    return 1 if any(each.state == "bad" for each in findings) else 0
