"""Checks of everything but the numbers of a plot: titles, iterations, labels, axes, layouts."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from typing import cast

from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, one_value, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TITLE_LIMIT = 1_024
LAYOUT_LIMIT = 1_000_000  # characters of JSON
_ITERATIONS = range(-(2**53), 2**53 + 1)  # JavaScript is exact only in this range
BAR_MODES = ("group", "stack", "relative")
# Errors that the __float__ or __index__ of a class of another library may raise.
_REFUSED = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError)
_DRAWN_AS = ("lines", "markers", "text")


def check_title(argument: str, value: object) -> str:
    """Return a title or a name: any text that is not blank."""
    return check_text(argument, value, limit=TITLE_LIMIT, nul=False, empty=False)


def check_series(value: object) -> str:
    """Return the name of a series, which may be empty."""
    return check_text("series", value, limit=TITLE_LIMIT, nul=False)


def check_iteration(value: object) -> int:
    """Return an iteration: a whole number of any type; None means 0."""
    if value is None:
        return 0
    try:
        found = _whole(value)
    except _REFUSED:
        raise InvalidValueError(
            f"iteration must be a whole number, not {type(value).__name__}: {shown(value)}",
            argument="iteration",
        ) from None
    if found not in _ITERATIONS:
        raise InvalidValueError(
            f"iteration must be between -2**53 and 2**53, not {shown(found)}", argument="iteration"
        )
    return found


def _whole(value: object) -> int:
    """Return a whole number of any type, also in an array of one element; raise for others."""
    number = one_value(value)
    if hasattr(number, "__index__"):
        return operator.index(number)
    found = int(number)  # type: ignore[call-overload]  # it raises where that is wrong
    if found != number:  # a fraction; or text, which is equal to no number
        raise ValueError
    return cast("int", found)


def check_history(argument: str, value: object) -> int | None:
    """Return how many iterations to keep: None for all, also for ClearML's -1."""
    if value is None:
        return None
    try:
        found = _whole(value)
    except _REFUSED:
        found = 0
    if found == 0 or isinstance(value, bool):
        raise InvalidValueError(
            f"{argument} must be a whole number from 1, or None to keep all, not "
            f"{type(value).__name__} {shown(value)}",
            argument=argument,
        )
    return min(found, _ITERATIONS.stop) if found > 0 else None


def check_number(argument: str, value: object) -> float:
    """Return a number, numeric text, numpy scalar or tensor of one element as a float.

    A complex number is refused: a float of it would lose its imaginary part.
    """
    try:
        return float(one_value(value))  # type: ignore[arg-type]  # it raises where that is wrong
    except _REFUSED as error:
        raise InvalidValueError(
            f"{argument} must be a number, not {type(value).__name__} {shown(value)}: "
            f"{error!s:.100}",
            argument=argument,
        ) from error


def check_axis(argument: str, value: object) -> str | None:
    """Return the title of an axis, or None."""
    return None if value is None else check_text(argument, value, limit=TITLE_LIMIT, nul=False)


def check_labels(argument: str, value: object, count: int, each: str) -> list[str] | None:
    """Return `count` labels as texts; None means no labels.

    Args:
        each: what each label belongs to, for the error, such as "column of the matrix".
    """
    if value is None:
        return None
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise InvalidValueError(
            f"{argument} must be a list of str, not {type(value).__name__}: {shown(value)}",
            argument=argument,
        )
    found = [_label(argument, label) for label in value]
    if len(found) != count:
        raise InvalidValueError(
            f"{argument} must have one label for each {each}, {count:,} in total; it has "
            f"{len(found):,}",
            argument=argument,
        )
    return found


def _label(argument: str, value: object) -> str:
    if isinstance(value, str):
        return check_text(argument, str(value), nul=False)
    if isinstance(value, bool | int | float) or type(value).__module__ == "numpy":
        return str(value)
    raise InvalidValueError(
        f"{argument} must be a list of str; one is {type(value).__name__} {shown(value)}",
        argument=argument,
    )


def check_bar_mode(value: object) -> str:
    """Return how bars of several rows are placed: "group" (also for None), "stack", "relative"."""
    if value is None:
        return "group"
    if not isinstance(value, str) or value.lower() not in BAR_MODES:
        raise InvalidValueError(
            f"mode must be one of {', '.join(BAR_MODES)}, not {shown(value)}", argument="mode"
        )
    return value.lower()


def check_point_mode(value: object) -> str:
    """Return how points are drawn: "lines" (also for "line"), "markers" or "lines+markers"."""
    given = value.lower() if isinstance(value, str) else ""
    parts = ["lines" if part == "line" else part for part in given.split("+")]
    if not all(part in _DRAWN_AS for part in parts) or len(set(parts)) != len(parts):
        raise InvalidValueError(
            f"mode must be lines, markers or lines+markers, not {shown(value)}", argument="mode"
        )
    return "+".join(part for part in _DRAWN_AS if part in parts)


def check_camera(value: object) -> list[float]:
    """Return the position of the viewer of a surface; None means (1, 1, 1)."""
    if value is None:
        return [1.0, 1.0, 1.0]
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        found: list[float] = []
    else:
        found = [check_number("camera", each) for each in value]
    if len(found) != 3 or not all(abs(each) < 1e6 for each in found):
        raise InvalidValueError(
            f"camera must be three numbers (x, y, z), not {shown(value)}", argument="camera"
        )
    return found


def check_plotly_options(argument: str, value: object) -> dict[str, Any] | None:
    """Return options for Plotly as JSON values, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidValueError(
            f"{argument} must be a dict of options for Plotly, not {type(value).__name__}: "
            f"{shown(value)}",
            argument=argument,
        )
    found: dict[str, Any] = as_json(argument, value, LAYOUT_LIMIT)
    return found


def as_json(argument: str, value: object, limit: int, *, as_python: bool = False) -> Any:  # noqa: ANN401  (JSON)
    """Return a value as JSON values: arrays as lists, NaN and infinities as None, times as text.

    Args:
        limit: the longest JSON text allowed, in characters.
        as_python: keep NaN and infinities, and turn keys that are numbers into texts, as Python's
            `json` does. Browsers cannot read the result.
    """
    try:
        plain = _jsonable(value, 0, as_python)
        text = json.dumps(plain, allow_nan=as_python)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValueError(
            f"{argument} contains a value that JSON cannot hold: {str(error)[:200]}",
            argument=argument,
        ) from error
    if len(text) > limit:
        raise InvalidValueError(
            f"{argument} is {len(text):,} characters of JSON; at most {limit:,} are allowed",
            argument=argument,
        )
    return plain


def _jsonable(value: object, depth: int, as_python: bool) -> object:
    if depth > 100:
        raise ValueError("it is nested more than 100 levels deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text("text", str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # The comparison is false for NaN too.
        return float(value) if as_python or abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        found = {
            _key(key, as_python): _jsonable(each, depth + 1, as_python)
            for key, each in value.items()
        }
        if len(found) != len(value):
            raise ValueError("two keys of a dict have the same text, such as 1 and '1'")
        return found
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return _jsonable(value.tolist(), depth + 1, as_python)
    if hasattr(value, "isoformat"):  # dates and times
        return str(value.isoformat())
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [_jsonable(each, depth + 1, as_python) for each in value]
    raise TypeError(f"{type(value).__name__} {shown(value)}")


def _key(key: object, as_python: bool) -> str:
    if as_python and isinstance(key, bool | int | float):
        return json.dumps(key)
    if not isinstance(key, str):
        raise TypeError(f"a key that is not a str: {shown(key)}")
    return check_text("key", key)
