"""Local copies of packages: ``trees/<digest>/``, read-only folders of hard links to blobs.

- A folder is made under a temporary name beside its place and renamed, so it is complete or
  missing. Everything in it can be made again from the blobs.
- Its files may be changed, added or deleted by anybody who may write there. So its names, kinds,
  sizes and executable bits are compared with the rows of the package before it is given out again.
- Modes belong to the inode, so an executable file is a clone or a copy. So is every file where
  links are impossible: it gets the time of its blob, as in `localreg.blobs.local_files.copying`.
  The external data of ONNX models are copies, too: the onnx library refuses other hard links.
- The rows may be a stranger's: a path is checked when it is read, nothing that exists is opened
  or replaced, and no link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg.errors import StorageError
from localreg.filesystem.disk_errors import FULL, disk_errors
from localreg.filesystem.group_modes import share_at
from localreg.filesystem.plain_files import kind_of
from localreg.filesystem.portable_files import (
    NOT_EMPTY,
    REFUSED_NAME,
    keeps_names,
    kept_name,
    make_executable,
    set_folder_mode,
)
from localreg.filesystem.syncing import sync_tree
from localreg.values.frozen import Frozen
from localreg.values.layout import QUARANTINE, TREES, quarantined_name
from localreg.values.manifest import Manifest, PackageFile
from localreg.values.paths import printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.folders import Folders

# (path, size, executable, blob): what `localreg.store.rows.tree_rows.entries` reads.
Entry = tuple[str, int, int, "int | None"]
# Returns the path of a file's sound bytes, and True if they may be linked to.
Find = Callable[[PackageFile], "tuple[str, bool]"]

_SHOWN = 5  # differences in a message
_RUN = 0o100  # the bit of the owner
_KIND_AND_RUN = 0o170_000 | _RUN
_FILE, _PROGRAM = stat.S_IFREG, stat.S_IFREG | _RUN


class Seen(Frozen):
    """What is at a path: its device and inode number."""

    device: int
    inode: int


def place_of(store: Folders, digest: str) -> Path:
    """Return the path of the folder of a package, which need not exist.

    It is elsewhere if the registry cannot be written to.
    """
    return _trees(store, make=False) / digest


def _trees(store: Folders, *, make: bool) -> Path:
    if store.cache_name is None:
        return store.make_folder(TREES) if make else store.folder_path(TREES)
    from localreg.blobs.local_files.readonly_registry import place_elsewhere

    return place_elsewhere(store.cache_name, TREES)


def whole_tree(root: str, digest: str, entries: Sequence[Entry]) -> str | None:
    """Return the folder of a package in a registry if it exists and is whole, or None.

    It uses text, which is faster than `Path`: most calls for a package end here.

    Args:
        root: the directory of the registry.
        entries: the recorded files and empty folders.
    """
    trees = f"{root}/{TREES}"
    try:
        if not stat.S_ISDIR(os.lstat(trees).st_mode):
            return None
    except OSError:
        return None
    folder = f"{trees}/{digest}"
    return folder if is_whole(folder, entries) else None


def is_whole(folder: str, entries: Sequence[Entry]) -> bool:
    """Return True if a folder has exactly these files, with their sizes and executable bits.

    It may be whole all the same if this is False: `differences` knows more, and takes longer.
    """
    wanted = {entry[0]: entry for entry in entries}
    left = [("", folder)]
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return False
        while left:
            prefix, place = left.pop()
            empty = True
            with os.scandir(place) as found:
                for each in found:
                    empty = False
                    path = prefix + each.name
                    entry = wanted.pop(path, None)
                    if entry is not None and entry[3] is not None:
                        status = each.stat(follow_symlinks=False)
                        kind = _PROGRAM if entry[2] else _FILE
                        if status.st_size != entry[1] or status.st_mode & _KIND_AND_RUN != kind:
                            return False
                    elif each.is_dir(follow_symlinks=False):
                        left.append((f"{path}/", each.path))
                        if entry is not None:  # an empty folder, if it is empty
                            wanted[path] = entry
                    else:
                        return False
            if empty and wanted.pop(prefix[:-1], None) is None:
                return False
    except OSError:  # changed meanwhile, or unreadable
        return False
    return not wanted


def seen_at(place: Path) -> Seen | None:
    """Return what is at a path, without following a link; None for nothing."""
    try:
        status = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Seen(status.st_dev, status.st_ino)


@contextmanager
def kept_open(place: Path) -> Iterator[Seen | None]:
    """Yield what is at a path; meanwhile no other folder can get the inode number of this one."""
    directory = getattr(os, "O_DIRECTORY", None)
    if directory is None:  # a system that opens no folders
        yield seen_at(place)
        return
    try:
        handle = os.open(place, os.O_RDONLY | directory | os.O_NOFOLLOW)
    except OSError:  # no folder, or a closed one
        yield seen_at(place)
        return
    try:
        status = os.fstat(handle)
        yield Seen(status.st_dev, status.st_ino)
    finally:
        os.close(handle)


def differences(folder: Path, entries: Sequence[Entry], *, executable: bool) -> list[str]:
    """Return how a folder differs from what is recorded of a package, a sentence each.

    Args:
        executable: False if the executable bits of files mean nothing there.
    """
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:  # another process is replacing it
        return ["it is missing"]
    if not stat.S_ISDIR(mode):
        return [f"it is {kind_of(mode)} now"]
    wanted = {path: (size, run, blob) for path, size, run, blob in entries}
    folders = {above for path in wanted for above in _above(path)}
    may_hold = folders | {path for path, (_, _, blob) in wanted.items() if blob is None}
    found, wrong = _found_in(folder)
    # Some systems list names in another form of Unicode than the one that was asked for.
    forms = {_composed(path): path for path in (*wanted, *folders)}
    found = {
        path if path in wanted or path in folders else forms.get(_composed(path), path): status
        for path, status in found.items()
    }
    for path, status in sorted(found.items()):
        if path in wanted:
            wrong += _difference(path, status, *wanted[path], executable=executable)
        elif path not in folders and all(each in may_hold for each in _above(path)):
            wrong.append(f"{printable_path(path)} was added")
        elif path in folders and not stat.S_ISDIR(status.st_mode):
            wrong.append(f"{printable_path(path)} is {kind_of(status.st_mode)} now")
    for path in sorted({*wanted, *folders} - set(found)):
        if not any(each not in found or not stat.S_ISDIR(found[each].st_mode)
                   for each in _above(path)):  # fmt: skip
            wrong.append(f"{printable_path(path)} is missing")
    return wrong


def added(folder: Path, entries: Sequence[Entry]) -> list[str]:
    """Return the paths below a folder that are none of a package: somebody put them there."""
    wanted = {entry[0] for entry in entries}
    known = wanted | {above for path in wanted for above in _above(path)}
    forms = set(map(_composed, known))
    found, _ = _found_in(folder)
    return [path for path in found if _composed(path) not in forms]


def _found_in(folder: Path) -> tuple[dict[str, os.stat_result], list[str]]:
    """Return the status of everything below a folder by its path, and what cannot be read."""
    found: dict[str, os.stat_result] = {}
    wrong: list[str] = []
    left = [("", str(folder))]
    while left:
        prefix, place = left.pop()
        try:
            with os.scandir(place) as entries:
                for each in entries:
                    with suppress(FileNotFoundError):  # deleted meanwhile; the others are there
                        found[prefix + each.name] = each.stat(follow_symlinks=False)
                    if each.is_dir(follow_symlinks=False):
                        left.append((f"{prefix}{each.name}/", each.path))
        except FileNotFoundError:  # deleted meanwhile
            continue
        except OSError as error:
            wrong.append(f"{prefix[:-1] or 'it'} cannot be read ({error.strerror})")
    return found, wrong


def _above(path: str) -> Iterator[str]:
    """Yield the folders that a path is in, the innermost first."""
    while path := path.rpartition("/")[0]:
        yield path


def _difference(
    path: str, status: os.stat_result, size: int, run: int, blob: int | None, *, executable: bool
) -> list[str]:
    shown = printable_path(path)
    is_folder = stat.S_ISDIR(status.st_mode)
    if is_folder if blob is not None else not is_folder:
        return [f"{shown} is {kind_of(status.st_mode)} now"]
    if blob is None:
        return []
    if not stat.S_ISREG(status.st_mode):
        return [f"{shown} is {kind_of(status.st_mode)} now"]
    if status.st_size != size:
        return [f"{shown} has {status.st_size:,} bytes of {size:,}"]
    if executable and bool(status.st_mode & _RUN) != bool(run):
        return [f"{shown} is {'not executable any more' if run else 'executable now'}"]
    return []


def changed_bytes(folder: Path, files: Iterable[PackageFile]) -> list[str]:
    """Hash the files of a package in its folder; return which have other bytes, a sentence each."""
    from localreg.blobs.staging.hashing import file_digest

    known: dict[Seen | None, str] = {}
    wrong = []
    for file in files:
        path = folder / file.path
        try:
            seen = seen_at(path)
            if seen not in known:
                known[seen] = file_digest(path)
        except OSError as error:
            wrong.append(f"{printable_path(file.path)} cannot be read ({error.strerror})")
            continue
        if known[seen] != file.digest:
            wrong.append(f"{printable_path(file.path)} has changed bytes")
    return wrong


def keeps_executable_bits(probe: Path) -> bool:
    """Return True if files in a folder are executable or not, as a program wants them.

    On FAT all of them are, or none is; on Windows the name decides.

    Args:
        probe: a new path in the folder; a file is made there.
    """
    probe.touch(0o600)
    with suppress(PermissionError):
        probe.chmod(0o600)
        plain = probe.stat().st_mode & _RUN
        probe.chmod(0o700)
        return not plain and bool(probe.stat().st_mode & _RUN)
    return False


@contextmanager
def new_tree(store: Folders, digest: str, manifest: Manifest, find: Find) -> Iterator[Path]:
    """Make the folder of a package under a temporary name; it is deleted if it is still there.

    Args:
        digest: of the manifest.
        manifest: the files and the empty folders.
        find: returns the path of the bytes of a file, and True if they may be linked to.

    Raises:
        StorageError: this file system does not accept a name, or has one name for two of them.
    """
    from localreg.blobs.archives.unpacking import remove_tree
    from localreg.filesystem.temporary_owners import unfinished

    temporary = unfinished(_trees(store, make=True) / digest)
    with disk_errors("making a local copy of a package", temporary):
        temporary.mkdir()
        try:
            share_at(temporary, store.group)
            _Making(temporary, store.group, find).run(manifest, sync=store.durable)
            yield temporary
        finally:
            if os.path.lexists(temporary):
                remove_tree(temporary)


class _Making:
    """One folder that is made: the folders in it so far, and the number of copied files."""

    def __init__(self, target: Path, group: int | None, find: Find) -> None:
        self._target = str(target)
        self._group = group
        self._find = find
        self._folders = {""}
        self._files: list[str] = []
        self._copies = 0

    def run(self, manifest: Manifest, *, sync: bool) -> None:
        for folder in manifest.folders:
            self._make_folders(folder)
        for file in manifest.files:
            above, _, name = file.path.rpartition("/")
            self._make_folders(above)
            self._check_name(name, file.path)
            source, may_link = self._find(file)
            try:
                self._make(file, source, may_link=may_link)
            except OSError as error:
                if error.filename == source or not self._is_about_name(error):
                    raise
                raise self._refused(file.path, error) from error
            self._files.append(file.path)
        self._make_readonly()
        # Names that a power failure loses are missed at the next look; lost bytes are not.
        if self._copies and sync:
            sync_tree(Path(self._target))

    def _make(self, file: PackageFile, source: str, *, may_link: bool) -> None:
        target = f"{self._target}/{file.path}"
        if may_link and not file.executable:
            try:
                os.link(source, target)
            except FileExistsError as error:  # it names the source first
                raise FileExistsError(error.errno, error.strerror, target) from None
            except OSError as error:  # no hard links here, too many, or another user's file
                if error.errno in FULL:
                    raise
            else:
                return
        from localreg.blobs.local_files.copying import copy_file

        if os.path.lexists(target):
            raise FileExistsError(target)
        copy = Path(target)
        copy_file(Path(source), copy, self._group, sync=False)
        self._copies += 1
        if file.executable:
            make_executable(copy)

    def _make_folders(self, path: str) -> None:
        new = []
        while path not in self._folders:
            new.append(path)
            path = path.rpartition("/")[0]
        for each in reversed(new):
            self._check_name(each.rpartition("/")[2], each)
            place = f"{self._target}/{each}"
            try:
                os.mkdir(place)  # noqa: PTH102  (text is faster)
                share_at(place, self._group)
            except OSError as error:
                if not self._is_about_name(error):
                    raise
                raise self._refused(each, error) from error
            self._folders.add(each)

    def _check_name(self, name: str, path: str) -> None:
        if not keeps_names() and kept_name(name) != name:
            raise self._not_here(f"this system does not keep the name {printable_path(path)!r}")

    @staticmethod
    def _is_about_name(error: OSError) -> bool:
        return isinstance(error, FileExistsError) or error.errno in REFUSED_NAME

    def _refused(self, path: str, error: OSError) -> StorageError:
        """Return the error for a name that this file system refuses, or has already."""
        shown = printable_path(path)
        if isinstance(error, FileExistsError):
            others = (*self._files, *self._folders)
            other = next((each for each in others if _folded(each) == _folded(path)), path)
            return self._not_here(
                f"{printable_path(other)!r} and {shown!r} have the same name there"
            )
        return self._not_here(
            f"it does not accept the name {shown!r}, or its path is too long ({error.strerror})"
        )

    def _not_here(self, why: str) -> StorageError:
        return StorageError(
            f"the package cannot be a folder on this file system: {why}; nothing was made. Get a "
            "single file of it (file=…), or an archive (extract_archive=False), or move the "
            "registry to another file system",
            path=self._target,
        )

    def _make_readonly(self) -> None:
        if self._group is not None:  # members who do not own the folders must delete files in them
            return
        for name in sorted(self._folders, reverse=True):  # inner folders first
            place = Path(self._target) / name
            set_folder_mode(place, stat.S_IMODE(place.stat().st_mode) & 0o555)


def _composed(path: str) -> str:
    import unicodedata  # most programs need it for nothing

    return unicodedata.normalize("NFC", path)


def _folded(path: str) -> str:
    return _composed(path).casefold()


def put_in_place(
    store: Folders, digest: str, temporary: Path, damaged: Seen | None
) -> tuple[bool, Path | None]:
    """Give the folder that `new_tree` made its name.

    Args:
        damaged: what is there instead; it is moved to ``quarantine``, unless another process did
            that. Processes that do it at the same time must wait for each other.

    Returns:
        False if another process was faster; and the new path of what was moved away.
    """
    trees = temporary.parent
    place = trees / digest
    with disk_errors("making a local copy of a package", place):
        moved = None
        if damaged is not None and seen_at(place) == damaged:
            moved = quarantine(store, digest, place)
        try:
            temporary.rename(place)
        except OSError as error:
            # It was there, and may have been moved away since.
            if error.errno not in NOT_EMPTY and not os.path.lexists(place):
                raise
            return False, moved
        store.sync(trees)
    return True, moved


def put_aside(place: Path) -> Path:
    """Give a folder that is to be deleted the name of an unfinished one, and return that.

    Without it another process would find a part of the folder in its place.
    """
    from localreg.filesystem.temporary_owners import unfinished

    target = unfinished(place)
    try:
        place.rename(target)
    except FileNotFoundError:  # deleted meanwhile
        return place
    return target


def quarantine(store: Folders, digest: str, place: Path) -> Path | None:
    """Move the folder of a package to ``quarantine``; return its new path, None if it was gone."""
    if store.cache_name is None:
        folder = store.make_folder(QUARANTINE)
    else:
        from localreg.blobs.local_files.readonly_registry import place_elsewhere

        folder = place_elsewhere(store.cache_name, QUARANTINE)
    target = folder / quarantined_name(digest)
    try:
        with suppress(PermissionError):  # of another user; perhaps it can be moved as it is
            mode = place.lstat().st_mode
            if stat.S_ISDIR(mode):  # a folder that is read-only cannot be moved to another one
                set_folder_mode(place, stat.S_IMODE(mode) | 0o700)
        place.rename(target)
    except FileNotFoundError:  # another process moved it
        return None
    return target


def shown(wrong: list[str]) -> str:
    """Return differences as the middle of a sentence, the first few of them."""
    more = len(wrong) - _SHOWN
    return ", ".join(wrong[:_SHOWN]) + (f", and {more:,} more" if more > 0 else "")
