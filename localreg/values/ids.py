"""Ids and times: what makes a record the only one of its kind."""

from __future__ import annotations

import os
import time

ID_LENGTH = 32


def new_id() -> str:
    """Return an id that nothing else has: 32 hex digits, 128 random bits."""
    return os.urandom(16).hex()


def now() -> int:
    """Return the time in microseconds since 1970, UTC."""
    return time.time_ns() // 1_000
