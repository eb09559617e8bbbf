"""A file is compressed by zstd, and unpacked within a limit."""

from __future__ import annotations

import random

import pytest
from backports import zstd

from localreg.blobs.archives import zstandard
from localreg.errors import ArchiveError


@pytest.fixture
def packed(tmp_path):
    """A compressed file of 3 MB in several pieces."""
    source, target = tmp_path / "source", tmp_path / "source.zst"
    source.write_bytes(random.Random(1).randbytes(1_500_000) * 2)
    size = zstandard.compress(source, target)
    assert size == target.stat().st_size
    return target


def test_the_bytes_come_back(packed, tmp_path):
    assert zstandard.decompress(packed, tmp_path / "out") == 3_000_000
    assert (tmp_path / "out").read_bytes() == (tmp_path / "source").read_bytes()


def test_an_empty_file_comes_back(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    zstandard.compress(tmp_path / "empty", tmp_path / "empty.zst")
    assert zstandard.decompress(tmp_path / "empty.zst", tmp_path / "out") == 0
    assert (tmp_path / "out").read_bytes() == b""


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data + b"x",
        lambda data: data + data,
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),  # of the checksum
        lambda data: data[:700_000] + bytes([data[700_000] ^ 1]) + data[700_001:],
        lambda data: b"no archive at all",
    ],
)
def test_damage_is_an_error(packed, tmp_path, change):
    packed.write_bytes(change(packed.read_bytes()))
    with pytest.raises(ArchiveError):
        zstandard.decompress(packed, tmp_path / "out")


def test_a_bomb_stops_at_the_limit(tmp_path):
    """Some kilobytes that unpack to gigabytes are not unpacked."""
    bomb = tmp_path / "bomb.zst"
    compressor = zstd.ZstdCompressor()
    zeros = bytes(1 << 24)
    with bomb.open("wb") as file:
        for _ in range(64):
            file.write(compressor.compress(zeros))
        file.write(compressor.flush())
    assert bomb.stat().st_size < 200_000
    with pytest.raises(ArchiveError, match="more than"):
        zstandard.decompress(bomb, tmp_path / "out")
    limit = zstandard.unpacked_limit(bomb.stat().st_size)
    assert (tmp_path / "out").stat().st_size <= limit + zstandard.BUFFER


def test_what_would_be_refused_is_not_made(tmp_path):
    source = tmp_path / "zeros"
    with source.open("wb") as file:
        file.truncate(200 << 20)
    with pytest.raises(ArchiveError, match="no reader"):
        zstandard.compress(source, tmp_path / "zeros.zst")
