"""Record what an importer finds: tasks and models with their events, reports and bytes.

One pass reads the source: bytes become blobs, reports and events go to temporary files. Then one
transaction records all of it. What an event says depends on the source alone, apart from the order
of events: see `event_log`.

Each task, model and alias has an origin of its own, so that the numbers of its events depend on
nothing else. Of what was removed here nothing is read. What has an id that is here already, and was
not made by an import of the same kind, is left as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from localreg.blobs.trees.listing import folder_entries
from localreg.errors import (
    BundleError,
    InvalidEventError,
    InvalidURLError,
    InvalidValueError,
    SourceError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.carry.arrival import Arrived, arrive
from localreg.operations.carry.export import Missing
from localreg.operations.finding.gates import check_alias
from localreg.operations.finding.references import check_project_name
from localreg.operations.importers.arriving_files import ArrivingFiles
from localreg.operations.importers.event_log import EventLog, Unit, derived_id, project_of
from localreg.operations.importers.found import (
    FoundArtifact,
    FoundModel,
    FoundTask,
    FoundWeights,
)
from localreg.operations.importers.report_spool import ReportSpool, Spooled, pieces_of
from localreg.operations.importers.source_files import damaged
from localreg.operations.tasks.artifacts import PREVIEW
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.registry import Chain
from localreg.store.rows import claim_rows, logged_rows, model_rows
from localreg.store.rows.keys import next_number
from localreg.values.canonical import canonical
from localreg.values.checks import NAME_LIMIT, check_text, kept_name, shown
from localreg.values.event_lines import event_line, read_events
from localreg.values.frozen import Frozen
from localreg.values.ids import alias_id, is_id
from localreg.values.records import (
    LoggedEvent,
    MetadataValue,
    Owner,
    Project,
    WeightsRecord,
    line_payload,
    reference,
)
from localreg.values.secrets import masked_text
from localreg.values.urls import (
    is_remote,
    is_stored_url,
    parse_weights_url,
    safe_filename,
    without_secrets,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.operations.importers.found import Source
    from localreg.progress import Progress
    from localreg.store.events.change import Change
    from localreg.values.manifest import Manifest
    from localreg.values.records import Json

    _Value = TypeVar("_Value")

TWIN = "localreg:"
"""What a key begins with if localreg wrote it to the source: the id of the original follows, and
after a line feed what else the creation of a model says."""

_MOST = 2**60  # as events hold numbers


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
    with (
        registry.blobs.temporary_folder() as spool,
        disk_errors("importing", spool),
        ArrivingBlobs(chain) as blobs,
    ):
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
                lines=incoming.lines,
                first=incoming.note_urls,
            )
        except (InvalidEventError, BundleError) as error:
            raise damaged(source.place, f"cannot be kept: {error}") from error
        finally:
            incoming.close()
    if not wish.dry_run:
        incoming.renew_urls()
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
        self.lines: list[str] = []  # what is different here from the source, as sentences
        self._registry = chain.first
        self._found = source
        self._wish = wish
        self._project = project
        self._files = files
        self._spool = spool
        # Closed by `close`.
        self._writer = open(spool / "events", "wb")  # noqa: SIM115
        self._spooled = open(spool / "reports", "w+b")  # noqa: SIM115
        self._origins: dict[str, str] = {}
        self._reports: list[tuple[Owner, Spooled]] = []
        self._missing: list[Missing] = []
        self._urls: dict[str, tuple[str, str]] = {}  # model and address, by revision
        self._models: dict[str, str] = {}  # references in the source, by id
        self._renumbered: dict[str, str] = {}  # references here of those that are new
        self._numbers: dict[tuple[str, str], set[int]] = {}
        self._aliases: dict[tuple[str, str, str], tuple[str, str | None, int]] = {}

    # --- what `arrive` asks for

    def origins(self) -> dict[str, str]:
        """Return the name of the origin of each task, model and alias."""
        return self._origins

    def events(self) -> Iterator[LoggedEvent]:
        """Yield the events that are new or different here."""
        with open(self._spool / "events", "rb", buffering=0) as reader:
            yield from read_events(pieces_of(reader), "events")

    def packages(self) -> Iterator[tuple[str, Manifest]]:
        """Yield the packages that came."""
        yield from self._files.packages()

    def reports(self) -> Iterator[tuple[Owner, Iterable[bytes], int | None]]:
        """Yield what was reported to each task."""
        for owner, spooled in self._reports:
            yield owner, spooled.pieces(self._spooled), spooled.size

    def models(self) -> Iterator[tuple[str, Json]]:
        """Yield nothing: copies of models are not made."""
        return iter(())

    def missing(self) -> tuple[Missing, ...]:
        """Return the bytes that the source does not have."""
        return tuple(self._missing)

    def note_urls(self, change: Change) -> None:
        """Store the addresses on this machine, which no event may hold, where the fold looks."""
        for revision, (_, url) in self._urls.items():
            model_rows.keep_private_url(change.connection, revision, url)

    def renew_urls(self) -> None:
        """Change the addresses of revisions that were here, if the source has another place now."""
        if self._urls:
            with self._registry.store.write() as change:
                for revision, (model_id, url) in self._urls.items():
                    model_rows.renew_private_url(change.connection, model_id, revision, url)

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
        self._writer.close()

    def close(self) -> None:
        """Close the temporary files."""
        for file in (self._writer, self._spooled):
            with suppress(OSError):  # of a full disk: nothing reads what is not written yet
                file.close()

    @staticmethod
    def _checked(what: str, take: Callable[..., None], found: object) -> None:
        try:
            take(found)
        except InvalidValueError as error:
            if isinstance(error, SourceError) or error.argument == "link":
                raise
            raise damaged(what, f"cannot be kept: {error}") from error

    def _log(self, subject: str, user: str | None) -> EventLog:
        """Return the log of one task, model or alias: each has an origin of its own."""
        kind = self._found.kind
        origin = derived_id(kind, "origin", subject)
        with self._registry.store.read() as connection:
            held = list(logged_rows.of_unit(connection, subject))
        actor = f"{_name(user)[:200]}@{kind}" if user else kind
        return EventLog(origin, kind, actor, {subject: held})

    def _write(self, log: EventLog) -> None:
        if log.events:
            self._origins[log.origin] = self._found.kind
            self._writer.writelines(map(event_line, log.events))

    def _id(self, what: str, key: str) -> str:
        """Return the id here of a task or model of the source."""
        check_text("key", key)
        if self._project is not None:  # a copy that is put there
            return derived_id(self._found.kind, what, canonical([self._project, key]))
        twin = key.removeprefix(TWIN).partition("\n")[0]
        if key.startswith(TWIN) and is_id(twin) and self._is_here(twin):
            return twin
        # Models are not looked for by their ids, and a task may have the same.
        if what == "task" and is_id(key):
            return key
        return derived_id(self._found.kind, what, key)

    def _is_here(self, subject: str) -> bool:
        with self._registry.store.read() as connection:
            return logged_rows.has_unit(connection, subject)

    def _is_wanted(self, what: str, unit: Unit, taken: Mapping[str, str], subject: str) -> bool:
        """Return True if a task or model is to be recorded; else count it."""
        if unit.is_foreign:
            self.left[f"{what}s that are here already, and not by an import"] += 1
        elif unit.is_removed:
            self.left[f"{what}s that were removed here"] += 1
        elif subject in taken:
            self.left[f"{what}s that an earlier one has the key of"] += 1
        else:
            return True
        return False

    def _named(self, what: str, found: Mapping[str, _Value]) -> list[tuple[str, _Value]]:
        """Return what a mapping holds by the names that are kept, sorted; the last of each."""
        named = {_name(key): value for key, value in found.items()}
        if len(named) < len(found):
            self.left[f"{what} whose names differ only in blanks or forms of letters"] += len(
                found
            ) - len(named)
        return sorted(named.items())

    # --- tasks

    def _take_task(self, task: FoundTask) -> None:
        task_id = self._id("task", task.key)
        log = self._log(task_id, task.user)
        unit = log.unit(task_id)
        if not self._is_wanted("task", unit, self.names, task_id):
            return
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
        unit.write("task.run", {"new": _how(task.run)}, start)
        unit.write("task.moved", {"new": project}, start)
        for tag in _tags(task.tags):
            unit.add_tag("task.tag", tag, start)
        self._write_settings(unit, task)
        self._write_files(unit, task)
        if task.status != "in_progress":
            ended = max(task.ended or start, start)
            state = {"status": task.status, "reason": task.reason, "ended": ended}
            unit.write("task.state", {"new": state}, ended)
        self._write(log)
        self._take_reports(task, Owner("task", task_id))

    def _write_settings(self, unit: Unit, task: FoundTask) -> None:
        """Write parameters and configurations."""
        sections: dict[str, dict[str, MetadataValue]] = {}
        for (section, key), value in task.parameters.items():
            sections.setdefault(_name(section), {})[key] = value
        for section, found in sorted(sections.items()):
            for key, value in self._named("parameters", found):
                payload: Json = {"section": section, "new": _pair(value)}
                unit.write("task.parameter", payload, task.created, field=key)
        for key, text in self._named("configurations", task.configurations):
            payload = {"new": [check_text(key, text)]}
            unit.write("task.configuration", payload, task.created, field=key)

    def _write_files(self, unit: Unit, task: FoundTask) -> None:
        """Write artifacts and models; bring the bytes."""
        end = task.ended or task.created
        artifacts = {each.name: each for each in task.artifacts}
        for key, artifact in self._named("artifacts", artifacts):
            payload: Json = {"new": self._artifact(task, artifact)}
            unit.write("task.artifact", payload, artifact.at or end, field=key)
        for role, models in (("input", task.inputs), ("output", task.outputs)):
            for key, model in self._named("models", models):
                payload = {"role": role, "new": self._id("model", model)}
                unit.write("task.model", payload, end, field=key)

    def _project_of_task(self, task: FoundTask) -> Json | None:
        parts = [each for each in (self._project, task.project) if each]
        name = check_project_name("/".join(parts)) if parts else None
        return None if name is None else project_of(name)

    def _take_reports(self, task: FoundTask, owner: Owner) -> None:
        if task.report is None:
            return
        spool = ReportSpool(self._spooled, self._files)
        task.report(spool)
        spooled = spool.finish()  # which also writes, and so counts, the points that it held
        if spool.repeated:
            self.left["points of which a later one has the same iteration"] += spool.repeated
        if spooled is not None:
            self._reports.append((owner, spooled))

    def _artifact(self, task: FoundTask, found: FoundArtifact) -> Json:
        """Return an artifact as events hold it; bring its bytes."""
        stem = (safe_filename(found.name) or "artifact").replace(".", "_")
        kind, total = found.kind, None
        if found.text is not None:
            digest, size = self._files.bytes(check_text("text", found.text).encode())
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
            address = check_text("url", found.url or "")
            is_link = is_remote(address) and is_stored_url(address)
            address = address if is_link else without_secrets(address)
            digest, size = self._files.bytes(address.encode())
            kind, filename = ("url" if is_link else "text"), f"{stem}.url"
            self._lacks(
                f"artifact {found.name} of task {task.name}",
                found.size,
                found.missing or "only their address came",
            )
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
        if not self._is_wanted("model", unit, self._models, model_id):
            return
        name = _name(model.name) or "model"
        project = check_project_name(self._project or model.project)
        number = 1 if model.version is None else model.version
        if not 0 < number < _MOST:
            raise InvalidValueError(f"its version is {shown(number)}", argument="version")
        at = model.changed or model.created
        born: Json = {
            "name": name, "project": None if project is None else project_of(project),
            "version": number, "comment": None, "framework": None, "package": False,
            "published": False, "archived": False, "task": None, "parent": None,
            "created": model.created, "birth": model.created, "config": "", "labels": {},
            "tags": [], "system_tags": [], "metadata": {}, "aliases": [], "weights": [],
        }  # fmt: skip
        self._models[model_id] = _line(project, name, number)
        if unit.create("model.created", born, model.created):
            self._renumber(unit, born, model)
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
        for key, value in self._named("metadata", model.metadata):
            unit.write("model.metadata", {"new": _pair(value)}, at, field=key)
        if model.config or model.labels:
            design = {"config": check_text("config", model.config), "labels": dict(model.labels)}
            unit.write("model.design", {"new": design}, at)
        for weights in model.weights:
            self._take_weights(unit, model, weights)
        self._write(log)
        for alias in model.aliases:
            self._aliases[project or "", name, alias] = model_id, model.user, at

    def _renumber(self, unit: Unit, born: Json, model: FoundModel) -> None:
        """Give a new model another number, if something else has its number here."""
        project = "" if born["project"] is None else born["project"]["name"]
        name, number = born["name"], born["version"]
        taken = self._numbers.setdefault((project, name), set())
        with self._registry.store.read() as connection:
            is_taken = number in taken or claim_rows.was_named(connection, project, name, number)
            free = next_number(connection, project, name)
        if is_taken:
            free = max(free, max(taken, default=0) + 1)
            place = line_payload(None, name, number) | {"project": born["project"]}
            payload = {"old": place, "new": place | {"version": free}}
            unit.write("model.renumbered", payload, model.created)
            if model.version is not None:
                line = _line(project, name, number)
                self.lines.append(f"{line} is {free} here: another model has its number")
            self._renumbered[self._id("model", model.key)] = _line(project, name, free)
        taken.add(free if is_taken else number)

    def _take_weights(self, unit: Unit, model: FoundModel, weights: FoundWeights) -> None:
        """Bring the bytes of a revision and write that it was added, or note that they miss."""
        what = self._here(self._id("model", model.key))
        if weights.missing is not None:
            self._lacks(what, weights.size, weights.missing)
        filename = safe_filename(weights.filename or "")
        private = None
        if weights.files:
            if self._wish.reference:
                private = _common_place(weights)
            record = self._weights_of_files(weights, filename, kept=private is None)
        elif weights.url is not None:
            try:
                url = parse_weights_url(weights.url)
            except InvalidURLError as error:
                self._lacks(what, weights.size, str(error))
                return
            if url.public is None:
                text = without_secrets(weights.url)
                self._lacks(what, weights.size, f"there is no such file: {text}")
                return
            record = WeightsRecord(url=url.public, filename=filename or url.filename)
            private = None if url.text == url.public else url.text
        else:
            return
        revision, is_kept = unit.add_revision(record, model.created)
        if private is not None and not is_kept:
            self._urls[revision] = self._id("model", model.key), private

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

    def _lacks(self, what: str, size: int | None, why: str) -> None:
        """Note bytes that do not come."""
        known = size if size is not None and 0 <= size < _MOST else None
        self._missing.append(Missing(what, None, known, masked_text(why)))

    # --- aliases

    def _take_aliases(self) -> None:
        """Write the aliases, except those that lead elsewhere here, by something done here."""
        for (project, name, alias), (model_id, user, at) in sorted(self._aliases.items()):
            try:
                check_alias(alias)
            except InvalidValueError:
                self.left["aliases with names that no alias has here"] += 1
                continue
            subject = alias_id(project, name, _name(alias))
            log = self._log(subject, user)
            unit = log.unit(subject)
            there, is_changed_here = unit.alias()
            if there == model_id:
                continue
            # Another source of this kind may have set it: then its model is not in this one.
            if is_changed_here or (there is not None and there not in self._models):
                where = "was dropped here" if there is None else f"stays at {self._ref(there)}"
                line = f"{_line(project, name)}@{alias}"
                self.lines.append(f"{line} {where}; in the source it is {self._known(model_id)}")
                continue
            payload = {"project": project, "name": name, "new": model_id}
            unit.write("alias.set", payload, at, field=_name(alias))
            self._write(log)

    def _known(self, model_id: str) -> str:
        """Return what a model of the source is called there, and here if that is another name."""
        there, here = self._models[model_id], self._here(model_id)
        return there if here == there else f"{there}, which is {here} here"

    def _here(self, model_id: str) -> str:
        """Return what a model of the source is called here, or will be."""
        if model_id in self._renumbered:
            return self._renumbered[model_id]
        return self._ref(model_id) if self._is_here(model_id) else self._models[model_id]

    def _ref(self, model_id: str) -> str:
        with self._registry.store.read() as connection:
            row = model_rows.model_row(connection, model_id)
        return model_id[:8] if row is None else row.ref


def _line(project: str | None, name: str, number: int | None = None) -> str:
    return reference(Project("", project) if project else None, name, number)


def _common_place(weights: FoundWeights) -> str | None:
    """Return the URL of the file, or of the folder of a package.

    None if no folder has exactly the files of the package, under their names: what is fetched from
    it later would be something else.
    """
    first = weights.files[0]
    if not weights.package:
        return first.path.as_uri()
    folder = first.path.parents[first.name.count("/")]
    if any(each.path != folder / each.name for each in weights.files):
        return None
    try:
        there = {(each.name, each.executable) for each in folder_entries(folder).entries}
    except InvalidValueError:  # it holds what no package can have
        return None
    named = {(each.name, each.executable) for each in weights.files}
    return folder.as_uri() if named == there else None


def _name(text: str) -> str:
    return kept_name(check_text("name", text, limit=NAME_LIMIT, nul=False))


def _how(run: Json) -> Json:
    """Return how a task ran, without the passwords of URLs."""
    return {
        key: without_secrets(value) if isinstance(value, str) else value
        for key, value in run.items()
    }


def _comment(text: str | None) -> str | None:
    return None if not text else check_text("comment", text)


def _tags(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in tags if (name := _name(each))))


def _pair(value: MetadataValue) -> list[str]:
    return [check_text("value", value.value), value.type]
