"""Downloading over loopback, beside curl, requests and other programs.

localreg streams, hashes what it wrote, syncs it to disk and records it. curl and a bare stream of
requests do nothing but write. pooch is given the digest; others know none and check none. The
server is a process of its own that sends the file by `sendfile`. Budget: 1.05 of curl.

    python -m benchmarks download [--size MIB] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.measure import Case, Finding, Table, median, ratio, take_turns
from benchmarks.peers import Program, running
from localreg import InputModel, Registry

_PEAK = """
import resource, sys
from localreg import InputModel, Registry
with Registry(sys.argv[1]):
    InputModel.import_model(sys.argv[2], name="peak").get_local_copy(raise_on_error=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""

_SERVER = "import sys; from benchmarks.download import serve; serve(sys.argv[1])"


class Sender(http.server.BaseHTTPRequestHandler):
    """Sends one file, whatever is asked for; also in the way huggingface_hub asks."""

    protocol_version = "HTTP/1.1"
    file: Path
    gets = 0

    def do_HEAD(self) -> None:
        """Tell of the file."""
        self._headers()

    def do_GET(self) -> None:
        """Send the file; or, for `/gets`, how often it was sent."""
        if self.path == "/gets":
            self._headers(str(Sender.gets).encode())
            return
        Sender.gets += 1
        self._headers()
        self.wfile.flush()
        with self.file.open("rb") as reader, suppress(ConnectionError):  # who wanted the headers
            self.connection.sendfile(reader)

    def _headers(self, body: bytes = b"") -> None:
        """Send the headers of the file; or those of a short text, and the text."""
        self.send_response(200)
        size = len(body) or self.file.stat().st_size
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", '"the-only-one"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(file: str) -> None:
    """Serve a file until the process is stopped; print the port."""
    Sender.file = Path(file)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sender)
    print(server.server_port, flush=True)
    server.serve_forever()


@contextmanager
def served(file: Path) -> Iterator[str]:
    """Yield the URL of a server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(file)],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.kill()
        process.communicate()


BUDGET = 1.05
OTHERS = {
    "pooch": Program(
        "pooch",
        """
import pooch
url, digest = arguments
pooch.get_logger().setLevel("ERROR")
def call(folder):
    started = clock()
    pooch.retrieve(f"{url}/file.bin", known_hash=f"sha256:{digest}", path=folder, fname="file.bin")
    return clock() - started
""",
    ),
    "huggingface_hub": Program(
        "huggingface-hub",
        """
from huggingface_hub import hf_hub_download
def call(folder):
    started = clock()
    hf_hub_download("me/model", "file.bin", cache_dir=folder, endpoint=arguments[0])
    return clock() - started
""",
    ),
    "clearml": Program(
        "clearml",
        """
from itertools import count
from clearml import StorageManager
StorageManager.set_cache_file_limit(1)
numbers = count()
def call(folder):
    started = clock()
    assert StorageManager.get_local_copy(f"{arguments[0]}/{next(numbers)}/file.bin")
    return clock() - started
""",
    ),
}
QUICK = ("--size", "16", "--rounds", "1")
SPEED = ("--rounds", "3")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--rounds", type=int, default=5)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        file = place / "large.bin"
        with file.open("wb") as writer:
            for _ in range(options.size):
                writer.write(os.urandom(2**20))
        os.sync()
        with served(file) as url:
            yield from _measure(place, file, url, options.size, options.rounds)


def _measure(place: Path, file: Path, url: str, size: int, rounds: int) -> Iterator[Table]:
    with file.open("rb") as reader:
        digest = hashlib.file_digest(reader, "sha256").hexdigest()
    cases: dict[str, Case] = {
        "curl": lambda: _in_folder(place, lambda there: _curl(url, there / "file")),
        "requests": lambda: _in_folder(place, lambda there: _stream(url, there / "file")),
        "localreg": lambda: _in_folder(place, lambda there: _localreg(url, there)),
    }
    with running(OTHERS, url, digest) as others:
        taken = take_turns(cases | others, rounds)
    ratios = {name: ratio(times, taken["curl"]) for name, times in taken.items()}
    findings = [
        Finding(name, median(times), median(taken["curl"]), ratios[name])
        for name, times in taken.items()
    ]
    findings[list(taken).index("localreg")] = Finding(
        "localreg, verified and durable",
        median(taken["localreg"]),
        median(taken["curl"]),
        ratios["localreg"],
        f"<= {BUDGET}",
        ratios["localreg"] <= BUDGET,
        {name: ratios[name] for name in others},
        f"download {size} MiB, verified and durable",
    )
    peak = _peak(place, url)
    findings.append(Finding("peak memory", f"{peak:.0f} MB", budget="150 MB", met=peak <= 150))
    yield Table(f"{size} MiB over loopback, beside curl ({rounds} rounds)", findings)


def _in_folder(place: Path, work: Callable[[Path], object]) -> float:
    there = place / "there"
    there.mkdir()
    started = time.perf_counter()
    work(there)
    taken = time.perf_counter() - started
    shutil.rmtree(there)
    return taken


def _curl(url: str, target: Path) -> None:
    subprocess.run(["curl", "-s", "-o", target, f"{url}/file.bin"], check=True)


def _stream(url: str, target: Path) -> None:
    import requests

    with (
        requests.get(f"{url}/file.bin", stream=True, timeout=60) as answer,
        target.open("wb") as writer,
    ):
        for piece in answer.iter_content(262_144):
            writer.write(piece)


def _localreg(url: str, there: Path) -> None:
    with Registry(there / "registry"):
        model = InputModel.import_model(f"{url}/file.bin", name="m")
        model.get_local_copy(raise_on_error=True)


def _peak(place: Path, url: str) -> float:
    command = [sys.executable, "-c", _PEAK, str(place / "peak"), f"{url}/file.bin"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024 / 1e6
