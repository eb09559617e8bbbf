"""Collect reported scalars in memory, and write them once a second; write log lines at once.

Lines that were printed wait for a fifth of a second, so that printing never waits for the disk.
They are collected without a lock: a signal handler may print while a lock is held.

A training loop reports a point every few milliseconds and must not wait for the disk. Points go
into memory, and a thread, started with the first point, writes them once a second. `flush`,
closing the registry and the end of the process write at once. If writing fails (a full disk), the
values stay in memory and are tried again every second; the log and the next `flush` report the
error. If the registry was removed or replaced, the next report does too.

A log line is written before the call returns. That does not wait for the disk: the line survives
the end of the process, and the next flush makes it survive a power failure. Lines that several
threads report at the same time are written together.

A forked child starts with an empty buffer: its parent writes what was waiting.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from localreg import log
from localreg.errors import LocalregError, RegistryReplacedError
from localreg.store.rows import log_limit, report_rows
from localreg.store.rows.report_rows import Message, Point
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from localreg.store.events.change import Change

    Write = Callable[[], AbstractContextManager[Change]]

PERIOD = 1.0  # seconds
LINE_PERIOD = 0.2
MOST_LINES = 20_000  # printed lines that wait; the caller who prints one more writes them itself
IDLE = 30.0
MANY = 10_000  # points; with so many the thread does not wait for the second
MOST = 200_000  # points; the caller who reports one more writes them itself
Key = tuple[str, str, str, str]  # kind and id of the owner, title, series: made for every point
Line = tuple[Owner, Message]


class ReportBuffer:
    """The values that this process reported to one registry and has not written yet.

    Args:
        write: opens a write transaction, such as `Store.write`.
        write_unsynced: the same for one that need not survive a power failure.
    """

    def __init__(self, write: Write, write_unsynced: Write) -> None:
        self._write = write
        self._write_unsynced = write_unsynced
        self.offsets: dict[Owner, int] = {}  # added to the iterations that an owner reports
        self._begin()
        _every.add(self)

    def _begin(self) -> None:
        self._points: dict[Key, list[Point]] = {}
        self._lines: list[Line] = []
        self._printed: deque[Line] = deque()
        self._limits: dict[Owner, int] = {}  # of logs, in characters
        self._sizes: dict[Owner, int] = {}
        self._unsynced: set[Owner] = set()  # that got lines which no flush has synced yet
        self._count = 0
        self._lock = threading.Lock()
        self._writing = threading.RLock()
        self._news = threading.Event()
        self._hurry = threading.Event()
        self._over = False
        self._thread: threading.Thread | None = None
        self._trouble = ""
        self._replaced = False
        self._owners: set[Owner] = set()
        self.noted = False

    def note(self, owner: Owner) -> bool:
        """Remember that an owner got a report; return True for the first report of the process."""
        with self._lock:
            first, self.noted = not self.noted, True
            self._owners.add(owner)
        return first

    def take_owners(self) -> set[Owner]:
        """Return the owners that got reports since the last call."""
        with self._lock:
            owners, self._owners = self._owners, set()
        return owners

    def add_point(self, key: Key, point: Point) -> bool:
        """Add a point if points of its series wait already; return True if they do.

        Raises:
            LocalregError: too many points wait, and they cannot be written.
            RegistryReplacedError: those that wait have no registry any more.
        """
        if self._replaced:
            self.flush()
        with self._lock:
            points = self._points.get(key)
            if points is None:
                return False
            points.append(point)
            self._count = count = self._count + 1
        if not count % MANY:  # not at each point after it: waking the thread takes long
            self._relieve()
        return True

    def add_first_point(self, key: Key, point: Point) -> None:
        """Add a point of a series that was checked."""
        with self._lock:
            self._points.setdefault(key, []).append(point)
            self._count += 1
            self._start()

    def _relieve(self) -> None:
        """Make the thread write now; write here if the thread is too slow."""
        self._hurry.set()
        if self._count >= MOST:
            self.flush()

    def write_line(self, owner: Owner, message: Message) -> None:
        """Write a line of a log.

        Raises:
            LocalregError: it cannot be written, and is lost.
        """
        line = (owner, message)
        with self._lock:
            self._lines.append(line)
        with self._writing:
            with self._lock:
                if not any(each is line for each in self._lines):
                    return  # another thread wrote it together with its own
                lines, self._lines = self._lines, []
            printed = self._take_printed()
            try:
                self._write_lines(printed + lines)
            except BaseException:
                self._printed.extendleft(reversed(printed))
                with self._lock:  # the other threads try it themselves
                    self._lines = [each for each in lines if each is not line] + self._lines
                raise
            with self._lock:
                self._unsynced.update(owner for owner, _ in printed + lines)
                self._start()

    def add_printed(self, owner: Owner, message: Message, limit: int) -> None:
        """Add a line that was printed; it is written a fifth of a second later.

        Args:
            limit: of the log, in characters; when it is longer, its middle is cut.

        Raises:
            LocalregError: too many lines wait, and they cannot be written.
        """
        self._limits[owner] = limit
        self._printed.append((owner, message))
        # Who holds the lock may be this thread, in the middle of a report.
        if not self._news.is_set() and self._lock.acquire(blocking=False):
            try:
                self._start()
            finally:
                self._lock.release()
        if len(self._printed) > MOST_LINES:
            self._write_printed()

    def _take_printed(self) -> list[Line]:
        taken: list[Line] = []
        with suppress(IndexError):  # it is empty
            while True:
                taken.append(self._printed.popleft())
        return taken

    def _write_printed(self) -> None:
        """Write the printed lines that wait; if that fails, they wait on."""
        with self._writing:
            printed = self._take_printed()
            if not printed:
                return
            try:
                self._write_lines(printed)
            except BaseException:
                self._printed.extendleft(reversed(printed))
                raise
            with self._lock:
                self._unsynced.update(owner for owner, _ in printed)

    def _write_lines(self, lines: list[Line]) -> None:
        with self._write_unsynced() as change:
            for owner in dict.fromkeys(owner for owner, _ in lines):
                messages = [message for whom, message in lines if whom == owner]
                pk = report_rows.owner_pk(change.connection, owner)
                if pk is None:
                    _warn_of_removed(owner)
                else:
                    report_rows.add_messages(change.connection, owner.kind, pk, messages)
                    self._keep_within(change.connection, owner, pk, messages)

    def _keep_within(
        self, connection: report_rows.Connection, owner: Owner, pk: int, added: list[Message]
    ) -> None:
        limit = self._limits.get(owner)
        if limit is None:
            return
        found = self._sizes.get(owner)
        if found is None:
            found = log_limit.size(connection, owner.kind, pk)
        else:
            found += sum(len(each.text) for each in added)
        if found > limit:
            found = log_limit.cut(connection, owner.kind, pk, limit)
        self._sizes[owner] = found

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():  # an error may have ended it
            thread = threading.Thread(target=self._run, name="localreg-reports", daemon=True)
            # At the end of a process threads cannot start; `_flush_all` writes then.
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread
            _flush_at_exit_of_child()
        self._news.set()

    def _run(self) -> None:
        while not self._over:
            if not self._news.wait(IDLE) and self._rests():
                return
            self._news.clear()
            try:
                self._write_lines_for_a_second()
                self._hurry.clear()
                self.flush()
            except LocalregError as error:
                if str(error) != self._trouble:
                    log.warning(
                        "what was reported cannot be written, and waits in memory: %s", error
                    )
                self._trouble = str(error)
                self._hurry.clear()
                self._hurry.wait(PERIOD)
                self._news.set()

    def _write_lines_for_a_second(self) -> None:
        end = time.monotonic() + PERIOD
        while not self._hurry.wait(LINE_PERIOD) and time.monotonic() < end:
            self._write_printed()

    def _rests(self) -> bool:
        """Return True if nothing waits: the thread ends, and the next point starts a new one."""
        with self._lock:
            rests = self._count == 0 and not self._unsynced and not self._printed
            if rests:
                self._thread = None
            return rests

    def flush(self) -> None:
        """Write everything that was reported before this call.

        Raises:
            LocalregError: it cannot be written, and stays in memory.
        """
        with self._writing:
            self._write_printed()
            with self._lock:
                points, self._points = self._points, {}
                unsynced, self._unsynced = self._unsynced, set()
                count, self._count = self._count, 0
            if not count and not unsynced:
                return
            self._replaced = False
            try:
                self._write_all(points, unsynced)
                self._trouble = ""
            except BaseException as error:
                self._put_back(points, unsynced, count)
                self._replaced = isinstance(error, RegistryReplacedError)
                raise

    def _write_all(self, points: dict[Key, list[Point]], unsynced: set[Owner]) -> None:
        lost: list[Owner] = []
        with self._write() as change:
            connection = change.connection
            reported = (Owner(kind, owner_id) for kind, owner_id, _, _ in points)
            owners = dict.fromkeys([*reported, *unsynced], 0)
            for owner in owners:
                found = report_rows.owner_pk(connection, owner)
                if found is None:
                    lost.append(owner)
                    continue
                owners[owner] = found
                stamp = change.stamp(owner.id)
                report_rows.touch(connection, owner, found, stamp, change.at)
            for (kind, owner_id, title, series), some in points.items():
                if pk := owners[Owner(kind, owner_id)]:
                    report_rows.add_points(connection, kind, pk, title, series, some)
        for owner in lost:
            self._owners.discard(owner)
            _warn_of_removed(owner)

    def _put_back(self, points: dict[Key, list[Point]], unsynced: set[Owner], count: int) -> None:
        with self._lock:
            for key, later in self._points.items():
                points.setdefault(key, []).extend(later)
            self._points = points
            self._unsynced |= unsynced
            self._count += count

    def close(self) -> None:
        """Write everything, and end the thread.

        Raises:
            LocalregError: it cannot be written, and is lost.
        """
        self._over = True
        self._hurry.set()
        self._news.set()
        try:
            self.flush()
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Forget what waits, after an error said that it is lost."""
        with self._lock:
            self._points, self._unsynced, self._count = {}, set(), 0
        self._printed.clear()


def _warn_of_removed(owner: Owner) -> None:
    log.warning("reports to %s %s are lost: it was removed", owner.kind, owner.id)


_every: weakref.WeakSet[ReportBuffer] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    for buffer in list(_every):
        try:
            buffer.flush()
        except LocalregError as error:
            log.warning("reports of the last second are lost: %s", error)
            buffer.drop()


def _flush_at_exit_of_child() -> None:
    """Make a child of multiprocessing write too: it ends without calling exit handlers."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is not None and process is not None and process.parent_process() is not None:
        util.Finalize(None, _flush_all, exitpriority=100)


def _after_fork_in_child() -> None:
    for buffer in list(_every):
        buffer._begin()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)
