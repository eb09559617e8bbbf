"""Tables that are reported, from wherever they are."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.plots.tables import csv_cells, table_cells
from localreg.registry import OpenRegistry
from localreg.values.checks import check_text, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.plots.tables import Table


def cells_of(registry: OpenRegistry, *, table_plot: object, csv: object, url: object) -> Table:
    """Return header and rows of the one table that is given.

    Args:
        registry: whose cache a download goes through.
        table_plot: a DataFrame, or rows of which the first is the header.
        csv: path of a CSV file.
        url: where there is one.

    Raises:
        InvalidValueError: not exactly one is given, or it is no table.
        SourceNotFoundError: there is no such file.
        DownloadError, StorageError: it cannot be fetched or read.
    """
    given = {"table_plot": table_plot, "csv": csv, "url": url}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise InvalidValueError(
            f"give exactly one of table_plot, csv and url, not {' and '.join(named) or 'none'}",
            argument=named[0] if named else "table_plot",
        )
    if table_plot is not None:
        return table_cells(table_plot)
    if url is None:
        return csv_cells(_checked_path("csv", csv))
    _checked_path("url", url)
    from localreg.operations.weights.local_copies import check_wish, copy_of_url

    wish = check_wish(url, name=None, expected=None, force=True)
    return csv_cells(copy_of_url(registry, wish, extract=False), argument="url")


def _checked_path(argument: str, value: object) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise InvalidValueError(
            f"{argument} must be a str or os.PathLike, not {type(value).__name__}: {shown(value)}",
            argument=argument,
        )
    return Path(check_text(argument, os.fspath(value), nul=False, empty=False))
