"""``clearml.storage.helper``: an object for one place, by the methods of `StorageManager`."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.api.storage_manager import StorageManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StorageHelper:
    """Files at a path or URL, and below it.

    Args:
        url: of a folder or bucket.
    """

    def __init__(self, url: str | os.PathLike[str]) -> None:
        self.base_url = os.fspath(url)

    @classmethod
    def get(cls, url: str | os.PathLike[str], *_: object, **__: object) -> StorageHelper:
        """Return the helper of a path or URL; other arguments are ignored."""
        return cls(url)

    def list(self, prefix: str | None = None, with_metadata: bool = False) -> Any:  # noqa: ANN401
        """Return the names of the files in a folder; see `StorageManager.list`."""
        return StorageManager.list(prefix or self.base_url, with_metadata=with_metadata)

    def exists_file(self, remote_url: str | os.PathLike[str]) -> bool:
        """Return True if there is a file; see `StorageManager.exists_file`."""
        return StorageManager.exists_file(remote_url)

    def get_object_size_bytes(
        self, remote_url: str | os.PathLike[str], silence_errors: bool = False
    ) -> int | None:
        """Return the size of a file, or None; see `StorageManager.get_file_size_bytes`."""
        return StorageManager.get_file_size_bytes(remote_url, silence_errors)

    def upload(
        self,
        src_path: str | os.PathLike[str],
        dest_path: str | os.PathLike[str],
        *_: object,
        **__: object,
    ) -> str:
        """Copy a local file to a path or URL; see `StorageManager.upload_file`."""
        return StorageManager.upload_file(src_path, dest_path)

    def download_to_file(
        self,
        remote_path: str | os.PathLike[str],
        local_path: str | os.PathLike[str],
        overwrite_existing: bool = False,
        *_: object,
        **__: object,
    ) -> str | None:
        """Copy what a URL serves to a file, and return its path.

        Args:
            remote_path: a path or URL.
            local_path: the file.
            overwrite_existing: replace a file that is there; otherwise it is returned as it is.
        """
        place = Path(local_path)
        if place.is_file() and not overwrite_existing:
            return str(place)
        found = StorageManager.get_local_copy(remote_path, extract_archive=False)
        return None if found is None else StorageManager.upload_file(found, place) and str(place)
