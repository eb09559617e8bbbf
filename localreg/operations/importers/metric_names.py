"""What metrics are called here: `loss/train` is the series "train" of the chart "loss"."""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[str, str]  # title and series


def place_of(name: str) -> Place:
    """Return title and series of a metric: what is before its first slash, and the rest.

    A name without both parts is title and series.

    >>> place_of("loss/train"), place_of("system/gpu/0"), place_of("loss")
    (('loss', 'train'), ('system', 'gpu/0'), ('loss', 'loss'))
    """
    title, _, series = name.partition("/")
    return (title, series) if title.strip() and series.strip() else (name, name)


def places_of(names: Iterable[str]) -> dict[str, Place]:
    """Return title and series of each metric of a run; no two have the same.

    >>> places_of(["loss", "loss/loss"])
    {'loss': ('loss', 'loss'), 'loss/loss': ('loss/loss', 'loss/loss')}
    """
    places: dict[str, Place] = {}
    taken: set[Place] = set()
    for name in sorted(names):  # so "loss" is before "loss/loss"
        place = place_of(name)
        places[name] = place if place not in taken else (name, name)
        taken.add(places[name])
    return places
