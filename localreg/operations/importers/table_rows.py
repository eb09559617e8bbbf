"""The rows of a table of numbers: CSV, JSON lines, a JSON array, or Parquet; some at once."""

from __future__ import annotations

import csv
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import accumulate, chain
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain
from localreg.operations.importers.parquet_files import ParquetFile
from localreg.operations.importers.source_files import (
    LINE_LIMIT,
    damaged,
    lines_of,
    parsed_json,
    read_json,
)
from localreg.values.checks import shown
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any

    from numpy.typing import NDArray

    from localreg.errors import SourceError

    # The rows that have a value, and the values.
    Column = tuple[Sequence[int] | NDArray[Any], Sequence[object]]

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_DELIMITERS = "\t;|,"  # of those that are as frequent the first
_MOST_COLUMNS = 100_000
_BLOCK = 300_000  # bytes that are read at once
_CELLS = 400_000  # of objects that are in memory at once
_DEEPEST = 20
_FRAME = 1_000_000  # rows that polars reads at once


class Piece(Frozen):
    """Some rows that follow one another.

    Attributes:
        path: the file.
        unit: what `numbers` counts: "line" or "row".
        numbers: where each row is, counted from 1.
        columns: by name. A value of CSV is text; "" and None are no value.
    """

    path: Path
    unit: str
    numbers: Sequence[int]
    columns: dict[str, Column]

    def wrong(self, row: int, problem: str) -> SourceError:
        """Return the error for a row."""
        return _wrong(self.path, self.unit, self.numbers[row], problem)


def _wrong(path: Path, unit: str, number: int, problem: str) -> SourceError:
    if unit == "line":
        return damaged(path, problem, number)
    return damaged(f"{path} {unit} {number:,}", problem)


def pieces_of(path: Path) -> Iterator[Piece]:
    """Yield the rows of a table.

    Raises:
        SourceError: the table is damaged.
        MissingPackageError: it is Parquet, and polars is not installed.
    """
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _of_parquet(path)
    if ending == ".json":
        return _of_array(path)
    return _of_json_lines(path) if ending in (".jsonl", ".ndjson") else _of_csv(path)


# --- CSV


class _Blocks:
    """A text file in blocks of whole lines.

    Attributes:
        began: how many blocks were begun.
        first: the first line.
    """

    def __init__(self, path: Path, reader: FileIO) -> None:
        self.began = 0
        self._path = path
        self._reader = reader
        self._line = 1
        self._rest = b""
        start = self._read()
        self.first = start.partition("\n")[0]
        self._waiting = start

    def __iter__(self) -> Iterator[StringIO]:
        while text := self._waiting:
            self.began += 1
            # It yields lines as csv wants them: with their ends, which a quoted value may have.
            yield StringIO(text, newline="\n")
            self._line += text.count("\n")
            self._waiting = self._read()

    def _read(self) -> str:
        """Return the next lines; "" at the end."""
        block = self._rest
        end = 0
        while not end and (more := self._reader.read(_BLOCK)):
            start = len(block)
            block += more
            end = block.rfind(b"\n", start) + 1
            if not end and len(block) > LINE_LIMIT:
                raise damaged(self._path, f"has more than {LINE_LIMIT:,} bytes", self._line)
        end = end or len(block)  # the last line may have no end
        block, self._rest = block[:end], block[end:]
        if self._line == 1:
            block = block.removeprefix(BOM_UTF8)
        try:
            return block.decode()
        except UnicodeDecodeError as error:
            line = self._line + block.count(b"\n", 0, error.start)
            raise damaged(self._path, "is not UTF-8; save it as UTF-8", line) from error


def _of_csv(path: Path) -> Iterator[Piece]:
    with disk_errors("reading what is imported", path), open_plain(path, "source") as raw:
        blocks = _Blocks(path, raw)
        reader = csv.reader(chain.from_iterable(blocks), delimiter=_delimiter(path, blocks.first))
        try:
            names = _header(path, next((row for row in reader if row), []), reader.line_num)
            line, began = reader.line_num, blocks.began
            rows: list[list[str]] = []
            for row in reader:
                rows.append(row)
                if blocks.began != began:
                    yield from _piece_of_texts(path, names, rows, line, reader.line_num)
                    rows, line, began = [], reader.line_num, blocks.began
            yield from _piece_of_texts(path, names, rows, line, reader.line_num)
        except csv.Error as error:
            raise damaged(path, f"is not CSV: {error}", reader.line_num) from error


def _delimiter(path: Path, first: str) -> str:
    """Return what separates the values: a tab in .tsv, else what the first line has most of."""
    unquoted = "".join(first.split('"')[::2])
    return "\t" if path.suffix.lower() == ".tsv" else max(_DELIMITERS, key=unquoted.count)


def _header(path: Path, names: list[str], line: int) -> list[str]:
    names = [name.strip() for name in names]
    if not any(names):
        raise damaged(path, "has no line with the names of its columns")
    if len(names) > _MOST_COLUMNS:
        raise damaged(path, f"has more than {_MOST_COLUMNS:,} columns", line)
    if all(map(_is_number, names)):
        raise damaged(path, "has numbers only; the first line must name the columns", line)
    seen: set[str] = set()
    for name in names:
        if name in seen and name:
            raise damaged(path, f"names two columns {shown(name)}", line)
        seen.add(name)
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _piece_of_texts(
    path: Path, names: list[str], rows: list[list[str]], before: int, last: int
) -> Iterator[Piece]:
    """Yield rows as a piece, if there are any that are not empty.

    Args:
        before: the line before the first row.
        last: the last line of the last row.
    """
    import numpy as np

    numbers: Sequence[int] = range(before + 1, last + 1)
    if len(numbers) != len(rows):
        ends = accumulate(
            (1 + sum(each.count("\n") for each in row) for row in rows), initial=before
        )
        numbers = [each + 1 for each in ends][:-1]
    lengths = {*map(len, rows)}
    if 0 in lengths:
        numbers = [number for number, row in zip(numbers, rows, strict=True) if row]
        rows = [row for row in rows if row]
    if not lengths <= {0, len(names)}:
        place = next(each for each, row in enumerate(rows) if len(row) != len(names))
        problem = f"has {len(rows[place])} values, and the first line {len(names)} names"
        raise damaged(path, problem, numbers[place])
    if rows:
        places = np.arange(len(rows))
        columns: dict[str, Column] = {
            name: (places, values)
            for name, values in zip(names, zip(*rows, strict=True), strict=True)
        }
        yield Piece(path, "line", numbers, columns)


# --- JSON


def _of_json_lines(path: Path) -> Iterator[Piece]:
    rows = _Rows(path, "line")
    for number, line in lines_of(path):
        text = line.removeprefix(BOM_UTF8) if number == 1 else line
        if text.strip():
            rows.add(number, parsed_json(text, path, number), len(text))
            if rows.is_full():
                yield rows.piece()
    if rows.numbers:
        yield rows.piece()


def _of_array(path: Path) -> Iterator[Piece]:
    found = read_json(path)
    if isinstance(found, dict):
        found = found.get("log_history")  # trainer_state.json of transformers
    if not isinstance(found, list):
        raise damaged(path, "is neither an array of objects nor a trainer_state.json")
    rows = _Rows(path, "row")
    for number, each in enumerate(found, 1):
        rows.add(number, each, 0)
        if rows.is_full():
            yield rows.piece()
    if rows.numbers:
        yield rows.piece()


class _Rows:
    """Objects, collected into a piece."""

    def __init__(self, path: Path, unit: str) -> None:
        self.numbers: list[int] = []
        self._path = path
        self._unit = unit
        self._columns: dict[str, tuple[list[int], list[object]]] = {}
        self._cells = self._size = 0

    def add(self, number: int, found: object, size: int) -> None:
        """Add an object, which had some bytes."""
        if not isinstance(found, dict):
            raise _wrong(self._path, self._unit, number, "is not a JSON object")
        row = len(self.numbers)
        self.numbers.append(number)
        self._size += size
        self._take(found, "", row, 0)

    def _take(self, found: dict[str, object], before: str, row: int, depth: int) -> None:
        for key, value in found.items():
            self._cells += 1
            name = f"{before}{key.strip()}"
            if isinstance(value, dict) and depth < _DEEPEST:
                self._take(value, f"{name}/", row, depth + 1)
                continue
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = ([], [])
            column[0].append(row)
            column[1].append(value)

    def is_full(self) -> bool:
        """Return True if the piece should be taken."""
        return self._cells >= _CELLS or self._size >= _BLOCK

    def piece(self) -> Piece:
        """Return the rows, and begin the next piece."""
        piece = Piece(self._path, self._unit, self.numbers, {**self._columns})
        self.numbers, self._columns, self._cells, self._size = [], {}, 0, 0
        return piece


# --- Parquet


def _of_parquet(path: Path) -> Iterator[Piece]:
    import numpy as np

    file = ParquetFile(path)
    names = [each.strip() for each in file.columns]
    step = max(1, _CELLS // max(1, len(names)))
    start = 0
    while (frame := file.collected(file.rows.slice(start, _FRAME))).height:
        for offset in range(0, frame.height, step):
            part = frame.slice(offset, step)
            rows = np.arange(part.height)
            columns: dict[str, Column] = {
                name: (rows, each.to_list())
                for name, each in zip(names, part.get_columns(), strict=True)
            }
            first = start + offset + 1
            yield Piece(path, "row", range(first, first + part.height), columns)
        start += frame.height
