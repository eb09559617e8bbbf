"""Bytes that come again change what is known of where they are, not what is known of them."""

from __future__ import annotations

import pytest

from localreg.registry import open_registry
from localreg.store.rows import blob_rows

DIGEST = "a" * 64
BEFORE = blob_rows.New(DIGEST, 3, 10, "ends", {"format": "onnx"})


@pytest.fixture
def connection(tmp_path):
    registry = open_registry(tmp_path / "registry", durability="fast")
    with registry.store.write() as change:
        yield change.connection
    registry.close()


def test_what_is_not_known_the_second_time_stays(connection):
    blob_rows.record_many(connection, [BEFORE])
    (before,) = blob_rows.blobs(connection)
    assert (before.ctime, before.facts) == (10, {"format": "onnx"})
    assert before.verified == before.added > 10
    connection.execute("UPDATE blob SET verified = 1")
    blob_rows.record_many(connection, [blob_rows.New(DIGEST, 3, 20, None, None)])
    (after,) = blob_rows.blobs(connection)
    assert (after.ctime, after.facts, after.added) == (20, {"format": "onnx"}, before.added)
    assert after.verified > 1
    assert blob_rows.has_sample(connection, 3, "ends")


def test_what_is_known_the_second_time_replaces_the_rest(connection):
    blob_rows.record_elsewhere(connection, DIGEST, 2)
    blob_rows.record_many(connection, [BEFORE])
    blob_rows.record_many(connection, [blob_rows.New(DIGEST, 3, 20, "other", {"format": "gguf"})])
    (row,) = blob_rows.blobs(connection)
    assert (row.size, row.ctime, row.facts) == (3, 20, {"format": "gguf"})
    assert blob_rows.has_sample(connection, 3, "other")


def test_bytes_that_came_here_are_neither_upstream_nor_unneeded(connection):
    blob_rows.record_upstream(connection, DIGEST, 3, "/upstream", None)
    connection.execute("UPDATE blob SET unreferenced = 1")
    blob_rows.record_many(connection, [BEFORE])
    (row,) = blob_rows.blobs(connection)
    assert (row.upstream, row.unreferenced) == (None, None)
