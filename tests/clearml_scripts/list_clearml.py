"""List what an installed ClearML SDK has: its modules and names, or the members of its classes.

Run it with a Python that has the SDK, for example::

    python tests/clearml_scripts/list_clearml.py modules > localreg/clearml_shim/modules.txt
    python tests/clearml_scripts/list_clearml.py members > tests/clearml_scripts/members.txt

A line of the first list is a module and its public names. ``name@module`` is a name that another
module defines, without ``clearml.``, and ``!`` marks exceptions. A line of the second list is a
class, a member, its kind, and its signature.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import pkgutil
import sys
import warnings
from pathlib import Path
from types import ModuleType

CLASSES = ("Task", "Model", "InputModel", "OutputModel", "Logger", "StorageManager", "Dataset")
LIBRARIES = ("clearml.utilities.gpu.pynvml", "clearml.utilities.gpu.pyrsmi")  # copies of others


def module_names() -> list[str]:
    """Return the names of all modules of the SDK."""
    package = importlib.import_module("clearml")
    found = pkgutil.walk_packages(package.__path__, "clearml.", onerror=lambda _: None)
    names = {"clearml"} | {each.name for each in found}
    root = Path(package.__path__[0])
    for path in root.rglob("*.py"):  # also in packages that cannot be imported here
        parts = path.relative_to(root.parent).with_suffix("").parts
        names.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return sorted(names)


def names_of(name: str) -> list[str]:
    """Return the public names of a module; of one that cannot be imported, those it defines."""
    source = ast.parse(source_of(name))
    if name in LIBRARIES:
        return []
    if name.endswith("__main__"):
        return sorted(defined(source, classes_only=True))
    try:
        module = importlib.import_module(name)
    except ImportError:
        return sorted(defined(source) | imported(source, name))
    found = []
    own = defined(source)
    for each, value in vars(module).items():
        home = getattr(value, "__module__", None)
        if each.startswith("_") or isinstance(value, ModuleType) or each == "TYPE_CHECKING":
            continue
        mark = "!" if isinstance(value, type) and issubclass(value, BaseException) else ""
        real = callable(value) and getattr(value, "__name__", None) == each
        if real and isinstance(home, str) and home.startswith("clearml"):
            away = "" if home == name else "@" + home.removeprefix("clearml").lstrip(".")
            found.append(f"{each}{mark}{away}")
        elif each in own or (not callable(value) and each in getattr(module, "__all__", ())):
            found.append(f"{each}{mark}")
    return sorted(found)


def source_of(name: str) -> str:
    """Return the source of a module."""
    package = Path(importlib.import_module("clearml").__path__[0]).parent
    path = package.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text(encoding="utf-8")


def defined(tree: ast.Module, *, classes_only: bool = False) -> set[str]:
    """Return the public names that the top level of a module defines."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node in blocks(tree):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node in blocks(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if not classes_only:
                found |= {
                    each.id
                    for target in targets
                    for each in ast.walk(target)
                    if isinstance(each, ast.Name)
                }
    return {each for each in found if not each.startswith("_")}


def imported(tree: ast.Module, name: str) -> set[str]:
    """Return the names that a module imports from others of the SDK."""
    found = set()
    for node in blocks(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            path = Path(importlib.import_module("clearml").__path__[0]).parent
            parts = name.split(".")
            if not path.joinpath(*parts).is_dir():
                parts.pop()
            parts = parts[: len(parts) - node.level + 1]
            home = ".".join([*parts[1:], node.module or ""]).strip(".")
            found |= {f"{each.name}@{home}" for each in node.names}
    return found


def blocks(tree: ast.Module) -> list[ast.stmt]:
    """Return the statements at the top level, also those in `if` and `try`."""
    found: list[ast.stmt] = []
    todo = list(tree.body)
    while todo:
        node = todo.pop()
        found.append(node)
        if isinstance(node, ast.If | ast.Try):
            todo += [*node.body, *node.orelse, *getattr(node, "finalbody", [])]
            todo += [each for one in getattr(node, "handlers", []) for each in one.body]
    return found


def members_of(name: str) -> list[str]:
    """Return a line for each public member of a class."""
    owner = getattr(importlib.import_module("clearml"), name)
    lines = []
    for member in sorted(each for each in dir(owner) if not each.startswith("_")):
        raw = inspect.getattr_static(owner, member)
        value = getattr(owner, member)
        if isinstance(raw, property):
            kind, signature = ("property" if raw.fset is None else "settable property"), ""
        elif isinstance(raw, type):
            kind, signature = "class", ""
        elif callable(value):
            kind = type(raw).__name__ if isinstance(raw, classmethod | staticmethod) else "method"
            signature = " " + names_only(inspect.signature(value))
        else:
            kind, signature = "value", ""
        lines.append(f"{name}.{member}: {kind}{signature}")
    return lines


def names_only(signature: inspect.Signature) -> str:
    """Return a signature with the names and defaults of its parameters, without types."""
    parameters = []
    for each in signature.parameters.values():
        star = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        default = "" if each.default is each.empty else f"={default_text(each.default)}"
        parameters.append(f"{star}{each.name}{default}")
    return f"({', '.join(parameters)})"


def default_text(value: object) -> str:
    """Return a default value as text that is the same in every process."""
    plain = isinstance(value, str | int | float | bool | tuple | list | dict | None)
    return repr(value) if plain else f"<{type(value).__name__}>"


def main() -> None:
    """Print one of the lists."""
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # the SDK prints while it is imported
        if sys.argv[1:] == ["modules"]:
            lines = [" ".join([name, *names_of(name)]) for name in module_names()]
        elif sys.argv[1:] == ["members"]:
            lines = [line for name in CLASSES for line in members_of(name)]
        else:
            sys.exit(__doc__)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
