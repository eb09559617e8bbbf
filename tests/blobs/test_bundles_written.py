"""What a bundle is written to: complete, or not there at all; and the same bytes each time."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bundles import PACKAGE, Blobs, bytes_of, content, draft_of, entries_of
from support.odd_files import KINDS, make_odd, seen

from localreg.blobs.bundles.blob_bytes import ALONE, sound_pieces
from localreg.blobs.bundles.drafting import Draft
from localreg.blobs.bundles.tar_entries import header, header_size
from localreg.blobs.bundles.writing import write_file, write_folder, write_stream
from localreg.errors import CorruptBlobError, InvalidValueError, PathExistsError, StorageError
from localreg.values.bundle_format import EVENTS, ModelFacts

MODELS = [PACKAGE, {"model.pt": b"2" * 50_000}]


@pytest.fixture
def blobs(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return Blobs(folder)


@pytest.fixture
def contents(blobs):
    return draft_of(blobs, MODELS)


def to_file(contents, find, folder):
    return write_file(contents, find, folder / "b.tar")


def to_parts(contents, find, folder):
    return write_file(contents, find, folder / "b.tar", split=20_000)


def to_folder(contents, find, folder):
    return write_folder(contents, find, folder / "b")


FORMS = [to_file, to_parts, to_folder]
EACH_FORM = pytest.mark.parametrize("write", FORMS, ids=lambda write: write.__name__)


def test_the_same_models_in_another_order_give_the_same_bytes(blobs):
    drafts = [Draft(io.BytesIO()), Draft(io.BytesIO())]
    for draft, order in zip(drafts, [[0, 1, 2], [2, 0, 1]], strict=True):
        for number in order:
            model = f"{number:032x}"
            facts = ModelFacts(name="net", version=str(number))
            files = blobs.package({"model.pt": b"%d" % number, "config.json": b"{}"})
            subject = draft.add_model(model, f"net:{number}", facts, files)
            layers = [draft.add_layer(EVENTS, [b"%d\n" % number]), draft.add_file(*blobs.add(b""))]
            draft.add_record(layers if number else layers[::-1], subject, model)
        draft.add_record([])
    first, second = (bytes_of(blobs, draft.finished()) for draft in drafts)
    assert first == second


def test_parts_together_are_the_bundle(blobs, contents, tmp_path):
    whole = bytes_of(blobs, contents)
    assert write_file(contents, blobs.find, tmp_path / "b.tar") == [tmp_path / "b.tar"]
    assert (tmp_path / "b.tar").read_bytes() == whole
    assert contents.tar_size == len(whole)
    parts = write_file(contents, blobs.find, tmp_path / "p.tar", split=10_000)
    assert b"".join(each.read_bytes() for each in parts) == whole
    assert [each.stat().st_size for each in parts[:-1]] == [10_000] * (len(whole) // 10_000)
    write_folder(contents, blobs.find, tmp_path / "b")
    for name, data in entries_of(whole):
        assert (tmp_path / "b" / name).read_bytes() == data
    assert sum(each.is_file() for each in (tmp_path / "b").rglob("*")) == len(entries_of(whole))


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
def test_tar_shows_plain_files_that_have_no_owner_and_no_time(blobs, contents, tmp_path):
    write_file(contents, blobs.find, tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        members = tar.getmembers()
    for each in members:
        assert (each.isreg(), each.mode, each.uid, each.gid, each.mtime) == (True, 0o644, 0, 0, 0)
        assert (each.uname, each.gname, each.pax_headers) == ("", "", {})
    words = ["tar", "--numeric-owner", "-tvf", tmp_path / "b.tar"]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line.split()[-1] for line in lines] == [each.name for each in members]
    assert [each.name for each in members[:2]] == ["oci-layout", "index.json"]


@given(st.integers(0, 8**11 - 1), st.sampled_from([0o644, 0o755]), st.integers(1, 100))
def test_a_header_is_one_of_tarfile(size, mode, length):
    data = header("n" * length, size, mode)
    info = tarfile.TarInfo.frombuf(data, "utf-8", "strict")
    assert (info.name, info.size, info.mode, info.mtime) == ("n" * length, size, mode, 0)
    assert (info.type, info.uid, info.gid, info.linkname) == (tarfile.REGTYPE, 0, 0, "")
    # Releases of Python differ only in the numbers of devices, and so in the checksum.
    assert data[:148] == info.tobuf(tarfile.USTAR_FORMAT)[:148]


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 2**40, 2**63 - 1])
def test_a_size_of_8_gib_and_more_is_read_by_tarfile(size):
    """Such a file is not written here: its header says enough."""
    data = header("blobs/sha256/x", size)
    assert len(data) == header_size(size)
    with tarfile.open(fileobj=io.BytesIO(data + bytes(1_024)), ignore_zeros=True) as tar:
        info = tar.next()
    assert (info.name, info.size, info.isreg()) == ("blobs/sha256/x", size, True)


def damage(blobs, how):
    path = max(blobs.folder.iterdir(), key=lambda each: each.stat().st_size)
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(
            {"changed": data[:-1] + b"?", "shorter": data[:-1], "longer": data + b"?"}[how]
        )


@pytest.mark.parametrize("how", ["changed", "shorter", "longer", "missing"])
@EACH_FORM
def test_a_damaged_blob_never_becomes_a_bundle(write, how, blobs, contents, tmp_path):
    """What was there before stays."""
    out = tmp_path / "out"
    out.mkdir()
    for name in ("b.tar", "b.tar.001"):
        (out / name).write_bytes(b"before")
    damage(blobs, how)
    with pytest.raises(CorruptBlobError):
        write(contents, blobs.find, out)
    assert {each.name: each.read_bytes() for each in out.iterdir()} == {
        "b.tar": b"before",
        "b.tar.001": b"before",
    }


@pytest.mark.parametrize("how", ["changed", "shorter", "longer", "missing"])
def test_a_stream_with_a_damaged_blob_has_no_end(how, blobs, contents, tmp_path):
    whole = bytes_of(blobs, contents)
    damage(blobs, how)
    stream = io.BytesIO()
    with pytest.raises(CorruptBlobError):
        write_stream(contents, blobs.find, stream)
    assert len(stream.getvalue()) <= len(whole) - 1_024


@pytest.mark.parametrize("size", [0, 1, ALONE - 1, ALONE, ALONE + 1, ALONE + 2**20, 9_000_000])
def test_bytes_of_every_size_are_hashed(size, tmp_path):
    """Large ones by a thread."""
    import hashlib

    data = os.urandom(size)
    path = tmp_path / "blob"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    assert b"".join(map(bytes, sound_pieces(path, digest, size))) == data
    if size:
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(CorruptBlobError):
            list(sound_pieces(path, digest, size))


def test_a_consumer_that_stops_ends_the_thread(tmp_path):
    import hashlib
    import threading

    path = tmp_path / "blob"
    path.write_bytes(bytes(2 * ALONE))
    before = {*threading.enumerate()}, {*sys._current_frames()}  # those of servers may end
    for _ in range(20):
        pieces = sound_pieces(path, hashlib.sha256(bytes(2 * ALONE)).hexdigest(), 2 * ALONE)
        next(pieces)
        pieces.close()
    assert {*threading.enumerate()} <= before[0]
    assert {*sys._current_frames()} <= before[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", [None, 20_000])
def test_only_a_plain_file_is_replaced(kind, split, blobs, contents, tmp_path):
    """P26."""
    made = make_odd(kind, tmp_path)
    odd = made.rename(tmp_path / "b.tar.002") if split else made
    before = seen(odd)
    target = tmp_path / "b.tar" if split else odd
    with pytest.raises(InvalidValueError, match="must be a plain file or a new path"):
        write_file(contents, blobs.find, target, split=split)
    assert seen(odd) == before
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([odd.name, "kept"])


@pytest.mark.parametrize("kind", [*KINDS, "file", "link", "full folder"])
def test_a_folder_is_written_only_where_nothing_is(kind, blobs, contents, tmp_path):
    place = tmp_path / "b"
    if kind == "file":
        place.write_bytes(b"mine")
    elif kind == "link":
        (tmp_path / "empty").mkdir()
        place.symlink_to("empty")
    elif kind == "full folder":
        place.mkdir()
        (place / "mine").touch()
    else:
        make_odd(kind, tmp_path).rename(place)
    before = seen(place)
    if kind == "folder":  # an empty one
        write_folder(contents, blobs.find, place)
        assert content(place, tmp_path)
        return
    with pytest.raises(PathExistsError, match="choose a new folder, or an empty one"):
        write_folder(contents, blobs.find, place)
    assert seen(place) == before


def test_modes_come_from_the_umask(blobs, contents, tmp_path):
    """P17."""
    before = os.umask(0o027)
    try:
        for write in FORMS:
            write(contents, blobs.find, tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750
    written = [*tmp_path.glob("b.tar*"), *(tmp_path / "b").rglob("*")]
    assert {stat.S_IMODE(each.stat().st_mode) for each in written} == {0o640, 0o750}


@pytest.mark.parametrize("split", [0, -1, 100, 4_095])
def test_parts_that_are_too_small_are_refused(split, blobs, contents, tmp_path):
    with pytest.raises(InvalidValueError, match="split must be at least"):
        write_file(contents, blobs.find, tmp_path / "b.tar", split=split)


def test_there_are_at_most_999_parts(blobs, tmp_path):
    contents = draft_of(blobs, [{"model.pt": bytes(4_500_000)}])
    with pytest.raises(InvalidValueError, match="at most 999 parts"):
        write_file(contents, blobs.find, tmp_path / "b.tar", split=4_096)
    parts = write_file(contents, blobs.find, tmp_path / "b.tar", split=400_000)
    assert parts[-1].name == "b.tar.012"
    assert len(content(parts[0], tmp_path)[2]) == 3  # the model, an artifact, a signature


def test_a_part_of_another_bundle_that_would_follow_is_refused(blobs, contents, tmp_path):
    parts = write_file(contents, blobs.find, tmp_path / "b.tar", split=20_000)
    with pytest.raises(PathExistsError, match="is one of another bundle; delete it"):
        write_file(contents, blobs.find, tmp_path / "b.tar", split=40_000)
    for each in parts[2:]:
        each.unlink()
    assert len(write_file(contents, blobs.find, tmp_path / "b.tar", split=50_000)) == 2


def test_progress_ends_with_all_bytes(blobs, contents, tmp_path):
    told = []
    write_file(contents, blobs.find, tmp_path / "b.tar", progress=lambda *each: told.append(each))
    assert told == sorted(told)
    assert told[-1] == (contents.tar_size, contents.tar_size)


def test_a_full_disk_is_said_before_a_byte_is_written(blobs, small_disk, tmp_path):
    """P5."""
    disk = small_disk("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    contents = draft_of(blobs, [{"model.pt": bytes(3_000_000)}])
    for write in FORMS:
        with pytest.raises(StorageError, match="the disk is full"):
            write(contents, blobs.find, disk)
        assert list(disk.iterdir()) == []


class Slow(io.RawIOBase):
    """Takes a little of what it is given."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data[:7_777])
        return len(data[:7_777])


def test_a_stream_that_takes_little_at_once_gets_everything(blobs, contents):
    stream = Slow()
    write_stream(contents, blobs.find, stream)
    assert stream.data == bytes_of(blobs, contents)


class Closed(io.RawIOBase):
    def writable(self):
        return True

    def write(self, data):
        raise BrokenPipeError(32, "Broken pipe")


def test_an_error_of_the_stream_is_raised_as_it_is(blobs, contents):
    with pytest.raises(BrokenPipeError):
        write_stream(contents, blobs.find, Closed())


def test_what_the_receiver_has_is_named_and_stays_away(blobs, tmp_path):
    large, other = b"2" * 50_000, b"never named"
    contents = draft_of(blobs, MODELS, omit=(large, b"{}", other))
    data = bytes_of(blobs, contents)
    assert len(data) < 50_000
    files, _, staged = content(io.BytesIO(data), tmp_path)
    assert {each.path for each in files} == {*PACKAGE, "model.pt"}
    assert large not in staged.values()
    assert b"{}" in staged.values()  # it is also the configuration of records


def write_where_places_end_at_4_gib(folder, split):
    """Write more than 4 GiB where lseek refuses places beyond, as on FAT; return the error."""
    import errno
    import io
    import os
    from pathlib import Path

    from localreg.blobs.bundles.drafting import Draft
    from localreg.blobs.bundles.writing import write_file
    from localreg.errors import LocalregError

    seek = os.lseek

    def lseek(descriptor, place, whence):
        if place >= 2**32:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return seek(descriptor, place, whence)

    os.lseek = lseek
    draft = Draft(io.BytesIO())
    draft.add_record([draft.add_file("f" * 64, 2**32)])
    try:
        write_file(draft.finished(), Path(folder).joinpath, Path(folder, "b.tar"), split=split)
    except LocalregError as error:
        return [type(error).__name__, str(error), [each.name for each in Path(folder).iterdir()]]


def test_a_bundle_that_is_too_large_for_fat_is_to_be_written_in_parts(tmp_path, children):
    """P5: said before a byte is written. With parts the write begins, and misses the blob."""
    kind, text, left = children.run(write_where_places_end_at_4_gib, tmp_path, None)
    assert (kind, left) == ("StorageError", [])
    assert "FAT allows at most 4 GiB" in text
    assert text.endswith("write parts of it: split")
    kind, text, left = children.run(write_where_places_end_at_4_gib, tmp_path, 2**31)
    assert (kind, left) == ("CorruptBlobError", [])
