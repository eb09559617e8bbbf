"""Changes that were made here and have lost: name them, and set their values again.

Who came first at the remote holds. To set a value again is a change of its own, which names what it
replaces; so it is in effect wherever both come.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain

from localreg.errors import GateError
from localreg.operations.trust import gates
from localreg.store.events.arriving import losses
from localreg.store.events.judging import KEPT, LOST
from localreg.store.events.registers import ALIAS_KINDS, LINE, SERVED, WAS, register_of
from localreg.store.rows import (
    event_rows,
    model_rows,
    remote_rows,
    task_rows,
    writer_rows,
)
from localreg.store.rows.remote_rows import RemoteRow, Waiting
from localreg.values.arrivals import Lost, shown_name
from localreg.values.frozen import Frozen
from localreg.values.records import LoggedEvent, line_payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.registry import Chain
    from localreg.store.events.change import Change

# They say what was found or done, and are no decisions.
_FACTS = frozenset(
    {"weights.fetched", "model.weights", "model.weights_kept", "model.weights_uploaded", "task.run"}
)
_OF_CONTENT = frozenset({"model.design", "model.weights_added", "model.weights_chosen"})


def lost(connection: remote_rows.Connection, waiting: Iterable[Waiting]) -> dict[str, str]:
    """Return those of some events that were made here and have lost, by id, as sentences.

    A change whose value was set again is not among them.
    """
    found: dict[tuple[str, str], dict[str, str]] = {}
    for each in waiting:
        if not each.own:
            continue
        event = each.event
        register = _register(event) or event.event_id
        if each.outcome == LOST:
            found.setdefault((event.subject, register), {})[event.event_id] = event.subject
        elif each.outcome is None:
            found.pop((event.subject, register), None)
    ids = {event_id: subject for events in found.values() for event_id, subject in events.items()}
    said = losses(connection, sorted({*ids.values()}), ids.keys())
    return {event_id: said[event_id].line for event_id in ids if event_id in said}


class Forced(Frozen):
    """What `force` did, a sentence each.

    Attributes:
        done: what was set again.
        refused: what was not, since a gate is not passed, and why.
    """

    done: list[str]
    refused: list[str]


def force(registries: Chain, change: Change, remote: RemoteRow) -> Forced:
    """Set again what changes that were made here wanted, and that have lost.

    They are those that a remote lacks; and those of the last push to it, as long as what they lost
    to is still there. Of several changes of one value the last one counts. No gate is overridden:
    an alias is set again only if its model passes.

    Args:
        registries: the first one has the changes.
    """
    connection = change.connection
    until = event_rows.newest_key(connection)
    last: dict[tuple[str, str], Waiting] = {}
    sent = list(remote_rows.lost_in_push(connection, remote))
    for each in chain(sent, remote_rows.waiting(connection, remote, until)):
        register = _register(each.event) if each.own else None
        if register is not None:
            last[each.event.subject, register] = each
    done: list[str] = []
    refused: list[str] = []
    wanted = [each for each in last.values() if each.outcome in (LOST, KEPT)]
    subjects = sorted({each.event.subject for each in wanted})
    said = losses(connection, subjects, {each.event.event_id for each in wanted})
    for each in wanted:
        if not _is_as_it_was(connection, each):
            continue
        try:
            is_set = _set_again(registries, change, each.event)
        except GateError as error:
            refused.append(f"not set again: {error}")
            continue
        if is_set:
            loss = said.get(each.event.event_id)
            done.append(_sentence(connection, each.event, loss))
    return Forced(done, refused)


def _is_as_it_was(connection: remote_rows.Connection, sent: Waiting) -> bool:
    """Return True if nothing was written since an event was pushed, or if it was not."""
    if sent.place is None:
        return True
    register = _register(sent.event)
    assert register is not None
    first = None if sent.event.kind in ALIAS_KINDS else sent.event.subject
    writers = writer_rows.writers(connection, sent.event.subject, register, first)
    places = [remote_rows.place_of(connection, each) for each in writers[-1:]]
    return all(each is not None and each < sent.place for each in places)


def _sentence(connection: remote_rows.Connection, event: LoggedEvent, loss: Lost | None) -> str:
    if loss is not None:
        to = f" → {loss.side.value}" if loss.side.value else ""
        return f"set again: {loss.name}{to}"
    row = model_rows.model_row(connection, event.subject)
    ref = event.subject[:8] if row is None else row.ref
    return f"served again: {shown_name(ref)} weights {event.event_id[:8]}"


def _register(event: LoggedEvent) -> str | None:
    """Return the register that a decision writes; None if it writes none."""
    if event.v != 1 or event.kind in _FACTS or event.payload.get("concluded"):
        return None
    return register_of(event.kind, event.field, event.payload)


def _set_again(registries: Chain, change: Change, event: LoggedEvent) -> bool:
    """Record a change with the value of an event; return False if that is not possible.

    Raises:
        GateError: an alias would point to a model that does not pass its gate.
    """
    connection = change.connection
    if event.kind in ALIAS_KINDS:
        return _set_alias_again(registries, change, event)
    topic = event.kind.partition(".")[0]
    if topic == "model":
        row = model_rows.model_row(connection, event.subject)
        if row is None or (row.published and event.kind in _OF_CONTENT):
            return False
    elif topic == "task" and task_rows.task(connection, event.subject) is None:
        return False
    register = _register(event)
    assert register is not None
    payload = {key: value for key, value in event.payload.items() if key != WAS}
    kind, new = event.kind, payload["new"]
    if register == LINE:
        kind = "model.moved"
    elif kind == "model.weights_added":
        kind, new = "model.weights_chosen", {"revision": event.event_id, "number": new["revision"]}
    if register == SERVED and not _has_revision(connection, event.subject, new["revision"]):
        return False
    old = _value_now(connection, event, register)
    change.record(kind, event.subject, payload | {"old": old, "new": new}, field=event.field)
    return True


def _set_alias_again(registries: Chain, change: Change, event: LoggedEvent) -> bool:
    payload, alias = event.payload, str(event.field)
    line, new = (payload["project"], payload["name"]), payload["new"]
    if event.kind == "alias.protected":
        gates.record_gate(registries, change, line, alias, new)
        return True
    passed = gates.NO_GATE
    if new is not None:
        row = model_rows.model_row(change.connection, new)
        if row is None or gates.line_of(row) != line:
            return False
        passed = gates.check_gate(registries, change.connection, row, alias)
    old = model_rows.alias_target(change.connection, line, alias)
    gates.record_alias(change, line, alias, old, new, passed)
    return True


def _has_revision(connection: remote_rows.Connection, model_id: str, revision: str) -> bool:
    return model_rows.revision(connection, model_id, revision) is not None


def _value_now(connection: remote_rows.Connection, event: LoggedEvent, register: str) -> object:
    """Return the value that a register has, as the payload of its next event says it."""
    if register == LINE:
        line = model_rows.line_of(connection, event.subject)
        assert line is not None
        return line_payload(*line)
    first = None if event.kind in ALIAS_KINDS else event.subject
    writers = writer_rows.writers(connection, event.subject, register, first)
    written = event_rows.by_id(connection, writers[-1]) if writers else None
    if written is None or written.change.kind.endswith(".created"):
        return event.payload["old"]  # what it was before both changes
    now: object = written.change.payload.get("new")
    if written.change.kind == "model.weights_added" and isinstance(now, dict):
        return {"revision": written.event_id, "number": now["revision"]}
    return _short(event.kind, now)


def _short(kind: str, value: object) -> object:
    """Return a value as the next event says what it was: of a text or a file its digest."""
    if kind == "task.configuration" and isinstance(value, list):
        return hashlib.sha256(value[0].encode()).hexdigest()
    if kind == "task.artifact" and isinstance(value, dict):
        return value["digest"]
    return value
