"""Fixtures for tests that use a registry: each test gets one of its own, and throws it away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from localreg import Registry


@pytest.fixture
def localreg_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """Yield a fresh registry in the test's temporary folder, current for this test alone.

    Processes that the test starts find it too (``LOCALREG_HOME``). It does not wait for the
    disk (``durability="fast"``), and no pages are written unless the test asks for them.
    """
    from localreg import Registry
    from localreg.values import settings

    home = tmp_path / "localreg"
    monkeypatch.setenv(settings.HOME, str(home))
    monkeypatch.setenv(settings.DURABILITY, "fast")
    monkeypatch.setenv(settings.AUTO_RENDER, "0")
    for variable in (settings.TASK_ID, settings.VERIFY, settings.UPSTREAM):
        monkeypatch.delenv(variable, raising=False)
    with Registry(home, durability="fast") as registry:
        yield registry


@pytest.fixture
def registry(localreg_registry: Registry) -> Registry:
    """Another name of `localreg_registry`, for tests that have no `registry` of their own."""
    return localreg_registry
