"""A growing file is on its way to disk before it is synced."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

WRITES = """
import sys
from localreg.filesystem.syncing import EarlySync
with open(sys.argv[1], "wb", buffering=0) as writer:
    early = EarlySync(writer.fileno())
    for size in map(int, sys.argv[2:]):
        writer.write(bytes(size))
        early.wrote(size)
    early.wrote_all()
    early.wrote_all()
"""
MIB = 1024 * 1024


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("sizes", "begun"),
    [
        ([100], [(0, 100)]),
        ([], []),
        ([40 * MIB, 3, 40 * MIB, 5], [(0, 40 * MIB), (40 * MIB, 40 * MIB + 3), (80 * MIB + 3, 5)]),
    ],
)
def test_each_part_is_begun_once(tmp_path, sizes, begun):
    log = tmp_path / "log"
    words = ["strace", "-e", "trace=sync_file_range", "-o", log]
    subprocess.run(
        [*words, sys.executable, "-c", WRITES, tmp_path / "file", *map(str, sizes)], check=True
    )
    found = re.findall(
        r"sync_file_range\(\d+, (\d+), (\d+), SYNC_FILE_RANGE_WRITE\)", log.read_text()
    )
    assert [(int(start), int(size)) for start, size in found] == begun


KEPT = """
import io, sys
from pathlib import Path
from localreg.blobs.staging.staging import stage_stream
stage_stream(io.BytesIO(bytes(80 << 20)), Path(sys.argv[1]), sync=True, progress=None)
"""
DOWNLOADED = """
import sys
from pathlib import Path
from localreg.blobs.transfer.partial import Part
with Part(Path(sys.argv[1]), "key", durable=True) as part:
    for _ in range(80):
        part.write(bytes(1 << 20))
    part.finish()
"""
NOT_DURABLE = KEPT.replace("sync=True", "sync=False")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("code", "calls"),
    [
        (KEPT, ["sync_file_range", "sync_file_range", "fsync"]),
        (DOWNLOADED, ["sync_file_range", "sync_file_range", "fsync"]),
        (NOT_DURABLE, []),
    ],
)
def test_what_arrives_is_synced_once_at_its_end_and_on_its_way_before(tmp_path, code, calls):
    """A sync in between would keep the receiver waiting."""
    log = tmp_path / "log"
    words = ["strace", "-f", "-e", "trace=sync_file_range,fsync,fdatasync", "-o", log]
    subprocess.run([*words, sys.executable, "-c", code, tmp_path / "file"], check=True)
    found = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
    assert found == calls
