"""Make ``import clearml`` import localreg: `install`, and `uninstall`.

Scripts need no change, whether the real ClearML is installed or not. Every module and public name
of ClearML's SDK can be imported (`listing.py`). Those that localreg has are in a table
(`names.py`); the others raise a `NotSupportedError` when they are used (`absent.py`). A name that
the SDK does not have either is an ImportError. `importlib.metadata` answers for `clearml` too.
"""

from __future__ import annotations

import sys

from localreg.clearml_shim.finder import Finder, loaded
from localreg.clearml_shim.names import VERSION

__all__ = ["VERSION", "install", "uninstall"]


def install() -> None:
    """Make ``import clearml`` import localreg in this process; later calls do nothing.

    A later `Task.init` records what parsers of command lines parse from now on. Objects that were
    imported from the real ClearML before are not changed.

    >>> install()
    >>> from clearml import Task
    >>> Task.__module__
    'localreg.api.tasks.task'
    >>> uninstall()
    """
    if any(isinstance(each, Finder) for each in sys.meta_path):
        return
    from localreg.api.tasks import parsers

    parsers.watch()
    sys.meta_path.insert(0, Finder({name: sys.modules.pop(name) for name in loaded()}))


def uninstall() -> None:
    """Undo `install`; objects that were imported since then are not changed."""
    for finder in [each for each in sys.meta_path if isinstance(each, Finder)]:
        sys.meta_path.remove(finder)
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(finder.replaced)
    parsers = sys.modules.get("localreg.api.tasks.parsers")
    if parsers is not None:
        parsers.forget()
