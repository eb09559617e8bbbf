"""A registry as a folder that MLflow opens: ``mlflow.db``, and files in ``mlartifacts``.

Tasks become runs with the same ids, in an experiment for each project. Models become versions of
registered models. A model that values were reported to also becomes a run, with the id of the
model. `guide/migrating.md` says what goes where. Tags that begin with ``localreg.`` keep what
MLflow has no place for, so that an import gives the same again.

MLflow finds artifacts by the URIs in the database, and those are absolute.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from logging import getLevelName
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.carry.export import ExportedModel, Missing
from localreg.operations.exporters.contents import Contents
from localreg.operations.exporters.file_names import FileNames, name_and_ending
from localreg.operations.exporters.given_files import (
    GivenFiles,
    content,
    files_of_artifact,
    files_of_model,
    write_file,
    write_files,
)
from localreg.operations.exporters.mlflow_names import (
    DEFAULT,
    MlflowNames,
    alias_name,
    metric_name,
    model_name,
    parameter_name,
    tag_name,
)
from localreg.operations.exporters.written import POINT, SECRETS, Plan
from localreg.operations.finding.upstream import Found
from localreg.operations.reports import charts
from localreg.plots import figures
from localreg.store.database.sqlite_errors import translated
from localreg.store.foreign.mlflow_writing import (
    MlflowDatabase,
    MlflowRun,
    MlflowVersion,
)
from localreg.store.rows import carried_blobs, report_rows, report_transfer, task_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.values.records import ModelRecord, Owner, TaskRecord
from localreg.values.secrets import (
    HIDDEN,
    masked,
    masked_config,
    masked_log,
    masked_text,
    secret_values,
)
from localreg.values.urls import local_path, public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.model_rows import Connection

DATABASE, ARTIFACTS = "mlflow.db", "mlartifacts"
_CONSOLE, _REQUIREMENTS = "console.log", "requirements.txt"
_LONGEST = 6_000  # characters of a parameter, as MLflow allows
_STATUS = {
    "created": "SCHEDULED", "queued": "SCHEDULED", "in_progress": "RUNNING", "failed": "FAILED",
    "stopped": "KILLED", "aborted": "KILLED",
}  # fmt: skip


def planned(contents: Contents) -> Plan:
    """Return what will be written; see `formats.Exporter`."""
    models: list[ExportedModel] = []
    weights: dict[str, GivenFiles] = {}
    missing: list[Missing] = []
    files = size = points = 0
    for found in contents.models:
        record = contents.record(found)
        given = files_of_model(contents.chain, found, record)
        weights[found.id] = given
        models.append(ExportedModel(found.id, record.ref, given.size))
        contents.left["older weights of models"] += max(0, len(record.weights) - 1)
    owners = [("model", each) for each in contents.models]
    owners += [("task", each) for each in contents.tasks]
    for kind, found in owners:
        points += contents.points(kind, found)
        for given in _reported_files(contents, kind, found):
            files += len(given.files)
            size += given.size
            missing += given.missing
    for given in weights.values():
        missing += given.missing
    return Plan(
        contents=contents,
        weights=weights,
        models=tuple(models),
        tasks=len(contents.tasks),
        points=points,
        files=files + sum(len(each.files) for each in weights.values()),
        size=size + sum(each.size for each in weights.values()),
        missing=tuple(missing),
    )


def write(plan: Plan, folder: Path, place: Path, wrote: Callable[[int], None]) -> None:
    """Write the folder; see `formats.Exporter`."""
    path = folder / DATABASE
    with translated(path):
        database = MlflowDatabase(path)
    with closing(database):
        writing = _Writing(plan, database, folder, place, wrote)
        for found in plan.contents.tasks:
            writing.add_task(found)
        for found in plan.contents.models:
            writing.add_reports_of_model(found)
        writing.add_models()
        with translated(path):
            database.finish()


def _reported_files(contents: Contents, kind: str, found: Found) -> Iterator[GivenFiles]:
    """Yield the files of artifacts and reports of a model or task."""
    connection = contents.connections[found.registry]
    for each in carried_blobs.blobs_of(connection, Owner(kind, found.id)):
        yield files_of_artifact(
            contents.chain,
            found,
            f"{kind} {found.id[:8]}",
            each.digest,
            each.size,
            each.filename or "a picture of a report",
            package=each.package is not None,
        )


class _Writing:
    """Writes runs and models into a database, and their files beside it."""

    def __init__(
        self,
        plan: Plan,
        database: MlflowDatabase,
        folder: Path,
        place: Path,
        wrote: Callable[[int], None],
    ) -> None:
        self._plan = plan
        self._contents = plan.contents
        self._left = plan.contents.left
        self._changed = plan.contents.changed
        self._database = database
        self._folder = folder / ARTIFACTS
        self._place = place / ARTIFACTS
        self._wrote = wrote
        self._experiments: dict[str | None, int] = {}
        self._runs: set[str] = set()
        self._names = MlflowNames(self._changed, DEFAULT)
        self._add_experiment(None, DEFAULT, 0)

    def _put(self, add: Callable[..., None], *values: object) -> None:
        """Add to the database; only errors of this file are about it."""
        with translated(self._place.parent / DATABASE):
            add(*values)

    # --- experiments

    def _add_experiment(self, project: str | None, name: str, created: int) -> int:
        number = len(self._experiments)
        self._experiments[project] = number
        uri = (self._place / str(number)).as_uri()
        tags = {"localreg.project": project or ""}
        self._put(self._database.add_experiment, number, name, uri, created // 1_000, tags)
        return number

    def _experiment(self, project: str | None, created: int) -> int:
        if project in self._experiments:
            return self._experiments[project]
        return self._add_experiment(project, self._names.name(project or ""), created)

    # --- runs

    def add_task(self, found: Found) -> None:
        """Add a task as a run."""
        connection = self._contents.connections[found.registry]
        task = task_rows.task(connection, found.id)
        assert task is not None  # in the same transaction
        number = self._experiment(task.project.name if task.project else None, task.created)
        folder = _RunFolder(self._folder / str(number) / task.id / "artifacts", self._wrote)
        parameters = task_rows.parameters(connection, task.id)
        tags = task_rows.tags(connection, task.id)
        properties = [
            each for each in parameters if _is_property(*each[:3]) and each[1] not in tags
        ]
        secrets = secret_values((name, value) for _, name, value, _ in parameters)
        owner = Owner("task", task.id)
        metrics = _Metrics(connection, owner, self._changed)
        run = {key: each for key, each in task.run.items() if isinstance(each, str)}
        script = masked_text(run.get("script", ""))
        self._put(
            self._database.add_run,
            MlflowRun(
                id=task.id,
                experiment=number,
                name=task.name,
                user=run.get("user", ""),
                script=script,
                commit=run.get("commit", ""),
                status=_STATUS.get(task.status, "FINISHED"),
                start=task.created // 1_000,
                end=None if task.ended is None else task.ended // 1_000,
                artifacts=self._uri(number, task.id),
                params=self._params(
                    [each for each in parameters if each not in properties], folder
                ),
                tags=self._task_tags(connection, task, run, properties) | metrics.tags,
            ),
        )
        self._runs.add(task.id)
        self._write_artifacts(connection, found, folder)
        config, _ = task_rows.design(connection, task.id)
        for name, text in (
            *({"model": config} if config else {}).items(),
            *task_rows.configurations(connection, task.id).items(),
        ):
            folder.write_text("configurations", name, ".txt", self._config(text))
        packages = task.run.get("packages")
        if isinstance(packages, dict) and packages:
            folder.write_requirements(packages)
        self._write_reports(found, owner, metrics, folder, secrets)

    def add_reports_of_model(self, found: Found) -> None:
        """Add a run for what was reported to a model itself, if anything was."""
        connection = self._contents.connections[found.registry]
        owner = Owner("model", found.id)
        if not report_transfer.has_reports(connection, owner):
            return
        record = self._contents.record(found)
        number = self._experiment(record.project.name if record.project else None, record.created)
        folder = _RunFolder(self._folder / str(number) / found.id / "artifacts", self._wrote)
        metrics = _Metrics(connection, owner, self._changed)
        self._put(
            self._database.add_run,
            MlflowRun(
                id=found.id,
                experiment=number,
                name=record.ref,
                user="",
                script="",
                commit="",
                status="FINISHED",
                start=record.created // 1_000,
                end=record.updated // 1_000,
                artifacts=self._uri(number, found.id),
                params={},
                tags={"mlflow.runName": record.ref, "localreg.model": found.id} | metrics.tags,
            ),
        )
        self._runs.add(found.id)
        self._write_reports(found, owner, metrics, folder, ())

    def _uri(self, experiment: int, run: str) -> str:
        return (self._place / str(experiment) / run / "artifacts").as_uri()

    def _params(
        self, parameters: list[tuple[str, str, str, str]], folder: _RunFolder
    ) -> dict[str, str]:
        names = MlflowNames(self._changed)
        found = {}
        for section, name, value, _ in parameters:
            shown = masked(f"{section}/{name}", value)
            self._note_hidden(value, shown)
            key = names.name(parameter_name(section, name))
            if len(shown) > _LONGEST:
                folder.write_text("parameters", key, ".txt", shown)
                self._changed["parameters, cut after 6,000 characters"] += 1
            found[key] = shown[:_LONGEST]
        return found

    def _task_tags(
        self,
        connection: Connection,
        task: TaskRecord,
        run: Mapping[str, str],
        properties: list[tuple[str, str, str, str]],
    ) -> dict[str, str]:
        names = MlflowNames(self._changed)
        tags = {names.name(tag, tag_name(tag)): "" for tag in task_rows.tags(connection, task.id)}
        for section, name, value, _ in properties:
            tags[names.name(name, tag_name(name))] = shown = masked(f"{section}/{name}", value)
            self._note_hidden(value, shown)
        _, labels = task_rows.design(connection, task.id)
        inputs = task_rows.models(connection, task.id, "input")
        outputs = task_rows.models(connection, task.id, "output")
        more = {
            "mlflow.runName": task.name,
            "mlflow.note.content": masked_text(task.comment or ""),
            "mlflow.parentRunId": task.parent,
            "mlflow.user": run.get("user"),
            "mlflow.source.name": masked_text(run.get("script", "")),
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": run.get("commit"),
            "mlflow.source.git.branch": run.get("branch"),
            "mlflow.source.git.repoURL": masked_text(run.get("repository", "")),
            "localreg.id": task.id,
            "localreg.type": task.type,
            "localreg.status": task.status,
            "localreg.reason": masked_text(task.reason or ""),
            "localreg.published": "true" if task.published else "",
            "localreg.labels": _json(labels),
            "localreg.inputs": _json(inputs),
            "localreg.outputs": _json(outputs),
        }
        return tags | {key: value for key, value in more.items() if value}

    def _write_artifacts(self, connection: Connection, found: Found, folder: _RunFolder) -> None:
        for each in task_rows.artifacts(connection, found.id).values():
            given = files_of_artifact(
                self._contents.chain, found, "", each.digest, each.size, each.filename,
                package=each.total is not None,
            )  # fmt: skip
            if each.total is not None:
                write_files(given, folder.place("", each.name), self._wrote)
                continue
            ending = name_and_ending(each.filename)[1]
            stem = each.name.removesuffix(ending) if ending else each.name
            for file in given.files:
                if each.kind == "url":  # it may have a password
                    text = content(file).decode(errors="replace")
                    folder.write_text("", stem, ending, masked_text(text))
                else:
                    write_file(file, folder.place("", stem, ending), self._wrote)

    def _write_reports(
        self,
        found: Found,
        owner: Owner,
        metrics: _Metrics,
        folder: _RunFolder,
        secrets: Sequence[str],
    ) -> None:
        connection = self._contents.connections[found.registry]
        for key, points in metrics.points():
            self._put(self._database.add_points, owner.id, key, points)
            self._wrote(POINT * len(points))
        for group in charts.figure_rows(connection, owner):
            name = f"{metric_name(group.title, group.series or group.title)}_{group.iteration}"
            if group.rows[0].kind == "media":
                self._write_media(found, group.rows[0], name, folder)
                continue
            with taken_apart("plot", group.title, "spec"):
                drawn = [(row.series, charts.drawing_of(connection, row)) for row in group.rows]
                figure = figures.overlaid(drawn, group.title)
            folder.write_text("plots", name, ".json", charts.figure_json(figure))
        lines = (
            f"{_time(each.at)} {getLevelName(each.level)} {masked_log(each.text, secrets)}\n"
            for each in report_rows.message_stream(connection, owner)
        )
        folder.write_console(lines)

    def _write_media(
        self, found: Found, row: report_rows.PlotRow, name: str, folder: _RunFolder
    ) -> None:
        with taken_apart("plot", row.title, "spec"):
            filename = str(json.loads(row.spec)["options"].get("filename") or "")
        if row.digest is None:
            self._left["pictures that are links"] += 1
            return
        given = files_of_artifact(
            self._contents.chain, found, "", row.digest, row.size or 0, filename, package=False
        )
        for file in given.files:
            place = folder.place("media", name, name_and_ending(filename)[1])
            write_file(file, place, self._wrote)

    # --- models

    def add_models(self) -> None:
        """Add the models as versions of registered models."""
        lines: dict[tuple[str, str], list[Found]] = {}
        for found in self._contents.models:
            record = self._contents.record(found)
            project = record.project.name if record.project else ""
            lines.setdefault((project, record.name), []).append(found)
        names = MlflowNames(self._changed)
        for _, line in sorted(lines.items()):
            self._add_line(line, names)

    def _add_line(self, line: list[Found], names: MlflowNames) -> None:
        """Add the versions of one name."""
        records = {each.id: self._contents.record(each) for each in line}
        ordered = sorted(line, key=lambda each: (records[each.id].version or 0, each.id))
        first = records[ordered[0].id]
        name = names.name(first.name, model_name(first.project, first.name))
        self._put(
            self._database.add_model,
            name,
            min(each.created for each in records.values()) // 1_000,
            max(each.updated for each in records.values()) // 1_000,
            {
                "localreg.project": first.project.name if first.project else "",
                "localreg.name": first.name,
            },
        )
        last = max(each.version or 0 for each in records.values())
        taken: set[int] = set()
        aliases = MlflowNames(self._changed)
        for found in ordered:
            record = records[found.id]
            number = record.version or 1
            if number in taken:  # in registries that met
                last += 1
                number = last
                self._changed["version numbers, since two models had the same"] += 1
            taken.add(number)
            self._add_version(found, record, name, number)
            held = set(record.held)
            for alias in record.aliases:
                if alias not in held:
                    given = aliases.name(alias, alias_name(alias))
                    self._put(self._database.add_alias, name, given, number)

    def _add_version(self, found: Found, record: ModelRecord, name: str, number: int) -> None:
        given = self._plan.weights[found.id]
        url = record.current_weights.url
        source = (self._place / "models" / found.id).as_uri()
        if not given.files and url is not None and local_path(url) is None:
            source = public_url(url)
        write_files(given, self._folder / "models" / found.id, self._wrote)
        runs = (each for each in (record.task, found.id) if each in self._runs)
        self._put(
            self._database.add_version,
            MlflowVersion(
                model=name,
                number=number,
                created=record.created // 1_000,
                updated=record.updated // 1_000,
                description=masked_text(record.comment) if record.comment else None,
                stage="Archived" if record.archived else "None",
                source=source,
                run=next(runs, None),
                tags=self._version_tags(record),
            ),
        )

    def _version_tags(self, record: ModelRecord) -> dict[str, str]:
        names = MlflowNames(self._changed)
        tags = {names.name(tag, tag_name(tag)): "" for tag in record.tags}
        for key, entry in sorted(record.metadata.items()):
            shown = masked(key, entry.value)
            self._note_hidden(entry.value, shown)
            tags[names.name(key, tag_name(key))] = shown
        more = {
            "localreg.id": record.id,
            "localreg.version": str(record.version),
            "localreg.framework": record.framework,
            "localreg.package": "true" if record.package else "false",
            "localreg.published": "true" if record.published else "",
            "localreg.task": record.task,
            "localreg.parent": record.parent,
            "localreg.labels": _json(record.labels),
            "localreg.config": self._config(record.config),
        }
        return tags | {key: value for key, value in more.items() if value}

    # --- secrets

    def _config(self, text: str) -> str:
        shown = masked_config(text)
        self._note_hidden(text, shown)
        return shown

    def _note_hidden(self, value: str, shown: str) -> None:
        self._changed[SECRETS] += shown != value and HIDDEN in shown


class _Metrics:
    """The scalars of a model or task, as metrics of a run."""

    def __init__(self, connection: Connection, owner: Owner, changed: Counter[str]) -> None:
        self._connection = connection
        names = MlflowNames(changed)
        self._series = [
            (names.name(metric_name(each.title, each.name)), each)
            for each in report_rows.series(connection, owner)
        ]
        self._singles = [
            (names.name(name), value, at)
            for name, value, at in report_rows.timed_singles(connection, owner)
        ]

    @property
    def tags(self) -> dict[str, str]:
        """A tag that says which metrics are single values; none without any."""
        keys = [key for key, _, _ in self._singles]
        return {"localreg.singles": json.dumps(keys, ensure_ascii=False)} if keys else {}

    def points(self) -> Iterator[tuple[str, list[tuple[int, float | None, int]]]]:
        """Yield the name of each metric with points: step, value and milliseconds."""
        for key, series in self._series:
            epoch = series.epoch
            for points in report_rows.point_stream(self._connection, series.pk):
                yield key, [(step, value, ms + epoch) for step, value, ms in points]
        for key, value, at in self._singles:
            yield key, [(0, value, at // 1_000)]


class _RunFolder:
    """The folder of the artifacts of a run; what is in it is made when it is needed.

    Args:
        path: of the folder.
        wrote: called with numbers of bytes.
    """

    def __init__(self, path: Path, wrote: Callable[[int], None]) -> None:
        self._path = path
        self._wrote = wrote
        own = ("configurations", "parameters", "plots", "media", _CONSOLE, _REQUIREMENTS)
        self._names = {"": FileNames(own)}

    def place(self, below: str, name: str, ending: str = "") -> Path:
        """Return a new path for a file or folder in one of the folders; "" is the top."""
        names = self._names.setdefault(below, FileNames())
        return self._path / below / names.name(name, ending)

    def write_text(self, below: str, name: str, ending: str, text: str) -> None:
        """Write a text to a new file in one of the folders."""
        self._write_text(self.place(below, name, ending), text)

    def write_requirements(self, packages: Mapping[str, object]) -> None:
        """Write the packages that a run had."""
        text = "".join(f"{name}=={version}\n" for name, version in packages.items())
        self._write_text(self._path / _REQUIREMENTS, text)

    def _write_text(self, place: Path, text: str) -> None:
        with disk_errors("writing files", place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8", newline="\n")

    def write_console(self, lines: Iterator[str]) -> None:
        """Write the lines of a log; no file without any."""
        first = next(lines, None)
        if first is None:
            return
        place = self._path / _CONSOLE
        with disk_errors("writing files", place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "x", encoding="utf-8", newline="\n") as writer:
                writer.write(first)
                writer.writelines(lines)


def _is_property(section: str, name: str, value: str) -> bool:
    """Return True for a user property that a tag can hold; one without a value is a tag of ours."""
    return section == "properties" and tag_name(name) == name and 0 < len(value) <= _LONGEST


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(dict(value), ensure_ascii=False) if value else ""


def _time(at: int) -> str:
    moment = datetime.fromtimestamp(at / 1e6, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
