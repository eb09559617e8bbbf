"""List, show, copy, run and remove tasks."""

from __future__ import annotations

import os
from collections.abc import Collection
from itertools import islice

import click

from localreg.cli import task_list
from localreg.cli.cells import one_line
from localreg.cli.changes import say_change
from localreg.cli.columns import metrics_text, values_json, values_of
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    QUIET,
    SILENT,
    opened,
    pairs,
    print_facts,
    print_json,
    say,
)
from localreg.cli.streams import already, print_bytes
from localreg.cli.suggestions import TASK_SYNONYMS, CommandGroup
from localreg.cli.task_records import task_json, task_status, whole
from localreg.errors import InvalidValueError
from localreg.filesystem.given_paths import check_path
from localreg.filesystem.plain_files import read_text
from localreg.operations.datasets import looking
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found, id_text, model_row, why_absent
from localreg.operations.finding.values import Values, task_values
from localreg.operations.reports.page_links import delete_page
from localreg.operations.tasks import (
    git_state,
    lifecycle,
    parameters,
    search,
)
from localreg.registry import Chain
from localreg.values import settings
from localreg.values.checks import check_name
from localreg.values.dataset_names import is_data_project
from localreg.values.records import Json, Owner
from localreg.values.secrets import masked_code, masked_text
from localreg.values.units import when


@click.group("task", cls=CommandGroup, synonyms=TASK_SYNONYMS)
def task_command() -> None:
    """List, show, copy, run and remove tasks.

    ID is a task's id, or its first 6 or more digits. There is no queue: any scheduler can call
    `localreg task run ID`.
    """


task_command.add_command(task_list.ls_command)


@task_command.command("show")
@click.argument("task", metavar="ID")
@click.option("--diff", is_flag=True, help="Only print what was not committed, as a patch.")
@click.option("--show-secrets", is_flag=True, help="Also show passwords, keys and tokens.")
@AS_JSON
@IN_REGISTRY
def show_command(
    task: str, diff: bool, show_secrets: bool, as_json: bool, directory: str | None
) -> None:
    """Show everything about a task.

    Passwords and queries in URLs are hidden, as are values whose names say that they are secrets,
    such as api_key or password.

    `localreg task show ID --diff --show-secrets | git apply` restores what was not committed.
    """
    with opened(directory) as chain:
        found = search.look_up_reference(chain, task)
        if diff:
            _print_diff(found, show_secrets=show_secrets)
            return
        values = task_json(found.registry, found.id, show_secrets=show_secrets)
        if as_json:
            print_json(whole(values) | values_json(_values(found), metrics_only=True))
        else:
            print_facts(_facts(chain, values, found))


def _values(found: Found) -> Values:
    return values_of([found], task_values)[0]


def _print_diff(found: Found, *, show_secrets: bool) -> None:
    """Write the patch of a task to stdout, byte for byte."""
    diff = lifecycle.place(found.registry, found.id).get("diff")
    if diff is None:
        say(f"No patch is recorded for task {found.id}.")
        return
    shown = str(diff) if show_secrets else masked_code(str(diff))
    print_bytes(git_state.patch_bytes(shown))
    if shown != diff:
        say("Secrets are hidden in this patch, so it does not apply; --show-secrets shows them.")


def _facts(chain: Chain, task: Json, found: Found) -> list[tuple[str, str]]:
    command = " ".join([str(task["script"] or ""), *map(str, task["arguments"])])
    return [
        ("task", f"{task['project']}/{task['name']}" if task["project"] else task["name"]),
        ("id", task["id"]),
        ("type", task["type"]),
        ("status", task["status"]),
        ("reason", task["reason"] or ""),
        ("progress", "" if task["progress"] is None else f"{task['progress']} %"),
        ("tags", " ".join(task["tags"])),
        ("system tags", " ".join(task["system_tags"])),
        ("comment", task["comment"] or ""),
        ("parent", id_text(chain, task["parent"]) if task["parent"] else ""),
        ("input models", _models(chain, task["inputs"])),
        ("output models", _models(chain, task["outputs"])),
        ("metrics", metrics_text(_values(found), f"localreg scalars {task['id'][:8]}")),
        (
            "parameters",
            "\n".join(one_line(f"{key} = {each}") for key, each in task["parameters"].items()),
        ),
        ("configurations", " ".join(task["configurations"])),
        ("artifacts", " ".join(task["artifacts"])),
        ("script", command.strip()),
        ("folder", task["folder"] or ""),
        ("commit", git_state.commit_text(task)),
        ("python", task["python"] or ""),
        ("created", _when(task["created"])),
        ("ended", _when(task["ended"])),
    ]


def _when(at: str | None) -> str:
    """Return a time in ISO 8601 as the other commands show it."""
    if at is not None and at.startswith("1970-01-01T"):
        return when(0)
    return f"{at[:19].replace('T', ' ')} UTC" if at else ""


def _models(chain: Chain, ids: dict[str, str]) -> str:
    return "\n".join(f"{name}: {_ref(chain, each)} ({each[:8]})" for name, each in ids.items())


def _ref(chain: Chain, model_id: str) -> str:
    """Return what names a model, or a version of a data set."""
    hit = model_row(chain, model_id)
    if hit is None:
        return why_absent(chain, model_id)
    registry, model = hit
    if model.project is not None and is_data_project(model.project.name):
        return looking.row(Found(registry, model_id)).ref
    return model.ref


@task_command.command("clone")
@click.argument("task", metavar="ID")
@click.option("-n", "--name", help='The name of the copy; by default "Clone of …".')
@click.option(
    "--set-input",
    "inputs",
    multiple=True,
    metavar="NAME=MODEL",
    help="Use this input model for NAME. May be repeated.",
)
@click.option(
    "--set-param",
    "values",
    multiple=True,
    metavar="[SECTION/]NAME=VALUE",
    help="Set a parameter. May be repeated.",
)
@click.option(
    "--set-config",
    "configs",
    multiple=True,
    metavar="NAME=FILE",
    help="Use this file as the configuration NAME. May be repeated.",
)
@AS_JSON
@QUIET
@IN_REGISTRY
def clone_command(
    task: str,
    name: str | None,
    inputs: tuple[str, ...],
    values: tuple[str, ...],
    configs: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Copy a task, with other models or values, and print its id.

    `localreg task run` runs the copy.
    """
    from localreg.operations.tasks import cloning  # with what it needs, slow to import
    from localreg.operations.tasks import inputs as task_inputs

    texts = {key: _read(file) for key, file in pairs("--set-config", configs).items()}
    given = pairs("--set-param", values)
    with opened(directory) as chain:
        source = search.resolve_task(chain.first, task)
        models = {
            check_name("--set-input", entry): resolve_model(chain, reference).id
            for entry, reference in pairs("--set-input", inputs).items()
        }
        there = task_inputs.models(chain.first, source, "input")
        known = {key.path for key in parameters.parameters(chain.first, source)}
        changed = parameters.texts_as_values(chain.first, source, given)
        copy = cloning.clone_task(chain.first, source, name=name)
        new = []
        for entry, model_id in models.items():
            task_inputs.connect_model(chain, copy, model_id, entry)
            if entry not in there:
                new.append(_new("input model", entry, there))
        parameters.set_parameters(chain.first, copy, changed)
        new += [
            _new("parameter", key.path, sorted(known)) for key in changed if key.path not in known
        ]
        for title, text in texts.items():
            parameters.set_configuration(chain.first, copy, title, text)
        copied = lifecycle.task(chain.first, copy)
    with already(f"task {copy} was made"):
        if as_json:
            print_json({"id": copy, "name": copied.name, "source": source, "warnings": new})
        else:
            click.echo(copy)
    for each in new if not as_json else ():
        say(each)


def _new(what: str, name: str, there: Collection[str]) -> str:
    """Return the remark that a copy has something that its source does not have."""
    some = ", ".join(islice(there, 10)) + (", …" if len(there) > 10 else "")
    has = f"it has {some}" if there else "it has none"
    name = masked_text(name)
    return f"The copied task has no {what} {name!r}: {has}. The copy has it now; check the name."


def _read(file: str) -> str:
    try:
        return read_text(check_path("--set-config", file), "--set-config")
    except (OSError, InvalidValueError) as error:
        raise click.UsageError(f"--set-config: cannot read {file}: {error}") from error


@task_command.command("run")
@click.argument("task", metavar="ID")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--python", metavar="FILE", help="The interpreter; by default the recorded one.")
@AS_JSON
@IN_REGISTRY
def run_command(
    task: str,
    arguments: tuple[str, ...],
    python: str | None,
    as_json: bool,
    directory: str | None,
) -> int:
    """Run a task's script again, and exit with its exit code.

    It exits with 1 if the script ended well, but never took a value that was set for this run.

    The run is recorded in this task. It replaces its status, and output models and reports of the
    same names. To keep the last run as it is, copy the task with `localreg task clone` and run
    the copy.

    The script runs in the recorded folder, with the recorded arguments and those after `--`. It
    gets the task's models, parameters and configurations wherever it connects its own. With --json
    what it prints goes to stderr.

    The registry names the script, its arguments and the interpreter. Run only tasks of registries
    that you trust, as you would run their scripts.
    """
    from localreg.operations.tasks import rerunning

    with opened(directory) as chain:
        task_id = search.resolve_task(chain.first, task)
        environment = {
            settings.TASK_ID: task_id,
            settings.HOME: str(chain.first.root),
            # With -R there are none. Absent ones are passed on, too: they may come back.
            settings.UPSTREAM: os.pathsep.join(map(str, chain.roots)),
        }
        code = rerunning.run_task(
            chain.first,
            task_id,
            python=python,
            extra=arguments,
            environment=environment,
            stdout=2 if as_json else None,
        )
        done = lifecycle.task(chain.first, task_id)
        if as_json:
            reason = done.reason and masked_text(done.reason)
            facts = {"name": done.name, "status": task_status(done), "reason": reason}
            print_json({"id": task_id, "exit_code": code, **facts})
    return code


@task_command.command("rm")
@click.argument("tasks", nargs=-1, required=True, metavar="ID...")
@click.option("--models", is_flag=True, help="Also remove their models, unless tasks use them.")
@AS_JSON
@SILENT
@IN_REGISTRY
def rm_command(
    tasks: tuple[str, ...], models: bool, as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Remove tasks with their reports and artifacts."""
    from localreg.operations.tasks import removal

    with opened(directory) as chain:
        done = []
        for task_id in [search.resolve_task(chain.first, each) for each in tasks]:
            name = lifecycle.task(chain.first, task_id).name
            gone = removal.delete_task(chain.first, task_id, models=models)
            delete_page(chain.first, Owner("task", task_id))
            done.append({"id": task_id, "name": name, "changed": True, "complete": gone})
            say_change(True, f"Removed task {name} ({task_id[:8]})", "")
            if not gone and not as_json:
                say(f"Some models or files of task {task_id} could not be removed; see the log.")
    if as_json:
        print_json(done)
