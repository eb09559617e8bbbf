"""Models with weights at a URL: downloaded once, verified, and never changed silently."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.contents import blobs

from localreg import InputModel, Model, Registry, StorageManager
from localreg.blobs.transfer.url_lock import sole_download
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    InvalidValueError,
    LockTimeoutError,
    NotAPackageError,
    ReadOnlyRegistryError,
)
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.fetching import Wish, fetch_weights, fetched, held_bytes
from localreg.operations.weights.local_copies import current
from localreg.store.rows import blob_rows
from localreg.values.frozen import replace

BYTES = bytes(range(256)) * 4_000
OTHER = b"other" * 10_000
DIGEST = hashlib.sha256(BYTES).hexdigest()
OTHER_DIGEST = hashlib.sha256(OTHER).hexdigest()


def kinds(model):
    return [event.kind for event in model.history()]


# downloading ------------------------------------------------------------------------------


def test_an_import_downloads_nothing(site, registry):
    model = InputModel.import_model(site.url(), name="net")
    assert site.gets == []
    assert (model.digest, model.size) == (None, None)


def test_weights_are_downloaded_once_and_keep_their_name(site, registry):
    model = InputModel.import_model(site.url(), name="net")
    for get in (model.get_local_copy, model.get_weights):
        path = Path(get())
        assert path.read_bytes() == BYTES
        assert path.name == "net.pt"
        assert path.stat().st_mode & 0o222 == 0
    assert site.gets == ["/net.pt"]
    assert (model.digest, model.size) == (DIGEST, len(BYTES))
    assert kinds(model)[0] == "weights.fetched"
    assert list((registry.path / "tmp").iterdir()) == []


def test_a_download_does_not_make_a_model_the_newest(site, registry):
    """Else reading an old version would make it the newest."""
    old = InputModel.import_model(site.url(), name="net")
    new = InputModel.import_model("https://example.org/new.pt", name="net")
    old.get_local_copy()
    assert InputModel(name="net") == new


def test_the_filename_from_the_server_is_used_if_the_url_has_none(site, registry):
    site.files["/download"] = BYTES
    site.headers["Content-Disposition"] = 'attachment; filename="../../net.safetensors"'
    model = InputModel.import_model(site.url("/download?id=7"), name="net")
    assert Path(model.get_local_copy()).name == "net.safetensors"
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    named = InputModel.import_model(site.url("/net.pt"), name="named")
    assert Path(named.get_local_copy()).name == "net.pt"


def test_two_models_with_the_same_bytes_share_one_blob(site, registry):
    site.files["/copy.pt"] = BYTES
    first = InputModel.import_model(site.url(), name="a")
    second = InputModel.import_model(site.url("/copy.pt"), name="b")
    assert first.get_local_copy() != second.get_local_copy()
    assert len(blobs(registry.path)) == 1


def test_a_failed_download_returns_none_with_a_warning_or_raises(site, registry, caplog):
    model = InputModel.import_model(site.url("/missing.pt"), name="net")
    assert model.get_local_copy() is None
    assert "missing.pt" in caplog.text
    with pytest.raises(DownloadError) as raised:
        model.get_weights(raise_on_error=True)
    assert (raised.value.model, raised.value.status) == (model.id, 404)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, OSError)
    assert list((registry.path / "tmp").iterdir()) == []
    assert model.digest is None


@pytest.mark.parametrize("scheme", ["s3", "gs", "ftp", "az"])
def test_an_error_names_the_scheme_that_cannot_be_downloaded(scheme, registry):
    model = InputModel.import_model(f"{scheme}://bucket/net.pt", name="net")
    with pytest.raises(DownloadError, match=scheme):
        model.get_local_copy(raise_on_error=True)


def test_a_read_only_registry_serves_its_bytes_and_downloads_nothing(site, tmp_path):
    with Registry(tmp_path / "r", durability="fast"):
        have = InputModel.import_model(site.url(), name="have")
        have.get_local_copy()
        InputModel.import_model(site.url("/other.pt"), name="other")
    with Registry(tmp_path / "r", readonly=True) as registry:
        assert Path(registry.model("have").get_local_copy()).read_bytes() == BYTES
        other = registry.model("other")
        assert other.get_local_copy() is None
        with pytest.raises(ReadOnlyRegistryError):
            other.get_local_copy(raise_on_error=True)
    assert site.gets == ["/net.pt"]


# what a URL serves later (P7, decision 40) ------------------------------------------------


def test_changed_bytes_never_replace_the_recorded_ones_silently(site, registry, caplog):
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    site.files["/net.pt"] = OTHER
    assert Path(model.get_local_copy()).read_bytes() == BYTES, "the recorded bytes are served"
    blobs(registry.path)[0].unlink()  # the cache was pruned
    assert model.get_local_copy() is None
    assert DIGEST in caplog.text
    assert OTHER_DIGEST in caplog.text
    with pytest.raises(DigestMismatchError, match="force_download") as raised:
        model.get_local_copy(raise_on_error=True)
    error = raised.value
    assert (error.model, error.wanted, error.found) == (model.id, DIGEST, OTHER_DIGEST)
    assert model.digest == DIGEST
    assert blobs(registry.path) == []
    site.files["/net.pt"] = BYTES
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_a_cached_file_with_another_checksum_is_downloaded_again(site, registry):
    assert Path(StorageManager.get_local_copy(site.url())).read_bytes() == BYTES
    site.files["/net.pt"] = OTHER
    assert Path(StorageManager.get_local_copy(site.url())).read_bytes() == BYTES
    path = StorageManager.get_local_copy(site.url(), expected_sha256=OTHER_DIGEST)
    assert Path(path).read_bytes() == OTHER


def test_a_download_does_not_overwrite_weights_that_changed_meanwhile(site, registry):
    model = InputModel.import_model(site.url(), name="net")
    before = replace(current(Found(registry._chain.first, model.id)), id="7" * 32)
    found = fetch_weights(registry._chain, Found(registry._chain.first, model.id), before)
    assert (found.digest, found.id) == (DIGEST, "7" * 32)
    assert model.digest is None
    assert "weights.fetched" not in kinds(model)


def test_changed_bytes_do_not_replace_those_of_another_model_with_the_url(site, registry):
    """One model accepted the new bytes; the other one recorded the old ones."""
    first = InputModel.import_model(site.url(), name="first")
    first.get_local_copy()
    first.archive()
    second = InputModel.import_model(site.url(), name="second")
    site.files["/net.pt"] = OTHER
    assert Path(second.get_local_copy(force_download=True)).read_bytes() == OTHER
    assert Path(first.get_local_copy()).read_bytes() == BYTES
    assert (first.digest, second.digest) == (DIGEST, OTHER_DIGEST)


def test_a_forced_download_accepts_changed_bytes_with_a_warning_and_an_event(
    site, registry, caplog
):
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    site.files["/net.pt"] = OTHER
    assert Path(model.get_local_copy(force_download=True)).read_bytes() == OTHER
    (warning,) = (record for record in caplog.records if record.levelname == "WARNING")
    assert DIGEST in warning.getMessage()
    assert OTHER_DIGEST in warning.getMessage()
    event = model.history()[0]
    assert (event.kind, event.payload["old"], event.payload["new"]) == (
        "model.weights", DIGEST, OTHER_DIGEST,
    )  # fmt: skip
    assert model.digest == OTHER_DIGEST
    assert Path(model.get_local_copy()).read_bytes() == OTHER
    assert InputModel(name="net") == model


def test_a_forced_download_of_the_same_bytes_records_no_event(site, registry, caplog):
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    before = kinds(model)
    assert Path(model.get_local_copy(force_download=True)).read_bytes() == BYTES
    assert site.gets == ["/net.pt"] * 2
    assert kinds(model) == before
    assert caplog.records == []


def test_a_published_model_refuses_changed_bytes(site, registry):
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    model.publish()
    site.files["/net.pt"] = OTHER
    with pytest.raises(DigestMismatchError, match="published"):
        model.get_local_copy(raise_on_error=True, force_download=True)
    assert Path(model.get_local_copy()).read_bytes() == BYTES


@pytest.mark.parametrize("force", [False, True])
def test_a_pinned_checksum_refuses_changed_bytes(force, site, registry):
    for number, model in enumerate(
        (
            InputModel.import_model(site.url("/net.pt?1"), name="a", expected_sha256=DIGEST),
            InputModel.import_model(site.url(f"/net.pt?2#sha256={DIGEST}"), name="b"),
        )
    ):
        site.files["/net.pt"] = OTHER
        with pytest.raises(DigestMismatchError, match="checksum"):
            model.get_local_copy(raise_on_error=True, force_download=force)
        assert model.get_local_copy(force_download=force) is None
        site.files["/net.pt"] = BYTES
        path = model.get_local_copy(raise_on_error=True, force_download=force)
        assert Path(path).read_bytes() == BYTES, number


def test_a_pinned_url_is_shown_unchanged_with_its_checksum(site, registry):
    url = site.url(f"/net.pt#sha256={DIGEST}")
    model = InputModel.import_model(url, name="net")
    assert model.url == url
    assert DIGEST in repr(model.history())
    with pytest.raises(InvalidValueError, match="sha256"):
        InputModel.import_model(site.url("/net.pt#sha256=12"), name="bad")


def test_damaged_bytes_are_downloaded_again_when_they_are_found(site, registry, monkeypatch):
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    blob.write_bytes(b"cut")
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        writer.write(b"!")
    monkeypatch.setenv("LOCALREG_VERIFY", "always")
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert site.gets == ["/net.pt"] * 3


def test_damage_is_repaired_from_the_url(site, registry):
    model = InputModel.import_model(site.url(), name="net", copy=True)
    (blob,) = blobs(registry.path)
    blob.chmod(0o644)
    with blob.open("r+b") as writer:
        writer.write(b"!")
    (mended,) = registry.repair().mended
    assert site.url() in mended.how
    assert Path(model.get_local_copy()).read_bytes() == BYTES
    assert registry.verify(full=True).ok


def test_a_repair_refuses_changed_bytes_from_the_url(site, registry):
    InputModel.import_model(site.url(), name="net", copy=True)
    blobs(registry.path)[0].unlink()
    shutil.rmtree(registry.path / "files")
    site.files["/net.pt"] = OTHER
    assert len(registry.repair().lost) == 1
    assert blobs(registry.path) == []


# keeping remote weights -------------------------------------------------------------------


def test_an_import_with_copy_downloads_at_once_and_keeps_the_bytes(site, registry):
    model = InputModel.import_model(site.url(), name="net", copy=True)
    assert site.gets == ["/net.pt"]
    assert model.digest == DIGEST
    assert registry.du().kept == len(BYTES)
    site.files.clear()
    assert Path(model.get_local_copy()).read_bytes() == BYTES


def test_an_import_with_copy_that_fails_records_nothing(site, registry):
    with pytest.raises(DownloadError):
        InputModel.import_model(site.url("/missing"), name="net", copy=True)
    with pytest.raises(DigestMismatchError):
        InputModel.import_model(site.url(), name="net", copy=True, expected_sha256="0" * 64)
    assert Model.query_models() == []
    assert blobs(registry.path) == []


def test_removing_a_model_deletes_its_downloaded_bytes(site, registry):
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    assert Model.remove(model) is True
    assert blobs(registry.path) == []
    assert not any((registry.path / "files").iterdir())


# archives ---------------------------------------------------------------------------------


def archive(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as writer:
        for name, text in files.items():
            writer.writestr(name, text)
    return buffer.getvalue()


def test_a_remote_package_is_unpacked_to_a_tree(site, registry):
    site.files["/pkg.zip"] = archive(config="{}", weights="w")
    model = InputModel.import_model(site.url("/pkg.zip"), name="pkg", is_package=True)
    tree = Path(model.get_local_copy())
    assert sorted(each.name for each in tree.iterdir()) == ["config", "weights"]
    assert model.get_weights_package() == [tree / "config", tree / "weights"]
    assert model.get_weights_package(return_path=True) == str(tree)
    (packed,) = model.get_weights_package(extract_archive=False)
    assert packed.name == "pkg.zip"
    assert model.get_local_copy(extract_archive=False) == str(packed)
    assert site.gets == ["/pkg.zip"]


def test_an_archive_is_unpacked_only_on_request_or_if_it_is_a_package(site, registry):
    site.files["/pkg.zip"] = archive(config="{}")
    model = InputModel.import_model(site.url("/pkg.zip"), name="pkg")
    assert Path(model.get_local_copy()).is_file()
    assert Path(model.get_weights()).is_file()
    assert Path(model.get_weights(extract_archive=True)).is_dir()
    assert Path(model.get_local_copy(extract_archive=True)).is_dir()
    with pytest.raises(NotAPackageError):
        model.get_weights_package()


def test_an_archive_that_changed_is_unpacked_again(site, registry):
    site.files["/pkg.zip"] = archive(config="old")
    model = InputModel.import_model(site.url("/pkg.zip"), name="pkg", is_package=True)
    assert (Path(model.get_local_copy()) / "config").read_text() == "old"
    site.files["/pkg.zip"] = archive(config="new")
    assert (Path(model.get_local_copy()) / "config").read_text() == "old"
    assert (Path(model.get_local_copy(force_download=True)) / "config").read_text() == "new"


# the storage manager ----------------------------------------------------------------------


def test_the_storage_manager_downloads_urls_of_no_model(site, registry):
    path = Path(StorageManager.get_local_copy(site.url()))
    assert (path.read_bytes(), path.name) == (BYTES, "net.pt")
    assert StorageManager.get_local_copy(site.url()) == str(path)
    assert site.gets == ["/net.pt"]
    model = InputModel.import_model(site.url(), name="net")
    model.get_local_copy()
    assert site.gets == ["/net.pt"], "what the URL served is here"
    assert Path(StorageManager.get_local_copy(site.url(), name="x.bin")).name == "x.bin"
    site.files["/net.pt"] = OTHER
    assert Path(StorageManager.get_local_copy(site.url())).read_bytes() == BYTES
    forced = StorageManager.get_local_copy(site.url(), force_download=True)
    assert Path(forced).read_bytes() == OTHER


def test_the_storage_manager_unpacks_archives(site, registry, tmp_path):
    site.files["/pkg.zip"] = archive(config="{}")
    assert Path(StorageManager.get_local_copy(site.url("/pkg.zip"))).is_dir()
    plain = StorageManager.get_local_copy(site.url("/pkg.zip"), extract_archive=False)
    assert Path(plain).is_file()
    local = tmp_path / "a.pt"
    local.write_bytes(BYTES)
    assert StorageManager.get_local_copy(local) == str(local)
    assert StorageManager.get_local_copy(tmp_path / "missing") is None
    with pytest.raises(DownloadError):
        StorageManager.get_local_copy(site.url("/missing"), raise_on_error=True)
    with pytest.raises(DigestMismatchError):
        StorageManager.get_local_copy(site.url(), expected_sha256="0" * 64, raise_on_error=True)


# many processes (P10) ---------------------------------------------------------------------


def get_it(number, barrier, root, model_id):
    from localreg import InputModel, Registry

    with Registry(root, durability="fast"):
        barrier.wait(30)
        return InputModel(model_id).get_local_copy(raise_on_error=True)


def get_it_without_locks(number, barrier, root, model_id):
    import fcntl

    fcntl.flock = lambda *_: None
    from localreg import InputModel, Registry

    with Registry(root, durability="fast"):
        barrier.wait(30)
        return InputModel(model_id).get_local_copy(raise_on_error=True)


def test_eight_processes_that_ask_for_one_url_download_it_once(site, registry, children):
    site.files["/net.pt"] = BYTES * 20
    model = InputModel.import_model(site.url(), name="net")
    paths = children.crowd(8, get_it, registry.path, model.id)
    assert len(set(paths)) == 1
    assert Path(paths[0]).read_bytes() == BYTES * 20
    assert site.gets == ["/net.pt"]
    assert kinds(model).count("weights.fetched") == 1


def test_who_waits_for_a_download_goes_on_when_it_is_recorded_and_needs_no_lock(site, registry):
    """Else each of many would wait for all before it."""
    chain = registry._chain
    wish = Wish(url=site.url(), filename="net.pt")
    with ThreadPoolExecutor(1) as pool, sole_download(chain.first.blobs, wish.url):
        waiting = pool.submit(held_bytes, chain, wish)
        digest = registry.add(io.BytesIO(BYTES), "m").digest
        with chain.first.store.write() as change:
            blob_rows.record_served(change.connection, wish.url, digest, None, None)
        assert waiting.result(30).digest == DIGEST
    assert site.gets == []


def test_without_working_locks_there_are_more_downloads_and_the_same_result(
    site, registry, children
):
    site.files["/net.pt"] = BYTES * 20
    model = InputModel.import_model(site.url(), name="net")
    paths = children.crowd(8, get_it_without_locks, registry.path, model.id)
    assert len(set(paths)) == 1
    assert Path(paths[0]).read_bytes() == BYTES * 20
    assert len(site.gets) > 1
    assert kinds(model).count("weights.fetched") == 1
    assert len(blobs(registry.path)) == 1
    assert list((registry.path / "tmp").iterdir()) == []


def hold_the_url(root, url):
    """Download forever, without progress."""
    import sys
    from pathlib import Path

    from localreg.blobs.blobstore import BlobStore
    from localreg.blobs.transfer.url_lock import download_folder, sole_download

    store = BlobStore(Path(root), False)
    with sole_download(store, url), download_folder(store, url) as part:
        part.write_bytes(b"12345")
        print("held", flush=True)
        sys.stdin.read()
    return


def grow_for_a_second(root, url):
    import time
    from pathlib import Path

    from localreg.blobs.blobstore import BlobStore
    from localreg.blobs.transfer.url_lock import download_folder, sole_download

    store = BlobStore(Path(root), False)
    with sole_download(store, url), download_folder(store, url) as part, part.open("wb", 0) as file:
        print("held", flush=True)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            file.write(b"1")
    part.unlink()


def test_other_processes_wait_while_a_download_makes_progress(site, registry, children):
    holder = children.start(grow_for_a_second, registry.path, site.url())
    assert holder.stdout.readline() == "held\n"
    with sole_download(registry._chain.first.blobs, site.url(), patience=0.3):
        pass
    holder.communicate()


def get_it_where_locks_fail(root, model_id, name):
    import errno
    import fcntl

    def refuse(*_):
        raise OSError(getattr(errno, name), "no locks here")

    fcntl.flock = refuse
    from localreg import InputModel, Registry

    with Registry(root, durability="fast"):
        return InputModel(model_id).get_local_copy(raise_on_error=True)


def test_a_wait_ends_without_the_lock_when_what_is_wanted_came(site, registry, children):
    holder = children.start(hold_the_url, registry.path, site.url())
    assert holder.stdout.readline() == "held\n"
    looks = iter([False, False, True])
    with sole_download(registry._chain.first.blobs, site.url(), came=lambda: next(looks)):
        assert list(looks) == []
    holder.communicate()


@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_a_download_works_on_a_file_system_without_locks(error, site, registry, children):
    model = InputModel.import_model(site.url(), name="net")
    path = children.run(get_it_where_locks_fail, registry.path, model.id, error)
    assert Path(path).read_bytes() == BYTES
    assert list((registry.path / "tmp").iterdir()) == []


def test_the_error_names_the_process_that_holds_a_lock_and_its_death_frees_it(
    site, registry, children
):
    holder = children.start(hold_the_url, registry.path, site.url())
    assert holder.stdout.readline() == "held\n"
    model = InputModel.import_model(site.url(), name="net")
    with (
        pytest.raises(LockTimeoutError, match=rf"process {holder.pid} on "),
        sole_download(registry._chain.first.blobs, site.url(), patience=0.2),
    ):
        pass
    holder.kill()
    holder.communicate()
    assert Path(model.get_local_copy(raise_on_error=True)).read_bytes() == BYTES
    assert list((registry.path / "tmp").iterdir()) == []


def test_a_download_whose_folder_cannot_be_deleted_is_recorded(registry, site, caplog):
    """Something else is in it, which no system unlinks."""
    wish = Wish(url=site.url(), filename="net.pt")
    with fetched(registry._chain, wish):
        (folder,) = (registry.path / "tmp").glob("get-*")
        (folder / "in the way").mkdir()
    assert f"{folder} is left over" in caplog.text
    assert held_bytes(registry._chain, wish).size == len(site.files["/net.pt"])
    assert site.gets == ["/net.pt"]
