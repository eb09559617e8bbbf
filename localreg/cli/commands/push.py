"""Send to a remote what it lacks."""

from __future__ import annotations

import click

from localreg.cli.exchanged import print_pushed, remote_name
from localreg.cli.output import AS_JSON, IN_REGISTRY, SILENT, opened
from localreg.operations.remotes import pushing
from localreg.progress import shown_progress


@click.command("push")
@click.argument("remote", required=False)
@click.option(
    "--force",
    is_flag=True,
    help="Where a change of yours loses, make it again, so that it holds for everybody.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would come, go and lose.")
@AS_JSON
@SILENT
@IN_REGISTRY
def push_command(
    remote: str | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Send to a remote what it lacks, and take in what this registry lacks.

    Everything goes that was made here or came by a stick: events, reports, and the bytes of
    weights. Without REMOTE it is the one that orders the events: see `localreg remote ls`. The exit
    code is 5 if a change that was made here has lost against one that was there before, or if
    --force could not set it again, since a gate is not passed.
    """
    with opened(directory) as chain, shown_progress("Pushing") as progress:
        name = remote_name(chain, remote, "push")
        done = pushing.push(chain, name, force=force, dry_run=dry_run, progress=progress)
    return print_pushed(done, as_json=as_json, quiet=quiet)
