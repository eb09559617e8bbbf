"""Run the `localreg` command in this process."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from localreg.cli.main import main


def run_cli(*arguments: object, stdin: bytes | None = None) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command, without those of its child processes."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), _standard_input(stdin):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


@contextmanager
def _standard_input(content: bytes | None):
    before = sys.stdin
    if content is not None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(content))
    try:
        yield
    finally:
        sys.stdin = before
