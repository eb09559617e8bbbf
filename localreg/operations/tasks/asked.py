"""What a run was asked to use, and if it did: values that were set before the script ran.

Somebody sets ``Args/lr`` of a copied task to 0.05, and the script never reads it: the record would
say 0.05, and 0.1 was used. So what is set while a task does not run is noted on its place, as is
what the script takes; a run that ends well and did not take all of it is "failed".

The notes are texts: a kind and a name, such as ``parameter Args/lr``.
"""

from __future__ import annotations

from collections.abc import Iterable

from localreg.registry import OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.records import Json, TaskRecord

PARAMETER, CONFIGURATION, INPUT = "parameter", "configuration", "input model"
_ASKED, _USED, _CHANGED = "asked", "used", "changed"  # keys of the place


def note_asked(
    connection: task_rows.Connection, task: TaskRecord, kind: str, changed: Iterable[str],
    there: Iterable[str], gone: Iterable[str] = (),
) -> None:  # fmt: skip
    """Note what is set on a task, unless it runs: then its script sets it.

    New values of a task that has ended are remarks about that run.

    Args:
        kind: of all the names.
        changed: names whose values are set.
        there: names that the task had before.
        gone: names that are removed.
    """
    if task.status == "in_progress":
        return
    known = set(there)
    new = {f"{kind} {name}" for name in changed if task.ended is None or name in known}
    old = {f"{kind} {name}" for name in gone}
    place = task_rows.place(connection, task.id)
    before = set(place.get(_ASKED, ()))
    if (asked := (before - old) | new) != before:
        task_rows.set_place(connection, task.id, place | {_ASKED: sorted(asked)})


def mark_used(registry: OpenRegistry, task_id: str, kind: str, names: Iterable[str]) -> set[str]:
    """Note what the script of a task that is run again takes; return what of it was asked for."""
    taken = {f"{kind} {name}" for name in names}
    with registry.store.read() as connection:
        place = task_rows.place(connection, task_id)
    asked = taken.intersection(place.get(_ASKED, ()))
    if not asked <= set(place.get(_USED) or ()):
        with registry.store.write() as change:
            place = task_rows.place(change.connection, task_id)
            used = asked.union(place.get(_USED) or ())
            task_rows.set_place(change.connection, task_id, place | {_USED: sorted(used)})
    return asked


def was_asked(place: Json, kind: str, name: str) -> bool:
    """Return True if a name was set on a task while it did not run."""
    return f"{kind} {name}" in place.get(_ASKED, ())


def note_changed(
    connection: task_rows.Connection, task_id: str, kind: str, names: Iterable[str]
) -> None:
    """Note what a script changed after it was recorded: another run starts as this one did."""
    place = task_rows.place(connection, task_id)
    changed = {*place.get(_CHANGED, ()), *(f"{kind} {name}" for name in names)}
    task_rows.set_place(connection, task_id, place | {_CHANGED: sorted(changed)})


def starts_as_script(place: Json, kind: str, name: str) -> bool:
    """Return True if the script's own value counts in a run: it changes it, and none was set."""
    return f"{kind} {name}" in place.get(_CHANGED, ()) and not was_asked(place, kind, name)


def begun(place: Json, *, again: bool) -> Json:
    """Return the place of a task that begins.

    Args:
        again: True if its script is run again, with the values of the task.
    """
    return place | {_USED: [] if again else None}


def unused(place: Json) -> list[str]:
    """Return what was asked for, and the script that is run again has not taken."""
    if place.get(_USED) is None:
        return []
    return sorted(set(place.get(_ASKED, ())).difference(place[_USED]))


def reason(left: list[str]) -> str:
    """Return why a run failed that did not use all it was asked to."""
    names = ", ".join(left[:10]) + (", …" if len(left) > 10 else "")
    return (
        f"set for this run, and the script never took it: {names}. The run used other values. "
        "Check the names; the script must connect them, or parse arguments by a parser that "
        "localreg knows. Other scripts get arguments by `localreg task run ID -- --lr 0.05`"
    )
