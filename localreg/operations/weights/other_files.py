"""Says what a single file needs that is in other files, when it is kept without them."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.weights.sources import Source


def other_files(source: Source, given: object = None) -> str | None:
    """Return a line about the other files that a single file needs; None if it needs none.

    Args:
        source: the file; it must still be there.
        given: its path as the caller gave it.
    """
    path = source.path
    if path is None or source.package or not os.path.isfile(path):  # noqa: PTH113  (never raises)
        return None
    from localreg.blobs.headers.neighbours import neighbours

    with disk_errors("keeping weights", path):
        typed = Path(given) if isinstance(given, (str, os.PathLike)) else path
        # The line has a command with the path: as it was given it is shorter.
        found = neighbours(typed if typed.absolute() == path else path)
    return None if found is None else found.text
