"""Archives become packages: unpacked once, each file a blob, and safe from torn reads."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
from support.contents import below, blobs, rows

from localreg import InputModel, Registry, StorageManager
from localreg.errors import ArchiveError, DigestMismatchError, DownloadError
from localreg.filesystem.plain_files import status_of
from localreg.operations.weights.unpacking import Archive, unpacked_folder

FILES = {"config.json": b"{}", "weights/a.bin": bytes(range(256)) * 300, "weights/empty": b""}
CHANGED = {**FILES, "config.json": b'{"changed": 1}'}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def zip_of(members, *, programs=(), folders=()):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            mode = 0o755 if name in programs else 0o644
            info.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(info, data)
        for name in folders:
            archive.mkdir(name)
    return buffer.getvalue()


def tar_of(members, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def contents(folder):
    folder = Path(folder)
    return {name: (folder / name).read_bytes() for name in below(folder)}


def trees(registry):
    return rows(registry, "SELECT count(DISTINCT tree) FROM tree_file")[0][0]


# packages from URLs -----------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_the_files_of_a_package_from_a_url_are_blobs(registry, site, ending):
    """The event names the package and its archive; the archive's bytes stay as a cache."""
    data = zip_of(FILES) if ending == ".zip" else tar_of(FILES)
    site.files[f"/bert{ending}"] = data
    model = InputModel.import_model(site.url(f"/bert{ending}"), name="bert", is_package=True)
    folder = model.get_local_copy(raise_on_error=True)
    assert contents(folder) == FILES
    assert model.get_local_copy(raise_on_error=True) == folder
    assert site.gets == [f"/bert{ending}"]
    ((payload,),) = rows(registry, "SELECT payload FROM event WHERE kind = 'weights.fetched'")
    import json

    found = json.loads(payload)
    assert (found["tree"], found["total"]) == (True, sum(map(len, FILES.values())))
    assert (found["archive"], found["archive_size"]) == (sha256(data), len(data))
    assert found["new"] == Path(folder).name
    kept = {sha256(each) for each in FILES.values()} | {sha256(data), found["new"]}
    assert {each.parent.name + each.name for each in blobs(registry.path)} == kept


def test_an_archive_that_is_extracted_without_being_a_package_is_a_tree_too(registry, site):
    site.files["/bert.zip"] = zip_of(FILES, programs=["config.json"], folders=["empty/"])
    model = InputModel.import_model(site.url("/bert.zip"), name="bert")
    assert Path(model.get_weights(raise_on_error=True)).name == "bert.zip"
    folder = Path(model.get_weights(raise_on_error=True, extract_archive=True))
    assert contents(folder) == FILES
    assert (folder / "empty").is_dir()
    assert (folder / "config.json").stat().st_mode & 0o111
    assert not (folder / "weights" / "a.bin").stat().st_mode & 0o333
    copy = StorageManager.get_local_copy(site.url("/bert.zip"), raise_on_error=True)
    assert copy == str(folder)
    assert site.gets == ["/bert.zip"]


def test_two_archives_with_the_same_files_are_one_package(registry, site):
    site.files |= {"/a.zip": zip_of(FILES), "/a.tar.gz": tar_of(FILES)}
    found = {
        InputModel.import_model(site.url(path), is_package=True).get_local_copy(raise_on_error=True)
        for path in ("/a.zip", "/a.tar.gz")
    }
    assert len(found) == 1
    assert trees(registry) == 1


def test_a_package_url_that_serves_no_archive_is_kept_as_a_file(registry, site):
    model = InputModel.import_model(site.url("/net.pt"), name="net", is_package=True)
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == site.files["/net.pt"]
    assert trees(registry) == 0


def test_nothing_is_fetched_again_when_the_archive_is_gone(registry, site):
    """The package is here, so the archive is not needed."""
    site.files["/bert.zip"] = data = zip_of(FILES)
    url = site.url("/bert.zip")
    model = InputModel.import_model(url, name="bert", is_package=True)
    folder = model.get_local_copy(raise_on_error=True)
    digest = sha256(data)
    (registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]).unlink()
    assert model.get_local_copy(raise_on_error=True) == folder
    other = InputModel.import_model(f"{url}?again", name="other", is_package=True,
                                    expected_sha256=digest)  # fmt: skip
    assert other.get_local_copy(raise_on_error=True) == folder
    assert site.gets == ["/bert.zip"]


@pytest.mark.parametrize("archive_is_here", [True, False])
def test_a_package_whose_files_are_gone_comes_from_its_archive(registry, site, archive_is_here):
    """It is unpacked again if its archive is here, and downloaded again otherwise."""
    site.files["/bert.zip"] = data = zip_of(FILES)
    model = InputModel.import_model(site.url("/bert.zip"), name="bert", is_package=True)
    first = model.get_local_copy(raise_on_error=True)
    Path(first).chmod(0o755)
    (Path(first) / "config.json").unlink()
    gone = [sha256(FILES["config.json"])] + ([] if archive_is_here else [sha256(data)])
    for digest in gone:
        (registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]).unlink()
    assert contents(model.get_local_copy(raise_on_error=True)) == FILES
    assert len(site.gets) == (1 if archive_is_here else 2)


def test_a_damaged_file_of_a_package_is_taken_from_its_archive(registry, site, monkeypatch):
    site.files["/bert.zip"] = zip_of(FILES)
    model = InputModel.import_model(site.url("/bert.zip"), name="bert", is_package=True)
    folder = Path(model.get_local_copy(raise_on_error=True))
    (folder / "config.json").chmod(0o644)
    (folder / "config.json").write_bytes(b"[]")  # the blob, too: it is a link
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    assert contents(model.get_local_copy(raise_on_error=True)) == FILES
    assert site.gets == ["/bert.zip"]


# pins and other bytes ---------------------------------------------------------------------


def test_the_pin_is_the_digest_of_the_archive(registry, site):
    site.files["/bert.zip"] = data = zip_of(FILES)
    url = site.url("/bert.zip")
    wrong = InputModel.import_model(url, is_package=True, expected_sha256="0" * 64)
    with pytest.raises(DigestMismatchError):
        wrong.get_local_copy(raise_on_error=True)
    assert blobs(registry.path) == []
    right = InputModel.import_model(f"{url}?1", copy=True, expected_sha256=sha256(data))
    assert Path(right.get_local_copy(raise_on_error=True)).read_bytes() == data
    pinned = InputModel.import_model(f"{url}?2", is_package=True, expected_sha256=sha256(data))
    assert contents(pinned.get_local_copy(raise_on_error=True)) == FILES


def test_a_url_that_serves_another_archive_is_an_error_unless_it_is_accepted(
    registry, site, caplog
):
    """What counts is the archive: one that was packed again with the same files is another one."""
    site.files["/bert.zip"] = first = zip_of(FILES)
    model = InputModel.import_model(site.url("/bert.zip"), name="bert", is_package=True)
    folder = model.get_local_copy(raise_on_error=True)
    site.files["/bert.zip"] = again = zip_of(FILES, programs=["config.json"])
    for digest in {sha256(first), *map(sha256, FILES.values())}:
        (registry.path / "blobs" / "sha256" / digest[:2] / digest[2:]).unlink()
    Path(folder).chmod(0o755)
    (Path(folder) / "config.json").unlink()
    with pytest.raises(DigestMismatchError, match="serves other bytes than recorded"):
        model.get_local_copy(raise_on_error=True)
    accepted = model.get_local_copy(raise_on_error=True, force_download=True)
    assert accepted != folder
    assert (Path(accepted) / "config.json").stat().st_mode & 0o111
    assert f"are sha256 {sha256(again)} now, not {sha256(first)}" in caplog.text
    site.files["/bert.zip"] = zip_of(CHANGED)
    model.publish()
    with pytest.raises(DigestMismatchError, match="published"):
        model.get_local_copy(raise_on_error=True, force_download=True)


def test_an_unsafe_archive_is_downloaded_once_and_never_unpacked(registry, site):
    site.files["/bert.zip"] = zip_of({"../evil": b"1"})
    model = InputModel.import_model(site.url("/bert.zip"), name="bert", is_package=True)
    for _ in range(2):
        with pytest.raises(ArchiveError, match="outside"):
            model.get_local_copy(raise_on_error=True)
    assert site.gets == ["/bert.zip"]
    assert below(registry.path / "tmp") == []
    assert trees(registry) == 0


def test_an_archive_with_nothing_in_it_is_an_error(registry, site):
    site.files["/bert.zip"] = zip_of({})
    with pytest.raises(ArchiveError, match="holds nothing"):
        StorageManager.get_local_copy(site.url("/bert.zip"), raise_on_error=True)


# kept at once -----------------------------------------------------------------------------


@pytest.mark.parametrize("remote", [True, False])
def test_an_imported_archive_is_kept_as_its_files(remote, registry, site, tmp_path):
    """With copy=True; the pin is the archive's, and the archive may be deleted."""
    path = tmp_path / "bert.tar.gz"
    path.write_bytes(data := tar_of(FILES))
    site.files["/bert.tar.gz"] = data
    url = site.url("/bert.tar.gz") if remote else path
    with pytest.raises(DigestMismatchError):
        InputModel.import_model(url, is_package=True, copy=True, expected_sha256="0" * 64)
    assert blobs(registry.path) == []
    options = {"is_package": True, "copy": True, "expected_sha256": sha256(data)}
    model = InputModel.import_model(url, name="bert", **options)
    assert InputModel.import_model(url, **options).id == model.id
    found = "SELECT tree, archive, archive_size, kept FROM weights"
    assert rows(registry, found) == [(1, sha256(data), len(data), 1)]
    assert model.size == sum(map(len, FILES.values()))
    path.unlink()
    site.files.clear()
    assert contents(model.get_local_copy(raise_on_error=True)) == FILES
    assert registry.verify(full=True).ok
    registry.gc(grace_seconds=0, dry_run=False)
    assert contents(model.get_local_copy(raise_on_error=True)) == FILES


def test_a_model_that_points_to_an_archive_keeps_it_later(registry, tmp_path):
    path = tmp_path / "bert.zip"
    path.write_bytes(zip_of(FILES))
    model = InputModel.import_model(path, name="bert", is_package=True)
    kept = InputModel.import_model(path, is_package=True, copy=True)
    assert kept.id == model.id
    path.unlink()
    assert contents(model.get_local_copy(raise_on_error=True)) == FILES


def test_a_changed_archive_is_another_model(registry, tmp_path):
    path = tmp_path / "bert.zip"
    path.write_bytes(zip_of(FILES))
    first = InputModel.import_model(path, name="bert", is_package=True, copy=True)
    path.write_bytes(zip_of(CHANGED))
    second = InputModel.import_model(path, name="bert", is_package=True, copy=True)
    assert first.id != second.id
    assert contents(first.get_local_copy(raise_on_error=True)) == FILES
    assert contents(second.get_local_copy(raise_on_error=True)) == CHANGED


# files outside, and torn reads ------------------------------------------------------------


def test_an_archive_of_the_user_is_unpacked_once_and_again_when_it_changes(registry, tmp_path):
    archive = tmp_path / "bert.zip"
    archive.write_bytes(zip_of(FILES))
    model = InputModel.import_model(archive, name="bert", is_package=True)
    first = model.get_local_copy(raise_on_error=True)
    assert contents(first) == FILES
    assert model.get_local_copy(raise_on_error=True) == first
    assert StorageManager.get_local_copy(archive, raise_on_error=True) == first
    archive.write_bytes(zip_of(CHANGED))
    assert contents(model.get_local_copy(raise_on_error=True)) == CHANGED
    assert contents(first) == FILES
    assert archive.exists()


def test_an_archive_that_changed_since_it_was_hashed_is_not_kept(registry, tmp_path):
    """Its package would be remembered by the digest of other bytes."""
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of(FILES))
    hashed = status_of(path.stat())
    path.write_bytes(zip_of(CHANGED))
    archive = Archive("0" * 64, 1, path, "a.zip", hashed)
    with pytest.raises(ArchiveError, match="changed while it was unpacked"):
        unpacked_folder(registry._chain, archive, verify=False)
    assert blobs(registry.path) == []
    assert below(registry.path / "tmp") == []


@pytest.mark.parametrize("replaced", [True, False])
def test_an_archive_that_changes_while_it_is_unpacked_is_not_kept(replaced, registry, tmp_path):
    """The test uses a pipe, so that the archive can change while it is read."""
    path, other, data = tmp_path / "a.tar", tmp_path / "other", tar_of(FILES, "w")
    os.mkfifo(path)
    os.utime(path, (1, 1))
    other.write_bytes(data)
    os.utime(other, (1, 1))

    def write():
        with path.open("wb") as writer:
            if replaced:
                other.replace(path)
            writer.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(ArchiveError, match="changed while it was unpacked"):
            unpacked_folder(registry._chain, Archive("0" * 64, 1, path, "a.tar"), verify=False)
    finally:
        writer.join()
    assert blobs(registry.path) == []


# upstream, read-only, full ----------------------------------------------------------------


def test_a_package_that_an_upstream_registry_has_is_not_downloaded_again(tmp_path, site):
    """Nor kept a second time; an archive that it unpacked is known by its digest."""
    site.files["/bert.zip"] = data = zip_of(FILES)
    url = site.url("/bert.zip")
    with Registry(tmp_path / "up", durability="fast") as up:
        StorageManager.get_local_copy(url, registry=up, raise_on_error=True)
    with Registry(tmp_path / "own", durability="fast", upstream=[tmp_path / "up"]) as own:
        model = InputModel.import_model(f"{url}?x", name="mine", is_package=True, registry=own,
                                        expected_sha256=sha256(data))  # fmt: skip
        assert contents(model.get_local_copy(raise_on_error=True)) == FILES
        assert blobs(own.path) == []
    assert site.gets == ["/bert.zip"]


def test_what_a_read_only_registry_has_as_an_archive_is_unpacked_elsewhere(
    tmp_path, site, monkeypatch
):
    """Into the user's cache; a folder there that is not whole is made again."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "cache").mkdir()
    site.files["/bert.zip"] = zip_of(FILES, folders=["empty/"])
    root = tmp_path / "r"
    with Registry(root, durability="fast") as writing:
        InputModel.import_model(site.url("/bert.zip"), name="bert", copy=True, registry=writing)
    before = sorted(each for each in root.rglob("*"))
    with Registry(root, readonly=True) as registry:
        model = registry.model("bert")
        folder = Path(model.get_weights(raise_on_error=True, extract_archive=True))
        assert folder.is_relative_to(tmp_path / "cache")
        assert contents(folder) == FILES
        inode = folder.stat().st_ino
        again = Path(model.get_weights(raise_on_error=True, extract_archive=True))
        assert again.stat().st_ino == inode
        folder.chmod(0o755)
        (folder / "config.json").unlink()
        (folder / "mine").write_bytes(b"mine")
        again = Path(model.get_weights(raise_on_error=True, extract_archive=True))
        assert again == folder
        assert contents(folder) == FILES
        assert (folder / "empty").is_dir()
        kept = [each.read_bytes() for each in (tmp_path / "cache").rglob("mine")]
        assert kept == [b"mine"]  # in quarantine: the user may want it
    assert sorted(each for each in root.rglob("*")) == before
    with pytest.raises(DownloadError):
        StorageManager.get_local_copy(site.url("/missing.zip"), raise_on_error=True)
