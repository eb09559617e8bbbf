"""Values and comparisons that the command line is given as text: ``acc=0.9``, ``acc>0.9``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from localreg.values.checks import shown
from localreg.values.comparisons import Comparison, comparison_of
from localreg.values.metadata import typed


def typed_pairs(argument: str, given: Iterable[str]) -> dict[str, object]:
    """Return ``KEY=VALUE`` arguments as metadata, each value with its type."""
    found: dict[str, object] = {}
    for each in given:
        key, equals, text = each.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{argument} needs KEY=VALUE, not {shown(each)}.")
        value, type_name = typed(text)
        found[key] = {"value": value, "type": type_name}
    return found


def comparison_pairs(argument: str, given: Iterable[str]) -> dict[str, object]:
    """Return conditions such as ``acc=0.9`` and ``acc>0.9`` as a filter of metadata.

    ``=`` compares texts, as given or as the value is stored; the other signs compare numbers, if
    they are given one.
    """
    found: dict[str, list[Comparison]] = {}
    for each in given:
        comparison = comparison_of(each)
        if comparison is None:
            raise click.UsageError(f"{argument} needs KEY=VALUE or 'KEY>VALUE', not {shown(each)}.")
        found.setdefault(comparison.key, []).append(comparison)
    return dict(found)
