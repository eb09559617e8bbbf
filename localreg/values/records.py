"""The values that pass between the layers: frozen, complete, free of I/O.

`ModelRecord` is the whole of a model. It goes into the event log when a model is made, removed
or restored, and comes back out of it, so its payload form holds no integer key of a database, no
path of this machine and no secret of a URL.
"""

from __future__ import annotations

from localreg.values.frozen import Frozen

TYPE_CHECKING = False  # type checkers take it for True; importing typing would cost time
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from typing import Any

    Json = dict[str, Any]
else:
    Json = dict

TASK_TYPES = frozenset(
    "training testing inference data_processing application monitor controller optimizer "
    "service qc custom".split()
)


class Project(Frozen):
    """A project: its id and its name."""

    id: str
    name: str


class MetadataValue(Frozen):
    """A metadata value as it is stored: its text and the name of its type."""

    value: str
    type: str


class WeightsRecord(Frozen, kw_only=True):
    """One revision of a model's weights.

    Attributes:
        id: of the event that added it; the first revision of a model has the model's id.
        revision: counts from 1 within the model.
        url: where the bytes come from, or None when only the registry has them. In an event it
            is the public form (see `localreg.values.urls`).
        filename: the original name.
        digest: sha256 of the bytes, or of the manifest of a package, when the registry knows it.
        size: number of bytes with this digest.
        package: True if the model is a package while this is its current revision.
        tree: True if the digest is that of the manifest of a package.
        total: number of bytes of the files of a package; None for anything else.
        archive, archive_size: sha256 and number of bytes of the archive that `url` serves, if it
            serves the package as one.
        pinned: the sha256 that the user expects, whatever the URL serves.
        kept: True if the registry must keep the bytes; otherwise they can be fetched from `url`
            again.
        uploaded: True if localreg itself uploaded the object at `url`.
        current: True if this is the revision that the model has now.
        at: when it was recorded, microseconds.
    """

    id: str = ""
    revision: int = 1
    url: str | None = None
    filename: str | None = None
    digest: str | None = None
    size: int | None = None
    package: bool = False
    tree: bool = False
    total: int | None = None
    archive: str | None = None
    archive_size: int | None = None
    pinned: str | None = None
    kept: bool = False
    uploaded: bool = False
    current: bool = True
    at: int = 0

    @property
    def bytes(self) -> int | None:
        """The number of bytes of the file, or of all files of the package."""
        return self.size if self.total is None else self.total

    def payload(self) -> Json:
        """Return the record as JSON values, for the event log."""
        return {
            "id": self.id,
            "revision": self.revision,
            "url": self.url,
            "filename": self.filename,
            "digest": self.digest,
            "size": self.size,
            "package": self.package,
            "tree": self.tree,
            "total": self.total,
            "archive": self.archive,
            "archive_size": self.archive_size,
            "pinned": self.pinned,
            "kept": self.kept,
            "uploaded": self.uploaded,
            "current": self.current,
            "at": self.at,
        }


class ModelRecord(Frozen, kw_only=True):
    """The whole of a model, except what was reported.

    Attributes:
        version: its number among the models of one project and name; None before it has one.
        contested: True if it was published twice, with different content, on machines that did not
            know of each other.
        task: id of the task that made it.
        parent: id of the model it was made from.
        created, updated: times in microseconds, as the clock said then.
        birth, stamp: they order the models by their creation and by their last change.
        held: those of its aliases that lead to no model, since their gates were not passed.
        weights: every revision, oldest first; or only the current one, where it was read so.
    """

    id: str
    name: str
    project: Project | None = None
    version: int | None = None
    comment: str | None = None
    framework: str | None = None
    package: bool = False
    published: bool = False
    contested: bool = False
    archived: bool = False
    task: str | None = None
    parent: str | None = None
    created: int = 0
    updated: int = 0
    birth: int = 0
    stamp: int = 0
    config: str = ""
    labels: Mapping[str, int]
    tags: tuple[str, ...] = ()
    system_tags: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue]
    aliases: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    weights: tuple[WeightsRecord, ...] = ()

    @property
    def ref(self) -> str:
        """The reference that people write: ``project/name:version``."""
        return reference(self.project, self.name, self.version)

    @property
    def shown_aliases(self) -> tuple[str, ...]:
        """The aliases for people: it says of each if it is held."""
        return shown_aliases(self.aliases, self.held)

    @property
    def current_weights(self) -> WeightsRecord:
        """The current weights; an empty record if there are none."""
        return next((each for each in self.weights if each.current), WeightsRecord())

    def payload(self) -> Json:
        """Return the record as JSON values, for the event log."""
        return {
            "name": self.name,
            "project": project_payload(self.project),
            "version": self.version,
            "comment": self.comment,
            "framework": self.framework,
            "package": self.package,
            "published": self.published,
            "archived": self.archived,
            "task": self.task,
            "parent": self.parent,
            "created": self.created,
            "birth": self.birth,
            "config": self.config,
            "labels": dict(self.labels),
            "tags": list(self.tags),
            "system_tags": list(self.system_tags),
            "metadata": {key: [entry.value, entry.type] for key, entry in self.metadata.items()},
            "aliases": list(self.aliases),
            "weights": [weights.payload() for weights in self.weights],
        }


def model_from_payload(model_id: str, payload: Json) -> ModelRecord:
    """Return the record that `ModelRecord.payload` wrote.

    A copy says of which model it is one (`copied_from`); that is for its history.
    """
    project = payload["project"]
    fields = {key: value for key, value in payload.items() if key != "copied_from"} | {
        "project": Project(project["id"], project["name"]) if project else None,
        "tags": tuple(payload["tags"]),
        "system_tags": tuple(payload["system_tags"]),
        "aliases": tuple(payload["aliases"]),
        "metadata": {key: MetadataValue(*entry) for key, entry in payload["metadata"].items()},
        "weights": tuple(WeightsRecord(**weights) for weights in payload["weights"]),
    }
    return ModelRecord(id=model_id, **fields)


def project_payload(project: Project | None) -> Json | None:
    """Return a project as JSON values."""
    return None if project is None else {"id": project.id, "name": project.name}


def line_payload(project: Project | None, name: str, version: int) -> Json:
    """Return project, name and number of a model as JSON values."""
    return {"project": project_payload(project), "name": name, "version": version}


def reference(project: Project | None, name: str, version: int | None) -> str:
    """Return ``project/name:version``, or ``name:version`` without a project.

    >>> reference(Project("", "vision"), "resnet", 3)
    'vision/resnet:3'
    """
    line = name if project is None else f"{project.name}/{name}"
    return line if version is None else f"{line}:{version}"


def shown_aliases(aliases: Iterable[str], held: Container[str]) -> tuple[str, ...]:
    """Return aliases for people.

    Args:
        aliases: their names.
        held: those of them that lead to no model, since their gates were not passed.

    >>> shown_aliases(["best", "prod"], ["prod"])
    ('best', 'prod(held)')
    """
    return tuple(f"{each}(held)" if each in held else each for each in aliases)


def line_readings(text: str) -> Iterator[tuple[str | None, str]]:
    """Yield the readings of ``project/name``: without a project, and one for each slash.

    >>> list(line_readings("a/b"))
    [(None, 'a/b'), ('a', 'b')]
    """
    yield None, text
    parts = text.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count]).strip(), "/".join(parts[count:]).strip()


class TaskRecord(Frozen, kw_only=True):
    """A task: one run of a training script, or a part of one.

    Attributes:
        progress: a percentage that the script reported, None without one.
        run: how it runs: commit, packages and so on; nothing that only one machine can use.
        created, ended, updated: times in microseconds, as the clock said then.
        stamp: it orders the tasks by their last change.
    """

    id: str
    name: str
    project: Project | None = None
    type: str = "training"
    status: str = "created"
    reason: str | None = None
    published: bool = False
    progress: int | None = None
    comment: str | None = None
    parent: str | None = None
    run: Mapping[str, Any]
    created: int = 0
    ended: int | None = None
    updated: int = 0
    stamp: int = 0


class ArtifactRecord(Frozen):
    """An artifact of a task.

    Attributes:
        kind: what it was made of, such as "numpy", "json" or "file".
        digest, size: of its bytes; of kind "package" those of the manifest.
        total: number of bytes of the files of a package; None for anything else.
        details: metadata, preview, and the layout of a data frame.
        at: when it was kept, microseconds.
    """

    name: str
    digest: str
    size: int
    total: int | None
    filename: str
    kind: str
    details: Json
    at: int

    @property
    def bytes(self) -> int:
        """The number of bytes of the file, or of all files of the package."""
        return self.size if self.total is None else self.total


class Owner(tuple[str, str]):
    """The model or task that values are reported to: its kind and its id.

    A tuple is made and compared fast, as keys of dictionaries are; and a NamedTuple would import
    typing, or collections, which takes a sixth of the time of importing a model.

    >>> owner = Owner("model", "f" * 32)
    >>> owner.kind, owner == ("model", "f" * 32)
    ('model', True)
    """

    __slots__ = ()

    def __new__(cls, kind: str, id: str) -> Owner:  # noqa: A002  (the name of the field)
        """Make one.

        Args:
            kind: "model" or "task", which is also the name of its table and of columns.
            id: 32 hex digits.
        """
        return tuple.__new__(cls, (kind, id))

    @property
    def kind(self) -> str:
        """Return "model" or "task"."""
        return self[0]

    @property
    def id(self) -> str:
        """32 hex digits."""
        return self[1]

    def __repr__(self) -> str:
        return f"Owner(kind={self[0]!r}, id={self[1]!r})"

    def __getnewargs__(self) -> tuple[str, str]:
        return (self[0], self[1])


class StateChange(Frozen):
    """The part of an event that is folded into the state.

    Attributes:
        kind: what changed, such as ``model.tag``.
        v: the version of the kind's payload.
        subject: id of the model, task or project that changed.
        field: the alias, metadata key, tag or column that changed; None if the whole subject did.
        payload: old and new values.
        stamp: it orders the changes of a registry.
        at: what the clock said, microseconds.
        event_id: of the event.
    """

    kind: str
    v: int
    subject: str
    field: str | None
    payload: Json
    stamp: int
    at: int
    event_id: str = ""


class LoggedEvent(Frozen):
    """An event as it travels from one registry to another.

    Attributes:
        event_id: 32 hex digits; the same id never has other content.
        origin: id of the registry that it was made in.
        seq: its number there.
        lamport: greater than that of every event that its registry knew.
        stamp: orders by time, for people; not less than the clock.
        at: what the clock said, microseconds.
        actor: who made the change, ``user@host``.
        kind, v, subject, field, payload: as for `StateChange`.
        remote, position: its place in the order of a remote; None without one.
    """

    event_id: str
    origin: str
    seq: int
    lamport: int
    stamp: int
    at: int
    actor: str
    kind: str
    v: int
    subject: str
    field: str | None
    payload: Json
    remote: str | None = None
    position: int | None = None

    @property
    def order(self) -> tuple[bool, int, int, str]:
        """What events are sorted by before they are folded."""
        return self.position is None, self.position or 0, self.lamport, self.event_id


class Event(Frozen):
    """One change, as the event log holds it.

    Attributes:
        seq: the number of the event in this registry, in the order of arrival.
        event_id: 32 hex digits.
        origin: name of the registry that it was made in.
        actor: who made the change, ``user@host``.
        arrived: when it came from another registry, microseconds; None if it was made here.
        outcome: None if it is in effect, else "same", "lost" or "kept".
        change: what changed.
    """

    seq: int
    event_id: str
    origin: str
    actor: str
    arrived: int | None
    outcome: str | None
    change: StateChange
