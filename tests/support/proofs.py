"""How many examples, rounds and kills the long proofs take: `TIMES` as many as the suite.

They are the tests of hypothesis, and those marked `long`. A run of the suite takes a sample of
each; `.ci/long` takes many more, and other examples each time.
"""

from __future__ import annotations

import os

TIMES = int(os.environ.get("LOCALREG_LONG", "1"))
