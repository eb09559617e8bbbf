"""P18, P20: a container registry may serve anything: an error names it, or a sound model comes."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from support.contents import blobs
from support.foreign_signatures import new_key, private_pem, signed
from support.proofs import TIMES

from localreg import Registry
from localreg.blobs.archives.unpacking import remove_tree
from localreg.blobs.transfer.pace import Pace
from localreg.errors import LocalregError, StorageError
from localreg.operations.carry.container_registries import export_to, import_from
from localreg.operations.carry.selection import select
from localreg.values.bundle_format import SIGNATURE

FAST = Pace(pause=0.001, silence=5.0)
WEIGHTS = b"weights" * 1_000
FILES = {"w.pt": hashlib.sha256(WEIGHTS).hexdigest()}
REPOSITORY = "p/m"


@pytest.fixture
def sent(tmp_path, fake_registry):
    """The digest of a signed model with its history, which was sent into a container registry."""
    (tmp_path / "key.pem").write_bytes(private_pem(new_key()))
    with Registry(tmp_path / "theirs", durability="fast") as registry:
        model = registry.add(io.BytesIO(WEIGHTS), "m", "p", filename="w.pt", tags=["t"])
        model.report_scalar("loss", "train", 0.5, iteration=1)
        registry.sign(model, tmp_path / "key.pem")
        chosen = select(registry._chain, [model.id])
        place = f"oci://{fake_registry.host}/{REPOSITORY}:1"
        done = export_to(registry._chain, chosen, place, plain_http=True, pace=FAST)
    return done.path.rpartition("@sha256:")[2]


def take(registry, host):
    place = f"oci://{host}/{REPOSITORY}:1"
    return import_from(registry._chain, place, plain_http=True, pace=FAST)


def check_untouched(registry):
    for table in ("event", "model", "signature", "task", "project_id", "blob", "alias"):
        assert registry.db[table].count == 0, table
    assert blobs(registry.path) == []
    # What was downloaded of large files stays for the next try; there are none here.
    assert [each for each in (registry.path / "tmp").rglob("*") if each.is_file()] == []


def mutated(data, choose):
    """Return bytes with one or a few changes; of JSON mostly such that stay JSON."""
    changed = bytearray(data)
    for _ in range(choose.choice([1, 1, 2, 4])):
        if not changed:
            break
        place = choose.randrange(len(changed))
        match choose.randrange(5):
            case 0:
                changed[place] ^= 1 << choose.randrange(8)
            case 1:
                digits = changed.find(b'"size":', place)
                if digits >= 0:
                    changed[digits + 7] = choose.choice(b"0123456789-")
            case 2:
                del changed[place : place + choose.choice([1, 8, 60])]
            case 3:
                changed[place:place] = changed[place : place + choose.choice([1, 8, 60])]
            case 4:
                changed[place : place + 1] = choose.choice([b"[", b"{", b"null", b'"', b"\0", b"9"])
    return bytes(changed)


def values_of(data, choose):
    """Return JSON in which one value was replaced by one of another kind."""
    top = json.loads(data)
    places = []

    def walk(value):
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    walk(top)
    if places:
        holder, key = choose.choice(places)
        holder[key] = choose.choice(
            [None, -1, 2**70, "", "x" * 5_000, [], {}, [[]], True, "../../x", "sha256:" + "0" * 64]
        )
    return json.dumps(top).encode()


@pytest.mark.long
def test_any_change_of_what_is_served_is_an_error_or_a_sound_model(sent, fake_registry, tmp_path):
    """30 changes of manifests, of the list of what refers to them, and of blobs.

    Changed manifests have a new digest, so that nothing but their content can be wrong.
    """
    choose = random.Random(0 if TIMES == 1 else None)
    tag, kept, kept_blobs = (
        f"sha256-{sent}",
        dict(fake_registry.manifests),
        dict(fake_registry.blobs),
    )
    index = json.loads(kept[REPOSITORY, tag][1])
    refused = came = 0
    target = Registry(tmp_path / "ours", durability="fast")
    for number in range(30 * TIMES):
        fake_registry.manifests = dict(kept)
        fake_registry.blobs = dict(kept_blobs)
        change = values_of if choose.randrange(2) else mutated
        match choose.randrange(4):
            case 0:
                fake_registry.put(REPOSITORY, change(kept[REPOSITORY, "1"][1], choose), "1")
            case 1:
                kind, data = kept[REPOSITORY, tag]
                fake_registry.put(REPOSITORY, change(data, choose), tag, media_type=kind)
            case 2:
                listed = json.loads(json.dumps(index))
                one = choose.choice(listed["manifests"])
                data = change(kept[REPOSITORY, one["digest"]][1], choose)
                one["digest"] = fake_registry.put(REPOSITORY, data)
                one["size"] = len(data)
                kind = kept[REPOSITORY, tag][0]
                fake_registry.put(REPOSITORY, listed, tag, media_type=kind)
            case 3:
                digest = choose.choice([*kept_blobs])
                fake_registry.blobs[digest] = mutated(kept_blobs[digest], choose)
        try:
            take(target, fake_registry.host)
        except LocalregError:
            refused += 1
            check_untouched(target)
        else:
            came += 1
            # None, if the layer of its events has a type that is not known: such are passed over.
            assert [model.digest for model in target.models()] in ([], [FILES["w.pt"]])
            lacking = target.verify(full=True).problems
            assert {each.kind for each in lacking} <= {"missing"}, "a signature was not listed"
            target.close()
            target = Registry(tmp_path / f"ours{number}", durability="fast")
    target.close()
    assert refused > 10 * TIMES
    assert came > 0


TEXTS = (
    "", "../../x", "/etc/passwd", "a\0b", "\ud800", "x" * 5_000, "tar+/../x.zip", "\x1b[2J\n",
)  # fmt: skip


def foreign(fake_registry):
    """Return the manifest of a model as other tools write it: a file, an archive, and names."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        entry = tarfile.TarInfo("inside.txt")
        entry.size = 6
        tar.addfile(entry, io.BytesIO(b"inside"))
    config = {"descriptor": {"name": "lab/net", "version": "1", "description": "of others"}}
    data = json.dumps(config).encode()
    title, path = "org.opencontainers.image.title", "org.cncf.model.filepath"
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.cncf.model.manifest.v1+json",
        "config": fake_registry.add(data)
        | {"mediaType": "application/vnd.cncf.model.config.v1+json"},
        "layers": [
            fake_registry.add(WEIGHTS)
            | {
                "mediaType": "application/vnd.cncf.model.weight.v1.raw",
                "annotations": {title: "w.pt", path: "w.pt"},
            },
            fake_registry.add(stream.getvalue())
            | {
                "mediaType": "application/vnd.cncf.model.code.v1.tar",
                "annotations": {title: "code", path: "code"},
            },
        ],
        "annotations": {"org.opencontainers.image.title": "net"},
    }


def with_each_text(manifest):
    """Yield a manifest for each of its texts and each hostile text in its place."""

    def places(value, way=()):
        for key in value if isinstance(value, dict) else range(len(value)):
            if isinstance(value[key], str):
                yield *way, key
            elif isinstance(value[key], dict | list):
                yield from places(value[key], (*way, key))

    for way in places(manifest):
        for text in TEXTS:
            changed = json.loads(json.dumps(manifest))
            holder = changed
            for key in way[:-1]:
                holder = holder[key]
            holder[way[-1]] = text
            yield way, text, changed


@pytest.mark.long
def test_no_text_of_another_tool_leads_outside(fake_registry, tmp_path):
    """Texts of a manifest are replaced by such that may do harm, as a path or as a name.

    That are 40 of them; all in a long run.
    """
    outside = {*tmp_path.rglob("*")}
    root = tmp_path / "ours"
    refused = came = 0
    said = []
    registry = Registry(root, durability="fast")
    all_changes = [*with_each_text(foreign(fake_registry))]
    some = random.Random(0).sample(all_changes, min(40 * TIMES, len(all_changes)))
    for way, text, changed in some:
        fake_registry.put(REPOSITORY, changed, "1")
        try:
            take(registry, fake_registry.host)
        except LocalregError as error:
            refused += 1
            said.append(str(error))
            check_untouched(registry)
        else:
            came += 1
            assert registry.verify(full=True).ok, (way, text)
            check_copy(*registry.models(), root)
            registry.close()
            remove_tree(root)
            registry = Registry(root, durability="fast")
        found = {each for each in tmp_path.rglob("*") if not each.is_relative_to(root)}
        assert found == outside, (way, text)
    registry.close()
    assert [text for text in said if not text.isprintable()] == []
    assert refused > 5
    assert came > 5


def check_copy(model, root):
    """Check that the local copy of a model is in its registry, or cannot be for its names."""
    try:
        copy = Path(model.get_local_copy(raise_on_error=True))
    except StorageError:
        return
    assert copy.resolve().is_relative_to(root.resolve())


def refer(fake_registry, subject, files, number):
    """Let manifests of signatures refer to a model; each has some of the files."""
    tag = f"sha256-{subject}"
    kind, data = fake_registry.manifests[REPOSITORY, tag]
    listed = json.loads(data)
    model = fake_registry.manifests[REPOSITORY, f"sha256:{subject}"]
    named = {"mediaType": model[0], "digest": f"sha256:{subject}", "size": len(model[1])}
    config = fake_registry.add(b"{}") | {"mediaType": "application/vnd.oci.empty.v1+json"}
    for place in range(0, len(files), number):
        some = files[place : place + number]
        manifest = {
            "schemaVersion": 2,
            "mediaType": model[0],
            "artifactType": SIGNATURE,
            "config": config,
            "layers": [fake_registry.add(each) | {"mediaType": SIGNATURE} for each in some],
            "subject": named,
        }
        digest = fake_registry.put(REPOSITORY, manifest)
        size = len(json.dumps(manifest))
        listed["manifests"].append(
            {"mediaType": model[0], "digest": digest, "size": size, "artifactType": SIGNATURE}
        )
    fake_registry.put(REPOSITORY, listed, tag, media_type=kind)


@pytest.mark.parametrize("number", [1, 100])
def test_many_large_signatures_do_not_fill_the_memory(number, sent, fake_registry, tmp_path):
    """Anybody who may write there can add any number; each is of these files, and large."""
    key = new_key()
    files = [signed(FILES, key) + b" " * (1_000_000 + each) for each in range(100)]
    refer(fake_registry, sent, files, number)
    with Registry(tmp_path / "ours", durability="fast") as registry:
        tracemalloc.start()
        take(registry, fake_registry.host)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 40_000_000
        assert len(fake_registry.asked("GET", "/blobs/")) < 80, "not all of them are looked at"
        assert [model.name for model in registry.models()] == ["m"]
        assert registry.verify(full=True).ok
        assert [each for each in (registry.path / "tmp").rglob("*") if each.is_file()] == []
