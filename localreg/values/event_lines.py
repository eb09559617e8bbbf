"""Events as lines of canonical JSON, as they travel; a stranger may have written them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from localreg.values.bundle_format import broken, line_of, read_lines
from localreg.values.checks import NAME_LIMIT, shown
from localreg.values.frozen import values
from localreg.values.ids import is_id
from localreg.values.records import LoggedEvent

_EARLIEST, _LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 and 9999
_LONGEST = 4 * NAME_LIMIT  # characters: a field may be made of several names
_KIND = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,40}")


def event_line(event: LoggedEvent) -> bytes:
    """Return an event as a line."""
    return line_of(values(event))


def read_events(pieces: Iterable[bytes], part: str) -> Iterator[LoggedEvent]:
    """Yield the events of a layer of lines, one at a time.

    What a payload must hold depends on its kind, and is not checked here.

    Args:
        pieces: the bytes of the layer.
        part: what the layer is, for errors.

    Raises:
        BundleError: a line is not what `event_line` writes.
    """
    for number, found in enumerate(read_lines(pieces, part), 1):
        yield _event(found, f"{part}, line {number}")


def _event(found: object, part: str) -> LoggedEvent:
    if type(found) is not dict:
        raise broken(part, f"an event must be an object, not {shown(found)}")
    try:
        for name, (wanted, is_right) in _RULES.items():
            if not is_right(found[name]):
                raise broken(part, f"{name} must be {wanted}, not {shown(found[name])}")
        line_of(found)
    except KeyError as error:
        raise broken(part, f"an event must have {error.args[0]}") from None
    except ValueError as error:
        if type(error) is not ValueError and not isinstance(error, UnicodeError):
            raise
        raise broken(part, f"it holds what no event holds ({str(error)[:80]})") from None
    if (found["remote"] is None) != (found["position"] is None):
        raise broken(part, "an event has both a remote and a position, or neither")
    return LoggedEvent(**{name: found[name] for name in _RULES})


def _is_id(value: object) -> bool:
    return type(value) is str and is_id(value)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_time(value: object) -> bool:
    return type(value) is int and _EARLIEST <= value <= _LATEST


def _is_stamp(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LATEST


def _is_name(value: object) -> bool:
    return type(value) is str and len(value) <= _LONGEST and "\0" not in value


def _or_null(is_right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_right(value)


_COUNT = "a whole number from 0"
_RULES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "event_id": ("32 hex digits", _is_id),
    "origin": ("32 hex digits", _is_id),
    "seq": (_COUNT, _is_count),
    "lamport": (_COUNT, _is_count),
    "stamp": ("a time from 1970 to the year 9999", _is_stamp),
    "at": ("a time from the year 1 to 9999", _is_time),
    "actor": (f"a text of at most {_LONGEST:,} characters, without NUL", _is_name),
    "kind": (
        "the name of a kind",
        lambda value: type(value) is str and _KIND.fullmatch(value) is not None,
    ),
    "v": (_COUNT, _is_count),
    "subject": ("32 hex digits", _is_id),
    "field": (
        f"null, or a text of at most {_LONGEST:,} characters, without NUL",
        _or_null(_is_name),
    ),
    "payload": ("an object", lambda value: type(value) is dict),
    "remote": ("null, or 32 hex digits", _or_null(_is_id)),
    "position": (f"null, or {_COUNT}", _or_null(_is_count)),
}
