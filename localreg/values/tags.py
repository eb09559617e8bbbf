"""Tags of models and tasks, and the tag filters of queries.

A filter is a list of tokens, read in groups. ClearML's guide and the docstring of its
`query_models` define the tokens; where they differ, localreg follows the docstring.

- Tags before any operator form the opening group: at least one of them is required, and every
  ``-tag`` or ``__$not tag`` is excluded.
- ``__$all`` (or ``__$and``) opens a group of which all tags are required, ``__$any`` (or
  ``__$or``) a group of which one is required. ``-tag`` and ``__$not tag`` are negated members.
- ``__$not`` negates the next token only, and that token is literal: ``["__$not", "-x"]``
  excludes the tag ``-x``.
- ``None`` means "has no tags at all".
- ``__$nop`` opens a group that is read like the opening group.
- Groups are joined by the first operator of the list, or by "and" when the list starts
  with a tag or ``__$nop``. Groups without tags are ignored.

>>> str(parse_tag_filter(["prod", "verified", "-qa"]))
"('prod' or 'verified') and not 'qa'"
>>> str(parse_tag_filter(
...     ["__$all", "a", "b", "c", "__$or", "d", "__$not", "e", "__$and", "__$or", "f", "g"]))
"'a' and 'b' and 'c' and ('d' or not 'e') and ('f' or 'g')"
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from localreg.errors import InvalidValueError, TagFilterError
from localreg.values.checks import check_name, shown
from localreg.values.frozen import Frozen

OPERATOR_PREFIX = "__$"
FILTER_LIMIT = 200  # tokens, or metadata keys; SQLite parses expressions up to 1,000 levels deep
_JOINERS = {"__$all": "and", "__$and": "and", "__$any": "or", "__$or": "or"}
_NOT = "__$not"
_NOP = "__$nop"


def check_tag(argument: str, tag: object) -> str:
    """Return a valid tag.

    Raises:
        InvalidValueError: it is not a name, or starts with the prefix of query operators.
    """
    name = check_name(argument, tag)
    if name.startswith(OPERATOR_PREFIX):
        raise InvalidValueError(
            f"{argument} must not start with {OPERATOR_PREFIX!r}, which marks query operators: "
            f"{name!r}",
            argument=argument,
        )
    return name


def check_tags(argument: str, tags: object) -> tuple[str, ...]:
    """Return `tags` sorted and unique; None counts as no tags.

    Raises:
        InvalidValueError: it is a str, not a collection, or has an invalid tag.

    >>> check_tags("tags", ["b", "a", "b"])
    ('a', 'b')
    """
    if tags is None:
        return ()
    if isinstance(tags, (str, bytes, Mapping)) or not isinstance(tags, Collection):
        raise InvalidValueError(
            f"{argument} must be a list of str, not {type(tags).__name__}; "
            f"for one tag write [{shown(tags)}]",
            argument=argument,
        )
    return tuple(sorted({check_tag(argument, tag) for tag in tags}))


class HasTag(Frozen):
    """True for a model or task with this tag; with `tag` None, for one without any tag."""

    tag: str | None

    def __str__(self) -> str:
        return "untagged" if self.tag is None else repr(self.tag)


class Not(Frozen):
    """True if its part is false."""

    part: HasTag

    def __str__(self) -> str:
        return f"not {self.part}"


class AllOf(Frozen):
    """True if every part is; without parts, always."""

    parts: tuple[TagCondition, ...]

    def __str__(self) -> str:
        return _joined(" and ", self.parts)


class AnyOf(Frozen):
    """True if at least one part is."""

    parts: tuple[TagCondition, ...]

    def __str__(self) -> str:
        return _joined(" or ", self.parts)


TagCondition = HasTag | Not | AllOf | AnyOf
ANY_TAGS = AllOf(())


def parse_tag_filter(tokens: object) -> TagCondition:
    """Return the condition that a tag filter states.

    Args:
        tokens: None or an empty list (no condition), or a list or tuple of str and None.

    Raises:
        TagFilterError: it is not a list, or has a token that is neither a tag nor an operator.
    """
    if tokens is None:
        return ANY_TAGS
    if not isinstance(tokens, (list, tuple)):
        raise TagFilterError(
            f"tags must be a list or tuple of str, not {type(tokens).__name__}: {shown(tokens)}",
            argument="tags",
            token=tokens,
        )
    if len(tokens) > FILTER_LIMIT:
        raise TagFilterError(
            f"tags has {len(tokens):,} tokens; at most {FILTER_LIMIT} are allowed",
            argument="tags",
            token=tokens[FILTER_LIMIT],
        )
    groups, joiner = _read_groups(tokens)
    conditions = [condition for group in groups if (condition := group.condition()) is not None]
    return _join(joiner, conditions) if conditions else ANY_TAGS


def has_tags(condition: TagCondition, tags: Collection[str]) -> bool:
    """Return True if tags meet a condition.

    >>> has_tags(parse_tag_filter(["-archived"]), ["archived"])
    False
    """
    match condition:
        case HasTag(tag=tag):
            return not tags if tag is None else tag in tags
        case Not(part=part):
            return not has_tags(part, tags)
        case AllOf(parts=parts):
            return all(has_tags(part, tags) for part in parts)
        case AnyOf(parts=parts):
            return any(has_tags(part, tags) for part in parts)


class _Group:
    """The tokens of one operator; `joiner` is None for a group read like the opening one."""

    def __init__(self, joiner: str | None) -> None:
        self.joiner = joiner
        self.includes: list[TagCondition] = []
        self.members: list[TagCondition] = []

    def add(self, part: HasTag | Not) -> None:
        if self.joiner is None and isinstance(part, HasTag):
            self.includes.append(part)
        else:
            self.members.append(part)

    def condition(self) -> TagCondition | None:
        if self.joiner is None:
            either = [_join("or", self.includes)] if self.includes else []
            return _join("and", either + self.members) if either or self.members else None
        return _join(self.joiner, self.members) if self.members else None


def _read_groups(tokens: Iterable[object]) -> tuple[list[_Group], str]:
    groups = [_Group(None)]
    joiner: str | None = None
    negate = False
    for token in tokens:
        operator = isinstance(token, str) and token.startswith(OPERATOR_PREFIX)
        if negate and operator:
            raise _malformed(token, f"{_NOT!r} must be followed by a tag")
        if operator and token != _NOT:
            if token != _NOP:
                _check_operator(token)
            joiner = joiner or _JOINERS.get(str(token), "and")
            groups.append(_Group(_JOINERS.get(str(token))))
        elif operator:
            negate = True
            joiner = joiner or "and"
        else:
            groups[-1].add(_literal(token, negate))
            negate = False
            joiner = joiner or "and"
    if negate:
        raise _malformed(_NOT, f"{_NOT!r} must be followed by a tag")
    return groups, joiner or "and"


def _check_operator(token: object) -> None:
    if token not in _JOINERS:
        known = ", ".join([*_JOINERS, _NOT, _NOP])
        raise _malformed(token, f"operators are {known}")


def _literal(token: object, negate: bool) -> HasTag | Not:
    """Return the condition that a token states which is no operator."""
    if token is None:
        return Not(HasTag(None)) if negate else HasTag(None)
    if not isinstance(token, str):
        raise _malformed(token, "tags are str")
    try:
        return _of_text(token, negate)
    except InvalidValueError as error:
        raise _malformed(token, str(error)) from error


@lru_cache(maxsize=512)  # the same few tags are asked for again and again
def _of_text(token: str, negate: bool) -> HasTag | Not:
    text = token.strip()
    excluded = not negate and text.startswith("-")
    part = HasTag(check_tag("tags", text[1:] if excluded else text))
    return Not(part) if negate or excluded else part


def _malformed(token: object, reason: str) -> TagFilterError:
    return TagFilterError(
        f"malformed tag filter at {shown(token, 80)}: {reason}", argument="tags", token=token
    )


def _join(joiner: str, parts: Iterable[TagCondition]) -> TagCondition:
    """Return parts joined by "and" or "or"; nested parts with the same joiner are merged."""
    merge = AllOf if joiner == "and" else AnyOf
    flat: list[TagCondition] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, merge) else [part])
    return flat[0] if len(flat) == 1 else merge(tuple(flat))


def _joined(word: str, parts: tuple[TagCondition, ...]) -> str:
    texts = (f"({part})" if isinstance(part, AllOf | AnyOf) else str(part) for part in parts)
    return word.join(texts) or "any tags"
