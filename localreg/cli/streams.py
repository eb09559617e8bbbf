"""The standard streams of a command: closed ones, full disks, and what they cannot encode.

A write to stdout that fails raises `OutputError`, wherever it is called from. A remark on stderr
that cannot be written is lost: there is no other place to say so.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

import click

_HANDLER = "localreg.output"
QUIETLY = "localreg.quietly"  # in the `meta` of click's context: -q or --json was given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class OutputError(Exception):
    """Stdout cannot be written to.

    Attributes:
        reason: why, in the words of the operating system.
        reader_gone: True if it is a pipe whose reader has ended.
        done: what the command did before, as a sentence without its end; "" for nothing.
    """

    def __init__(self, error: OSError) -> None:
        closed = error.errno == errno.EBADF
        self.reason = "it is closed" if closed else error.strerror or str(error)
        self.reader_gone = error.errno == errno.EPIPE
        self.done = ""
        super().__init__(self.reason)


class _Output(io.RawIOBase):
    """A raw stream that raises `OutputError`, and takes no more after that."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._failed = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: ReadableBuffer) -> int | None:
        if self._failed:  # what is buffered is written again when the stream is dropped
            return len(memoryview(data))
        try:
            return self._raw.write(data)
        except OSError as error:
            self._failed = True
            raise OutputError(error) from error


@contextmanager
def standard_streams() -> Iterator[None]:
    """Run a block with streams that a command can print to, whatever the process was given."""
    _occupy()
    before = sys.stdout
    if before is sys.__stdout__:  # not in a program that replaced it, such as a test
        sys.stdout = _output(before)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout = before


@contextmanager
def already(done: str) -> Iterator[None]:
    """Print in this block what was done; if that fails, the error says it.

    Args:
        done: what was done, such as "vision/net:1 was added".
    """
    try:
        yield
    except OutputError as error:
        error.done = done
        raise


def say(text: str) -> None:
    """Print a remark on stderr, which scripts do not read; on a terminal wrap it at words."""
    if sys.stderr is None:
        return
    with suppress(OSError):  # see above
        if sys.stderr.isatty():
            import shutil
            import textwrap

            text = textwrap.fill(
                text,
                max(shutil.get_terminal_size().columns, 20),
                break_long_words=False,
                break_on_hyphens=False,
            )
        click.echo(text, err=True)


def remark(text: str) -> None:
    """Say what was done or found; not with -q, nor with --json, which says it in its own way.

    Use `say` for what went wrong, which everybody must read.
    """
    context = click.get_current_context(silent=True)
    if context is None or not context.meta.get(QUIETLY):
        say(text)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come: there may be a million, and `click.echo` would flush each."""
    write = sys.stdout.write
    for line in lines:
        write(f"{line}\n")


def print_bytes(data: bytes) -> None:
    """Write bytes to stdout as they are; as text if a program replaced it by a stream of text."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        sys.stdout.write(data.decode(errors="replace"))


def stdout_is_utf8() -> bool:
    """Return True if all text can be printed."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return codecs.lookup(encoding).name == "utf-8"


def _occupy() -> None:
    """Open closed standard streams, so that no file of a registry gets their numbers."""
    while True:
        # Not for writing: output to a closed stream is lost, and must be an error.
        number = os.open(os.devnull, os.O_RDONLY)
        if number > 2:
            os.close(number)
            return


def _output(stdout: object) -> io.TextIOWrapper:
    if isinstance(stdout, io.TextIOWrapper):
        buffer = stdout.buffer
        raw = cast("io.RawIOBase", getattr(buffer, "raw", buffer))  # python -u has no buffer
        encoding, tty = stdout.encoding, stdout.isatty()
    else:  # it was closed
        raw, encoding, tty = io.FileIO(1, "w", closefd=False), "utf-8", False
    codecs.register_error(_HANDLER, _replaced)
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(raw)), encoding=encoding, errors=_HANDLER, line_buffering=tty
    )


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return bytes of a file name as they are, and "?" for what the encoding does not have."""
    assert isinstance(error, UnicodeEncodeError)
    char = error.object[error.start]
    kept = "\udc80" <= char <= "\udcff"
    return bytes([ord(char) - 0xDC00]) if kept else "?", error.start + 1
