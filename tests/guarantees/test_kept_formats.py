"""P47: what an earlier localreg wrote is read by every later one, and means the same.

The files were made by the code that froze format 1: see tests/support/kept.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from support.command_line import run_cli
from support.contents import check_sound
from support.kept_formats import (
    OWN_KEYS,
    OWN_LINES,
    answers,
    calls,
    kept_json,
    lost,
    schemas_of_now,
    taken_away,
    unpacked,
)
from support.rules_of_registries import check_by_rules
from support.used_registry import api_uses

from localreg import Registry
from localreg.store.events.fold import KINDS

FORMATS = ("format-1",)


@pytest.fixture(params=FORMATS)
def form(request):
    """The name of a format."""
    return request.param


def differences(form, root, *, carried):
    """Return what commands said when the format was frozen, and no longer say.

    Args:
        root: the registry.
        carried: it came by a bundle or a remote, so that it lacks what only registries know.
    """
    said = {
        line: value
        for line, value in kept_json(f"{form}-answers").items()
        if not (carried and line.startswith(OWN_LINES))
    }
    return list(lost(said, answers(root, list(said)), but=OWN_KEYS if carried else frozenset()))


def trust_the_keys(form, root, folder):
    """Let a registry trust the keys that the kept one trusted: a bundle has none."""
    for number, key in enumerate(kept_json(f"{form}-answers")["key ls"]):
        path = folder / f"{number}.pub"
        path.write_text(key["pem"])
        code, _, said = run_cli("-R", root, "key", "add", path, "--name", key["name"])
        assert code == 0, said


def test_every_kind_of_event_is_in_what_is_kept(tmp_path):
    found = set()
    for form in FORMATS:
        root = unpacked(f"{form}-registry", tmp_path / form)
        with closing(sqlite3.connect(root / "registry.db")) as connection:
            found |= set(connection.execute("SELECT DISTINCT kind, v FROM event"))
    assert set(KINDS) - found == set()


def test_commands_say_what_they_said_of_a_kept_registry(form, tmp_path):
    root = unpacked(f"{form}-registry", tmp_path)
    assert differences(form, root, carried=False) == []
    assert set(calls(root)) == set(kept_json(f"{form}-answers"))


def test_a_kept_registry_is_what_its_events_say(form, tmp_path):
    root = unpacked(f"{form}-registry", tmp_path)
    with Registry(root) as registry:
        found = registry.verify(full=True)
    assert found.problems == ()
    assert found.hashed == found.checked > 10
    check_sound(root)
    check_by_rules(root)


def test_work_goes_on_in_a_kept_registry(form, tmp_path):
    root = unpacked(f"{form}-registry", tmp_path)
    (tmp_path / "new.pt").write_bytes(b"new weights")
    with Registry(root, durability="fast") as registry:
        for _, use in api_uses(registry):
            use()
        added = registry.add(tmp_path / "new.pt", "net", "vision", tags=["new"])
        registry.set_alias(added, "next", override="a test")
        registry.model("vision/packed").report_scalar("loss", "train", 0.5, 1_000)
        registry.undo()
    check_sound(root)
    check_by_rules(root)


def test_a_kept_bundle_is_imported(form, tmp_path):
    bundle, root = unpacked(f"{form}-bundle", tmp_path), tmp_path / "new"
    run_cli("init", root)
    code, _, said = run_cli("-R", root, "import", bundle)
    assert code == 0, said
    trust_the_keys(form, root, tmp_path)
    assert differences(form, root, carried=True) == []


def test_a_kept_remote_is_cloned_and_pushed_to(form, tmp_path):
    remote, root = unpacked(f"{form}-remote", tmp_path), tmp_path / "new"
    code, _, said = run_cli("clone", remote, root, "--blobs")
    assert code == 0, said
    trust_the_keys(form, root, tmp_path)
    assert differences(form, root, carried=True) == []
    (tmp_path / "new.pt").write_bytes(b"new weights")
    for words in (("add", tmp_path / "new.pt", "-n", "vision/new"), ("push",), ("remote", "check")):
        code, _, said = run_cli("-R", root, *words)
        assert code == 0, said


def test_no_json_loses_a_key_or_changes_its_type(form):
    assert list(taken_away(kept_json(f"{form}-schemas"), schemas_of_now())) == []
