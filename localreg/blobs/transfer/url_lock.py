"""One download of a URL at a time, to save bandwidth; nothing breaks if the lock does nothing.

Each download writes into a folder of its own, ``tmp/get-<url>-<id>.<owner>``. No other process
touches it while its owner lives. After a killed or failed download the next process renames the
folder to its own name, which only one process can do, and continues there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg import log
from localreg.blobs.blob_files import size_of
from localreg.errors import LockTimeoutError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.group_modes import share_at
from localreg.filesystem.portable_files import remove_file
from localreg.filesystem.syncing import NO_LOCKS
from localreg.filesystem.temporary_owners import free_mark, is_alive, owner_mark, process_id
from localreg.values.ids import new_id
from localreg.values.layout import TEMPORARY, UNFINISHED_DOWNLOAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    import filelock

    from localreg.blobs.folders import Folders

PART = "part"
PATIENCE = 60.0  # seconds to wait for a download that does not grow
POLL = 0.1  # seconds between two tries of the lock
LOOK = 0.01  # seconds between two looks whether the bytes came; a look costs less than a try


def url_key(url: str) -> str:
    """Return a digest of a URL for file names; it reveals no secret of the URL."""
    import hashlib

    return hashlib.sha256(url.encode()).hexdigest()[:32]


@contextmanager
def sole_download(
    folders: Folders,
    url: str,
    *,
    patience: float = PATIENCE,
    came: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Wait until no other process downloads `url`, and keep others waiting inside the block.

    Where the file system has no locks, no process waits. Who waits for bytes that another process
    brings goes on as soon as they are there, without the lock: one after the other, each would
    wait for the one before.

    Args:
        folders: those of the registry to download into.
        url: what is downloaded.
        patience: seconds to wait for another process's download that does not grow.
        came: asked while this waits: True if another process has brought what is wanted.

    Raises:
        LockTimeoutError: it did not grow for that long; the message names its process.
    """
    import filelock

    with disk_errors("locking a download", folders.root):
        path = folders.lock_file(f"url-{url_key(url)}.lock")
        # thread_local, the default: threads of one process wait for each other too.
        lock: filelock.BaseFileLock = filelock.FileLock(path, fallback_to_soft=False)
        try:
            _wait(folders, url, lock, path, patience, came)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            log.info(
                "%s has no file locks (%s); the same may be downloaded more than once",
                path.parent, error.strerror,
            )  # fmt: skip
    try:
        yield
    finally:
        # Nothing rests on the lock, so a failure to release it does no harm.
        with suppress(OSError):
            lock.release()


def _wait(
    folders: Folders,
    url: str,
    lock: filelock.BaseFileLock,
    path: Path,
    patience: float,
    came: Callable[[], bool],
) -> None:
    import filelock

    grown, deadline = -1, time.monotonic() + patience
    while True:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            size = sum(_size(folder) for folder in _folders(folders, url))
            if size != grown:
                grown, deadline = size, time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise LockTimeoutError(
                    f"{_holder(folders, url)} downloads the same and has not come further for "
                    f"{patience:.0f} s; stop it and try again (it holds {path})",
                    path=str(path),
                ) from None
            again = time.monotonic() + POLL
            while time.monotonic() < again:
                time.sleep(LOOK)
                if came():
                    return
        else:
            return


def _holder(folders: Folders, url: str) -> str:
    """Return which process downloads a URL, as far as this machine can see it."""
    for folder in _folders(folders, url):
        if is_alive(folder.name):
            import platform  # slow to import, and only named here

            return f"process {process_id(folder.name)} on {platform.node()}"
    return "another process"


@contextmanager
def download_folder(folders: Folders, url: str) -> Iterator[Path]:
    """Yield the path to download to; it may hold a part of an earlier download.

    A part that is there at the end stays for the next download of the URL.
    """
    with disk_errors("downloading weights", folders.root):
        mine = folders.make_folder(TEMPORARY) / _folder_name(url, owner_mark())
        if not _take_over(folders, url, mine):
            mine.mkdir()
            share_at(mine, folders.group)
    try:
        yield mine / PART
    finally:
        try:
            _release(mine, url)
        except OSError as error:  # what was downloaded is recorded already, or is not wanted
            log.warning("%s is left over: %s", mine, error.strerror or error)


def _folder_name(url: str, owner: str) -> str:
    return f"{UNFINISHED_DOWNLOAD}{url_key(url)}-{new_id()[:8]}{owner}"


def _take_over(folders: Folders, url: str, mine: Path) -> bool:
    for folder in _folders(folders, url):
        # Only of this boot: bytes that were not synced when the machine stopped may be wrong.
        free = folder.name.endswith(free_mark()) or is_alive(folder.name) is False
        if free and _is_own(folder) and _holds_files(folder):
            try:
                folder.rename(mine)
            except OSError:  # another process was first
                continue
            return True
    return False


def _is_own(folder: Path) -> bool:
    """Return True if this user made a folder; only the owner can make its files read-only."""
    try:
        return not hasattr(os, "geteuid") or folder.lstat().st_uid == os.geteuid()
    except FileNotFoundError:  # another process was first
        return False


def _holds_files(folder: Path) -> bool:
    """Return True if a folder has nothing but plain files; a stranger may have made it."""
    return not folder.is_symlink() and all(size_of(each) is not None for each in folder.iterdir())


def _release(mine: Path, url: str) -> None:
    remaining = list(mine.iterdir())
    if mine / PART in remaining:
        mine.rename(mine.with_name(_folder_name(url, free_mark())))
        return
    for path in remaining:
        remove_file(path)
    mine.rmdir()


def _folders(folders: Folders, url: str) -> list[Path]:
    return sorted(folders.folder_path(TEMPORARY).glob(f"{UNFINISHED_DOWNLOAD}{url_key(url)}-*"))


def _size(folder: Path) -> int:
    try:
        return (folder / PART).stat().st_size
    except OSError:  # not started, or just finished
        return 0
