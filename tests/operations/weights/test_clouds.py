"""Weights in object stores. The same tests run for each kind of store."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from localreg import InputModel, Model, OutputModel, Registry, StorageManager, Task
from localreg.blobs.transfer.cloud import download, upload
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    InvalidValueError,
    SourceNotFoundError,
    UploadError,
)
from localreg.operations.weights.uploading import uploaded_at_once
from localreg.store.rows import upload_rows

MANY_PARTS = 20_000_000  # bytes; more than one part, and than one range


def mark_of_a_process():
    from localreg.filesystem.temporary_owners import owner_mark

    return owner_mark()


@pytest.fixture
def model(registry):
    task = Task.init(project_name="vision/nets", task_name="train it")
    yield OutputModel(name="net")
    task.close()


def key_of(url, bucket):
    """Return the name of the object that a URL of this bucket names."""
    assert url.startswith(f"{bucket.url}/")
    return unquote(urlsplit(url).path).lstrip("/")


def noise(size):
    return os.urandom(1_000_003) * (size // 1_000_003 + 1)


def nothing_unfinished(bucket):
    """Check that no parts of an upload are left, where a request can give them up."""
    if not bucket.url.startswith("az:"):
        assert bucket.uploads() == []


def bytes_of(path):
    return Path(path).read_bytes()


class TestUploading:
    @pytest.mark.parametrize("size", [0, 7, upload.SMALL, upload.SMALL + 1, MANY_PARTS])
    def test_an_uploaded_object_is_complete(self, size, object_store, model, write_file, registry):
        data = noise(size)[:size]
        url = model.update_weights(
            write_file("w.pt", data), upload_uri=f"{object_store.url}/base dir".replace(" ", "%20"),
            async_enable=False,
        )  # fmt: skip
        assert url == model.url
        key = key_of(url, object_store)
        assert object_store.keys() == [key]
        assert object_store.get(key) == data
        assert object_store.uploads() == []
        assert key.startswith(f"base dir/vision/nets/train it.{model.task}/models/")
        assert key.endswith("/w.pt")
        if size <= upload.SMALL:
            seen = upload.seen(url)
            attributes = {name.lower(): value for name, value in seen.attributes.items()}
            assert attributes[download.DIGEST_ATTRIBUTE] == hashlib.sha256(data).hexdigest()
        (weights,) = model.revisions()
        assert (weights.size, weights.digest) == (size, hashlib.sha256(data).hexdigest())
        assert list(registry.path.glob("blobs/sha256/*/*")) == [], "no second copy"
        assert bytes_of(model.get_weights(raise_on_error=True)) == data

    def test_the_registry_serves_the_bytes_until_a_background_upload_ends(
        self, object_store, model, write_file, registry
    ):
        data = noise(MANY_PARTS)
        url = model.update_weights(write_file("w.pt", data), upload_uri=object_store.url)
        OutputModel.wait_for_uploads()
        assert model.url == url
        assert object_store.get(key_of(url, object_store)) == data
        assert model.history(1)[0].text == "weights 1 uploaded"
        assert Model.remove(model)
        assert object_store.keys() == []

    def test_revisions_of_one_name_stay_readable(self, object_store, model, write_file):
        for text in (b"one", b"two", b"one"):
            model.update_weights(
                write_file("w.pt", text), upload_uri=object_store.url, async_enable=False
            )
        urls = [each.url for each in model.revisions()]
        assert len(set(urls)) == 3
        found = [object_store.get(key_of(each, object_store)) for each in urls]
        assert found == [b"one", b"two", b"one"]

    def test_remove_deletes_only_uploaded_objects(self, object_store, model, write_file):
        object_store.put("pointed.pt", b"pointed")
        model.update_weights(write_file("w.pt"), upload_uri=object_store.url, async_enable=False)
        model.update_weights(register_uri=f"{object_store.url}/pointed.pt")
        assert Model.remove(model)
        assert object_store.keys() == ["pointed.pt"]

    def test_remove_keeps_an_object_that_another_model_names(self, object_store, model, write_file):
        url = model.update_weights(
            write_file("w.pt"), upload_uri=object_store.url, async_enable=False
        )
        other = InputModel.import_model(url + "#", name="other")
        other_url = InputModel.import_model(url, name="same").url
        assert other.url != other_url == url
        pointing = OutputModel(name="third")
        pointing.update_weights(register_uri=url)
        assert Model.remove(model)
        assert object_store.get(key_of(url, object_store)) == b"weights"

    def test_remove_keeps_an_object_that_was_replaced(
        self, object_store, model, write_file, caplog
    ):
        url = model.update_weights(
            write_file("w.pt"), upload_uri=object_store.url, async_enable=False
        )
        key = key_of(url, object_store)
        object_store.put(key, b"others!")
        assert Model.remove(model)
        assert object_store.get(key) == b"others!"
        assert "was changed after the upload" in caplog.text

    def test_remove_accepts_a_missing_object(self, object_store, model, write_file):
        url = model.update_weights(
            write_file("w.pt"), upload_uri=object_store.url, async_enable=False
        )
        upload.delete(url)
        assert object_store.keys() == []
        assert Model.remove(model)
        upload.delete(url)

    def test_a_restored_model_has_its_object_again(self, object_store, model, write_file, registry):
        model.update_weights(write_file("w.pt"), upload_uri=object_store.url, async_enable=False)
        Model.remove(model, delete_weights_file=False)
        assert registry.restore(model.id).get_weights(raise_on_error=True)
        Model.remove(model)
        assert object_store.keys() == []

    def test_an_upload_to_a_missing_bucket_is_an_error(
        self, object_store, model, write_file, registry
    ):
        path = write_file("w.pt", noise(MANY_PARTS))
        before = model.history()
        for each in (path, write_file("small.pt")):
            with pytest.raises(UploadError, match=r"no such bucket|does not exist") as caught:
                model.update_weights(
                    each, upload_uri=f"{object_store.url}-none/x", async_enable=False
                )
            assert str(caught.value).startswith(f"{object_store.url}-none/x/")
        assert model.history() == before
        assert path.exists()

    def test_a_file_that_changes_during_its_upload_leaves_no_object(
        self, object_store, model, write_file
    ):
        path = write_file("w.pt", noise(MANY_PARTS))

        def change(done, total):
            with path.open("r+b") as changed:
                changed.write(b"changed")

        url = f"{object_store.url}/a/w.pt"
        with pytest.raises(InvalidValueError, match="changed while it was read"):
            upload.upload(path, url, progress=change)
        assert object_store.keys() == []
        nothing_unfinished(object_store)

    @pytest.mark.parametrize("size", [0, MANY_PARTS])
    def test_an_object_is_replaced_by_a_whole_one_or_not_at_all(
        self, size, object_store, write_file
    ):
        url = f"{object_store.url}/a/w.pt"
        upload.upload(write_file("first.pt", b"first"), url)
        path = write_file("w.pt", noise(size)[:size] + b"second")

        def change(done, total):
            with path.open("r+b") as changed:
                changed.write(b"changed")

        with pytest.raises(InvalidValueError, match="changed while it was read"):
            upload.upload(path, url, replace=True, progress=change)
        assert object_store.get("a/w.pt") == b"first"
        nothing_unfinished(object_store)
        upload.upload(path, url, replace=True)
        assert object_store.get("a/w.pt") == path.read_bytes()

    def test_a_file_that_cannot_be_read_leaves_no_object(self, object_store, tmp_path):
        with pytest.raises(SourceNotFoundError):
            upload.upload(tmp_path / "none", f"{object_store.url}/a/w.pt")
        with pytest.raises(InvalidValueError, match="must be a plain file"):
            upload.upload(tmp_path, f"{object_store.url}/a/w.pt")
        assert object_store.keys() == []

    @pytest.mark.parametrize("size", [7, MANY_PARTS])
    def test_gc_deletes_the_object_of_an_upload_that_was_killed(
        self, size, object_store, registry, write_file, children
    ):
        """An object is known by the id in its metadata; one with another id was there before."""
        dead = children.run(mark_of_a_process)
        store = registry._chain.first.store
        data = write_file("w.pt", noise(size)[:size])
        strange = ".0123456789ab-1"  # of another machine
        for number, known, owner in ((1, "1" * 32, dead), (2, "3" * 32, strange)):
            url = f"{object_store.url}/a.{'0' * 32}/models/{number:012}/w.pt"
            upload.upload(data, url, upload_id=f"{number}" * 32)
            with store.write() as change:
                row = upload_rows.UploadRow(known, url, owner, 1, None)
                upload_rows.announce(change.connection, row)
        assert len(object_store.keys()) == 2
        (found,) = registry.gc().garbage
        assert found.path.endswith("/000000000001/w.pt")
        assert registry.gc(dry_run=False).garbage == (found,)
        (left,) = object_store.keys()
        assert left.endswith("/000000000002/w.pt")
        assert registry.gc().garbage == ()

    def test_an_object_that_gc_took_for_left_is_not_recorded(
        self, object_store, registry, write_file
    ):
        """The process was slow, on another machine: it uploads again."""
        store = registry._chain.first.store
        taken = []

        def take(done, total):
            with store.write() as change:
                if not taken:
                    taken.extend(change.connection.execute("SELECT url FROM upload").fetchone())
                    change.connection.execute("DELETE FROM upload")

        announced = uploaded_at_once(
            registry._chain.first,
            write_file("w.pt", b"12345"),
            f"{object_store.url}/a.{'0' * 32}/models",
            "w.pt",
            take,
        )
        with announced as (_, uploaded):
            assert uploaded.url not in taken
        assert len(taken) == 1

    def test_a_claimed_upload_deletes_no_object_of_the_user(
        self, object_store, registry, write_file, children
    ):
        """A database may name the id in an object's metadata, and its ETag."""
        url = f"{object_store.url}/a.{'0' * 32}/models/w.pt"  # not in an upload's own folder
        uploaded = upload.upload(write_file("w.pt", b"theirs"), url, upload_id="1" * 32)
        dead = children.run(mark_of_a_process)
        with registry._chain.first.store.write() as change:
            for number, etag in (("1", None), ("2", uploaded.etag)):
                row = upload_rows.UploadRow(number * 32, url, dead, 1, None, etag)
                upload_rows.announce(change.connection, row)
        registry.gc(grace_seconds=0, dry_run=False)
        model = InputModel.import_model(str(write_file("w.pt", b"theirs")), copy=True)
        with registry._chain.first.store.write() as change:
            change.connection.execute("UPDATE weights SET uploaded = 1, url = ?", (url,))
        assert InputModel.remove(model.id)
        assert len(object_store.keys()) == 1

    @pytest.mark.parametrize("size", [7, MANY_PARTS])
    def test_an_upload_reports_its_progress(self, size, object_store, write_file):
        calls = []
        upload.upload(
            write_file("w.pt", noise(size)[:size]), f"{object_store.url}/a/w.pt",
            progress=lambda done, total: calls.append((done, total)),
        )  # fmt: skip
        assert calls == sorted(calls)
        assert calls[-1] == (size, size)


def update_and_end(root, url, path):
    import sys

    from localreg import OutputModel, Task, use_registry

    use_registry(root)
    Task.init(project_name="p", task_name="t", output_uri=url)
    model = OutputModel(name="net")
    url = model.update_weights(path)
    print(url, file=sys.stderr)  # only the end of the process waits for it
    return [model.id, url]


def test_background_uploads_finish_before_a_process_ends(
    object_store, write_file, tmp_path, children
):
    data = noise(MANY_PARTS)
    model_id, url = children.run(
        update_and_end, tmp_path / "registry", object_store.url, write_file("w.pt", data)
    )
    assert object_store.get(key_of(url, object_store)) == data
    with Registry(tmp_path / "registry", durability="fast") as registry:
        assert registry.model(model_id).history(1)[0].text == "weights 1 uploaded"


class TestDownloading:
    @pytest.mark.parametrize("size", [0, 7, download.RANGE, MANY_PARTS])
    def test_a_download_is_complete_and_happens_once(self, size, object_store, registry):
        data = noise(size)[:size]
        object_store.put("models/net.pt", data)
        model = InputModel.import_model(f"{object_store.url}/models/net.pt")
        path = Path(model.get_weights(raise_on_error=True))
        assert path.read_bytes() == data
        assert path.name == "net.pt"
        assert path.is_relative_to(registry.path)
        assert model.digest == hashlib.sha256(data).hexdigest()
        assert list((registry.path / "tmp").iterdir()) == []
        object_store.put("models/net.pt", b"others")
        assert bytes_of(model.get_weights(raise_on_error=True)) == data, (
            "the store was not asked again"
        )

    @pytest.mark.parametrize(
        "key", ["a b/c+d.pt", "100%.pt", "x#y?z.pt", "käse/ñ.pt", "a=b&c;d,e.pt", "~[1](2)!.pt"]
    )
    def test_objects_with_unusual_names_are_downloaded(self, key, object_store, registry):
        object_store.put(key, b"weights")
        model = InputModel.import_model(f"{object_store.url}/{quote(key)}")
        path = Path(model.get_weights(raise_on_error=True))
        assert path.read_bytes() == b"weights"
        assert path.name == key.rpartition("/")[2]

    def test_a_missing_object_is_an_error(self, object_store, registry):
        model = InputModel.import_model(f"{object_store.url}/none.pt")
        with pytest.raises(DownloadError, match="does not exist") as caught:
            model.get_weights(raise_on_error=True)
        assert caught.value.status == 404
        assert caught.value.url == f"{object_store.url}/none.pt"
        assert caught.value.__cause__ is None
        assert model.get_weights() is None
        assert list((registry.path / "tmp").iterdir()) == []

    def test_other_bytes_than_recorded_are_an_error(self, object_store, registry):
        object_store.put("net.pt", b"first")
        model = InputModel.import_model(f"{object_store.url}/net.pt")
        first = model.get_weights(raise_on_error=True)
        object_store.put("net.pt", b"other")
        Path(first).parent.chmod(0o755)
        registry._chain.first.blobs.delete([model.digest], [])
        with pytest.raises(DigestMismatchError, match="force_download"):
            model.get_weights(raise_on_error=True)
        path = model.get_weights(raise_on_error=True, force_download=True)
        assert bytes_of(path) == b"other"

    def test_a_checksum_in_the_url_is_checked(self, object_store, registry):
        object_store.put("net.pt", b"weights")
        digest = hashlib.sha256(b"weights").hexdigest()
        right = InputModel.import_model(f"{object_store.url}/net.pt#sha256={digest}")
        assert bytes_of(right.get_weights(raise_on_error=True)) == b"weights"
        wrong = InputModel.import_model(f"{object_store.url}/net.pt#sha256={'0' * 64}")
        with pytest.raises(DigestMismatchError):
            wrong.get_weights(raise_on_error=True)

    def test_the_digest_that_an_upload_recorded_is_checked(self, object_store, registry):
        import obstore
        from obstore.store import from_url

        store = from_url(object_store.url, client_options={"allow_http": True})
        attributes = {download.DIGEST_ATTRIBUTE: hashlib.sha256(b"weights").hexdigest()}
        for data in (b"weights", b"wEIGHTs"):
            obstore.put(store, "net.pt", data, attributes=attributes)
            url = f"{object_store.url}/net.pt"
            if data == b"weights":
                assert bytes_of(StorageManager.get_local_copy(url)) == data
            else:
                with pytest.raises(DigestMismatchError):
                    StorageManager.get_local_copy(url, force_download=True, raise_on_error=True)

    def test_an_import_with_copy_downloads_at_once(self, object_store, registry):
        object_store.put("net.pt", b"weights")
        model = InputModel.import_model(f"{object_store.url}/net.pt", copy=True)
        object_store.put("net.pt", b"others")
        assert bytes_of(model.get_weights(raise_on_error=True)) == b"weights"

    def test_a_repair_downloads_damaged_bytes_again(self, object_store, registry):
        object_store.put("net.pt", b"weights")
        model = InputModel.import_model(f"{object_store.url}/net.pt")
        path = Path(model.get_weights(raise_on_error=True))
        path.chmod(0o644)
        path.write_bytes(b"wEIGHTs")
        done = registry.repair(full=True)
        assert [each.how for each in done.mended] == [f"downloaded from {object_store.url}/net.pt"]
        assert bytes_of(model.get_weights(raise_on_error=True)) == b"weights"
