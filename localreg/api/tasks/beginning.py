"""Which task `Task.init` returns: a new, an earlier, or the one of another process."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from localreg import log, operations
from localreg.api import ambient
from localreg.errors import TaskNotFoundError
from localreg.registry import Chain
from localreg.values.checks import check_text, kept_name
from localreg.values.records import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.tasks.run_facts import Run


def begin(
    chain: Chain,
    project: str | None,
    name: str | None,
    *,
    kind: str,
    tags: Sequence[str] | None,
    reuse: bool | str,
    again: bool | str | int,
) -> str:
    """Start or continue a task, and return its id.

    Args:
        project, name: of the task.
        kind: its type.
        tags: a list of str.
        reuse: the id of a task to continue.
        again: the same, or True for the last task of this name.

    Raises:
        InvalidValueError: an argument cannot be used.
        TaskNotFoundError: the task to continue does not exist.
    """
    for argument, given in (("project_name", project), ("task_name", name)):
        if given is not None:
            check_text(argument, given)
    there = _current(chain, project, name) or _of_another_process(chain, project, name)
    if there is not None:
        return there
    found = _to_continue(chain, project, name, reuse, again)
    run = operations.tasks.run_facts.describe_run()
    for remark in run.remarks:
        if ambient.first_time(remark):
            log.warning("%s", remark)
    if found is None:
        found = _new(chain, project, name, kind, tags, run)
    elif not _is_run_by_lower_rank(chain, found):
        overridden = ambient.task_to_run_again() is not None
        operations.tasks.lifecycle.start_task(chain.first, found, run, again=overridden)
        if tags:
            operations.tasks.lifecycle.edit_tags(chain.first, found, add=tags)
    ambient.share_task(chain.first, found)
    return found


def _new(
    chain: Chain,
    project: str | None,
    name: str | None,
    kind: str,
    tags: Sequence[str] | None,
    run: Run,
) -> str:
    """Record a task and return its id; all processes of a launcher such as torchrun get one."""
    rank, status = operations.tasks.ranks.this_rank(), "in_progress"
    if rank is None:
        return operations.tasks.lifecycle.create_task(
            chain.first,
            project=project, name=name, task_type=kind, tags=tags, status=status, run=run,
        )  # fmt: skip
    new = operations.tasks.lifecycle.check_new(
        project=project, name=name, task_type=kind, tags=tags, status=status, run=run
    )
    return operations.tasks.ranks.join(chain.first, rank, ambient.count_launched(), new, run)


def _is_run_by_lower_rank(chain: Chain, task_id: str) -> bool:
    """Return True if another process of the launcher that started this one has continued a task."""
    rank = operations.tasks.ranks.this_rank()
    if rank is None or rank.number == 0 or ambient.task_to_run_again():
        return False
    return operations.tasks.lifecycle.settled(chain.first, task_id).status == "in_progress"


def _current(chain: Chain, project: object, name: object) -> str | None:
    """Return the task that began here if it has these names and still runs, else None."""
    current = ambient.current_task(chain, own=True)
    if current is None or ambient.task_to_run_again():
        return None
    record = operations.tasks.lifecycle.running(chain.first, current)
    if record is None:  # it ended, or was removed
        return None
    return current if _is_called(record, project, name) else None


def _of_another_process(chain: Chain, project: object, name: object) -> str | None:
    """Return the task of the process that started this one, None if it does not run here.

    As in ClearML, a child process has the task of its parent, whatever names it gives. Only workers
    of multiprocessing and forks can begin tasks of their own, with other names: a pool of trials
    does.
    """
    shared = ambient.shared_task()
    record = None if shared is None else operations.tasks.lifecycle.running(chain.first, shared)
    if record is None or ambient.task_to_run_again() not in (None, shared):
        return None
    again = ambient.task_to_run_again() == shared
    if again or _is_called(record, project, name) or (project, name) == (None, None):
        return shared
    if ambient.is_worker() or ambient.began_before_fork(record.id):
        return None
    log.warning(
        "Task.init(%.60r, %.60r) continues task %s %.60r of the process that started this one; to "
        "record a task of its own, start the script with `python -m localreg.run`",
        project, name, record.id, record.name,
    )  # fmt: skip
    return shared


def _is_called(record: TaskRecord, project: object, name: object) -> bool:
    given = tuple(
        kept_name(each) if isinstance(each, str) else each for each in (name, project or None)
    )
    return (record.name, record.project.name if record.project else None) == given


def _to_continue(
    chain: Chain,
    project: str | None,
    name: str | None,
    reuse: bool | str,
    again: bool | str | int,
) -> str | None:
    """Return the id of the task to continue, None for a new one."""
    to_run_again = ambient.task_to_run_again()
    if to_run_again:
        return operations.tasks.search.find_task(chain.first, to_run_again)
    for given in (again, reuse):
        if isinstance(given, str) and given:
            return operations.tasks.search.find_task(chain.first, given)
    if again is not False:
        with suppress(TaskNotFoundError):  # the first run has nothing to continue
            return operations.tasks.search.find_task(chain.first, None, project, name)
    return None
