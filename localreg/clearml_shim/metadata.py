"""What `importlib.metadata` says of `clearml` while localreg stands in for it."""

from __future__ import annotations

import os
from importlib.metadata import Distribution
from pathlib import Path

from localreg.clearml_shim.names import TOP, VERSION

_FILES = {
    "METADATA": f"Metadata-Version: 2.1\nName: {TOP}\nVersion: {VERSION}\n"
    "Summary: The names of ClearML, provided by localreg\n",
    "top_level.txt": f"{TOP}\n",
}


class ShimDistribution(Distribution):
    """The distribution `clearml`: its version is that of the SDK whose names there are."""

    def read_text(self, filename: str) -> str | None:
        """Return the text of one of its files, or None."""
        return _FILES.get(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """Return the path that a file of it would have."""
        return Path(__file__).parent / path
