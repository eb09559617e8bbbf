"""Runs of Weights & Biases: the folder ``wandb``, the folder of a run, or the log of one.

A run is what its log says (`wandb_log`), which is read without the package wandb; where there is no
log, what its files say. Decisions:

- A run has one task, also if it was resumed and has several folders. Its key is entity, project, id
  and the time of the first start, as the log has them: others may give their runs the same ids.
- The folder of a run has links to files outside: what `wandb.save` was given. They are not
  followed, but named as missing.
- The bytes of logged artifacts are in wandb's cache, outside of the folder. They come only if they
  are in it, too.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain
from localreg.operations.importers.found import (
    FoundArtifact,
    FoundFile,
    FoundModel,
    FoundTask,
    FoundWeights,
    Given,
)
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import SourceFolder, damaged, read_text
from localreg.operations.importers.wandb_facts import (
    LoggedArtifact,
    LoggedFile,
    RunFacts,
    leaves,
)
from localreg.operations.importers.wandb_history import RunReports
from localreg.operations.importers.wandb_log import ENDING, WandbLog
from localreg.operations.tasks.parameters import GENERAL, value_of
from localreg.values.checks import check_text
from localreg.values.paths import is_package_path
from localreg.values.records import TASK_TYPES, MetadataValue
from localreg.values.urls import is_remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

_FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")
# What W&B writes for itself into the files of a run.
_OWN_FILES = frozenset(
    "config.yaml wandb-metadata.json wandb-summary.json output.log requirements.txt "
    "wandb-events.jsonl wandb-history.jsonl".split()
)
_TYPES = {"train": "training", "eval": "testing", "evaluate": "testing", "evaluation": "testing",
          "test": "testing"}  # fmt: skip
_SECTION = "W&B"  # of parameters: what W&B knows of a run and we have no word for


class _Part:
    """A folder of a run, or a log alone: a run that was resumed has several."""

    def __init__(self, folder: SourceFolder, log: Path | None, run_id: str) -> None:
        self.folder = folder
        self.run_id = run_id
        self.log = None if log is None else WandbLog(log)
        # Beside a log alone may be a folder of the same name that is no run's.
        is_own = _is_run(folder.path) or (folder.path / "files/wandb-metadata.json").is_file()
        files = folder.folder("files") if is_own else None
        self.files = files if files is not None and files.path.is_dir() else None

    @cached_property
    def entries(self) -> list[tuple[str, Path | None]]:
        """The files of the run by their names; None for links that lead out of the source."""
        return [] if self.files is None else list(self.files.entries_below())


def is_one(path: Path) -> bool:
    """Return True if a path is a log, the folder of a run, or has such folders."""
    path = _named_by(path)
    if path.is_file():
        return path.suffix == ENDING
    if not path.is_dir():
        return False
    return _is_run(path) or any(
        _is_run(each) for each in path.iterdir() if _FOLDER.fullmatch(each.name)
    )


def _named_by(path: Path) -> Path:
    """Return the folder that a link such as `latest-run` names; else the path."""
    return path.resolve() if path.is_symlink() else path


def _is_run(path: Path) -> bool:
    found = _FOLDER.fullmatch(path.name)
    if found is None or not path.is_dir():
        return False
    return (path / f"run-{found[2]}{ENDING}").is_file() or (path / "files").is_dir()


@contextmanager
def opened(given: Given) -> Iterator[WandbRuns]:
    """Open runs.

    Raises:
        InvalidValueError: there are none.
        SourceError: a link leads out of the source.
    """
    path = given.path
    if path is None or not is_one(path):
        raise InvalidValueError(
            f"{given.source} must be a folder 'wandb', the folder of a run "
            "(offline-run-20251130_120000-ID), or its log (run-ID.wandb)",
            argument="source",
        )
    yield WandbRuns(_named_by(path))


class WandbRuns:
    """Runs of Weights & Biases."""

    kind = "wandb"

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self.left: Counter[str] = Counter()
        self._path = path
        self._models: list[FoundModel] = []

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the runs, the older before the newer."""
        runs: dict[str, list[_Part]] = {}
        for part in self._parts():
            runs.setdefault(part.run_id, []).append(part)
        for parts in runs.values():
            yield from self._runs(parts)

    def models(self) -> Iterator[FoundModel]:
        """Yield the artifacts of type "model" that the runs logged."""
        yield from self._models

    def _parts(self) -> Iterator[_Part]:
        """Yield the parts of all runs, the older before the newer."""
        path = self._path
        if path.is_file():
            if not _is_run(path.parent):
                run_id = path.stem.removeprefix("run-")
                yield _Part(SourceFolder(path.parent), path, run_id)
                return
            path = path.parent
        if _is_run(path):
            yield self._part(SourceFolder(path))
            return
        place = SourceFolder(path)
        named = [(found[1], name) for name in place.names() if (found := _FOLDER.fullmatch(name))]
        for _, name in sorted(named):
            if _is_run(path / name):
                yield self._part(place.folder(name))
            else:
                self.left["folders of runs without a log and files"] += 1

    @staticmethod
    def _part(folder: SourceFolder) -> _Part:
        found = _FOLDER.fullmatch(folder.path.name)
        assert found is not None
        return _Part(folder, folder.file(f"run-{found[2]}{ENDING}"), found[2])

    def _runs(self, parts: list[_Part]) -> Iterator[FoundTask]:
        """Yield the runs that have one id: one, unless they are of several projects."""
        runs: dict[tuple[str, str], tuple[RunFacts, list[_Part]]] = {}
        for part in parts:
            facts = RunFacts(part.run_id)
            self._read(part, facts)
            if not facts.is_known:
                self.left["logs that end before they name their run"] += 1
                continue
            where = (facts.entity, facts.project)
            if where in runs:
                facts, before = runs[where]
                self._read(part, facts)
                before.append(part)
            else:
                runs[where] = facts, [part]
        for facts, own in runs.values():
            for what, count in facts.unread.items():
                self.left[what] += count
            for part in own:
                if part.log is not None and part.log.end is not None and part.log.end.is_cut:
                    self.left["unfinished ends of logs, of runs that were killed"] += 1
            yield self._task(facts, own)

    @staticmethod
    def _read(part: _Part, facts: RunFacts) -> None:
        if part.log is not None:
            facts.read_log(part.log)
        elif part.files is not None:
            facts.read_files(part.files)

    # --- a run

    def _task(self, facts: RunFacts, parts: list[_Part]) -> FoundTask:
        place = parts[0].folder.path if parts[0].log is None else parts[0].log.path
        started = facts.started or _time_of_name(parts[0].folder.path.name)
        ended = max(started, facts.ended or started)
        key = f"{facts.entity}/{facts.project}/{facts.run_id}/{started}"
        with _kept(place):
            parameters = _parameters(facts, place)
            run = _how(facts, parts)
        status, reason = _status(facts, has_log=parts[-1].log is not None)
        outputs = self._take_models(facts, parts, key, started)
        artifacts = tuple(self._artifacts(parts, ended))

        def report(spool: ReportSpool) -> None:
            self._report(spool, facts, parts, started, ended)

        return FoundTask(
            key=key, name=facts.name or facts.run_id, first_name=facts.run_id,
            project=facts.project or None, type=_type(facts.job_type), status=status,
            reason=reason, comment=facts.notes or None, user=facts.user or None, tags=facts.tags,
            run=run, parameters=parameters, outputs=outputs, artifacts=artifacts, created=started,
            ended=ended, report=report,
        )  # fmt: skip

    def _report(
        self, spool: ReportSpool, facts: RunFacts, parts: list[_Part], started: int, ended: int
    ) -> None:
        for part in parts:
            place = part.folder.path
            reports = RunReports(spool, place, part.files, started, self.left)
            if part.log is not None:
                reports.read_log(part.log)
            elif part.files is not None and (found := part.files.file("output.log")) is not None:
                reports.note_lines(read_text(found))
            reports.finish()
            if part is parts[-1]:
                reports.note_summary(facts.summary, ended)
            self._note_unshown(part, reports)

    def _note_unshown(self, part: _Part, reports: RunReports) -> None:
        if part.log is not None:
            for name, _ in part.entries:
                if name.startswith("media/") and name not in reports.shown:
                    self.left["media that no step names"] += 1

    def _artifacts(self, parts: list[_Part], ended: int) -> Iterator[FoundArtifact]:
        """Yield the files that the run saved; of several of one name the newest."""
        found: dict[str, FoundArtifact] = {}
        for part in parts:
            for name, path in part.entries:
                is_media = name.startswith("media/") and part.log is not None
                if name in _OWN_FILES or is_media:
                    continue
                if path is None:
                    why = "it is a link to a file outside of the run; put the file in its place"
                    found[name] = FoundArtifact(name=name, missing=why, at=ended)
                else:
                    filename = name.rpartition("/")[2]
                    file = FoundFile(filename, path)
                    found[name] = FoundArtifact(name=name, files=(file,), at=ended)
        yield from found.values()

    # --- logged artifacts

    def _take_models(
        self, facts: RunFacts, parts: list[_Part], run_key: str, started: int
    ) -> dict[str, str]:
        """Note the models that a run logged; return their keys by name."""
        outputs: dict[str, str] = {}
        place = parts[0].folder.path
        for each in facts.artifacts.values():
            if each.type != "model":
                self.left[f"logged artifacts that are no models ({each.type[:50]!r})"] += 1
                continue
            key = f"{run_key}/{each.name}/{each.digest}"
            with _kept(place):
                metadata = {
                    ".".join(path): value_of("metadata", value)
                    for path, value in leaves(each.metadata, place)
                    if ".".join(path).strip()
                }
            self._models.append(
                FoundModel(
                    key=key, name=each.name or "model", project=facts.project or None,
                    comment=each.description or None, tags=each.tags, metadata=metadata,
                    task=run_key, weights=(self._weights(each, parts),), created=started,
                    aliases=tuple(alias for alias in each.aliases if alias != "latest"),
                )
            )  # fmt: skip
            outputs[each.name] = key  # of several versions the last one
        return outputs

    def _weights(self, found: LoggedArtifact, parts: list[_Part]) -> FoundWeights:
        total = sum(each.size for each in found.files)
        if not found.files:
            return FoundWeights(missing="its list of files is not in the log")
        if len(found.files) == 1 and is_remote(found.files[0].url):
            return FoundWeights(url=found.files[0].url)
        files = []
        for each in found.files:
            if not is_package_path(each.path):
                raise damaged(
                    parts[0].folder.path, f"names a file that cannot be in it: {each.path[:200]!r}"
                )
            path = self._place_of(each, parts)
            if path is None:
                why = f"{each.path} is not in the folder of the run: wandb keeps it in its cache"
                return FoundWeights(missing=why, size=total)
            files.append(FoundFile(each.path, path))
        return FoundWeights(
            files=tuple(files), package=len(files) > 1,
            filename=found.name if len(files) > 1 else found.files[0].path.rpartition("/")[2],
        )  # fmt: skip

    def _place_of(self, wanted: LoggedFile, parts: list[_Part]) -> Path | None:
        """Return where the bytes of a file are among the files of the run; None if nowhere."""
        end = f"/{wanted.path}"
        for part in parts:
            for name, path in part.entries:
                if path is not None and f"/{name}".endswith(end) and _has_md5(path, wanted):
                    return path
        return None


def _has_md5(path: Path, wanted: LoggedFile) -> bool:
    with disk_errors("reading what is imported", path):
        if path.stat().st_size != wanted.size:
            return False
        with open_plain(path, "source") as reader:
            found = hashlib.file_digest(reader, "md5").digest()
    try:
        return found == b64decode(wanted.md5, validate=True)
    except ValueError:
        return False


@contextmanager
def _kept(place: Path) -> Iterator[None]:
    """Translate what cannot be stored."""
    try:
        yield
    except InvalidValueError as error:
        raise damaged(place, f"has values that cannot be kept: {error}") from error


def _parameters(facts: RunFacts, place: Path) -> dict[tuple[str, str], MetadataValue]:
    found: dict[tuple[str, str], MetadataValue] = {}
    for path, value in leaves(facts.config, place):
        name = "/".join(path)
        if name.strip():
            found[GENERAL, name] = _value(name, value)
    known = {"entity": facts.entity, "run_id": facts.run_id, "group": facts.group,
             "job_type": facts.job_type, "sweep": facts.sweep, "host": facts.host}  # fmt: skip
    for name, text in known.items():
        if text:
            found[_SECTION, name] = value_of(name, text)
    arguments = facts.how.get("arguments")
    if arguments:
        found[_SECTION, "arguments"] = value_of("arguments", arguments)
    return found


def _value(name: str, value: object) -> MetadataValue:
    """Return a value of the configuration; as text if JSON cannot hold it, such as NaN in it."""
    try:
        return value_of(name, value)
    except InvalidValueError:
        return value_of(name, json.dumps(value, default=str))


def _how(facts: RunFacts, parts: list[_Part]) -> Json:
    """Return how a run ran, as tasks have it."""
    run: Json = {
        name: check_text(name, facts.how[name])
        for name in ("script", "repository", "commit", "python")
        if facts.how.get(name)
    }
    for part in parts:
        found = None if part.files is None else part.files.file("requirements.txt")
        if found is not None:
            lines = (each.strip().partition("==") for each in read_text(found).splitlines())
            run["packages"] = {name: version for name, _, version in lines if name}
    return run


def _type(job_type: str) -> str:
    name = job_type.lower()
    return name if name in TASK_TYPES else _TYPES.get(name, "training")


def _status(facts: RunFacts, *, has_log: bool) -> tuple[str, str | None]:
    if not has_log:
        return "completed", "its log is not there: how it ended is not known"
    if facts.exit_code is None:
        return "aborted", "its log has no end: it was killed, or still ran"
    if facts.exit_code:
        return "failed", f"exit code {facts.exit_code}"
    return "completed", None


def _time_of_name(name: str) -> int:
    """Return the time in the name of a run's folder, in microseconds, taken as UTC; 0 without."""
    from datetime import UTC, datetime

    found = _FOLDER.fullmatch(name)
    try:
        when = datetime.strptime(found[1] if found else "", "%Y%m%d_%H%M%S")
    except ValueError:
        return 0
    return int(when.replace(tzinfo=UTC).timestamp()) * 1_000_000
