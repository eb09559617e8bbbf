"""Object stores that tests start: real servers for S3 and Azure, a fake one for GCS.

Each server has:

    environment: the variables by which a program reaches it, as a user would set them.
    bucket(): a new, empty bucket.
    stop(): ends it.

Each bucket has its `url`, the server's `environment`, and a way to its objects that goes neither
through localreg nor through what localreg uses: `put`, `get` (None where there is nothing), `keys`,
`begin` (an unfinished upload in parts, with the data of the first part) and `uploads` (the keys of
unfinished uploads).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import sys
import sysconfig
import urllib.parse
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import requests
from support.servers.fake_gcs import FakeGcs
from support.servers.server_process import ServerDiedError, ServerProcess, free_ports

# Variables of the user's own clouds and proxies, which would lead out of this machine.
CLOUD_VARIABLES = ("AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "GCE_", "GCS_", "CLOUDSDK_", "BOTO_")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
# Without credentials a client asks these addresses for some; here nothing listens there.
NOBODY = {
    "AWS_METADATA_ENDPOINT": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
    "AZURE_MSI_ENDPOINT": "http://127.0.0.1:9",
}
ATTEMPTS = 3  # at ports that were free when they were looked for


def no_clouds_of_the_user(monkeypatch):
    """Leave no variable set that leads to a cloud, or through a proxy."""
    for name in list(os.environ):
        if name.startswith(CLOUD_VARIABLES) or name.lower() in PROXY_VARIABLES:
            monkeypatch.delenv(name)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)


def program(name, *folders):
    """Return where a server's program is; skips the test that asks where it is not installed."""
    for folder in folders:
        if found := shutil.which(name, path=folder):
            return found
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def bucket_name():
    return f"b-{uuid.uuid4().hex[:12]}"


class SeaweedFS:
    """SeaweedFS with its S3 gateway, in one process."""

    PORTS = (
        "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
        "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc",
    )  # fmt: skip

    def __init__(self, folder):
        weed = program("weed", sysconfig.get_path("scripts"))
        for attempt in range(ATTEMPTS):
            try:
                self._start(weed, folder / str(attempt))
            except ServerDiedError:
                self.stop()
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                break

    def _start(self, weed, folder):
        (folder / "data").mkdir(parents=True)
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": "seaweed-key", "secretKey": "seaweed-secret"}],
            "actions": ["Admin"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self.ports = dict(zip(self.PORTS, free_ports(len(self.PORTS)), strict=True))
        self.process = ServerProcess(
            folder, weed, "server", "-s3", "-iam=false", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            *(f"-{name}={port}" for name, port in self.ports.items()),
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json", "-dir=data",
            "-s3.autoCreateBucket=false", "-volume.max=1000", "-master.volumeSizeLimitMB=1024",
            WEED_MASTER_VOLUME_GROWTH_COPY_1="1",  # volumes for a new bucket, instead of 7
        )  # fmt: skip
        port = self.ports["s3.port"]
        self.s3 = S3(f"http://127.0.0.1:{port}", "seaweed-key", "seaweed-secret")
        self.environment = self.s3.environment
        self.process.wait_for(self._serves)

    def _serves(self):
        """The gateway answers before there is a volume to write to."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.bucket().put("first", b"bytes")
        except (BotoCoreError, ClientError):
            return False
        return True

    def bucket(self):
        return self.s3.bucket()

    def stop(self):
        self.process.stop()
        for port in self.ports.values():  # sockets that it makes there, wherever its data is
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink()


class Moto:
    """moto's S3: starts fast, keeps objects in memory."""

    def __init__(self, folder):
        self.process = ServerProcess(
            folder, sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"
        )
        said = r"Running on (http://127\.0\.0\.1:\d+)"
        self.url = self.process.wait_for(lambda: self.process.said(said))
        self.s3 = S3(self.url, "moto-key", "moto-secret")
        self.environment = self.s3.environment

    def bucket(self):
        return self.s3.bucket()

    def stop(self):
        self.process.stop()


class S3:
    """An S3 server, used by boto3."""

    def __init__(self, url, key, secret):
        import boto3
        from botocore.config import Config

        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
        }
        self.client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1",
            aws_access_key_id=key, aws_secret_access_key=secret,
            config=Config(
                s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1}
            ),
        )  # fmt: skip

    def bucket(self):
        name = bucket_name()
        self.client.create_bucket(Bucket=name)
        return S3Bucket(self, name)


class S3Bucket:
    def __init__(self, s3, name):
        self.client, self.environment = s3.client, s3.environment
        self.name, self.url = name, f"s3://{name}"

    def put(self, key, data):
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def get(self, key):
        try:
            return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def keys(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", []))

    def begin(self, key, data):
        order = {"Bucket": self.name, "Key": key}
        upload = self.client.create_multipart_upload(**order)["UploadId"]
        self.client.upload_part(**order, UploadId=upload, PartNumber=1, Body=data)

    def uploads(self):
        found = self.client.list_multipart_uploads(Bucket=self.name)
        return sorted(each["Key"] for each in found.get("Uploads", []))


class Azurite:
    """Microsoft's emulator of Azure's blob storage; the account and its key are public."""

    ACCOUNT = "devstoreaccount1"
    KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

    def __init__(self, folder):
        azurite = program("azurite-blob", Path(sys.prefix) / "azurite/node_modules/.bin")
        (folder / "data").mkdir()
        self.process = ServerProcess(
            folder, azurite, "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", "data",
            "--silent", "--disableTelemetry", "--loose", "--skipApiVersionCheck",
        )  # fmt: skip
        said = r"successfully listens on (http://127\.0\.0\.1:\d+)"
        self.url = self.process.wait_for(lambda: self.process.said(said)) + f"/{self.ACCOUNT}"
        self.environment = {
            "AZURE_STORAGE_ENDPOINT": self.url,
            "AZURE_ALLOW_HTTP": "true",
            "AZURE_STORAGE_ACCOUNT_NAME": self.ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": self.KEY,
        }
        self.signature = self._signature()

    def _signature(self):
        """Return the parameters that allow a request everything: a shared access signature."""
        fields = {
            "sp": "rwdlac", "ss": "b", "srt": "sco", "st": "", "se": "2100-01-01T00:00:00Z",
            "sip": "", "spr": "https,http", "sv": "2020-10-02",
        }  # fmt: skip
        text = "\n".join([self.ACCOUNT, *fields.values(), ""]).encode()
        key = hmac.digest(base64.b64decode(self.KEY), text, hashlib.sha256)
        told = {name: value for name, value in fields.items() if value}
        return told | {"sig": base64.b64encode(key).decode()}

    def ask(self, method, path, data=None, headers=None, **parameters):
        """Return the answer to a signed request."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method, f"{self.url}/{urllib.parse.quote(path)}",
                params=parameters | self.signature, data=data, headers=headers, timeout=30,
            )  # fmt: skip
        if answer.status_code != requests.codes.not_found:
            answer.raise_for_status()
        return answer

    def bucket(self):
        name = bucket_name()
        self.ask("PUT", name, restype="container")
        return AzureContainer(self, name)

    def stop(self):
        self.process.stop()


class AzureContainer:
    def __init__(self, azurite, name):
        self.azurite, self.environment = azurite, azurite.environment
        self.name, self.url = name, f"az://{name}"

    def put(self, key, data):
        headers = {"x-ms-blob-type": "BlockBlob"}
        self.azurite.ask("PUT", f"{self.name}/{key}", data, headers)

    def get(self, key):
        answer = self.azurite.ask("GET", f"{self.name}/{key}")
        return answer.content if answer.ok else None

    def keys(self):
        return self._listed()

    def begin(self, key, data):
        block = base64.b64encode(b"first").decode()
        self.azurite.ask("PUT", f"{self.name}/{key}", data, comp="block", blockid=block)

    def uploads(self):
        """Azure lists no uploads, but uncommitted blocks of blobs."""
        return [key for key in self._listed(include="uncommittedblobs") if self._blocks(key)]

    def _listed(self, **parameters):
        answer = self.azurite.ask("GET", self.name, restype="container", comp="list", **parameters)
        return sorted(each.text for each in ET.fromstring(answer.content).iter("Name"))

    def _blocks(self, key):
        answer = self.azurite.ask(
            "GET", f"{self.name}/{key}", comp="blocklist", blocklisttype="uncommitted"
        )
        return ET.fromstring(answer.content).findall("UncommittedBlocks/Block")


SERVERS = {"seaweedfs": SeaweedFS, "moto": Moto, "azurite": Azurite, "gcs": FakeGcs}


class ObjectServers:
    """The servers of a session, each started when a test first asks for it."""

    def __init__(self, new_folder):
        self.new_folder = new_folder
        self.started = {}

    def __getitem__(self, name):
        if name not in self.started:
            folder = self.new_folder(name)
            self.started[name] = SERVERS[name](folder), folder
        return self.started[name][0]

    def stop(self):
        for server, folder in self.started.values():
            server.stop()
            shutil.rmtree(folder)


@pytest.fixture(scope="session")
def object_servers(tmp_path_factory):
    """Object stores by name, each started when a test first asks for it."""
    servers = ObjectServers(tmp_path_factory.mktemp)
    yield servers
    servers.stop()


@pytest.fixture
def no_clouds(monkeypatch):
    """Unset every variable that leads to a cloud, or through a proxy."""
    no_clouds_of_the_user(monkeypatch)


@pytest.fixture
def new_bucket(object_servers, no_clouds, monkeypatch):
    """Return a function that makes an empty bucket on a server and sets the variables to it."""

    def new_bucket(server):
        bucket = object_servers[server].bucket()
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        return bucket

    return new_bucket


@pytest.fixture(params=SERVERS)
def object_store(request, new_bucket):
    """An empty bucket of each object store in turn: all must behave the same."""
    return new_bucket(request.param)
