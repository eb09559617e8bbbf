"""Parquet files of a source, read by polars."""

from __future__ import annotations

from pathlib import Path

from localreg.errors import MissingPackageError
from localreg.operations.importers.source_files import damaged
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class ParquetFile:
    """A Parquet file.

    Attributes:
        polars: the package.
        rows: a LazyFrame of the file.
        columns: their names.
    """

    def __init__(self, path: Path) -> None:
        """Read what the file says of its columns.

        Raises:
            MissingPackageError: polars is not installed.
            SourceError: it is no Parquet file.
        """
        try:
            import polars
        except ImportError as error:
            raise MissingPackageError(
                f"{printable_path(str(path))} is Parquet; "
                "to read it: pip install 'localreg[parquet]'",
                package="polars",
            ) from error
        self._path = path
        self.polars: Any = polars
        self.rows: Any = self._done(lambda: polars.scan_parquet(path, glob=False))
        self.columns: list[str] = self._done(self.rows.collect_schema).names()

    def collected(self, rows: Any) -> Any:  # noqa: ANN401  (polars is optional)
        """Return the DataFrame of a LazyFrame that was made of `rows`.

        Raises:
            SourceError: the file is damaged.
        """
        return self._done(rows.collect)

    def _done(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401  (polars is optional)
        from polars.exceptions import PanicException, PolarsError

        try:
            return call()
        except (PolarsError, PanicException, OSError) as error:
            raise damaged(self._path, f"is not Parquet: {str(error)[:200]}") from error
