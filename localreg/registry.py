"""The open registry: one directory, its database and its blobs."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.errors import InvalidValueError, NotARegistryError, StorageError
from localreg.frozen import Frozen
from localreg.store.database import Store
from localreg.text import check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.blobstore import BlobStore
    from localreg.group_modes import Group
    from localreg.store.database import Durability

DATABASE = "registry.db"


class OpenRegistry(Frozen):
    """What operations work on.

    Attributes:
        root: the directory, absolute.
        store: its database.
    """

    root: Path
    store: Store

    def __eq__(self, other: object) -> bool:
        """Return whether both are of one directory: handles on one model are equal then."""
        return isinstance(other, OpenRegistry) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    @property
    def blobs(self) -> BlobStore:
        """Its weights."""
        from localreg.blobs.blobstore import BlobStore

        store = self.store
        spare = store.registry_id if store.readonly else None
        return BlobStore(self.root, store.durability == "full", store.group, spare)

    def close(self) -> None:
        """Close the database; closing twice is fine."""
        self.store.close()


def open_registry(
    path: str | os.PathLike[str],
    *,
    durability: Durability = "full",
    readonly: bool = False,
    journal: str | None = None,
    group: Group | None = None,
) -> OpenRegistry:
    """Open the registry in a directory, and make it when there is none.

    Args:
        path: the directory; it and its parents are made too.
        durability: "full" survives a power loss, "fast" only the end of the process.
        readonly: never write; a place that cannot be written to is opened so by itself.
        journal: the journal mode of a registry that is made now, "wal" or "truncate"; by the
            file system when None.
        group: the group that shares a registry that is made now.

    Raises:
        RegistryError: it cannot be opened; nothing in it was changed.
        InvalidValueError: an argument cannot be used.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidValueError(
            f"path must be a str or os.PathLike, not {type(path).__name__}", argument="path"
        )
    text = check_text("path", os.fspath(path), nul=False, empty=False)
    try:
        root = Path(text).expanduser().absolute()
        is_file = root.exists() and not root.is_dir()
    except RuntimeError as error:  # "~" without a home, or with a user nobody knows
        raise InvalidValueError(
            f"path {text!r} names no directory: {error}", argument="path"
        ) from error
    except OSError as error:
        raise StorageError(
            f"{text[:200]} cannot be looked at: {error.strerror or error}", path=text
        ) from error
    if is_file:
        raise NotARegistryError(
            f"{root} is a file; a registry is a directory, choose another path", path=str(root)
        )
    store = Store(
        root / DATABASE, durability=durability, readonly=readonly, journal=journal, group=group
    )
    return OpenRegistry(root, store)
