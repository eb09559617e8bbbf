"""Rows of a remote in a temporary file, to be read again without the remote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from localreg.filesystem.disk_errors import disk_errors
from localreg.registry import OpenRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from localreg.operations.remotes.remote_events import Row


class Spool:
    """Rows in a temporary file; each iteration reads them from the start.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[list[Row]]:
        with open(self._path, encoding="utf-8") as file:
            for line in file:
                yield [tuple(row) for row in json.loads(line)]


@contextmanager
def spooled(registry: OpenRegistry, rows: Iterable[list[Row]]) -> Iterator[Spool]:
    """Yield rows that were read to their end; the file is in the registry while the block runs."""
    with registry.blobs.temporary("rows") as path:
        with (
            disk_errors("keeping rows of a remote", path),
            open(path, "x", encoding="utf-8") as file,
        ):
            for some in rows:
                print(json.dumps(some), file=file)
        yield Spool(path)
