"""P32: signatures and gates go wherever a model goes: bundles, copies, merges and backups."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from support.bundles import Unpacked
from support.command_line import run_cli
from support.contents import blobs as blob_paths
from support.contents import unaccounted
from support.signed_models import record_gate, record_signature

from localreg import Model, OutputModel, Registry, Task
from localreg.errors import BundleError, UndoError
from localreg.store.rows import carried_blobs
from localreg.values.bundle_format import NOTES, SIGNATURE, canonical_json


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


def add(registry, content=b"weights", name="resnet", **options):
    return registry.add(io.BytesIO(content), name, "vision", filename="w.pt", **options)


def sign(model, data, **options):
    return record_signature(model._chain.first, model.id, data, **options)


def signatures(model):
    """Return the files of a model's signatures, and if their bytes are in its registry."""
    opened = model._chain.first
    with opened.store.read() as connection:
        found = carried_blobs.signatures_of(connection, model.id)
    return {each.signature: opened.blobs.has(each.signature, each.size) for each in found}


def manifests(path):
    """Return the manifests of a bundle by their media type or artifact type."""
    with tarfile.open(path) as tar:
        index = json.load(tar.extractfile("index.json"))

        def read(each):
            return json.load(tar.extractfile(f"blobs/sha256/{each['digest'][7:]}"))

        return [(each, read(each)) for each in index["manifests"]]


def blobs(root):
    """Return the digests of the blobs in a registry."""
    return {path.parent.name + path.name for path in blob_paths(root)}


def digest_of(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def signed(new):
    """A model with two signatures of its weights, and one of weights that it served before."""
    there = new("there")
    with there:
        task = Task.init(project_name="vision", task_name="train")
        output = OutputModel(task, name="resnet")
        for content in (b"first", b"weights"):
            output.update_weights(str(_file(there, content)), auto_delete_file=False)
            sign(there.model(output.id), b"of " + content)
        task.close()
    there = new("there")
    model = there.model(output.id)
    sign(model, b"another")
    return there, model


def _file(registry, content):
    path = registry.path.parent / "w.pt"
    path.write_bytes(content)
    return path


def test_a_bundle_has_each_signature_as_a_manifest_that_refers_to_the_model(signed, new, tmp_path):
    there, model = signed
    path = there.export(model, path=tmp_path / "b.tar").path
    found = manifests(path)
    (named,) = (each for each, _ in found if "ref.name" in str(each))
    own = {
        manifest["layers"][0]["digest"][7:]: manifest
        for each, manifest in found
        if each["artifactType"] == SIGNATURE
    }
    assert own.keys() == {digest_of(b"of weights"), digest_of(b"another")}
    for manifest in own.values():
        assert manifest["subject"] == {
            key: named[key] for key in ("mediaType", "digest", "size", "artifactType")
        }
        assert len(manifest["layers"]) == 1
        assert manifest["layers"][0]["mediaType"] == SIGNATURE
    here = new("here")
    assert here.import_bundle(path).missing == ()
    came = here.model(model.id)
    assert signatures(came) == signatures(model)
    assert all(signatures(came).values())
    assert len(signatures(came)) == 3
    assert here.verify(full=True).ok
    assert unaccounted(here.path) == []
    assert here.gc(grace_seconds=0, dry_run=False).freed == 0
    again = here.import_bundle(path)
    assert (again.events, again.blobs) == (0, 0)
    back = here.export(came, path=tmp_path / "back.tar").path
    assert Path(back).read_bytes() == Path(path).read_bytes()


def test_a_signature_whose_bytes_are_gone_is_named(new, tmp_path):
    there, here = new("there"), new("here")
    model = add(there)
    digest = sign(model, b"gone", here=False)
    done = there.export(model, path=tmp_path / "b.tar")
    (missing,) = done.missing
    assert (missing.digest, missing.size, missing.lost) == (digest, 4, True)
    assert missing.why == "a signature is not here"
    came = here.import_bundle(done.path)
    assert [each.digest for each in came.missing] == [digest]
    (problem,) = here.verify().problems
    assert (problem.kind, problem.models, problem.kept) == ("missing", ("vision/resnet:1",), True)
    assert "signature" in problem.text
    # The bytes come with the next bundle, though no event does.
    sign(model, b"gone")
    whole = there.export(model, path=tmp_path / "whole.tar").path
    here.import_bundle(whole)
    assert here.verify().ok


def test_since_leaves_out_signatures_that_are_there(new, tmp_path):
    there, here = new("there"), new("here")
    model = add(there)
    sign(model, b"one")
    first = there.export(model, path=tmp_path / "1.tar").path
    event = there.history()[0].event_id
    here.import_bundle(first)
    sign(model, b"two")
    sizes = set()
    for since in (first, event):
        done = there.export(model, path=tmp_path / f"{len(sizes)}-since.tar", since=since)
        sizes.add(done.blobs)
        with tarfile.open(done.path) as tar:
            names = {each.name.rpartition("/")[2] for each in tar.getmembers()}
        assert digest_of(b"two") in names
        assert digest_of(b"one") not in names
    assert sizes == {1}
    assert here.import_bundle(done.path).missing == ()
    assert all(signatures(here.model(model.id)).values())
    (path,) = (path for path in blob_paths(here.path) if path.read_bytes() == b"one")
    path.unlink()
    (missing,) = here.import_bundle(done.path).missing
    assert missing.digest == digest_of(b"one")
    bare = new("bare")
    with pytest.raises(BundleError, match="leaves out"):
        bare.import_bundle(done.path)


@pytest.mark.parametrize("history", [True, False])
def test_copies_have_the_signatures_of_what_they_serve(signed, new, tmp_path, history):
    """They are of other names and ids, but of the same files: a signature says nothing of names."""
    there, model = signed
    here = new("here")
    options = {} if history else {"history": False}
    path = there.export(model, path=tmp_path / "b.tar", **options).path
    here.import_bundle(path, project="staging" if history else None)
    copy = here.model("staging/resnet" if history else "vision/resnet")
    assert copy.id != model.id
    now = {digest_of(b"of weights"): True, digest_of(b"another"): True}
    assert signatures(copy) == now
    events = here.db["event"].count
    here.import_bundle(path, project="staging" if history else None)
    assert here.db["event"].count == events
    # A signature that the model got since comes to the copy, too.
    sign(model, b"third")
    path = there.export(model, path=tmp_path / "c.tar", **options).path
    done = here.import_bundle(path, project="staging" if history else None)
    assert (done.events, done.models) == (1, ())
    assert signatures(copy) == now | {digest_of(b"third"): True}
    Model.remove(copy, delete_weights_file=False)
    assert here.import_bundle(path, project="staging" if history else None).events == 0


def test_a_merge_and_a_backup_bring_signatures_and_gates(signed, new, tmp_path):
    there, model = signed
    here = new("here")
    gate = record_gate(there._chain.first, ("vision", "resnet"), "prod", ["signed"])
    assert here.merge(there.path).missing == ()
    there.backup(tmp_path / "kept")
    for each in (here, new("kept")):
        assert signatures(each.model(model.id)) == signatures(model)
        assert [row["event"] for row in each.db["gate"].rows] == [gate]
        assert each.verify(full=True).ok


def age(registry):
    """Let all bytes have come long ago."""
    with registry._chain.first.store.write() as change:
        change.connection.execute("UPDATE blob SET added = 1")


def waiting(registry):
    """Return the digests of what gc would delete a day after nothing needs it any more."""
    found = registry.gc(dry_run=True).garbage
    return {each.path.removeprefix("blobs/sha256/").replace("/", "") for each in found}


def test_removed_models_take_their_signatures_and_bring_them_back(signed, new):
    there, model = signed
    here = new("here")
    here.merge(there.path)
    age(here)
    Model.remove(here.model(model.id), delete_weights_file=False, force=True)
    files = {digest_of(each) for each in (b"of first", b"of weights", b"another")}
    assert files <= blobs(here.path)
    assert waiting(here) == set(), "their grace period begins with the removal"
    age(here)
    here.restore(model.id)
    assert here.gc(grace_seconds=0, dry_run=False).freed == 0
    assert all(signatures(here.model(model.id)).values())
    Model.remove(here.model(model.id), delete_weights_file=False, force=True)
    here.gc(grace_seconds=0, dry_run=False)
    assert not files & blobs(here.path)
    here.merge(there.path)
    assert not files & blobs(here.path), "of a model that was removed here nothing is copied"
    here.restore(model.id)
    assert {each.digest for each in here.verify().problems} >= files
    here.merge(there.path)
    assert here.verify(full=True).ok


def test_a_removal_with_all_bytes_lets_signatures_wait_for_gc(signed):
    """Weights can be had again from where they came from; a signature cannot."""
    there, model = signed
    Model.remove(model, force=True)
    files = {digest_of(each) for each in (b"of first", b"of weights", b"another")}
    assert files <= blobs(there.path)
    assert there.gc(grace_seconds=0, dry_run=False).garbage
    assert not files & blobs(there.path)


def test_forgetting_a_model_here_lets_its_signatures_go(signed):
    there, model = signed
    age(there)
    code, *_ = run_cli("-R", there.path, "rm", "--local", "--force", model.id)
    assert code == 0
    assert waiting(there) == set(), "their grace period begins now"
    there.gc(grace_seconds=0, dry_run=False)
    files = {digest_of(each) for each in (b"of first", b"of weights", b"another")}
    assert not files.intersection(blobs(there.path))


def test_damaged_signatures_are_found_and_come_again(signed, new):
    there, model = signed
    here = new("here")
    here.merge(there.path)
    (path,) = (path for path in blob_paths(here.path) if path.read_bytes() == b"another")
    path.chmod(0o644)
    path.write_bytes(b"unother")
    (problem,) = here.verify(full=True).problems
    assert (problem.kind, problem.models) == ("digest", (model.ref,))
    assert here.repair(full=True).mended == ()
    (problem,) = here.verify().problems
    assert problem.text.startswith("a signature is gone; ")
    here.merge(there.path)
    assert here.verify(full=True).ok
    assert signatures(here.model(model.id)) == signatures(model)


def test_two_models_share_a_signature(new):
    """The same weights under two names, signed by one file."""
    registry = new("here")
    models = [add(registry, name=name) for name in ("one", "two")]
    (digest,) = {sign(each, b"both") for each in models}
    Model.remove(models[0], delete_weights_file=False)
    registry.gc(grace_seconds=0, dry_run=False)
    assert digest in blobs(registry.path)
    assert registry.verify(full=True).ok
    Model.remove(models[1], delete_weights_file=False)
    registry.gc(grace_seconds=0, dry_run=False)
    assert digest not in blobs(registry.path)


def test_a_signature_is_not_undone(signed):
    there, _ = signed
    event = there.history()[0]
    assert event.kind == "model.signed"
    with pytest.raises(UndoError, match="localreg key rm"):
        there.undo(event.event_id)


def test_as_of_shows_signatures_and_gates_of_that_time(new):
    registry = new("here")
    model = add(registry)
    opened = registry._chain.first
    place = ("vision", "resnet")
    record_gate(opened, ("vision", "old"), "stable", ["signed"])
    points = []
    for step in (
        lambda: sign(model, b"one"),
        lambda: record_gate(opened, place, "prod", ["signed"]),
        lambda: registry.set_alias(add(registry, b"other", name="net"), "prod"),
        lambda: sign(model, b"two"),
        lambda: record_gate(opened, ("vision", "later"), "stable", ["signed"]),
        lambda: record_gate(opened, place, "prod", ["published"]),
        lambda: record_gate(opened, place, "prod", None),
    ):
        step()
        event = registry.history()[0].event_id
        points.append((event, _trust(registry)))
    for event, expected in points:
        with registry.as_of(event) as past:
            assert _trust(past) == expected, event


def _trust(registry):
    sql = (
        "SELECT 'signature', m.id, s.id, s.digest, b.digest FROM signature s "
        "JOIN model m ON m.pk = s.model JOIN blob b ON b.pk = s.blob UNION ALL "
        "SELECT 'gate', p.name, g.name || '@' || g.alias, g.conditions, g.event FROM gate g "
        "JOIN project p ON p.pk = g.project UNION ALL "
        "SELECT 'alias', p.name, a.name || '@' || a.alias, a.model, a.gate FROM alias a "
        "JOIN project p ON p.pk = a.project"
    )
    with registry._chain.first.store.read() as connection:
        return sorted(connection.execute(sql).fetchall(), key=repr)


def with_signatures(data, signatures):
    """Return a bundle whose notes of a model say something else of its signatures."""
    it = Unpacked(data)
    ((place, layer),) = (
        (place, each)
        for place, each in enumerate(it.records()[0]["layers"])
        if each["mediaType"] == NOTES
    )
    notes = json.loads(it.blobs.pop(layer["digest"].removeprefix("sha256:")))
    made = it.add(canonical_json(notes | {"signatures": signatures}))
    it.records()[0]["layers"][place] = made | {"mediaType": NOTES}
    return it.tar()


def test_a_forged_note_of_signatures_is_refused(new, tmp_path):
    """A copy takes what a bundle says of it, so that is checked as events are."""
    there = new("there")
    model = add(there)
    sign(model, b"one")
    stream = io.BytesIO()
    there.export(model, path=stream, history=False)
    sound = {
        "digest": model.digest,
        "signature": "a" * 64,
        "size": 3,
        "signer": "",
    }
    for number, wrong in enumerate((
        None, {}, [None], [[]], ["x"], [{}], [sound | {"digest": "x"}], [sound | {"size": -1}],
        [sound | {"signer": None}], [sound | {"signature": "A" * 64}], [sound, 7],
    )):  # fmt: skip
        target = new(f"target{number}")
        with pytest.raises(BundleError):
            target.import_bundle(io.BytesIO(with_signatures(stream.getvalue(), wrong)))
        assert target.db["event"].count == 0
        assert target.db["model"].count == 0


def test_a_dry_run_says_of_gates_only_what_is_certain(new, tmp_path):
    """The bytes do not come, so nobody can look at signatures and pickles."""
    here, there = new("here"), new("there")
    opened = here._chain.first
    names = {"net": ["signed", "scanned"], "bare": ["signed"], "draft": ["published", "scanned"]}
    for name, conditions in names.items():
        record_gate(opened, ("vision", name), "prod", conditions)
        there.set_alias(add(there, name.encode(), name=name), "prod")
    sign(there.model("vision/net"), b"a signature")
    bundle = there.export(everything=True, path=tmp_path / "all.tar").path
    for planned in (
        here.merge(there.path, dry_run=True),
        here.import_bundle(bundle, dry_run=True),
    ):
        said = sorted(each.partition(" → ")[0] for each in planned.differences)
        assert said == ["held: vision/bare@prod", "held: vision/draft@prod"], planned.differences
        assert planned.conflict
    done = here.merge(there.path)
    said = sorted(each.partition(" → ")[0] for each in done.differences)
    assert said == [f"held: vision/{name}@prod" for name in ("bare", "draft", "net")]
