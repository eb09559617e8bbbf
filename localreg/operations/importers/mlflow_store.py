"""Stores of MLflow: folders such as `mlruns`, and SQLite files such as `mlflow.db`.

- An experiment is a project; a run is a task in it, with the same id.
- Parameters are in the section "General", as those that `Task.connect` records. Tags with a value
  are user properties; a tag whose value is empty is a tag.
- Every folder with a file `MLmodel` among the artifacts of a run, and every logged model of
  MLflow 3, is a model in the project of its experiment.
- A version of a registered model is a model without a project; its parent is the logged model that
  it was made from. Its tags, and those of all versions, are metadata. A stage is an alias of the
  newest version that has it, such as "production"; an alias of that name counts before.
- What was deleted does not come.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path

from localreg.errors import InvalidValueError, SourceError
from localreg.filesystem.given_paths import absolute, check_path
from localreg.operations.importers.bringing import TWIN
from localreg.operations.importers.found import (
    FoundArtifact,
    FoundFile,
    FoundModel,
    FoundTask,
    FoundWeights,
    Given,
)
from localreg.operations.importers.metric_names import places_of
from localreg.operations.importers.mlflow_files import MLflowFiles, is_file_store
from localreg.operations.importers.mlflow_models import (
    MARK,
    Facts,
    facts_of,
    files_of,
    is_of_model,
    models_among,
)
from localreg.operations.importers.mlflow_places import Address, Place, Places, parse_address
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import SourceFolder
from localreg.store.foreign.mlflow_tables import MLflowTables, is_mlflow
from localreg.store.foreign.opening import opened_foreign
from localreg.store.rows.checked_values import LATEST
from localreg.values.metadata import typed
from localreg.values.mlflow_records import (
    DatasetUse,
    Experiment,
    LoggedModel,
    Registered,
    Run,
    RunHead,
    Version,
)
from localreg.values.records import MetadataValue
from localreg.values.urls import is_remote, is_stored_url, without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

    Reader = MLflowFiles | MLflowTables

_DATABASE = "mlflow.db"
_RUNS = "mlruns"
_BESIDE = ("mlartifacts", _RUNS)  # where servers, and clients without one, put artifacts
_STATUS = {"FINISHED": "completed", "FAILED": "failed", "KILLED": "stopped"}
_NOTE, _PARENT, _USER = "mlflow.note.content", "mlflow.parentRunId", "mlflow.user"
_RUN_FACTS = {
    "mlflow.source.name": "script",
    "mlflow.source.git.commit": "commit",
    "mlflow.source.git.branch": "branch",
    "mlflow.source.git.repoURL": "repository",
    "mlflow.gitBranch": "branch",
    "mlflow.gitRepoURL": "repository",
}
_KNOWN = frozenset({_NOTE, _PARENT, _USER, "mlflow.runName", *_RUN_FACTS})
# System tags that people look at; the others describe MLflow itself.
_SHOWN = {
    "mlflow.source.type": "source_type",
    "mlflow.project.entryPoint": "entry_point",
    "mlflow.autologging": "autologging",
    "mlflow.runColor": "",
    "mlflow.log-model.history": "",  # the models come
}
_STAGES = {"Production": "production", "Staging": "staging"}
_ID = "localreg.id"  # a tag of what localreg exported
_NO_NOTES = ("mlflow.experiment", "localreg.")  # tags of experiments that programs write
_PROMPT = "mlflow.prompt.is_prompt"
_KINDS = {".png": "image", ".jpg": "image", ".jpeg": "image", ".gif": "image", ".webp": "image",
          ".json": "json", ".csv": "pandas", ".txt": "text"}  # fmt: skip
_LAST_MS = LATEST // 1_000 - 1
_MOST_STEP = 2**53


def is_one(path: Path) -> bool:
    """Return True if a path is a database of MLflow, a file store, or a folder with one of them."""
    if path.is_dir():
        return is_mlflow(path / _DATABASE) or is_file_store(path) or is_file_store(path / _RUNS)
    return is_mlflow(path)


@contextmanager
def opened(given: Given) -> Iterator[MLflowStore]:
    """Open a store.

    Raises:
        SourceError: it is damaged, or none.
        InvalidValueError: a URL has no path.
    """
    path = given.path if given.path is not None else _path_of_url(given.source)
    if path.is_dir():
        inner = path / _DATABASE
        if is_mlflow(inner):
            path = inner
        elif not is_file_store(path):
            path = path / _RUNS
    with ExitStack() as stack:
        if path.is_dir():
            folder = SourceFolder(path)
            yield MLflowStore(path, MLflowFiles(folder), Places([folder]))
            return
        if not is_mlflow(path):
            raise SourceError(
                f"{path} is no store of MLflow: neither a folder with experiments nor an SQLite "
                "file with its tables. Nothing was imported",
                file=str(path),
                line=None,
            )
        connection = stack.enter_context(opened_foreign(path, given.folder))
        beside = SourceFolder(path.parent)
        places = Places([beside.folder(each) for each in _BESIDE], beside)
        store = MLflowStore(path, MLflowTables(connection, str(path)), places)
        if is_file_store(path.parent / _RUNS):
            store.left[f"store of files beside it, {_RUNS}: import it, too"] += 1
        yield store


def _path_of_url(url: str) -> Path:
    """Return the path in `sqlite:///path`, as SQLAlchemy reads it."""
    _, _, rest = url.partition("://")
    text = rest.partition("?")[0].removeprefix("/")
    if not rest.startswith("/") or not text:
        raise InvalidValueError(
            f"{url} has no path: write sqlite:///mlflow.db, or sqlite:////data/mlflow.db",
            argument="source",
        )
    return absolute("source", check_path("source", text))


class MLflowStore:
    """An open store."""

    kind = "mlflow"

    def __init__(self, place: Path, reader: Reader, places: Places) -> None:
        self.place = str(place)
        self.left: Counter[str] = Counter()
        self._reader = reader
        self._places = places
        self._experiments: dict[str, Experiment] = {}
        self._heads: dict[str, RunHead] = {}
        self._logged: dict[str, str] = {}  # names of the logged models that come, by id
        self._ours: set[str] = set()  # the runs that localreg exported
        # Models among the artifacts of runs: the run, and the folder there.
        self._models: dict[tuple[str, str], None] = {}

    # --- tasks

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the runs that were not deleted."""
        for experiment in self._reader.experiments():
            self._experiments[experiment.id] = experiment
            noted = [key for key in experiment.tags if not key.startswith(_NO_NOTES)]
            if noted:
                self.left["notes and tags of experiments"] += len(noted)
        for head in self._reader.runs():
            if head.experiment not in self._experiments:
                self.left["runs of experiments that are not there"] += 1
            elif not head.active or not self._experiments[head.experiment].active:
                self.left["deleted runs"] += 1
            else:
                self._heads[head.id] = head
        for model in self._reader.logged_models():
            if model.active and self._is_active(model.experiment):
                self._logged[model.id] = model.experiment
        for run_id in _parents_first(self._heads):
            yield self._task(self._reader.run(run_id))
        self.left.update({what: count for what, count in self._reader.left().items() if count})

    def _run_key(self, run_id: str) -> str:
        return f"{TWIN}{run_id}" if run_id in self._ours else run_id

    def _is_active(self, experiment: str) -> bool:
        found = self._experiments.get(experiment)
        return found is not None and found.active

    def _task(self, run: Run) -> FoundTask:
        own = {key: value for key, value in run.tags.items() if value or key not in run.facts}
        tags = {**run.facts, **own}
        start = _micros(run.start)
        ours = _ID in run.tags
        if ours:
            self._ours.add(run.id)
        parent = self._heads[run.id].parent
        if parent and parent not in self._heads:
            self.left["parents of runs that do not come"] += 1
            parent = ""
        artifacts, models = self._artifacts(run)
        parameters = {
            _parameter(key, ours=ours): _typed(value) for key, value in run.params.items()
        }
        for key, value in tags.items():
            if key in _KNOWN or (key.startswith("localreg.") and ours):
                continue
            if key.startswith("mlflow."):
                if _SHOWN.get(key):
                    parameters["properties", _SHOWN[key]] = _typed(value)
                elif key not in _SHOWN:
                    self.left["tags of MLflow's own, such as mlflow.databricks.cluster.id"] += 1
            elif value:
                parameters["properties", key] = _typed(value)
        status = _STATUS.get(run.status, "in_progress")
        if ours:
            status = tags.get("localreg.status", status)
        return FoundTask(
            key=self._run_key(run.id),
            name=run.name or tags.get("mlflow.runName") or run.id,
            first_name=run.id,
            project=self._project(run.experiment),
            type=tags.get("localreg.type", "training") if ours else "training",
            status=status,
            reason=tags.get("localreg.reason") if ours else None,
            comment=tags.get(_NOTE),
            parent=self._run_key(parent) if parent else None,
            user=tags.get(_USER) or run.user or None,
            tags=tuple(
                sorted(key for key, value in run.tags.items() if not value and _is_own(key))
            ),
            run={here: tags[key] for key, here in _RUN_FACTS.items() if tags.get(key)},
            parameters=parameters,
            inputs={
                f"input {model}": self._logged_key(model)
                for model in run.inputs if model in self._logged
            },
            outputs=models,
            artifacts=(*artifacts, *map(_dataset, run.datasets)),
            created=start,
            ended=None if run.end is None else max(start, _micros(run.end)),
            report=lambda spool: self._report(run.id, tags if ours else {}, spool),
        )  # fmt: skip

    def _project(self, experiment: str) -> str | None:
        found = self._experiments[experiment]
        return found.tags.get("localreg.project", found.name) or None

    def _report(self, run_id: str, tags: Mapping[str, str], spool: ReportSpool) -> None:
        places = places_of(self._reader.metric_names(run_id))
        singles = _singles(tags)
        for name, steps, values, times in self._reader.series(run_id):
            if name in singles:
                spool.add_single(name, float(values[-1]), _micros(int(times[-1])))
                continue
            kept = (abs(steps) <= _MOST_STEP) & (times >= 0) & (times <= _LAST_MS)
            if not kept.all():
                self.left["points whose step or time is out of range"] += int((~kept).sum())
                steps, values, times = steps[kept], values[kept], times[kept]
            spool.add_points(*places.get(name, (name, name)), steps, values, times)

    # --- artifacts

    def _artifacts(self, run: Run) -> tuple[list[FoundArtifact], dict[str, str]]:
        """Return the artifacts of a run, and the keys of its models by their names there."""
        outputs: dict[str, str] = {}
        for model, step in run.outputs:
            if model in self._logged:
                name = f"model {model}" if not step else f"model {model} at step {step}"
                outputs[name] = self._logged_key(model)
        if not run.artifacts:
            return [], outputs
        address = parse_address(run.artifacts)
        place = self._places.find(address, owner=run.id)
        if place.folder is None:
            if place.url is not None:
                there = FoundArtifact(name="artifacts", url=place.url, missing=place.missing)
                return [there], outputs
            if not self._places.has_none(address, run.id):
                self.left["runs whose folder of artifacts is not in the store"] += 1
            return [], outputs
        files = list(place.folder.files_below())
        models = dict.fromkeys(models_among(files))
        for folder in models:
            self._models[run.id, folder] = None
            outputs[folder or "model"] = self._model_key(run.id, folder)
        grouped: dict[str, list[FoundFile]] = {}
        for name, path in files:
            if is_of_model(name, models):
                continue
            top, slash, rest = name.partition("/")
            grouped.setdefault(top, []).append(FoundFile(rest if slash else top, path))
        found = []
        for top, members in sorted(grouped.items()):
            if (place.folder.path / top).is_dir():
                found.append(FoundArtifact(name=top, files=tuple(members), package=True))
            else:
                kind = _KINDS.get(Path(top).suffix.lower(), "file")
                found.append(FoundArtifact(name=top, kind=kind, files=tuple(members)))
        return found, outputs

    # --- models

    def models(self) -> Iterator[FoundModel]:
        """Yield the models among artifacts, then logged models, then registered ones."""
        for run_id, folder in self._models:
            yield self._model_of_run(self._reader.run(run_id), folder)
        for model in self._reader.logged_models():
            if model.id in self._logged:
                yield self._logged_model(model)
            else:
                self.left["deleted logged models"] += 1
        for registered in self._reader.registered():
            if registered.tags.get(_PROMPT, "").lower() == "true":
                self.left["prompts"] += len(registered.versions) or 1
                continue
            if not registered.versions:
                self.left["registered models without a version"] += 1
            yield from self._versions(registered)
        if isinstance(self._reader, MLflowFiles):
            self.left.update(self._reader.skipped)

    def _model_key(self, run_id: str, folder: str) -> str:
        project = self._project(self._heads[run_id].experiment) or ""
        return f"{project}\n{run_id}\n{folder}"

    def _logged_key(self, model_id: str) -> str:
        return f"{self._project(self._logged[model_id]) or ''}\n{model_id}"

    def _model_of_run(self, run: Run, folder: str) -> FoundModel:
        place = self._places.find(parse_address(run.artifacts), owner=run.id)
        assert place.folder is not None  # it was found before
        inner = Place(place.folder.folder(folder)) if folder else place
        name = folder.rpartition("/")[2] or "model"
        weights, framework, metadata = _weights(inner, name, {})
        return FoundModel(
            key=self._model_key(run.id, folder),
            name=name,
            project=self._project(run.experiment),
            framework=framework,
            metadata=metadata,
            task=self._run_key(run.id),
            weights=(weights,),
            user=run.tags.get(_USER) or run.user or None,
            created=_micros(run.start),
        )

    def _logged_model(self, model: LoggedModel) -> FoundModel:
        place = self._places.find(parse_address(model.location), owner=model.id)
        weights, framework, metadata = _weights(place, model.name, {})
        metadata |= {f"params/{key}": _typed(value) for key, value in model.params.items()}
        for name, number in model.metrics.items():
            metadata[f"metrics/{name}"] = MetadataValue(repr(number), "float")
        metadata["model_id"] = MetadataValue(model.id, "str")
        if model.kind:
            metadata["model_type"] = MetadataValue(model.kind, "str")
        if model.status != "READY":
            metadata["status"] = MetadataValue(model.status, "str")
        own, tags = _tags(model.tags)
        return FoundModel(
            key=self._logged_key(model.id),
            name=model.name or model.id,
            project=self._project(model.experiment),
            comment=model.tags.get(_NOTE),
            framework=framework,
            tags=tags,
            metadata=metadata | own,
            task=self._run_key(model.run) if model.run in self._heads else None,
            weights=(weights,),
            created=_micros(model.created),
            changed=_micros(model.updated),
        )

    def _versions(self, model: Registered) -> Iterator[FoundModel]:
        aliases: dict[str, int] = {}
        for version in model.versions:  # the newest comes last
            if version.stage in _STAGES:
                aliases[_STAGES[version.stage]] = version.number
        aliases |= model.aliases
        lost = {*model.aliases.values()} - {each.number for each in model.versions}
        if lost:
            self.left["aliases of versions that are not there"] += len(lost)
        for version in model.versions:
            names = sorted(name for name, number in aliases.items() if number == version.number)
            yield self._version(model, version, tuple(names))

    def _version(self, model: Registered, version: Version, aliases: tuple[str, ...]) -> FoundModel:
        said = {**model.tags, **version.tags}
        ours = _ID in version.tags
        name = said.get("localreg.name", model.name) if ours else model.name
        place, parent = self._origin(model, version)
        weights, framework, metadata = _weights(place, name, said if ours else {})
        own, tags = _tags(said)
        metadata |= own
        key = f"{model.name}\n{version.number}\n{version.created}"
        if ours:
            key = _exported_key(model, version)
            above = said.get("localreg.parent")
            parent = self._exported.get(above, f"{TWIN}{above}") if above else None
        if version.stage not in ("", "None") and not ours:
            metadata["stage"] = MetadataValue(version.stage, "str")
        if version.status not in ("", "READY"):
            metadata["status"] = MetadataValue(version.status, "str")
        if version.run_link:
            metadata["run_link"] = MetadataValue(without_secrets(version.run_link), "str")
        if version.run and version.run not in self._heads:
            metadata["run_id"] = MetadataValue(version.run, "str")
        if version.description and model.description:
            metadata["description of all versions"] = MetadataValue(model.description, "str")
        return FoundModel(
            key=key,
            name=name,
            project=(said.get("localreg.project") or None) if ours else None,
            version=version.number,
            comment=version.description or model.description or None,
            framework=said.get("localreg.framework") if ours else framework,
            config=said.get("localreg.config", "") if ours else "",
            labels=_labels(said) if ours else {},
            tags=tags,
            metadata=metadata,
            archived=version.stage == "Archived",
            user=version.user or None,
            task=self._run_key(version.run) if version.run in self._heads else None,
            parent=parent,
            weights=(weights,),
            aliases=aliases,
            created=_micros(version.created),
            changed=_micros(version.updated),
        )

    @cached_property
    def _exported(self) -> Mapping[str, str]:
        """The keys of the versions that localreg exported, by the ids that they had there."""
        return {
            version.tags[_ID]: _exported_key(model, version)
            for model in self._reader.registered()
            for version in model.versions
            if _ID in version.tags
        }

    def _origin(self, model: Registered, version: Version) -> tuple[Place, str | None]:
        """Return where the files of a version are, and the key of the model it was made from."""
        address = parse_address(version.source)
        logged = version.model
        if address.scheme == "models" and len(address.parts) == 1:
            logged = logged or address.parts[0]
        if logged in self._logged:
            parent: str | None = self._logged_key(logged)
        else:
            parent = self._parent_in_run(version, address.parts)
        if version.location and address.scheme in ("models", "runs"):
            address = parse_address(version.location)
        if address.scheme == "runs" and address.parts:
            address = self._address_in_run(address.parts)
        if address.scheme in ("runs", "models"):
            return Place(missing=f"its files are those of another model: {version.source}"), parent
        if not version.source:
            return Place(missing="it has no source"), parent
        return self._places.find(address), parent

    def _parent_in_run(self, version: Version, parts: tuple[str, ...]) -> str | None:
        """Return the key of the model among the artifacts of the run that a version is."""
        if version.run not in parts:
            return None
        inner = parts[parts.index(version.run) + 1 :]
        folder = "/".join(inner[1:] if inner[:1] == ("artifacts",) else inner)
        is_here = (version.run, folder) in self._models
        return self._model_key(version.run, folder) if is_here else None

    def _address_in_run(self, parts: tuple[str, ...]) -> Address:
        """Return the address of what `runs:/id/path` names; its own if the run does not come."""
        run_id, *inner = parts
        if run_id not in self._heads:
            return Address(f"runs:/{'/'.join(parts)}", "runs", parts)
        return parse_address("/".join([self._reader.run(run_id).artifacts, *inner]))


def _exported_key(model: Registered, version: Version) -> str:
    """Return the key of a version that localreg exported.

    The original may have been renamed between two exports: so its id is not all of the key.
    """
    said = {**model.tags, **version.tags}
    line = said.get("localreg.project", ""), said.get("localreg.name", model.name)
    return "\n".join([f"{TWIN}{version.tags[_ID]}", *line, str(version.number)])


def _weights(
    place: Place, name: str, said: Mapping[str, str]
) -> tuple[FoundWeights, str | None, dict[str, MetadataValue]]:
    """Return the weights at a place, their framework, and what is known of them.

    Args:
        said: tags that localreg wrote, if it wrote the store.
    """
    if place.url is not None:
        url = place.url if is_remote(place.url) and is_stored_url(place.url) else None
        why = f"only the address came: {place.url}"
        source = MetadataValue(without_secrets(place.url), "str")
        return FoundWeights(url=url, missing=why), None, {"source": source}
    if place.folder is None:
        return FoundWeights(missing=place.missing), None, {}
    if place.name is not None:
        path = place.folder.file(place.name)
        assert path is not None  # it was found as a file
        return FoundWeights(files=(FoundFile(place.name, path),)), None, {}
    files = tuple(files_of(place.folder))
    if not files:
        return FoundWeights(missing="its folder has no files"), None, {}
    if said.get("localreg.package") == "false" and len(files) == 1:
        return FoundWeights(files=files), None, {}
    mark = place.folder.file(MARK)
    facts = Facts(None, {}) if mark is None else facts_of(mark)
    return FoundWeights(files=files, package=True, filename=name), facts.framework, facts.metadata


def _parents_first(heads: Mapping[str, RunHead]) -> Iterator[str]:
    """Yield the ids of runs, the older first, but a parent before its children."""
    done: set[str] = set()
    for head in sorted(heads.values(), key=lambda each: (each.start, each.id)):
        above: list[str] = []
        run = head.id
        while run in heads and run not in done:
            done.add(run)  # so a circle ends, too
            above.append(run)
            run = heads[run].parent
        yield from reversed(above)


def _micros(ms: int) -> int:
    return max(0, min(ms, _LAST_MS)) * 1_000


def _typed(text: str) -> MetadataValue:
    """Return a text as a value: MLflow keeps texts only, also of numbers."""
    value, kind = typed(text)
    if kind in ("int", "float") and value == text:
        return MetadataValue(text, kind)
    return MetadataValue(text, "bool" if text in ("True", "False") else "str")


def _parameter(name: str, *, ours: bool) -> tuple[str, str]:
    """Return section and name of a parameter; localreg writes the section before a slash."""
    section, slash, rest = name.partition("/")
    return (section, rest) if ours and slash and section and rest else ("General", name)


def _is_own(key: str) -> bool:
    """Return True if a tag is neither MLflow's nor one that localreg writes for itself."""
    return not key.startswith(("mlflow.", "localreg."))


def _tags(tags: Mapping[str, str]) -> tuple[dict[str, MetadataValue], tuple[str, ...]]:
    """Return the metadata and the tags of a model: those with a value, and those without one."""
    own = {key: value for key, value in tags.items() if _is_own(key)}
    metadata = {key: _typed(value) for key, value in own.items() if value}
    return metadata, tuple(sorted(own.keys() - metadata.keys()))


def _dataset(found: DatasetUse) -> FoundArtifact:
    """Return what is known of a data set that a run used, as an artifact."""
    facts: Json = {
        "name": found.name, "digest": found.digest, "source_type": found.source_type,
        "source": found.source, "schema": found.schema, "profile": found.profile,
        "tags": dict(found.tags),
    }  # fmt: skip
    context = found.tags.get("mlflow.data.context")
    return FoundArtifact(
        name=f"dataset {found.name} {found.digest}",
        kind="json",
        text=json.dumps(facts, ensure_ascii=False, indent=2, sort_keys=True),
        filename="dataset.json",
        preview=f"{found.name}, {context}" if context else found.name,
    )


def _json_of(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _singles(tags: Mapping[str, str]) -> frozenset[str]:
    """Return the metrics that are values without steps, in a store that localreg wrote."""
    found = _json_of(tags.get("localreg.singles", ""))
    names = found if isinstance(found, list) else []
    return frozenset(each for each in names if isinstance(each, str))


def _labels(tags: Mapping[str, str]) -> dict[str, int]:
    """Return the labels of a model, in a store that localreg wrote."""
    found = _json_of(tags.get("localreg.labels", ""))
    if not isinstance(found, dict):
        return {}
    return {key: number for key, number in found.items() if type(number) is int}
