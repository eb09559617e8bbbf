"""Take in what another registry has."""

from __future__ import annotations

import click

from localreg.cli.carried import print_arrival
from localreg.cli.output import AS_JSON, IN_REGISTRY, SILENT, opened
from localreg.operations.carry import merge
from localreg.progress import shown_progress


@click.command("merge")
@click.argument("source", metavar="DIR")
@click.option(
    "--renumber", is_flag=True, help="Where two models have one number, give new ones to the later."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be different afterwards.")
@AS_JSON
@SILENT
@IN_REGISTRY
def merge_command(
    source: str,
    renumber: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Take in what the registry in DIR has and this one lacks. DIR is only read.

    When each of two registries has merged the other, both hold the same. The exit code is 5 if a
    change that was made here has lost against another one, if a model was published twice with
    different weights, or if an alias that came is held by its gate.
    """
    with opened(directory) as chain, shown_progress("Merging") as progress:
        done = merge.merge(chain, source, renumber=renumber, dry_run=dry_run, progress=progress)
    return print_arrival(done, as_json=as_json, quiet=quiet)
