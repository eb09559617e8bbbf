"""Bytes that come before their rows: kept in batches, resumed, deleted after an error."""

from __future__ import annotations

import hashlib
import io
from functools import partial

import pytest
from support.contents import blobs, unaccounted

from localreg import Registry
from localreg.blobs.staging.staging import stage_stream
from localreg.errors import CorruptBlobError, DigestMismatchError
from localreg.operations.weights.arriving_blobs import AT_ONCE, ArrivingBlobs
from localreg.registry import Chain


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def add(arriving, data, filename=None):
    arriving.add(staged(data), sha256(data), len(data), filename)


def staged(data):
    return partial(stage_stream, io.BytesIO(data))


@pytest.fixture
def chain(registry):
    return registry._chain


def test_what_came_is_in_its_place_and_not_wanted_again(registry, chain):
    """The next import finds the bytes, though nothing refers to them yet."""
    with ArrivingBlobs(chain) as first:
        assert first.lacks(sha256(b"bytes"), 5)
        add(first, b"bytes")
        first.flush()
        assert first.came == {sha256(b"bytes"): 5}
    with ArrivingBlobs(chain) as second:
        assert not second.lacks(sha256(b"bytes"), 5)
        assert second.there == {sha256(b"bytes"): 5}
    assert [path.read_bytes() for path in blobs(registry.path)] == [b"bytes"]
    assert unaccounted(registry.path) == []


def test_many_are_kept_by_few_transactions(registry, chain):
    with ArrivingBlobs(chain) as arriving:
        for number in range(AT_ONCE + 1):
            add(arriving, b"%d" % number)
        assert len(arriving.came) == AT_ONCE, "a full batch is safe from a kill"
        arriving.flush()
        assert len(arriving.came) == AT_ONCE + 1
    assert registry.verify(full=True).ok


def bring(chain, *contents, then):
    """Let bytes arrive, and call a function before the end of the block."""
    with ArrivingBlobs(chain) as arriving:
        for data in contents:
            if arriving.lacks(sha256(data), len(data)):
                add(arriving, data)
        arriving.flush()
        then(arriving)


def test_other_bytes_than_promised_are_an_error_and_nothing_is_left(registry, chain):
    def add_wrong(arriving):
        arriving.add(staged(b"bad"), sha256(b"good "), 5)

    with pytest.raises(DigestMismatchError, match="the sha256") as caught:
        bring(chain, b"good", then=add_wrong)
    assert caught.value.found == sha256(b"bad")
    assert blobs(registry.path) == []
    assert registry.gc(grace_seconds=0).garbage == ()


def test_an_error_spares_what_something_else_needs(registry, chain, write_file):
    """Also bytes that came here again, because they were damaged."""
    model = registry.add(write_file("a.pt", b"weights"), "a")
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    blob.write_bytes(b"wrong!!")
    with pytest.raises(KeyError):
        bring(chain, b"weights", b"others", then=lambda _: {}["an error"])
    assert model.get_local_copy(raise_on_error=True)
    assert [path.read_bytes() for path in blobs(registry.path)] == [b"weights"]


def test_damaged_bytes_are_replaced(registry, chain, write_file):
    model = registry.add(write_file("a.pt", b"weights"), "a")
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    blob.write_bytes(b"wrong!!")
    with ArrivingBlobs(chain) as arriving:
        assert arriving.lacks(model.digest, 7), "they changed since they were hashed"
        add(arriving, b"weights")
        arriving.flush()
    assert registry.verify(full=True).ok


def test_gc_spares_what_came_during_the_grace_period(registry, chain):
    """Also bytes that waited for gc before: their grace period begins again."""
    with ArrivingBlobs(chain) as arriving:
        add(arriving, b"old")
        arriving.flush()
    with chain.first.store.write() as change:
        change.connection.execute("UPDATE blob SET added = 1, unreferenced = 1")
    assert [each.size for each in registry.gc().garbage] == [3]
    with ArrivingBlobs(chain) as arriving:
        arriving.lacks(sha256(b"old"), 3)
        arriving.flush()
    assert registry.gc().garbage == ()
    assert [each.size for each in registry.gc(grace_seconds=0).garbage] == [3]


def test_gc_spares_bytes_that_came_again(registry, chain):
    """Their row is old: a file was lost, and nothing needed it."""
    bring(chain, b"old", then=lambda _: None)
    with chain.first.store.write() as change:
        change.connection.execute("UPDATE blob SET added = 1, unreferenced = 1")
    (blob,) = blobs(registry.path)
    blob.unlink()
    bring(chain, b"old", then=lambda _: None)
    assert blobs(registry.path) == [blob]
    assert registry.gc().garbage == ()


def test_bytes_that_gc_deleted_meanwhile_are_an_error(registry, chain):
    def delete_and_record(arriving):
        registry.gc(grace_seconds=0, dry_run=False)
        with chain.first.store.write() as change:
            arriving.record(change)

    with pytest.raises(CorruptBlobError, match="do it again"):
        bring(chain, b"bytes", then=delete_and_record)


def test_what_an_upstream_registry_keeps_is_not_copied(registry, tmp_path, write_file):
    with Registry(tmp_path / "up", durability="fast") as up:
        digest = up.add(write_file("a.pt", b"weights"), "a").digest
    with Registry(registry.path, durability="fast", upstream=[tmp_path / "up"]) as here:
        with ArrivingBlobs(here._chain) as arriving:
            assert not arriving.lacks(digest, 7)
            with here._chain.first.store.write() as change:
                arriving.record(change)
        assert here.db["blob"].get(1)["upstream"] == str(tmp_path / "up")
    assert blobs(registry.path) == []


def test_a_file_is_copied_and_checked(registry, chain, tmp_path):
    (tmp_path / "there").write_bytes(b"theirs")
    with ArrivingBlobs(Chain(chain.first)) as arriving:
        arriving.add_file(tmp_path / "there", sha256(b"theirs"), 6)
        with pytest.raises(CorruptBlobError, match="should have the sha256"):
            arriving.add_file(tmp_path / "there", sha256(b"others"), 6)
        arriving.flush()
    assert [path.read_bytes() for path in blobs(registry.path)] == [b"theirs"]
    assert (tmp_path / "there").stat().st_nlink == 1
