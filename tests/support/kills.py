"""Kill calls at chosen places: before the Nth call of the system, or of SQLite.

`Killer` starts one process that has imported everything. It forks for each kill, so that imports
are paid for once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading

# They change nothing on disk.
_HARMLESS = {"fspath", "stat", "lstat", "fstat", "getpid", "urandom", "_path_normpath", "getcwd",
             "fileno", "getuid", "geteuid", "get_terminal_size", "isatty", "uname"}  # fmt: skip


class Counter:
    """Counts the calls of the system and of SQLite by this process; kills it before one of them.

    Calls that import a module do not count: the first import also writes the compiled module, so
    that the next one makes fewer calls.

    Args:
        at: the number of the call, from 0; None only counts.
    """

    def __init__(self, at):
        self.at = at
        self.count = 0

    def __enter__(self):
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        threading.setprofile(None)

    def _profile(self, frame, event, called):
        if event != "c_call" or called.__name__ in _HARMLESS:
            return
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return
        module = getattr(called, "__module__", None) or type(called.__self__).__module__
        if module not in ("posix", "sqlite3", "_io"):
            return
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def serve(module):
    """Run the calls that are asked for on standard input, each in a fork; for `Killer`.

    Args:
        module: the name of a module with `CALLS`: functions of a folder by name. Each prepares what
            it needs, and returns the function that is counted or killed.
    """
    import importlib

    calls = importlib.import_module(module).CALLS
    for line in sys.stdin:
        name, folder, at = json.loads(line)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                os.chdir(folder)
                call = calls[name]()
                with Counter(at) as counter:
                    call()
                os.write(writer, str(counter.count).encode())
                os._exit(0)
            except BaseException:  # noqa: BLE001  (shown by the test)
                import traceback

                os.write(writer, traceback.format_exc().encode())
                os._exit(1)
        os.close(writer)
        with open(reader) as said:
            text = said.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps([status, text]), flush=True)


def begin(module):
    from support.kills import serve

    serve(module)


class Killer:
    """A process that runs calls, and kills them; use it as a context manager."""

    def __init__(self, children, module):
        self._process = children.start(begin, module)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def run(self, name, folder, at=None):
        """Run a call; return (exit status, text): -9 after a kill, the count if it was whole."""
        self._process.stdin.write(json.dumps([name, str(folder), at]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, self._process.stderr.read()
        return json.loads(line)
