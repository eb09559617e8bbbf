"""Reported tables: DataFrames, lists of rows and CSV files, as a header and rows of cells."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import read_plain
from localreg.values.checks import check_text, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Cell = str | int | float | bool | None
    Table = tuple[list[str], list[list[Any]]]

CELLS_LIMIT = 1_000_000
CSV_LIMIT = 100_000_000  # bytes

# A cell of a CSV file becomes a number only if the number is written the same way again. Texts are
# therefore: article numbers such as 01234, nan, inf, and integers of more than 16 digits.
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,15}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)")


def table_cells(table: object) -> Table:
    """Return header and rows of a reported table.

    Args:
        table: a pandas or polars DataFrame, or rows of which the first is the header. A pandas
            index becomes the first columns, unless it only counts the rows.
    """
    if hasattr(table, "get_columns"):  # polars
        columns = [(str(each.name), each.to_list()) for each in table.get_columns()]
        return _checked([name for name, _ in columns], _as_rows([cells for _, cells in columns]))
    if hasattr(table, "iloc") and hasattr(table, "columns"):  # pandas
        return _of_pandas(table)
    if hasattr(table, "tolist"):
        table = table.tolist()
    if not isinstance(table, Iterable) or isinstance(table, str | bytes | Mapping):
        raise InvalidValueError(
            "table_plot must be a DataFrame, or a list of rows with the header first, not "
            f"{type(table).__name__}: {shown(table)}",
            argument="table_plot",
        )
    rows = [_row(row) for row in table]
    return _checked([_text(cell) for cell in rows[0]], rows[1:]) if rows else ([], [])


def _row(row: object) -> list[Any]:
    if hasattr(row, "tolist"):
        row = row.tolist()
    if not isinstance(row, Sequence) or isinstance(row, str | bytes):
        raise InvalidValueError(
            f"table_plot must be a list of rows, each a list; one row is {type(row).__name__}: "
            f"{shown(row)}",
            argument="table_plot",
        )
    return list(row)


def _of_pandas(frame: Any) -> Table:  # noqa: ANN401  (pandas need not be installed)
    header = [
        " / ".join(map(str, name)) if isinstance(name, tuple) else str(name)
        for name in frame.columns
    ]
    columns = [frame.iloc[:, place].tolist() for place in range(len(header))]
    index = frame.index
    if type(index).__name__ != "RangeIndex":
        levels = range(index.nlevels)
        names = ["" if name is None else str(name) for name in index.names]
        header = names + header
        columns = [index.get_level_values(level).tolist() for level in levels] + columns
    return _checked(header, _as_rows(columns) if columns else [[] for _ in range(len(frame))])


def _as_rows(columns: list[list[Any]]) -> list[list[Any]]:
    return [list(row) for row in zip(*columns, strict=True)]


def csv_cells(path: Path, *, argument: str = "csv") -> Table:
    """Return header and rows of a CSV file; numbers are converted, short rows filled with None.

    Raises:
        InvalidValueError: it is not CSV in UTF-8, is too large, or is not a plain file.
        SourceNotFoundError: the file does not exist.
        StorageError: the file cannot be read.
    """
    try:
        with disk_errors("reading a table", path):
            raw = read_plain(path, argument, CSV_LIMIT)
        text = raw.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidValueError(
            f"{argument} is not a CSV file in UTF-8: {path}: {error}", argument=argument
        ) from error
    if not rows:
        return [], []
    header, *lines = rows
    filled = [
        [_number(cell) for cell in line] + [None] * (len(header) - len(line)) for line in lines
    ]
    return _checked(header, filled, argument=argument)


def _number(text: str) -> Cell:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _checked(header: list[str], rows: list[list[Any]], *, argument: str = "table_plot") -> Table:
    if len(header) * (len(rows) + 1) > CELLS_LIMIT:
        raise InvalidValueError(
            f"{argument} has {len(rows):,} rows of {len(header):,} cells; a table can have at most "
            f"{CELLS_LIMIT:,} cells",
            argument=argument,
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise InvalidValueError(
                f"{argument} must have as many cells in each row as in the header ({len(header)}); "
                f"row {number} has {len(row)}",
                argument=argument,
            )
    names = [check_text(argument, name) for name in header]
    return names, [[_cell(argument, cell) for cell in row] for row in rows]


def _cell(argument: str, value: object) -> Cell:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**53 else _text(value, argument)
    if isinstance(value, float):
        return float(value) if abs(value) < float("inf") else _text(value, argument)
    is_scalar = not getattr(value, "shape", ())
    if hasattr(value, "item") and type(value).__module__ == "numpy" and is_scalar:
        plain = value.item()
        if type(plain) is not type(value):  # the item of a longdouble is a longdouble again
            return _cell(argument, plain)
    return check_text(argument, _text(value, argument))


def _text(value: object, argument: str = "table_plot") -> str:
    if isinstance(value, str):
        return str(value)
    if _is_missing(value):
        return ""
    try:
        return str(value)
    except ValueError as error:  # Python refuses to print an int of thousands of digits
        raise InvalidValueError(
            f"{argument} has a cell that cannot be stored: {shown(value)}", argument=argument
        ) from error


def _is_missing(value: object) -> bool:
    """Return True if a cell is None, NaN, or a missing value or time of pandas."""
    if value is None or type(value).__name__ == "NAType":  # pd.NA != pd.NA is pd.NA
        return True
    differs = value != value
    # For an array or a frame in the cell, `differs` is not a bool but another array or frame.
    return type(differs).__name__ in ("bool", "bool_") and bool(differs)
