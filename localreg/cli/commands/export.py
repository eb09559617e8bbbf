"""Write models into a bundle, which carries them to another machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
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
from localreg.operations.exporters import formats
from localreg.operations.exporters.written import Written
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
@click.option(
    "--format",
    "format_",
    type=click.Choice(formats.NAMES),
    default=formats.BUNDLE,
    show_default=True,
    help="mlflow, hf and parquet write a new folder for other programs; they need -o.",
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
    format_: str,
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
    """Write models into a bundle, a container registry, or a folder for others.

    With each MODEL go its weights, history and reports, and the task that made it. Filters take
    all models that match. The exit code is 4 if bytes are missing that the registry must have.

    A folder that MLflow opens is written with --format mlflow, one to upload to the Hugging Face
    Hub with hf, and tables for pandas, polars and DuckDB with parquet.

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
    if format_ != formats.BUNDLE:
        _check_folder(format_, output)
        _check_fits(
            format_,
            {
                "--since": since is not None,
                "--no-reports": no_reports,
                "--no-history": no_history,
                "--image": image,
                "--split": split is not None,
                "--plain-http": plain_http,
            },
        )
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
        if format_ != formats.BUNDLE:
            with shown_progress("Exporting") as progress:
                written = formats.export_as(
                    chain, chosen, format_, output, dry_run=dry_run, progress=progress
                )
            return _print_written(written, as_json=as_json, quiet=quiet)
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


def _check_folder(name: str, output: str | None) -> None:
    """Raise UsageError unless the output can be a folder."""
    if output is None:
        raise click.UsageError(f"With --format {name} name a new folder: -o FOLDER.")
    if output == "-" or is_oci(output):
        raise click.UsageError(f"--format {name} writes a folder, not {output}: -o FOLDER.")


def _check_fits(name: str, given: Mapping[str, bool]) -> None:
    """Raise UsageError if an option was given that only bundles have."""
    for option, is_given in given.items():
        if is_given:
            raise click.UsageError(f"{option} is for bundles: leave it out with --format {name}.")


def _print_written(done: Written, *, as_json: bool, quiet: bool) -> int:
    """Print what was written for another program; return the exit code."""
    if as_json:
        print_json(record_json(done))
    elif quiet:
        click.echo(done.path)
    else:
        _print_models(done)
        for what, count in done.left.items():
            say(f"{'Would not be' if done.dry_run else 'Not'} exported: {count:,} {what}")
        for what, count in done.changed.items():
            say(f"Changed: {count:,} {what}")
        what = ", ".join(
            counted(count, each)
            for each, count in (
                ("model", len(done.models)), ("task", done.tasks), ("point", done.points),
                ("file", done.files),
            )
            if count or each == "model"
        )  # fmt: skip
        what += f", {size_text(done.size)}" if done.files else ""
        if done.dry_run:
            remark(f"A folder would hold {what}.")
        else:
            remark(f"Exported {what}.")
            with already(f"{done.path} was written"):
                click.echo(done.path)
    return CORRUPT if any(each.lost for each in done.missing) else 0


def _print_models(done: Exported | Written) -> None:
    """Print the models of a dry run, and what is missing."""
    if done.dry_run:
        print_table(
            (Column("MODEL", "name"), Column("SIZE", "size", 1), Column("ID", "id")),
            ((each.ref, each.size, each.id[:8]) for each in done.models),
        )
        for path in filter(is_oci, done.paths):
            remark(f"To {path}")
    place = "in the folder" if isinstance(done, Written) else "in the bundle"
    for each in done.missing:
        say(f"Not {place}: {one_line(each.ref)}: {one_line(each.why)}")
    missing = sum(each.size or 0 for each in done.missing)
    if missing:
        say(f"Bytes not {place}: {missing:,} ({size_text(missing)})")


def _print(done: Exported, since: str | None) -> None:
    """Print what was written: the path on stdout, the rest on stderr."""
    _print_models(done)
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
