"""What says that the package is missing which signs and checks signatures."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from localreg.errors import MissingPackageError

EXTRA = "pip install 'localreg[sign]'"


def check_installed() -> None:
    """Raise MissingPackageError if cryptography is not installed."""
    if sys.modules.get("cryptography") is None and find_spec("cryptography") is None:
        raise MissingPackageError(
            f"signatures need the package cryptography, which is not installed: {EXTRA}",
            package="cryptography",
        )
