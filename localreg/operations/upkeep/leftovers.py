"""What dead processes left: unfinished files, in the registry and outside, and uploads.

`localreg.values.layout` lists the names.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.local_files import readonly_registry
from localreg.blobs.trees import local_tree
from localreg.errors import InvalidURLError, RegistryError, WeightsError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import content_of
from localreg.filesystem.portable_files import remove_file
from localreg.filesystem.temporary_owners import is_alive, is_marked
from localreg.operations.weights import uploading
from localreg.registry import OpenRegistry
from localreg.store.rows import (
    blob_rows,
    model_rows,
    overview_rows,
    task_rows,
    tree_rows,
    upload_rows,
)
from localreg.store.rows.upload_rows import UploadRow
from localreg.values.frozen import Frozen
from localreg.values.layout import (
    FILES,
    OUTSIDE_NOTE,
    QUARANTINE,
    REPORTS,
    TEMPORARY,
    TREES,
    UNFINISHED_DOWNLOAD,
    UNFINISHED_IN,
    owner_of_unfinished,
)
from localreg.values.records import Owner
from localreg.values.urls import is_sha256, local_path, public_url

OTHER_MACHINE_SECONDS = 3_600.0  # at least, for a file that another machine may be writing
_PAGE = re.compile(r"[0-9a-f]{32}\.html")
LOST_SECONDS = 30 * 86_400.0  # then an upload is forgotten whose destination cannot be reached
DEAD_PROCESS = "its process is dead"
_LONGEST_PATH = 65_536  # bytes; longer than any system allows
NOT_RECORDED = "an upload that no model has"


class Candidate(Frozen, kw_only=True):
    """Something to delete.

    Attributes:
        kind, path, why: as in `localreg.operations.upkeep.gc.Garbage`.
        size: in bytes.
        due: when it may be deleted, in seconds since 1970; 0 for at once.
        delete: deletes it if it is still garbage, and returns True if it did.
        trouble: why it cannot be deleted; None if it can.
        named: False if nothing is there, and `delete` only forgets a row.
        blobs: digests of what is deleted with others, not by `delete`; packages first.
    """

    kind: str
    path: str
    why: str
    size: int
    due: float
    delete: Callable[[], bool]
    trouble: str | None = None
    named: bool = True
    blobs: tuple[str, ...] = ()


def in_temporary_folder(registry: OpenRegistry, grace: float) -> Iterator[Candidate]:
    """Yield what dead processes left in ``tmp``, and in folders of the user.

    Args:
        grace: seconds that an unfinished download is kept for the next download of its URL, and
            what else may belong to a living process of another machine.
    """
    for path in entries(registry.blobs.folder_path(TEMPORARY)):
        if path.name.startswith(f"{OUTSIDE_NOTE}-"):
            yield from _outside(registry, path, grace)
        # The next download of the same URL can continue an unfinished one.
        elif path.name.startswith(UNFINISHED_DOWNLOAD):
            yield from _leftover(registry, path, grace, why="an unfinished download", wait=True)
        else:
            yield from _leftover(registry, path, grace)


def beside_what_is_finished(registry: OpenRegistry, grace: float) -> Iterator[Candidate]:
    """Yield what dead processes left in the other folders; `grace` as above."""
    for name, levels in UNFINISHED_IN.items():
        for path in _unfinished(registry.blobs.folder_path(*filter(None, [name])), levels):
            yield from _leftover(registry, path, grace)
    for folder in readonly_registry.folders_elsewhere():
        for path in (
            *_unfinished(folder, 0),
            *_unfinished(folder / FILES, 1),
            *_unfinished(folder / TREES, 0),
        ):
            yield from _leftover(registry, path, grace)


def stale_pages(registry: OpenRegistry, grace: float) -> Iterator[Candidate]:
    """Yield the pages of models and tasks that were removed."""
    for kind, present in (("model", model_rows.present), ("task", task_rows.present)):
        folder = registry.blobs.folder_path(REPORTS, f"{kind}s")
        owners = [name.removesuffix(".html") for name in names(folder) if _PAGE.fullmatch(name)]
        if not owners:
            continue
        with registry.store.read() as connection:
            there = present(connection, owners)
        for owner in (Owner(kind, each) for each in owners if each not in there):
            path = folder / f"{owner.id}.html"
            if changed := last_change(path):
                yield Candidate(
                    kind="stray",
                    path=shown_path(registry, path),
                    why=f"the page of a {kind} that was removed",
                    size=size_below(path),
                    due=changed + grace,
                    delete=lambda path=path, owner=owner: (  # type: ignore[misc]  # bound now
                        not _exists(registry, owner) and deletion(path)()
                    ),
                )


def _exists(registry: OpenRegistry, owner: Owner) -> bool:
    with registry.store.read() as connection:
        return overview_rows.last_change(connection, owner) is not None


def uploads(registry: OpenRegistry, grace: float) -> Iterator[Candidate]:
    """Yield what dead processes left at the destinations of uploads; `grace` as above."""
    with registry.store.read() as connection:
        rows = upload_rows.uploads(connection)
    for row in rows:
        yield from _upload(registry, row, grace)


def _leftover(
    registry: OpenRegistry, path: Path, grace: float, *, why: str = DEAD_PROCESS, wait: bool = False
) -> Iterator[Candidate]:
    """Yield a temporary file or folder, unless its process lives.

    Args:
        wait: also wait for the grace period when it is dead.
    """
    changed = last_change(path)
    due = None if changed is None else _due(_owner(path), changed, grace, wait=wait)
    if due is not None:
        yield Candidate(
            kind="leftover",
            path=shown_path(registry, path),
            why=why,
            size=size_below(path),
            due=due,
            delete=deletion(path),
        )


def _owner(path: Path) -> str:
    return owner_of_unfinished(path.name) or path.name


def _due(owner: str, changed: float, grace: float, *, wait: bool = False) -> float | None:
    """Return when something may be deleted; None as long as its process lives."""
    alive = is_alive(owner)
    if alive:
        return None
    if alive is None and is_marked(owner):  # of another machine or container: we cannot ask
        return changed + max(grace, OTHER_MACHINE_SECONDS)
    return changed + grace if alive is None or wait else 0.0


def _unfinished(folder: Path, levels: int) -> Iterator[Path]:
    """Yield what is unfinished in a folder, and in those so many levels below; no link is followed.

    It uses text, since hundreds of thousands of folders have local files.
    """
    if not folder.is_symlink():
        with disk_errors("looking for what can be deleted", folder):
            yield from map(Path, sorted(_unfinished_below(str(folder), levels)))


def _unfinished_below(folder: str, levels: int) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            for each in found:
                if each.name.startswith(".") and owner_of_unfinished(each.name) is not None:
                    yield each.path
                elif levels and each.is_dir(follow_symlinks=False):
                    yield from _unfinished_below(each.path, levels - 1)
    except (FileNotFoundError, NotADirectoryError):  # none yet, or deleted meanwhile
        return


def _outside(registry: OpenRegistry, note: Path, grace: float) -> Iterator[Candidate]:
    """Yield what a dead process left in a folder of the user, and the note that names it."""
    with suppress(OSError, ValueError):  # deleted meanwhile, or no path
        folder = Path(os.fsdecode(content_of(note, _LONGEST_PATH) or b""))
        for path in _unfinished(folder, 0) if folder.is_absolute() else ():
            if note.name.endswith(_owner(path)):
                yield from _leftover(registry, path, grace)
    yield from _leftover(registry, note, grace)


def in_quarantine(registry: OpenRegistry, grace: float) -> Iterator[Candidate]:
    """Yield what was moved to quarantine and is not needed any more.

    That are damaged files of which a good copy is here by now, and the folders of packages that
    somebody changed, after the grace period. One with files that are not of the package stays: a
    user put them there. So does one of a package that is gone, of which that is not known.
    """
    elsewhere = [folder / QUARANTINE for folder in readonly_registry.folders_elsewhere()]
    for path in (path for folder in (registry.blobs.folder_path(QUARANTINE), *elsewhere)
                 for path in entries(folder)):  # fmt: skip
        digest = path.name.partition(".")[0]
        if not is_sha256(digest):
            continue
        if path.is_symlink() or path.is_dir():
            yield from _changed_folder(registry, path, grace)
            continue
        with registry.store.read() as connection:
            row = blob_rows.blob(connection, digest)
        ctime = registry.blobs.ctime(digest)
        good = row is not None and row.verified is not None and ctime == row.ctime
        if row is not None and good and registry.blobs.has(digest, row.size):
            yield Candidate(
                kind="leftover",
                path=shown_path(registry, path),
                why="a damaged file, of which a good copy is here",
                size=size_below(path),
                due=0.0,
                delete=deletion(path),
            )


def _changed_folder(registry: OpenRegistry, path: Path, grace: float) -> Iterator[Candidate]:
    changed = last_change(path)
    with registry.store.read() as connection:
        known = tree_rows.entries(connection, path.name.partition(".")[0])
    if changed is not None and known and not local_tree.added(path, known):
        yield Candidate(
            kind="leftover",
            path=shown_path(registry, path),
            why="the folder of a package that was changed, and made again",
            size=size_below(path),
            due=changed + grace,
            delete=deletion(path),
        )


def _upload(registry: OpenRegistry, row: UploadRow, grace: float) -> Iterator[Candidate]:
    """Yield what an upload left at its destination that was not recorded."""
    begun = row.at / 1e6
    due = _due(row.owner, begun, grace)
    if due is None:
        return

    def forget() -> bool:
        with registry.store.write() as change:
            upload_rows.forget(change.connection, row.id)
        return True

    def withdraw() -> bool:
        uploading.withdraw(registry, row)
        return True

    shown = public_url(row.url)
    try:
        left = uploading.left_of(registry, row)
    except (RegistryError, WeightsError, InvalidURLError) as error:
        lost = time.time() - begun > LOST_SECONDS
        yield Candidate(
            kind="leftover",
            path=shown,
            why="an upload whose destination was not reached for 30 days",
            size=0,
            due=due,
            delete=forget,
            trouble=None if lost else str(error),
        )
        return
    places = [local_path(url) for url in left]
    yield Candidate(
        kind="leftover",
        path=", ".join(str(place or shown) for place in places) or shown,
        why=NOT_RECORDED,
        size=sum(size_of(place) or 0 for place in places if place is not None),
        due=due,
        delete=withdraw if left else forget,
        named=bool(left),
    )


def shown_path(registry: OpenRegistry, path: Path) -> str:
    """Return a path relative to the registry, if it is in it."""
    root = registry.root
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted; nothing if it does not exist, or is a link."""
    with disk_errors("looking for what can be deleted", folder), suppress(FileNotFoundError):
        return sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    return []


def names(folder: Path) -> list[str]:
    """Return the names of what is in a folder, sorted; nothing if it does not exist."""
    with disk_errors("looking for what can be deleted", folder), suppress(FileNotFoundError):
        return sorted(os.listdir(folder)) if folder.is_dir() and not folder.is_symlink() else []
    return []


def last_change(path: Path) -> float | None:
    """Return when a file, or a file in a folder, was last changed; None if it is gone."""
    try:
        status = path.lstat()
        newest = max(status.st_ctime, status.st_mtime)
        if stat.S_ISDIR(status.st_mode):
            newest = max([newest, *(each.lstat().st_ctime for each in entries(path))])
    except FileNotFoundError:  # deleted meanwhile
        return None
    return newest


def correct_times(path: Path) -> None:
    """Give a file, or a folder and what is in it, the present time."""
    for each in (path, *entries(path)):
        if not each.is_symlink():
            with suppress(OSError):  # gone, or of another user
                os.utime(each)


def size_below(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; files with other links count 0."""
    files = [path]
    if path.is_dir() and not path.is_symlink():
        files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    size = 0
    for each in files:
        with suppress(FileNotFoundError):  # deleted meanwhile
            size += (size_of(each) or 0) if each.lstat().st_nlink == 1 else 0
    return size


def deletion(path: Path) -> Callable[[], bool]:
    """Return a function that deletes a file or a folder; it returns False if it was gone."""

    def delete() -> bool:
        if not os.path.lexists(path):
            return False
        if path.is_dir():
            from localreg.blobs.archives.unpacking import remove_tree

            remove_tree(path)
        else:
            remove_file(path, missing_ok=True)
        return True

    return delete
