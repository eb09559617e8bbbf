"""What an export holds: the models that were chosen, and the tasks that made them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from localreg.operations.carry.selection import Selection
from localreg.operations.finding.upstream import Found
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import logged_rows, model_rows, report_rows, task_rows
from localreg.values.dataset_names import TAG
from localreg.values.frozen import Frozen
from localreg.values.records import ModelRecord, Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.model_rows import Connection


class Contents(Frozen):
    """Models and tasks, as each registry has them at one time.

    Attributes:
        chain: where bytes are looked for.
        connections: in a read transaction of each registry.
        models, tasks: where each is.
        left: what does not go out, counted by what it is.
        changed: what goes out in another form, counted.
    """

    chain: Chain
    connections: dict[OpenRegistry, Connection]
    models: tuple[Found, ...]
    tasks: tuple[Found, ...]
    left: Counter[str]
    changed: Counter[str]

    def record(self, found: Found) -> ModelRecord:
        """Return a model."""
        record = model_rows.record(self.connections[found.registry], found.id)
        assert record is not None  # in the same transaction
        return record

    def points(self, kind: str, found: Found) -> int:
        """Return how many points the scalars of a model or task have."""
        owner = Owner(kind, found.id)
        rows = report_rows.series(self.connections[found.registry], owner)
        return sum(each.points for each in rows)


@contextmanager
def opened(chain: Chain, chosen: Selection) -> Iterator[Contents]:
    """Yield what an export of the chosen models holds.

    Data sets are left out, and counted.
    """
    registries = dict.fromkeys(each.registry for each in chosen.found)
    if chosen.everything:
        registries.setdefault(chain.first)
    for registry in registries:
        if not registry.store.readonly:
            registry.store.flush()  # what this process reported just now
    left: Counter[str] = Counter()
    with ExitStack() as stack:
        connections = {each: stack.enter_context(each.store.read()) for each in registries}
        models: list[Found] = []
        tasks: dict[str, OpenRegistry] = {}
        for found in chosen.found:
            connection = connections[found.registry]
            if model_rows.line_of(connection, found.id) is None:  # removed since it was chosen
                continue
            if TAG in model_rows.tags(connection, found.id, system=True):
                left["data sets"] += 1
                continue
            models.append(found)
            for task in logged_rows.makers(connection, found.id):
                tasks.setdefault(task, found.registry)
        if chosen.everything:
            for task in task_rows.ids(connections[chain.first]):
                tasks.setdefault(task, chain.first)
        yield Contents(
            chain,
            connections,
            tuple(models),
            tuple(Found(registry, task) for task, registry in sorted(tasks.items())),
            left,
            Counter(),
        )
