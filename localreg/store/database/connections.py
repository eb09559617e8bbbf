"""One SQLite connection per process and thread.

Two threads must not use one connection at once, and neither may a process that did not open it.
A fork makes this worse. SQLite keeps a list of the locks that the process holds on each file. The
child inherits the list without the locks, and even its own new connections would trust it. So all
idle connections are closed before a fork, and parent and child open new ones. A fork waits for
transactions of other threads, and no transaction begins until it is done.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager

from localreg.store.database.readonly import WaitingConnection

FORK_WAIT_SECONDS = 30.0


class PassingConnection(WaitingConnection):
    """A connection that would keep others of the process from writing: closed after each use."""


class _Slot:
    """One thread's connection, and the lock that is held while it is in use."""

    __slots__ = ("__weakref__", "connection", "end", "in_use", "pid")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection: sqlite3.Connection | None = connection
        self.in_use = threading.RLock()
        self.pid = os.getpid()
        # A weak reference, so that the thread does not keep the slot alive.
        self.end = weakref.finalize(threading.current_thread(), _close, weakref.ref(self))
        self.end.atexit = False

    def close(self) -> None:
        """Close the connection if it is idle and this process opened it."""
        if self.pid != os.getpid() or not self.in_use.acquire(timeout=FORK_WAIT_SECONDS):
            return
        try:
            if self.connection is not None and not _in_transaction(self.connection):
                self.connection.close()
                self.connection = None
                self.end.detach()
        finally:
            self.in_use.release()


def _in_transaction(connection: sqlite3.Connection) -> bool:
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:  # its user closed it
        return False


def _close(reference: weakref.ref[_Slot]) -> None:
    slot = reference()
    if slot is not None:
        slot.close()


def _close_all(slots: dict[int, _Slot]) -> None:
    for slot in list(slots.values()):
        slot.close()


class Connections:
    """Opens a connection for each thread that needs one, and closes all of them.

    Args:
        connect: opens a connection.
        is_outdated: returns True for a connection that must be opened again before its next use;
            None if that never happens.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        is_outdated: Callable[[sqlite3.Connection], bool] | None = None,
    ) -> None:
        self._connect = connect
        self._is_outdated = is_outdated
        self._local = threading.local()
        self._slots: dict[int, _Slot] = {}
        self._closed = False
        # Python warns if a connection is collected without having been closed.
        weakref.finalize(self, _close_all, self._slots)
        _every.add(self)

    def mine(self) -> AbstractContextManager[sqlite3.Connection]:
        """Return a block with this thread's connection; others cannot fork until it ends.

        Raises:
            sqlite3.ProgrammingError: (as the block begins) the connections were closed.
        """
        return _Mine(self)

    def take(self) -> tuple[_Slot, sqlite3.Connection]:
        """Return this thread's slot, which is in use from now on, and its connection."""
        while True:
            slot = self._slot()
            slot.in_use.acquire()
            try:
                connection = slot.connection
                if connection is not None:
                    if not self._must_renew(connection):
                        return slot, connection
                    connection.close()
                    slot.connection = None
                    slot.end.detach()
            except BaseException:
                slot.in_use.release()
                raise
            slot.in_use.release()
            # It was outdated, or another thread forked in between and closed it.

    def _must_renew(self, connection: sqlite3.Connection) -> bool:
        outdated = self._is_outdated is not None and self._is_outdated(connection)
        return outdated and not _in_transaction(connection)

    def _slot(self) -> _Slot:
        slot: _Slot | None = getattr(self._local, "slot", None)
        if slot is not None and slot.connection is not None and slot.pid == os.getpid():
            return slot
        with _fork_gate:
            if self._closed:
                raise sqlite3.ProgrammingError("Cannot operate on a closed database.")
            slot = _Slot(self._connect())
            before = self._slots.get(threading.get_ident())
            self._slots[threading.get_ident()] = slot
        if before is not None:  # of an ended thread, or from before a fork
            before.close()
        self._local.slot = slot
        return slot

    def reopen(self) -> None:
        """Close every idle connection of the process, and open this thread's one before others."""
        with _fork_gate:
            for each in list(_every):
                each.release()
            self._slot()

    def close(self) -> None:
        """Close every connection of this process; after this `mine` raises."""
        self._closed = True
        self.release()

    def release(self) -> None:
        """Close every idle connection of this process; the next use opens a new one."""
        _close_all(self._slots)

    def busy(self) -> list[_Slot]:
        """Return the slots whose connection is still open."""
        return [slot for slot in list(self._slots.values()) if slot.connection is not None]


class _Mine:
    """The block of `Connections.mine`. A generator would cost more on every read and write."""

    __slots__ = ("_connection", "_connections", "_slot")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __enter__(self) -> sqlite3.Connection:
        self._slot, self._connection = self._connections.take()
        return self._connection

    def __exit__(self, *_: object) -> None:
        try:
            if isinstance(self._connection, PassingConnection):
                self._slot.close()
        finally:
            self._slot.in_use.release()


_every: weakref.WeakSet[Connections] = weakref.WeakSet()
_fork_gate = threading.RLock()
# Connections that a child inherited while they were in use are kept for ever: closing one in the
# child, by hand or by collection, could delete the write-ahead log of the parent.
_inherited: list[_Slot] = []


def _before_fork() -> None:
    _fork_gate.acquire()
    for connections in list(_every):
        connections.release()


def _after_fork_in_child() -> None:
    for connections in list(_every):
        _inherited.extend(connections.busy())
    _fork_gate.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_fork_gate.release,
        after_in_child=_after_fork_in_child,
    )
