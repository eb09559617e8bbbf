"""Compress a file by zstd, and unpack it within a limit.

The compressed file has a checksum, so damage is noticed when it is unpacked.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path

from localreg.errors import ArchiveError, MissingPackageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

BUFFER = 1 << 20
LEVEL = 3  # higher ones take three times as long, and save 2 % of a database
# What a file may unpack to: so many times its size, and this many bytes in any case. A database
# of events is about four times as large as its compressed form.
MOST_TIMES, MOST_IN_ANY_CASE = 200, 64 << 20


def unpacked_limit(size: int) -> int:
    """Return how many bytes a compressed file of a size may unpack to.

    >>> unpacked_limit(1_000_000)
    267108864
    """
    return MOST_IN_ANY_CASE + MOST_TIMES * size


def compress(source: Path, target: Path) -> int:
    """Write the compressed form of a file to a new file; return its size.

    Raises:
        ArchiveError: `decompress` would refuse it, since it gets too small.
    """
    zstd = _zstd()
    parameters = {
        zstd.CompressionParameter.compression_level: LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    compressor = zstd.ZstdCompressor(options=parameters)
    taken = size = 0
    with source.open("rb") as reader, target.open("xb") as writer:
        while data := reader.read(BUFFER):
            taken += len(data)
            size += writer.write(compressor.compress(data))
        size += writer.write(compressor.flush())
    if taken > unpacked_limit(size):
        raise ArchiveError(
            f"{source} has {taken:,} bytes and is compressed to {size:,}, which no reader would "
            "unpack",
            path=str(source),
            member=None,
        )
    return size


def decompress(source: Path, target: Path) -> int:
    """Unpack a compressed file to a new or empty file; return its size.

    Raises:
        ArchiveError: it is damaged, incomplete, followed by something else, or unpacks to more
            than `unpacked_limit`. The target holds what was unpacked before.
    """
    zstd = _zstd()
    limit = unpacked_limit(source.stat().st_size)
    decompressor = zstd.ZstdDecompressor()
    size = 0
    with source.open("rb") as reader, target.open("wb") as writer:
        while not decompressor.eof:
            data = reader.read(BUFFER) if decompressor.needs_input else b""
            if decompressor.needs_input and not data:
                raise _broken(source, "it is incomplete")
            try:
                # In pieces: a few bytes may unpack to any number.
                piece = decompressor.decompress(data, BUFFER)
            except zstd.ZstdError as error:
                raise _broken(source, str(error)) from error
            size += writer.write(piece)
            if size > limit:
                raise _broken(source, f"it unpacks to more than {limit:,} bytes")
        if decompressor.unused_data or reader.read(1):
            raise _broken(source, "something follows its end")
    return size


def _broken(source: Path, why: str) -> ArchiveError:
    return ArchiveError(f"{source} cannot be unpacked: {why}", path=str(source), member=None)


def _zstd() -> ModuleType:
    with suppress(ImportError):  # before Python 3.14
        return import_module("compression.zstd")
    with suppress(ImportError):  # the extra is not installed
        return import_module("backports.zstd")
    raise MissingPackageError(
        "checkpoints of remotes need the package backports.zstd, which is not installed; "
        "`pip install 'localreg[remote]'` installs it",
        package="backports.zstd",
    )
