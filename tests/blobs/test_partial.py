"""The note of an unfinished download: one that localreg cannot have written is not used."""

from __future__ import annotations

import json
import os

import pytest

from localreg.blobs.transfer.partial import Part

SOUND = {"key": "k", "etag": '"e"', "total": 9}


def noted(place):
    with Part(place, "k", durable=False) as part:
        return part.note


def test_a_sound_note_continues_a_download(tmp_path):
    (tmp_path / "part.json").write_text(json.dumps(SOUND))
    note = noted(tmp_path / "part")
    assert (note.key, note.etag, note.total) == ("k", '"e"', 9)


@pytest.mark.parametrize(
    "change",
    [{"etag": 'a"\r\nHost: other'}, {"total": -1}, {"total": float("inf")}, {"key": "other"}],
    ids=str,
)
def test_a_note_that_a_stranger_wrote_starts_again(tmp_path, change):
    (tmp_path / "part.json").write_text(json.dumps(SOUND | change))
    assert noted(tmp_path / "part") is None


def test_no_pipe_and_no_endless_file_is_read_as_a_note(tmp_path):
    os.mkfifo(tmp_path / "part.json")
    assert noted(tmp_path / "part") is None
    (tmp_path / "b.json").write_bytes(b"[" * 100_000)
    os.truncate(tmp_path / "b.json", 2**40)  # sparse
    assert noted(tmp_path / "b") is None
