"""What a terminal shows of a line that was printed."""

from __future__ import annotations

import re

# Colors and movements of the cursor (ECMA-48), and titles of the terminal's window.
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


def from_last_state(line: str) -> str:
    r"""Return a line without what a terminal has overwritten: what counts if it goes on.

    >>> from_last_state(" 10%\r 20%\r"), from_last_state("text\r  "), from_last_state("\r ")
    (' 20%\r', 'text\r  ', ' ')
    """
    states = line.split("\r")
    seen = [n for n, each in enumerate(states) if CONTROL.sub("", each).strip()]
    last = seen[-1] if seen else len(states) - 1
    return "\r".join(states[last:])


def visible(line: str) -> str:
    r"""Return the last state of a line, without control sequences.

    >>> visible(" 10%\r\x1b[31m100%\x1b[0m\r")
    '100%'
    """
    return CONTROL.sub("", from_last_state(line).partition("\r")[0])
