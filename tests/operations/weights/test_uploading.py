"""Uploads of the weights of an `OutputModel` to a destination that the user chose."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import signal
import stat
import sys
import threading
import zipfile

import pytest
from support.contents import below, path_of, read, rows

from localreg import Model, OutputModel, Registry, Task
from localreg.api import ambient
from localreg.blobs.staging.staging import StagedBlob
from localreg.blobs.transfer import folder_upload
from localreg.blobs.transfer import uploading as outgoing
from localreg.errors import (
    DigestMismatchError,
    InvalidURLError,
    ReadOnlyRegistryError,
    StorageError,
    UploadError,
)
from localreg.operations.weights import uploading


class TestUploading:
    @pytest.fixture
    def share(self, tmp_path):
        return tmp_path / "share"

    @pytest.fixture(autouse=True)
    def _no_default(self):
        yield
        OutputModel.set_default_upload_uri(None)

    def test_weights_are_uploaded_to_a_folder_of_the_task(
        self, model, write_file, share, task, registry
    ):
        original = write_file("w.pt", "first")
        url = model.update_weights(original, upload_uri=str(share), async_enable=False)
        place = share / "vision" / f"train.{task.id}" / "models" / "w.pt"
        assert url == model.url == place.as_uri()
        assert read(place) == read(model.get_weights()) == "first"
        assert below(share) == [str(place.relative_to(share))]
        assert below(registry.path / "blobs") == [], "no second copy"
        assert rows(registry, "SELECT uploaded, kept FROM weights") == [(1, 0)]
        assert original.exists()
        assert "share" not in str(rows(registry, "SELECT payload FROM event"))

    def test_the_registry_serves_the_bytes_until_a_background_upload_ends(
        self, model, write_file, share, registry
    ):
        model.set_upload_destination(share)
        original = write_file("w.pt", "first")
        url = model.update_weights(original, auto_delete_file=True)
        assert not original.exists(), "its bytes are safe"
        assert read(model.get_weights()) == "first"
        OutputModel.wait_for_uploads()
        assert model.url == url
        assert read(path_of(url)) == "first"
        assert model.history(1)[0].text == "weights 1 uploaded"
        assert rows(registry, "SELECT uploaded, kept FROM weights") == [(1, 0)]
        Model.remove(model)
        assert below(share) == below(registry.path / "blobs") == []

    @pytest.mark.parametrize("background", [True, False])
    def test_revisions_of_one_name_stay_readable(self, background, model, write_file, share):
        urls = [
            model.update_weights(
                write_file("w.tar.gz", text), upload_uri=share.as_uri(), async_enable=background
            )
            for text in ("one", "two", "one")
        ]
        OutputModel.wait_for_uploads()
        assert sorted({each.url for each in model.revisions()}) == sorted(set(urls))
        assert [read(path_of(each.url)) for each in model.revisions()] == ["one", "two", "one"]

    def test_a_file_that_changed_at_the_destination_is_refused(self, model, write_file, share):
        url = model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        path_of(url).unlink()
        path_of(url).write_text("changed")
        with pytest.raises(DigestMismatchError):
            model.get_weights(raise_on_error=True)

    def test_weights_missing_at_the_destination_are_served_from_the_cache(
        self, model, write_file, share, registry
    ):
        url = model.update_weights(write_file("w.pt", "first"), upload_uri=share)
        OutputModel.wait_for_uploads()
        path_of(url).unlink()
        assert read(model.get_weights()) == "first"

    def test_verify_accepts_that_uploaded_bytes_are_not_kept(
        self, model, write_file, share, registry
    ):
        model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        found = registry.verify()
        assert (found.problems, found.checked, found.size, found.elsewhere) == ((), 0, 0, 1)
        assert registry.gc(grace_seconds=0, dry_run=False).freed == 0
        Model.remove(model, delete_weights_file=False)
        assert read(registry.restore(model.id).get_weights(raise_on_error=True)) == "weights"

    def test_nothing_is_uploaded_for_a_read_only_registry(self, tmp_path, write_file, share):
        with Registry(tmp_path / "other", durability="fast"):
            task = Task.create("p", "t")
            model = OutputModel(task)
        with Registry(tmp_path / "other", readonly=True) as readonly:
            model._chain, model._subject = readonly._chain, Model(model.id)._subject
            with pytest.raises(ReadOnlyRegistryError):
                model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        assert not share.exists()

    def test_remove_deletes_only_uploaded_files(self, model, write_file, share, registry):
        url = model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        pointed = write_file("pointed.pt")
        model.update_weights(register_uri=pointed)
        assert Model.remove(model)
        assert not path_of(url).exists()
        assert pointed.exists()

    def test_remove_keeps_a_file_that_another_model_names(self, model, write_file, share):
        url = model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        other = OutputModel(name="other")
        other.update_weights(register_uri=url)
        assert Model.remove(model)
        assert path_of(url).exists()
        assert Model.remove(other)
        assert path_of(url).exists(), "this one only named it"

    def test_remove_keeps_the_file_if_the_argument_says_so(self, model, write_file, share):
        url = model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        Model.remove(model, delete_weights_file=False)
        assert path_of(url).exists()

    def test_remove_keeps_a_file_that_was_replaced(self, model, write_file, share, caplog):
        url = model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        path_of(url).unlink()
        path_of(url).write_text("mine")
        assert Model.remove(model)
        assert read(path_of(url)) == "mine"
        assert "was changed after the upload" in caplog.text

    def test_keep_last_deletes_uploaded_files(self, model, write_file, share):
        for text in ("one", "two"):
            model.update_weights(
                write_file("w.pt", text), upload_uri=share, async_enable=False, keep_last=1
            )
        assert [read(path_of(each.url)) for each in model.revisions()] == ["two"]
        assert len(below(share)) == 1

    def test_a_package_is_uploaded(self, model, write_file, share):
        folder = write_file("bert/x.txt").parent
        url = model.update_weights(folder, upload_uri=share, async_enable=False)
        assert zipfile.ZipFile(path_of(url)).namelist() == ["x.txt"]
        assert [each.name for each in model.get_weights_package()] == ["x.txt"]

    def test_the_destination_of_the_model_overrides_the_default(self, model, tmp_path):
        assert model.upload_storage_uri is None
        OutputModel.set_default_upload_uri(tmp_path / "default")
        assert model.upload_storage_uri == (tmp_path / "default").as_uri()
        model.set_upload_destination(f"file://{tmp_path}/own")
        assert model.upload_storage_uri == (tmp_path / "own").as_uri()
        model.set_upload_destination(None)
        assert model.upload_storage_uri == (tmp_path / "default").as_uri()

    def test_upload_uri_is_used_for_the_next_update_too(self, model, write_file, share):
        model.update_weights(write_file("a.pt"), upload_uri=share, async_enable=False)
        assert model.update_weights(write_file("b.pt"), async_enable=False).startswith(
            share.as_uri()
        )

    @pytest.mark.parametrize(
        ("uri", "why"),
        [
            ("https://h/x", "weights cannot be uploaded to"),
            ("ftp://h/x", "weights cannot be uploaded to"),
            ("s3://key:hush@bucket/x", "credentials belong into the environment"),
            ("s3://bucket/a//b", "empty parts"),
            ("gs://bucket/../b", "cannot be reached"),
            ("s3://host:9000/", "names no bucket"),
            ("s3://bucket/x?acl=private", "its query may only be"),
            ("s3://bucket/x?versionId=3", "names a version"),
        ],
    )
    def test_an_invalid_destination_is_an_error(self, uri, why, model, write_file):
        before = model.history()
        for call in (
            lambda: model.set_upload_destination(uri),
            lambda: OutputModel.set_default_upload_uri(uri),
            lambda: model.update_weights(write_file("w.pt"), upload_uri=uri),
        ):
            with pytest.raises(InvalidURLError, match=why) as caught:
                call()
            assert "hush" not in str(caught.value)
        assert model.history() == before
        assert model.upload_storage_uri is None

    @pytest.mark.parametrize("uri", ["s3://key:hush@bucket/x", "gs://bucket/a//b", "http:/x", 5])
    def test_a_task_does_not_begin_with_an_invalid_destination(self, uri, registry):
        before = registry.history()
        with pytest.raises(InvalidURLError, match="output_uri") as caught:
            Task.init(project_name="p", task_name="t", output_uri=uri)
        assert "hush" not in str(caught.value)
        assert registry.history() == before

    def test_a_destination_on_a_clearml_server_is_a_warning_until_an_upload(
        self, registry, caplog, write_file
    ):
        """A script that never uploads anything continues."""
        task = Task.init(
            project_name="p", task_name="t", output_uri="https://key:hush@files.clear.ml"
        )
        assert "https://***@files.clear.ml, and weights cannot be uploaded to it" in caplog.text
        with pytest.raises(InvalidURLError, match="weights cannot be uploaded to"):
            OutputModel().update_weights(write_file("w.pt"))
        task.close()

    @pytest.mark.parametrize("uri", ["s3://bucket/x", "gs://bucket", "az://c/x", "azure://c/x"])
    def test_clouds_need_their_extra(self, uri, model, monkeypatch):
        monkeypatch.setitem(sys.modules, "obstore", None)  # as if it were not installed
        with pytest.raises(InvalidURLError, match=r"pip install 'localreg\[cloud\]'"):
            model.set_upload_destination(uri)
        monkeypatch.undo()
        model.set_upload_destination(uri)
        assert model.upload_storage_uri == uri

    def test_bytes_damaged_in_the_registry_are_not_uploaded(
        self, blocked_workers, model, write_file, share, registry
    ):
        """They are damaged between `update_weights` and the upload in the background."""
        before = below(share)
        model.update_weights(write_file("w.pt", "second"))
        blob = registry._chain.first.blobs.blob(hashlib.sha256(b"second").hexdigest())
        blob.chmod(0o644)
        blob.write_bytes(b"sECOND")
        blocked_workers.set()
        with pytest.raises(UploadError, match="are damaged"):
            OutputModel.wait_for_uploads()
        assert below(share) == before
        assert rows(registry, "SELECT uploaded, kept FROM weights WHERE revision = 2") == [(0, 1)]

    def test_names_never_lead_out_of_the_destination(self, write_file, share, registry):
        task = Task.create("../../out/..", "../a/b")
        model = OutputModel(task)
        url = model.update_weights(write_file("w.pt"), upload_uri=share, async_enable=False)
        assert path_of(url).resolve().is_relative_to(share.resolve())

    def test_an_upload_that_fails_changes_nothing(self, model, write_file, share, registry):
        share.write_text("a file in the way")
        before = model.history()
        path = write_file("w.pt")
        with pytest.raises(StorageError, match="uploading"):
            model.update_weights(path, upload_uri=share, async_enable=False, auto_delete_file=True)
        assert model.history() == before
        assert path.exists()

    def test_a_failed_background_upload_is_logged_at_once_and_raised_later(
        self, model, write_file, share, caplog
    ):
        path = write_file("w.pt", "first")
        (share / "vision").mkdir(parents=True)
        (share / "vision" / f"train.{model.original_task}").write_text("in the way")
        url = model.update_weights(path, upload_uri=share)
        with pytest.raises(UploadError, match="the registry keeps") as caught:
            OutputModel.wait_for_uploads()
        assert caught.value.urls == (url,)
        assert "the registry keeps the weights" in caplog.text
        OutputModel.wait_for_uploads()  # the error was raised before
        assert read(model.get_weights()) == "first"
        assert model.url.startswith("file://")
        assert model.url != url

    def test_revisions_dropped_meanwhile_are_not_uploaded(self, model, write_file, share):
        for number in range(8):
            model.update_weights(write_file("w.pt", f"{number}"), upload_uri=share, keep_last=1)
        OutputModel.wait_for_uploads()
        assert [read(path_of(each.url)) for each in model.revisions()] == ["7"]
        assert len(below(share)) == 1

    @pytest.fixture
    def blocked_workers(self, model, write_file, share):
        """Block every worker until the event that is yielded is set."""
        model.update_weights(write_file("first.pt"), upload_uri=share)
        OutputModel.wait_for_uploads()
        go_on = threading.Event()
        for _ in range(uploading.WORKERS):
            ambient.uploads()._executor.submit(go_on.wait, 60)
        yield go_on
        go_on.set()

    def test_the_url_is_known_before_the_upload_ends(
        self, blocked_workers, model, write_file, share
    ):
        urls = [model.update_weights(write_file("w.pt", text)) for text in ("one", "two")]
        assert len(set(urls)) == 2
        assert read(model.get_weights()) == "two", "from the registry"
        assert not path_of(urls[0]).exists()
        blocked_workers.set()
        OutputModel.wait_for_uploads()
        assert [read(path_of(each)) for each in urls] == ["one", "two"]
        assert [each.url for each in model.revisions()[1:]] == urls

    def test_waiting_for_uploads_ends_at_the_timeout(
        self, blocked_workers, model, write_file, share, caplog
    ):
        caplog.set_level(logging.INFO, "localreg")
        url = model.update_weights(write_file("w.pt"))
        OutputModel.wait_for_uploads(timeout=0.01)
        assert "1 uploads continue" in caplog.text
        blocked_workers.set()
        OutputModel.wait_for_uploads()
        assert path_of(url).exists()

    @pytest.mark.parametrize("collected", [True, False])
    def test_a_revision_dropped_before_its_upload_begins_is_not_uploaded(
        self, collected, blocked_workers, model, write_file, share, registry
    ):
        before = below(share)
        model.update_weights(write_file("w.pt", "one"))
        model.update_weights(register_uri="s3://b/w.pt", keep_last=1)
        if collected:
            registry.gc(grace_seconds=0, dry_run=False)
        blocked_workers.set()
        OutputModel.wait_for_uploads()  # without an error
        assert below(share) == [] != before

    def test_a_published_model_gets_the_url_of_its_upload(self, blocked_workers, model, write_file):
        url = model.update_weights(write_file("w.pt"))
        model.publish()
        blocked_workers.set()
        OutputModel.wait_for_uploads()
        assert model.url == url

    def test_closing_the_registry_waits_for_uploads(self, tmp_path, write_file):
        with Registry(tmp_path / "other", durability="fast"):
            model = OutputModel(Task.create("p", "t"))
            url = model.update_weights(write_file("w.pt"), upload_uri=tmp_path / "share")
        assert read(path_of(url)) == "weights"
        with Registry(tmp_path / "other", durability="fast"):
            assert Model(model.id).url == url

    def test_a_timeout_without_uploads_logs_nothing(self, model, caplog):
        caplog.set_level(logging.INFO, "localreg")
        OutputModel.wait_for_uploads(timeout=0, max_num_uploads=1)
        assert caplog.text == ""


def test_an_uploaded_file_that_cannot_be_recorded_is_deleted(registry, tmp_path, write_file):
    folder = (tmp_path / "share").as_uri()
    upload = uploading.uploaded_at_once(
        registry._chain.first, write_file("w.pt"), folder, "w.pt", None
    )

    def fail():
        with upload as (_, uploaded):
            assert read(path_of(uploaded.url)) == "weights"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert below(tmp_path / "share") == []


class TestUploadToAFolder:
    """`outgoing.upload` writes a complete file or none, and never overwrites other bytes."""

    def test_other_bytes_with_the_same_name_are_not_overwritten(self, tmp_path, write_file):
        place = tmp_path / "share"
        first = outgoing.upload(write_file("a", "one"), (place / "w.pt").as_uri(), sync=True)
        second = outgoing.upload(write_file("b", "two"), (place / "w.pt").as_uri(), sync=True)
        again = outgoing.upload(write_file("c", "one"), (place / "w.pt").as_uri(), sync=True)
        assert first.url == again.url == (place / "w.pt").as_uri()
        assert (first.made, second.made, again.made) == (True, True, False)
        assert [read(path_of(each.url)) for each in (first, second)] == ["one", "two"]
        assert not stat.S_IMODE(path_of(first.url).stat().st_mode) & 0o222
        assert len(below(place)) == 2

    def test_many_threads_upload_to_one_name(self, tmp_path, write_file):
        place = tmp_path / "share"
        sources = [write_file(f"s{number}", f"{number % 4}" * 1000) for number in range(16)]
        found = []

        def bring(source):
            found.append((source, outgoing.upload(source, (place / "w").as_uri(), sync=False)))

        threads = [threading.Thread(target=bring, args=(each,)) for each in sources]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(found) == 16
        for source, uploaded in found:
            assert read(path_of(uploaded.url)) == read(source)
        assert len(below(place)) == 4

    @pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
    def test_an_upload_works_without_hard_links(self, error, tmp_path, write_file):
        def link(source, target):
            raise OSError(error, "no links here")

        for number, text in enumerate(("one", "two", "two")):
            digest = hashlib.sha256(text.encode()).hexdigest()
            staged = StagedBlob(digest, 3, write_file(f"share/.{number}.part", text))
            place, made = folder_upload.give_name(staged, tmp_path / "share", "w.pt", link)
            assert (read(place), made) == (text, number < 2)

    def test_another_error_of_linking_is_raised(self, tmp_path, write_file):
        def link(source, target):
            raise OSError(errno.EIO, "broken")

        staged = StagedBlob("0" * 64, 3, write_file("share/.part", "one"))
        with pytest.raises(OSError, match="broken"):
            folder_upload.give_name(staged, tmp_path / "share", "w.pt", link)

    def test_files_with_both_possible_names_are_not_overwritten(self, tmp_path, write_file):
        place = tmp_path / "share"
        digest = hashlib.sha256(b"one").hexdigest()
        for name in ("w.pt", f"w.{digest[:12]}.pt"):
            write_file(f"share/{name}", "other")
        with pytest.raises(StorageError, match="move it away"):
            outgoing.upload(write_file("a", "one"), (place / "w.pt").as_uri(), sync=False)
        assert len(below(place)) == 2


def update_forever(root, folder, upload):
    import itertools
    from pathlib import Path

    from localreg import OutputModel, Registry, Task

    with Registry(root, durability="fast"):
        model = OutputModel(Task.create("p", "t"))
        print(model.id, flush=True)
        path = Path(folder) / "w.pt"
        for number in itertools.count():
            path.write_bytes(f"{number}".encode() * 50_000)
            model.update_weights(
                path, upload_uri=f"{folder}/share" if upload else None, iteration=number
            )
            print(number, flush=True)


@pytest.mark.parametrize("upload", [True, False])
@pytest.mark.parametrize("after", [0, 3])
def test_a_kill_in_the_middle_leaves_no_half_revision(upload, after, tmp_path, children):
    process = children.start(update_forever, tmp_path / "registry", tmp_path, upload)
    model_id = process.stdout.readline().strip()
    for _ in range(after):
        process.stdout.readline()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    with Registry(tmp_path / "registry", durability="fast") as registry:
        model = Model(model_id)
        found = model.revisions()
        assert len(found) >= after
        for number, each in enumerate(found):
            assert read(path_of(each.url)) == f"{number}" * 50_000
        assert [each.current for each in found] == [False] * (len(found) - 1) + [True] * bool(found)
        registry.gc(grace_seconds=0, dry_run=False)
        assert all(read(path_of(each.url)) for each in model.revisions())
        assert registry.verify() is not None
        share = tmp_path / "share"
        for name in below(share) if share.exists() else []:
            if not name.endswith(".part"):
                assert len(set(read(share / name))) <= 2, "whole under its name"


def upload_and_fork(root, folder):
    import os
    from pathlib import Path

    from localreg import OutputModel, Task, use_registry

    use_registry(root, durability="fast")
    task = Task.create("p", "t")
    model = OutputModel(task)
    path = Path(folder) / "w.pt"
    path.write_bytes(b"x" * 20_000_000)
    url = model.update_weights(path, upload_uri=f"{folder}/share")
    child = os.fork()
    if child == 0:
        OutputModel.wait_for_uploads()  # it does not wait for uploads of its parent
        path = path.with_name("child.pt")
        path.write_bytes(b"child")
        url = OutputModel(task).update_weights(path, upload_uri=f"{folder}/share")
        OutputModel.wait_for_uploads()
        os._exit(0 if Path(url.removeprefix("file://")).read_bytes() == b"child" else 1)
    status = os.waitpid(child, 0)[1]
    OutputModel.wait_for_uploads()
    return [status, model.url == url]


def test_a_fork_while_uploads_run(tmp_path, children):
    assert children.run(upload_and_fork, tmp_path / "registry", tmp_path) == [0, True]


def upload_and_end(root, folder):
    from pathlib import Path

    from localreg import OutputModel, Task, use_registry

    use_registry(root, durability="fast")
    model = OutputModel(Task.create("p", "t"))
    path = Path(folder) / "w.pt"
    path.write_bytes(b"x" * 5_000_000)
    return [model.id, model.update_weights(path, upload_uri=f"{folder}/share")]


def test_the_end_of_the_process_waits_for_uploads(tmp_path, children):
    model_id, url = children.run(upload_and_end, tmp_path / "registry", tmp_path)
    assert path_of(url).stat().st_size == 5_000_000
    with Registry(tmp_path / "registry", durability="fast"):
        assert Model(model_id).url == url
