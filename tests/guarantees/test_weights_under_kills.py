"""P4, P8: kills, and gc during ingests, lose nothing, leak nothing and show nothing half."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import threading
from pathlib import Path

import pytest
from support.contents import blobs
from support.proofs import TIMES

from localreg import InputModel, Registry

BYTES = os.urandom(1_000_000)


def leftovers(root):
    return sorted(each.name for each in (Path(root) / "tmp").glob("*"))


def add_for_ever(root):
    """Add a stream that never ends."""
    import sys

    from localreg import Registry

    class Endless:
        def read(self, size):
            print("reading", flush=True)
            return sys.stdin.buffer.read(1) * size

    with Registry(root) as registry:
        registry.add(Endless(), "endless", filename="w")


def test_gc_removes_what_a_killed_ingest_left(tmp_path, children):
    with Registry(tmp_path / "r") as registry:
        child = children.start(add_for_ever, registry.path)
        child.stdin.write("ab")
        child.stdin.flush()
        for _ in range(3):  # it waits for the third piece
            assert child.stdout.readline() == "reading\n"
        assert len(leftovers(registry.path)) == 1
        assert registry.gc(grace_seconds=0, dry_run=False).garbage == (), "P8: it is alive"
        child.kill()
        child.communicate()
        assert blobs(registry.path) == []
        assert registry.models() == []
        (found,) = registry.gc(dry_run=False).garbage
        assert found.kind == "leftover"
        assert leftovers(registry.path) == []
        assert registry.verify(full=True).ok


def test_gc_does_not_disturb_an_ingest(tmp_path, children):
    with Registry(tmp_path / "r") as registry:
        child = children.start(add_from_input, registry.path)
        child.stdin.write("x" * 100_000)
        child.stdin.flush()
        assert child.stdout.readline() == "reading\n"
        assert child.stdout.readline() == "reading\n"
        for _ in range(3):
            assert registry.gc(grace_seconds=0, dry_run=False).garbage == ()
        child.stdin.close()
        child.stdin = None
        output, errors = child.communicate()
        assert child.returncode == 0, errors
        model = registry.model("m")
        assert Path(model.get_local_copy()).read_bytes() == b"x" * 100_000
        assert "done" in output


def add_from_input(root):
    import sys

    from localreg import Registry

    class Input:
        def read(self, size):
            print("reading", flush=True)
            return sys.stdin.buffer.read1(size)

    with Registry(root) as registry:
        registry.add(Input(), "m", filename="w")
    return "done"


class Slow(http.server.BaseHTTPRequestHandler):
    """Sends most of a body and then waits; sends the rest when asked for it."""

    protocol_version = "HTTP/1.0"

    def do_GET(self):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        self.server.ranges.append(asked and int(asked[1]))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("ETag", '"one"')
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(BYTES) - 1}/{len(BYTES)}")
        self.send_header("Content-Length", str(len(BYTES) - start))
        self.end_headers()
        if asked:
            self.wfile.write(BYTES[start:])
            return
        self.wfile.write(BYTES[:700_000])
        self.wfile.flush()
        self.server.sent.set()
        self.server.over.wait(60)

    def log_message(self, *_):
        pass


def get_and_tell(root, model_id):
    from localreg import InputModel, Registry

    with Registry(root, durability="fast"):
        return InputModel(model_id).get_local_copy(raise_on_error=True)


def test_the_next_process_resumes_the_download_of_a_killed_one(tmp_path, children):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.ranges, server.sent, server.over = [], threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        with Registry(tmp_path / "r", durability="fast") as registry:
            url = f"http://127.0.0.1:{server.server_port}/net.pt"
            model = InputModel.import_model(url, name="net")
            child = children.start(get_and_tell, registry.path, model.id)
            assert server.sent.wait(60)
            while sum(each.stat().st_size for each in registry.path.glob("tmp/*/part")) < 700_000:
                pass
            child.kill()
            child.communicate()
            assert model.digest is None
            assert blobs(registry.path) == []
            assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES
            assert server.ranges == [None, 700_000]
            assert leftovers(registry.path) == []
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def work(number, barrier, root, files, times):
    """Add, read and remove overlapping files; number 0 collects without a grace period."""
    import hashlib
    import random
    from pathlib import Path

    from localreg import Model, Registry

    chance = random.Random(number)
    with Registry(root, durability="fast") as registry:
        barrier.wait(60)
        if number == 0:
            failed = []
            for _ in range(60 * times):
                failed += registry.gc(grace_seconds=0, dry_run=False).failed
            return failed
        for turn in range(30 * times):
            path = Path(chance.choice(files))
            model = registry.add(path, f"m{number}", "p")
            copy = Path(model.get_local_copy(raise_on_error=True))
            digest = hashlib.sha256(copy.read_bytes()).hexdigest()
            assert digest == model.digest == hashlib.sha256(path.read_bytes()).hexdigest()
            if turn % 3:
                Model.remove(model, delete_weights_file=chance.random() < 0.5)
    return []


@pytest.mark.long
def test_eight_processes_add_read_and_remove_while_gc_runs(tmp_path, children):
    files = []
    for number in range(6):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(os.urandom(20_000 * (number + 1)))
        files.append(str(path))
    with Registry(tmp_path / "r", durability="fast") as registry:
        assert children.crowd(8, work, registry.path, files, TIMES) == [[]] * 8
        models = registry.models()
        assert len(models) == 7 * 10 * TIMES, "every third one stays"
        for model in models:
            data = Path(model.get_local_copy(raise_on_error=True)).read_bytes()
            assert hashlib.sha256(data).hexdigest() == model.digest
        registry.gc(grace_seconds=0, dry_run=False)
        assert len(blobs(registry.path)) == len({model.digest for model in models}) == 6
        assert leftovers(registry.path) == []
        assert registry.verify(full=True).ok
        assert registry.gc(grace_seconds=0).garbage == ()


def unpack_it(number, barrier, root):
    from localreg import Registry

    with Registry(root, durability="fast") as registry:
        model = registry.model("pkg")
        barrier.wait(60)
        return model.get_local_copy(raise_on_error=True)


def test_eight_processes_unpack_one_package_to_one_tree(tmp_path, children):
    folder = tmp_path / "pkg"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.bin").write_bytes(os.urandom(1_000))
    with Registry(tmp_path / "r", durability="fast") as registry:
        registry.add(folder)
        (tree,) = set(children.crowd(8, unpack_it, registry.path))
        assert {each.name: each.read_bytes() for each in Path(tree).iterdir()} == {
            each.name: each.read_bytes() for each in folder.iterdir()
        }
        assert len(list((registry.path / "trees").iterdir())) == 1
