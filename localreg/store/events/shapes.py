"""Check events that come from elsewhere, before anything is done with them.

The functions that apply events trust their payloads. So each event that another registry made is
checked here: what its kind and version hold, with the rules of the columns that they become. An
event of a kind or version that this localreg does not know may hold any JSON object: it is kept and
not applied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import attrgetter

from localreg.errors import InvalidEventError
from localreg.store.events.fold import CREATING
from localreg.store.events.registers import ALIAS_KINDS
from localreg.store.rows.checked_values import (
    COUNT,
    DIGEST,
    ID,
    ID_OR_EMPTY,
    LATEST,
    NAME,
    TEXT,
    TIME,
    URL,
    Rule,
    are_ids,
    or_null,
)
from localreg.values.canonical import canonical
from localreg.values.checks import shown
from localreg.values.ids import alias_id
from localreg.values.records import Json, LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST = 2**60  # of numbers that grow with every event: the next ones must fit into 64 bits
_DEEPEST = 100  # levels of objects and arrays in a payload
_LONGEST = 4_096  # characters of a name
_BOOL, _DICT, _LIST = frozenset({bool}), frozenset({dict}), frozenset({list})
_STR, _INT, _NULL = frozenset({str}), frozenset({int}), frozenset({type(None)})

_NUMBER: Rule = ("a whole number from 1 to 2^60", _INT, range(1, MOST + 1).__contains__)
_COUNTED: Rule = ("a whole number from 0 to 2^60", _INT, range(MOST + 1).__contains__)
_FLAG: Rule = ("true or false", _BOOL, None)
_ANY_OBJECT: Rule = ("an object", _DICT, None)
_SHORT: Rule = (
    f"text of at most {_LONGEST:,} characters, without NUL",
    _STR,
    lambda text: _is_short(text),
)
_KIND: Rule = (
    "the name of a kind",
    _STR,
    lambda text: len(text) <= 100 and text.isprintable() and "." in text,
)
_PAIR: Rule = (
    "[value, type]",
    _LIST,
    lambda pair: len(pair) == 2 and type(pair[0]) is str and type(pair[1]) is str,
)
_TEXTS: Rule = (
    "different texts",
    _LIST,
    lambda texts: all(type(each) is str for each in texts) and len({*texts}) == len(texts),
)
_IDS: Rule = ("ids of events", _LIST, lambda ids: all(_follows(each, ID) for each in ids))
_LABELS: Rule = (
    "an object of whole numbers",
    _DICT,
    lambda labels: all(type(each) is int and abs(each) < 2**63 for each in labels.values()),
)
_METADATA: Rule = (
    "an object of [value, type]",
    _DICT,
    lambda entries: all(_follows(each, _PAIR) for each in entries.values()),
)


def _follows(value: object, rule: Rule) -> bool:
    _, types, check = rule
    return type(value) in types and (check is None or value is None or bool(check(value)))


Shape = dict[str, Rule]


def _object(shape: Shape, known: frozenset[str] | None = None) -> Rule:
    """Return the rule of an object.

    Args:
        shape: the rule of each member.
        known: the names that it may have at most; None for any.
    """
    return ("a sound object", _DICT, lambda found: _problem(found, shape, known) is None)


def _is_short(text: str) -> bool:
    return len(text) <= _LONGEST and "\0" not in text and _is_text(text)


def _is_text(text: str) -> bool:
    """Return True if a text can be stored: half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _problem(found: Json, shape: Shape, known: frozenset[str] | None = None) -> str | None:
    """Return what is wrong with an object, or None."""
    for name, (wanted, types, check) in shape.items():
        value = found.get(name, _MISSING)
        if type(value) not in types:
            if value is _MISSING:
                if name in _OPTIONAL:
                    continue
                return f"has no {name}"
        elif check is None or value is None or check(value):
            continue
        return f"{name} must be {wanted}, not {shown(value)}"
    if known is not None and not known.issuperset(found):
        return f"has {shown(min(found.keys() - known))}, which is not known"
    return None


_MISSING = object()
# Absent: None or false.
_OPTIONAL = frozenset({"was", "concluded", "made", "run", "gate", "override"})

_NAME: Rule = (
    f"{_SHORT[0]}, and not empty",
    _STR,
    lambda text: text != "" and _is_short(text),
)
_PROJECT = or_null(_object({"id": ID, "name": _NAME}))
_LINE = _object({"project": _PROJECT, "name": _SHORT, "version": _NUMBER})
_DESIGN = {"config": TEXT, "labels": _LABELS}
_BYTES: Shape = {
    "revision": ID, "size": COUNT, "tree": _FLAG, "total": or_null(COUNT),
    "archive": or_null(DIGEST), "archive_size": or_null(COUNT), "filename": or_null(NAME),
}  # fmt: skip
_WEIGHTS: Shape = {
    "id": ID_OR_EMPTY, "revision": _COUNTED, "url": or_null(URL), "filename": or_null(NAME),
    "digest": or_null(DIGEST), "size": or_null(COUNT), "package": _FLAG, "tree": _FLAG,
    "total": or_null(COUNT), "archive": or_null(DIGEST), "archive_size": or_null(COUNT),
    "pinned": or_null(DIGEST), "kept": _FLAG, "uploaded": _FLAG, "current": _FLAG, "at": TIME,
}  # fmt: skip
_WEIGHTS_NAMES = frozenset(_WEIGHTS)


def _is_weights(found: Json) -> bool:
    return _problem(found, _WEIGHTS, _WEIGHTS_NAMES) is None and (
        found["digest"] is None or found["size"] is not None
    )


_REVISION: Rule = ("a revision of weights", _DICT, _is_weights)
_FIRST: Rule = (
    "the first revision of the weights, or nothing",
    _LIST,
    lambda found: (
        len(found) <= 1
        and all(type(each) is dict and _is_weights(each) and each["current"] for each in found)
    ),
)
_MODEL: Shape = {
    "name": _SHORT, "project": _PROJECT, "version": _NUMBER, "comment": or_null(TEXT),
    "framework": or_null(TEXT), "package": _FLAG, "published": _FLAG, "archived": _FLAG,
    "task": or_null(ID), "parent": or_null(ID), "created": TIME, "birth": COUNT, "config": TEXT,
    "labels": _LABELS, "tags": _TEXTS, "system_tags": _TEXTS, "metadata": _METADATA,
    "aliases": _TEXTS, "weights": _FIRST,
}  # fmt: skip
_MODEL_NAMES = frozenset(_MODEL) | {"copied_from"}
_WAS: Shape = {"was": or_null(ID)}
_MOVED: Shape = _WAS | {"old": _LINE, "new": _LINE}
_ARTIFACT = _object(
    {"digest": DIGEST, "size": COUNT, "total": or_null(COUNT), "filename": NAME, "kind": TEXT,
     "details": _ANY_OBJECT}
)  # fmt: skip
_STATE = _object({"status": TEXT, "reason": or_null(TEXT), "ended": or_null(TIME)})

_SHAPES: dict[str, Shape] = {
    "project.created": {"name": _NAME},
    "model.created": _MODEL,
    "model.removed": {},
    "model.restored": {},
    "model.changed": _WAS,
    "model.published": {
        "digest": or_null(DIGEST), "revision": or_null(ID), **_DESIGN, "over": _IDS,
    },
    "model.moved": _MOVED,
    "model.renumbered": _MOVED,
    "model.released": {"project": _PROJECT, "name": _SHORT, "version": _NUMBER},
    "model.tag": {"new": _FLAG, "system": _FLAG},
    "model.metadata": _WAS | {"new": or_null(_PAIR)},
    "model.design": _WAS | {"new": _object(_DESIGN)},
    "model.weights": _WAS | _BYTES | {"new": DIGEST},
    "model.weights_added": _WAS | {"new": _REVISION},
    "model.weights_chosen": _WAS | {"new": _object({"revision": ID})},
    "model.weights_dropped": {"revision": ID},
    "model.weights_kept": _WAS | _BYTES | {"digest": DIGEST},
    "model.weights_uploaded": _WAS | {
        "revision": ID, "url": or_null(URL), "digest": or_null(DIGEST), "archive": or_null(DIGEST),
        "archive_size": or_null(COUNT), "made": _FLAG,
    },
    "weights.fetched": _WAS | _BYTES | {"new": DIGEST},
    "alias.set": _WAS | {
        "project": _SHORT, "name": _SHORT, "old": or_null(ID), "new": or_null(ID),
        "gate": or_null(ID), "override": or_null(_SHORT),
    },
    "alias.protected": _WAS | {
        "project": _SHORT, "name": _SHORT, "old": or_null(_TEXTS), "new": or_null(_TEXTS),
    },
    "model.signed": {"digest": DIGEST, "signature": DIGEST, "size": COUNT, "signer": _SHORT},
    "task.created": {
        "name": _SHORT, "type": _SHORT, "status": _SHORT, "comment": or_null(TEXT),
        "parent": or_null(ID), "tags": _TEXTS, "run": or_null(_ANY_OBJECT), "project": _PROJECT,
    },
    "task.changed": _WAS,
    "task.state": _WAS | {"new": _STATE, "concluded": _FLAG},
    "task.design": _WAS | {"new": _object(_DESIGN)},
    "task.model": _WAS | {
        "role": ("input or output", _STR, ("input", "output").__contains__), "new": or_null(ID),
    },
    "task.moved": _WAS | {"new": _PROJECT},
    "task.tag": {"new": _FLAG, "system": _FLAG},
    "task.run": _WAS | {"new": _ANY_OBJECT},
    "task.parameter": _WAS | {"section": _SHORT, "new": or_null(_PAIR)},
    "task.configuration": _WAS | {
        "new": or_null(("[text]", _LIST, lambda new: len(new) == 1 and type(new[0]) is str)),
    },
    "task.artifact": _WAS | {"new": or_null(_ARTIFACT)},
    "task.removed": {},
}  # fmt: skip
_COLUMNS: dict[str, Rule] = {
    "model comment": or_null(TEXT), "model framework": or_null(TEXT), "model archived": _FLAG,
    "model package": _FLAG, "model task": or_null(ID), "model parent": or_null(ID),
    "task name": _SHORT, "task comment": or_null(TEXT), "task published": _FLAG,
    "task parent": or_null(ID), "task type": _SHORT,
    "task progress": or_null(("a whole number from 0 to 100", _INT, range(101).__contains__)),
}  # fmt: skip
_FIELD = frozenset(
    {"model.tag", "model.metadata", "alias.set", "alias.protected", "task.model", "task.tag",
     "task.parameter", "task.configuration", "task.artifact"}
)  # fmt: skip
_EVENT: dict[str, Rule] = {
    "event_id": ID, "origin": ID, "seq": _COUNTED, "lamport": _COUNTED, "stamp": _COUNTED,
    "at": TIME, "actor": _SHORT, "kind": _KIND,
    "v": ("a whole number from 0 to 2^31", _INT, range(2**31).__contains__),
    "subject": ID, "field": or_null(_SHORT), "payload": _ANY_OBJECT,
}  # fmt: skip


# All but the payload: `remote` and `position` are both there, or neither is.
_MEMBERS: dict[str, Rule] = {
    **{name: rule for name, rule in _EVENT.items() if name != "payload"},
    "remote": or_null(ID), "position": or_null(_COUNTED),
}  # fmt: skip
_members = attrgetter(*_MEMBERS)


def checked_texts(events: Sequence[LoggedEvent]) -> list[str]:
    """Return the payloads of events as they are stored, after all of the events were checked.

    Nearly always all are sound, so the values of a member are checked for many events together,
    which is faster. If one is not, the events are checked one by one.

    Raises:
        InvalidEventError: one is not an event that localreg can keep.
    """
    if _have_sound_members(events):
        try:
            texts = [canonical(event.payload) for event in events]
            "".join(texts).encode()
        except (ValueError, TypeError, RecursionError):
            pass
        else:
            if _have_sound_payloads(events) and not any(map(_may_be_deep, texts)):
                return texts
    return [checked_text(event) for event in events]


def _have_sound_members(events: Sequence[LoggedEvent]) -> bool:
    """Return True if the members of all events are sound, apart from what payloads hold."""
    columns = [*zip(*map(_members, events), strict=True)]
    return (
        all(_all_follow(*each) for each in zip(columns, _MEMBERS.values(), strict=False))
        and all(type(event.payload) is dict for event in events)
        and all((event.remote is None) == (event.position is None) for event in events)
    )


def _have_sound_payloads(events: Sequence[LoggedEvent]) -> bool:
    """Return True if the payloads of all events are what their kinds hold."""
    kinds: dict[str, list[LoggedEvent]] = {}
    for event in events:
        if event.v == 1:
            kinds.setdefault(event.kind, []).append(event)
    for kind, some in kinds.items():
        payloads = [event.payload for event in some]
        for name, rule in _SHAPES.get(kind, {}).items():
            values = [payload.get(name, _MISSING) for payload in payloads]
            if name in _OPTIONAL:
                values = [value for value in values if value is not _MISSING]
            if not _all_follow(values, rule):
                return False
        if kind == "model.created" and not all(map(_MODEL_NAMES.issuperset, payloads)):
            return False
        if any(_wrong_beside_shape(event) for event in some):
            return False
    return True


def _all_follow(values: Sequence[Any], rule: Rule) -> bool:
    """Return True if all values follow a rule."""
    _, types, check = rule
    found = set(map(type, values))
    if not found <= types:
        return False
    if check is None or not values or found == _NULL:
        return True
    if None in values:
        values = [value for value in values if value is not None]
    if check is ID[2]:
        return are_ids(values)
    return all(map(check, {*values} if found <= _TEXT_OR_NULL else values))


_TEXT_OR_NULL = _STR | _NULL
_PLAIN = (str, str, int, int, int, int, str, str, int, str, dict)
_is_id = re.compile("[0-9a-f]{32}").fullmatch


def checked_text(event: LoggedEvent) -> str:
    """Return the payload of an event as it is stored, after all of the event was checked.

    Raises:
        InvalidEventError: it is not an event that localreg can keep.
    """
    if not _is_plain(event):
        _check_members(event)
    try:
        text = canonical(event.payload)
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise _invalid(event, f"payload cannot be JSON: {str(error)[:100]}") from None
    if _may_be_deep(text) and _depth(event.payload) > _DEEPEST:
        raise _invalid(event, f"payload must have at most {_DEEPEST} levels")
    if event.v == 1:
        problem = _wrong(event)
        if problem is not None:
            raise _invalid(event, problem)
    return text


def _is_plain(event: LoggedEvent) -> bool:
    """Return True if the members of an event are sound, as those of nearly all; fast."""
    kinds = (
        type(event.event_id), type(event.origin), type(event.seq), type(event.lamport),
        type(event.stamp), type(event.at), type(event.actor), type(event.kind), type(event.v),
        type(event.subject), type(event.payload),
    )  # fmt: skip
    return (
        kinds == _PLAIN
        and (
            (event.position is None and event.remote is None)
            or (
                type(event.position) is int
                and type(event.remote) is str
                and 0 <= event.position <= MOST
                and _is_id(event.remote) is not None
            )
        )
        and _is_id(event.event_id) is not None
        and _is_id(event.origin) is not None
        and _is_id(event.subject) is not None
        and 0 <= event.seq <= MOST
        and 0 <= event.lamport <= MOST
        and 0 <= event.stamp <= MOST
        and 0 <= event.at < LATEST
        and event.v == 1
        and event.kind in _SHAPES
        and _is_plain_text(event.actor)
        and (event.field is None or (type(event.field) is str and _is_plain_text(event.field)))
    )


def _is_plain_text(text: str) -> bool:
    return len(text) <= 200 and text.isascii() and "\0" not in text


def _check_members(event: LoggedEvent) -> None:
    """Raise if a member of an event is not what it must be."""
    for name, (wanted, types, check) in _EVENT.items():
        value: Any = getattr(event, name)
        if type(value) not in types or not (check is None or value is None or check(value)):
            raise _invalid(event, f"{name} must be {wanted}, not {shown(value)}")
    placed = event.position is not None or event.remote is not None
    if placed and not (_follows(event.remote, ID) and _follows(event.position, _COUNTED)):
        raise _invalid(event, "remote and position must be an id and a number, or nothing")


def _wrong(event: LoggedEvent) -> str | None:
    """Return what is wrong with the payload of a known kind, or None."""
    kind, payload = event.kind, event.payload
    shape = _SHAPES.get(kind)
    if shape is None:
        return None
    problem = _problem(payload, shape, _MODEL_NAMES if kind == "model.created" else None)
    if problem is not None:
        return f"payload {problem}"
    return _wrong_beside_shape(event)


def _wrong_beside_shape(event: LoggedEvent) -> str | None:
    """Return what is wrong with an event whose payload has the shape of its kind, or None."""
    kind, payload, field = event.kind, event.payload, event.field
    if kind in CREATING and event.event_id != event.subject:
        return "the event that creates something must have its id"
    if kind in _FIELD and field is None:
        return "field must be text"
    if kind in ("model.tag", "task.tag") and not payload["new"]:
        if not _follows(payload.get("adds"), _IDS):
            return "payload: adds must be ids of events"
    elif kind in ("model.changed", "task.changed"):
        rule = _COLUMNS.get(f"{kind.partition('.')[0]} {field}")
        if rule is not None and not _follows(payload.get("new", _MISSING), rule):
            return f"payload: new must be {rule[0]}"
    elif kind in ALIAS_KINDS and event.subject != alias_id(
        payload["project"], payload["name"], str(field)
    ):
        return "subject must be the id of the alias"
    return None


def _may_be_deep(text: str) -> bool:
    return text.count("[") + text.count("{") > _DEEPEST


def _depth(value: object) -> int:
    """Return how many levels of objects and arrays a value has, without recursion."""
    depth, level = 0, [value]
    while level:
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        depth, level = depth + 1, inner
    return depth


def _invalid(event: LoggedEvent, problem: str) -> InvalidEventError:
    return InvalidEventError(
        f"event {shown(event.event_id)} ({shown(event.kind)}) from another registry: {problem}. "
        "Nothing was taken; ask for it again from a registry where `localreg verify` finds nothing",
        argument="events",
        event_id=event.event_id,
    )
