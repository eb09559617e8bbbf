"""What a child process calls to behave as on a file system without locks, links or modes."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os


def flock_answers(code: int) -> None:
    """Make every flock fail with an error number; 0: it succeeds, and locks nothing."""

    def flock(descriptor: object, operation: int) -> None:
        if code:
            raise OSError(code, os.strerror(code))

    fcntl.flock = flock


def no_links() -> None:
    """Make every hard link fail."""

    def link(*arguments: object, **options: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    os.link = link


def no_rename_without_replacing() -> None:
    """Make renameat2 missing."""
    ctypes.CDLL = lambda *_, **__: None
