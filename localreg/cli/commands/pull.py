"""Take in what a remote has."""

from __future__ import annotations

import click

from localreg.cli.exchanged import print_pulled, remote_name
from localreg.cli.output import AS_JSON, IN_REGISTRY, SILENT, opened
from localreg.operations.remotes import pulling
from localreg.progress import shown_progress


@click.command("pull")
@click.argument("remote", required=False)
@click.option("--blobs", is_flag=True, help="Also download all weights that are not here.")
@click.option("--dry-run", is_flag=True, help="Only show what would be different afterwards.")
@AS_JSON
@SILENT
@IN_REGISTRY
def pull_command(
    remote: str | None,
    blobs: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Take in what a remote has and this registry lacks.

    Weights come when they are first used, or with --blobs at once. Without REMOTE it is the one
    that orders the events: see `localreg remote ls`. The exit code is 5 if a change that was made
    here has lost against another one, if a model was published twice with different weights, or if
    an alias that came is held by its gate.
    """
    with opened(directory) as chain, shown_progress("Pulling") as progress:
        name = remote_name(chain, remote, "pull")
        done = pulling.pull(chain, name, blobs=blobs, dry_run=dry_run, progress=progress)
    return print_pulled(done, as_json=as_json, quiet=quiet)
