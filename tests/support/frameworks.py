"""Libraries that are too large for every run of the tests: `.ci/long frameworks` has them all."""

from __future__ import annotations

import importlib.util
import warnings

import pytest
from support.skips import NO_FRAMEWORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def wanted(name: str) -> Any:
    """Return a library; skip the test, or module of tests, that calls this without it."""
    must_be_installed(name.partition(".")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the library
        return importlib.import_module(name)


def must_be_installed(name: str) -> None:
    """Skip the test, or module of tests, that calls this where a library is not installed."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(NO_FRAMEWORK, allow_module_level=True)
