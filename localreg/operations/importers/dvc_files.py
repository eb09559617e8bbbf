"""What DVC tracks in a repository: its files and folders, and the stages of its pipelines.

A file or folder that is tracked becomes a version of a model that is named by its path, for each
md5 that is seen: data sets as well as models. A stage as `dvc.lock` has it becomes a task with its
parameters, its metrics as single values, and the models that it used and made. `dvc.lock` says what
was there; `dvc.yaml` only what is a metric, what has a description, and what is kept by git.

The history of git is not read: what another commit tracks comes after it was checked out.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.importers.dvc_cache import (
    DvcCache,
    Entry,
    check_md5,
    entry_of,
    path_in,
)
from localreg.operations.importers.foreign_values import (
    mapping_of,
    metadata_of,
    plain_of,
    text_of,
)
from localreg.operations.importers.found import (
    FoundArtifact,
    FoundFile,
    FoundModel,
    FoundTask,
    FoundWeights,
)
from localreg.operations.importers.source_files import (
    MOST_FILES,
    SourceFolder,
    damaged,
    parsed_json,
    parsed_yaml,
    read_text,
    read_yaml,
)
from localreg.values.frozen import Frozen
from localreg.values.urls import without_secrets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers.found import Given
    from localreg.operations.importers.report_spool import ReportSpool
    from localreg.values.records import MetadataValue

_LOCK, _PIPELINE, _ENDING = "dvc.lock", "dvc.yaml", ".dvc"
_METRICS_LIMIT = 4_000_000


def is_one(path: Path) -> bool:
    """Return True if a path is a repository of DVC, or one of its files."""
    try:
        if path.name in (_LOCK, _PIPELINE) or (path.suffix == _ENDING and path.stem):
            return path.is_file()
        return (path / ".dvc").is_dir()
    except OSError:
        return False


@contextmanager
def opened(given: Given) -> Iterator[DvcFiles]:
    """Open a repository, or one file of it.

    Raises:
        InvalidValueError: it is neither.
    """
    path = given.path
    if path is None or not is_one(path):
        raise InvalidValueError(
            f"{given.source} must be a repository of DVC (a folder with .dvc in it), a file "
            f"NAME.dvc, or {_LOCK}",
            argument="source",
        )
    if path.is_dir():
        yield DvcFiles(path, None)
        return
    root = next((each for each in path.parents if (each / ".dvc").is_dir()), path.parent)
    yield DvcFiles(root, path.relative_to(root).as_posix())


class _Out(Frozen, kw_only=True):
    """Something that is tracked.

    Attributes:
        place: the file that says so.
        path: in the repository.
        md5: of the file, or of the list of a folder; None if the files are given.
        entries: the files of a folder, if that file lists them itself.
        cached: False if git keeps it.
        said: what the user said of it: desc, type, labels, meta.
        facts: for the metadata.
        stage: the key of the task that made it.
    """

    place: Path
    path: str
    md5: str
    entries: tuple[Entry, ...] | None = None
    cached: bool = True
    said: Mapping[str, object] = {}
    facts: Mapping[str, object] = {}
    stage: str | None = None


class _Stage(Frozen, kw_only=True):
    """A stage of a pipeline, as it was run last."""

    key: str
    name: str
    place: Path
    command: str
    said: str | None
    parameters: Mapping[tuple[str, str], MetadataValue]
    deps: tuple[tuple[str, str], ...]  # paths and md5
    outs: tuple[_Out, ...]
    metrics: frozenset[str]


class DvcFiles:
    """A repository of DVC."""

    kind = "dvc"

    def __init__(self, root: Path, only: str | None) -> None:
        """Open a repository.

        Args:
            root: its folder.
            only: the path of the one file that is read; None for all.
        """
        self.place = str(root if only is None else root / only)
        self.left: Counter[str] = Counter()
        self._root = SourceFolder(root)
        self._only = only
        self._project = root.name or "dvc"
        self._cache = DvcCache(self._root)
        self._pipelines: dict[str, Mapping[str, object]] = {}
        self._artifacts: dict[str, Mapping[str, object]] = {}
        self._outs: dict[tuple[str, str], _Out] = {}
        self._stages: list[_Stage] = []
        self._read()

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the stages."""
        for stage in self._stages:
            yield FoundTask(
                key=stage.key,
                name=stage.name,
                project=self._project,
                type="training" if stage.metrics else "data_processing",
                comment=stage.said,
                parameters=stage.parameters,
                configurations={"command": stage.command},
                inputs={
                    path: self._key(path, md5)
                    for path, md5 in stage.deps
                    if (path, md5) in self._outs
                },
                outputs={
                    each.path: self._key(each.path, each.md5) for each in stage.outs if each.cached
                },
                artifacts=tuple(self._artifact(each) for each in stage.outs if not each.cached),
                report=partial(self._report, stage),
            )

    def models(self) -> Iterator[FoundModel]:
        """Yield what is tracked."""
        for out in self._outs.values():
            yield self._model(out)

    def _key(self, path: str, md5: str) -> str:
        return f"{self._project}\n{path}\n{md5}"

    # --- reading

    def _read(self) -> None:
        """Read all files of DVC."""
        for each in [*self._places()] if self._only is None else [self._only]:
            folder, _, name = each.rpartition("/")
            place = self._root.file(each)
            if place is None:
                raise damaged(self._root.path / each, "is no file")
            if name in (_LOCK, _PIPELINE):
                self._artifacts |= self._artifacts_of(folder)
                if name == _PIPELINE:
                    pipeline = self._pipeline(folder)
                    count = len(_list_of(pipeline.get("metrics"), place, "metrics"))
                    self.left["files of metrics that no stage makes, as of DVCLive"] += count
                lock = self._root.file(f"{folder}/{_LOCK}".lstrip("/"))
                if lock is not None and (name == _LOCK or self._only is not None):
                    self._read_lock(folder, lock)
            else:
                self._read_tracked(folder, place)
        tracked = {path for path, _ in self._outs}
        self.left["artifacts of dvc.yaml that DVC does not track"] += len(
            self._artifacts.keys() - tracked
        )

    def _places(self) -> Iterator[str]:
        """Yield the paths of the files of DVC, without following links."""
        waiting, count = [""], 0
        while waiting:
            prefix = waiting.pop()
            place = self._root.path / prefix
            with disk_errors("reading what is imported", place), os.scandir(place) as found:
                names = {each.name: each for each in found}
            count += len(names)
            if count > MOST_FILES:
                raise damaged(self._root.path, f"has more than {MOST_FILES:,} files")
            if prefix and ".dvc" in names and names[".dvc"].is_dir(follow_symlinks=False):
                self.left["repositories of DVC inside of this one: import them too"] += 1
                continue
            for name, each in sorted(names.items()):
                if each.is_file(follow_symlinks=False):
                    if name in (_LOCK, _PIPELINE) or (name.endswith(_ENDING) and name != _ENDING):
                        yield f"{prefix}{name}"
                elif (
                    each.is_dir(follow_symlinks=False)
                    and not name.startswith(".")
                    and f"{name}{_ENDING}" not in names  # it is tracked: nothing of DVC is in it
                ):
                    waiting.append(f"{prefix}{name}/")

    def _read_tracked(self, folder: str, place: Path) -> None:
        known = mapping_of(read_yaml(place), place, "it")
        base = self._base(folder, known, place)
        facts = {"from": _origin(known, place), "frozen": known.get("frozen")}
        of_all = {key: known[key] for key in ("desc", "meta") if key in known}
        for each in _list_of(known.get("outs"), place, "outs"):
            out = self._out(base, each, place, facts=facts, details=of_all)
            if out is not None:
                self._outs[out.path, out.md5] = out

    def _base(self, folder: str, known: Mapping[str, object], place: Path) -> str:
        wdir = known.get("wdir")
        if wdir in (None, "", "."):
            return folder
        climbed = os.path.normpath(os.path.join(folder, text_of(wdir, place, "wdir")))
        if climbed == ".":
            return ""
        return path_in("", climbed.replace(os.sep, "/"), place) or ""

    def _out(
        self,
        base: str,
        value: object,
        place: Path,
        *,
        facts: Mapping[str, object],
        stage: str | None = None,
        details: Mapping[str, object],
    ) -> _Out | None:
        known = mapping_of(value, place, "an entry of outs")
        path = path_in(base, text_of(known.get("path"), place, "path"), place)
        files = known.get("files")
        if path is None:
            self.left["outputs that are not in the repository"] += 1
            return None
        if known.get("md5") is None and files is None:
            self.left["outputs without an md5"] += 1
            return None
        entries = None
        if files is not None:
            entries = tuple(entry_of(each, place) for each in _list_of(files, place, "files"))
        text = json.dumps([[each.name, each.md5] for each in entries or ()])
        md5 = known.get("md5")
        if md5 is None:  # of a folder in a bucket with versions; then the files say what it is
            md5 = f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"
        said = {**details, **known}
        return _Out(
            place=place,
            path=path,
            md5=check_md5(md5, place),
            entries=entries,
            cached=said.get("cache") is not False,
            said={key: said[key] for key in ("desc", "type", "labels", "meta") if key in said},
            facts={**facts, "remote": said.get("remote")},
            stage=stage,
        )

    # --- pipelines

    def _pipeline(self, folder: str) -> Mapping[str, object]:
        """Return what dvc.yaml in a folder says; nothing if there is none."""
        if folder not in self._pipelines:
            place = self._root.file(f"{folder}/{_PIPELINE}".lstrip("/"))
            known = {} if place is None else mapping_of(read_yaml(place), place, "it")
            self._pipelines[folder] = known
        return self._pipelines[folder]

    def _artifacts_of(self, folder: str) -> dict[str, Mapping[str, object]]:
        """Return what dvc.yaml says of artifacts, by their paths."""
        place = self._root.path / folder / _PIPELINE
        found: dict[str, Mapping[str, object]] = {}
        artifacts = mapping_of(self._pipeline(folder).get("artifacts"), place, "artifacts")
        for name, value in artifacts.items():
            known = mapping_of(value, place, f"artifact {name[:80]}")
            path = path_in(folder, text_of(known.get("path"), place, "path"), place)
            if path is not None:
                found[path] = {**known, "artifact": name}
        return found

    def _read_lock(self, folder: str, place: Path) -> None:
        known = mapping_of(read_yaml(place), place, "it")
        stages = known.get("stages") if "schema" in known else known  # DVC 1 had no schema
        pipeline = self._root.path / folder / _PIPELINE
        written = mapping_of(self._pipeline(folder).get("stages"), pipeline, "stages")
        for name, value in mapping_of(stages, place, "stages").items():
            ran = mapping_of(value, place, f"stage {name[:80]}")
            said = mapping_of(written.get(name.partition("@")[0]), pipeline, f"stage {name[:80]}")
            if "do" in said:  # of one with foreach
                said = mapping_of(said["do"], pipeline, f"stage {name[:80]}")
            if "${" in str(said.get("wdir")):
                self.left["stages whose folder is a template"] += 1
                continue
            self._stages.append(self._stage(folder, name, ran, said, place, pipeline))

    def _stage(
        self,
        folder: str,
        name: str,
        ran: Mapping[str, object],
        said: Mapping[str, object],
        place: Path,
        pipeline: Path,
    ) -> _Stage:
        base = self._base(folder, said, pipeline)
        content = hashlib.sha256(json.dumps(plain_of(ran), sort_keys=True).encode()).hexdigest()
        key = f"{self._project}\n{folder}\n{name}\n{content}"
        details = {
            **_details(said.get("outs"), pipeline, base),
            **_details(said.get("plots"), pipeline, base),
        }
        metrics = _details(said.get("metrics"), pipeline, base)
        details |= metrics
        deps, outs = [], []
        for each in _list_of(ran.get("deps"), place, "deps"):
            dep = mapping_of(each, place, "an entry of deps")
            path = path_in(base, text_of(dep.get("path"), place, "path"), place)
            if path is not None and dep.get("md5") is not None:
                deps.append((path, check_md5(dep["md5"], place)))
        for each in _list_of(ran.get("outs"), place, "outs"):
            path = str(mapping_of(each, place, "an entry of outs").get("path"))
            detail = details.get(path_in(base, path, place) or "", {})
            out = self._out(base, each, place, facts={"stage": name}, stage=key, details=detail)
            if out is None:
                continue
            outs.append(out)
            if out.cached:
                self._outs[out.path, out.md5] = out
        command = ran.get("cmd")
        desc = said.get("desc")
        return _Stage(
            key=key,
            name=f"{folder}/{name}".lstrip("/"),
            place=place,
            command="\n".join(map(str, command)) if isinstance(command, list) else str(command),
            said=desc if isinstance(desc, str) else None,
            parameters=_parameters(ran.get("params"), place, deps),
            deps=tuple(deps),
            outs=tuple(outs),
            metrics=frozenset(metrics),
        )

    def _report(self, stage: _Stage, spool: ReportSpool) -> None:
        """Write the metrics of a stage as single values."""
        outs = {each.path: each for each in stage.outs}
        for path in sorted(stage.metrics & outs.keys()):
            file = self._cache.file(Entry(path, outs[path].md5), path)
            if file is None:
                self.left["files of metrics that are not as the stage left them"] += 1
                continue
            for name, value in _flat(_read_values(file.path, path), place=file.path):
                if isinstance(value, bool) or not isinstance(value, int | float):
                    self.left["metrics that are no numbers"] += 1
                    continue
                spool.add_single(name, _float(value, file.path), 0)

    def _artifact(self, out: _Out) -> FoundArtifact:
        """Return an output that git keeps."""
        if out.md5.endswith(".dir"):
            return FoundArtifact(name=out.path, missing="it is a folder that git keeps")
        file = self._cache.file(Entry(out.path.rpartition("/")[2], out.md5), out.path)
        if file is None:
            return FoundArtifact(name=out.path, missing=f"{out.path} is not as it was tracked")
        return FoundArtifact(name=out.path, files=(file,))

    # --- models

    def _model(self, out: _Out) -> FoundModel:
        place, artifact = out.place, self._artifacts.get(out.path, {})
        said = {**out.said, **artifact}
        kind, meta, desc = said.get("type"), said.get("meta"), said.get("desc")
        tags = [
            *_list_of(out.said.get("labels"), place, "labels"),
            *_list_of(artifact.get("labels"), place, "labels"),
            *([kind] if kind else []),
        ]
        own = {**out.facts, "md5": out.md5, "artifact": artifact.get("artifact")}
        metadata = metadata_of(meta if isinstance(meta, dict) else {"meta": meta}, place)
        return FoundModel(
            key=self._key(out.path, out.md5),
            name=out.path,
            project=self._project,
            comment=None if desc is None else text_of(desc, place, "desc"),
            tags=tuple(text_of(each, place, "a label") for each in tags),
            metadata=metadata | metadata_of(own, place, "dvc."),
            task=out.stage,
            weights=(self._weights(out),),
        )

    def _weights(self, out: _Out) -> FoundWeights:
        name = out.path.rpartition("/")[2]
        if not out.md5.endswith(".dir"):
            file = self._cache.file(Entry(name, out.md5), out.path)
            if file is None:
                return FoundWeights(filename=name, missing=self._cache.why_missing(out.path))
            return FoundWeights(filename=name, files=(file,))
        entries = out.entries
        if entries is None:
            listed = self._cache.entries(out.md5, out.path, out.place)
            if listed is None:
                return FoundWeights(filename=name, missing=self._cache.why_missing(out.path))
            entries = tuple(listed)
        files: list[FoundFile] = []
        for entry in entries:
            path = f"{out.path}/{entry.name}"
            file = self._cache.file(entry, path)
            if file is None:
                return FoundWeights(filename=name, missing=self._cache.why_missing(path))
            files.append(file)
        if not files:
            return FoundWeights(filename=name, missing=f"{out.path} is an empty folder")
        return FoundWeights(filename=name, files=tuple(files), package=True)


def _list_of(value: object, place: Path, what: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise damaged(place, f"has no list where {what} should be one")
    return value


def _origin(known: Mapping[str, object], place: Path) -> str | None:
    """Return where a file was imported from, by `dvc import` or `dvc import-url`."""
    for each in _list_of(known.get("deps"), place, "deps"):
        dep = mapping_of(each, place, "an entry of deps")
        repo = mapping_of(dep.get("repo"), place, "repo")
        parts = [str(part) for part in (repo.get("url"), dep.get("path")) if part]
        if parts:
            return without_secrets(" ".join(parts))
    return None


def _details(value: object, place: Path, base: str) -> dict[str, Mapping[str, object]]:
    """Return what dvc.yaml says of outputs, by their paths; templates are left out."""
    found: dict[str, Mapping[str, object]] = {}
    for each in _list_of(value, place, "outputs"):
        one = {each: None} if isinstance(each, str) else mapping_of(each, place, "an output")
        for name, said in one.items():
            if "${" in name:
                continue
            path = path_in(base, name, place)
            if path is not None:
                found[path] = said if isinstance(said, dict) else {}
    return found


def _parameters(
    value: object, place: Path, deps: list[tuple[str, str]]
) -> dict[tuple[str, str], MetadataValue]:
    """Return the parameters of a stage: those of params.yaml in the section General."""
    found = {}
    for file, values in mapping_of(value, place, "params").items():
        section = "General" if file == "params.yaml" else file
        known = mapping_of(values, place, "the values of params")
        for key, each in metadata_of(dict(_flat(known, place=place)), place).items():
            found[section, key] = each
    for key, each in metadata_of(dict(deps), place).items():
        found["Dependencies", key] = each
    return found


def _flat(value: object, prefix: str = "", *, place: Path) -> Iterator[tuple[str, object]]:
    """Yield the values in mappings, named as DVC names them: train.lr."""
    for key, each in mapping_of(value, place, "values").items():
        if isinstance(each, dict):
            yield from _flat(each, f"{prefix}{key}.", place=place)
        else:
            yield f"{prefix}{key}", each


def _read_values(file: Path, name: str) -> object:
    """Return what is in a file of metrics; its name says how it is written."""
    text = read_text(file, _METRICS_LIMIT)
    if name.endswith((".yaml", ".yml")):
        return parsed_yaml(text, name)
    if name.endswith(".toml"):
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise damaged(name, f"is not TOML: {str(error)[:100]}") from error
    return parsed_json(text, name)


def _float(value: float, place: Path) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise damaged(place, "has a number that is too large") from error
