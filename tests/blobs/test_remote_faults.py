"""Faults of object stores below a remote: each is a clear error, and no row is lost or doubled."""

import os

import pytest
from support.remote_rows import row, rows_of
from support.servers import misbehaviours
from support.servers.object_proxy import Answer

from localreg.blobs.remote_store.commits import LOG, commit_key
from localreg.blobs.remote_store.store import CommitConflict, open_remote
from localreg.blobs.transfer.pace import Pace
from localreg.errors import DigestMismatchError, RemoteError


def of_a_commit(asked):
    return asked.key.startswith(f"r/{LOG}/")


QUICK = Pace(pause=0.01)


@pytest.fixture
def bucket(new_bucket):
    return new_bucket("seaweedfs")


@pytest.fixture
def remote(bucket):
    made = open_remote(f"{bucket.url}/r", pace=QUICK)
    made.probe()
    made.create()
    made.append([row(1)], 1)
    return made


@pytest.fixture
def proxy(bucket, remote, behind_proxy):
    """A proxy before the bucket, which holds a remote with one commit."""
    return behind_proxy(bucket)


@pytest.fixture
def through(bucket, proxy):
    """The remote, seen through the proxy."""
    return open_remote(f"{bucket.url}/r", pace=QUICK)


@pytest.mark.parametrize(
    "fault",
    [
        misbehaviours.dies_before_answering,
        misbehaviours.dies_unread,
        misbehaviours.dies_reading(100),
        misbehaviours.answers(500, "InternalError"),
        misbehaviours.answers(503, "SlowDown"),
    ],
)
@pytest.mark.parametrize("about", [of_a_commit, lambda asked: not of_a_commit(asked)])
def test_a_write_is_tried_again(remote, proxy, through, fault, about):
    proxy.misbehave("put", fault, times=2, where=about)
    assert through.append([row(2)], 2) == remote.head()
    assert rows_of(remote, 1) == [(2, 0, *row(2))]


@pytest.mark.parametrize(
    ("fault", "there"),
    [
        (misbehaviours.dies_before_answering, True),
        (misbehaviours.dies_unread, False),
        (misbehaviours.answers(500, "InternalError"), False),
    ],
)
def test_an_answer_that_does_not_come_is_a_conflict(remote, proxy, through, fault, there):
    """The caller pulls, and sees if it was done; doing it again cannot double it."""
    proxy.misbehave("put", fault, where=of_a_commit)
    with pytest.raises(CommitConflict):
        through.append([row(2)], 2)
    proxy.behave()
    assert (rows_of(through, 1) == [(2, 0, *row(2))]) == there
    with pytest.raises(CommitConflict) if there else pytest.MonkeyPatch.context():
        through.append([row(2)], 2)
    assert rows_of(through, 1) == [(2, 0, *row(2))]


def test_the_commit_of_another_writer_is_not_taken_for_ours(remote, proxy, through):
    def loses_the_race(middleman):
        remote.append([row(3)], 2)
        misbehaviours.dies_before_answering(middleman)

    proxy.misbehave("put", loses_the_race, times=1, where=of_a_commit)
    with pytest.raises(CommitConflict, match="somebody else wrote commit 2"):
        through.append([row(2)], 2)
    assert rows_of(remote, 1) == [(2, 0, *row(3))]


@pytest.mark.parametrize("kind", ["get", "head", "list"])
def test_reads_are_tried_again(proxy, through, kind):
    proxy.misbehave(kind, misbehaviours.answers(500, "InternalError"), times=2)
    head = through.head()
    assert through.is_still(head)
    assert rows_of(through) == [(1, 0, *row(1))]


def test_an_answer_that_is_cut_is_no_row(proxy, through):
    proxy.misbehave("get", misbehaviours.dies_answering(100), where=lambda a: "parquet" in a.key)
    with pytest.raises(RemoteError, match=r"cannot be read: the connection broke off"):
        rows_of(through)


def test_a_refused_write_is_no_conflict(proxy, through):
    proxy.misbehave("put", misbehaviours.answers(403, "AccessDenied"), where=of_a_commit)
    with pytest.raises(RemoteError, match=r"the server refuses it \(AccessDenied\)") as raised:
        through.append([row(2)], 2)
    assert not isinstance(raised.value, CommitConflict)


def test_a_clock_that_is_wrong_is_said(proxy, through):
    proxy.misbehave("get", misbehaviours.answers(403, "RequestTimeTooSkewed"))
    with pytest.raises(RemoteError, match="the clock of this machine differs"):
        through.identity()


def test_a_busy_store_is_no_conflict(proxy, through):
    """It says that it did not do it."""
    proxy.misbehave("put", misbehaviours.answers(503, "SlowDown"), where=of_a_commit)
    with pytest.raises(RemoteError, match="503"):
        through.append([row(2)], 2)


def test_a_store_without_conditions_is_found_by_the_probe(proxy, through):
    def ignores_the_condition(middleman):
        answer = middleman.forward()
        middleman.send(Answer(200, {"ETag": '"1"'}) if answer.status == 412 else answer)

    proxy.misbehave("put", ignores_the_condition)
    with pytest.raises(RemoteError, match="this store has no conditional puts"):
        through.probe()
    proxy.behave()
    proxy.misbehave("put", misbehaviours.answers(501, "NotImplemented"))
    with pytest.raises(RemoteError, match="cannot write an object only if there is none"):
        through.probe()
    proxy.behave()
    through.probe()
    assert [key for key, _, _ in through.keys("") if key.startswith("probe")] == []


def test_wrong_credentials_are_said_without_them(remote, bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    other = open_remote(f"{bucket.url}/r", pace=QUICK)
    for call in (other.identity, other.head, other.probe, lambda: other.append([row(2)], 2)):
        with pytest.raises(RemoteError, match="check the rights of the credentials") as raised:
            call()
        assert "secret" not in str(raised.value).replace("AWS_SECRET_ACCESS_KEY", "")
        assert raised.value.__cause__ is None
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.environment["AWS_SECRET_ACCESS_KEY"])
    with pytest.raises(RemoteError, match=r"there is no such bucket|does not exist"):
        open_remote("s3://there-is-none/r").probe()


def test_a_server_that_is_down_is_said(remote, bucket, proxy, through):
    proxy.down()
    for call in (through.head, lambda: through.append([row(2)], 2)):
        with pytest.raises((RemoteError, CommitConflict), match="connection refused"):
            call()
    proxy.up()
    assert through.head().version == 1


def test_remotes_of_a_process_share_connections(bucket, proxy, through):
    head = through.head()
    open_now = set(proxy.server.connections)
    for _ in range(5):
        assert open_remote(f"{bucket.url}/r", pace=QUICK).head() == head
    assert set(proxy.server.connections) == open_now


def test_looking_costs_two_requests(remote, proxy, through):
    head = through.head()
    asked = len(proxy.requests)
    assert through.is_still(head)
    assert [each.kind for each in proxy.requests[asked:]] == ["head", "head"]
    remote.append([row(2)], 2)
    assert not through.is_still(head)
    asked = len(proxy.requests)
    assert rows_of(through, 1, through.head().version) == [(2, 0, *row(2))]
    kinds = [each.kind for each in proxy.requests[asked:]]
    assert kinds == ["list", "get", "get", "get"], "head, its commit, again, and its file"
    asked = len(proxy.requests)
    through.append([row(3)], 3)
    assert through.commit_id(3) is not None
    kinds = [each.kind for each in proxy.requests[asked:]]
    assert sorted(kinds) == ["head", "head", "put", "put"]
    assert through.commit_id(3) == remote.commit_id(3) != remote.commit_id(2)


@pytest.mark.parametrize("size", [7, 9_000_000])
def test_a_blob_with_another_digest_is_not_written(remote, tmp_path, size):
    (tmp_path / "net.pt").write_bytes(os.urandom(1000) * (size // 1000 + 1))
    key = "blobs/sha256/ab/cd"
    with pytest.raises(DigestMismatchError, match="nothing was sent"):
        remote.put(key, tmp_path / "net.pt", digest="0" * 64)
    assert remote.size_of(key) is None


@pytest.mark.parametrize(("size", "kind"), [(7, "put"), (9_000_000, "part")])
def test_a_refused_blob_is_said(proxy, through, tmp_path, size, kind):
    (tmp_path / "net.pt").write_bytes(bytes(size))
    proxy.misbehave(kind, misbehaviours.answers(403, "AccessDenied"))
    with pytest.raises(RemoteError, match=r"the server refuses it \(AccessDenied\)"):
        through.put("blobs/sha256/ab/cd", tmp_path / "net.pt")
    assert through.size_of("blobs/sha256/ab/cd") is None


def test_a_blob_that_is_not_whole_is_replaced(remote, bucket, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    bucket.put("r/blobs/sha256/ab/cd", b"wei")
    assert remote.put("blobs/sha256/ab/cd", tmp_path / "net.pt")
    assert bucket.get("r/blobs/sha256/ab/cd") == b"weights"


def test_a_half_deleted_remote_is_said(remote, bucket):
    for version in range(2, 5):
        remote.append([row(version)], version)
    bucket.client.delete_object(Bucket=bucket.name, Key=f"r/{commit_key(2)}")
    fresh = open_remote(f"{bucket.url}/r", pace=QUICK)
    with pytest.raises(RemoteError, match="commit 2 is missing, though there are later ones"):
        fresh.head()
    fresh.delete([key for key, _, _ in fresh.keys("events")])
    with pytest.raises(RemoteError, match="there are no events"):
        fresh.head()
    assert fresh.identity() is not None
