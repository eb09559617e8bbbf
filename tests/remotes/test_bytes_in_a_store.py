"""The bytes of a remote that is an object store: each comes once, and errors say where it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.servers import misbehaviours

from localreg import Model, Registry
from localreg.errors import DownloadError
from localreg.operations.remotes import names
from localreg.operations.remotes.collecting import collect
from localreg.values.remote_format import blob_path

LARGE = bytes(range(256)) * 80_000  # 20 MB: three ranges
WANT = 4


@pytest.fixture
def bucket(new_bucket):
    return new_bucket("seaweedfs")


@pytest.fixture
def bert(tmp_path):
    folder = tmp_path / "bert"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.txt").write_text(str(number))
    (folder / "model.bin").write_bytes(LARGE)
    return folder


def test_a_package_travels_by_a_store_and_goes(bucket, behind_proxy, bert, tmp_path, children):
    url = f"{bucket.url}/fleet"
    with Registry(tmp_path / "laptop", durability="fast") as laptop:
        names.add(laptop._chain, "origin", url)
        package = laptop.add(bert, name="bert")
        sent = laptop.push()
        assert (sent.blobs, sent.missing) == (32, ())
        digests = {each.path: each.digest for each in package.files}
    with Registry(tmp_path / "other", durability="fast") as other:
        names.add(other._chain, "origin", url)
        other.pull()
    proxy = behind_proxy(bucket)  # from here on all requests are seen

    def fetch(root, ref):
        from localreg import Registry

        with Registry(root) as registry:
            return registry.model(ref).get_local_copy(raise_on_error=True)

    running = [children.start(fetch, tmp_path / "other", "bert") for _ in range(WANT)]
    for each in running:
        _, err = each.communicate(timeout=100)
        assert each.returncode == 0, err
    ranges = [
        each.range for each in proxy.asked("get")
        if each.key.endswith(blob_path(digests["model.bin"]))
    ]  # fmt: skip
    assert len(ranges) == len(set(ranges)) == 3, "each part of the large file came once"
    with Registry(tmp_path / "other", durability="fast") as other:
        folder = Path(other.model("bert").get_local_copy(raise_on_error=True))
        assert (folder / "model.bin").read_bytes() == LARGE
        assert other.verify(full=True).ok
    with Registry(tmp_path / "third", durability="fast") as third:
        names.add(third._chain, "origin", url)
        third.pull()
        proxy.down()
        with pytest.raises(DownloadError, match=r"origin.*s3://"):
            third.model("bert").get_local_copy(raise_on_error=True)
        proxy.up()
        proxy.misbehave(
            "get",
            misbehaviours.answers(403, "AccessDenied"),
            where=lambda asked: "blobs/" in asked.key,
        )
        with pytest.raises(DownloadError, match=r"origin.*s3://.*AccessDenied"):
            third.model("bert").get_local_copy(raise_on_error=True)
        proxy.behave()
        Model.remove(third.model("bert"))
        third.push()
        done = collect(third._chain, grace_seconds=0, dry_run=False)
        assert (len(done.garbage), done.failed) == (32, ())
    assert [key for key in bucket.keys() if "/blobs/" in key] == []  # noqa: SIM118  (a method)


def test_without_the_extra_the_error_names_it(tmp_path, children):
    with Registry(tmp_path / "laptop", durability="fast") as laptop:
        names.add(laptop._chain, "origin", tmp_path / "shared")
        laptop.add(__file__, name="a")
        laptop.push()
    with Registry(tmp_path / "other", durability="fast") as other:
        names.add(other._chain, "origin", tmp_path / "shared")
        other.pull()

    def fetch(root):
        import sys

        sys.modules |= dict.fromkeys(("deltalake", "obstore"))
        from localreg import Registry
        from localreg.errors import MissingPackageError

        with Registry(root) as registry:
            try:
                registry.model("a").get_local_copy(raise_on_error=True)
            except MissingPackageError as error:
                return [str(error), error.package]

    said, package = children.run(fetch, tmp_path / "other")
    assert "pip install 'localreg[remote]'" in said
    assert "remote origin" in said
    assert package in ("deltalake", "obstore")
