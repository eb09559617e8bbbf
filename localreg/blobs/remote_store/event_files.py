"""Files of events: written and read with deltalake, always in a local folder.

What is read is brought into a folder first, and a table is made of it there. So all requests to a
remote are made in one way, with the same settings, retries and errors; and only the files that hold
the wanted rows are read. deltalake itself would read the whole log for that, commit by commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.remote_store.commits import AddedFile, checked_file
from localreg.blobs.transfer.cloud.event_loop import ForkedError
from localreg.values.frozen import Frozen
from localreg.values.remote_format import COLUMNS, commit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTEGERS = frozenset({"position", "n", "seq", "lamport", "stamp", "v"})
TIME = "time"
NULLABLE = frozenset({"field"})
CHECKPOINT_INTERVAL = 100  # commits
CONFIGURATION = {
    "delta.appendOnly": "true",
    # Old commits stay: they are small, and a remote is compared with what was read from it.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.checkpointInterval": str(CHECKPOINT_INTERVAL),
}
ROW_GROUP = 131_072
_AT_ONCE = 1_000  # rows that are objects of Python, of the 8,192 of a batch
_FIRST = f"_delta_log/{0:020}.json"
# The id of the process that used deltalake: as in `localreg.blobs.transfer.cloud.event_loop`.
_users: list[int] = []


class UnreadableError(Exception):
    """Files of events, or a checkpoint, are damaged; deltalake says so."""


class Written(Frozen):
    """A file of events, ready to be brought to the table.

    Attributes:
        path: where it is now.
        name: its name in the table.
        action: the action that adds it.
    """

    path: Path
    name: str
    action: dict[str, Any]


def first_commit(folder: Path) -> bytes:
    """Return the bytes of a new table's first commit.

    Args:
        folder: an empty one, for temporary files.
    """
    with _deltalake():
        from deltalake import DeltaTable, Schema

        DeltaTable.create(
            folder, Schema.from_arrow(_schema()), name="localreg", configuration=CONFIGURATION
        )
        return (folder / _FIRST).read_bytes()


def write_rows(rows: Sequence[tuple[Any, ...]], version: int, folder: Path) -> list[Written]:
    """Write the rows of a commit as files.

    Args:
        rows: without position and n.
        version: of the commit.
        folder: an empty one.
    """
    from arro3.core import Array, DataType, Table

    schema = _schema()
    columns = [[version] * len(rows), list(range(len(rows))), *zip(*rows, strict=True)]
    arrays = []
    for name, values in zip(COLUMNS, columns, strict=True):
        kind = schema.field(name).type
        array = Array(list(values), DataType.int64() if name == TIME else kind)
        arrays.append(array.cast(kind) if name == TIME else array)
    return _write(Table(arrays, schema=schema), folder)


def rewrite(source: Path, files: Sequence[AddedFile], folder: Path) -> list[Written]:
    """Write the rows of several files as one, in order.

    Args:
        source: the folder with the files.
        files: what is in it.
        folder: an empty one.
    """
    with _deltalake():
        data = _query(source, files, f"select {', '.join(COLUMNS)} from events {_ORDER}")
        return _write(data, folder)


def read_rows(
    folder: Path, files: Sequence[AddedFile], after: int, until: int, columns: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of files with these positions, in batches, ordered by position and n.

    Args:
        folder: where the files are.
        files: what is in it.
        after: rows of later commits only.
        until: the last commit.
        columns: which columns, in which order.

    Raises:
        UnreadableError: a file is damaged.
    """
    query = (
        f"select {', '.join(map(_selected, columns))} from events "
        f"where position > {after:d} and position <= {until:d} {_ORDER}"
    )
    yield from _batches(folder, files, query)


def rows_at(
    folder: Path, files: Sequence[AddedFile], places: Iterable[int]
) -> list[tuple[Any, ...]]:
    """Return the rows of files at some places, ordered by them."""
    pairs = [commit_of(each) for each in places]
    among = " or ".join(f"(position = {position:d} and n = {n:d})" for position, n in pairs)
    query = f"select {', '.join(map(_selected, COLUMNS))} from events where {among} {_ORDER}"
    return [row for batch in _batches(folder, files, query) for row in batch]


def _batches(
    folder: Path, files: Sequence[AddedFile], query: str
) -> Iterator[list[tuple[Any, ...]]]:
    if not files:
        return
    with _deltalake():
        for batch in _each(_query(folder, files, query)):
            for start in range(0, batch.num_rows, _AT_ONCE):
                some = batch.slice(start, min(_AT_ONCE, batch.num_rows - start))
                values = [some.column(number).to_pylist() for number in range(some.num_columns)]
                yield list(zip(*values, strict=True))


def _each(batches: Any) -> Iterator[Any]:  # noqa: ANN401  (of arro3)
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001  (arro3 has no class of its own for this)
            raise UnreadableError(str(error)) from None
        yield batch


def files_of(folder: Path) -> list[AddedFile]:
    """Return the files of a table whose log is in a folder.

    Raises:
        UnreadableError: the log is damaged.
    """
    with _deltalake():
        from deltalake import DeltaTable

        table = DeltaTable(folder)
        if table.protocol().min_reader_version != 1:
            raise UnreadableError("another program changed the format of the table")
        found = table.get_add_actions(flatten=True)
        names = ("path", "size_bytes", "num_records", "min.position", "max.position")
        known = set(found.schema.names)
        columns = [
            found.column(name).to_pylist() if name in known else [None] * found.num_rows
            for name in names
        ]
        return [checked_file(*values) for values in zip(*columns, strict=True)]


def make_checkpoint(folder: Path) -> tuple[Path, Path]:
    """Make a checkpoint of a table whose log is in a folder.

    Returns:
        The checkpoint, and the file that says where it is.
    """
    with _deltalake():
        from deltalake import DeltaTable

        table = DeltaTable(folder)
        table.create_checkpoint()
        log = folder / "_delta_log"
        return log / f"{table.version():020}.checkpoint.parquet", log / "_last_checkpoint"


_ORDER = "order by position, n"


def _query(folder: Path, files: Sequence[AddedFile], query: str) -> Any:  # noqa: ANN401
    """Return a reader of what a query for the rows of `events` gives."""
    from deltalake import DeltaTable, QueryBuilder, Schema

    log = folder / "_delta_log"
    if not log.exists():
        DeltaTable.create(folder, Schema.from_arrow(_schema()))
    first = folder / _FIRST
    lines = [
        line
        for line in first.read_text(encoding="utf-8").splitlines()
        if line.startswith(('{"protocol"', '{"metaData"'))
    ]
    for each in files:
        action = {"path": each.path, "size": each.size, "partitionValues": {}}
        action |= {"modificationTime": 0, "dataChange": True}
        lines.append(json.dumps({"add": action}))
    first.write_text("\n".join(lines), encoding="utf-8")
    return QueryBuilder().register("events", DeltaTable(folder)).execute(query)


def _write(data: Any, folder: Path) -> list[Written]:  # noqa: ANN401  (of arro3)
    with _deltalake():
        from deltalake import WriterProperties, write_deltalake

        properties = WriterProperties(compression="ZSTD", max_row_group_size=ROW_GROUP)
        write_deltalake(folder, data, writer_properties=properties)
        lines = (folder / _FIRST).read_text(encoding="utf-8").splitlines()
        actions = [json.loads(line)["add"] for line in lines if line.startswith('{"add"')]
        names = [action["path"] for action in actions]
        return [
            Written(folder / name, name, action)
            for name, action in zip(names, actions, strict=True)
        ]


@contextmanager
def _deltalake() -> Iterator[None]:
    """Translate the errors of deltalake.

    Raises:
        ForkedError: it would hang.
    """
    if _users and _users[0] != os.getpid():
        raise ForkedError
    _users[:] = [os.getpid()]
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, OSError, ValueError) as error:
        raise UnreadableError(str(error)) from None


def _selected(column: str) -> str:
    if column not in COLUMNS:
        raise ValueError(column)
    return f"arrow_cast({column}, 'Int64') as {column}" if column == TIME else column


def _schema() -> Any:  # noqa: ANN401  (arro3's class)
    from arro3.core import DataType, Field, Schema

    def kind(name: str) -> DataType:
        if name == TIME:
            return DataType.timestamp("us", tz="UTC")
        return DataType.int64() if name in INTEGERS else DataType.string()

    return Schema([Field(name, kind(name), nullable=name in NULLABLE) for name in COLUMNS])
