"""Find models: build the statement, and choose the index that it reads first (the driver).

Answers are usually ordered by `stamp`, newest first, and only the first few are wanted. An index
of the models of one tag (or name, or project) has that order. It is read until enough models are
found, and each is checked against the other conditions. The best index is the one with the fewest
models. A short probe finds it: the index ends after a few entries, or the age of its 65th entry
shows how rare its models are. Metadata, names that begin with a text and signatures have no such
order, so they are the driver only if few models match. SQLite's planner would read all models
instead.

For an order by a value (a metric, a parameter, an entry of metadata), the index of these values is
the driver: of metrics it is read from its best end, and its models are checked in the same way. If
few models match the filters, they are read instead, and then their values. A value may be the
model's or its task's; each is a statement of its own (`value_sources`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache

from localreg.store.rows.checked_values import COUNT, ID, NUMBER, TEXT, Columns, fetched
from localreg.store.rows.name_patterns import after_all, beginning, pattern_sql
from localreg.store.rows.tag_sql import TAG, tag_sql
from localreg.store.rows.value_sources import (
    NEWEST,
    RANKED,
    Order,
    Ranked,
    Source,
    compared_sql,
    has_range_of_numbers,
    holds_sql,
    in_order,
    sources,
)
from localreg.values import dataset_names
from localreg.values.frozen import Frozen, replace
from localreg.values.tags import ANY_TAGS, AllOf, AnyOf, HasTag, Not, TagCondition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.comparisons import Comparison

Connection = sqlite3.Connection
Parameters = list[object]
_Condition = tuple[str, Parameters]

_IDS = Columns("model", id=ID)
_PROJECT = "(SELECT pk FROM project WHERE name = ?)"
_DATASET = "(SELECT pk FROM tag WHERE name = ? AND system = 1)"
PROBE = 64
FEW = 2_000
MOST_PROJECTS = 20  # of which names that begin with a text are looked up
KEPT_TAGS = 8  # whose SQL is kept
RECENT = 5  # times the limit: newest models that are looked at first for a common entry

_COUNT_OF_ENTRY = (
    "SELECT count(*) FROM (SELECT 1 FROM metadata INDEXED BY metadata_value "
    f"WHERE key = ? AND value = ? LIMIT {PROBE + 1})"
)


class ModelQuery(Frozen, kw_only=True):
    """A question; models must match every part that is given.

    Attributes:
        project, name: exact.
        patterns: which the name must match, see `name_patterns`.
        tags: see `localreg.values.tags`.
        metadata, metrics, parameters: what values must be.
        published: only published models.
        signed: only models with a signature, whether or not it counts.
        archived: archived models too.
        limit: return only the first so many.
        order: which ones are first.
        datasets: data sets too, which are recorded as models.
    """

    project: str | None = None
    name: str | None = None
    patterns: tuple[str, ...] = ()
    tags: TagCondition = ANY_TAGS
    metadata: tuple[Comparison, ...] = ()
    metrics: tuple[Comparison, ...] = ()
    parameters: tuple[Comparison, ...] = ()
    published: bool = False
    signed: bool = False
    archived: bool = False
    limit: int | None = None
    order: Order = NEWEST
    datasets: bool = False


class _Driver(Frozen):
    """The index that a statement reads first: its FROM, its WHERE and its columns.

    Attributes:
        ordered: it is in the order of `stamp`.
        part: the part of the query that its WHERE is.
    """

    source: str
    condition: str
    parameters: tuple[object, ...]
    model: str
    stamp: str
    ordered: bool = True
    part: object = None


def find(connection: Connection, query: ModelQuery) -> list[str]:
    """Return the ids of the models that match, in the order of the query."""
    if query.order.is_of_values:
        return [each.id for each in rank(connection, query)]
    statement = plain_statement(query)
    if statement is None:
        if _is_for_an_entry(query):
            found = _find_by_entry(connection, query)
            if found is not None:
                return found
        statement = _statement(connection, query, lambda _: "m.id")
    return ids(connection, *statement)


def ids(connection: Connection, sql: str, parameters: Parameters) -> list[str]:
    """Return the ids that a statement finds."""
    return [model_id for (model_id,) in _IDS.sound(connection, sql, parameters)]


def plain_statement(query: ModelQuery) -> tuple[str, Parameters] | None:
    """Return the only statement that `find` runs for a query; None if some are probed before."""
    if query.order.by != "updated" or query.metadata or query.metrics or query.parameters:
        return None
    if query.signed or any(map(beginning, query.patterns)):
        return None
    if query.name is not None and (query.project is not None or query.tags is not ANY_TAGS):
        return None
    if query.project is not None and query.tags is not ANY_TAGS:
        return None
    found = None if query.patterns else _kept_statement(query)
    if found is None:
        if query.tags is not ANY_TAGS and not isinstance(query.tags, HasTag | Not):
            return None
        found = _assembled(query, next(_ordered(query), _walk(query)), "m.id")
    return _limited(*found, query.limit)


def _kept_statement(query: ModelQuery) -> tuple[str, Parameters] | None:
    """Return the statement of a query with a project, a name or tags, or none of them.

    These are most queries, and making their SQL would take as long as SQLite takes to run it.
    """
    kind = query.published, query.archived, query.datasets, query.order.descending
    parameters: Parameters
    if query.tags is ANY_TAGS:
        sql = _sql_of_parts(query.project is not None, query.name is not None, *kind)
        parameters = [each for each in (query.project, query.name) if each is not None]
    else:
        required, excluded = _tags_by_sign(query.tags)
        parameters = required + excluded
        if not 0 < len(parameters) <= KEPT_TAGS or None in parameters:
            return None
        sql = _sql_of_tags(len(required), len(excluded), *kind)
        if len(required) > 1:
            parameters = [*required]
            for tag in required:
                parameters += (tag, tag)
            parameters += excluded
    if not query.datasets:
        parameters.append(dataset_names.TAG)
    return sql, parameters


def _tags_by_sign(condition: TagCondition) -> tuple[Parameters, Parameters]:
    """Return the tags that must be there, and those that must not; none if it is not that simple.

    None among them means "untagged".
    """
    required: Parameters = []
    excluded: Parameters = []
    for part in _required(condition):
        if isinstance(part, HasTag):
            required.append(part.tag)
        elif isinstance(part, Not):
            excluded.append(part.part.tag)
        else:
            return [], []
    return required, excluded


@cache
def _sql_of_parts(
    project: bool, name: bool, published: bool, archived: bool, datasets: bool, descending: bool
) -> str:
    """Return the SQL of all queries that have these parts, of the first two at most one."""
    example = ModelQuery(
        project="" if project else None,
        name="" if name else None,
        published=published,
        archived=archived,
        datasets=datasets,
        order=Order("updated", descending),
    )
    return _assembled(example, next(_ordered(example), _walk(example)), "m.id")[0]


@lru_cache(maxsize=128)
def _sql_of_tags(
    required: int, excluded: int, published: bool, archived: bool, datasets: bool, descending: bool
) -> str:
    """Return the SQL of all queries for models with so many tags, and without so many others.

    Its parameters are the required tags; if there are several, each of them twice again, in its own
    condition; then the excluded ones, and those of `_assembled`.
    """
    query = ModelQuery(
        published=published,
        archived=archived,
        datasets=datasets,
        order=Order("updated", descending),
    )
    driver = _walk(query)
    conditions: list[str] = []
    if required:
        driver = _tag_driver(_rarest(required), ())
    if required > 1:
        conditions = [f"(d.tag = {TAG} OR {_tagged(TAG, driver)})"] * required
    conditions += [f"NOT {_tagged(TAG, driver)}"] * excluded
    driver = replace(driver, condition=" AND ".join([driver.condition, *conditions]))
    return _assembled(query, driver, "m.id")[0]


def _rarest(count: int) -> str:
    """Return SQL of the key of the rarest of the first tags: as `_spread`, within the statement.

    It is NULL if one of them does not exist. Statements of their own would take longer than the
    rest of the query.
    """
    if count == 1:
        return TAG
    tags = " UNION ALL ".join([f"SELECT {TAG} AS tag"] * count)
    entries = "FROM model_tag x INDEXED BY model_tag_newest WHERE x.tag = t.tag"
    spread = (
        f"coalesce((SELECT x.stamp {entries} ORDER BY x.stamp DESC LIMIT 1 OFFSET {PROBE}), "
        f"(SELECT count(*) {entries}))"
    )
    return f"(SELECT tag FROM (SELECT t.tag, min({spread}) FROM ({tags}) t))"


def _is_for_an_entry(query: ModelQuery) -> bool:
    """Return True for the newest models that have one entry of metadata, as most queries by it."""
    return (
        len(query.metadata) == 1
        and query.metadata[0].sign == "="
        and len(query.metadata[0].value) == 1  # type: ignore[arg-type]  # texts, by its sign
        and query.tags is ANY_TAGS
        and query.order.by == "updated"
        and query.order.descending
        and query.name is None
        and query.project is None
        and not (query.patterns or query.metrics or query.parameters or query.signed)
    )


def _find_by_entry(connection: Connection, query: ModelQuery) -> list[str] | None:
    """Return what `find` does if few models have an entry, or many; None if neither is certain.

    It costs less than to count up to FEW, and the SQL is kept.
    """
    (entry,) = query.metadata
    assert isinstance(entry.value, tuple)
    given = [entry.key, *entry.value]
    (count,) = connection.execute(_COUNT_OF_ENTRY, given).fetchone()
    kind = query.published, query.archived, query.datasets
    rest: Parameters = [] if query.datasets else [dataset_names.TAG]
    if count <= PROBE:
        return ids(connection, *_limited(_sql_of_entry(*kind), [*given, *rest], query.limit))
    if query.limit is None:
        return None
    recent = min(RECENT * query.limit, FEW)
    sql, parameters = _limited(_sql_of_recent(*kind), [recent, *given, *rest], query.limit)
    found = ids(connection, sql, parameters)
    return found if len(found) == query.limit else None


@cache
def _sql_of_entry(published: bool, archived: bool, datasets: bool) -> str:
    """Return the SQL for the models of a few entries of metadata."""
    query = ModelQuery(published=published, archived=archived, datasets=datasets)
    return _assembled(query, _entry_driver("metadata_value", "d.key = ? AND d.value = ?"), "m.id")[
        0
    ]


@cache
def _sql_of_recent(published: bool, archived: bool, datasets: bool) -> str:
    """Return the SQL for the models with an entry among so many newest ones."""
    query = ModelQuery(published=published, archived=archived, datasets=datasets)
    driver = _walk(query)
    where = "" if archived else "WHERE archived = 0 "
    oldest = (
        f"SELECT stamp FROM {driver.source.replace('model m', 'model')} {where}"
        "ORDER BY stamp DESC LIMIT 1 OFFSET ?"
    )
    has = "EXISTS (SELECT 1 FROM metadata x WHERE x.model = m.pk AND x.key = ? AND x.value = ?)"
    condition = f"m.stamp >= coalesce(({oldest}), 0) AND {has}"
    return _assembled(query, replace(driver, condition=condition), "m.id")[0]


def stream(connection: Connection, query: ModelQuery) -> Iterator[str]:
    """Yield the ids of the models that match, of which there may be a million, in the order."""
    if query.order.is_of_values:
        yield from (each.id for each in rank(connection, query))
        return
    sql, parameters = _statement(connection, query, lambda _: "m.id")
    for (model_id,) in _IDS.sound_stream(connection, sql, parameters):
        yield model_id


def rank(connection: Connection, query: ModelQuery) -> list[Ranked]:
    """Return the models that match, in the order of the query."""
    if query.order.is_of_values:
        return _rank_by_values(connection, query)

    def columns(driver: _Driver) -> str:
        return f"m.id, {_value_sql(query.order, driver)}, m.stamp"

    sql, parameters = _statement(connection, query, columns)
    value = TEXT if query.order.by == "name" else NUMBER
    rows = Columns("model", id=ID, value=value, stamp=COUNT).sound(connection, sql, parameters)
    return [Ranked(*row) for row in rows]


def _rank_by_values(connection: Connection, query: ModelQuery) -> list[Ranked]:
    """Return the models that match and have the value, in its order."""
    order = query.order
    found = sources(connection, "model", order.by, order.key)
    few = _few(connection, query) if found else None
    ranked: list[Ranked] = []
    for place, source in enumerate(found):
        earlier = found[:place]
        if few is None and query.limit is not None and source.in_order:
            ranked += _first_of(connection, query, source, earlier)
            continue
        sql, parameters = _of_source(connection, query, source, earlier, few)
        ranked += [Ranked(*row) for row in RANKED.sound(connection, sql, parameters)]
    return in_order(ranked, lambda each: each, descending=order.descending)[: query.limit]


def _of_source(
    connection: Connection,
    query: ModelQuery,
    source: Source,
    earlier: Sequence[Source],
    few: _Driver | None,
) -> tuple[str, Parameters]:
    """Return the statement for the models that have their value from one source.

    Args:
        earlier: the sources that count more.
        few: the driver that begins with the models, if these are few.
    """
    if few is None:
        driver = _Driver(
            source.first, source.condition, source.parameters, "m.pk", "m.stamp", ordered=False
        )
    else:
        driver = replace(
            few,
            source=f"{few.source} {source.then}",
            condition=f"{few.condition} AND {source.condition}",
            parameters=(*few.parameters, *source.parameters),
        )
    where, parameters = _where(query, driver, _values(connection, query))
    where.append(f"{source.column} IS NOT NULL")
    for each in earlier:
        where.append(each.lacks)
        parameters += each.parameters
    direction = "DESC" if query.order.descending else "ASC"
    texts_last = "typeof(ranked) = 'text', " if source.is_text else ""
    sql = (
        f"SELECT m.id, {source.value} AS ranked, m.stamp FROM {driver.source} "
        f"WHERE {' AND '.join(where)} ORDER BY {texts_last}ranked {direction}, m.stamp DESC"
    )
    return _limited(sql, parameters, query.limit)


def _first_of(
    connection: Connection, query: ModelQuery, source: Source, earlier: Sequence[Source]
) -> Iterator[Ranked]:
    """Yield the first models of one source, as many as are wanted, with few more read than needed.

    The index of the values is read in stretches of whole values. Its entries are not in the order
    of `stamp`, so each stretch is sorted. A value that many models have is not read through for its
    newest ones: these are found among all models, newest first.
    """
    wanted = query.limit or 0
    for part in source.in_order:
        begin = _begin(query, part)
        for stretch, is_large in _stretches(connection, part, query.order, wanted, begin):
            if wanted <= 0:
                return
            asked = replace(query, limit=wanted)
            if is_large:
                rows = _newest_with_value(connection, asked, stretch, earlier)
            else:
                sql, parameters = _of_source(connection, asked, stretch, earlier, None)
                rows = RANKED.sound(connection, sql, parameters)
            wanted -= len(rows)
            yield from (Ranked(*row) for row in rows)


def _begin(query: ModelQuery, source: Source) -> int | float | None:
    """Return the value before which, in the order, no number meets the filters; None without any.

    `_where` checks the filters. This only keeps what is before from being read.
    """
    order = query.order
    if order.by != "metadata" or source.column != source.number:
        return None
    signs = ("<", "<=", "==") if order.descending else (">", ">=", "==")
    ends = [
        each.value
        for each in query.metadata
        if each.key == order.key and each.sign in signs and isinstance(each.value, int | float)
    ]
    return (min if order.descending else max)(ends, default=None)


def _stretches(
    connection: Connection,
    source: Source,
    order: Order,
    size: int,
    begin: int | float | None,
) -> Iterator[tuple[Source, bool]]:
    """Yield a source in stretches of whole values, in an order; the first ones are short.

    Args:
        size: how many entries the first one has, about.
        begin: the first value that is of interest; None for all.

    Returns:
        Of each, the source with its entries only, and True if it is one value of many models.
    """
    after, before = ("<", ">") if order.descending else (">", "<")
    direction = "DESC" if order.descending else "ASC"
    size = min(max(size, PROBE), FEW)
    rest = source if begin is None else _limited_to(source, f"{after}=", begin)
    while True:
        probe = (
            f"SELECT {source.column} FROM {source.first.partition(' CROSS')[0]} "
            f"WHERE {rest.condition} ORDER BY {source.column} {direction} LIMIT 1 OFFSET ?"
        )
        ends = [
            value
            for place in (0, size)
            for (value,) in fetched(connection, probe, (*rest.parameters, place))
        ]
        if len(ends) < 2 or any(isinstance(value, bytes) for value in ends):
            yield rest, False
            return
        first, end = ends
        if first == end:
            stretch = _limited_to(source, "=", end)
            place = stretch.first.partition(" CROSS")[0]
            count = _count(connection, f"{place} WHERE {stretch.condition}", stretch.parameters)
            yield stretch, count > FEW
            rest = _limited_to(source, after, end)
        else:
            yield _limited_to(rest, before, end), False
            rest = _limited_to(source, f"{after}=", end)
        size = min(2 * size, FEW)


def _limited_to(source: Source, sign: str, value: object) -> Source:
    """Return a source with the values only that a sign allows."""
    return replace(
        source,
        condition=f"{source.condition} AND {source.column} {sign} ?",
        parameters=(*source.parameters, value),
    )


def _newest_with_value(
    connection: Connection, query: ModelQuery, source: Source, earlier: Sequence[Source]
) -> list[tuple[Any, ...]]:
    """Return the newest models of a source that has a single value, as rows of `Ranked`."""
    newest = replace(query, order=NEWEST)
    driver = _driver(connection, newest)
    where, parameters = _where(newest, driver, _values(connection, newest))
    where.append(f"EXISTS (SELECT 1 FROM {source.of_one} AND {source.condition})")
    parameters += source.parameters
    for each in earlier:
        where.append(each.lacks)
        parameters += each.parameters
    *_, value = source.parameters
    sql = (
        f"SELECT m.id, ?, m.stamp FROM {driver.source} WHERE {' AND '.join(where)} "
        f"ORDER BY {_order_sql(NEWEST, driver)} LIMIT ?"
    )
    return RANKED.sound(connection, sql, (value, *parameters, query.limit))


def _few(connection: Connection, query: ModelQuery) -> _Driver | None:
    """Return a driver that reads few models, or None if filters select none."""
    counted: list[tuple[int, _Driver]] = []
    for each in _ordered(query):
        source = each.source.partition(" CROSS")[0]
        count = _count(connection, f"{source} WHERE {each.condition}", each.parameters)
        counted.append((count, each))
    if not any(count <= FEW for count, _ in counted):
        drivers = [*_small(connection, query), *_matching_values(connection, query)]
        counted += [(count, driver) for (_, count), driver in drivers]
    count, best = min(counted, key=lambda pair: pair[0], default=(FEW + 1, None))
    return best if count <= FEW else None


def _statement(
    connection: Connection, query: ModelQuery, columns: Callable[[_Driver], str]
) -> tuple[str, Parameters]:
    driver = _driver(connection, query)
    sql, parameters = _assembled(query, driver, columns(driver), _values(connection, query))
    return _limited(sql, parameters, query.limit)


def _assembled(
    query: ModelQuery, driver: _Driver, columns: str, values: Sequence[_Condition] = ()
) -> tuple[str, Parameters]:
    """Return the statement without its limit."""
    where, parameters = _where(query, driver, values)
    sql = (
        f"SELECT {columns} FROM {driver.source} WHERE {' AND '.join(where)} "
        f"ORDER BY {_order_sql(query.order, driver)}"
    )
    return sql, parameters


def _limited(sql: str, parameters: Parameters, limit: int | None) -> tuple[str, Parameters]:
    return (sql, parameters) if limit is None else (f"{sql} LIMIT ?", [*parameters, limit])


def _values(connection: Connection, query: ModelQuery) -> list[_Condition]:
    """Return the conditions for metrics and parameters, each with its parameters."""
    conditions = []
    for kind, comparisons in (("metric", query.metrics), ("parameter", query.parameters)):
        for each in comparisons:
            found = sources(connection, "model", kind, each.key)
            parameters: Parameters = []
            conditions.append((holds_sql(found, each, parameters), parameters))
    return conditions


def _where(
    query: ModelQuery, driver: _Driver, values: Sequence[_Condition]
) -> tuple[list[str], Parameters]:
    """Return the conditions of a query after its driver's, with the parameters of all.

    Args:
        values: what `_values` returned.
    """
    where = [driver.condition, *(["m.archived = 0"] if not query.archived else [])]
    parameters: Parameters = [*driver.parameters]
    where.extend(
        _tag_sql(part, driver, parameters) for part in _required(query.tags) if part != driver.part
    )
    for each in query.metadata:
        if each == driver.part:
            continue
        parameters.append(each.key)
        where.append(
            f"EXISTS (SELECT 1 FROM metadata x WHERE x.model = {driver.model} "
            f"AND x.key = ? AND {compared_sql('x.value', each, parameters, number='x.number')})"
        )
    for condition, given in values:
        where.append(condition)
        parameters += given
    if query.project is not None and driver.part != "project":
        where.append(f"m.project = {_PROJECT}")
        parameters.append(query.project)
    if query.name is not None and driver.part != "name":
        where.append("m.name = ?")
        parameters.append(query.name)
    where.extend(
        pattern_sql(each, parameters, project="m.project", name="m.name") for each in query.patterns
    )
    if query.published:
        where.append("m.published = 1")
    if query.signed:
        where.append("EXISTS (SELECT 1 FROM signature x WHERE x.model = m.pk)")
    if not query.datasets:
        where.append(
            f"NOT EXISTS (SELECT 1 FROM model_tag x WHERE x.model = {driver.model} "
            f"AND x.tag = {_DATASET})"
        )
        parameters.append(dataset_names.TAG)
    return where, parameters


def _order_sql(order: Order, driver: _Driver) -> str:
    direction = "DESC" if order.descending else "ASC"
    value = f"{_value_sql(order, driver)} {direction}"
    return value if order.by == "updated" else f"{value}, {driver.stamp} DESC"


def _value_sql(order: Order, driver: _Driver) -> str:
    value = {"updated": driver.stamp, "created": "m.birth", "name": "m.name"}
    return value[order.by]


def _tag_sql(condition: TagCondition, driver: _Driver, parameters: Parameters) -> str:
    untagged = (
        "NOT EXISTS (SELECT 1 FROM model_tag x CROSS JOIN tag t ON t.pk = x.tag "
        f"WHERE x.model = {driver.model} AND t.system = 0)"
    )
    return tag_sql(condition, parameters, tagged=_tagged(TAG, driver), untagged=untagged)


def _tagged(tag: str, driver: _Driver) -> str:
    """Return SQL that is true for a model with a tag.

    Args:
        tag: SQL of its key.
    """
    if driver.ordered:
        # This index has the order in which the driver is read, so neighbouring look-ups read
        # neighbouring entries.
        return (
            "EXISTS (SELECT 1 FROM model_tag x INDEXED BY model_tag_newest "
            f"WHERE x.tag = {tag} AND x.stamp = {driver.stamp} AND x.model = {driver.model})"
        )
    return f"EXISTS (SELECT 1 FROM model_tag x WHERE x.model = {driver.model} AND x.tag = {tag})"


def _required(condition: TagCondition) -> tuple[TagCondition, ...]:
    return condition.parts if isinstance(condition, AllOf) else (condition,)


def _driver(connection: Connection, query: ModelQuery) -> _Driver:
    candidates = list(_ordered(query))
    walk = _walk(query)
    if not walk.ordered:
        few = _few(connection, query)
        if few is not None or (query.limit is not None and _parts(query) <= 1):
            return walk if few is None else few
    small = _small(connection, query)
    of_values = query.metadata or query.metrics or query.parameters
    if not of_values and not small and len(candidates) <= 1:
        return candidates[0] if candidates else walk
    measured = [(_spread(connection, candidate), candidate) for candidate in candidates]
    measured += small
    # With a short index the values need not be tried.
    if not any(spread < (0, PROBE) for spread, _ in measured):
        measured += _matching_values(connection, query)
    best = min(measured, key=lambda pair: pair[0], default=None)
    return best[1] if best else walk


def _parts(query: ModelQuery) -> int:
    """Return how many parts a query has that models must match."""
    return (
        (query.name is not None) + (query.project is not None) + query.published + query.signed
        + len(_required(query.tags)) + len(query.patterns) + len(query.metadata)
        + len(query.metrics) + len(query.parameters)
    )  # fmt: skip


# How many entries an index has: (0, count) for up to PROBE entries, else (1, `stamp` of the entry
# after these). The older that entry is, the rarer are the models. The least spread is the best.
_Spread = tuple[int, int]


def _ordered(query: ModelQuery) -> Iterator[_Driver]:
    """Yield every index that a required condition selects and that is ordered by `stamp`."""
    if query.name is not None:
        yield _Driver(
            "model m INDEXED BY model_name", "m.name = ?", (query.name,), "m.pk", "m.stamp",
            part="name",
        )  # fmt: skip
    if query.project is not None:
        yield _Driver(
            "model m INDEXED BY model_project", f"m.project = {_PROJECT}", (query.project,),
            "m.pk", "m.stamp", part="project",
        )  # fmt: skip
    for part in _required(query.tags):
        if isinstance(part, HasTag) and part.tag is not None:
            yield _tag_driver(TAG, (part.tag,), part)


def _tag_driver(tag: str, parameters: tuple[object, ...], part: object = None) -> _Driver:
    """Return the index of the models of one tag.

    Args:
        tag: SQL of its key.
    """
    return _Driver(
        "model_tag d INDEXED BY model_tag_newest CROSS JOIN model m ON m.pk = d.model",
        f"d.tag = {tag}", parameters, "d.model", "d.stamp", part=part,
    )  # fmt: skip


def _walk(query: ModelQuery) -> _Driver:
    """Return the index of all models that has the order of the query, or one that is near it."""
    index = "model_newest" if query.archived else "model_newest_active"
    index = {"name": "model_name", "created": "model_birth"}.get(query.order.by, index)
    ordered = query.order.by == "updated"
    begins = [beginning(each) for each in query.patterns if "/" not in each]
    by_name = query.order.by == "name" and begins
    condition, parameters = _begins("m.name", begins[0]) if by_name else ("1", [])
    return _Driver(
        f"model m INDEXED BY {index}", condition, tuple(parameters), "m.pk", "m.stamp",
        ordered=ordered,
    )  # fmt: skip


def _spread(connection: Connection, driver: _Driver) -> _Spread:
    source = driver.source.partition(" CROSS")[0]
    count, oldest = connection.execute(
        f"SELECT count(*), min(stamp) FROM (SELECT stamp FROM {source} "
        f"WHERE {driver.condition} ORDER BY stamp DESC LIMIT {PROBE + 1})",
        driver.parameters,
    ).fetchone()
    return (0, count) if count <= PROBE else (1, oldest)


def _small(connection: Connection, query: ModelQuery) -> list[tuple[_Spread, _Driver]]:
    """Return the drivers that are not in the order of `stamp`, of what few models match."""
    found = _small_unions(connection, query)
    for pattern in query.patterns:
        found += _named_alike(connection, beginning(pattern), of_line="/" in pattern)
    if query.signed:
        found += _if_small(connection, "SELECT DISTINCT model FROM signature", ())
    return found


def _if_small(
    connection: Connection, models: str, parameters: tuple[object, ...]
) -> Iterator[tuple[_Spread, _Driver]]:
    """Yield a driver of the keys of models that a query returns, if these are few."""
    count = _count(connection, f"({models})", parameters)
    if count <= FEW:
        yield (0, count), _Driver(
            f"({models}) d CROSS JOIN model m ON m.pk = d.model", "1", parameters, "d.model",
            "m.stamp", ordered=False,
        )  # fmt: skip


def _named_alike(
    connection: Connection, begin: str, *, of_line: bool
) -> Iterator[tuple[_Spread, _Driver]]:
    """Yield a driver of the models whose name begins with a text, if few.

    Args:
        of_line: ``project/name`` begins so.
    """
    if not begin:
        return
    if not of_line:
        condition, parameters = _begins("name", begin)
        models = f"SELECT pk AS model FROM model INDEXED BY model_name WHERE {condition}"
        yield from _if_small(connection, models, tuple(parameters))
        return
    line = "CASE name WHEN '' THEN '' ELSE name || '/' END"
    projects = fetched(
        connection,
        f"SELECT pk, substr(:begin, length({line}) + 1) FROM project WHERE pk >= 0 AND ("
        f"substr(:begin, 1, length({line})) = {line} "
        f"OR substr({line}, 1, length(:begin)) = :begin) LIMIT :limit",
        {"begin": begin, "limit": MOST_PROJECTS + 1},
    )
    if 0 < len(projects) <= MOST_PROJECTS:
        parts: list[str] = []
        given: Parameters = []
        for project, rest in projects:
            condition, parameters = _begins("name", rest)
            parts.append(
                "SELECT pk AS model FROM model INDEXED BY model_version "
                f"WHERE project = ? AND {condition}"
            )
            given += [project, *parameters]
        yield from _if_small(connection, " UNION ALL ".join(parts), tuple(given))


def _begins(column: str, begin: str) -> _Condition:
    """Return the condition, for an index, that a text begins with another one."""
    end = after_all(begin)
    if end is None:
        return f"{column} >= ?", [begin]
    return f"{column} >= ? AND {column} < ?", [begin, end]


def _small_unions(connection: Connection, query: ModelQuery) -> list[tuple[_Spread, _Driver]]:
    """Return a driver for each required "any of these tags" that few models match."""
    found = []
    for part in _required(query.tags):
        either = part.parts if isinstance(part, AnyOf) else ()
        tags = [each.tag for each in either if isinstance(each, HasTag) and each.tag]
        if not tags or len(tags) < len(either):
            continue
        marks = ", ".join([TAG] * len(tags))
        count = _count(connection, f"model_tag WHERE tag IN ({marks})", tags)
        if count <= FEW:
            source = f"(SELECT DISTINCT model FROM model_tag WHERE tag IN ({marks})) d"
            driver = _Driver(
                f"{source} CROSS JOIN model m ON m.pk = d.model",
                "1", tuple(tags), "d.model", "m.stamp", ordered=False, part=part,
            )  # fmt: skip
            found.append(((0, count), driver))
    return found


def _matching_values(
    connection: Connection, query: ModelQuery
) -> Iterator[tuple[_Spread, _Driver]]:
    """Yield a driver for each comparison of values that few models meet."""
    yield from _matching_metadata(connection, query)
    for kind, comparisons in (("metric", query.metrics), ("parameter", query.parameters)):
        for each in comparisons:
            parts: list[str] = []
            parameters: Parameters = []
            for source in sources(connection, "model", kind, each.key):
                parameters += source.parameters
                compared = compared_sql(source.column, each, parameters, is_text=source.is_text)
                where = f"{source.condition} AND {compared}"
                parts.append(f"SELECT m.pk AS model FROM {source.first} WHERE {where}")
            if parts:  # of a model with several values, `_where` checks the one that counts
                yield from _if_small(connection, " UNION ".join(parts), tuple(parameters))


def _matching_metadata(
    connection: Connection, query: ModelQuery
) -> Iterator[tuple[_Spread, _Driver]]:
    for each in query.metadata:
        index = "metadata_number" if has_range_of_numbers(each) else "metadata_value"
        parameters: Parameters = [each.key]
        condition = f"d.key = ? AND {compared_sql('d.value', each, parameters, number='d.number')}"
        entries = f"metadata d INDEXED BY {index} WHERE {condition}"
        count = _count(connection, entries, parameters)
        if count <= FEW:
            yield (0, count), _entry_driver(index, condition, tuple(parameters), each)


def _entry_driver(
    index: str, condition: str, parameters: tuple[object, ...] = (), part: object = None
) -> _Driver:
    """Return the models of the entries of metadata that meet a condition, by an index."""
    return _Driver(
        f"metadata d INDEXED BY {index} CROSS JOIN model m ON m.pk = d.model",
        condition, parameters, "d.model", "m.stamp", ordered=False, part=part,
    )  # fmt: skip


def _count(connection: Connection, source: str, parameters: Sequence[object]) -> int:
    """Count the rows of `source`, up to one more than `FEW`."""
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {source} LIMIT {FEW + 1})", parameters
    ).fetchone()
    return int(row[0])
