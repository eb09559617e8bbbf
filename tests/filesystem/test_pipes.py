"""A pipe is widened where that is possible, and nothing else changes."""

from __future__ import annotations

import fcntl
import io
import os

import pytest

from localreg.filesystem.pipes import SIZE, widen


@pytest.mark.skipif(not hasattr(fcntl, "F_GETPIPE_SZ"), reason="only Linux has this call")
@pytest.mark.parametrize("end", [0, 1])
def test_a_pipe_holds_more(end):
    pipe = os.pipe()
    with open(pipe[0], "rb") as reader, open(pipe[1], "wb") as writer:
        assert fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) < SIZE
        widen((reader, writer)[end])
        assert fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) == SIZE


def test_other_streams_stay_as_they_are(tmp_path):
    class Plain:
        """A stream that only writes."""

    widen(io.BytesIO(b"bytes"))
    widen(Plain())
    with open(tmp_path / "file", "wb") as file:
        widen(file)
    assert (tmp_path / "file").read_bytes() == b""
    widen(file)  # closed
