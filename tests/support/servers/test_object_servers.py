"""The object stores that tests start do what the tests of uploads and downloads rely on.

These tests use obstore only, configured by the environment only.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import urllib.parse
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
import requests
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import from_url
from support.servers.object_servers import CLOUD_VARIABLES, no_clouds_of_the_user
from support.servers.server_process import ServerDiedError, ServerProcess

MIB = 1 << 20
ONCE = {"max_retries": 0, "retry_timeout": timedelta(seconds=5)}
# Keys that a URL, a signature or a file name could mangle.
ODD_KEYS = ["a b/ü+%&?#=é.pt", "x~y'z(1)!*$@:;,.pt", "%2F%20/..pt", "模型/权重.safetensors"]


def store_of(bucket, **options):
    return from_url(bucket.url, retry_config=ONCE, **options)


@pytest.fixture
def store(object_store):
    return store_of(object_store)


@pytest.fixture
def big(tmp_path):
    """A file of three parts, the last one shorter."""
    path = tmp_path / "big"
    path.write_bytes(os.urandom(11 * MIB))
    return path


def test_what_is_put_is_there(store, object_store):
    obstore.put(store, "vision/net.pt", b"weights")
    assert object_store.get("vision/net.pt") == b"weights"
    assert object_store.keys() == ["vision/net.pt"]
    object_store.put("other.pt", b"more")
    assert bytes(obstore.get(store, "other.pt").bytes()) == b"more"


def test_an_unknown_key_is_an_error(store, object_store):
    assert object_store.get("net.pt") is None
    assert (object_store.keys(), object_store.uploads()) == ([], [])
    for ask in (obstore.get, obstore.head):
        with pytest.raises(FileNotFoundError):
            ask(store, "net.pt")


def test_buckets_do_not_share_what_they_hold(object_store, new_bucket, request):
    object_store.put("net.pt", b"weights")
    other = new_bucket(request.node.callspec.params["object_store"])
    assert (other.url != object_store.url, other.keys()) == (True, [])


def test_an_unknown_bucket_is_an_error(object_store):
    nowhere = from_url(object_store.url[:5] + "not-a-bucket", retry_config=ONCE)
    with pytest.raises(FileNotFoundError):
        obstore.put(nowhere, "net.pt", b"weights")
    with pytest.raises(FileNotFoundError):
        obstore.get(nowhere, "net.pt")


def test_create_only_keeps_what_is_there(store, object_store):
    obstore.put(store, "net.pt", b"first", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "net.pt", b"second", mode="create")
    assert object_store.get("net.pt") == b"first"


def test_create_only_is_decided_when_the_upload_ends(store, object_store, big):
    """A create-only upload goes in one piece: an upload in parts cannot be create-only."""
    obstore.put(store, "net.pt", big, mode="create", use_multipart=True, chunk_size=5 * MIB)
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "net.pt", big, mode="create", use_multipart=True, chunk_size=5 * MIB)
    assert object_store.get("net.pt") == big.read_bytes()


def test_a_copy_can_be_create_only(object_store, monkeypatch):
    """On S3 such a copy is an upload in parts, and obstore needs a setting for it."""
    monkeypatch.setenv("AWS_COPY_IF_NOT_EXISTS", "multipart")
    store = store_of(object_store)
    object_store.put("part", b"new")
    obstore.copy(store, "part", "net.pt", overwrite=False)
    object_store.put("part", b"newer")
    with pytest.raises(AlreadyExistsError):
        obstore.copy(store, "part", "net.pt", overwrite=False)
    assert object_store.get("net.pt") == b"new"
    assert object_store.uploads() == []


def test_a_file_goes_up_in_parts(store, object_store, big):
    obstore.put(store, "net.pt", big, use_multipart=True, chunk_size=5 * MIB)
    assert object_store.get("net.pt") == big.read_bytes()
    assert object_store.uploads() == []


def test_an_upload_that_fails_is_not_visible(store, object_store):
    def parts():
        yield os.urandom(6 * MIB)
        yield os.urandom(6 * MIB)
        raise LookupError("the file ends here")

    with pytest.raises(LookupError, match="ends here"):
        obstore.put(store, "net.pt", parts(), chunk_size=5 * MIB)
    assert (object_store.get("net.pt"), object_store.keys()) == (None, [])


def test_an_unfinished_upload_is_listed(object_store):
    object_store.put("net.pt", b"whole")
    object_store.begin("half.pt", b"half")
    object_store.begin("net.pt", b"half")
    assert object_store.uploads() == ["half.pt", "net.pt"]
    assert (object_store.keys(), object_store.get("half.pt")) == (["net.pt"], None)
    assert object_store.get("net.pt") == b"whole"


def test_the_fake_completes_only_parts_that_it_has(new_bucket):
    bucket = new_bucket("gcs")
    bucket.begin("net.pt", b"half")
    upload = next(each for each, (place, _) in bucket.gcs.parts.items() if bucket.name in place)
    url = f"{bucket.gcs.url}/{bucket.name}/net.pt"
    parts = "<Part><PartNumber>1</PartNumber><ETag>&quot;other&quot;</ETag></Part>"
    told = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
    for query, status, code in [(upload, 400, "InvalidPart"), ("another", 404, "NoSuchUpload")]:
        answer = requests.post(f"{url}?uploadId={query}", told, timeout=10)
        assert (answer.status_code, code in answer.text) == (status, True)
    assert (bucket.keys(), bucket.uploads()) == ([], ["net.pt"])


def test_ranges(store, object_store):
    object_store.put("net.pt", b"0123456789")
    assert bytes(obstore.get_range(store, "net.pt", start=2, end=5)) == b"234"
    assert bytes(obstore.get_range(store, "net.pt", start=7, end=99)) == b"789"
    rest = obstore.get(store, "net.pt", options={"range": {"offset": 4}})
    assert (bytes(rest.bytes()), rest.range, rest.meta["size"]) == (b"456789", (4, 10), 10)
    with pytest.raises(BaseError, match="416"):
        obstore.get_range(store, "net.pt", start=20, end=22)


def test_reading_one_version_only(store, object_store):
    object_store.put("net.pt", b"first")
    etag = obstore.head(store, "net.pt")["e_tag"]
    same = {"if_match": etag}
    assert bytes(obstore.get(store, "net.pt", options=same).bytes()) == b"first"
    object_store.put("net.pt", b"other")
    assert obstore.head(store, "net.pt")["e_tag"] != etag
    for options in (same, same | {"range": (0, 3)}):
        with pytest.raises(PreconditionError):
            obstore.get(store, "net.pt", options=options)


def test_head_tells_size_and_time(store, object_store):
    object_store.put("net.pt", b"weights")
    found = obstore.head(store, "net.pt")
    assert (found["size"], found["last_modified"].tzinfo is not None) == (7, True)
    assert found["e_tag"]


def test_listing_by_prefix(store, object_store):
    for key in ("vision/a.pt", "vision/b.pt", "visions.pt", "text/c.pt"):
        object_store.put(key, b"weights")
    listed = [each for page in obstore.list(store, "vision") for each in page]
    assert [(each["path"], each["size"]) for each in listed] == [
        ("vision/a.pt", 7), ("vision/b.pt", 7),
    ]  # fmt: skip
    assert sorted(obstore.list_with_delimiter(store)["common_prefixes"]) == ["text", "vision"]


def test_a_long_listing_is_whole(new_bucket):
    bucket = new_bucket("gcs")
    keys = [f"{number:03}" for number in range(250)]
    for key in keys:
        bucket.put(key, b"")
    listed = obstore.list(store_of(bucket), chunk_size=10)
    assert [each["path"] for page in listed for each in page] == keys


def test_deleting(store, object_store):
    for key in "abc":
        object_store.put(key, b"weights")
    obstore.delete(store, "a")
    obstore.delete(store, ["b", "c"])
    assert object_store.keys() == []


def test_deleting_an_unknown_key(store, object_store):
    """S3 reports no error; the others do."""
    if object_store.url.startswith("s3:"):
        obstore.delete(store, "net.pt")
    else:
        with pytest.raises(FileNotFoundError):
            obstore.delete(store, "net.pt")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_stay_as_they_are(store, object_store, key):
    obstore.put(store, key, b"weights")
    assert object_store.keys() == [key]
    assert bytes(obstore.get(store, key).bytes()) == object_store.get(key) == b"weights"


@pytest.mark.parametrize(
    ("server", "variable"),
    [("seaweedfs", "AWS_SECRET_ACCESS_KEY"), ("azurite", "AZURE_STORAGE_ACCOUNT_KEY")],
)
def test_another_key_is_refused(new_bucket, monkeypatch, server, variable):
    bucket = new_bucket(server)
    monkeypatch.setenv(variable, "bm90IHRoZSBrZXk=")
    with pytest.raises(BaseError, match="403"):
        obstore.put(store_of(bucket), "net.pt", b"weights")
    assert bucket.keys() == []


# What else obstore takes from the environment, and what it does not: each replaces or unsets some
# of a server's variables. {} stands for the value of the first.
ALSO_READ = [
    ("seaweedfs", ["AWS_ENDPOINT_URL"], {"AWS_ENDPOINT_URL_S3": "{}"}),
    ("seaweedfs", ["AWS_ENDPOINT_URL"], {"AWS_ENDPOINT": "{}"}),
    ("seaweedfs", ["AWS_REGION"], {"AWS_DEFAULT_REGION": "eu-central-1"}),
    ("seaweedfs", ["AWS_REGION"], {}),
    ("seaweedfs", [], {"AWS_PROFILE": "another", "AWS_BUCKET": "another"}),
    ("azurite", ["AZURE_STORAGE_ENDPOINT"], {"AZURE_ENDPOINT": "{}"}),
    ("azurite", ["AZURE_STORAGE_ACCOUNT_KEY"], {"AZURE_STORAGE_ACCESS_KEY": "{}"}),
    ("gcs", ["GOOGLE_ALLOW_HTTP"], {}),
]
NOT_READ = [
    ("seaweedfs", ["AWS_ALLOW_HTTP"], {}, "builder error"),
    ("azurite", ["AZURE_ALLOW_HTTP"], {}, "builder error"),
    ("azurite", ["AZURE_STORAGE_ACCOUNT_NAME"], {"AZURE_STORAGE_ACCOUNT": "{}"}, "Account must be"),
]


@pytest.fixture
def change_variables(monkeypatch):
    def change(unset, told):
        value = os.environ[unset[0]] if unset else ""
        for name in unset:
            monkeypatch.delenv(name)
        for name, text in told.items():
            monkeypatch.setenv(name, text.replace("{}", value))

    return change


@pytest.mark.parametrize(("server", "unset", "told"), ALSO_READ)
def test_other_variables_lead_there_too(new_bucket, change_variables, server, unset, told):
    bucket = new_bucket(server)
    change_variables(unset, told)
    obstore.put(store_of(bucket), "net.pt", b"weights")
    assert bucket.get("net.pt") == b"weights"


@pytest.mark.parametrize(("server", "unset", "told", "error"), NOT_READ)
def test_variables_that_do_not_lead_there(new_bucket, change_variables, server, unset, told, error):
    bucket = new_bucket(server)
    change_variables(unset, told)
    with pytest.raises(BaseError, match=error):
        obstore.put(store_of(bucket), "net.pt", b"weights")


def test_keys_in_the_files_of_aws_are_not_found(new_bucket, monkeypatch, tmp_path):
    """Profiles are ignored too: without keys in the environment, obstore asks the cloud machine."""
    bucket = new_bucket("seaweedfs")
    keys = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    lines = [f"{name.lower()} = {value}" for name, value in keys.items()]
    (tmp_path / "credentials").write_text("\n".join(["[default]", *lines]))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in keys:
        monkeypatch.delenv(name)
    with pytest.raises(BaseError, match=r"127\.0\.0\.1:9/latest/api/token"):
        obstore.put(store_of(bucket), "net.pt", b"weights")


def test_a_shared_access_signature_is_enough_and_stays_secret(new_bucket, monkeypatch):
    bucket = new_bucket("azurite")
    signature = bucket.azurite.signature
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", urllib.parse.urlencode(signature))
    store = store_of(bucket)
    obstore.put(store, "net.pt", b"weights")
    assert bucket.get("net.pt") == b"weights"
    with pytest.raises(FileNotFoundError) as raised:
        obstore.get(store, "nothing")
    said = str(raised.value)
    assert "REDACTED" in said
    assert signature["sig"] not in urllib.parse.unquote(said)


def test_a_service_account_may_be_a_file(new_bucket, monkeypatch, tmp_path):
    bucket = new_bucket("gcs")
    (tmp_path / "account.json").write_text(os.environ["GOOGLE_SERVICE_ACCOUNT_KEY"])
    monkeypatch.delenv("GOOGLE_SERVICE_ACCOUNT_KEY")
    for name in ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"):
        with monkeypatch.context() as patch:
            patch.setenv(name, str(tmp_path / "account.json"))
            obstore.put(store_of(bucket), name, b"weights")
    assert len(bucket.keys()) == 2


def test_client_options_in_code_replace_those_of_the_environment(object_store):
    """Code that sets a timeout must allow http again."""
    hidden = store_of(object_store, client_options={"timeout": "5s"})
    with pytest.raises(BaseError, match="builder error"):
        obstore.put(hidden, "net.pt", b"weights")
    allowed = store_of(object_store, client_options={"timeout": "5s", "allow_http": True})
    obstore.put(allowed, "net.pt", b"weights")


def test_clouds_of_the_user_are_out_of_reach(monkeypatch):
    for name in ("AWS_PROFILE", "AZURE_CLIENT_ID", "GOOGLE_APPLICATION_CREDENTIALS", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "the user's")
    no_clouds_of_the_user(monkeypatch)
    assert "the user's" not in os.environ.values()
    left = {os.environ[name] for name in os.environ if name.startswith(CLOUD_VARIABLES)}
    assert left == {
        "http://127.0.0.1:9", "true", "/nowhere/config", "/nowhere/credentials",
    }  # fmt: skip


_A_SESSION = """
import sys
from pathlib import Path
from support.servers.server_process import ServerProcess
server = ServerProcess(Path(sys.argv[1]), "/bin/sh", "-c", "echo It serves; exec sleep 600")
server.wait_for(lambda: server.said("It (serves)"))
print(server.pid, flush=True)
input()
"""


def test_a_server_ends_with_the_session_that_is_killed(tmp_path):
    here = {"PYTHONPATH": str(Path(__file__).parents[2])}
    session = subprocess.Popen(
        [sys.executable, "-c", _A_SESSION, tmp_path], env=os.environ | here,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with session:
        server = os.pidfd_open(int(session.stdout.readline()))
        session.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([server], [], [], 30)
    os.close(server)
    assert ended


def test_the_error_of_a_server_that_does_not_start_has_its_output(tmp_path):
    server = ServerProcess(tmp_path, "/bin/sh", "-c", "echo the port is taken; exit 1")
    with pytest.raises(ServerDiedError, match="the port is taken"):
        server.wait_for(lambda: server.said("It (serves)"))
