"""Models in container registries: what is written there, and what comes back (P45)."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from support import foreign_signatures
from support.command_line import run_cli
from support.servers.container_registry import skopeo
from support.servers.fake_registry import of
from support.trees import File, look, plant

from localreg import Registry
from localreg.errors import (
    InvalidURLError,
    InvalidValueError,
    PathExistsError,
    SourceNotFoundError,
)

SIGNATURE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PACKAGE = {
    "config.json": File(b'{"layers": 2}\n'),
    "model.safetensors": File(b"w" * 70_000),
    "same.safetensors": File(b"w" * 70_000),
    "code/run.sh": File(b"#!/bin/sh\n", executable=True),
}


@pytest.fixture
def models(tmp_path):
    """A registry with vision/resnet:1, of one file, and the package vision/packed:1."""
    plant(tmp_path / "packed", PACKAGE)
    (tmp_path / "resnet.pt").write_bytes(bytes(range(256)) * 40_000)
    with Registry(tmp_path / "source", durability="fast") as registry:
        model = registry.add(
            tmp_path / "resnet.pt", "resnet", "vision", tags=["good"], metadata={"accuracy": 0.9}
        )
        model.report_scalar("loss", "train", 0.5, iteration=1)
        registry.add(tmp_path / "packed", "packed", "vision")
        yield registry


@pytest.fixture
def target(tmp_path):
    with Registry(tmp_path / "target", durability="fast") as registry:
        yield registry


@pytest.fixture
def place(container_registry, tmp_path):
    """A repository of the test's own in the container registry."""
    name = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]
    return f"oci://{container_registry.host}/{name}/net"


@pytest.fixture
def keys(tmp_path):
    """Paths of a private and a public key."""
    key = foreign_signatures.new_key()
    (tmp_path / "k.pem").write_bytes(foreign_signatures.private_pem(key))
    (tmp_path / "k.pub").write_bytes(foreign_signatures.public_pem(key))
    return key, tmp_path / "k.pem", tmp_path / "k.pub"


def send(registry, *models, to, **options):
    return registry.export(*models, path=to, plain_http=True, **options)


def take(registry, source, **options):
    return registry.import_bundle(source, plain_http=True, **options)


def raw(place, reference):
    """Return the answer to a request for a manifest."""
    host, _, repository = place.removeprefix("oci://").partition("/")
    return requests.get(
        f"http://{host}/v2/{repository}/manifests/{reference}",
        headers={"Accept": "application/vnd.oci.image.index.v1+json, "
                 "application/vnd.oci.image.manifest.v1+json"},
    )  # fmt: skip


def test_a_model_goes_through_a_container_registry_with_all_that_belongs_to_it(
    models, target, place
):
    done = send(models, "vision/packed:1", to=f"{place}:first")
    assert done.path.startswith(f"{place}:first@sha256:")
    came = take(target, f"{place}:first")
    assert (came.models, came.missing) == (("vision/packed:1",), ())
    model = target.model("vision/packed:1")
    assert model.id == models.model("vision/packed:1").id
    assert look(Path(model.get_local_copy())) == PACKAGE

    send(models, "vision/resnet:1", to=place.replace("/net", "/resnet"))
    take(target, place.replace("/net", "/resnet"))
    model = target.model("vision/resnet:1")
    assert (model.tags, model.get_all_metadata()["accuracy"]["value"]) == (["good"], "0.9")
    origin = models.model("vision/resnet:1")
    assert model.get_reported_scalars() == origin.get_reported_scalars() != {}
    assert [(each.kind, each.at) for each in model.history()] == [
        (each.kind, each.at) for each in origin.history()
    ]


def test_the_manifest_is_that_of_the_bundle(models, place, tmp_path):
    models.export("vision/packed:1", path=tmp_path / "b.tar")
    send(models, "vision/packed:1", to=f"{place}:1")
    expected = skopeo("inspect", "--raw", f"oci-archive:{tmp_path}/b.tar:vision/packed:1")
    assert raw(place, "1").content == expected


def test_twice_is_once(models, target, place):
    first = send(models, "vision/resnet:1", to=f"{place}:1")
    listed = raw(place, first.path.rpartition("@")[2].replace(":", "-")).content
    assert send(models, "vision/resnet:1", to=f"{place}:1").path == first.path
    assert raw(place, first.path.rpartition("@")[2].replace(":", "-")).content == listed
    assert take(target, f"{place}:1").models == ("vision/resnet:1",)
    again = take(target, f"{place}:1")
    assert (again.models, again.events, again.blobs, again.reports) == ((), 0, 0, 0)


def test_what_changed_since_comes_with_the_next_push(models, target, place):
    send(models, "vision/resnet:1", to=f"{place}:1")
    take(target, f"{place}:1")
    model = models.model("vision/resnet:1")
    model.comment = "better than it looks"
    model.report_scalar("loss", "train", 0.25, iteration=2)
    send(models, model, to=f"{place}:1")
    came = take(target, f"{place}:1")
    assert (came.events, came.blobs, came.reports) == (1, 0, 1)
    assert target.model("vision/resnet:1").comment == "better than it looks"


def test_records_of_two_registries_are_joined(models, target, place):
    """Both changed the model, and pushed it, without knowing of each other."""
    send(models, "vision/resnet:1", to=f"{place}:1")
    take(target, f"{place}:1")
    models.model("vision/resnet:1").tags = ["good", "mine"]
    target.model("vision/resnet:1").tags = ["good", "theirs"]
    send(models, "vision/resnet:1", to=f"{place}:1")
    send(target, "vision/resnet:1", to=f"{place}:1")
    with Registry(Path(target.path).with_name("third"), durability="fast") as third:
        take(third, f"{place}:1")
        assert sorted(third.model("vision/resnet:1").tags) == ["good", "mine", "theirs"]


def test_a_push_without_history_does_not_hide_one_with_it(models, target, place, tmp_path):
    """The first is for copies; when there is history, it is taken."""
    send(models, "vision/resnet:1", to=f"{place}-copies:1", history=False)
    take(target, f"{place}-copies:1")
    origin = models.model("vision/resnet:1").id
    assert target.model("vision/resnet:1").id != origin
    send(models, "vision/resnet:1", to=f"{place}:1")
    send(models, "vision/resnet:1", to=f"{place}:1", history=False)
    take(target, f"{place}:1")
    assert origin in [each.id for each in target.models()]


def test_skopeo_carries_record_and_signature_by_the_tag_that_lists_them(
    models, target, place, keys
):
    models.sign("vision/packed:1", keys[1])
    done = send(models, "vision/packed:1", to=f"{place}:1")
    digest = done.path.rpartition("sha256:")[2]
    source, copied = place.replace("oci:", "docker:"), place.replace("oci:", "docker:") + "/copy"
    for tag in ("1", f"sha256-{digest}"):
        skopeo(
            "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false",
            f"{source}:{tag}", f"{copied}:{tag}",
        )  # fmt: skip
    assert raw(f"{place}/copy", "1").content == raw(place, "1").content
    came = take(target, f"{place}/copy:1@sha256:{digest}")
    assert came.models == ("vision/packed:1",)
    assert target.model("vision/packed:1").id == models.model("vision/packed:1").id
    target.add_key(keys[2])
    assert [each.valid for each in target.verify_signature("vision/packed:1")] == [True]


def test_several_versions_go_to_repositories_of_their_names(models, target, place, tmp_path):
    (tmp_path / "two.pt").write_bytes(bytes(range(256)) * 40_000)  # the same bytes as version 1
    models.add(tmp_path / "two.pt", "resnet", "vision")
    done = send(models, project="vision", to=place)
    assert sorted(each.partition("@")[0] for each in done.paths) == [
        f"{place}/vision/packed:1", f"{place}/vision/resnet:1", f"{place}/vision/resnet:2",
    ]  # fmt: skip
    take(target, f"{place}/vision/resnet:2")
    assert [each.id for each in target.models()] == [models.model("vision/resnet:2").id]
    with pytest.raises(InvalidValueError, match="names no tag, and there are 2: 1, 2"):
        take(target, f"{place}/vision/resnet")


def test_a_tag_that_is_something_else_is_not_replaced(models, place):
    send(models, "vision/resnet:1", to=f"{place}:1")
    before = raw(place, "1").content
    with pytest.raises(PathExistsError, match="choose another tag"):
        send(models, "vision/packed:1", to=f"{place}:1")
    assert raw(place, "1").content == before


def test_a_dry_run_writes_nothing_and_needs_no_server(models, target, place):
    done = send(models, "vision/resnet:1", to="oci://127.0.0.1:9/net", dry_run=True)
    assert (done.dry_run, done.paths) == (True, ("oci://127.0.0.1:9/net:1",))
    send(models, "vision/resnet:1", to=f"{place}:1")
    came = take(target, f"{place}:1", dry_run=True)
    assert (came.models, came.blobs, len(target.models())) == (("vision/resnet:1",), 1, 0)


def test_copies_in_another_project(models, target, place):
    send(models, "vision/packed:1", to=f"{place}:1")
    assert take(target, f"{place}:1", project="staging").models == ("staging/packed:1",)
    assert take(target, f"{place}:1", project="staging").models == ()
    assert look(Path(target.model("staging/packed").get_local_copy())) == PACKAGE


def test_an_image_has_a_tag_of_its_own(models, place):
    send(models, "vision/packed:1", to=f"{place}:1", image=True)
    found = json.loads(raw(place, "1-image").content)
    assert found["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    assert raw(place, "1-image-arm64").status_code == 200


def test_what_oras_pushed_becomes_a_model(target, place, tmp_path, container_registry, monkeypatch):
    from oras.client import OrasClient

    monkeypatch.chdir(tmp_path)
    for name in ("weights.bin", "config.json"):
        Path(name).write_text(name)
    repository = place.removeprefix("oci://")
    client = OrasClient(hostname=container_registry.host, insecure=True)
    client.push(target=f"{repository}:v1", files=["weights.bin", "config.json"], quiet=True)
    client.push(target=f"{repository}:v2", files=["weights.bin"], quiet=True)
    Path("folder/deep").mkdir(parents=True)
    Path("folder/deep/inside.txt").write_text("inside")
    client.push(target=f"{repository}:v3", files=["weights.bin", "folder"], quiet=True)
    project, _, name = repository.partition("/")[2].rpartition("/")
    assert take(target, f"{place}:v1").models == (f"{project}/{name}:1",)
    folder = Path(target.model(f"{project}/{name}:1").get_local_copy())
    assert (folder / "config.json").read_text() == "config.json"
    take(target, f"{place}:v2")
    model = target.model(f"{project}/{name}:2")
    assert Path(model.get_local_copy()).read_text() == "weights.bin"
    take(target, f"{place}:v3")
    folder = Path(target.model(f"{project}/{name}:3").get_local_copy())
    assert (folder / "folder/deep/inside.txt").read_text() == "inside"


def test_what_has_no_record_becomes_a_new_model_once(models, target, place, tmp_path):
    """As skopeo copies it, without the tag that lists the record."""
    models.export("vision/packed:1", path=tmp_path / "b.tar")
    skopeo(
        "copy", "--dest-tls-verify=false", f"oci-archive:{tmp_path}/b.tar:vision/packed:1",
        f"{place.replace('oci:', 'docker:')}:1",
    )  # fmt: skip
    assert take(target, f"{place}:1").models == ("vision/packed:1",)
    model = target.model("vision/packed:1")
    assert model.id != models.model("vision/packed:1").id
    assert look(Path(model.get_local_copy())) == PACKAGE
    assert take(target, f"{place}:1").models == ()


def refer(place, reference, data):
    """Add a signature to a manifest, as another tool does: with the tag that lists it."""
    host, _, repository = place.removeprefix("oci://").partition("/")
    base = f"http://{host}/v2/{repository}"
    subject = raw(place, reference).content
    digest = hashlib.sha256(subject).hexdigest()
    for blob in (data, b"{}"):
        url = requests.post(f"{base}/blobs/uploads/").headers["Location"]
        named = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        requests.put(f"{url}&digest={named}", data=blob).raise_for_status()
    kind = "application/vnd.oci.image.manifest.v1+json"
    signature = {
        "schemaVersion": 2, "mediaType": kind, "artifactType": SIGNATURE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json",
                   "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}", "size": 2},
        "layers": [{"mediaType": SIGNATURE, "size": len(data),
                    "digest": f"sha256:{hashlib.sha256(data).hexdigest()}"}],
        "subject": {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(subject)},
    }  # fmt: skip
    body = json.dumps(signature).encode()
    named = f"sha256:{hashlib.sha256(body).hexdigest()}"
    headers = {"Content-Type": kind}
    requests.put(f"{base}/manifests/{named}", data=body, headers=headers).raise_for_status()
    there = raw(place, f"sha256-{digest}")
    index = there.json() if there.ok else {"schemaVersion": 2, "manifests": []}
    index["mediaType"] = "application/vnd.oci.image.index.v1+json"
    entry = {"mediaType": kind, "digest": named, "size": len(body), "artifactType": SIGNATURE}
    index["manifests"].append(entry)
    headers = {"Content-Type": index["mediaType"]}
    url = f"{base}/manifests/sha256-{digest}"
    requests.put(url, data=json.dumps(index), headers=headers).raise_for_status()


def test_signatures_go_along(models, target, place, keys):
    _, private, public = keys
    made = models.sign("vision/packed:1", private)
    send(models, "vision/packed:1", to=f"{place}:1")
    take(target, f"{place}:1")
    target.add_key(public)
    (found,) = target.verify_signature("vision/packed:1")
    assert (found.valid, found.digest) == (True, made.digest)
    take(target, f"{place}:1", project="staging")
    assert [each.valid for each in target.verify_signature("staging/packed:1")] == [True]


def test_a_signature_that_others_added_is_kept_once(models, target, place, keys):
    key, _, public = keys
    send(models, "vision/packed:1", to=f"{place}:1")
    digests = {path: hashlib.sha256(each.content).hexdigest() for path, each in PACKAGE.items()}
    refer(place, "1", foreign_signatures.signed(digests, key))
    refer(place, "1", foreign_signatures.signed(digests | {"config.json": "a" * 64}, key))
    refer(place, "1", b"no signature at all")
    assert take(target, f"{place}:1").models == ("vision/packed:1",)
    target.add_key(public)
    assert [each.valid for each in target.verify_signature("vision/packed:1")] == [True]
    assert take(target, f"{place}:1").events == 0
    assert len(target.verify_signature("vision/packed:1")) == 1


def test_signatures_of_a_model_without_a_record(models, target, place, keys, tmp_path):
    key, _, public = keys
    models.export("vision/packed:1", path=tmp_path / "b.tar")
    skopeo(
        "copy", "--dest-tls-verify=false", f"oci-archive:{tmp_path}/b.tar:vision/packed:1",
        f"{place.replace('oci:', 'docker:')}:1",
    )  # fmt: skip
    digests = {path: hashlib.sha256(each.content).hexdigest() for path, each in PACKAGE.items()}
    refer(place, "1", foreign_signatures.signed(digests, key))
    refer(place, "1", b"no signature at all")
    assert take(target, f"{place}:1").models == ("vision/packed:1",)
    target.add_key(public)
    assert [each.valid for each in target.verify_signature("vision/packed:1")] == [True]


@pytest.mark.parametrize(
    "source",
    [
        "oci://", "oci:///x", "oci://host", "oci://host/", "oci://host/UPPER", "oci://host/a//b",
        "oci://host/a:", "oci://host/a:b/c", "oci://host/a@sha256:12", "oci://host/a@md5:aa",
        "oci://host:0/a", "oci://host:99999/a", "oci://host/../a", "oci://host/a?b=c",
        "oci://ho st/a", "oci://host/a#b", f"oci://host/{'a' * 300}", f"oci://host/a:{'b' * 129}",
    ],
)  # fmt: skip
def test_a_place_that_cannot_be_is_refused(target, source):
    with pytest.raises(InvalidValueError):
        target.import_bundle(source)


def test_passwords_do_not_belong_into_a_place(target):
    with pytest.raises(InvalidURLError, match="docker login") as error:
        target.import_bundle("oci://ann:geheim@host/net:1")
    assert "geheim" not in str(error.value)


def test_what_is_not_there(models, target, place):
    with pytest.raises(SourceNotFoundError, match="check the repository and the tag, and log in"):
        take(target, f"{place}:1")
    with pytest.raises(SourceNotFoundError, match="check the repository, and log in"):
        take(target, place)
    send(models, "vision/resnet:1", to=f"{place}:1")
    with pytest.raises(SourceNotFoundError):
        take(target, f"{place}@sha256:{'a' * 64}")


def test_plain_http_is_for_container_registries(models, target, tmp_path):
    for call in (
        lambda: models.export("vision/resnet:1", path=tmp_path / "b.tar", plain_http=True),
        lambda: target.import_bundle(tmp_path / "b.tar", plain_http=True),
    ):
        with pytest.raises(InvalidValueError, match="plain_http"):
            call()
    for options in ({"everything": True}, {"since": "0" * 32}, {"split": 10_000_000}):
        named = [] if "everything" in options else ["vision/resnet:1"]
        with pytest.raises(InvalidValueError, match="container registry"):
            send(models, *named, to="oci://127.0.0.1:9/net", **options)


@pytest.mark.parametrize(
    "text", ["docker://localhost/net:1", "https://u:secret@localhost/net", "oci:/localhost/net:1"]
)
def test_other_forms_of_a_place_are_named(models, target, text):
    for call in (
        lambda: models.export("vision/resnet:1", path=text),
        lambda: target.import_bundle(text),
        lambda: target.import_bundle(text, plain_http=True),
    ):
        with pytest.raises(InvalidValueError, match="that is oci://HOST/REPOSITORY:TAG") as caught:
            call()
        assert "secret" not in str(caught.value)


def test_the_commands(models, target, place):
    """They print the place with the digest, and say what went and came."""
    here, there, http = ["-R", str(models.path)], ["-R", str(target.path)], "--plain-http"
    export = ["export", "vision/packed:1", "-o", place, *here]
    code, _, err = run_cli(*export, "--dry-run")
    assert (code, "A bundle would hold 1 model" in err) == (0, True), err
    assert f"To {place}:1\n" in err
    code, out, err = run_cli(*export, http, "-q")
    pinned = out.strip()
    assert re.fullmatch(re.escape(f"{place}:1@sha256:") + "[0-9a-f]{64}", pinned), err
    _, out, err = run_cli(*export, http, "--json")
    assert json.loads(out)["paths"] == [pinned]
    versions = "export", "vision/packed:1", "vision/resnet:1", "-o", f"{place}/all", *here
    assert f"To {place}/all/vision/resnet:1\n" in run_cli(*versions, "--dry-run")[2]
    assert len(run_cli(*versions, http, "-q")[1].splitlines()) == 2
    code, out, err = run_cli("import", pinned, http, "--dry-run", *there)
    assert (code, out) == (0, "new: vision/packed:1\n"), err
    code, out, err = run_cli("import", pinned, http, "--json", *there)
    assert json.loads(out)["models"] == ["vision/packed:1"], err
    assert "Nothing came" in run_cli("import", pinned, http, *there)[2]
    for command, words in (("push", f"export MODEL -o {place}"), ("pull", f"import {place}")):
        code, _, err = run_cli(command, place, *there)
        assert (code, words in err) == (2, True), err
    code, _, err = run_cli("import", place, *there)
    assert (code, http in err) == (1, True), err


def test_an_import_that_was_killed_goes_on(models, target, fake_registry):
    """The part that came is not downloaded again."""
    place = f"oci://{fake_registry.host}/vision/resnet"
    send(models, "vision/resnet:1", to=place)
    data = bytes(range(256)) * 40_000
    (digest,) = (name for name, each in fake_registry.blobs.items() if each == data)
    begun = threading.Event()

    def stall(request):
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.send_header("ETag", f'"{digest}"')
        request.end_headers()
        request.wfile.write(data[:8_000_000])
        request.wfile.flush()
        begun.set()
        request.rfile.read(1)  # until the connection ends

    fake_registry.faults = [of(f"/blobs/{digest}", stall, 1, "GET")]
    code = (
        "import sys; from localreg import Registry\n"
        "Registry(sys.argv[1]).import_bundle(sys.argv[2], plain_http=True)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(target.path), place])
    assert begun.wait(60)
    part, size = None, 0
    until = time.monotonic() + 60
    while size < 1_000_000 and time.monotonic() < until:
        part = next(Path(target.path).glob("**/tmp/get-*/part"), None)
        size = part.stat().st_size if part is not None else 0
    child.kill()
    child.wait()
    size = part.stat().st_size
    ranges = []
    fake_registry.faults.append(
        lambda request: ranges.append(request.headers["Range"]) if digest in request.path else None
    )
    assert take(target, place).models == ("vision/resnet:1",)
    assert f"bytes={size}-" in ranges
    assert Path(target.model("vision/resnet:1").get_local_copy()).read_bytes() == data
