"""Libraries that are too large for every run of the tests: `.ci/long frameworks` has them all."""

from __future__ import annotations

import importlib.util

import pytest
from support.skips import NO_FRAMEWORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def wanted(name: str) -> Any:
    """Return a library; skip the module of tests that calls this where it is not installed."""
    top = name.partition(".")[0]
    if importlib.util.find_spec(top) is None:
        pytest.skip(NO_FRAMEWORK, allow_module_level=True)
    return importlib.import_module(name)
