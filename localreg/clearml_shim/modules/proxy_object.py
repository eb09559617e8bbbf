"""``clearml.utilities.proxy_object``: nested dicts as flat ones, and names of types."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BASIC = (float, int, bool, str)
_TYPES: dict[str, type] = {
    each.__name__: each for each in (bool, int, float, str, list, tuple, dict)
}


def flatten_dictionary(
    a_dict: Mapping[Any, Any], prefix: str = "", sep: str = "/"
) -> dict[str, Any]:
    """Return nested dicts as one, with names joined by a separator; an empty dict stays one.

    >>> flatten_dictionary({"optimizer": {"lr": 0.1}, "seed": None})
    {'optimizer/lr': 0.1, 'seed': None}
    """
    found: dict[str, Any] = {}
    for key, value in a_dict.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            found |= flatten_dictionary(value, f"{name}{sep}", sep)
        else:
            found[name] = value
    return found


def nested_from_flat_dictionary(
    a_dict: dict[Any, Any], flat_dict: Mapping[str, Any], prefix: str = "", sep: str = "/"
) -> dict[Any, Any]:
    """Set the values of nested dicts in place from a flat one, and return them.

    >>> nested_from_flat_dictionary({"optimizer": {"lr": 0.1}}, {"optimizer/lr": 0.2})
    {'optimizer': {'lr': 0.2}}
    """
    for key, value in a_dict.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            nested_from_flat_dictionary(value, flat_dict, f"{name}{sep}", sep)
        else:
            a_dict[key] = flat_dict.get(name, value)
    return a_dict


def naive_nested_from_flat_dictionary(
    flat_dict: Mapping[str, Any], sep: str = "/"
) -> dict[str, Any]:
    """Return a flat dict as nested ones, split at the separator.

    A name that is also the beginning of others is left out.

    >>> naive_nested_from_flat_dictionary({"optimizer/lr": 0.1, "seed": 1})
    {'optimizer': {'lr': 0.1}, 'seed': 1}
    """
    found: dict[str, Any] = {}
    for name in sorted(flat_dict):
        *folders, last = name.split(sep)
        place = found
        for each in folders:
            inner = place.get(each)
            if not isinstance(inner, dict):
                inner = place[each] = {}
            place = inner
        place[last] = flat_dict[name]
    return found


def walk_nested_dict_tuple_list(dict_list_tuple: object, callback: Callable[[Any], Any]) -> Any:  # noqa: ANN401  (of the type that was given)
    """Return nested dicts, lists and tuples, with what a function returns for each value."""
    if type(dict_list_tuple) is dict:
        return {
            key: walk_nested_dict_tuple_list(value, callback)
            for key, value in dict_list_tuple.items()
        }
    if type(dict_list_tuple) in (list, tuple):
        walked = [walk_nested_dict_tuple_list(each, callback) for each in dict_list_tuple]  # type: ignore[attr-defined]  # one of the two
        return type(dict_list_tuple)(walked)  # type: ignore[call-arg]
    return callback(dict_list_tuple)


def verify_basic_type(a_dict_list: object, basic_types: tuple[type, ...] | None = None) -> bool:
    """Return True for a number, bool or text, and for lists and dicts of nothing else."""
    kinds = tuple(each for each in basic_types or _BASIC if each not in (list, tuple, dict))
    if isinstance(a_dict_list, kinds):
        return True
    if isinstance(a_dict_list, list | tuple):
        return all(verify_basic_type(each, kinds) for each in a_dict_list)
    if isinstance(a_dict_list, dict):
        return all(
            verify_basic_type(key, kinds) and verify_basic_type(value, kinds)
            for key, value in a_dict_list.items()
        )
    return False


def get_basic_type(value: object) -> str:
    """Return the name of a type; of a list or dict whose values have one type, also that.

    >>> get_basic_type(0.1), get_basic_type([1, 2]), get_basic_type({"a": "b"})
    ('float', 'list/int', 'dict/str')
    """
    outer = type(value).__name__
    inside: list[object] = []
    if isinstance(value, list | tuple):
        inside = list(value)
    elif isinstance(value, dict):
        outer, inside = "dict", list(value.values())
    kinds = {type(each) for each in inside}
    return f"{outer}/{kinds.pop().__name__}" if len(kinds) == 1 else outer


def get_type_from_basic_type_str(type_str: str) -> type:
    """Return the type of a name that `get_basic_type` returned; str for any other name."""
    return _TYPES.get(str(type_str).partition("/")[0], str)


def convert_bool(s: str) -> bool:
    """Return the bool of "true", "false" or "", in any case.

    Raises:
        ValueError: it is another text.
    """
    found = {"true": True, "false": False, "": False}.get(s.strip().lower())
    if found is None:
        raise ValueError(f"a bool must be true or false, not {s!r}")
    return found


def cast_basic_type(value: Any, type_str: str) -> Any:  # noqa: ANN401  (any basic type)
    """Return a text as a value of a named type; the text itself, if it is not of this type.

    >>> cast_basic_type("0.1", "float"), cast_basic_type("[1, 2]", "tuple/int")
    (0.1, (1, 2))
    """
    if not type_str:
        return None if value == "" else value
    kind = _TYPES.get(str(type_str).partition("/")[0].strip().lower())
    try:
        if kind is bool:
            return convert_bool(str(value))
        if kind in (list, tuple, dict):
            return kind(_literal(value))
        return value if kind is None else kind(value)
    except (ValueError, TypeError, SyntaxError):
        return value


def _literal(text: str) -> Any:  # noqa: ANN401  (a list or dict)
    try:
        return json.loads(text)
    except ValueError:
        return ast.literal_eval(text)
