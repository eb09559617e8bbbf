"""The import hook: patches the libraries of the table when the script imports them.

The hook itself is the only state: it is in `sys.meta_path` while it is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module

from localreg.integrations.libraries import LIBRARIES, PARSERS
from localreg.integrations.patches import Patches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from localreg.integrations.command_line import CommandLine
    from localreg.integrations.recorder import Recorder


def install(
    recorder: Callable[[], Recorder | None],
    command_line: CommandLine | None = None,
    *,
    parsers_only: bool = False,
    libraries: Mapping[str, Sequence[str]] = LIBRARIES,
) -> Hook:
    """Patch the libraries that are imported already, and those that will be; return the hook.

    Args:
        recorder: returns that of the current task, or None when no task runs here.
        command_line: what parsers report to.
        parsers_only: only what parses command lines; a later call patches the rest.
        libraries: the table.
    """
    found = installed()
    if found is None:
        found = Hook(Patches(recorder, command_line), libraries)
        sys.meta_path.insert(0, found)
    if parsers_only:
        found.parsers_first = True
    found.extend(PARSERS if parsers_only else None)
    return found


def uninstall() -> None:
    """Restore everything; what parses command lines is patched again if it was before the task."""
    found = installed()
    if found is None:
        return
    sys.meta_path.remove(found)
    found.patches.restore()
    if found.parsers_first:
        again = Hook(found.patches, found.libraries)
        again.parsers_first = True
        sys.meta_path.insert(0, again)
        again.extend(PARSERS)


def keep_parsers(wanted: bool) -> None:
    """Set if `uninstall` patches parsers again."""
    found = installed()
    if found is not None:
        found.parsers_first = wanted


def installed() -> Hook | None:
    """Return the hook of this process, or None."""
    return next((each for each in sys.meta_path if isinstance(each, Hook)), None)


class Hook:
    """Lets the other finders find a module, and patches it when it has been executed.

    Attributes:
        patches: what was replaced.
        libraries: the table.
        parsers_first: True if parsers are patched also before a task starts.
    """

    def __init__(self, patches: Patches, libraries: Mapping[str, Sequence[str]]) -> None:
        self.patches = patches
        self.libraries = libraries
        self.parsers_first = False
        self._wanted: set[str] = set()  # modules of this package
        self._done: set[tuple[str, str]] = set()
        self._finding: set[str] = set()

    def extend(self, wanted: frozenset[str] | None) -> None:
        """Patch by more modules of this package, by all of them if None."""
        every = {each for some in self.libraries.values() for each in some}
        self._wanted |= every if wanted is None else wanted
        for name in self.libraries:
            module = sys.modules.get(name)
            if module is not None and not _is_initializing(module):
                self.patch(name, module)

    def patch(self, name: str, module: ModuleType) -> None:
        """Patch a module that has been executed."""
        for each in self.libraries[name]:
            if each in self._wanted and (name, each) not in self._done:
                self._done.add((name, each))
                self.patches.quietly(f"the patch of {name}", self._apply, each, module)

    def _apply(self, integration: str, module: ModuleType) -> None:
        import_module(integration, __package__).patch(self.patches, module)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that another finder found, with a loader that patches; or None."""
        if fullname not in self.libraries or fullname in self._finding:
            return None
        self._finding.add(fullname)
        try:
            spec = _found_by_others(self, fullname, path, target)
        finally:
            self._finding.discard(fullname)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _PatchingLoader(spec.loader, self)  # type: ignore[assignment]  # it has the methods of one
        return spec


class _PatchingLoader:
    """The loader of a module, which is patched after it was executed.

    The module never sees it: its spec has the original loader again before it is executed.
    """

    def __init__(self, loader: Loader, hook: Hook) -> None:
        self._loader = loader
        self._hook = hook

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        # A module may replace itself while it is executed.
        self._hook.patch(module.__name__, sys.modules.get(module.__name__, module))


def _found_by_others(
    hook: Hook, fullname: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if finder is not hook and find is not None:
            spec: ModuleSpec | None = find(fullname, path, target)
            if spec is not None:
                return spec
    return None


def _is_initializing(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
