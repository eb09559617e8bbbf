"""Metadata: values stored as text with the name of a type, and read back.

Only `to_text` decides how a value becomes text, so that a query finds what was stored. `cast`
reads a text by the name of its type, and returns the text itself if it cannot. Neither evaluates
anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from localreg.errors import InvalidValueError
from localreg.values.checks import check_key, check_text
from localreg.values.frozen import Frozen

LITERAL_LIMIT = 1_048_576
"""The most characters read as a Python literal; its parser takes 100 bytes for each."""

_ENTRY_FIELDS = frozenset({"key", "value", "type"})
_BOOLS = {"true": True, "1": True, "false": False, "0": False}
_PLAIN = frozenset({bool, float})
_SINGLE = frozenset({str, int, float, bool})
_CONTAINERS = frozenset({"list", "tuple", "dict", "none", "nonetype"})
# The texts that SQLite takes for numbers: so parameters are compared, which have no column of them.
_NUMBER = re.compile(
    r"[ \t\n\v\f\r]*([+-]?(?:(?P<whole>\d+)|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))[ \t\n\v\f\r]*",
    re.ASCII,
)
_MOST_DIGITS = 640  # that Python reads as a whole number whatever limit is set
_LARGEST = 2**63  # SQLite's whole numbers are less
# Only the escapes that repr() writes: at any other ast.literal_eval may print a warning.
_REPR_TEXT = r"(?:[^\\]|\\[\\'\"nrtxuU])*"


class MetadataEntry(Frozen):
    """One entry of a model's metadata.

    Args:
        key: its name.
        value: its value as text.
        type: the name of the value's type, which `cast` reads it by.
    """

    key: str
    value: str
    type: str


def to_text(value: object) -> str:
    """Return a value as the text that metadata stores and queries compare.

    Args:
        value: text stays as it is; int, float and bool become `str(value)`; list, tuple, dict
            and None become JSON; NumPy and similar arrays become what they hold; anything else
            becomes `str(value)`.

    Raises:
        InvalidValueError: JSON cannot hold a value of the list or dict.

    >>> to_text(True), to_text([1, "é"]), to_text(None)
    ('True', '[1, "é"]', 'null')
    """
    return _text_and_type(value)[0]


def entry(key: object, value: object, v_type: object = None) -> MetadataEntry:
    """Return the entry of a key, value and type.

    Args:
        key: its name; see `check_metadata_key`.
        value: its value; see `to_text`.
        v_type: its type, as text or as a type; None takes that of `value`.

    Raises:
        InvalidValueError: the key, value or type cannot be stored.

    >>> entry("epochs", 3)
    MetadataEntry(key='epochs', value='3', type='int')
    >>> entry("classes", "[1, 2]", "list/int").type
    'list/int'
    """
    name = check_metadata_key(key)
    kind = type(value)
    if v_type is None and kind in _PLAIN:  # as nearly all: their text needs no check
        return MetadataEntry(name, str(value), kind.__name__)
    text, type_name = _text_and_type(value)
    if isinstance(v_type, type):
        type_name = v_type.__name__
    elif v_type is not None:
        type_name = to_text(v_type)
    return MetadataEntry(
        name, check_text("metadata value", text), check_text("metadata type", type_name)
    )


def check_metadata_key(key: object) -> str:
    """Return the key of metadata as text; one that is not text is converted as values are.

    Raises:
        InvalidValueError: it is None, blank, or cannot be stored.

    >>> check_metadata_key("epochs"), check_metadata_key(1), check_metadata_key((1, 2))
    ('epochs', '1', '[1, 2]')
    """
    try:
        text = key if key is None or isinstance(key, str) else to_text(key)
    except InvalidValueError as error:
        raise InvalidValueError(
            f"metadata key of type {type(key).__name__} cannot be written as text: {error}",
            argument="metadata key",
        ) from error
    return check_key("metadata key", text)


def entries(metadata: object) -> dict[str, MetadataEntry]:
    """Return the entries of all metadata of a model, by key.

    Args:
        metadata: `{key: {"value": …, "type": …}}`, where "type" may be missing and "key" may be
            repeated, or `{key: value}`. A dict with any other key is a value.

    Raises:
        InvalidValueError: it is not a mapping, an entry has a type and no value or repeats
            another key, or a part cannot be stored.

    >>> entries({"epochs": {"value": "3", "type": "int"}})["epochs"].type
    'int'
    >>> entries({"size": {"h": 2}})["size"].value
    '{"h": 2}'
    """
    if not isinstance(metadata, Mapping):
        raise InvalidValueError(
            f"metadata must be a dict, not {type(metadata).__name__}", argument="metadata"
        )
    made: dict[str, MetadataEntry] = {}
    for key, given in metadata.items():
        each = _entry_given(key, given)
        if each.key in made:
            raise InvalidValueError(
                f"metadata has the key {each.key!r} twice, as text and as another type",
                argument="metadata",
            )
        made[each.key] = each
    return made


def cast(value: str, type_name: str) -> object:
    """Return a stored text as a value of its type, or the text itself if it cannot be read so.

    Args:
        value: the text.
        type_name: `int`, `float`, `str`, `bool`, `list`, `tuple`, `dict` or `NoneType` in any
            case; `list/int` reads as `list`. With any other name the text is returned.

    >>> cast("3", "int"), cast("3.7", "int"), cast("TRUE", "bool")
    (3, '3.7', True)
    >>> cast("(1, 2)", "list"), cast("[1, 2]", "tuple"), cast("3", "list")
    ([1, 2], (1, 2), '3')
    """
    name = re.split(r"[/\[]", type_name, maxsplit=1)[0].strip().lower()
    if name == "bool":
        return _BOOLS.get(value.strip().lower(), value)
    if name in ("int", "float"):
        try:
            return int(value) if name == "int" else float(value)
        except ValueError:
            return value
    if name in _CONTAINERS:
        for read in (json.loads, _literal):
            try:
                found = read(value)
            # What the two parsers raise for text that is broken, too deep or too large.
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                continue
            match name, found:
                case "list", list() | tuple():
                    return list(found)
                case "tuple", list() | tuple():
                    return tuple(found)
                case ("dict", dict()) | ("none" | "nonetype", None):
                    return found
    return value


def number_of(text: str) -> int | float | None:
    """Return the number that a text is, or None; by it, values are ordered and compared.

    >>> number_of("0.90"), number_of(" 7 "), number_of("1e3"), number_of("7 m"), number_of("inf")
    (0.9, 7, 1000.0, None, None)
    """
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    whole = found["whole"]
    if whole is not None and len(whole) <= _MOST_DIGITS:
        number = int(text)
        if abs(number) < _LARGEST:
            return number
    return float(text)


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


def python_value(value: object) -> object:
    """Return the scalar or list inside a value of NumPy, PyTorch and others, else `value`."""
    if isinstance(value, str | int | float | list | tuple | Mapping | None):
        return value
    for name in ("tolist", "item"):
        method = getattr(value, name, None)
        if callable(method):
            try:
                found = method()
            except (TypeError, ValueError, RuntimeError):
                continue  # item() may need arguments, or a single value
            if isinstance(found, str | int | float | list | None):
                return found
    return value


def _literal(text: str) -> object:
    import ast

    if len(text) > LITERAL_LIMIT or not re.fullmatch(_REPR_TEXT, text):
        raise ValueError("not a literal that repr() writes")
    return ast.literal_eval(text)


def _entry_given(key: object, given: object) -> MetadataEntry:
    # The types come first: what an abstract class has as instances takes long to find out.
    if (
        type(given) in _SINGLE
        or not isinstance(given, Mapping)
        or not given.keys() <= _ENTRY_FIELDS
    ):
        return entry(key, given)
    if "value" not in given:
        if "type" not in given:
            return entry(key, given)
        raise InvalidValueError(f"metadata {key!r} has a type and no value", argument="metadata")
    if "key" in given and check_metadata_key(given["key"]) != check_metadata_key(key):
        raise InvalidValueError(
            f"metadata {key!r} names another key: {given['key']!r}", argument="metadata"
        )
    return entry(key, given["value"], given.get("type"))


def _text_and_type(value: object) -> tuple[str, str]:
    value = value if type(value) in _SINGLE else python_value(value)
    if value is None:
        return "null", "NoneType"
    if isinstance(value, str):
        return str.__str__(value), "str"
    try:
        for kind in (bool, int, float):
            if isinstance(value, kind):
                # An enum's str() would be its name, which no cast reads.
                return kind.__repr__(value), kind.__name__
        for name, container in (("dict", Mapping), ("list", list), ("tuple", tuple)):
            if isinstance(value, container):
                return json.dumps(value, ensure_ascii=False, default=_json_value), name
    except (TypeError, ValueError, RecursionError) as error:
        # JSON knows no such type; a cycle, or an int of thousands of digits; nesting too deep.
        raise InvalidValueError(
            f"metadata value of type {type(value).__name__} cannot be written as text: {error}",
            argument="metadata value",
        ) from error
    return str(value), type(value).__name__


def _json_value(value: object) -> object:
    found = dict(value) if isinstance(value, Mapping) else python_value(value)
    if found is value:
        raise TypeError(f"JSON has no form for {type(value).__name__}")
    return found
