"""The rows of a remote's table, and the events and notes that they are."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator

from localreg.errors import RemoteError
from localreg.store.rows import origin_rows
from localreg.store.rows.checked_values import is_id
from localreg.values.canonical import canonical
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id, now
from localreg.values.records import Json, LoggedEvent
from localreg.values.remote_format import COLUMNS, MOST_ROWS, is_note, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.registry import OpenRegistry
    from localreg.store.rows.remote_rows import RemoteRow, Waiting

    Row = tuple[Any, ...]

_KIND = COLUMNS.index("kind")


class Note(Frozen):
    """A row that is no event but a note on the remote itself.

    Attributes:
        place: its place.
        event_id: its id.
        kind, subject, field, payload: as of an event.
    """

    place: int
    event_id: str
    kind: str
    subject: str
    field: str | None
    payload: Json


class Coming:
    """The rows that come from a remote, as events; notes are set apart.

    Args:
        remote: where they come from.
        rows: as `RemoteStore.rows` yields them.
        twice: ids of events that are passed over.

    Attributes:
        names: the names of the origins of the events that came so far.
        notes: the notes that came so far.
        last: id and place of the last row; None before the first one.
        expected: the places that some events should have, by id; those that came are taken out.
        ids: of the events, if they are those of a mirror.
    """

    def __init__(
        self, remote: RemoteRow, rows: Iterable[list[Row]], twice: Collection[str] = ()
    ) -> None:
        self._remote = remote
        self._rows = rows
        self._twice = twice
        self.names: dict[str, str] = {}
        self.notes: list[Note] = []
        self.last: tuple[str, int] | None = None
        self.expected: dict[str, int] = {}
        self.ids: list[str] = []

    def events(self) -> Iterator[LoggedEvent]:
        """Yield the events, with their places unless they are of a mirror."""
        remote = self._remote
        table = None if remote.mirror else remote.table_id
        before = -1
        for some in self._rows:
            for row in some:
                (position, n, event_id, origin, origin_name, seq, lamport, stamp, at, actor, kind,
                 v, subject, field, payload) = row  # fmt: skip
                if type(position) is not int or type(n) is not int or not 0 <= n < MOST_ROWS:
                    raise broken(remote, event_id, "it has no place")
                here = place(position, n)
                if here <= before:
                    raise broken(remote, event_id, "another row has its place")
                before = here
                try:
                    content = json.loads(payload)
                except (ValueError, TypeError, RecursionError):
                    raise broken(remote, event_id, "its payload is not JSON") from None
                self.last = event_id, here
                if type(kind) is str and is_note(kind):
                    self._note(here, event_id, kind, subject, field, content)
                    continue
                if event_id in self._twice:
                    continue
                self.names[origin] = origin_name
                if self.expected and self.expected.get(event_id) == here:
                    del self.expected[event_id]
                if table is None:
                    self.ids.append(event_id)
                    yield LoggedEvent(
                        event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field,
                        content,
                    )  # fmt: skip
                else:
                    yield LoggedEvent(
                        event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field,
                        content, table, here,
                    )  # fmt: skip

    def notes_alone(self) -> list[Note]:
        """Return the notes among the rows, without looking at the events."""
        noted = [row for some in self._rows for row in some if is_note(str(row[_KIND]))]
        coming = Coming(self._remote, [noted])
        for _ in coming.events():
            pass
        return coming.notes

    def _note(
        self,
        here: int,
        event_id: object,
        kind: str,
        subject: object,
        field: object,
        payload: object,
    ) -> None:
        if (
            not is_id(event_id)
            or not is_id(subject)
            or type(payload) is not dict
            or not (field is None or type(field) is str)
        ):
            raise broken(self._remote, event_id, f"it is no note ({shown(kind)})")
        self.notes.append(Note(here, event_id, kind, subject, field, payload))  # type: ignore[arg-type]  # checked


def row_of(waiting: Waiting) -> Row:
    """Return an event as a row, without its place."""
    event = waiting.event
    return (
        event.event_id, event.origin, waiting.origin_name, event.seq, event.lamport, event.stamp,
        event.at, event.actor, event.kind, event.v, event.subject, event.field, waiting.payload,
    )  # fmt: skip


def note_row(
    registry: OpenRegistry, kind: str, subject: str, payload: Json, field: str | None = None
) -> Row:
    """Return a note as a row, without its place.

    Args:
        registry: the one that writes it.
        kind: one of `NOTES`.
        subject: what it is about: 32 hex digits.
    """
    with registry.store.read() as connection:
        origin, name = origin_rows.own_id_and_name(connection)
    at, actor = now(), registry.store.actor()
    return (
        new_id(), origin, name, 0, 0, max(at, 0), at, actor, kind, 1, subject, field,
        canonical(payload),
    )  # fmt: skip


def broken(remote: RemoteRow, event_id: object, why: str) -> RemoteError:
    """Return the error that a row of a remote is no event, and why."""
    return RemoteError(
        f"the remote {remote.name} ({remote.url}) has a row that is no event: {shown(event_id)}, "
        f"{why}. Nothing of it was taken; `localreg remote check {remote.name}` looks at all rows",
        remote=remote.url,
    )
