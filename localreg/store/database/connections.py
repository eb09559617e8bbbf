"""One SQLite connection per process and thread.

A connection must not be used by two threads at once, nor by a process that did not open it. A
forked child is worse off than that: SQLite remembers within the process which locks it holds on
a file, the child inherits that memory without the locks, and even a connection that it opens for
itself would believe in them. So all idle connections are closed before a fork, and both sides
open new ones. Transactions on other threads are waited for, and none begins until the fork is
done.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FORK_WAIT_SECONDS = 30.0


class _Slot:
    """One thread's connection, and the lock that says whether it is in use."""

    __slots__ = ("__weakref__", "connection", "end", "in_use", "pid")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection: sqlite3.Connection | None = connection
        self.in_use = threading.RLock()
        self.pid = os.getpid()
        # By a weak reference: the thread must not keep what nobody else does.
        self.end = weakref.finalize(threading.current_thread(), _close, weakref.ref(self))
        self.end.atexit = False

    def close(self) -> None:
        """Close the connection when it is idle and this process opened it."""
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
    """Opens a connection for each thread that asks, and closes them all in the end.

    Args:
        connect: opens one.
        is_outdated: whether one is to be replaced before it is used again; None for never.
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
        # Python warns of connections that are collected without having been closed.
        weakref.finalize(self, _close_all, self._slots)
        _every.add(self)

    @contextmanager
    def mine(self) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection, held against a fork by another thread.

        Raises:
            sqlite3.ProgrammingError: the connections were closed.
        """
        while True:
            slot = self._slot()
            with slot.in_use:
                if self._is_outdated is not None:
                    self._renew(slot, self._is_outdated)
                if slot.connection is not None:
                    yield slot.connection
                    return
            # Another thread forked between the two lines and closed it: open it again.

    def _renew(self, slot: _Slot, is_outdated: Callable[[sqlite3.Connection], bool]) -> None:
        connection = slot.connection
        if connection is None or _in_transaction(connection) or not is_outdated(connection):
            return
        connection.close()
        slot.connection = None  # so that whoever asked asks again
        slot.end.detach()

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
        if before is not None:  # of a thread that has ended, or of the process before a fork
            before.close()
        self._local.slot = slot
        return slot

    def drop(self) -> None:
        """Close this thread's connection, if it is idle; its next use opens a new one."""
        slot: _Slot | None = getattr(self._local, "slot", None)
        if slot is not None:
            slot.close()

    def close(self) -> None:
        """Close every connection of this process; from here on `mine` raises."""
        self._closed = True
        self.release()

    def release(self) -> None:
        """Close every idle connection of this process; the next use opens a new one."""
        _close_all(self._slots)

    def busy(self) -> list[_Slot]:
        """Return what could not be closed."""
        return [slot for slot in list(self._slots.values()) if slot.connection is not None]


_every: weakref.WeakSet[Connections] = weakref.WeakSet()
_fork_gate = threading.RLock()
# What a child inherited in use is kept for ever: closing it there, as collecting it would, could
# delete the write-ahead log under the parent.
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
