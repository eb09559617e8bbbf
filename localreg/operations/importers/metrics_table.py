"""Metrics in a table: CSV, or JSON lines. A column is a metric; step and time are columns, too."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.operations.importers.found import FoundModel, FoundTask, Given
from localreg.operations.importers.report_spool import ReportSpool
from localreg.operations.importers.source_files import damaged, lines_of, parsed_json

_ENDINGS = {".csv": ",", ".tsv": "\t", ".jsonl": "", ".ndjson": ""}
_STEPS = ("step", "_step", "global_step", "iteration", "epoch")
_TIMES = ("time", "timestamp", "wall_time", "_timestamp")


def is_one(path: Path) -> bool:
    """Return True if a path is a file with such an ending."""
    return path.suffix.lower() in _ENDINGS and path.is_file()


@contextmanager
def opened(given: Given) -> Iterator[MetricsTable]:
    """Open a table.

    Raises:
        InvalidValueError: no task was named, or the ending is unknown.
    """
    path = given.path
    if path is None or path.suffix.lower() not in _ENDINGS:
        raise InvalidValueError(
            f"{given.source} must end in one of {', '.join(_ENDINGS)}", argument="source"
        )
    if not given.task:
        raise InvalidValueError(
            f"name the task that gets the metrics of {path.name}: --task NAME", argument="task"
        )
    yield MetricsTable(path, given.task)


class MetricsTable:
    """A table of metrics, which becomes one task."""

    kind = "metrics"

    def __init__(self, path: Path, task: str) -> None:
        self.place = str(path)
        self.left: Counter[str] = Counter()
        self._path = path
        self._task = task

    def tasks(self) -> Iterator[FoundTask]:
        """Yield the task."""
        at = int(self._path.stat().st_mtime * 1e6)
        yield FoundTask(key=self._task, name=self._task, created=0, ended=at, report=self._report)

    def models(self) -> Iterator[FoundModel]:
        """Yield nothing."""
        return iter(())

    def _report(self, spool: ReportSpool) -> None:
        for number, row in self._rows():
            step = next((row[each] for each in _STEPS if each in row), number)
            time = next((row[each] for each in _TIMES if each in row), 0)
            for name, value in row.items():
                if name in _STEPS or name in _TIMES or value in (None, ""):
                    continue
                try:
                    spool.add_point(
                        name, name, int(float(str(step))), float(str(value)),
                        int(float(str(time)) * 1_000),
                    )  # fmt: skip
                except ValueError:
                    self.left["values that are no numbers"] += 1

    def _rows(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        delimiter = _ENDINGS[self._path.suffix.lower()]
        if delimiter:
            with open(self._path, newline="", encoding="utf-8") as text:
                for number, found in enumerate(csv.DictReader(text, delimiter=delimiter)):
                    yield number, found
            return
        for number, line in lines_of(self._path):
            if line.strip():
                row = parsed_json(line, self._path, number)
                if not isinstance(row, dict):
                    raise damaged(self._path, "is not a JSON object", number)
                yield number - 1, row
