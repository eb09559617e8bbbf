"""Take in a bundle, a model of a container registry, or what another program recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import BinaryIO

import click

from localreg.cli.carried import print_arrival, print_brought, print_session
from localreg.cli.output import AS_JSON, IN_REGISTRY, PLAIN_HTTP, SILENT, one_line, opened, remark
from localreg.errors import InvalidValueError, NoRegistryError
from localreg.operations.carry import container_registries
from localreg.operations.importers import kinds
from localreg.operations.importers.bringing import Brought, Wish
from localreg.progress import shown_progress
from localreg.values.oci import is_oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.registry import Chain


@click.command("import")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--from",
    "kind",
    type=click.Choice(list(kinds.KINDS)),
    metavar="KIND",
    help=f"What SOURCE is, if it is not found out: {', '.join(kinds.KINDS)}.",
)
@click.option(
    "--project",
    metavar="NAME",
    help="Put models into this project, as copies with new ids and numbers if SOURCE is a bundle; "
    "and runs into projects below it.",
)
@click.option(
    "--task", metavar="NAME", help="The task that gets the metrics of a CSV or JSON file."
)
@click.option(
    "--reference", is_flag=True, help="Leave the bytes of models where they are; not of a bundle."
)
@click.option(
    "--link",
    is_flag=True,
    help="Make hard links instead of copies: the files of SOURCE become read-only.",
)
@click.option(
    "--renumber", is_flag=True, help="Where two models have one number, give new ones to the later."
)
@click.option(
    "--aliases",
    is_flag=True,
    help="Set the aliases that models of a bundle had, except those that point elsewhere here.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be different afterwards.")
@PLAIN_HTTP
@AS_JSON
@SILENT
@IN_REGISTRY
def import_command(
    source: str,
    kind: str | None,
    project: str | None,
    task: str | None,
    reference: bool,
    link: bool,
    renumber: bool,
    aliases: bool,
    dry_run: bool,
    plain_http: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Take in a bundle, or the runs and models of another program.

    SOURCE is a bundle: what `localreg export` wrote, its file, the first of its files (b.tar.001),
    its folder, or - for stdin; or oci://HOST/REPOSITORY[:TAG|@sha256:DIGEST]. Or it is what another
    program left: a store of MLflow (mlruns, mlflow.db), run folders of Weights & Biases, event
    files of TensorBoard, a cache of Hugging Face or hf://ORG/REPO[@REVISION], and so on: see
    `localreg guide migrating`.

    Nothing is taken twice: run it again, and only what is new comes. What cannot come is listed at
    the end. The exit code is 5 if a change that was made here has lost against another one, if a
    model was published twice with different weights, or if an alias that came is held by its gate.
    """
    is_found_out = kind is None
    kind = kind or _kind(source)
    wish = Wish(project=project, reference=reference, link=link, renumber=renumber, dry_run=dry_run)
    if kind != kinds.BUNDLE:
        if aliases or plain_http:
            raise click.UsageError("--aliases and --plain-http are for bundles.")
        try:
            kinds.check_options(kind, wish, task)
        except InvalidValueError as error:
            raise click.UsageError(str(error)) from error
        if is_found_out:
            remark(f"{one_line(source)} is {kinds.KINDS[kind].title}.")
        with _taking(directory, dry_run=dry_run) as chain, shown_progress("Importing") as progress:
            done = kinds.import_from(chain, source, kind, wish, task=task, progress=progress)
        if isinstance(done, Brought):
            return print_brought(done, as_json=as_json, quiet=quiet)
        return print_session(done, as_json=as_json, quiet=quiet)
    if reference or link or task is not None:
        raise click.UsageError("--reference, --link and --task are not for bundles.")
    stream: str | BinaryIO = source
    if source == "-":
        if sys.stdin.isatty():
            raise click.UsageError("No bundle comes from a terminal: name a file, or use a pipe.")
        stream = sys.stdin.buffer
    with _taking(directory, dry_run=dry_run) as chain, shown_progress("Importing") as progress:
        arrived = container_registries.import_models(
            chain,
            stream,
            plain_http=plain_http,
            project=project,
            renumber=renumber,
            aliases=aliases,
            dry_run=dry_run,
            progress=progress,
        )
    return print_arrival(arrived, as_json=as_json, quiet=quiet)


@contextmanager
def _taking(directory: str | None, *, dry_run: bool) -> Iterator[Chain]:
    """Yield the registry that takes a source in; for a dry run an empty one if there is none."""
    with ExitStack() as stack:
        try:
            chain = stack.enter_context(opened(directory, make=not dry_run))
        except NoRegistryError as error:
            if not dry_run:
                raise
            folder = stack.enter_context(TemporaryDirectory(prefix="localreg-"))
            chain = stack.enter_context(opened(folder, make=True))
            remark(f"There is no registry in {one_line(str(error.path))}: the import will make it.")
        yield chain


def _kind(source: str) -> str:
    """Return what a source is."""
    if source == "-" or is_oci(source):
        return kinds.BUNDLE
    try:
        return kinds.kind_of(source)
    except InvalidValueError as error:
        if error.argument == "kind":
            raise click.UsageError(str(error)) from error
        raise
