"""One GiB to and from an S3 server, beside obstore alone.

localreg hashes what it uploads and looks at what arrived; it hashes what it downloads, syncs it to
disk and records it. obstore, by which it does so, does nothing but upload, and write what it reads.
The server is started here, and keeps what it is given in the same file system.

    python -m benchmarks clouds [--size MIB] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import obstore
from obstore.store import ObjectStore, from_url

from benchmarks.measure import Finding, Table, median, ratio, take_turns
from localreg import InputModel, OutputModel, Registry, Task

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.servers.object_servers import SeaweedFS

_PEAK = """
import sys
from pathlib import Path
from localreg.blobs.transfer.cloud import upload
from localreg.blobs.transfer.downloading import download
source, url, place = sys.argv[1:]
if source:
    upload.upload(Path(source), url)
else:
    download(url, Path(place))
# Not getrusage: that counts what the process was forked from.
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


QUICK = ("--size", "16", "--rounds", "1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--rounds", type=int, default=3)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder, _bucket(Path(folder) / "server") as url:
        place = Path(folder) / "here"
        place.mkdir()
        file = place / "large.bin"
        with file.open("wb") as writer:
            for _ in range(options.size):
                writer.write(os.urandom(2**20))
        os.sync()
        yield from _measure(_Transfers(place, file, url), options.size, options.rounds)


@contextmanager
def _bucket(folder: Path) -> Iterator[str]:
    folder.mkdir()
    server = SeaweedFS(folder)
    try:
        bucket = server.bucket()
        os.environ.update(bucket.environment)
        yield bucket.url
    finally:
        server.stop()


class _Transfers:
    """What is measured; each returns seconds, and leaves nothing."""

    def __init__(self, place: Path, file: Path, url: str) -> None:
        self.place, self.file, self.url = place, file, url
        self._store: ObjectStore = from_url(
            url, client_options={"allow_http": True, "timeout": "1h"}
        )
        obstore.put(self._store, "down.bin", file)
        self.remote = f"{url}/down.bin"

    def raw_upload(self) -> float:
        taken = _timed(lambda: obstore.put(self._store, "raw.bin", self.file))
        obstore.delete(self._store, "raw.bin")
        return taken

    def upload(self) -> float:
        with self._registry():
            model = OutputModel(Task.create("benchmark", "upload"))
            taken = _timed(
                lambda: model.update_weights(
                    self.file, upload_uri=f"{self.url}/ours", async_enable=False
                )
            )
            assert OutputModel.remove(model)
            return taken

    def raw_download(self) -> float:
        target = self.place / "raw.bin"

        def get() -> None:
            with target.open("wb") as writer:
                for piece in obstore.get(self._store, "down.bin").stream():
                    writer.write(piece)

        taken = _timed(get)
        target.unlink()
        return taken

    def download(self) -> float:
        with self._registry():
            model = InputModel.import_model(self.remote, name="m")
            return _timed(lambda: model.get_local_copy(raise_on_error=True))

    @contextmanager
    def _registry(self) -> Iterator[None]:
        root = self.place / "registry"
        with Registry(root):
            yield
        shutil.rmtree(root)

    def peak(self, source: Path | None, url: str) -> float:
        """Return the most memory that a process of its own had in use, in MB."""
        target = self.place / "peak.bin"
        command = [sys.executable, "-c", _PEAK, str(source or ""), url, str(target)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        target.unlink(missing_ok=True)
        return int(done.stdout) * 1024 / 1e6


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _measure(transfers: _Transfers, size: int, rounds: int) -> Iterator[Table]:
    taken = take_turns(
        {
            "obstore up": transfers.raw_upload,
            "up": transfers.upload,
            "obstore down": transfers.raw_download,
            "down": transfers.download,
        },
        rounds,
    )
    findings = []
    for name, what in (("up", "upload, hashed"), ("down", "download, verified and durable")):
        ours, raw = taken[name], taken[f"obstore {name}"]
        found = ratio(ours, raw)
        findings.append(Finding(what, median(ours), median(raw), found, "1.2 x", found <= 1.2))
    url = f"{transfers.url}/peak.bin"
    for what, source in (("uploading", transfers.file), ("downloading", None)):
        peak = transfers.peak(source, url)
        findings.append(
            Finding(f"peak memory {what}", f"{peak:.0f} MB", budget="150 MB", met=peak <= 150)
        )
    yield Table(f"{size} MiB, SeaweedFS over loopback, beside obstore ({rounds} rounds)", findings)
