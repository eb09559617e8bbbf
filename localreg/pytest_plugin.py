"""Pytest fixtures: a registry for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from localreg import Registry


@pytest.fixture
def localreg_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Yield a new registry in the test's temporary folder; it is current during the test.

    Processes that the test starts use it too (``LOCALREG_HOME``). It is not safe against power loss
    (``durability="fast"``), and pages are written only when the test asks for them.
    """
    from localreg import Registry
    from localreg.values import settings

    home = tmp_path / "localreg"
    monkeypatch.setenv(settings.HOME, str(home))
    monkeypatch.setenv(settings.DURABILITY, "fast")
    monkeypatch.setenv(settings.AUTO_RENDER, "0")
    for variable in (
        settings.TASK_ID, settings.TASK_RUNNING, settings.RUN, settings.VERIFY, settings.UPSTREAM
    ):  # fmt: skip
        monkeypatch.delenv(variable, raising=False)
    with Registry(home, durability="fast") as registry:
        yield registry


@pytest.fixture
def registry(localreg_registry: Registry) -> Registry:
    """Return `localreg_registry`; tests that define their own `registry` override this name."""
    return localreg_registry
