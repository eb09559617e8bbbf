"""A bundle holds what was put into it, in every form; the same models give the same bytes."""

from __future__ import annotations

import io
import os
import shutil
import subprocess

import pytest
from support.bundles import PACKAGE, Blobs, bytes_of, content, draft_of

from localreg.blobs.bundles.drafting import Draft
from localreg.blobs.bundles.reading import open_bundle
from localreg.blobs.bundles.writing import write_file, write_folder
from localreg.errors import BundleError
from localreg.values.bundle_format import EVENTS, FILE, NOTES

LARGE = {"model.pt": os.urandom(3_000_000)}


@pytest.fixture
def blobs(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return Blobs(folder)


@pytest.fixture(params=["file", "parts", "folder", "stream"])
def written(request, blobs, tmp_path):
    """Return a bundle of two models in each form that it can have."""
    contents = draft_of(blobs, [PACKAGE, LARGE])
    if request.param == "stream":
        return io.BytesIO(bytes_of(blobs, contents))
    if request.param == "folder":
        write_folder(contents, blobs.find, tmp_path / "b")
        return tmp_path / "b"
    split = 1_000_000 if request.param == "parts" else None
    return write_file(contents, blobs.find, tmp_path / "b.tar", split=split)[0]


def test_what_was_put_in_comes_out(written, blobs, tmp_path):
    files, lines, staged = content(written, tmp_path)
    assert {each.path for each in files} == {*PACKAGE, *LARGE}
    assert len(lines) == 3
    assert staged == {each.name: each.read_bytes() for each in blobs.folder.iterdir()}
    assert not (tmp_path / "spool").exists()


def test_what_is_not_wanted_is_passed_over(written, tmp_path):
    _, _, staged = content(written, tmp_path, lambda digest, size: size == 3_000_000)
    assert list(staged.values()) == [LARGE["model.pt"]]


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
def test_unpacked_by_tar_it_is_a_bundle_and_packed_again_it_is_not(blobs, tmp_path):
    contents = draft_of(blobs, [PACKAGE, LARGE])
    wanted = content(io.BytesIO(bytes_of(blobs, contents)), tmp_path)
    write_file(contents, blobs.find, tmp_path / "b.tar")
    (tmp_path / "b").mkdir()
    subprocess.run(["tar", "xf", tmp_path / "b.tar", "-C", tmp_path / "b"], check=True)
    assert content(tmp_path / "b", tmp_path) == wanted
    for names in (["."], ["blobs", "index.json", "oci-layout"]):
        words = ["tar", "cf", tmp_path / "again.tar", "-C", tmp_path / "b", *names]
        subprocess.run(words, check=True)
        with pytest.raises(BundleError, match=r"oci-layout"):
            content(tmp_path / "again.tar", tmp_path)


def test_many_files_of_tasks_are_in_records_of_their_own(blobs, tmp_path):
    """The size of one manifest is bounded; what says what the bundle is stays in the first one."""
    written = []
    for order in (range(7), reversed(range(7))):
        draft = Draft(io.BytesIO(), together=3)
        layers = [draft.add_file(*blobs.add(b"artifact %d" % number)) for number in order]
        layers.append(draft.add_layer(NOTES, [b"{}"]))
        draft.add_record([*layers, draft.add_layer(EVENTS, [b"1\n"])])
        written.append(bytes_of(blobs, draft.finished()))
    assert written[0] == written[1]
    with open_bundle(io.BytesIO(written[0]), tmp_path / "spool") as bundle:
        records = [manifest for _, manifest in bundle.manifests()]
        assert {each.media_type for each in bundle.record.layers} == {NOTES, EVENTS}
    assert sorted(len(each.of_type(FILE)) for each in records) == [0, 1, 3, 3]
    _, lines, staged = content(io.BytesIO(written[0]), tmp_path)
    assert (lines, len(staged)) == (["1"], 7)
