"""What was different after events came from other registries: what merge and import print."""

from __future__ import annotations

from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.records import Json, LoggedEvent
from localreg.values.secrets import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Side(Frozen):
    """One of the events that do not agree.

    Attributes:
        event_id: 32 hex digits.
        actor: who made the change, ``user@host``.
        origin: name of the registry that it was made in.
        own: True if that is this registry.
        at: when, microseconds.
        value: what it set, for people; "" if that cannot be said in a few words.
    """

    event_id: str
    actor: str
    origin: str
    own: bool
    at: int
    value: str

    @property
    def who(self) -> str:
        """Who made the change, and the first digits of its id."""
        return f"{shown_name(self.actor)}, {self.event_id[:8]}"


class Lost(Frozen):
    """A change that is not in effect, since another one was made first.

    Attributes:
        name: what both changed, such as ``vision/resnet@prod`` or ``vision/resnet:3 comment``.
        side: the change that is not in effect.
        winner: the one that is; None if nothing else set it.
    """

    name: str
    side: Side
    winner: Side | None

    @property
    def line(self) -> str:
        """The difference in a line."""
        to = f" → {self.side.value}" if self.side.value else ""
        if self.winner is None:
            return f"lost: {self.name}{to} ({self.side.who})"
        other = f"it is {self.winner.value}" if self.winner.value else "changed"
        return f"lost: {self.name}{to} ({self.side.who}): {other} by {self.winner.who}"


class InEffect(Frozen):
    """A change that was not in effect here before, and is now; as `Lost`."""

    name: str
    side: Side

    @property
    def line(self) -> str:
        """The difference in a line."""
        to = f" → {self.side.value}" if self.side.value else ""
        return f"now in effect: {self.name}{to} ({self.side.who})"


class AliasMoved(Frozen):
    """An alias that points elsewhere now.

    Attributes:
        name: such as ``vision/resnet@prod``.
        old, new: references of the models; None if it points to none.
    """

    name: str
    old: str
    new: str | None

    @property
    def line(self) -> str:
        """The difference in a line."""
        return f"{self.name}: {self.old} → {self.new or 'none'}"


class GateChanged(Frozen):
    """An alias that had a gate, and has another one now, or none.

    Attributes:
        name: such as ``vision/resnet@prod``.
        old, new: what a model must have for it; None for nothing.
    """

    name: str
    old: Sequence[str] | None
    new: Sequence[str] | None

    @property
    def line(self) -> str:
        """The difference in a line."""
        return f"{self.name} gate: {conditions_text(self.old)} → {conditions_text(self.new)}"


class Removed(Frozen):
    """A model that was here, and was removed elsewhere.

    Attributes:
        ref: its reference.
        by: the event that removed it.
    """

    ref: str
    by: Side

    @property
    def line(self) -> str:
        """The difference in a line."""
        again = f"`localreg restore {self.by.value}`"
        return f"{self.ref} was removed by {self.by.who}; {again} brings it back"


class Restored(Frozen):
    """A model that was removed here, and was restored elsewhere; as `Removed`."""

    ref: str
    by: Side

    @property
    def line(self) -> str:
        """The difference in a line."""
        return f"{self.ref} was restored by {self.by.who}"


class Moved(Frozen):
    """A model that has another project, name or number; `old` and `new` are its references."""

    old: str
    new: str

    @property
    def line(self) -> str:
        """The difference in a line."""
        return f"{self.old} is {self.new} now"


class Claimed(Frozen):
    """A model that claims a version number.

    Attributes:
        model: its id.
        origin: name of the registry that made it; "" if that is not known.
        at: when it was made, microseconds; None if that is not known.
    """

    model: str
    origin: str
    at: int | None

    @property
    def text(self) -> str:
        """The first digits of its id, and where it was made."""
        origin = f" ({shown_name(self.origin)})" if self.origin else ""
        return f"{self.model[:8]}{origin}"


class Ambiguous(Frozen):
    """A version number that several models claim now; `ref` is its reference."""

    ref: str
    claims: tuple[Claimed, ...]

    @property
    def line(self) -> str:
        """The difference in a line."""
        return f"{self.ref} is ambiguous: {', '.join(each.text for each in self.claims)}"


class NumberChanged(Frozen):
    """A version number that another model has now.

    Attributes:
        ref: its reference.
        old, new: the models that claim it.
        by: the event that renumbered or released; None if it did not come now.
    """

    ref: str
    old: Claimed
    new: Claimed
    by: Side | None

    @property
    def line(self) -> str:
        """The difference in a line."""
        by = f" (renumbered by {self.by.who})" if self.by else ""
        return f"{self.ref} was {self.old.text} here, is {self.new.text}{by}"


class WeightsKept(Frozen):
    """Weights that were added to a model which serves others.

    Attributes:
        ref: the model.
        side: the event that added them; its value is their digest.
    """

    ref: str
    side: Side

    @property
    def line(self) -> str:
        """The difference in a line."""
        return f"weights kept, not served: {self.ref} {self.side.value[:12]} ({self.side.who})"


class Contested(Frozen):
    """A model that was published twice with different content; `sides` are the publications."""

    ref: str
    sides: tuple[Side, ...]

    @property
    def line(self) -> str:
        """The difference in a line."""
        both = "; ".join(f"{side.value[:12]} by {side.who}" for side in self.sides)
        return f"contested: {self.ref} was published with different content: {both}"


class Waiting(Frozen):
    """Changes of a model that is removed: they show when it is restored; `ref` is the model."""

    ref: str
    events: int

    @property
    def line(self) -> str:
        """The difference in a line."""
        changes = "1 change waits" if self.events == 1 else f"{self.events} changes wait"
        return f"{changes} on removed {self.ref}"


TYPE_CHECKING = False
if TYPE_CHECKING:
    Difference = (
        Lost
        | InEffect
        | AliasMoved
        | GateChanged
        | Removed
        | Restored
        | Moved
        | Ambiguous
        | NumberChanged
        | WeightsKept
        | Contested
        | Waiting
    )


class Arrival(Frozen):
    """What came from another registry.

    Attributes:
        events: the number of events that were not here before.
        folded: True if any model, task, project or alias was folded again.
        models: references of the models that were not here before.
        tasks: ids of the tasks that were not here before.
        differences: what is different from before, apart from what is new.
    """

    events: int
    folded: bool
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The differences, one line each."""
        return tuple(each.line for each in self.differences)

    @property
    def conflict(self) -> bool:
        """True if a change of this registry lost, or a model is contested."""
        return any(
            isinstance(each, Contested) or (isinstance(each, Lost) and each.side.own)
            for each in self.differences
        )


_SHOWN_CONDITIONS = 10
_PARTS = {
    "model.design": "configuration and labels",
    "model.moved": "name and number",
    "model.renumbered": "number",
    "model.weights": "bytes",
    "model.weights_added": "weights",
    "model.weights_chosen": "weights",
    "model.weights_dropped": "weights",
    "model.weights_kept": "bytes",
    "model.weights_uploaded": "URL",
    "model.published": "publication",
    "model.signed": "signature",
    "alias.protected": "gate",
    "task.design": "configuration of models",
    "task.state": "status",
    "task.moved": "project",
    "task.run": "run",
}


def part_name(event: LoggedEvent) -> str:
    """Return what an event changes of its subject, for people."""
    kind, field = event.kind, shown_name(event.field or "")
    match kind:
        case "model.changed" | "task.changed":
            return field
        case "task.model":
            return f"{event.payload['role']} model {field}"
        case "task.parameter":
            return f"parameter {shown_name(event.payload['section'])}/{field}"
        case "model.metadata" | "task.configuration" | "task.artifact":
            return f"{kind.partition('.')[2]} {field}"
    return _PARTS.get(kind, kind)


def value_text(event: LoggedEvent) -> str:
    """Return what an event sets, for people; "" if that takes more than a few words."""
    new = event.payload.get("new")
    match event.kind:
        case "model.changed" | "task.changed":
            return shown(new)
        case "model.metadata" | "task.parameter":
            return "none" if new is None else shown(masked(event.field or "", new[0]))
        case "model.moved" | "model.renumbered" if new is not None:
            return line_text(new)
        case "task.state" if new is not None:
            return str(new["status"])
        case "task.model" | "model.weights":
            return new or "none"
        case "model.published":
            return event.payload["digest"] or "no weights"
        case "alias.protected":
            return conditions_text(new)
        case "model.weights_added" if new is not None:
            return new["digest"] or ""
    return ""


def conditions_text(conditions: Sequence[str] | None) -> str:
    """Return the conditions of a gate, for people."""
    if conditions is None:
        return "none"
    some = ", ".join(map(shown_name, conditions[:_SHOWN_CONDITIONS]))
    more = len(conditions) - _SHOWN_CONDITIONS  # another registry may have set any number
    return f"{some} and {more:,} more" if more > 0 else some


def line_text(line: Json) -> str:
    """Return project, name and number of an event as a reference."""
    project = f"{line['project']['name']}/" if line["project"] else ""
    return shown_name(f"{project}{line['name']}:{line['version']}")


def shown_name(text: str) -> str:
    """Return a name for a line of text: cut, and without what moves the cursor."""
    return text if len(text) <= 200 and text.isprintable() else shown(text, 200)
