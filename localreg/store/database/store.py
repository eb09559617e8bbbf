"""The open database of a registry: reading and writing it in transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localreg.errors import (
    DamagedRegistryError,
    InvalidValueError,
    NotARegistryError,
    ReadOnlyRegistryError,
    StorageError,
)
from localreg.filesystem.access_rights import barrier
from localreg.store.database import opening
from localreg.store.database import readonly as reading_only
from localreg.store.database.connections import Connections
from localreg.store.database.sqlite_errors import translated
from localreg.store.rows import setting_rows
from localreg.values.checks import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from localreg.filesystem.group_modes import Group
    from localreg.store.events.change import Change
    from localreg.store.rows.report_buffer import ReportBuffer
    from localreg.values.records import Owner

    Durability = Literal["full", "fast"]
else:
    Durability = str

_one_buffer = threading.Lock()


class Store:
    """A registry's database.

    Args:
        path: the database file; made when there is none, unless `readonly`.
        durability: "full" survives a power loss, "fast" only the end of the process.
        readonly: refuse to write, and open what cannot be written to.
        behind: of an upstream registry, the directory of the one that it stands behind.
        journal: the journal mode of a database that is made now; by the file system when None.
        group: the group that shares a database that is made now.

    Attributes:
        refusal: why nothing can be written, as the end of a sentence; None where it can.
        shared: the name of the group that shares the registry; None where nobody does.
        group: its number on this machine.

    Raises:
        RegistryError: it cannot be opened; nothing was changed.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Durability = "full",
        readonly: bool = False,
        behind: Path | None = None,
        journal: str | None = None,
        group: Group | None = None,
    ) -> None:
        if durability not in ("full", "fast"):
            raise InvalidValueError(
                f'durability must be "full" or "fast", not {shown(durability)}',
                argument="durability",
            )
        opening.check_sqlite()
        self.path = path
        self.durability: Durability = durability
        self.refusal = f"{path.parent} was opened with readonly=True" if readonly else None
        self._behind = behind
        if not _is_there(path):
            self._make(journal, group)
        opening.check_file(path)
        self._instead = "open it without that"
        if not readonly:
            self.refusal = reading_only.refusal(path)
            self._instead = "LOCALREG_HOME or -R names one that you may write to"
        if behind is not None:
            here = path.parent
            self.refusal = f"this belongs to the upstream registry {here}, which is only read " + (
                f"behind {behind}"
            )
            self._instead = (
                f"change it in its own registry (`localreg -R {here} …`, Registry({str(here)!r})), "
                "or make a model of your own with the same weights"
            )
        self._buffer: ReportBuffer | None = None
        outdated = self._is_outdated if self.readonly else None
        self._connections = Connections(self._connect, outdated)
        # Apart from ours: users may leave transactions open on theirs.
        self.user_connections = Connections(self._connect, outdated)
        settings = self._read_settings()
        self.registry_id = settings["registry_id"]
        self._journal = settings["journal"]
        self.shared = settings.get("shared")
        # The folder's own group: numbers, and names, may differ from one machine to the next.
        self.group = path.parent.stat().st_gid if self.shared and os.name == "posix" else None
        self._actor: str | None = None

    @property
    def readonly(self) -> bool:
        """Whether nothing can be written: that was asked for, or the place does not allow it."""
        return self.refusal is not None

    def _is_outdated(self, connection: sqlite3.Connection) -> bool:
        return reading_only.is_outdated(connection, self.path)

    def _make(self, journal: str | None, group: Group | None) -> None:
        if self._behind is not None:
            raise NotARegistryError(
                f"there is no registry in {self.path.parent}; is that where it is, and mounted?",
                path=str(self.path),
            )
        if self.readonly:
            raise ReadOnlyRegistryError(
                f"there is no registry in {self.path.parent}, and one that is opened for reading "
                "only is not made",
                path=str(self.path),
            )
        from localreg.store.database import creating

        creating.create(self.path, durability=self.durability, journal=journal, group=group)

    def _connect(self) -> sqlite3.Connection:
        if self.readonly:
            return reading_only.connect_readonly(self.path)
        return opening.connect(self.path, durability=self.durability)

    def _read_settings(self) -> dict[str, str]:
        try:
            with self.read() as connection:
                version = opening.check_header(connection, self.path)
            if version < opening.FORMAT_VERSION:
                self._migrate(version)
            with self.read() as connection:
                settings = setting_rows.settings(connection)
            if not {"registry_id", "journal"} <= settings.keys():
                raise DamagedRegistryError(
                    f"{self.path} lacks its settings; restore it from a backup", path=str(self.path)
                )
            return settings
        except BaseException:
            self.close()
            raise

    def journal_mode(self) -> str:
        """Return the database's journal mode: "wal" or "truncate"."""
        if self.readonly:  # a connection without locks reports another mode
            return self._journal
        with self.read() as connection:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    def _migrate(self, version: int) -> None:
        from localreg.store.database.migrations import migrate

        if self.readonly:
            raise ReadOnlyRegistryError(
                f"{self.path} has format {version} and must be upgraded to "
                f"{opening.FORMAT_VERSION}, but {self.refusal}; open it once for writing",
                path=str(self.path),
            )
        with translated(self.path):
            migrate(self.path)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection on which every statement sees the same state.

        Inside a `write` of the same thread it is that transaction.
        """
        with translated(self.path), self._connections.mine() as connection:
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                with reading_only.one_state(connection, self.path):
                    yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")

    @contextmanager
    def one_statement(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection for a single statement, which sees one state without a transaction.

        Fetch all its rows: a statement that is left open keeps old states alive.
        """
        with (
            translated(self.path),
            self._connections.mine() as connection,
            reading_only.one_state(connection, self.path),
        ):
            yield connection

    @contextmanager
    def fresh_connection(self) -> Iterator[sqlite3.Connection]:
        """Yield a new connection, which reads from the disk, without a transaction.

        The others of this process have pages of the file in memory, and do not notice when it is
        damaged behind their back.

        Raises:
            DamagedRegistryError: the file cannot be opened any more for what is in it.
            StorageError: it is gone, or cannot be read.
        """
        # Of the kind that knows of forks.
        connections = Connections(self._connect)
        try:
            with translated(self.path), connections.mine() as connection:
                yield connection
        finally:
            connections.close()

    @contextmanager
    def write(self) -> Iterator[Change]:
        """Yield a write transaction; it is committed at the end, or leaves no trace.

        Raises:
            ReadOnlyRegistryError: the registry was opened for reading only.
            LockTimeoutError: another process is writing, and does not end.
        """
        self.check_writable()
        with translated(self.path), self._begun() as connection:
            from localreg.store.events.change import Change

            try:
                change = Change(connection, self.registry_id, self.actor())
                yield change
                change.finish()
                connection.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back on some errors, such as a full disk.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _begun(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection on which a write transaction has begun."""
        for tries_left in reversed(range(opening.LOOKS)):
            with self._connections.mine() as connection:
                try:
                    self._begin(connection)
                except sqlite3.OperationalError as error:
                    readonly = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY
                    if self.group is None or not readonly or tries_left == 0:
                        raise
                else:
                    yield connection
                    return
            # It was opened in the moment after another member made the log, before the group
            # might write to that, and would stay so.
            self._connections.drop()
            time.sleep(opening.LOOK_SECONDS)

    def _begin(self, connection: sqlite3.Connection) -> None:
        from localreg.store.database.write_lock import begin_write

        if self._journal == "wal":
            begin_write(connection)
        else:  # a lock over a network costs too much to ask for it every millisecond
            connection.execute("BEGIN IMMEDIATE")

    def check_writable(self) -> None:
        """Check that the registry may be written to.

        Raises:
            ReadOnlyRegistryError: that was not asked for, or the place does not allow it.
        """
        if self.refusal is not None:
            raise ReadOnlyRegistryError(
                f"{self.refusal}, so nothing can be changed in this registry; {self._instead}",
                path=str(self.path),
            )

    @property
    def buffer(self) -> ReportBuffer:
        """What this process reported and has not written yet."""
        if self._buffer is None:
            from localreg.store.rows.report_buffer import ReportBuffer

            with _one_buffer:
                self._buffer = self._buffer or ReportBuffer(self.write)
        return self._buffer

    def flush(self) -> None:
        """Write what this process reported and has not written yet.

        Raises:
            RegistryError: it cannot be written, and waits on.
        """
        if self._buffer is not None:
            self._buffer.flush()

    def has_reported(self) -> bool:
        """Return whether this process ever reported anything since it was opened."""
        return self._buffer is not None and self._buffer.noted

    def take_reported(self) -> set[Owner]:
        """Return what this process reported to since this was last called."""
        return set() if self._buffer is None else self._buffer.take_owners()

    def actor(self) -> str:
        """Return who changes something from here: ``user@host``."""
        if self._actor is None:
            user = os.environ.get("LOGNAME") or os.environ.get("USER") or _login_name()
            self._actor = f"{user}@{_host_name()}".encode("utf-8", "replace").decode()
        return self._actor

    def close(self) -> None:
        """Write what waits, and close every connection of this process; closing twice is fine.

        Raises:
            RegistryError: what was reported in the last second cannot be written, and is lost.
        """
        buffer, self._buffer = self._buffer, None
        try:
            if buffer is not None:
                buffer.close()
        finally:
            self._connections.close()
            self.user_connections.close()


def _is_there(path: Path) -> bool:
    """Return whether there is a database, or anything of its name.

    Raises:
        StorageError: that cannot be told, as in a folder that this user may not enter.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        reason = barrier(path) or error.strerror or str(error)
        raise StorageError(
            f"the registry in {path.parent} cannot be opened: {reason}", path=str(path)
        ) from error
    return True


def _host_name() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform  # Windows

    return platform.node()


def _login_name() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows; a container's user without an entry
        return f"uid{os.getuid()}" if hasattr(os, "getuid") else "unknown"
