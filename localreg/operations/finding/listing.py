"""Lists of models of any length: which ones, in little memory."""

from __future__ import annotations

from localreg.operations.finding import queries
from localreg.operations.finding.upstream import Found, search
from localreg.values.packed_ids import PackedIds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from localreg.registry import Chain, OpenRegistry
    from localreg.store.rows.model_query import ModelQuery

PART = 500  # models that are read together: more are not faster


class Listing:
    """Models that were found, in their order: 24 bytes for each.

    Args:
        registries: the registry of each.
        ids: the id of each.
    """

    def __init__(self, registries: Sequence[OpenRegistry], ids: PackedIds) -> None:
        self._registries = registries
        self._ids = ids

    @classmethod
    def of(cls, found: Iterable[Found]) -> Listing:
        """Return a list of models that were found one by one."""
        registries: list[OpenRegistry] = []

        def ids() -> Iterator[str]:
            for each in found:
                registries.append(each.registry)
                yield each.id

        return cls(registries, PackedIds(ids()))

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Found]:
        for some in self.parts(None):
            yield from some

    def parts(self, limit: int | None) -> Iterator[list[Found]]:
        """Yield the models, some at a time.

        Args:
            limit: at most so many in all; None for all.
        """
        end = len(self) if limit is None else min(limit, len(self))
        for start in range(0, end, PART):
            stop = min(start + PART, end)
            some = zip(self._registries[start:stop], self._ids.between(start, stop), strict=True)
            yield [Found(*each) for each in some]


def listed(chain: Chain, query: ModelQuery) -> Listing:
    """Return the models that match, as `search` does."""
    if chain.others:
        return Listing.of(search(chain, query))
    ids = queries.packed_models(chain.first, query)
    return Listing([chain.first] * len(ids), ids)
