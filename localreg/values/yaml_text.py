"""Values of JSON as YAML, for the head of a model card; nothing here reads YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

# What YAML reads as this text and nothing else, in every version of it.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./+-]*")
_RESERVED = frozenset("true false yes no on off y n null".split())
_NOT_FINITE = {"NaN": ".nan", "Infinity": ".inf", "-Infinity": "-.inf"}
# JSON leaves these as they are; in YAML they are line breaks, or must be escaped.
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def yaml_text(values: Mapping[str, object]) -> str:
    r"""Return a mapping of JSON values as YAML, a key a line.

    >>> print(yaml_text({"license": "mit", "tags": ["a", "no"], "of": [{"name": "x: y", "of": 1}]}))
    license: mit
    tags:
    - a
    - "no"
    of:
    - name: "x: y"
      of: 1
    <BLANKLINE>
    """
    return "".join(f"{line}\n" for line in _lines(values))


def _lines(value: object) -> Iterator[str]:
    """Yield the lines of a mapping or sequence that is not empty."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if not _is_nested(each):
                yield f"{_scalar(str(key))}: {_scalar(each)}"
                continue
            yield f"{_scalar(str(key))}:"
            indent = "  " if isinstance(each, Mapping) else ""
            yield from (f"{indent}{line}" for line in _lines(each))
        return
    assert isinstance(value, Sequence)
    for each in value:
        if not _is_nested(each):
            yield f"- {_scalar(each)}"
            continue
        for number, line in enumerate(_lines(each)):
            yield f"{'  ' if number else '- '}{line}"


def _is_nested(value: object) -> bool:
    return isinstance(value, (Mapping, Sequence)) and not isinstance(value, str) and bool(value)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
            return value
        quoted = json.dumps(value, ensure_ascii=False)
        return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04X}", quoted)
    text = json.dumps(value)
    return _NOT_FINITE.get(text, text)
