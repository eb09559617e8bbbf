"""Models and runs of a registry, written as other programs keep them: one module a format."""

from __future__ import annotations

from localreg.lazy import modules_of

__getattr__ = modules_of(__name__)
