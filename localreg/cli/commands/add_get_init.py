"""Commands that make a registry, put files into it, and get them out again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from localreg.api import ambient
from localreg.blobs.local_files.private_copy import copy_out
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    QUIET,
    model_json,
    opened,
    pairs,
    print_facts,
    print_json,
    say,
    served,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models import adding, recording
from localreg.operations.tasks import lifecycle, search
from localreg.operations.upkeep import doctor, sharing
from localreg.operations.weights import local_copies
from localreg.operations.weights.locations import holder
from localreg.progress import shown_progress
from localreg.registry import DATABASE, OpenRegistry, open_registry
from localreg.store.rows import blob_rows, model_rows
from localreg.values.records import WeightsRecord
from localreg.values.units import size_text
from localreg.values.urls import parse_weights_url

ARCHIVE = click.option("--archive", is_flag=True, help="The archive of a package, not unpacked.")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("init")
@click.argument("directory", required=False)
@click.option(
    "--journal",
    type=click.Choice(["wal", "truncate"]),
    help="SQLite's journal; truncate for directories that several machines share. "
    "By the file system by default.",
)
@click.option(
    "--shared",
    metavar="GROUP",
    help="Let the members of this group of users use it together, whatever their umask. Of a "
    "registry that is there, this gives the group all that is yours in it.",
)
def init_command(directory: str | None, journal: str | None, shared: str | None) -> None:
    """Make a registry in DIRECTORY, by default .localreg here, where commands below find it."""
    path = directory or click.get_current_context().find_root().obj or ambient.FOLDER
    existed = (Path(path).expanduser() / DATABASE).exists()
    durability = ambient.default_durability()
    if shared is None:
        registry = open_registry(path, durability=durability, journal=journal)
    else:
        group = sharing.group_named(shared)
        registry = sharing.make_shared(Path(path), group, durability=durability, journal=journal)
    say(f"{'There is a registry already' if existed else 'Made a registry'} in {registry.root}")
    if existed and journal:
        say("Its journal stays what it is: that is chosen when a registry is made.")
    findings = doctor.examine_sharing(registry) if shared else []
    registry.close()
    for each in findings:
        say(f"{each.what}: {each.text}")
    if any(each.state == "bad" for each in findings):
        sys.exit(1)


@click.command("add")
@click.argument("file", metavar="FILE_OR_URL")
@click.option(
    "--copy",
    "mode",
    flag_value="copy",
    default=True,
    help="Copy the bytes; those of a URL are downloaded now. This is the default.",
)
@click.option("--move", "mode", flag_value="move", help="Take the file: it is gone afterwards.")
@click.option(
    "--link",
    "mode",
    flag_value="link",
    help="Share the bytes with the file, by a clone or a hard link. A hard link makes FILE "
    "read-only, and whoever writes to it all the same damages the registry.",
)
@click.option(
    "--reference",
    "mode",
    flag_value="reference",
    help="Only record where the file is: it is not protected against change or loss. What a URL "
    "serves is downloaded when it is first asked for.",
)
@click.option("--hash", "hashed", is_flag=True, help="With --reference, record its sha256 too.")
@click.option("--sha256", "expected", metavar="HEX", help="What the bytes must have.")
@click.option("--filename", help="What it is handed out as; by default the file's own name.")
@click.option("-n", "--name", metavar="[PROJECT/]NAME", help="By default the file's own.")
@click.option("-p", "--project", metavar="NAME", help="With it, --name is not split at slashes.")
@click.option("-t", "--tag", "tags", multiple=True, metavar="TAG", help="May be repeated.")
@click.option("-m", "--meta", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
@click.option("-c", "--comment", help="What there is to say about it.")
@click.option("--alias", help="Point this alias at the new version.")
@click.option("--framework", help="By the file's ending by default.")
@click.option("--config", type=FILE, help="A file with the model's configuration.")
@click.option("--labels", type=FILE, help='A JSON file, {"label": number}.')
@click.option("--publish", is_flag=True, help="Publish it at once.")
@click.option("--task", "task_id", metavar="ID", help="The task that made it.")
@AS_JSON
@QUIET
@IN_REGISTRY
def add_command(
    file: str,
    mode: str,
    hashed: bool,
    expected: str | None,
    filename: str | None,
    name: str | None,
    project: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    comment: str | None,
    alias: str | None,
    framework: str | None,
    config: Path | None,
    labels: Path | None,
    publish: bool,
    task_id: str | None,
    as_json: bool,
    quiet: bool,
    registry: str | None,
) -> None:
    """Keep weights as the next version of a model: a file, a folder, or what a URL serves.

    A folder is kept as one package, and "-" reads the standard input. A URL that is known already
    is not added again: its model is printed.
    """
    if hashed and mode != "reference":
        raise click.UsageError("--hash goes with --reference; what is kept is hashed anyway")
    url = None if file == "-" else _checked_url(file, mode, hashed)
    if name and project is None and "/" in name:
        project, _, name = name.rpartition("/")
    description = recording.describe(
        name=name,
        project=project,
        tags=list(tags),
        metadata=pairs("--meta", meta),
        comment=comment,
        framework=framework,
        config_text=config.read_text(encoding="utf-8") if config else None,
        label_enumeration=_read_labels(labels) if labels else None,
        create_as_published=publish,
    )
    with opened(registry) as target:
        task = lifecycle.task(target, search.find_task(target, task_id)) if task_id else None
        with shown_progress(f"Keeping {url or file}") as progress:
            home = target
            if url is None:
                known = False
                model_id = adding.add_model(
                    target,
                    sys.stdin.buffer if file == "-" else file,
                    description,
                    mode=mode,
                    filename=filename,
                    expected=expected,
                    hashed=hashed,
                    task=task,
                    alias=alias,
                    progress=progress,
                )
            else:
                added = adding.add_url(
                    target,
                    file,
                    description,
                    copy=mode == "copy",
                    filename=filename,
                    expected=expected,
                    task=task,
                    alias=alias,
                    progress=progress,
                )
                home, model_id, known = added.registry, added.model, added.known
        if known:
            where = "" if home is target else f", in the upstream registry {home.root}"
            say(f"{url} is known already{where}: its model is used as it is, and all else ignored.")
        with home.store.read() as connection:
            record = model_rows.record(connection, model_id)
        assert record is not None
        if as_json:
            print_json(model_json(record, home))
        elif quiet:
            click.echo(model_id)
        else:
            click.echo(f"{record.ref}  {model_id}")
            for remark in () if known else _remarks(target, served(record), None if url else file):
                say(remark)


def _checked_url(file: str, mode: str, hashed: bool) -> str | None:
    """Return what may be shown of a URL that is to be added; None when it is a local path.

    Raises:
        click.UsageError: an option is of no use for a URL.
    """
    parsed = parse_weights_url(file)
    if parsed.path is not None:
        return None
    if mode in ("move", "link"):
        raise click.UsageError(f"--{mode} goes with files; a URL is copied, or --reference")
    if hashed:
        raise click.UsageError(
            "--hash goes with files; --sha256 says what a URL that is only recorded must serve"
        )
    return parsed.public


def _remarks(registry: OpenRegistry, kept: WeightsRecord, file: str | None) -> Iterator[str]:
    """Yield what is to be said of weights that were added, from a file or from elsewhere."""
    digest = f", sha256 {kept.digest}" if kept.digest else ""
    home = holder(registry, kept.digest, kept.size)
    if kept.kept and home is not None and home != registry:
        yield f"{size_text(kept.size)}{digest}: left in the upstream registry {home.root}"
    elif kept.kept:
        yield f"Kept {size_text(kept.size)}{digest}, in {registry.root}"
    else:
        yield f"Recorded where it is{digest}; nothing was copied to {registry.root}"
    if kept.digest is None:
        return
    with registry.store.read() as connection:
        facts = blob_rows.facts(connection, kept.digest) or {}
    if facts.get("pickle") == "flagged":
        found = ", ".join(map(str, facts.get("flagged", [])))
        yield f"Beware: {facts.get('scanner')} flags it ({found}). Loading it may run that."
    blob = registry.blobs.path(kept.digest)
    if file not in (None, "-") and blob.exists() and Path(file).exists() and blob.samefile(file):
        yield f"{file} and the registry share these bytes: it is read-only now, do not write to it."


def _read_labels(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"--labels: {path} is not JSON: {error}") from error


@click.command("path")
@click.argument("model")
@ARCHIVE
@IN_REGISTRY
def path_command(model: str, archive: bool, registry: str | None) -> None:
    """Print the local path of a MODEL's weights, fetched when they are remote.

    It is a file, or the folder of a package. What the registry keeps is read-only.
    """
    with opened(registry) as target:
        click.echo(_local_copy(resolve_model(target, model), archive=archive))


def _local_copy(found: Found, *, archive: bool) -> Path:
    """Return a model's file, or the folder of a package, as `get_local_copy` does."""
    with found.registry.store.read() as connection:
        row = model_rows.model_row(connection, found.id)
    with shown_progress(f"Fetching {row.ref if row else found.id}") as progress:
        return local_copies.local_copy(
            found.registry, found.id, extract=False if archive else None, progress=progress
        )


@click.command("get")
@click.argument("model")
@click.option("-o", "--output", default=".", metavar="PATH", help="A folder, or a new file's name.")
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@ARCHIVE
@IN_REGISTRY
def get_command(model: str, output: str, force: bool, archive: bool, registry: str | None) -> None:
    """Copy a MODEL's weights to a place of yours, by default here under their own name.

    The copy may be written to. A package comes as a folder.
    """
    with opened(registry) as target:
        found = resolve_model(target, model)
        source = _local_copy(found, archive=archive)
        wanted = Path(output)
        inside = wanted.is_dir() or output.endswith("/")
        place = (
            wanted / local_copies.own_name(found.registry, found.id, source) if inside else wanted
        )
        if os.path.lexists(place) and not force:
            raise click.UsageError(f"{place} is there already; -f replaces it")
        copy_out(source, place.absolute(), replace=True)
    click.echo(place)


@click.command("env")
@AS_JSON
@IN_REGISTRY
def env_command(as_json: bool, registry: str | None) -> None:
    """Show which registry is used, why, and with what."""
    chosen = registry or click.get_current_context().find_root().obj
    reason = "-R" if chosen else ambient.locate()[1]
    with opened(registry) as target:
        facts = {"registry": str(target.root), "chosen by": reason, **doctor.facts(target)}
    upstream = [str(each.root) for each in target.upstream]
    absent = {str(each.root): each.why for each in target.absent}
    variables = {
        name: os.environ[name] for name in sorted(os.environ) if name.startswith("LOCALREG_")
    }
    if as_json:
        told: dict[str, object] = {"upstream": upstream, "upstream_left_out": absent}
        told |= {name.replace(" ", "_"): fact for name, fact in (facts | variables).items()}
        print_json(told)
        return
    if chosen and ambient.UPSTREAM_VARIABLE in variables:
        variables[ambient.UPSTREAM_VARIABLE] += "  (does not count with -R)"
    left_out = "\n".join(f"{root}: {why}" for root, why in absent.items())
    behind = [("upstream", "\n".join(upstream)), ("left out", left_out)]
    print_facts([*facts.items(), *behind, *variables.items()])
