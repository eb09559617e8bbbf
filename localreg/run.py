"""``python -m localreg.run script.py …`` runs an unchanged ClearML script.

In it, ``import clearml`` imports localreg, whether the real ClearML is installed or not. All else
is the same as with ``python script.py …``, ``python -m module …`` and ``python -c code …``:
arguments, import path, ``__main__``, exit code. A script may be a folder or zip archive with a
``__main__.py``. Tasks that are open when the script raises, or exits with a code other
than 0, are "failed". Python processes that the script starts import localreg as `clearml` too.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import BuiltinImporter, ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pkgutil import get_importer
from types import CodeType, ModuleType

from localreg import clearml_shim
from localreg.clearml_shim import sharing
from localreg.values import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.abc import Loader
    from types import TracebackType
    from typing import NoReturn

    from _typeshed.importlib import PathEntryFinderProtocol

    Hook = Callable[[type[BaseException], BaseException, TracebackType | None], object]

USAGE = "usage: python -m localreg.run (SCRIPT | -m MODULE | -c CODE) [ARGUMENT ...]"
_SPAWNED = "__mp_main__"  # the name of the main module in processes of multiprocessing


class _OwnSpec(ModuleSpec):
    """A spec of the main module, named ``localreg.run``, for what multiprocessing cannot import.

    Processes that multiprocessing starts import their main module by this name, and so call
    `_run_spawned`.

    Args:
        package: the package of relative imports in the main module, "" for none.
    """

    def __init__(self, file: str, loader: Loader, package: str) -> None:
        super().__init__("localreg.run", loader, origin=file)
        self._package = package

    @property
    def parent(self) -> str:
        return self._package


def main(words: list[str]) -> None:
    """Run a script or module as the main module of this process.

    Args:
        words: ``(SCRIPT | -m MODULE | -c CODE) [ARGUMENT ...]``. `localreg task run` puts options
            in front: ``--plain`` to leave ``import clearml`` unchanged, for a script that was not
            started by this module; ``--added N`` when it added the last N arguments.
    """
    plain = words[:1] == ["--plain"]
    rest = words[1:] if plain else words
    added = 0
    if rest[:1] == ["--added"]:
        added, rest = int(rest[1]), rest[2:]
    if rest[:1] in (["-m"], ["-c"]) and len(rest) > 1:
        what, arguments = ("module" if rest[0] == "-m" else "code", rest[1]), rest[2:]
    elif rest and not rest[0].startswith("-"):
        what, arguments = ("script", os.path.abspath(rest[0])), rest[1:]  # noqa: PTH100
    else:
        asked = bool({"-h", "--help"} & set(rest[:1]))
        print(USAGE, file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    os.environ.pop(settings.TASK_RUNNING, None)  # a run of its own, also in a script with a task
    if plain:
        os.environ.pop(settings.RUN, None)
        sharing.unshare()
    else:
        os.environ[settings.RUN] = " ".join(what)
        clearml_shim.install()
        sharing.share()
    if os.environ.get(settings.TASK_ID):  # its values count for all that is parsed
        from localreg.api.tasks import parsers

        parsers.watch()
    sys.argv = ["", *arguments]
    module, code = _main_module(*what, shown=rest[0])
    module.localreg_run = not plain  # type: ignore[attr-defined]  # recorded by Task.init
    module.localreg_program = what  # type: ignore[attr-defined]  # this too
    module.localreg_folder = _folder()  # type: ignore[attr-defined]  # this too
    # These override the values recorded in the task; see api/tasks/command_line.py.
    module.localreg_added = arguments[len(arguments) - added :]  # type: ignore[attr-defined]
    sys.modules["__main__"] = module
    sys.excepthook = _hook_of_script(sys.excepthook)
    _execute(module, code)


def _folder() -> str | None:
    """Return the working directory; the script may change it before it starts a task."""
    try:
        return os.getcwd()  # noqa: PTH109
    except FileNotFoundError:  # it was deleted
        return None


def _execute(module: ModuleType, code: CodeType) -> None:
    try:
        exec(code, module.__dict__)
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            _fail(leaving.code)
        raise


def _hook_of_script(original: Hook) -> Hook:
    """Return an excepthook that prints the frames of the script, not those that run it here."""

    def excepthook(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        frame = trace
        while frame is not None and frame.tb_frame.f_code is not _execute.__code__:
            frame = frame.tb_next
        if frame is not None and frame.tb_next is not None:
            error.__traceback__ = trace = frame.tb_next
        original(kind, error, trace)

    return excepthook


def _fail(code: object) -> None:
    """Record that the open tasks failed; the exit hooks would record that they completed."""
    if "localreg.api.tasks.exit_hooks" not in sys.modules:  # then no task has started
        return
    from localreg.api import ambient
    from localreg.api.tasks import exit_hooks
    from localreg.values.secrets import masked_text

    reason = f"exit code {code}" if isinstance(code, int) else masked_text(str(code))
    for chain, task_id in ambient.tasks():
        exit_hooks.end(chain, task_id, "failed", reason[: exit_hooks.REASON_LIMIT])


def _main_module(kind: str, what: str, shown: str) -> tuple[ModuleType, CodeType]:
    """Return a new main module, as Python makes it, and its code."""
    if kind == "module":
        sys.path[0] = os.getcwd()  # noqa: PTH109
        return _of_module(what)
    if kind == "code":
        return _of_code(what)
    sys.argv[0] = shown
    importer = get_importer(what)
    if importer is not None:
        return _of_path_entry(importer, what)
    sys.path[0] = os.path.dirname(what)  # noqa: PTH120
    loader = SourceFileLoader("__main__", what)
    try:
        code = loader.source_to_code(loader.get_data(what), what)
    except OSError as error:
        _refuse(f"can't open {shown!r}: {error.strerror}")
    return _module(what, loader, _spec(None, what, loader), None), code


def _of_module(name: str) -> tuple[ModuleType, CodeType]:
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{name}.__main__")
    except ModuleNotFoundError as error:
        _refuse(str(error))
    if spec is None or spec.loader is None:
        _refuse(f"there is no module {name} to run")
    file, code = str(spec.origin), _code(spec, spec.loader, f"module {name}")
    sys.argv[0] = file
    return _module(file, spec.loader, _spec(spec, file, spec.loader), spec.parent), code


def _code(spec: ModuleSpec, loader: Loader, shown: str) -> CodeType:
    # The loader of archives has this method, and is no InspectLoader.
    get_code = getattr(loader, "get_code", None)
    code: CodeType | None = get_code(spec.name) if get_code else None
    if code is None:
        _refuse(f"{shown} has no code to run")
    return code


def _of_path_entry(importer: PathEntryFinderProtocol, what: str) -> tuple[ModuleType, CodeType]:
    """Return the main module in a folder or archive, and its code."""
    sys.path[0] = what
    spec = importer.find_spec("__main__")
    if spec is None or spec.loader is None:
        _refuse(f"can't find '__main__' module in {what!r}")
    file, code = str(spec.origin), _code(spec, spec.loader, f"the main module of {what!r}")
    return _module(file, spec.loader, _spec(spec, file, spec.loader), ""), code


def _spec(python: ModuleSpec | None, file: str, loader: Loader) -> ModuleSpec | None:
    """Return the spec of the main module: Python's own, if its processes can use it.

    Libraries that start the script again read it. But such processes do not import a
    ``__main__.py``, and those of ``python -E`` do not read PYTHONPATH, so they lack `clearml`.
    """
    name = "" if python is None else python.name
    if name.rpartition(".")[2] != "__main__" and not sys.flags.ignore_environment:
        return python
    return _OwnSpec(file, loader, "" if python is None else python.parent or "")


def _of_code(text: str) -> tuple[ModuleType, CodeType]:
    sys.path[0], sys.argv[0] = "", "-c"
    module = _module("", BuiltinImporter(), None, None)
    del module.__file__
    return module, compile(text, "<string>", "exec")


def _module(file: str, loader: Loader, spec: ModuleSpec | None, package: str | None) -> ModuleType:
    module = ModuleType("__main__")
    module.__dict__.update(
        __file__=file, __loader__=loader, __spec__=spec, __package__=package, __cached__=None,
        __builtins__=__builtins__,
    )  # fmt: skip
    return module


def _refuse(reason: str) -> NoReturn:
    print(f"python -m localreg.run: {reason}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _run_spawned() -> None:
    """Make the main module in a process that multiprocessing started."""
    kind, _, what = os.environ.get(settings.RUN, "").partition(" ")
    if not what:  # the script cleared its environment
        return
    clearml_shim.install()
    arguments = list(sys.argv)
    module, code = _main_module(kind, what, shown=what)
    sys.argv = arguments
    module.__name__ = _SPAWNED
    exec(code, module.__dict__)
    globals().update(module.__dict__)


if __name__ == "__main__":
    main(sys.argv[1:])
elif __name__ == _SPAWNED:
    _run_spawned()
