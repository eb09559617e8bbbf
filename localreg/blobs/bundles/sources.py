"""The bytes of a bundle's tar: in a file or its parts, or in a stream.

Both are read forward. What is kept of a stream is written to a temporary file; what is kept of a
file is read there again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from localreg.errors import BundleError, InvalidValueError
from localreg.filesystem.pipes import widen
from localreg.filesystem.plain_files import changed, open_plain, status_of
from localreg.values.bundle_format import broken
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from types import TracebackType
    from typing import BinaryIO

PIECE = 262_144  # bytes; memory for more is new each time, which takes longer than to read it


class FileBytes:
    """The bytes of a file, or of several that follow each other.

    A context manager. A bundle that is found broken in its block may be one that changes: then the
    error says that.

    Args:
        paths: of plain files.
        argument: the name of the argument that gave the first one, for errors.
    """

    def __init__(self, paths: list[Path], argument: str) -> None:
        self._paths = paths
        self._argument = argument
        self._readers: list[FileIO] = []
        try:
            for path in paths:
                self._readers.append(open_plain(path, argument))
        except BaseException:
            self._close()
            raise
        self._status = [status_of(os.fstat(each.fileno())) for each in self._readers]
        self._ends: list[int] = []
        total = 0
        for each in self._status:
            total += each.size
            self._ends.append(total)
        self._place = 0

    def __enter__(self) -> FileBytes:
        first = self._status[0].size
        for path, status in zip(self._paths[1:], self._status[1:], strict=True):
            last = path == self._paths[-1]
            if status.size > first or (status.size < first and not last):
                self._close()
                raise broken(
                    printable_path(path.name),
                    f"it has {status.size:,} bytes, and {self._paths[0].name} has {first:,}: one "
                    "of them is cut short, or belongs to another bundle",
                )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is not None and issubclass(kind, BundleError):
                self.check_unchanged()
        finally:
            self._close()

    def take(self, size: int) -> bytes:
        """Return the next bytes; all of them."""
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the next bytes."""
        place = self.keep(size)
        yield from self.at(place, size)

    def skip(self, size: int) -> None:
        """Pass over the next bytes."""
        if self._place + size > self._ends[-1]:
            raise self._cut()
        self._place += size

    def keep(self, size: int) -> int:
        """Pass over the next bytes; return where `at` finds them."""
        place = self._place
        self.skip(size)
        return place

    def at(self, place: int, size: int) -> Iterator[bytes]:
        """Yield bytes that were kept."""
        while size > 0:
            number = next(n for n, end in enumerate(self._ends) if place < end)
            reader = self._readers[number]
            reader.seek(place - self._ends[number] + self._status[number].size)
            piece = reader.read(min(size, self._ends[number] - place, PIECE))
            if not piece:
                raise changed(self._paths[number], self._argument)
            yield piece
            place += len(piece)
            size -= len(piece)

    def at_end(self) -> bool:
        """Return True if there are no more bytes."""
        return self._place == self._ends[-1]

    def where(self, place: int, size: int) -> str:
        """Return which parts bytes that were kept are in, for errors; "" for a single file."""
        if len(self._paths) == 1:
            return ""
        names = [
            path.name
            for path, end, status in zip(self._paths, self._ends, self._status, strict=True)
            if place < end and end - status.size < place + size
        ]
        return f" (in {', '.join(names[:3])})"

    @property
    def place(self) -> int:
        """Where the next bytes are."""
        return self._place

    def _cut(self) -> BundleError:
        last = self._paths[-1]
        if len(self._paths) > 1 or last.suffix == ".001":
            return broken(
                printable_path(last.name),
                "the bundle is cut short after it; the next part is missing",
            )
        return broken(printable_path(last.name), "it is cut short")

    def check_unchanged(self) -> None:
        """Raise InvalidValueError if a file has changed since it was opened."""
        for path, reader, before in zip(self._paths, self._readers, self._status, strict=True):
            if status_of(os.fstat(reader.fileno())) != before:
                raise changed(path, self._argument)

    def _close(self) -> None:
        for each in self._readers:
            each.close()


class StreamBytes:
    """The bytes of a stream.

    Args:
        stream: gives bytes; the caller closes it.
        spool: a temporary file, open for reading and writing, for what is kept.
    """

    def __init__(self, stream: BinaryIO, spool: BinaryIO) -> None:
        widen(stream)
        self._stream = stream
        self._spool = spool
        self._end = 0
        self._place = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes; all of them."""
        return b"".join(self._pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the next bytes."""
        return self._pieces(size)

    def skip(self, size: int) -> None:
        """Pass over the next bytes."""
        for _ in self._pieces(size):
            pass

    def keep(self, size: int) -> int:
        """Keep the next bytes; return where `at` finds them."""
        place = self._end
        self._spool.seek(place)
        for piece in self._pieces(size):
            self._spool.write(piece)
        self._end += size
        return place

    def at(self, place: int, size: int) -> Iterator[bytes]:
        """Yield bytes that were kept."""
        while size > 0:
            self._spool.seek(place)
            piece = self._spool.read(min(size, PIECE))
            if not piece:
                raise OSError("a temporary file became shorter")
            yield piece
            place += len(piece)
            size -= len(piece)

    def at_end(self) -> bool:
        """Return True if there are no more bytes; it waits for them."""
        return not self._stream.read(1)

    def where(self, place: int, size: int) -> str:
        """Return "": a stream has no parts."""
        return ""

    def check_unchanged(self) -> None:
        """Do nothing: a stream is read once."""

    @property
    def place(self) -> int:
        """Where the next bytes are."""
        return self._place

    def _pieces(self, size: int) -> Iterator[bytes]:
        while size > 0:
            piece = self._stream.read(min(size, PIECE))
            if not isinstance(piece, (bytes, bytearray, type(None))):
                raise InvalidValueError(
                    f"the stream gives {type(piece).__name__}, not bytes; open it in binary mode",
                    argument="source",
                )
            if not piece:
                raise broken("tar", f"the stream is cut short after {self._place:,} bytes")
            self._place += len(piece)
            size -= len(piece)
            yield piece
