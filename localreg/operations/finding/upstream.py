"""Look-ups through a chain: a registry, then the registries upstream of it.

Which registry answers: for an id, the first that has it, so a copied directory hides nothing and
lists nothing twice; for a name, the first that has models of that name. What is found belongs to
its own registry: its handle reads there, and an upstream registry refuses every write.
"""

from __future__ import annotations

from itertools import takewhile

from localreg import log
from localreg.errors import DamagedRowError, RegistryError
from localreg.operations.finding import queries
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import model_rows
from localreg.store.rows.value_sources import in_order
from localreg.values.frozen import Frozen, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from localreg.store.rows.model_query import ModelQuery
    from localreg.store.rows.model_rows import Connection, ModelRow
    from localreg.store.rows.value_sources import Ranked
    from localreg.values.records import ModelRecord

    Answer = TypeVar("Answer")

_NOT_HERE = "not in this registry"
GROWTH = 4  # the limit of a query grows by this factor when some of its results are hidden


class Found(Frozen):
    """A model or a task: the registry that has it, and its id."""

    registry: OpenRegistry
    id: str


def ask(
    chain: Chain, question: Callable[[OpenRegistry], Answer]
) -> Iterator[tuple[OpenRegistry, Answer]]:
    """Yield each registry of a chain with its answer, the first registry first.

    An upstream registry that cannot be read any more, for example on a stick that was pulled out,
    is skipped with a warning. If the first cannot be read, its RegistryError is raised.
    """
    yield chain.first, question(chain.first)
    for each in chain.others:
        try:
            answer = question(each)
        except RegistryError as error:
            log.warning("the upstream registry %s is skipped: %s", each.root, error)
            continue
        yield each, answer


def read_each(
    chain: Chain, question: Callable[[Connection], Answer]
) -> Iterator[tuple[OpenRegistry, Answer]]:
    """Yield each registry of a chain with the answer of its database; as `ask`."""

    def read(each: OpenRegistry) -> Answer:
        with each.store.read() as connection:
            return question(connection)

    return ask(chain, read)


def model_row(chain: Chain, model_id: str) -> tuple[OpenRegistry, ModelRow] | None:
    """Return the first registry that has a model, and the model's row there, or None."""
    for each, row in read_each(
        chain, lambda connection: model_rows.model_row(connection, model_id)
    ):
        if row is not None:
            return each, row
    return None


def why_absent(chain: Chain, subject: str) -> str:
    """Return why a model or task that is named somewhere is not found: "removed", or where it is.

    What names it may have come without it, from another registry.
    """
    from localreg.store.rows import event_rows

    known = read_each(chain, lambda connection: event_rows.has_event(connection, subject))
    return "removed" if any(answer for _, answer in known) else _NOT_HERE


def id_text(chain: Chain, subject: str) -> str:
    """Return the id of a model or task for people; it says if that never was here."""
    return f"{subject} ({_NOT_HERE})" if why_absent(chain, subject) == _NOT_HERE else subject


def uses(chain: Chain, model_id: str) -> list[tuple[str, str, str, str]]:
    """Return every use of a model by a task in the registries of a chain, as `task_rows.uses`.

    Uses in the first registry come last.
    """
    from localreg.store.rows import task_rows  # many programs ask for models only

    answers = list(read_each(chain, lambda each: task_rows.uses(each, model_id)))
    return list(dict.fromkeys(use for _, some in reversed(answers) for use in some))


def last_user(chain: Chain, model_id: str) -> str | None:
    """Return the id of the task, in any registry, that last took a model as input, or None."""
    from localreg.store.rows import task_rows

    answers = read_each(chain, lambda each: task_rows.last_user(each, model_id))
    taken = [last for _, last in answers if last is not None]
    return max(taken, key=lambda last: last.stamp).task if taken else None


def hidden(
    chain: Chain,
    registry: OpenRegistry,
    ids: Sequence[str],
    present: Callable[[Connection, Sequence[str]], set[str]] = model_rows.present,
) -> set[str]:
    """Return those of some ids that a registry earlier in the chain has, too.

    Args:
        registry: the registry that the ids come from. An earlier upstream registry that cannot
            be read any more hides nothing.
        present: returns which of some ids a database has; of models by default.
    """
    if registry == chain.first or not ids:
        return set()
    earlier = Chain(chain.first, tuple(takewhile(lambda each: each != registry, chain.others)))
    answers = read_each(earlier, lambda connection: present(connection, ids))
    return {each for _, there in answers for each in there}


def search(chain: Chain, query: ModelQuery) -> list[Found]:
    """Return the models of all registries of a chain that match, in the order of the query."""
    if not chain.others:
        return [Found(chain.first, each) for each in queries.find_models(chain.first, query)]
    ranked = [
        (row, each)
        for each, rows in ask(chain, lambda registry: _visible(chain, registry, query))
        for row in rows
    ]
    ranked = in_order(ranked, lambda pair: pair[0], descending=query.order.descending)
    return [Found(each, row.id) for row, each in ranked[: query.limit]]


def _visible(chain: Chain, registry: OpenRegistry, query: ModelQuery) -> list[Ranked]:
    """Return the matches of one registry that no earlier registry has."""
    limit = query.limit
    while True:
        rows = queries.rank_models(registry, replace(query, limit=limit))
        not_shown = hidden(chain, registry, [row.id for row in rows])
        shown = [row for row in rows if row.id not in not_shown]
        if limit is None or len(rows) < limit or len(shown) >= (query.limit or 0):
            return shown
        limit *= GROWTH


def _sound_record(connection: Connection, model_id: str) -> ModelRecord | None:
    try:
        return model_rows.current_record(connection, model_id)
    except DamagedRowError as error:  # the others can be listed
        log.warning("a model is left out: %s", error)
        return None


def records(chain: Chain, found: Iterable[Found]) -> list[tuple[OpenRegistry, ModelRecord]]:
    """Return found models with their current weights only, each with its registry.

    Models that were removed since are missing, and so are those that are damaged, and those of an
    upstream registry that cannot be read any more.
    """
    from localreg.store.rows import bulk_rows  # many programs list no models

    wanted = list(found)

    def read(registry: OpenRegistry) -> Mapping[str, ModelRecord | None]:
        with registry.store.read() as connection:
            ids = [each.id for each in wanted if each.registry == registry]
            try:
                return {each.id: each for each in bulk_rows.records(connection, ids)}
            except DamagedRowError:  # of which one?
                return {each: _sound_record(connection, each) for each in ids}

    asked = {each.registry for each in wanted}
    others = tuple(each for each in chain.others if each in asked)
    answers = ask(Chain(chain.first, others), read)
    known = {(registry, id_): record for registry, some in answers for id_, record in some.items()}
    pairs = ((each.registry, known.get((each.registry, each.id))) for each in wanted)
    return [(registry, record) for registry, record in pairs if record is not None]
