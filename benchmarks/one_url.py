"""Eight processes that want the weights of one URL at once.

Raw is eight processes that do by hand what is needed: the first one takes a lock, downloads,
hashes, syncs and renames; the others wait for the lock and find the file. Budget: 1.3 of raw, and
one GET.

    python -m benchmarks one_url [--size MIB] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.download import served
from benchmarks.measure import (
    Case,
    Finding,
    Table,
    fresh_processes,
    in_fresh_folder,
    median,
    ratio,
    take_turns,
)
from benchmarks.peers import python_with
from localreg import InputModel, Registry

PROCESSES = 8
BUDGET = 1.3
OWN = ("localreg", "raw")
# Each process imports what it needs, says that it is ready, and begins when it is asked.
_READY = """
import sys
folder, url = sys.argv[1:]
{}
print("ready", flush=True)
sys.stdin.readline()
call()
print("done", flush=True)
"""
CODES = {
    "localreg": """
from localreg import InputModel, Registry
registry = Registry(folder)
model = registry.model("net")
import picklescan.scanner, requests
import localreg.blobs.transfer.http.download, localreg.operations.weights.local_copies
def call():
    assert model.get_local_copy(raise_on_error=True)
""",
    "raw": """
import fcntl, hashlib, os, urllib.request
def call():
    with open(f"{folder}/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(f"{folder}/net.pt"):
            return
        digest, buffer = hashlib.sha256(), memoryview(bytearray(256 * 1024))
        with urllib.request.urlopen(url) as answer, open(f"{folder}/new", "wb") as writer:
            while size := answer.readinto(buffer):
                digest.update(buffer[:size])
                writer.write(buffer[:size])
            writer.flush()
            os.fsync(writer.fileno())
        os.rename(f"{folder}/new", f"{folder}/net.pt")
""",
    "huggingface-hub": """
from huggingface_hub import hf_hub_download
def call():
    hf_hub_download("me/model", "net.pt", cache_dir=folder, endpoint=url.rpartition("/")[0])
""",
    "pooch": """
import pooch
def call():
    pooch.retrieve(url, known_hash=None, path=folder, fname="net.pt")
""",
    "clearml": """
import os
os.environ["CLEARML_CACHE_DIR"] = folder
from clearml import StorageManager
def call():
    assert StorageManager.get_local_copy(url)
""",
}


QUICK = ("--size", "4", "--rounds", "1")
SPEED = ("--rounds", "5")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--size", type=int, default=256, help="MiB")
    parser.add_argument("--rounds", type=int, default=7)


def measured(options: argparse.Namespace) -> Iterator[Table]:
    """Measure, and yield each table when it is ready."""
    with tempfile.TemporaryDirectory() as name, fresh_processes():
        place = Path(name)
        file = place / "net.pt"
        with file.open("wb") as writer:
            for _ in range(options.size):
                writer.write(os.urandom(2**20))
        with served(file) as server:
            gets: dict[str, int] = {}
            cases: dict[str, Case] = {}
            for who in CODES:
                own = who in OWN
                if python := sys.executable if own else python_with(who):
                    case = in_fresh_folder(place, partial(_crowd, who, python, server, gets))
                    if own or _works(who, case):
                        cases[who] = case
            taken = take_turns(cases, options.rounds)
    raw = taken["raw"]
    times = {who: ratio(found, raw) for who, found in taken.items()}
    row = f"{PROCESSES} processes want one URL of {options.size} MiB"
    yield Table(
        row,
        [
            Finding("seconds", median(taken["localreg"]), median(raw), times["localreg"],
                    f"<= {BUDGET}", times["localreg"] <= BUDGET,
                    {who: times[who] for who in cases if who not in OWN}, row),
            Finding("GETs", str(gets["localreg"]), str(gets["raw"]), budget="1",
                    met=gets["localreg"] == 1,
                    peers={who: gets[who] for who in cases if who not in OWN},
                    row=f"{row}: GETs"),
        ],
    )  # fmt: skip


def _works(who: str, case: Case) -> bool:
    """Return True if another program does what is asked of it; say so if it does not."""
    try:
        case()
    except RuntimeError as error:
        print(f"{who} is left out: {error}", file=sys.stderr)
        return False
    return True


def _crowd(who: str, python: str, server: str, gets: dict[str, int], folder: Path) -> float:
    """Return how long it takes until all processes have the weights; note the GETs."""
    url = f"{server}/net.pt"
    if who == "localreg":
        with Registry(folder, durability="full"):
            InputModel.import_model(url, name="net")
    before = _gets(server)
    command = [python, "-c", _READY.format(CODES[who]), str(folder), url]
    crowd = [
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"HOME": str(folder), "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        )
        for _ in range(PROCESSES)
    ]
    try:
        for each in crowd:
            _heard(each, "ready")
        started = time.perf_counter()
        for each in crowd:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        for each in crowd:
            _heard(each, "done")
        taken = time.perf_counter() - started
    finally:
        for each in crowd:
            each.kill()
            each.communicate()
    gets[who] = _gets(server) - before
    return taken


def _heard(process: subprocess.Popen[str], word: str) -> None:
    """Wait for a word of a process.

    Raises:
        RuntimeError: it ended without.
    """
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise RuntimeError(f"a process ended before it was {word}")


def _gets(server: str) -> int:
    """Return how many GETs of the file the server has answered."""
    with urllib.request.urlopen(f"{server}/gets") as answer:
        return int(answer.read())
