"""What parsers of command lines parse: recorded on the task, and used when it is run again.

A script may parse before it calls `Task.init`, or after. So parsers are patched before a task
starts; what they parse is kept in `ambient`, and `follow` records it on a task. This module is the
`CommandLine` that the parsers in `integrations/` report to, and argparse too (`argparse_hook`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from localreg import log, operations
from localreg.api import ambient
from localreg.api.tasks.connected_dict import recordable
from localreg.errors import InvalidValueError, LocalregError
from localreg.integrations.command_line import Stored
from localreg.operations.tasks import asked
from localreg.operations.tasks import parameters as task_parameters
from localreg.operations.tasks.parameters import Key
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.records import MetadataValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.api.tasks.task import Task
    from localreg.registry import OpenRegistry

Wanted = bool | Mapping[str, bool]


class Parsed(Frozen):
    """What a parser parsed.

    Attributes:
        section: of the parameters; or the name of a configuration.
        read: returns the parameters, or the text of the configuration.
        library: as of `CommandLine.record`.
    """

    section: str
    read: Callable[[], Mapping[str, object] | str]
    library: str = ""


def run_again() -> tuple[OpenRegistry, str] | None:
    """Return the registry and the id of the task that this process runs again, or None.

    Raises:
        TaskNotFoundError: the current registry does not have it.
    """
    wanted = ambient.task_to_run_again()
    if wanted is None:
        return None
    for chain, task_id in ambient.tasks():
        if task_id == wanted:
            return chain.first, task_id
    registry = ambient.current().first  # the script has not called Task.init yet
    return registry, operations.tasks.search.find_task(registry, wanted)


def stored(section: str) -> dict[str, Stored] | None:
    """Return parameters of the task that this process runs again, None if it runs none.

    A child process gets only those that were set for the run: its arguments come from its parent,
    and other children may have others.
    """
    again = run_again()
    if again is None:
        return None
    there = task_parameters.parameters(*again)
    place = operations.tasks.lifecycle.place(*again)
    found = {
        key.name: Stored(value.value, value.type, asked.was_asked(place, asked.PARAMETER, key.path))
        for key, value in there.items()
        if key.section == section
    }
    if ambient.shared_task() == again[1]:
        return {name: value for name, value in found.items() if value.asked}
    return found


def stored_configuration(name: str) -> Stored | None:
    """Return a configuration of the task that this process runs again, or None."""
    again = run_again()
    text = None if again is None else task_parameters.configurations(*again).get(name)
    if again is None or text is None:
        return None
    place = operations.tasks.lifecycle.place(*again)
    return Stored(text, "str", asked.was_asked(place, asked.CONFIGURATION, name))


def is_stored_as(value: object, stored: Stored) -> bool:
    """Return True if a value has the text that is stored."""
    return task_parameters.is_stored_as(recordable(value), MetadataValue(stored.text, stored.type))


def added() -> Sequence[str]:
    """Return what `localreg task run` added to the recorded command line."""
    words: Sequence[str] = getattr(sys.modules.get("__main__"), "localreg_added", ())
    return words


def record(
    key: object,
    section: str,
    values: Mapping[str, object] | Callable[[], Mapping[str, object]],
    *,
    library: str = "",
    used: bool = True,
) -> None:
    """Record parameters, now and, if no task has begun, when one begins; see `CommandLine`."""
    read = values if callable(values) else lambda: values
    again = run_again() if used else None
    if again is not None:
        names = [Key(section, str(name)) for name in read()]
        task_parameters.mark_used(*again, names)
    ambient.set_parsed(key, Parsed(section, read, library))


def record_configuration(name: str, text: str, *, library: str, used: bool = True) -> None:
    """Record a configuration, as `record` does it."""
    again = run_again() if used else None
    if again is not None:
        asked.mark_used(*again, asked.CONFIGURATION, [name])
    ambient.set_parsed(("configuration", name), Parsed(name, lambda: text, library))


@contextmanager
def job() -> Iterator[Callable[[BaseException | None], None]]:
    """Run a part of the script that may end the tasks that begin in it; see `CommandLine`."""
    from localreg.api.tasks import exit_hooks

    before = {task_id for _, task_id in ambient.tasks()}

    def end(error: BaseException | None) -> None:
        status = "completed" if error is None else "failed"
        reason = None if error is None else exit_hooks.reason_of(error)
        for chain, task_id in ambient.tasks():
            if task_id not in before:
                exit_hooks.end(chain, task_id, status, reason)
                ambient.drop_task(chain.first, task_id)

    yield end


def follow(task: Task, wanted: Wanted) -> None:
    """Record on a task what is parsed until it ends, and what was parsed before.

    Args:
        task: it has a recorder.
        wanted: checked by `check_wanted`.
    """

    def listener(parsed: Parsed) -> None:
        try:
            _record_on(task, parsed, wanted)
        except LocalregError as error:  # parsing arguments must not fail for this
            log.warning("the arguments of task %s were not recorded: %s", task.id, error)

    first = not ambient.is_followed(task.id)
    ambient.listen(task.id, listener)
    if first:
        for each in ambient.parsed():
            listener(each)


def _record_on(task: Task, parsed: Parsed, wanted: Wanted) -> None:
    if parsed.library:
        recorder = ambient.recorder()
        if recorder is None or not recorder.wants(parsed.library):
            return
    elif not wanted:
        return
    found = parsed.read()
    if isinstance(found, str):
        task.set_configuration_object(parsed.section, config_text=found)
        return
    checked: task_parameters.Values = {}
    for name, each in found.items():
        if not parsed.library and not _is_wanted(str(name), wanted):
            continue
        value = recordable(each)
        if isinstance(value, Mapping):  # one value of the parser, not a section
            checked[Key(parsed.section, str(name))] = task_parameters.value_of(str(name), value)
        else:
            checked |= task_parameters.check_parameters("arguments", {name: value}, parsed.section)
    task_parameters.set_parameters(task._registry, task.id, checked)


def _is_wanted(name: str, wanted: Wanted) -> bool:
    """Return True if `auto_connect_arg_parser` lets an argument be recorded.

    >>> _is_wanted("train/lr", {"lr": False}), _is_wanted("lr", {"*": False})
    (False, False)
    """
    if isinstance(wanted, bool):
        return wanted
    others = wanted.get("*", True)
    return wanted.get(name, wanted.get(name.rpartition("/")[2], others))


def check_wanted(given: object) -> Wanted:
    """Return a checked `auto_connect_arg_parser`; an empty dict is False, as in ClearML.

    Raises:
        InvalidValueError: it is neither a bool nor a dict of bools.
    """
    if isinstance(given, bool):
        return given
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and isinstance(value, bool) for name, value in given.items()
    ):
        raise InvalidValueError(
            "auto_connect_arg_parser must be a bool, or a dict of bools by names of arguments, "
            f"not {shown(given)}",
            argument="auto_connect_arg_parser",
        )
    return dict(given) or False
