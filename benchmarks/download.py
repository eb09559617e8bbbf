"""Downloading over loopback, beside curl, requests, pooch and huggingface_hub.

localreg streams, hashes what it wrote, syncs it to disk and records it. curl and a bare stream of
requests do nothing but write. pooch and huggingface_hub are measured where they are installed;
pooch is given the digest, the other one knows none and checks none. The server is a process of
its own that sends the file by `sendfile`.

    python -m benchmarks download [--size MIB] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import http.server
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Case, Finding, Table, median, ratio, take_turns
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

    def do_HEAD(self) -> None:
        """Tell of the file."""
        self._headers()

    def do_GET(self) -> None:
        """Send the file."""
        self._headers()
        self.wfile.flush()
        with self.file.open("rb") as reader:
            self.connection.sendfile(reader)

    def _headers(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.file.stat().st_size))
        self.send_header("ETag", '"the-only-one"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

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


QUICK = ("--size", "16", "--rounds", "1")


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
    if importlib.util.find_spec("pooch"):
        cases["pooch"] = lambda: _in_folder(place, lambda there: _pooch(url, there, digest))
    if importlib.util.find_spec("huggingface_hub"):
        cases["huggingface_hub"] = lambda: _in_folder(place, lambda there: _hub(url, there))
    taken = take_turns(cases, rounds)
    findings = [
        Finding(
            f"{name}, verified and durable" if name == "localreg" else name,
            median(times),
            median(taken["curl"]),
            ratio(times, taken["curl"]),
            "1.4 x" if name == "localreg" else "",
            ratio(times, taken["curl"]) <= 1.4 if name == "localreg" else None,
        )
        for name, times in taken.items()
    ]
    peak = _peak(place, url)
    findings.append(Finding("peak memory", f"{peak:.0f} MB", budget="150 MB", met=peak <= 150))
    yield Table(f"{size} MiB over loopback, beside curl ({rounds} rounds)", findings)
    missing = [name for name in ("pooch", "huggingface_hub") if name not in cases]
    if missing:
        print(f"not installed, and left out: {', '.join(missing)}", file=sys.stderr)


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


def _pooch(url: str, there: Path, digest: str) -> None:
    import pooch

    pooch.get_logger().setLevel("ERROR")
    pooch.retrieve(f"{url}/file.bin", known_hash=f"sha256:{digest}", path=there, fname="file.bin")


def _hub(url: str, there: Path) -> None:
    from huggingface_hub import hf_hub_download

    hf_hub_download("me/model", "file.bin", cache_dir=there, endpoint=url)


def _peak(place: Path, url: str) -> float:
    command = [sys.executable, "-c", _PEAK, str(place / "peak"), f"{url}/file.bin"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout) * 1024 / 1e6
