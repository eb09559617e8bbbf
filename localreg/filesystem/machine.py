"""The machine that this process runs on."""

from __future__ import annotations

import os


def host_name() -> str:
    """Return the name of the machine."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform  # Windows

    return platform.node()
