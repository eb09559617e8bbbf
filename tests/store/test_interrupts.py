"""Ctrl-C while a transaction begins: nothing of it stays, so that others can go on writing."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from itertools import count

import pytest

from localreg.registry import open_registry
from localreg.store.database.store import Store

FILES = ("/store/database/store.py", "/store/database/write_lock.py")


@pytest.fixture(params=["wal", "truncate"])
def store(tmp_path, request):
    registry = open_registry(tmp_path / "registry", durability="full", journal=request.param)
    yield registry.store
    registry.close()


def begin(block, interrupted_at):
    """Enter and leave a block; interrupt that as it comes to a line of `FILES`, by its number.

    Returns:
        False if the block began before it came there.
    """
    passed = count(1)

    def trace(frame, event, _):
        if not frame.f_code.co_filename.endswith(FILES):
            return None
        if event == "line" and next(passed) == interrupted_at:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with block():
            sys.settrace(before)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def level_of_syncing(store):
    with store.one_statement() as connection:
        return connection.execute("PRAGMA synchronous").fetchone()[0]


@pytest.mark.parametrize("block", [Store.read, Store.write, Store.write_unsynced])
def test_an_interrupted_begin_leaves_no_transaction_and_all_is_synced(store, block):
    synced = level_of_syncing(store)
    for number in count(1):
        if not begin(lambda: block(store), number):
            break
        with store.one_statement() as connection:
            assert not connection.in_transaction, number
        assert level_of_syncing(store) == synced, number
        with closing(sqlite3.connect(store.place, timeout=0)) as other:
            other.execute("UPDATE setting SET value = value")
            other.commit()
    assert number > 5
    with store.write():
        pass
