"""The fixture `members`: runs functions that become another user, in processes of their own."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import CROWD, HANGS_AFTER, Children

_TESTS = str(Path(__file__).parents[1])
_PREPARED = f"""
import sys
sys.path.insert(0, {_TESTS!r})
from support.two_users import prepare
prepare()
"""
_FORKS = """
import json, os, traceback
for line in sys.stdin:
    source, name, arguments = json.loads(line)
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            scope = {"__name__": "__main__"}
            exec(source, scope)
            result = [True, scope[name](*arguments)]
        except BaseException:
            result = [False, traceback.format_exc()]
        with open(writer, "w") as file:
            json.dump(result, file)
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        result = file.read() or json.dumps([False, "it ended without a result"])
    os.wait()
    print(result, flush=True)
"""


class Members(Children):
    """Runs functions that become another user, each in a process of its own.

    These are forked from one process, which has imported everything: that takes a second.
    """

    def __init__(self) -> None:
        self._mother = None

    def run(self, function, *arguments):
        """Return what the function returned in a process of its own."""
        if self._mother is None:
            self._mother = subprocess.Popen(
                [sys.executable, "-W", "error", "-c", _PREPARED + _FORKS],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace",
                start_new_session=True,
            )  # fmt: skip
        mother = self._mother
        print(json.dumps(self._call(function, arguments)), file=mother.stdin, flush=True)
        with selectors.DefaultSelector() as selector:
            selector.register(mother.stdout, selectors.EVENT_READ)
            answered = selector.select(HANGS_AFTER)
        line = mother.stdout.readline() if answered else ""
        if not line:
            self.close()
            raise AssertionError("it hangs, or the process that it is forked from has ended")
        succeeded, result = json.loads(line)
        assert succeeded, result
        return result

    def crowd(self, count, function, *arguments):
        """As `Children.crowd`."""
        return self._crowd(_PREPARED + CROWD, count, function, arguments)

    def close(self):
        """End the process that others are forked from, with all of them."""
        if self._mother is not None:
            os.killpg(self._mother.pid, signal.SIGKILL)
            self._mother.communicate()
            self._mother = None


@pytest.fixture(scope="session")
def members():
    """Runs functions that become another user: `Members`."""
    made = Members()
    yield made
    made.close()
