"""A store of Trackio, the local tracker of Hugging Face: a database for each project.

It is a folder, usually ~/.cache/huggingface/trackio, or one database or Parquet file in it. Of a
project whose database is missing the Parquet copies are read. A run becomes a task, and a version
of an artifact one of a model. Trackio does not say how a run ended: all have ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers.foreign_values import metadata_of, microseconds_of, parameters_of
from localreg.operations.importers.found import (
    FoundFile,
    FoundModel,
    FoundTask,
    FoundWeights,
    Given,
)
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import SourceFolder, damaged, parsed_json
from localreg.operations.importers.trackio_parquet import TrackioParquet, is_parquet_of_metrics
from localreg.operations.importers.trackio_reports import RunReports, values_of
from localreg.store.foreign.opening import opened_foreign, sqlite_errors
from localreg.store.foreign.trackio_tables import TrackioTables, is_trackio
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import is_id
from localreg.values.records import MetadataValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.foreign.trackio_tables import Row

    Tables = TrackioTables | TrackioParquet

_MOST_RUNS = 100_000
_REGISTRY = "registry-"  # what the names of its registries begin with


def is_one(path: Path) -> bool:
    """Return True if a path is a database of Trackio, or a folder with one."""
    try:
        if path.is_dir():
            return any(is_trackio(each) for each in sorted(path.glob("*.db"))[:100])
    except OSError:
        return False
    return is_trackio(path)


@contextmanager
def opened(given: Given) -> Iterator[TrackioStore]:
    """Open a store.

    Raises:
        SourceError: it is damaged.
        InvalidValueError: it is none.
        MissingPackageError: it is Parquet, and polars is not installed.
    """
    path = given.path
    names: list[str] = []
    if path is not None and path.is_dir():
        folder = SourceFolder(path)
        names = _files_of(folder)
    elif path is not None and path.suffix in (".db", ".parquet") and path.is_file():
        folder = SourceFolder(path.parent)
        names = [path.name]
    if not names:
        raise InvalidValueError(
            f"{given.source} is no store of Trackio: a folder with a NAME.db for each project, "
            "or one of them",
            argument="source",
        )
    yield TrackioStore(str(path), folder, names, given.folder)


def _files_of(folder: SourceFolder) -> list[str]:
    """Return the files of the projects: databases, and Parquet of those without one."""
    names = folder.names()
    databases = [each for each in names if each.endswith(".db")]
    held = {each.removesuffix(".db") for each in databases}
    copies = [each for each in names if is_parquet_of_metrics(each)]
    return databases + [each for each in copies if each.removesuffix(".parquet") not in held]


class _Run(Frozen):
    """A run of a project.

    Attributes:
        project: its name.
        key: its id, or its name in an old version.
        name: of the run.
        created, ended: microseconds.
    """

    project: str
    key: str
    name: str
    created: int
    ended: int


class TrackioStore:
    """An open store."""

    kind = "trackio"

    def __init__(self, place: str, folder: SourceFolder, names: list[str], spool: Path) -> None:
        self.place = place
        self.left: Counter[str] = Counter()
        self._folder = folder
        self._names = names
        self._spool = spool
        self._seen: set[str] = set()
        self._models: list[FoundModel] = []

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the runs of all projects.

        Raises:
            SourceError: a database is damaged.
        """
        for name in self._names:
            project = name.rpartition(".")[0]
            if project.startswith(_REGISTRY):
                self.left["registries of Trackio"] += 1
                continue
            with self._tables(name) as tables:
                if not tables.is_whole():
                    self.left["databases without runs of Trackio"] += 1
                    continue
                yield from self._tasks_of(project, name, tables)

    def models(self) -> Iterator[FoundModel]:
        """Yield the versions of artifacts."""
        yield from self._models

    def _tables(self, name: str) -> AbstractContextManager[Tables]:
        if name.endswith(".parquet"):
            return nullcontext(TrackioParquet(self._folder, name.removesuffix(".parquet")))
        return self._database(name)

    @contextmanager
    def _database(self, name: str) -> Iterator[Tables]:
        path = self._folder.file(name)
        if path is None:
            raise damaged(self._folder.path / name, "is no file")
        copy = self._spool / name  # each has its own: a log of one would count for the next
        copy.mkdir()
        with opened_foreign(path, copy) as connection:
            yield TrackioTables(connection)

    # --- tasks

    def _tasks_of(self, project: str, file: str, tables: Tables) -> Iterator[FoundTask]:
        place = str(self._folder.path / file)
        runs = _runs_of(project, place, tables)
        keys = {run.key: self._key(run) for run in runs}
        versions = _Artifacts(project, place, self._folder, self.left, tables, keys)
        self._models += versions.models.values()
        for run in runs:
            yield self._task(run, keys[run.key], place, tables, versions)
        for table, what in (("traces", "traces"), ("external_run_artifact_links",
                            "links to artifacts of other projects")):  # fmt: skip
            if count := tables.count(table):
                self.left[what] += count

    def _task(
        self, run: _Run, key: str, place: str, tables: Tables, versions: _Artifacts
    ) -> FoundTask:
        config: dict[str, object] = {}
        for row in tables.rows("configs", run.key):
            config = values_of(row.get("config"), place)
        user, group = config.pop("_Username", None), config.pop("_Group", None)
        config.pop("_Created", None)  # of a run that was continued it is when that was
        parameters = parameters_of(config, place)
        if isinstance(group, str) and group.strip():
            parameters["properties", "group"] = MetadataValue(group, "str")
        inputs, outputs = versions.links(run)

        def report(spool: ReportSpool) -> None:
            reports = RunReports(spool, place, self._folder, self.left)
            with sqlite_errors(Path(place)):
                for row in tables.rows("metrics", run.key):
                    reports.add_logged(row)
                for number, row in enumerate(tables.rows("system_metrics", run.key)):
                    reports.add_measured(number, row)
                for row in tables.rows("alerts", run.key):
                    reports.add_alert(row)

        return FoundTask(
            key=key,
            name=run.name,
            # A run can be renamed.
            first_name="run of Trackio",
            project=run.project,
            user=user if isinstance(user, str) else None,
            parameters=parameters,
            inputs=inputs,
            outputs=outputs,
            created=run.created,
            ended=run.ended,
            report=report,
        )

    def _key(self, run: _Run) -> str:
        key = run.key if is_id(run.key) else f"{run.project}\n{run.key}\n{run.created}"
        if key in self._seen:  # two projects say that they have it
            key = f"{run.project}\n{run.key}\n{run.created}"
        self._seen.add(key)
        return key


def _runs_of(project: str, place: str, tables: Tables) -> list[_Run]:
    """Return the runs of a project, the older first."""
    found: dict[str, _Run] = {}
    for key, name, first, last in tables.runs():
        known = _text(key, place, "id of a run")
        run = _Run(
            project, known, _text(name, place, "name of a run"),
            microseconds_of(first, place), microseconds_of(last, place),
        )  # fmt: skip
        other = found.get(known)
        if other is None:
            found[known] = run
        else:
            found[known] = _Run(
                project, known, other.name,
                min(run.created, other.created), max(run.ended, other.ended),
            )  # fmt: skip
        if len(found) > _MOST_RUNS:
            raise damaged(place, f"has more than {_MOST_RUNS:,} runs")
    return sorted(found.values(), key=lambda run: (run.created, run.key))


class _Artifacts:
    """The artifacts of a project.

    Attributes:
        models: what they become, by the id of the version.
    """

    def __init__(
        self,
        project: str,
        place: str,
        folder: SourceFolder,
        left: Counter[str],
        tables: Tables,
        runs: Mapping[str, str],
    ) -> None:
        """Read the artifacts.

        Args:
            runs: the keys of tasks by the keys of runs.
        """
        self.models: dict[object, FoundModel] = {}
        self._project = project
        self._place = place
        self._folder = folder
        self._left = left
        self._tables = tables
        self._runs = runs
        self._names: dict[object, str] = {}
        artifacts = {row.get("id"): row for row in tables.rows("artifacts")}
        aliases: dict[object, list[str]] = {}
        for row in tables.rows("artifact_aliases"):
            alias = _text(row.get("alias"), place, "alias")
            aliases.setdefault(row.get("artifact_version_id"), []).append(alias)
        for row in tables.rows("artifact_versions"):
            artifact = artifacts.get(row.get("artifact_id"))
            if artifact is None:
                left["versions of artifacts that are gone"] += 1
                continue
            key = row.get("id")
            self.models[key] = self._model(artifact, row, tuple(aliases.get(key, ())))

    def links(self, run: _Run) -> tuple[dict[str, str], dict[str, str]]:
        """Return the keys of the models that a run has used and made, by their names."""
        inputs: dict[str, str] = {}
        outputs: dict[str, str] = {}
        for row in self._tables.rows("run_artifact_links", run.key):
            version = row.get("artifact_version_id")
            model = self.models.get(version)
            if model is None or row.get("run_project") not in (None, self._project):
                self._left["links to artifacts of other projects"] += 1
                continue
            made = outputs if row.get("direction") == "output" else inputs
            made[self._names[version]] = model.key
        return inputs, outputs

    def _model(self, artifact: Row, row: Row, aliases: tuple[str, ...]) -> FoundModel:
        place = self._place
        name = _text(artifact.get("name"), place, "name of an artifact")
        number = row.get("version")
        if not isinstance(number, int) or not 0 <= number < 2**53:
            raise damaged(place, f"has the version {shown(number)} of {shown(name)}")
        created = microseconds_of(row.get("created_at"), place)
        kind, comment = artifact.get("type"), artifact.get("description")
        said = row.get("metadata")
        metadata = {} if said is None else metadata_of(values_of(said, place), place)
        producer = row.get("producer_run_id") or row.get("producer_run_name")
        self._names[row.get("id")] = f"{name}:v{number}"
        return FoundModel(
            key=f"{self._project}\n{name}\n{number}\n{created}",
            name=name,
            project=self._project,
            version=number + 1,  # Trackio counts from 0
            comment=comment if isinstance(comment, str) else None,
            tags=(kind,) if isinstance(kind, str) and kind != "model" else (),
            metadata=metadata | metadata_of({"trackio.version": f"v{number}"}, place),
            task=self._runs.get(producer) if isinstance(producer, str) else None,
            weights=(self._weights(name, row),),
            aliases=aliases,
            created=created,
        )

    def _weights(self, name: str, row: Row) -> FoundWeights:
        """Return the files of a version, which are blobs by their sha256."""
        manifest = row.get("manifest")
        if isinstance(manifest, bytes | str):
            manifest = parsed_json(manifest, self._place)
        if not isinstance(manifest, list):
            raise damaged(self._place, f"has no list of the files of {shown(name)}")
        files = []
        for each in manifest:
            path = each.get("path") if isinstance(each, dict) else None
            digest = each.get("digest") if isinstance(each, dict) else None
            if not isinstance(path, str) or not isinstance(digest, str):
                raise damaged(self._place, f"has no path and digest of a file of {shown(name)}")
            blob = f"artifacts/{self._project}/blobs/sha256/{digest[:2]}/{digest}"
            found = None if "ref" in each else self._folder.file(blob)
            if found is None:
                return FoundWeights(missing=f"a file of it is not there: {path}")
            files.append(FoundFile(path, found, digest))
        if not files:
            return FoundWeights(missing="it has no files")
        return FoundWeights(files=tuple(files), package=True, filename=name)


def _text(value: object, place: str, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise damaged(place, f"has {shown(value)} where the {what} should be")
    return value
