"""P41: bytes that only a remote has come when they are wanted: verified, resumed, once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.contents import blobs
from support.remotes import forget_bytes, object_of, pushed
from support.trees import sha256

from localreg import InputModel, Model, Registry, Task
from localreg.errors import CorruptBlobError, DownloadError, NoWeightsError, ReadOnlyRegistryError
from localreg.operations.weights.remote_bytes import Wanted, bring
from localreg.store.rows import remote_gap_rows

LARGE = bytes(range(256)) * 8192  # 2 MiB


@pytest.fixture
def place(tmp_path):
    return tmp_path / "shared"


@pytest.fixture
def model(registry, write_file, place):
    """A model whose bytes only the remote has."""
    made = registry.add(write_file("model.bin", LARGE), name="m")
    pushed(registry, place)
    forget_bytes(registry)
    return made


@pytest.fixture
def package(registry, tmp_path, place):
    """The same for a package: small files, a large one, an executable one, twice the same bytes."""
    folder = tmp_path / "bert"
    (folder / "more").mkdir(parents=True)
    for number in range(20):
        (folder / f"more/{number}.txt").write_text(str(number // 2))
    (folder / "model.bin").write_bytes(LARGE)
    run = folder / "run.sh"
    run.write_text("#!/bin/sh\n")
    run.chmod(0o755)
    made = registry.add(folder, name="bert")
    pushed(registry, place)
    forget_bytes(registry)
    return made


def gaps(registry):
    with registry._chain.first.store.read() as connection:
        return [digest for (digest,) in connection.execute("SELECT digest FROM remote_gap")]


def read(path):
    return Path(path).read_bytes()


def test_weights_come_from_the_remote_and_are_kept(registry, model, place):
    assert registry.verify().ok
    path = Path(model.get_weights(raise_on_error=True))
    assert read(path) == LARGE
    assert path.name == "model.bin"
    shutil.rmtree(place)
    assert read(model.get_weights(raise_on_error=True)) == LARGE
    found = registry.verify(full=True)
    assert found.ok
    assert found.elsewhere == 0
    registry.gc(grace_seconds=0, dry_run=False)
    assert read(model.get_weights(raise_on_error=True)) == LARGE


def test_a_package_comes_with_its_list_and_all_its_files(registry, package, place):
    folder = Path(package.get_local_copy(raise_on_error=True))
    assert read(folder / "model.bin") == LARGE
    assert [read(folder / f"more/{number}.txt") for number in range(20)] == [
        str(number // 2).encode() for number in range(20)
    ]
    assert os.access(folder / "run.sh", os.X_OK)
    assert not os.access(folder / "model.bin", os.X_OK)
    shutil.rmtree(place)
    assert registry.verify(full=True).ok
    registry.gc(grace_seconds=0, dry_run=False)
    shutil.rmtree(folder)
    assert read(Path(package.get_local_copy(raise_on_error=True)) / "model.bin") == LARGE


def test_of_a_package_only_the_file_that_is_wanted_comes(registry, package):
    path = package.get_local_copy(raise_on_error=True, file="more/4.txt")
    assert read(path) == b"2"
    assert len(blobs(registry.path)) == 2  # and the manifest


def test_an_archive_is_made_of_a_package_that_only_the_remote_has(package):
    import zipfile

    with zipfile.ZipFile(
        package.get_local_copy(extract_archive=False, raise_on_error=True)
    ) as found:
        assert found.read("more/4.txt") == b"2"


def test_a_restored_model_whose_bytes_only_the_remote_has_lacks_none(
    registry, model, place, caplog
):
    model_id, digest = model.id, model.digest
    assert Model.remove(model_id)
    assert registry.restore(model_id).id == model_id
    assert caplog.text == ""
    object_of(place, digest).unlink()
    with pytest.raises(NoWeightsError):
        registry.model(model_id).get_weights(raise_on_error=True)
    assert Model.remove(model_id)
    registry.restore(model_id)
    assert f"still missing: {digest}" in caplog.text


def test_a_remote_that_lacks_bytes_is_remembered(registry, model, place):
    object_of(place, model.digest).unlink()
    with pytest.raises(NoWeightsError, match=f"origin.*{place}.*does not have them.*push"):
        model.get_weights(raise_on_error=True)
    assert gaps(registry) == [model.digest]
    (problem,) = registry.verify().problems
    assert "origin" in problem.text
    Path(object_of(place, model.digest)).write_bytes(LARGE)  # by a later push of somebody else
    assert read(model.get_weights(raise_on_error=True)) == LARGE
    assert gaps(registry) == []


def test_of_several_remotes_the_next_one_is_asked(registry, model, place, tmp_path, write_file):
    second = tmp_path / "second"
    pushed(registry, second, "second")
    shutil.copytree(place / "blobs", second / "blobs")
    object_of(place, model.digest).unlink()
    assert read(model.get_weights(raise_on_error=True)) == LARGE
    assert gaps(registry) == [model.digest]
    with registry._chain.first.store.read() as connection:  # the one that lacks them is last now
        found = remote_gap_rows.suppliers(connection, model.digest)
    assert [(each.name, each.lacks) for each in found] == [("second", False), ("origin", True)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (LARGE[:-1], "2,097,151 bytes there, not 2,097,152"),
        (b"\1" + LARGE[1:], "other bytes there"),
    ],
)
def test_other_bytes_are_never_kept(registry, model, place, data, said):
    path = object_of(place, model.digest)
    path.unlink()
    path.write_bytes(data)
    with pytest.raises(DownloadError, match=f"origin.*{said}.*delete that object"):
        model.get_weights(raise_on_error=True)
    assert blobs(registry.path) == []
    assert gaps(registry) == []


def test_other_bytes_of_one_file_of_a_package(registry, package, place):
    small = object_of(place, sha256(b"2"))
    small.unlink()
    small.write_bytes(b"3")
    with pytest.raises(DownloadError, match="other bytes there"):
        package.get_local_copy(raise_on_error=True)
    small.unlink()
    with pytest.raises(NoWeightsError, match="does not have them"):
        package.get_local_copy(raise_on_error=True)
    small.write_bytes(b"2")
    assert read(Path(package.get_local_copy(raise_on_error=True)) / "more/4.txt") == b"2"


def test_a_remote_that_is_not_there(registry, model, place):
    place.rename(place.with_name("away"))
    with pytest.raises((DownloadError, NoWeightsError), match=f"origin.*{place}"):
        model.get_weights(raise_on_error=True)
    place.write_text("a file")
    with pytest.raises(DownloadError, match="Not a directory") as caught:
        model.get_weights(raise_on_error=True)
    assert str(caught.value).count(str(place)) == 1


def test_a_model_that_was_never_pushed_asks_no_remote(registry, model, place, write_file):
    other = registry.add(write_file("other.bin", b"other"), name="other")
    forget_bytes(registry)
    with pytest.raises(CorruptBlobError, match="missing"):
        other.get_weights(raise_on_error=True)


def test_the_remote_is_asked_before_the_url(registry, site, place):
    made = InputModel.import_model(site.url(), name="net")
    first = read(made.get_weights(raise_on_error=True))
    pushed(registry, place)
    forget_bytes(registry)
    site.gets.clear()
    assert read(made.get_weights(raise_on_error=True)) == first
    assert site.gets == []
    forget_bytes(registry)
    object_of(place, made.digest).unlink()
    assert read(made.get_weights(raise_on_error=True)) == first
    assert site.gets == ["/net.pt"]
    forget_bytes(registry)
    del site.files["/net.pt"]
    with pytest.raises(DownloadError, match=r"404.*before that: .*origin"):
        made.get_weights(raise_on_error=True)


def test_damaged_bytes_are_replaced_by_those_of_the_remote(
    registry, write_file, place, monkeypatch
):
    made = registry.add(write_file("model.bin", LARGE), name="m")
    pushed(registry, place)
    made.get_weights(raise_on_error=True)
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    with open(blob, "r+b") as writer:
        writer.write(b"\1\1\1")
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    assert read(made.get_weights(raise_on_error=True)) == LARGE
    assert registry.verify(full=True).ok


def test_a_registry_that_is_only_read_keeps_nothing(registry, model):
    with (
        Registry(registry.path, readonly=True),
        pytest.raises(ReadOnlyRegistryError, match="origin"),
    ):
        Model(model.id).get_weights(raise_on_error=True)


def test_a_cut_download_goes_on(registry, model, place):
    """What came before a kill is not read again."""
    chain = registry._chain
    wanted = Wanted(model.digest, len(LARGE), "model.bin")

    class CutError(Exception):
        pass

    def cut(done, _):
        if done > 1_000_000:
            raise CutError

    with pytest.raises(CutError):
        bring(chain, chain.first, model.digest, [wanted], progress=cut)
    seen = []
    bring(
        chain, chain.first, model.digest, [wanted], progress=lambda done, total: seen.append(done)
    )
    assert min(seen) > 1_000_000
    assert read(model.get_weights(raise_on_error=True)) == LARGE


def test_artifacts_come_from_the_remote(registry, place, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    task = Task.init("p", "t")
    task.upload_artifact("numbers", [1, 2])
    task.upload_artifact("folder", folder)
    task.close()
    pushed(registry, place)
    forget_bytes(registry)
    found = Task.get_task(task.id)
    assert found.artifacts["numbers"].get() == [1, 2]
    assert (
        read(Path(found.artifacts["folder"].get_local_copy(raise_on_error=True)) / "a.txt") == b"a"
    )
