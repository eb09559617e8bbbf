"""Registries in folders of the working directory: somebody may have meant one of them."""

from __future__ import annotations

import shlex
from contextlib import suppress
from itertools import islice
from pathlib import Path

from localreg.cli.streams import say
from localreg.values.layout import DATABASE

_LOOKED_AT = 1_000  # entries of the working directory
_NAMED = 3


def nearby(root: Path | None = None) -> list[str]:
    """Return the names of some folders that are registries.

    Args:
        root: the directory of the registry that was looked in, which is not meant.
    """
    with suppress(OSError):  # what cannot be read is not offered
        here = None if root is None else root.resolve()
        some = islice(Path().iterdir(), _LOOKED_AT)
        found = [each for each in some if (each / DATABASE).is_file()]
        return sorted(each.name for each in found if each.resolve() != here)[:_NAMED]
    return []


def nearby_text(root: Path | None = None) -> str:
    """Return a sentence about the registries in the working directory, or ""."""
    names = nearby(root)
    if not names:
        return ""
    *others, last = (f"./{each}" for each in names)
    places = f"{', '.join(others)} and {last}" if others else last
    there = "There is a registry in" if len(names) == 1 else "There are registries in"
    return f"{there} {places}: `localreg ls -R {shlex.quote(names[0])}`"


def say_nearby(root: Path) -> None:
    """Say which registries are in the working directory, if there are any."""
    text = nearby_text(root)
    if text:
        say(f"{text}.")
