"""Write models into a bundle, which carries them to another machine."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from localreg.cli.filters import model_conditions, named
from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    HEADER,
    IN_REGISTRY,
    PLAIN_HTTP,
    QUIET,
    Column,
    counted,
    one_line,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
    say,
)
from localreg.cli.streams import already
from localreg.errors import InvalidValueError
from localreg.operations.carry import container_registries, export, selection
from localreg.operations.carry.export import Exported
from localreg.operations.finding import queries
from localreg.progress import shown_progress
from localreg.values.oci import is_oci
from localreg.values.units import parse_size, size_text


@click.command("export")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("-p", "--project", metavar="NAME", help="All models of this project.")
@click.option("-n", "--name", metavar="NAME", help="All models of this name; patterns, too.")
@click.option("-t", "--tag", "tags", multiple=True, metavar="TAG", help="With tags, as for ls.")
@click.option("-m", "--meta", multiple=True, metavar="KEY=VALUE", help="With metadata, as for ls.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="The whole registry: also aliases, tasks without a model, and what was removed.",
)
@click.option("--versions", is_flag=True, help="All versions of the name of each MODEL.")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="A new file FILE.tar, a new folder, - for stdout, or oci://HOST/REPOSITORY[:TAG]. By "
    "default NAME-VERSION.tar, or models.tar, in the working directory.",
)
@PLAIN_HTTP
@click.option(
    "--since",
    metavar="BUNDLE|EVENT",
    help="Leave out what a bundle holds, or what this registry had when an event came to it.",
)
@click.option("--no-reports", is_flag=True, help="No scalars, plots and log lines.")
@click.option("--no-history", is_flag=True, help="Only what the models are now, as copies.")
@click.option("--image", is_flag=True, help="Also an image with the files below /models.")
@click.option(
    "--split", metavar="SIZE", help="Write PATH.001, PATH.002 and so on, each at most this large."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@AS_JSON
@QUIET
@HEADER
@IN_REGISTRY
def export_command(
    models: tuple[str, ...],
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    everything: bool,
    versions: bool,
    output: str | None,
    plain_http: bool,
    since: str | None,
    no_reports: bool,
    no_history: bool,
    image: bool,
    split: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Write models into a bundle (a file or a folder) or a container registry.

    With each MODEL go its weights, history and reports, and the task that made it. Filters take
    all models that match. The exit code is 4 if bytes are missing that the registry must have.

    In a container registry (oci://) a version is a tag. Several versions go to REPOSITORY/NAME,
    each with its number as the tag. Log in by `docker login` or `podman login`.
    """
    filtered = any((project, name, tags, meta))
    if sum((bool(models), filtered, everything)) != 1:
        raise click.UsageError(
            "Name one or more models (vision/resnet:2), or use filters (-p, -n, -t, -m), or --all."
        )
    if output == "-" and as_json:
        raise click.UsageError("With -o - the bundle goes to stdout, so --json cannot be used.")
    query = None
    if filtered:
        names = named(None, project, name)
        query = queries.check_query(
            project=names.project,
            name=names.name,
            patterns=names.patterns,
            tags=list(tags),
            **model_conditions(meta),
        )
    with opened(directory) as chain:
        chosen = selection.select(
            chain, models, query=query, everything=everything, versions=versions
        )
        target: str | BinaryIO = output or export.default_name(chosen)
        if target == "-" and not dry_run:
            target = _standard_output()
        with shown_progress("Exporting") as progress:
            done = container_registries.export_models(
                chain,
                chosen,
                target,
                plain_http=plain_http,
                since=since,
                reports=not no_reports,
                history=not no_history,
                image=image,
                split=None if split is None else _size(split),
                dry_run=dry_run,
                progress=progress,
            )
    if as_json:
        print_json(record_json(done))
    elif quiet:
        for path in done.paths[: 1 if split else None]:  # `import` takes the first part
            click.echo(path)
    else:
        _print(done, since)
    return CORRUPT if any(each.lost for each in done.missing) else 0


def _print(done: Exported, since: str | None) -> None:
    """Print what was written: the path on stdout, the rest on stderr."""
    if done.dry_run:
        print_table(
            (Column("MODEL", "name"), Column("SIZE", "size", 1), Column("ID", "id")),
            ((each.ref, each.size, each.id[:8]) for each in done.models),
        )
        for path in filter(is_oci, done.paths):
            remark(f"To {path}")
    for each in done.missing:
        say(f"Not in the bundle: {one_line(each.ref)}: {one_line(each.why)}")
    missing = sum(each.size or 0 for each in done.missing)
    if missing:
        say(f"Bytes not in the bundle: {missing:,} ({size_text(missing)})")
    what = (
        f"{counted(len(done.models), 'model')}, {counted(done.tasks, 'task')}, "
        f"{counted(done.events, 'event')}, {counted(done.blobs, 'blob')}, {size_text(done.size)}"
    )
    if done.dry_run:
        remark(f"A bundle would hold {what}.")
        return
    if since is not None and not done.events and not done.blobs:
        remark(f"Nothing is new since {since}: the bundle has no events and no blobs.")
    else:
        remark(f"Exported {what}.")
    for path in done.paths:
        with already(f"{path} was written"):
            click.echo(path)


def _standard_output() -> BinaryIO:
    if sys.stdout.isatty():
        raise click.UsageError("A bundle is not written to a terminal: use -o FILE.tar, or a pipe.")
    sys.stdout.flush()
    return sys.stdout.buffer


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except InvalidValueError as error:
        raise click.UsageError(f"--split: {error}") from error
