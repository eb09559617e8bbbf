"""The fixtures `write_file`, `temporary_folder` and `public_folder`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from support.two_users import need_root


@pytest.fixture
def write_file(tmp_path):
    """Return a function that writes a file below `tmp_path` and returns its path."""

    def write(name, content=b"weights"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def temporary_folder(tmp_path, monkeypatch):
    """An own folder for this test's temporary files, on the file system of its registries."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def public_folder():
    """A folder that other users can enter, which pytest's are not; all may write to ``free``.

    Skips the test where nobody can become another user.
    """
    need_root()
    with tempfile.TemporaryDirectory(prefix="localreg-test-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "free").mkdir()
        (Path(folder) / "free").chmod(0o1777)
        yield Path(folder)
