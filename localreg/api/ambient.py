"""The current registry and the current task: the defaults of all calls that name none.

This is the only state of the package: one `State`, which belongs to the process and is shared by
its threads. `enter` and `leave` bracket the ``with`` block of a registry, `set_task` and
`drop_task` a task from its beginning to its end; `isolated` runs a block with a new state.
"""

from __future__ import annotations

import atexit
import os
import sys

from localreg import log
from localreg.errors import InvalidValueError
from localreg.values import settings
from localreg.values.layout import DATABASE, HIDDEN

USER_DATA = "the user's data directory"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable
    from pathlib import Path

    from localreg.operations.weights.uploading import Uploads
    from localreg.registry import Chain, Durability, OpenRegistry


class State:
    """What is current in this process, and what it needs to end its tasks and uploads.

    Attributes:
        entered: registries whose ``with`` block runs; the last one is current.
        chosen: the registry given to `use_registry`.
        located: the registries that `current` opened, by directory.
        tasks: the tasks that began here and have not ended, with their registry, by directory and
            id; the last one of a registry is its current task.
        exit_status: what `sys.exit` was called with last.
        seen: the texts that `first_time` was called with.
        parsed: what each parser of argparse parsed last, by the id of the parser.
        listeners: what is called when argparse has parsed, by task id.
        upload_uri: where weights are uploaded when neither their model nor its task says so.
        uploads: uploads in the background, by process id: a fork does not copy threads.
    """

    def __init__(self) -> None:
        self.entered: list[Chain] = []
        self.chosen: Chain | None = None
        self.located: dict[Path, Chain] = {}
        self.tasks: dict[tuple[Path, str], Chain] = {}
        self.exit_status: object = None
        self.seen: set[str] = set()
        self.parsed: dict[int, tuple[ArgumentParser, object]] = {}
        self.listeners: dict[str, Callable[[ArgumentParser, object], None]] = {}
        self.upload_uri: str | None = None
        self.uploads: dict[int, Uploads] = {}


_state = State()


class isolated:  # noqa: N801  (used as a function; contextlib would slow every import down)
    """Run a block with a new state, in which nothing is current; then restore this one.

    Registries that the block opened without naming them are closed at its end. For tests.
    """

    def __enter__(self) -> None:
        global _state
        self._before, _state = _state, State()

    def __exit__(self, *_: object) -> None:
        global _state
        try:
            _close_all()
        finally:
            _state = self._before


def locate() -> tuple[Path, str]:
    """Return the directory of the default registry, and what decided it.

    It is named by the environment, or is a ``.localreg`` folder in or above the working directory,
    or lies in the user's data. A folder that belongs to another user is skipped: anyone who can
    write to a folder above could otherwise choose what is loaded. So could every member of a group
    that shares a registry: such a registry must be named.

    Raises:
        InvalidValueError: the environment does not name a directory, or there is no home.
    """
    from pathlib import Path

    home = os.environ.get(settings.HOME)
    if home:
        from localreg.filesystem.plain_files import absolute

        try:
            return (absolute(settings.HOME, Path(home).expanduser()), settings.HOME)
        except RuntimeError as error:  # "~" without a home, or of an unknown user
            raise InvalidValueError(
                f"{settings.HOME} must name a directory, not {home!r}: {error}",
                argument=settings.HOME,
            ) from error
    for folder in _working_folders():
        candidate = folder / HIDDEN
        # Not Path.is_file, which raises for a folder without access.
        if os.path.isfile(candidate / DATABASE) and _is_mine(candidate):  # noqa: PTH113
            return (candidate, f"a {HIDDEN} folder in or above the working directory")
    return (_user_data(), USER_DATA)


def _why(found_by: str) -> str:
    """Return why the default registry is looked for where it is, for an error."""
    if found_by != USER_DATA:
        return f"chosen by {found_by}"
    folders = _working_folders()
    above = f"no {HIDDEN} folder is in or above {folders[0]}" if folders else ""
    return ", and ".join(filter(None, (f"{USER_DATA}: {settings.HOME} is not set", above)))


def _working_folders() -> list[Path]:
    """Return the working directory and those above it, nearest first."""
    from pathlib import Path

    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        return []
    return [here, *here.parents]


def _is_mine(path: Path) -> bool:
    return not hasattr(os, "getuid") or path.stat().st_uid == os.getuid()


def _user_data() -> Path:
    from pathlib import Path

    if sys.platform.startswith("linux"):
        # As platformdirs does it, without the time of its import.
        base = os.environ.get("XDG_DATA_HOME", "").strip()
        return (Path(base) if base else _home() / ".local" / "share") / "localreg"
    from platformdirs import user_data_path

    return user_data_path("localreg", appauthor=False)


def _home() -> Path:
    from pathlib import Path

    try:
        return Path.home()
    except RuntimeError as error:  # neither HOME nor an account, as in some containers
        raise InvalidValueError(
            f"no registry is named, and there is no home directory to look in ({error}); name one "
            f"with {settings.HOME} or -R, or set HOME",
            argument=settings.HOME,
        ) from error


def default_durability() -> Durability:
    """Return the durability of the environment, "full" by default."""
    value = os.environ.get(settings.DURABILITY) or "full"
    if value not in ("full", "fast"):
        raise InvalidValueError(
            f"{settings.DURABILITY} must be full or fast, not {value[:60]!r}",
            argument=settings.DURABILITY,
        )
    return value  # type: ignore[return-value]  # mypy does not narrow it


def current(*, make: bool = False) -> Chain:
    """Return the current registry; it is opened when it is not open yet.

    It is the one whose ``with`` block was entered last, else the one given to `use_registry`,
    else the default one (`locate`).

    Args:
        make: True for a call that writes: it makes the registry if there is none. So does every
            call of a script of ``localreg.run``: a new server of ClearML is empty, not missing.

    Raises:
        NoRegistryError: there is none yet.
        RegistryError: it cannot be opened.
    """
    if _state.entered:
        return _state.entered[-1]
    if _state.chosen is not None:
        return _state.chosen
    path, _ = locate()
    chain = _state.located.get(path)
    if chain is None:
        chain = open_located(make=make or bool(os.environ.get(settings.RUN)))
        _state.located[path] = chain
    return chain


def open_located(
    *,
    durability: Durability | None = None,
    readonly: bool = False,
    roots: tuple[Path, ...] | None = None,
    make: bool,
) -> Chain:
    """Open the default registry (`locate`), with the upstream registries of the environment.

    Args:
        durability, readonly: as for `open_registry`; the environment's durability when None.
        roots: the directories of upstream registries; those of the environment when None.
        make: True to make it if there is none.

    Raises:
        NoRegistryError: there is none.
        RegistryError: it cannot be opened.
        InvalidValueError: the environment does not name directories.
    """
    from localreg.registry import open_registry

    if roots is None:  # checked before it is made
        roots = _upstream_roots(os.environ.get(settings.UPSTREAM, ""))
    path, found_by = locate()
    registry = open_registry(
        path,
        durability=durability or default_durability(),
        readonly=readonly,
        make=make,
        why=_why(found_by),
    )
    return open_chain(registry, roots)


def _upstream_roots(value: str) -> tuple[Path, ...]:
    from localreg.registry import check_directory

    if "://" in value:
        raise InvalidValueError(
            f"{settings.UPSTREAM} must be directories of registries, separated by {os.pathsep!r}, "
            f"not URLs: {value[:200]!r}",
            argument=settings.UPSTREAM,
        )
    parts = (part.strip() for part in value.split(os.pathsep))
    return tuple(check_directory(settings.UPSTREAM, part) for part in parts if part)


def open_chain(registry: OpenRegistry, roots: tuple[Path, ...]) -> Chain:
    """Return an open registry with upstream registries; warn once of each that does not open."""
    from localreg.registry import chain_of

    try:
        chain = chain_of(registry, roots)
    except BaseException:
        registry.close()
        raise
    for each in chain.absent:
        if first_time(f"upstream {each.root}"):
            log.warning("the upstream registry %s is left out: %s", each.root, each.reason)
    return chain


def enter(chain: Chain) -> None:
    """Make a registry current until `leave`."""
    _state.entered.append(chain)


def leave(chain: Chain) -> bool:
    """Undo the last `enter` of a registry; return True if no other one of it is left."""
    entries = [index for index, each in enumerate(_state.entered) if each is chain]
    if entries:
        del _state.entered[entries[-1]]
    return len(entries) <= 1


def choose(chain: Chain) -> None:
    """Make a registry current outside of ``with`` blocks."""
    _state.chosen = chain


def forget(chain: Chain) -> None:
    """Finish the uploads of a registry that is about to be closed, and remove it from the state."""
    finish_uploads(chain.first)
    while any(each is chain for each in _state.entered):
        leave(chain)
    if _state.chosen is chain:
        _state.chosen = None
    if _state.located.get(chain.first.root) is chain:
        del _state.located[chain.first.root]
    for each, task_id in tasks():
        if each is chain:
            drop_task(chain.first, task_id)


def set_task(chain: Chain, task_id: str) -> None:
    """Make a task the current one of its registry, until it is dropped."""
    _state.tasks.pop((chain.first.root, task_id), None)  # so that it becomes the last one
    _state.tasks[chain.first.root, task_id] = chain


def drop_task(registry: OpenRegistry, task_id: str) -> None:
    """Remove a task that ended; the one that was current before it is current again."""
    _state.listeners.pop(task_id, None)
    _state.tasks.pop((registry.root, task_id), None)


def current_task(chain: Chain) -> str | None:
    """Return the id of the current task of a registry, or None.

    In a worker of multiprocessing it is the task of the process that started the worker, while
    that task runs.
    """
    for root, task_id in reversed(tuple(_state.tasks)):
        if root == chain.first.root:
            return task_id
    shared = shared_task() if is_worker() else None
    if shared is None:
        return None
    from localreg.operations.tasks import lifecycle

    if lifecycle.running(chain.first, shared) is None:
        return None
    set_task(chain, shared)
    return shared


def tasks() -> list[tuple[Chain, str]]:
    """Return the tasks of all registries that began in this process and have not ended."""
    return [(chain, task_id) for (_, task_id), chain in tuple(_state.tasks.items())]


def set_exit_status(status: object) -> None:
    """Remember what `sys.exit` was called with."""
    _state.exit_status = status


def exit_status() -> object:
    """Return what `sys.exit` was called with last, None if it was not."""
    return _state.exit_status


def may_have_task() -> bool:
    """Return True if a registry can have a current task; opens and makes no registry."""
    return bool(_state.tasks) or (is_worker() and shared_task() is not None and _is_there())


def _is_there() -> bool:
    return bool(_state.entered or _state.chosen) or (locate()[0] / DATABASE).is_file()


def is_worker() -> bool:
    """Return True if multiprocessing started this process."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return False
    # While a spawned one imports the script again, its parent is not known yet, but its name is.
    named = process.current_process().name != "MainProcess"
    return named or process.parent_process() is not None


def first_time(what: str) -> bool:
    """Return True if this is the first call with `what` in this process."""
    if what in _state.seen:
        return False
    _state.seen.add(what)
    return True


def set_parsed(parser: ArgumentParser, arguments: object) -> None:
    """Remember what a parser of argparse parsed last, and call the listeners."""
    _state.parsed[id(parser)] = (parser, arguments)
    for listener in tuple(_state.listeners.values()):
        listener(parser, arguments)


def parsed() -> list[object]:
    """Return what each parser parsed last since `argparse_hook` was installed."""
    return [arguments for _, arguments in _state.parsed.values()]


def listen(task_id: str, listener: Callable[[ArgumentParser, object], None]) -> None:
    """Call `listener` whenever argparse has parsed, until the task is dropped."""
    _state.listeners[task_id] = listener


def is_followed(task_id: str) -> bool:
    """Return True if `listen` was called for a task that has not been dropped."""
    return task_id in _state.listeners


def shared_task() -> str | None:
    """Return the id of the task of the process that started this one (`share_task`), or None."""
    task_id, _, process = os.environ.get(settings.TASK_RUNNING, "").partition(":")
    return task_id if task_id and process != str(os.getpid()) else None


def share_task(task_id: str) -> None:
    """Name the task that this process runs to the processes that it starts."""
    os.environ[settings.TASK_RUNNING] = f"{task_id}:{os.getpid()}"


def task_to_run_again() -> str | None:
    """Return the id of the task that this process was started to run again, or None."""
    return os.environ.get(settings.TASK_ID) or None


def set_upload_uri(uri: str | None) -> None:
    """Set where weights are uploaded when neither their model nor its task says so."""
    _state.upload_uri = uri


def upload_uri() -> str | None:
    """Return what `set_upload_uri` set, or None."""
    return _state.upload_uri


def uploads() -> Uploads:
    """Return the background uploads of this process."""
    found = _state.uploads.get(os.getpid())
    if found is None:
        from localreg.operations.weights.uploading import Uploads

        found = _state.uploads.setdefault(os.getpid(), Uploads())
    return found


def finish_uploads(registry: OpenRegistry | None = None) -> None:
    """Wait for the uploads of a registry, or of all; failures are logged at once."""
    found = _state.uploads.get(os.getpid())
    if found is not None:
        found.wait(registry=registry)


@atexit.register
def _close_all() -> None:
    finish_uploads()
    for chain in tuple(_state.located.values()):
        chain.close()
