"""P2: bytes are synced before they get their name, and names before a call returns."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import threading
from pathlib import Path

import pytest
from support.foreign_signatures import new_key, private_pem

from localreg import InputModel, Registry

BYTES = os.urandom(300_000)


class Disk:
    """The calls to the operating system, in order.

    Attributes:
        events: ("sync", inode), ("mode", inode), ("name", path) and ("make", path).
    """

    def __init__(self, monkeypatch):
        self.events = []
        self.watch(monkeypatch, "fsync", lambda number: ("sync", os.fstat(number).st_ino))
        for name in ("rename", "replace"):
            self.watch(monkeypatch, name, lambda _, target: ("name", os.fspath(target)))
        self.watch(monkeypatch, "fchmod", lambda file, _: ("mode", os.fstat(file).st_ino))
        self.watch(monkeypatch, "mkdir", lambda path, *_: ("make", os.fspath(path)))

    def watch(self, monkeypatch, name, event):
        real = getattr(os, name)

        def watched(*arguments):
            result = real(*arguments)
            self.events.append(event(*arguments))
            return result

        monkeypatch.setattr(os, name, watched)

    def check(self, registry, model):
        """Check the order of all that was done for a model's weights."""
        blob = registry.path / "blobs" / "sha256" / model.digest[:2] / model.digest[2:]
        link = Path(model.get_local_copy(extract_archive=False))
        named = self.events.index(("name", str(blob)))
        assert ("sync", blob.stat().st_ino) in self.events[:named], "bytes before the name"
        for place in (blob, link):
            named = next(
                number
                for number, (what, where) in enumerate(self.events)
                if (what, where) == ("name", str(place))
            )
            assert ("sync", place.parent.stat().st_ino) in self.events[named:], place
        for number, (what, where) in enumerate(self.events):
            if what == "make" and Path(where).exists() and registry.path in Path(where).parents:
                parent = Path(where).parent.stat().st_ino
                assert ("sync", parent) in self.events[number:], where


@pytest.fixture
def store(tmp_path):
    with Registry(tmp_path / "r") as registry:
        yield registry


@pytest.fixture
def file(write_file):
    return write_file("net.pt", BYTES)


@pytest.fixture
def url():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(BYTES)))
            self.end_headers()
            self.wfile.write(BYTES)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/net.pt"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("mode", ["copy", "move", "link"])
def test_a_file_is_on_disk_before_it_is_named(mode, store, file, monkeypatch):
    disk = Disk(monkeypatch)
    disk.check(store, store.add(file, "m", mode=mode))


def test_a_stream_is_on_disk_before_it_is_named(store, monkeypatch):
    disk = Disk(monkeypatch)
    model = store.add(io.BytesIO(BYTES), "m", filename="w")
    disk.check(store, model)
    inode = Path(model.get_local_copy()).stat().st_ino
    assert disk.events.index(("mode", inode)) < disk.events.index(("sync", inode))


def test_a_package_is_on_disk_before_it_is_named(store, file, tmp_path, monkeypatch):
    """Where syncfs is missing; tests/guarantees/test_packages_syncing.py has the other case."""
    (tmp_path / "bert").mkdir()
    file.rename(tmp_path / "bert" / "net.pt")
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    disk = Disk(monkeypatch)
    disk.check(store, store.add(tmp_path / "bert", "m"))


def test_a_download_is_on_disk_before_it_is_named(store, url, monkeypatch):
    disk = Disk(monkeypatch)
    model = InputModel.import_model(url, name="m", copy=True)
    disk.check(store, model)


def test_a_copy_in_the_folder_of_a_package_is_on_disk_before_that_is_named(
    store, file, tmp_path, monkeypatch
):
    """Where syncfs is missing, each file is synced: sync of macOS does not wait for the disk.

    A program is a copy. A link needs no sync: its bytes are on disk, and a lost name is noticed.
    """
    (tmp_path / "bert").mkdir()
    file.rename(tmp_path / "bert" / "net.pt")
    (tmp_path / "bert" / "net.pt").chmod(0o755)
    model = store.add(tmp_path / "bert", "m")
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    disk = Disk(monkeypatch)
    tree = Path(model.get_local_copy())
    named = disk.events.index(("name", str(tree)))
    for place in (tree / "net.pt", tree):
        assert ("sync", place.stat().st_ino) in disk.events[:named]
    assert ("sync", tree.parent.stat().st_ino) in disk.events[named:]


def test_a_signature_is_on_disk_before_it_is_recorded(store, file, tmp_path, monkeypatch):
    (tmp_path / "key.pem").write_bytes(private_pem(new_key()))
    store.add(file, "m")
    disk = Disk(monkeypatch)
    store.sign("m", tmp_path / "key.pem")
    digest = hashlib.sha256(store.signature("m")).hexdigest()
    blob = store.path / "blobs" / "sha256" / digest[:2] / digest[2:]
    named = disk.events.index(("name", str(blob)))
    assert ("sync", blob.stat().st_ino) in disk.events[:named], "bytes before the name"
    assert ("sync", blob.parent.stat().st_ino) in disk.events[named:]


def test_only_a_fast_registry_does_not_sync(tmp_path, file, monkeypatch):
    with Registry(tmp_path / "fast", durability="fast") as registry:
        disk = Disk(monkeypatch)
        registry.add(file, "m")
        assert [event for event in disk.events if event[0] == "sync"] == []
