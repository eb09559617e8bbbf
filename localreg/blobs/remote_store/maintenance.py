"""Upkeep of a remote's table: join small files, delete old ones, find damage and repair it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from localreg.blobs.remote_store.commits import (
    COMMIT_LIMIT,
    LAST_CHECKPOINT,
    LOG,
    AddedFile,
    DamagedCommitError,
    checkpoint_version,
    commit_bytes,
    commit_key,
    parse_commit,
    versions_among,
)
from localreg.blobs.remote_store.event_files import Written, rewrite
from localreg.blobs.remote_store.event_log import (
    WINDOW,
    EventLog,
    MissingFileError,
)
from localreg.blobs.remote_store.objects import Objects
from localreg.errors import RemoteBusyError
from localreg.values.frozen import Frozen
from localreg.values.remote_format import EVENTS

KEPT = 7 * 86_400.0  # seconds that files stay after they are no longer needed: for slow readers
_TRIES = 1000  # of a commit that others come before
_FEWEST = 8  # files that are worth to be joined


class Compacted(Frozen):
    """What a compaction did.

    Attributes:
        version: of its commit; None if there was nothing to join.
        files: how many files were joined.
        into: how many they became.
    """

    version: int | None
    files: int
    into: int


class Vacuumed(Frozen):
    """What was deleted of a remote's table.

    Attributes:
        files: how many files.
        size: their size in bytes.
    """

    files: int
    size: int


def compact(objects: Objects, log: EventLog) -> Compacted:
    """Join the small files of a table, in the order of their rows. No row changes its place.

    Raises:
        RemoteBusyError: others wrote to the remote all the time.
    """
    head = log.head()
    groups = list(_small(log.all_files(head.version)))
    if not groups:
        return Compacted(None, 0, 0)
    lines: list[str] = []
    made = 0
    for group in groups:
        for each in _joined(objects, log, group):
            lines.append(json.dumps({"add": each.action | {"dataChange": False}}))
            made += 1
    gone = [each for group in groups for each in group]
    lines += [json.dumps({"remove": _removal(each)}) for each in gone]
    version = _commit(objects, log, head.version + 1, lines, made, {each.path for each in gone})
    log.make_checkpoint(version)
    return Compacted(version, len(gone), made)


def _small(files: Sequence[AddedFile]) -> list[list[AddedFile]]:
    """Return groups of small files that follow each other."""
    groups: list[list[AddedFile]] = [[]]
    rows = 0
    known = [each for each in files if None not in (each.rows, each.first, each.last)]
    for each in sorted(known, key=lambda file: (file.first or 0, file.last or 0)):
        many = each.rows or 0
        if groups[-1] and rows + many > WINDOW:
            groups.append([])
            rows = 0
        if many <= WINDOW // 2:
            groups[-1].append(each)
            rows += many
        elif groups[-1]:
            groups.append([])
            rows = 0
    return [group for group in groups if len(group) >= _FEWEST]


def _joined(objects: Objects, log: EventLog, group: Sequence[AddedFile]) -> list[Written]:
    wanted = sum(each.rows or 0 for each in group)
    try:
        with log.fetched(group) as source, log.local() as folder:
            written = rewrite(source, group, folder)
            rows = sum(json.loads(each.action["stats"])["numRecords"] for each in written)
            if rows != wanted:
                raise log.failed(
                    f"its files have {rows:,} rows and its log says {wanted:,}; nothing was changed"
                )
            for each in written:
                objects.put(f"{EVENTS}/{each.name}", each.path, None, None)
            return written
    except MissingFileError as error:
        raise log.missing(error) from None


def _removal(file: AddedFile) -> dict[str, object]:
    return {
        "path": file.path,
        "dataChange": False,
        "deletionTimestamp": time.time_ns() // 1_000_000,
        "extendedFileMetadata": True,
        "partitionValues": {},
        "size": file.size,
    }


def _commit(
    objects: Objects, log: EventLog, version: int, lines: list[str], made: int, gone: set[str]
) -> int:
    """Commit a compaction after all other commits, and return its version."""
    data = commit_bytes(lines, added=made, rows=0, operation="OPTIMIZE")
    for _ in range(_TRIES):
        if objects.create(commit_key(version), data) is not None:
            return version
        other = log.commit(version)
        if other is None or gone & set(other.removed) or other.defines:
            break
        version += 1
    raise RemoteBusyError(
        f"{objects.shown}: its files were not joined, because others wrote at the same time; try "
        "again",
        remote=objects.shown,
    )


def vacuum(objects: Objects, log: EventLog, kept: float = KEPT) -> Vacuumed:
    """Delete files of the table that no commit needs, and of writes that were cut.

    All ages are by the clock of the remote itself.

    Args:
        kept: seconds that a file stays after it was written, or after its removal.
    """
    before = objects.now() - kept
    needed = {each.path for each in log.all_files(log.head().version)}
    recent = [
        version
        for key, _, modified in objects.keys(LOG)
        if modified >= before
        for version in versions_among([key.rpartition("/")[2]])
    ]
    for commit in log.commits(recent):
        needed.update(commit.removed)
    old = [
        (key, size)
        for key, size, modified in objects.keys(EVENTS)
        if key.endswith(".parquet")
        and not key.startswith(f"{LOG}/")
        and modified < before
        and key.removeprefix(f"{EVENTS}/") not in needed
    ]
    objects.delete([key for key, _ in old])
    objects.clear(before)
    return Vacuumed(len(old), sum(size for _, size in old))


def check(objects: Objects, log: EventLog) -> list[str]:
    """Return what is wrong with a table, a sentence for each; nothing is changed.

    Every commit is read, and every file of events must be there with its size.

    Raises:
        RemoteError: the table cannot be read at all.
    """
    log.table_id()
    head = log.head().version
    problems = [
        f"commit {version} is empty: its writer broke down, and sends its events again"
        for version, size in _sizes(objects)
        if size == 0 and version <= head
    ]
    first = log.versions()[0]
    if first == 0:
        for _ in log.commits(range(head + 1)):
            continue  # each was parsed
    there = {key: size for key, size, _ in objects.keys(EVENTS)}
    for each in log.all_files(head):
        size = there.get(f"{EVENTS}/{each.path}")
        if size is None:
            problems.append(f"a file of events is missing: {each.path}")
        elif size != each.size:
            problems.append(
                f"a file of events has {size:,} bytes instead of {each.size:,}: {each.path}"
            )
    return problems


def _sizes(objects: Objects) -> list[tuple[int, int]]:
    return [
        (version, size)
        for key, size, _ in objects.keys(LOG)
        for version in versions_among([key.rpartition("/")[2]])
    ]


def repair(objects: Objects, log: EventLog) -> list[str]:
    """Remove newest commits that cannot be read, and a checkpoint of the log that cannot be read.

    Whoever wrote such a commit did not get an answer yet, or must send its events again.

    Returns:
        What was done, a sentence for each.
    """
    done = []
    while (version := log.versions()[-1]) > 0:
        found = objects.get(commit_key(version), COMMIT_LIMIT)
        why = _damage(log, version, b"" if found is None else found[0])
        if why is None:
            break
        objects.delete([commit_key(version)])
        log.forget()
        done.append(f"commit {version} was removed: {why}")
    if done:
        _remove_checkpoints(objects, log.versions()[-1])
    if objects.look([LAST_CHECKPOINT])[0] is not None and not log.reads_checkpoint():
        objects.delete([LAST_CHECKPOINT])
        done.append("the checkpoint of its log was damaged, and is not used any more")
    return done


def _remove_checkpoints(objects: Objects, head: int) -> None:
    """Remove checkpoints of the log with commits that were removed: others get their numbers."""
    later = [
        key
        for key, _, _ in objects.keys(LOG)
        if (found := checkpoint_version(key.rpartition("/")[2])) is not None and found > head
    ]
    if later:
        objects.delete([LAST_CHECKPOINT])  # first: it names one of them
        objects.delete(later)


def _damage(log: EventLog, version: int, data: bytes) -> str | None:
    """Return why a commit cannot be used; None if it can."""
    try:
        commit = parse_commit(version, data)
    except DamagedCommitError as error:
        return str(error)
    if not data:
        return "it was empty"
    try:
        with log.fetched(commit.added) as folder:
            for each in commit.added:
                if (folder / each.path).stat().st_size != each.size:
                    return f"its file {each.path} is cut short"
    except MissingFileError as error:
        return f"its file {error} is missing"
    return None
