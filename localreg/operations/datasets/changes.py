"""Changing the files of a data set that is not finalized: each change is one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from localreg.blobs.trees.listing import Entry, Listing, file_entries, folder_entries
from localreg.errors import CorruptBlobError, InvalidValueError, SourceNotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.operations.datasets import contents, looking
from localreg.operations.datasets.contents import Files
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.packages import (
    StagedPackage,
    check_source,
    keep_files,
    keep_package,
    known_package,
    record_files,
    staged_files,
)
from localreg.operations.weights.remote_packages import bring_package
from localreg.operations.weights.sources import Source
from localreg.registry import Chain
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, dataset_rows
from localreg.values.checks import check_text, shown
from localreg.values.datasets import DatasetFile, globbed, matches
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path, is_utf8, not_utf8, printable_path
from localreg.values.urls import is_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress


class Changed(Frozen):
    """How many files a change added, modified and removed; and their paths, sorted."""

    added: tuple[str, ...]
    modified: tuple[str, ...]
    removed: tuple[str, ...] = ()


def begin(chain: Chain, dataset_id: str) -> None:
    """Make the files of a data set ones that can be changed; do nothing if they are.

    Raises:
        ConflictError: it is finalized.
        CorruptBlobError: bytes of a parent are missing.
    """
    registry = chain.first
    registry.store.check_writable()
    while True:
        with registry.store.read() as connection:
            row = looking.require_open(connection, dataset_id)
            if dataset_rows.counters(connection, dataset_id) is not None:
                return
        parts = contents.parts(chain, Found(registry, dataset_id), row)
        packages = [_known(chain, each.tree) if each.tree else None for each in parts]
        with registry.store.write() as change:
            looking.require_open(change.connection, dataset_id)
            if dataset_rows.counters(change.connection, dataset_id) is not None:
                return
            if all(
                each is None or keep_package(registry, change, each) is not None
                for each in packages
            ):
                dataset_rows.begin(change.connection, dataset_id)
                for part, package in zip(parts, packages, strict=True):
                    dataset_rows.put(change.connection, dataset_id, _files_of(package))
                    dataset_rows.put(change.connection, dataset_id, part.links)
                return
        # Bytes were deleted between the two; look again.


def _files_of(package: StagedPackage | None) -> list[DatasetFile]:
    return [
        DatasetFile(each.path, each.digest, each.size, each.executable)
        for each in (() if package is None else package.manifest.files)
    ]


def _known(chain: Chain, digest: str) -> StagedPackage:
    found = known_package(chain, digest)
    if found is None and bring_package(chain, chain.first, digest):
        found = known_package(chain, digest)
    if found is None:
        raise CorruptBlobError(
            f"bytes of the package {digest[:12]}…, which the data set begins with, are missing or "
            "damaged; `localreg verify` says which",
            digest=digest,
            path=str(chain.first.blobs.path(digest)),
        )
    return found


def add_files(
    chain: Chain,
    dataset_id: str,
    path: object,
    *,
    patterns: object = None,
    base_folder: object = None,
    folder: object = None,
    recursive: bool = True,
    progress: Progress | None = None,
) -> Changed:
    """Add a file, or the files of a folder, to a data set; their bytes are kept at once.

    Args:
        path: of the file or folder.
        patterns: of the names of a folder that are added; None for all.
        base_folder: the folder that paths in the data set begin at; `path` if None.
        folder: where in the data set they are put.
        recursive: also add what is in folders below.
        progress: called with the number of bytes that were kept.

    Raises:
        SourceNotFoundError: there is no such file or folder.
        ConflictError: the data set is finalized.
    """
    look = _look(path, patterns, base_folder, folder, recursive)
    begin(chain, dataset_id)
    check_source(chain.first, Source(path=look.path, filename=None))
    source = Source(path=None, filename=None, look=look.listing, progress=progress)
    return _keep(chain, dataset_id, source)


def sync_folder(
    chain: Chain,
    dataset_id: str,
    path: object,
    *,
    folder: object = None,
    progress: Progress | None = None,
) -> Changed:
    """Make a data set, or a folder of it, the same as a folder: files are added and removed.

    Raises:
        SourceNotFoundError: there is no such folder.
        ConflictError: the data set is finalized.
    """
    look = _look(path, None, None, folder, True)
    if not is_folder(look.path):
        raise SourceNotFoundError(
            f"{printable_path(look.path)} is no folder; add_files adds a file",
            reference=str(look.path),
        )
    begin(chain, dataset_id)
    check_source(chain.first, Source(path=look.path, filename=None))
    source = Source(path=None, filename=None, look=look.listing, progress=progress)
    return _keep(chain, dataset_id, source, below=look.prefix)


def _keep(chain: Chain, dataset_id: str, source: Source, below: str | None = None) -> Changed:
    """Keep files and record them.

    Args:
        below: remove the files whose paths begin with this and that are not kept now.
    """
    registry = chain.first
    for every in (False, True):
        with (
            staged_files(chain, source, every=every) as staged,
            registry.store.write() as change,
        ):
            looking.require_open(change.connection, dataset_id)
            kept = keep_files(registry, change, staged)
            if kept is None:
                continue
            try:
                record_files(change, staged, kept)
                files = {each.path: each for each in _files_of(staged)}
                return _record(change, dataset_id, files, below)
            except BaseException:
                registry.blobs.give_back(kept)
                raise
    raise AssertionError(dataset_id)  # with every=True nothing must be here


def _record(change: Change, dataset_id: str, files: Files, below: str | None) -> Changed:
    """Record files, within the transaction that keeps their bytes."""
    connection = change.connection
    above = {folder for path in files for folder in _above(path)}
    # Adding files one by one must not take longer and longer.
    asked = None if below is not None else [*files, *above]
    before = {each.path: each for each in dataset_rows.files(connection, dataset_id, asked)}
    removed = (
        []
        if below is None
        else sorted(path for path in before if path.startswith(below) and path not in files)
    )
    _drop(change, dataset_id, before, removed)
    _check_tree(change, dataset_id, files, above)
    different = [path for path in files if not _is_same(before.get(path), files[path])]
    replaced = [before[path] for path in different if path in before]
    dataset_rows.put(connection, dataset_id, (files[path] for path in different))
    _mark_unreferred(change, replaced)
    changed = Changed(
        added=tuple(sorted(path for path in different if path not in before)),
        modified=tuple(sorted(path for path in different if path in before)),
        removed=tuple(removed),
    )
    if different or removed:
        dataset_rows.count(
            connection,
            dataset_id,
            added=len(changed.added),
            modified=len(changed.modified),
            removed=len(removed),
        )
    return changed


def _is_same(before: DatasetFile | None, now: DatasetFile) -> bool:
    """Return True if a file need not be recorded again."""
    if before is None or not now.same_content(before):
        return False
    # A file that a link leads to already stays a link.
    return before.link is not None or (before.executable, before.link) == (
        now.executable,
        now.link,
    )


def _above(path: str) -> list[str]:
    """Return the folders that a path is in.

    >>> _above("a/b/c.txt")
    ['a/b', 'a']
    """
    folders = []
    folder = path.rpartition("/")[0]
    while folder:
        folders.append(folder)
        folder = folder.rpartition("/")[0]
    return folders


def _check_tree(change: Change, dataset_id: str, files: Files, above: set[str]) -> None:
    """Raise InvalidValueError if a path would be both a file and a folder.

    Args:
        above: the folders that the files are in.
    """
    there = dataset_rows.files(change.connection, dataset_id, above)
    clash = next((each.path for each in there), None) or next(
        iter(sorted(above & files.keys())), None
    )
    if clash is not None:
        raise InvalidValueError(
            f"{printable_path(clash)} is a file of the data set, and would have to be a folder, "
            "too; remove the file first, or add to another folder",
            argument="dataset_path",
        )
    for path in dataset_rows.folders(change.connection, dataset_id, files):
        raise InvalidValueError(
            f"{printable_path(path)} is a folder of the data set and cannot become a file; remove "
            "what is in it first",
            argument="dataset_path",
        )


def _drop(change: Change, dataset_id: str, before: Files, paths: Sequence[str]) -> None:
    dataset_rows.drop(change.connection, dataset_id, paths)
    _mark_unreferred(change, [before[path] for path in paths])


def _mark_unreferred(change: Change, files: Iterable[DatasetFile]) -> None:
    digests = {each.digest for each in files if each.link is None and each.digest}
    if digests:
        blob_rows.mark_unreferred(change.connection, sorted(digests))


def remove_files(
    chain: Chain, dataset_id: str, pattern: object, *, recursive: bool = True
) -> tuple[str, ...]:
    """Remove files from a data set; return their paths.

    Args:
        pattern: of their paths, or of the URLs of links; None for all.
        recursive: a name in the pattern may be at any depth.

    Raises:
        ConflictError: the data set is finalized.
    """
    given = None if pattern is None else check_text("dataset_path", pattern).lstrip("/")
    patterns = ("*",) if given is None else (given, str(pattern))
    begin(chain, dataset_id)
    with chain.first.store.write() as change:
        looking.require_open(change.connection, dataset_id)
        before = {each.path: each for each in dataset_rows.files(change.connection, dataset_id)}
        gone = sorted(
            path
            for path, each in before.items()
            if matches(path, patterns, recursive=recursive)
            or (
                each.link is not None
                and (each.link in patterns or matches(each.link, patterns, recursive=recursive))
            )
        )
        if gone:
            _drop(change, dataset_id, before, gone)
            dataset_rows.count(change.connection, dataset_id, removed=len(gone))
    return tuple(gone)


def put(chain: Chain, dataset_id: str, files: Files) -> Changed:
    """Add links, or files whose bytes are here, to a data set.

    Raises:
        ConflictError: the data set is finalized.
    """
    begin(chain, dataset_id)
    with chain.first.store.write() as change:
        looking.require_open(change.connection, dataset_id)
        blob_rows.mark_many_referred(
            change.connection, {each.digest for each in files.values() if each.digest}
        )
        return _record(change, dataset_id, files, None)


def count_changes(
    chain: Chain, dataset_id: str, *, added: int, modified: int, removed: int
) -> None:
    """Add to the sums of what changed in a data set, as ClearML's `update_changed_files` does."""
    begin(chain, dataset_id)
    with chain.first.store.write() as change:
        looking.require_open(change.connection, dataset_id)
        dataset_rows.count(
            change.connection, dataset_id, added=added, modified=modified, removed=removed
        )


class _Look(Frozen):
    """How to list what is added.

    Attributes:
        path: the file or folder.
        patterns: which names of a folder; None for all.
        prefix: of the paths in the data set: "" or ends with a slash.
        recursive: also what is in folders below.
    """

    path: Path
    patterns: tuple[str, ...] | None
    prefix: str
    recursive: bool

    def listing(self) -> Listing:
        """Return the files that are there now, under their paths in the data set."""
        with disk_errors("adding files", self.path):
            if is_folder(self.path):
                found = folder_entries(self.path, self._left_out, may_be_empty=True).entries
            else:
                found = file_entries([self.path])
        files = [each for each in found if each.status is not None]
        if self.prefix:
            files = [each._replace(name=self.prefix + each.name) for each in files]
            _check_paths(files)
        return Listing(files, [])

    def _left_out(self, name: str, folder: bool) -> bool:
        if folder:
            return False if self.recursive else not self._reaches(name)
        if self.patterns is None:
            return not self.recursive and "/" in name
        return not globbed(name, self.patterns, recursive=self.recursive)

    def _reaches(self, folder: str) -> bool:
        """Return True if a pattern names files in a folder; without `recursive`."""
        depth = folder.count("/") + 1
        return any(
            "**" in each.split("/") or each.count("/") >= depth for each in self.patterns or ()
        )


def _check_paths(entries: Sequence[Entry]) -> None:
    for each in entries:
        if not is_package_path(each.name):
            raise InvalidValueError(
                f"{printable_path(each.name)} cannot be a path in a data set",
                argument="dataset_path",
            )


def _look(
    path: object, patterns: object, base_folder: object, folder: object, recursive: bool
) -> _Look:
    place = absolute("path", check_path("path", path))
    with disk_errors("looking at what is added", place):
        there = place.exists()
    if not there:
        raise SourceNotFoundError(
            f"there is no file or folder {printable_path(place)} to add; check the path",
            reference=str(place),
        )
    prefix = check_folder("dataset_path", folder)
    if base_folder is not None:
        below = absolute("local_base_folder", check_path("local_base_folder", base_folder))
        with disk_errors("looking at a folder", below):
            start = place if is_folder(place) else place.parent
            if below.is_file():
                below = below.parent
        if not start.is_relative_to(below):
            raise InvalidValueError(
                f"{printable_path(place)} is not in local_base_folder {printable_path(below)}",
                argument="local_base_folder",
            )
        inside = start.relative_to(below).as_posix()
        if not is_utf8(inside):
            raise InvalidValueError(not_utf8("path", inside), argument="path")
        prefix += "" if inside == "." else f"{inside}/"
    return _Look(place, check_patterns("wildcard", patterns), prefix, recursive)


def check_folder(argument: str, folder: object) -> str:
    """Return a folder in a data set, "" for its top, else with a slash at the end."""
    if folder is None:
        return ""
    text = check_path(argument, folder).as_posix().strip("/") if folder != "" else ""
    if text in ("", "."):
        return ""
    if not is_package_path(text):
        raise InvalidValueError(
            f"{argument} must be a folder in the data set, such as images/train, not "
            f"{shown(folder)}",
            argument=argument,
        )
    return f"{text}/"


def check_patterns(argument: str, patterns: object) -> tuple[str, ...] | None:
    """Return patterns of names; None for all."""
    if patterns is None or patterns == "":
        return None
    listed = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(listed, Iterable):
        raise InvalidValueError(
            f"{argument} must be a pattern or a list of patterns, not {type(patterns).__name__}",
            argument=argument,
        )
    return tuple(check_text(argument, each, limit=4_096, nul=False) for each in listed) or None
