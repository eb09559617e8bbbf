"""Servers that tests start as processes, and that end with the test run."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

STARTS_WITHIN = 60  # seconds; a machine under load is slow, a server that waits for ever is broken

# The kernel ends the server when the process that started it dies, also by SIGKILL. What sets this
# is run in the child, by a small program before the server's: `preexec_fn` is not safe in threads.
_DIES_WITH_ITS_PARENT = f"""
import ctypes, os, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, {int(signal.SIGKILL)}, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that wanted this server is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ServerDiedError(Exception):
    """A server ended before it answered; the message holds what it said."""


def free_ports(count):
    """Return `count` ports that are free now; another program may take one at any time."""
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [line.getsockname()[1] for line in lines]


class ServerProcess:
    """A server program; its output goes to `folder`/log.

    Args:
        folder: an empty folder for its files; also its working and its home directory.
        program: the absolute path of the program, then its arguments.
        variables: environment variables that it gets in addition.
    """

    def __init__(self, folder, *program, **variables):
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _DIES_WITH_ITS_PARENT, str(os.getpid()), *map(str, program)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=folder,
                start_new_session=True,
                env=os.environ | {"HOME": str(folder)} | variables,
            )  # fmt: skip

    @property
    def pid(self):
        """The process id of the program."""
        return self.process.pid

    def wait_for(self, answer):
        """Wait until `answer()` returns a true value, and return it.

        Raises:
            ServerDiedError: the program ended, or took too long and was ended.
        """
        end = time.monotonic() + STARTS_WITHIN
        while not (found := answer()):
            if self._ended_within(0.05) or time.monotonic() > end:
                self.stop()
                raise ServerDiedError(self.log.read_text(errors="replace")[-3000:])
        return found

    def said(self, pattern):
        """Return the first group of a match in its log, or None while there is none."""
        found = re.search(pattern, self.log.read_text(errors="replace"))
        return found and found[1]

    def stop(self):
        """Kill it: its data is not needed, and a clean end takes 5 seconds."""
        self.process.kill()
        self.process.wait()

    def _ended_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
