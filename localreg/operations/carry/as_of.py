"""Look at a registry as it was at some time: a view, which is only read.

It is a database of its own, in which what this registry did not know then is undone, on the same
blobs.
It is in the registry's ``tmp``, or in the user's folder for temporary files where the registry
cannot be written to, and is deleted when the view is closed.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from localreg.blobs.local_files.readonly_registry import place_elsewhere
from localreg.errors import (
    AmbiguousReferenceError,
    ClosedRegistryError,
    InvalidValueError,
    NotFoundError,
    StorageFullError,
)
from localreg.filesystem.temporary_owners import unfinished
from localreg.operations.models.history import describe
from localreg.registry import OpenRegistry
from localreg.store.database.past import Cut, make_past
from localreg.store.database.store import Store
from localreg.store.rows import event_rows, model_rows, tree_rows
from localreg.values.checks import check_text, shown
from localreg.values.frozen import Frozen
from localreg.values.layout import DATABASE, TEMPORARY
from localreg.values.units import parse_span

_DIGITS = re.compile(r"[0-9a-fA-F]{6,32}")
_SPAN = re.compile(r"\d+(\.\d+)?\s*[a-zA-Z]+")
_LAST = 253_402_300_799_000_000  # of the year 9999, microseconds
FORMS = (
    "a time such as 2026-11-03, 2026-11-03T14:00 or 2026-11-03T14:00+01:00, a span before now "
    "such as 7d, or the first 6 or more digits of an event"
)


class Moment(Frozen):
    """A point of a registry's history.

    Attributes:
        cut: what counts.
        text: the time, for people.
    """

    cut: Cut
    text: str


class PastRegistry(OpenRegistry):
    """A registry as it was.

    Attributes:
        present: the registry as it is.
        moment: the time.
    """

    present: OpenRegistry
    moment: Moment

    def __eq__(self, other: object) -> bool:
        """Return True for the same view: its models are not those of the registry as it is."""
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def why_gone(self, digest: str) -> str | None:
        """Return a sentence that says what removed some bytes since, and when."""
        with self.store.read() as connection:
            packages = tree_rows.packages_with(connection, digest)
            models = {
                model_id
                for each in (digest, *packages)
                for model_id in model_rows.with_digest(connection, each, archived=True)
            }
            revisions = {
                weights.id
                for model_id in models
                for weights in model_rows.weights(connection, model_id)
                if weights.digest in (digest, *packages)
            }
            last = event_rows.newest_key(connection)
        try:
            with self.present.store.read() as connection:
                later = event_rows.since(connection, sorted(models), last)
        except ClosedRegistryError:
            later = []
        for event in reversed(later):
            change = event.change
            dropped = change.kind == "model.weights_dropped"
            if change.kind == "model.removed" or (
                dropped and change.payload.get("revision") in revisions
            ):
                when = datetime.fromtimestamp(change.at / 1_000_000, UTC)
                return (
                    f"{change.subject[:8]}: {describe(change)} on {when:%Y-%m-%d %H:%M} UTC by "
                    f"{event.actor}, and then the bytes were deleted"
                )
        return f"they were deleted after {self.moment.text}, and the history does not say when"

    def close(self) -> None:
        """Close the view and delete its database; closing twice is fine."""
        super().close()
        _delete(self.store.path)


def parse_moment(registry: OpenRegistry, when: object) -> Moment:
    """Return the point of a registry's history that a user named.

    Args:
        when: a `datetime` or `date`; or text: an ISO time or date, a span before now such as "7d",
            or the first 6 or more digits of an event. A time without a zone is one of this
            computer's zone; a date alone is the end of that day.

    Raises:
        InvalidValueError: it is none of these.
        NotFoundError: there is no event with these digits.
        AmbiguousReferenceError: several events begin with them.
    """
    if isinstance(when, datetime):
        return _at(when)
    if isinstance(when, date):
        return _at(_end_of(when))
    text = check_text("when", when, limit=100, empty=False).strip()
    if _DIGITS.fullmatch(text):
        return _at_event(registry, text.lower())
    try:
        return _at(_end_of(date.fromisoformat(text)))
    except ValueError:
        pass
    try:
        return _at(datetime.fromisoformat(text))
    except ValueError:
        pass
    if _SPAN.fullmatch(text):
        with suppress(InvalidValueError, OverflowError):
            return _at(datetime.now(UTC) - timedelta(seconds=parse_span(text)))
    raise InvalidValueError(f"as-of needs {FORMS}; not {shown(text)}", argument="when")


def _end_of(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 23, 59, 59, 999_999)


def _at(when: datetime) -> Moment:
    try:
        local = when.astimezone()
        at = round(local.timestamp() * 1_000_000)
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidValueError(
            f"as-of needs a time that this computer knows, not {when}", argument="when"
        ) from error
    return Moment(Cut(min(at, _LAST)), f"{local:%Y-%m-%d %H:%M:%S %Z}")


def _at_event(registry: OpenRegistry, digits: str) -> Moment:
    with registry.store.read() as connection:
        hits = event_rows.by_digits(connection, digits)
    if not hits:
        raise NotFoundError(
            f"there is no event {digits}; `localreg history` shows the first digits of each. A "
            "time is written with dashes: 2026-11-03",
            reference=digits,
        )
    if len(hits) > 1:
        found = ", ".join(each.event_id[: len(digits) + 4] for each in hits)
        raise AmbiguousReferenceError(
            f"several events begin with {digits}: {found}; give more digits",
            reference=digits,
            hits=tuple(each.event_id for each in hits),
        )
    (event,) = hits
    at = event.change.at if event.arrived is None else event.arrived
    return Moment(Cut(at, event.seq), f"event {event.event_id[:8]}")


def open_past(registry: OpenRegistry, when: object) -> PastRegistry:
    """Open a registry as it was at some time; close the result.

    Args:
        when: as for `parse_moment`. Before the first event the registry is empty; in the future it
            is as it is now.

    Raises:
        InvalidValueError, NotFoundError, AmbiguousReferenceError: as for `parse_moment`.
        StorageError: there is no room for the view.
    """
    moment = parse_moment(registry, when)
    registry.store.flush()
    if not registry.store.readonly:
        with suppress(StorageFullError):  # perhaps the other folder is on another disk
            return _made(registry, moment, registry.blobs.make_folder(TEMPORARY))
    return _made(registry, moment, place_elsewhere(registry.store.registry_id))


def _made(registry: OpenRegistry, moment: Moment, folder: Path) -> PastRegistry:
    path = unfinished(folder / DATABASE)
    try:
        with registry.store.read() as connection:
            make_past(connection, path, moment.cut)
        store = Store(path, readonly=True, past=moment.text)
    except BaseException:
        _delete(path)
        raise
    weakref.finalize(store, _delete, path)
    return PastRegistry(registry.directory, store, registry, moment)


@contextmanager
def opened_past(registry: OpenRegistry, when: object) -> Iterator[PastRegistry]:
    """Yield a registry as it was at some time, as `open_past`."""
    past = open_past(registry, when)
    try:
        yield past
    finally:
        past.close()


def _delete(path: Path) -> None:
    with suppress(OSError):  # gc deletes it
        path.unlink(missing_ok=True)
