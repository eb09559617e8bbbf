"""The modules and names of the ClearML SDK, from the list in ``modules.txt``.

``tests/clearml_scripts/list_clearml.py`` makes that list from an installed SDK, and describes it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from localreg.clearml_shim.names import TOP


class Listed(NamedTuple):
    """What the list says of a name.

    Attributes:
        home: the module that defines it.
        is_error: True for a class of exceptions.
    """

    home: str
    is_error: bool


@cache
def _lines() -> dict[str, str]:
    text = Path(__file__).with_name("modules.txt").read_text(encoding="utf-8")
    lines = (line.partition(" ") for line in text.splitlines())
    return {module: names for module, _, names in lines}


def is_module(name: str) -> bool:
    """Return True if the SDK has a module of this name."""
    return name in _lines()


@cache
def names_of(module: str) -> dict[str, Listed]:
    """Return the public names of a module of the SDK."""
    found = {}
    for word in _lines().get(module, "").split():
        name, away, home = word.partition("@")
        plain = name.removesuffix("!")
        place = f"{TOP}.{home}".rstrip(".") if away else module
        found[plain] = Listed(place, is_error=plain != name)
    return found
