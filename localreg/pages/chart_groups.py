"""Puts charts into an order and into groups, so that a page shows the important ones first."""

from __future__ import annotations

import re
from collections.abc import Sequence

from localreg.values.frozen import Frozen
from localreg.values.metrics import better

_DIGITS = re.compile(r"(\d+)")
FAMILY = 4  # titles that differ only by their numbers: from this many on they are one group
OPEN = 24  # charts that a page shows before the reader opens a group


class ChartGroup(Frozen, kw_only=True):
    """Charts that a page shows together.

    Attributes:
        name: what they have in common; "" for the first group, which has no name.
        places: their positions in the list of titles, in the order to show them.
        folded: True if the page shows only the name at first.
    """

    name: str
    places: tuple[int, ...]
    folded: bool


def chart_groups(titles: Sequence[str]) -> list[ChartGroup]:
    """Return charts in groups, by the part of their titles before the first ``/``.

    Titles that differ only by their numbers are a group too. A group of one chart is none. In a
    group, and among groups, come first those whose names say what is better, such as losses and
    accuracies; then the others, with numbers in the order of their values.

    >>> [group.name for group in chart_groups(["b/x", "loss", "b/y", "l1", "l2", "l3", "l10"])]
    ['', 'b', 'l1 … l10']
    """
    members: dict[tuple[str, str], list[int]] = {}
    families: dict[str, list[int]] = {}
    for place, title in enumerate(titles):
        prefix, slash, rest = title.partition("/")
        if slash and prefix.strip() and rest.strip():
            members.setdefault(("/", prefix), []).append(place)
        else:
            families.setdefault(_DIGITS.sub("0", title), []).append(place)
    alone: list[int] = []
    for place in [places[0] for places in members.values() if len(places) == 1]:
        families.setdefault(_DIGITS.sub("0", titles[place]), []).append(place)
    for stem, places in families.items():
        if len(places) >= FAMILY:
            members["0", stem] = places
        else:
            alone += places
    found = [
        _group(key, sorted(places, key=lambda place: _order(titles[place])), titles)
        for key, places in members.items()
        if len(places) > 1
    ]
    found.sort(key=lambda group: min(_order(titles[place]) for place in group.places))
    if alone:
        first = sorted(alone, key=lambda place: _order(titles[place]))
        found.insert(0, ChartGroup(name="", places=tuple(first), folded=False))
    return _folded(found, titles)


def _group(key: tuple[str, str], places: Sequence[int], titles: Sequence[str]) -> ChartGroup:
    kind, name = key
    if kind == "0":
        name = f"{titles[places[0]]} … {titles[places[-1]]}"
    return ChartGroup(name=name, places=tuple(places), folded=False)


def _folded(groups: Sequence[ChartGroup], titles: Sequence[str]) -> list[ChartGroup]:
    """Fold groups without an important chart, and those after `OPEN` charts, if there are many."""
    if len(titles) <= OPEN // 2:
        return list(groups)
    shown = 0
    found = []
    for group in groups:
        important = any(_rank(titles[place]) == 0 for place in group.places)
        fold = bool(group.name) and (not important or shown + len(group.places) > OPEN)
        shown += 0 if fold else len(group.places)
        found.append(ChartGroup(name=group.name, places=group.places, folded=fold))
    return found


def _rank(title: str) -> int:
    return 0 if better(title) else 1


def _order(title: str) -> tuple[int, list[tuple[int, int, str]], str]:
    """Return a key that sorts important titles first, and numbers by their values."""
    parts = [
        # A number of thousands of digits is no number; int would refuse it.
        (0, int(part), "") if part.isdecimal() and len(part) < 20 else (1, 0, part.casefold())
        for part in _DIGITS.split(title)
        if part
    ]
    return _rank(title), parts, title
