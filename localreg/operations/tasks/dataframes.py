"""DataFrames as CSV files, with a layout to read them back unchanged.

CSV has no types: a column of strings such as "01" would come back as numbers. The layout is JSON:
names and types of the index and the columns, in order.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from localreg.errors import InvalidValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.records import Json

_TEXTS = ("string", "mixed", "mixed-integer", "bytes")  # pandas' names for columns of strings


def pandas_csv(frame: Any) -> tuple[bytes, Json]:  # noqa: ANN401  (pandas need not be installed)
    """Return a pandas DataFrame as CSV, and its layout; a Series is one of one column."""
    if not hasattr(frame, "columns"):
        frame = frame.to_frame()
    into = io.StringIO()
    frame.to_csv(into, quoting=csv.QUOTE_NONNUMERIC)  # else a string with \r becomes two lines
    levels = range(frame.index.nlevels)
    index = [frame.index.get_level_values(level) for level in levels]
    layout: Json = {"levels": len(index), "heads": frame.columns.nlevels}
    if frame.columns.nlevels == 1:
        columns = [frame.iloc[:, place] for place in range(frame.shape[1])]
        layout["index"] = [_described(each.name, each.to_series()) for each in index]
        layout["columns"] = [
            _described(name, column) for name, column in zip(frame.columns, columns, strict=True)
        ]
    return _encoded(into), layout


def _described(name: object, column: Any) -> list[object]:  # noqa: ANN401  (a pandas Series)
    """Return name, type, True if it holds strings, and True if some of these are missing."""
    from pandas.api.types import infer_dtype

    dtype = "category" if hasattr(column, "cat") else str(column.dtype)
    values = column.cat.categories if dtype == "category" else column
    is_text = infer_dtype(values, skipna=True) in _TEXTS
    plain = name if name is None or type(name) in (str, int) else str(name)
    return [plain, dtype, is_text, is_text and bool(column.isna().any())]


def read_pandas(path: Path, layout: Json) -> object:
    """Return the pandas DataFrame that was written; objects in cells come back as strings.

    Args:
        layout: as `pandas_csv` returned it; {} for an artifact of an older localreg.
    """
    import pandas as pd

    levels = list(range(layout.get("levels", 1)))
    if "columns" not in layout:
        return pd.read_csv(
            path, index_col=levels or None, header=list(range(layout.get("heads", 1)))
        )
    described = [*layout["index"], *layout["columns"]]
    places = [str(place) for place in range(len(described))]  # names may occur twice
    types = {}
    missing: dict[str, list[str]] = {}
    for place, (_, dtype, is_text, has_missing) in zip(places, described, strict=True):
        if is_text:
            types[place] = "str"
            missing[place] = [""] if has_missing else []
        else:
            missing[place] = ["", "nan", "NaN", "NA", "<NA>"]
            if _is_number(dtype):
                types[place] = dtype
    frame: Any = pd.read_csv(
        path,
        header=0,
        names=places,
        index_col=False,
        dtype=types,
        keep_default_na=False,
        na_values=missing,
    )
    for place, (_, dtype, _, _) in zip(places, described, strict=True):
        if dtype.startswith("datetime64"):
            times = pd.to_datetime(frame[place], utc="," in dtype, format="ISO8601")
            frame[place] = times.astype(dtype)
        elif dtype.startswith("timedelta64"):
            frame[place] = pd.to_timedelta(frame[place]).astype(dtype)
        elif dtype in ("category", "string", "object"):
            frame[place] = frame[place].astype(dtype)
    frame = frame.set_index(places[: len(levels)])
    frame.index.names = [name for name, *_ in layout["index"]]
    frame.columns = [name for name, *_ in layout["columns"]]
    return frame


def _is_number(dtype: str) -> bool:
    return dtype == "boolean" or dtype.rstrip("0123456789").lower() in ("int", "uint", "float")


def polars_csv(frame: Any) -> tuple[bytes, Json]:  # noqa: ANN401  (polars need not be installed)
    """Return a polars DataFrame as CSV, and its layout."""
    import polars as pl

    into = io.StringIO()
    try:
        frame.write_csv(into)
    except pl.exceptions.PolarsError as error:
        raise InvalidValueError(
            f"artifact_object cannot be written as CSV: {str(error)[:200]}; give a "
            "serialization_function",
            argument="artifact_object",
        ) from error
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return _encoded(into), {"texts": texts}


def read_polars(path: Path, layout: Json) -> object:
    """Return the polars DataFrame that was written."""
    import polars as pl

    texts = dict.fromkeys(layout.get("texts", ()), pl.String)
    return pl.read_csv(path, schema_overrides=texts, infer_schema_length=None)


def _encoded(written: io.StringIO) -> bytes:
    try:
        return written.getvalue().encode()
    except UnicodeEncodeError as error:
        raise InvalidValueError(
            "artifact_object has a lone surrogate, which is not valid text",
            argument="artifact_object",
        ) from error
