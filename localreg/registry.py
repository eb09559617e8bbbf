"""An open registry (a directory with a database and blobs), and a chain of them."""

from __future__ import annotations

import errno
import os
import stat
from functools import lru_cache

from localreg.errors import (
    ClosedRegistryError,
    InvalidValueError,
    NotARegistryError,
    NotPicklableError,
    RegistryError,
    StorageError,
)
from localreg.filesystem.access_rights import barrier
from localreg.filesystem.given_paths import absolute_text
from localreg.store.database.store import Store
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen, replace
from localreg.values.layout import DATABASE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlite_utils import Database

    from localreg.blobs.blobstore import BlobStore
    from localreg.filesystem.group_modes import Group
    from localreg.store.database.store import Durability as Durability


# What `Path.exists` takes for no file.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP})


class OpenRegistry(Frozen):
    """One open registry: the directory (an absolute path) and its database."""

    directory: str
    store: Store

    @property
    def root(self) -> Path:
        """The directory as a Path."""
        return _path(self.directory)

    def __eq__(self, other: object) -> bool:
        """Return True if both are of the same directory; then handles on one model are equal."""
        return isinstance(other, OpenRegistry) and other.directory == self.directory

    def __hash__(self) -> int:
        return hash(self.directory)

    def __reduce__(self) -> tuple[object, ...]:
        """Raise NotPicklableError: every handle holds an open registry of this process."""
        raise NotPicklableError(
            f"what belongs to the open registry {self.directory} cannot be pickled or "
            "deep-copied; pass the id of the model or task, and open the registry by its path "
            "where it is needed",
            path=self.directory,
        )

    @property
    def blobs(self) -> BlobStore:
        """The blob store with its weights.

        Raises:
            RegistryReplacedError: the registry was removed or replaced since it was opened.
        """
        from localreg.blobs.blobstore import BlobStore

        self.store.check_file()
        store = self.store
        cache_name = store.registry_id if store.readonly else None
        return BlobStore(self.root, store.durability == "full", store.group, cache_name)

    @property
    def blobs_of_full_disk(self) -> BlobStore:
        """The same, for when its disk is full: local copies are made in the user's cache."""
        return replace(self.blobs, cache_name=self.store.registry_id)

    def why_gone(self, digest: str) -> str | None:
        """Return a sentence about bytes that were here and are gone; None if nothing is known."""
        return None

    def user_database(self) -> Database:
        """Return its database for users, as a `sqlite_utils.Database` with its own connection."""
        from localreg.store.database.user_database import explore

        return explore(self.store)

    def close(self) -> None:
        """Close the database; closing twice is fine."""
        self.store.close()


@lru_cache(maxsize=64)
def _path(directory: str) -> Path:
    from pathlib import Path  # when it is first needed: it takes long to import

    return Path(directory)


class Absent(Frozen):
    """An upstream registry that could not be opened: its directory, and the reason."""

    root: Path
    reason: str


class Chain(Frozen):
    """A registry and the registries upstream of it. Look-ups ask them in this order.

    Only the first is written to: downloads, links and the folders of packages go there, also
    those of models that an upstream registry has.

    Attributes:
        first: the registry that is asked first.
        others: the open upstream registries, read-only.
        absent: the upstream registries that could not be opened.
        roots: the directories of `others` and `absent`, in the order in which they were named.
        trust_from: the registries whose settings and keys say which weights are trusted, if this
            chain was made of another one: those of that chain.
    """

    first: OpenRegistry
    others: tuple[OpenRegistry, ...] = ()
    absent: tuple[Absent, ...] = ()
    roots: tuple[Path, ...] = ()
    trust_from: tuple[OpenRegistry, ...] = ()

    @property
    def registries(self) -> tuple[OpenRegistry, ...]:
        """The first registry and the open upstream ones."""
        return (self.first, *self.others)

    def own_trust_mode(self) -> str | None:
        """Return the setting trust.mode of the first registry that decides; None without it."""
        from localreg.store.rows.model_rows import trust_mode

        first = (self.trust_from or self.registries)[0]
        try:
            with first.store.one_statement() as connection:
                return trust_mode(connection)
        except ClosedRegistryError:
            # A view of it as it was may still be open, with the settings that it had then.
            if self.first is first:
                raise
            return self.first.store.trust_mode

    def starting_at(self, registry: OpenRegistry) -> Chain:
        """Return this chain if the registry is its first one, else a chain of that registry alone.

        Changes of a model or a task go through the result, so that a change of an upstream one is
        refused and not written to the first registry.
        """
        is_first = registry is self.first or registry == self.first  # paths take long to compare
        return self if is_first else self.alone(registry)

    def alone(self, registry: OpenRegistry) -> Chain:
        """Return a chain of one registry alone; what is trusted stays as it is in this chain.

        Args:
            registry: one of this chain, or its first one as it was at some time.
        """
        return Chain(registry, trust_from=self.trust_from or self.registries)

    def close(self) -> None:
        """Close all databases; closing twice is fine."""
        try:
            for each in self.others:
                each.close()
        finally:
            self.first.close()


def open_registry(
    path: str | os.PathLike[str],
    *,
    durability: Durability = "full",
    readonly: bool = False,
    journal: str | None = None,
    group: Group | None = None,
    make: bool = True,
    why: str = "",
) -> OpenRegistry:
    """Open the registry in a directory; make it if there is none.

    Args:
        path: the directory; it and its parents are made if they are missing.
        durability: "full" survives a power loss, "fast" only the end of the process.
        readonly: never write. A directory that cannot be written to is always opened like this.
        journal: the journal mode of a new registry, "wal" or "truncate"; None lets the file system
            decide.
        group: the group that shares a new registry.
        make: False to raise an error if there is no registry.
        why: for that error, why this directory is looked at, such as "named by -R".

    Raises:
        NoRegistryError: there is none, and `make` is False or `readonly` True.
        RegistryError: it cannot be opened; nothing in it was changed.
    """
    root = _directory("path", path)
    if _is_file(root):
        raise NotARegistryError(
            f"{root} is a file; a registry is a directory, choose another path", path=root
        )
    store = Store(
        os.path.join(root, DATABASE),
        durability=durability,
        readonly=readonly,
        journal=journal,
        group=group,
        make=make,
        why=why,
    )
    return OpenRegistry(root, store)


def _is_file(root: str) -> bool:
    """Return True if something is there, and is no directory."""
    try:
        return not stat.S_ISDIR(os.stat(root).st_mode)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        reason = barrier(root) or error.strerror or str(error)
        raise StorageError(f"{root[:200]} cannot be read: {reason}", path=root) from error


def check_directory(argument: str, path: object) -> Path:
    """Return the absolute path of a directory, which need not exist."""
    from pathlib import Path

    return Path(_directory(argument, path))


def _directory(argument: str, path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidValueError(
            f"{argument} must be a str or os.PathLike, not {type(path).__name__}", argument=argument
        )
    text = check_text(argument, os.fspath(path), nul=False, empty=False)
    try:
        return absolute_text(argument, text)
    except RuntimeError as error:  # "~" without a home, or with an unknown user
        raise InvalidValueError(
            f"{argument} {text!r} is not a directory: {error}", argument=argument
        ) from error


def chain_of(first: OpenRegistry, roots: Iterable[Path]) -> Chain:
    """Return a registry with the registries in some directories upstream of it, opened read-only.

    One that cannot be opened becomes one of `Chain.absent`. A directory that was named before,
    and the first registry's own, are skipped.
    """
    others: list[OpenRegistry] = []
    absent: list[Absent] = []
    named: list[Path] = []
    known = {os.path.realpath(first.directory)}
    try:
        for root in roots:
            place = os.path.realpath(root)
            if place in known:
                continue
            known.add(place)
            named.append(root)
            try:
                store = Store(root / DATABASE, readonly=True, reader=first.directory)
            except RegistryError as error:
                absent.append(Absent(root, str(error)))
            else:
                others.append(OpenRegistry(os.fspath(root), store))
    except BaseException:
        for each in others:
            each.close()
        raise
    return Chain(first, tuple(others), tuple(absent), tuple(named))
