"""The commits of a Delta table: their names, and what they say.

A commit is a file of JSON lines, its actions: files that are added to the table and removed from
it. Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence

from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.remote_format import EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOG = f"{EVENTS}/_delta_log"
LAST_CHECKPOINT = f"{LOG}/_last_checkpoint"
MOST_COMMITS = 1 << 43  # so that places are numbers of 63 bits
COMMIT_LIMIT = 64 * 1024 * 1024  # bytes
_NAME = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.(.+\.)?parquet")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,250}")
_US = "localreg"  # as the engine of a commit


class DamagedCommitError(Exception):
    """A commit cannot be read."""


class AddedFile(Frozen):
    """A file of rows.

    Attributes:
        path: its name in the table.
        size: number of bytes.
        rows: number of rows; None if unknown.
        first, last: the least and the largest position in it; None if unknown.
    """

    path: str
    size: int
    rows: int | None = None
    first: int | None = None
    last: int | None = None


class Commit(Frozen):
    """What a commit says.

    Attributes:
        version: its number.
        added: the files that it adds.
        removed: names of files that it removes.
        brings: True if its files hold new rows; a compaction adds files without.
        defines: the actions that say which table it is; most commits have none.
        id: what no other commit has; of one of another program the sha256 of its bytes.
    """

    version: int
    added: tuple[AddedFile, ...]
    removed: tuple[str, ...]
    brings: bool
    defines: tuple[dict[str, Any], ...]
    id: str


def commit_key(version: int) -> str:
    """Return the key of the file of a commit.

    >>> commit_key(7)
    'events/_delta_log/00000000000000000007.json'
    """
    return f"{LOG}/{version:020}.json"


def versions_among(names: Iterable[str]) -> list[int]:
    """Return the numbers of the commits among names of files in the log, sorted.

    >>> versions_among(["00000000000000000007.json", "_last_checkpoint", "9" * 20 + ".json"])
    [7]
    """
    found = (int(match[1]) for match in map(_NAME.fullmatch, names) if match)
    return sorted(version for version in found if version < MOST_COMMITS)


def checkpoint_version(name: str) -> int | None:
    """Return up to which commit a file of the log is a checkpoint; None if it is none.

    >>> checkpoint_version("00000000000000000100.checkpoint.parquet")
    100
    """
    found = _CHECKPOINT.fullmatch(name)
    return None if found is None else int(found[1])


def commit_bytes(lines: Sequence[str], *, added: int, rows: int, operation: str = "WRITE") -> bytes:
    """Return the bytes of a commit, which no other commit has.

    Args:
        lines: its actions.
        added: how many of them add a file.
        rows: how many new rows these hold.
        operation: "WRITE" or "OPTIMIZE".
    """
    information = {
        "timestamp": time.time_ns() // 1_000_000,
        "operation": operation,
        "operationParameters": {"mode": "Append"} if operation == "WRITE" else {},
        "engineInfo": _US,
        "operationMetrics": {"num_added_files": added, "num_added_rows": rows},
        "localregCommit": new_id(),
    }
    return "\n".join([json.dumps({"commitInfo": information}), *lines, ""]).encode()


def parse_commit(version: int, data: bytes) -> Commit:
    """Return what a commit says. An empty one says nothing: it was never written to the disk.

    Raises:
        DamagedCommitError: it is cut short, or is no commit.
    """
    added: list[AddedFile] = []
    removed: list[str] = []
    defines: list[dict[str, Any]] = []
    information: dict[str, Any] = {}
    brings = False
    try:
        for line in data.decode("utf-8").split("\n"):
            if not line.strip():
                continue
            action = json.loads(line)
            if "add" in action:
                added.append(_added(action["add"]))
                brings = brings or bool(action["add"].get("dataChange", True))
            elif "remove" in action:
                removed.append(str(action["remove"]["path"]))
            elif "metaData" in action or "protocol" in action:
                defines.append(action)
            elif "commitInfo" in action:
                information = action["commitInfo"]
        ours = information.get("engineInfo") == _US
        wanted = information["operationMetrics"]["num_added_files"] if ours else len(added)
        mark = str(information["localregCommit"]) if ours else hashlib.sha256(data).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedCommitError(f"commit {version} is damaged") from None
    if wanted != len(added):
        raise DamagedCommitError(f"commit {version} is cut short")
    return Commit(version, tuple(added), tuple(removed), brings, tuple(defines), mark)


def _added(action: dict[str, Any]) -> AddedFile:
    stats = json.loads(action.get("stats") or "{}")
    return checked_file(
        action["path"],
        action["size"],
        stats.get("numRecords"),
        stats.get("minValues", {}).get("position"),
        stats.get("maxValues", {}).get("position"),
    )


def checked_file(path: object, size: object, *numbers: object) -> AddedFile:
    """Return a file that a log names. Whoever may write to the remote may have made it up.

    Args:
        path, size, numbers: as `AddedFile` has them.

    Raises:
        ValueError: the path is not a name, or the size not a number.

    >>> checked_file("../x", 9)
    Traceback (most recent call last):
    ValueError: '../x' cannot be the name of a file of events
    """
    if not isinstance(path, str) or _FILE.fullmatch(path) is None:
        raise ValueError(f"{path!r:.80} cannot be the name of a file of events")
    if type(size) is not int or size < 0:
        raise ValueError(f"{path} cannot have the size {size!r:.40}")
    rows, first, last = (
        each if type(each) is int and each >= 0 else None for each in (*numbers, *[None] * 3)[:3]
    )
    return AddedFile(path, size, rows, first, last)
