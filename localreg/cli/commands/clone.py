"""Make a registry of what a remote has."""

from __future__ import annotations

import click

from localreg.api import ambient
from localreg.cli.carried import CONFLICT, came_text, print_missing
from localreg.cli.output import AS_JSON, SILENT, one_line, print_json, record_json, remark, say
from localreg.cli.streams import already
from localreg.operations.remotes import cloning
from localreg.progress import shown_progress


@click.command("clone")
@click.argument("url")
@click.argument("target", metavar="DIR")
@click.option(
    "--name",
    metavar="NAME",
    default="origin",
    show_default=True,
    help="What the remote is called in it.",
)
@click.option("--blobs", is_flag=True, help="Also download all weights.")
@AS_JSON
@SILENT
@click.pass_context
def clone_command(
    context: click.Context,
    url: str,
    target: str,
    name: str,
    blobs: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Make a registry in DIR of all that a remote has.

    Weights come when they are first used, or with --blobs at once. `localreg push` and `pull` in
    DIR use the same remote. The exit code is 5 if a model was published twice with different
    weights, or if an alias is held by its gate.
    """
    if context.find_root().obj:
        raise click.UsageError("DIR is the new registry, so -R cannot be used.")
    with shown_progress("Cloning") as progress:
        done = cloning.clone(
            url,
            target,
            name=name,
            blobs=blobs,
            durability=ambient.default_durability(),
            progress=progress,
        )
    for each in done.skipped:
        say(one_line(each))
    with already(f"{done.path} was made"):
        if as_json:
            print_json(record_json(done))
        elif not quiet:
            click.echo(done.path)
    if not as_json:
        for each in done.arrived.differences:
            say(one_line(each))
        print_missing(done.arrived.missing, "did not come")
        remark(f"{came_text(done.arrived) or 'Nothing'} came.")
    return CONFLICT if done.arrived.conflict else 0
