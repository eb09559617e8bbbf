"""The machine that this process runs on."""

from __future__ import annotations

import os


def host_name() -> str:
    """Return the name of the machine."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform  # Windows

    return platform.node()


def short_host_name() -> str:
    """Return the name of the machine without its domain."""
    return host_name().partition(".")[0] or "unknown"


def machine_mark(*, by_name: bool = False) -> str | None:
    """Return 16 digits that differ between machines; None where the system has no id of its own.

    Containers have none, and often another host name each time that they start.

    Args:
        by_name: use the host name where there is no id.
    """
    import hashlib

    try:
        with open("/etc/machine-id", "rb") as file:
            known = file.read(64).strip()
    except OSError:
        known = b""
    if not known and by_name:
        known = host_name().encode("utf-8", "replace")
    return hashlib.sha256(b"localreg origin " + known).hexdigest()[:16] if known else None
