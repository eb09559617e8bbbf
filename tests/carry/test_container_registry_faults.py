"""Container registries that refuse, fail, cut, lie, or ask for tokens; and strange manifests."""

from __future__ import annotations

import base64
import io
import json
import logging
import tarfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from support.servers.container_registry import PASSWORD, USER, ContainerRegistry
from support.servers.fake_registry import INDEX, answers, cuts, of
from support.trees import File, look

from localreg import Registry
from localreg.blobs.bundles.container_login import Login
from localreg.blobs.bundles.container_registry import (
    ContainerRegistry as ContainerRegistryClient,
)
from localreg.blobs.transfer.pace import Pace
from localreg.errors import (
    BundleError,
    CorruptBlobError,
    DigestMismatchError,
    DownloadError,
    InvalidValueError,
    LocalregError,
    SourceNotFoundError,
    UploadError,
)
from localreg.operations.carry.container_registries import export_to, import_from
from localreg.operations.carry.selection import select

FAST = Pace(pause=0.001, silence=5.0)
RECORD = "application/vnd.localreg.record.v1+json"
MODEL = "application/vnd.cncf.model.manifest.v1+json"
WEIGHTS = bytes(range(256)) * 30_000  # larger than what is sent at once
EMPTY = {
    "mediaType": "application/vnd.oci.empty.v1+json",
    "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size": 2,
}


@pytest.fixture
def models(tmp_path):
    """A registry with vision/net:1."""
    with Registry(tmp_path / "source", durability="fast") as registry:
        (tmp_path / "net.pt").write_bytes(WEIGHTS)
        registry.add(tmp_path / "net.pt", "net", "vision")
        yield registry


@pytest.fixture
def target(tmp_path):
    with Registry(tmp_path / "target", durability="fast") as registry:
        yield registry


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder of docker's, for credentials; nothing else has any."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def log_in(home, host, password=PASSWORD):
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (home / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return f"Basic {auth}"


def send(registry, host, **options):
    chosen = select(registry._chain, ["vision/net:1"])
    place = f"oci://{host}/vision/net:1"
    return export_to(registry._chain, chosen, place, plain_http=True, pace=FAST, **options)


def take(registry, host, name="vision/net:1", pace=FAST, **options):
    place = f"oci://{host}/{name}"
    return import_from(registry._chain, place, plain_http=True, pace=pace, **options)


def nothing_came(registry):
    """Return True if a registry has no model, no bytes and no leftovers."""
    root = Path(registry.path)
    files = [each for part in ("blobs", "tmp") for each in (root / part).rglob("*")]
    return len(registry.models()) == 0 and not [each for each in files if each.is_file()]


def model_of(*layers, **more):
    """Return a manifest of a model as another tool writes it."""
    return {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": MODEL,
        "config": EMPTY,
        "layers": [*layers],
    } | more


def layer(blob, title, media_type="application/octet-stream"):
    annotations = {"org.opencontainers.image.title": title}
    return blob | {"mediaType": media_type, "annotations": annotations}


def test_users_of_a_real_registry(models, target, home, tmp_path, caplog):
    """Without credentials, with wrong ones, with right ones, and with those of a helper."""
    (tmp_path / "registry").mkdir()
    server = ContainerRegistry(tmp_path / "registry", users=True)
    caplog.set_level(logging.DEBUG)
    try:
        with pytest.raises(DownloadError, match=f"docker login {server.host}") as error:
            send(models, server.host)
        log_in(home, server.host, "geheim")
        with pytest.raises(DownloadError, match="refuses the credentials") as error:
            send(models, server.host)
        log_in(home, server.host)
        send(models, server.host)
        assert take(target, server.host).models == ("vision/net:1",)

        helper = tmp_path / "docker-credential-fake"
        helper.write_text(f'#!/bin/sh\necho \'{{"Username":"{USER}","Secret":"{PASSWORD}"}}\'\n')
        helper.chmod(0o755)
        (home / "config.json").write_text(json.dumps({"credsStore": "fake"}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
            assert take(target, server.host).events == 0
        for text in ("{", "[]", '{"auths": 7}', json.dumps({"auths": {server.host: 7}}), "\xff",
                     json.dumps({"credHelpers": {server.host: "not-there"}})):  # fmt: skip
            (home / "config.json").write_text(text, encoding="latin-1")
            with pytest.raises(LocalregError) as error:
                take(target, server.host)
            assert "geheim" not in str(error.value)
    finally:
        server.stop()
    for secret in ("geheim", PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in caplog.text


def test_a_registry_that_only_gives(models, target, home, tmp_path):
    """The same data, served by one that takes nothing in."""
    folder = tmp_path / "registry"
    folder.mkdir()
    server = ContainerRegistry(folder)
    try:
        send(models, server.host)
    finally:
        server.stop()
    server = ContainerRegistry(folder, readonly=True)
    try:
        assert take(target, server.host).models == ("vision/net:1",)
        models.model("vision/net:1").comment = "new"
        with pytest.raises(UploadError, match=r"read-only \(HTTP 405"):
            send(models, server.host)
    finally:
        server.stop()


def test_tokens_are_asked_for_again_when_they_end(models, target, home, fake_registry, caplog):
    caplog.set_level(logging.DEBUG)
    fake_registry.users = {log_in(home, fake_registry.host)}
    fake_registry.token_life = 2
    send(models, fake_registry.host)
    assert take(target, fake_registry.host).models == ("vision/net:1",)
    assert len(fake_registry.tokens) > 5
    assert "token-" not in caplog.text
    fake_registry.users = {"Basic other"}
    with pytest.raises(DownloadError, match="refuses the credentials") as error:
        take(target, fake_registry.host)
    assert "geheim" not in str(error.value)
    assert "no such user" not in caplog.text  # what servers say may be a token


def test_a_server_of_tokens_that_misbehaves(target, home, fake_registry):
    fake_registry.users = {log_in(home, fake_registry.host)}
    for body in (b"", b"[]", b"7", b'{"token": 7}', b'{"token": "a\\r\\nX: y"}', b"x" * 2_000_000):
        fake_registry.faults = [of("/token", answers(200, body), 100)]
        with pytest.raises(DownloadError):
            take(target, fake_registry.host)
    elsewhere = answers(307, Location="http://127.0.0.1:9/token")
    fake_registry.faults = [of("/token", elsewhere, 100)]
    with pytest.raises(DownloadError):
        take(target, fake_registry.host)
    realm = answers(401, WWW_Authenticate='Bearer realm="file:///etc/passwd",service="x"')
    fake_registry.faults = [of("/v2/", realm, 100)]
    with pytest.raises(DownloadError, match="without encryption"):
        take(target, fake_registry.host)
    letters = answers(401, WWW_Authenticate=f"Bearer {'a' * 60_000}")
    fake_registry.faults = [of("/v2/", letters, 100)]
    with pytest.raises(DownloadError, match="at too great length"):
        take(target, fake_registry.host)
    assert nothing_came(target)


def test_a_password_is_not_sent_without_encryption(home, fake_registry):
    """To a server of tokens that a registry with TLS names."""
    log_in(home, "registry.invalid")
    login = Login("registry.invalid", "https://registry.invalid", FAST)
    asked = requests.Response()
    asked.headers["WWW-Authenticate"] = f'Bearer realm="http://{fake_registry.host}/token"'
    with pytest.raises(DownloadError, match="without encryption"):
        login.renew("https://registry.invalid/v2/", asked)
    assert not login.renew("https://elsewhere.invalid/v2/", asked)
    assert not login.renew("http://registry.invalid/v2/", asked)
    assert fake_registry.requests == []


def test_a_server_of_tokens_that_drips(target, home, fake_registry):
    """Each byte comes in time, and the answer never ends."""
    fake_registry.users = {log_in(home, fake_registry.host)}

    def drips(request):
        request.send_response(200)
        request.end_headers()
        request.close_connection = True
        with suppress(OSError):
            while True:
                request.wfile.write(b" ")
                threading.Event().wait(0.05)

    fake_registry.faults = [of("/token", drips, 100)]
    with pytest.raises(DownloadError, match="server for tokens that does not answer"):
        take(target, fake_registry.host, pace=Pace(pause=0.001, silence=0.5))
    assert nothing_came(target)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_go_better_later_is_tried_again(status, models, target, fake_registry):
    for part in ("/manifests/1", "/blobs/uploads/", "/blobs/sha256", "/manifests/sha256:"):
        fake_registry.faults.append(of(part, answers(status, Retry_After="0"), 2))
    send(models, fake_registry.host)
    for part in ("/manifests/1", "/blobs/sha256", "/referrers/"):
        fake_registry.faults.append(of(part, answers(status), 2))
    assert take(target, fake_registry.host).models == ("vision/net:1",)


def test_refusals_say_what_they_are(models, target, fake_registry):
    denied = b'{"errors":[{"code":"DENIED","message":"geheim"}]}'
    for status, words in ((403, "refuses access"), (500, "answers 500"), (418, "HTTP 418, DENIED")):
        fake_registry.faults = [of("/v2/", answers(status, denied), 1_000)]
        with pytest.raises(DownloadError, match=words) as error:
            take(target, fake_registry.host)
        assert "geheim" not in str(error.value)
        fake_registry.faults = [of("/v2/", answers(status, denied), 1_000, "POST")]
        with pytest.raises(UploadError, match=words) as error:
            send(models, fake_registry.host)
        assert "geheim" not in str(error.value)
    fake_registry.faults = []
    with pytest.raises(SourceNotFoundError):
        take(target, fake_registry.host)
    assert nothing_came(target)
    assert fake_registry.manifests == {}


def test_a_download_that_is_cut_goes_on(models, target, fake_registry):
    send(models, fake_registry.host)
    (digest,) = (name for name, data in fake_registry.blobs.items() if data == WEIGHTS)
    fake_registry.faults = [of(f"/blobs/{digest}", cuts(WEIGHTS, 5_000_000), 1, "GET")]
    ranges = []
    fake_registry.faults.append(lambda request: ranges.append(request.headers["Range"]))
    assert take(target, fake_registry.host).models == ("vision/net:1",)
    assert "bytes=5000000-" in ranges


def test_an_upload_that_is_cut_goes_on(models, fake_registry):
    def cut(request):
        """Take a part of the bytes, and end the connection."""
        upload = request.path.partition("uploads/")[2].partition("?")[0]
        fake_registry.uploads[upload] += request.rfile.read(5_000_000)
        request.hang_up()

    fake_registry.faults = [of("/blobs/uploads/", cut, 1, "PATCH")]
    spans = []
    fake_registry.faults.append(lambda request: spans.append(request.headers["Content-Range"]))
    send(models, fake_registry.host)
    assert WEIGHTS in fake_registry.blobs.values()
    assert f"5000000-{len(WEIGHTS) - 1}" in spans


def test_a_deadline_is_for_one_download_only(models, fake_registry):
    """An export takes as long as it takes."""
    chosen = select(models._chain, ["vision/net:1"])
    pace = Pace(pause=0.001, silence=5.0, deadline=0.000_001)
    place = f"oci://{fake_registry.host}/vision/net:1"
    export_to(models._chain, chosen, place, plain_http=True, pace=pace)
    assert WEIGHTS in fake_registry.blobs.values()


def test_an_answer_that_is_lost_does_no_harm(models, target, fake_registry):
    """The registry did it, and the connection ended."""

    def does_it(request):
        sent = request.wfile
        request.wfile = type("Nowhere", (), {"write": lambda *_: None, "flush": lambda *_: None})()
        fake_registry.faults, kept = [], fake_registry.faults
        fake_registry.serve(request)
        fake_registry.faults = kept
        request.wfile = sent
        request.hang_up()

    fake_registry.faults = [
        of("/blobs/uploads/.*digest=", does_it, 1, "PUT"), of("/manifests/", does_it, 2, "PUT"),
        of("/blobs/uploads/", does_it, 1, "PATCH"), of("/blobs/uploads/", does_it, 1, "POST"),
    ]  # fmt: skip
    send(models, fake_registry.host)
    assert take(target, fake_registry.host).models == ("vision/net:1",)


def test_other_bytes_are_refused(models, target, fake_registry):
    send(models, fake_registry.host)
    for name, data in [*fake_registry.blobs.items()]:
        if data == b"{}":  # known, so that nobody asks for it
            continue
        fake_registry.blobs[name] = data[:-1] + bytes([data[-1] ^ 1])
        with pytest.raises(DigestMismatchError):
            take(target, fake_registry.host)
        assert nothing_came(target), name
        fake_registry.blobs[name] = data + b"x"
        with pytest.raises((DigestMismatchError, DownloadError)):
            take(target, fake_registry.host)
        fake_registry.blobs[name] = data
    kind, manifest = fake_registry.manifests["vision/net", "1"]
    header = answers(200, manifest, Content_Type=kind, Docker_Content_Digest=f"sha256:{'a' * 64}")
    fake_registry.faults = [of("/manifests/1", header)]
    with pytest.raises(DigestMismatchError, match="or were replaced"):
        take(target, fake_registry.host)
    other = answers(200, manifest.replace(b"vision", b"wision"), Content_Type=kind)
    fake_registry.faults = [of("/manifests/sha256:", other, 10)]
    with pytest.raises(DigestMismatchError):
        take(target, fake_registry.host)
    assert nothing_came(target)
    fake_registry.faults = []
    assert take(target, fake_registry.host).models == ("vision/net:1",)


def test_credentials_go_to_their_host_only(models, target, home, fake_registry, tmp_path):
    """A blob and an upload are elsewhere, as with registries that keep their blobs in a bucket."""
    from support.servers.fake_registry import FakeRegistry

    bucket = FakeRegistry()
    try:
        fake_registry.users = {log_in(home, fake_registry.host)}

        def elsewhere(request):
            request.read_body()
            bucket.uploads["u"] = b""
            request.answer(202, Location=f"http://{bucket.host}/v2/x/y/blobs/uploads/u?sig=geheim")

        fake_registry.faults = [of("/blobs/uploads/", elsewhere, 1, "POST")]
        send(models, fake_registry.host)
        assert bucket.asked("PUT", "sig=geheim")
        fake_registry.faults = []
        send(models, fake_registry.host)
        (digest,) = (name for name, data in fake_registry.blobs.items() if data == WEIGHTS)
        bucket.blobs[digest] = WEIGHTS
        target_url = f"http://{bucket.host}/v2/x/y/blobs/{digest}?sig=geheim"
        fake_registry.faults = [of(f"/blobs/{digest}", answers(307, Location=target_url), 9)]
        assert take(target, fake_registry.host).models == ("vision/net:1",)
        assert bucket.asked("GET")
        assert {header for *_, header in bucket.requests} == {None}
    finally:
        bucket.close()


def test_the_api_of_referrers(models, target, fake_registry):
    """Several answers, and no tag that takes its place."""
    fake_registry.has_referrers, fake_registry.page = True, 1
    send(models, fake_registry.host)
    tags = {name for _, name in fake_registry.manifests if not name.startswith("sha256:")}
    assert tags == {"1"}
    assert take(target, fake_registry.host).models == ("vision/net:1",)
    assert target.model("vision/net:1").id == models.model("vision/net:1").id
    assert len(fake_registry.asked("GET", "from=1")) == 2  # by both
    assert fake_registry.asked("DELETE") == []


@pytest.mark.parametrize("has_referrers", [True, False])
def test_a_record_that_says_less_is_replaced(models, target, fake_registry, has_referrers):
    """By the next push of the same registry; a record of another one stays."""
    fake_registry.has_referrers = has_referrers
    model = models.model("vision/net:1")

    def records():
        """Return the records that are found by the manifest."""
        with ContainerRegistryClient(fake_registry.host, plain=True, pace=FAST) as client:
            digest = fake_registry.put("x", fake_registry.manifests["vision/net", "1"][1])
            return {each.digest for each in client.referrers("vision/net", digest[7:], [RECORD])}

    send(models, fake_registry.host)
    first = records()
    take(target, fake_registry.host)
    for number in range(3):
        model.tags = [f"{number}"]
        send(models, fake_registry.host)
    assert (len(records()), records() & first) == (2, first & records())
    target.model("vision/net:1").report_scalar("loss", "theirs", 1.0, iteration=1)
    send(target, fake_registry.host)
    before = records()
    assert len(before) == 3  # the shared one is the same
    model.report_scalar("loss", "ours", 1.0, iteration=1)
    send(models, fake_registry.host)
    model.report_scalar("loss", "ours", 2.0, iteration=2)
    send(models, fake_registry.host)
    assert len(records()) == 3
    take(target, fake_registry.host)
    loss = target.model("vision/net:1").get_reported_scalars()["loss"]
    assert (loss["ours"]["y"], loss["theirs"]["y"]) == ([1.0, 2.0], [1.0])
    assert target.model("vision/net:1").tags == ["2"]
    denied = of("/manifests/sha256:", answers(405), 9, "DELETE")
    fake_registry.faults = [denied]
    model.tags = ["last"]
    send(models, fake_registry.host)
    take(target, fake_registry.host)
    assert target.model("vision/net:1").tags == ["last"]


def test_the_next_page_of_referrers_is_on_the_same_server(models, target, fake_registry):
    from support.servers.fake_registry import FakeRegistry

    elsewhere = FakeRegistry()
    try:
        send(models, fake_registry.host)
        link = f'<http://{elsewhere.host}/v2/vision/net/referrers/x>; rel="next"'
        page = answers(200, b'{"manifests":[]}', Content_Type=INDEX, Link=link)
        fake_registry.faults = [of("/referrers/", page, 9)]
        assert take(target, fake_registry.host).models == ("vision/net:1",)
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


@pytest.mark.parametrize("has_referrers", [True, False])
def test_a_record_that_cannot_be_read_stays_and_stops_no_push(models, fake_registry, has_referrers):
    fake_registry.has_referrers = has_referrers
    send(models, fake_registry.host)
    blobs = {name for name in fake_registry.blobs if fake_registry.blobs[name] != WEIGHTS}
    for name in blobs:
        fake_registry.blobs[name] = fake_registry.blobs[name][::-1]
    for tag in "a", "b":
        models.model("vision/net:1").tags = [tag]
        send(models, fake_registry.host)
        fake_registry.blobs = {
            name: data for name, data in fake_registry.blobs.items() if name not in blobs
        }


def test_a_list_does_not_say_which_records_are_replaced(models, fake_registry):
    """It may name the record of another version, which says nothing new either."""
    send(models, fake_registry.host)
    manifests = fake_registry.manifests
    (index,) = (name for _, name in manifests if name.startswith("sha256-"))
    listed = json.loads(manifests["vision/net", index][1])
    records = [each for each in listed["manifests"] if each["artifactType"] == RECORD]
    for each in records:
        record = json.loads(manifests["vision/net", each["digest"]][1])
        record["subject"]["digest"] = f"sha256:{'0' * 64}"
        each["digest"] = fake_registry.put("vision/net", record)
    fake_registry.put("vision/net", listed, index, media_type=INDEX)
    models.model("vision/net:1").tags = ["more"]
    send(models, fake_registry.host)
    now = json.loads(manifests["vision/net", index][1])["manifests"]
    assert {each["digest"] for each in records} <= {each["digest"] for each in now}


def test_pages_of_referrers_that_never_end(models, target, fake_registry):
    fake_registry.has_referrers = True
    send(models, fake_registry.host)
    index = b'{"manifests":[]}'
    again = answers(200, index, Content_Type="application/vnd.oci.image.index.v1+json",
                    Link='</v2/vision/net/referrers/x?n=1>; rel="next"')  # fmt: skip
    fake_registry.faults = [of("/referrers/", again, 10_000)]
    with pytest.raises(DownloadError, match="more than 100 pages"):
        take(target, fake_registry.host)
    assert nothing_came(target)


@pytest.mark.parametrize("has_referrers", [True, False])
def test_signatures_of_strangers_do_not_hide_the_record(
    models, target, fake_registry, has_referrers
):
    """Also where the API does not look at the type that is asked for."""
    fake_registry.has_referrers, fake_registry.filters = has_referrers, False
    digest = send(models, fake_registry.host).path.rpartition("@")[2]
    tag = digest.replace(":", "-")
    signature = "application/vnd.dev.sigstore.bundle.v0.3+json"
    kind = "application/vnd.oci.image.manifest.v1+json"
    strange = [
        fake_registry.put("vision/net", model_of(
            artifactType=signature, annotations={"x": f"{number}"},
            subject={"mediaType": kind, "digest": digest, "size": 1},
        ))
        for number in range(1_200)
    ]  # fmt: skip
    for key in [key for key in fake_registry.manifests if key[1] not in strange]:
        fake_registry.manifests[key] = fake_registry.manifests.pop(key)  # to the end
    if not has_referrers:
        index = json.loads(fake_registry.manifests["vision/net", tag][1])
        entry = {"mediaType": kind, "size": 1, "artifactType": signature}
        index["manifests"] = [entry | {"digest": name} for name in strange] + index["manifests"]
        fake_registry.put("vision/net", index, tag, media_type=INDEX)
    assert take(target, fake_registry.host).models == ("vision/net:1",)
    assert target.model("vision/net:1").id == models.model("vision/net:1").id


def test_damaged_weights_are_not_pushed(models, fake_registry):
    copy = Path(models.model("vision/net:1").get_local_copy())
    copy.chmod(0o644)
    copy.write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(CorruptBlobError):
        send(models, fake_registry.host)
    assert fake_registry.manifests == {}
    assert all(len(each) < 100_000 for each in fake_registry.blobs.values())


STRANGE = {
    "not JSON": b"{",
    "a list": b"[]",
    "nested": b"[" * 100_000,
    "no config": b'{"schemaVersion":2,"layers":[]}',
    "another schema": b'{"schemaVersion":1,"layers":[]}',
    "no files": model_of(),
    "a title that leads outside": model_of(layer(EMPTY, "../../x") | {"mediaType": "a/b"}),
    "an absolute title": model_of(layer(EMPTY, "/etc/passwd")),
    "no title": model_of(EMPTY | {"mediaType": "a/b"}),
    "a title twice": model_of(layer(EMPTY, "a"), layer(EMPTY, "a")),
    "a file as folder": model_of(layer(EMPTY, "a"), layer(EMPTY, "a/b")),
    "sha512": model_of({"mediaType": "a/b", "size": 2, "digest": f"sha512:{'a' * 128}"}),
    "a size below zero": model_of(layer(EMPTY | {"size": -1}, "a")),
    "an archive": model_of(layer(EMPTY, "a", "application/vnd.cncf.model.weight.v1.tar")),
    "an image": model_of(
        layer(EMPTY, "a"),
        config=EMPTY | {"mediaType": "application/vnd.oci.image.config.v1+json"},
    ),
    "a record": model_of(artifactType="application/vnd.localreg.record.v1+json"),
    "an empty list": {"manifests": []},
    "a list of no models": {"manifests": [EMPTY | {"mediaType": "a/b"}]},
    "a list of nonsense": {"manifests": [7]},
    "too large": b" " * 33_554_433,
}


@pytest.mark.parametrize("manifest", STRANGE.values(), ids=STRANGE)
def test_strange_manifests_are_refused(manifest, target, fake_registry):
    fake_registry.add(b"{}")
    fake_registry.put("vision/net", manifest, "1")
    with pytest.raises((BundleError, DownloadError)):
        take(target, fake_registry.host)
    assert nothing_came(target)


def tar_of(files, mode="w"):
    """Return an archive of files: contents by name; those that end with .sh are programs."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def test_layers_that_are_archives_are_unpacked(target, fake_registry):
    """As modctl and KitOps write them."""
    fake_registry.add(b"{}")
    weights = fake_registry.add(tar_of({"deep/w.bin": b"weights"}))
    code = fake_registry.add(tar_of({"run.sh": b"run", "empty.json": b"{}"}, "w:gz"))
    plain = layer(fake_registry.add(b"read me"), "README.md")
    manifest = model_of(
        weights | {"mediaType": "application/vnd.cncf.model.weight.v1.tar"},
        code | {"mediaType": "application/vnd.kitops.modelkit.code.v1.tar+gzip"},
        plain,
    )
    fake_registry.put("vision/net", manifest, "1")
    assert take(target, fake_registry.host, dry_run=True).blobs == 5
    take(target, fake_registry.host)
    assert look(Path(target.model("vision/net:1").get_local_copy())) == {
        "deep/w.bin": File(b"weights"),
        "run.sh": File(b"run", executable=True),
        "empty.json": File(b"{}"),
        "README.md": File(b"read me"),
    }
    assert take(target, fake_registry.host).models == ()


def test_archives_that_cannot_be_unpacked(target, fake_registry):
    fake_registry.add(b"{}")
    for data, kind in (
        (tar_of({"../x": b"x"}), "tar"), (tar_of({"/etc/x": b"x"}), "tar"), (b"no archive", "tar"),
        (tar_of({"a": b"x"})[:600], "tar+gzip"), (tar_of({"a": b"x"}), "tar+zstd"),
        (tar_of({"README.md": b"x"}), "tar"), (b"", "tar"),
        (tar_of({"a": b"x"}), "tar+/../../a.tar"), (tar_of({"a": b"x"}), "tar+\0.tar"),
        (tar_of({"a": b"x"}), "tar+\ud800.tar"),
    ):  # fmt: skip
        packed = fake_registry.add(data) | {"mediaType": f"application/vnd.x.{kind}"}
        manifest = model_of(packed, layer(EMPTY, "README.md"))
        fake_registry.put("vision/net", manifest, "1")
        with pytest.raises(BundleError) as error:
            take(target, fake_registry.host)
        assert str(target.path) not in str(error.value)
        assert nothing_came(target)


def test_a_model_in_a_list(target, fake_registry):
    """Docker and others write lists of manifests; the only model in one is meant."""
    digest = fake_registry.put("vision/net", model_of(layer(fake_registry.add(b"w"), "w.bin")))
    fake_registry.add(b"{}")
    listed = {"mediaType": "a/b", "digest": digest, "size": 1, "artifactType": MODEL}
    index = "application/vnd.oci.image.index.v1+json"
    both = {"manifests": [listed, EMPTY]}
    fake_registry.put("vision/net", both, "1", media_type=index)
    assert take(target, fake_registry.host).models == ("vision/net:1",)
    two = {"manifests": [listed, listed | {"digest": EMPTY["digest"]}]}
    fake_registry.put("vision/net", two, "2", media_type=index)
    with pytest.raises(BundleError, match="2 of them are models; name one by its digest"):
        take(target, fake_registry.host, "vision/net:2")


def test_a_file_may_have_the_name_of_a_list(target, fake_registry):
    digest = fake_registry.put("vision/net", model_of(layer(fake_registry.add(b"w"), "manifests")))
    fake_registry.add(b"{}")
    assert take(target, fake_registry.host, f"vision/net@{digest}").models == ("vision/net:1",)


def test_progress_goes_up_to_all_bytes(models, target, fake_registry):
    """Within a large file, too."""
    for call in (
        lambda note: send(models, fake_registry.host, progress=note),
        lambda note: take(target, fake_registry.host, progress=note),
    ):
        noted = []
        call(lambda done, total, noted=noted: noted.append((done, total)))
        assert len(noted) > 10
        assert noted == sorted(noted)
        assert noted[-1][0] == noted[-1][1] >= len(WEIGHTS)


def test_strange_referrers(models, target, fake_registry):
    """What refers to a model may be written by anybody who may write there."""
    done = send(models, fake_registry.host)
    digest = done.path.rpartition("@")[2]
    tag = digest.replace(":", "-")
    kind, sound = fake_registry.manifests["vision/net", tag]
    listed = json.loads(sound)["manifests"]
    record = "application/vnd.localreg.record.v1+json"
    own = {"mediaType": kind, "digest": digest, "size": 9}
    gone = {"mediaType": kind, "digest": f"sha256:{'b' * 64}", "size": 9, "artifactType": record}
    other = fake_registry.put(
        "vision/net", model_of(artifactType=record, subject=own | {"digest": gone["digest"]})
    )
    sha512 = own | {"digest": f"sha512:{'c' * 128}"}
    more = [gone, own | {"digest": other, "artifactType": record}, sha512]
    fake_registry.put("vision/net", {"manifests": listed + more}, tag, media_type=kind)
    assert take(target, fake_registry.host).models == ("vision/net:1",)
    assert target.model("vision/net:1").id == models.model("vision/net:1").id
    signature = "application/vnd.dev.sigstore.bundle.v0.3+json"
    for bad in (b"{", b" " * 70_000, model_of(artifactType=signature, subject=own)):
        name = fake_registry.put("vision/net", bad)
        one = {"mediaType": kind, "digest": name, "size": 9, "artifactType": signature}
        fake_registry.put("vision/net", {"manifests": [*listed, one]}, tag, media_type=kind)
        assert take(target, fake_registry.host).events == 0
    for bad in ({"manifests": 7}, [], {"manifests": [[]]}):
        fake_registry.put("vision/net", bad, tag, media_type=kind)
        with pytest.raises(BundleError):
            take(target, fake_registry.host)
    changed = []
    for each in listed:
        found = fake_registry.manifests["vision/net", each["digest"]][1]
        other = fake_registry.put("vision/net", found.replace(b".events.v1", b".events.v9"))
        changed.append(each | {"digest": other})
    fake_registry.put("vision/net", {"manifests": changed}, tag, media_type=kind)
    with Registry(Path(target.path).with_name("third"), durability="fast") as third:
        with pytest.raises(BundleError, match="no history that localreg reads"):
            take(third, fake_registry.host)
        assert nothing_came(third)
    stranger = model_of(
        artifactType=record, subject=own, annotations={"vnd.localreg.model": "a" * 32}
    )
    one = {"mediaType": kind, "digest": fake_registry.put("vision/net", stranger), "size": 9}
    one["artifactType"] = record
    fake_registry.put("vision/net", {"manifests": [*listed, one]}, tag, media_type=kind)
    assert take(target, fake_registry.host).events == 0
    newer = json.loads(fake_registry.manifests["vision/net", listed[0]["digest"]][1])
    newer |= {"annotations": {"vnd.localreg.bundle.format": "999"}}
    name = fake_registry.put("vision/net", newer)
    one = {"mediaType": kind, "digest": name, "size": 9, "artifactType": record}
    fake_registry.put("vision/net", {"manifests": [*listed, one]}, tag, media_type=kind)
    with pytest.raises(BundleError, match="format 999"):
        take(target, fake_registry.host)


def test_names_of_strange_configurations(target, fake_registry):
    """A name that no model can have does not become one; the repository gives it then."""
    for number, (said, expected) in enumerate(
        [
            ("lab/net", "lab/net"),
            ("///", "vision/net"),
            (7, "vision/net"),
            ("x" * 2_000, "vision/net"),
        ]
    ):
        config = {"descriptor": {"name": said, "description": "of a test"}}
        blob = fake_registry.add(json.dumps(config).encode())
        blob |= {"mediaType": "application/vnd.cncf.model.config.v1+json"}
        file = layer(fake_registry.add(b"%d" % number), "w.bin")
        fake_registry.put("vision/net", model_of(file, config=blob), f"v{number}")
        (came,) = take(target, fake_registry.host, f"vision/net:v{number}").models
        assert came.rpartition(":")[0] == expected
    assert target.model("lab/net").comment == "of a test"
    blob = fake_registry.add(json.dumps({"descriptor": {"name": "a\x00b"}}).encode())
    blob |= {"mediaType": "application/vnd.cncf.model.config.v1+json"}
    fake_registry.put("vision/net", model_of(layer(EMPTY, "w"), config=blob), "bad")
    with pytest.raises((BundleError, InvalidValueError)):
        take(target, fake_registry.host, "vision/net:bad")
