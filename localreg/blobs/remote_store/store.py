"""A remote: its identity, its table of events, and its objects."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from localreg import log
from localreg.blobs.remote_store.commits import (
    COMMIT_LIMIT,
    LAST_CHECKPOINT,
    LOG,
    AddedFile,
    Commit,
    DamagedCommitError,
    commit_bytes,
    commit_key,
    parse_commit,
    versions_among,
)
from localreg.blobs.remote_store.event_files import (
    CHECKPOINT_INTERVAL,
    UnreadableError,
    Written,
    count_events,
    files_of,
    first_commit,
    make_checkpoint,
    read_rows,
    rows_at,
    write_rows,
)
from localreg.blobs.remote_store.objects import Objects, UnsureError
from localreg.blobs.transfer.cloud.event_loop import ForkedError
from localreg.errors import (
    InvalidURLError,
    LocalregError,
    MissingPackageError,
    RemoteError,
    UploadError,
)
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.remote_format import (
    COLUMNS,
    EVENTS,
    FORMAT,
    IDENTITY,
    MOST_ROWS,
    Identity,
    commit_of,
    place,
)
from localreg.values.urls import CLOUDS, parse_named_url, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress

EXTRA = "pip install 'localreg[remote]'"
_PACKAGES = ("deltalake", "obstore")
_LARGEST_IDENTITY = 65_536  # bytes
_PROBE = "probe"
_TAIL = 256  # commits; more are found by the whole log
_WINDOW = 250_000  # rows that are sorted at once


class CommitConflict(LocalregError):  # noqa: N818  (the name says what happened)
    """An append was not done, or perhaps it was: read what the remote has, and look."""


class Head(Frozen):
    """The newest commit of a remote.

    Attributes:
        version: its number.
        mark: another text if the commit is another one: its ETag, or its size and time.
    """

    version: int
    mark: str | None


def open_remote(url: object) -> RemoteStore:
    """Return the remote at a URL or path; nothing is read yet.

    Raises:
        InvalidURLError: it is not the URL of a directory or of an object store.
        MissingPackageError: deltalake or obstore is not installed.
    """
    parsed = parse_named_url("url", url)
    if parsed.path is None and scheme_of(parsed.text) not in CLOUDS:
        raise InvalidURLError(
            f"a remote is a directory or an object store: a path, s3://, gs:// or az://, not "
            f"{parsed.public}",
            argument="url",
        )
    for package in _PACKAGES:
        if find_spec(package) is None:
            raise MissingPackageError(
                f"remotes need the package {package}, which is not installed: {EXTRA}",
                package=package,
            )
    if parsed.path is not None:
        return _in_folder(parsed.path)
    return _in_cloud(parsed.text.rstrip("/"))


def _in_folder(path: Path) -> RemoteStore:
    from localreg.blobs.remote_store.folder_objects import FolderObjects

    return RemoteStore(path.as_uri(), FolderObjects(path, path.as_uri()))


def _in_cloud(url: str) -> RemoteStore:
    from localreg.blobs.remote_store.cloud_objects import CloudObjects
    from localreg.blobs.transfer.cloud.place import place_of

    try:
        place = place_of(url)
    except InvalidURLError as error:
        raise InvalidURLError(str(error), argument="url") from None
    shown = public_url(url)
    if place.version is not None:
        raise InvalidURLError(f"{shown} names a version; a remote has none", argument="url")
    return RemoteStore(shown, CloudObjects(url, place, shown))


class RemoteStore:
    """A remote; make it with `open_remote`.

    Every method raises RemoteError where the remote cannot be used.

    Attributes:
        url: its URL, without secrets.
        objects: its objects.
    """

    def __init__(self, url: str, objects: Objects) -> None:
        self.url = url
        self.objects = objects
        self._seen = 0  # a commit that was there

    # identity -----------------------------------------------------------------------------

    def probe(self) -> None:
        """Check that an object can be created once only.

        Raises:
            RemoteError: the remote would let two machines overwrite each other.
        """
        self.objects.prepare([])
        key = f"{_PROBE}-{new_id()}"
        try:
            first = self.objects.create(key, b"first")
            second = self.objects.create(key, b"other")
            if first is None or second is not None:
                raise self._failed(
                    "an object that was written could be written again although it was there, so "
                    "two machines could overwrite each other: this store has no conditional puts"
                )
        finally:
            self.objects.delete([key])

    def identity(self) -> Identity | None:
        """Return what `registry.json` says; None if there is none."""
        data = self.get_bytes(IDENTITY, _LARGEST_IDENTITY)
        if data is None:
            return None
        try:
            found = json.loads(data)
            identity = Identity(int(found["format"]), str(found["table_id"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self._failed(f"{IDENTITY} is damaged") from None
        if identity.format > FORMAT:
            raise self._failed(
                f"it has format {identity.format}, and this localreg knows {FORMAT}: install a "
                "newer localreg"
            )
        return identity

    def create(self) -> Identity:
        """Make the remote where there is none; return its identity, also if it was there."""
        found = self.identity()
        if found is not None:
            return found
        self.objects.prepare([LOG])
        if self.objects.look([commit_key(1)])[0] is not None:
            raise self._failed(f"it has events, but no {IDENTITY}")
        with self._local() as folder:
            self.objects.create(commit_key(0), first_commit(folder))
        identity = Identity(FORMAT, self._table_id())
        data = json.dumps({"format": identity.format, "table_id": identity.table_id})
        self.objects.create(IDENTITY, data.encode())
        found = self.identity()
        if found is None:
            raise self._failed(f"{IDENTITY} was written, but is not there")
        return found

    # events -------------------------------------------------------------------------------

    def head(self) -> Head:
        """Return the newest commit.

        Raises:
            RemoteError: there is no table, or it is damaged.
        """
        newest = self._commits(self._seen or self._checkpoint())[-1]
        found = self.objects.get(commit_key(newest), COMMIT_LIMIT)
        if found is None:
            raise self._failed(f"its newest commit, {newest}, was removed meanwhile")
        data, facts = found
        try:
            if not data:
                raise DamagedCommitError(f"commit {newest} is empty")
            parse_commit(newest, data)
        except DamagedCommitError as error:
            raise self._failed(
                f"{error}, the newest one: `localreg remote check --repair` removes it"
            ) from None
        self._seen = newest
        return Head(newest, facts.mark)

    def is_still(self, head: Head) -> bool:
        """Return True if a commit is there as it was, and none after it; asks for two objects."""
        found, later = self.objects.look([commit_key(head.version), commit_key(head.version + 1)])
        there = found is not None and found.mark == head.mark
        if there:
            self._seen = head.version
        return there and later is None

    def rows(
        self, after: int, until: int | None = None, *, columns: Sequence[str] = COLUMNS
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows in batches, ordered by position and n; `time` is in microseconds.

        Args:
            after: rows of later commits only.
            until: the last commit; None for the newest.
            columns: which columns, in which order.
        """
        end = self.head().version if until is None else until
        for files in self._windows(after, end):
            with self._fetched(files) as folder:
                yield from read_rows(folder, files, after, end, columns)

    def count(self, until: int) -> tuple[int, int | None]:
        """Return how many events there are up to a commit, and the place of its last row.

        Notes are not counted, but may be the last row. All files are read for that.
        """
        files = list(self._among(0, until))
        with self._fetched(files) as folder:
            events, last = count_events(folder, files, until)
        return events, None if last is None else place(*last)

    def count_rows(self, until: int) -> int | None:
        """Return how many rows there are up to a commit, from the log; None if it cannot say.

        Notes are counted. It cannot say it if a compaction joined older rows with newer ones.
        """
        files = self._among(0, until)
        if any(each.rows is None or each.last is None or each.last > until for each in files):
            return None
        return sum(each.rows or 0 for each in files)

    def commit_id(self, version: int) -> str | None:
        """Return the id of a commit: no other commit has it, and a copy has it, too.

        None if the commit does not exist.
        """
        data = self.get_bytes(commit_key(version), COMMIT_LIMIT)
        return None if data is None else self._parsed(version, data).id

    def mark_of(self, version: int) -> str | None:
        """Return the mark of a commit, as `Head` has it; None if it does not exist."""
        found = self.objects.look([commit_key(version)])[0]
        return None if found is None else found.mark

    def at(self, places: Iterable[int]) -> list[tuple[Any, ...]]:
        """Return the rows at some places, ordered by them, as `rows` does.

        The files that hold them are read.
        """
        return self._at(places, None) or []

    def at_within(self, places: Iterable[int], size: int) -> list[tuple[Any, ...]] | None:
        """Return the rows at some places, as `at`; None if they are in larger files.

        Args:
            size: bytes of all these files.
        """
        return self._at(places, size)

    def _at(self, places: Iterable[int], size: int | None) -> list[tuple[Any, ...]] | None:
        wanted = sorted(set(places))
        if not wanted:
            return []
        positions = [commit_of(each)[0] for each in wanted]
        files = [
            file
            for file in self._among(positions[0] - 1, positions[-1])
            if file.first is None
            or file.last is None
            or any(file.first <= position <= file.last for position in positions)
        ]
        if size is not None and sum(file.size for file in files) > size:
            return None
        with self._fetched(files) as folder:
            return rows_at(folder, files, wanted)

    def append(self, rows: Sequence[tuple[Any, ...]], version: int) -> Head:
        """Write rows as one commit with a given number.

        Args:
            rows: without position and n, which are written from `version` and the order.
            version: one more than that of the newest commit.

        Raises:
            CommitConflict: another commit has this number, or the answer was lost.
        """
        if not 0 < len(rows) <= MOST_ROWS:
            raise ValueError(f"a commit has 1 to {MOST_ROWS} rows, not {len(rows)}")
        with self._local() as folder:
            files = write_rows(rows, version, folder)
            before, there = self.objects.look([commit_key(version - 1), commit_key(version)])
            if there is not None or before is None:
                raise CommitConflict(f"{self.url}: commit {version} cannot follow what is there")
            for each in files:
                self._bring(each)
            lines = [json.dumps({"add": each.action}) for each in files]
            data = commit_bytes(lines, added=len(files), rows=len(rows))
        try:
            found = self.objects.create(commit_key(version), data)
        except UnsureError as error:
            raise CommitConflict(str(error)) from None
        if found is None:
            raise CommitConflict(f"{self.url}: somebody else wrote commit {version}")
        self._seen = version
        if version % CHECKPOINT_INTERVAL == 0:
            self._make_checkpoint(version)
        return Head(version, found.mark)

    # objects ------------------------------------------------------------------------------

    def size_of(self, key: str) -> int | None:
        """Return the size of an object in bytes; None if it does not exist."""
        found = self.objects.look([key])[0]
        return None if found is None else found.size

    def put(
        self,
        key: str,
        path: Path,
        *,
        digest: str | None = None,
        progress: Progress | None = None,
    ) -> bool:
        """Write a file as an object, unless one of this size is there.

        Args:
            key: its key, which belongs to these bytes only.
            path: the file.
            digest: the sha256 that the file must have; it is computed while the file is read.
            progress: called with the number of bytes sent, and the total.

        Returns:
            False: it was there.

        Raises:
            DigestMismatchError: the file has another digest; there is no object.
        """
        if self.size_of(key) == path.stat().st_size:
            return False
        self.objects.put(key, path, digest, progress)
        return True

    def put_bytes(self, key: str, data: bytes) -> bool:
        """Write a new object; return False if another one has its key."""
        return self.objects.create(key, data) is not None

    def get_bytes(self, key: str, limit: int) -> bytes | None:
        """Return an object's bytes, None if it does not exist; more than `limit` are an error."""
        found = self.objects.get(key, limit)
        return None if found is None else found[0]

    def download(
        self,
        key: str,
        path: Path,
        *,
        wanted: str | None = None,
        progress: Callable[[int, int | None], None] | None = None,
        durable: bool = True,
    ) -> Downloaded:
        """Download an object to a file, verified; as `localreg.blobs.transfer.downloading` does.

        Raises:
            DownloadError: the remote does not give it.
            DigestMismatchError: its bytes are not those wanted.
        """
        return self.objects.download(key, path, wanted, progress, durable)

    def keys(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Yield key, size and time (seconds since 1970) of the objects in a folder, by key."""
        return self.objects.keys(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that do not exist are no error."""
        self.objects.delete(keys)

    # inside -------------------------------------------------------------------------------

    def _bring(self, file: Written) -> None:
        """Write a file of events; nothing else has its name."""
        self.objects.put(f"{EVENTS}/{file.name}", file.path, None, None)

    def _commits(self, start: int) -> list[int]:
        """Return the versions that are there, from `start` on."""
        found = versions_among(self.objects.names(LOG, f"{start:020}"))
        if start and (not found or found[0] != start):  # what was there is not
            return self._commits(0)
        if not found:
            raise self._failed("there are no events: it is no remote of localreg, or damaged")
        for version, wanted in zip(found, range(found[0], found[-1] + 1), strict=False):
            if version != wanted:
                raise self._failed(
                    f"its commit {wanted} is missing, though there are later ones: a part of it "
                    "was deleted"
                )
        return found

    def _checkpoint(self) -> int:
        """Return the version of the newest checkpoint of the log; 0 for none."""
        data = self.get_bytes(LAST_CHECKPOINT, _LARGEST_IDENTITY)
        try:
            return max(0, int(json.loads(data)["version"])) if data else 0
        except (ValueError, KeyError, TypeError, RecursionError):
            return 0

    def _table_id(self) -> str:
        """Return the id of the table."""
        for action in self._read_commits([0])[0].defines:
            if "metaData" in action:
                return str(action["metaData"].get("id")).replace("-", "")
        raise self._failed("its first commit is damaged: it does not say which table it is")

    def _read_commits(self, versions: Sequence[int]) -> list[Commit]:
        keys = [commit_key(version) for version in versions]
        commits = []
        for version, data in zip(versions, self.objects.get_many(keys, COMMIT_LIMIT), strict=True):
            if data is None:
                raise self._failed(f"its commit {version} is missing: a part of it was deleted")
            commits.append(self._parsed(version, data))
        return commits

    def _parsed(self, version: int, data: bytes) -> Commit:
        try:
            return parse_commit(version, data)
        except DamagedCommitError as error:
            raise self._failed(str(error)) from None

    def _windows(self, after: int, end: int) -> Iterator[list[AddedFile]]:
        """Yield the files with the rows of some commits, in groups whose rows follow each other."""
        files = None
        if end - after <= _TAIL:
            files = self._tail(after, end)
        if files is None:
            files = self._among(after, end)
        yield from _grouped(files)

    def _among(self, after: int, end: int) -> list[AddedFile]:
        """Return the files that may hold rows of commits after one, up to another."""
        return [
            each
            for each in self._files(min(end, self.head().version))
            if (each.last is None or each.last > after)
            and (each.first is None or each.first <= end)
        ]

    def _tail(self, after: int, end: int) -> list[AddedFile] | None:
        """Return the files that some commits brought; None where they do not show that."""
        commits = self._read_commits(range(max(after, 0) + 1, end + 1))
        gone = {name for each in commits for name in each.removed}
        files = [file for each in commits if each.brings for file in each.added]
        if any(each.defines for each in commits) or any(file.path in gone for file in files):
            return None
        return files

    def _files(self, end: int) -> list[AddedFile]:
        """Return all files of the table as they are at a commit or later."""
        with self._local() as folder:
            self._copy_log(folder, end)
            try:
                return files_of(folder)[1]
            except UnreadableError as error:
                raise self._failed(f"its log is damaged: {error}") from None

    def _copy_log(self, folder: Path, end: int) -> None:
        """Copy what is needed of the log into a folder: a checkpoint, and the commits after it."""
        (folder / "_delta_log").mkdir()
        start = self._checkpoint()
        if start:
            name = f"{start:020}.checkpoint.parquet"
            places = [(f"{LOG}/{name}", folder / "_delta_log" / name)]
            places.append((LAST_CHECKPOINT, folder / "_delta_log" / "_last_checkpoint"))
            if self.objects.fetch(places):
                start = 0
                for _, path in places:
                    path.unlink(missing_ok=True)
        newest = max(start, end)
        versions = range(start + 1 if start else 0, newest + 1)
        keys = [commit_key(version) for version in versions]
        for version, data in zip(versions, self.objects.get_many(keys, COMMIT_LIMIT), strict=True):
            if data is None:
                raise self._failed(f"its commit {version} is missing: a part of it was deleted")
            (folder / "_delta_log" / f"{version:020}.json").write_bytes(data)

    def _make_checkpoint(self, version: int) -> None:
        """Make a checkpoint of the log, so that it is read quickly; it is not needed."""
        try:
            with self._local() as folder:
                self._copy_log(folder, version)
                made, last = make_checkpoint(folder)
                self.objects.put(f"{LOG}/{made.name}", made, None, None)
                self.objects.replace(LAST_CHECKPOINT, last.read_bytes())
        except (RemoteError, UploadError, UnreadableError) as error:
            log.info("%s: no checkpoint of its log was made: %s", self.url, error)

    @contextmanager
    def _fetched(self, files: Sequence[AddedFile]) -> Iterator[Path]:
        """Yield a folder with some files of events, to be read."""
        with self._local() as folder:
            missing = self.objects.fetch(
                [(f"{EVENTS}/{each.path}", folder / each.path) for each in files]
            )
            if missing:
                raise self._failed(f"a file of its events is missing: {missing[0]}")
            try:
                yield folder
            except UnreadableError as error:
                raise self._failed(f"a file of its events is damaged: {error}") from None

    @contextmanager
    def _local(self) -> Iterator[Path]:
        """Make a folder for files of the table, which is deleted afterwards."""
        with tempfile.TemporaryDirectory(prefix="localreg-remote-") as folder:
            try:
                yield Path(folder)
            except ForkedError as error:
                raise self._failed(str(error)) from None

    def _failed(self, what: str) -> RemoteError:
        return RemoteError(f"{self.url}: {what}", remote=self.url)


def _grouped(files: Sequence[AddedFile]) -> Iterator[list[AddedFile]]:
    """Yield files in groups of about `_WINDOW` rows; each has later rows than the one before."""
    if any(each.rows is None or each.first is None or each.last is None for each in files):
        yield list(files)
        return
    group: list[AddedFile] = []
    rows, last = 0, -1
    for each in sorted(files, key=lambda file: file.first or 0):
        if rows >= _WINDOW and (each.first or 0) > last:
            yield group
            group, rows = [], 0
        group.append(each)
        rows, last = rows + (each.rows or 0), max(last, each.last or 0)
    if group:
        yield group
