"""Take in a bundle, a model of a container registry, or an offline session of ClearML."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from localreg.cli.carried import print_arrival, print_session
from localreg.cli.output import AS_JSON, IN_REGISTRY, PLAIN_HTTP, SILENT, opened
from localreg.operations.carry import container_registries
from localreg.operations.importers import clearml_session
from localreg.operations.importers.session_files import is_session
from localreg.progress import shown_progress
from localreg.values.oci import is_oci


@click.command("import")
@click.argument("source", metavar="BUNDLE|SESSION")
@click.option(
    "--project",
    metavar="NAME",
    help="Make copies in this project instead: new models with new ids and numbers.",
)
@click.option(
    "--renumber", is_flag=True, help="Where two models have one number, give new ones to the later."
)
@click.option(
    "--aliases",
    is_flag=True,
    help="Set the aliases that the models had, except those that point elsewhere here.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be different afterwards.")
@PLAIN_HTTP
@AS_JSON
@SILENT
@IN_REGISTRY
def import_command(
    source: str,
    project: str | None,
    renumber: bool,
    aliases: bool,
    dry_run: bool,
    plain_http: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Take in a bundle, a model of a container registry, or a session of ClearML.

    BUNDLE is what `localreg export` wrote: its file, the first of its files (b.tar.001), its
    folder, or - for stdin. What is here already is not taken twice. The exit code is 5 if a change
    that was made here has lost against another one, if a model was published twice with different
    weights, or if an alias that came is held by its gate.

    Instead of BUNDLE: oci://HOST/REPOSITORY[:TAG|@sha256:DIGEST], which `localreg export` or
    another tool for models wrote. Without a tag it is the only one.

    SESSION is the zip or the folder that the ClearML SDK wrote in its offline mode
    (~/.clearml/cache/offline). The task comes with its id and times, reports, console, artifacts
    and output models. --project and --aliases are for bundles only.
    """
    if not is_oci(source) and is_session(source):
        if project is not None or aliases:
            raise click.UsageError("--project and --aliases are for bundles, not for sessions.")
        with opened(directory, make=not dry_run) as chain, shown_progress("Importing") as progress:
            session = clearml_session.import_session(
                chain, source, renumber=renumber, dry_run=dry_run, progress=progress
            )
        return print_session(session, as_json=as_json, quiet=quiet)
    stream: str | BinaryIO = source
    if source == "-":
        if sys.stdin.isatty():
            raise click.UsageError("No bundle comes from a terminal: name a file, or use a pipe.")
        stream = sys.stdin.buffer
    with opened(directory, make=not dry_run) as chain, shown_progress("Importing") as progress:
        done = container_registries.import_models(
            chain,
            stream,
            plain_http=plain_http,
            project=project,
            renumber=renumber,
            aliases=aliases,
            dry_run=dry_run,
            progress=progress,
        )
    return print_arrival(done, as_json=as_json, quiet=quiet)
