"""Name remotes, look at them, and care for them."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    counted,
    one_line,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
)
from localreg.cli.suggestions import REMOTE_SYNONYMS, CommandGroup
from localreg.operations.remotes import names

NAME = click.argument("remote", metavar="NAME")


@click.group("remote", cls=CommandGroup, synonyms=REMOTE_SYNONYMS)
def remote_command() -> None:
    """Name remotes, look at them, and care for them.

    A remote is a bucket or a folder through which registries meet: see `localreg guide remotes`.
    """


@remote_command.command("add")
@NAME
@click.argument("url")
@AS_JSON
@SILENT
@IN_REGISTRY
def add_command(remote: str, url: str, as_json: bool, quiet: bool, directory: str | None) -> None:
    """Name the remote at URL; make it if none is there.

    URL is a folder, or s3://, gs:// or az:// with a bucket. The first remote orders the events,
    for all registries that use it; further ones are mirrors.
    """
    with opened(directory) as chain:
        added = names.add(chain, remote, url)
    if as_json:
        print_json(record_json(added) | {"changed": True})
        return
    mirror = ", a mirror" if added.mirror else ""
    lacks = counted(added.waiting, "event")
    remark(one_line(f"Added the remote {added.name}{mirror}: {added.url}."))
    if added.waiting:
        remark(f"`localreg push {added.name}` sends what it lacks: at most {lacks}.")


@remote_command.command("ls")
@AS_JSON
@HEADER
@IN_REGISTRY
def ls_command(as_json: bool, directory: str | None) -> None:
    """List the remotes: first the one that orders the events, then mirrors.

    It also shows how many events each lacks, as far as it is known here: no network is used.
    """
    with opened(directory) as chain:
        found = names.ls(chain)
    if as_json:
        print_json([record_json(each) for each in found])
        return
    print_table(
        (
            Column("NAME", "name"),
            Column("KIND", "id", 1),
            Column("TO PUSH", "number"),
            Column("URL", "path"),
        ),
        (
            (each.name, "mirror" if each.mirror else "orders", each.waiting, each.url)
            for each in found
        ),
    )
    if not found:
        remark("There are no remotes: `localreg remote add NAME URL` adds one.")


@remote_command.command("rm")
@NAME
@AS_JSON
@SILENT
@IN_REGISTRY
def rm_command(remote: str, as_json: bool, quiet: bool, directory: str | None) -> None:
    """Forget a remote. What is there stays there."""
    with opened(directory) as chain:
        removed = names.rm(chain, remote)
    if as_json:
        print_json(record_json(removed) | {"changed": True})
    else:
        remark(one_line(f"Removed the remote {removed.name}; what is in {removed.url} stays."))
