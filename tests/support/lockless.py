"""What a child of a test calls to live on a poorer file system than the test's."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os


def flock_answers(code: int) -> None:
    """Have every flock fail with an error number; 0: it succeeds, and excludes nobody."""

    def flock(descriptor: object, operation: int) -> None:
        if code:
            raise OSError(code, os.strerror(code))

    fcntl.flock = flock


def no_links() -> None:
    """Have no hard links."""

    def link(*arguments: object, **options: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    os.link = link


def no_rename_without_replacing() -> None:
    """Have no renameat2."""
    ctypes.CDLL = lambda *_, **__: None
