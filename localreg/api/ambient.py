"""The current registry and the current task: the defaults of all calls that name none.

This is the only state of the package: one `State`, which belongs to the process. `enter` and
`leave` bracket the ``with`` block of a registry, `set_task` and `drop_task` a task from its
beginning to its end; `isolated` runs a block with a new state.

Threads and coroutines work at the same time, each with a registry or a task of its own. So each
looks first for what began in its own context (`contextvars`). A coroutine has a copy of the context
that started it, and a thread begins with an empty one. Where nothing began, what counted where the
thread was started counts, and last what the main thread began: a pool inside a ``with`` block works
in that registry. No coroutine sees what another running one began.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextvars import ContextVar

from localreg import log
from localreg.errors import InvalidValueError, RegistryError, RegistryReplacedError
from localreg.values import settings
from localreg.values.layout import DATABASE, HIDDEN

USER_DATA = "the user's data directory"

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from localreg.api.tasks.command_line import Parsed
    from localreg.integrations.recorder import Recorder
    from localreg.integrations.resources import Frequencies
    from localreg.operations.weights.uploading import Uploads
    from localreg.registry import Chain, Durability, OpenRegistry


class _Begun:
    """A ``with`` block that was entered, or a task that began.

    Attributes:
        chain: its registry.
        task_id: None for a block.
        process, thread: where it began.
        coroutine: the task of asyncio in which it began, or None.
    """

    __slots__ = ("chain", "coroutine", "process", "task_id", "thread")

    def __init__(self, chain: Chain, task_id: str | None) -> None:
        import threading

        self.chain = chain
        self.task_id = task_id
        self.process = os.getpid()
        self.thread = threading.current_thread()
        self.coroutine = _coroutine()

    def began_in(self, thread: threading.Thread) -> bool:
        """Return True if it began in a thread, but not in another coroutine that still runs."""
        mine = self.coroutine in (None, _coroutine())
        return self.thread is thread and (mine or self.coroutine.done())


def _coroutine() -> Any:  # noqa: ANN401  (asyncio is not imported for its type)
    """Return the task of asyncio that runs here, or None."""
    current = getattr(sys.modules.get("asyncio"), "current_task", None)
    try:
        return None if current is None else current()
    except RuntimeError:  # no event loop runs in this thread
        return None


class State:
    """What is current in this process, and what it needs to end its tasks and uploads.

    Attributes:
        begun: the ``with`` blocks that run and the tasks that have not ended, the oldest first.
        chosen: the registry given to `use_registry`.
        homes: the directories that ``LOCALREG_HOME`` named, by its text; none depends on the
            working directory.
        located: the registries that `current` opened, by directory.
        exit_status: what `sys.exit` was called with last.
        seen: the texts that `first_time` was called with.
        logging: what class methods of `Logger` set, by their names.
        frequencies: when tasks report what they use of the machine, if that was set.
        parsed: what parsers of command lines parsed last, by their keys.
        listeners: what is called when something is parsed, by task id.
        upload_uri: where weights are uploaded when neither their model nor its task says so.
        uploads: uploads in the background, by process id: a fork does not copy threads.
        recorders: what integrations report to, by task id.
        patching: what is held while libraries are patched or restored, by process id.
        watched: what records the changes of what a task has connected, by task id.
        registered: the registered artifacts of a task, by task id.
        callbacks: functions of the script that are called "before" and "after" weights are
            recorded, by their handles.
        silenced: the libraries that a script has stopped from reporting.
        random_seed: what `Task.init` seeds random generators with; None for nothing.
        shared: what ``LOCALREG_TASK_RUNNING`` is for each task that this process shares, by its id.
        inherited: what the variable was before this process shared a task.
        launched: how many tasks this process began as one of a launcher.
        offline: what the script called `Task.set_offline` with; None before that.
        was_offline: True if it called it with True at any time.
    """

    def __init__(self) -> None:
        self.begun: dict[_Begun, None] = {}
        self.chosen: Chain | None = None
        self.homes: dict[str, str] = {}
        self.located: dict[str, Chain] = {}
        self.exit_status: object = None
        self.seen: set[str] = set()
        self.logging: dict[str, int] = {}
        self.frequencies: Frequencies | None = None
        self.parsed: dict[object, Parsed] = {}
        self.listeners: dict[str, Callable[[Parsed], None]] = {}
        self.upload_uri: str | None = None
        self.uploads: dict[int, Uploads] = {}
        self.recorders: dict[str, Recorder] = {}
        self.patching: dict[int, threading.RLock] = {}
        self.watched: dict[str, list[Callable[[], None]]] = {}
        self.registered: dict[str, dict[str, object]] = {}
        self.callbacks: dict[str, dict[int, Callable[..., Any]]] = {"before": {}, "after": {}}
        self.silenced: set[str] = set()
        self.random_seed: int | None = None
        self.shared: dict[str, str] = {}
        self.inherited: str | None = None
        self.launched = 0
        self.offline: bool | None = None
        self.was_offline = False


_state = State()
# Of this program, made when it is first needed: another one in the same process (os.exec) differs.
_program = ""
# What began in this context, the oldest first; it may have ended since.
_reported: ContextVar[bool] = ContextVar("localreg_reported", default=False)
_mine: ContextVar[tuple[_Begun, ...]] = ContextVar("localreg", default=())


def _begin(chain: Chain, task_id: str | None) -> None:
    import threading

    begun = _Begun(chain, task_id)
    _state.begun[begun] = None
    _mine.set((*_mine.get(), begun))
    if begun.coroutine is not None or begun.thread is not threading.main_thread():
        _watch_threads()


def _watch_threads() -> None:
    """Have each thread remember what began where it was started: its own context is empty."""
    import threading

    original = threading.Thread.start
    if hasattr(original, "localreg_original"):
        return

    def start(self: threading.Thread) -> None:
        self.localreg_begun = (*_started_in(), *_mine.get())  # type: ignore[attr-defined]
        original(self)

    start.localreg_original = original  # type: ignore[attr-defined]  # the mark
    threading.Thread.start = start  # type: ignore[method-assign]  # and it starts as before


def _started_in() -> tuple[_Begun, ...]:
    import threading

    return getattr(threading.current_thread(), "localreg_begun", ())


def _end(begun: _Begun) -> None:
    _state.begun.pop(begun, None)
    _mine.set(tuple(each for each in _mine.get() if each in _state.begun))
    if begun.task_id is not None:
        _state.listeners.pop(begun.task_id, None)
        drop_recorder(begun.task_id)
        _state.watched.pop(begun.task_id, None)
        _state.registered.pop(begun.task_id, None)
        _unshare(begun.task_id)


def _groups() -> Iterator[tuple[_Begun, ...]]:
    """Yield what counts here and has not ended, the last first: what is nearer comes first."""
    mine = _mine.get()
    if len(mine) > 1 or not (mine and mine[0] in _state.begun):
        mine = tuple(each for each in reversed(mine) if each in _state.begun)
    yield mine
    if len(mine) == len(_state.begun):  # as in every script with one thread
        return
    import threading

    begun, here, main = tuple(_state.begun), threading.current_thread(), threading.main_thread()
    # In another context of this thread, as that of a fixture of pytest.
    yield tuple(each for each in reversed(begun) if each.began_in(here))
    yield tuple(each for each in reversed(_started_in()) if each in _state.begun)
    if here is not main:
        yield tuple(each for each in reversed(begun) if each.began_in(main))


def _seen() -> Iterator[_Begun]:
    return (each for group in _groups() for each in group)


def _block() -> Chain | None:
    """Return the registry whose ``with`` block counts here."""
    for group in _groups() if _state.begun else ():
        for each in group:
            if each.task_id is None:
                return each.chain
    return None


class isolated:  # noqa: N801  (used as a function; contextlib would slow every import down)
    """Run a block with a new state, in which nothing is current; then restore this one.

    Registries that the block opened without naming them are closed at its end. For tests.
    """

    def __enter__(self) -> None:
        global _state
        self._before, _state = _state, State()
        self._shared = os.environ.pop(settings.TASK_RUNNING, None)

    def __exit__(self, *_: object) -> None:
        global _state
        try:
            _close_all()
            for each in _state.recorders.values():  # of registries that were named
                each.stop()
        finally:
            _state = self._before
            restore_libraries()
            _set_shared(self._shared)


def patching() -> AbstractContextManager[object]:
    """Return the lock to hold while libraries are patched or restored.

    Tasks begin and end in several threads at once. A fork has a lock of its own: the thread that
    holds that of its parent is not there.
    """
    import threading

    return _state.patching.setdefault(os.getpid(), threading.RLock())


def restore_libraries() -> None:
    """Undo the patches of libraries if no task is there that they report to."""
    if "localreg.integrations.hook" not in sys.modules:
        return
    from localreg.integrations import hook

    with patching():
        if not _state.recorders:
            hook.uninstall()


def locate() -> tuple[str, str]:
    """Return the directory of the default registry, and what decided it.

    It is named by the environment, or is a ``.localreg`` folder in or above the working directory,
    or lies in the user's data. A folder that belongs to another user is skipped: anyone who can
    write to a folder above could otherwise choose what is loaded. So could every member of a group
    that shares a registry: such a registry must be named.

    Raises:
        InvalidValueError: the environment does not name a directory, or there is no home.
    """
    home = os.environ.get(settings.HOME)
    if home and home in _state.homes:
        return (_state.homes[home], settings.HOME)
    if home:
        from localreg.filesystem.given_paths import absolute_text

        try:
            path = absolute_text(settings.HOME, home)
        except RuntimeError as error:  # "~" without a home, or of an unknown user
            raise InvalidValueError(
                f"{settings.HOME} must name a directory, not {home!r}: {error}",
                argument=settings.HOME,
            ) from error
        if not os.path.isabs(home):
            # The same directory from now on, also after os.chdir and for the processes started here
            os.environ[settings.HOME] = path
        elif not home.startswith("~"):
            _state.homes[home] = path
        return (path, settings.HOME)
    shared = _shared()
    if shared is not None:
        return (shared[1], "the task of the process that started this one")
    for folder in _working_folders():
        candidate = os.path.join(folder, HIDDEN)
        if os.path.isfile(os.path.join(candidate, DATABASE)) and _is_mine(candidate):
            return (candidate, f"a {HIDDEN} folder in or above the working directory")
    return (_user_data(), USER_DATA)


def _why(found_by: str) -> str:
    """Return why the default registry is looked for where it is, for an error."""
    if found_by != USER_DATA:
        return f"chosen by {found_by}"
    folders = _working_folders()
    above = f"no {HIDDEN} folder is in or above {folders[0]}" if folders else ""
    return ", and ".join(filter(None, (f"{USER_DATA}: {settings.HOME} is not set", above)))


def _working_folders() -> list[str]:
    """Return the working directory and those above it, nearest first."""
    try:
        folders = [os.getcwd()]
    except FileNotFoundError:  # it was deleted
        return []
    while (above := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(above)
    return folders


def _is_mine(path: str) -> bool:
    return not hasattr(os, "getuid") or os.stat(path).st_uid == os.getuid()


def _user_data() -> str:
    if sys.platform.startswith("linux"):
        # As platformdirs does it, without the time of its import.
        base = os.environ.get("XDG_DATA_HOME", "").strip()
        return os.path.join(base or os.path.join(_home(), ".local", "share"), "localreg")
    from platformdirs import user_data_dir

    return user_data_dir("localreg", appauthor=False)


def _home() -> str:
    home = os.path.expanduser("~")
    if home.startswith("~"):  # neither HOME nor an account, as in some containers
        raise InvalidValueError(
            "no registry is named, and there is no home directory to look in; name one with "
            f"{settings.HOME} or -R, or set HOME",
            argument=settings.HOME,
        )
    return home


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

    It is the one whose ``with`` block was entered last, else the one given to `use_registry`, else
    the one that ``LOCALREG_HOME`` names, else that of the current task, else the default one
    (`locate`). The default one is opened again if it was removed or replaced.

    Args:
        make: True for a call that writes: it makes the registry if there is none. So does every
            call of a script of ``localreg.run``: a new server of ClearML is empty, not missing.

    Raises:
        NoRegistryError: there is none yet.
        RegistryReplacedError: that of the current task was removed or replaced.
        RegistryError: it cannot be opened.
    """
    chain = _block() or _state.chosen
    if chain is not None:
        return chain
    if not os.environ.get(settings.HOME):
        for each in _seen():
            if each.task_id is not None:
                _check_not_lost(each)
                return each.chain
    path, _ = locate()
    chain = _state.located.get(path)
    if chain is not None and chain.first.store.is_replaced():
        _state.located.pop(path, None)
        chain.first.store.let_go()
        if first_time(f"replaced {path}"):
            log.warning("the registry in %s was removed or replaced; it is opened again", path)
        chain = None
    if chain is None:
        opened = open_located(make=make or bool(os.environ.get(settings.RUN)))
        chain = _state.located.setdefault(path, opened)
        if chain is not opened:  # another thread was first
            opened.close()
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
        durability=default_durability() if durability is None else durability,
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
    parts = [part for part in value.split(os.pathsep) if part.strip()]
    roots = tuple(check_directory(settings.UPSTREAM, part) for part in parts)
    if not all(os.path.isabs(part) for part in parts):
        os.environ[settings.UPSTREAM] = os.pathsep.join(map(str, roots))  # as LOCALREG_HOME
    return roots


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
    _begin(chain, None)


def leave(chain: Chain) -> bool:
    """Undo the last `enter` of a registry; return True if no other one of it is left.

    It may be called in another context or thread than `enter`, as at the end of a generator.
    """
    entries = [each for each in tuple(_state.begun) if each.chain is chain and not each.task_id]
    mine = [each for each in entries if each in _mine.get()]
    if entries:
        _end((mine or entries)[-1])
    return len(entries) <= 1


def choose(chain: Chain) -> None:
    """Make a registry current outside of ``with`` blocks."""
    _state.chosen = chain


def forget(chain: Chain) -> None:
    """Finish the uploads of a registry that is about to be closed, and remove it from the state."""
    finish_uploads(chain.first)
    for begun in tuple(_state.begun):
        if begun.chain is chain:
            _end(begun)
    if _state.chosen is chain:
        _state.chosen = None
    if _state.located.get(chain.first.directory) is chain:
        del _state.located[chain.first.directory]


def set_task(chain: Chain, task_id: str) -> None:
    """Make a task the current one of its registry here, until it is dropped."""
    for each in _mine.get():
        if each.task_id == task_id:  # so that it becomes the last one
            _state.begun.pop(each, None)
    _begin(chain, task_id)


def drop_task(registry: OpenRegistry, task_id: str) -> None:
    """Remove a task that ended; the one that was current before it is current again."""
    for each in tuple(_state.begun):
        if each.task_id == task_id and each.chain.first == registry:
            _end(each)


def current_task(chain: Chain, *, own: bool = False) -> str | None:
    """Return the id of the current task of a registry, or None.

    In a child process it is the task of the process that started it, while that task runs.

    Args:
        own: only a task that began in this thread, or in this coroutine or one that started it.
    """
    identity = chain.first.store.identity
    for number, group in enumerate(_groups()):
        for each in group:
            if each.task_id is not None and each.chain.first.store.identity == identity:
                return each.task_id
        if own and number == 1:
            break
    shared = None if own else shared_task()
    if shared is None:
        return None
    from localreg.operations.tasks import lifecycle

    if lifecycle.running(chain.first, shared) is None:
        return None
    set_task(chain, shared)
    return shared


def set_recorder(task_id: str, recorder: Recorder) -> None:
    """Set what integrations report to while a task is current, until it is dropped.

    Libraries that the script stopped from reporting report again.
    """
    _state.recorders[task_id] = recorder
    _state.silenced.clear()


def drop_recorder(task_id: str) -> None:
    """Undo `set_recorder`, and the patches of libraries with the last one."""
    dropped = _state.recorders.pop(task_id, None)
    if dropped is not None:
        dropped.stop()
        restore_libraries()


def recorder() -> Recorder | None:
    """Return that of the task that is current here, or None; opens no registry."""
    if not _state.recorders:
        return None
    mine = _mine.get()
    if mine and mine[-1].task_id is not None and mine[-1] in _state.begun:  # the usual case, fast
        return _state.recorders.get(mine[-1].task_id)
    for each in _seen():
        if each.task_id is not None:
            return _state.recorders.get(each.task_id)
    return None


def recorder_of(task_id: str) -> Recorder | None:
    """Return that of a task, or None if it does not record here."""
    return _state.recorders.get(task_id)


def add_callback(when: str, function: Callable[..., Any]) -> int:
    """Have a function called when weights are recorded, and return its handle.

    Args:
        when: "before" or "after".
        function: one that is there already keeps its handle.
    """
    there = _state.callbacks[when]
    known = next((handle for handle, each in there.items() if each == function), None)
    handle = max(there, default=0) + 1 if known is None else known
    there[handle] = function
    return handle


def remove_callback(when: str, handle: int) -> bool:
    """Undo `add_callback`; return True if it was there."""
    return _state.callbacks[when].pop(handle, None) is not None


def callbacks(when: str) -> list[Callable[..., Any]]:
    """Return the functions to call, the first added first."""
    return list(_state.callbacks[when].values())


def set_random_seed(seed: int | None) -> None:
    """Set what the next `Task.init` seeds random generators with; None for nothing."""
    _state.random_seed = seed


def random_seed() -> int | None:
    """Return what `set_random_seed` set last, or None."""
    return _state.random_seed


def silence(library: str, *, silent: bool = True) -> None:
    """Stop a library from reporting until another task begins, or let it report again."""
    if silent:
        _state.silenced.add(library)
    else:
        _state.silenced.discard(library)


def is_silenced(library: str) -> bool:
    """Return True if the script stopped a library from reporting."""
    return library in _state.silenced


class reported:  # noqa: N801  (used as a function; contextlib would slow every import down)
    """Print in this block what is reported already: what is printed is not recorded again."""

    def __enter__(self) -> None:
        self._token = _reported.set(True)

    def __exit__(self, *_: object) -> None:
        _reported.reset(self._token)


def is_reported() -> bool:
    """Return True inside of `reported`."""
    return _reported.get()


def set_logging(name: str, value: int) -> None:
    """Remember what a class method of `Logger` was called with."""
    _state.logging[name] = value


def logging_setting(name: str) -> int:
    """Return what `set_logging` set, False if nothing."""
    return _state.logging.get(name, False)


def set_frequencies(frequencies: Frequencies) -> None:
    """Set when tasks that begin later report what they use of the machine."""
    _state.frequencies = frequencies


def frequencies() -> Frequencies | None:
    """Return what `set_frequencies` set, or None."""
    return _state.frequencies


def check_task_not_lost(chain: Chain) -> None:
    """Raise if the last task that began in this directory ran in a registry that is not there now.

    Call it where None would be taken for "no task runs".

    Raises:
        RegistryReplacedError: it was removed or replaced; what the task reports has no place.
    """
    for each in _seen():
        if each.task_id is not None and each.chain.first == chain.first:
            _check_not_lost(each)
            return


def _check_not_lost(task: _Begun) -> None:
    if task.chain.first.store.is_replaced():
        raise RegistryReplacedError(
            f"the registry in {task.chain.first.root} was removed or replaced while task "
            f"{task.task_id} ran in it; restore it, or begin another task with Task.init",
            path=str(task.chain.first.root),
        )


def drop_lost_tasks() -> None:
    """Remove the tasks that count here and whose registry was removed or replaced; warn of each."""
    for each in tuple(_seen()):
        if each.task_id is not None and each.chain.first.store.is_replaced():
            log.warning(
                "task %s is lost: the registry in %s was removed or replaced while it ran",
                each.task_id, each.chain.first.root,
            )  # fmt: skip
            _end(each)


def tasks(*, own: bool = False) -> list[tuple[Chain, str]]:
    """Return the tasks of all registries that began in this process and have not ended.

    Args:
        own: only those that began in this thread.
    """
    here = None
    if own:  # else it may be called when Python ends, and nothing can be imported
        import threading

        here = threading.current_thread()
    found = {
        (each.task_id, each.chain.first): each.chain
        for each in tuple(_state.begun)
        if each.task_id is not None and (not own or each.thread is here)
    }
    return [(chain, task_id) for (task_id, _), chain in found.items()]


def count_launched() -> int:
    """Return how many tasks this process began before as one of a launcher; count this one."""
    _state.launched += 1
    return _state.launched - 1


def began_before_fork(task_id: str) -> bool:
    """Return True if this process is a fork of one in which a task began."""
    here = os.getpid()
    return any(each.task_id == task_id and each.process != here for each in tuple(_state.begun))


def set_exit_status(status: object) -> None:
    """Remember what `sys.exit` was called with."""
    _state.exit_status = status


def exit_status() -> object:
    """Return what `sys.exit` was called with last, None if it was not."""
    return _state.exit_status


def may_have_task() -> bool:
    """Return True if a registry can have a current task; opens and makes no registry."""
    if _state.begun and any(each.task_id is not None for each in _seen()):
        return True
    return shared_task() is not None and _is_there()


def _is_there() -> bool:
    return bool(_block() or _state.chosen) or os.path.isfile(os.path.join(locate()[0], DATABASE))


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


def set_offline(offline: bool) -> None:
    """Note whether the script asks for ClearML's offline mode."""
    _state.offline = offline
    _state.was_offline = _state.was_offline or offline


def was_offline() -> bool:
    """Return True if the script asks for ClearML's offline mode, or did so before."""
    return _state.was_offline or is_offline()


def is_offline() -> bool:
    """Return True if the script asks for ClearML's offline mode, or its environment does."""
    if _state.offline is not None:
        return _state.offline
    return os.environ.get("CLEARML_OFFLINE_MODE", "").lower() in ("1", "true", "yes", "on")


def set_parsed(key: object, parsed: Parsed) -> None:
    """Remember what was parsed last for a key, and call the listeners that count here."""
    _state.parsed[key] = parsed
    for group in _groups():
        ids = dict.fromkeys(each.task_id for each in group if each.task_id in _state.listeners)
        for task_id in ids:
            _state.listeners[str(task_id)](parsed)
        if ids:
            return


def parsed() -> list[Parsed]:
    """Return what was parsed last for each key since parsers were patched."""
    return list(_state.parsed.values())


def listen(task_id: str, listener: Callable[[Parsed], None]) -> None:
    """Call `listener` whenever something was parsed, until the task is dropped."""
    _state.listeners[task_id] = listener


def watch(registry: OpenRegistry, task_id: str, record: Callable[[], None]) -> None:
    """Have a function called before the end of a task of this process is recorded."""
    if _is_ours(registry, task_id):
        _state.watched.setdefault(task_id, []).append(record)


def registered(task_id: str) -> dict[str, object] | None:
    """Return the registered artifacts of a task, or None."""
    return _state.registered.get(task_id)


def set_registered(task_id: str, artifacts: dict[str, object]) -> None:
    """Remember the registered artifacts of a task until it is dropped."""
    _state.registered[task_id] = artifacts


def record_changes(registry: OpenRegistry, task_id: str) -> None:
    """Call the functions that `watch` was called with for a task of this process."""
    for record in _state.watched.get(task_id, ()) if _is_ours(registry, task_id) else ():
        record()


def _is_ours(registry: OpenRegistry, task_id: str) -> bool:
    return any(each.task_id == task_id and each.chain.first == registry for each in _state.begun)


def is_followed(task_id: str) -> bool:
    """Return True if `listen` was called for a task that has not been dropped."""
    return task_id in _state.listeners


def shared_task() -> str | None:
    """Return the id of the task of the process that started this one (`share_task`), or None.

    It may have ended since. None if that process has ended.
    """
    found = _shared()
    return None if found is None else found[0]


def _shared() -> tuple[str, str] | None:
    """Return the task of the process that started this one, and its registry's directory."""
    value = os.environ.get(settings.TASK_RUNNING)
    if not value or _is_own(value):
        return None
    from localreg.filesystem.temporary_owners import is_alive

    parts = value.split(":", 4)
    if len(parts) < 5:
        return None
    task_id, mark, started, _, root = parts
    # A process of another machine cannot be looked for; its task may have ended, which is recorded.
    if is_alive(mark, started) is False:
        return None
    return (task_id, root)


def _is_own(value: str) -> bool:
    """Return True if this process made a value of ``LOCALREG_TASK_RUNNING``."""
    _, mark, _, program, _ = (value.split(":", 4) + [""] * 4)[:5]
    return bool(_program) and program == _program and mark.endswith(f"-{os.getpid()}")


def share_task(registry: OpenRegistry, task_id: str) -> None:
    """Name the task that this process runs to the processes that it starts, until it is dropped."""
    from localreg.filesystem.temporary_owners import owner_mark, start_time

    global _program
    _program = _program or os.urandom(4).hex()
    before = os.environ.get(settings.TASK_RUNNING)
    if before is None or not _is_own(before):
        _state.inherited = before
    mark = owner_mark()
    value = f"{task_id}:{mark}:{start_time(mark) or ''}:{_program}:{registry.root}"
    _state.shared[task_id] = value
    _set_shared(value)


def _unshare(task_id: str) -> None:
    """Name the task that this process began before one that is dropped, or the inherited one."""
    value = _state.shared.pop(task_id, None)
    # Not in a fork: there the task is the parent's.
    if value is None or os.environ.get(settings.TASK_RUNNING) != value or not _is_own(value):
        return
    begun = [each.task_id for each in reversed(tuple(_state.begun)) if each.task_id]
    _set_shared(next(filter(None, map(_state.shared.get, begun)), _state.inherited))


def _set_shared(value: str | None) -> None:
    if value is None:
        os.environ.pop(settings.TASK_RUNNING, None)
    else:
        os.environ[settings.TASK_RUNNING] = value


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
        try:
            chain.close()
        except RegistryError as error:
            log.warning("what was reported last is lost: %s", error)
