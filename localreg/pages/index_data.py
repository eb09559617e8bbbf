"""Packs the columns of the overview: those that it shows first into the page, others into files.

A page on disk may load no JSON, but scripts. So a file of columns is a script that hands JSON to
index_data.js, which asks for it when the reader chooses one of its columns, sorts by it, or
searches.

Packed values are a JSON object:

- ``d``: the values, null for a missing one; or ``p`` and ``v``: positions, and the values there.
- ``u``: the different values, if they repeat; then ``d`` or ``v`` are positions in it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from math import isfinite

from localreg.pages.page_values import IndexColumn, IndexPage, IndexTable
from localreg.values.frozen import Frozen

IN_PAGE = 4_000_000  # characters of columns in the page itself
IN_FILE = 1_500_000  # characters, after which another file begins
_AT_ONCE = 1_000  # values that become JSON at once
FOLDER = "columns"  # beside the overview
PREFIX = "columns-"  # of the names of files

Size = int


class IndexData(Frozen, kw_only=True):
    """What the overview shows; the values that it was made of are not needed any more.

    Attributes:
        name, notes: of `IndexPage`.
        has_datasets: True if there is a data set.
        parts: the data in the page, as JSON in parts, which may be long.
        files: the texts of the other files, by name.
    """

    name: str
    notes: tuple[str, ...]
    has_datasets: bool
    parts: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def page(self) -> str:
        """The data in the page as one text."""
        return "".join(self.parts)


class _Packs:
    """Columns that are packed, each with its number; they are spread over page and files."""

    def __init__(self, room: Size) -> None:
        self._room = room
        self._count = 0
        self.in_page: list[tuple[int, str]] = []
        self.files: list[tuple[str, list[int], str]] = []
        self._open: dict[str, list[tuple[int, str]]] = {}
        self._sizes: dict[str, int] = {}

    def add(self, text: str, group: str) -> int:
        """Add a packed column, and return its number.

        Args:
            group: columns of one group lie in the same files; "" for the page, always.
        """
        number = self._count
        self._count += 1
        if not group or len(text) <= self._room:
            if group:
                self._room -= len(text)
            self.in_page.append((number, text))
            return number
        self._open.setdefault(group, []).append((number, text))
        self._sizes[group] = self._sizes.get(group, 0) + len(text)
        if self._sizes[group] > IN_FILE:
            self._close(group)
        return number

    def close(self) -> None:
        for group in list(self._open):
            self._close(group)

    def _close(self, group: str) -> None:
        packs = self._open.pop(group)
        del self._sizes[group]
        inside = ",".join(f"[{number},{text}]" for number, text in packs)
        name = f"{PREFIX}{hashlib.sha256(inside.encode()).hexdigest()[:20]}.js"
        # JSON has no line breaks and no single quotes of its own, so that two replacements make a
        # text of JavaScript. JSON.parse is faster than the parser of scripts.
        quoted = f"[{inside}]".replace("\\", "\\\\").replace("'", "\\'")
        self.files.append((name, [n for n, _ in packs], f"localreg.arrived('{name}','{quoted}');"))


def index_data(values: IndexPage, in_page: Size | None = None) -> IndexData:
    """Return the data of the overview.

    Args:
        in_page: characters of columns in the page; more go to files. None for all in the page.
    """
    packs = _Packs(10**12 if in_page is None else in_page)
    made = Counter(task for task in values.models.rows.get("task", ()) if isinstance(task, int))
    # Tasks first: they are fewer, and models show their values too.
    tables = {
        "tasks": _table(values.tasks, packs, made),
        "models": _table(values.models, packs, {}),
        "datasets": _table(values.datasets, packs, {}),
    }
    packs.close()
    rest = {
        "tables": tables,
        "projects": values.projects,
        "comparisons": values.comparisons,
        "files": [(name, numbers) for name, numbers, _ in packs.files],
    }
    parts = [f'{_json(rest)[:-1]},"packs":[']
    for place, (number, text) in enumerate(packs.in_page):
        parts += ("," if place else "", f"[{number},", text, "]")
    return IndexData(
        name=values.name,
        notes=values.notes,
        has_datasets=bool(values.datasets.rows["id"]),
        parts=(*parts, "]}"),
        files={name: text for name, _, text in packs.files},
    )


def _table(table: IndexTable, packs: _Packs, made: Mapping[int, int]) -> dict[str, object]:
    """Return what index_data.js needs to know of a table; its values are in the packs.

    Args:
        made: of tasks, how many models each one made, by its row.
    """
    count = len(table.rows["id"])
    rows = {
        name: packs.add(packed(column, None, count), "texts" if name == "comment" else "")
        for name, column in table.rows.items()
    }
    columns: list[list[object]] = []
    later: list[tuple[list[object], IndexColumn]] = []
    for each in table.columns:
        measured = each.low is not None
        group = each.kind if each.kind == "metrics" else "texts"
        text = packed(each.values, each.at, count, numbers=measured)
        models = sum(made.get(row, 0) for row in each.at) if made else 0
        line = [
            each.kind, each.key, len(each.at), models,
            each.different, each.better, packs.add(text, group),
        ]  # fmt: skip
        columns.append(line)
        if measured and (each.low != each.values or each.high != each.values):
            later.append((line, each))
    for line, each in later:  # the last values come first: they are shown first
        for some in (each.low, each.high):
            assert some is not None
            line.append(packs.add(packed(some, each.at, count, numbers=True), "extremes"))
    return {"count": count, "rows": rows, "columns": columns}


def packed(
    values: Sequence[object], at: Sequence[int] | None, count: int, *, numbers: bool = False
) -> str:
    """Return a column as packed JSON.

    Args:
        values: texts, numbers, tuples, or None.
        at: their positions, or None if there is one for each of the rows.
        count: number of rows.
        numbers: they are numbers, which seldom repeat.

    >>> packed(["a", "b", "a", "a"], None, 4)
    '{"u":["a","b"],"d":[0,1,0,0]}'
    >>> packed([0.5, float("nan")], [7, 9], 10, numbers=True)
    '{"p":[7,9],"v":[0.5,null]}'
    """
    unique = "" if numbers else _unique(values)
    if unique:
        places: dict[object, int] = {}
        for each in values:
            places.setdefault(each, len(places))
        unique = f'"u":{_json(list(places))},'
        values = [places[each] for each in values]
    if at is None:
        return f'{{{unique}"d":{_json_list(values)}}}'
    if len(at) * 2 < count:
        return f'{{{unique}"p":{_json_list(at)},"v":{_json_list(values)}}}'
    dense: list[object] = [None] * count
    for place, value in zip(at, values, strict=True):
        dense[place] = value
    return f'{{{unique}"d":{_json_list(dense)}}}'


def _unique(values: Sequence[object]) -> str:
    """Return "u" if at most half of some values are different, else nothing."""
    if len(values) < 4:
        return ""
    return "u" if len(set(values)) * 2 <= len(values) else ""


def _json_list(values: Sequence[object]) -> str:
    """Return a list as JSON, made in parts: the encoder keeps a text for each value."""
    parts = (
        _json(list(values[start : start + _AT_ONCE]))[1:-1]
        for start in range(0, len(values), _AT_ONCE)
    )
    return f"[{','.join(parts)}]"


def _json(value: object) -> str:
    """Return JSON; numbers that it does not have become null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"))
    except ValueError:  # looked for only when there is one
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def is_column_file(name: str) -> bool:
    """Return True if a name is that of a file of columns."""
    return name.startswith(PREFIX) and name.endswith(".js")
