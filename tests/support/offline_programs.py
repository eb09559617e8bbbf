"""Run a program of ClearML unchanged, as a user does, with the network blocked."""

from __future__ import annotations

import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

BLOCKED = 99  # the exit code of a program that asked for the network
NO_NETWORK = f"""
import os, runpy, socket, sys

def refuse(event, args):
    local = event == "socket.connect" and args[0].family == socket.AF_UNIX
    asks = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
    if event in asks and not local:
        print("the network was asked for:", event, args[1:], file=sys.stderr, flush=True)
        os._exit({BLOCKED})

sys.addaudithook(refuse)
runpy.run_module("localreg.run", run_name="__main__", alter_sys=True)
"""


def run_offline(
    program: Path | str, *arguments: str, options: tuple[str, ...] = (), timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program by `localreg.run` in the working directory, with the registry of the test.

    Args:
        options: of Python, such as ``-W error``.
    """
    return subprocess.run(
        [sys.executable, *options, "-c", NO_NETWORK, str(program), *arguments],
        capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
