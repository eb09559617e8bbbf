"""The open registry: one directory, its database and its blobs, and what stands behind it."""

from __future__ import annotations

import os
from pathlib import Path

from localreg.errors import (
    InvalidValueError,
    NotARegistryError,
    NotPicklableError,
    RegistryError,
    StorageError,
)
from localreg.filesystem.access_rights import barrier
from localreg.store.database.store import Store
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen, replace
from localreg.values.layout import DATABASE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlite_utils import Database

    from localreg.blobs.blobstore import BlobStore
    from localreg.filesystem.group_modes import Group
    from localreg.store.database.store import Durability as Durability


class Absent(Frozen):
    """An upstream registry that could not be opened: its directory, and why."""

    root: Path
    why: str


class OpenRegistry(Frozen):
    """What operations work on.

    Attributes:
        root: the directory, absolute.
        store: its database.
        upstream: the registries behind it, which are only read, in the order they are asked.
        absent: those that should be there as well.
        behind: the directories of both, in the order they were named.
        front: of an upstream one the registry that it stands behind, where whatever reading it
            needs goes: links, downloads, unpacked archives.
    """

    root: Path
    store: Store
    upstream: tuple[OpenRegistry, ...] = ()
    absent: tuple[Absent, ...] = ()
    behind: tuple[Path, ...] = ()
    front: OpenRegistry | None = None

    def __eq__(self, other: object) -> bool:
        """Return whether both are of one directory: handles on one model are equal then."""
        return isinstance(other, OpenRegistry) and other.root == self.root

    def __hash__(self) -> int:
        return hash(self.root)

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse: every handle has one of these, which is open in this process.

        Raises:
            NotPicklableError: always.
        """
        raise NotPicklableError(
            f"what belongs to the open registry {self.root} cannot be pickled or deep-copied; pass "
            "the id of the model or task, and open the registry by its path where it is needed",
            path=str(self.root),
        )

    @property
    def blobs(self) -> BlobStore:
        """Its weights."""
        from localreg.blobs.blobstore import BlobStore

        store = self.store
        cache_name = store.registry_id if store.readonly else None
        return BlobStore(self.root, store.durability == "full", store.group, cache_name)

    def user_database(self) -> Database:
        """Return its database for users, as a `sqlite_utils.Database` with its own connection."""
        from localreg.store.database.user_database import explore

        return explore(self.store)

    @property
    def base(self) -> OpenRegistry:
        """The registry that is asked first, and written to: itself, unless it is upstream."""
        return self.front or self

    @property
    def chain(self) -> tuple[OpenRegistry, ...]:
        """All registries that are looked through, in order: this one, and those upstream."""
        return (self, *self.upstream)

    def close(self) -> None:
        """Close the database, and those upstream; closing twice is fine."""
        try:
            for each in self.upstream:
                each.store.close()
        finally:
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
    root = check_directory("path", path)
    try:
        is_file = root.exists() and not root.is_dir()
    except OSError as error:
        reason = barrier(root) or error.strerror or str(error)
        raise StorageError(
            f"{str(root)[:200]} cannot be looked at: {reason}", path=str(root)
        ) from error
    if is_file:
        raise NotARegistryError(
            f"{root} is a file; a registry is a directory, choose another path", path=str(root)
        )
    store = Store(
        root / DATABASE, durability=durability, readonly=readonly, journal=journal, group=group
    )
    return OpenRegistry(root, store)


def check_directory(argument: str, path: object) -> Path:
    """Return the absolute path of a directory, which need not be there.

    Raises:
        InvalidValueError: it is no path, or starts with a ``~`` of nobody.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidValueError(
            f"{argument} must be a str or os.PathLike, not {type(path).__name__}", argument=argument
        )
    text = check_text(argument, os.fspath(path), nul=False, empty=False)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # "~" without a home, or with a user nobody knows
        raise InvalidValueError(
            f"{argument} {text!r} names no directory: {error}", argument=argument
        ) from error


def with_upstream(first: OpenRegistry, roots: Iterable[Path]) -> OpenRegistry:
    """Return a registry with others behind it, which are only read.

    One that cannot be opened is among those `absent`; a directory that was named before, or is
    that of the first, is passed over.

    Args:
        roots: directories, in the order they are asked.
    """
    found: list[OpenRegistry] = []
    absent: list[Absent] = []
    behind: list[Path] = []
    known = {os.path.realpath(first.root)}
    try:
        for root in roots:
            place = os.path.realpath(root)
            if place in known:
                continue
            known.add(place)
            behind.append(root)
            try:
                store = Store(root / DATABASE, readonly=True, reader=first.root)
            except RegistryError as error:
                absent.append(Absent(root, str(error)))
            else:
                found.append(OpenRegistry(root, store))
    except BaseException:
        for each in found:
            each.close()
        raise
    # Whoever reads one of those upstream needs the first, which needs all of them: values cannot
    # refer to each other, so the first is there twice.
    front = replace(first, upstream=tuple(found), absent=tuple(absent), behind=tuple(behind))
    return replace(front, upstream=tuple(replace(each, front=front) for each in found))
