"""Object stores that fail, refuse, throttle, lose or lie: a clear error, and no partial object."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from support.servers.misbehaviours import (
    answers,
    answers_another_range,
    answers_with,
    completes_with_an_error,
    dies_answering,
    dies_before_answering,
    dies_reading,
    dies_unread,
    drips,
    ignores_the_range,
    loses_part,
    says_nothing,
    tells,
)

from localreg import InputModel, Model, OutputModel, Registry, Task
from localreg.blobs.transfer import downloading
from localreg.blobs.transfer.cloud import download as cloud_download
from localreg.blobs.transfer.cloud import upload as cloud_upload
from localreg.blobs.transfer.cloud.event_loop import run_in_loop
from localreg.blobs.transfer.pace import Pace
from localreg.errors import DigestMismatchError, DownloadError, UploadError

QUICK = Pace(pause=0.01, silence=20.0)
IMPATIENT = Pace(pause=0.01, silence=0.5)
LARGE = os.urandom(20_000_000)  # three parts, and three ranges
SMALL = b"weights"


@pytest.fixture(autouse=True)
def interruptible():
    """Python's own handler of Ctrl-C: that of polars does not end a wait for a lock."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["seaweedfs", "azurite", "gcs"])
def bucket(request, new_bucket):
    return new_bucket(request.param)


@pytest.fixture
def proxy(bucket, behind_proxy):
    return behind_proxy(bucket)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.bin"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.bin"
    path.write_bytes(SMALL)
    return path


def upload(path, bucket, pace=QUICK, **options):
    return cloud_upload.upload(path, f"{bucket.url}/a/net.pt", pace=pace, **options)


def download(bucket, path, pace=QUICK, **options):
    return downloading.download(f"{bucket.url}/net.pt", path, pace=pace, **options)


def nothing_visible(bucket):
    assert bucket.keys() == []


class TestUploads:
    @pytest.mark.parametrize(
        "behaviour",
        [dies_unread, dies_reading(100_000), dies_before_answering, answers(503, "SlowDown"),
         answers(500, "InternalError"), answers(429, "TooManyRequests", Retry_After="1")],
        ids=["unread", "in the middle", "unanswered", "throttled", "broken", "too many"],
    )  # fmt: skip
    def test_a_temporary_error_is_retried(self, behaviour, bucket, proxy, source, small):
        for path, kind in ((source, "part"), (small, "put")):
            proxy.misbehave(kind, behaviour, times=2)
            uploaded = upload(path, bucket)
            assert bucket.get("a/net.pt") == path.read_bytes()
            assert uploaded.digest == hashlib.sha256(path.read_bytes()).hexdigest()
            cloud_upload.delete(uploaded.url)

    @pytest.mark.parametrize("kind", ["part", "complete"])
    @pytest.mark.parametrize(
        ("behaviour", "message"),
        [(answers(403, "AccessDenied"), "refuses it"), (answers(400, "Bad"), "400")],
    )
    def test_a_refused_upload_leaves_nothing(self, kind, behaviour, message, bucket, proxy, source):
        proxy.misbehave(kind, behaviour)
        with pytest.raises(UploadError, match=message) as caught:
            upload(source, bucket)
        assert caught.value.urls == (f"{bucket.url}/a/net.pt",)
        assert "127.0.0.1" not in str(caught.value)
        assert caught.value.__cause__ is None
        nothing_visible(bucket)

    def test_a_refused_small_upload_leaves_nothing(self, bucket, proxy, small):
        proxy.misbehave("put", answers(403, "AccessDenied"))
        with pytest.raises(UploadError, match="refuses it"):
            upload(small, bucket)
        nothing_visible(bucket)

    def test_an_upload_whose_answer_was_lost_is_found(self, bucket, proxy, source, small):
        for path, kind in ((source, "complete"), (small, "put")):
            proxy.misbehave(kind, dies_before_answering, times=1)
            uploaded = upload(path, bucket)
            assert bucket.get("a/net.pt") == path.read_bytes()
            cloud_upload.delete(uploaded.url)

    def test_an_error_in_the_last_answer_is_an_error(self, bucket, proxy, source):
        proxy.misbehave("complete", completes_with_an_error)
        with pytest.raises(UploadError):
            upload(source, bucket)
        nothing_visible(bucket)

    def test_a_lost_part_is_an_error(self, bucket, proxy, source):
        proxy.misbehave("complete", loses_part(2))
        with pytest.raises(UploadError, match=r"accepted 20,000,000 bytes, but has 11,611,392"):
            upload(source, bucket)
        nothing_visible(bucket)

    def test_an_object_that_is_missing_after_its_upload_is_an_error(self, bucket, proxy, small):
        proxy.misbehave("put", answers(200, ETag='"x"'))
        with pytest.raises(UploadError, match="accepted it, but does not have it"):
            upload(small, bucket)

    def test_a_server_that_cannot_be_reached_is_an_error(self, bucket, proxy, source):
        proxy.down()
        with pytest.raises(UploadError, match=r"cannot be reached|broke off"):
            upload(source, bucket, Pace(pause=0.001, silence=1.0))
        proxy.up()
        nothing_visible(bucket)

    def test_a_silent_server_is_an_error(self, bucket, proxy, small):
        proxy.misbehave("put", says_nothing)
        with pytest.raises(UploadError, match="in time"):
            upload(small, bucket, IMPATIENT)
        nothing_visible(bucket)

    def test_a_kill_in_the_middle_leaves_nothing_visible(self, bucket, proxy, source, children):
        begun = threading.Event()

        def hold(middleman):
            begun.set()
            says_nothing(middleman)

        proxy.misbehave("part", hold)
        with children.start(upload_for_ever, source, f"{bucket.url}/a/net.pt") as process:
            assert begun.wait(60)
            process.kill()
        nothing_visible(bucket)

    def test_an_interrupt_in_the_middle_leaves_nothing(self, bucket, proxy, source):
        stopped = threading.Event()

        def stop(done, total):
            if not stopped.is_set():
                stopped.set()
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # as Ctrl-C does
                time.sleep(0.3)

        with pytest.raises(KeyboardInterrupt):
            upload(source, bucket, progress=stop)
        nothing_visible(bucket)
        if not bucket.url.startswith("az:"):  # which has no way to give parts up
            assert bucket.uploads() == []

    @pytest.mark.parametrize("error", [ValueError("mine"), RuntimeError("mine")])
    def test_an_error_of_the_progress_function_is_raised_unchanged(
        self, error, bucket, proxy, source, small
    ):
        def fail(done, total):
            raise error

        for path in (source, small):
            with pytest.raises(type(error), match="mine"):
                upload(path, bucket, progress=fail)
        nothing_visible(bucket)

    def test_an_upload_has_the_condition_that_no_object_exists(self, bucket, proxy, small):
        conditions = []

        def look(middleman):
            conditions.append(
                middleman.headers.get("If-None-Match")
                or middleman.headers.get("x-goog-if-generation-match")
            )
            middleman.send(middleman.forward())

        proxy.misbehave("put", look)
        upload(small, bucket)
        assert conditions in (["*"], ["0"])

    def test_an_interrupt_at_the_very_end_leaves_nothing(self, bucket, proxy, source):
        """The object is there by then, but the caller never learns its URL."""

        def run_and_interrupt(begin):
            run_in_loop(begin)
            assert bucket.keys() == ["a/net.pt"]
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            upload(source, bucket, run=run_and_interrupt)
        nothing_visible(bucket)

    def test_a_failed_upload_records_nothing(self, bucket, proxy, small, registry):
        model = OutputModel(Task.create("p", "t"))
        before = model.history()
        proxy.misbehave("put", answers(403, "AccessDenied"))
        with pytest.raises(UploadError):
            model.update_weights(small, upload_uri=bucket.url, async_enable=False)
        assert model.history() == before
        assert model.url is None

    def test_after_a_failed_background_upload_the_registry_has_the_bytes(
        self, bucket, proxy, small, registry
    ):
        model = OutputModel(Task.create("p", "t"))
        proxy.misbehave("put", answers(403, "AccessDenied"))
        model.update_weights(small, upload_uri=bucket.url)
        with pytest.raises(UploadError, match="refuses it"):
            OutputModel.wait_for_uploads()
        assert Path(model.get_weights(raise_on_error=True)).read_bytes() == SMALL

    def test_a_failed_deletion_is_logged(self, bucket, proxy, small, registry, caplog):
        model = OutputModel(Task.create("p", "t"))
        model.update_weights(small, upload_uri=bucket.url, async_enable=False)
        proxy.misbehave("delete", answers(403, "AccessDenied"))
        assert Model.remove(model) is False
        assert "could not be deleted" in caplog.text
        assert len(bucket.keys()) == 1


def upload_for_ever(path, url):
    from pathlib import Path

    from localreg.blobs.transfer.cloud import upload as cloud_upload

    cloud_upload.upload(Path(path), url)


class TestDownloads:
    @pytest.fixture(autouse=True)
    def _object(self, bucket):
        bucket.put("net.pt", LARGE)

    @pytest.mark.parametrize(
        "behaviour",
        [dies_unread, dies_answering(1_000_000), dies_answering(0), answers(503, "SlowDown"),
         answers(500, "InternalError"), answers(429, "TooManyRequests")],
        ids=["unread", "in the middle", "unanswered", "throttled", "broken", "too many"],
    )  # fmt: skip
    def test_a_temporary_error_is_retried(self, behaviour, bucket, proxy, tmp_path):
        for kind in ("get", "head"):
            proxy.misbehave(kind, behaviour, times=3)
        found = download(bucket, tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == LARGE
        assert found.digest == hashlib.sha256(LARGE).hexdigest()

    @pytest.mark.parametrize("kind", ["get", "head"])
    def test_a_refused_download_is_an_error(self, kind, bucket, proxy, tmp_path):
        proxy.misbehave(kind, answers(403, "AccessDenied"))
        with pytest.raises(DownloadError, match="refuses it") as caught:
            download(bucket, tmp_path / "part")
        assert caught.value.status == 403
        assert "127.0.0.1" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert list(tmp_path.iterdir()) == []

    def test_a_server_that_always_fails_is_tried_five_times(self, bucket, proxy, tmp_path):
        proxy.misbehave("get", answers(503, "SlowDown"))
        with pytest.raises(DownloadError, match=r"no success in 5 tries: .*503 \(SlowDown\)"):
            download(bucket, tmp_path / "part")
        assert list(tmp_path.iterdir()) == []

    def test_a_server_that_cannot_be_reached_is_an_error(self, bucket, proxy, tmp_path):
        proxy.down()
        with pytest.raises(DownloadError, match=r"cannot be reached|broke off"):
            download(bucket, tmp_path / "part")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("kind", ["get", "head"])
    def test_a_silent_server_is_an_error(self, kind, bucket, proxy, tmp_path):
        proxy.misbehave(kind, says_nothing)
        with pytest.raises(DownloadError, match="0 bytes came in"):
            download(bucket, tmp_path / "part", IMPATIENT)
        assert list(tmp_path.iterdir()) == []

    def test_a_dripping_server_is_an_error(self, bucket, proxy, tmp_path):
        proxy.misbehave("get", drips(10, 0.1))
        with pytest.raises(DownloadError, match="slower than 1024 bytes a second"):
            download(bucket, tmp_path / "part", IMPATIENT)

    def test_the_deadline_limits_everything(self, bucket, proxy, tmp_path):
        proxy.misbehave("get", answers(503, "SlowDown"))
        with pytest.raises(DownloadError, match=r"longer than the deadline of 0\.5 s"):
            download(bucket, tmp_path / "part", Pace(pause=1.0, deadline=0.5))

    def test_the_next_call_continues_a_cut_download(self, bucket, proxy, tmp_path):
        last = f"{2 * cloud_download.RANGE}-"
        proxy.misbehave(
            "get", answers(403, "AccessDenied"), where=lambda a: last in (a.range or "")
        )
        with pytest.raises(DownloadError):
            download(bucket, tmp_path / "part")
        assert (tmp_path / "part").stat().st_size == 2 * cloud_download.RANGE
        proxy.behave()
        before = len(proxy.asked("get"))
        download(bucket, tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == LARGE
        (asked,) = proxy.asked("get")[before:]
        assert last in asked.range

    def test_the_part_of_an_object_that_was_replaced_is_not_continued(
        self, bucket, proxy, tmp_path
    ):
        last = f"{2 * cloud_download.RANGE}-"
        proxy.misbehave(
            "get", answers(403, "AccessDenied"), where=lambda a: last in (a.range or "")
        )
        with pytest.raises(DownloadError):
            download(bucket, tmp_path / "part")
        proxy.behave()
        bucket.put("net.pt", LARGE[::-1])
        download(bucket, tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == LARGE[::-1]

    def test_an_object_that_is_replaced_during_the_download_is_downloaded_again(
        self, bucket, proxy, tmp_path
    ):
        replaced = threading.Event()

        def replace(middleman):
            if not replaced.is_set():
                replaced.set()
                bucket.put("net.pt", LARGE[::-1])
            middleman.send(middleman.forward())

        start = f"{cloud_download.RANGE}-"
        proxy.misbehave("get", replace, times=1, where=lambda a: f"={start}" in (a.range or ""))
        download(bucket, tmp_path / "part")
        assert replaced.is_set()
        assert (tmp_path / "part").read_bytes() == LARGE[::-1]

    def test_a_range_that_the_object_does_not_have_any_more_starts_again(
        self, bucket, proxy, tmp_path
    ):
        proxy.misbehave("get", answers(416, "InvalidRange"), times=1)
        download(bucket, tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == LARGE

    def test_another_range_than_requested_is_an_error(self, bucket, proxy, tmp_path):
        for behaviour in (answers_another_range(5), answers_another_range(5, admits=True)):
            proxy.misbehave("get", behaviour)
            with pytest.raises((DownloadError, DigestMismatchError)):
                download(bucket, tmp_path / "part", wanted=hashlib.sha256(LARGE).hexdigest())
            proxy.behave()
            assert list(tmp_path.iterdir()) == []

    def test_the_whole_object_instead_of_a_range_is_an_error(self, bucket, proxy, tmp_path):
        proxy.misbehave("get", ignores_the_range)
        with pytest.raises(DownloadError):
            download(bucket, tmp_path / "part")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("etag", [None, '"another"'])
    def test_bytes_of_another_object_are_an_error(self, etag, bucket, proxy, tmp_path):
        other = os.urandom(cloud_download.RANGE)
        proxy.misbehave("get", answers_with(other, etag), where=lambda a: "=0-" in (a.range or ""))
        with pytest.raises((DigestMismatchError, DownloadError)):
            download(bucket, tmp_path / "part", wanted=hashlib.sha256(LARGE).hexdigest())
        assert list(tmp_path.iterdir()) == []

    def test_a_wrong_length_is_an_error(self, bucket, proxy, tmp_path):
        proxy.misbehave("head", tells(Content_Length="5000000"))
        with pytest.raises(DownloadError, match="changes with each request"):
            download(bucket, tmp_path / "part")
        assert list(tmp_path.iterdir()) == []

    def test_an_object_that_does_not_fit_on_the_disk_is_not_downloaded(
        self, bucket, proxy, tmp_path
    ):
        proxy.misbehave("head", tells(Content_Length=str(10**15)))
        with pytest.raises(OSError, match="do not fit"):
            download(bucket, tmp_path / "part")
        assert proxy.asked("get") == []
        assert list(tmp_path.iterdir()) == []

    def test_an_interrupted_download_can_be_continued(self, bucket, proxy, tmp_path):
        stopped = threading.Event()

        def stop(done, total):
            if not stopped.is_set():
                stopped.set()
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # as Ctrl-C does
                time.sleep(0.3)

        with pytest.raises(KeyboardInterrupt):
            download(bucket, tmp_path / "part", progress=stop)
        assert (tmp_path / "part").stat().st_size >= cloud_download.RANGE
        download(bucket, tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == LARGE


def fetch(number, barrier, root, url):
    from localreg import InputModel, Registry

    barrier.wait()
    with Registry(root, durability="fast"):
        path = InputModel.import_model(url, name="net").get_local_copy(raise_on_error=True)
    with open(path, "rb") as file:
        return len(file.read())


def test_eight_processes_download_it_once(new_bucket, behind_proxy, tmp_path, children):
    bucket = new_bucket("gcs")
    bucket.put("net.pt", LARGE)
    proxy = behind_proxy(bucket)
    sizes = children.crowd(8, fetch, tmp_path / "registry", f"{bucket.url}/net.pt")
    assert sizes == [len(LARGE)] * 8
    assert len(proxy.asked("head")) == 1
    assert len(proxy.asked("get")) == 3


def use_and_fork(url, root):
    import os

    from localreg import Registry, StorageManager

    with Registry(root, durability="fast"):
        StorageManager.get_local_copy(url, raise_on_error=True)
        reader, writer = os.pipe()
        if os.fork() == 0:
            try:
                StorageManager.get_local_copy(url, force_download=True, raise_on_error=True)
                message = "it worked"
            except OSError as error:
                message = str(error)
            os.write(writer, message.encode())
            os._exit(0)
        os.close(writer)
        with open(reader) as message:
            return message.read()


def test_a_fork_of_a_process_that_used_clouds_gets_an_error_and_does_not_hang(
    new_bucket, children, tmp_path
):
    bucket = new_bucket("gcs")
    bucket.put("net.pt", SMALL)
    message = children.run(use_and_fork, f"{bucket.url}/net.pt", tmp_path)
    assert "spawn" in message


def test_a_download_works_inside_a_running_event_loop(new_bucket, tmp_path):
    """As in a notebook, whose cells run in an event loop."""
    import asyncio

    bucket = new_bucket("gcs")
    bucket.put("net.pt", SMALL)

    async def cell():
        with Registry(tmp_path, durability="fast"):
            model = InputModel.import_model(f"{bucket.url}/net.pt")
            return model.get_local_copy(raise_on_error=True)

    assert Path(asyncio.run(cell())).read_bytes() == SMALL
