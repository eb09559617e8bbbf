# mypy: allow-untyped-defs, allow-untyped-calls
"""Python imports it when it starts, if this folder is in PYTHONPATH.

It removes the folder from `sys.path`, imports the `sitecustomize` of the user, if there is one, and
makes ``import clearml`` import localreg where that is installed. It imports nothing itself, so that
a process that does not use ClearML starts as fast as before. Any Python may start here: this file
is also valid in Python 2, and does nothing before 3.11.
"""

import os
import sys


class ClearmlFinder:
    """Installs the stand-in for `clearml` when it is first looked for, then removes itself."""

    NEEDED = ("localreg", "sqlite_utils", "filelock", "platformdirs", "numpy")

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        """Return the spec of localreg's `clearml`; None for other modules, or without localreg."""
        if name.partition(".")[0] != "clearml":
            return None
        finder = cls.install()
        return None if finder is None else finder.find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, context=None):
        """Return what localreg says of the package `clearml`; [] for others."""
        if str(getattr(context, "name", None)).lower() != "clearml":
            return []
        find = getattr(cls.install(), "find_distributions", None)
        return [] if find is None else find(context)

    @classmethod
    def install(cls):
        """Install the stand-in and return its finder; None if this Python has no localreg."""
        from importlib.util import find_spec

        if cls in sys.meta_path:
            sys.meta_path.remove(cls)
        if not all(map(find_spec, cls.NEEDED)):
            return None
        from localreg import clearml_shim
        from localreg.clearml_shim.finder import Finder

        clearml_shim.install()
        return next(each for each in sys.meta_path if isinstance(each, Finder))


def _chain(folder):
    """Remove a folder from `sys.path`, and import the `sitecustomize` that comes after it."""
    sys.path[:] = [each for each in sys.path if each != folder]
    sys.path_importer_cache.pop(folder, None)
    mine = sys.modules.pop("sitecustomize")
    try:
        # The next one on the path, if there is one.
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
    finally:
        sys.modules.setdefault("sitecustomize", mine)  # Python looks for it after this


if __name__ == "sitecustomize":
    if sys.version_info >= (3, 11):
        sys.meta_path.insert(0, ClearmlFinder)
    _chain(os.path.dirname(__file__))
