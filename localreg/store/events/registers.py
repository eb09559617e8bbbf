"""Which register an event writes.

A register is a part of a model, task or alias that has one value: a metadata entry, the current
weights, the end of a task. The payload of an event that writes one has `was`: the id of the event
whose value it replaces. Two machines that write one register without knowing of each other are
noticed by that, when their events meet (`judging.py`). The event that creates a model or task is
the first writer of all its registers.

Tags are no registers: each addition stands for itself. Neither are signatures, publications and
removals.
"""

from __future__ import annotations

from collections.abc import Callable

from localreg.values.records import Json

LINE = "line"
DESIGN = "design"
SERVED = "served"
STATE = "state"
ALIAS = "alias"
GATE = "gate"
WAS = "was"

ALIAS_KINDS = frozenset({"alias.set", "alias.protected"})
"""The kinds of events whose subject is an alias."""


def register_of(kind: str, field: str | None, payload: Json) -> str | None:
    """Return the name of the register that an event writes, or None.

    It is a name among the registers of the event's subject.

    >>> register_of("model.metadata", "accuracy", {"old": None, "new": ["0.9", "float"]})
    'metadata/accuracy'
    >>> register_of("model.tag", "prod", {"new": True}) is None
    True
    """
    register = _REGISTERS.get(kind)
    return register(field, payload) if callable(register) else register


def _bytes(field: str | None, payload: Json) -> str:
    return f"bytes/{payload['revision']}"


# By kind: the register, or what names it.
_REGISTERS: dict[str, str | Callable[[str | None, Json], str]] = {
    "model.changed": lambda field, _: f"column/{field}",
    "model.moved": LINE,
    "model.renumbered": LINE,
    "model.metadata": lambda field, _: f"metadata/{field}",
    "model.design": DESIGN,
    "model.weights": _bytes,
    "model.weights_added": SERVED,
    "model.weights_chosen": SERVED,
    "model.weights_kept": _bytes,
    "model.weights_uploaded": lambda _, payload: f"url/{payload['revision']}",
    "weights.fetched": _bytes,
    "alias.set": ALIAS,
    "alias.protected": GATE,
    "task.changed": lambda field, _: f"column/{field}",
    "task.state": STATE,
    "task.design": DESIGN,
    "task.model": lambda field, payload: f"{payload['role']}/{field}",
    "task.moved": "project",
    "task.run": "run",
    "task.parameter": lambda field, payload: f"parameter/{payload['section']}/{field}",
    "task.configuration": lambda field, _: f"configuration/{field}",
    "task.artifact": lambda field, _: f"artifact/{field}",
}
