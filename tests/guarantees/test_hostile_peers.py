"""A peer who may send anything brings no trust along: it belongs to one registry.

A peer is another registry whose bundles, events or remote are taken in. Its owner may write events
of any content that has the right form.
"""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from support.command_line import run_cli
from support.foreign_signatures import (
    bundle_of,
    certificate,
    new_key,
    pem,
    private_pem,
    public_pem,
    signed,
)
from support.hostile_signatures import Authority, leaf
from support.signed_models import record_gate, record_signature

from localreg import Registry
from localreg.errors import GateError, LocalregError, TrustError
from localreg.operations.finding.references import resolve_model
from localreg.operations.remotes.compaction import compact
from localreg.operations.trust import keys, signing
from localreg.operations.trust.gates import NO_GATE, record_alias
from localreg.operations.upkeep.config import set_setting
from localreg.operations.weights.arriving_blobs import ArrivingBlobs
from localreg.operations.weights.signatures import LIMIT, signatures_of
from localreg.registry import Chain
from localreg.store.rows import model_rows
from localreg.values.frozen import replace

GOOD, EVIL = b"weights " * 1_000, b"evil " * 1_000
NAME = "w.pt"


@pytest.fixture
def new(tmp_path):
    """Make or open a registry in the test's folder."""
    opened = []

    def make(name):
        opened.append(Registry(tmp_path / name, durability="fast"))
        return opened[-1]

    yield make
    for registry in opened:
        registry.close()


def by_bundle(theirs, ours, folder):
    theirs.export(everything=True, path=folder / "all.tar")
    return ours.import_bundle(folder / "all.tar")


def by_merge(theirs, ours, folder):
    return ours.merge(theirs.path)


def by_remote(theirs, ours, folder):
    for each in (theirs, ours):
        if not each.remotes():
            each.add_remote("origin", folder / "remote")
    theirs.push()
    return ours.pull(blobs=True)


CARRIERS = {"bundle": by_bundle, "merge": by_merge, "remote": by_remote}
bring = pytest.mark.parametrize("bring", CARRIERS.values(), ids=CARRIERS)


@pytest.fixture
def ours(new, tmp_path):
    """Our registry, which gives out only what our key signed."""
    registry = new("ours")
    trust(registry, OURS, tmp_path)
    set_mode(registry, "enforce")
    return registry


@pytest.fixture
def theirs(new):
    return new("theirs")


OURS, THEIRS = new_key(), new_key()


def set_mode(registry, mode):
    set_setting(registry._chain.first, "trust.mode", mode)


def trust(registry, key, folder, name=None):
    file = folder / "trusted.pub"
    file.write_bytes(public_pem(key))
    return keys.add_key(registry._chain.first, file, name or ("ours" if key is OURS else "theirs"))


def sign(model, key, folder):
    file = folder / "private.pem"
    file.write_bytes(private_pem(key))
    chain = model._chain
    return signing.sign(chain, resolve_model(chain, model.id), keys.signing_key(file)).data


def add(registry, content=GOOD, name="m"):
    return registry.add(io.BytesIO(content), name, "p", filename=NAME)


def rows(registry, table):
    return [tuple(row) for row in registry.db.execute(f"SELECT * FROM {table}")]


def given(registry, ref):
    """Return the bytes that a registry gives of a model; None if trust is why it gives none."""
    try:
        with open(registry.model(ref).get_local_copy(raise_on_error=True), "rb") as file:
            return file.read()
    except TrustError:
        return None


@bring
def test_no_trust_comes_along(bring, theirs, ours, tmp_path):
    """Neither keys, nor the setting, nor what passed a gate there; the signature does."""
    trust(theirs, THEIRS, tmp_path)
    set_mode(theirs, "off")
    model = add(theirs)
    sign(model, THEIRS, tmp_path)
    record_gate(theirs._chain.first, ("p", "m"), "prod", ["signed"])
    theirs.set_alias(model, "prod")
    before = rows(ours, "trusted_key"), rows(ours, "setting")
    bring(theirs, ours, tmp_path)
    assert (rows(ours, "trusted_key"), rows(ours, "setting")) == before
    assert rows(ours, "gate_passed") == []
    assert given(ours, model.id) is None
    trust(ours, THEIRS, tmp_path)
    assert given(ours, model.id) == GOOD


def test_a_clone_of_a_peer_trusts_nobody(theirs, tmp_path):
    """Nor does one that begins with a checkpoint."""
    trust(theirs, THEIRS, tmp_path)
    set_mode(theirs, "warn")
    sign(add(theirs), THEIRS, tmp_path)
    theirs.add_remote("origin", tmp_path / "remote")
    theirs.push()
    for name in ("clone", "later"):
        with Registry.clone(tmp_path / "remote", tmp_path / name, durability="fast") as clone:
            assert rows(clone, "trusted_key") == rows(clone, "gate_passed") == []
            assert "trust.mode" not in dict(clone.db.execute("SELECT name, value FROM setting"))
            assert len(rows(clone, "signature")) == 1
        compact(theirs._chain, "origin")


def recorded(model, data, **options):
    record_signature(model._chain.first, model.id, data, **options)


def files_of(content, name=NAME):
    return {name: hashlib.sha256(content).hexdigest()}


def stolen(model, ours):
    """The signature of a model that we signed."""
    recorded(model, signed(files_of(GOOD), OURS))


def renamed(model, ours):
    """The signed file is there, under another name than the evil one."""
    recorded(model, signed(files_of(GOOD) | files_of(EVIL, "other.pt"), OURS))


def by_themselves(model, ours):
    recorded(model, signed(files_of(EVIL), THEIRS))


def in_our_name(model, ours):
    data = json.loads(signed(files_of(EVIL), THEIRS))
    data["verificationMaterial"] = json.loads(signed(files_of(EVIL), OURS))["verificationMaterial"]
    recorded(model, json.dumps(data).encode())


def absent(model, ours):
    recorded(model, signed(files_of(EVIL), OURS), here=False)


def garbage(model, ours):
    recorded(model, b"\0" * 100)


def empty(model, ours):
    recorded(model, b"")


def huge(model, ours):
    recorded(model, b" " * 17_000_000 + signed(files_of(EVIL), OURS))


def weights_themselves(model, ours):
    """The event names the weights as the signature file."""
    recorded(model, EVIL)


def of_other_weights(model, ours):
    """It is true, and the model serves other weights now."""
    recorded(model, signed(files_of(GOOD), OURS), digest=hashlib.sha256(GOOD).hexdigest())


def nothing_of_it(model, ours):
    recorded(model, json.dumps(bundle_of(b"{}", OURS)).encode())


FORGERIES = [
    stolen, renamed, by_themselves, in_our_name, garbage, empty, huge, weights_themselves,
    of_other_weights, nothing_of_it,
]  # fmt: skip


@pytest.mark.parametrize("bring", [by_bundle, by_merge])
@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forged_signature_opens_nothing(forge, bring, theirs, ours, tmp_path):
    model = add(theirs, EVIL)
    forge(model, ours)
    bring(theirs, ours, tmp_path)
    assert given(ours, model.id) is None
    assert ours.model(model.id).digest == hashlib.sha256(EVIL).hexdigest(), "it came"
    assert ours.verify(full=True).ok
    signs = ours.model(model.id)
    sign(signs, OURS, tmp_path)
    assert given(ours, model.id) == EVIL, "what our key signs counts, whatever else is there"


def test_a_signature_whose_bytes_never_came_opens_nothing(theirs, ours, tmp_path):
    """The event is in the remote, and its file is not."""
    model = add(theirs, EVIL)
    absent(model, ours)
    by_remote(theirs, ours, tmp_path)
    assert len(rows(ours, "signature")) == 1
    assert given(ours, model.id) is None
    sign(ours.model(model.id), OURS, tmp_path)
    assert given(ours, model.id) == EVIL
    ours.push()


COMMANDING = "\x1b[2J<script>alert(1)</script>\n[y](javascript:alert(1)) | a"
SHOWING = [
    "show p/m", "show p/m --json", "ls --columns signed", "history p/m", "card p/m", "key ls",
    "card p/m --format ml-bom", "verify p/m --signed", "key ls --json", "report p/m", "site",
]  # fmt: skip


def test_texts_of_a_stranger_command_neither_terminals_nor_pages(ours, theirs, tmp_path):
    """Names in certificates, and what an event says of a signer."""
    authority, key = new_key(), new_key()
    root = certificate(f"root {COMMANDING}"[:64], authority, authority=True)
    (tmp_path / "root.pem").write_bytes(pem(root))
    keys.add_key(ours._chain.first, tmp_path / "root.pem")
    model = add(theirs)
    own = certificate(f"me {COMMANDING}"[:64], key, (root, authority))
    digest = record_signature(theirs._chain.first, model.id, signed(files_of(GOOD), key, [own]))
    payload = {"digest": model.digest, "signature": digest, "size": 9, "signer": COMMANDING}
    with theirs._chain.first.store.write() as change:
        change.record("model.signed", model.id, payload)
    by_merge(theirs, ours, tmp_path)
    assert given(ours, model.id) == GOOD
    for command in SHOWING:
        code, out, err = run_cli("-R", ours.path, *command.split())
        assert code == 0, err
        assert "\x1b" not in out + err, command
        assert "\n[y]" not in out + err, command
    pages = [path.read_text() for path in ours.path.rglob("*.html")]
    assert any("alert(1)" in page for page in pages)
    for page in pages:
        assert "<script>alert" not in page
        assert 'href="javascript' not in page


@bring
def test_weights_that_were_exchanged_after_we_signed_stay_here(bring, theirs, ours, tmp_path):
    model = add(ours)
    sign(model, OURS, tmp_path)
    assert given(ours, model.id) == GOOD
    by_merge(ours, theirs, tmp_path)
    exchange(theirs, model.id, EVIL)
    bring(theirs, ours, tmp_path)
    assert ours.model(model.id).digest == hashlib.sha256(EVIL).hexdigest()
    assert given(ours, model.id) is None


def exchange(registry, model_id, content):
    """Let a model serve other weights."""
    place, digest = registry._chain.first, hashlib.sha256(content).hexdigest()
    with ArrivingBlobs(Chain(place)) as blobs:
        blobs.add_bytes(content, digest)
        blobs.flush()
        with place.store.write() as change:
            blobs.record(change)
            now = model_rows.current_weights(change.connection, model_id)
            new = replace(now, digest=digest, size=len(content), revision=2)
            change.record("model.weights_added", model_id, {"old": None, "new": new.payload()})


@bring
def test_an_alias_that_a_peer_sets_past_our_gate_is_held(bring, theirs, ours, tmp_path):
    """It leads to no model here until it is checked here, and passes."""
    model = add(ours)
    sign(model, OURS, tmp_path)
    ours.set_alias(model, "prod")
    ours.protect("p/m@prod", ["signed"])
    by_merge(ours, theirs, tmp_path)
    evil = add(theirs, EVIL)
    with theirs._chain.first.store.write() as change:  # as a program that does not check
        record_alias(change, ("p", "m"), "prod", model.id, evil.id, NO_GATE)
    said = bring(theirs, ours, tmp_path)
    differences = said.arrived.differences if bring is by_remote else said.differences
    assert [each for each in map(str, differences) if each.startswith("held: p/m@prod")]
    with pytest.raises(GateError, match="is held"):
        ours.model("p/m@prod")
    assert run_cli("-R", ours.path, "get", "p/m@prod", "-o", tmp_path / "got")[0] != 0
    assert not (tmp_path / "got").exists()
    with pytest.raises(GateError):
        ours.set_alias(evil.id, "prod")
    sign(ours.model(evil.id), OURS, tmp_path)
    ours.set_alias(evil.id, "prod")
    assert ours.model("p/m@prod").id == evil.id


STRANGE = {
    "a word that nobody knows": ["blessed"],
    "no conditions": [],
    "a word in other letters": ["SIGNED", " signed"],
    "signs of a terminal": ["\x1b[2J>=1"],
    "long": ["a" * 100_000 + ">=1"],
    "many": [f"a{number}>=1" for number in range(2_000)],
    "SQL": ["a' OR 1=1 --", "x>=1; DROP TABLE gate"],
    "numbers that are none": ["a>=nan", "a>=1e999", "a>=" + "9" * 400],
    "nested": ["a>=1>=2<3", "metric:metric:metric:x>=1"],
    "surrogates": ["a\ud800>=1"],
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_gate_of_a_peer_holds_or_is_refused(name, theirs, ours, tmp_path):
    """It is never passed by mistake, and never an error of the machine."""
    model = add(ours)
    sign(model, OURS, tmp_path)
    by_merge(ours, theirs, tmp_path)
    try:
        record_gate(theirs._chain.first, ("p", "m"), "prod", STRANGE[name])
        by_bundle(theirs, ours, tmp_path)
    except (LocalregError, UnicodeEncodeError):
        assert rows(ours, "gate") == []
        return
    if not rows(ours, "gate"):
        return
    if STRANGE[name]:
        with pytest.raises(GateError) as caught:
            ours.set_alias(model, "prod")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 20_000
    ours.set_alias(model, "prod", override="it is strange")
    assert ours.model("p/m@prod").id == model.id
    ours.unprotect("p/m@prod")


@pytest.mark.parametrize("kind", ["key", "certificate"])
def test_many_signatures_of_a_stranger_hide_none_of_ours(kind, theirs, ours, tmp_path):
    """They name our key, are newer, and there are more than are looked at."""
    model = add(ours)
    by_merge(ours, theirs, tmp_path)
    if kind == "key":
        good = signed(files_of(GOOD), OURS)
    else:
        authority = Authority()
        (tmp_path / "ca.pem").write_bytes(pem(authority.certificate))
        keys.add_key(ours._chain.first, tmp_path / "ca.pem", "ca")
        good = signed(files_of(GOOD), *leaf(authority))
    signer = hashlib.sha256(public_pem(OURS)).hexdigest() if kind == "key" else "its certificate"
    record_signature(theirs._chain.first, model.id, good, signer=signer)
    by_merge(theirs, ours, tmp_path)
    assert given(ours, model.id) == GOOD
    flood(theirs, model, LIMIT + 100, signer)
    by_merge(theirs, ours, tmp_path)
    assert len(rows(ours, "signature")) == LIMIT + 101
    assert given(ours, model.id) == GOOD
    found = resolve_model(ours._chain, model.id)
    seen = [*signatures_of(ours._chain, found, trusted=ours._chain.first)]
    assert len(seen) < LIMIT + 10


def test_a_signature_that_came_after_a_flood_is_brought_to_the_front_by_hand(
    theirs, ours, tmp_path
):
    """What one records oneself is looked at before all that came."""
    model = add(theirs)
    flood(theirs, model, LIMIT + 10, hashlib.sha256(public_pem(OURS)).hexdigest())
    by_merge(theirs, ours, tmp_path)
    good = signed(files_of(GOOD), OURS)
    record_signature(
        theirs._chain.first, model.id, good, signer=hashlib.sha256(public_pem(OURS)).hexdigest()
    )
    by_merge(theirs, ours, tmp_path)
    assert given(ours, model.id) is None
    (tmp_path / "good.sig").write_bytes(good)
    assert ours.attach_signature(model.id, tmp_path / "good.sig").new
    assert given(ours, model.id) == GOOD
    assert not ours.attach_signature(model.id, tmp_path / "good.sig").new


def flood(registry, model, number, signer):
    """Record signatures that name a signer, and do not count."""
    place, junk = registry._chain.first, signed(files_of(GOOD), THEIRS)
    digest = record_signature(place, model.id, junk, signer=signer)
    payload = {
        "digest": model.digest,
        "signature": digest,
        "size": len(junk),
        "signer": signer,
    }
    with place.store.write() as change:
        for _ in range(number - 1):
            change.record("model.signed", model.id, payload)
