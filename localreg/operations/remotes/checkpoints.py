"""Checkpoints of a remote: what a clone begins with, instead of the whole log.

`localreg remote compact` makes one of a clone of its own, so there is nothing in it that the remote
does not have. It is the newest one that counts; one that is damaged, or does not fit the events of
the remote, is skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import rmtree

from localreg.blobs.archives import zstandard
from localreg.errors import (
    ArchiveError,
    DamagedRegistryError,
    DownloadError,
    MissingPackageError,
    NewerFormatError,
    NotARegistryError,
    RemoteChangedError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import unfinished
from localreg.store.database import checkpoint
from localreg.store.database.creating import Beginning, create
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.layout import DATABASE
from localreg.values.remote_format import CHECKPOINTS, Identity, commit_of, place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress

    Row = tuple[Any, ...]

_KEY = re.compile(rf"{CHECKPOINTS}/([0-9]{{1,19}})\.db\.zst")
_COMPARED = 16  # events that are looked up in the table
_COMPARED_SIZE = 8 << 20  # bytes of the files that are read for that
_TRIES = 3  # checkpoints; after so many damaged ones the log is read


class Checkpoint(Frozen):
    """A checkpoint that a remote has.

    Attributes:
        key: of its object.
        place: of the last row that it knows.
        size: of the object, in bytes.
    """

    key: str
    place: int
    size: int


class Begun(Frozen):
    """What a registry begins with.

    Attributes:
        checkpoint: the checkpoint; None if there was none that could be used: there is no registry.
        events: how many events came with it.
        skipped: why others could not be used, a sentence for each.
    """

    checkpoint: Checkpoint | None
    events: int
    skipped: tuple[str, ...]


class _UnlikeError(Exception):
    """A checkpoint does not fit its remote; the text says why, as the end of a sentence."""


_DAMAGE = ArchiveError, DamagedRegistryError, NotARegistryError, _UnlikeError
# Others may be able to use it. What unpacks to more than the disk holds may be a bomb: if the disk
# is too small for all events, too, reading those says so.
_UNUSABLE = *_DAMAGE, DownloadError, MissingPackageError, NewerFormatError, StorageFullError


def checkpoints(store: RemoteStore) -> list[Checkpoint]:
    """Return the checkpoints of a remote, the newest first."""
    found = []
    for key, size, _ in store.keys(CHECKPOINTS):
        match = _KEY.fullmatch(key)
        if match is not None:
            found.append(Checkpoint(key, int(match[1]), size))
    return sorted(found, key=lambda each: each.place, reverse=True)


def is_beyond(found: Checkpoint, head: int) -> bool:
    """Return True if a checkpoint is of events after the newest commit: the remote was restored."""
    return commit_of(found.place)[0] > head


def key_of(place: int) -> str:
    """Return the key of the checkpoint of a place."""
    return f"{CHECKPOINTS}/{place}.db.zst"


def begin(
    store: RemoteStore,
    identity: Identity,
    head: int,
    directory: Path,
    *,
    name: str,
    url: str,
    durability: str = "full",
    progress: Progress | None = None,
) -> Begun:
    """Make a registry that begins with the newest checkpoint of a remote, if there is one.

    It has an id and an origin of its own, and the remote, whose later events it must pull.

    Args:
        store, identity: the remote, and what it says that it is.
        head: the version of its newest commit.
        directory: of the new registry; nothing is there.
        name, url: of the remote in the new registry.
        durability: as for `Registry`.
        progress: called with the bytes that came, and with all.

    Raises:
        RemoteError: the remote cannot be read.
        StorageError: the registry cannot be written.
    """
    there = checkpoints(store)
    fitting = [each for each in there if not is_beyond(each, head)]
    skipped = [
        f"{each.key} is of events that are not at the remote any more"
        for each in there[: len(there) - len(fitting)]
    ]
    for each in fitting[:_TRIES]:
        with _folder_in(directory) as folder:
            try:
                path, content = fetch(store, each, folder, progress)
                compare(store, identity, content, path)
            except _UNUSABLE as error:
                why = str(error).replace(f"{folder}/", "")
                skipped.append(f"{each.key} cannot be used: {why}")
                continue
            mark = store.mark_of(content.cursor)
            seen = None if mark is None else json.dumps({"mark": mark})
            take_over = partial(checkpoint.take_over, name=name, url=url, seen=seen)
            beginning = Beginning(path, take_over)
            create(directory / DATABASE, durability=durability, beginning=beginning)
            return Begun(each, content.events, tuple(skipped))
    return Begun(None, 0, tuple(skipped))


@contextmanager
def _folder_in(directory: Path) -> Iterator[Path]:
    """Yield a new folder for temporary files in the folder of a registry."""
    with disk_errors("reading a checkpoint", directory):
        folder = unfinished(directory / CHECKPOINTS)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)  # gc deletes it


def fetch(
    store: RemoteStore, found: Checkpoint, folder: Path, progress: Progress | None = None
) -> tuple[Path, checkpoint.Content]:
    """Download a checkpoint, and unpack it in a folder; return its database and what is in it.

    Raises:
        DownloadError, ArchiveError, RegistryError: it cannot be read, or is no checkpoint.
    """
    path, packed = folder / DATABASE, folder / "checkpoint.db.zst"
    with disk_errors("unpacking a checkpoint", path):
        store.download(found.key, packed, progress=progress, durable=False)
        zstandard.decompress(packed, path)
        packed.unlink()
    return path, checkpoint.check(path)


def compare(
    store: RemoteStore, identity: Identity, content: checkpoint.Content, path: Path
) -> None:
    """Raise if the content of a checkpoint is not that of its remote, as far as samples show it.

    Compared are the commit that it ends with, which no other remote has, and the number of events;
    and the last row and some others, where only small files have to be read for that.
    """
    if content.table_id != identity.table_id:
        raise _UnlikeError(f"it is of the remote {content.table_id}")
    if store.commit_id(content.cursor) != content.commit:
        raise _UnlikeError(f"commit {content.cursor} of the remote is another one")
    rows = None if content.notes is None else store.count_rows(content.cursor)
    if rows is not None and content.notes is not None and rows != content.events + content.notes:
        raise _UnlikeError(
            f"it has {content.events:,} events, and the remote has {rows - content.notes:,}"
        )
    here = {row[0]: row for row in checkpoint.some_events(path, _COMPARED)}
    for wanted in ({*here, content.last_place}, {content.last_place}):
        found = store.at_within(wanted, _COMPARED_SIZE)
        if found is not None:
            there = {place(*row[:2]): row for row in found}
            _compare_rows(content, here, there, wanted)
            return


def _compare_rows(
    content: checkpoint.Content, here: dict[int, Row], there: dict[int, Row], wanted: set[int]
) -> None:
    last = there.get(content.last_place)
    if last is None or last[2] != content.last:
        raise _UnlikeError("its last event is not that of the remote")
    for at in sorted(wanted & here.keys()):
        if at not in there or not is_same(here[at], there[at]):
            raise _UnlikeError(f"its event {shown(here[at][1])} is not that of the remote")


def is_same(here: Row, there: Row) -> bool:
    """Return True if an event of a checkpoint is a row of the remote."""
    position, n, event_id, origin, _, *rest, payload = there
    return here[:-1] == (place(position, n), event_id, origin, *rest) and (
        here[-1] == payload or _parsed(here[-1]) == _parsed(payload)
    )


def _parsed(payload: object) -> object:
    try:
        return json.loads(payload) if isinstance(payload, str) else None
    except (ValueError, RecursionError):
        return None


def put(
    store: RemoteStore,
    identity: Identity,
    source: Path,
    folder: Path,
    *,
    used: str | None = None,
    progress: Progress | None = None,
) -> Checkpoint | None:
    """Make a checkpoint of a clone, and bring it to the remote.

    One of the same place that cannot be used is deleted before.

    Args:
        store, identity: the remote, and what it says that it is.
        source: the database of the clone, which is used up.
        folder: for temporary files.
        used: the key of the checkpoint that the clone began with.
        progress: called with the bytes that are sent, and with all.

    Returns:
        The checkpoint; None if the remote has one of this place already, or has no events.

    Raises:
        ArchiveError: no clone would take it.
    """
    database, packed = folder / "checkpoint.db", folder / "checkpoint.db.zst"
    with disk_errors("making a checkpoint", folder):
        end = checkpoint.end_of(source)
        if end is None or key_of(end) == used:
            return None
        version = commit_of(end)[0]
        commit = store.commit_id(version)
        if commit is None:
            raise RemoteChangedError(
                f"{store.url}: commit {version} was removed meanwhile", remote=store.url
            )
        checkpoint.pack(source, database, checkpoint.Facts(commit, store.count_rows(version)))
        made = Checkpoint(key_of(end), end, zstandard.compress(database, packed))
        database.unlink()
        for there in checkpoints(store):
            if there.place == made.place and not _is_bad(store, identity, there, folder):
                return None
        return made if store.put(made.key, packed, progress=progress) else None


def _is_bad(store: RemoteStore, identity: Identity, there: Checkpoint, folder: Path) -> bool:
    """Return True if a checkpoint could not be used, and was deleted."""
    with _folder_in(folder) as unpacked:
        try:
            path, content = fetch(store, there, unpacked)
            compare(store, identity, content, path)
        except _DAMAGE:
            store.delete([there.key])
            return True
        except _UNUSABLE:
            return False
    return False
