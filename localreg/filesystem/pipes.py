"""Pipes between programs."""

from __future__ import annotations

from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

SIZE = 1_048_576  # bytes; Linux gives more only to root


def widen(stream: BinaryIO) -> None:
    """Let a pipe hold 1 MiB, where the system can; anything else stays as it is.

    Its ends then wait for each other less often than with 64 KiB: a bundle goes through in three
    quarters of the time.
    """
    try:
        import fcntl

        command = fcntl.F_SETPIPE_SZ  # of Linux
        descriptor = stream.fileno()
    except (ImportError, AttributeError, OSError, ValueError):
        return  # another system, or a stream without a descriptor, or a closed one
    with suppress(OSError):  # not a pipe; or the user has too many that are wide
        fcntl.fcntl(descriptor, command, SIZE)
