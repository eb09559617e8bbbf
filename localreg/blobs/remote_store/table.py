"""The table of events: a Delta table, read by deltalake, to which commits are added here.

An append makes the parquet files in a folder of its own, with deltalake, brings them to the table,
and then creates the file of the commit, whose name is its version: the one request that decides.
deltalake's own append would open the table first, sync nothing, and hide what the server answered.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.remote_format import COLUMNS, EVENTS, MOST_ROWS, NOTE, commit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from deltalake import DeltaTable

LOG = f"{EVENTS}/_delta_log"
INTEGERS = frozenset({"position", "n", "seq", "lamport", "stamp", "v"})
TIME = "time"
NULLABLE = frozenset({"field"})
CONFIGURATION = {
    "delta.appendOnly": "true",
    # Old commits stay: they are small, and a remote is compared with what was read from it.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": "100",
}
BATCH = 8192  # rows
COMMIT_LIMIT = 64 * 1024 * 1024  # bytes of a commit's file


class Written(Frozen):
    """A file of events, ready to be brought to the table.

    Attributes:
        path: where it is now.
        name: its name in the table.
        action: the line of a commit that adds it.
    """

    path: Path
    name: str
    action: str


def commit_key(version: int) -> str:
    """Return the key of the file of a commit.

    >>> commit_key(7)
    'events/_delta_log/00000000000000000007.json'
    """
    return f"{LOG}/{version:020}.json"


def first_commit(folder: Path) -> bytes:
    """Return the bytes of a table's first commit, which makes it.

    Args:
        folder: an empty one, for temporary files.
    """
    from deltalake import DeltaTable, Schema

    DeltaTable.create(
        folder, Schema.from_arrow(_schema()), name="localreg", configuration=CONFIGURATION
    )
    return (folder / "_delta_log" / f"{0:020}.json").read_bytes()


def write_files(rows: Sequence[tuple[Any, ...]], version: int, folder: Path) -> list[Written]:
    """Write the rows of a commit as files.

    Args:
        rows: without position and n.
        version: of the commit.
        folder: an empty one.
    """
    from arro3.core import Array, DataType, Table
    from deltalake import write_deltalake

    schema = _schema()
    columns = [[version] * len(rows), range(len(rows)), *zip(*rows, strict=True)]
    arrays = []
    for name, values in zip(COLUMNS, columns, strict=True):
        kind = schema.field(name).type
        plain = DataType.int64() if name == TIME else kind
        array = Array(list(values), plain)
        arrays.append(array.cast(kind) if name == TIME else array)
    write_deltalake(folder, Table(arrays, schema=schema))
    lines = (folder / "_delta_log" / f"{0:020}.json").read_text(encoding="utf-8").splitlines()
    added = [json.loads(line)["add"]["path"] for line in lines if line.startswith('{"add"')]
    actions = [line for line in lines if line.startswith('{"add"')]
    return [
        Written(folder / name, name, action) for name, action in zip(added, actions, strict=True)
    ]


def commit_bytes(files: Sequence[Written], rows: int) -> bytes:
    """Return the bytes of a commit, which no other one has."""
    information = {
        "timestamp": time.time_ns() // 1_000_000,
        "operation": "WRITE",
        "operationParameters": {"mode": "Append"},
        "engineInfo": "localreg",
        "operationMetrics": {"num_added_files": len(files), "num_added_rows": rows},
        "localregCommit": new_id(),
    }
    lines = [json.dumps({"commitInfo": information}), *(each.action for each in files)]
    return "\n".join(lines).encode()


def _schema() -> Any:  # noqa: ANN401  (arro3's class)
    from arro3.core import DataType, Field, Schema

    def kind(name: str) -> DataType:
        if name == TIME:
            return DataType.timestamp("us", tz="UTC")
        return DataType.int64() if name in INTEGERS else DataType.string()

    return Schema([Field(name, kind(name), nullable=name in NULLABLE) for name in COLUMNS])


def read_rows(
    table: DeltaTable, after: int, until: int | None, columns: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a table with these positions, in batches, ordered by position and n."""
    from deltalake import QueryBuilder

    end = "" if until is None else f" and position <= {until:d}"
    query = (
        f"select {', '.join(map(_selected, columns))} from events "
        f"where position > {after:d}{end} order by position, n"
    )
    for batch in QueryBuilder().register("events", table).execute(query):
        yield list(
            zip(*(batch.column(i).to_pylist() for i in range(batch.num_columns)), strict=True)
        )


def count_rows(table: DeltaTable, until: int) -> tuple[int, int | None]:
    """Return how many events a table has up to a commit, and the place of its last row."""
    query = (
        f"select sum(case when kind like '{NOTE}%' then 0 else 1 end), "
        f"max(position * {MOST_ROWS} + n) from events where position <= {until:d}"
    )
    ((count, last),) = _results(table, query)
    return count or 0, last


def rows_at(table: DeltaTable, places: Iterable[int]) -> list[tuple[Any, ...]]:
    """Return the rows of a table at some places, ordered by position and n."""
    pairs = sorted(map(commit_of, places))
    among = " or ".join(f"(position = {position:d} and n = {n:d})" for position, n in pairs)
    query = (
        f"select {', '.join(map(_selected, COLUMNS))} from events where {among or 'false'} "
        "order by position, n"
    )
    return _results(table, query)


def _results(table: DeltaTable, query: str) -> list[tuple[Any, ...]]:
    from deltalake import QueryBuilder

    found: list[tuple[Any, ...]] = []
    for batch in QueryBuilder().register("events", table).execute(query):
        columns = (batch.column(i).to_pylist() for i in range(batch.num_columns))
        found += zip(*columns, strict=True)
    return found


def _selected(column: str) -> str:
    if column not in COLUMNS:
        raise ValueError(column)
    return f"arrow_cast({column}, 'Int64') as {column}" if column == TIME else column
