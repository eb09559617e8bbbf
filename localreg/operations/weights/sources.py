"""Where bytes that are to be kept come from, and what the registry has of them afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localreg.errors import DigestMismatchError
from localreg.values.frozen import Frozen
from localreg.values.records import Json
from localreg.values.urls import is_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.blobs.staging.staging import Mode
    from localreg.blobs.trees.listing import Excluded, Listing
    from localreg.progress import Progress


class Source(Frozen, kw_only=True):
    """Where bytes come from.

    Attributes:
        path: a file or a folder; None for a stream, or for several files.
        stream: an open binary file, or None.
        files: files that become one package; their folders are not kept.
        filename: the name of local copies.
        mode: "copy", "move" or "link".
        wanted: the sha256 that the bytes must have, or None.
        progress: called with the bytes read so far and, if it is known, with all bytes.
        excluded: names what is left out of a folder; None for nothing.
        look: lists the files of a package that are no folder of the user; None without one.
    """

    path: Path | None
    stream: BinaryIO | None = None
    files: tuple[Path, ...] = ()
    filename: str | None
    mode: Mode = "copy"
    wanted: str | None = None
    progress: Progress | None = None
    excluded: Excluded | None = None
    look: Callable[[], Listing] | None = None

    @property
    def package(self) -> bool:
        """True for a folder or several files, each of which is kept as a file of its own."""
        return bool(self.files) or self.look is not None or is_folder(self.path)


class Held(Frozen):
    """Bytes that the registry has, or knows.

    Attributes:
        digest, size: of the file, or of the manifest of a package.
        filename: the name that the server gave; None without one.
        total: number of bytes of the files of a package; None for anything else.
        archive, archive_size: sha256 and number of bytes of the archive that a package was
            unpacked from, or uploaded as; None without one.
        files: number of files of a package that was kept just now; else None.
        new: number of bytes that the registry did not have before.
        left_out: what was excluded from a folder: its names, relative to the folder.
    """

    digest: str
    size: int
    filename: str | None = None
    total: int | None = None
    archive: str | None = None
    archive_size: int | None = None
    files: int | None = None
    new: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def tree(self) -> bool:
        """True if it is a package."""
        return self.total is not None

    def facts(self) -> Json:
        """Return what an event says about the bytes, without their digest."""
        return {
            "size": self.size,
            "tree": self.tree,
            "total": self.total,
            "archive": self.archive,
            "archive_size": self.archive_size,
            "filename": self.filename,
        }


def check_wanted(source: Source, digest: str) -> None:
    """Raise DigestMismatchError if bytes do not have the expected sha256."""
    if source.wanted is not None and digest != source.wanted:
        raise DigestMismatchError(
            f"{source.path or 'the stream'} has sha256 {digest}, and {source.wanted} was expected; "
            "nothing was kept",
            wanted=source.wanted,
            found=digest,
        )
