"""Columns that grow to hundreds of thousands of values, in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import nan
from typing import overload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KEPT = 5_000  # different values of a column that are kept once; more of them seldom repeat


class Shared:
    """Values of which equal ones are one object: each row of a database brings a new one.

    >>> column = Shared()
    >>> column.extend(["pets", "cars"])
    >>> column.extend(("".join(["pe", "ts"]), None))
    >>> column.values, column.values[0] is column.values[2]
    (['pets', 'cars', 'pets', None], True)
    """

    __slots__ = ("_kept", "values")

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}
        self.values: list[object] = []

    def extend(self, values: Iterable[object]) -> None:
        """Add values, which can be keys of a dict."""
        kept = self._kept
        if len(kept) < _KEPT:
            self.values.extend([kept.setdefault(each, each) for each in values])
        else:
            self.values.extend([kept.get(each, each) for each in values])


class Numbers(Sequence["float | None"]):
    """Numbers in 8 bytes each; None takes the place of NaN.

    >>> column = Numbers()
    >>> column.extend([0.5, None])
    >>> len(column), column[1], [*column]
    (2, None, [0.5, None])
    """

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers = array("d")

    def extend(self, numbers: Iterable[float | None]) -> None:
        """Add numbers."""
        self._numbers.extend([nan if each is None else each for each in numbers])

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[float | None]:
        return (None if each != each else each for each in self._numbers)

    @overload
    def __getitem__(self, place: int) -> float | None: ...
    @overload
    def __getitem__(self, place: slice) -> list[float | None]: ...
    def __getitem__(self, place: int | slice) -> float | list[float | None] | None:
        if isinstance(place, slice):
            return [None if each != each else each for each in self._numbers[place]]
        found = self._numbers[place]
        return None if found != found else found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Numbers):
            return NotImplemented
        return self._numbers.tobytes() == other._numbers.tobytes()  # one NaN equals another

    __hash__ = None  # type: ignore[assignment]  # it grows
