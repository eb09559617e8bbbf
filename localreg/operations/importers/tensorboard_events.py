"""Event files of TensorBoard: a folder of logs, or one file.

They are read without the packages tensorboard and tensorflow: `event_files` has the framing,
`board_reports` the values. Decisions:

- Each folder that has event files is a run, and so a task; the files of one folder are read in the
  order of their names, which is that of their times. A run in the folder of another one has that as
  its parent.
- The folders that `add_scalars` makes are no runs: they are series of a chart of the run that they
  are in. So imported runs look like those that report by themselves.
- The key of a run is the name of its first file and the time of its first event: whatever folder is
  given, a run is the same.
- Of values with the same step the later counts, as after a restart; none is purged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers import board_reports, wandb_runs
from localreg.operations.importers.board_reports import BoardFacts, BoardReports
from localreg.operations.importers.event_files import EventFile
from localreg.operations.importers.found import FoundModel, FoundTask, Given
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import SourceFolder
from localreg.values.board_tags import series_of_add_scalars
from localreg.values.frozen import Frozen

_MARK = ".tfevents."
_MOST_LOOKED_AT = 20_000  # names, to find out whether a folder is one
# Folders of other programs, which may keep event files.
_OTHERS = frozenset(["mlruns", "mlartifacts", "wandb", ".aim", ".git"])


def is_one(path: Path) -> bool:
    """Return True if a path is an event file, or a folder that has some, in it or below."""
    if path.is_file():
        return _MARK in path.name
    if path.name in _OTHERS or wandb_runs.is_one(path):
        return False
    waiting, count = [path], 0
    while waiting:
        place = waiting.pop(0)
        if not place.is_dir():
            continue
        for each in place.iterdir():
            count += 1
            if count > _MOST_LOOKED_AT:
                return False
            if _MARK in each.name:
                return True
            if each.name not in _OTHERS and each.is_dir() and not each.is_symlink():
                waiting.append(each)
    return False


@contextmanager
def opened(given: Given) -> Iterator[BoardRuns]:
    """Open event files.

    Raises:
        InvalidValueError: there are none.
        SourceError: a link leads out of the folder.
    """
    path = given.path
    if path is None or not path.exists() or (path.is_file() and _MARK not in path.name):
        raise InvalidValueError(
            f"{given.source} must be a folder with event files (events.out.tfevents.…), or one "
            "of them",
            argument="source",
        )
    runs = _runs(path)
    if not runs:
        raise InvalidValueError(
            f"{given.source} has no event files (events.out.tfevents.…)", argument="source"
        )
    yield BoardRuns(path, runs)


class _Run(Frozen):
    """A folder with event files: its path in the source, and the files in order."""

    name: str
    files: tuple[EventFile, ...]


def _runs(path: Path) -> dict[str, _Run]:
    """Return the runs of a source by their folders; one that another is in comes before it."""
    if path.is_file():
        return {"": _Run("", (EventFile(path),))}
    found: dict[str, list[EventFile]] = {}
    source = SourceFolder(path)
    for name, file in source.entries_below():
        folder, _, last = name.rpartition("/")
        if _MARK not in last or not _OTHERS.isdisjoint(folder.split("/")):
            continue
        if (there := file or source.file(name)) is not None:  # `file` raises if it leads out
            found.setdefault(folder, []).append(EventFile(there))
    return {
        folder: _Run(folder, tuple(sorted(files, key=lambda each: each.path.name)))
        for folder, files in sorted(found.items())
    }


class BoardRuns:
    """Runs that TensorBoard shows."""

    kind = "tensorboard"

    def __init__(self, path: Path, runs: dict[str, _Run]) -> None:
        self.place = str(path)
        self.left: Counter[str] = Counter()
        self._path = path
        self._runs = runs
        for each in ("mlruns", "wandb"):
            if path.is_dir() and (path / each).is_dir():
                self.left[f"folder of another program, {each}: import it, too"] += 1

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the runs, one that is a parent before its children."""
        facts = {name: board_reports.facts_of(run.files) for name, run in self._runs.items()}
        parts: dict[str, list[tuple[str, _Run]]] = {}  # the folders of add_scalars, by their runs
        parents: dict[str, str | None] = {}
        joined: set[str] = set()
        for name, run in self._runs.items():
            parent = parents[name] = self._parent(name, joined)
            part = None if parent is None else _part_of_chart(parent, name, facts[name])
            if parent is not None and part is not None:
                joined.add(name)
                parts.setdefault(parent, []).append((part, run))
        keys: set[str] = set()
        for name, run in self._runs.items():
            found, parent = facts[name], parents[name]
            if name in joined:
                continue
            if found.key is None:
                self.left["runs without an event"] += 1
            elif found.key in keys:
                self.left["copies of a run that is there, too"] += 1
            else:
                keys.add(found.key)
                parent_key = None if parent is None else facts[parent].key
                yield self._task(run, found, parts.get(name, []), parent_key)

    def models(self) -> Iterator[FoundModel]:
        """Yield nothing."""
        return iter(())

    def _parent(self, name: str, joined: set[str]) -> str | None:
        """Return the folder of the run that a folder is in; None if it is in none."""
        while name:
            name = name.rpartition("/")[0]
            if name in self._runs and name not in joined:
                return name
        return None

    def _task(
        self, run: _Run, facts: BoardFacts, parts: list[tuple[str, _Run]], parent: str | None
    ) -> FoundTask:
        folder = self._path.parent if self._path.is_file() else self._path

        def report(spool: ReportSpool) -> None:
            for part, each in [("", run), *parts]:
                BoardReports(spool, facts.started, self.left, part).read(each.files)

        return FoundTask(
            key=facts.key or "", name=run.name or folder.name, first_name=facts.first_name,
            parent=parent, parameters=facts.parameters, created=facts.started, ended=facts.ended,
            report=report,
        )  # fmt: skip


def _part_of_chart(parent: str, name: str, facts: BoardFacts) -> str | None:
    """Return the name of a value of `add_scalars` if a folder is that of one, else None."""
    tag = facts.first_tag
    if not tag:
        return None
    folder = f"/{name.removeprefix(parent).removeprefix('/')}"
    if not folder.startswith((f"/{tag.replace('/', '_')}_", f"/{tag}/")):
        return None
    return series_of_add_scalars(folder, tag)
