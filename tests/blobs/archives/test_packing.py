"""The zip of a package: always the same bytes, which every tool reads."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localreg.blobs.archives import packing
from localreg.blobs.archives.packing import ZipEntry, entries_of, write_zip, zip_size
from localreg.blobs.archives.unpacking import Limits, unpack
from localreg.errors import CorruptBlobError, InvalidValueError
from localreg.values.manifest import PackageFile, make_manifest

CONTENT = {
    "config.json": b'{"layers": 3}',
    "tokenizer/vocab.txt": b"a\nb\n",
    "tokenizer.txt": b"",
    "größe.bin": bytes(range(256)) * 2_000,
}
# Of the package above with an empty folder; it must never change, on no system or Python.
GOLDEN = "6b00e45e9b656cefa977fd8dcb969a8bb36bbe02382ed6ce8b6dee6416b6bce4"


def package(content, folder, *, empty=(), programs=()):
    """Return a manifest, and a function that returns where the bytes of each file are."""
    folder.mkdir(exist_ok=True)
    files = []
    for path, data in content.items():
        digest = hashlib.sha256(data).hexdigest()
        if not (folder / digest).exists():
            (folder / digest).write_bytes(data)
        files.append(PackageFile(path, digest, len(data), path in programs))
    return make_manifest(files, list(empty)), lambda file: folder / file.digest


def written(manifest, place, target):
    reported = []
    target.touch()
    found = write_zip(entries_of(manifest, place), target, advance=reported.append)
    assert found == {each.path: each.digest for each in manifest.files}
    assert reported == sorted(reported)
    assert reported[-1] == target.stat().st_size == zip_size(manifest)
    return target


def by_zipfile(content, target, *, empty=(), programs=()):
    """Write the same with `zipfile`."""
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted([*content, *(f"{each}/" for each in empty)], key=str.encode):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            mode = 0o100755 if name in programs else 0o100644
            folder = name.endswith("/")
            info.external_attr = (0o40755 << 16 | 0x10) if folder else mode << 16
            archive.writestr(info, b"" if folder else content[name])
    return target.read_bytes()


def test_the_same_package_always_gives_the_same_bytes(tmp_path):
    found = written(*package(CONTENT, tmp_path / "in", empty=["empty"]), tmp_path / "a.zip")
    assert hashlib.sha256(found.read_bytes()).hexdigest() == GOLDEN


names = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\\x7f"),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in (".", "..") and name[1:2] != ":")


@given(
    content=st.dictionaries(names, st.binary(max_size=300), max_size=8),
    folder=names,
    data=st.data(),
)
def test_small_packages_are_written_as_zipfile_writes_them(content, folder, data, tmp_path_factory):
    place = tmp_path_factory.mktemp("zip")
    empty = [f"{folder}/{folder}"] if folder not in content else [f"{folder} "]
    empty = [] if empty[0] in content and content else empty
    if not content and not empty:
        return
    programs = data.draw(st.sets(st.sampled_from(sorted(content)))) if content else ()
    options = {"empty": empty, "programs": programs}
    found = written(*package(content, place / "in", **options), place / "a.zip")
    assert found.read_bytes() == by_zipfile(content, place / "b.zip", **options)


def test_a_package_comes_back_as_it_was(tmp_path):
    """Bytes, empty folders, and the right to execute."""
    made = package(CONTENT, tmp_path / "in", empty=["a/b"], programs=["tokenizer.txt"])
    (tmp_path / "back").mkdir()
    found = unpack(written(*made, tmp_path / "a.zip"), "a.zip", tmp_path / "back", Limits())
    assert {each.name: each.path.read_bytes() for each in found.files} == CONTENT
    assert [each.name for each in found.files if each.executable] == ["tokenizer.txt"]
    assert found.folders == ["a/b"]


@pytest.mark.skipif(shutil.which("unzip") is None, reason="needs unzip")
def test_unzip_reads_it_with_its_modes(tmp_path):
    made = package(CONTENT, tmp_path / "in", empty=["empty"], programs=["tokenizer.txt"])
    found = written(*made, tmp_path / "a.zip")
    subprocess.run(["unzip", "-q", found, "-d", tmp_path / "out"], check=True)
    assert stat.S_IMODE((tmp_path / "out" / "tokenizer.txt").stat().st_mode) & 0o111
    assert not stat.S_IMODE((tmp_path / "out" / "config.json").stat().st_mode) & 0o111
    assert (tmp_path / "out" / "empty").is_dir()


def test_more_members_than_16_bits_can_count_are_read(tmp_path):
    content = {f"{number}": b"" for number in range(65_537)}
    found = written(*package(content, tmp_path / "in"), tmp_path / "a.zip")
    with zipfile.ZipFile(found) as archive:
        assert len(archive.namelist()) == 65_537


@pytest.mark.parametrize("size", [2**32 - 2, 2**32 - 1, 2**32 + 5])
def test_the_list_of_a_file_with_more_than_32_bits_is_right(size, tmp_path):
    """The bytes of the file are a hole, to be fast."""
    files = [PackageFile(name, "0" * 64, length) for name, length in (("a", size), ("b", 7))]
    manifest = make_manifest(files, [])
    members = list(packing._members(entries_of(manifest, lambda _: tmp_path)))
    with open(tmp_path / "a.zip", "wb") as writer:
        for each in members:
            writer.seek(each.place)
            writer.write(each.header(zlib.crc32(bytes(7))))
        start = members[-1].place + len(members[-1].header(0)) + 7
        writer.seek(start)
        for each in members:
            writer.write(each.listed(zlib.crc32(bytes(7))))
        length = writer.tell() - start
        writer.write(packing._end(2, start, length))
    assert (tmp_path / "a.zip").stat().st_size == zip_size(manifest)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert [each.file_size for each in archive.infolist()] == [size, 7]
        assert [each.header_offset for each in archive.infolist()] == [0, members[1].place]
        with archive.open("b") as reader:  # its own header is where the list says
            assert reader.read(7) == b"\0" * 7


@pytest.mark.parametrize("size", [10, 1_000_000])
@pytest.mark.parametrize("change", [b"", b"1" * 10, b"1" * 1_000_000, b"1" * 2_000_000])
def test_a_file_with_other_bytes_than_its_digest_is_an_error(size, change, tmp_path):
    manifest, place = package({"a": b"0" * size}, tmp_path / "in")
    place(manifest.files[0]).write_bytes(change)
    (tmp_path / "a.zip").touch()
    with pytest.raises(CorruptBlobError, match=manifest.files[0].digest[:12]):
        write_zip(entries_of(manifest, place), tmp_path / "a.zip", advance=lambda _: None)


@pytest.mark.parametrize("size", [10, 1_000_000])
@pytest.mark.parametrize("change", [b"", b"1" * 2_000_000])
def test_a_file_of_the_user_that_changes_while_it_is_written_is_an_error(size, change, tmp_path):
    (tmp_path / "growing").write_bytes(change)
    (tmp_path / "a.zip").touch()
    entry = ZipEntry("growing", tmp_path / "growing", size)
    with pytest.raises(InvalidValueError, match="changed while"):
        write_zip([entry], tmp_path / "a.zip", advance=lambda _: None)
