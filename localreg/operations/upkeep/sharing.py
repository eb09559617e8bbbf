"""A registry that a group of users shares: make one, and find what keeps members out.

`filesystem.group_modes` says what a group needs of each file. Members are kept out by files that
were copied, restored or made before the registry was shared, and by groups and modes that were
changed by hand.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from localreg.errors import InvalidValueError, ReadOnlyRegistryError, StorageError
from localreg.filesystem.access_rights import may_write, why_not_written
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.group_modes import FOLDER_BITS, Group, share, share_at
from localreg.filesystem.kinds import filesystem_type
from localreg.filesystem.temporary_owners import unfinished
from localreg.registry import OpenRegistry, open_registry
from localreg.store.rows import setting_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import (
    BLOBS,
    FILES,
    LOCKS,
    QUARANTINE,
    REPORTS,
    SEARCH,
    TEMPORARY,
    TREES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.database.store import Durability

FOLDERS = (
    BLOBS,
    (FILES,),
    (TREES,),
    (REPORTS,),
    (LOCKS,),
    (TEMPORARY,),
)


class Flaw(Frozen):
    """A path that keeps members of the group out, or lets all users write.

    Attributes:
        path: relative to the registry; "." for its directory.
        text: what was found.
        mode: the mode that it should have.
    """

    path: str
    text: str
    mode: int


def group_named(name: str) -> Group:
    """Return the group with a name or number, if this user may give files to it."""
    try:
        import grp
    except ImportError as error:  # Windows
        raise InvalidValueError(
            "this system has no groups of users as on Linux, so --shared cannot be used; set the "
            "permissions of the folder instead",
            argument="shared",
        ) from error
    try:
        found = grp.getgrnam(name)
        group = Group(found.gr_name, found.gr_gid)
    except (KeyError, ValueError):  # ValueError: a NUL in it
        if not (name.isascii() and name.isdecimal() and len(name) < 11):
            raise InvalidValueError(
                f"there is no group {name!r:.80} on this machine; `getent group` lists them",
                argument="shared",
            ) from None
        group = Group(group_name(int(name)), int(name))
    if os.geteuid() != 0 and group.number not in {os.getegid(), *os.getgroups()}:
        raise InvalidValueError(
            f"you are not a member of the group {group.name}, so you cannot share with it; join it "
            "and log in again, or choose a group that `id` lists",
            argument="shared",
        )
    return group


def group_name(number: int) -> str:
    """Return the name of a group, or its number as text if it has no name on this machine."""
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except (KeyError, OverflowError):
        return str(number)


def make_shared(
    path: Path, group: Group, *, durability: Durability, journal: str | None
) -> OpenRegistry:
    """Open or make the registry in a directory, and let a group share it.

    Files that exist are given to the group if they are this user's; `flaws` finds the others.

    Raises:
        StorageError: the file system has no groups and modes; nothing was made.
    """
    path = path.expanduser().absolute()
    _check_place(path, group)
    registry = open_registry(path, durability=durability, journal=journal, group=group)
    with disk_errors("sharing the registry", registry.root):
        registry.store.check_writable()
        mend(registry, group.number)
        if registry.store.shared != group.name or registry.store.group != group.number:
            with registry.store.write() as change:
                setting_rows.set_shared(change.connection, group.name)
            registry.close()
            registry = open_registry(path, durability=durability)
        # Now, so that no process has to wait for their modes later.
        for names in FOLDERS:
            registry.blobs.make_folder(*names)
        _make_journal(registry)
    return registry


def _check_place(path: Path, group: Group) -> None:
    """Check, with a temporary folder, that files in a place can be given to the group."""
    with disk_errors("sharing a registry", path):
        place = next(folder for folder in (path, *path.parents) if folder.is_dir())
        if place == path:
            _check_owner(path, group)
        if not may_write(place):
            raise ReadOnlyRegistryError(
                f"{why_not_written(place)}, so nothing there can be given to the group "
                f"{group.name}; choose another directory",
                path=str(place),
            )
        probe = unfinished(place / "probe")
        probe.mkdir()
        try:
            share_at(probe, group.number)
            status = probe.stat()
        finally:
            probe.rmdir()
    if status.st_gid != group.number or status.st_mode & FOLDER_BITS != FOLDER_BITS:
        kind = filesystem_type(place) or "of an unknown kind"
        raise StorageError(
            f"a folder in {place} cannot be given to the group {group.name}: the file system "
            f"({kind}) has no groups and modes, or does not let you set them. Nothing was made; "
            "choose another directory",
            path=str(place),
        )


def _check_owner(root: Path, group: Group) -> None:
    status = root.stat()
    ready = status.st_gid == group.number and status.st_mode & FOLDER_BITS == FOLDER_BITS
    if not ready and os.geteuid() not in (0, status.st_uid):
        raise StorageError(
            f"{root} belongs to user {status.st_uid}; only that user or root can give it to the "
            f"group {group.name}, with `localreg init --shared`",
            path=str(root),
        )


def _make_journal(registry: OpenRegistry) -> None:
    """Make the rollback journal, which SQLite would make without the group's access at first."""
    if registry.store.journal_mode() == "wal":
        # Its files are made each time, and a process that opens the database waits for their modes.
        return
    journal = registry.store.path.with_name(f"{registry.store.path.name}-journal")
    with suppress(FileExistsError):
        descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
        try:
            share(descriptor, registry.store.group)
        finally:
            os.close(descriptor)


def flaws(registry: OpenRegistry, group: int) -> Iterator[Flaw]:
    """Yield the paths that keep a group out, or let all users write.

    Args:
        group: its number.
    """
    with disk_errors("checking who may use the registry", registry.root):
        for path, folder, needs in _entries(registry):
            try:
                status = path.lstat()
            except FileNotFoundError:  # deleted meanwhile
                continue
            if stat.S_ISLNK(status.st_mode):  # not followed; `verify` reports it
                continue
            mode = stat.S_IMODE(status.st_mode)
            wanted = (mode | (FOLDER_BITS if folder else needs)) & ~0o002
            if folder:
                wanted &= ~stat.S_ISVTX  # in a sticky folder only owners delete
            found = [] if status.st_gid == group else [f"belongs to {group_name(status.st_gid)}"]
            if mode != wanted:
                found.append(f"has mode {mode:04o}, not {wanted:04o}")
            if found:
                name = str(path.relative_to(registry.root))
                yield Flaw(name, f"{' and '.join(found)} (user {status.st_uid})", wanted)


def _entries(registry: OpenRegistry) -> Iterator[tuple[Path, bool, int]]:
    """Yield each path of the registry, True for a folder, and the mode bits a file needs."""
    root, read, write = registry.root, 0o040, 0o060
    yield root, True, 0
    for file in sorted((*root.glob(f"{registry.store.path.name}*"), *root.glob(f"{SEARCH}*"))):
        yield file, False, read if file.name.endswith(".backup") else write
    for top in (*(names[0] for names in FOLDERS), QUARANTINE):
        yield root / top, True, 0
        for place, folders, names in os.walk(root / top):
            # Hidden files, and all in tmp, are not finished.
            folders[:] = [name for name in folders if not name.startswith(".") and top != TEMPORARY]
            for name in folders:  # those that cannot be entered, too
                yield Path(place) / name, True, 0
            for name in names:
                if not name.startswith(".") and top != TEMPORARY:
                    needs = write if top == LOCKS and name.endswith(".lock") else read
                    yield Path(place) / name, False, needs


def mend(registry: OpenRegistry, group: int) -> int:
    """Correct the paths that are this user's; return how many were corrected."""
    mended = 0
    for flaw in list(flaws(registry, group)):
        path = registry.root / flaw.path
        # It is another user's, or was deleted meanwhile.
        with suppress(PermissionError, FileNotFoundError):
            os.chown(path, -1, group, follow_symlinks=False)
            _chmod(path, flaw.mode)
            mended += 1
    return mended


def _chmod(path: Path, mode: int) -> None:
    """Change a mode without following a link or opening the file.

    Opening and closing the database would drop the locks that this process holds on it.
    """
    if not hasattr(os, "O_PATH"):
        path.chmod(mode)
        return
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101  (no path of ours)
    finally:
        os.close(descriptor)


def blocked_above(registry: OpenRegistry, group: int) -> list[Path]:
    """Return the folders above a registry that some members of a group may not enter."""
    found = []
    for folder in registry.root.parents:
        status = folder.stat()
        needed = 0o010 if status.st_gid == group else 0o001
        if not status.st_mode & needed:
            found.append(folder)
    return found
