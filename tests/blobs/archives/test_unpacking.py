"""P19: untrusted archives unpack inside their own folder, completely or not at all."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.blobs.archives.unpacking import (
    Limits,
    is_archive,
    limits_from_environment,
    remove_tree,
    unpack,
)
from localreg.errors import ArchiveError, InvalidValueError, StorageFullError

USUAL = Limits()
TAR_ENDINGS = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]
ENDINGS = [".zip", *TAR_ENDINGS]
FILES = {"config.json": b"{}", "weights/a.bin": bytes(range(256)) * 300, "weights/empty": b""}
PACKERS = {".gz": gzip.compress, ".tgz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def packed(ending, data):
    """Return a tar, compressed as the ending says."""
    return next((pack(data) for end, pack in PACKERS.items() if ending.endswith(end)), data)


def tar_of(members, **options):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as archive:
        for name, data in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def archive_of(ending, members):
    return zip_of(members) if ending == ".zip" else packed(ending, tar_of(members))


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def zip_info(name, mode, system=3):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = system, mode << 16
    return info


def tar_info(name, mode):
    info = tarfile.TarInfo(name)
    info.mode = mode
    return info


@pytest.fixture
def place(tmp_path):
    """A folder to unpack in, beside one that must stay empty."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def unpacked(place, ending, data, limits=USUAL):
    archive = place / f"archive{ending}"
    archive.write_bytes(data)
    folder = place / "files"
    folder.mkdir(exist_ok=True)
    return unpack(archive, f"some model{ending}", folder, limits)


def contents(found):
    """Return the bytes of what was unpacked, by its name in the archive."""
    assert all(each.path.is_file() and not each.path.is_symlink() for each in found.files)
    return {each.name: each.path.read_bytes() for each in found.files}


def laid_out(found, folder):
    """Copy what was unpacked to its names."""
    for name, data in contents(found).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def assert_refused(place, ending, data, match, limits=USUAL):
    with pytest.raises(ArchiveError, match=match) as raised:
        unpacked(place, ending, data, limits)
    assert raised.value.path == str(place / f"archive{ending}")
    assert list((place / "files").iterdir()) == []
    (place / "files").rmdir()
    assert [each.name for each in place.parent.iterdir()] == ["in"]
    assert [each.name for each in place.iterdir()] == [f"archive{ending}"]


# right archives ----------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_valid_archive_is_unpacked_completely_and_read_only(ending, place):
    found = unpacked(place, ending, archive_of(ending, FILES.items()))
    assert contents(found) == FILES
    assert found.folders == []
    for each in found.files:
        assert stat.S_IMODE(each.path.stat().st_mode) & 0o333 == 0
        assert each.path.parent == place / "files"
        assert not each.executable


def test_the_umask_is_kept(place):
    before = os.umask(0o077)
    try:
        found = unpacked(place, ".zip", zip_of(FILES.items()))
    finally:
        os.umask(before)
    assert {stat.S_IMODE(each.path.stat().st_mode) for each in found.files} == {0o400}


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o644, 0o655, 0o011, 0])
@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_a_file_is_executable_if_its_owner_may_run_it(ending, mode, place):
    info = zip_info("run", stat.S_IFREG | mode) if ending == ".zip" else tar_info("run", mode)
    (file,) = unpacked(place, ending, archive_of(ending, [(info, b"#!")])).files
    assert file.executable == bool(mode & 0o100)
    assert not file.path.stat().st_mode & 0o111


def test_the_attributes_of_a_zip_that_was_not_made_on_unix_are_no_modes(place):
    (file,) = unpacked(place, ".zip", zip_of([(zip_info("run", 0o755, system=0), b"")])).files
    assert not file.executable


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_empty_folders_are_named_and_others_are_not(ending, place):
    names = ["a/", "a/b/", "c/", "d/e/"]
    if ending == ".zip":
        folders = [(name, b"") for name in names]
    else:
        folders = [(special(name, tarfile.DIRTYPE), b"") for name in names]
    found = unpacked(place, ending, archive_of(ending, [*folders, ("c/file", b"1")]))
    assert found.folders == ["a/b", "d/e"]


def test_names_that_differ_only_by_case_or_by_form_are_unpacked(place):
    """Also onto a file system that has one name for both: files have numbers there."""
    files = {"A": b"1", "a": b"2", "\u00e9": b"3", "e\u0301": b"4", "con": b"5", "xx:y?": b"6"}
    assert contents(unpacked(place, ".tar", tar_of(files.items()))) == files


def test_an_archive_of_the_current_folder_is_unpacked(place):
    """`tar -cf x.tar .` begins every name with "./", and names the folder itself."""
    root = special(".", tarfile.DIRTYPE)
    inner = special("./weights/", tarfile.DIRTYPE)
    members = [(root, b""), (inner, b""), *((f"./{name}", data) for name, data in FILES.items())]
    assert contents(unpacked(place, ".tar", tar_of(members))) == FILES


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_every_style_of_tar_is_read(style, place):
    members = {f"{'long' * 20}/{'name' * 15}": b"1", "plain": b"2"}
    if style != tarfile.USTAR_FORMAT:
        members |= {"näme/" + "x" * 200: b"3"}
    data = tar_of(members.items(), format=style)
    assert contents(unpacked(place, ".tar", data)) == members


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_every_usual_method_of_zip_is_read(method, place):
    assert contents(unpacked(place, ".zip", zip_of(FILES.items(), method))) == FILES


def test_an_xz_of_several_streams_is_read_as_one(place):
    data = tar_of(FILES.items())
    two = lzma.compress(data[:5_000]) + b"\0" * 8 + lzma.compress(data[5_000:])
    assert contents(unpacked(place, ".tar.xz", two)) == FILES


def test_a_folder_may_be_listed_twice(place):
    folder = special("a", tarfile.DIRTYPE)
    members = [(folder, b""), (folder, b""), ("a/b", b"1")]
    assert contents(unpacked(place, ".tar", tar_of(members))) == {"a/b": b"1"}


def test_endings_of_archives_are_recognised_in_any_case():
    assert all(
        is_archive(f"model{ending}") and is_archive(f"M{ending.upper()}") for ending in ENDINGS
    )
    assert not any(map(is_archive, ["model.pt", "zip", "tar.gz.txt", "model.7z", ""]))


# names that lead elsewhere -----------------------------------------------------------------

WRONG_NAMES = {
    "../evil": "outside",
    "a/../../evil": "outside",
    "a/..": "outside",
    "/etc/evil": "absolute",
    "//evil": "absolute",
    "C:evil": "absolute",
    "./C:evil": "not every system",
    "a\\..\\evil": "not every system",
    "a\nb": "not every system",
    "x" * 256: "too long",
    "a/" * 101 + "b": "too long",
    ".": "no name",
    ".//.": "no name",
}


@pytest.mark.parametrize("name", WRONG_NAMES, ids=lambda name: name[:12])
@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_names_that_lead_outside_are_refused(ending, name, place):
    data = archive_of(ending, [("good", b"1"), (name, b"evil")])
    assert_refused(place, ending, data, WRONG_NAMES[name])


def test_a_name_that_zipfile_cuts_at_a_nul_is_refused(place):
    data = zip_of([("good.txtXevil", b"1")]).replace(b"good.txtXevil", b"good.txt\0evil")
    assert_refused(place, ".zip", data, "not every system")


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_a_file_that_is_listed_twice_is_refused(ending, place):
    with pytest.warns(UserWarning, match="Duplicate") if ending == ".zip" else nothing():
        data = archive_of(ending, [("a", b"1"), ("a", b"2")])
    assert_refused(place, ending, data, "twice")


def nothing():
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.parametrize("members", [["a", "a/b"], ["a/b", "a"]], ids=str)
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_a_name_of_both_a_file_and_a_folder_is_refused(ending, members, place):
    data = archive_of(ending, [(name, b"1") for name in members])
    assert_refused(place, ending, data, "twice|both")


# what is no file and no folder -------------------------------------------------------------

SPECIAL = {
    "symlink": special("link", tarfile.SYMTYPE, "/etc/passwd"),
    "symlink inside": special("link", tarfile.SYMTYPE, "good"),
    "hard link": special("link", tarfile.LNKTYPE, "good"),
    "hard link outside": special("link", tarfile.LNKTYPE, "../../secret"),
    "pipe": special("pipe", tarfile.FIFOTYPE),
    "character device": special("null", tarfile.CHRTYPE),
    "block device": special("disk", tarfile.BLKTYPE),
    "unknown": special("odd", b"Z"),
}


@pytest.mark.parametrize("kind", [each for each in SPECIAL if each != "unknown"])
def test_links_and_devices_of_a_tar_are_refused(kind, place):
    data = tar_of([("good", b"1"), (SPECIAL[kind], b"")])
    assert_refused(place, ".tar", data, "is a link to" if "link" in kind else "device")


def test_a_sparse_file_of_a_tar_is_refused(place):
    info = special("sparse", tarfile.GNUTYPE_SPARSE)
    assert_refused(place, ".tar", tar_of([(info, b"")], format=tarfile.GNU_FORMAT), "sparse|broken")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_of_a_zip_are_refused(kind, place):
    data = zip_of([("good", b"1"), (zip_info("link", kind | 0o777), b"/etc/passwd")])
    assert_refused(place, ".zip", data, "link or a device")


def test_an_encrypted_member_is_refused(place):
    data = bytearray(zip_of([("a", b"12345678901234567890")]))
    data[6] |= 1
    data[data.rindex(b"PK\1\2") + 8] |= 1
    assert_refused(place, ".zip", bytes(data), "its member 'a' is encrypted;")


def test_a_method_with_unbounded_memory_is_refused(place):
    assert_refused(place, ".zip", zip_of(FILES.items(), zipfile.ZIP_LZMA), "method")


# too much ----------------------------------------------------------------------------------

NULLS = bytes(1_000_000)
SMALL = Limits(bytes=900_000, members=10, ratio=200)


@pytest.mark.parametrize("ending", ENDINGS)
def test_more_bytes_than_allowed_are_refused(ending, place):
    assert_refused(place, ending, archive_of(ending, [("a", NULLS)]), "more than 900,000", SMALL)


@pytest.mark.parametrize("ending", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_bomb_is_refused_by_its_ratio(ending, place):
    data = archive_of(ending, [("a", NULLS)])
    assert_refused(place, ending, data, "more than 500,000 bytes", Limits(free=500_000))
    generous = Limits(free=500_000, ratio=10_000_000)
    assert contents(unpacked(place, ending, data, generous)) == {"a": NULLS}


@pytest.mark.parametrize("ending", ENDINGS)
def test_more_members_than_allowed_are_refused(ending, place):
    data = archive_of(ending, [(f"{number}", b"") for number in range(11)])
    message = "it has 11 members" if ending == ".zip" else "more than 10 members"
    assert_refused(place, ending, data, message, SMALL)


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_a_hundred_thousand_members_are_allowed_and_one_more_is_not(ending, place):
    """In the tar, all are the same folder, which is quick to make."""
    if ending == ".tar":
        block = special("folder", tarfile.DIRTYPE).tobuf()
        data = block * 100_000 + bytes(1_024)
        unpacked(place, ending, data)
        data = block + data
    else:
        data = zip_of([(f"{number:x}", b"") for number in range(100_001)], zipfile.ZIP_STORED)
    assert_refused(place, ending, data, "members")


def test_folders_that_are_only_in_names_are_counted(place):
    members = [(f"{number}/a/b/c/d", b"") for number in range(10)]
    assert_refused(place, ".zip", zip_of(members), "members", SMALL)


def test_an_archive_that_does_not_fit_on_the_disk_is_refused_before_unpacking(place):
    data = bytearray(zip_of([("a", b"1" * 1_000)]))
    central = data.rindex(b"PK\1\2")
    data[central + 24 : central + 28] = struct.pack("<I", 2**32 - 2)
    twice = Limits()
    many = bytes(data)
    archive = place / "archive.zip"
    archive.write_bytes(many)
    (place / "files").mkdir()
    try:
        unpack(archive, "a.zip", place / "files", twice)
    except (ArchiveError, StorageFullError):
        pass
    else:
        pytest.fail("a size that lies was believed")
    assert list((place / "files").iterdir()) == []


def test_a_full_disk_is_an_error_and_nothing_stays_on_it(small_disk, tmp_path):
    disk = small_disk("-t", "tmpfs", "-o", "size=1m", "none")
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_of([("a", os.urandom(3_000_000))]))
    with pytest.raises(StorageFullError):
        unpack(archive, "a.tar", disk, USUAL)
    assert list(disk.iterdir()) == []
    packed_zip = tmp_path / "a.zip"
    packed_zip.write_bytes(zip_of([("a", os.urandom(3_000_000))]))
    with pytest.raises(StorageFullError, match="3,000,000"):
        unpack(packed_zip, "a.zip", disk, USUAL)
    assert list(disk.iterdir()) == []


# lies, cuts and rubbish --------------------------------------------------------------------


def test_a_zip_with_wrong_sizes_is_refused(place):
    data = zip_of([("a", b"1" * 1_000), ("b", b"2" * 1_000)])
    for size in (10, 5_000):
        lying = bytearray(data)
        central = lying.index(b"PK\1\2")
        lying[central + 24 : central + 28] = struct.pack("<I", size)
        assert_refused(place, ".zip", bytes(lying), "broken|long")
        (place / "archive.zip").unlink()


def test_a_zip_with_a_negative_offset_is_refused(place):
    data = bytearray(zip_of([("a", b"1")]))
    (offset,) = struct.unpack("<I", data[-6:-2])  # of the list of members
    data[-6:-2] = struct.pack("<I", offset + 10)
    assert_refused(place, ".zip", bytes(data), "archive")


@pytest.mark.parametrize(("name", "kind"), [("a/", stat.S_IFREG), ("a", stat.S_IFDIR)])
def test_a_zip_member_that_claims_to_be_file_and_folder_is_refused(name, kind, place):
    assert_refused(place, ".zip", zip_of([(zip_info(name, kind | 0o644), b"")]), "both a file and")


def test_a_tar_with_a_size_below_zero_is_refused(place):
    info = tarfile.TarInfo("a")
    info.size = -512
    data = tar_of([("good", b"1")])[:1024] + info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)
    assert_refused(place, ".tar", data, "an impossible size")


def test_an_xz_that_needs_too_much_memory_is_refused(place):
    data = bytearray(packed(".tar.xz", tar_of(FILES.items())))
    end = 12 + (data[12] + 1) * 4 - 4  # of the block's header, before its checksum
    assert data[14:16] == b"\x21\x01"  # LZMA2, and one byte that tells the dictionary's size
    data[16] = 37  # 1.5 GB
    data[end : end + 4] = struct.pack("<I", zlib.crc32(data[12:end]))
    assert_refused(place, ".tar.xz", bytes(data), "[Mm]emory")


def test_a_folder_of_a_zip_that_has_bytes_is_refused(place):
    assert_refused(place, ".zip", zip_of([("a", b"1"), ("dir/", b"evil")]), "folder with bytes")


def test_a_folder_of_a_tar_that_has_bytes_is_refused(place):
    """Some programs would read them as the folder's contents, others as further members."""
    hidden = tar_of([("hidden", b"evil")])[:1024]
    data = tar_of([(special("dir", tarfile.DIRTYPE), hidden)])
    assert_refused(place, ".tar", data, "an impossible size")


def test_a_tar_whose_size_is_longer_than_what_follows_is_refused(place):
    info = tarfile.TarInfo("a")
    info.size = 10_000_000
    data = info.tobuf() + b"x" * 2_000
    assert_refused(place, ".tar", data, "broken|cut")


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_that_is_cut_short_anywhere_is_refused(ending, place):
    data = archive_of(ending, FILES.items())
    step = max(1, len(data) // 25)
    # The last blocks of a tar are padding: without them it is still whole.
    end = len(tar_of(FILES.items())) - 9_000 if ending == ".tar" else len(data)
    for length in [*range(0, min(end, len(data)), step), 1, 2, 511, 512, 513]:
        if length < end:
            assert_refused(place, ending, data[:length], "archive")
            (place / f"archive{ending}").unlink()


def test_a_tar_that_is_cut_short_between_two_members_is_refused(place):
    data = tar_of([("a", b"1" * 512), ("b", b"2" * 512)])
    assert_refused(place, ".tar", data[: 512 * 2], "cut short")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_not_an_archive_is_refused(ending, place):
    for data in (b"", b"x" * 1_000, os.urandom(2_000), b"PK\3\4" + b"x" * 100, b"\x1f\x8b" + b"x"):
        assert_refused(place, ending, data, "archive")
        (place / f"archive{ending}").unlink()


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
@pytest.mark.parametrize("ending", [".tar.gz", ".tar.xz"])
def test_a_header_that_would_fill_the_memory_is_refused(ending, kind, place):
    info = special("a", kind)
    info.size = 5 * 10**9
    data = packed(ending, info.tobuf() + bytes(20_000_000))
    assert_refused(place, ending, data, "headers")


def test_many_small_headers_before_a_member_are_refused(place):
    header = special("a", tarfile.XHDTYPE)
    header.size = 12
    block = header.tobuf() + b"11 foo=bar\n\0".ljust(512, b"\0")
    assert_refused(place, ".tar", block * 5_000, "broken|headers")


def test_a_tar_that_does_not_stop_after_its_end_is_refused(place):
    data = gzip.compress(tar_of(FILES.items()) + bytes(40_000_000))
    assert_refused(place, ".tar.gz", data, "after its end")


def test_a_checksum_after_the_end_is_checked(place):
    data = bytearray(gzip.compress(tar_of(FILES.items())))
    data[-5] ^= 1
    assert_refused(place, ".tar.gz", bytes(data), "archive")


def test_a_list_of_members_that_would_fill_the_memory_is_refused(place, tmp_path):
    """The end of a zip says how long its list is: here, most of a large hole."""
    archive = place / "archive.zip"
    with archive.open("wb") as writer:
        writer.truncate(2**31)
        writer.seek(2**31)
        size = 2**31 - 4_096
        writer.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 4_096, 0))
    (place / "files").mkdir()
    with pytest.raises(ArchiveError, match="list of members"):
        unpack(archive, "a.zip", place / "files", USUAL)
    assert list((place / "files").iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
@given(place_=st.integers(0, 2_000), change=st.integers(1, 255))
def test_any_byte_that_changed_is_an_error_or_does_no_harm(
    ending, place_, change, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("flip")
    whole = {"a/b": b"12345" * 20, "c": b""}
    data = bytearray(archive_of(ending, whole.items()))
    data[place_ % len(data)] ^= change
    archive = folder / "a"
    archive.write_bytes(data)
    (folder / "files").mkdir()
    try:
        found = unpack(archive, f"a{ending}", folder / "files", USUAL)
    except (ArchiveError, StorageFullError):
        assert list((folder / "files").iterdir()) == []
    else:
        assert sum(len(each) for each in contents(found).values()) <= 1_000
        assert {each.path for each in found.files} == {*(folder / "files").iterdir()}
    assert {each.name for each in folder.iterdir()} == {"a", "files"}


# the rest ----------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_replaced(place):
    (place / "files").mkdir()
    (place / "files" / "1").write_bytes(b"mine")
    with pytest.raises(OSError, match="exists"):
        unpacked(place, ".zip", zip_of(FILES.items()))
    assert [each.read_bytes() for each in (place / "files").iterdir()] == [b"mine"]


def test_limits_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LOCALREG_UNPACK_BYTES", "1000")
    monkeypatch.setenv("LOCALREG_UNPACK_MEMBERS", "5")
    assert limits_from_environment() == Limits(bytes=1000, members=5)
    for wrong in ("0", "-1", "x", "1.5", "1_0", "9" * 30, "٣"):
        monkeypatch.setenv("LOCALREG_UNPACK_RATIO", wrong)
        with pytest.raises(InvalidValueError, match="LOCALREG_UNPACK_RATIO"):
            limits_from_environment()


def test_a_read_only_tree_is_removed_and_links_are_not_followed(place, tmp_path):
    tree = laid_out(unpacked(place, ".zip", zip_of(FILES.items())), place / "tree")
    for each in (tree / "weights", tree):
        each.chmod(0o555)
    outside = tmp_path / "in" / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"1")
    tree.chmod(0o755)
    (tree / "link").symlink_to(outside)
    outside.chmod(0o555)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "file").exists()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o555
    link = place / "link"
    link.symlink_to(outside)
    remove_tree(link)
    assert not os.path.lexists(link)
    assert Path(outside / "file").exists()
    remove_tree(place / "nothing")
