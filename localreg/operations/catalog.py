"""Bringing models into a registry, and finding them by where their weights come from."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from localreg.blobs.blobstore import StagedBlob
from localreg.config_text import config_to_text
from localreg.errors import InvalidURLError
from localreg.frameworks import infer_framework
from localreg.frozen import Frozen, replace
from localreg.ids import new_id
from localreg.metadata import MetadataEntry, entries
from localreg.operations.aliases import check_alias, point_alias
from localreg.operations.labels import check_labels
from localreg.operations.lookup import check_project_name, ensure_project
from localreg.records import MetadataValue, ModelRecord, TaskRecord, WeightsRecord
from localreg.registry import OpenRegistry
from localreg.store import model_rows, task_rows
from localreg.store.change import Change
from localreg.tags import check_tags
from localreg.text import check_comment, check_name
from localreg.urls import WeightsURL, parse_weights_url


class Description(Frozen, kw_only=True):
    """What is told of a model when it is brought in, checked; see `describe`."""

    name: str | None
    project: str | None
    comment: str | None
    framework: str | None
    tags: tuple[str, ...]
    metadata: dict[str, MetadataValue]
    labels: dict[str, int]
    config: str
    package: bool
    published: bool


class Imported(Frozen):
    """What an import came to.

    Attributes:
        model: the id.
        known: whether it had been there before.
        url: what may be shown of where the weights come from.
    """

    model: str
    known: bool
    url: str


def describe(
    *,
    config_text: object = None,
    config_dict: object = None,
    label_enumeration: object = None,
    name: object = None,
    project: object = None,
    tags: object = None,
    comment: object = None,
    metadata: object = None,
    is_package: object = False,
    create_as_published: object = False,
    framework: object = None,
) -> Description:
    """Check what is told of a model.

    Args:
        config_text, config_dict: the configuration, as text or as what becomes JSON; not both.
        label_enumeration: dict of label to int.
        name, project, comment, framework: text, or None.
        tags: a list of str.
        metadata: dict of key to value, or to ``{"value": …, "type": …}``.
        is_package, create_as_published: flags.

    Raises:
        InvalidValueError: or one of its subclasses, naming the argument.
    """
    return Description(
        name=None if name is None else check_name("name", name).strip(),
        project=check_project_name(project),
        comment=check_comment(comment),
        framework=(
            None if framework is None or framework == "" else check_name("framework", framework)
        ),
        tags=check_tags("tags", tags),
        metadata={
            key: _value(entry)
            for key, entry in entries({} if metadata is None else metadata).items()
        },
        labels=check_labels(label_enumeration),
        config=config_to_text(config_text, config_dict),
        package=bool(is_package),
        published=bool(create_as_published),
    )


def _value(entry: MetadataEntry) -> MetadataValue:
    return MetadataValue(entry.value, entry.type)


def import_model(
    registry: OpenRegistry,
    url: object,
    description: Description,
    *,
    task: TaskRecord | None = None,
    copy: bool = False,
) -> Imported:
    """Return the model whose weights come from `url`, recorded now when it is new.

    Args:
        url: path or URL; it is not read unless `copy`, or unless the registry handed it out.
        description: ignored when the model is known.
        task: the current task, which gives name, comment and project where none are told.
        copy: keep the bytes of a local file in the registry.

    Raises:
        InvalidURLError: the URL cannot be used, or `copy` was asked of a remote one.
        SourceNotFoundError: `copy`, and there is no such file.
    """
    parsed = parse_weights_url(url)
    if copy and parsed.path is None:
        raise InvalidURLError(
            f"copy=True keeps local files, and {parsed.public} is not one; download it first",
            argument="weights_url",
        )
    shown = parsed.public or parsed.text
    known = _find_known(registry, parsed)
    if known is not None:
        return Imported(known, known=True, url=shown)
    keep = copy or _is_handed_out(registry, parsed)
    with _staged(registry, parsed, keep) as blob, registry.store.write() as change:
        known = _known(registry, change.connection, parsed)  # another process may have been first
        if known is not None:
            return Imported(known, known=True, url=shown)
        told = _told_by_task(description, task)
        project = description.project or _project(task)
        made = _create(registry, change, told, parsed, blob, project=project)
    return Imported(made, known=False, url=shown)


def add_model(
    registry: OpenRegistry,
    path: object,
    description: Description,
    *,
    task: TaskRecord | None = None,
    alias: str | None = None,
) -> str:
    """Keep the bytes of a file as the next version of a model; return the model's id.

    Args:
        path: a local file.
        description: what is told of it; the name is the file's without.
        task: the task that made it, which gets it as an output.
        alias: points to the new version afterwards.

    Raises:
        InvalidURLError: it is no local path.
        InvalidValueError: `alias` can be none.
        SourceNotFoundError: there is no such file.
    """
    pointer = None if alias is None else check_alias(alias)
    parsed = parse_weights_url(path)
    if parsed.path is None:
        raise InvalidURLError(
            f"{parsed.public} is not a local file; import_model records URLs",
            argument="weights_url",
        )
    name = description.name or parsed.path.name.split(".")[0] or parsed.path.name
    told = replace(description, name=name)
    with _staged(registry, parsed, True) as blob, registry.store.write() as change:
        project = told.project or _project(task)
        made = _create(registry, change, told, parsed, blob, project=project, maker=task)
        if task is not None:
            payload = {"role": "output", "old": None, "new": made}
            change.record("task.model", task.id, payload, field=_entry_name(change, task, name))
        if pointer is not None:
            point_alias(change, made, pointer)
    return made


def _entry_name(change: Change, task: TaskRecord, name: str) -> str:
    taken = task_rows.models(change.connection, task.id, "output")
    return next(
        each
        for each in (name, *(f"{name} {number}" for number in range(2, len(taken) + 3)))
        if each not in taken
    )


@contextmanager
def _staged(registry: OpenRegistry, url: WeightsURL, copy: bool) -> Iterator[StagedBlob | None]:
    if not copy or url.path is None:
        yield None
        return
    with registry.blobs.staged(url.path) as blob:
        yield blob


def _find_known(registry: OpenRegistry, url: WeightsURL) -> str | None:
    with registry.store.read() as connection:
        return _known(registry, connection, url)


def _known(
    registry: OpenRegistry,
    connection: model_rows.Connection,
    url: WeightsURL,
    *,
    archived: bool = False,
) -> str | None:
    found = model_rows.with_url(connection, url.text, archived=archived)
    if not found and url.path is not None:
        # A file that the registry itself handed out is known by what it holds.
        digest = registry.blobs.digest_of(url.path)
        found = model_rows.with_digest(connection, digest, archived=archived) if digest else []
    return found[0] if found else None


def _told_by_task(description: Description, task: TaskRecord | None) -> Description:
    if task is None and description.name:
        return description
    if task is None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        return replace(description, name=f"Anonymous model {moment}")
    lines = [f"Imported by task id: {task.id}", description.comment]
    return replace(
        description,
        name=description.name or f"Imported by {task.name}",
        comment="\n".join(line for line in lines if line),
    )


def _project(task: TaskRecord | None) -> str | None:
    return task.project.name if task and task.project else None


def _create(
    registry: OpenRegistry,
    change: Change,
    told: Description,
    url: WeightsURL,
    blob: StagedBlob | None,
    *,
    project: str | None,
    maker: TaskRecord | None = None,
) -> str:
    """Record a model, within a transaction; return its id."""
    if blob is not None:
        registry.blobs.keep(blob)
        registry.blobs.local_file(blob.digest, blob.size, url.filename)
    model_id = new_id()
    if url.text != url.public and not _is_handed_out(registry, url):
        change.connection.execute("INSERT INTO private_url VALUES (?, 1, ?)", (model_id, url.text))
    at = change.stamp(model_id)
    weights = WeightsRecord(
        url=url.public,
        filename=url.filename,
        digest=blob.digest if blob else None,
        size=blob.size if blob else None,
        at=at,
    )
    record = ModelRecord(
        id=model_id,
        name=told.name or "",
        project=ensure_project(change, project),
        comment=told.comment,
        framework=told.framework or infer_framework(url.text),
        package=told.package,
        published=told.published,
        task=maker.id if maker else None,
        created=at,
        config=told.config,
        labels=told.labels,
        tags=told.tags,
        metadata=told.metadata,
        weights=(weights,),
    )
    change.record("model.created", model_id, record.payload())
    return model_id


def _is_handed_out(registry: OpenRegistry, url: WeightsURL) -> bool:
    """Return whether a URL names a file of the registry's own: the bytes count, not the place."""
    return url.path is not None and registry.blobs.digest_of(url.path) is not None


def find_by_url(registry: OpenRegistry, url: object, *, archived: bool) -> str | None:
    """Return the id of the newest model whose weights come from `url`, or None.

    Args:
        archived: whether archived models count too.

    Raises:
        InvalidURLError: the URL cannot be used.
    """
    parsed = parse_weights_url(url)
    with registry.store.read() as connection:
        return _known(registry, connection, parsed, archived=bool(archived))
