"""`BackgroundHash` ends, whatever interrupts it."""

from __future__ import annotations

import hashlib
import os

import pytest
from support.proofs import TIMES

from localreg.blobs.staging.hashing import AHEAD, STEP, BackgroundHash, file_digest


@pytest.mark.long
def test_an_interrupt_at_any_moment_ends_it(tmp_path, children):
    """Ctrl-C at any moment is raised, and leaves no thread for which the process waits.

    A lock that is held when Ctrl-C comes would stop the thread, and so the process, for ever.
    """
    path = tmp_path / "w.pt"
    path.write_bytes(b"x" * (12 * STEP))
    trials = 100 * TIMES
    assert children.run(interrupting, path, trials) == trials


def interrupting(path, trials):
    import _thread
    import random
    import signal
    from pathlib import Path

    from localreg.blobs.staging.hashing import file_digest

    signal.signal(signal.SIGALRM, signal.default_int_handler)
    chance = random.Random(trials)
    interrupted = 0
    for _ in range(trials):
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.random() * 0.01 + 1e-4)
            while True:
                file_digest(Path(path))
        except KeyboardInterrupt:
            interrupted += 1
    while _thread._count():
        pass  # the last thread ends
    return interrupted


def test_a_writer_far_ahead_waits_for_the_hash(tmp_path):
    """The digest is right, and the thread ends, when the file is longer than the hash may lag."""
    path = tmp_path / "w.pt"
    with open(path, "wb") as file:
        file.truncate(AHEAD + 20 * STEP)
    wanted = hashlib.sha256()
    for _ in range(AHEAD // STEP + 20):
        wanted.update(bytes(STEP))
    with BackgroundHash(path) as digest:
        digest.advance(AHEAD + 20 * STEP)
        assert digest.finish() == wanted.hexdigest()


def test_a_file_that_becomes_shorter_is_an_error(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(b"x" * (8 * STEP))
    with BackgroundHash(path) as digest:
        os.truncate(path, STEP)
        digest.advance(STEP * 3)
        with pytest.raises(OSError, match="became shorter"):
            digest.finish()


def test_a_small_file_is_hashed_without_a_thread(tmp_path):
    path = tmp_path / "w.pt"
    path.write_bytes(b"abc")
    assert file_digest(path) == hashlib.sha256(b"abc").hexdigest()
