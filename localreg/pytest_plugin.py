"""Pytest fixtures: a registry for each test, or for a module or a whole run of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from localreg import Registry

    RegistryFactory: TypeAlias = Callable[[], AbstractContextManager[Registry]]


@pytest.fixture
def localreg_registry(tmp_path: Path) -> Iterator[Registry]:
    """Yield a new registry in the test's temporary folder; it is current during the test.

    Processes that the test starts use it too (``LOCALREG_HOME``). It is not safe against power loss
    (``durability="fast"``), and pages are written only when the test asks for them.
    """
    with _current_registry(tmp_path / "localreg") as registry:
        yield registry


@pytest.fixture
def registry(localreg_registry: Registry) -> Registry:
    """Return `localreg_registry`; tests that define their own `registry` override this name."""
    return localreg_registry


@pytest.fixture(scope="session")
def localreg_registry_factory(tmp_path_factory: pytest.TempPathFactory) -> RegistryFactory:
    """Return a function that makes a registry for a ``with`` block, for fixtures of any scope.

    The registry is like `localreg_registry`: new, in a temporary folder, and current in the block,
    also for processes that are started in it. For one registry in all tests of a module::

        @pytest.fixture(scope="module")
        def trained(localreg_registry_factory):
            with localreg_registry_factory() as registry:
                registry.add("weights.pt", "resnet")
                yield registry
    """
    return lambda: _current_registry(tmp_path_factory.mktemp("localreg"))


@contextmanager
def _current_registry(home: Path) -> Iterator[Registry]:
    from localreg import Registry
    from localreg.values import settings

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(settings.HOME, str(home))
        environment.setenv(settings.DURABILITY, "fast")
        environment.setenv(settings.AUTO_RENDER, "0")
        for variable in (
            settings.TASK_ID, settings.TASK_RUNNING, settings.RUN, settings.VERIFY,
            settings.UPSTREAM,
        ):  # fmt: skip
            environment.delenv(variable, raising=False)
        with Registry(home, durability="fast") as registry:
            yield registry
