"""JSON in its one form, the same for equal values: what is stored, hashed and sent."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CODER = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":")
)
# The same without making an encoder for each value, which costs more than most values do. Only
# CPython has it. The first argument is for finding circles, which end in a RecursionError here.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_encode: Any = _make and _make(
    None, _CODER.default, json.encoder.encode_basestring, None, ":", ",", True, False, False
)


def canonical(value: object) -> str:
    """Return the one form of a JSON value: sorted keys, no blanks, no line feed.

    Raises:
        ValueError, TypeError, RecursionError: it is no JSON value.

    >>> canonical({"b": "é", "a": [1, None]})
    '{"a":[1,null],"b":"é"}'
    """
    return _CODER.encode(value) if _encode is None else "".join(_encode(value, 0))
