"""Commands of tasks: task ls, show, clone, run, rm."""

from __future__ import annotations

import os
from pathlib import Path

import click

from localreg.api import ambient
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    LIMIT,
    QUIET,
    iso,
    opened,
    pairs,
    print_facts,
    print_json,
    print_table,
    say,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import model_row
from localreg.operations.tasks import cloning, lifecycle, parameters, removal, rerunning, search
from localreg.operations.tasks import inputs as task_inputs
from localreg.registry import OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.checks import check_name
from localreg.values.records import Json, TaskRecord
from localreg.values.units import moment


@click.group("task")
def task_command() -> None:
    """List, show, copy, run and remove tasks.

    ID is a task's id, or its first 6 or more digits. Nothing is queued: any scheduler can call
    `localreg task run ID`.
    """


@task_command.command("ls")
@click.option("-p", "--project", metavar="NAME", help="Only tasks of this project.")
@click.option(
    "-t", "--tag", "tags", multiple=True, metavar="TAG", help="Any of these; -TAG for without it."
)
@click.option("--status", metavar="STATUS", help="Such as completed, failed, aborted.")
@click.option("--name", metavar="REGEX", help="A regular expression, found anywhere in the name.")
@LIMIT
@AS_JSON
@QUIET
@IN_REGISTRY
def ls_command(
    project: str | None,
    tags: tuple[str, ...],
    status: str | None,
    name: str | None,
    limit: int,
    as_json: bool,
    quiet: bool,
    registry: str | None,
) -> None:
    """List tasks, the one that changed last first."""
    with opened(registry) as target:
        for running in search.find_tasks(target, status="in_progress"):
            lifecycle.settled(target, running)  # one whose process is gone is aborted
        found = search.search_tasks(
            target, project=project, name=name, tags=list(tags) or None, status=status
        )
        shown = found[:limit] if limit else found
        if quiet:
            for each in shown:
                click.echo(each.id)
        elif as_json:
            print_json([_task_json(each.registry, each.id) for each in shown])
        elif shown:
            columns = ("TASK", "PROJECT", "TYPE", "STATUS", "UPDATED", "ID")
            print_table(columns, (_row(lifecycle.task(each.registry, each.id)) for each in shown))
    if len(found) > len(shown):
        say(f"These are the {limit} that changed last; -l 0 shows all.")
    elif not found and not as_json:
        say(f"No tasks match in {target.root}.")


def _row(task: TaskRecord) -> tuple[str, ...]:
    project = task.project.name if task.project else ""
    return (task.name, project, task.type, _status(task), moment(task.updated), task.id[:8])


def _status(task: TaskRecord) -> str:
    return "published" if task.published else task.status


@task_command.command("show")
@click.argument("task", metavar="ID")
@AS_JSON
@IN_REGISTRY
def show_command(task: str, as_json: bool, registry: str | None) -> None:
    """Show all there is to know of a task."""
    with opened(registry) as target:
        found = search.look_up_reference(target, task)
        lifecycle.settled(found.registry, found.id)
        told = _task_json(found.registry, found.id)
        if as_json:
            print_json(told)
            return
        print_facts(_facts(found.registry, told))


def _task_json(registry: OpenRegistry, task_id: str) -> Json:
    task = lifecycle.task(registry, task_id)
    with registry.store.read() as connection:
        place = task_rows.place(connection, task_id)
        models = {role: task_rows.models(connection, task_id, role) for role in ("input", "output")}
        values = task_rows.parameters(connection, task_id)
        found = {
            "tags": task_rows.tags(connection, task_id),
            "configurations": list(task_rows.configurations(connection, task_id)),
            "artifacts": list(task_rows.artifacts(connection, task_id)),
        }
    return {
        "id": task.id,
        "name": task.name,
        "project": task.project.name if task.project else None,
        "type": task.type,
        "status": _status(task),
        "reason": task.reason,
        "comment": task.comment,
        "parent": task.parent,
        **found,
        "parameters": {f"{section}/{name}": value for section, name, value, _ in values},
        "inputs": models["input"],
        "outputs": models["output"],
        "script": place.get("script") or task.run.get("script"),
        "module": place.get("module"),
        "arguments": place.get("arguments", []),
        "folder": place.get("folder"),
        "commit": task.run.get("commit"),
        "python": task.run.get("python"),
        "created": iso(task.created),
        "ended": iso(task.ended) if task.ended else None,
        "updated": iso(task.updated),
    }


def _facts(registry: OpenRegistry, told: Json) -> list[tuple[str, str]]:
    command = " ".join([str(told["script"] or ""), *map(str, told["arguments"])])
    return [
        ("task", f"{told['project']}/{told['name']}" if told["project"] else told["name"]),
        ("id", told["id"]),
        ("type", told["type"]),
        ("status", told["status"]),
        ("reason", told["reason"] or ""),
        ("tags", " ".join(told["tags"])),
        ("comment", told["comment"] or ""),
        ("parent", told["parent"] or ""),
        ("takes", _models(registry, told["inputs"])),
        ("made", _models(registry, told["outputs"])),
        ("parameters", "\n".join(f"{key} = {each}" for key, each in told["parameters"].items())),
        ("configurations", " ".join(told["configurations"])),
        ("artifacts", " ".join(told["artifacts"])),
        ("script", command.strip()),
        ("folder", told["folder"] or ""),
        ("commit", told["commit"] or ""),
        ("python", told["python"] or ""),
        ("created", _when(told["created"])),
        ("ended", _when(told["ended"])),
    ]


def _when(at: str | None) -> str:
    """Return a time in ISO 8601, UTC, as the other commands show it."""
    return f"{at[:19].replace('T', ' ')} UTC" if at else ""


def _models(registry: OpenRegistry, ids: dict[str, str]) -> str:
    found = {name: model_row(registry.base, each) for name, each in ids.items()}
    return "\n".join(
        f"{name}: {hit[1].ref if hit else 'removed'} ({ids[name][:8]})"
        for name, hit in found.items()
    )


@task_command.command("clone")
@click.argument("task", metavar="ID")
@click.option("-n", "--name", help='"Clone of …" by default.')
@click.option(
    "--set-input",
    "inputs",
    multiple=True,
    metavar="NAME=MODEL",
    help="What connect takes under this name. May be repeated.",
)
@click.option(
    "--set-param",
    "values",
    multiple=True,
    metavar="[SECTION/]NAME=VALUE",
    help="What a parameter is. May be repeated.",
)
@click.option(
    "--set-config",
    "configs",
    multiple=True,
    metavar="NAME=FILE",
    help="What connect_configuration takes under this name. May be repeated.",
)
@IN_REGISTRY
def clone_command(
    task: str,
    name: str | None,
    inputs: tuple[str, ...],
    values: tuple[str, ...],
    configs: tuple[str, ...],
    registry: str | None,
) -> None:
    """Copy a task that `task run` then runs, with other models or values, and print its id."""
    texts = {key: _read(file) for key, file in pairs("--set-config", configs).items()}
    given = pairs("--set-param", values)
    with opened(registry) as target:
        source = search.resolve_task(target, task)
        models = {
            check_name("--set-input", entry): resolve_model(target, reference).id
            for entry, reference in pairs("--set-input", inputs).items()
        }
        there = task_inputs.inputs(target, source)
        changed = parameters.texts_as_values(target, source, given)
        copy = cloning.clone_task(target, source, name=name)
        for entry, model_id in models.items():
            task_inputs.connect_model(target, copy, model_id, entry)
            if entry not in there:
                say(f"The task has no input model {entry!r}; it has {', '.join(there) or 'none'}.")
        parameters.set_parameters(target, copy, changed)
        for key, text in texts.items():
            parameters.set_configuration(target, copy, key, text)
    click.echo(copy)


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--set-config: {file} cannot be read: {error}") from error


@task_command.command("run")
@click.argument("task", metavar="ID")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--python", metavar="FILE", help="The interpreter; the recorded one by default.")
@IN_REGISTRY
def run_command(
    task: str, arguments: tuple[str, ...], python: str | None, registry: str | None
) -> int:
    """Run the script of a task again, as this task, and leave with its exit code.

    It gets the recorded arguments and those behind `--`, in the recorded working directory; and
    the task's models, parameters and configurations wherever it connects its own.

    Script, arguments and interpreter are those that the registry names: run tasks of registries
    that you trust, as you would run their scripts.
    """
    with opened(registry) as target:
        task_id = search.resolve_task(target, task)
        environment = {
            ambient.TASK_VARIABLE: task_id,
            ambient.HOME_VARIABLE: str(target.root),
            # Those of this command alone, with -R there are none; and those that are absent, which
            # may come back, or are told of.
            ambient.UPSTREAM_VARIABLE: os.pathsep.join(map(str, target.behind)),
        }
        return rerunning.run_task(
            target, task_id, python=python, extra=arguments, environment=environment
        )


@task_command.command("rm")
@click.argument("tasks", nargs=-1, required=True, metavar="ID...")
@click.option("--models", is_flag=True, help="Also the models they made, unless tasks take them.")
@IN_REGISTRY
def rm_command(tasks: tuple[str, ...], models: bool, registry: str | None) -> None:
    """Remove tasks, what was reported to them and their artifacts."""
    with opened(registry) as target:
        for task_id in [search.resolve_task(target, each) for each in tasks]:
            if not removal.delete_task(target, task_id, models=models):
                say(f"Not all that task {task_id} made could be removed; see the log.")
