"""The versions of localreg and of what it uses, and what is installed of its extras."""

from __future__ import annotations

import platform
from importlib.util import find_spec

from localreg.store.database.opening import FORMAT_VERSION, sqlite_version
from localreg.values.bundle_format import FORMAT
from localreg.values.version import __version__

_EXTRAS = {"cloud": ("obstore",), "config": ("ruamel.yaml", "pyhocon"), "scan": ("picklescan",)}


def versions() -> dict[str, object]:
    """Return versions and extras as JSON values."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite_version(),
        "platform": platform.platform(),
        "registry_format": FORMAT_VERSION,
        "bundle_format": FORMAT,
        "extras": {name: all(map(_is_installed, names)) for name, names in _EXTRAS.items()},
    }


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its package, "ruamel"
        return False
