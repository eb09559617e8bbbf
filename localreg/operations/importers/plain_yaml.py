"""The YAML of strangers, as plain values: nothing is executed, and nothing grows without bounds."""

from __future__ import annotations

from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_NESTED = 100
_MOST_VALUES = 2_000_000  # more than fit into a file that is read, without anchors
_MOST_MERGED = 100_000  # keys that come by "<<"
_LARGEST_INT = 10_000  # bits; more digits cannot be written as text


def plain_values(text: str, *, by_pyyaml: bool) -> object:
    """Return the values of a text in YAML 1.2.

    Args:
        by_pyyaml: PyYAML wrote it, which leaves texts such as 7e12 without quotes, since they are
            no numbers in its YAML 1.1.

    Raises:
        ImportError: ruamel.yaml is not installed.
        ValueError: it is not YAML, nests too deep, or repeats itself too often.
    """
    import warnings

    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _constructor(by_pyyaml)
    try:
        with warnings.catch_warnings(action="ignore"):  # of a text that says it is YAML 1.1
            found: object = reader.load(text)
    # The last ones are of values that do not fit their tag, such as "!!bool null".
    except (
        YAMLError, RecursionError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
        AssertionError,
    ) as error:  # fmt: skip
        raise ValueError(str(error) or type(error).__name__) from error
    _check(found)
    return found


def _check(value: object) -> None:
    """Raise ValueError if a value is too deep or too large: with anchors it may be endless."""
    waiting, count = [(value, 0)], 0
    while waiting:
        each, depth = waiting.pop()
        count += 1
        if depth > _MOST_NESTED or count > _MOST_VALUES:
            raise ValueError("it nests too deep, or repeats its anchors too often")
        if isinstance(each, dict):
            waiting.extend((inner, depth + 1) for pair in each.items() for inner in pair)
        elif isinstance(each, list | tuple | set):
            waiting.extend((inner, depth + 1) for inner in each)
        elif isinstance(each, int) and each.bit_length() > _LARGEST_INT:
            raise ValueError("it has a number that is too large")


@cache
def _constructor(by_pyyaml: bool) -> type:
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.nodes import MappingNode, SequenceNode

    class Bounded(SafeConstructor):
        """Merges no more keys than a person would."""

        merged = 0

        def flatten_mapping(self, node: Any) -> Any:  # noqa: ANN401  (it is theirs)
            for key, value in node.value:
                if key.tag != "tag:yaml.org,2002:merge":
                    continue
                for each in value.value if isinstance(value, SequenceNode) else [value]:
                    if isinstance(each, MappingNode):
                        self.flatten_mapping(each)  # before it is counted
                        self.merged += len(each.value)
            if self.merged > _MOST_MERGED:
                raise ValueError("it merges too many keys")
            return super().flatten_mapping(node)

    class OfPyYAML(Bounded):
        """Takes for a number only what is one for PyYAML."""

        def number(self, node: Any) -> object:  # noqa: ANN401
            text = node.value
            if text.lstrip("+-").isdigit():
                return self.construct_yaml_int(node)
            return self.construct_yaml_float(node) if "." in text else text

    for kind in ("int", "float"):
        OfPyYAML.add_constructor(f"tag:yaml.org,2002:{kind}", OfPyYAML.number)
    return OfPyYAML if by_pyyaml else Bounded
