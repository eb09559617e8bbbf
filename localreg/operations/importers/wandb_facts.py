"""What is known of a run of Weights & Biases besides its reports: from its log, or its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from localreg.operations.importers.source_files import (
    SourceFolder,
    damaged,
    parsed_json,
    read_json,
    read_yaml,
)
from localreg.operations.importers.wandb_log import WandbLog
from localreg.values.frozen import Frozen
from localreg.values.protobuf_wire import Message, WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.values.records import Json

# Fields of Record, and of what is in them: wandb_internal.proto.
HISTORY, SUMMARY, OUTPUT, OUTPUT_RAW, STATS = 2, 3, 4, 13, 7
_CONFIG, _ARTIFACT, _BOARD, _ALERT, _METRIC, _RUN, _EXIT, _ENVIRONMENT = 5, 8, 9, 10, 12, 17, 18, 26
VALUE_JSON = 16  # of every item with a value
INTERNAL = "_wandb"  # the key of what wandb notes for itself
_LATEST = 253_402_300_799  # seconds: the end of the year 9999
_DEEPEST = 100


class LoggedFile(Frozen):
    """A file of an artifact: its path in it, MD5 in base64, size, and where it was or is."""

    path: str
    md5: str
    size: int
    place: str
    url: str


class LoggedArtifact(Frozen):
    """An artifact that a run logged."""

    type: str
    name: str
    digest: str
    description: str
    metadata: Json
    aliases: tuple[str, ...]
    tags: tuple[str, ...]
    files: tuple[LoggedFile, ...]


class RunFacts:
    """What is known of a run.

    Attributes:
        run_id, entity, project, name, notes, group, job_type, sweep, host, user: texts, "" if they
            are not known.
        tags: of the run.
        started, ended: microseconds; None if they are not known.
        exit_code: None if the log does not say how it ended.
        config, summary: nested values.
        how: script, arguments, repository, commit, python.
        artifacts: that it logged.
        is_known: True if anything said which run it is.
        unread: how often there was what does not come, by the reason.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.entity = self.project = self.name = self.notes = ""
        self.group = self.job_type = self.sweep = self.host = self.user = ""
        self.tags: tuple[str, ...] = ()
        self.started: int | None = None
        self.ended: int | None = None
        self.exit_code: int | None = None
        self.config: Json = {}
        self.summary: Json = {}
        self.how: Json = {}
        self.artifacts: dict[tuple[str, str, str], LoggedArtifact] = {}
        self.unread: dict[str, int] = {}
        self.is_known = False

    def read_log(self, log: WandbLog) -> None:
        """Take what a log says; that of an earlier part of the run stays where it says nothing.

        Raises:
            SourceError: it is damaged.
        """
        try:
            self._read_records(log)
        except WireError as error:
            raise damaged(log.path, f"has a record that {error}") from error

    def _read_records(self, log: WandbLog) -> None:
        last: Message | None = None
        runtime = 0
        self.exit_code = None  # of an earlier part
        first_start: int | None = None
        for record in log.records():
            if record.has(HISTORY) or record.has(OUTPUT_RAW) or record.has(STATS):
                last = record
            elif record.has(SUMMARY):
                self._note_items(self.summary, record.message(SUMMARY), log.path)
            elif record.has(_CONFIG):
                self._note_items(self.config, record.message(_CONFIG), log.path)
            elif record.has(_RUN):
                run = record.message(_RUN)
                self._note_run(run, log.path)
                first_start = first_start or microseconds(run.message(17))
            elif record.has(_EXIT):
                self.exit_code = record.message(_EXIT).number(1)
                runtime = record.message(_EXIT).number(2)
            elif record.has(_ENVIRONMENT):
                self._note_environment(record.message(_ENVIRONMENT))
            elif record.has(_ARTIFACT):
                self._note_artifact(record.message(_ARTIFACT), log.path)
            elif record.has(_BOARD):
                self._miss("folders of TensorBoard (import them by themselves)")
            elif record.has(_ALERT):
                self._miss("alerts")
            elif record.has(_METRIC):
                self._miss("definitions of metrics: every metric has the step as iteration")
        self.started = self.started or first_start
        times = [self.ended]
        if first_start is not None:
            times.append(min(first_start + max(0, runtime) * 1_000_000, _LATEST * 1_000_000))
        if last is not None:
            times.append(_time_of(last, log.path))
        self.ended = max((each for each in times if each), default=None)

    def _miss(self, what: str) -> None:
        self.unread[what] = self.unread.get(what, 0) + 1

    def _note_run(self, run: Message, place: Path) -> None:
        texts = {"entity": 2, "project": 3, "group": 6, "job_type": 7, "name": 8, "notes": 9,
                 "sweep": 12, "host": 13}  # fmt: skip
        for attribute, field in texts.items():
            if run.has(field):
                setattr(self, attribute, run.text(field))
        self.is_known = True
        if run.has(1):
            self.run_id = run.text(1)
        if run.has(10):
            self.tags = tuple(run.texts(10))
        self._note_items(self.config, run.message(4), place)
        self._note_items(self.summary, run.message(5), place)
        self._note_git(run.message(21))

    def _note_git(self, git: Message) -> None:
        for name, field in (("repository", 1), ("commit", 2)):
            if git.has(field):
                self.how[name] = git.text(field)

    def _note_environment(self, found: Message) -> None:
        if found.has(2):
            self.how["python"] = found.text(2).rpartition(" ")[2]
        program = found.text(7) or found.text(6).replace("\\", "/").rpartition("/")[2]
        if program:
            self.how["script"] = program
        if found.has(5):
            self.how["arguments"] = found.texts(5)
        if found.has(12):
            self.host = found.text(12)
        if found.has(13):
            self.user = found.text(13)
        self._note_git(found.message(9))

    def _note_items(self, values: Json, record: Message, place: Path) -> None:
        """Set and remove what a record of the configuration or the summary says."""
        for item in record.messages(1):
            path = path_of(item)
            if path and path[0] != INTERNAL:
                put(values, path, Unparsed(item.data(VALUE_JSON) or b"null"), place)
        for item in record.messages(2):
            _drop(values, path_of(item))

    def _note_artifact(self, found: Message, place: Path) -> None:
        metadata = parsed_json(found.data(8), place) if found.data(8) else {}
        files = tuple(
            LoggedFile(each.text(1), each.text(2), max(0, each.number(4)), each.text(6),
                       each.text(3))
            for each in found.message(12).messages(4)
        )  # fmt: skip
        key = (found.text(4), found.text(5), found.text(6))
        before = self.artifacts.get(key)
        aliases = found.texts(11) + list(before.aliases if before else ())
        self.artifacts[key] = LoggedArtifact(
            *key, found.text(7), metadata if isinstance(metadata, dict) else {},
            tuple(dict.fromkeys(aliases)), tuple(found.texts(19)), files,
        )  # fmt: skip

    def read_files(self, files: SourceFolder) -> None:
        """Take what the files of a run say, which has no log.

        Raises:
            SourceError: a file is damaged.
            MissingPackageError: there is a config.yaml, and no ruamel.yaml to read it.
        """
        self.is_known = True
        if (found := files.file("config.yaml")) is not None:
            for name, each in _mapping(read_yaml(found, by_pyyaml=True), found).items():
                if name in (INTERNAL, "wandb_version"):
                    continue
                self.config[str(name)] = each.get("value") if isinstance(each, dict) else each
        if (found := files.file("wandb-summary.json")) is not None:
            self.summary = dict(_mapping(read_json(found), found))
            self.summary.pop(INTERNAL, None)
        if (found := files.file("wandb-metadata.json")) is not None:
            self._note_metadata(_mapping(read_json(found), found))

    def _note_metadata(self, found: Mapping[str, object]) -> None:
        texts = {name: each for name, each in found.items() if isinstance(each, str)}
        git = found.get("git")
        if isinstance(git, dict):
            for name, key in (("repository", "remote"), ("commit", "commit")):
                if isinstance(git.get(key), str):
                    self.how[name] = git[key]
        if "python" in texts:
            self.how["python"] = texts["python"].rpartition(" ")[2]
        program = texts.get("codePath") or texts.get("program", "").replace("\\", "/")
        if program:
            self.how["script"] = texts.get("codePath") or program.rpartition("/")[2]
        arguments = found.get("args")
        if isinstance(arguments, list):
            self.how["arguments"] = [str(each) for each in arguments]
        self.host, self.user = texts.get("host", ""), texts.get("username", "")


def path_of(item: Message) -> list[str]:
    """Return the path of an item of history, summary or configuration."""
    nested = item.texts(2)
    return nested or ([item.text(1)] if item.has(1) else [])


def microseconds(timestamp: Message) -> int | None:
    """Return a Timestamp in microseconds; None if it is none."""
    seconds, nanos = timestamp.number(1), timestamp.number(2)
    if not 0 < seconds <= _LATEST or not 0 <= nanos < 1_000_000_000:
        return None
    return seconds * 1_000_000 + nanos // 1_000


def seconds_of(value: object) -> int | None:
    """Return seconds since 1970 in microseconds; None if they are none."""
    if isinstance(value, int | float) and 0 < value <= _LATEST:
        return round(value * 1_000_000)
    return None


def items_time(history: Message, place: Path) -> int | None:
    """Return the time of a step, in microseconds."""
    for item in history.messages(1):
        if path_of(item) == ["_timestamp"]:
            return seconds_of(parsed_json(item.data(VALUE_JSON), place))
    return None


def _time_of(record: Message, place: Path) -> int | None:
    if record.has(HISTORY):
        return items_time(record.message(HISTORY), place)
    field = OUTPUT_RAW if record.has(OUTPUT_RAW) else STATS
    return microseconds(record.message(field).message(2))


def _mapping(found: object, place: Path) -> Mapping[str, object]:
    if not isinstance(found, dict):
        raise damaged(place, "holds no values with names")
    return found


class Unparsed(bytes):
    """The JSON of a value. A log says most values of the summary again for every step."""


def put(values: Json, path: list[str], value: object, place: Path) -> None:
    """Set a value in nested dicts.

    Raises:
        SourceError: the path is too long.
    """
    if len(path) > _DEEPEST:
        raise damaged(place, f"has a value deeper than {_DEEPEST} levels")
    for name in path[:-1]:
        inner = values.get(name)
        if isinstance(inner, Unparsed):
            inner = values[name] = parsed_json(inner, place)
        if not isinstance(inner, dict):
            inner = values[name] = {}
        values = inner
    values[path[-1]] = value


def _drop(values: Json, path: list[str]) -> None:
    for name in path[:-1]:
        inner = values.get(name)
        if not isinstance(inner, dict):
            return
        values = inner
    if path:
        values.pop(path[-1], None)


def leaves(values: Mapping[str, object], place: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield the values in nested dicts with their paths; a dict with a "_type" is a value."""
    waiting: list[tuple[tuple[str, ...], Mapping[str, object]]] = [((), values)]
    while waiting:
        path, found = waiting.pop()
        if len(path) > _DEEPEST:
            raise damaged(place, f"has a value deeper than {_DEEPEST} levels")
        for name, given in found.items():
            each = parsed_json(given, place) if isinstance(given, Unparsed) else given
            if isinstance(each, dict) and each and "_type" not in each:
                waiting.append(((*path, str(name)), each))
            else:
                yield (*path, str(name)), each
