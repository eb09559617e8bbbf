"""Decide which events of a unit are in effect. Pure: no SQL, no clock.

A unit is all events of one subject: a model, a task, an alias or a project. Events that were made
on several machines, which did not know of each other, are put in one order and judged here. The
order is the same everywhere (`LoggedEvent.order`), so every registry that has the same events
decides the same. Nothing in one unit depends on another.

The outcome of an event is one of four:

- None: it is in effect.
- "same": the register already had the value that it writes.
- "lost": another event wrote the register first, or the model was published. It stays in the
  history.
- "kept": it added weights, but others are served.

The rules:

- Events of a subject whose creation is not there are lost until it comes. So are a second creation,
  and an event of a task on the id of a model.
- A write is in effect if the event that it replaces (`was`) is a writer of the register. Then it is
  the only writer. Otherwise it is "same", and one more writer, or "lost".
- The end of a task that another process concluded ("aborted", since the process was gone) leaves
  the writers before it, for the end that the task itself records.
- A tag is there while one addition is in the list of no drop, wherever the drop is in the order.
- Each signature counts. It says which weights it is of.
- An alias has two registers: the model that it points to, and its gate. Neither depends on the
  other: whoever reads an alias sees if the gate was passed.
- Weights are always added. They are served if the write of the register "served" is in effect.
- A revision that is served is not dropped, and a publication brings back the one that it names.
- A download, and bytes that the registry keeps from now on, write the register of the revision's
  bytes. They are lost if a publication that is live says that its bytes are others. So is an upload
  of other bytes than the revision has.
- Nothing changes a revision that was dropped.
- The first publication fixes weights and design: events after it that change them are lost, even
  if the value is the same. A publication that names earlier ones (`over`) replaces them. Those that
  nothing replaced are live. If they differ, the model is contested, and the first one shows. One
  that says what an earlier live one says is "same". A model may be created as published.
- Removal hides a model, and changes nothing else: the last removal or restoration decides.
- Kinds and versions that this localreg does not know have no effect.

A stranger may send 100,000 events of one kind on one subject, so nothing here takes time that grows
with the square of their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from localreg.store.events.registers import (
    ALIAS_KINDS,
    DESIGN,
    LINE,
    SERVED,
    STATE,
    WAS,
    register_of,
)
from localreg.values.frozen import Frozen
from localreg.values.records import Json, LoggedEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SAME = "same"
LOST = "lost"
KEPT = "kept"


class Judged(Frozen, kw_only=True):
    """What the events of a unit come to.

    Attributes:
        outcomes: of each event, in their order.
        writers: of each register that another event than the creating one wrote: ids, the last
            one is the newest.
        additions: of each tag that is there, as (tag, system): ids of the live additions. That of
            the creating event has the id of the subject.
        publications: ids of the live publications, in order; the first one shows.
        contested: True if they differ.
        revived: ids of revisions that were dropped, and that a publication brought back.
        named_bytes: id of the event that has the bytes which the shown publication names, if the
            events in effect give others to the revision; else None.
        removed: True if the model or task is removed.
        begun: True if the event that creates the subject is there. Always True of an alias.
    """

    outcomes: tuple[str | None, ...]
    writers: dict[str, tuple[str, ...]]
    additions: dict[tuple[str, bool], tuple[str, ...]]
    publications: tuple[str, ...]
    contested: bool
    revived: frozenset[str]
    named_bytes: str | None
    removed: bool
    begun: bool


def judge(events: Sequence[LoggedEvent]) -> Judged:
    """Return what the events of a unit come to.

    Args:
        events: all events of one subject, sorted by `LoggedEvent.order`.
    """
    unit = _Unit(events)
    return unit.judged(tuple(unit.outcome(event) for event in events))


class _Publication:
    """What a publication says.

    Args:
        event_id: of the event that published the model.
        payload: of that event.
    """

    def __init__(self, event_id: str, payload: Json) -> None:
        self.event_id = event_id
        self.digest: str | None = payload["digest"]
        self.revision: str | None = payload["revision"]
        # Two revisions of the same bytes do not differ.
        which = self.revision if self.digest is None else None
        labels = frozenset(payload["labels"].items())
        self.content = self.digest, payload["config"], labels, which


class _Unit:
    """The state of a unit, as far as outcomes depend on it."""

    def __init__(self, events: Sequence[LoggedEvent]) -> None:
        self._events = events
        self._born: Json = {}
        self._topic = _topic_of(events)
        self._begun = self._topic == "alias"
        # The writers of a register that only the creating event wrote.
        self._first: dict[str, None] = {}
        self._writers: dict[str, dict[str, None]] = {}
        self._values: dict[str, Any] = {}
        self._revisions: set[str] = set()
        self._dropped: set[str] = set()
        self._revived: set[str] = set()
        # Writers before an end that another process concluded: only a real end replaces them.
        self._before_conclusion: set[str] = set()
        self._since_conclusion: list[str] = []
        self._additions: dict[tuple[str, bool], list[str]] = {}
        self._published = False
        self._live: dict[str, _Publication] = {}
        self._contents: Counter[object] = Counter()  # of the live publications
        self._fixed: dict[str | None, Counter[str]] = {}  # their digests, by revision
        self._unfixed: dict[str, Any] = {}  # what publications replaced, by register
        self._removed = False
        # A drop may stand before an addition that it saw, if a remote gave them positions.
        self._seen_by_drops: dict[tuple[str, bool], set[str]] = {}
        for event in events:
            if event.kind in ("model.tag", "task.tag") and event.v == 1:
                seen = self._seen_by_drops.setdefault(_tag(event), set())
                seen.update(event.payload.get("adds") or ())

    def outcome(self, event: LoggedEvent) -> str | None:
        """Return the outcome of the next event."""
        if event.v != 1:
            return None
        rule = _RULES.get(event.kind)
        if rule is None:
            register = register_of(event.kind, event.field, event.payload)
            if register is None:
                return None
            if not self._begun or _topic(event) != self._topic:
                return LOST
            return self._write(event, register, _new(event, register))
        if rule in _CREATIONS:
            if self._begun or event.event_id != event.subject:
                return LOST
        elif not self._begun or _topic(event) != self._topic:
            return None if rule in _NEVER_LOST else LOST
        return rule(self, event)

    def judged(self, outcomes: tuple[str | None, ...]) -> Judged:
        """Return the result, after the last event."""
        shown = next(iter(self._live.values()), None)
        return Judged(
            outcomes=outcomes,
            writers={register: tuple(writers) for register, writers in self._writers.items()},
            additions={tag: tuple(events) for tag, events in self._additions.items()},
            publications=tuple(self._live),
            contested=len(self._contents) > 1,
            revived=frozenset(self._revived),
            named_bytes=None if shown is None else self._named_bytes(shown),
            removed=self._removed,
            begun=self._begun,
        )

    def _write(self, event: LoggedEvent, register: str, new: object) -> str | None:
        """Judge a write of a register."""
        writers = self._writers.get(register, self._first)
        if self._replaces(event, register, writers):
            self._values[register] = new
            if register == STATE and event.payload.get("concluded"):
                self._before_conclusion.update(self._since_conclusion or writers)
                self._since_conclusion = [event.event_id]
                self._add_writer(event, register)
            else:
                if register == STATE:
                    self._before_conclusion, self._since_conclusion = set(), []
                self._writers[register] = {event.event_id: None}
            return None
        if self._value(register) == new:
            self._add_writer(event, register)
            if register == STATE and self._since_conclusion:
                self._since_conclusion.append(event.event_id)
            return SAME
        return LOST

    def _add_writer(self, event: LoggedEvent, register: str) -> None:
        """Let an event be one more writer of a register."""
        writers = self._writers.get(register)
        if writers is None:
            writers = self._writers[register] = dict(self._first)
        writers[event.event_id] = None

    def _replaces(self, event: LoggedEvent, register: str, writers: dict[str, None]) -> bool:
        """Return True if an event replaces what a register has now."""
        was = event.payload.get(WAS)
        if was is None:
            return not writers
        if register == STATE and was in self._before_conclusion:
            ends = event.payload["new"]["ended"] is not None
            return ends and not event.payload.get("concluded")
        return was in writers

    def _value(self, register: str) -> object:
        """Return the value of a register now."""
        if register in self._values:
            return self._values[register]
        topic, _, name = register.partition("/")
        if topic == "column":
            return self._born.get(name)
        if topic == "metadata":
            return self._born["metadata"].get(name) if self._born else None
        return None

    def _created(self, event: LoggedEvent) -> str | None:
        self._born = event.payload
        self._begun = True
        self._first = {event.subject: None}
        return None

    def _model_created(self, event: LoggedEvent) -> str | None:
        self._created(event)
        born = event.payload
        self._values[LINE] = _line(born)
        self._values[DESIGN] = {"config": born["config"], "labels": born["labels"]}
        digest = revision = None
        for weights in born["weights"]:
            self._add_revision(event.subject, weights)
            self._values[SERVED] = revision = event.subject
            digest = weights["digest"]
        if born["published"]:
            publication = born | {"digest": digest, "revision": revision}
            self._begin_to_live(_Publication(event.event_id, publication))
        for tag in born["tags"]:
            self._add_tag(event, (tag, False))
        for tag in born["system_tags"]:
            self._add_tag(event, (tag, True))
        return None

    def _task_created(self, event: LoggedEvent) -> str | None:
        self._created(event)
        born = event.payload
        self._values[STATE] = {"status": born["status"], "reason": None, "ended": None}
        self._values["project"] = _project(born["project"])
        self._values["run"] = born.get("run")
        for tag in born["tags"]:
            self._add_tag(event, (tag, False))
        return None

    def _tagged(self, event: LoggedEvent) -> str | None:
        if event.payload["new"]:
            self._add_tag(event, _tag(event))
        return None

    def _add_tag(self, event: LoggedEvent, tag: tuple[str, bool]) -> None:
        if event.event_id not in self._seen_by_drops.get(tag, ()):
            self._additions.setdefault(tag, []).append(event.event_id)

    def _content_changed(self, event: LoggedEvent) -> str | None:
        """Judge a change of what a publication fixes."""
        if self._published:
            return LOST
        register = register_of(event.kind, event.field, event.payload)
        assert register is not None
        return self._write(event, register, _new(event, register))

    def _weights_added(self, event: LoggedEvent) -> str | None:
        self._add_revision(event.event_id, event.payload["new"])
        if self._published:
            return KEPT
        return None if self._write(event, SERVED, event.event_id) is None else KEPT

    def _add_revision(self, revision: str, weights: Json) -> None:
        self._revisions.add(revision)
        self._values[f"bytes/{revision}"] = weights["digest"]
        self._values[f"url/{revision}"] = weights["url"]

    def _weights_chosen(self, event: LoggedEvent) -> str | None:
        if event.payload["new"]["revision"] not in self._revisions:
            return LOST
        return self._content_changed(event)

    def _weights_dropped(self, event: LoggedEvent) -> str | None:
        revision = event.payload["revision"]
        if self._published or revision == self._value(SERVED):
            return LOST
        if revision in self._dropped:
            return SAME
        if revision not in self._revisions:
            return LOST
        self._revisions.remove(revision)
        self._dropped.add(revision)
        return None

    def _weights_served(self, event: LoggedEvent) -> str | None:
        if event.payload["revision"] not in self._revisions:
            return LOST
        return self._content_changed(event)

    def _fetched(self, event: LoggedEvent) -> str | None:
        return self._bytes_seen(event, event.payload["new"], again=SAME)

    def _weights_kept(self, event: LoggedEvent) -> str | None:
        return self._bytes_seen(event, event.payload["digest"], again=None)

    def _bytes_seen(self, event: LoggedEvent, digest: str, again: str | None) -> str | None:
        """Judge an event that says which bytes a revision has; `again`: if they were known."""
        revision = event.payload["revision"]
        if revision not in self._revisions:
            return LOST
        if self._fixed.get(revision, Counter()).keys() - {digest}:
            return LOST
        outcome = self._write(event, f"bytes/{revision}", digest)
        return again if outcome == SAME else outcome

    def _uploaded(self, event: LoggedEvent) -> str | None:
        revision, digest = event.payload["revision"], event.payload["digest"]
        # Else the registry would take the bytes that it has for a cache of what the URL serves.
        if revision not in self._revisions or digest not in (
            None,
            self._value(f"bytes/{revision}"),
        ):
            return LOST
        return self._write(event, f"url/{revision}", event.payload["url"])

    def _publish(self, event: LoggedEvent) -> str | None:
        revision, digest = event.payload["revision"], event.payload["digest"]
        if revision in self._dropped:
            self._dropped.remove(revision)
            self._revisions.add(revision)
            self._revived.add(revision)
        if revision is not None and revision not in self._revisions:
            return LOST
        for replaced in event.payload["over"]:
            self._cease_to_live(replaced)
        publication = _Publication(event.event_id, event.payload)
        again = publication.content in self._contents
        self._begin_to_live(publication)
        if digest is not None and len(self._live) == 1:
            register = f"bytes/{revision}"
            self._unfixed.setdefault(register, self._values.get(register))
            self._values[register] = digest
        return SAME if again else None

    def _begin_to_live(self, publication: _Publication) -> None:
        self._published = True
        self._live[publication.event_id] = publication
        self._contents[publication.content] += 1
        if publication.digest is not None:
            fixed = self._fixed.setdefault(publication.revision, Counter())
            fixed[publication.digest] += 1

    def _cease_to_live(self, event_id: str) -> None:
        publication = self._live.pop(event_id, None)
        if publication is None:
            return
        _take_one(self._contents, publication.content)
        if publication.digest is not None:
            _take_one(self._fixed[publication.revision], publication.digest)

    def _named_bytes(self, shown: _Publication) -> str | None:
        """Return the id of the event with the bytes that a publication names, if they are lost."""
        register = f"bytes/{shown.revision}"
        digest = shown.digest
        if digest is None or self._unfixed.get(register, self._values.get(register)) == digest:
            return None
        found = (e.event_id for e in self._events if digest in _bytes_of(e, shown.revision))
        return next(found, None)

    def _signed(self, _: LoggedEvent) -> str | None:
        return None  # each signature stands for itself

    def _remove(self, event: LoggedEvent) -> str | None:
        self._removed = event.kind != "model.restored"
        return None


def _take_one(counter: Counter[Any], key: object) -> None:
    """Count one less of a key, which goes with the last one."""
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _tag(event: LoggedEvent) -> tuple[str, bool]:
    """Return which tag an event adds or drops: its text, and True for a system tag."""
    return str(event.field), bool(event.payload.get("system"))


def _new(event: LoggedEvent, register: str) -> object:
    """Return the value that an event writes, in a form that can be compared."""
    new = event.payload["new"]
    if register == LINE:
        return _line(new)
    if register == SERVED:
        return new["revision"]
    if event.kind == "task.moved":
        return _project(new)
    return new


def _line(new: Json) -> tuple[str, str, int | None]:
    """Return project, name and number of a model. Projects are their names."""
    return _project(new["project"]), new["name"], new["version"]


def _project(project: Json | None) -> str:
    return project["name"] if project else ""


def _topic(event: LoggedEvent) -> str:
    """Return what an event is about: "model", "task", "project" or "alias"."""
    topic = _TOPICS.get(event.kind)
    return event.kind.partition(".")[0] if topic is None else topic


def _topic_of(events: Sequence[LoggedEvent]) -> str | None:
    """Return what a unit is about; None if the event that creates it is not there."""
    # No call makes an alias whose id is that of a model; but a model may be forged with the id
    # of an alias.
    if any(event.kind in ALIAS_KINDS and event.v == 1 for event in events):
        return "alias"
    for event in events:
        if event.event_id == event.subject and _RULES.get(event.kind) in _CREATIONS:
            return _topic(event)
    return None


def _bytes_of(event: LoggedEvent, revision: str | None) -> tuple[str | None, ...]:
    """Return the digests that an event gives to a revision."""
    if event.v != 1:
        return ()
    payload = event.payload
    match event.kind:
        case "model.created":
            weights = payload["weights"] if event.event_id == revision else ()
            return tuple(each["digest"] for each in weights)
        case "model.weights_added" if event.event_id == revision:
            return (payload["new"]["digest"],)
        case "model.weights" | "weights.fetched" if payload["revision"] == revision:
            return (payload["new"],)
        case "model.weights_kept" if payload["revision"] == revision:
            return (payload["digest"],)
    return ()


# Other events write a register, and nothing more.
_RULES: dict[str, Callable[[_Unit, LoggedEvent], str | None]] = {
    "project.created": _Unit._created,
    "model.created": _Unit._model_created,
    "model.removed": _Unit._remove,
    "model.restored": _Unit._remove,
    "model.tag": _Unit._tagged,
    "model.design": _Unit._content_changed,
    "model.published": _Unit._publish,
    "model.signed": _Unit._signed,
    "model.weights": _Unit._weights_served,
    "model.weights_added": _Unit._weights_added,
    "model.weights_chosen": _Unit._weights_chosen,
    "model.weights_dropped": _Unit._weights_dropped,
    "model.weights_kept": _Unit._weights_kept,
    "model.weights_uploaded": _Unit._uploaded,
    "weights.fetched": _Unit._fetched,
    "task.created": _Unit._task_created,
    "task.tag": _Unit._tagged,
    "task.removed": _Unit._remove,
}
# A download is an event on a model, but does not change it.
_TOPICS = {kind: kind.partition(".")[0] for kind in _RULES} | {"weights.fetched": "model"}
_CREATIONS = (_Unit._created, _Unit._model_created, _Unit._task_created)
_NEVER_LOST = (_Unit._tagged, _Unit._remove)
