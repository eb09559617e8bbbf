"""Tasks as ClearML's dicts: `Task.export_task`, `Task.import_task`."""

from __future__ import annotations

from localreg.operations.finding.references import ensure_project, require_task
from localreg.operations.models.designs import set_task_design
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.parameters import Key, put_configuration, put_parameters
from localreg.operations.tasks.run_facts import requirements_of
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, task_rows
from localreg.values.clearml_task import ExportedTask, read_task, written_parameters, written_time
from localreg.values.ids import new_id
from localreg.values.records import MetadataValue, project_payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.events.change import Change
    from localreg.values.records import Json

_API_VERSION = "2.31"  # of ClearML's server, whose layout this is
_SCRIPT = {"repository": "repository", "branch": "branch", "version_num": "commit",
           "entry_point": "script"}  # fmt: skip


def export_task(registry: OpenRegistry, task_id: str) -> Json:
    """Return a task's settings as the dict that ClearML's ``Task.export_task`` returns.

    All values are JSON values; times are texts. Reports, artifacts and the bytes of models are not
    in it.
    """
    found = lifecycle.settled(registry, task_id)
    with registry.store.read() as connection:
        config, labels = task_rows.design(connection, task_id)
        parameters = {
            (section, name): MetadataValue(value, kind)
            for section, name, value, kind in task_rows.parameters(connection, task_id)
        }
        configurations = task_rows.configurations(connection, task_id)
        models = {role: task_rows.models(connection, task_id, role) for role in ("input", "output")}
        tags = task_rows.tags(connection, task_id)
        system_tags = task_rows.tags(connection, task_id, system=True)
        place = task_rows.place(connection, task_id)
    return {
        "id": found.id,
        "name": found.name,
        "type": found.type,
        "status": "published" if found.published else found.status,
        "comment": found.comment or "",
        "parent": found.parent,
        "project": found.project.id if found.project else None,
        "project_name": found.project.name if found.project else None,
        "created": written_time(found.created),
        "started": None if found.status == "created" else written_time(found.created),
        "completed": written_time(found.ended),
        "last_update": written_time(found.updated),
        "tags": tags,
        "system_tags": system_tags,
        "script": _script(dict(found.run), place),
        "hyperparams": written_parameters(parameters),
        "configuration": {
            name: {"name": name, "value": text, "type": "", "description": ""}
            for name, text in configurations.items()
        },
        "execution": {
            "parameters": {},
            "model_desc": {"design": config} if config else {},
            "model_labels": labels,
        },
        "models": {
            role: [{"name": name, "model": model} for name, model in held.items()]
            for role, held in models.items()
        },
        "runtime": {} if found.progress is None else {"progress": str(found.progress)},
        "container": {},
        "session_api_version": _API_VERSION,
    }


def _script(facts: Json, place: Json) -> Json:
    packages = facts.get("packages")
    lines = [] if facts.get("python") is None else [f"# Python {facts['python']}"]
    for name, version in packages.items() if isinstance(packages, dict) else ():
        plain = version and (version[0].isalnum())
        lines.append(f"{name} == {version}" if plain else f"{name} {version}".strip())
    found: Json = {given: str(facts.get(name) or "") for given, name in _SCRIPT.items()}
    found |= {
        "binary": "python",
        "tag": "",
        "working_dir": ".",
        "diff": _text(place.get("diff")),
        "requirements": {"pip": "\n".join(lines)} if lines else {},
    }
    return found


def _text(diff: object) -> str:
    """Return a patch as text: it may hold half characters for bytes that are no UTF-8."""
    return "" if diff is None else str(diff).encode(errors="replace").decode()


def import_task(
    registry: OpenRegistry, data: object, *, target: str | None = None, update: bool = False
) -> str:
    """Record a task of ClearML's dict with the status "created", or set one to it.

    Args:
        data: what `export_task` returned, here or in the ClearML SDK. Its id, status and times are
            not taken: it has not run here.
        target: id of the task to set; None makes a new one.
        update: keep what the target has and the dict does not; else a part that the dict has
            replaces all of it.

    Returns:
        The task's id.
    """
    given = read_task(data, "task_data")
    with registry.store.write() as change:
        if target is None:
            task_id = _record(change, given)
            _set_parts(change, task_id, given, update=update)
        else:
            task_id = target
            put_task(change, task_id, given, update=update)
    return task_id


def put_task(change: Change, task_id: str, given: ExportedTask, *, update: bool) -> None:
    """Set a task to what was exported, within a transaction; see `import_task`."""
    _edit(change, task_id, given)
    _set_parts(change, task_id, given, update=update)


def run_of(given: ExportedTask) -> Json:
    """Return how an exported task ran, as events hold it."""
    facts: Json = dict(given.facts)
    if given.requirements is not None:
        facts["packages"] = requirements_of(list(given.requirements))
    return facts


def _record(change: Change, given: ExportedTask) -> str:
    task_id = new_id()
    project = ensure_project(change, given.project)
    payload = {
        "name": given.name or "Untitled task",
        "type": given.type or "training",
        "status": "created",
        "comment": given.comment,
        "parent": given.parent,
        "tags": list(given.tags or ()),
        "run": run_of(given),
        "project": project_payload(project),
    }
    change.record("task.created", task_id, payload)
    task_rows.set_place(change.connection, task_id, _place(given, {}))
    return task_id


def _place(given: ExportedTask, there: Json) -> Json:
    return there | ({} if given.diff is None else {"diff": given.diff})


def _edit(change: Change, task_id: str, given: ExportedTask) -> None:
    """Set what a task has one of."""
    connection = change.connection
    there = require_task(connection, task_id)
    columns = {"name": given.name, "type": given.type, "comment": given.comment,
               "parent": given.parent}  # fmt: skip
    for column, new in columns.items():
        old = getattr(there, column)
        if new is not None and new != old:
            change.record("task.changed", task_id, {"old": old, "new": new}, field=column)
    if given.tags is not None:
        lifecycle.put_tags(change, task_id, set(given.tags), set(), only=True)
    run = run_of(given)
    if run:
        new_run = {name: value for name, value in there.run.items() if name not in run} | run
        if new_run != dict(there.run):
            change.record("task.run", task_id, {"old": dict(there.run), "new": new_run})
    place = task_rows.place(connection, task_id)
    if (changed := _place(given, place)) != place:
        task_rows.set_place(connection, task_id, changed)


def _set_parts(change: Change, task_id: str, given: ExportedTask, *, update: bool) -> None:
    """Set what a task has several of."""
    connection = change.connection
    if given.parameters is not None:
        values = {Key(*key): value for key, value in given.parameters.items()}
        put_parameters(change, task_id, values, replace=not update)
    if given.configurations is not None:
        there = [] if update else list(task_rows.configurations(connection, task_id))
        for name in {*there} - {*given.configurations}:
            put_configuration(change, task_id, name, None)
        for name, text in given.configurations.items():
            put_configuration(change, task_id, name, text)
    config, labels = task_rows.design(connection, task_id)
    new_labels = given.labels if given.labels is not None else labels
    merged = {**labels, **new_labels} if update else dict(new_labels)
    set_task_design(change, task_id, (given.config or config, merged))
    held = task_rows.models(connection, task_id, "input")
    for name, model in given.inputs.items():
        if held.get(name) != model and model_rows.model_row(connection, model) is not None:
            payload = {"role": "input", "old": held.get(name), "new": model}
            change.record("task.model", task_id, payload, field=name)
