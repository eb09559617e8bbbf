"""One task for all processes of a launcher such as torchrun, on one machine or on several.

The processes start at the same time, in no order, and have no parent with a task. So each computes
the same id from the variables that the launcher sets for all of them. The first records the task,
the others join it. It runs in the process of the lowest rank that has joined: its arguments are
recorded, and its end is the end of the task. A rank that fails makes the task "failed" at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from localreg.filesystem.temporary_owners import machine_mark, owner_mark
from localreg.operations.finding.references import ensure_project
from localreg.operations.tasks import lifecycle
from localreg.operations.tasks.run_facts import Run, is_gone
from localreg.registry import OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import task_rows
from localreg.values.frozen import Frozen
from localreg.values.ids import launch_id
from localreg.values.records import Json, TaskRecord, project_payload


class Rank(Frozen):
    """A process of a launcher.

    Attributes:
        number: its rank.
        launch: what all processes of the launcher know.
        unique: True if no other launch can have the same; else an earlier one may have had it.
    """

    number: int
    launch: str
    unique: bool


def this_rank(environment: Mapping[str, str] = os.environ) -> Rank | None:
    """Return the rank of this process, None if no launcher started it, or started only this one.

    Args:
        environment: the variables of torchrun; accelerate, DeepSpeed and others set most of them.

    >>> this_rank({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"})
    Rank(number=1, launch='a:1', unique=False)
    """
    numbers = [environment.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    address, port = environment.get("MASTER_ADDR"), environment.get("MASTER_PORT")
    if not (all(each.isdecimal() for each in numbers) and address and port):
        return None
    number, size = map(int, numbers)
    if size < 2:
        return None
    attempt = environment.get("TORCHELASTIC_RESTART_COUNT", "")
    # torchrun makes a new folder each time; a rank's file is in it, at …/attempt_0/1/error.json.
    folder = environment.get("TORCHELASTIC_ERROR_FILE", "")
    for _ in range(3):
        folder = os.path.dirname(folder)  # noqa: PTH120  (text is enough)
    if folder and environment.get("GROUP_WORLD_SIZE") == "1":
        return Rank(number, f"{machine_mark()} {folder} {attempt}", True)
    run = environment.get("TORCHELASTIC_RUN_ID", "")
    return Rank(number, " ".join(filter(None, (f"{address}:{port}", run, attempt))), False)


def join(registry: OpenRegistry, rank: Rank, number: int, new: Json, run: Run) -> str:
    """Return the id of the task of a launch; record it if this process is the first.

    Args:
        rank: of this process.
        number: how many tasks this process has begun before.
        new: what to record of the task, from `lifecycle.check_new`.
        run: how it runs here.
    """
    attempt = 0
    with registry.store.write() as change:
        while True:
            name = f"{rank.launch} {attempt}" if attempt else rank.launch
            task_id = launch_id(name, number)
            found = task_rows.task(change.connection, task_id)
            if found is None:
                lifecycle.add(change, task_id, new, _place(run, {}, rank))
                return task_id
            place = task_rows.place(change.connection, task_id)
            if rank.unique or _is_of_this_launch(found, place, rank):
                _join(change, found, place, rank, new, run)
                return task_id
            attempt += 1


def _is_of_this_launch(task: TaskRecord, place: Json, rank: Rank) -> bool:
    """Return True if a task runs, and no other process had this rank in it."""
    other = place.get("ranks", {}).get(str(rank.number))
    return task.ended is None and not is_gone(place) and other in (None, owner_mark())


def _join(change: Change, task: TaskRecord, place: Json, rank: Rank, new: Json, run: Run) -> None:
    here = _place(run, place, rank)
    if rank.number >= place.get("rank", 0):
        kept = place | {"ranks": here.place["ranks"]}
        task_rows.set_place(change.connection, task.id, kept)
        return
    if task.status != "failed":  # that another rank failed is not forgotten
        lifecycle.start(change, task.id, here)
    else:
        task_rows.set_place(change.connection, task.id, place | here.place)
    if task.name != new["name"]:
        names = {"old": task.name, "new": new["name"]}
        change.record("task.changed", task.id, names, field="name")
    if (task.project.name if task.project else None) != (new["project"] or None):
        project = project_payload(ensure_project(change, new["project"]))
        moved = {"old": project_payload(task.project), "new": project}
        change.record("task.moved", task.id, moved)


def _place(run: Run, place: Json, rank: Rank) -> Run:
    """Return how a task runs, with this process as one of its ranks."""
    ranks = place.get("ranks", {}) | {str(rank.number): owner_mark()}
    return Run(run.facts, run.place | {"rank": rank.number, "ranks": ranks}, run.remarks)


def rank_here(registry: OpenRegistry, task_id: str) -> int | None:
    """Return the rank of this process in a task, None if it has none."""
    with registry.store.read() as connection:
        ranks = task_rows.place(connection, task_id).get("ranks", {})
    mark = owner_mark()
    return next((int(number) for number, other in ranks.items() if other == mark), None)


def fail(registry: OpenRegistry, task_id: str, rank: int, reason: str) -> None:
    """Record that a task failed because one of its ranks did, also if the others ended well."""
    with registry.store.read() as connection:
        found = task_rows.task(connection, task_id)
    if found is not None and (found.ended is None or found.status == "completed"):
        lifecycle.end_task(registry, task_id, "failed", f"rank {rank}: {reason}", again=True)
