"""The keys and certificates whose signatures count in a registry."""

from __future__ import annotations

import click

from localreg.cli.changes import say_change
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    iso,
    one_line,
    opened,
    print_json,
    print_table,
    remark,
)
from localreg.cli.suggestions import KEY_SYNONYMS, CommandGroup
from localreg.operations.trust import keys
from localreg.values.records import Json
from localreg.values.signatures import Trusted


@click.group("key", cls=CommandGroup, synonyms=KEY_SYNONYMS)
def key_command() -> None:
    """Choose whose signatures count.

    The keys belong to this registry alone: they never come with models, and never go with them.
    """


@key_command.command("add")
@click.argument("file")
@click.option("--name", help="What to call it; by default as the file, or as in the certificate.")
@AS_JSON
@SILENT
@IN_REGISTRY
def add_command(
    file: str, name: str | None, as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Trust the public key, or the certificates of authorities, in FILE.

    FILE is in PEM format. Then the signatures of the key count, or those of everybody who has a
    certificate of an authority.
    """
    with opened(directory) as chain:
        new = keys.add_key(chain.first, file, name)
    if as_json:
        print_json([key_json(each) for each in new])
        return
    names = ", ".join(each.text for each in new)
    say_change(bool(new), f"Trusts {names} from now on", "what is in the file is trusted already")


@key_command.command("ls")
@AS_JSON
@HEADER
@IN_REGISTRY
def ls_command(as_json: bool, directory: str | None) -> None:
    """List what is trusted."""
    with opened(directory) as chain:
        found = keys.trusted_keys(chain.first)
    if as_json:
        print_json([key_json(each) for each in found])
        return
    print_table(
        (Column("NAME", "name"), Column("KIND", "id"), Column("ID", "id"), Column("ADDED", "time")),
        ((each.name, each.kind, each.id[:12], each.added) for each in found),
    )
    if not found:
        remark("No key is trusted. `localreg key add FILE` adds one.")


@key_command.command("rm")
@click.argument("name")
@AS_JSON
@SILENT
@IN_REGISTRY
def rm_command(name: str, as_json: bool, quiet: bool, directory: str | None) -> None:
    """Trust a key or certificate no more.

    NAME is its name, or the first 6 or more digits of its id. Its signatures stay recorded, and do
    not count any more.
    """
    with opened(directory) as chain:
        gone = keys.remove_key(chain.first, name)
    if as_json:
        print_json(key_json(gone))
    else:
        remark(one_line(f"Trusts {gone.text} no more."))


def key_json(key: Trusted) -> Json:
    """Return a key as JSON values."""
    return {
        "id": key.id,
        "kind": key.kind,
        "name": key.name,
        "pem": key.pem,
        "added": iso(key.added),
    }
