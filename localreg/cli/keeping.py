"""Commands that make a registry, put files into it, and get them out again."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sqlite3
from pathlib import Path

import click

import localreg
from localreg.api import ambient
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
    size_text,
)
from localreg.errors import StorageError
from localreg.operations import catalog, tracking, weights
from localreg.operations.lookup import resolve_model
from localreg.registry import DATABASE, open_registry
from localreg.store import model_rows
from localreg.store.filesystem import filesystem_type

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("init")
@click.argument("directory", required=False)
@click.option(
    "--journal",
    type=click.Choice(["wal", "truncate"]),
    help="SQLite's journal; truncate for directories that several machines share. "
    "By the file system by default.",
)
def init_command(directory: str | None, journal: str | None) -> None:
    """Make a registry in DIRECTORY, by default .localreg here, where commands below find it."""
    path = directory or click.get_current_context().find_root().obj or ambient.FOLDER
    existed = (Path(path).expanduser() / DATABASE).exists()
    registry = open_registry(path, durability=ambient.default_durability(), journal=journal)
    registry.close()
    say(f"{'There is a registry already' if existed else 'Made a registry'} in {registry.root}")
    if existed and journal:
        say("Its journal stays what it is: that is chosen when a registry is made.")


@click.command("add")
@click.argument("file")
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
    """Keep a FILE of weights as the next version of a model."""
    if name and project is None and "/" in name:
        project, _, name = name.rpartition("/")
    description = catalog.describe(
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
        task = tracking.task(target, tracking.find_task(target, task_id)) if task_id else None
        model_id = catalog.add_model(target, file, description, task=task, alias=alias)
        with target.store.read() as connection:
            record = model_rows.record(connection, model_id)
        assert record is not None
        if as_json:
            print_json(model_json(record))
        elif quiet:
            click.echo(model_id)
        else:
            kept = served(record)
            click.echo(f"{record.ref}  {model_id}")
            say(f"Kept {size_text(kept.size)}, sha256 {kept.digest}, in {target.root}")


def _read_labels(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"--labels: {path} is not JSON: {error}") from error


@click.command("path")
@click.argument("model")
@IN_REGISTRY
def path_command(model: str, registry: str | None) -> None:
    """Print the local path of a MODEL's weights. What the registry keeps is read-only."""
    with opened(registry) as target:
        click.echo(weights.local_file(target, resolve_model(target, model)))


@click.command("get")
@click.argument("model")
@click.option("-o", "--output", default=".", metavar="PATH", help="A folder, or a new file's name.")
@click.option("-f", "--force", is_flag=True, help="Replace a file that is there.")
@IN_REGISTRY
def get_command(model: str, output: str, force: bool, registry: str | None) -> None:
    """Copy a MODEL's weights to a place of yours, by default here under their own name."""
    with opened(registry) as target:
        source = weights.local_file(target, resolve_model(target, model))
        wanted = Path(output)
        place = wanted / source.name if wanted.is_dir() or output.endswith("/") else wanted
        if place.exists() and not force:
            raise click.UsageError(f"{place} is there already; -f replaces it")
        _copy(source, place)
    click.echo(place)


def _copy(source: Path, place: Path) -> None:
    aside = place.with_name(f".{place.name}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        # copyfile: the copy is the user's own, and may be written to.
        shutil.copyfile(source, aside)
        aside.replace(place)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StorageError(
            f"{place} could not be written: {error.strerror or error}", path=str(place)
        ) from error


@click.command("env")
@AS_JSON
@IN_REGISTRY
def env_command(as_json: bool, registry: str | None) -> None:
    """Show which registry is used, why, and with what."""
    chosen = registry or click.get_current_context().find_root().obj
    reason = "-R" if chosen else ambient.locate()[1]
    with opened(registry) as target, target.store.read() as connection:
        settings = dict(connection.execute("SELECT name, value FROM setting").fetchall())
        count = connection.execute("SELECT count(*) FROM model").fetchone()[0]
        facts = {
            "registry": str(target.root),
            "chosen by": reason,
            "registry id": settings["registry_id"],
            "models": str(count),
            "file system": filesystem_type(target.root) or "unknown",
            "journal": settings["journal"],
            "durability": target.store.durability,
            "localreg": localreg.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        }
    variables = {
        name: os.environ[name] for name in sorted(os.environ) if name.startswith("LOCALREG_")
    }
    if as_json:
        print_json({name.replace(" ", "_"): fact for name, fact in (facts | variables).items()})
        return
    print_facts([*facts.items(), *variables.items()])
