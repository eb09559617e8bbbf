"""Copy a task, to run it again with other settings."""

from __future__ import annotations

from localreg.operations.finding.references import ensure_project, require_task
from localreg.operations.models.saved_files import SAVED
from localreg.operations.tasks.lifecycle import check_task_type
from localreg.operations.tasks.run_facts import Run
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import task_rows
from localreg.values.checks import check_comment, check_name
from localreg.values.ids import new_id
from localreg.values.records import Json, project_payload

# Parts of the place that belong to a run.
RUNNING = ("process", "since", "rank", "ranks", "used", SAVED)


def clone_task(
    registry: OpenRegistry,
    source: str,
    *,
    name: object = None,
    comment: object = None,
    parent: str | None = None,
    project: str | None = None,
    task_type: object = None,
    run: Run | None = None,
) -> str:
    """Record a copy of a task, with the status "created", and return its id.

    The copy has the parameters, configurations, labels, tags and input models of its source and
    runs the same script. Reports, artifacts and output models are not copied.

    Args:
        source: id of the task to copy.
        name: "Clone of …" when None.
        comment: the source's when None.
        parent: id of the parent task; the source when None.
        project: the name of a project; the source's when None.
        task_type: the source's when None.
        run: what is different about how it runs.
    """
    given_name = None if name is None else check_name("name", name)
    given_comment = None if comment is None else check_comment(comment)
    task_id = new_id()
    with registry.store.write() as change:
        found = require_task(change.connection, source)
        if parent is not None:
            require_task(change.connection, parent)
        into = ensure_project(change, project) if project is not None else found.project
        payload = {
            "name": given_name or f"Clone of {found.name}"[:1_024],
            "type": found.type if task_type is None else check_task_type(task_type),
            "status": "created",
            "comment": found.comment if comment is None else given_comment,
            "parent": parent or source,
            "tags": task_rows.tags(change.connection, source),
            "run": {**found.run, **({} if run is None else run.facts)},
            "project": project_payload(into),
        }
        change.record("task.created", task_id, payload)
        _copy_settings(change, source, task_id, {} if run is None else run.place)
    return task_id


def _copy_settings(change: Change, source: str, target: str, other: Json) -> None:
    """Copy the settings of a task.

    Args:
        other: the parts of its place that are different.
    """
    connection = change.connection
    config, labels = task_rows.design(connection, source)
    if config or labels:
        design = {"old": {"config": "", "labels": {}}, "new": {"config": config, "labels": labels}}
        change.record("task.design", target, design)
    for section, name, value, type_ in task_rows.parameters(connection, source):
        payload = {"section": section, "old": None, "new": [value, type_]}
        change.record("task.parameter", target, payload, field=name)
    for name, text in task_rows.configurations(connection, source).items():
        change.record("task.configuration", target, {"old": None, "new": [text]}, field=name)
    for name, model in task_rows.models(connection, source, "input").items():
        payload = {"role": "input", "old": None, "new": model}
        change.record("task.model", target, payload, field=name)
    place = task_rows.place(connection, source)
    kept = {key: place[key] for key in place if key not in RUNNING}
    if {"script", "module"} & other.keys():  # it runs one of these, or code
        kept = {key: kept[key] for key in kept if key not in ("script", "module", "code")}
    task_rows.set_place(connection, target, kept | other)
