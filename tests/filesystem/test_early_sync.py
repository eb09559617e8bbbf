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
