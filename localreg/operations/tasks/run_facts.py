"""What is recorded of a run: script, commit, packages, process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from localreg.errors import InvalidValueError
from localreg.filesystem.temporary_owners import is_alive, owner_mark, start_time
from localreg.operations.finding.references import require_task
from localreg.operations.tasks.git_state import git_state
from localreg.registry import OpenRegistry
from localreg.store.rows import task_rows
from localreg.values.checks import check_text, is_empty
from localreg.values.frozen import Frozen
from localreg.values.records import Json
from localreg.values.secrets import masked_text
from localreg.values.urls import without_secrets

if TYPE_CHECKING:
    from importlib.metadata import PathDistribution

_NAME, _VERSION = (
    re.compile(rf"^{field}:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
    for field in ("name", "version")
)


class Run(Frozen):
    """How a task runs.

    Attributes:
        facts: what means something on any machine; it goes into the event log.
        place: what only this machine can use: paths, arguments, uncommitted changes.
        remarks: what could not be found out, and what the user can do about it.
    """

    facts: Json
    place: Json
    remarks: tuple[str, ...] = ()


def describe_run() -> Run:
    """Return how this process runs."""
    import platform

    program = _program()
    facts: Json = {"python": platform.python_version(), "packages": packages()}
    place: Json = {
        **this_process(),
        "folder": _folder(),
        "executable": sys.executable,
        "arguments": [] if _is_notebook() else sys.argv[1:],  # there they are the kernel's
        "clearml": _is_clearml(),
        **program,
    }
    if program["script"] is None:
        return Run(facts, place)
    script = Path(program["script"])
    git = git_state(script / "__main__.py" if script.is_dir() else script)
    place["diff"] = git.diff
    name = os.fsencode(git.script or script.name).decode(errors="backslashreplace")
    facts |= {"script": name} | git.facts
    return Run(facts, place, git.remarks)


def _program() -> Json:
    """Return what runs, as `localreg.run` takes it: a module, or code, or a script.

    A script is a file, or a folder or archive with a ``__main__.py``. All are None in a notebook,
    and when the code comes from a pipe.
    """
    main = sys.modules.get("__main__")
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    started = getattr(main, "localreg_program", None)  # by `localreg.run`
    if started is not None:
        kind, what = started
    elif spec is not None:
        kind, what = "module", str(spec.name).removesuffix(".__main__")
        if spec.name == "__main__" and isinstance(file, str):  # python FOLDER, python ARCHIVE
            kind, what = "script", os.path.dirname(file)  # noqa: PTH120
    elif not file and sys.argv[:1] == ["-c"]:
        kind, what = "code", _code_of(sys.orig_argv)
    else:
        kind, what = "script", file
    script = what if kind == "script" else file
    there = isinstance(script, str) and os.path.exists(script)  # noqa: PTH110
    return {
        "module": what if kind == "module" else None,
        "code": what if kind == "code" else None,
        "script": str(Path(str(script)).absolute()) if there else None,
    }


def _code_of(words: list[str]) -> str | None:
    """Return the code that ``python -c`` runs.

    >>> _code_of(["python", "-W", "error", "-Ic", "print(1)", "-c"]), _code_of(["python", "-cx"])
    ('print(1)', 'x')
    """
    rest = iter(words[1:])
    for word in rest:
        before, sign, code = word.partition("c")
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            next(rest, None)
        elif sign and re.fullmatch("-[A-Za-z]*", before) and not {"W", "X"} & set(before):
            return code or next(rest, None)
    return None


def _is_clearml() -> bool:
    """Return True if ``import clearml`` is localreg in this process."""
    if getattr(sys.modules.get("__main__"), "localreg_run", False):
        return True
    loader = getattr(sys.modules.get("clearml"), "__loader__", None)  # in a child process
    return type(loader).__module__.partition(".")[0] == "localreg"


def _is_notebook() -> bool:
    return hasattr(sys.modules.get("__main__"), "get_ipython")


def _folder() -> str | None:
    """Return the working directory; that at the start, in a script of `localreg.run`."""
    started = getattr(sys.modules.get("__main__"), "localreg_folder", None)
    if started is not None:
        return str(started)
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was deleted
        return None


def packages() -> dict[str, str]:
    """Return the installed packages and their versions, by name."""
    from importlib.metadata import PathDistribution, distributions

    found = {}
    for each in distributions():
        if not isinstance(each, PathDistribution):  # the stand-in for ClearML is not installed
            continue
        name, version = _name_and_version(each)
        if name and version:  # None for a broken installation
            found[name] = version
    return dict(sorted(found.items()))


def _name_and_version(installed: PathDistribution) -> tuple[str | None, str | None]:
    # Its `name` and `version` parse the whole description of the package, twice: 15 times slower.
    text = (
        installed.read_text("METADATA")
        or installed.read_text("PKG-INFO")
        or installed.read_text("")  # of an egg, which is one file
        or ""
    )
    head = text.partition("\n\n")[0]
    name, version = (each.search(head) for each in (_NAME, _VERSION))
    return name and name[1], version and version[1]


def is_gone(place: Json) -> bool:
    """Return True if the process of a task is known to have ended."""
    process, since = (str(place.get(name) or "") for name in ("process", "since"))
    return is_alive(process, since) is False


def this_process() -> Json:
    """Return what the place of a task says of the process that runs it."""
    mark = owner_mark()
    return {"process": mark, "since": start_time(mark)}


def planned_run(
    facts: dict[str, object],
    script: object,
    folder: object,
    requirements: object,
    *,
    binary: object = None,
    module: object = None,
    copied: bool = False,
) -> Run:
    """Return how a task will run that has not started yet.

    Args:
        facts: repository, branch and commit; None for unknown ones.
        script: the path of the script.
        folder: the working directory.
        requirements: packages, such as ``["numpy==2.0"]``; True for those that are installed, ""
            for none; or the path of a file of them.
        binary: the interpreter; this one when None.
        module: a module to run instead of a script, with its arguments.
        copied: True for a copy of a task: what is not given is that of the task.
    """
    known: Json = {
        name: without_secrets(check_text(name, value))
        for name, value in facts.items()
        if value is not None
    }
    place: Json = {}
    if not copied:
        place |= {"executable": sys.executable, "arguments": [], "clearml": _is_clearml()}
    for name, value in (("script", script), ("folder", folder)):
        if value is not None:
            if not isinstance(value, (str, os.PathLike)):
                raise InvalidValueError(
                    f"{name} must be a path, not {type(value).__name__}", argument=name
                )
            place[name] = str(Path(check_text(name, os.fspath(value), nul=False)).absolute())
    if script is not None:
        known["script"] = Path(place["script"]).name
        place.setdefault("folder", _folder())
    if binary is not None:
        place["executable"] = check_text("binary", binary, nul=False, empty=False)
    if module is not None:
        place["module"], *place["arguments"] = check_text("module", module, nul=False).split()
        place.setdefault("folder", _folder())
    if requirements is not None and requirements is not False:
        known["packages"] = packages() if requirements is True else _read_packages(requirements)
    return Run(known, place)


def _read_packages(given: object) -> dict[str, str]:
    """Return the packages of a list, or of a requirements file; "" is none."""
    if isinstance(given, (str, os.PathLike)) and os.fspath(given) != "":
        from localreg.filesystem.disk_errors import disk_errors
        from localreg.filesystem.given_paths import check_path
        from localreg.filesystem.plain_files import read_text

        path = check_path("packages", given)
        with disk_errors("reading requirements", path):
            given = read_text(path, "packages").splitlines()
    return requirements_of([] if is_empty(given) else given)


def set_script(
    registry: OpenRegistry,
    task_id: str,
    *,
    facts: dict[str, object],
    place: dict[str, object],
) -> None:
    """Set what is recorded of a task's script.

    Args:
        facts: repository, branch and commit; None keeps what there is.
        place: "diff", "folder", "script" and "executable"; None keeps what there is. A relative
            path of the script is one in the folder.
    """
    known: Json = {
        name: without_secrets(check_text(name, value))
        for name, value in facts.items()
        if value is not None
    }
    new = {name: _place_text(name, each) for name, each in place.items() if each is not None}
    with registry.store.write() as change:
        old = dict(require_task(change.connection, task_id).run)
        there = task_rows.place(change.connection, task_id)
        if "folder" in new:
            new["folder"] = str(Path(new["folder"]).absolute())
        if "script" in new:
            folder = new.get("folder") or there.get("folder") or "."
            new["script"] = str((Path(folder) / new["script"]).absolute())
            known["script"] = Path(new["script"]).name
            there |= {"module": None, "code": None}  # they would be run instead
        if old | known != old:
            change.record("task.run", task_id, {"old": old, "new": old | known})
        if new:
            task_rows.set_place(change.connection, task_id, there | new)


def _place_text(name: str, value: object) -> str:
    given = os.fspath(value) if isinstance(value, os.PathLike) else value
    return check_text(name, given, nul=name == "diff")


def set_packages(registry: OpenRegistry, task_id: str, given: object) -> None:
    """Set the recorded packages of a task.

    Args:
        given: such as ``["numpy==2.0"]``, or the path of a requirements file.

    Raises:
        SourceNotFoundError: the requirements file does not exist.
    """
    found = _read_packages(given)
    with registry.store.write() as change:
        old = dict(require_task(change.connection, task_id).run)
        new = old | {"packages": found}
        if new != old:
            change.record("task.run", task_id, {"old": old, "new": new})


def requirements_of(given: object) -> dict[str, str]:
    """Return version conditions by package name."""
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise InvalidValueError(
            f"packages must be a list of str, not {type(given).__name__}", argument="packages"
        )
    found: dict[str, str] = {}
    for each in given:
        line = check_text("packages", each, limit=1_000).partition("#")[0].strip()
        if line and not line.startswith("-"):
            name = re.split(r"[\s=<>!~;\[@]", line, maxsplit=1)[0]
            asked = line[len(name) :].strip().removeprefix("==").strip()
            found[name or line] = masked_text(asked)
    return found
