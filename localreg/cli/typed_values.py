"""Values and comparisons that the command line is given as text: ``acc=0.9``, ``acc>0.9``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import click

from localreg.operations.finding.queries import check_comparisons
from localreg.values.checks import shown
from localreg.values.comparisons import Comparison
from localreg.values.metadata import to_text

_CONDITION = re.compile(r"(.+?)(==|!=|>=|<=|=|>|<)(.*)", re.DOTALL)


def typed(text: str) -> tuple[str, str]:
    """Return the value that a text means, as text, and its type.

    Numbers, true and false are those of JSON, and a text in double quotes is one in any case. A
    number keeps its digits.

    >>> typed("0.90"), typed("3"), typed("true"), typed('"3"'), typed("3 m")
    (('0.90', 'float'), ('3', 'int'), ('True', 'bool'), ('3', 'str'), ('3 m', 'str'))
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text, "str"
    if isinstance(value, bool | str):
        return str(value), type(value).__name__
    if isinstance(value, int | float):
        return text.strip(), type(value).__name__
    return text, "str"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


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
        parts = _CONDITION.fullmatch(each)
        if parts is None:
            raise click.UsageError(f"{argument} needs KEY=VALUE or 'KEY>VALUE', not {shown(each)}.")
        key, sign, text = parts.groups()
        value, type_name = typed(text)
        if sign == "=":
            texts = [value] if type_name == "str" else [text, to_text(json.loads(text))]
            comparison = Comparison(key, "=", tuple(dict.fromkeys(texts)))
        else:
            key = key.rstrip()
            wanted = json.loads(value) if type_name in ("int", "float") else value.strip()
            (comparison,) = check_comparisons("metadata", {key: (sign, wanted)})
        found.setdefault(key, []).append(comparison)
    return dict(found)
