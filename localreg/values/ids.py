"""Ids and times: what makes a record the only one of its kind."""

from __future__ import annotations

import os
import time

ID_LENGTH = 32
_HEX = frozenset("0123456789abcdef")


def new_id() -> str:
    """Return an id that nothing else has: 32 hex digits, 128 random bits."""
    return os.urandom(16).hex()


def is_id(text: str) -> bool:
    """Return True if a text has the form of an id.

    >>> is_id("0123456789abcdef" * 2), is_id("prod")
    (True, False)
    """
    return len(text) == ID_LENGTH and set(text) <= _HEX


def alias_id(project: str, name: str, alias: str) -> str:
    """Return the id that stands for an alias in events: the same in every registry.

    Args:
        project: name of the project; "" for none.
        name: name of the models.
        alias: the alias.

    >>> alias_id("vision", "resnet", "prod")
    '578de7fe2cb20813ad6a0ab043847e88'
    """
    import hashlib

    from localreg.values.canonical import canonical

    key = canonical([project, name, alias])
    return hashlib.sha256(key.encode()).hexdigest()[:ID_LENGTH]


def launch_id(launch: str, number: int) -> str:
    """Return the id of the task of a launch: the same in each of its processes.

    Args:
        launch: what no other launch has.
        number: which of the tasks of this launch.

    >>> launch_id("torchrun", 0)
    '7ae5f27a7dd9f934e368362ca3215b13'
    """
    import hashlib

    return hashlib.sha256(f"{launch} {number}".encode()).hexdigest()[:ID_LENGTH]


def now() -> int:
    """Return the time in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000
