"""Look at all rows of a remote: their places, ids and content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from localreg.errors import InvalidEventError
from localreg.store.events.shapes import checked_text
from localreg.store.rows.checked_values import is_digest, is_id
from localreg.values.checks import shown
from localreg.values.records import LoggedEvent
from localreg.values.remote_format import GC_BEGIN, GC_END, REPORTED, is_note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.values.records import Json

    Row = tuple[Any, ...]


class RowCheck:
    """What the rows of a remote are, read once.

    Attributes:
        events: how many events there are.
        commits: how many commits have rows.
        collections: ids of the notes that began a collection, without those that ended.
        reports: size of the newest stream of reports of each model and task, by digest.
    """

    def __init__(self) -> None:
        self.events = 0
        self.commits = 0
        self.collections: set[str] = set()
        self._streams: dict[tuple[str | None, str], tuple[str, int]] = {}
        self._ids: set[bytes] = set()
        self._commit, self._n = -1, -1

    @property
    def reports(self) -> dict[str, int]:  # noqa: D102  (see above)
        return dict(self._streams.values())

    def problems(self, rows: Iterable[list[Row]]) -> Iterator[str]:
        """Yield a sentence for each row that cannot be as it is.

        Args:
            rows: all of them, in order.
        """
        for batch in rows:
            for row in batch:
                yield from self._place(*row[:2])
                yield from self._content(row)

    def _place(self, position: object, n: object) -> Iterator[str]:
        if type(position) is not int or type(n) is not int:
            yield f"a row has no place: {shown(position)}, {shown(n)}"
        elif position != self._commit:
            self.commits += 1
            if n != 0:
                yield f"commit {position} begins with row {n}, not 0"
            self._commit, self._n = position, n
        else:
            if n == self._n:
                yield f"commit {position} has row {n} twice"
            elif n != self._n + 1:
                yield f"commit {position} has no row {self._n + 1}"
            self._n = n

    def _content(self, row: Row) -> Iterator[str]:
        (position, _, event_id, origin, _, seq, lamport, stamp, at, actor, kind, v, subject, field,
         payload) = row  # fmt: skip
        if not is_id(event_id):
            yield f"a row of commit {position} has no id: {shown(event_id)}"
            return
        short = bytes.fromhex(event_id)
        if short in self._ids:
            yield f"event {event_id} is there twice, again in commit {position}; the first counts"
        self._ids.add(short)
        try:
            content = json.loads(payload)
        except (ValueError, TypeError, RecursionError):
            yield f"the payload of event {event_id} in commit {position} is not JSON"
            return
        if type(kind) is str and is_note(kind):
            if type(content) is not dict:
                yield f"the note {event_id} in commit {position} has no content"
            else:
                self._note(event_id, kind, subject, field, content)
            return
        self.events += 1
        event = LoggedEvent(
            event_id, origin, seq, lamport, stamp, at, actor, kind, v, subject, field, content
        )
        try:
            checked_text(event)
        except InvalidEventError as error:
            yield f"{error} (in commit {position})"

    def _note(
        self, event_id: str, kind: str, subject: str, field: str | None, content: Json
    ) -> None:
        if kind == GC_BEGIN:
            self.collections.add(event_id)
        elif kind == GC_END:
            self.collections.discard(str(content.get("begin")))
        elif kind == REPORTED and is_digest(content.get("digest")):
            size = content.get("size")
            if type(size) is int:
                self._streams[field, subject] = content["digest"], size
