"""A registry that the members of a group use together: making one, and looking whether it is one.

group_modes.py tells what a group needs of each file. Here is who may share a registry, and what in
one keeps the group out: what came by other ways (copied, restored, made before it was shared), or
was given another group or mode by hand.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from localreg.errors import InvalidValueError, ReadOnlyRegistryError, StorageError
from localreg.filesystem.access_rights import may_write, why_not_written
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.group_modes import FOLDER_BITS, Group, share, share_at
from localreg.filesystem.kinds import filesystem_type
from localreg.registry import OpenRegistry, open_registry
from localreg.store.rows import setting_rows
from localreg.values.frozen import Frozen
from localreg.values.layout import BLOBS, FILES, LOCKS, QUARANTINE, REPORTS, TEMPORARY, TREES

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
    """Something that keeps the members of the group out.

    Attributes:
        path: relative to the registry; "." for its folder.
        text: what was found, for people.
        mode: what its mode should be.
    """

    path: str
    text: str
    mode: int


def group_named(name: str) -> Group:
    """Return a group that this user may give files to, by its name or number.

    Raises:
        InvalidValueError: there is none of that name, or this user is no member of it.
    """
    try:
        import grp
    except ImportError as error:  # Windows
        raise InvalidValueError(
            "this system has no groups of users, so a registry cannot be shared by one; give the "
            "folder to others by the means of the system",
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
            f"you are no member of the group {group.name}, so you cannot share with it; have "
            "yourself added to it and log in again, or choose one that `id` tells",
            argument="shared",
        )
    return group


def group_name(number: int) -> str:
    """Return the name of a group, or its number as text where it has none here."""
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except (KeyError, OverflowError):
        return str(number)


def make_shared(
    path: Path, group: Group, *, durability: Durability, journal: str | None
) -> OpenRegistry:
    """Open the registry in a directory, made when there is none, and have a group share it.

    What is in it already becomes the group's as far as it is this user's; `flaws` tells the rest.

    Raises:
        StorageError: the file system keeps no groups and modes; nothing was made.
        ReadOnlyRegistryError: it cannot be written to.
        RegistryError: it cannot be opened, or made.
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
        # Now, so that nobody has to wait for the right mode of one later.
        for names in FOLDERS:
            registry.blobs.make_folder(*names)
        _make_journal(registry)
    return registry


def _check_place(path: Path, group: Group) -> None:
    """Check, on a folder of no consequence, that the group can be given something there."""
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
        probe = Path(tempfile.mkdtemp(prefix=".localreg-probe-", dir=place))
        try:
            share_at(probe, group.number)
            status = probe.stat()
        finally:
            probe.rmdir()
    if status.st_gid != group.number or status.st_mode & FOLDER_BITS != FOLDER_BITS:
        kind = filesystem_type(place) or "of an unknown kind"
        raise StorageError(
            f"a folder in {place} cannot be given to the group {group.name}: the file system "
            f"({kind}) keeps no groups and modes, or does not let you set them; nothing was made. "
            "Choose another directory",
            path=str(place),
        )


def _check_owner(root: Path, group: Group) -> None:
    status = root.stat()
    ready = status.st_gid == group.number and status.st_mode & FOLDER_BITS == FOLDER_BITS
    if not ready and os.geteuid() not in (0, status.st_uid):
        raise StorageError(
            f"{root} belongs to user {status.st_uid}, and only that user, or root, can give it to "
            f"the group {group.name}: have them run `localreg init --shared`",
            path=str(root),
        )


def _make_journal(registry: OpenRegistry) -> None:
    """Make the file of a rollback journal, which SQLite would make a moment too narrow."""
    if (
        registry.store.journal_mode() == "wal"
    ):  # made anew each time; who opens the database waits for its mode
        return
    journal = registry.store.path.with_name(f"{registry.store.path.name}-journal")
    with suppress(FileExistsError):
        descriptor = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660)
        try:
            share(descriptor, registry.store.group)
        finally:
            os.close(descriptor)


def flaws(registry: OpenRegistry, group: int) -> Iterator[Flaw]:
    """Yield what in a registry keeps a group out, or lets everybody write.

    Args:
        group: its number.

    Raises:
        StorageError: the directory cannot be looked at.
    """
    with disk_errors("looking who may use the registry", registry.root):
        for path, folder, needs in _entries(registry):
            try:
                status = path.lstat()
            except FileNotFoundError:  # deleted meanwhile
                continue
            if stat.S_ISLNK(status.st_mode):  # not followed, and `verify` tells
                continue
            mode = stat.S_IMODE(status.st_mode)
            wanted = (mode | (FOLDER_BITS if folder else needs)) & ~0o002
            if folder:
                wanted &= ~stat.S_ISVTX  # in a sticky folder only owners delete
            told = [] if status.st_gid == group else [f"belongs to {group_name(status.st_gid)}"]
            if mode != wanted:
                told.append(f"has mode {mode:04o}, not {wanted:04o}")
            if told:
                name = str(path.relative_to(registry.root))
                yield Flaw(name, f"{' and '.join(told)} (user {status.st_uid})", wanted)


def _entries(registry: OpenRegistry) -> Iterator[tuple[Path, bool, int]]:
    """Yield what the registry made, whether it is a folder, and what of a file the group needs."""
    root, read, write = registry.root, 0o040, 0o060
    yield root, True, 0
    for file in sorted(set(root.glob(f"{registry.store.path.name}*")) - set(root.glob("*.new"))):
        yield file, False, read if file.name.endswith(".backup") else write
    for top in (*(names[0] for names in FOLDERS), QUARANTINE):
        yield root / top, True, 0
        for place, folders, names in os.walk(root / top):
            # Hidden is what is not ready; so is all that is in tmp.
            folders[:] = [name for name in folders if not name.startswith(".") and top != TEMPORARY]
            for name in folders:  # not only those that can be looked into
                yield Path(place) / name, True, 0
            for name in names:
                if not name.startswith(".") and top != TEMPORARY:
                    needs = write if top == LOCKS and name.endswith(".lock") else read
                    yield Path(place) / name, False, needs


def mend(registry: OpenRegistry, group: int) -> int:
    """Give the group what keeps it out, as far as it is this user's; return how much that was."""
    mended = 0
    for flaw in list(flaws(registry, group)):
        path = registry.root / flaw.path
        # Another user's, who has to do it, or gone by now.
        with suppress(PermissionError, FileNotFoundError):
            os.chown(path, -1, group, follow_symlinks=False)
            _chmod(path, flaw.mode)
            mended += 1
    return mended


def _chmod(path: Path, mode: int) -> None:
    """Change a mode, without following a link, and without opening a file.

    To open and close the database would drop the locks that this process has on it.
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
    """Return the folders above a registry that members of a group may not pass."""
    found = []
    for folder in registry.root.parents:
        status = folder.stat()
        needed = 0o010 if status.st_gid == group else 0o001
        if not status.st_mode & needed:
            found.append(folder)
    return found
