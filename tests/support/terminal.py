"""Run the `localreg` command in this process, on a terminal of some width."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr, redirect_stdout

from localreg.cli.main import main

LEFT_OUT = "This terminal is too narrow to show: "
_IDS = re.compile(r"\b[0-9a-f]{8,64}\b")
_TIMES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "2026-01-02 03:04:05"),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d\b"), "2026-01-02 03:04"),
    (re.compile(r"\b\d\d-\d\d \d\d:\d\d\b"), "01-02 03:04"),
    (re.compile(r"\b\d s\b"), "0 s"),
)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def run_on_terminal(monkeypatch, width: int, *arguments: object) -> tuple[int, str, str]:
    """Return exit code, what a terminal of a width shows, and the remarks."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    out, err = Terminal(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


class Steady:
    """Makes outputs of a registry the same in every run: ids and times, with their widths.

    Args:
        words: texts of this run by those that stand for them, of the same length.
    """

    def __init__(self, words: dict[str, str]) -> None:
        self._words = words
        self._ids: dict[str, str] = {}

    def text(self, output: str) -> str:
        """Return an output with ids counted in the order in which they are seen."""
        for word, instead in self._words.items():
            assert len(word) == len(instead)
            output = output.replace(word, instead)
        output = _IDS.sub(self._counted, output)
        for pattern, instead in _TIMES:
            output = pattern.sub(instead, output)
        return output

    def _counted(self, match: re.Match[str]) -> str:
        number = self._ids.setdefault(match[0][:8], f"{len(self._ids) + 1:08d}")
        return number + "0" * (len(match[0]) - 8)
