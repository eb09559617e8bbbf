"""The log of a remote's table: which commits there are, and which files hold their rows."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localreg import log
from localreg.blobs.remote_store.commits import (
    COMMIT_LIMIT,
    LAST_CHECKPOINT,
    LOG,
    MOST_COMMITS,
    AddedFile,
    Commit,
    DamagedCommitError,
    commit_key,
    parse_commit,
    versions_among,
)
from localreg.blobs.remote_store.event_files import UnreadableError, files_of, make_checkpoint
from localreg.blobs.remote_store.objects import Objects
from localreg.blobs.transfer.cloud.event_loop import ForkedError
from localreg.errors import RemoteError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.temporary_owners import is_alive, owner_mark
from localreg.values.frozen import Frozen
from localreg.values.remote_format import COLUMNS, EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Compared = Literal["same", "grown", "other"]

SMALL_FILE = 65_536  # bytes
_AT_ONCE = 1000  # commits in memory
TAIL = 256  # commits; the files of more are found by the whole log
_FOLDER = "localreg-remote-"  # begins the names of temporary folders
WINDOW = 10_000  # rows that are read, and sorted, at once: each takes about 4 KB then


class Head(Frozen):
    """The newest commit of a remote.

    Attributes:
        version: its number.
        mark: another text if the commit is another one: its ETag, or its size and time.
    """

    version: int
    mark: str | None


class DamagedFilesError(RemoteError):
    """Files of events, or a checkpoint of their log, are damaged."""


class MissingFileError(Exception):
    """A file of events does not exist; its name is the text."""


class EventLog:
    """The log below some objects.

    Attributes:
        newest: the newest commit that was seen or written.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._commit: Commit | None = None  # the newest one, if it was read or written
        self.newest: Head | None = None

    def head(self) -> Head:
        """Return the newest commit.

        Raises:
            RemoteError: there is no table, or this commit is damaged.
        """
        start = self._checkpoint() if self.newest is None else self.newest.version
        version = self.versions(start)[-1]
        found = self._objects.get(commit_key(version), COMMIT_LIMIT)
        if found is None:
            raise self.failed(f"its newest commit, {version}, was removed meanwhile")
        data, facts = found
        try:
            if not data:
                raise DamagedCommitError(f"commit {version} is empty")
            commit = parse_commit(version, data)
        except DamagedCommitError as error:
            raise self.failed(
                f"{error}, and it is the newest one: `localreg remote check --repair` removes it"
            ) from None
        return self.saw(Head(version, facts.mark), commit)

    def saw(self, head: Head, commit: Commit | None) -> Head:
        """Remember which commit is the newest; return it."""
        if head != self.newest or commit is not None:
            self.newest, self._commit = head, commit
        return head

    def forget(self) -> None:
        """Forget which commit is the newest: it was removed."""
        self.newest = self._commit = None

    def compare(self, head: Head) -> Compared:
        """Return if a commit is there as it was, and if there are others after it."""
        found, later = self._objects.look([commit_key(head.version), commit_key(head.version + 1)])
        if found is None or found.mark != head.mark:
            return "other"
        self.saw(head, None)
        return "same" if later is None else "grown"

    def can_follow(self, version: int) -> bool:
        """Return True if a commit can have this number: the one before is there as it was seen."""
        before, there = self._objects.look([commit_key(version - 1), commit_key(version)])
        if before is None or there is not None:
            return False
        seen = self.newest
        return seen is None or seen.version != version - 1 or seen.mark == before.mark

    def versions(self, start: int = 0) -> list[int]:
        """Return the numbers of the commits that are there, from `start` on.

        If the commit `start` is not there, all are returned.

        Raises:
            RemoteError: there are none, or one in the middle is missing.
        """
        found = versions_among(self._objects.names(LOG, f"{start:020}"))
        if start and (not found or found[0] != start):
            return self.versions()
        if not found:
            raise self.failed("there are no events: it is no remote of localreg, or damaged")
        for version, wanted in zip(found, range(found[0], found[-1] + 1), strict=False):
            if version != wanted:
                raise self.failed(
                    f"its commit {wanted} is missing, though there are later ones: a part of it "
                    "was deleted"
                )
        return found

    def commit(self, version: int) -> Commit | None:
        """Return a commit; None if it does not exist. The newest one is not read again."""
        if self._commit is not None and self._commit.version == version:
            return self._commit
        found = self._objects.get(commit_key(version), COMMIT_LIMIT)
        return None if found is None else self._parsed(version, found[0])

    def commits(self, versions: Sequence[int]) -> Iterator[Commit]:
        """Yield commits, which must exist."""
        for version, data in self._read(versions):
            yield self._parsed(version, data)

    def table_id(self) -> str:
        """Return the id of the table, as 32 hex digits."""
        first = self.commit(0)
        for action in first.defines if first is not None else ():
            if "metaData" in action:
                found = action["metaData"]
                if all(f'"name":"{name}"' in str(found.get("schemaString")) for name in COLUMNS):
                    return str(found.get("id")).replace("-", "")
        raise self.failed("what is below events/ there is not a table of localreg")

    def files(self, after: int, end: int) -> list[AddedFile]:
        """Return the files that may hold rows of commits after one, up to another."""
        return [
            each
            for each in self.all_files(end)
            if (each.last is None or each.last > after)
            and (each.first is None or each.first <= end)
        ]

    def tail(self, after: int, end: int) -> list[AddedFile] | None:
        """Return the files that some commits brought; None where they do not show that."""
        if end - after > TAIL:
            return None
        versions = range(max(after, 0) + 1, end + 1)
        found = self._objects.get_many([commit_key(each) for each in versions], COMMIT_LIMIT)
        commits = [
            self._parsed(version, data)
            for version, data in zip(versions, found, strict=True)
            if data is not None
        ]
        if len(commits) != len(versions):  # another program deletes old commits
            return None
        gone = {name for each in commits for name in each.removed}
        for each in commits:
            if each.brings and any(
                file.first is not None and (file.first, file.last) != (each.version, each.version)
                for file in each.added
            ):
                raise self.failed(
                    f"its commit {each.version} holds rows of others: another program wrote it"
                )
        files = [file for each in commits if each.brings for file in each.added]
        if any(each.defines for each in commits) or any(file.path in gone for file in files):
            return None
        return files

    def all_files(self, end: int) -> list[AddedFile]:
        """Return the files of the table as it is at a commit, or at a later one.

        Raises:
            RemoteError: a commit is missing or damaged.
        """
        start = self._checkpoint()
        try:
            with self.local() as folder:
                self._copy(folder, start, end)
                return files_of(folder)
        except DamagedFilesError:
            if not start:
                raise
        with self.local() as folder:  # the checkpoint may be damaged
            self._copy(folder, 0, end)
            return files_of(folder)

    def make_checkpoint(self, version: int) -> None:
        """Make a checkpoint of the log, so that it is read quickly; nothing needs it."""
        try:
            start = self._checkpoint()
            if start >= version:
                return
            with self.local() as folder:
                self._copy(folder, start, version)
                made, last = make_checkpoint(folder)
                self._objects.put(f"{LOG}/{made.name}", made, None, None)
                self._objects.replace(LAST_CHECKPOINT, last.read_bytes())
        except RemoteError as error:
            log.info("no checkpoint of the log was made: %s", error)

    def reads_checkpoint(self) -> bool:
        """Return True if the newest checkpoint of the log can be read."""
        start = self._checkpoint()
        try:
            with self.local() as folder:
                self._copy(folder, start, start)
                files_of(folder)
        except DamagedFilesError:
            return False
        return start > 0

    @contextmanager
    def fetched(self, files: Sequence[AddedFile]) -> Iterator[Path]:
        """Yield a folder with some files of events, to be read.

        Raises:
            MissingFileError: one does not exist.
        """
        with self.local() as folder:
            missing = self._objects.fetch(
                [(f"{EVENTS}/{each.path}", folder / each.path) for each in files]
            )
            if missing:
                raise MissingFileError(missing[0])
            for each in files:
                size = (folder / each.path).stat().st_size
                if size != each.size:
                    raise self.failed(
                        f"its events cannot be read: {each.path} has {size:,} bytes instead of "
                        f"{each.size:,}"
                    )
            yield folder

    @contextmanager
    def local(self, doing: str = "read") -> Iterator[Path]:
        """Yield a new folder for files of the table; errors of deltalake are translated.

        Args:
            doing: what cannot be done then, for the error.
        """
        _clear_leftovers()
        with (
            disk_errors(f"making files of events to be {doing}", Path(tempfile.gettempdir())),
            tempfile.TemporaryDirectory(prefix=_FOLDER, suffix=owner_mark()) as folder,
        ):
            try:
                yield Path(folder)
            except ForkedError as error:
                raise self.failed(str(error)) from None
            except UnreadableError as error:
                raise DamagedFilesError(
                    f"{self._objects.shown}: its events cannot be {doing}: {error}",
                    remote=self._objects.shown,
                ) from None

    def missing(self, error: MissingFileError) -> RemoteError:
        """Return the error that says which file is missing, and what to do."""
        return self.failed(
            f"a file of its events is missing: {error}. `localreg guide remotes` says what to do"
        )

    def failed(self, what: str) -> RemoteError:
        """Return the error that says what is wrong with the remote."""
        return RemoteError(f"{self._objects.shown}: {what}", remote=self._objects.shown)

    def _checkpoint(self) -> int:
        """Return the version of the newest checkpoint of the log; 0 for none."""
        found = self._objects.get(LAST_CHECKPOINT, SMALL_FILE)
        try:
            version = json.loads(found[0])["version"] if found else 0
        except (ValueError, KeyError, TypeError, RecursionError):
            return 0
        return version if type(version) is int and 0 <= version < MOST_COMMITS else 0

    def _read(self, versions: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for start in range(0, len(versions), _AT_ONCE):
            some = versions[start : start + _AT_ONCE]
            found = self._objects.get_many([commit_key(each) for each in some], COMMIT_LIMIT)
            for version, data in zip(some, found, strict=True):
                if data is None:
                    raise self.failed(f"its commit {version} is missing: a part of it was deleted")
                yield version, data

    def _parsed(self, version: int, data: bytes) -> Commit:
        try:
            return parse_commit(version, data)
        except DamagedCommitError as error:
            raise self.failed(str(error)) from None

    def _copy(self, folder: Path, start: int, end: int) -> None:
        """Copy a part of the log into a folder: the checkpoint `start`, and the commits after it.

        Without a checkpoint (0, or one that does not exist) all commits are copied.
        """
        copy = folder / "_delta_log"
        copy.mkdir()
        name = f"{start:020}.checkpoint.parquet"
        there = start and not self._objects.fetch([(f"{LOG}/{name}", copy / name)])
        versions = range(start + 1, max(start, end) + 1) if there else range(end + 1)
        for version, data in self._read(versions):
            (copy / f"{version:020}.json").write_bytes(data)


def _clear_leftovers() -> None:
    """Delete the folders of processes of this machine that were killed."""
    for each in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        if is_alive(each.name) is False:
            shutil.rmtree(each, ignore_errors=True)  # it may be that of another user


def grouped(files: Sequence[AddedFile]) -> Iterator[list[AddedFile]]:
    """Yield files in groups of about `WINDOW` rows; each has later rows than the one before.

    >>> a, b = AddedFile("a", 9, WINDOW, 1, 5), AddedFile("b", 9, 1, 6, 6)
    >>> [[each.path for each in group] for group in grouped([b, a])]
    [['a'], ['b']]
    """
    if any(each.rows is None or each.first is None or each.last is None for each in files):
        yield list(files)
        return
    group: list[AddedFile] = []
    rows, last = 0, -1
    for each in sorted(files, key=lambda file: (file.first or 0, file.last or 0)):
        if rows >= WINDOW and (each.first or 0) > last:
            yield group
            group, rows = [], 0
        group.append(each)
        rows, last = rows + (each.rows or 0), max(last, each.last or 0)
    if group:
        yield group
