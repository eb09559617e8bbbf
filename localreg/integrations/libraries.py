"""Which module here patches a library, by the module that the script imports."""

from __future__ import annotations

# The module of the library: the modules that patch it, named relative to this package.
LIBRARIES: dict[str, tuple[str, ...]] = {}

# Modules of these that are wanted before a task starts: they parse command lines.
PARSERS: frozenset[str] = frozenset()
