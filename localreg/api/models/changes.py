"""`Changes`: what `history` returns."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.models.history import HistoryEntry


class Changes(list["HistoryEntry"]):
    """Changes, newest first: a list, shown as a table in a notebook."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from localreg.api.models.notebook import SHOWN, changes_html

        return changes_html(self[:SHOWN], len(self) - SHOWN)
