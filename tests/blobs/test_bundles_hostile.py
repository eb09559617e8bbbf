"""P18, P19, P25, P32: a broken bundle is an error that names the fault, and leaves nothing."""

from __future__ import annotations

import io
import os
import random
import shutil

import pytest
from support.bundles import (
    BROKEN,
    BROKEN_CONTENTS,
    PACKAGE,
    Blobs,
    Unpacked,
    bytes_of,
    content,
    draft_of,
    entries_of,
    entry,
)
from support.odd_files import KINDS, make_odd
from support.proofs import TIMES

from localreg.blobs.bundles.reading import open_bundle
from localreg.errors import BundleError, InvalidValueError, NewerBundleError, SourceNotFoundError

MODELS = [PACKAGE, {"model.pt": b"2" * 9_000, "run.sh": b"#!/bin/sh"}]


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    return Blobs(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def sound(blobs):
    return bytes_of(blobs, draft_of(blobs, MODELS))


def refused(source, tmp_path):
    """Return the error of a bundle that must be refused; nothing of it is left but whole files."""
    with pytest.raises(BundleError) as caught:
        content(source, tmp_path)
    assert caught.value.part
    assert not (tmp_path / "spool").exists()
    return caught.value


def unpack(data, folder):
    """Write the entries of a tar to a folder."""
    for name, each in entries_of(data):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(each)
    return folder


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_bundle_is_an_error_that_names_the_fault(fault, form, sound, tmp_path):
    make, message = BROKEN[fault]
    data = make(sound)
    if form == "file":
        (tmp_path / "b.tar").write_bytes(data)
    source = tmp_path / "b.tar" if form == "file" else io.BytesIO(data)
    error = refused(source, tmp_path)
    assert pytest.raises(BundleError, match=message).matches(error), str(error)


def test_a_newer_format_names_both_numbers(sound, tmp_path):
    error = refused(io.BytesIO(BROKEN["a newer format"][0](sound)), tmp_path)
    assert isinstance(error, NewerBundleError)
    assert (error.found, error.known) == (2, 1)


@pytest.mark.parametrize("form", ["file", "stream"])
def test_a_bundle_that_is_cut_anywhere_is_refused(form, sound, tmp_path):
    for size in [*range(0, len(sound), 4_096), len(sound) - 1]:
        data = sound[:size]
        if form == "file":
            (tmp_path / "b.tar").write_bytes(data)
        source = tmp_path / "b.tar" if form == "file" else io.BytesIO(data)
        assert "cut short" in str(refused(source, tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("form", ["file", "stream"])
def test_any_change_of_a_bundle_is_an_error_or_changes_nothing(form, sound, tmp_path):
    """250 changes of each form; 10,000 in all by ``LOCALREG_LONG=20``."""
    wanted = content(io.BytesIO(sound), tmp_path)
    random.seed(0 if TIMES == 1 else None)
    refusals = 0
    for _ in range(250 * TIMES):
        data = mutated(sound)
        if form == "file":
            (tmp_path / "b.tar").write_bytes(data)
        source = tmp_path / "b.tar" if form == "file" else io.BytesIO(data)
        try:
            assert content(source, tmp_path) == wanted
        except BundleError:
            refusals += 1
        assert not (tmp_path / "spool").exists()
    assert refusals > 50 * TIMES


def mutated(data):
    """Return a bundle with one or a few random changes."""
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 5])):
        place = random.randrange(len(changed))
        size = random.choice([1, 2, 8, 100, 512, 1_024, 4_096])
        match random.randrange(7):
            case 0:
                changed[place] ^= 1 << random.randrange(8)
            case 1:
                changed[place] = random.choice(b'\0\xff0123456789"{}[],:/.-')
            case 2:
                del changed[place : place + size]
            case 3:
                changed[place:place] = changed[place : place + size]
            case 4:
                changed[place : place + size] = os.urandom(size)
            case 5:
                start = place // 512 * 512  # whole blocks: the headers around them stay right
                other = random.randrange(len(changed) // 512) * 512
                changed[start : start + 512] = changed[other : other + 512]
            case 6:
                digits = changed.find(b'"size":', place)  # a value of JSON
                if digits >= 0:
                    changed[digits + 7] = random.choice(b"0123456789-")
    return bytes(changed)


def test_parts_of_a_bundle_that_do_not_belong_together_are_refused(blobs, sound, tmp_path):
    for number in range(4):
        part = sound[number * 10_000 : (number + 1) * 10_000 if number < 3 else None]
        (tmp_path / f"b.tar.00{number + 1}").write_bytes(part)
    first, second, third, last = sorted(tmp_path.glob("b.tar.*"))
    whole = second.read_bytes()
    with pytest.raises(InvalidValueError, match=r"part 2 of a bundle; give the first one, .*\.001"):
        content(second, tmp_path)
    last.rename(tmp_path / "kept")
    assert "b.tar.003: the bundle is cut short after it" in str(refused(first, tmp_path))
    (tmp_path / "kept").rename(last)
    second.write_bytes(whole[:-1])
    assert "b.tar.002: it has 9,999 bytes, and b.tar.001 has 10,000" in str(
        refused(first, tmp_path)
    )
    second.write_bytes(whole[::-1])
    refused(first, tmp_path)
    second.unlink()
    assert "the next part is missing" in str(refused(first, tmp_path))
    third.unlink()


def test_a_damaged_file_names_the_part_that_it_is_in(blobs, tmp_path):
    data = bytes_of(blobs, draft_of(blobs, [{"model.pt": b"5" * 30_000}]))
    for number in range(0, len(data), 10_000):
        part = data[number : number + 10_000]
        if number == 30_000 - 10_000:
            part = part.replace(b"5" * 100, b"6" * 100)
        (tmp_path / f"b.tar.{number // 10_000 + 1:03}").write_bytes(part)
    assert "b.tar.003" in str(refused(tmp_path / "b.tar.001", tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_plain_file_is_opened(kind, tmp_path):
    """P26: a pipe would hang, and a device may never end."""
    path = make_odd(kind, tmp_path)
    with pytest.raises((InvalidValueError, BundleError)):
        content(path, tmp_path)


def test_nothing_at_the_path_is_said(tmp_path):
    with pytest.raises(SourceNotFoundError):
        content(tmp_path / "b.tar", tmp_path)


def touch(bundle, path):
    os.utime(path, (1, 1))
    list(bundle.blobs(lambda digest, size: False))


def overwrite(bundle, path):
    path.write_bytes(bytes(path.stat().st_size))
    list(bundle.manifests())


@pytest.mark.parametrize("change", [touch, overwrite], ids=lambda change: change.__name__)
def test_a_file_that_changes_while_it_is_read_is_refused(change, sound, tmp_path):
    """P27."""
    path = tmp_path / "b.tar"
    path.write_bytes(sound)

    def use():
        with open_bundle(path) as bundle:
            change(bundle, path)

    with pytest.raises(InvalidValueError, match="changed while it was read"):
        use()


def test_a_file_that_changes_after_it_was_read_is_no_error(sound, tmp_path):
    """Its bytes may have been recorded by then."""
    path = tmp_path / "b.tar"
    path.write_bytes(sound)
    with open_bundle(path) as bundle:
        list(bundle.blobs(lambda digest, size: True))
        os.utime(path, (1, 1))


@pytest.mark.parametrize("fault", BROKEN_CONTENTS)
def test_a_broken_folder_is_an_error_that_names_the_fault(fault, sound, tmp_path):
    make, message = BROKEN_CONTENTS[fault]
    error = refused(unpack(make(sound), tmp_path / "b"), tmp_path)
    assert pytest.raises(BundleError, match=message).matches(error), str(error)


def a_link(place):
    place.rename(place.with_name("other"))
    place.symlink_to("other")


def a_pipe(place):
    place.unlink()
    os.mkfifo(place)


def a_socket(place):
    place.unlink()
    made = make_odd("socket", place.parent)
    made.rename(place)


def a_folder(place):
    place.unlink()
    place.mkdir()


def nothing(place):
    place.unlink()


def one_byte_less(place):
    place.write_bytes(place.read_bytes()[:-1])


def another_byte(place):
    place.write_bytes(place.read_bytes()[:-1] + b"?")


CHANGES = [a_link, a_pipe, a_socket, a_folder, nothing, one_byte_less, another_byte]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_is_wrong_in_a_folder_is_found(change, sound, tmp_path):
    """Every entry in turn."""
    for name, data in entries_of(sound):
        if not data and change is one_byte_less:
            continue
        folder = unpack(sound, tmp_path / "b")
        change(folder / name)
        refused(folder, tmp_path)
        shutil.rmtree(folder)


def test_other_files_in_a_folder_are_not_looked_at(sound, tmp_path):
    folder = unpack(sound, tmp_path / "b")
    os.mkfifo(folder / "blobs" / "sha256" / ("0" * 64))
    (folder / "README").write_text("Read me.")
    assert content(folder, tmp_path) == content(io.BytesIO(sound), tmp_path)


def test_properties_and_layers_that_are_not_known_are_passed_over(sound, tmp_path):
    it = Unpacked(sound)
    wanted = content(io.BytesIO(sound), tmp_path)
    it.index["more"] = {"a": [1]}
    it.models()[0] |= {"more": [[]], "annotations": {"x": "y"}}
    it.models()[0]["layers"][0]["platform"] = {"os": "linux"}
    it.record()["layers"].append(it.add(b"\0") | {"mediaType": "application/vnd.localreg.new.v7"})
    assert content(io.BytesIO(it.tar()), tmp_path) == wanted


def test_an_extended_size_counts(sound, tmp_path):
    """A file of 8 GiB and more has one; here it says what the header says anyway."""
    name, data = entries_of(sound)[-1]
    record = b" size=%d\n" % len(data)
    record = b"%d%s" % (len(record) + 2, record)
    place = sum(512 + len(each) + -len(each) % 512 for _, each in entries_of(sound)[:-1])
    head = entry("PaxHeaders/x", record, type=b"x")
    changed = sound[:place] + head + entry(name, data)
    changed = changed.replace(entry(name, data), entry(name, b"") + entry(name, data)[512:])
    changed += bytes(1_024 + -(len(changed) + 1_024) % 10_240)
    assert content(io.BytesIO(changed), tmp_path) == content(io.BytesIO(sound), tmp_path)
