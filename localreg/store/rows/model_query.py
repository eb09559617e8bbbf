"""Find models: build the statement, and choose the index that it reads first (the driver).

Answers are usually ordered by `stamp`, newest first, and only the first few are wanted. An index
of the models of one tag (or name, or project) has that order. It is read until enough models are
found, and each is checked against the other conditions. The best index is the one with the fewest
models. A short probe finds it: the index ends after a few entries, or the age of its 65th entry
shows how rare its models are. Metadata has no such order, so it is the driver only if few models
match. SQLite's planner would read all models instead.

For an order by the last value of a scalar series, the index of these values is the driver. It is
read from its best end, and its models are checked in the same way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence

from localreg.store.rows.checked_values import COUNT, ID, NUMBER, TEXT, Columns
from localreg.store.rows.keys import tag_named
from localreg.store.rows.name_patterns import pattern_sql
from localreg.store.rows.tag_sql import NO_ROW, tag_keys, tag_sql
from localreg.values import dataset_names
from localreg.values.frozen import Frozen
from localreg.values.tags import ANY_TAGS, AllOf, AnyOf, HasTag, TagCondition

Connection = sqlite3.Connection
Parameters = list[object]

_IDS = Columns("model", id=ID)
PROBE = 64
FEW = 2_000


class Order(Frozen):
    """The order of an answer. Equal models are ordered by `stamp`, newest first.

    Attributes:
        by: "updated", "created" or "name" of the model, "series" for the last value of a scalar
            series, "single" for a single value. Models without such a value are left out.
            "metric" stands for one of the last two until `operations.finding.queries` knows
            which.
        descending: from the greatest to the least.
        title, name: of the series; of a single value, the name.
    """

    by: str
    descending: bool
    title: str = ""
    name: str = ""


NEWEST = Order("updated", True)


class ModelQuery(Frozen, kw_only=True):
    """A question; models must match every part that is given.

    Attributes:
        project, name: exact.
        patterns: which the name must match, see `name_patterns`.
        tags: see `localreg.values.tags`.
        metadata: keys and the texts that they must have.
        published: only published models.
        archived: archived models too.
        limit: return only the first so many.
        order: which ones are first.
        datasets: data sets too, which are recorded as models.
    """

    project: str | None = None
    name: str | None = None
    patterns: tuple[str, ...] = ()
    tags: TagCondition = ANY_TAGS
    metadata: tuple[tuple[str, str], ...] = ()
    published: bool = False
    archived: bool = False
    limit: int | None = None
    order: Order = NEWEST
    datasets: bool = False


class Ranked(Frozen):
    """A match, with the values by which matches of several registries are merged."""

    id: str
    value: object
    stamp: int


class _Driver(Frozen):
    """The index that a statement reads first: its FROM, its WHERE and its columns."""

    source: str
    condition: str
    parameters: tuple[object, ...]
    model: str
    stamp: str
    ordered: bool = True


def find(connection: Connection, query: ModelQuery) -> list[str]:
    """Return the ids of the models that match, in the order of the query."""
    sql, parameters = _statement(connection, query, lambda _: "m.id")
    return [model_id for (model_id,) in _IDS.sound(connection, sql, parameters)]


def rank(connection: Connection, query: ModelQuery) -> list[Ranked]:
    """Return the models that match, in the order of the query."""

    def columns(driver: _Driver) -> str:
        return f"m.id, {_value_sql(query.order, driver)}, m.stamp"

    sql, parameters = _statement(connection, query, columns)
    value = TEXT if query.order.by == "name" else NUMBER
    rows = Columns("model", id=ID, value=value, stamp=COUNT).sound(connection, sql, parameters)
    return [Ranked(*row) for row in rows]


def _statement(
    connection: Connection, query: ModelQuery, columns: Callable[[_Driver], str]
) -> tuple[str, Parameters]:
    project = _project(connection, query)
    keys = tag_keys(connection, query.tags)
    driver = _of_metric(query.order) or _driver(connection, query, project, keys)
    where = [driver.condition, *(["m.archived = 0"] if not query.archived else [])]
    parameters: Parameters = [*driver.parameters]
    if query.tags != ANY_TAGS:
        where.append(_tag_sql(query, keys, driver, parameters))
    for key, value in query.metadata:
        where.append(
            f"EXISTS (SELECT 1 FROM metadata x WHERE x.model = {driver.model} "
            "AND x.key = ? AND x.value = ?)"
        )
        parameters += [key, value]
    for column, wanted in (("project", project), ("name", query.name)):
        if wanted is not None:
            where.append(f"m.{column} = ?")
            parameters.append(wanted)
    where.extend(
        pattern_sql(each, parameters, project="m.project", name="m.name") for each in query.patterns
    )
    if query.published:
        where.append("m.published = 1")
    hidden = None if query.datasets else tag_named(connection, dataset_names.TAG, system=True)
    if hidden is not None:
        where.append(
            f"NOT EXISTS (SELECT 1 FROM model_tag x WHERE x.model = {driver.model} AND x.tag = ?)"
        )
        parameters.append(hidden)
    sql = (
        f"SELECT {columns(driver)} FROM {driver.source} WHERE {' AND '.join(where)} "
        f"ORDER BY {_order_sql(query.order, driver)}"
    )
    if query.limit is not None:
        sql += " LIMIT ?"
        parameters.append(query.limit)
    return sql, parameters


def _order_sql(order: Order, driver: _Driver) -> str:
    direction = "DESC" if order.descending else "ASC"
    value = f"{_value_sql(order, driver)} {direction}"
    return value if order.by == "updated" else f"{value}, {driver.stamp} DESC"


def _value_sql(order: Order, driver: _Driver) -> str:
    value = {"created": "m.birth", "name": "m.name", "series": "d.last", "single": "d.value"}
    return driver.stamp if order.by == "updated" else value[order.by]


def _of_metric(order: Order) -> _Driver | None:
    """Return the driver of an order by a metric, or None for other orders."""
    if order.by == "series":
        return _Driver(
            "series d INDEXED BY series_last CROSS JOIN model m ON m.pk = d.model",
            "d.title = ? AND d.name = ? AND d.last IS NOT NULL",
            (order.title, order.name), "d.model", "m.stamp", ordered=False,
        )  # fmt: skip
    if order.by == "single":
        return _Driver(
            "single d INDEXED BY single_value CROSS JOIN model m ON m.pk = d.model",
            "d.name = ? AND d.value IS NOT NULL",
            (order.name,), "d.model", "m.stamp", ordered=False,
        )  # fmt: skip
    return None


def series_named(connection: Connection, path: str) -> tuple[str, str] | None:
    """Return title and name of the scalar series with this path ``title/name``, or None.

    Both may have slashes; the series with the shortest title is returned.
    """
    parts = path.split("/")
    for count in range(1, len(parts)):
        title, name = "/".join(parts[:count]), "/".join(parts[count:])
        row = connection.execute(
            "SELECT 1 FROM series INDEXED BY series_last WHERE title = ? AND name = ? "
            "AND model IS NOT NULL LIMIT 1",
            (title, name),
        ).fetchone()
        if row is not None:
            return title, name
    return None


def _project(connection: Connection, query: ModelQuery) -> int | None:
    if query.project is None:
        return None
    row = connection.execute("SELECT pk FROM project WHERE name = ?", (query.project,)).fetchone()
    return NO_ROW if row is None else int(row[0])


def _tag_sql(
    query: ModelQuery, keys: dict[str, int], driver: _Driver, parameters: Parameters
) -> str:
    tagged = f"EXISTS (SELECT 1 FROM model_tag x WHERE x.model = {driver.model} AND x.tag = ?)"
    if driver.ordered:
        # This index has the order in which the driver is read, so neighbouring look-ups read
        # neighbouring entries.
        tagged = (
            "EXISTS (SELECT 1 FROM model_tag x INDEXED BY model_tag_newest "
            f"WHERE x.tag = ? AND x.stamp = {driver.stamp} AND x.model = {driver.model})"
        )
    untagged = (
        "NOT EXISTS (SELECT 1 FROM model_tag x CROSS JOIN tag t ON t.pk = x.tag "
        f"WHERE x.model = {driver.model} AND t.system = 0)"
    )
    return tag_sql(query.tags, keys, parameters, tagged=tagged, untagged=untagged)


def _required(condition: TagCondition) -> tuple[TagCondition, ...]:
    return condition.parts if isinstance(condition, AllOf) else (condition,)


def _driver(
    connection: Connection, query: ModelQuery, project: int | None, keys: dict[str, int]
) -> _Driver:
    candidates = list(_ordered(query, project, keys))
    few_tags = _small_unions(connection, query, keys)
    if not query.metadata and not few_tags and len(candidates) <= 1:
        return candidates[0] if candidates else _walk(query)
    measured = [(_spread(connection, candidate), candidate) for candidate in candidates]
    measured += few_tags
    # With a short index the metadata need not be tried.
    if not any(spread < (0, PROBE) for spread, _ in measured):
        measured += _matching_metadata(connection, query)
    best = min(measured, key=lambda pair: pair[0], default=None)
    return best[1] if best else _walk(query)


# How many entries an index has: (0, count) for up to PROBE entries, else (1, `stamp` of the entry
# after these). The older that entry is, the rarer are the models. The least spread is the best.
_Spread = tuple[int, int]


def _ordered(query: ModelQuery, project: int | None, keys: dict[str, int]) -> Iterator[_Driver]:
    """Yield every index that a required condition selects and that is ordered by `stamp`."""
    if query.name is not None:
        yield _Driver(
            "model m INDEXED BY model_name", "m.name = ?", (query.name,), "m.pk", "m.stamp"
        )
    if project is not None:
        yield _Driver(
            "model m INDEXED BY model_project", "m.project = ?", (project,), "m.pk", "m.stamp"
        )
    for part in _required(query.tags):
        if isinstance(part, HasTag) and part.tag is not None:
            yield _Driver(
                "model_tag d INDEXED BY model_tag_newest CROSS JOIN model m ON m.pk = d.model",
                "d.tag = ?", (keys[part.tag],), "d.model", "d.stamp",
            )  # fmt: skip


def _walk(query: ModelQuery) -> _Driver:
    index = "model_newest" if query.archived else "model_newest_active"
    return _Driver(f"model m INDEXED BY {index}", "1", (), "m.pk", "m.stamp")


def _spread(connection: Connection, driver: _Driver) -> _Spread:
    source = driver.source.partition(" CROSS")[0]
    count, oldest = connection.execute(
        f"SELECT count(*), min(stamp) FROM (SELECT stamp FROM {source} "
        f"WHERE {driver.condition} ORDER BY stamp DESC LIMIT {PROBE + 1})",
        driver.parameters,
    ).fetchone()
    return (0, count) if count <= PROBE else (1, oldest)


def _small_unions(
    connection: Connection, query: ModelQuery, keys: dict[str, int]
) -> list[tuple[_Spread, _Driver]]:
    """Return a driver for each required "any of these tags" that few models match."""
    found = []
    for part in _required(query.tags):
        either = part.parts if isinstance(part, AnyOf) else ()
        tags = [keys[each.tag] for each in either if isinstance(each, HasTag) and each.tag]
        if not tags or len(tags) < len(either):
            continue
        marks = ", ".join("?" * len(tags))
        count = _count(connection, f"model_tag WHERE tag IN ({marks})", tags)
        if count <= FEW:
            source = f"(SELECT DISTINCT model FROM model_tag WHERE tag IN ({marks})) d"
            driver = _Driver(
                f"{source} CROSS JOIN model m ON m.pk = d.model",
                "1", tuple(tags), "d.model", "m.stamp", ordered=False,
            )  # fmt: skip
            found.append(((0, count), driver))
    return found


def _matching_metadata(
    connection: Connection, query: ModelQuery
) -> Iterator[tuple[_Spread, _Driver]]:
    for key, value in query.metadata:
        condition = "metadata INDEXED BY metadata_value WHERE key = ? AND value = ?"
        count = _count(connection, condition, [key, value])
        if count <= FEW:
            driver = _Driver(
                "metadata d INDEXED BY metadata_value CROSS JOIN model m ON m.pk = d.model",
                "d.key = ? AND d.value = ?", (key, value), "d.model", "m.stamp", ordered=False,
            )  # fmt: skip
            yield (0, count), driver


def _count(connection: Connection, source: str, parameters: Sequence[object]) -> int:
    """Count the rows of `source`, up to one more than `FEW`."""
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {FEW + 1})", parameters
    ).fetchone()
    return int(row[0])
