"""The versions of localreg and of what it uses, and what is installed of its extras."""

from __future__ import annotations

import platform
import sys
from importlib.util import find_spec

from localreg.store.database.opening import FORMAT_VERSION, sqlite_version
from localreg.values import remote_format
from localreg.values.bundle_format import FORMAT
from localreg.values.version import __version__

_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
_EXTRAS = {
    "bom": ("cyclonedx",),
    "cloud": ("obstore",),
    "config": ("ruamel.yaml", "pyhocon"),
    "oci": ("oras",),
    "remote": ("deltalake", "obstore", _ZSTD),
    "scan": ("picklescan",),
    "sign": ("cryptography",),
}


def versions() -> dict[str, object]:
    """Return versions and extras as JSON values."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite_version(),
        "platform": platform.platform(),
        "registry_format": FORMAT_VERSION,
        "bundle_format": FORMAT,
        "remote_format": remote_format.FORMAT,
        "extras": {name: has_extra(name) for name in _EXTRAS},
    }


def has_extra(name: str) -> bool:
    """Return True if the packages of an extra are installed."""
    return all(map(_is_installed, _EXTRAS[name]))


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its package, "ruamel"
        return False
