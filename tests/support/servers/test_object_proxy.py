"""Each misbehaviour of the proxy happens; obstore and requests see it."""

from __future__ import annotations

import os
from datetime import timedelta

import obstore
import pytest
import requests
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url
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
    keeps_other_bytes,
    loses_part,
    says_nothing,
    tells,
)
from support.servers.object_servers import SERVERS

MIB = 1 << 20
PARTS = os.urandom(5 * MIB) + os.urandom(5 * MIB) + os.urandom(MIB)
QUICK = {
    "init_backoff": timedelta(milliseconds=1), "max_backoff": timedelta(milliseconds=2), "base": 2,
}  # fmt: skip


def store_of(bucket, retries=0, **options):
    retry = {"max_retries": retries, "retry_timeout": timedelta(seconds=30), "backoff": QUICK}
    return from_url(bucket.url, retry_config=retry, **options)


def put_in_parts(store, key="net.pt"):
    obstore.put(store, key, PARTS, chunk_size=5 * MIB, use_multipart=True, max_concurrency=1)


@pytest.fixture
def bucket(new_bucket):
    return new_bucket("gcs")


@pytest.fixture
def proxy(bucket, behind_proxy):
    return behind_proxy(bucket)


@pytest.fixture
def store(bucket, proxy):
    return store_of(bucket)


@pytest.fixture
def patient(bucket, proxy):
    """An obstore client that tries up to four times."""
    return store_of(bucket, retries=3)


@pytest.fixture
def ask(bucket, proxy):
    """Get an object by requests, which shows more of an answer than obstore."""
    session = requests.Session()
    session.trust_env = False

    def ask(method="GET", key="net.pt", timeout=10, **options):
        url = f"{proxy.url}/{bucket.name}/{key}"
        return session.request(method, url, timeout=timeout, **options)

    with session:
        yield ask


def kinds(proxy):
    return [each.kind for each in proxy.requests]


# behaving ----------------------------------------------------------------------------------


def test_every_store_works_behind_it(object_store, behind_proxy, monkeypatch):
    """Requests of all providers have the same names; signatures stay valid."""
    monkeypatch.setenv("AWS_COPY_IF_NOT_EXISTS", "multipart")
    proxy = behind_proxy(object_store)
    store = store_of(object_store)
    obstore.put(store, "a b/ü.pt", b"weights", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "a b/ü.pt", b"others", mode="create")
    put_in_parts(store)
    assert bytes(obstore.get_range(store, "net.pt", start=5, end=9)) == PARTS[5:9]
    assert bytes(obstore.get(store, "net.pt").bytes()) == PARTS
    assert obstore.head(store, "net.pt")["size"] == len(PARTS)
    with pytest.raises(FileNotFoundError):
        obstore.head(store, "nothing")
    assert len([each for page in obstore.list(store) for each in page]) == 2
    obstore.copy(store, "net.pt", "copy.pt")
    obstore.delete(store, "net.pt")
    assert object_store.keys() == ["a b/ü.pt", "copy.pt"]
    begins = [] if object_store.url.startswith("az:") else ["begin"]  # Azure has no beginning
    assert kinds(proxy) == [
        "put", "put", *begins, "part", "part", "part", "complete",
        "get", "get", "head", "head", "list", "copy", "delete",
    ]  # fmt: skip
    assert [each.key for each in proxy.asked("put")] == ["a b/ü.pt"] * 2
    assert [each.range for each in proxy.asked("get")] == ["bytes=5-8", None]
    assert [each.status for each in proxy.asked("head")] == [200, 404]
    assert [each.status for each in proxy.asked("put")][1] in (409, 412)


def test_an_upload_that_is_given_up_is_seen(bucket, proxy, store):
    proxy.misbehave("part", answers(400), where=lambda asked: asked.query["partNumber"] == "2")
    with pytest.raises(BaseError):
        put_in_parts(store)
    assert kinds(proxy)[-1] == "abort"
    assert (bucket.keys(), bucket.uploads()) == ([], [])


def test_rules_are_counted_and_forgotten(bucket, proxy, ask):
    bucket.put("net.pt", b"weights")
    bucket.put("other.pt", b"weights")
    proxy.misbehave("get", answers(500), times=2, where=lambda asked: asked.key == "net.pt")
    proxy.misbehave("get", answers(503))
    seen = [ask(key=key).status_code for key in ("other.pt", "net.pt", "net.pt", "net.pt")]
    assert seen == [503, 500, 500, 503]
    assert [each.status for each in proxy.requests] == seen
    proxy.behave()
    assert ask().status_code == 200


# connections that end ----------------------------------------------------------------------


def test_nobody_listens(bucket, proxy, store, ask):
    bucket.put("net.pt", b"weights")
    assert ask().content == b"weights"
    proxy.down()
    with pytest.raises(requests.ConnectionError):
        ask()
    with pytest.raises(BaseError, match="error sending request"):
        obstore.get(store, "net.pt")
    proxy.up()
    assert bytes(obstore.get(store, "net.pt").bytes()) == b"weights"
    assert ask().content == b"weights"


@pytest.mark.parametrize("behaviour", [dies_unread, dies_reading(100_000)])
def test_it_dies_in_the_middle_of_an_upload(bucket, proxy, store, behaviour):
    proxy.misbehave("put", behaviour)
    with pytest.raises(BaseError, match="error sending request"):
        obstore.put(store, "net.pt", PARTS, use_multipart=False)
    assert [each.status for each in proxy.requests] == [None]
    assert bucket.keys() == []


def test_a_part_that_was_cut_is_sent_again(bucket, proxy, patient):
    proxy.misbehave("part", dies_reading(100_000), times=2)
    put_in_parts(patient)
    assert bucket.get("net.pt") == PARTS
    assert len(proxy.asked("part")) == 3 + 2


def test_it_dies_before_it_answers(bucket, proxy, store):
    """The object is stored, but the client does not know it."""
    proxy.misbehave("put", dies_before_answering, times=1)
    with pytest.raises(BaseError, match="error sending request"):
        obstore.put(store, "net.pt", b"weights", mode="create")
    assert bucket.get("net.pt") == b"weights"


def test_it_dies_in_the_middle_of_an_answer(bucket, proxy, ask):
    bucket.put("net.pt", PARTS)
    proxy.misbehave("get", dies_answering(1000))
    answer = ask(stream=True)
    assert answer.headers["Content-Length"] == str(len(PARTS))
    assert len(answer.raw.read(1000)) == 1000
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        assert answer.content


def test_obstore_notices_an_answer_that_was_cut(bucket, proxy, store):
    bucket.put("net.pt", PARTS)
    proxy.misbehave("get", dies_answering(1000))
    with pytest.raises(BaseError):
        obstore.get(store, "net.pt").bytes()


# refusals ----------------------------------------------------------------------------------


def test_it_throttles(bucket, proxy, patient, ask):
    proxy.misbehave("put", answers(503, "SlowDown", Retry_After="0"), times=2)
    answer = ask("PUT", data=b"weights")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "0")
    assert "<Code>SlowDown</Code>" in answer.text
    obstore.put(patient, "net.pt", b"weights")
    assert [each.status for each in proxy.requests] == [503, 503, 200]
    assert bucket.get("net.pt") == b"weights"


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_it_refuses(bucket, proxy, store, status):
    bucket.put("net.pt", b"weights")
    for kind, ask in [
        ("get", lambda: obstore.get(store, "net.pt")),
        ("head", lambda: obstore.head(store, "net.pt")),
        ("put", lambda: obstore.put(store, "other.pt", b"weights")),
        ("delete", lambda: obstore.delete(store, "net.pt")),
        ("list", lambda: obstore.list(store).collect()),
    ]:
        proxy.misbehave(kind, answers(status, "Refused"), times=1)
        with pytest.raises((BaseError, FileNotFoundError), match=f"{status} [A-Z]"):
            ask()
    assert [each.status for each in proxy.requests] == [status] * 5
    assert bucket.keys() == ["net.pt"]


def test_an_upload_completes_with_an_error_that_says_200(new_bucket, behind_proxy):
    bucket = new_bucket("moto")
    proxy = behind_proxy(bucket)
    proxy.misbehave("complete", completes_with_an_error)
    with pytest.raises(BaseError):
        put_in_parts(store_of(bucket))
    assert {each.status for each in proxy.asked("complete")} == {200}
    assert bucket.keys() == []


# time --------------------------------------------------------------------------------------


def test_it_drips(bucket, proxy, ask):
    bucket.put("net.pt", b"0123456789")
    proxy.misbehave("get", drips(4, 0.001), times=1)
    assert ask().content == b"0123456789"
    proxy.misbehave("get", drips(4, 60))
    with pytest.raises(requests.ConnectionError, match="timed out"):
        ask(timeout=(10, 0.2))
    assert [each.status for each in proxy.requests] == [200, 200]


def test_it_says_nothing(bucket, proxy, monkeypatch):
    monkeypatch.setenv("GOOGLE_TIMEOUT", "200ms")
    bucket.put("net.pt", b"weights")
    proxy.misbehave("get", says_nothing)
    store = store_of(bucket)
    with pytest.raises(BaseError, match="error sending request"):
        obstore.get(store, "net.pt")
    assert [each.status for each in proxy.requests] == [None]


# lies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("etag", [None, '"another"'])
def test_it_answers_with_bytes_of_another_object(bucket, proxy, store, etag):
    bucket.put("net.pt", b"weights")
    true = obstore.head(store, "net.pt")["e_tag"]
    proxy.misbehave("get", answers_with(b"other", etag))
    found = obstore.get(store, "net.pt")
    assert found.meta["e_tag"] == (etag or true)
    assert bytes(found.bytes()) == b"otherot"


def test_it_changes_headers(bucket, proxy, ask, store):
    bucket.put("net.pt", b"weights")
    proxy.misbehave("head", tells(Content_Length="5", ETag='"another"'))
    found = obstore.head(store, "net.pt")
    assert (found["size"], found["e_tag"]) == (5, '"another"')


def test_it_ignores_the_range(object_store, behind_proxy):
    object_store.put("net.pt", b"0123456789")
    proxy = behind_proxy(object_store)
    proxy.misbehave("get", ignores_the_range)
    store = store_of(object_store)
    with pytest.raises(BaseError, match="non-partial response"):
        obstore.get_range(store, "net.pt", start=2, end=5)
    assert [(each.range, each.status) for each in proxy.requests] == [("bytes=2-4", 200)]


def test_it_answers_another_range(object_store, behind_proxy):
    object_store.put("net.pt", b"0123456789")
    behind_proxy(object_store).misbehave("get", answers_another_range(3))
    with pytest.raises(BaseError, match=r"Requested 2\.\.5, got 5\.\.8"):
        obstore.get_range(store_of(object_store), "net.pt", start=2, end=5)


def test_it_answers_another_range_and_denies_it(object_store, behind_proxy):
    object_store.put("net.pt", b"0123456789")
    behind_proxy(object_store).misbehave("get", answers_another_range(3, admits=False))
    found = obstore.get_range(store_of(object_store), "net.pt", start=2, end=5)
    assert bytes(found) == b"567"


def test_what_a_misbehaviour_raises_is_kept(bucket, proxy, store):
    def breaks(middleman):
        raise LookupError("not as meant")

    proxy.misbehave("get", breaks)
    with pytest.raises(BaseError, match="error sending request"):
        obstore.get(store, "net.pt")
    proxy.down()
    assert [str(proxy.failures.pop())] == ["not as meant"]
    proxy.up()


@pytest.mark.parametrize("server", SERVERS)
def test_it_loses_a_part(new_bucket, behind_proxy, server):
    bucket = new_bucket(server)
    behind_proxy(bucket).misbehave("complete", loses_part(2))
    put_in_parts(store_of(bucket))
    assert bucket.get("net.pt") == PARTS[: 5 * MIB] + PARTS[10 * MIB :]


@pytest.mark.parametrize("server", SERVERS)
def test_it_keeps_other_bytes(new_bucket, behind_proxy, server):
    bucket = new_bucket(server)
    proxy = behind_proxy(bucket)
    for kind in ("put", "part"):
        proxy.misbehave(kind, keeps_other_bytes(lambda data: data[::-1]), times=1)
    store = store_of(bucket)
    obstore.put(store, "small.pt", b"weights")
    put_in_parts(store)
    assert bucket.get("small.pt") == b"sthgiew"
    assert bucket.get("net.pt") == PARTS[: 5 * MIB][::-1] + PARTS[5 * MIB :]


@pytest.mark.parametrize("kind", ["put", "part"])
def test_a_server_that_checks_refuses_other_bytes(new_bucket, behind_proxy, monkeypatch, kind):
    monkeypatch.setenv("AWS_CHECKSUM_ALGORITHM", "SHA256")
    bucket = new_bucket("seaweedfs")
    behind_proxy(bucket).misbehave(kind, keeps_other_bytes(lambda data: data[::-1]))
    with pytest.raises(BaseError, match="BadDigest"):
        obstore.put(store_of(bucket), "net.pt", PARTS, use_multipart=kind == "part")
    assert bucket.keys() == []
