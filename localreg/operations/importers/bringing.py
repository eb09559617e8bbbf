"""Record what an importer finds: tasks and models with their events, reports and bytes.

One pass reads the source: bytes become blobs, reports and events go to temporary files. Then one
transaction records all of it. What an event says depends on the source alone, apart from the order
of events: see `event_log`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from localreg.errors import BundleError, InvalidEventError, InvalidValueError, SourceError
from localreg.operations.carry.arrival import Arrived, arrive
from localreg.operations.carry.export import Missing
from localreg.operations.finding.references import check_project_name
from localreg.operations.importers.arriving_files import ArrivingFiles
from localreg.operations.importers.event_log import EventLog, Unit, derived_id, project_of
from localreg.operations.importers.found import (
    FoundArtifact,
    FoundModel,
    FoundTask,
    FoundWeights,
)
from localreg.operations.importers.report_spool import ReportSpool, stream_of
from localreg.operations.importers.source_files import damaged
from localreg.operations.tasks.artifacts import PREVIEW
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import Chain
from localreg.store.rows import claim_rows, logged_rows, model_rows
from localreg.store.rows.keys import next_number
from localreg.values.checks import NAME_LIMIT, check_text, kept_name
from localreg.values.event_lines import event_line, read_events
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id, is_id
from localreg.values.records import (
    LoggedEvent,
    MetadataValue,
    Owner,
    WeightsRecord,
    line_payload,
)
from localreg.values.urls import is_remote, is_stored_url, parse_weights_url, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers.found import Source
    from localreg.progress import Progress
    from localreg.store.events.change import Change
    from localreg.values.manifest import Manifest
    from localreg.values.records import Json


class Brought(Frozen):
    """What an import brought, or would bring.

    Attributes:
        kind: of the source, such as "mlflow".
        source: where it is.
        arrived: what came.
        tasks: project and name of the tasks that are new here, by their ids.
        left: what did not come, counted by the reason.
    """

    kind: str
    source: str
    arrived: Arrived
    tasks: Mapping[str, str]
    left: Mapping[str, int]


class Wish(Frozen, kw_only=True):
    """How a source is brought.

    Attributes:
        project: what everything is put into: models into it, tasks of a project below it.
        reference: leave the bytes of models where they are.
        link: make hard links instead of copies.
        renumber: where two models have one number, give new ones to the later.
        dry_run: change nothing.
    """

    project: str | None = None
    reference: bool = False
    link: bool = False
    renumber: bool = False
    dry_run: bool = False


def bring(chain: Chain, source: Source, wish: Wish, progress: Progress | None = None) -> Brought:
    """Bring a source into the first registry of a chain.

    Args:
        source: an open one.
        progress: called with the bytes taken so far.

    Raises:
        SourceError: a part of it is damaged, or cannot be kept; nothing was recorded.
    """
    registry = chain.first
    registry.store.check_writable()
    project = check_project_name(wish.project)
    with registry.blobs.temporary_folder() as spool, ArrivingBlobs(chain) as blobs:
        files = ArrivingFiles(
            registry, blobs, link=wish.link, dry_run=wish.dry_run, progress=progress
        )
        incoming = _Incoming(chain, source, wish, project, files, spool)
        try:
            incoming.read()
            files.flush()
            arrived = arrive(
                chain,
                incoming,
                blobs,
                renumber=wish.renumber,
                dry_run=wish.dry_run,
                first=incoming.note_urls,
            )
        except (InvalidEventError, BundleError) as error:
            raise damaged(source.place, f"cannot be kept: {error}") from error
        finally:
            incoming.close()
    left = Counter(source.left) + incoming.left
    tasks = {each: incoming.names[each] for each in arrived.tasks}
    return Brought(source.kind, source.place, arrived, tasks, dict(sorted(left.items())))


class _Incoming:
    """What a source brings, for `arrive`."""

    whole = False

    def __init__(
        self,
        chain: Chain,
        source: Source,
        wish: Wish,
        project: str | None,
        files: ArrivingFiles,
        spool: Path,
    ) -> None:
        self.source = source.place
        self.left: Counter[str] = Counter()
        self.names: dict[str, str] = {}  # of tasks, by their ids
        self._registry = chain.first
        self._found = source
        self._wish = wish
        self._project = project
        self._files = files
        self._spool = spool
        self._writer = open(spool / "events", "wb")  # noqa: SIM115  (closed by `close`)
        self._origins: dict[str, str] = {}
        self._reports: list[tuple[Owner, Path]] = []
        self._missing: list[Missing] = []
        self._urls: dict[str, str] = {}  # by revision
        self._ids: dict[str, str] = {}
        self._numbers: dict[tuple[str, str], set[int]] = {}
        self._aliases: dict[tuple[str, str, str], tuple[str, str, int]] = {}

    # --- what `arrive` asks for

    def origins(self) -> dict[str, str]:
        """Return the name of the origin of each task, model and alias."""
        return self._origins

    def events(self) -> Iterator[LoggedEvent]:
        """Yield the events that are new or different here."""
        yield from read_events(stream_of(self._spool / "events"), "events")

    def packages(self) -> Iterator[tuple[str, Manifest]]:
        """Yield the packages that came."""
        yield from self._files.packages.items()

    def reports(self) -> Iterator[tuple[Owner, Iterable[bytes], int | None]]:
        """Yield what was reported to each task."""
        for owner, path in self._reports:
            yield owner, stream_of(path), path.stat().st_size

    def models(self) -> Iterator[tuple[str, Json]]:
        """Yield nothing: copies of models are not made."""
        return iter(())

    def missing(self) -> tuple[Missing, ...]:
        """Return the bytes that the source does not have."""
        return tuple(self._missing)

    def note_urls(self, change: Change) -> None:
        """Store the addresses on this machine, which no event may hold, where the fold looks."""
        for revision, url in self._urls.items():
            model_rows.keep_private_url(change.connection, revision, url)

    # --- reading

    def read(self) -> None:
        """Read the source.

        Raises:
            SourceError: a part of it is damaged, or cannot be kept.
        """
        for task in self._found.tasks():
            self._checked(f"task {task.name}", self._take_task, task)
        for model in self._found.models():
            self._checked(f"model {model.name}", self._take_model, model)
        self._take_aliases()
        self.close()

    def close(self) -> None:
        """Close the temporary file of the events."""
        self._writer.close()

    @staticmethod
    def _checked(what: str, take: Callable[..., None], found: object) -> None:
        try:
            take(found)
        except InvalidValueError as error:
            if isinstance(error, SourceError):
                raise
            raise damaged(what, f"cannot be kept: {error}") from error

    def _log(self, subject: str, user: str | None) -> EventLog:
        """Return the log of one task, model or alias: each has an origin of its own."""
        origin = derived_id(self._found.kind, "origin", subject)
        self._origins[origin] = self._found.kind
        with self._registry.store.read() as connection:
            held = list(logged_rows.of_unit(connection, subject))
        actor = self._found.kind if not user else f"{kept_name(user)[:200]}@{self._found.kind}"
        return EventLog(origin, actor, {subject: held})

    def _write(self, log: EventLog) -> None:
        self._writer.writelines(map(event_line, log.events))

    def _id(self, what: str, key: str) -> str:
        """Return the id here of a task or model of the source."""
        named = key if self._project is None else f"{self._project}\n{key}"
        if named not in self._ids:
            wanted = named if is_id(named) else derived_id(self._found.kind, what, named)
            self._ids[named] = self._free(wanted)
        return self._ids[named]

    def _free(self, wanted: str) -> str:
        """Return an id, or another one if something else has it here."""
        own = derived_id(self._found.kind, "origin", wanted)
        with self._registry.store.read() as connection:
            events = logged_rows.of_unit(connection, wanted)
            first = next(events, None)
            if first is None or first.origin == own or any(each.origin == own for each in events):
                return wanted
        return derived_id(self._found.kind, "other", wanted)

    # --- tasks

    def _take_task(self, task: FoundTask) -> None:
        task_id = self._id("task", task.key)
        log = self._log(task_id, task.user)
        unit = log.unit(task_id)
        name, start = _name(task.name) or "Untitled task", task.created
        born: Json = {
            "name": _name(task.first_name or "") or name, "type": "training",
            "status": "in_progress", "comment": None, "parent": None, "tags": [], "run": {},
            "project": None,
        }  # fmt: skip
        unit.create("task.created", born, start)
        project = self._project_of_task(task)
        self.names[task_id] = name if project is None else f"{project['name']}/{name}"
        parent = None if task.parent is None else self._id("task", task.parent)
        columns = {"name": name, "type": task.type, "comment": _comment(task.comment),
                   "parent": parent}  # fmt: skip
        for column, new in columns.items():
            unit.write("task.changed", {"new": new}, start, field=column)
        unit.write("task.run", {"new": dict(task.run)}, start)
        unit.write("task.moved", {"new": project}, start)
        for tag in _tags(task.tags):
            unit.add_tag("task.tag", tag, start)
        for (section, key), value in sorted(task.parameters.items()):
            payload = {"section": _name(section), "new": _pair(value)}
            unit.write("task.parameter", payload, start, field=_name(key))
        for key, text in sorted(task.configurations.items()):
            payload = {"new": [check_text(key, text)]}
            unit.write("task.configuration", payload, start, field=_name(key))
        for artifact in task.artifacts:
            kept = self._artifact(task, artifact)
            at = artifact.at or task.ended or start
            unit.write("task.artifact", {"new": kept}, at, field=_name(artifact.name))
        for role, models in (("input", task.inputs), ("output", task.outputs)):
            for key, model in models.items():
                payload = {"role": role, "new": self._id("model", model)}
                unit.write("task.model", payload, task.ended or start, field=_name(key))
        if task.status != "in_progress":
            ended = max(task.ended or start, start)
            state = {"status": task.status, "reason": task.reason, "ended": ended}
            unit.write("task.state", {"new": state}, ended)
        self._write(log)
        self._take_reports(task, Owner("task", task_id))

    def _project_of_task(self, task: FoundTask) -> Json | None:
        parts = [each for each in (self._project, task.project) if each]
        name = check_project_name("/".join(parts)) if parts else None
        return None if name is None else project_of(name)

    def _take_reports(self, task: FoundTask, owner: Owner) -> None:
        if task.report is None:
            return
        path = self._spool / f"reports-{len(self._reports)}"
        spool = ReportSpool(path, self._files)
        try:
            task.report(spool)
            has_any = spool.finish()
        finally:
            spool.close()
        if spool.repeated:
            self.left["points of which a later one has the same iteration"] += spool.repeated
        if has_any:
            self._reports.append((owner, path))

    def _artifact(self, task: FoundTask, found: FoundArtifact) -> Json:
        """Return an artifact as events hold it; bring its bytes."""
        stem = (safe_filename(found.name) or "artifact").replace(".", "_")
        kind, total = found.kind, None
        if found.text is not None:
            digest, size = self._files.bytes(found.text.encode())
            filename = safe_filename(found.filename or "") or f"{stem}.txt"
        elif found.package and found.files:
            manifest = self._files.package(found.files)
            encoded = manifest.encoded()
            (digest, size), total = self._files.bytes(encoded), manifest.total
            kind, filename = "package", safe_filename(found.filename or "") or stem
        elif found.files:
            digest, size = self._files.file(found.files[0])
            filename = safe_filename(found.filename or found.files[0].name) or stem
        else:
            address = found.url or ""
            digest, size = self._files.bytes(address.encode())
            kind = "url" if is_remote(address) and is_stored_url(address) else "text"
            filename = f"{stem}.url"
            why = found.missing or "only their address came"
            ref = f"artifact {found.name} of task {task.name}"
            self._missing.append(Missing(ref, None, found.size, why))
        preview = None if found.preview is None else found.preview[:PREVIEW]
        details: Json = {"metadata": dict(found.metadata) or None, "preview": preview}
        if kind == "pandas":
            details["layout"] = {"levels": 0}  # a table without an index
        return {"digest": digest, "size": size, "total": total, "filename": filename,
                "kind": kind, "details": details}  # fmt: skip

    # --- models

    def _take_model(self, model: FoundModel) -> None:
        model_id = self._id("model", model.key)
        log = self._log(model_id, model.user)
        unit = log.unit(model_id)
        name = _name(model.name) or "model"
        project = check_project_name(self._project or model.project)
        number = model.version or 1
        at = model.changed or model.created
        born: Json = {
            "name": name, "project": None if project is None else project_of(project),
            "version": number, "comment": None, "framework": None, "package": False,
            "published": False, "archived": False, "task": None, "parent": None,
            "created": model.created, "birth": model.created, "config": "", "labels": {},
            "tags": [], "system_tags": [], "metadata": {}, "aliases": [], "weights": [],
        }  # fmt: skip
        is_new = unit.create("model.created", born, model.created)
        if is_new:
            self._renumber(unit, born, number, model)
        # What follows may change in the source.
        task = None if model.task is None else self._id("task", model.task)
        parent = None if model.parent is None else self._id("model", model.parent)
        columns: Json = {
            "comment": _comment(model.comment),
            "framework": _name(model.framework or "") or None,
            "archived": model.archived,
            "task": task,
            "parent": parent,
        }
        for column, new in columns.items():
            unit.write("model.changed", {"new": new}, at, field=column)
        for tag in _tags(model.tags):
            unit.add_tag("model.tag", tag, at)
        for key, value in sorted(model.metadata.items()):
            unit.write("model.metadata", {"new": _pair(value)}, at, field=_name(key))
        if model.config or model.labels:
            design = {"config": check_text("config", model.config), "labels": dict(model.labels)}
            unit.write("model.design", {"new": design}, at)
        for weights in model.weights:
            self._take_weights(unit, model, weights)
        self._write(log)
        for alias in model.aliases:
            where = (project or "", name, _name(alias))
            self._aliases[where] = (model_id, model.user or "", at)

    def _renumber(self, unit: Unit, born: Json, number: int, model: FoundModel) -> None:
        """Give a new model another number, if something else has its number here."""
        project = "" if born["project"] is None else born["project"]["name"]
        name = born["name"]
        taken = self._numbers.setdefault((project, name), set())
        with self._registry.store.read() as connection:
            is_taken = number in taken or claim_rows.was_named(connection, project, name, number)
            free = max([next_number(connection, project, name), *(each + 1 for each in taken)])
        if is_taken:
            place = line_payload(None, name, number) | {"project": born["project"]}
            payload = {"old": place, "new": place | {"version": free}}
            unit.write("model.renumbered", payload, model.created)
            if model.version is not None:
                self.left["version numbers that other models have here"] += 1
        taken.add(free if is_taken else number)

    def _take_weights(self, unit: Unit, model: FoundModel, weights: FoundWeights) -> None:
        """Bring the bytes of a revision and write that it was added, or note that they miss."""
        what = model.name if model.version is None else f"{model.name}:{model.version}"
        if weights.missing is not None:
            self._missing.append(Missing(what, None, weights.size, weights.missing))
        filename = safe_filename(weights.filename or "")
        record, private = None, None
        if weights.files:
            if self._wish.reference:
                private = _common_place(weights)
            record = self._weights_of_files(weights, filename, kept=private is None)
        elif weights.url is not None:
            url = parse_weights_url(weights.url)
            if url.public is None:
                self._missing.append(Missing(what, None, weights.size, "no such file is there"))
                return
            record = WeightsRecord(url=url.public, filename=filename or url.filename)
            private = None if url.text == url.public else url.text
        if record is None:
            return
        revision = unit.add_revision(record, model.created)
        if revision is not None and private is not None:
            self._urls[revision] = private

    def _weights_of_files(
        self, weights: FoundWeights, filename: str | None, *, kept: bool
    ) -> WeightsRecord:
        take = self._files.file if kept else self._files.digest
        if not weights.package:
            digest, size = take(weights.files[0])
            name = filename or safe_filename(weights.files[0].name)
            return WeightsRecord(filename=name, digest=digest, size=size, kept=kept)
        manifest = self._files.package(weights.files, reference=not kept)
        digest, size = self._files.bytes(manifest.encoded())
        return WeightsRecord(
            filename=filename or "package", digest=digest, size=size, package=True, tree=True,
            total=manifest.total, kept=kept,
        )  # fmt: skip

    # --- aliases

    def _take_aliases(self) -> None:
        """Write the aliases, except those that point elsewhere here."""
        for (project, name, alias), (model_id, user, at) in sorted(self._aliases.items()):
            subject = alias_id(project, name, alias)
            log = self._log(subject, user)
            unit = log.unit(subject)
            payload = {"project": project, "name": name, "new": model_id}
            unit.write("alias.set", payload, at, field=alias)
            self._write(log)


def _common_place(weights: FoundWeights) -> str | None:
    """Return the URL of the file, or of the folder of a package; None if it has no one folder."""
    first = weights.files[0]
    if not weights.package:
        return first.path.as_uri()
    depth = first.name.count("/") + 1
    folder = first.path.parents[depth - 1]
    if any(each.path != folder / each.name for each in weights.files):
        return None
    return folder.as_uri()


def _name(text: str) -> str:
    return kept_name(check_text("name", text, limit=NAME_LIMIT, nul=False))


def _comment(text: str | None) -> str | None:
    return None if not text else check_text("comment", text)


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in tags if (name := _name(each))))


def _pair(value: MetadataValue) -> list[str]:
    return [check_text("value", value.value), value.type]
