"""Remotes of the small model: push, pull, clone, reset, mirrors.

A remote is a list of commits. A commit is appended only if it is the next one, as its sender
thinks; otherwise the sender pulls and looks again. So all writers agree on one order.

What the rules leave open, and what is decided here:

- A place is known for certain only when the row was seen at the remote. A place that came from
  another registry (by merge or bundle) is believed until the registry pulls past it. It is refused
  at once where the registry has seen the remote up to there, and the row was not there.
- A sender looks at the last commit once more, just before it appends: the remote may have been
  restored in the meantime, and others may have sent the same events then.
- A remote was restored or replaced if it is shorter than it was, has another event or another
  number of events up to the cursor, or lacks a row whose place is known. (The last event alone is
  not enough: after a restoration it may have been sent again to the same place.) Pull and push
  refuse, and change nothing. A reset forgets the cursor and all places of the remote. What the
  remote lacks is sent with the next push.
- The first remote orders the events. Any other is a mirror: its rows come without places, and what
  it lacks goes there in the order that the events have here at that time. Places may also have come
  by a merge, of a remote that is not known here: then the first remote is a mirror, too, unless it
  is that one. A reset makes a remote the one that orders, if there is no other that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from carry.rules_model import Differences, Event, differences, in_order, register_of, unit_of
from carry.rules_registry import NOT_REPEATED, Bundle, RefusedError, Registry

IN_A_COMMIT = 1_000
CAN_BE_FORCED = frozenset({
    "model.changed", "model.metadata", "model.design", "alias.set", "alias.protected",
    "task.changed", "task.parameter",
})  # fmt: skip


class ConflictError(Exception):
    """Somebody else made this commit."""


class ChangedError(RefusedError):
    """The remote is not what it was: restored from a copy, or replaced."""


class Remote:
    """A list of commits, which only grows, unless somebody restores an old copy of it.

    Attributes:
        table: its id; a replaced remote has another one.
        commits: the events of each commit; the first commit has the number 1.
    """

    def __init__(self, table: str):
        self.table = table
        self.commits: list[list[Event]] = []

    @property
    def head(self) -> int:
        """The number of the last commit."""
        return len(self.commits)

    def append(self, events: list[Event], after: list[list[Event]]) -> None:
        """Make the next commit, if these are the ones before."""
        if [id(each) for each in after] != [id(each) for each in self.commits]:
            raise ConflictError
        self.commits.append(events)

    def rows(self, after: int = 0) -> list[tuple[int, Event]]:
        """Return places and events of the commits after one, in order."""
        return [
            (number * IN_A_COMMIT + n, event)
            for number, events in enumerate(self.commits, 1)
            if number > after
            for n, event in enumerate(events)
        ]

    def restore(self, head: int) -> None:
        """Become what it was when it had so many commits."""
        del self.commits[head:]

    def replace(self, table: str) -> None:
        """Become an empty one, at the same address."""
        self.table, self.commits = table, []


@dataclass
class Known:
    """What a registry knows of a remote.

    Attributes:
        table: its id.
        mirror: True if it does not order the events of the registry.
        cursor: the number of the last commit that is here.
        last: place and id of the last event up to there.
        count: the number of events up to there.
        there: the ids of the events that were seen there.
    """

    table: str
    mirror: bool
    cursor: int = 0
    last: tuple[int, str] | None = None
    count: int = 0
    there: set[str] = field(default_factory=set)


def known(registry: Registry, remote: Remote) -> Known:
    """Return what is known of a remote; add it if it is new."""
    found = registry.remotes.get(id(remote))
    if found is None:
        mirror = registry.ordering not in (None, remote.table)
        found = registry.remotes[id(remote)] = Known(remote.table, mirror)
        if not mirror:
            registry.ordering = remote.table
            registry.orders = found
    return found


def pull(registry: Registry, remote: Remote) -> Differences:
    """Take the rows after the cursor."""
    seen = known(registry, remote)
    rows = remote.rows(seen.cursor)
    _check_unchanged(registry, remote, seen, rows)
    places = {} if seen.mirror else {event.id: place for place, event in rows}
    found = registry.take_in(
        Bundle([each for _, each in rows], places, seen.table if places else None), certain=True
    )
    seen.there |= {each.id for _, each in rows}
    seen.cursor = remote.head
    seen.count += len(rows)
    seen.last = (rows[-1][0], rows[-1][1].id) if rows else seen.last
    return found


def _check_unchanged(
    registry: Registry, remote: Remote, seen: Known, rows: list[tuple[int, Event]]
) -> None:
    beyond = (seen.cursor + 1) * IN_A_COMMIT
    before = [(place, event.id) for place, event in remote.rows() if place < beyond]
    last = before[-1] if before else None
    if remote.table != seen.table or (last, len(before)) != (seen.last, seen.count):
        raise ChangedError("restored or replaced")
    if not seen.mirror:
        there = {event.id: place for place, event in rows}
        for key, place in registry.positions.items():
            if place >= beyond and there.get(key) != place:
                raise ChangedError("it lacks a row whose place is known")
        for key, place in there.items():
            if registry.positions.get(key, place) != place:
                raise ChangedError("a row has another place than before")


def to_send(registry: Registry, remote: Remote) -> list[Event]:
    """Return the events that a remote lacks, of any origin, in the order in which they are sent."""
    seen = known(registry, remote)
    there = seen.there if seen.mirror else registry.positions.keys()
    lacking = [each for each in registry.log.values() if each.id not in there]
    return in_order(lacking, registry.positions if seen.mirror else {})


def pushing(
    registry: Registry, remote: Remote, *, force: bool = False, lost: int = 0
) -> Iterator[str]:
    """Push in steps, between which other things happen: others push, or it is killed.

    Args:
        registry, remote: from where and to where.
        force: write again what is lost to values that are there.
        lost: how many replies are lost.
    """
    while True:
        pull(registry, remote)
        before = list(remote.commits)
        yield "pulled"
        if force:
            write_again(registry)
            yield "written again"
        events = to_send(registry, remote)
        if not events:
            return
        yield "read"
        try:
            remote.append(events, before)
        except ConflictError:
            yield "conflict"
            continue
        yield "sent"
        if lost:
            lost -= 1
            continue
        sent(registry, remote, events, len(before) + 1)
        return


def sent(registry: Registry, remote: Remote, events: list[Event], number: int) -> None:
    """Note what was sent; nothing if somebody else pulled it already."""
    seen = known(registry, remote)
    if seen.cursor >= number:
        return
    if not seen.mirror:
        places = {each.id: number * IN_A_COMMIT + n for n, each in enumerate(events)}
        registry.take_in(Bundle([], places, seen.table), certain=True)
    seen.there |= {each.id for each in events}
    seen.count += len(events)
    seen.cursor, seen.last = number, (number * IN_A_COMMIT + len(events) - 1, events[-1].id)


def push(registry: Registry, remote: Remote, *, force: bool = False, reply: bool = True) -> None:
    """Push at once; without `reply` it is killed before it hears of its commit."""
    for step in pushing(registry, remote, force=force):
        if step == "sent" and not reply:
            return


def write_again(registry: Registry) -> list[Event]:
    """Write the own values again that lost, where the place of that is not given yet (--force)."""
    wanted: dict[tuple[str, str], Event] = {}
    for event in in_order(registry.log.values(), registry.positions):
        register = register_of(event)
        own = event.origin == registry.origin and event.id not in registry.positions
        if register is not None and own and event.kind in CAN_BE_FORCED:
            wanted[unit_of(event), register] = event
    made = []
    for (unit, register), event in wanted.items():
        if registry.view.outcome(event) != "lost" or registry.view.units[unit].publications:
            continue
        old = registry.unit(event.subject).value(register)
        kept = {k: v for k, v in event.payload.items() if k not in NOT_REPEATED}
        if event.kind == "alias.set":
            there, new = registry.unit(event.subject), event.payload["new"]
            try:
                kept |= registry.passing(there.gate, there.value("gate"), new)
            except RefusedError:
                continue
        made.append(
            registry.write(event.kind, event.subject, event.field, old=old,
                           new=event.payload["new"], **kept)
        )  # fmt: skip
    return made


def reset(registry: Registry, remote: Remote) -> Differences:
    """Forget cursor and places of a remote, and take what is there now."""
    mirror = registry.orders not in (None, known(registry, remote))
    fresh = Known(remote.table, mirror)
    registry.remotes[id(remote)] = fresh
    view = registry.view
    if not fresh.mirror:
        registry.ordering, registry.orders = remote.table, fresh
        registry.forget_places()
    pull(registry, remote)
    return differences(view, registry.view)


def clone(remote: Remote, into: Registry) -> Registry:
    """Make an empty registry one that has all of a remote."""
    pull(into, remote)
    return into
