"""The fixture `children`: runs functions of a test in processes of their own."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HANGS_AFTER = 120  # seconds; only a test that fails waits for so long

_ALONE = """
import json, sys
folder, (source, name, arguments) = json.loads(sys.argv[1])
sys.path.insert(0, folder)
exec(source)
print(json.dumps(globals()[name](*arguments)))
"""
CROWD = """
import json, multiprocessing, os, sys, traceback
import localreg.api.models.input_model, localreg.api.registry, localreg.operations.models.adding
import localreg.operations.models.importing, localreg.operations.models.recording
folder, (count, (source, name, arguments)) = json.loads(sys.argv[1])
sys.path.insert(0, folder)
exec(source)
barrier = multiprocessing.get_context("fork").Barrier(count)
results = []
for number in range(count):
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            result = [True, globals()[name](number, barrier, *arguments)]
        except BaseException:
            barrier.abort()
            result = [False, traceback.format_exc()]
        with open(writer, "w") as file:
            json.dump(result, file)
        os._exit(0)
    os.close(writer)
    results.append(open(reader))
for file in results:
    with file:
        print(file.read())
"""


class Children:
    """Runs functions of a test in processes of their own.

    Such a function is sent as source: it imports what it needs (`support` too), sees no name of
    its module, and takes and returns values that JSON can hold.

    Attributes:
        environment: the variables of these processes; None for those of this process.
    """

    environment: dict[str, str] | None = None

    def start(self, function, *arguments):
        """Start a process that runs the function, with pipes to its standard input and output."""
        return self._python(_ALONE, self._call(function, arguments))

    def run(self, function, *arguments, timeout=HANGS_AFTER):
        """Return what the function returned in a process of its own."""
        return json.loads(self._output(self.start(function, *arguments), timeout)[-1])

    def crowd(self, count, function, *arguments):
        """Return what the function returned in each of `count` processes, forked from one.

        The function gets the number of its process and a barrier for all of them, then its own
        arguments.
        """
        return self._crowd(CROWD, count, function, arguments)

    def _crowd(self, source, count, function, arguments):
        process = self._python(source, [count, self._call(function, arguments)])
        results = [json.loads(line) for line in self._output(process, HANGS_AFTER)]
        failures = [result for succeeded, result in results if not succeeded]
        assert not failures, "\n".join(failures)
        return [result for _, result in results]

    def _call(self, function, arguments):
        source = textwrap.dedent(inspect.getsource(function))
        return [source, function.__name__, json.loads(json.dumps(arguments, default=str))]

    def _python(self, source, call):
        order = json.dumps([str(Path(__file__).parents[1]), call])
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", source, order],
            stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace",
            start_new_session=True, env=self.environment,
        )  # fmt: skip

    def _output(self, process, timeout):
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it forked
            pytest.fail(f"it hangs; its output so far: {process.communicate()}")
        assert process.returncode == 0, errors
        return output.splitlines()


@pytest.fixture(scope="session")
def children():
    """Runs functions of a test in processes of their own: `Children`."""
    return Children()
