"""Packages are uploaded as one zip, and come back from it as the same package."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from support.contents import below, path_of, read, rows

from localreg import InputModel, Model, OutputModel, Registry
from localreg.errors import DigestMismatchError, InvalidValueError, NoWeightsError

FILES = {"config.json": "{}", "run.sh": "#!", "inner/x.txt": "x" * 300_000}
TOTAL = sum(map(len, FILES.values()))


@pytest.fixture
def share(tmp_path):
    return tmp_path / "share"


@pytest.fixture
def folder(tmp_path):
    """One with a file that may be executed, and an empty folder."""
    place = tmp_path / "user" / "bert"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    (place / "empty").mkdir()
    (place / "run.sh").chmod(0o755)
    return place


def check(folder):
    """Check that a local copy has everything."""
    folder = Path(folder)
    assert {name: read(folder / name) for name in below(folder)} == FILES
    assert (folder / "run.sh").stat().st_mode & 0o111
    assert not (folder / "config.json").stat().st_mode & 0o111
    assert (folder / "empty").is_dir()


def digest_of(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def weights(registry):
    sql = (
        "SELECT b.digest, b.total, w.archive, w.archive_size, w.kept, w.uploaded, w.filename "
        "FROM weights w JOIN blob b ON b.pk = w.blob ORDER BY w.revision"
    )
    return rows(registry, sql)


def without_copies(registry):
    """Forget all bytes that the registry has of packages, as if its cache were empty."""
    for place in sorted((registry.path / "trees").glob("*")):
        from localreg.blobs.archives.unpacking import remove_tree

        remove_tree(place)
    for blob in (registry.path / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()


@pytest.mark.parametrize("background", [True, False])
def test_a_package_is_uploaded_as_a_zip_that_is_always_the_same(
    background, model, folder, share, registry, tmp_path
):
    digest = registry.add(folder, "kept").digest
    url = model.update_weights_package(
        weights_path=folder, upload_uri=share, async_enable=background
    )
    OutputModel.wait_for_uploads()
    assert model.url == url
    place = path_of(url)
    assert place.name == "bert.zip"
    assert zipfile.ZipFile(place).namelist() == ["config.json", "empty/", "inner/x.txt", "run.sh"]
    size = place.stat().st_size
    found = [each for each in weights(registry) if each[4] == 0]
    assert found == [(digest, TOTAL, digest_of(place), size, 0, 1, "bert")]
    assert (model.digest, model.size) == (digest, TOTAL)
    check(model.get_local_copy(raise_on_error=True))
    with Registry(tmp_path / "other", durability="fast") as other:
        made = other.add(folder, "same").get_local_copy(extract_archive=False, raise_on_error=True)
        assert digest_of(made) == digest_of(place)
    assert below(registry.path / "tmp") == []


def test_the_bytes_of_a_package_that_is_uploaded_at_once_are_not_kept(
    model, folder, share, registry
):
    model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=False)
    assert below(registry.path / "blobs") == []
    assert registry.verify().ok
    check(model.get_local_copy(raise_on_error=True))
    assert registry.verify(full=True).ok


@pytest.mark.parametrize("background", [True, False])
def test_an_uploaded_package_comes_back_from_its_archive(
    background, model, folder, share, registry
):
    model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=background)
    OutputModel.wait_for_uploads()
    before = model.digest
    for _ in range(2):
        check(model.get_local_copy(raise_on_error=True))
        assert model.digest == before
        without_copies(registry)


def test_another_registry_gets_an_uploaded_package(model, folder, share, registry, tmp_path):
    url = model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=False)
    with Registry(tmp_path / "own", durability="fast", upstream=[registry.path]) as own:
        found = own.model(model.id)
        check(found.get_local_copy(raise_on_error=True))
        archive = found.get_local_copy(extract_archive=False, raise_on_error=True)
        assert digest_of(archive) == digest_of(path_of(url))


@pytest.mark.parametrize("background", [True, False])
def test_packages_of_one_name_stay_readable(background, model, folder, share):
    """The returned URL is right, also if the name is taken already."""
    urls = []
    for text in ("one", "two", "one"):
        (folder / "config.json").write_text(text)
        urls.append(
            model.update_weights_package(
                weights_path=folder, upload_uri=share, async_enable=background
            )
        )
        OutputModel.wait_for_uploads()
    assert urls[0] == urls[2] != urls[1]
    assert [each.url for each in model.revisions()] == urls
    for url, text in zip(urls, ("one", "two", "one"), strict=True):
        with zipfile.ZipFile(path_of(url)) as archive:
            assert archive.read("config.json").decode() == text


def test_files_of_several_folders_are_uploaded_as_one_package(model, folder, share, tmp_path):
    (tmp_path / "vocab.txt").write_text("a")
    files = [folder / "config.json", tmp_path / "vocab.txt"]
    url = model.update_weights_package(
        weights_filenames=files, upload_uri=share, async_enable=False
    )
    assert sorted(zipfile.ZipFile(path_of(url)).namelist()) == ["config.json", "vocab.txt"]
    found = Path(model.get_weights_package(return_path=True, raise_on_error=True))
    assert below(found) == ["config.json", "vocab.txt"]


@pytest.mark.parametrize("background", [True, False])
def test_the_upload_of_a_replaced_package_is_deleted(background, model, folder, share, registry):
    for text in ("one", "two"):
        (folder / "config.json").write_text(text)
        model.update_weights_package(
            weights_path=folder, upload_uri=share, async_enable=background, keep_last=1
        )
        OutputModel.wait_for_uploads()
    (revision,) = model.revisions()
    assert below(share) == [str(path_of(revision.url).relative_to(share))]
    assert Model.remove(model)
    assert below(share) == []
    assert rows(registry, "SELECT count(*) FROM upload") == [(0,)]


def test_an_archive_that_was_changed_after_the_upload_is_not_deleted_or_given(
    model, folder, share, caplog
):
    url = model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=False)
    place = path_of(url)
    data = bytearray(place.read_bytes())
    data[-1] ^= 1
    place.chmod(0o644)
    place.write_bytes(data)
    with pytest.raises(DigestMismatchError):
        model.get_local_copy(raise_on_error=True)
    assert Model.remove(model)
    assert "was changed after the upload" in caplog.text
    assert place.exists()


def test_a_package_that_is_missing_at_its_destination_comes_from_the_cache(model, folder, share):
    url = model.update_weights_package(weights_path=folder, upload_uri=share)
    OutputModel.wait_for_uploads()
    path_of(url).unlink()
    check(model.get_local_copy(raise_on_error=True))


def test_a_package_that_is_nowhere_is_an_error(model, folder, share):
    url = model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=False)
    path_of(url).unlink()
    with pytest.raises(NoWeightsError, match="not there any more"):
        model.get_local_copy(raise_on_error=True)


def test_a_folder_that_cannot_be_a_package_leaves_nothing(model, folder, share, registry):
    (folder / "lost").symlink_to("nowhere")
    with pytest.raises(InvalidValueError, match="lost"):
        model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=False)
    assert not share.exists()
    assert model.revisions() == []
    assert below(registry.path / "tmp") == []


@pytest.mark.parametrize("background", [True, False])
def test_a_package_in_a_cloud_is_downloaded_again(
    background, new_bucket, model, folder, registry, tmp_path
):
    bucket = new_bucket("moto")
    url = model.update_weights_package(
        weights_path=folder, upload_uri=bucket.url, async_enable=background
    )
    OutputModel.wait_for_uploads()
    assert url.endswith("/bert.zip")
    (key,) = bucket.keys()
    without_copies(registry)
    check(model.get_local_copy(raise_on_error=True))
    with Registry(tmp_path / "own", durability="fast", upstream=[registry.path]) as own:
        without_copies(registry)
        check(own.model(model.id).get_local_copy(raise_on_error=True))
    with Registry(tmp_path / "third", durability="fast") as third:
        copied = InputModel.import_model(url, is_package=True, registry=third)
        check(copied.get_local_copy(raise_on_error=True))
        assert copied.digest == model.digest
    bucket.put(key, b"others!")
    without_copies(registry)
    with pytest.raises(DigestMismatchError):
        model.get_local_copy(raise_on_error=True)
    assert Model.remove(model)
    assert bucket.get(key) == b"others!"


@pytest.mark.parametrize("deleted", [True, False])
def test_restoring_an_uploaded_package_says_if_its_archive_is_gone(
    deleted, model, folder, share, registry, caplog
):
    url = model.update_weights_package(weights_path=folder, upload_uri=share, async_enable=False)
    assert Model.remove(model, delete_weights_file=deleted)
    assert path_of(url).exists() != deleted
    restored = registry.restore(model.id)
    assert ("missing" in caplog.text or "gone" in caplog.text) == deleted
    if not deleted:
        check(restored.get_local_copy(raise_on_error=True))
