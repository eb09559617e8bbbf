"""Where the value of a metric, a parameter or a key of metadata is: SQL to order and compare by it.

A model has its own metrics, and for a name that it lacks that of the task that made it; parameters
are those of that task. So there may be several sources of a value, in the order in which they
count. Each is one index that has the values of a name together.

Parameters and metadata are texts. A text that is a number is compared as a number. Metadata has a
column of these. Of a parameter, SQLite makes a number, if that loses nothing, when the other side
has a numeric affinity. It takes every text as greater than any number, so a bound keeps texts out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from localreg.errors import InvalidValueError
from localreg.store.rows.checked_values import COUNT, ID, TEXT, Columns, Rule
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.values.comparisons import Comparison

    Match = TypeVar("Match")

Connection = sqlite3.Connection

_SHOWN_SECTIONS = 6
_NUMBERS_ONLY = "{} <= CAST(9e999 AS REAL)"
_NUMBER_OR_TEXT: Rule = ("a number or text", frozenset({int, float, str}), None)
# How rows of values (v) join what is asked for, by that and by the owner of the values: after the
# values, before them, and as a subquery about one model (m) or task (t).
_JOINS = {
    ("model", "model"): (
        "CROSS JOIN model m ON m.pk = v.model",
        "CROSS JOIN {table} v ON v.model = m.pk",
        "{table} v WHERE v.model = m.pk",
    ),
    ("model", "task"): (
        "CROSS JOIN task y ON y.pk = v.task CROSS JOIN model m ON m.task = y.id",
        "CROSS JOIN task y ON y.id = m.task CROSS JOIN {table} v ON v.task = y.pk",
        "task y CROSS JOIN {table} v ON v.task = y.pk WHERE y.id = m.task",
    ),
    ("task", "task"): (
        "CROSS JOIN task t ON t.pk = v.task",
        "CROSS JOIN {table} v ON v.task = t.pk",
        "{table} v WHERE v.task = t.pk",
    ),
}


class Order(Frozen):
    """The order of an answer. Equal models or tasks are ordered by `stamp`, newest first.

    Attributes:
        by: "updated", "created" or "name"; or "metric" for the last value of a scalar series or a
            single value, "parameter" or "metadata". What has no such value is left out.
        descending: from the greatest to the least.
        key: the name of the metric or parameter, or the key of metadata.
    """

    by: str
    descending: bool
    key: str = ""

    @property
    def is_of_values(self) -> bool:
        """True for the order of a metric, parameter or metadata."""
        return bool(self.key)


NEWEST = Order("updated", True)


class Source(Frozen):
    """One place where models or tasks have the value of a name.

    Attributes:
        first: a FROM that begins with the values, and ends with the models or tasks.
        then: what continues a FROM that has the models or tasks.
        of_one: FROM and WHERE of the values of the model or task of an outer statement.
        condition, parameters: what a WHERE needs to have this name only.
        column: the column of the value.
        is_text: True if it holds texts, of which some may be numbers.
        number: the column that has the numbers among these; "" if there is none.
    """

    first: str
    then: str
    of_one: str
    condition: str
    parameters: tuple[object, ...]
    column: str
    is_text: bool
    number: str = ""

    @property
    def value(self) -> str:
        """SQL of the value to order by: a number, if it is one."""
        if not self.is_text:
            return self.column
        if self.number:
            return f"coalesce({self.number}, {self.column})"
        is_number = _NUMBERS_ONLY.format(self.column)
        return f"CASE WHEN {is_number} THEN CAST({self.column} AS NUMERIC) ELSE {self.column} END"

    @property
    def in_order(self) -> tuple[Source, ...]:
        """The parts of it that each are in the order of an index: numbers, then texts.

        None, if there is no such index.
        """
        if not self.is_text:
            return (replace(self, condition=f"{self.condition} AND {self.column} IS NOT NULL"),)
        if not self.number:
            return ()
        numbers = replace(
            self,
            first=self.first.replace("metadata_value", "metadata_number"),
            condition=f"{self.condition} AND {self.number} IS NOT NULL",
            column=self.number,
            is_text=False,
        )
        texts = replace(
            self, condition=f"{self.condition} AND {self.number} IS NULL", is_text=False
        )
        return numbers, texts

    @property
    def lacks(self) -> str:
        """SQL that is true for a model or task without a value here; it has the parameters."""
        return f"NOT EXISTS (SELECT 1 FROM {self.of_one} AND {self.condition})"


class Ranked(Frozen):
    """A match, with the values by which matches are ordered and merged."""

    id: str
    value: object
    stamp: int


RANKED = Columns("model", id=ID, value=_NUMBER_OR_TEXT, stamp=COUNT)
RANKED_TASKS = Columns("task", id=ID, value=_NUMBER_OR_TEXT, stamp=COUNT, name=TEXT)


def in_order(
    found: Iterable[Match], ranked: Callable[[Match], Ranked], *, descending: bool
) -> list[Match]:
    """Return matches by their values, equal ones newest first; texts come after all numbers."""
    numbers: list[Match] = []
    texts: list[Match] = []
    for each in found:
        (texts if isinstance(ranked(each).value, str) else numbers).append(each)
    for some in (numbers, texts):  # sorting is stable: by the second key first
        some.sort(key=lambda each: ranked(each).stamp, reverse=True)
        some.sort(key=lambda each: ranked(each).value, reverse=descending)  # type: ignore[arg-type, return-value]  # numbers, or texts
    return numbers + texts


def sources(connection: Connection, subject: str, kind: str, name: str) -> list[Source]:
    """Return where models or tasks have the value of a name, the place that counts most first.

    Args:
        subject: "model" or "task".
        kind: "metric", "parameter" or "metadata".
        name: ``title/series`` or the name of a single value; ``Section/name``, or a parameter's
            name that is in one section only; a key.

    Raises:
        InvalidValueError: the parameter is in several sections.
    """
    if kind == "metadata":
        index = ("metadata", "metadata_value", "model")
        found = _source(subject, index, "v.key = ?", (name,), "v.value", is_text=True)
        return [replace(found, number="v.number")]
    if kind == "parameter":
        index = ("parameter", "parameter_name", "task")
        condition = "v.section = ? AND v.name = ?"
        return [
            _source(subject, index, condition, key, "v.value", is_text=True)
            for key in _parameter(connection, name)
        ]
    return [
        source
        for owner in (("model", "task") if subject == "model" else ("task",))
        for source in _of_metric(connection, subject, owner, name)
    ]


def _source(
    subject: str,
    place: tuple[str, str, str],
    condition: str,
    parameters: tuple[object, ...],
    column: str,
    *,
    is_text: bool = False,
) -> Source:
    """Return the source of a table, an index of it, and the column of the owner."""
    table, index, owner = place
    after, before, inside = (each.format(table=table) for each in _JOINS[subject, owner])
    return Source(
        f"{table} v INDEXED BY {index} {after}",
        before,
        inside,
        condition,
        parameters,
        column,
        is_text,
    )


def _of_metric(connection: Connection, subject: str, owner: str, path: str) -> list[Source]:
    """Return the sources of a metric: series, the one with the shortest title first; then single.

    Titles and series may both have slashes.
    """
    found = []
    parts = path.split("/")
    for count in range(1, len(parts)):
        key = ("/".join(parts[:count]), "/".join(parts[count:]))
        index = ("series", f"series_{owner}_last", owner)
        condition = f"v.title = ? AND v.name = ? AND v.{owner} IS NOT NULL"
        if _any(connection, index, condition, key):
            found.append(_source(subject, index, condition, key, "v.last"))
    index = ("single", f"single_{owner}_value", owner)
    condition = f"v.name = ? AND v.{owner} IS NOT NULL"
    if _any(connection, index, condition, (path,)):
        found.append(_source(subject, index, condition, (path,), "v.value"))
    return found


def _any(
    connection: Connection, place: tuple[str, str, str], condition: str, key: tuple[str, ...]
) -> bool:
    table, index, _ = place
    sql = f"SELECT 1 FROM {table} v INDEXED BY {index} WHERE {condition} LIMIT 1"
    return connection.execute(sql, key).fetchone() is not None


def _parameter(connection: Connection, name: str) -> list[tuple[str, str]]:
    """Return the section and the name of a parameter, if there is one."""
    section, _, rest = name.partition("/")
    index = ("parameter", "parameter_name", "task")
    if rest and _any(connection, index, "v.section = ? AND v.name = ?", (section, rest)):
        return [(section, rest)]
    found: list[str] = []
    last = None
    while len(found) < _SHOWN_SECTIONS:
        (last,) = connection.execute(
            "SELECT min(section) FROM parameter INDEXED BY parameter_name WHERE name = ?"
            + ("" if last is None else " AND section > ?"),
            (name,) if last is None else (name, last),
        ).fetchone()
        if last is None:
            break
        found.append(last)
    if len(found) > 1:
        raise InvalidValueError(
            f"the parameter {name!r:.60} is in several sections; give one of "
            f"{', '.join(f'{each}/{name}' for each in found):.200}",
            argument="parameters",
        )
    return [(found[0], name)] if found else []


def has_range_of_numbers(comparison: Comparison) -> bool:
    """Return True if what meets a comparison is a range of numbers, without texts."""
    return isinstance(comparison.value, int | float) and comparison.sign != "!="


def compared_sql(
    column: str,
    comparison: Comparison,
    parameters: list[object],
    *,
    is_text: bool = True,
    number: str = "",
) -> str:
    """Return the condition that a column meets a comparison; its parameters are appended.

    Args:
        is_text: True for a column of texts, False for one of numbers.
        number: the column that has the numbers among the texts; "" if there is none.
    """
    sign, value = comparison.sign, comparison.value
    if isinstance(value, tuple):
        parameters += value
        marks = ", ".join("?" * len(value))
        return f"{column} = ?" if len(value) == 1 else f"{column} IN ({marks})"
    parameters.append(value)
    if number and has_range_of_numbers(comparison):
        return f"{number} {sign} ?"
    if isinstance(value, str) or not is_text:
        return f"{column} {sign} ?"
    compared = f"{column} {sign} CAST(? AS NUMERIC)"
    return f"{compared} AND {_NUMBERS_ONLY.format(column)}" if sign in (">", ">=") else compared


def holds_sql(found: list[Source], comparison: Comparison, parameters: list[object]) -> str:
    """Return the condition that the value of a model or task meets a comparison.

    Args:
        found: its sources: the first one that has a value counts.
        comparison: what must hold.
        parameters: those of the condition are appended.
    """
    cases = []
    for place, source in enumerate(found):
        parameters += source.parameters
        compared = compared_sql(
            source.column, comparison, parameters, is_text=source.is_text, number=source.number
        )
        case = f"EXISTS (SELECT 1 FROM {source.of_one} AND {source.condition} AND {compared})"
        for earlier in found[:place]:
            parameters += earlier.parameters
            case += f" AND {earlier.lacks}"
        cases.append(case)
    if not cases:
        parameters.append(0)
        return "?"  # with a constant, SQLite would find no use for the index that is named
    return f"({' OR '.join(cases)})"
