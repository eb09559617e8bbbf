"""How many examples, rounds and kills the long proofs take: `TIMES` as many as the suite.

They are the tests of hypothesis, and those marked `long`. A run of the suite takes a sample of
each; `.ci/long` takes many more, and other examples each time.
"""

from __future__ import annotations

import os
import random

TIMES = int(os.environ.get("LOCALREG_LONG", "1"))


def random_numbers(seed):
    """Return a source of random numbers: the same one for each run of the suite.

    A longer run has another one each time, and prints its seed, which pytest shows of a failure.
    """
    if TIMES > 1:
        seed = int.from_bytes(os.urandom(4), "big")
        print(f"seed {seed}")
    return random.Random(seed)
