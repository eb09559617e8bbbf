"""What is current: the registry and the task that calls without either one mean.

This is the only state of the package. It belongs to the process, so that threads see it too.
"""

from __future__ import annotations

import atexit
import os
import sys

from localreg.errors import InvalidValueError
from localreg.values.layout import DATABASE, HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
    from pathlib import Path

    from localreg.operations.weights.uploading import Uploads
    from localreg.registry import OpenRegistry
    from localreg.store.database.store import Durability

HOME_VARIABLE = "LOCALREG_HOME"
UPSTREAM_VARIABLE = "LOCALREG_UPSTREAM"
DURABILITY_VARIABLE = "LOCALREG_DURABILITY"
TASK_VARIABLE = "LOCALREG_TASK_ID"
RUNNING_VARIABLE = "LOCALREG_TASK_RUNNING"

_entered: list[OpenRegistry] = []
_chosen: list[OpenRegistry] = []
_opened: dict[Path, OpenRegistry] = {}
_tasks: dict[Path, list[tuple[OpenRegistry, str]]] = {}  # those begun here, the current one last
_left_with: list[object] = []
_told: set[str] = set()
_parsed: list[tuple[ArgumentParser, Namespace]] = []
_listeners: dict[str, Callable[[ArgumentParser, Namespace], None]] = {}
_destination: list[str] = []
_uploads: dict[int, Uploads] = {}  # by process: a fork does not take threads along


def locate() -> tuple[Path, str]:
    """Return where the registry is when nobody names one, and what decided it.

    That is the environment, a ``.localreg`` folder in or above the working directory, or the
    user's data. A folder that belongs to another user is passed over: whoever can write to a
    folder above could otherwise choose what is loaded. So could each member of a group that
    shares one: such a registry is named by the environment, or by hand.

    Raises:
        InvalidValueError: the environment names no directory.
    """
    from pathlib import Path

    home = os.environ.get(HOME_VARIABLE)
    if home:
        try:
            return (Path(home).expanduser().absolute(), HOME_VARIABLE)
        except RuntimeError as error:  # "~" without a home, or with a user nobody knows
            raise InvalidValueError(
                f"{HOME_VARIABLE} names no directory: {home!r}: {error}", argument=HOME_VARIABLE
            ) from error
    for folder in _working_folders():
        candidate = folder / HIDDEN
        # Not Path.is_file: that raises for a folder that this user may not look into.
        if os.path.isfile(candidate / DATABASE) and _is_mine(candidate):  # noqa: PTH113
            return (candidate, f"a {HIDDEN} folder above the working directory")
    return (_user_data(), "the user's data directory")


def _working_folders() -> list[Path]:
    """Return the working directory and those above it, nearest first."""
    from pathlib import Path

    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted, and nothing is above it
        return []
    return [here, *here.parents]


def _is_mine(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def _user_data() -> Path:
    from pathlib import Path

    if sys.platform.startswith("linux"):
        # What platformdirs says there, without the time its import takes.
        base = os.environ.get("XDG_DATA_HOME", "").strip()
        return (Path(base) if base else Path.home() / ".local" / "share") / "localreg"
    from platformdirs import user_data_path

    return user_data_path("localreg", appauthor=False)


def default_durability() -> Durability:
    """Return the durability that the environment asks for, "full" by default."""
    return os.environ.get(DURABILITY_VARIABLE) or "full"  # type: ignore[return-value]  # checked there


def current() -> OpenRegistry:
    """Return the current registry, opened (and made) if it is not open yet.

    It is the one whose ``with`` block was entered last, else the one given to `use_registry`,
    else the located one.

    Raises:
        RegistryError: it cannot be opened.
    """
    if _entered:
        return _entered[-1]
    if _chosen:
        return _chosen[-1]
    path, _ = locate()
    registry = _opened.get(path)
    if registry is None:
        registry = _opened[path] = open_located()
    return registry


def open_located(*, durability: Durability | None = None, readonly: bool = False) -> OpenRegistry:
    """Open the registry that is meant when nobody names one, with those upstream of it.

    Args:
        durability, readonly: as for `open_registry`; by the environment when None.

    Raises:
        RegistryError: it cannot be opened.
        InvalidValueError: the environment names no directories.
    """
    from localreg.registry import open_registry

    upstream = os.environ.get(UPSTREAM_VARIABLE)
    if not upstream:
        return open_registry(
            locate()[0], durability=durability or default_durability(), readonly=readonly
        )
    from localreg.api.upstreams import put_behind, roots_in

    roots = roots_in(upstream)  # what it cannot mean is told before anything is made
    first = open_registry(
        locate()[0], durability=durability or default_durability(), readonly=readonly
    )
    return put_behind(first, roots)


def enter(registry: OpenRegistry) -> None:
    """Make a registry current until `leave`."""
    _entered.append(registry)


def leave(registry: OpenRegistry) -> bool:
    """Take back one `enter`, the last one of this registry; return whether it was the only one."""
    entries = [index for index, each in enumerate(_entered) if each is registry]
    if entries:
        del _entered[entries[-1]]
    return len(entries) <= 1


def choose(registry: OpenRegistry) -> None:
    """Make a registry current where no ``with`` block says otherwise."""
    _chosen[:] = [registry]


def forget(registry: OpenRegistry) -> None:
    """Take a registry that is about to be closed out of everything, once its uploads are done."""
    finish_uploads(registry)
    while any(each is registry for each in _entered):
        leave(registry)
    if _chosen and _chosen[0] is registry:
        _chosen.clear()
    if _opened.get(registry.root) is registry:
        del _opened[registry.root]
    for opened, task_id in list(_tasks.get(registry.root, [])):
        if opened is registry:
            drop_task(registry, task_id)


def set_task(registry: OpenRegistry, task_id: str) -> None:
    """Make a task the current one of its registry, until it is dropped."""
    begun = _tasks.setdefault(registry.root, [])
    begun[:] = [each for each in begun if each[1] != task_id]
    begun.append((registry, task_id))


def drop_task(registry: OpenRegistry, task_id: str) -> None:
    """Forget a task that ended; the one that was current before it is current again."""
    _listeners.pop(task_id, None)
    begun = _tasks.get(registry.root, [])
    begun[:] = [each for each in begun if each[1] != task_id]
    if not begun:
        _tasks.pop(registry.root, None)


def current_task(registry: OpenRegistry) -> str | None:
    """Return the id of the current task of this registry, or None.

    In a worker of multiprocessing that is the task of the process which started it, if that runs.
    """
    begun = _tasks.get(registry.root)
    if begun:
        return begun[-1][1]
    shared = shared_task() if is_worker() else None
    if shared is None or not _runs(registry, shared):
        return None
    set_task(registry, shared)
    return shared


def _runs(registry: OpenRegistry, task_id: str) -> bool:
    from localreg.store.rows import task_rows

    with registry.store.read() as connection:
        record = task_rows.task(connection, task_id)
    return record is not None and record.ended is None


def tasks() -> list[tuple[OpenRegistry, str]]:
    """Return the tasks that this process began and that did not end, of all registries."""
    return [each for begun in _tasks.values() for each in begun]


def leave_with(code: object) -> None:
    """Remember what `sys.exit` was called with."""
    _left_with[:] = [code]


def left_with() -> object:
    """Return what `sys.exit` was called with last, None for nothing."""
    return _left_with[0] if _left_with else None


def may_have_task() -> bool:
    """Return whether a registry can have a current task; none is opened or made to know that."""
    return bool(_tasks) or (is_worker() and shared_task() is not None and _is_there())


def _is_there() -> bool:
    return bool(_entered or _chosen) or (locate()[0] / DATABASE).is_file()


def is_worker() -> bool:
    """Return whether multiprocessing started this process."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # While a spawned one imports the script again, its parent is not known yet, but its name is.
    named = process.current_process().name != "MainProcess"
    return named or process.parent_process() is not None


def first_time(what: str) -> bool:
    """Return whether this is the first time in this process that somebody asks about `what`."""
    if what in _told:
        return False
    _told.add(what)
    return True


def parsed(parser: ArgumentParser, arguments: Namespace) -> None:
    """Remember what argparse parsed last, and tell whoever listens."""
    _parsed[:] = [(parser, arguments)]
    for listener in list(_listeners.values()):
        listener(parser, arguments)


def last_parsed() -> tuple[ArgumentParser, Namespace] | None:
    """Return what argparse parsed last, since it was hooked; None for nothing."""
    return _parsed[0] if _parsed else None


def listen(whom: str, listener: Callable[[ArgumentParser, Namespace], None] | None) -> None:
    """Have a task told of what argparse parses from here on; None ends it."""
    if listener is None:
        _listeners.pop(whom, None)
    else:
        _listeners[whom] = listener


def shared_task() -> str | None:
    """Return the id of a task that another process runs, of which this one is a part, or None.

    That is one that `run_here` told the processes that are started from there.
    """
    task_id, _, process = os.environ.get(RUNNING_VARIABLE, "").partition(":")
    return task_id if task_id and process != str(os.getpid()) else None


def run_here(task_id: str) -> None:
    """Tell the processes that this one starts which task it runs."""
    os.environ[RUNNING_VARIABLE] = f"{task_id}:{os.getpid()}"


def remote_task() -> str | None:
    """Return the id of the task that this process was started to run again, or None."""
    return os.environ.get(TASK_VARIABLE) or None


def set_default_upload_uri(uri: str | None) -> None:
    """Set where weights are uploaded to when neither their model nor its task says so."""
    _destination[:] = [] if uri is None else [uri]


def default_upload_uri() -> str | None:
    """Return what `set_default_upload_uri` set, or None."""
    return _destination[0] if _destination else None


def uploads() -> Uploads:
    """Return the uploads of this process that run behind."""
    found = _uploads.get(os.getpid())
    if found is None:
        from localreg.operations.weights.uploading import Uploads

        found = _uploads.setdefault(os.getpid(), Uploads())
    return found


def finish_uploads(registry: OpenRegistry | None = None) -> None:
    """Wait for the uploads of a registry, or of all; what fails is told in the log at once."""
    found = _uploads.get(os.getpid())
    if found is not None:
        found.wait(registry=registry)


@atexit.register
def _close_all() -> None:
    finish_uploads()
    for registry in list(_opened.values()):
        registry.close()
