"""``clearml.config``: where a script runs, and the settings that it asks for."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.api import ambient
from localreg.errors import NotSupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

_MISSING = object()


class _Refusing(type):
    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"clearml.config.config.{name}"
        raise NotSupportedError(
            f"localreg does not have {full}; there is no configuration file", name=full
        )


class Config(metaclass=_Refusing):
    """The settings of ``clearml.conf``, which does not count here: every one has its default."""

    @classmethod
    def get(cls, key: str, default: object = _MISSING) -> Any:  # noqa: ANN401  (the default)
        """Return the default.

        Raises:
            KeyError: there is no default.
        """
        if default is _MISSING:
            raise KeyError(
                f"localreg reads no clearml.conf, and {key!r} is asked for by no default"
            )
        return default


def deferred_config(
    key: str | None = None,
    default: object = None,
    transform: Callable[..., object] | None = None,
    multi: Iterable[tuple[object, ...]] | None = None,
) -> Any:  # noqa: ANN401  (the default)
    """Return the default of a setting, or what `transform` makes of it."""
    if transform is None:
        return default
    return transform() if key is None else transform(default)


def running_remotely() -> bool:
    """Return True if this process was started by `localreg task run`."""
    return ambient.task_to_run_again() is not None


def get_remote_task_id() -> str | None:
    """Return the id of the task that this process runs again, or None."""
    return ambient.task_to_run_again()


def get_cache_dir() -> Path:
    """Return a folder for what a script may lose: ``localreg`` in the user's cache folder."""
    from platformdirs import user_cache_path

    return user_cache_path("localreg", appauthor=False)


def get_node_id(default: int = 0) -> int:
    """Return the rank of this process among those that run together."""
    for name in ("OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "RANK"):
        text = os.environ.get(name, "")
        if text.isdigit():
            return int(text)
    return default


def get_is_master_node() -> bool:
    """Return True for the first of the processes that run together."""
    return get_node_id() == 0
