"""Bring a ClearML offline session: its task, reports, artifacts and models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from localreg.errors import (
    BundleError,
    InvalidEventError,
    InvalidURLError,
    InvalidValueError,
    SessionError,
)
from localreg.operations.carry.arrival import Arrived, arrive
from localreg.operations.carry.export import Missing
from localreg.operations.finding.references import require_task
from localreg.operations.importers.arriving_files import ArrivingFiles
from localreg.operations.importers.event_log import EventLog, derived_id, project_of
from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.session_files import (
    TASK,
    SessionFile,
    SessionFiles,
    broken,
    opened_session,
)
from localreg.operations.importers.session_reports import Read, read_reports
from localreg.operations.tasks import exported, lifecycle
from localreg.operations.tasks.artifacts import PREVIEW
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import claim_rows, logged_rows, task_rows
from localreg.store.rows.keys import next_number
from localreg.values.checks import NAME_LIMIT, check_text, kept_name, shown
from localreg.values.clearml_task import (
    OFFLINE,
    ExportedArtifact,
    ExportedTask,
    plain_id,
    read_task,
)
from localreg.values.frozen import Frozen
from localreg.values.labels import check_labels
from localreg.values.records import LoggedEvent, Owner, WeightsRecord, line_payload
from localreg.values.urls import (
    is_remote,
    is_stored_url,
    parse_weights_url,
    safe_filename,
    without_secrets,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress
    from localreg.store.events.change import Change
    from localreg.store.rows.logged_rows import Connection
    from localreg.values.manifest import Manifest
    from localreg.values.records import Json

ORIGIN = "clearml"  # the name of the origin that all sessions have
_KINDS = {"string": "text", "dict": "json", "JSON": "json", "image": "image", "pandas": "pandas",
          "data-audit-table": "pandas", "numpy": "npz", "pickle": "pickle"}  # fmt: skip
_ENDINGS = {"text": (".txt",), "json": (".json",), "pandas": (".csv", ".csv.gz"),
            "npz": (".npz",)}  # fmt: skip
_MOST_MODELS = 10_000
_KILLED = "its offline session was not closed: the script was killed, or still ran"


class Imported(Frozen):
    """A session that was imported, or would be.

    Attributes:
        task: the id of its task here.
        name: project and name of the task.
        arrived: what came.
        ignored: how many reports were not taken, by the reason.
    """

    task: str
    name: str
    arrived: Arrived
    ignored: Mapping[str, int]


def import_session(
    chain: Chain,
    source: object,
    *,
    previous: str | None = None,
    offset: int = 0,
    renumber: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Imported:
    """Bring an offline session into the first registry of a chain.

    Args:
        source: the folder of the session, or its zip.
        previous: id of a task that the session continues: it gets all that the session has.
        offset: what is added to iterations of reports.
        renumber: where two models have one number, give new ones to the later.
        dry_run: change nothing.
        progress: called with the bytes taken so far, and with all bytes.

    Raises:
        SessionError: a file of it is damaged or forged; it says which line.
        InvalidValueError: it is no session.
        SourceNotFoundError: there is no such file.
        TaskNotFoundError: there is no task `previous`.
    """
    registry = chain.first
    registry.store.check_writable()
    with opened_session(registry, source) as files:
        with registry.store.read() as connection:
            if previous is not None:
                require_task(connection, previous)
            session = _Session(files, connection, previous)
        with registry.blobs.temporary_folder() as spool:
            read = read_reports(files, session.owners, spool, root=session.root, offset=offset)
            with ArrivingBlobs(chain) as blobs:
                arriving = ArrivingFiles(registry, blobs, dry_run=dry_run, progress=progress)
                incoming = _Incoming(session, read, arriving)
                with registry.store.read() as connection:
                    incoming.prepare(connection)
                try:
                    arrived = arrive(
                        chain,
                        incoming,
                        blobs,
                        renumber=renumber,
                        dry_run=dry_run,
                        then=incoming.finish,
                    )
                except (InvalidEventError, BundleError) as error:
                    raise broken(TASK, None, f"cannot be kept: {error}") from error
    name = "/".join(each for each in (session.task.project, session.task.name) if each)
    ignored = dict(sorted(read.ignored.items()))
    return Imported(session.task_id, name or session.task_id, arrived, ignored)


def folder_of(registry: OpenRegistry, task_id: str) -> Path:
    """Return the path that stands for the session of a task that this registry recorded itself."""
    return registry.root / "offline" / f"{OFFLINE}{task_id}"


def recorded_here(chain: Chain, source: Path) -> str | None:
    """Return the id of the task that a path of `folder_of` stands for, or None."""
    name = source.name.removesuffix(".zip")
    task_id = plain_id(name) if name.startswith(OFFLINE) else None
    if task_id is None or source.exists():
        return None
    for registry in chain.registries:
        with registry.store.read() as connection:
            if task_rows.task(connection, task_id) is not None:
                return task_id
    return None


class _Model(Frozen):
    """A model of a session: what it is, and its weights, the oldest first."""

    id: str
    name: str
    comment: str | None
    framework: str | None
    config: str
    labels: Mapping[str, int]
    tags: tuple[str, ...]
    weights: tuple[_Weights, ...]


class _Weights(Frozen):
    """Weights of a model: a file of the session, or a URL."""

    file: SessionFile | None
    path: str | None
    filename: str | None
    uri: str | None
    iteration: int | None


class _Session:
    """What task.json says, and the ids that it gets here."""

    def __init__(self, files: SessionFiles, connection: Connection, previous: str | None) -> None:
        self.files = files
        self.previous = previous
        data = files.task()
        if not isinstance(data, dict):
            raise broken(TASK, None, "must be an object")
        try:
            self.task: ExportedTask = read_task(data, TASK)
            self.root = _text(data, "offline_folder") or ""
            given = self.task.given_id or derived_id(json.dumps(data, sort_keys=True))
            self.given_id = given
            self.origin = derived_id("session", given)
            self.task_id = previous or self._free(
                connection, self.task.id or derived_id("task", given)
            )
            self.models = tuple(self._models(connection, data))
        except InvalidValueError as error:
            text = str(error)
            problem = text if text.startswith(TASK) else f"{TASK}: {text}"
            raise SessionError(
                f"the offline session is damaged: {problem}. Nothing was imported",
                file=TASK,
                line=None,
            ) from error
        self.owners = {given: Owner("task", self.task_id)}
        for model_id, model in self._given_ids.items():
            self.owners[model_id] = Owner("model", model)

    def _free(self, connection: Connection, wanted: str) -> str:
        """Return an id, or another one if something else has it here."""
        events = list(logged_rows.of_unit(connection, wanted))
        if not events or any(each.origin == self.origin for each in events):
            return wanted
        return derived_id(self.origin, wanted)

    def _models(self, connection: Connection, data: Json) -> Iterator[_Model]:
        """Yield the models, each with the weights that it had one after the other."""
        self._given_ids: dict[str, str] = {}
        found = data.get("offline_output_models")
        entries = [] if found is None else found
        if not isinstance(entries, list) or len(entries) > _MOST_MODELS:
            raise _damaged("offline_output_models must be a list")
        grouped: dict[str, list[tuple[Json, Json]]] = {}
        for number, entry in enumerate(entries):
            where = f"offline_output_models[{number}]"
            if not isinstance(entry, dict):
                raise _damaged(f"{where} must be an object")
            init, weights = entry.get("init") or {}, entry.get("weights") or {}
            if not isinstance(init, dict) or not isinstance(weights, dict):
                raise _damaged(f"{where}: init and weights must be objects")
            given, name = _text(entry, "id"), _text(init, "name")
            grouped.setdefault(given or f"name {name}", []).append((init, weights))
            if given:
                self._given_ids.setdefault(given, "")
        for key, updates in grouped.items():
            init, _ = updates[-1]
            own = (plain_id(key) if key in self._given_ids else None) or derived_id(
                self.origin, key
            )
            model_id = self._free(connection, own)
            if key in self._given_ids:
                self._given_ids[key] = model_id
            labels = init.get("label_enumeration")
            yield _Model(
                id=model_id,
                name=_name(_text(init, "name")) or self.task.name or "model",
                comment=_text(init, "comment"),
                framework=_text(init, "framework"),
                config=_text(init, "config_text") or "",
                labels={} if labels is None else check_labels(labels),
                tags=_tags(init.get("tags")),
                weights=tuple(self._weights(updates)),
            )

    def _weights(self, updates: Iterable[tuple[Json, Json]]) -> Iterator[_Weights]:
        last: tuple[object, object] | None = None
        for _, weights in updates:
            path, uri = _text(weights, "weights_filename"), _text(weights, "register_uri")
            file = None if path is None else self.files.find_path(path, self.root)
            if file is None and path is not None:
                file = self.files.find(f"models/{path.replace(chr(92), '/').rpartition('/')[2]}")
            iteration = weights.get("iteration")
            step = iteration if type(iteration) is int and abs(iteration) < 2**53 else None
            # ClearML keeps one file of a name: what was there before has the bytes of the last.
            if (path or uri) and (path, uri) != last:
                last = (path, uri)
                filename = _text(weights, "target_filename") or (file.name if file else None)
                yield _Weights(file, path, filename, uri, step)


class _Incoming:
    """What a session brings, for `arrive`."""

    whole = False

    def __init__(self, session: _Session, read: Read, arriving: ArrivingFiles) -> None:
        self.source = session.files.source
        self._session = session
        self._read = read
        self._missing: list[Missing] = []
        self._events: list[LoggedEvent] = []
        self._arriving = arriving
        self._held: dict[Path, tuple[str, int]] = {}
        task = session.task
        reports = read.by_owner[session.owners[session.given_id]]
        times = [
            *(each.first for each in read.by_owner.values() if each.first is not None),
            *(each.last for each in read.by_owner.values() if each.last is not None),
            *(each.at for each in task.artifacts if each.at),
        ]
        usual = session.files.modified
        self._created = task.created or min(times, default=usual)
        self._ended = max(task.ended or max(times, default=usual), self._created)
        self._what = f"task {task.name or session.task_id[:8]}"
        self._artifacts = dict(self._bring_artifacts())
        for each in reports.links:
            title = "/".join(map(str, each.place[:2]))
            self._lacks(f"{title} at iteration {each.place[2]}", each.url, None)
        media = [
            SessionFile(each.filename, each.path)
            for found in read.by_owner.values()
            for each in found.media.values()
        ]
        weights = [each.file for model in session.models for each in model.weights]
        self._bring([*media, *(each for each in weights if each is not None)])
        self._models = [self._model(each) for each in session.models]
        arriving.flush()

    # --- what `arrive` asks for

    def origins(self) -> dict[str, str]:
        """Return the name of the origin of the events."""
        return {self._session.origin: ORIGIN}

    def events(self) -> Iterator[LoggedEvent]:
        """Yield the events that are new or different here."""
        yield from self._events

    def packages(self) -> Iterator[tuple[str, Manifest]]:
        """Yield nothing: a session has no packages."""
        return iter(())

    def reports(self) -> Iterator[tuple[Owner, Iterable[bytes], int | None]]:
        """Yield what was reported to the task and to each model."""
        for owner, found in self._read.by_owner.items():
            if not found.is_empty():
                yield owner, found.stream(self._held), None

    def models(self) -> Iterator[tuple[str, Json]]:
        """Yield nothing: copies of models are not made."""
        return iter(())

    def missing(self) -> tuple[Missing, ...]:
        """Return the bytes that the session does not have."""
        return tuple(self._missing)

    def finish(self, change: Change) -> None:
        """Record what is no event of the session: what only this machine can use."""
        session = self._session
        if session.previous is not None:
            self._continue(change, session.previous)
            return
        connection = change.connection
        if task_rows.task(connection, session.task_id) is None:  # it was removed here
            return
        place = task_rows.place(connection, session.task_id)
        if not place and session.task.diff is not None:
            task_rows.set_place(connection, session.task_id, {"diff": session.task.diff})

    # --- bytes

    def _bring(self, files: Iterable[SessionFile]) -> None:
        """Bring files, and note their digests."""
        for each in files:
            self._held[each.path] = self._arriving.file(FoundFile(each.name, each.path))

    def _lacks(self, ref: str, url: str, size: int | None) -> None:
        """Note bytes that the session does not have."""
        why = f"only their address came: {without_secrets(url)}" if url else "they have no address"
        self._missing.append(Missing(ref, None, size, why))

    def _bring_artifacts(self) -> Iterator[tuple[str, tuple[Json, int]]]:
        """Yield the artifacts by name, as events hold them, each with its time; bring their bytes.

        Of one whose bytes are elsewhere the address is kept, as text.
        """
        found = {each.name: each for each in self._session.task.artifacts}
        files = {name: self._file_of(each) for name, each in found.items()}
        self._bring(each for each in files.values() if each is not None)
        for name, given in found.items():
            file = files[name]
            details: Json = {
                "metadata": dict(given.metadata) or None,
                "preview": None if given.preview is None else given.preview[:PREVIEW],
            }
            stem = (safe_filename(name) or "artifact").replace(".", "_")
            if file is None:
                digest, size = self._arriving.bytes(given.uri.encode())
                remote = is_remote(given.uri) and is_stored_url(given.uri)
                kind, filename = ("url" if remote else "text"), f"{stem}.url"
                self._lacks(f"artifact {name}", given.uri, given.size)
            else:
                digest, size = self._held[file.path]
                filename = safe_filename(file.name) or stem
                kind = _kind(given.type, filename)
                if kind == "pandas" and given.type != "pandas":
                    details["layout"] = {"levels": 0}  # a table without an index
            new: Json = {"digest": digest, "size": size, "total": None, "filename": filename,
                         "kind": kind, "details": details}  # fmt: skip
            yield name, (new, given.at or self._created)

    def _file_of(self, artifact: ExportedArtifact) -> SessionFile | None:
        return self._session.files.find_path(artifact.uri, self._session.root)

    def _model(self, model: _Model) -> tuple[_Model, list[tuple[WeightsRecord, int | None]]]:
        """Return a model with its revisions, each with its iteration."""
        made: list[tuple[WeightsRecord, int | None]] = []
        for each in model.weights:
            record = self._revision(model, each, len(made) + 1)
            if record is not None:
                made.append((record, each.iteration))
        return model, made

    def _revision(self, model: _Model, given: _Weights, number: int) -> WeightsRecord | None:
        what = f"model {model.name}"
        known: Json = {"revision": number, "at": self._ended}
        known["id"] = model.id if number == 1 else derived_id(model.id, f"revision {number}")
        if given.file is not None:
            digest, size = self._held[given.file.path]
            filename = safe_filename(given.filename or "")
            return WeightsRecord(**known, filename=filename, digest=digest, size=size, kept=True)
        if given.uri is None:
            self._lacks(what, given.path or "", None)
            return None
        try:
            url = parse_weights_url(given.uri)
        except InvalidURLError:
            self._lacks(what, given.uri, None)
            return None
        if url.public is None:  # a path of that machine
            self._lacks(what, given.uri, None)
            return None
        self._lacks(what, url.public, None)
        return WeightsRecord(**known, url=url.public, filename=url.filename)

    # --- events

    def prepare(self, connection: Connection) -> None:
        """Compute the events that are new or different here.

        Args:
            connection: in a read transaction.
        """
        session = self._session
        subjects = [session.task_id, *(model.id for model, _ in self._models)]
        held = {each: list(logged_rows.of_unit(connection, each)) for each in subjects}
        actor = ORIGIN if self._read.worker is None else f"{ORIGIN}@{self._read.worker}"
        log = EventLog(session.origin, actor, actor, held)
        if session.previous is None:
            self._write_task(log)
        numbers: dict[str, int] = {}
        for model, revisions in self._models:
            numbers[model.name] = numbers.get(model.name, 0) + 1
            self._write_model(log, model, revisions, numbers[model.name], connection)
        self._events = log.events

    def _write_task(self, log: EventLog) -> None:
        task, start = self._session.task, self._created
        project = None if task.project is None else project_of(task.project)
        created: Json = {
            "name": task.name or "Untitled task",
            "type": task.type or "training",
            "status": "in_progress",
            "comment": task.comment,
            "parent": task.parent,
            "tags": list(task.tags or ()),
            "run": exported.run_of(task),
            "project": project,
        }
        unit = log.unit(self._session.task_id)
        unit.create("task.created", created, start)
        for column in ("name", "type", "comment", "parent"):
            unit.write("task.changed", {"new": created[column]}, start, field=column)
        unit.write("task.run", {"new": created["run"]}, start)
        unit.write("task.moved", {"new": project}, start)
        for tag in created["tags"]:
            unit.add_tag("task.tag", tag, start)
        for (section, name), value in sorted((task.parameters or {}).items()):
            payload = {"section": section, "new": [value.value, value.type]}
            unit.write("task.parameter", payload, start, field=name)
        for name, text in sorted((task.configurations or {}).items()):
            unit.write("task.configuration", {"new": [text]}, start, field=name)
        if task.config or task.labels:
            design = {"config": task.config or "", "labels": dict(task.labels or {})}
            unit.write("task.design", {"new": design}, start)
        for name, (new, at) in sorted(self._artifacts.items()):
            unit.write("task.artifact", {"new": new}, at, field=name)
        for name, model in self._outputs():
            unit.write("task.model", {"role": "output", "new": model}, self._ended, field=name)
        closed = self._session.files.closed
        state = {"status": "completed" if closed else "aborted",
                 "reason": None if closed else _KILLED, "ended": self._ended}  # fmt: skip
        unit.write("task.state", {"new": state}, self._ended)

    def _outputs(self) -> Iterator[tuple[str, str]]:
        """Yield the output models by the names that they have on the task."""
        taken: set[str] = set()
        for model, _ in self._models:
            name, number = model.name, 1
            while name in taken:
                number += 1
                name = f"{model.name} {number}"
            taken.add(name)
            yield name, model.id

    def _write_model(
        self,
        log: EventLog,
        model: _Model,
        revisions: list[tuple[WeightsRecord, int | None]],
        number: int,
        connection: Connection,
    ) -> None:
        session = self._session
        at = self._ended
        project = None if session.task.project is None else project_of(session.task.project)
        first = [record for record, _ in revisions[:1]]
        created: Json = {
            "name": model.name, "project": project, "version": number, "comment": model.comment,
            "framework": model.framework, "package": False, "published": False, "archived": False,
            "task": session.task_id, "parent": None, "created": at, "birth": at,
            "config": model.config, "labels": dict(model.labels), "tags": list(model.tags),
            "system_tags": [], "metadata": {}, "aliases": [],
            "weights": [each.payload() for each in first],
        }  # fmt: skip
        unit = log.unit(model.id)
        is_new = unit.create("model.created", created, at)
        for record, iteration in revisions[1:]:
            payload = {"new": record.payload(), "iteration": iteration, "task": session.task_id}
            unit.add_weights(payload, record.id, at)
        name = "" if project is None else str(project["name"])
        if is_new and claim_rows.was_named(connection, name, model.name, number):
            free = next_number(connection, name, model.name) + number - 1
            place = line_payload(None, model.name, number) | {"project": project}
            payload = {"old": place, "new": place | {"version": free}}
            unit.write("model.renumbered", payload, at)

    # --- a task that goes on

    def _continue(self, change: Change, task_id: str) -> None:
        """Give a task of the registry what the session has."""
        exported.put_task(change, task_id, self._session.task, update=True)
        there = task_rows.artifacts(change.connection, task_id)
        for name, (new, _) in sorted(self._artifacts.items()):
            old = there.get(name)
            if old is None or (old.digest, old.filename) != (new["digest"], new["filename"]):
                payload = {"old": None if old is None else old.digest, "new": new}
                change.record("task.artifact", task_id, payload, field=name)
        outputs = task_rows.models(change.connection, task_id, "output")
        for name, model in self._outputs():
            if model not in outputs.values():
                payload = {"role": "output", "old": outputs.get(name), "new": model}
                change.record("task.model", task_id, payload, field=name)
        lifecycle.put_end(change, task_id, "completed", None)


def _kind(given: str, filename: str) -> str:
    """Return our word for what an artifact is, so that `get` can read it."""
    kind = _KINDS.get(given, "file")
    endings = _ENDINGS.get(kind)
    return kind if endings is None or filename.lower().endswith(endings) else "file"


def _text(found: Json, name: str) -> str | None:
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _damaged(f"{name} must be text, not {shown(value)}")
    return check_text(name, value) or None


def _name(text: str | None) -> str | None:
    return (
        None if text is None else kept_name(check_text("name", text, limit=NAME_LIMIT, nul=False))
    )


def _tags(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise _damaged(f"tags must be a list, not {shown(given)}")
    return tuple(dict.fromkeys(each for each in map(_tag, given) if each))


def _tag(given: object) -> str:
    return kept_name(check_text("tags", given, limit=NAME_LIMIT, nul=False))


def _damaged(problem: str) -> SessionError:
    return broken(TASK, None, problem)
