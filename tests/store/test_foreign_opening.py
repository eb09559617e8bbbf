"""SQLite files of other programs: read as they are at one time; nothing is written beside them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from localreg.errors import SourceError, StorageError
from localreg.store.foreign.opening import is_sqlite, opened_foreign


@pytest.fixture
def folder(tmp_path):
    """An empty folder for copies."""
    place = tmp_path / "spool"
    place.mkdir()
    return place


@pytest.fixture
def logged(tmp_path):
    """A file whose last row is in its write-ahead log, as a program leaves it that was killed."""
    with closing(sqlite3.connect(tmp_path / "open.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE kept (value)")
        connection.execute("INSERT INTO kept VALUES (1)")
        source = tmp_path / "source"
        source.mkdir()
        for end in ("", "-wal"):
            shutil.copy(tmp_path / f"open.db{end}", source / f"it.db{end}")
    return source / "it.db"


def read(path, folder):
    with opened_foreign(path, folder) as connection:
        return connection.execute("SELECT * FROM kept").fetchall()


def test_what_is_in_a_log_is_read_and_the_source_stays(logged, folder):
    names = {*os.listdir(logged.parent)}
    assert read(logged, folder) == [(1,)]
    assert {*os.listdir(logged.parent)} == names


def test_the_log_is_found_beside_what_a_link_leads_to(logged, folder, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(logged)
    assert read(link, folder) == [(1,)]


def test_a_change_that_was_not_finished_does_not_count(tmp_path, folder):
    source = tmp_path / "source"
    source.mkdir()
    with closing(sqlite3.connect(tmp_path / "open.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that it writes before the end
        connection.execute("CREATE TABLE kept (value)")
        connection.execute("INSERT INTO kept VALUES (1)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO kept VALUES (?)", ((b"x" * 3_000,),) * 100)
        for end in ("", "-journal"):
            shutil.copy(tmp_path / f"open.db{end}", source / f"it.db{end}")
        connection.execute("ROLLBACK")
    before = {each.name: each.read_bytes() for each in source.iterdir()}
    assert read(source / "it.db", folder) == [(1,)]
    assert {each.name: each.read_bytes() for each in source.iterdir()} == before


def test_a_log_that_is_a_link_is_refused(logged, folder):
    log = logged.with_name("it.db-wal")
    log.unlink()
    log.symlink_to("/dev/zero")
    with pytest.raises(SourceError, match=r"it\.db-wal is a link"):
        read(logged, folder)


def test_a_pipe_is_neither_a_file_nor_a_log(logged, folder, tmp_path):
    os.mkfifo(tmp_path / "pipe.db")
    assert not is_sqlite(tmp_path / "pipe.db")
    log = logged.with_name("it.db-wal")
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(StorageError, match="a pipe, not a file"):
        read(logged, folder)


def test_another_program_may_write_while_it_is_read(tmp_path):
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as theirs:
        theirs.execute("CREATE TABLE t (n)")
        theirs.execute("INSERT INTO t VALUES (1)")
        with opened_foreign(path, tmp_path) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
            theirs.execute("INSERT INTO t VALUES (2)")  # locked, it would raise
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert [each.name for each in tmp_path.iterdir()] == ["theirs.db"]
