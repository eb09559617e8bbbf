"""Label enumerations: names of classes and their integers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from operator import index

from localreg.errors import InvalidValueError
from localreg.values.checks import check_key, shown

_LARGEST = 2**63 - 1


def check_labels(labels: object) -> dict[str, int]:
    """Return a label enumeration as a new dict, empty for None.

    Raises:
        InvalidValueError: a name is not a str, a value is not an int, or two labels share a value
            other than 0.

    >>> check_labels({"background": 0, "person": 1})
    {'background': 0, 'person': 1}
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping):
        raise InvalidValueError(
            f"label_enumeration must be a dict of str to int, not {type(labels).__name__}",
            argument="label_enumeration",
        )
    checked: dict[str, int] = {}
    owners: dict[int, str] = {}
    for label, value in labels.items():
        name = check_key("label_enumeration", label)
        number = checked[name] = _number(name, value)
        if number != 0 and number in owners:
            raise InvalidValueError(
                f"label_enumeration gives {number} to both {owners[number]!r} and {name!r}; "
                "only 0 may be shared",
                argument="label_enumeration",
            )
        owners[number] = name
    return checked


def _number(label: str, value: object) -> int:
    # numpy's integers are fine, True and 1.0 are not.
    with suppress(TypeError):  # not an integer
        number = index(value)  # type: ignore[arg-type]  # that is what it checks
        if not isinstance(value, bool) and abs(number) <= _LARGEST:
            return number
    raise InvalidValueError(
        f"label_enumeration[{label!r}] must be an int of at most 64 bits, not {shown(value)}",
        argument="label_enumeration",
    )
