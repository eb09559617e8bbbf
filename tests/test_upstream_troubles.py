"""What goes wrong upstream: bytes that rot, registries that go away, and what is left here then."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from localreg import Registry
from localreg.errors import CorruptBlobError

BYTES = bytes(range(256)) * 40
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def shared(tmp_path):
    """The directory of a registry that keeps these bytes; the file they came from is gone."""
    (tmp_path / "net.pt").write_bytes(BYTES)
    with Registry(tmp_path / "shared", durability="fast") as registry:
        registry.add(tmp_path / "net.pt", "net", mode="move")
    return tmp_path / "shared"


@pytest.fixture
def file(tmp_path):
    """A file of the user with the same bytes."""
    path = tmp_path / "user" / "weights.pt"
    path.parent.mkdir()
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def registry(tmp_path, shared):
    """A registry in front of that one."""
    with Registry(tmp_path / "mine", upstream=[shared], durability="fast") as registry:
        yield registry


def blob_of(root):
    return root / "blobs" / "sha256" / DIGEST[:2] / DIGEST[2:]


def rot(root):
    """Change a byte of the weights in a way that the registry of them does not notice."""
    blob = blob_of(root)
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        writer.write(b"\xff")
    blob.chmod(0o444)
    with closing(sqlite3.connect(root / "registry.db")) as connection, connection:
        connection.execute("UPDATE blob SET witness = ?", (blob.stat().st_ctime_ns,))


# bytes that rot ----------------------------------------------------------------------------


def test_repair_never_leaves_bytes_to_an_upstream_whose_bytes_rotted(registry, shared, file):
    """The copy that was handed out is the last good one: it is kept, not thrown away."""
    model = registry.add(file, "mine", mode="move")
    Path(model.get_local_copy(raise_on_error=True))
    rot(shared)
    done = registry.repair(full=True)
    assert [each.how for each in done.mended] == ["copied from a file that was handed out"]
    assert blob_of(registry.path).read_bytes() == BYTES
    assert registry.verify(full=True).ok
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_repair_fetches_damaged_bytes_back_from_upstream(registry, shared, file, tmp_path):
    (tmp_path / "alone").mkdir()
    with Registry(tmp_path / "alone", durability="fast") as alone:
        alone.add(file, "mine", mode="move")
    blob_of(tmp_path / "alone").chmod(0o644)
    blob_of(tmp_path / "alone").write_bytes(b"short")
    with Registry(tmp_path / "alone", upstream=[shared], durability="fast") as front:
        done = front.repair()
        assert [each.how for each in done.mended] == [f"copied from {blob_of(shared)}"]
        assert done.lost == ()
    assert blob_of(tmp_path / "alone").read_bytes() == BYTES


def always(monkeypatch):
    monkeypatch.setenv("LOCALREG_VERIFY", "always")


def test_adding_the_same_file_again_mends_what_rotted_upstream(registry, shared, file, monkeypatch):
    """As the error says: bytes that were found damaged upstream are not left there again."""
    always(monkeypatch)
    model = registry.add(file, "mine")
    rot(shared)
    with pytest.raises(CorruptBlobError, match=r"damaged upstream.*adding the same file again"):
        model.get_local_copy(raise_on_error=True)
    registry.add(file, "mine")
    assert blob_of(registry.path).read_bytes() == BYTES
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES


def test_repair_alone_mends_what_was_found_damaged_upstream(registry, shared, file, monkeypatch):
    """What a reader met needs no second search of every byte."""
    model = registry.add(file, "mine")
    model.get_local_copy(raise_on_error=True)
    assert registry.verify().ok
    rot(shared)
    assert registry.verify().ok, "only reading tells"
    assert [each.kind for each in registry.verify(full=True).problems] == ["upstream"]
    assert [each.kind for each in registry.verify().problems] == ["upstream"]
    assert len(registry.repair().mended) == 1
    assert registry.verify(full=True).ok
