"""Making a new registry's database: built aside, then put in place whole.

Many processes may open a fresh directory at once. Each builds a database under a name of its
own, and one of them gets the real name: a hard link is made only where none is, atomically, also
over NFS. Where links do not exist, a rename that replaces nothing does the same. Where that does
not exist either, a lock decides, or what stands in for it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.errors import (
    InvalidValueError,
    LockTimeoutError,
    NotARegistryError,
    RegistryError,
    StorageError,
)
from localreg.filesystem.folder_sync import NO_LOCKS, sync_folder
from localreg.filesystem.group_modes import Group, share, share_at
from localreg.filesystem.kinds import is_network
from localreg.store.database.opening import APPLICATION_ID, FORMAT_VERSION, waiting_log
from localreg.store.database.sqlite_errors import BUSY_SECONDS, translated
from localreg.values.ids import new_id
from localreg.values.layout import BLOBS, LOCKS

JOURNAL_MODES = ("wal", "truncate")
_HERE, _NOREPLACE = -100, 1  # AT_FDCWD and RENAME_NOREPLACE of Linux


def create(
    path: Path, *, durability: str, journal: str | None = None, group: Group | None = None
) -> None:
    """Make the database `path` unless another process did so first.

    Args:
        path: where it will be; its directory is made too.
        durability: "full" to wait until it is on disk.
        journal: "wal" or "truncate"; by the file system when None.
        group: the group that shares the registry.

    Raises:
        InvalidValueError: it is no journal mode.
        NotARegistryError: the directory holds weights whose database is gone.
        StorageError: the directory cannot be made or written to.
    """
    if journal is not None and journal not in JOURNAL_MODES:
        raise InvalidValueError(
            f"journal must be one of {', '.join(JOURNAL_MODES)}; not {journal!r:.60}",
            argument="journal",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_not_bereft(path)
        if group is not None:
            share_at(os.path.realpath(path.parent), group.number)
        mode = journal or ("truncate" if is_network(path.parent) else "wal")
        aside = path.with_name(f"{path.name}.{new_id()}.new")
        try:
            with translated(path):
                _build(aside, mode, group)
            if durability == "full":
                _sync(aside)
            _put_in_place(aside, path)
        finally:
            aside.unlink(missing_ok=True)
        if durability == "full":
            sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, RegistryError):
            raise
        raise StorageError(
            f"a registry could not be made in {path.parent}: {error.strerror or error}; choose a "
            "directory that can be written to, with LOCALREG_HOME or -R",
            path=str(path.parent),
        ) from error


def _check_not_bereft(path: Path) -> None:
    blobs = path.parent.joinpath(*BLOBS)
    # SQLite would take the log of a database that is gone for one of the new database.
    left = waiting_log(path) or (blobs if blobs.is_dir() and any(blobs.iterdir()) else None)
    if left is not None and not path.exists():
        raise NotARegistryError(
            f"{left} is there, but the {path.name} it belongs to is gone; restore that from a "
            f"backup, or move {left.name} away to start anew",
            path=str(path),
        )


def _build(aside: Path, journal: str, group: Group | None) -> None:
    schema = Path(__file__).parents[1].joinpath("schema.sql").read_text(encoding="utf-8")
    # SQLite would make it 0644 at most, where a umask of 002 asks for a file that a group shares.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        share(descriptor, None if group is None else group.number)  # its logs get the same mode
        _check_locks(descriptor, aside.parent)
    finally:
        os.close(descriptor)
    connection = sqlite3.connect(aside, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # one fsync of the whole follows
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.executescript(f"BEGIN;\n{schema}")
        connection.executemany(
            "INSERT INTO setting VALUES (?, ?)",
            [("registry_id", new_id()), ("journal", journal)]
            + ([] if group is None else [("shared", group.name)]),
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA journal_mode = {journal}")
    finally:
        connection.close()


def _check_locks(descriptor: int, folder: Path) -> None:
    """Check that the file system has the locks that SQLite needs.

    Raises:
        StorageError: it has not. SQLite would take that for a lock that somebody holds.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StorageError(
            f"no registry can be made in {folder}: its file system has no byte-range locks "
            f"({error.strerror or error}), which SQLite needs. Mount it with them (NFS: with its "
            "lock service), or choose another directory",
            path=str(folder),
        ) from error


def _put_in_place(aside: Path, path: Path) -> None:
    with suppress(FileExistsError):  # another process was first, and its registry is as good
        try:
            os.link(aside, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if not _renamed_alone(aside, path):
                _rename_under_lock(aside, path)


def _renamed_alone(aside: Path, path: Path) -> bool:
    """Rename a file, but never onto another; return False where that cannot be had.

    Raises:
        FileExistsError: there is one.
    """
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)  # Linux, glibc 2.28
    if rename is None:
        return False
    names = os.fsencode(aside), os.fsencode(path)
    if rename(_HERE, names[0], _HERE, names[1], _NOREPLACE) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(path)
    return False


def _rename_under_lock(aside: Path, path: Path) -> None:
    locks = path.parent / LOCKS
    if locks.is_symlink():
        raise NotARegistryError(
            f"{locks} must be a directory; links inside a registry are not followed",
            path=str(locks),
        )
    with birth_lock(locks / "birth.lock"):
        if not path.exists():
            aside.rename(path)


@contextmanager
def birth_lock(path: Path, lease_seconds: float = BUSY_SECONDS / 3) -> Iterator[None]:
    """Hold a lock, or where the file system has none, a lease that stands in for it.

    Args:
        lease_seconds: how long the lease of a machine that died keeps others waiting; the same for
            all.

    Raises:
        LockTimeoutError: another process held it for too long.
        OSError: neither can be had.
    """
    import filelock

    # The same file may not be both: a lease is deleted when it ends, a lock never.
    lock: filelock.BaseFileLock = filelock.FileLock(path, fallback_to_soft=False)
    try:
        try:
            lock.acquire(timeout=BUSY_SECONDS)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            lock = filelock.SoftFileLease(path.with_suffix(".lease"), lease_duration=lease_seconds)
            lock.acquire(timeout=BUSY_SECONDS)
    except filelock.Timeout as error:
        raise LockTimeoutError(
            f"another process holds {lock.lock_file} for more than {BUSY_SECONDS:.0f} s; look for "
            "one that hangs while it makes a registry",
            path=str(lock.lock_file),
        ) from error
    try:
        yield
    finally:
        lock.release()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
