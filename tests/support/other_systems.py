"""The fixture `other_system`: child processes that lack what Windows, or a Mac, does not have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.children import Children

PRELUDE = Path(__file__).with_name("other_system")


class OtherSystem(Children):
    """Runs functions of a test, as `Children`, with the limits of another system.

    Attributes:
        name: "windows" or "mac".
        environment: the variables for a process with these limits.
    """

    def __init__(self, name, home):
        self.name = name
        self.environment = {
            **{key: value for key, value in os.environ.items() if "LOCALREG" not in key},
            "OTHER_SYSTEM": name,
            "PYTHONPATH": str(PRELUDE),
            "PYTHONIOENCODING": "cp1252:strict" if name == "windows" else "utf-8:strict",
            "HOME": str(home),
            "XDG_DATA_HOME": str(home),
        }


@pytest.fixture
def new_system(tmp_path):
    """Return a function that returns the `OtherSystem` of a name, with an empty home."""
    return lambda name: OtherSystem(name, tmp_path)


@pytest.fixture(params=["windows", "mac"])
def other_system(request, new_system):
    """`OtherSystem` of each name in turn."""
    return new_system(request.param)
