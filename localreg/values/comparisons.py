"""Comparisons that filters state: equal to a text, or greater or less than a value."""

from __future__ import annotations

import json
import math
import re

from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, one_value, shown
from localreg.values.frozen import Frozen
from localreg.values.metadata import check_metadata_key, to_text, typed

SIGNS = ("==", "!=", ">", ">=", "<", "<=")
_METRIC, _PARAMETER = "metric:", "param:"
_EQUAL = re.compile(r"^([^<>=!]+)=(?!=)")
_TEXT = re.compile(r"(.+?)(==|!=|>=|<=|=|>|<)(.*)", re.DOTALL)
_LIKE_A_SIGN = re.compile(r"[<>=!~]{1,3}")
_LARGEST = 2**63  # SQLite's whole numbers are less


class Comparison(Frozen):
    """What the value of a key must be.

    Numbers are compared with each value whose text is that of a number. Texts are compared by the
    code points of their characters, so that dates in ISO format are in order.

    Attributes:
        key: of metadata, or the name of a metric or a parameter.
        sign: one of `SIGNS`, or "=" for a text that is equal.
        value: a number or a text; of "=" the texts that it may be.
    """

    key: str
    sign: str
    value: int | float | str | tuple[str, ...]


def comparisons(
    argument: str, key: str, wanted: object, *, numbers_only: bool = False
) -> list[Comparison]:
    """Return what a filter states about a key.

    Args:
        argument: the argument's name, for errors.
        key: the checked key.
        wanted: a value, which must be equal as text; ``(">", 0.9)`` with one of `SIGNS`; or a list
            of these pairs, which must all hold.
        numbers_only: True if the values are numbers: it must be one, too.

    Raises:
        InvalidValueError: it cannot be compared so.

    >>> comparisons("metadata", "accuracy", (">", 0.9))
    [Comparison(key='accuracy', sign='>', value=0.9)]
    >>> comparisons("metadata", "size", (1, 2))
    [Comparison(key='size', sign='=', value=('[1, 2]',))]
    """
    if isinstance(wanted, list) and wanted and all(isinstance(each, Comparison) for each in wanted):
        return wanted  # of the command line
    if isinstance(wanted, list) and wanted and all(map(_is_pair, wanted)):
        found = [_compared(argument, key, *pair) for pair in wanted]
    elif _is_pair(wanted):
        found = [_compared(argument, key, *wanted)]  # type: ignore[misc]  # a pair
    elif numbers_only:
        found = [_compared(argument, key, "==", wanted)]
    else:
        return [Comparison(key, "=", (check_text(f"{argument} value", to_text(wanted)),))]
    if numbers_only and any(isinstance(each.value, str) for each in found):
        raise InvalidValueError(
            f"{argument}[{key!r:.60}] is compared with numbers, not with {shown(wanted)}",
            argument=argument,
        )
    return found


def kind_of(text: str) -> tuple[str, str]:
    """Return what a text compares, and its comparison.

    >>> kind_of("epochs=3"), kind_of("param:lr<0.1")
    (('metadata', 'epochs=3'), ('parameters', 'lr<0.1'))
    >>> kind_of("metric:val/acc=1")  # numbers are equal, whatever their digits
    ('metrics', 'val/acc==1')
    """
    if text.startswith(_METRIC):
        return "metrics", _EQUAL.sub(r"\1==", text.removeprefix(_METRIC), count=1)
    if text.startswith(_PARAMETER):
        return "parameters", text.removeprefix(_PARAMETER)
    return "metadata", text


def comparison_of(text: str, kind: str = "metadata") -> Comparison | None:
    """Return what a text such as ``acc=0.9`` or ``acc>0.9`` states; None if it has no sign.

    ``=`` compares texts, as given or as the value is stored; the other signs compare numbers, if
    they are given one.

    Args:
        text: what `kind_of` returned.
        kind: "metadata", "metrics" or "parameters".

    Raises:
        InvalidValueError: it cannot be compared so.

    >>> comparison_of("accuracy >= 0.9")
    Comparison(key='accuracy', sign='>=', value=0.9)
    >>> comparison_of("accuracy") is None
    True
    """
    parts = _TEXT.fullmatch(text)
    if parts is None:
        return None
    key, sign, given = parts.groups()
    value, type_name = typed(given)
    if sign == "=":
        texts = [value] if type_name == "str" else [given, to_text(json.loads(given))]
        return Comparison(key, "=", tuple(dict.fromkeys(texts)))
    key = check_metadata_key(key.rstrip())
    wanted = json.loads(value) if type_name in ("int", "float") else value.strip()
    (found,) = comparisons(kind, key, (sign, wanted), numbers_only=kind == "metrics")
    return found


def _is_pair(given: object) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) == 2
        and isinstance(given[0], str)
        and _LIKE_A_SIGN.fullmatch(given[0]) is not None
    )


def _compared(argument: str, key: str, sign: str, value: object) -> Comparison:
    sign = "==" if sign == "=" else sign
    if sign not in SIGNS:
        raise InvalidValueError(
            f"{argument}[{key!r:.60}] must be compared by one of {' '.join(SIGNS)}, not by {sign}",
            argument=argument,
        )
    one = one_value(value)
    if isinstance(one, int | float) and not isinstance(one, bool):
        if one != one:
            raise InvalidValueError(
                f"{argument}[{key!r:.60}] cannot be compared with NaN", argument=argument
            )
        return Comparison(key, sign, one if abs(one) < _LARGEST else _float(one))
    if isinstance(one, str) or sign in ("==", "!="):
        return Comparison(key, sign, check_text(f"{argument} value", to_text(one)))
    raise InvalidValueError(
        f"{argument}[{key!r:.60}] can be {sign} a number or a text, not {shown(value)}",
        argument=argument,
    )


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:  # a whole number with more than 308 digits
        return math.inf if number > 0 else -math.inf
