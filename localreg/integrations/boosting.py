"""What the libraries for boosted trees have in common: the names of their charts."""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def training_names() -> Callable[[], Callable[[str], str]]:
    """Return a function to call when a training begins; it returns one that names its charts.

    As in ClearML, the second training of a process has charts of its own: "train - 1".
    """
    numbers = count()

    def begin() -> Callable[[str], str]:
        number = next(numbers)
        return lambda title: f"{title} - {number}" if number else title

    return begin
