"""One download of a URL at a time, to save bandwidth; nothing is wrong when the lock does nothing.

Each download writes into a folder of its own, ``tmp/get-<url>.<owner>``, which no other process
touches while its owner lives. What a killed or failed one left is taken over by renaming the
folder, which only one process can do.
"""

from __future__ import annotations

import errno
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg import log
from localreg.blobs.disk_errors import disk_errors
from localreg.blobs.owners import free_mark, is_alive, owner_mark, process_id
from localreg.errors import LockTimeoutError
from localreg.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    import filelock

    from localreg.blobs.blobstore import BlobStore

PART = "part"
PATIENCE = 60.0  # seconds to wait for a download that does not grow
POLL = 0.05
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})


def url_key(url: str) -> str:
    """Return what stands for a URL in file names; no secret can be read off it."""
    import hashlib

    return hashlib.sha256(url.encode()).hexdigest()[:32]


@contextmanager
def sole_download(blobs: BlobStore, url: str, *, patience: float = PATIENCE) -> Iterator[None]:
    """Wait until no other process downloads `url`, and keep others waiting inside the block.

    Args:
        patience: seconds to wait for another's download that does not grow.

    Raises:
        LockTimeoutError: it did not grow for that long; the message names its process.
        StorageError: the lock file cannot be made.
    """
    import filelock

    with disk_errors("locking a download", blobs.root):
        path = blobs.folder("locks") / f"url-{url_key(url)}.lock"
    # thread_local: the default, since threads of one process wait for each other too.
    lock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        with disk_errors("locking a download", path):
            _wait(blobs, url, lock, path, patience)
    except OSError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in _NO_LOCKS:
            raise
        log.info("%s has no file locks; the same may be downloaded twice at once", path.parent)
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _wait(
    blobs: BlobStore, url: str, lock: filelock.BaseFileLock, path: Path, patience: float
) -> None:
    import filelock

    grown, deadline = -1, time.monotonic() + patience
    while True:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            size = sum(_size(folder) for folder in _folders(blobs, url))
            if size != grown:
                grown, deadline = size, time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise _timeout(blobs, url, path, patience) from None
            time.sleep(POLL)
        else:
            return


def _timeout(blobs: BlobStore, url: str, path: Path, patience: float) -> LockTimeoutError:
    holders = [folder.name for folder in _folders(blobs, url) if is_alive(folder.name)]
    who = f"process {process_id(holders[0])} on {platform.node()}" if holders else "a process"
    return LockTimeoutError(
        f"{who} downloads the same and has not come further for {patience:.0f} s; stop it and try "
        f"again (it holds {path})",
        path=str(path),
    )


@contextmanager
def download_folder(blobs: BlobStore, url: str) -> Iterator[Path]:
    """Yield the file to download to, with what an earlier try left; a rest stays for the next.

    Raises:
        StorageError: the folder cannot be made.
    """
    with disk_errors("downloading weights", blobs.root):
        mine = blobs.folder("tmp") / f"get-{url_key(url)}-{new_id()[:8]}{owner_mark()}"
        if not _take_over(blobs, url, mine):
            mine.mkdir()
    try:
        yield mine / PART
    finally:
        with disk_errors("downloading weights", mine):
            _let_go(mine, url)


def _take_over(blobs: BlobStore, url: str, mine: Path) -> bool:
    for folder in _folders(blobs, url):
        # Of this boot: what was not on disk when the machine stopped is not what was written.
        if folder.name.endswith(free_mark()) or is_alive(folder.name) is False:
            try:
                folder.rename(mine)
            except OSError:  # another process was first
                continue
            return True
    return False


def _let_go(mine: Path, url: str) -> None:
    left = list(mine.iterdir())
    if mine / PART in left:
        mine.rename(mine.with_name(f"get-{url_key(url)}-{new_id()[:8]}{free_mark()}"))
        return
    for path in left:
        path.unlink()
    mine.rmdir()


def _folders(blobs: BlobStore, url: str) -> list[Path]:
    return sorted(blobs.real("tmp").glob(f"get-{url_key(url)}-*"))


def _size(folder: Path) -> int:
    try:
        return (folder / PART).stat().st_size
    except OSError:  # not begun, or just finished
        return 0
