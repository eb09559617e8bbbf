"""Which registries stand behind the one that is written to, and what is told of those that fail."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from localreg import log
from localreg.api import ambient
from localreg.errors import InvalidValueError
from localreg.registry import OpenRegistry, check_directory, with_upstream


def roots_in(value: str) -> tuple[Path, ...]:
    """Return the directories that ``LOCALREG_UPSTREAM`` names, in order; empty ones are none.

    Raises:
        InvalidValueError: one is no directory's name.
    """
    if "://" in value:
        raise InvalidValueError(
            f"{ambient.UPSTREAM_VARIABLE} names directories of registries, with {os.pathsep!r} "
            f"between them, and no URLs: {value[:200]!r}",
            argument=ambient.UPSTREAM_VARIABLE,
        )
    parts = (part.strip() for part in value.split(os.pathsep))
    return tuple(check_directory(ambient.UPSTREAM_VARIABLE, part) for part in parts if part)


def roots_of(given: object) -> tuple[Path, ...]:
    """Return the directories that were given as `upstream`.

    Raises:
        InvalidValueError: it is no list of paths.
    """
    if isinstance(given, (str, bytes, os.PathLike)) or not isinstance(given, Iterable):
        raise InvalidValueError(
            f"upstream must be a list of directories, not {type(given).__name__}",
            argument="upstream",
        )
    return tuple(check_directory("upstream", each) for each in given)


def put_behind(first: OpenRegistry, roots: tuple[Path, ...]) -> OpenRegistry:
    """Return an open registry with others behind it; those that cannot be opened are told once."""
    try:
        registry = with_upstream(first, roots)
    except BaseException:
        first.close()
        raise
    for each in registry.absent:
        if ambient.first_time(f"upstream {each.root}"):
            log.warning("the upstream registry %s is left out: %s", each.root, each.why)
    return registry
