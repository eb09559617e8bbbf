"""Looking through a registry and those upstream of it.

What a model is found under decides who answers: an id, the first registry that has it, so that a
copy of a directory hides nothing and shows nothing twice; a name, the first that has models of
it. What is found belongs to its own registry: its handle reads there, and cannot write there.
"""

from __future__ import annotations

from itertools import takewhile

from localreg import log
from localreg.errors import RegistryError
from localreg.operations.finding import queries
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows, task_rows
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar

    from localreg.store.rows.model_query import ModelQuery, Ranked
    from localreg.store.rows.model_rows import Connection, ModelRow
    from localreg.values.records import ModelRecord

    Answer = TypeVar("Answer")

MORE = 4  # times as many models are asked for when some of those that were asked for are hidden


class Found(Frozen):
    """A model, or a task, and the registry that has it."""

    registry: OpenRegistry
    id: str


def asked(
    registry: OpenRegistry, question: Callable[[OpenRegistry], Answer]
) -> Iterator[tuple[OpenRegistry, Answer]]:
    """Yield what a registry answers, then what each one upstream of it does.

    One upstream that cannot be read any more, as on a stick that was pulled out, is passed over
    with a warning.

    Raises:
        RegistryError: the first cannot be read.
    """
    yield registry, question(registry)
    for each in registry.upstream:
        try:
            answer = question(each)
        except RegistryError as error:
            log.warning("the upstream registry %s is passed over: %s", each.root, error)
            continue
        yield each, answer


def reading(
    registry: OpenRegistry, question: Callable[[Connection], Answer]
) -> Iterator[tuple[OpenRegistry, Answer]]:
    """Yield what the databases of a registry, and of those upstream, answer; as `asked`."""

    def read(each: OpenRegistry) -> Answer:
        with each.store.read() as connection:
            return question(connection)

    return asked(registry, read)


def model_row(registry: OpenRegistry, model_id: str) -> tuple[OpenRegistry, ModelRow] | None:
    """Return the first registry that has a model, and the model's row there; None without."""
    for each, row in reading(
        registry, lambda connection: model_rows.model_row(connection, model_id)
    ):
        if row is not None:
            return each, row
    return None


def uses(found: Found) -> list[tuple[str, str, str, str]]:
    """Return every entry of a model on a task; as `task_rows.uses`, those of the first last."""
    answers = list(reading(found.registry.base, lambda each: task_rows.uses(each, found.id)))
    return list(dict.fromkeys(use for _, some in reversed(answers) for use in some))


def last_user(found: Found) -> str | None:
    """Return the id of the task, of any registry, that took a model as input last, or None."""
    answers = reading(found.registry.base, lambda each: task_rows.last_user(each, found.id))
    taken = [last for _, last in answers if last is not None]
    return max(taken, key=lambda last: last.at).task if taken else None


def hidden(
    registry: OpenRegistry,
    upstream: OpenRegistry,
    ids: Sequence[str],
    present: Callable[[Connection, Sequence[str]], set[str]] = model_rows.present,
) -> set[str]:
    """Return which of the ids of one upstream a registry that is asked before it has, too.

    Args:
        upstream: it; one before it that cannot be read any more hides nothing.
        present: returns which of some ids a database has: of models, or of tasks.
    """
    if upstream == registry or not ids:
        return set()
    before = takewhile(lambda each: each != upstream, registry.upstream)
    asked_before = replace(registry, upstream=tuple(before))
    answers = reading(asked_before, lambda connection: present(connection, ids))
    return {each for _, there in answers for each in there}


def search(registry: OpenRegistry, query: ModelQuery) -> list[Found]:
    """Return the models that match, of a registry and all upstream, in the order that is asked."""
    if not registry.upstream:
        return [Found(registry, each) for each in queries.find_models(registry, query)]
    ranked = [
        (row, each)
        for each, rows in asked(registry, lambda one: _visible(registry, one, query))
        for row in rows
    ]
    # Sorting keeps the order of what is equal: first by what decides last.
    ranked.sort(key=lambda pair: pair[0].updated, reverse=True)
    ranked.sort(key=lambda pair: pair[0].value, reverse=query.order.descending)  # type: ignore[arg-type, return-value]  # of one order: numbers, or texts
    return [Found(each, row.id) for row, each in ranked[: query.limit]]


def _visible(registry: OpenRegistry, one: OpenRegistry, query: ModelQuery) -> list[Ranked]:
    """Return the matches in one registry, as far as none that is asked before it has them."""
    limit = query.limit
    while True:
        rows = queries.rank_models(one, replace(query, limit=limit))
        gone = hidden(registry, one, [row.id for row in rows])
        shown = [row for row in rows if row.id not in gone]
        if limit is None or len(rows) < limit or len(shown) >= (query.limit or 0):
            return shown
        limit *= MORE


def records(
    registry: OpenRegistry, found: Iterable[Found]
) -> list[tuple[OpenRegistry, ModelRecord]]:
    """Return the whole of models that a registry found, each with its registry.

    Those that are gone are left out, and those of one upstream that is.
    """
    wanted = list(found)

    def read(home: OpenRegistry) -> dict[str, ModelRecord | None]:
        with home.store.read() as connection:
            ids = [each.id for each in wanted if each.registry == home]
            return {each: model_rows.record(connection, each) for each in ids}

    homes = {each.registry for each in wanted}
    answers = asked(
        replace(registry, upstream=tuple(u for u in registry.upstream if u in homes)), read
    )
    known = {(home, each): record for home, told in answers for each, record in told.items()}
    told = ((each.registry, known.get((each.registry, each.id))) for each in wanted)
    return [(home, record) for home, record in told if record is not None]
