"""Servers that tests start as processes of their own, and that end when the tests do."""

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
    """Return that many ports which nobody listens on now; somebody else may take one first."""
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [line.getsockname()[1] for line in lines]


class ServerProcess:
    """A program that serves, and everything it says in `folder`/log.

    Args:
        folder: an empty folder for its files; also its working and its home directory.
        program: what runs, by its whole path, and its arguments.
        variables: of its environment, beside those there are.
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
        """The program's own: what set it up has become it."""
        return self.process.pid

    def wait_for(self, answer):
        """Return what `answer()` returns, once that is true.

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
        """Return the first group of a line that it said, or None while it has not."""
        found = re.search(pattern, self.log.read_text(errors="replace"))
        return found and found[1]

    def stop(self):
        """End it at once: nothing that it holds is worth a goodbye, and one takes 5 seconds."""
        self.process.kill()
        self.process.wait()

    def _ended_within(self, seconds):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
