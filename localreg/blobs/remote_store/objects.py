"""What both kinds of places can do with objects: a shared directory, and an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from localreg.errors import RemoteError
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress


class Found(Frozen):
    """An object that is there.

    Attributes:
        size: number of bytes.
        mark: another text for an object that was written again: its ETag, or when it was written.
    """

    size: int
    mark: str


class UnsureError(RemoteError):
    """The answer to a write was lost: perhaps it was done, and perhaps it still will be."""


class Objects(Protocol):
    """Objects below a URL, by key. Every method raises RemoteError if the place refuses.

    Attributes:
        shown: the URL, without secrets.
    """

    shown: str

    def look(self, keys: Sequence[str]) -> list[Found | None]:
        """Return facts about objects, in one step; None for each that does not exist."""

    def create(self, key: str, data: bytes) -> Found | None:
        """Write a new object, whole or not at all; None if another one has its key.

        Raises:
            UnsureError: the answer was lost, and the object is not there, or cannot be looked at.
        """

    def put(self, key: str, path: Path, digest: str | None, progress: Progress | None) -> None:
        """Write a file as an object. The bytes of another one are replaced.

        Raises:
            DigestMismatchError: the file has another digest; nothing was written.
        """

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, also if it is there."""

    def get(self, key: str, limit: int) -> tuple[bytes, Found] | None:
        """Return an object, None if it does not exist; more than `limit` bytes are an error."""

    def get_many(self, keys: Sequence[str], limit: int) -> list[bytes | None]:
        """Return the bytes of objects, in one step; None for each that does not exist."""

    def fetch(self, files: Sequence[tuple[str, Path]]) -> list[str]:
        """Bring objects to new files, for reading only; return the keys that do not exist."""

    def names(self, folder: str, start: str) -> list[str]:
        """Return the names of the objects in a folder, those from `start` on in their order."""

    def download(
        self,
        key: str,
        path: Path,
        wanted: str | None,
        progress: Callable[[int, int | None], None] | None,
        durable: bool,
    ) -> Downloaded:
        """Download an object to a file, verified; as `localreg.blobs.transfer.downloading`."""

    def keys(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Yield key, size and time of the objects in a folder, and below it."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that do not exist are no error."""

    def now(self) -> float:
        """Return the time by the clock that gives objects their times."""

    def clear(self, before: float) -> None:
        """Delete what writes that were cut have put there before a time."""

    def prepare(self, folders: Sequence[str]) -> None:
        """Make folders, where there are such."""
