"""A bundle holds what was put into it, in every form; the same models give the same bytes."""

from __future__ import annotations

import io
import os

import pytest
from support.bundles import PACKAGE, Blobs, bytes_of, content, draft_of

from localreg.blobs.bundles.writing import write_file, write_folder

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
