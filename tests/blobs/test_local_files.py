"""Local copies that are not links to their blobs: they are recognised and not made twice."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from localreg import Registry

BYTES = bytes(range(256)) * 40


@pytest.fixture
def registry(small_disk, tmp_path):
    """A registry on its own disk, with a model whose file has a large inode number."""
    disk = small_disk("-t", "tmpfs", "-o", "size=16m", "none")
    for number in range(100):
        (disk / str(number)).touch()
    (tmp_path / "net.pt").write_bytes(BYTES)
    with Registry(disk / "registry") as registry:
        registry.add(tmp_path / "net.pt", "net")
        yield registry


def blob_of(registry):
    digest = registry.model("net").digest
    return registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]


def forge(path, blob):
    """Replace a copy by other bytes with the inode number that the blob has on another disk."""
    path.unlink()
    wanted, numbers = blob.stat(), []
    while not path.exists():
        path.touch()
        numbers.append(path.stat().st_ino)
        if numbers[-1] > wanted.st_ino:
            pytest.skip(f"this file system numbers its files otherwise: {numbers}")
        if numbers[-1] != wanted.st_ino:
            path.rename(path.with_name(f".{len(numbers)}"))
    path.write_bytes(b"x" * len(BYTES))
    os.utime(path, ns=(wanted.st_atime_ns, wanted.st_mtime_ns))


@pytest.fixture
def other_disk(registry, small_disk):
    """The folder of local copies, on another disk than the blobs."""
    folder = registry.path / "files" / registry.model("net").digest
    shutil.rmtree(folder)
    folder.mkdir()
    return small_disk("-t", "tmpfs", "-o", "size=16m", "none", folder=folder)


def test_a_file_with_the_inode_number_of_its_blob_on_another_disk_is_not_a_link(
    registry, other_disk
):
    path = Path(registry.model("net").get_local_copy())
    assert path.is_relative_to(other_disk)
    forge(path, blob_of(registry))
    (problem,) = registry.verify(full=True).problems
    assert problem.kind == "file"
    os.utime(path, ns=(0, 0))
    assert Path(registry.model("net").get_local_copy()).read_bytes() == BYTES


@pytest.mark.parametrize("readonly", [False, True])
def test_verification_always_finds_a_wrong_local_copy(registry, other_disk, monkeypatch, readonly):
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    if readonly:
        monkeypatch.setattr(tempfile, "tempdir", str(other_disk))
    with Registry(registry.path, readonly=readonly) as again:
        path = Path(again.model("net").get_local_copy())
        assert path.is_relative_to(other_disk)
        forge(path, blob_of(registry))
        assert Path(again.model("net").get_local_copy()).read_bytes() == BYTES


def test_a_copy_is_made_once_on_a_file_system_with_coarse_times(small_disk, tmp_path):
    """The upstream registry is on another disk; a small ext2 stores times in seconds."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(8_000_000)
    if shutil.which("mkfs.ext2") is None:
        pytest.skip("there is no mkfs.ext2 here")
    subprocess.run(["mkfs.ext2", "-q", "-I", "128", image], check=True, capture_output=True)
    disk = small_disk("-o", "loop", image)
    (tmp_path / "net.pt").write_bytes(BYTES)
    with Registry(tmp_path / "shared") as shared:
        shared.add(tmp_path / "net.pt", "net")
        blob = blob_of(shared)
    blob.chmod(0o644)
    os.utime(blob, ns=(0, 1_700_000_001_123_456_789))
    with Registry(disk / "registry", upstream=[tmp_path / "shared"]) as registry:
        registry.add(tmp_path / "net.pt", "mine", filename="mine.pt")
    seen = set()
    for _ in range(2):
        with Registry(disk / "registry", upstream=[tmp_path / "shared"]) as registry:
            copy = Path(registry.model("mine").get_local_copy(raise_on_error=True))
            assert copy.is_relative_to(disk)
            seen.add((copy.stat().st_ino, copy.stat().st_ctime_ns))
            written = copy.stat().st_mtime_ns
            assert copy.read_bytes() == BYTES
        small_disk("-o", "remount,ro")
        small_disk("-o", "remount,rw")
    assert len(seen) == 1
    assert written != blob.stat().st_mtime_ns
