"""The index of `search`: a database beside that of the registry, and always less than it.

- It can be deleted at any time. A missing, damaged or foreign one, and one of an older copy of the
  registry, is made again by whoever searches next.
- Before each question it takes in what changed since: the subjects of the events that came after
  the last one that is in it, and of those that got another order. A question without changes writes
  nothing.
- The registry is only read, in short transactions, so no writer waits for a search. What changes
  while the index is made has a later event, so the next question takes it in.
- Its own file has one writer at a time. A kill leaves a journal, with which SQLite undoes what was
  not finished.
- Where its file cannot be made or written, the next of several places is used, the last one is in
  memory.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path

from localreg import log
from localreg.errors import SQLiteTooOldError
from localreg.filesystem.group_modes import share
from localreg.filesystem.portable_files import remove_file, replace_file
from localreg.filesystem.temporary_owners import unfinished
from localreg.store.database.connections import Connections
from localreg.store.database.opening import open_uri
from localreg.store.database.same_file import OpenedConnection
from localreg.store.database.sqlite_errors import as_registry_error
from localreg.store.database.store import Store
from localreg.store.rows import search_changes, search_index, search_texts
from localreg.store.rows.search_index import Match, Question, State

_AT_ONCE = 200  # models or tasks of one read transaction; their texts, in memory, may be long
_MEMORY = Path(":memory:")
# Another place is tried then, because this one may work again later. All else is damage.
_REFUSED = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PROTOCOL,
    }
)


class _OtherRegistryError(sqlite3.DatabaseError):
    """The index is of another registry, or of a newer copy of this one."""


def ask(store: Store, places: Iterable[Path], question: Question) -> list[Match]:
    """Return what of a registry matches a question.

    Args:
        places: the files in which the index may be, the best first; memory is tried last.

    Raises:
        SQLiteTooOldError: this SQLite has no full-text search.
        RegistryError: the registry cannot be read.
    """
    for place in chain(places, (_MEMORY,)):
        for is_second in (False, True):
            try:
                with _opened(store, place) as index:
                    return _answer(store, index, question)
            except sqlite3.Error as error:
                if "no such module" in str(error):
                    raise SQLiteTooOldError(
                        "search needs FTS5, the full-text search of SQLite, and the SQLite of this "
                        "Python was built without it; use another Python, or `localreg ls`",
                        path="",
                    ) from error
                if place == _MEMORY:
                    raise as_registry_error(error, place) from error
                refused = getattr(error, "sqlite_errorcode", 0) & 0xFF in _REFUSED
                if refused or is_second or not _discard(place):
                    log.info("the index %s is not used: %s", place, error)
                    break
            except _UnusableError as error:
                log.info("the index %s is not used: %s", place, error)
                break
    raise AssertionError  # pragma: no cover  (memory is the last)


class _UnusableError(Exception):
    """No index can be at a place."""


@contextmanager
def _opened(store: Store, place: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection to the index at a place, which is made if it is missing."""
    if place != _MEMORY:
        _make_file(store, place)

    def connect() -> sqlite3.Connection:
        if place == _MEMORY:
            return sqlite3.connect(
                place, isolation_level=None, check_same_thread=False, factory=OpenedConnection
            )
        return open_uri(place, "mode=rw")

    # Not the connection alone: `Connections` closes it before a fork.
    connections = Connections(connect)
    try:
        with connections.mine() as index:
            # It stays as a file, which a process that has a deleted index open cannot take away.
            index.execute("PRAGMA journal_mode = TRUNCATE")
            index.execute("PRAGMA synchronous = NORMAL")
            index.execute("PRAGMA cache_size = -64000")  # so that what is made stays in memory
            yield index
    finally:
        connections.close()


def _make_file(store: Store, place: Path) -> None:
    """Make an empty file with the rights of the registry's database, unless there is a file."""
    try:
        with suppress(FileNotFoundError):
            if not stat.S_ISREG(place.lstat().st_mode):
                raise _UnusableError("it is no regular file")
            return
        temporary = unfinished(place)
        mode = stat.S_IMODE(store.path.stat().st_mode) | 0o600
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            share(descriptor, store.group if place.parent == store.path.parent else None)
        finally:
            os.close(descriptor)
        replace_file(temporary, place)
    except OSError as error:
        raise _UnusableError(str(error)) from error


def _discard(place: Path) -> bool:
    """Delete an index; return False if it cannot be deleted.

    Its journal stays: SQLite deletes one whose database is gone, and without its journal a database
    that a kill interrupted would look whole.
    """
    try:
        remove_file(place, missing_ok=True)
    except OSError:
        return False
    return True


def _answer(store: Store, index: sqlite3.Connection, question: Question) -> list[Match]:
    with _transaction(index, "BEGIN"):
        if search_index.is_made(index) and not _is_behind(store, index):
            return search_index.matches(index, question)
    with _transaction(index, "BEGIN IMMEDIATE"):
        if not search_index.is_made(index):
            search_index.make(index)
        _bring_up_to_date(store, index)
    with _transaction(index, "BEGIN"):
        return search_index.matches(index, question)


@contextmanager
def _transaction(index: sqlite3.Connection, begin: str) -> Iterator[None]:
    index.execute(begin)
    try:
        yield
        index.execute("COMMIT")
    finally:
        if index.in_transaction:
            index.execute("ROLLBACK")


def _is_behind(store: Store, index: sqlite3.Connection) -> bool:
    """Return True if something changed since the index was brought up to date.

    The index is read first: what it has was in the registry before.
    """
    known = search_index.state(index)
    return known is None or known != _now(store, known)


def _now(store: Store, known: State | None) -> State:
    """Return what is in the registry.

    Raises:
        _OtherRegistryError: the index has what this registry lacks.
    """
    with store.read() as connection:
        event, event_id = search_changes.last_event(connection)
        forgotten = search_changes.forgotten(connection)
        refolded = search_changes.last_refolded(connection)
        is_known = (
            known is None
            or known.event == 0
            or search_changes.has_event(connection, known.event, known.event_id)
        )
    if not is_known or (
        known is not None and (known.registry != store.registry_id or known.refolded > refolded)
    ):
        raise _OtherRegistryError("the index is of another registry")
    return State(store.registry_id, event, event_id, forgotten, refolded)


def _bring_up_to_date(store: Store, index: sqlite3.Connection) -> None:
    known = search_index.state(index)
    now = _now(store, known)
    if known is None:
        _make_all(store, index)
    elif known != now:
        _take_in(store, index, known, now)
    search_index.set_state(index, now)


def _make_all(store: Store, index: sqlite3.Connection) -> None:
    """Put all models and tasks into an index, the one that changed last at the end.

    What changes meanwhile, or has the stamp of a last one, comes twice, and counts once.
    """
    last, at_once = 0, _AT_ONCE
    while True:
        with store.read() as connection:
            reached, texts = search_texts.texts_from(connection, last, at_once)
        search_index.put(index, texts)
        if len(texts) < at_once:
            return
        at_once = at_once * 2 if reached == last else _AT_ONCE
        last = reached


def _take_in(store: Store, index: sqlite3.Connection, known: State, now: State) -> None:
    with store.read() as connection:
        subjects, aliases, targets = search_changes.changed(
            connection, known.event, now.event, known.refolded
        )
    changed = {*subjects, *targets, *(known.forgotten ^ now.forgotten)}
    changed.update(search_index.pointed_to(index, aliases))
    ids = sorted(changed)
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        with store.read() as connection:
            texts = search_texts.texts_of(connection, some)
        search_index.drop(index, some)
        search_index.put(index, texts)
