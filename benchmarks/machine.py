"""What a benchmark ran on: the machine, its load, and the versions of what was compared."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from pathlib import Path

import localreg
from benchmarks import peers


def facts() -> dict[str, object]:
    """Return what the machine is, and how busy it is now."""
    return {
        "localreg": localreg.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "load": load(),
        "packages": peers.versions(),
    }


def load() -> list[float]:
    """Return the mean number of busy processes in the last 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


def described(found: dict[str, object]) -> str:
    """Return what `facts` found as text."""
    packages = found["packages"]
    assert isinstance(packages, dict)
    own = {name: value for name, value in found.items() if name != "packages"}
    lines = (", ".join(f"{name} {each}" for name, each in some.items()) for some in (own, packages))
    return "\n".join(lines)


def _commit() -> str | None:
    """Return the commit that this is a clone of, with a "+" if files differ from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
