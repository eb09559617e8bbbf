"""P41, P42: signatures and gates travel by a remote; what a registry trusts does not."""

from __future__ import annotations

import hashlib
import io

import pytest
from support.contents import blobs as blob_paths
from support.remotes import object_of
from support.signed_models import record_gate, record_signature

from localreg import Model, Registry
from localreg.errors import UndoError
from localreg.operations.carry.undo import undo
from localreg.operations.models.removal import forget_model
from localreg.operations.remotes import names
from localreg.operations.remotes.checking import check
from localreg.operations.remotes.collecting import collect
from localreg.operations.remotes.compaction import compact
from localreg.operations.remotes.pulling import pull
from localreg.operations.remotes.pushing import push
from localreg.operations.remotes.resetting import reset
from localreg.operations.upkeep.config import set_setting
from localreg.operations.weights.remote_bytes import Wanted, bring


@pytest.fixture
def place(tmp_path):
    return tmp_path / "shared"


@pytest.fixture
def new(tmp_path, place):
    """Make a registry with the remote."""
    opened = []

    def make(name):
        registry = Registry(tmp_path / name, durability="fast")
        names.add(registry._chain, "origin", place)
        opened.append(registry)
        return registry

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def laptop(new):
    return new("laptop")


@pytest.fixture
def other(new, laptop):
    return new("other")


def add(registry, content=b"weights", name="net"):
    return registry.add(io.BytesIO(content), name, "vision")


def sign(registry, model, data, **options):
    return record_signature(registry._chain.first, model.id, data, **options)


def objects(place):
    return {path.parent.name + path.name for path in (place / "blobs").rglob("*") if path.is_file()}


def here(registry):
    return {path.parent.name + path.name for path in blob_paths(registry.path)}


def rows(registry, table):
    return list(registry.db.execute(f"SELECT * FROM {table}"))


def gc(registry):
    return collect(registry._chain, grace_seconds=0, dry_run=False)


def test_a_signature_is_pushed_and_fetched_when_it_is_wanted(laptop, other, place):
    model = add(laptop)
    push(laptop._chain)
    digest = sign(laptop, model, b"a signature")
    sent = push(laptop._chain)
    assert (sent.blobs, sent.size, sent.missing) == (1, 11, ())
    assert objects(place) == {model.digest, digest}
    assert pull(other._chain).arrived.missing == ()
    assert len(rows(other, "signature")) == 1
    assert here(other) == set()
    assert other.verify().ok, "the remote has it"
    assert bring(other._chain, other._chain.first, digest, [Wanted(digest, 11)])
    assert here(other) == {digest}
    assert pull(other._chain, blobs=True).arrived.blobs == 1
    assert here(other) == {model.digest, digest}
    assert other.verify(full=True).elsewhere == 0
    assert push(other._chain).blobs == 0


def test_signing_does_not_bring_up_weights_again(laptop, other, place):
    """Their bytes may be gone for good: an event before said so, and it was named then."""
    model = add(laptop)
    for path in blob_paths(laptop.path):
        path.unlink()
    assert [each.digest for each in push(laptop._chain).missing] == [model.digest]
    sign(laptop, model, b"a signature")
    assert push(laptop._chain).missing == ()


def test_a_signature_that_is_not_here_is_said_and_sent_when_it_came(laptop, place):
    model = add(laptop)
    digest = sign(laptop, model, b"gone", here=False)
    (lacking,) = push(laptop._chain).missing
    assert (lacking.ref, lacking.digest, lacking.size) == ("vision/net:1", digest, 4)
    sign(laptop, add(laptop, name="another"), b"gone")
    push(laptop._chain)
    assert digest in objects(place)


def test_remote_gc_and_check_know_signatures(laptop, other, place, tmp_path):
    model, stays = add(laptop), add(laptop, b"more", "stays")
    digest, kept = sign(laptop, model, b"one"), sign(laptop, stays, b"two")
    push(laptop._chain)
    pull(other._chain)
    assert gc(other).garbage == ()
    object_of(place, kept).rename(tmp_path / "taken")
    (problem,) = check(other._chain).problems
    assert problem.endswith("is missing; vision/stays:1 needs it")
    (tmp_path / "taken").rename(object_of(place, kept))
    Model.remove(model, delete_weights_file=False)
    push(laptop._chain)
    assert gc(other).freed == len(b"weights") + len(b"one")
    assert objects(place) == {stays.digest, kept}
    # Restored where its bytes still are, it brings them again.
    laptop.restore(model.id)
    assert push(laptop._chain).blobs == 2
    assert digest in objects(place)
    assert check(laptop._chain).problems == ()
    pull(other._chain)
    forget_model(other._chain.first, model.id)
    assert gc(other).garbage == (), "it is there for others"


def test_a_clone_has_signatures_and_gates_and_nothing_that_is_trusted(
    laptop, other, place, tmp_path
):
    model = add(laptop)
    digest = sign(laptop, model, b"a signature")
    gate = record_gate(laptop._chain.first, ("vision", "net"), "prod", ["signed"])
    set_setting(laptop._chain.first, "trust.mode", "warn")
    with laptop._chain.first.store.write() as change:
        change.connection.execute(
            "INSERT INTO trusted_key VALUES (?, 'key', 'ann', 'a key', 1)", ("a" * 64,)
        )
        change.connection.execute(
            "INSERT INTO gate_passed SELECT project, name, alias, ?, event FROM gate", (model.id,)
        )
    push(laptop._chain)
    pull(other._chain)
    compact(laptop._chain)
    bundle = laptop.export(everything=True, path=tmp_path / "all.tar").path
    found = [other]
    for name in ("cloned", "bundled", "merged"):
        if name == "cloned":
            Registry.clone(place, tmp_path / name).close()
        registry = Registry(tmp_path / name, durability="fast")
        if name == "bundled":
            registry.import_bundle(bundle)
        elif name == "merged":
            registry.merge(laptop.path)
        found.append(registry)
    for registry in found:
        assert [row[1] for row in rows(registry, "signature")] == [
            row[1] for row in rows(laptop, "signature")
        ]
        assert [row[-1] for row in rows(registry, "gate")] == [gate]
        for table in ("trusted_key", "gate_passed"):
            assert rows(registry, table) == []
        assert not list(registry.db.execute("SELECT 1 FROM setting WHERE name = 'trust.mode'"))
        registry.close()
    laptop.backup(tmp_path / "kept")
    with Registry(tmp_path / "kept") as kept:
        assert len(rows(kept, "trusted_key")) == len(rows(kept, "gate_passed")) == 1
        assert digest in here(kept)


def test_gates_that_two_pushed_are_a_conflict_that_is_forced_by_name(laptop, other):
    line = "vision", "net"
    record_gate(laptop._chain.first, line, "prod", ["signed"])
    push(laptop._chain)
    pull(other._chain)
    first = record_gate(laptop._chain.first, line, "prod", ["scanned"])
    mine = record_gate(other._chain.first, line, "prod", ["published"])
    push(laptop._chain)
    found = push(other._chain)
    (lost,) = found.lost
    assert lost.startswith("lost: vision/net@prod gate → published (")
    assert first[:8] in lost
    with pytest.raises(UndoError, match="no effect"):
        undo(other._chain.first, mine)
    assert [row[3] for row in rows(other, "gate")] == ['["scanned"]']
    done = push(other._chain, force=True)
    assert done.forced == ("set again: vision/net@prod gate → published",)
    pull(laptop._chain)
    for each in (laptop, other):
        assert [row[3] for row in rows(each, "gate")] == ['["published"]']
    undone = undo(laptop._chain.first, laptop.history()[0].event_id)
    assert undone.of == "vision/net"
    assert [row[3] for row in rows(laptop, "gate")] == ['["scanned"]']


def test_the_order_of_a_remote_holds_for_gates_after_a_reset(laptop, other, place):
    """A reset folds all units again, aliases last: also those that have only a gate."""
    add(laptop)
    record_gate(laptop._chain.first, ("vision", "net"), "prod", ["signed"])
    push(laptop._chain)
    before = rows(laptop, "gate")
    reset(laptop._chain, "origin")
    assert rows(laptop, "gate") == before
    assert hashlib.sha256(b"weights").hexdigest() in objects(place)
