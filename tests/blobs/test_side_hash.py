"""Pieces are hashed in their order, all of them, with and without a thread."""

from __future__ import annotations

import hashlib

import pytest

from localreg.blobs.bundles.side_hash import ALONE, side_hash

PIECES = [bytes([number]) * (100_000 + number) for number in range(100)]


@pytest.mark.parametrize("size", [0, ALONE - 1, ALONE, 10**10])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 100])
def test_all_pieces_are_hashed(size, count):
    found = hashlib.sha256()
    with side_hash(found, size) as take:
        for each in PIECES[:count]:
            take(each)
    assert found.hexdigest() == hashlib.sha256(b"".join(PIECES[:count])).hexdigest()


def test_an_error_in_the_block_ends_the_thread():
    def fail():
        with side_hash(hashlib.sha256(), ALONE) as take:
            for each in PIECES[:40]:
                take(each)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
