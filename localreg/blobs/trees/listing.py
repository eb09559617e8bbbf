"""List the files of a package: those of a folder, with the folders below it, or single ones."""

from __future__ import annotations

import errno
import os
import stat
from collections import namedtuple
from collections.abc import Callable, Sequence
from pathlib import Path

from localreg.blobs.archives.unpacking import limits_from_environment
from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.kinds import filesystem_type
from localreg.filesystem.plain_files import FileStatus, plain_status, status_of
from localreg.values import settings
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path, is_utf8, printable_path

TYPE_CHECKING = False

# Called with a path relative to the folder, with slashes, and True for a folder; returns True if
# that is to be left out.
Excluded = Callable[[str, bool], bool]

_ARGUMENT = "weights_url"
_EXECUTABLE = 0o100
# All files have the same mode there, or one by their ending.
_WITHOUT_MODES = frozenset(
    "vfat msdos exfat ntfs ntfs3 fuseblk fuse.exfat fuse.ntfs fuse.ntfs-3g cifs smb3 9p".split()
)
_HUB_FOLDERS = ("models--", "datasets--", "spaces--")


if TYPE_CHECKING:
    from typing import NamedTuple

    class _Facts(NamedTuple):
        name: str
        path: str
        status: FileStatus | None
        executable: bool = False
        linked: bool = False

    # Its path, the prefix of the names in it, it and those above it, and if a link leads to it.
    _Folder = tuple[str, str, tuple[tuple[int, int], ...], bool]
else:  # the same without importing typing
    _Facts = namedtuple(
        "_Facts", ("name", "path", "status", "executable", "linked"), defaults=(False, False)
    )


class Entry(_Facts):
    """A file or empty folder of a package.

    A tuple, since thousands are made and compared for a package.

    Attributes:
        name: its path in the package, with slashes.
        path: where it is.
        status: of a file, to see if it changes; None for an empty folder.
        executable: True if its owner may run it.
        linked: True if a symbolic link below the folder leads to it.
    """

    __slots__ = ()

    @property
    def size(self) -> int:
        """The number of bytes; 0 for an empty folder."""
        return 0 if self.status is None else self.status.size


class Listing(Frozen):
    """What is in a folder.

    Attributes:
        entries: the files and the empty folders, sorted by name.
        left_out: the names that were excluded; of an excluded folder only its own, with a slash
            at the end.
    """

    entries: list[Entry]
    left_out: list[str]


def folder_entries(
    folder: Path, excluded: Excluded | None = None, *, may_be_empty: bool = False
) -> Listing:
    """Return the files and empty folders in a folder.

    Symbolic links are followed; those in a snapshot of the Hugging Face hub only inside its
    repository. A folder of which everything is excluded counts as empty.

    Args:
        folder: the folder.
        excluded: names what is left out.
        may_be_empty: return an empty list instead of an error.

    Raises:
        SourceNotFoundError: the folder does not exist.
        InvalidValueError: it is empty, has a circle of links, or holds something that a package
            cannot have, or more files than a package can have.
    """
    if not folder.is_dir():
        raise SourceNotFoundError(
            f"there is no folder {printable_path(folder)}; check the path", reference=str(folder)
        )
    walk = _Walk(folder, excluded)
    walk.run()
    if not walk.entries and not may_be_empty:
        what = "holds nothing but what is excluded" if walk.left_out else "is empty"
        raise _cannot(folder, what)
    walk.entries.sort()  # by name
    return Listing(_with_modes(folder, walk.entries), sorted(walk.left_out))


def file_entries(files: Sequence[Path]) -> list[Entry]:
    """Return single files under their names without folders, sorted by name.

    Raises:
        SourceNotFoundError: one of them does not exist.
        InvalidValueError: one is not a regular file, or two have the same name.
    """
    entries: dict[str, Entry] = {}
    for file in files:
        found = plain_status(file, "weights_filenames")
        _check_name(str(file.parent), file.name)
        if file.name in entries:
            raise InvalidValueError(
                f"{entries[file.name].path} and {file} would both be {file.name!r} in the package; "
                "give a folder in which they have different names",
                argument="weights_filenames",
            )
        entries[file.name] = Entry(
            file.name,
            str(file),
            status_of(found),
            found.st_mode & _EXECUTABLE != 0,
            file.is_symlink(),
        )
    return _with_modes(files[0].parent, sorted(entries.values()))


class _Walk:
    """One walk through a folder; not recursive, since folders may be deeper than Python's stack."""

    def __init__(self, folder: Path, excluded: Excluded | None) -> None:
        self.entries: list[Entry] = []
        self.left_out: list[str] = []
        self._folder = folder
        self._excluded = excluded
        self._repository = _hub_repository(folder)
        self._most = limits_from_environment().members
        found = folder.stat()
        place = (found.st_dev, found.st_ino)
        self._to_do: list[_Folder] = [(os.fspath(folder), "", (place,), folder.is_symlink())]

    def run(self) -> None:
        while self._to_do:
            path, prefix, above, linked = self._to_do.pop()
            with os.scandir(path) as listing:
                children = list(listing)
            kept = False
            for child in children:
                name = prefix + child.name
                if self._excluded is not None and self._excluded(name, is_folder := child.is_dir()):
                    self.left_out.append(f"{name}/" if is_folder else name)
                    continue
                kept = True
                self._take(child, name, above, linked, path)
            if not kept and prefix:
                self.entries.append(Entry(prefix[:-1], path, None, False, linked))
            if len(self.entries) > self._most:  # unpacking would refuse it
                raise _cannot(
                    self._folder,
                    f"holds more than {self._most:,} files, which {settings.UNPACK_MEMBERS} allows",
                )

    def _take(
        self,
        child: os.DirEntry[str],
        name: str,
        above: tuple[tuple[int, int], ...],
        linked: bool,
        folder: str,
    ) -> None:
        own = child.name
        # Most names are like this; to ask for more takes longer.
        if not own.isascii() or not own.isprintable() or "\\" in own or ":" in own:
            _check_name(folder, own, top=name == own)
        if child.is_symlink():
            linked = True
            self._check_link(child.path)
        try:
            found = child.stat()
        except FileNotFoundError:
            raise _cannot(child.path, "is a link to a file that does not exist") from None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise _cannot(child.path, "is a link that leads to itself") from None
        mode = found.st_mode
        if stat.S_ISREG(mode):
            self.entries.append(
                Entry(name, child.path, status_of(found), mode & _EXECUTABLE != 0, linked)
            )
        elif stat.S_ISDIR(mode):
            place = (found.st_dev, found.st_ino)
            if place in above:
                raise _cannot(
                    child.path, "is a link to a folder that contains it, so it never ends"
                )
            if not is_package_path(name):
                raise _cannot(child.path, "has a path that is too long")
            self._to_do.append((child.path, f"{name}/", (*above, place), linked))
        else:
            raise _cannot(child.path, "is a device, a pipe or a socket")

    def _check_link(self, path: str) -> None:
        if self._repository is None:
            return
        target = os.path.realpath(path)
        if not target.startswith(f"{self._repository}{os.sep}"):
            raise _cannot(
                path,
                f"is a link to {printable_path(target)}, outside the Hugging Face repository "
                f"{printable_path(self._repository)}; replace it by a copy",
            )


def _hub_repository(folder: Path) -> str | None:
    """Return the folder of the Hugging Face repository that a folder is a snapshot of, or None.

    Raises:
        InvalidValueError: it is the repository itself, which holds each file more than once.
    """
    parts = Path(os.path.realpath(folder)).parts
    for number, part in enumerate(parts):
        if not part.startswith(_HUB_FOLDERS):
            continue
        repository = Path(*parts[: number + 1])
        below = parts[number + 1 :]
        if below[:1] == ("snapshots",) and len(below) > 1:
            return str(repository)
        if not below and (repository / "snapshots").is_dir():
            found = sorted((repository / "snapshots").iterdir(), key=lambda each: each.name)
            example = f"{printable_path(found[0])}" if found else "it has none now: download it"
            raise _cannot(
                folder,
                "is the cache of a Hugging Face repository, which may hold several versions of "
                f"each file; add one of its snapshots instead ({example})",
            )
    return None


def _with_modes(folder: Path, entries: list[Entry]) -> list[Entry]:
    """Return entries without executable ones if the file system has no modes."""
    has_modes = hasattr(os, "geteuid") and (
        # Reading the table of mounts takes as long as listing a hundred files.
        any(each.status is not None and not each.executable for each in entries)
        or filesystem_type(folder) not in _WITHOUT_MODES
    )
    return entries if has_modes else [each._replace(executable=False) for each in entries]


def _check_name(folder: str, name: str, *, top: bool = True) -> None:
    if not is_utf8(name):
        raise _cannot(
            folder, f'holds a name that is not UTF-8: "{printable_path(name)}"; rename it'
        )
    if top and name[1:2] == ":" and name[0].isascii() and name[0].isalpha():
        raise _cannot(folder, f"holds a name that is a drive on other systems: {name!r}")
    if not is_package_path(name if top else f"a/{name}"):
        raise _cannot(folder, f"holds a name that not every system accepts: {name!r}")


def _cannot(path: str | Path, why: str) -> InvalidValueError:
    return InvalidValueError(
        f"{printable_path(path)} {why}; it cannot be kept as a package", argument=_ARGUMENT
    )
