"""The logger of a data set: it reports to the data set instead of a task."""

from __future__ import annotations

from localreg.api.tasks.logger import Logger
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found
    from localreg.registry import Chain, OpenRegistry


class DatasetLogger(Logger):
    """Reports to one data set; from `Dataset.get_logger`."""

    __slots__ = ("_chain", "_dataset")

    def __init__(self, chain: Chain, found: Found) -> None:
        self._chain, self._dataset = chain, found

    def __repr__(self) -> str:
        return f"DatasetLogger({self._dataset.id!r})"

    def _points_to(self) -> tuple[Chain, str, str]:
        return self._chain, "model", self._dataset.id

    def _owned(self) -> tuple[Chain, OpenRegistry, Owner]:
        return self._chain, self._dataset.registry, Owner("model", self._dataset.id)
