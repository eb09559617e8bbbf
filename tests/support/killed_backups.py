"""The backups that are killed at many places; each is prepared first, and returned."""

from __future__ import annotations

import io
from pathlib import Path

from localreg import Registry


def prepare(folder):
    """Make a registry with an older backup in a folder, and then more of it."""
    with Registry(folder / "registry", durability="fast") as registry:
        for number in range(3):
            registry.add(io.BytesIO(b"%d" % number * 1_000), f"old-{number}", filename="w.pt")
        (folder / "package").mkdir()
        for name in ("a", "b"):
            (folder / "package" / name).write_bytes(name.encode() * 1_000)
        registry.add(folder / "package", "packed").get_local_copy()
        registry.backup(folder / "old")
        registry.backup(folder / "old.tar")
        for number in range(3):
            registry.add(io.BytesIO(b"new %d" % number * 1_000), f"new-{number}", filename="w.pt")


def _backup(target, *, copied=False):
    registry = Registry("registry", readonly=copied)
    return lambda: registry.backup(Path.cwd() / target)


CALLS = {
    "first": lambda: _backup("first"),
    "first by copies": lambda: _backup("first", copied=True),
    "update": lambda: _backup("old"),
    "update by copies": lambda: _backup("old", copied=True),
    "tar": lambda: _backup("old.tar"),
}
