"""Settings of object stores: each provider's variables and files, and errors that name them."""

from __future__ import annotations

import http.server
import os
import re
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.command_line import run_cli

from localreg import InputModel, Model, OutputModel, StorageManager, Task
from localreg.blobs.transfer.cloud.aws_settings import aws_settings
from localreg.blobs.transfer.cloud.azure_settings import azure_settings
from localreg.blobs.transfer.cloud.place import place_of
from localreg.errors import DownloadError, InvalidURLError, UploadError

CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def s3(new_bucket):
    """A bucket of a server that checks signatures, with one object."""
    bucket = new_bucket("seaweedfs")
    bucket.put("net.pt", b"weights")
    return bucket


@pytest.fixture
def azure(new_bucket):
    bucket = new_bucket("azurite")
    bucket.put("net.pt", b"weights")
    return bucket


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return a function that writes AWS's two settings files."""

    def write(credentials="", config=""):
        for name, text in (("SHARED_CREDENTIALS", credentials), ("CONFIG", config)):
            path = tmp_path / name.lower()
            path.write_text(text)
            monkeypatch.setenv(f"AWS_{name}_FILE", str(path))

    return write


def fetch(url):
    path = StorageManager.get_local_copy(url, force_download=True, raise_on_error=True)
    return Path(path).read_bytes()


class TestS3:
    def test_an_http_endpoint_needs_no_other_setting(self, s3, registry, monkeypatch):
        monkeypatch.delenv("AWS_ALLOW_HTTP")
        assert fetch(f"{s3.url}/net.pt") == b"weights"

    def test_a_url_can_name_the_server(self, s3, registry, monkeypatch):
        host = s3.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
        monkeypatch.delenv("AWS_ENDPOINT_URL")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        with pytest.raises(DownloadError, match="AWS_ENDPOINT_URL_S3 names another server"):
            fetch(f"s3://{host}/{s3.name}/net.pt")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}/")
        assert fetch(f"s3://{host}/{s3.name}/net.pt") == b"weights"

    def test_keys_come_from_a_profile(self, s3, registry, files, monkeypatch):
        key, secret = (s3.environment[name] for name in CREDENTIALS)
        for name in (*CREDENTIALS, "AWS_ENDPOINT_URL"):
            monkeypatch.delenv(name)
        files(
            f"[lab]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
            "[default]\naws_access_key_id = x\naws_secret_access_key = y\n",
            f"[profile lab]\nendpoint_url = {s3.environment['AWS_ENDPOINT_URL']}\nregion = here\n",
        )
        monkeypatch.setenv("AWS_PROFILE", "lab")
        assert fetch(f"{s3.url}/net.pt") == b"weights"

    def test_keys_come_from_a_credential_process(self, s3, registry, files, monkeypatch, tmp_path):
        key, secret = (s3.environment[name] for name in CREDENTIALS)
        for name in CREDENTIALS:
            monkeypatch.delenv(name)
        told = f'{{"Version": 1, "AccessKeyId": "{key}", "SecretAccessKey": "{secret}"}}'
        (tmp_path / "give.py").write_text(f"print('''{told}''')")
        files(config=f"[default]\ncredential_process = {sys.executable} {tmp_path}/give.py\n")
        assert fetch(f"{s3.url}/net.pt") == b"weights"
        monkeypatch.setitem(sys.modules, "boto3", None)  # as if it were not installed
        with pytest.raises(DownloadError, match="pip install boto3"):
            fetch(f"{s3.url}/net.pt")

    def test_a_credential_process_that_fails_is_an_error(self, s3, registry, files, monkeypatch):
        for name in CREDENTIALS:
            monkeypatch.delenv(name)
        files(config="[default]\ncredential_process = /bin/false\n")
        with pytest.raises(DownloadError, match="'default' gives no credentials") as caught:
            fetch(f"{s3.url}/net.pt")
        assert caught.value.__cause__ is None

    def test_a_profile_may_have_a_blank_in_its_name(self, no_clouds, files):
        files(config='[profile "my lab"]\nregion = here\n')
        assert aws_settings({"AWS_PROFILE": "my lab", **environment_of_files()}) == {
            "region": "here"
        }

    def test_the_environment_comes_first(self, files):
        files(
            "[default]\naws_access_key_id = file\naws_secret_access_key = s\naws_session_token = t",
            "[default]\nregion = here\nendpoint_url = http://there\n",
        )
        environment = dict(os.environ)
        assert aws_settings(environment) == {
            "region": "here", "endpoint": "http://there",
            "access_key_id": "file", "secret_access_key": "s", "session_token": "t",
        }  # fmt: skip
        environment |= {"AWS_ACCESS_KEY_ID": "k", "AWS_REGION": "r", "AWS_ENDPOINT_URL": "http://e"}
        assert aws_settings(environment) == {}

    def test_a_missing_profile_is_an_error(self, no_clouds, files):
        files("[default]\naws_access_key_id = k")
        with pytest.raises(InvalidURLError, match="'lab', which is in neither"):
            aws_settings({"AWS_PROFILE": "lab", **environment_of_files()})

    def test_an_invalid_settings_file_is_an_error(self, no_clouds, files):
        files("aws_secret_access_key = hush")
        with pytest.raises(InvalidURLError, match="cannot be read as AWS's settings") as caught:
            aws_settings(environment_of_files())
        assert "hush" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_missing_credentials_are_an_error_that_names_the_variables(
        self, s3, registry, monkeypatch
    ):
        for name in CREDENTIALS:
            monkeypatch.delenv(name)
        with pytest.raises(DownloadError, match="no credentials were found: set AWS_ACCESS_KEY_ID"):
            fetch(f"{s3.url}/net.pt")

    def test_wrong_credentials_are_an_error(self, s3, registry, monkeypatch):
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        with pytest.raises(DownloadError, match="refuses it") as caught:
            fetch(f"{s3.url}/net.pt")
        assert caught.value.status == 403
        assert "hush" not in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "value", "told"),
        [
            ("AWS_ENDPOINT_URL", "not a url", "is not an http:// or https:// URL"),
            ("AWS_ENDPOINT_URL", "http://[::1", "is not an http:// or https:// URL"),
            ("AWS_ENDPOINT_URL", "http://host:99999", "is not an http:// or https:// URL"),
            ("AWS_ENDPOINT_URL", "http://exa<mple", "is not an http:// or https:// URL"),
            ("AWS_SECRET_ACCESS_KEY", "hush\n", "AWS_SECRET_ACCESS_KEY holds a line break"),
            ("AWS_CONNECT_TIMEOUT", "abc", "AWS_CONNECT_TIMEOUT"),
            ("AWS_CA_BUNDLE", "/nowhere/ca.pem", "there is no file /nowhere/ca.pem"),
            ("REQUESTS_CA_BUNDLE", "/etc", "REQUESTS_CA_BUNDLE must be a plain file, and /etc is"),
            ("AWS_CA_BUNDLE", "/etc/hostname", "holds no certificate in PEM"),
        ],
    )
    def test_an_invalid_setting_is_an_error_that_names_it(
        self, name, value, told, s3, registry, monkeypatch
    ):
        monkeypatch.setenv(name, value)
        with pytest.raises(DownloadError, match=re.escape(told)) as caught:
            fetch(f"{s3.url}/net.pt")
        assert "hush" not in str(caught.value)
        model = OutputModel(Task.create("p", "t"))
        with pytest.raises(UploadError, match=re.escape(told)):
            model.update_weights(__file__, upload_uri=s3.url, async_enable=False)
        assert s3.keys() == ["net.pt"]

    def test_an_invalid_setting_deletes_nothing(self, s3, registry, monkeypatch, caplog):
        model = OutputModel(Task.create("p", "t"))
        model.update_weights(__file__, upload_uri=s3.url, async_enable=False)
        monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/ca.pem")
        assert Model.remove(model) is False
        assert "could not be deleted" in caplog.text
        assert len(s3.keys()) == 2

    def test_a_failed_deletion_gives_exit_code_1(self, s3, registry, monkeypatch):
        model = OutputModel(Task.create("p", "t"), name="net")
        model.update_weights(__file__, upload_uri=s3.url, async_enable=False)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        code, _, err = run_cli("-R", registry.path, "rm", "--delete-weights", model.id)
        assert code == 1
        assert "Removed" in err

    def test_a_url_can_name_a_version(self, new_bucket, registry):
        import boto3

        bucket = new_bucket("moto")
        client = boto3.client("s3", endpoint_url=bucket.environment["AWS_ENDPOINT_URL"])
        client.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
        )
        first = client.put_object(Bucket=bucket.name, Key="net.pt", Body=b"first")["VersionId"]
        client.put_object(Bucket=bucket.name, Key="net.pt", Body=b"second")
        assert fetch(f"{bucket.url}/net.pt?versionId={first}") == b"first"
        assert fetch(f"{bucket.url}/net.pt") == b"second"

    def test_without_obstore_the_error_names_the_extra(self, registry, monkeypatch):
        monkeypatch.setitem(sys.modules, "obstore", None)  # as if it were not installed
        model = InputModel.import_model("s3://bucket/net.pt")
        with pytest.raises(DownloadError, match=r"pip install 'localreg\[cloud\]'"):
            model.get_weights(raise_on_error=True)
        assert model.get_weights() is None


def environment_of_files():
    names = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
    return {name: os.environ[name] for name in names}


class TestAzure:
    def test_a_connection_string_gives_the_credentials(self, azure, registry, monkeypatch):
        told = azure.environment
        endpoint = told.get("AZURE_STORAGE_ENDPOINT") or told["AZURE_ENDPOINT"]
        key = told["AZURE_STORAGE_ACCOUNT_KEY"]
        text = (
            f"DefaultEndpointsProtocol=http;AccountName={told['AZURE_STORAGE_ACCOUNT_NAME']};"
            f"AccountKey={key};BlobEndpoint={endpoint};"
        )
        for name in told:
            monkeypatch.delenv(name)
        with pytest.raises(DownloadError, match="no credentials were found: set AZURE_STORAGE_ACC"):
            fetch(f"{azure.url}/net.pt")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        assert fetch(f"{azure.url}/net.pt") == b"weights"

    def test_the_variables_of_azures_command_line_work(self, azure, registry, monkeypatch):
        for ours, theirs in (("ACCOUNT_NAME", "ACCOUNT"), ("ACCOUNT_KEY", "KEY")):
            monkeypatch.setenv(
                f"AZURE_STORAGE_{theirs}", azure.environment[f"AZURE_STORAGE_{ours}"]
            )
            monkeypatch.delenv(f"AZURE_STORAGE_{ours}")
        assert fetch(f"{azure.url}/net.pt") == b"weights"

    def test_an_invalid_connection_string_is_an_error(self):
        with pytest.raises(InvalidURLError, match="names neither") as caught:
            azure_settings({"AZURE_STORAGE_CONNECTION_STRING": "AccountKey=hush"})
        assert "hush" not in str(caught.value)

    def test_a_url_can_name_the_account(self):
        place = place_of("azure://acme.blob.core.windows.net/weights/a/net.pt")
        assert (place.account, place.bucket, place.key) == ("acme", "weights", "a/net.pt")
        assert place.scheme == "az"


class OneObject(http.server.BaseHTTPRequestHandler):
    """Has the object ``net.pt`` in every bucket, as S3 has it."""

    DATA = b"weights"

    def do_HEAD(self):
        self.answer(200, b"")

    def do_GET(self):
        self.answer(206, self.DATA)

    def answer(self, status, body):
        self.send_response(status)
        for name, value in (
            ("Content-Length", len(self.DATA)),
            ("Content-Range", f"bytes 0-{len(self.DATA) - 1}/{len(self.DATA)}"),
            ("ETag", '"one"'),
            ("Last-Modified", "Thu, 26 Nov 2026 00:00:00 GMT"),
        ):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def secure(no_clouds, monkeypatch, tmp_path):
    """Serve it over TLS with a self-signed certificate; return the certificate's path."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneObject)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://localhost:{server.server_port}")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    yield certificate
    server.shutdown()
    thread.join()
    server.server_close()


class TestCertificates:
    @pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
    def test_an_unknown_certificate_is_refused(self, variable, secure, registry, monkeypatch):
        with pytest.raises(DownloadError, match="certificate was not accepted"):
            fetch("s3://bucket/net.pt")
        monkeypatch.setenv(variable, str(secure))
        assert fetch("s3://bucket/net.pt") == b"weights"

    def test_the_word_certificates_in_a_url_is_not_a_certificate_error(
        self, s3, registry, monkeypatch
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(DownloadError, match=r"in 5 tries: .*(reached|broke off)"):
            fetch(f"{s3.url}/certificates/net.pt")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("s3://key:hush@bucket/net.pt", "credentials belong"),
        ("s3://host:9000", "names no bucket"),
        ("gs://bucket/a//b", "empty parts"),
        ("az://container/a/../b", "cannot be reached"),
        ("s3://bucket/net.pt?hush=1", "its query may only be"),
        ("s3://bucket//net.pt", "empty parts"),
        ("s3://bucket/net%FF.pt", "not UTF-8"),
    ],
)
def test_a_url_that_names_no_object_is_an_error(url, why, registry):
    with pytest.raises(DownloadError, match=why) as caught:
        fetch(url)
    assert "hush@" not in str(caught.value)
    assert "hush=1" not in str(caught.value)
