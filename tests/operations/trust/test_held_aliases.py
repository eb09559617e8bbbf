"""An alias that comes from a registry which did not know its gate is held until it is checked."""

from __future__ import annotations

import io
import json
import shutil

import pytest
from support import foreign_signatures as foreign
from support.command_line import run_cli
from support.signed_models import record_gate

from localreg import Model, Registry
from localreg.errors import GateError, NotFoundError
from localreg.operations.trust.keys import add_key, signing_key
from localreg.operations.trust.signing import sign
from localreg.store.events.refolding import refold

NAME = "vision/net@prod"


@pytest.fixture
def new(tmp_path):
    """Make or open a registry in the test's folder."""
    opened = []

    def make(name, **options):
        registry = Registry(tmp_path / name, **({"durability": "fast"} | options))
        opened.append(registry)
        return registry

    yield make
    for registry in opened:
        registry.close()


@pytest.fixture
def both(new):
    """Two registries with the same models: here the alias has a gate, there it is set."""
    here, there = new("here"), new("there")
    for content in (b"one", b"two"):
        there.add(io.BytesIO(content), "net", "vision", filename="w.pt")
    here.merge(there.path)
    here.protect(NAME, "published")
    there.set_alias("vision/net:2", "prod")
    return here, there


def is_held(registry):
    try:
        registry.model(NAME)
    except GateError:
        return True
    return False


def bring_by_bundle(here, there, tmp_path):
    bundle = tmp_path / f"{len(list(tmp_path.iterdir()))}.tar"
    there.export(path=bundle, everything=True)
    return here.import_bundle(bundle)


def bring_by_merge(here, there, tmp_path):
    return here.merge(there.path)


def add_remotes(registries, tmp_path):
    for each in registries:
        if not each.remotes():
            each.add_remote("origin", tmp_path / "remote")


def bring_by_remote(here, there, tmp_path):
    add_remotes((here, there), tmp_path)
    there.push()
    return here.pull().arrived


WAYS = {"bundle": bring_by_bundle, "merge": bring_by_merge, "remote": bring_by_remote}


@pytest.fixture(params=WAYS)
def bring(request, tmp_path):
    """Bring what one registry has to another one: by each way."""
    return lambda here, there: WAYS[request.param](here, there, tmp_path)


def lines_of(arrived):
    return [each for each in arrived.differences if each.startswith("held")]


def test_it_is_said_kept_and_shown(both, bring):
    here, there = both
    arrived = bring(here, there)
    (line,) = lines_of(arrived)
    by = next(e.actor for e in there.history() if e.kind == "alias.set")
    assert line == f"held: {NAME} → vision/net:2 ({by}): not published"
    assert arrived.conflict
    with pytest.raises(GateError) as caught:
        here.model(NAME)
    assert caught.value.missing == ("not published",)
    for text in (NAME, "vision/net:2", by, "not published", "--override REASON"):
        assert text in str(caught.value)
    code, out, _ = run_cli("-R", here.path, "history", "--conflicts")
    assert (code, line in out) == (0, True)
    code, _, err = run_cli("-R", here.path, "path", NAME)
    assert (code, "is held" in err) == (5, True)
    assert "prod(held)" in run_cli("-R", here.path, "ls")[1]
    assert "prod(held)" in run_cli("-R", here.path, "show", "vision/net:2")[1]
    shown = json.loads(run_cli("-R", here.path, "show", "vision/net:2", "--json")[1])
    assert (shown["aliases"], shown["held"]) == (["prod"], ["prod"])
    assert [each["held"] for each in shown["line"]] == [True]
    assert (here.gate(NAME).held, here.gate(NAME).missing) == (True, ("not published",))
    (summary,) = [each for each in here.models().records() if each.aliases]
    assert summary.held == ("prod",)
    assert not lines_of(bring(here, there)), "once is enough"
    assert here.model("vision/net:2").aliases == ["prod"]


def test_a_model_that_passes_is_let_through_and_nothing_is_said(both, bring):
    here, there = both
    there.model("vision/net:2").publish()
    arrived = bring(here, there)
    assert (lines_of(arrived), arrived.conflict) == ([], False)
    assert here.model(NAME).version == 2
    assert here.gate(NAME).held is False
    with here._chain.first.store.write() as change:
        refold(change.connection)
    assert here.model(NAME).version == 2, "what was checked here stays so"


def test_to_set_it_here_checks_again_and_holds_for_all(both, bring):
    here, there = both
    bring(here, there)
    with pytest.raises(GateError, match="not published"):
        here.set_alias("vision/net:2", "prod")
    here.model("vision/net:2").publish()
    assert is_held(here)
    here.set_alias("vision/net:2", "prod")
    assert here.model(NAME).version == 2
    assert not lines_of(bring(there, here))
    assert there.model(NAME).version == 2


def test_an_override_holds_for_all(both, bring):
    here, there = both
    bring(here, there)
    here.set_alias("vision/net:2", "prod", override="checked by hand")
    arrived = bring(there, here)
    assert (lines_of(arrived), arrived.conflict) == ([], False)
    for registry in both:
        assert registry.model(NAME).version == 2
        assert registry.gate(NAME).override == "checked by hand"


def test_a_gate_that_comes_after_the_alias_holds_it(both, bring):
    here, there = both
    (line,) = lines_of(bring(there, here))
    assert line.endswith("not published")
    assert is_held(there)


def test_it_is_checked_again_when_something_arrives(both, bring):
    """The model was published there meanwhile: then it passes, and nothing is said."""
    here, there = both
    bring(here, there)
    assert is_held(here)
    there.model("vision/net:2").publish()
    assert not lines_of(bring(here, there))
    assert not is_held(here)


def test_a_signature_comes_along_and_counts_by_the_keys_of_the_receiver(new, bring, tmp_path):
    here, there, key = new("here"), new("there"), foreign.new_key()
    (tmp_path / "k.pem").write_bytes(foreign.private_pem(key))
    (tmp_path / "k.pub").write_bytes(foreign.public_pem(key))
    there.add(io.BytesIO(b"one"), "net", "vision", filename="w.pt")
    model = there.model("vision/net:1")
    sign(there._chain, there._found("m", model), signing_key(tmp_path / "k.pem"))
    here.protect(NAME, "signed")
    there.set_alias(model, "prod")
    (line,) = lines_of(bring(here, there))
    assert "not signed by a key that is trusted here" in line
    assert is_held(here)
    add_key(here._chain.first, tmp_path / "k.pub", "release")
    there.set_alias(there.add(io.BytesIO(b"two"), "net", "vision", filename="w.pt"), "prod")
    there.set_alias(model, "prod")
    assert not lines_of(bring(here, there))
    assert here.model(NAME).version == 1


def test_a_clone_checks_what_it_begins_with(both, tmp_path):
    here, there = both
    bring_by_remote(here, there, tmp_path)
    here.push()
    Registry.clone(tmp_path / "remote", tmp_path / "cloned")
    with Registry(tmp_path / "cloned", durability="fast") as cloned:
        assert is_held(cloned)
        _, out, _ = run_cli("-R", cloned.path, "history", "--conflicts")
        assert f"held: {NAME}" in out


def test_a_dry_run_says_what_would_be_held(both, tmp_path):
    here, there = both
    for way in (
        lambda: here.merge(there.path, dry_run=True),
        lambda: (
            there.export(path=tmp_path / "b.tar", everything=True),
            here.import_bundle(tmp_path / "b.tar", dry_run=True),
        )[1],
        lambda: (add_remotes(both, tmp_path), there.push(), here.pull(dry_run=True).arrived)[2],
    ):
        assert len(lines_of(way())) == 1
        assert here.gate(NAME).target is None


def test_import_with_aliases_sets_none_that_does_not_pass(both, tmp_path):
    here, there = both
    there.export("vision/net:2", path=tmp_path / "one.tar")
    arrived = here.import_bundle(tmp_path / "one.tar", aliases=True)
    (line,) = [each for each in arrived.differences if NAME in each]
    assert line.startswith(f"{NAME} was not set: vision/net:2 does not pass")
    assert here.model("vision/net:2").aliases == []
    here.model("vision/net:2").publish()
    arrived = here.import_bundle(tmp_path / "one.tar", aliases=True)
    assert f"{NAME} is vision/net:2 now" in arrived.differences
    assert not is_held(here)


def test_a_gate_that_came_while_the_model_was_removed_holds_its_alias(new):
    registry = new("here")
    model = registry.add(io.BytesIO(b"one"), "net", "vision", filename="w.pt")
    registry.set_alias(model, "prod")
    Model.remove(model)
    registry.protect(NAME, "published")
    code, _, err = run_cli("-R", registry.path, "restore", "vision/net:1")
    assert (code, f"held: {NAME} → vision/net:1" in err) == (0, True)
    assert is_held(registry)


def test_a_held_alias_whose_model_passes_now_says_what_to_do(both, tmp_path):
    here, there = both
    bring_by_merge(here, there, tmp_path)
    here.model("vision/net:2").publish()
    with pytest.raises(GateError, match="passes its gate now, and did not when") as caught:
        here.model(NAME)
    assert "`localreg alias vision/net:2 prod` checks it again" in str(caught.value)
    here.set_alias("vision/net:2", "prod")
    assert not is_held(here)


def test_the_alias_of_an_upstream_registry_is_read_with_its_own_gate(both, new, tmp_path):
    here, there = both
    bring_by_merge(here, there, tmp_path)
    mine = new("mine", upstream=[here.path])
    with pytest.raises(GateError):
        mine.model(NAME)
    here.set_alias("vision/net:2", "prod", override="x")
    assert mine.model(NAME).version == 2


def test_as_of_shows_what_was_held_then(both, tmp_path):
    here, there = both
    bring_by_merge(here, there, tmp_path)
    here.model("vision/net:2").publish()
    before = here.history()[0].event_id
    here.set_alias("vision/net:2", "prod")
    with here.as_of(before) as past:
        assert is_held(past)
    with here.as_of(here.history()[0].event_id) as past:
        assert past.model(NAME).version == 2
    with pytest.raises(NotFoundError):
        here.model("vision/net@other")


def test_unknown_conditions_of_a_newer_localreg_are_not_passed(both, tmp_path):
    here, there = both
    record_gate(here._chain.first, ("vision", "net"), "prod", ["blessed", "published"])
    there.model("vision/net:2").publish()
    (line,) = lines_of(bring_by_merge(here, there, tmp_path))
    assert line.endswith("this localreg does not know the condition blessed")
    assert is_held(here)


def test_pages_say_what_is_held_and_what_a_gate_asks_for(both, tmp_path):
    here, there = both
    bring_by_merge(here, there, tmp_path)
    here.protect("vision/net@best", "scanned")
    here.set_alias("vision/net:2", "best")
    index = here.render(everything=True)
    (page,) = index.parent.rglob(f"{here.model('vision/net:2').id}.html")
    text = page.read_text()
    for wanted in ("prod(held)", "gate of prod", "needs published; held: not published",
                   "gate of best", "needs scanned; passed"):  # fmt: skip
        assert wanted in text, wanted
    assert "prod(held)" in index.read_text()
    here.set_alias("vision/net:2", "prod", override="<b>")
    here.render(everything=True)
    assert "needs published; overridden: &lt;b&gt;" in page.read_text()
    assert "(held)" not in page.read_text()
    code, out, _ = run_cli("-R", here.path, "show", "vision/net:2")
    assert (code, "prod needs published; overridden: <b>" in out) == (0, True)


def test_force_overrides_no_gate(new, tmp_path):
    """What lost at the remote is set again by `push --force`, but not against a gate."""
    one, two = new("one"), new("two")
    for content in (b"one", b"two"):
        one.add(io.BytesIO(content), "net", "vision", filename="w.pt")
    add_remotes((one, two), tmp_path)
    one.push()
    two.pull()
    one.model("vision/net:1").publish()
    one.set_alias("vision/net:1", "prod")
    one.protect(NAME, "published")
    one.push()
    two.set_alias("vision/net:2", "prod")
    for dry_run in (True, False):
        done = two.push(force=True, dry_run=dry_run)
        (line,) = done.refused
        assert not done.forced
        assert line.startswith(f"not set again: vision/net:2 does not pass the gate of {NAME}")
    assert two.model(NAME).version == 1
    code, out, _ = run_cli("-R", two.path, "push", "--force")
    assert (code, out.startswith("not set again: ")) == (5, True)
    two.model("vision/net:2").publish()
    (line,) = two.push(force=True).forced
    assert line == f"set again: {NAME} → vision/net:2"
    one.pull()
    assert {one.model(NAME).version, two.model(NAME).version} == {2}


def test_every_setting_of_an_alias_is_recorded_in_one_place():
    """So that no way to set one forgets the gate: other modules only read these events."""
    import ast
    from pathlib import Path

    import localreg

    found = {}
    root = Path(localreg.__file__).parent
    for path in root.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if ".record(" in text else ():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "record"
                and node.args
            ):
                kind = node.args[0]
                if not isinstance(kind, ast.Constant) or str(kind.value).startswith("alias."):
                    found.setdefault(str(path.relative_to(root)), set()).add(ast.unparse(kind))
    settings = {path: kinds for path, kinds in found.items() if "'alias.set'" in kinds}
    assert settings == {"operations/trust/gates.py": {"'alias.set'", "'alias.protected'"}}
    # Kinds that are no constants: `undo` and `push --force` call the gates for aliases.
    assert {path for path, kinds in found.items() if "kind" in str(kinds)} == {
        "operations/carry/undo.py", "operations/remotes/forcing.py",
    }  # fmt: skip


def test_commands_that_bring_a_held_alias_say_so_and_end_with_5(both, tmp_path):
    here, there = both
    shutil.copytree(here.path, tmp_path / "second")
    there.export(path=tmp_path / "all.tar", everything=True)
    line = f"held: {NAME} → vision/net:2"
    for root, command in (
        (here.path, ("merge", there.path)),
        (tmp_path / "second", ("import", tmp_path / "all.tar")),
    ):
        code, out, err = run_cli("-R", root, *command)
        assert (code, line in " ".join((out + err).split())) == (5, True)
    add_remotes(both, tmp_path)
    here.push()
    code, out, err = run_cli("-R", there.path, "pull")
    assert (code, line in " ".join((out + err).split())) == (5, True)
    code, out, err = run_cli("clone", tmp_path / "remote", tmp_path / "cloned")
    assert (code, line in " ".join((out + err).split())) == (5, True)
    code, out, _ = run_cli("-R", there.path, "merge", here.path, "--json")
    assert (code, json.loads(out)["differences"]) == (0, [])


def test_gate_errors_of_commands_end_with_5_and_have_facts(both):
    here, _ = both
    set_alias = "-R", here.path, "alias", "vision/net:1", "prod"
    code, _, err = run_cli(*set_alias)
    assert (code, "not published" in err) == (5, True)
    code, _, err = run_cli(*set_alias, "--expect", "none", "--json")
    error = json.loads(err)["error"]
    assert (code, error["kind"]) == (5, "GateError")
    assert error["facts"] == {"alias": NAME, "missing": ["not published"]}
    code, _, err = run_cli(*set_alias, "--override", "x")
    assert (code, "although it does not pass the gate" in err) == (0, True)
    code, _, err = run_cli(*set_alias, "--override", "y")
    assert (code, "Nothing changed" in err) == (0, True)
    assert run_cli("-R", here.path, "alias", "vision/net:1", "--override", "y")[0] == 2


def test_what_passed_a_gate_is_held_by_the_next_one(both, new, tmp_path):
    here, there = both
    third = new("third")
    third.merge(here.path)
    there.model("vision/net:2").publish()
    here.merge(there.path)
    assert not is_held(here)
    third.protect(NAME, "accuracy>=0.9")
    (line,) = lines_of(here.merge(third.path))
    assert line.endswith("no metadata for accuracy>=0.9")
    assert is_held(here)


def test_that_one_model_passed_lets_no_other_one_pass(both):
    here, there = both
    there.model("vision/net:2").publish()
    here.merge(there.path)
    assert not is_held(here)
    there.set_alias("vision/net:1", "prod")
    (line,) = [each for each in lines_of(here.merge(there.path)) if each.startswith("held")]
    assert "vision/net:1" in line
    assert is_held(here)


def test_a_gate_that_was_forged_is_not_passed_and_costs_little(both, tmp_path):
    here, there = both
    many = [f"metric:{'a/' * 200}b>{n}" for n in range(20_000)]
    record_gate(here._chain.first, ("vision", "net"), "prod", many)
    (line,) = lines_of(bring_by_merge(here, there, tmp_path))
    assert line.endswith(": its gate has 20,000 conditions, and at most 50 are possible")
    record_gate(here._chain.first, ("vision", "net"), "prod", ["\x1b[2Jsigned" + "x" * 9_000])
    assert is_held(here)
    out = run_cli("-R", here.path, "show", "vision/net:2")[1]
    assert "\x1b" not in out
    assert len(out) < 3_000


def signed_without_cryptography(path):
    """Set an alias that needs a signature, and take in one, where cryptography is missing."""
    import sys

    sys.modules["cryptography"] = None
    from localreg import Registry
    from localreg.errors import GateError

    with Registry(path, durability="fast") as registry:
        try:
            registry.set_alias("vision/net:1", "prod")
        except GateError as error:
            return list(error.missing)
    return []


def test_without_cryptography_a_signature_does_not_count(registry, tmp_path, children):
    key = foreign.new_key()
    (tmp_path / "k.pem").write_bytes(foreign.private_pem(key))
    (tmp_path / "k.pub").write_bytes(foreign.public_pem(key))
    registry.add(io.BytesIO(b"one"), "net", "vision", filename="w.pt")
    registry.protect(NAME, "signed")
    assert children.run(signed_without_cryptography, str(registry.path)) == ["not signed"]
    sign(registry._chain, registry._found("m", "vision/net:1"), signing_key(tmp_path / "k.pem"))
    add_key(registry._chain.first, tmp_path / "k.pub", "release")
    (missing,) = children.run(signed_without_cryptography, str(registry.path))
    assert "pip install 'localreg[sign]'" in missing
    registry.set_alias("vision/net:1", "prod")
