"""The open database of a registry: read and write it in transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from localreg.errors import (
    InvalidValueError,
    NoRegistryError,
    ReadOnlyRegistryError,
    RegistryError,
    RegistryReplacedError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.access_rights import barrier
from localreg.filesystem.disk_errors import has_little_room, is_full
from localreg.store.database import opening
from localreg.store.database.connections import Connections, PassingConnection
from localreg.store.database.readonly import (
    UnlockedConnection,
    connect_readonly,
    is_outdated,
    one_state,
    why_readonly,
)
from localreg.store.database.same_file import FileId, OpenedConnection, file_at, replaced
from localreg.store.database.schema_check import check_schema
from localreg.store.database.sqlite_errors import full, is_for_lack_of_space, translated
from localreg.store.rows import setting_rows
from localreg.values import settings
from localreg.values.checks import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from localreg.filesystem.group_modes import Group
    from localreg.store.events.change import Change
    from localreg.store.rows.report_buffer import ReportBuffer
    from localreg.values.records import Owner

    Durability = Literal["full", "fast"]
else:
    Durability = str

_one_buffer = threading.Lock()
_LOCKED = nullcontext()


class Store:
    """A registry's database.

    Args:
        path: the database file; made if it does not exist, unless `readonly`.
        durability: "full" survives a power loss, "fast" only the end of the process.
        readonly: refuse to write.
        reader: for an upstream registry, the directory of the registry that reads it.
        journal: the journal mode of a new database; if None the file system decides.
        group: the group that shares a new database.
        make: False to make no database.
        why: why this directory is looked at, for the error if nothing is there.
        past: of a database that shows a registry as it was: that time, for errors.

    Attributes:
        place: the path of the database.
        refusal: why nothing can be written, as the end of a sentence; None if it can.
        shared: the name of the group that shares the registry; None if it is not shared.
        group: the number of that group on this machine.
        trust_mode: the setting trust.mode when the last connection was opened; None without it.

    Raises:
        RegistryError: it cannot be opened; nothing was changed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durability: Durability = "full",
        readonly: bool = False,
        reader: str | os.PathLike[str] | None = None,
        journal: str | None = None,
        group: Group | None = None,
        make: bool = True,
        why: str = "",
        past: str | None = None,
    ) -> None:
        if not isinstance(durability, str) or durability not in ("full", "fast"):
            raise InvalidValueError(
                f'durability must be "full" or "fast", not {shown(durability)}',
                argument="durability",
            )
        opening.check_sqlite()
        self.place = os.fspath(path)
        folder = os.path.dirname(self.place)
        self.durability: Durability = durability
        self.refusal = f"{folder} was opened with readonly=True" if readonly else None
        self._reader = reader
        if not _is_there(self.place):
            self._make(journal, group, make=make, why=why)
        opening.check_file(self.place)
        self._advice = "open it without readonly=True"
        if not readonly:
            self.refusal = why_readonly(self.place)
            self._advice = f"name another registry, with {settings.HOME} or -R"
        if reader is not None:
            self.refusal = f"this is the upstream registry {folder}, which {reader} only reads"
            self._advice = (
                f"change it in its own registry (`localreg -R {folder} …`, Registry({folder!r})), "
                "or make a new model with the same weights"
            )
        if past is not None:
            self.refusal = f"this shows the registry as of {past}, which is only read (as-of)"
            self._advice = "change the registry as it is now"
        self._buffer: ReportBuffer | None = None
        self._file: FileId | None = None
        self._last_event = ""  # the last one that was committed here
        self.registry_id = ""
        self._connections = Connections(self._connect, self._is_outdated)
        # Not the same connections: users may leave transactions open on theirs.
        self.user_connections = Connections(self._connect, self._is_outdated)
        stored = self._read_settings()
        self.registry_id = stored["registry_id"]
        self._journal = stored["journal"]
        self.shared = stored.get("shared")
        self.trust_mode = stored.get(setting_rows.TRUST_MODE)
        # Read from the folder: another machine may have other numbers, or other names.
        self.group = os.stat(folder).st_gid if self.shared and hasattr(os, "fchown") else None
        self._actor: str | None = None
        self._is_placed = False  # its origin was looked at, see origins.py

    @property
    def path(self) -> Path:
        """The database file, also as the str `place`: pathlib is not loaded before it is needed."""
        from pathlib import Path

        return Path(self.place)

    @property
    def readonly(self) -> bool:
        """True if nothing can be written: `readonly` was given, or the file system refuses."""
        return self.refusal is not None

    @property
    def identity(self) -> tuple[FileId | None, str]:
        """What two stores of the same database have in common."""
        return self._file, self.registry_id

    def check_file(self) -> None:
        """Raise if the database that was opened is not at its path any more.

        For a reader it may be another copy of the same registry: a new one was put in its place.

        Raises:
            RegistryReplacedError: it is another registry, or none.
        """
        there = file_at(self.place)
        if there != self._file:
            if not self.readonly and (there is None or self._is_open()):
                raise replaced(self.place)
            with self.one_statement():  # looks which registry it is
                pass

    def _is_open(self) -> bool:
        """Return True if a connection has the file open, so that its inode number is kept."""
        return bool(self._connections.busy() or self.user_connections.busy())

    def is_replaced(self) -> bool:
        """Return True if the database that was opened is not at its path any more."""
        try:
            self.check_file()
        except RegistryReplacedError:
            return True
        return False

    def let_go(self) -> None:
        """Close the idle connections to a database that was removed or replaced.

        The next call opens a new one, and says what is wrong, or finds the database restored.
        """
        self._connections.release()
        self.user_connections.release()

    def _is_outdated(self, connection: sqlite3.Connection) -> bool:
        there = file_at(self.place)
        if self.refusal is None:
            if there == self._file:
                return isinstance(connection, UnlockedConnection) and is_outdated(
                    connection, self.place
                )
            raise replaced(self.place)
        assert isinstance(connection, OpenedConnection)
        return there != connection.file or is_outdated(connection, self.place)

    def _make(self, journal: str | None, group: Group | None, *, make: bool, why: str) -> None:
        from localreg.store.database import creating

        if self._reader is not None or self.readonly or not make:
            # What this user may not read, or a file in place of the folder, has no weights to name.
            with suppress(PermissionError, NotADirectoryError):
                creating.check_not_orphaned(self.path)
            raise _no_registry(os.path.dirname(self.place), why)
        creating.create(self.path, durability=self.durability, journal=journal, group=group)

    def _connect(self) -> sqlite3.Connection:
        for _ in range(opening.LOOKS):
            file = file_at(self.place)
            if file != self._file is not None and (
                file is None or (not self.readonly and self._is_open())
            ):
                break
            connection = self._connect_to_path()
            try:
                if file_at(self.place) == file:  # else it was replaced just now
                    self._check_registry(connection, is_new=file != self._file)
                    connection.file = self._file = file
                    return connection
            except BaseException:
                connection.close()
                raise
            connection.close()
        raise replaced(self.place)

    def _connect_to_path(self) -> OpenedConnection:
        folder = os.path.dirname(self.place)
        found = (
            self._connect_on_full_disk() if has_little_room(folder) and is_full(folder) else None
        )
        if found is None:
            try:
                if self.readonly:
                    found = connect_readonly(self.place)
                else:
                    found = opening.connect(self.place, durability=self.durability)
            except sqlite3.OperationalError as error:
                # A quota: no number of the file system shows it.
                if is_for_lack_of_space(error, self.place):
                    found = self._connect_on_full_disk()
                if found is None:
                    raise
        assert isinstance(found, OpenedConnection)
        return found

    def _connect_on_full_disk(self) -> sqlite3.Connection | None:
        from localreg.store.database import full_disk

        return full_disk.connect_on_full_disk(self.path)

    def _check_registry(self, connection: sqlite3.Connection, *, is_new: bool) -> None:
        """Raise if a connection is to another registry than the one that was opened.

        An inode alone does not show it: its number is used again once its file is closed. And a
        file on FAT, exFAT or FUSE may have another number whenever it is opened again.

        Args:
            is_new: True if the inode is another one: of a newer copy of the registry, for a reader.
        """
        if not self.registry_id:  # this is the first connection
            return
        if is_new:
            opening.check_header(connection, self.place)
            check_schema(connection, self.place)
        stored = setting_rows.settings(connection)
        if stored.get("registry_id") != self.registry_id:
            raise replaced(self.place)
        self.trust_mode = stored.get(setting_rows.TRUST_MODE)
        if not is_new or not self._last_event:
            return
        from localreg.store.rows.event_rows import has_event  # few processes come here

        if not has_event(connection, self._last_event):
            raise replaced(self.place)  # an older copy

    def _read_settings(self) -> dict[str, str]:
        try:
            for _ in range(2):
                with self.read() as connection:
                    version = opening.check_header(connection, self.place)
                    if version == opening.FORMAT_VERSION:
                        check_schema(connection, self.place)
                        return setting_rows.settings(connection)
                self._migrate(version)
            raise AssertionError
        except BaseException:
            self.close()
            raise

    def journal_mode(self) -> str:
        """Return the database's journal mode: "wal" or "truncate"."""
        with self.read() as connection:
            if isinstance(connection, UnlockedConnection):  # it reports another mode
                return self._journal
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    def _migrate(self, version: int) -> None:
        from localreg.store.database.migrations import migrate

        if self.readonly:
            raise ReadOnlyRegistryError(
                f"{self.place} has format {version} and must be upgraded to "
                f"{opening.FORMAT_VERSION}, but {self.refusal}; open it once where it can be "
                "written to",
                path=self.place,
            )
        with translated(self.place):
            migrate(self.path)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection in a read transaction: every statement sees the same state.

        Inside a `write` of the same thread it is the connection of that transaction.
        """
        with translated(self.place), self._connections.mine() as connection:
            if connection.in_transaction:
                yield connection
                return
            try:  # also of BEGIN: Ctrl-C may come as it returns
                connection.execute("BEGIN")
                with self._one_state(connection):
                    yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    def one_statement(self) -> AbstractContextManager[sqlite3.Connection]:
        """Return a block with a connection for a single statement, which needs no transaction.

        Fetch all its rows: an unfinished statement keeps an old state of the database alive.
        """
        return _OneStatement(self.place, self._connections.mine())

    def _one_state(self, connection: sqlite3.Connection) -> AbstractContextManager[None]:
        """Return a block that raises if the database changed, where no lock prevents it."""
        if isinstance(connection, UnlockedConnection):
            return one_state(connection, self.place)
        return _LOCKED

    @contextmanager
    def fresh_connection(self) -> Iterator[sqlite3.Connection]:
        """Yield a new connection without a transaction, which reads from the disk.

        The other connections of this process have pages of the file in memory, and do not notice
        damage on the disk.

        Raises:
            DamagedRegistryError: the file is too damaged to be opened.
            StorageError: it is missing, or cannot be read.
        """
        self.check_file()
        # Not sqlite3.connect: `Connections` closes it before a fork.
        connections = Connections(self._connect_to_path)
        try:
            with translated(self.place), connections.mine() as connection:
                yield connection
        finally:
            connections.close()

    def write(self) -> AbstractContextManager[Change]:
        """Return a write transaction. It is committed at the end; an error undoes all of it.

        Raises:
            ReadOnlyRegistryError: the registry cannot be written to.
            RegistryReplacedError: it was removed or replaced since it was opened.
            LockTimeoutError: another process held the lock for too long.
        """
        return self._write(synced=True)

    def write_unsynced(self) -> AbstractContextManager[Change]:
        """Return a write transaction that a power failure may undo, until the next synced one.

        It survives the end of the process, and costs a hundredth. With a rollback journal it is
        synced all the same: a power failure could damage the database.
        """
        return self._write(synced=False)

    @contextmanager
    def _write(self, *, synced: bool) -> Iterator[Change]:
        self.check_writable()
        lazy = not synced and self._journal == "wal" and self.durability == "full"
        # Many programs only read. Not within the transaction: no other process can write then.
        from localreg.store.database import origins
        from localreg.store.events.change import Change

        with translated(self.place), self._begun(lazy=lazy) as (connection, waited):
            try:
                if waited:  # it may have been replaced meanwhile
                    self.check_file()
                if not self._is_placed:
                    origins.notice_copy(connection, self.place)
                change = Change(connection, self.actor())
                yield change
                change.finish()
                connection.execute("COMMIT")
                self._is_placed = True
            except BaseException as error:
                # On some errors, such as a full disk, SQLite has rolled back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                # Without its folders other things fail first, and name files of the registry.
                if isinstance(error, (OSError, sqlite3.Error)) and self.is_replaced():
                    raise replaced(self.place) from error
                raise
            self.check_file()  # what went into a removed file must not look recorded
            self._last_event = change.last_event or self._last_event

    def has_reserve(self) -> bool:
        """Return True if `freeing_space` has a complete reserve."""
        from localreg.store.database import reserve

        return reserve.is_whole(self.path)

    @contextmanager
    def freeing_space(self) -> Iterator[None]:
        """Give up the reserve during the block, so that it can write on a full disk.

        Only for what deletes bytes: other writes would use up the reserve, and then nothing could
        be deleted.
        """
        from localreg.store.database import reserve

        self.check_writable()
        reserve.give_up(self.path)
        try:
            yield
        finally:
            if not reserve.make(self.path, self.group):
                # The log of what the block wrote takes the room.
                with suppress(RegistryError), self.one_statement() as connection:
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                reserve.give_up(self.path)
                reserve.make(self.path, self.group)

    @contextmanager
    def _begun(self, *, lazy: bool) -> Iterator[tuple[sqlite3.Connection, bool]]:
        """Yield a connection on which a write transaction has begun, and True if that took long."""
        for tries_left in reversed(range(opening.LOOKS)):
            with self._connections.mine() as connection:
                is_nested = connection.in_transaction  # then BEGIN fails
                try:
                    if isinstance(connection, UnlockedConnection | PassingConnection):
                        raise full(self.place)
                    if lazy:
                        connection.execute("PRAGMA synchronous = NORMAL")
                    waited = self._begin(connection)
                except StorageFullError:
                    if tries_left == 0:
                        raise
                except sqlite3.OperationalError as error:
                    readonly = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY
                    if not readonly or tries_left == 0:
                        raise
                else:
                    yield connection, waited
                    return
                finally:
                    if connection.in_transaction and not is_nested:
                        connection.execute("ROLLBACK")  # Ctrl-C came as BEGIN returned
                    if lazy:
                        connection.execute("PRAGMA synchronous = FULL")
            # The connection was opened while the disk was full, or just after another member made
            # the log, when the group had no right to write to it yet. It would keep failing, so
            # open another one. SQLite lets all connections of the process share one open log.
            time.sleep(opening.LOOK_SECONDS)
            self._connections.reopen()

    def _begin(self, connection: sqlite3.Connection) -> bool:
        """Begin a write transaction; return False if the lock was free."""
        from localreg.store.database.write_lock import begin_write

        if self._journal == "wal":
            return begin_write(connection)
        # Over a network, asking for a lock every millisecond costs too much.
        connection.execute("BEGIN IMMEDIATE")
        return True  # it is not known

    def check_writable(self) -> None:
        """Raise if the registry cannot be written to.

        Raises:
            ReadOnlyRegistryError: it says why, and what to do.
        """
        if self.refusal is not None:
            raise ReadOnlyRegistryError(
                f"nothing can be changed here: {self.refusal}; {self._advice}",
                path=self.place,
            )

    @property
    def buffer(self) -> ReportBuffer:
        """The reported values that this process has not written yet."""
        if self._buffer is None:
            from localreg.store.rows.report_buffer import ReportBuffer

            with _one_buffer:
                self._buffer = self._buffer or ReportBuffer(self.write, self.write_unsynced)
        return self._buffer

    def flush(self) -> None:
        """Write the reported values that wait in memory.

        Raises:
            RegistryError: they cannot be written, and stay in memory.
        """
        if self._buffer is not None:
            self._buffer.flush()

    def has_reported(self) -> bool:
        """Return True if this process has reported anything to this registry."""
        return self._buffer is not None and self._buffer.noted

    def take_reported(self) -> set[Owner]:
        """Return the models and tasks that this process reported to since the last call."""
        return set() if self._buffer is None else self._buffer.take_owners()

    def actor(self) -> str:
        """Return the name that events of this process carry: ``user@host``."""
        if self._actor is None:
            from localreg.filesystem.machine import host_name

            user = os.environ.get("LOGNAME") or os.environ.get("USER") or _login_name()
            self._actor = f"{user}@{host_name()}".encode("utf-8", "replace").decode()
        return self._actor

    def close(self) -> None:
        """Write the waiting reported values, and close every connection of this process.

        Closing twice is fine.

        Raises:
            RegistryError: the values of the last second cannot be written, and are lost.
        """
        buffer, self._buffer = self._buffer, None
        try:
            if buffer is not None:
                buffer.close()
        finally:
            self._connections.close()
            self.user_connections.close()


class _OneStatement:
    """The block of `Store.one_statement`. A generator takes as long as a short statement."""

    __slots__ = ("_connection", "_mine", "_place")

    def __init__(self, place: str, mine: AbstractContextManager[sqlite3.Connection]) -> None:
        self._place = place
        self._mine = mine

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._connection = self._mine.__enter__()
        except BaseException as error:
            self._translate(error)
            raise
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        try:
            try:
                if isinstance(self._connection, UnlockedConnection):
                    one_state(self._connection, self._place).__exit__(kind)
            finally:
                self._mine.__exit__(None, None, None)
        except BaseException as other:
            self._translate(other)
            raise
        if error is not None:
            self._translate(error)

    def _translate(self, error: BaseException) -> None:
        """Raise the error of localreg for one of sqlite3."""
        translated(self._place).__exit__(type(error), error, None)


def _no_registry(folder: str, why: str) -> NoRegistryError:
    from shlex import quote

    because = f", {why}" if why else ""
    return NoRegistryError(
        f"there is no registry in {folder}{because}; reading makes none. Check the path, and that "
        f"its disk is mounted. To make a registry: `localreg init {quote(folder)}`",
        path=folder,
    )


def _is_there(path: str) -> bool:
    """Return True if there is a database, or anything else with its name.

    Raises:
        StorageError: this user may not look, for example may not enter the folder.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        reason = barrier(path) or error.strerror or str(error)
        raise StorageError(
            f"the registry in {os.path.dirname(path)} cannot be opened: {reason}", path=path
        ) from error
    return True


def _login_name() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows; a container's user without an entry
        return f"uid{os.getuid()}" if hasattr(os, "getuid") else "unknown"
