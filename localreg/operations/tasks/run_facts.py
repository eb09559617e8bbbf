"""What is recorded of a run: script, commit, packages, process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from localreg.errors import InvalidValueError
from localreg.filesystem.temporary_owners import is_alive, owner_mark
from localreg.operations.finding.references import require_task
from localreg.operations.tasks.git_state import git_state
from localreg.registry import OpenRegistry
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen
from localreg.values.records import Json
from localreg.values.secrets import masked_text
from localreg.values.urls import without_secrets


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

    script = _script()
    facts: Json = {"python": platform.python_version(), "packages": packages()}
    place: Json = {
        "process": owner_mark(),
        "folder": _folder(),
        "executable": sys.executable,
        "arguments": sys.argv[1:],
        **_launch(),
    }
    if script is None:
        return Run(facts, place)
    git = git_state(script)
    place |= {"script": str(script), "diff": git.diff}
    name = os.fsencode(git.script or script.name).decode(errors="backslashreplace")
    facts |= {"script": name} | git.facts
    return Run(facts, place, git.remarks)


def _script() -> Path | None:
    """Return the path of the running script; None in a notebook or when code comes from a pipe."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).absolute() if isinstance(file, str) and os.path.isfile(file) else None  # noqa: PTH113


def _launch() -> Json:
    """Return the module that ``python -m`` runs, and if ``import clearml`` is localreg."""
    main = sys.modules.get("__main__")
    module = getattr(main, "localreg_module", None)
    if not hasattr(main, "localreg_run"):
        spec = getattr(main, "__spec__", None)
        module = None if spec is None else str(spec.name).removesuffix(".__main__")
    return {"module": module, "clearml": bool(getattr(main, "localreg_run", False))}


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was deleted
        return None


def packages() -> dict[str, str]:
    """Return the installed packages and their versions, by name."""
    from importlib.metadata import distributions

    found = {}
    for each in distributions():
        name = each.metadata["Name"]
        if name:  # None for a broken installation
            found[name] = each.version
    return dict(sorted(found.items()))


def is_gone(place: Json) -> bool:
    """Return True if the process of a task is known to have ended."""
    return is_alive(str(place.get("process") or "")) is False


def planned_run(
    facts: dict[str, object], script: object, folder: object, requirements: object
) -> Run:
    """Return how a task will run that has not started yet.

    Args:
        facts: repository, branch and commit; None for unknown ones.
        script: the path of the script.
        folder: the working directory.
        requirements: packages, such as ``["numpy==2.0"]``.
    """
    known: Json = {
        name: without_secrets(check_text(name, value))
        for name, value in facts.items()
        if value is not None
    }
    place: Json = {
        "executable": sys.executable, "arguments": [], "clearml": _launch()["clearml"],
    }  # fmt: skip
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
    if requirements is not None:
        known["packages"] = _requirements(requirements)
    return Run(known, place)


def set_packages(registry: OpenRegistry, task_id: str, given: object) -> None:
    """Set the recorded packages of a task.

    Args:
        given: such as ``["numpy==2.0"]``, or the path of a requirements file.

    Raises:
        SourceNotFoundError: the requirements file does not exist.
    """
    if isinstance(given, (str, os.PathLike)):
        from localreg.filesystem.disk_errors import disk_errors
        from localreg.filesystem.plain_files import check_path, read_text

        path = check_path("packages", given)
        with disk_errors("reading requirements", path):
            given = read_text(path, "packages").splitlines()
    found = _requirements(given)
    with registry.store.write() as change:
        old = dict(require_task(change.connection, task_id).run)
        new = old | {"packages": found}
        if new != old:
            change.record("task.run", task_id, {"old": old, "new": new})


def _requirements(given: object) -> dict[str, str]:
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
            asked = line[len(name) :].strip().removeprefix("==")
            found[name or line] = masked_text(asked)
    return found
