"""Remotes in a directory and in an object store: both must behave the same."""

import contextlib
import hashlib
import os
import sys

import pytest
from support.remote_rows import row, rows_of

from localreg.blobs.remote_store import maintenance
from localreg.blobs.remote_store.store import CommitConflict, Head, open_remote
from localreg.errors import (
    DigestMismatchError,
    DownloadError,
    InvalidURLError,
    MissingPackageError,
    RemoteError,
)
from localreg.values.remote_format import place


@pytest.fixture(params=["directory", "seaweedfs", "moto", "azurite", "gcs"])
def new_remote(request, tmp_path):
    """Return a function that opens a place without a remote, with a name that is hard to quote."""

    def in_directory(name="a b ü#?"):
        return open_remote(tmp_path / name)

    def in_bucket(name="a b ü"):
        return open_remote(f"{bucket.url}/{name.replace(' ', '%20')}")

    if request.param == "directory":
        return in_directory
    bucket = request.getfixturevalue("new_bucket")(request.param)
    return in_bucket


@pytest.fixture
def remote(new_remote):
    made = new_remote()
    made.probe()
    made.create()
    return made


def test_nothing_is_there_before(new_remote):
    remote = new_remote()
    assert remote.identity() is None
    with pytest.raises(RemoteError):
        remote.head()


def test_what_is_made_is_there(new_remote):
    remote = new_remote()
    made = remote.create()
    assert (remote.identity(), remote.create(), new_remote().identity()) == (made, made, made)
    assert remote.head().version == 0
    assert rows_of(remote) == []


def test_rows_come_back_in_order_as_they_were(remote):
    first = [row(5), row(3, field=None)]
    second = [row(4, payload='{"text":"\\u0000 😀"}')]
    remote.append(first, 1)
    head = remote.append(second, 2)
    assert head == remote.head()
    assert rows_of(remote) == [(1, 0, *first[0]), (1, 1, *first[1]), (2, 0, *second[0])]
    assert rows_of(remote, 1) == [(2, 0, *second[0])]
    assert rows_of(remote, 0, 1) == [(1, 0, *first[0]), (1, 1, *first[1])]
    assert rows_of(remote, 1, columns=("event_id", "n")) == [(second[0][0], 0)]


def test_few_rows_of_a_large_commit_are_objects_at_once(remote):
    remote.append([row(number) for number in range(2_500)], 1)
    assert [len(some) for some in remote.rows(0)] == [1_000, 1_000, 500]


def test_a_commit_has_the_mark_of_its_head(remote):
    head = remote.append([row(1)], 1)
    assert remote.mark_of(1) == head.mark
    assert remote.mark_of(0) not in (None, head.mark)
    assert remote.mark_of(2) is None


def test_rows_are_found_by_their_places(remote):
    rows = [row(number) for number in range(4)]
    remote.append(rows[:3], 1)
    remote.append([rows[3], row(9, kind="remote.gc_begin")], 2)
    assert remote.at([]) == []
    assert remote.at_within([place(1, 0), place(2, 0)], 1) is None
    assert len(remote.at_within([place(1, 0), place(2, 0)], 100_000)) == 2
    assert remote.at([place(2, 0), place(1, 2), place(7, 7)]) == [
        (1, 2, *rows[2]),
        (2, 0, *rows[3]),
    ]


def test_a_commit_has_one_writer(remote, new_remote):
    other = new_remote()
    remote.append([row(1)], 1)
    with pytest.raises(CommitConflict):
        other.append([row(2)], 1)
    with pytest.raises(CommitConflict):  # it would leave a gap
        other.append([row(2)], 3)
    other.append([row(2)], 2)
    assert [each[2] for each in rows_of(remote)] == [row(1)[0], row(2)[0]]


def test_a_head_is_compared(remote):
    head = remote.head()
    assert remote.is_still(head)
    assert not remote.is_still(Head(head.version, "other"))
    newer = remote.append([row(1)], 1)
    assert not remote.is_still(head)
    assert remote.is_still(newer)
    assert [remote.compare(each) for each in (head, newer)] == ["grown", "same"]
    for other in (Head(head.version, "other"), Head(newer.version + 1, newer.mark)):
        assert remote.compare(other) == "other"


def test_objects(remote, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"weights")
    key = "blobs/sha256/ab/cd"
    assert remote.size_of(key) is None
    assert remote.put(key, tmp_path / "net.pt")
    assert not remote.put(key, tmp_path / "net.pt")
    assert (remote.size_of(key), remote.get_bytes(key, 7)) == (7, b"weights")
    with pytest.raises(RemoteError, match="larger than 6"):
        remote.get_bytes(key, 6)
    assert not remote.put_bytes(key, b"others")
    assert [(key, size) for key, size, _ in remote.keys("blobs")] == [(key, 7)]
    came = remote.download(key, tmp_path / "copy")
    assert (came.size, (tmp_path / "copy").read_bytes()) == (7, b"weights")
    remote.delete([key, "blobs/sha256/00/00"])
    assert (remote.size_of(key), list(remote.keys("blobs"))) == (None, [])


def test_other_urls_are_refused():
    for url in ("https://host/x", "oci://host/x", "hf://a/b"):
        with pytest.raises(InvalidURLError, match="directory or an object store"):
            open_remote(url)


def test_a_place_that_is_not_there_is_named(new_bucket, tmp_path):
    """And not what would have been done next: a probe deletes only what it wrote."""
    missing = open_remote(new_bucket("seaweedfs").url + "-gone/registry")
    with pytest.raises(RemoteError, match="written: there is no such bucket"):
        missing.probe()
    (tmp_path / "file").write_text("x")
    with pytest.raises(RemoteError, match=r"file: registry\.json cannot be read: Not a directory"):
        open_remote(tmp_path / "file").identity()


class StopError(Exception):
    """The user stops a download."""


def test_a_download_that_was_cut_is_continued(remote, tmp_path):
    data = os.urandom(1_000_000) * 10
    (tmp_path / "net.pt").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert remote.put("blobs/sha256/ab/cd", tmp_path / "net.pt", digest=digest)
    seen = []

    def stops(done, _):
        seen.append(done)
        raise StopError

    for progress in (stops, lambda done, _: seen.append(done)):
        with contextlib.suppress(StopError):
            came = remote.download(
                "blobs/sha256/ab/cd", tmp_path / "copy", wanted=digest, progress=progress
            )
    assert seen == sorted(set(seen)), "it began again"
    assert seen[-1] == came.size == len(data)
    assert (tmp_path / "copy").read_bytes() == data
    with pytest.raises(DigestMismatchError):
        remote.download("blobs/sha256/ab/cd", tmp_path / "other", wanted="0" * 64)
    with pytest.raises(DownloadError):
        remote.download("blobs/sha256/ab/none", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("package", ["deltalake", "obstore"])
def test_without_a_package_the_error_names_the_extra(monkeypatch, tmp_path, package):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(MissingPackageError, match=r"pip install 'localreg\[remote\]'") as raised:
        open_remote(tmp_path)
    assert raised.value.package == package


def forked(root):
    import os
    import warnings

    from support.remote_rows import row

    from localreg.blobs.remote_store.store import open_remote
    from localreg.errors import RemoteError

    remote = open_remote(root)
    remote.create()
    remote.append([row(1)], 1)
    reader, writer = os.pipe()
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, of forks with threads
    if os.fork() == 0:
        try:
            open_remote(root).append([row(2)], 2)
        except RemoteError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    with open(reader, "rb") as said:
        return said.read().decode()


def test_a_forked_process_is_refused_instead_of_hanging(children, tmp_path):
    said = children.run(forked, str(tmp_path / "r"))
    assert 'start it with "spawn" or "forkserver"' in said
    assert rows_of(open_remote(tmp_path / "r")) == [(1, 0, *row(1))]


def test_upkeep(remote, new_remote):
    for version in range(1, 10):
        remote.append([row(version), row(version + 50)], version)
    before = rows_of(remote)
    done = remote.compact()  # which also makes a checkpoint of the log
    assert (done.version, done.files, done.into) == (10, 9, 1)
    fresh = new_remote()
    assert (fresh.head().version, rows_of(fresh)) == (10, before)
    assert fresh.at([place(3, 1)]) == [(3, 1, *row(53))]
    assert fresh.count_rows(10) == 18
    assert fresh.vacuum().files == 0  # they are too young
    assert maintenance.vacuum(fresh.objects, fresh.log, kept=-60).files == 9
    assert (fresh.check(), fresh.repair(), rows_of(fresh)) == ([], [], before)
    assert rows_of(new_remote(), 4, 6) == [each for each in before if 4 < each[0] <= 6]
