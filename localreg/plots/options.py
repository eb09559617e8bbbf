"""What is told beside the numbers of a plot: iterations, labels, axes, modes, layouts."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence

from localreg.errors import InvalidValueError
from localreg.values.checks import check_text, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TITLE_LIMIT = 1_024
LAYOUT_LIMIT = 1_000_000  # characters of JSON
_ITERATIONS = range(-(2**53), 2**53 + 1)  # what a browser can tell apart
BAR_MODES = ("group", "stack", "relative")
# what a __float__ or __index__ of somebody else's raises
_REFUSED = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError)
_DRAWN_AS = ("lines", "markers", "text")


def check_title(argument: str, value: object) -> str:
    """Return a title, a series or a name of a value: any text but a blank one.

    Raises:
        InvalidValueError: it is none.
    """
    return check_text(argument, value, limit=TITLE_LIMIT, nul=False, empty=False)


def check_series(value: object) -> str:
    """Return the name of a series, which may be empty.

    Raises:
        InvalidValueError: it is no text.
    """
    return check_text("series", value, limit=TITLE_LIMIT, nul=False)


def check_iteration(value: object) -> int:
    """Return an iteration; None is 0, and whole floats are taken for what they are.

    Raises:
        InvalidValueError: it is no whole number, or beyond 2**53.
    """
    if value is None:
        return 0
    try:
        if isinstance(value, float) and value.is_integer():
            found = int(value)
        else:
            found = operator.index(value)  # type: ignore[arg-type]  # whatever has __index__
    except _REFUSED:
        raise InvalidValueError(
            f"iteration must be a whole number, not {type(value).__name__}: {shown(value)}",
            argument="iteration",
        ) from None
    if found not in _ITERATIONS:
        raise InvalidValueError(
            f"iteration must lie within ±2**53, and is {shown(found)}", argument="iteration"
        )
    return found


def check_history(argument: str, value: object) -> int | None:
    """Return how many iterations are kept; None for all, as for what is negative (ClearML's -1).

    Raises:
        InvalidValueError: it is no whole number, or 0.
    """
    if value is None:
        return None
    try:
        found = operator.index(value)  # type: ignore[arg-type]  # whatever has __index__
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
    """Return a number as a float: also a numeric text, a numpy scalar, a tensor of one element.

    Raises:
        InvalidValueError: it is no real number.
    """
    try:
        return float(value)  # type: ignore[arg-type]  # that is what is found out
    except _REFUSED as error:
        raise InvalidValueError(
            f"{argument} must be a number, not {type(value).__name__} {shown(value)}: "
            f"{error!s:.100}",
            argument=argument,
        ) from error


def check_axis(argument: str, value: object) -> str | None:
    """Return the title of an axis, None without one.

    Raises:
        InvalidValueError: it is no text.
    """
    return None if value is None else check_text(argument, value, limit=TITLE_LIMIT, nul=False)


def check_labels(argument: str, value: object, count: int, each: str) -> list[str] | None:
    """Return one label for each of so many things, None without any.

    Args:
        each: what gets one, such as "column of the matrix".

    Raises:
        InvalidValueError: they are no list of texts or numbers, or not so many.
    """
    if value is None:
        return None
    if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
        raise InvalidValueError(
            f"{argument} must be a list of str, not {type(value).__name__}: {shown(value)}",
            argument=argument,
        )
    found = [_label(argument, each_one) for each_one in value]
    if len(found) != count:
        raise InvalidValueError(
            f"{argument} must have one label for each {each}, {count:,} in all; it has "
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
    """Return how bars of several rows stand: "group" (for None), "stack" or "relative".

    Raises:
        InvalidValueError: it is none of them.
    """
    if value is None:
        return "group"
    if not isinstance(value, str) or value.lower() not in BAR_MODES:
        raise InvalidValueError(
            f"mode must be one of {', '.join(BAR_MODES)}, not {shown(value)}", argument="mode"
        )
    return value.lower()


def check_point_mode(value: object) -> str:
    """Return how points are drawn: "lines", "markers", "lines+markers"; "line" is "lines".

    Raises:
        InvalidValueError: it is nothing of the kind.
    """
    given = value.lower() if isinstance(value, str) else ""
    parts = ["lines" if part == "line" else part for part in given.split("+")]
    if not all(part in _DRAWN_AS for part in parts) or len(set(parts)) != len(parts):
        raise InvalidValueError(
            f"mode must be lines, markers or lines+markers, not {shown(value)}", argument="mode"
        )
    return "+".join(part for part in _DRAWN_AS if part in parts)


def check_camera(value: object) -> list[float]:
    """Return where a surface is seen from, (1, 1, 1) for None.

    Raises:
        InvalidValueError: it is not three finite numbers.
    """
    if value is None:
        return [1.0, 1.0, 1.0]
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        found: list[float] = []
    else:
        found = [check_number("camera", each) for each in value]
    if len(found) != 3 or not all(abs(each) < 1e6 for each in found):
        raise InvalidValueError(
            f"camera must be three numbers, X, Y and Z, not {shown(value)}", argument="camera"
        )
    return found


def check_plotly_options(argument: str, value: object) -> dict[str, Any] | None:
    """Return what is passed on to Plotly, as JSON values; None for none.

    Raises:
        InvalidValueError: it is no dict, or holds what JSON cannot.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidValueError(
            f"{argument} must be a dict of Plotly's options, not {type(value).__name__}: "
            f"{shown(value)}",
            argument=argument,
        )
    found: dict[str, Any] = as_json(argument, value, LAYOUT_LIMIT)
    return found


def as_json(argument: str, value: object, limit: int, *, as_python: bool = False) -> Any:  # noqa: ANN401  (JSON)
    """Return JSON values; arrays become lists, NaN and infinities null, times ISO 8601.

    Args:
        as_python: NaN and infinities stay, and keys that are numbers become their texts, as
            Python's `json` has it; browsers read no such file.

    Raises:
        InvalidValueError: JSON cannot hold it, or it is larger than `limit` characters.
    """
    try:
        plain = _jsonable(value, 0, as_python)
        text = json.dumps(plain, allow_nan=as_python)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValueError(
            f"{argument} holds what JSON cannot: {str(error)[:200]}", argument=argument
        ) from error
    if len(text) > limit:
        raise InvalidValueError(
            f"{argument} is {len(text):,} characters of JSON; at most {limit:,} are kept",
            argument=argument,
        )
    return plain


def _jsonable(value: object, depth: int, as_python: bool) -> object:
    if depth > 100:
        raise ValueError("it nests deeper than 100 levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text("text", str(value))
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        # NaN is not smaller either
        return float(value) if as_python or abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        found = {
            _key(key, as_python): _jsonable(each, depth + 1, as_python)
            for key, each in value.items()
        }
        if len(found) != len(value):
            raise ValueError("two keys of a dict have one text, such as 1 and '1'")
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
        raise TypeError(f"a key that is no text: {shown(key)}")
    return check_text("key", key)
