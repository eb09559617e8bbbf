"""What a script prints: the streams `sys.stdout` and `sys.stderr`, and `logging` without them."""

from __future__ import annotations

import re
import sys

from localreg.values.printed import CONTROL, from_last_state, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import LogRecord
    from typing import TextIO

    from localreg.integrations.patches import Patches
    from localreg.integrations.recorder import Recorder

INFO = 20  # logging's; importing it would cost time. A stream says nothing of how bad a line is.
PROGRESS_SECONDS = 10.0
LONGEST = 10_000  # characters of a line
_UP_AND_DOWN = re.compile(r"\x1b\[A\r*\n")  # a line up, a line down

# A control sequence at the end that goes on in the next piece.
_UNFINISHED = re.compile(r"\x1b(\[[0-?]{0,50}[ -/]{0,9})?\Z")


def connect(patches: Patches, streams: frozenset[str]) -> None:
    """Have what is printed reported to the task that is current then.

    The method `write` of each stream is replaced, not the stream: whoever has it keeps it. What is
    written to the file descriptor itself is not seen, such as by libraries in C.

    Args:
        streams: some of "stdout", "stderr" and "logging". The last only counts without "stderr",
            which has what is logged anyway.
    """
    for name in ("stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name, None)
        is_new = hasattr(stream, "__dict__") and "write" not in vars(stream)
        if name in streams and is_new:
            patches.after(stream, "write", _noting(name), kind="console")
    if "logging" in streams and "stderr" not in streams:
        _connect_logging(patches)


def _noting(stream: str) -> Callable[..., None]:
    def note(recorder: Recorder, _: object, text: str) -> None:
        recorder.console(stream, text, INFO)

    return note


def _connect_logging(patches: Patches) -> None:
    import logging

    def note(recorder: Recorder, _: object, logger: object, record: LogRecord) -> None:
        text = f"{record.levelname} {record.name}: {record.getMessage()}\n"
        recorder.console("logging", text, record.levelno)

    if not hasattr(logging.Logger.callHandlers, "__wrapped__"):
        patches.after(logging.Logger, "callHandlers", note, kind="console")


class Lines:
    r"""The lines of one stream, as a terminal shows them.

    A progress bar, which goes back to the beginning of its line, is one line: its last state. As
    long as it goes on, its state is a line every ten seconds. A line that it blanked is not one.

    >>> lines = Lines()
    >>> lines.add("epoch 1: ", 0.0), lines.add("done\n 10%\r 20%", 1.0)
    ([], ['epoch 1: done'])
    >>> lines.add("\r100%\nend", 2.0), lines.rest()
    (['100%'], ['end'])
    """

    def __init__(self) -> None:
        self._part = ""  # of the line that has not ended
        self._due = float("-inf")  # when a progress bar is the next line

    def add(self, text: str, now: float) -> list[str]:
        """Return the lines that end in what was printed.

        Args:
            now: seconds of any clock that does not go back.
        """
        if "\n" not in text and "\r" not in text and len(self._part) < LONGEST:
            self._part += text
            return []
        whole = self._part + text
        unfinished = _UNFINISHED.search(whole)
        cut = len(whole) if unfinished is None else unfinished.start()
        *ended, part = _in_one_line(whole[:cut]).split("\n")
        lines = [_shown(each) for each in ended if not _is_blanked(each)]
        if "\r" in part:
            before, part = part, from_last_state(part)
            if not CONTROL.sub("", part).strip():  # one that was blanked, or the end of a line
                part = before if len(before) < 3 else f"\r\r{part}"
            if self._due == float("-inf"):
                self._due = now + PROGRESS_SECONDS
            elif now >= self._due:
                self._due = now + PROGRESS_SECONDS
                lines.append(_shown(part))
        while len(part) > LONGEST:
            lines.append(_shown(part[:LONGEST]))
            part = part[LONGEST:]
        self._part = part + whole[cut:]
        return lines

    def rest(self) -> list[str]:
        """Return the line that has not ended, if there is one; it is not returned again."""
        part, self._part = self._part, ""
        shown = _shown(part)
        return [shown] if shown.strip() else []


def _in_one_line(text: str) -> str:
    r"""Return a text without the moves between the lines of two progress bars.

    The bar of an inner loop goes down a line, and up again, for each of its states.

    >>> _in_one_line("epochs\n\r 10%\x1b[A\n\r 20%\x1b[A")
    'epochs\n\r 10%\r\r 20%\x1b[A'
    """
    while "\x1b[A" in text and text != (text := _UP_AND_DOWN.sub("\r", text)):
        pass
    return text


def _is_blanked(line: str) -> bool:
    r"""Return True if only control sequences, and the blanks between them, are in a line.

    >>> _is_blanked("\r    \r\x1b[A"), _is_blanked(""), _is_blanked("\r"), _is_blanked("  ")
    (True, False, False, False)
    """
    return len(line) > 1 and ("\r" in line or "\x1b" in line) and not CONTROL.sub("", line).strip()


def _shown(line: str) -> str:
    r"""Return a line without control sequences, and not longer than the longest.

    >>> _shown("\x1b[31mred\x1b[0m\r"), len(_shown("x" * 20_000))
    ('red', 10026)
    """
    if len(line) <= LONGEST and line.isascii() and line.isprintable():
        return line  # as most are; the rest takes ten times as long
    text = visible(line).replace("\0", "\\0")
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) > LONGEST:
        return f"{text[:LONGEST]}… ({len(text) - LONGEST:,} more characters)"
    return text
