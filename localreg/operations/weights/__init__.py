"""Weights: into the store, out as local copies, down from URLs, up to destinations."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights import fetching as fetching
    from localreg.operations.weights import ingest as ingest
    from localreg.operations.weights import known_digests as known_digests
    from localreg.operations.weights import local_copies as local_copies
    from localreg.operations.weights import locations as locations
    from localreg.operations.weights import uploading as uploading

_MODULES = frozenset("fetching ingest known_digests local_copies locations uploading".split())


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
