"""A container registry that tests start (Debian's docker-registry), and what speaks to it.

skopeo copies into it and out of it, oras and modelpack-client pull from it. Plain HTTP; its data is
in a folder of the test run.
"""

from __future__ import annotations

import subprocess

import pytest
import requests
from support.servers.object_servers import program
from support.servers.server_process import ServerProcess

MANIFEST = "application/vnd.oci.image.manifest.v1+json"

_CONFIG = """\
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: %s}
http: {addr: "127.0.0.1:0", secret: "of these tests"}
"""
_WITH_USERS = "auth: {htpasswd: {realm: tests, path: %s}}\n"
_READ_ONLY = "  maintenance: {readonly: {enabled: true}}\n"

USER, PASSWORD = "ann", "open sesame"
_HASHED = "$2b$04$xocirHZUmr6sofhIo3TXGObYSUDRVeS.NNnT8PxtgxMeGGbesn8Se"  # bcrypt, of PASSWORD


class ContainerRegistry:
    """A docker-registry on a port of its own.

    Attributes:
        host: as a reference to an image in it begins, such as "127.0.0.1:41727".

    Args:
        folder: where its data is.
        users: True to ask for `USER` and `PASSWORD`.
        readonly: True to take nothing in.
    """

    def __init__(self, folder, *, users=False, readonly=False):
        registry = program("docker-registry")
        config = _CONFIG % (folder / "data")
        if users:
            (folder / "users").write_text(f"{USER}:{_HASHED}\n")
            config += _WITH_USERS % (folder / "users")
        if readonly:
            config = config.replace("http:", f"{_READ_ONLY}http:")
        (folder / "config.yml").write_text(config)
        self.process = ServerProcess(folder, registry, "serve", folder / "config.yml")
        self.host = self.process.wait_for(
            lambda: self.process.said(r"listening on (127\.0\.0\.1:\d+)")
        )

    def manifest(self, name, tag):
        """Return the bytes of a manifest as the registry serves them."""
        answer = requests.get(
            f"http://{self.host}/v2/{name}/manifests/{tag}", headers={"Accept": MANIFEST}
        )
        answer.raise_for_status()
        return answer.content

    def copy_in(self, source, name, *options):
        """Copy with skopeo from `source`, such as "oci-archive:b.tar:vision/resnet:1"."""
        target = f"docker://{self.host}/{name}"
        skopeo("copy", "--dest-tls-verify=false", *options, source, target)

    def copy_out(self, name, target):
        """Copy with skopeo to `target`, such as "oci:folder:vision/resnet:1"."""
        skopeo("copy", "--src-tls-verify=false", f"docker://{self.host}/{name}", target)

    def pull_with_oras(self, name, folder):
        """Pull the files of an artifact as oras does, which goes by the layers' titles."""
        from oras.client import OrasClient

        client = OrasClient(hostname=self.host, insecure=True)
        client.pull(target=f"{self.host}/{name}", outdir=str(folder))

    def pull_with_modelpack(self, name, folder):
        """Pull a model as modelpack-client does: digests and the config's schema are checked."""
        from modelpack_client import ModelPackClient

        return ModelPackClient(insecure=True).pull(f"{self.host}/{name}", folder)

    def stop(self):
        self.process.stop()


def skopeo(*arguments):
    """Run skopeo, and return what it printed.

    Raises:
        AssertionError: it failed; with its words.
    """
    done = subprocess.run(
        [program("skopeo"), *map(str, arguments)], capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="session")
def container_registry(tmp_path_factory):
    """A container registry of this test run; each test takes names of its own in it."""
    registry = ContainerRegistry(tmp_path_factory.mktemp("container-registry"))
    yield registry
    registry.stop()
