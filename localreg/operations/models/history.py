"""The history of a registry: its events, and each as a line of text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from localreg.errors import AliasNotFoundError, DamagedRowError
from localreg.operations.finding.queries import check_limit
from localreg.operations.finding.references import check_model_id
from localreg.registry import OpenRegistry
from localreg.store.rows import arrival_rows, event_rows, model_rows, origin_rows, tree_rows
from localreg.store.rows.event_rows import Logged
from localreg.values.checks import check_text
from localreg.values.dataset_names import FINAL, STATE
from localreg.values.frozen import Frozen, replace
from localreg.values.records import Event, Json, StateChange
from localreg.values.secrets import masked, masked_config, masked_json, masked_text
from localreg.values.urls import is_sha256

SHOWN = 60
_REPLACED_WITHIN = timedelta(seconds=5)
AT_ONCE = 200  # events that are read together
_IDS = re.compile(r"\b[0-9a-f]{32}\b")
COMPARED = 20  # updates of packages whose files are compared


class HistoryEntry(Frozen):
    """One change.

    Attributes:
        seq: the number of the change in its registry.
        at: when, by the clock of the machine that made it; the order does not depend on it.
        actor: who, ``user@host``.
        subject: id of the model, task or project.
        kind: what changed, such as ``model.tag``.
        field: the alias, metadata key, tag or column that changed, or None.
        payload: old and new values.
        text: the change as a line for people.
        event_id: 32 hex digits; the same in every registry that has the change.
        origin: the name of the registry that it was made in.
        outcome: None if the change is in effect. Otherwise "same": it changed nothing; "lost":
            another change, or a publication, came before it; "kept": it added weights, but others
            are served.
        arrived: when it came from another registry; None if it was made here.
    """

    seq: int
    at: datetime
    actor: str
    subject: str
    kind: str
    field: str | None
    payload: Json
    text: str
    event_id: str
    origin: str
    outcome: str | None
    arrived: datetime | None = None

    @property
    def line(self) -> str:
        """The change as a line for people, with its outcome."""
        return f"{self.text}{_OUTCOMES.get(self.outcome or '', '')}"


class Serving(Frozen):
    """A time in which an alias pointed to one model.

    Attributes:
        name: the alias, such as ``vision/resnet@prod``.
        ref: the model as it is called now; "none" if the alias was dropped, and the first digits of
            the id if the model is removed.
        model: its id; None if the alias was dropped.
        begin, end: since and until when, by the clocks of the machines that set it; the end is None
            for what holds now.
        actor: who set it.
        origin: the name of the registry in which that was done.
        event_id: of the event that did it.
        override: the reason for which it was set although the model did not pass its gate.
    """

    name: str
    ref: str
    model: str | None
    begin: datetime
    end: datetime | None
    actor: str
    origin: str
    event_id: str
    override: str | None = None


class ArrivalEntry(Frozen):
    """What an import or a merge brought.

    Attributes:
        at: when.
        source: from where.
        events: the number of changes that came.
        differences: what was different from before, a line each.
    """

    at: datetime
    source: str
    events: int
    differences: tuple[str, ...]


class Conflicts(Frozen):
    """What registries that met do not agree about.

    Attributes:
        contested: references of the models that were published twice with different content.
        losing: the changes that are not in effect, or only kept, newest first.
        arrivals: what came by imports and merges, newest first.
    """

    contested: tuple[str, ...]
    losing: tuple[HistoryEntry, ...]
    arrivals: tuple[ArrivalEntry, ...]


_OUTCOMES = {
    "same": " (it was so already)",
    "lost": " (lost: not in effect)",
    "kept": " (kept, not served)",
}


def history(
    registry: OpenRegistry, subject: str | None = None, limit: object = None
) -> list[HistoryEntry]:
    """Return the changes, newest first.

    Args:
        subject: id of a model, task or project, which may be removed; None for all.
        limit: the most changes, 1 or more; None for all.
    """
    return list(changes(registry, subject, limit))


def changes(
    registry: OpenRegistry, subject: str | None = None, limit: object = None
) -> Iterator[HistoryEntry]:
    """Yield what `history` returns, of which there may be millions.

    No transaction is open while the caller has an entry: it may print to a pipe, and wait there.
    """
    most = check_limit("limit", limit)
    with registry.store.read() as connection:
        keys = event_rows.newest_keys(connection, subject, most)
    if not keys and subject is not None:
        check_model_id(registry, subject)  # raises
    compared = 0
    for start in range(0, len(keys), AT_ONCE):
        with registry.store.read() as connection:  # events never change
            found = event_rows.by_keys(connection, keys[start : start + AT_ONCE])
            updates = [each for each in found if each.change.kind == "model.weights_added"]
            some = updates[: COMPARED - compared] if subject is not None else []
            texts = _changed_files(connection, subject, some) if subject and some else {}
        compared += len(some)
        for event in found:
            yield _entry(event, texts.get(event.seq, ""), subject)


def number_of_changes(registry: OpenRegistry, subject: str) -> int:
    """Return how many changes a model, task or project has."""
    with registry.store.read() as connection:
        return event_rows.count(connection, subject)


def shown_once(entries: Iterable[HistoryEntry]) -> Iterator[HistoryEntry]:
    """Yield changes without the comments that the same program replaced at once.

    A run sets the comment of a model that it makes, and again when it has the weights: that is one
    comment for people. The last of such changes stays, with what there was before the first.

    Args:
        entries: the changes, newest first.
    """
    waiting: dict[int, HistoryEntry] = {}  # those that an older one may replace, in their order
    later: dict[str, int] = {}  # the number of the last change of each subject's comment
    for number, entry in enumerate(entries):
        while waiting:
            first, newest = next(iter(waiting.items()))
            if newest.at - entry.at <= _REPLACED_WITHIN and len(waiting) < AT_ONCE:
                break
            if later.get(newest.subject) == first:
                del later[newest.subject]
            yield waiting.pop(first)
        place = later.get(entry.subject, -1)
        after = waiting.get(place)
        waiting[number] = entry
        if after is not None and _replaced_at_once(entry, after):
            if entry.field == "comment":
                payload = after.payload | {"old": entry.payload["old"]}
                del waiting[place]
                waiting[number] = replace(after, payload=payload, text=_comment(payload))
            else:
                text = f"comment: {_value(after.payload['new'])}"
                waiting[place] = replace(after, text=text)
        if _is_comment(entry):
            later[entry.subject] = number
    yield from waiting.values()


def _is_comment(entry: HistoryEntry) -> bool:
    return entry.kind in ("model.changed", "task.changed") and entry.field == "comment"


def _replaced_at_once(entry: HistoryEntry, after: HistoryEntry) -> bool:
    """Return True if a change set a comment that the change after it replaced at once."""
    if (entry.actor, entry.origin, None) != (after.actor, after.origin, after.outcome):
        return False
    if after.at - entry.at > _REPLACED_WITHIN or entry.outcome is not None:
        return False
    if _is_comment(entry):
        return bool(entry.payload["new"] == after.payload["old"])
    created = entry.kind in ("model.created", "task.created")
    return created and bool(entry.payload.get("comment") == after.payload["old"])


def _comment(payload: Json) -> str:
    return f"comment: {_value(payload['old'])} → {_value(payload['new'])}"


def _entry(event: Event, more: str = "", subject: str | None = None) -> HistoryEntry:
    return HistoryEntry(
        seq=event.seq,
        at=_moment(event.change.at),
        actor=event.actor,
        subject=event.change.subject,
        kind=event.change.kind,
        field=event.change.field,
        payload=event.change.payload,
        text=describe(event.change, subject) + more,
        event_id=event.event_id,
        origin=event.origin,
        outcome=event.outcome,
        arrived=None if event.arrived is None else _moment(event.arrived),
    )


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def servings(registry: OpenRegistry, alias: object, line: str | None = None) -> list[Serving]:
    """Return which models an alias pointed to, and when, the present one first.

    Args:
        alias: its name, such as "prod".
        line: ``[project/]name`` of the models; None for those of all names.

    Raises:
        AliasNotFoundError: no alias of that name was ever set.
    """
    name = check_text("alias", alias)
    found: list[Serving] = []
    with registry.store.read() as connection:
        for subject in event_rows.alias_subjects(connection, name):
            ((_, logged),) = event_rows.of_units(connection, [subject])
            payload = logged[0].event.payload  # that of any event of the alias
            project = payload["project"]
            of_line = f"{project}/{payload['name']}" if project else payload["name"]
            if line is None or of_line == line:
                found += _servings(connection, f"{of_line}@{name}", logged)
    if not found:
        where = "" if line is None else f"{line}: "
        raise AliasNotFoundError(
            f"{where}no alias {name!r:.80} was ever set; `localreg show` lists those of a model",
            reference=name,
        )
    return sorted(found, key=lambda each: each.name)


def _servings(
    connection: model_rows.Connection, name: str, logged: Sequence[Logged]
) -> list[Serving]:
    moves = [each for each in logged if each.outcome is None and _is_move(each)]
    events = sorted(moves, key=lambda each: each.event.order)
    ends: list[datetime | None] = [_moment(each.event.at) for each in events[1:]]
    found = []
    for each, end in zip(events, [*ends, None], strict=False):
        event, model = each.event, each.event.payload["new"]
        found.append(
            Serving(
                name=name,
                ref=_called(connection, model),
                model=model,
                begin=_moment(event.at),
                end=end,
                actor=event.actor,
                origin=origin_rows.name_of_id(connection, event.origin),
                event_id=event.event_id,
                override=_masked_reason(event.payload),
            )
        )
    return found[::-1]


def _masked_reason(payload: Mapping[str, object]) -> str | None:
    reason = payload.get("override")
    return None if reason is None else masked_text(str(reason))


def _is_move(logged: Logged) -> bool:
    """Return True if an event points an alias elsewhere; else it says that a gate was passed."""
    payload = logged.event.payload
    return logged.event.kind == "alias.set" and payload["old"] != payload["new"]


def _called(connection: model_rows.Connection, model: str | None) -> str:
    if model is None:
        return "none"
    row = model_rows.model_row(connection, model)
    return f"{model[:8]} (removed)" if row is None else row.ref


def conflicts(registry: OpenRegistry, limit: object = None) -> Conflicts:
    """Return what registries that met do not agree about.

    Args:
        limit: the most changes, and the most arrivals; None for all.
    """
    most = check_limit("limit", limit)
    with registry.store.read() as connection:
        losing = event_rows.losing(connection, most)
        contested = [each.ref for each in model_rows.contested(connection)]
        arrivals = arrival_rows.arrivals(connection, most)
    return Conflicts(
        tuple(contested),
        tuple(map(_entry, losing)),
        tuple(
            ArrivalEntry(_moment(each.at), each.source, each.events, each.differences)
            for each in arrivals
        ),
    )


def _changed_files(
    connection: model_rows.Connection, subject: str, updates: Sequence[Event]
) -> dict[int, str]:
    """Return what updates of a package changed, by the numbers of their events.

    Only of those whose files are still known.
    """
    texts: dict[int, str] = {}
    try:
        sides = {each.seq: (_revision(each, "old"), _revision(each, "new")) for each in updates}
        revisions = {each for pair in sides.values() for each in pair if each is not None}
        packages = model_rows.packages(connection, subject, revisions)
        for each in updates:
            before, after = (packages.get(side or "") for side in sides[each.seq])
            if before is not None and after is not None:
                found = tree_rows.differences(connection, before, after)
                texts[each.seq] = "" if found is None else _files_text(*found)
    except DamagedRowError:  # the events themselves are whole
        pass
    return texts


def _revision(event: Event, side: str) -> str | None:
    """Return the id of a revision in an event; None if there is none."""
    payload = event.change.payload.get(side)
    if not isinstance(payload, dict):
        return None
    found = payload.get("id" if side == "new" else "revision")
    return found if type(found) is str else None


def _files_text(changed: int, added: int, removed: int) -> str:
    """Return how many files an update changed.

    >>> _files_text(2, 0, 1), _files_text(0, 1, 0), _files_text(0, 0, 0)
    (': 2 files changed, 1 removed', ': 1 file added', ': the same files')
    """
    counts = (("changed", changed), ("added", added), ("removed", removed))
    texts = [f"{number:,} {what}" for what, number in counts if number]
    if not texts:
        return ": the same files"
    number, _, rest = texts[0].partition(" ")
    texts[0] = f"{number} {'file' if number == '1' else 'files'} {rest}"
    return f": {', '.join(texts)}"


def shown_payload(change: HistoryEntry) -> Json:
    """Return the payload of a change as it may be shown, without secrets."""
    if change.kind == "task.configuration":
        new = change.payload["new"]
        return change.payload | {"new": new and [masked_config(new[0])]}
    named = change.kind in ("task.parameter", "model.metadata")
    return {
        key: masked_json(value, str(change.field) if named and key in ("old", "new") else "")
        for key, value in change.payload.items()
    }


def describe(change: StateChange, about: str | None = None) -> str:
    """Return an event as a line of text.

    Args:
        change: the event.
        about: id of the model whose history it is in; None for that of the registry.

    >>> describe(StateChange("model.tag", 1, "", "prod", {"old": False, "new": True}, 0, 0))
    'tagged prod'
    """
    text = _TEXTS.get(change.kind) if change.v == 1 else None
    plain = f"{change.kind} {change.field or ''}".strip()
    if text is None:
        return plain
    try:
        if about is not None and change.kind == "alias.set":
            return _alias_of(change, about)
        return text(change)
    except (LookupError, TypeError, AttributeError):  # the payload is not one of that kind
        return f"{plain} (what it changed cannot be read)"


def _created(change: StateChange) -> str:
    payload = change.payload
    source = next((_source(each) for each in payload["weights"]), None)
    published = ", published" if payload["published"] else ""
    return f"created as {_line(payload)}{published}" + (f" from {source}" if source else "")


def _source(weights: Json) -> str | None:
    digest = weights["digest"]
    source = weights["url"] or weights["filename"]
    return f"{source} (sha256 {digest[:12]}…)" if source and digest else source


def _line(payload: Json) -> str:
    project = payload["project"]
    return f"{project['name']}/{payload['name']}" if project else str(payload["name"])


def _ref(payload: Json) -> str:
    return f"{_line(payload)}:{payload['version']}"


def _changed(change: StateChange) -> str:
    old, new = change.payload["old"], change.payload["new"]
    if change.field == "published":
        return "published"
    if change.field == "archived":
        return "archived" if new else "unarchived"
    if change.field == "package":
        return "marked as a package" if new else "no longer marked as a package"
    if change.field in ("task", "parent"):
        old, new = (each and each[:8] for each in (old, new))
    return f"{change.field}: {_value(old)} → {_value(new)}"


def _task_tag(change: StateChange) -> str:
    new, tag = change.payload["new"], change.field
    if change.payload["system"]:
        if tag == "archived":
            return "archived" if new else "unarchived"
        return f"system tag {tag} {'added' if new else 'dropped'}"
    return f"{'tagged' if new else 'untagged'} {tag}"


def _weights_added(change: StateChange) -> str:
    new, iteration = change.payload["new"], change.payload["iteration"]
    at = "" if iteration is None else f" at iteration {iteration}"
    return f"weights {new['revision']}{at}: {_source(new) or 'source not recorded'}"


def _metadata(change: StateChange) -> str:
    old, new = change.payload["old"], change.payload["new"]
    name = str(change.field)
    if name == STATE and new is not None and new[0] == FINAL:
        return "finalized"
    was = "" if old is None else f" (was {_value(masked(name, old[0]))})"
    if new is None:
        return f"metadata {name} dropped{was}"
    return f"metadata {name} = {_value(masked(name, new[0]))}{was}"


def _alias_set(change: StateChange) -> str:
    old, new = change.payload["old"], change.payload["new"]
    if new is None:
        return f"alias {change.field} dropped"
    if old == new:
        how = _override(change) or ", which passed its gate"
        return f"alias {change.field} stays at {new[:8]}{how}"
    taken = f", taken from {old[:8]}" if old else ""
    return f"alias {change.field} set to {new[:8]}{taken}{_override(change)}"


def _override(change: StateChange) -> str:
    """Return for which reason an alias was set to a model that does not pass its gate."""
    reason = change.payload.get("override")
    return f", although it did not pass the gate: {_value(reason)}" if reason else ""


def _alias_of(change: StateChange, model_id: str) -> str:
    """Return an alias event as it concerns one of its two models."""
    old, new = change.payload["old"], change.payload["new"]
    if new == model_id:
        if old == new:
            return f"alias {change.field} stays{_override(change) or ': the gate was passed'}"
        taken = f", taken from {old[:8]}" if old else ""
        return f"alias {change.field} set{taken}{_override(change)}"
    return f"alias {change.field} moved to {new[:8]}" if new else f"alias {change.field} dropped"


def _protected(change: StateChange) -> str:
    payload, new = change.payload, change.payload["new"]
    line = "/".join(filter(None, (payload["project"], payload["name"])))
    needs = "nothing any more" if new is None else _value(", ".join(new))
    return f"alias {change.field} of {line} needs {needs}"


def _signed(change: StateChange) -> str:
    signer = change.payload["signer"]
    known = f"{signer[:12]}…" if is_sha256(signer) else _value(signer)
    by = f" by {known}" if signer else ""
    return f"signed{by}: sha256 {change.payload['digest'][:12]}…"


def _state(change: StateChange) -> str:
    new = change.payload["new"]
    because = f": {new['reason']}" if new["reason"] else ""
    return f"status = {new['status']}{masked_text(because)}"


def _task_model(change: StateChange) -> str:
    model, role = change.payload["new"], change.payload["role"]
    return f"{role} {change.field} {'dropped' if model is None else '= ' + model[:8]}"


def _task_parameter(change: StateChange) -> str:
    name, new = f"{change.payload['section']}/{change.field}", change.payload["new"]
    if new is None:
        return f"parameter {name} dropped"
    return f"parameter {name} = {_value(masked(str(change.field), new[0]))}"


def _value(value: object) -> str:
    """Return a value on one line, with the first digits of ids."""
    text = "none" if value is None else str(value)
    if isinstance(value, str):
        text = f"'{value.replace(chr(13), '').replace(chr(10), ' ⏎ ')}'"
    text = _IDS.sub(lambda match: match[0][:8], masked_text(text))
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


_TEXTS: dict[str, Callable[[StateChange], str]] = {
    "project.created": lambda change: f"project {change.payload['name']} created",
    "model.created": _created,
    "model.removed": lambda change: f"removed {_line(change.payload)}",
    "model.restored": lambda change: f"restored as {_line(change.payload)}",
    "model.published": lambda change: "published",
    "model.released": lambda change: f"number {_ref(change.payload)} released",
    "model.renumbered": lambda change: (
        f"renumbered from {_ref(change.payload['old'])} to {_ref(change.payload['new'])}"
    ),
    "task.state": _state,
    "model.changed": _changed,
    "model.moved": lambda change: (
        f"moved from {_line(change.payload['old'])} to {_line(change.payload['new'])}"
    ),
    "model.tag": lambda change: (
        f"{'tagged' if change.payload['new'] else 'untagged'} {change.field}"
    ),
    "model.metadata": _metadata,
    "model.weights": lambda change: (
        f"the URL now serves other weights: sha256 {change.payload['old'][:12]}… → "
        f"{change.payload['new'][:12]}…"
    ),
    "model.design": lambda change: "configuration or labels set",
    "model.weights_added": _weights_added,
    "model.weights_chosen": lambda change: f"restored weights {change.payload['new']['number']}",
    "model.weights_dropped": lambda change: f"weights {change.payload['number']} dropped",
    "model.weights_kept": lambda change: f"weights {change.payload['number']} kept",
    "model.weights_uploaded": lambda change: f"weights {change.payload['number']} uploaded",
    "weights.fetched": lambda change: f"weights fetched: sha256 {change.payload['new'][:12]}…",
    "model.signed": _signed,
    "alias.set": _alias_set,
    "alias.protected": _protected,
    "task.created": lambda change: f"task {change.payload['name']} created",
    "task.changed": _changed,
    "task.design": lambda change: "model configuration or labels of the task set",
    "task.model": _task_model,
    "task.moved": lambda change: (
        f"moved to project {(change.payload['new'] or {'name': 'none'})['name']}"
    ),
    "task.tag": _task_tag,
    "task.run": lambda _: "run recorded",
    "task.parameter": _task_parameter,
    "task.configuration": lambda change: (
        f"configuration {change.field} {'set' if change.payload['new'] else 'dropped'}"
    ),
    "task.artifact": lambda change: (
        f"artifact {change.field} {'kept' if change.payload['new'] else 'dropped'}"
    ),
    "task.removed": lambda change: f"task {change.payload['name']} removed",
}
