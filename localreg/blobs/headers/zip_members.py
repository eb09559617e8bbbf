"""Open an archive whose list of members may lie, with bounds on time and memory."""

from __future__ import annotations

import errno
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from localreg.blobs.headers.header_errors import HeaderError, TooLongError

MOST_MEMBERS = 50_000
LONGEST_LIST = 8_000_000  # bytes of a zip's list of members
_BROKEN = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, LookupError,
    OverflowError, struct.error, zlib.error, lzma.LZMAError,
)  # fmt: skip


@contextmanager
def opened_zip(file: io.RawIOBase, size: int) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what is wrong with it is a HeaderError in the block, too.

    Args:
        file: seekable; it is closed at the end.
        size: number of its bytes.

    Raises:
        HeaderError: it is broken, or its members overlap.
        TooLongError: it has more members than are looked at.
    """
    with broken_archive(), _Limited(file) as reader, zipfile.ZipFile(reader) as archive:
        _check_members(archive, size)
        yield archive


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Check the number of members, and that they can be in a file of this size."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise TooLongError(f"it has {len(members):,} members")
    if sum(member.compress_size for member in members) > size:
        raise HeaderError("its members need more bytes than it has")


@contextmanager
def broken_archive() -> Iterator[None]:
    """A block in which what is wrong with an archive, or compressed data, is a HeaderError.

    bz2 raises an OSError without a number for invalid data; a seek to an impossible place is
    EINVAL. Any other OSError is one of the disk.
    """
    try:
        yield
    except HeaderError:
        raise
    except _BROKEN as error:
        raise HeaderError("it is a broken archive") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise
        raise HeaderError("it is a broken archive") from error


class _Limited(io.BufferedReader):
    """A file that refuses to read more at once than the longest allowed list of members."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LONGEST_LIST:
            raise TooLongError(f"its list of members has {size:,} bytes")
        return super().read(size)
