"""A new version of a data set: its name, its number, its parents."""

from __future__ import annotations

import json
from collections.abc import Sequence

from localreg import log
from localreg.errors import InvalidValueError
from localreg.operations.datasets import looking
from localreg.operations.finding.references import check_project_name, require_task
from localreg.operations.finding.upstream import Found
from localreg.operations.models.edits import describe as describe_entry
from localreg.operations.models.recording import create, describe
from localreg.operations.weights.uploading import check_destination
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import dataset_rows, task_rows
from localreg.values import dataset_names, datasets
from localreg.values.checks import check_name, check_text
from localreg.values.frozen import replace
from localreg.values.records import MetadataValue, TaskRecord
from localreg.values.tags import check_tags


def create_dataset(
    chain: Chain,
    *,
    name: object = None,
    project: object = None,
    tags: object = None,
    parents: Sequence[Found] = (),
    version: object = None,
    description: object = None,
    task: str | None = None,
    of_task: bool = False,
) -> str:
    """Record a new version of a data set, which has the files of its parents; return its id.

    Args:
        name: without one, that of the task.
        project: without one, that of the task, else that of the last parent.
        tags: a list of str.
        parents: finalized data sets. Of two files of one path, that of the later parent counts.
        version: without one, the one after the highest of this name, or "1.0.0".
        description: text.
        task: id of the task that makes it.
        of_task: the task is a task of data processing.

    Raises:
        InvalidValueError: a parent is not finalized; or there is no name or project.
    """
    registry = chain.first
    registry.store.check_writable()
    maker = None
    if task is not None:
        with registry.store.read() as connection:
            maker = require_task(connection, task)
    rows = [looking.row(each) for each in parents]
    for each in rows:
        if each.status == dataset_names.OPEN:
            raise InvalidValueError(
                f"the parent {each.ref} ({each.id}) is not finalized; call finalize() of it first",
                argument="parent_datasets",
            )
    own = _name(name, maker)
    place = _project(project, maker, [each.shown_project for each in rows])
    described = describe(
        name=own,
        project=dataset_names.project_of(place),
        tags=check_tags("dataset_tags", tags),
        comment=check_description(description),
        is_package=True,
    )
    number = None if version is None else looking.check_version(version)
    if number is not None and datasets.version_key(number) is None:
        log.warning("the version %s of the data set %s is no version number", number, own)
    metadata = {dataset_names.STATE: MetadataValue(dataset_names.OPEN, "str")}
    ids = list(dict.fromkeys(each.id for each in rows))
    if ids:
        metadata[dataset_names.PARENTS] = MetadataValue(json.dumps(ids), "list")
    with registry.store.write() as change:
        # In the transaction: another process may make the next version at the same time.
        metadata[dataset_names.VERSION] = MetadataValue(
            _next_version(chain, place, own) if number is None else number, "str"
        )
        made = create(
            change,
            replace(described, metadata=metadata),
            None,
            None,
            maker=maker,
            parent=ids[-1] if ids else None,
            system_tags=(dataset_names.TAG,),
        )
        if not ids:
            dataset_rows.begin(change.connection, made)
        if of_task and maker is not None:
            _set_type(change, maker)
    return made


def _next_version(chain: Chain, project: str | None, name: str) -> str:
    last = looking.last_version(chain, project, name)
    return dataset_names.FIRST_VERSION if last is None else datasets.next_version(last)


def check_description(description: object) -> str | None:
    """Return a description that can be stored; None and "" are none."""
    return None if description is None else check_text("description", description) or None


def _name(name: object, maker: TaskRecord | None) -> str:
    if name is not None:
        return check_name("dataset_name", name)
    if maker is None:
        raise InvalidValueError(
            "a data set needs a dataset_name; without a current task there is none to take",
            argument="dataset_name",
        )
    return maker.name


def _project(project: object, maker: TaskRecord | None, of_parents: list[str]) -> str | None:
    given = check_project_name(project, "dataset_project")
    if given is not None:
        return given
    if maker is not None:
        return maker.project.name if maker.project else None
    if of_parents:
        return of_parents[-1] or None
    raise InvalidValueError(
        "a data set needs a dataset_project; there is neither a current task nor a parent whose "
        "project it could have",
        argument="dataset_project",
    )


def _set_type(change: Change, task: TaskRecord) -> None:
    wanted = "data_processing"
    if task.type != wanted:
        payload = {"old": task.type, "new": wanted}
        change.record("task.changed", task.id, payload, field="type")


def set_version(registry: OpenRegistry, dataset_id: str, version: object) -> None:
    """Set the version of a data set that is not finalized.

    Raises:
        ConflictError: it is finalized.
    """
    new = looking.check_version(version)
    if datasets.version_key(new) is None:
        log.warning("the version %s of the data set is no version number", new)
    with registry.store.write() as change:
        looking.require_open(change.connection, dataset_id)
        describe_entry(change, dataset_id, dataset_names.VERSION, new)


def note_use(chain: Chain, task_id: str, dataset_id: str, alias: str | None, name: str) -> None:
    """Record that a task uses a data set: as an input of it, and as a parameter of the alias."""
    from localreg.operations.tasks import parameters

    entry = f"{dataset_names.SECTION}/{alias or name}"
    with chain.first.store.write() as change:
        require_task(change.connection, task_id)
        old = task_rows.models(change.connection, task_id, "input").get(entry)
        if old != dataset_id:
            payload = {"role": "input", "old": old, "new": dataset_id}
            change.record("task.model", task_id, payload, field=entry)
    if alias is not None:
        key = parameters.Key(dataset_names.SECTION, alias)
        value = {key: MetadataValue(dataset_id, "str")}
        parameters.set_parameters(chain.first, task_id, value)


def overridden(chain: Chain, task_id: str, alias: str) -> str | None:
    """Return the id that a task that is run again has for an alias, or None."""
    from localreg.operations.tasks import parameters

    key = parameters.Key(dataset_names.SECTION, alias)
    value = parameters.parameters(chain.first, task_id).get(key)
    parameters.mark_used(chain.first, task_id, [key])
    return None if value is None or not value.value else value.value


def check_storage(argument: str, uri: object) -> str | None:
    """Return the URL of the folder to upload a data set to; None for the registry.

    True and False, as ClearML takes them, mean the registry.
    """
    return None if isinstance(uri, bool) else check_destination(argument, uri)
