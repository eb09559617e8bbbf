"""Make the database of a new registry: build it under a temporary name, then rename it.

Many processes may open an empty directory at once. Each builds a database under its own temporary
name, and one of them gets the real name. A hard link does this atomically, also over NFS, because
it never replaces a file. Without hard links a rename that replaces nothing does it. Without that,
a lock, or a lease where there are no locks.
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
from localreg.filesystem.c_library import c_function
from localreg.filesystem.disk_errors import reason_of
from localreg.filesystem.group_modes import Group, share, share_at
from localreg.filesystem.kinds import is_network
from localreg.filesystem.machine import short_host_name
from localreg.filesystem.syncing import NO_LOCKS, sync_file, sync_folder
from localreg.filesystem.temporary_owners import unfinished
from localreg.store.database import origins, reserve
from localreg.store.database.opening import APPLICATION_ID, FORMAT_VERSION, waiting_log
from localreg.store.database.sqlite_errors import BUSY_SECONDS, translated
from localreg.store.rows import origin_rows
from localreg.store.rows.known_schema import schema_text
from localreg.store.rows.setting_rows import JOURNAL_MODES
from localreg.values import settings
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.layout import BLOBS, LOCKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_HERE, _NOREPLACE = -100, 1  # AT_FDCWD and RENAME_NOREPLACE of Linux


class Beginning(Frozen):
    """What a new registry begins with.

    Attributes:
        path: a database in the folder of the new one, without settings; it is moved.
        settle: makes it that of a new registry, in a transaction.
    """

    path: Path
    settle: Callable[[sqlite3.Connection], None]


def create(
    path: Path,
    *,
    durability: str,
    journal: str | None = None,
    group: Group | None = None,
    beginning: Beginning | None = None,
) -> None:
    """Make the database `path`, unless another process made it first.

    Args:
        path: the database file; its directory is made too.
        durability: "full" waits until the file is on disk.
        journal: "wal" or "truncate"; if None the file system decides.
        group: the group that shares the registry.
        beginning: what it begins with; None for an empty registry.

    Raises:
        InvalidValueError: `journal` is not a journal mode.
        NotARegistryError: the directory has weights, but their database is missing.
        StorageError: the directory cannot be made or written to.
    """
    if journal is not None and journal not in JOURNAL_MODES:
        raise InvalidValueError(
            f"journal must be one of {', '.join(JOURNAL_MODES)}, not {journal!r:.60}",
            argument="journal",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_not_orphaned(path)
        if group is not None:
            share_at(os.path.realpath(path.parent), group.number)
        mode = journal or ("truncate" if is_network(path.parent) else "wal")
        temporary = unfinished(path)
        try:
            with translated(path):
                _build(temporary, mode, group, beginning)
            if durability == "full":
                sync_file(temporary)
            _put_in_place(temporary, path)
            reserve.make(path, None if group is None else group.number)
        finally:
            temporary.unlink(missing_ok=True)
        if durability == "full":
            sync_folder(path.parent)
    except OSError as error:
        if isinstance(error, RegistryError):
            raise
        raise StorageError(
            f"a registry could not be made in {path.parent}: {reason_of(error, path)}; choose a "
            f"directory that you can write to, with {settings.HOME} or -R",
            path=str(path.parent),
        ) from error


def check_not_orphaned(path: Path) -> None:
    """Raise NotARegistryError if the directory has weights, and their database is missing."""
    blobs = path.parent.joinpath(*BLOBS)
    # SQLite would apply the log of the missing database to the new one.
    log = waiting_log(path)
    orphan = Path(log) if log else None
    if orphan is None and blobs.is_dir() and any(blobs.iterdir()):
        orphan = blobs
    if orphan is not None and not path.exists():
        raise NotARegistryError(
            f"{orphan} exists, but its database {path.name} is missing; restore the database from "
            f"a backup, or move {orphan.name} away to start with an empty registry",
            path=str(path),
        )


def _build(temporary: Path, journal: str, group: Group | None, beginning: Beginning | None) -> None:
    if beginning is not None:
        beginning.path.rename(temporary)
    # SQLite would make the file with 0644, even if the umask (002) lets the group write.
    with open(temporary, "xb" if beginning is None else "r+b") as file:
        share(file.fileno(), None if group is None else group.number)  # its logs get this mode too
        _check_locks(file.fileno(), temporary.parent)
    connection = sqlite3.connect(temporary, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # the caller syncs the whole file once
        if beginning is None:
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.executescript(f"BEGIN;\n{schema_text()}")
        else:
            connection.execute("PRAGMA journal_mode = OFF")  # it is thrown away after an error
            connection.execute("BEGIN")
            beginning.settle(connection)
        connection.executemany(
            "INSERT INTO setting VALUES (?, ?)",
            [("registry_id", new_id()), ("journal", journal)]
            + ([] if group is None else [("shared", group.name)]),
        )
        origin_rows.mint(connection, short_host_name())
        origins.record_place(connection, temporary)  # it keeps its inode when it is renamed
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA journal_mode = {journal}")
    finally:
        connection.close()


def _check_locks(descriptor: int, folder: Path) -> None:
    """Raise if the file system lacks the locks that SQLite needs.

    SQLite itself would report that as a lock held by another process.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StorageError(
            f"no registry can be made in {folder}: SQLite needs byte-range locks, and its file "
            f"system has none ({error.strerror or error}). Mount it with locks (NFS: with its "
            "lock service), or choose another directory",
            path=str(folder),
        ) from error


def _put_in_place(temporary: Path, path: Path) -> None:
    with suppress(FileExistsError):  # another process was first; its registry is used
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            if not _renamed_without_replacing(temporary, path):
                _rename_under_lock(temporary, path)


def _renamed_without_replacing(temporary: Path, path: Path) -> bool:
    """Rename a file if none has the new name; return False if the system cannot do that.

    Raises:
        FileExistsError: a file has that name.
    """
    import ctypes

    rename = c_function("renameat2")  # Linux, glibc 2.28
    if rename is None:
        return False
    names = os.fsencode(temporary), os.fsencode(path)
    if rename(_HERE, names[0], _HERE, names[1], _NOREPLACE) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(path)
    return False


def _rename_under_lock(temporary: Path, path: Path) -> None:
    locks = path.parent / LOCKS
    if locks.is_symlink():
        raise NotARegistryError(
            f"{locks} must be a directory, not a link; links inside a registry are not followed",
            path=str(locks),
        )
    with creation_lock(locks / "birth.lock"):
        if not path.exists():
            temporary.rename(path)


@contextmanager
def creation_lock(path: Path, lease_seconds: float = BUSY_SECONDS / 3) -> Iterator[None]:
    """Hold a lock, or a lease on a file system without locks.

    Args:
        path: the lock file.
        lease_seconds: how long others wait for the lease of a machine that died; the same value
            in every process.

    Raises:
        LockTimeoutError: another process held it for too long.
        OSError: neither a lock nor a lease can be made.
    """
    import filelock

    # They use different files: a lease is deleted at its end, a lock never.
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
            f"another process has held {lock.lock_file} for more than {BUSY_SECONDS:.0f} s; look "
            "for one that hangs while it makes a registry",
            path=str(lock.lock_file),
        ) from error
    try:
        yield
    finally:
        lock.release()
