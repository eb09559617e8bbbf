"""Which register an event writes.

A register is a part of a model, task or alias that has one value: a metadata entry, the current
weights, the end of a task. The payload of an event that writes one has `was`: the id of the event
whose value it replaces. Two machines that write one register without knowing of each other are
noticed by that, when their events meet (`judging.py`). The event that creates a model or task is
the first writer of all its registers.

Tags are no registers: each addition stands for itself. Neither are publications and removals.
"""

from __future__ import annotations

from localreg.values.records import Json

LINE = "line"
DESIGN = "design"
SERVED = "served"
STATE = "state"
ALIAS = "alias"
WAS = "was"


def register_of(kind: str, field: str | None, payload: Json) -> str | None:
    """Return the name of the register that an event writes, or None.

    It is a name among the registers of the event's subject.

    >>> register_of("model.metadata", "accuracy", {"old": None, "new": ["0.9", "float"]})
    'metadata/accuracy'
    >>> register_of("model.tag", "prod", {"new": True}) is None
    True
    """
    match kind:
        case "model.changed" | "task.changed":
            return f"column/{field}"
        case "model.moved" | "model.renumbered":
            return LINE
        case "model.metadata":
            return f"metadata/{field}"
        case "model.design" | "task.design":
            return DESIGN
        case "model.weights_added" | "model.weights_chosen":
            return SERVED
        case "model.weights" | "model.weights_kept" | "weights.fetched":
            return f"bytes/{payload['revision']}"
        case "model.weights_uploaded":
            return f"url/{payload['revision']}"
        case "alias.set":
            return ALIAS
        case "task.state":
            return STATE
        case "task.model":
            return f"{payload['role']}/{field}"
        case "task.moved":
            return "project"
        case "task.run":
            return "run"
        case "task.parameter":
            return f"parameter/{payload['section']}/{field}"
        case "task.configuration":
            return f"configuration/{field}"
        case "task.artifact":
            return f"artifact/{field}"
    return None
