"""The Parquet copies of a project of Trackio, read as its database is.

`NAME.parquet` has the metrics, `NAME_system.parquet`, `NAME_configs.parquet` and so on the rest.
A metric or setting is a column of its own there.
"""

from __future__ import annotations

from collections.abc import Iterator

from localreg.operations.importers.parquet_files import ParquetFile
from localreg.operations.importers.source_files import SourceFolder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.foreign.trackio_tables import Row

_SUFFIXES = {"metrics": "", "system_metrics": "_system"}
_ENDINGS = ("_system", "_configs", "_traces", "_artifacts", "_artifact_versions",
            "_artifact_aliases", "_run_artifact_links", "_external_run_artifact_links")  # fmt: skip
_TIMES = {"metrics": "timestamp", "system_metrics": "timestamp", "configs": "created_at"}
# Tables in which each value has a column, and what is no value in them.
_PACKED = {"metrics": "metrics", "system_metrics": "metrics", "configs": "config"}
_OWN = frozenset({"id", "run_id", "run_name", "timestamp", "step", "created_at", "log_id",
                  "space_id"})  # fmt: skip
_PIECE = 10_000  # rows


def is_parquet_of_metrics(name: str) -> bool:
    """Return True if a file is the copy of the metrics of a project, by its name."""
    return name.endswith(".parquet") and not name.removesuffix(".parquet").endswith(_ENDINGS)


class TrackioParquet:
    """Reads the copies of a project."""

    def __init__(self, folder: SourceFolder, project: str) -> None:
        """Take the files of a project.

        Args:
            folder: where they are.
            project: what their names begin with.
        """
        self._folder = folder
        self._project = project
        self._files: dict[str, ParquetFile | None] = {}

    def is_whole(self) -> bool:
        """Return True if the file of the metrics has the columns of Trackio.

        Raises:
            MissingPackageError: polars is not installed.
        """
        found = self._file("metrics")
        return found is not None and {"timestamp", "run_name", "step"} <= {*found.columns}

    def runs(self) -> Iterator[tuple[object, object, object, object]]:
        """Yield key, name, and first and last time of the runs; a run may come several times."""
        for table, time in _TIMES.items():
            file = self._file(table)
            if file is not None and {"run_name", time} <= {*file.columns}:
                column = file.polars.col
                grouped = file.rows.group_by(column(_key(file)).alias("the key")).agg(
                    column("run_name").max().alias("the name"),
                    column(time).min().alias("the first"),
                    column(time).max().alias("the last"),
                )
                yield from file.collected(grouped).rows()

    def rows(self, table: str, run: str | None = None) -> Iterator[Row]:
        """Yield the rows of a table, or those of one run, by the names of the columns."""
        file = self._file(table)
        if file is None or (run is not None and "run_name" not in file.columns):
            return
        rows = file.rows if run is None else file.rows.filter(file.polars.col(_key(file)) == run)
        packed = _PACKED.get(table)
        found = file.collected(rows)
        for row in found.iter_rows(named=True, buffer_size=_PIECE):
            yield row if packed is None else _packed(row, packed)

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        file = self._file(table)
        if file is None:
            return 0
        return int(file.collected(file.rows.select(file.polars.len())).item())

    def _file(self, table: str) -> ParquetFile | None:
        if table not in self._files:
            name = f"{self._project}{_SUFFIXES.get(table, f'_{table}')}.parquet"
            path = self._folder.file(name)
            self._files[table] = None if path is None else ParquetFile(path)
        return self._files[table]


def _key(file: ParquetFile) -> str:
    return "run_id" if "run_id" in file.columns else "run_name"


def _packed(row: Row, name: str) -> Row:
    """Return a row whose values are one value, as in a database."""
    values = {key: each for key, each in row.items() if key not in _OWN and each is not None}
    return {key: each for key, each in row.items() if key in _OWN} | {name: values}
