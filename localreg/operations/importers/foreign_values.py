"""Values in the JSON and YAML of a source: checked, and made what a registry keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from localreg.errors import InvalidValueError
from localreg.operations.importers.source_files import damaged
from localreg.operations.tasks.parameters import GENERAL, value_of
from localreg.values.metadata import entry
from localreg.values.records import MetadataValue

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEEPEST = 20  # levels of mappings that become parameters of their own


def mapping_of(value: object, place: object, what: str) -> Mapping[str, object]:
    """Return a mapping with texts as keys; an empty one if the value is None.

    Args:
        place: the file, for the error.
        what: the value's name in it, such as "outs".

    Raises:
        SourceError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise damaged(place, f"has no mapping of names to values where {what} should be one")
    return {str(key): each for key, each in value.items()}


def text_of(value: object, place: object, what: str) -> str:
    """Return a text that is not blank.

    Raises:
        SourceError: it is something else.
    """
    if not isinstance(value, str) or not value.strip():
        raise damaged(place, f"has no text where {what} should be one")
    return value


def metadata_of(
    found: Mapping[str, object], place: object, prefix: str = ""
) -> dict[str, MetadataValue]:
    """Return entries of metadata; None and what is empty are left out.

    Args:
        found: numbers, texts, lists and so on, by their keys.
        place: the file, for the error.
        prefix: comes before each key.

    Raises:
        SourceError: a key or value cannot be kept.
    """
    made = {}
    for key, value in found.items():
        if value is None or value in ("", [], {}):
            continue
        try:
            each = entry(f"{prefix}{key}", plain_of(value))
        except (InvalidValueError, RecursionError) as error:
            raise damaged(place, f"has a value that cannot be kept: {str(error)[:200]}") from error
        made[each.key] = MetadataValue(each.value, each.type)
    return made


def parameters_of(
    found: Mapping[str, object], place: object
) -> dict[tuple[str, str], MetadataValue]:
    """Return settings as parameters; those in mappings have their paths as names.

    Args:
        found: numbers, texts, lists, mappings and so on, by their keys.
        place: the file, for the error.

    Raises:
        SourceError: a key or value cannot be kept.
    """
    made = {}
    for name, value in _with_paths(found):
        try:
            made[GENERAL, name] = value_of(name, value)
        except (InvalidValueError, RecursionError) as error:
            raise damaged(place, f"has a setting that cannot be kept: {error}") from error
    return made


def _with_paths(
    found: Mapping[str, object], before: str = "", depth: int = 0
) -> Iterator[tuple[str, object]]:
    for key, value in found.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and value and depth < _DEEPEST:
            yield from _with_paths(value, f"{name}/", depth + 1)
        else:
            yield name, value


def plain_of(value: object) -> object:
    """Return a value as JSON may hold it: dates as texts in ISO 8601, sets as lists."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain_of(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_of(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(str(each) for each in value)
    if isinstance(value, bytes):
        return value.hex()
    return value


def microseconds_of(value: object, place: object, form: str | None = None) -> int:
    """Return a time in microseconds since 1970; one without a zone counts as UTC.

    Args:
        value: a datetime, or a text.
        place: the file, for the error.
        form: how a text is written, as for `strptime`; None for ISO 8601.

    Raises:
        SourceError: it is no time, or one before 1970.
    """
    found = value
    if isinstance(found, str):
        try:
            found = datetime.strptime(found, form) if form else datetime.fromisoformat(found)
        except ValueError:
            found = None
    if isinstance(found, datetime):
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        passed = (found - _EPOCH) // timedelta(microseconds=1)
        if passed >= 0:
            return passed
    raise damaged(place, f"has {str(value)[:80]!r} where a time should be")
