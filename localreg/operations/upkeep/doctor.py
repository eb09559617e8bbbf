"""What a doctor would look at: the place a registry lies in, its locks, its leftovers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import localreg
from localreg.blobs.local_files.handed_out import own_copies
from localreg.blobs.staging.staging import clone
from localreg.errors import LocalregError, StorageError
from localreg.filesystem.access_rights import barrier
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.folder_sync import NO_LOCKS
from localreg.filesystem.kinds import filesystem_type, is_network
from localreg.operations.upkeep import sharing
from localreg.operations.upkeep.gc import leftovers
from localreg.operations.upkeep.repair import QUARANTINE
from localreg.operations.upkeep.verify import database_problems
from localreg.operations.weights.locations import handed_out, holder
from localreg.registry import OpenRegistry
from localreg.store.database.opening import sqlite_version
from localreg.store.rows import blob_rows, event_rows, overview_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id, now

FILE_LOCKS = "file locks"
LOCK_SECONDS = 2.0
WEIGHTS = ("blobs/sha256", "files", "trees")  # folders of weights
LITTLE_SPACE = 1_000_000_000  # bytes

# Two of these count together under one lock; if it excludes, no count is lost.
_COUNT = """
import sys, time
from filelock import FileLock
lock, counter, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
done, end = 0, time.monotonic() + seconds
while time.monotonic() < end:
    with FileLock(lock, timeout=60, fallback_to_soft=False, poll_interval=0.001):
        with open(counter) as file:
            number = int(file.read())
        with open(counter, "w") as file:
            file.write(str(number + 1))
    done += 1
print(done)
"""


class Finding(Frozen):
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: "ok", "note" (worth knowing) or "bad" (do something).
        text: what was found, and what to do.
    """

    what: str
    state: str
    text: str


def examine(registry: OpenRegistry, *, lock_seconds: float = LOCK_SECONDS) -> list[Finding]:
    """Look at a registry and its place.

    Args:
        lock_seconds: how long two processes contend for a lock.
    """
    findings = [_sqlite(), _filesystem(registry), _journal(registry)]
    findings += [_database(registry), _clock(registry), _permissions(registry)]
    findings += examine_sharing(registry)
    findings += _upstream(registry)
    if registry.store.readonly:
        return [*findings, Finding("writing", "note", f"not possible: {registry.store.refusal}")]
    findings += [_space(registry), *_links(registry), *_copies(registry)]
    return [*findings, _locks(registry, lock_seconds), *_leftovers(registry)]


def facts(registry: OpenRegistry) -> dict[str, str]:
    """Return what a registry is and what it runs on, in a few words each, by name."""
    store = registry.store
    with store.read() as connection:
        models, _ = overview_rows.counts(connection)
    return {
        "registry id": store.registry_id,
        "models": str(models),
        "writable": f"no: {store.refusal}" if store.readonly else "yes",
        "shared": f"by the group {store.shared}" if store.shared else "no",
        "file system": filesystem_type(registry.root) or "unknown",
        "locks": kind_of_locks(registry),
        "journal": store.journal_mode(),
        "durability": store.durability,
        "localreg": localreg.__version__,
        "python": platform.python_version(),
        "sqlite": sqlite_version(),
    }


def _sqlite() -> Finding:
    return Finding("SQLite", "ok", sqlite_version())


def _filesystem(registry: OpenRegistry) -> Finding:
    kind = filesystem_type(registry.root) or "of an unknown kind"
    if is_network(registry.root):
        return Finding("file system", "note", f"{kind}, which other machines may share")
    return Finding("file system", "ok", f"{kind}, local")


def _journal(registry: OpenRegistry) -> Finding:
    mode = registry.store.journal_mode()
    durability = registry.store.durability
    if mode == "wal" and is_network(registry.root):
        return Finding(
            "journal",
            "bad",
            "wal on a network file system: readers on two machines do not see the same; copy the "
            "models into a registry made there with `localreg init --journal truncate`",
        )
    return Finding("journal", "ok", f"{mode}, durability {durability}")


def _space(registry: OpenRegistry) -> Finding:
    with disk_errors("looking at the disk", registry.root):
        usage = shutil.disk_usage(registry.root)
    text = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB free"
    little = usage.free < max(LITTLE_SPACE, usage.total // 50)
    return Finding("disk", "bad" if little else "ok", text + (": make room" if little else ""))


def _database(registry: OpenRegistry) -> Finding:
    problem = next(database_problems(registry, full=False), None)
    if problem is not None:
        return Finding("database", "bad", f"{problem.text}; restore it from a backup")
    size = registry.store.path.stat().st_size
    return Finding("database", "ok", f"sound, {size / 1e6:,.1f} MB")


def _clock(registry: OpenRegistry) -> Finding:
    with registry.store.read() as connection:
        newest = event_rows.newest_time(connection)
    ahead = ((newest or 0) - now()) / 1e6
    if ahead > 60:
        return Finding(
            "clock",
            "note",
            f"the newest change is {ahead:,.0f} s in the future: a clock went back. Order does not "
            "depend on it",
        )
    return Finding("clock", "ok", "no change lies in the future")


def _permissions(registry: OpenRegistry) -> Finding:
    loose = [
        path.name or str(path)
        for path in (registry.root, *(registry.root / name for name in ("blobs", "files", "tmp")))
        if path.exists() and path.stat().st_mode & 0o002
    ]
    if loose:
        return Finding(
            "permissions",
            "bad",
            f"everybody may write to {', '.join(loose)}: chmod o-w, or where there are no modes "
            "(FAT, exFAT) mount with umask=022",
        )
    shut = [barrier(registry.root / name / "x") for name in WEIGHTS]
    closed = next((each for each in shut if each is not None), None)
    if closed is not None:
        return Finding("permissions", "bad", f"{closed}, so weights there are out of reach")
    return Finding("permissions", "ok", "not everybody may write")


def examine_sharing(registry: OpenRegistry) -> list[Finding]:
    """Look whether the members of the group that shares a registry can use it; [] without one."""
    group, name = registry.store.group, registry.store.shared
    if group is None or name is None:
        return []
    found = list(sharing.flaws(registry, group))
    blocked = sharing.blocked_above(registry, group)
    findings = []
    here = sharing.group_name(group)
    if here != name:
        findings.append(
            Finding(
                "shared",
                "note",
                f"by the group {here} here; it was made for {name}, and was copied, or groups are "
                f"called otherwise on this machine: `localreg init --shared GROUP {registry.root}`",
            )
        )
    if found:
        first = "; ".join(f"{each.path} {each.text}" for each in found[:3])
        count = "1 thing keeps" if len(found) == 1 else f"{len(found):,} things keep"
        findings.append(
            Finding(
                "shared",
                "bad",
                f"{count} the group {here} out: {first}. Each owner mends their "
                f"own by `localreg init --shared {here} {registry.root}`, root all",
            )
        )
    if blocked:
        findings.append(
            Finding(
                "shared",
                "bad",
                f"not all members of {here} may pass {blocked[-1]}: `chmod o+x` it, or choose a "
                "place that they can reach",
            )
        )
    return findings or [Finding("shared", "ok", f"by the group {here}, who can use all of it")]


def kind_of_locks(registry: OpenRegistry) -> str:
    """Return what keeps processes from downloading the same at once: locks, leases or nothing."""
    if registry.store.readonly:
        return "not needed: nothing can be written"
    import filelock

    try:
        with registry.blobs.temporary("doctor") as path:
            try:
                with filelock.FileLock(path, fallback_to_soft=False, timeout=0):
                    return FILE_LOCKS
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    return f"none ({error.strerror or error})"
                reason = error.strerror
            return _leases(path.with_name(f"doctor-{new_id()}.lease"), str(reason))
    except StorageError as error:
        return f"none ({error})"


def _leases(path: Path, reason: str) -> str:
    import filelock

    try:
        with filelock.SoftFileLease(path, timeout=0):
            return f"leases (no file locks: {reason})"
    except OSError as error:
        return f"none ({reason}; {error.strerror or error})"


def _upstream(registry: OpenRegistry) -> Iterator[Finding]:
    """Yield what is to be said of each upstream registry, and of bytes that are left to others."""
    with registry.store.read() as connection:
        rows = [row for row in blob_rows.blobs(connection) if row.upstream is not None]
        rows = [row for row in rows if blob_rows.kept(connection, row.digest)]
    homes = [(row, holder(registry, row.digest, row.size)) for row in rows]
    for each in registry.upstream:
        own = [row for row, home in homes if home == each]
        text = f"{each.root}: has {_bytes_of(own)} for this one; `localreg adopt` copies them here"
        yield Finding("upstream", "ok", text if own else f"{each.root}: nothing depends on it")
    for absent in registry.absent:
        yield Finding("upstream", "note", f"{absent.root} is left out: {absent.why}")
    lost = [row for row, home in homes if home is None]
    if lost:
        places = ", ".join(sorted({str(row.upstream) for row in lost}))
        text = f"{_bytes_of(lost)} missing, which {places} should have: make that available"
        yield Finding("upstream", "bad", text)


def _bytes_of(rows: list[BlobRow]) -> str:
    size = sum(row.size for row in rows)
    return f"{len(rows)} blob{'' if len(rows) == 1 else 's'} of {size / 1e6:,.1f} MB"


def _links(registry: OpenRegistry) -> list[Finding]:
    """Try what the file system can: hard links save space, clones save time."""
    try:
        with registry.blobs.temporary("doctor") as first:
            first.write_bytes(b"x" * 4096)
            second = first.with_name(f"doctor-{new_id()}")
            try:
                hard = _can_link(first, second)
                second.unlink(missing_ok=True)
                cloned = clone(first, second)
            finally:
                second.unlink(missing_ok=True)
    except LocalregError as error:
        return [Finding("writing", "bad", str(error))]
    return [
        Finding(
            "hard links",
            "ok" if hard else "note",
            "yes" if hard else "no: local copies take their own space",
        ),
        Finding("clones", "ok", "yes" if cloned else "no: weights are copied byte by byte"),
    ]


def _copies(registry: OpenRegistry) -> list[Finding]:
    """Tell what local copies cost that are no links: a directory that was copied may have them."""
    twice = upstream = 0
    with disk_errors("looking at local copies", registry.root):
        for digest in handed_out(registry):
            size = own_copies(registry.blobs, digest)
            if registry.blobs.ctime(digest) is not None:
                twice += size
            else:
                upstream += size
    findings = []
    if twice:
        text = (
            f"{twice / 1e6:,.1f} MB in {registry.root / 'files'} are there twice: they are no "
            "links. Delete that folder while nobody uses the registry, if you need the space; what "
            "is wanted of it is made again"
        )
        if upstream:
            text += ", as long as all upstream registries are there"
        findings.append(Finding("local copies", "note", text))
    if upstream:
        text = (
            f"{upstream / 1e6:,.1f} MB in {registry.root / 'files'} are copies of what upstream "
            "registries keep: `localreg cache ls` lists those that can be made again, and "
            "`localreg cache prune` deletes them by age or size"
        )
        findings.append(Finding("local copies", "note", text))
    return findings


def _can_link(first: Path, second: Path) -> bool:
    try:
        os.link(first, second)
    except OSError:
        return False
    return True


def _locks(registry: OpenRegistry, seconds: float) -> Finding:
    """Let two processes count under one lock for a while."""
    try:
        with registry.blobs.temporary("doctor") as counter:
            counter.write_text("0")
            lock = counter.with_name(f"doctor-{new_id()}.lock")
            try:
                counts, why = _contend(lock, counter, seconds)
            finally:
                lock.unlink(missing_ok=True)
            if not counts:
                return _untried(registry, why)
            found = int(counter.read_text())
    except LocalregError as error:
        return Finding("locks", "bad", str(error))
    if found != sum(counts) or not all(counts):
        return Finding(
            "locks",
            "note",
            f"file locks do not exclude: {sum(counts) - found} of {sum(counts)} turns were lost; "
            "the same may be downloaded twice at once, and nothing else depends on them",
        )
    return Finding("locks", "ok", f"exclude: {found:,} turns of two processes, none lost")


def _untried(registry: OpenRegistry, why: str) -> Finding:
    kind = kind_of_locks(registry)
    if kind == FILE_LOCKS:  # so it was not for them that the processes did not count
        text = f"{kind} can be taken; whether they exclude could not be tried: {why}"
        return Finding("locks", "note", text)
    return Finding(
        "locks",
        "note",
        f"file locks do not work here; instead: {kind}. Without any, the same may be downloaded "
        "twice at once; nothing else depends on them",
    )


def _contend(lock: Path, counter: Path, seconds: float) -> tuple[list[int], str]:
    """Return how often each of two processes counted; or [], and why they did not."""
    command = [sys.executable, "-c", _COUNT, str(lock), str(counter), str(seconds)]
    pipe = subprocess.PIPE
    children: list[subprocess.Popen[str]] = []
    try:
        while len(children) < 2:
            children.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True))
    except OSError as error:  # no right to run this Python, or no room for another process
        for child in children:
            child.kill()
            child.communicate()
        return [], f"{sys.executable} cannot be started: {error.strerror or error}"
    told = [child.communicate(timeout=seconds + 120) for child in children]
    for child, (_, errors) in zip(children, told, strict=True):
        if child.returncode:
            said = errors.strip().rpartition("\n")[2]
            return [], said or f"{sys.executable} ends with {child.returncode}"
    return [int(output) for output, _ in told], ""


def _leftovers(registry: OpenRegistry) -> list[Finding]:
    try:
        found = list(leftovers(registry))
    except StorageError as error:
        return [Finding("leftovers", "bad", str(error))]
    size = sum(each.size for each in found)
    text = f"{len(found)} things, {size / 1e6:,.1f} MB: `localreg gc` lists them"
    findings = [Finding("leftovers", "note", text) if found else Finding("leftovers", "ok", "none")]
    quarantine = registry.root / QUARANTINE
    damaged = sorted(quarantine.iterdir()) if quarantine.is_dir() else []
    if damaged:
        findings.append(
            Finding(
                "quarantine",
                "bad",
                f"{len(damaged)} damaged files in {quarantine}, which no source could replace: add "
                "the right files again, then delete these",
            )
        )
    return findings
