"""Removing a model from one registry only."""

from __future__ import annotations

import pytest
from support.command_line import run_cli

from localreg.errors import ModelNotFoundError
from localreg.store.events.refolding import refold


@pytest.fixture
def model(localreg_registry, tmp_path):
    (tmp_path / "w.pt").write_bytes(b"weights")
    return localreg_registry.add(tmp_path / "w.pt", "net", "vision", alias="prod", tags=["a"])


def events(registry):
    return registry.db.execute("SELECT count(*) FROM event").fetchone()[0]


def test_it_is_gone_here_and_no_event_says_so(localreg_registry, model):
    before = events(localreg_registry)
    code, _, err = run_cli("rm", "--local", "vision/net", "-R", localreg_registry.path)
    assert (code, err.split(";")[0]) == (0, "Removed vision/net:1 from this registry only")
    assert events(localreg_registry) == before
    with pytest.raises(ModelNotFoundError):
        localreg_registry.model("vision/net:1")
    with pytest.raises(ModelNotFoundError):
        localreg_registry.model("vision/net@prod")


def test_it_stays_away_when_its_events_are_folded_again(localreg_registry, model):
    run_cli("rm", "--local", model.id, "-R", localreg_registry.path)
    with localreg_registry._chain.first.store.write() as change:
        refold(change.connection)
    assert localreg_registry.models() == []


def test_restore_brings_it_back_as_it_was(localreg_registry, model):
    run_cli("rm", "--local", model.id, "-R", localreg_registry.path)
    before = events(localreg_registry)
    restored = localreg_registry.restore("vision/net:1")
    assert events(localreg_registry) == before
    assert (restored.id, restored.tags) == (model.id, ["a"])
    assert localreg_registry.model("vision/net@prod").id == model.id
    with open(restored.get_local_copy(), "rb") as file:
        assert file.read() == b"weights"


def test_its_bytes_go_with_the_next_collection(localreg_registry, model):
    digest = model.digest
    run_cli("rm", "--local", model.id, "-R", localreg_registry.path)
    found = localreg_registry.gc(grace_seconds=0, dry_run=False)
    assert any(digest[2:] in each.path for each in found.garbage)


def test_both_ways_of_deleting_weights_are_not_given_at_once(localreg_registry, model):
    assert (
        run_cli("rm", "--local", "--delete-weights", model.id, "-R", localreg_registry.path)[0] == 2
    )
    assert localreg_registry.model(model.id).id == model.id
