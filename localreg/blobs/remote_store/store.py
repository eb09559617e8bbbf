"""A remote: its identity, its table of events, and its objects."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from localreg.blobs.remote_store.commits import (
    LOG,
    AddedFile,
    commit_bytes,
    commit_key,
    parse_commit,
)
from localreg.blobs.remote_store.event_files import (
    CHECKPOINT_INTERVAL,
    first_commit,
    read_rows,
    rows_at,
    write_rows,
)
from localreg.blobs.remote_store.event_log import EventLog, Head, MissingFileError, grouped
from localreg.blobs.remote_store.maintenance import (
    Compacted,
    Vacuumed,
    check,
    compact,
    repair,
    vacuum,
)
from localreg.blobs.remote_store.objects import Objects, UnsureError
from localreg.blobs.transfer.pace import Pace, pace_from_environment
from localreg.errors import (
    InvalidURLError,
    LocalregError,
    MissingPackageError,
    RemoteError,
)
from localreg.values.ids import is_id, new_id
from localreg.values.paths import printable_path
from localreg.values.remote_format import (
    COLUMNS,
    EVENTS,
    FORMAT,
    IDENTITY,
    MOST_ROWS,
    Identity,
    commit_of,
)
from localreg.values.urls import CLOUDS, parse_named_url, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.blobs.remote_store.event_log import Compared
    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress

EXTRA = "pip install 'localreg[remote]'"
_PACKAGES = ("deltalake", "obstore")
_AT_ONCE = 64  # requests
_DAMAGED = (
    f"{IDENTITY} is damaged: delete it, and `localreg remote check NAME --repair` in a registry "
    "that knows this remote writes it again"
)
_LARGEST_IDENTITY = 65_536  # bytes
_PROBE = "probe"


class CommitConflict(LocalregError):  # noqa: N818  (the name says what happened)
    """An append was not done, or perhaps it was: read what the remote has, and look."""


def open_remote(url: object, *, pace: Pace | None = None) -> RemoteStore:
    """Return the remote at a URL or path; nothing is read yet.

    Args:
        url: a path, or the URL of a directory or of a folder in an object store.
        pace: how slow the server may be; by default as the environment says.

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
        if sys.modules.get(package) is None and find_spec(package) is None:
            raise MissingPackageError(
                f"remotes need the package {package}, which is not installed: {EXTRA}",
                package=package,
            )
    if parsed.path is not None:
        return _in_folder(parsed.path)
    return _in_cloud(parsed.text.rstrip("/"), pace or pace_from_environment())


def _in_folder(path: Path) -> RemoteStore:
    from localreg.blobs.remote_store.folder_objects import FolderObjects

    return RemoteStore(path.as_uri(), FolderObjects(path, printable_path(str(path))))


def _in_cloud(url: str, pace: Pace) -> RemoteStore:
    from localreg.blobs.remote_store.cloud_objects import CloudObjects
    from localreg.blobs.transfer.cloud.place import place_of

    try:
        place = place_of(url)
    except InvalidURLError as error:
        raise InvalidURLError(str(error), argument="url") from None
    shown = public_url(url)
    if place.version is not None:
        raise InvalidURLError(f"{shown} names a version; a remote has none", argument="url")
    return RemoteStore(shown, CloudObjects(url, place, shown, pace))


class RemoteStore:
    """A remote; make it with `open_remote`.

    Every method raises RemoteError where the remote cannot be used.

    Attributes:
        url: its URL, without secrets.
        objects: its objects.
        log: the log of its table.
    """

    def __init__(self, url: str, objects: Objects) -> None:
        self.url = url
        self.objects = objects
        self.log = EventLog(objects)

    # identity -----------------------------------------------------------------------------

    def probe(self) -> None:
        """Check that an object can be created once only.

        Raises:
            RemoteError: the remote would let two machines overwrite each other.
        """
        self.objects.prepare([])
        key = f"{_PROBE}-{new_id()}"
        first = self.objects.create(key, b"first")
        try:
            second = self.objects.create(key, b"other")
            if first is None or second is not None:
                raise self._failed(
                    "an object that was written could be written again although it was there, so "
                    "two machines could overwrite each other: this store has no conditional puts"
                )
        finally:
            with suppress(RemoteError):  # who may not delete can push as well
                self.objects.delete([key])

    def check_place(self) -> None:
        """Raise RemoteError if it is in a directory that does not exist."""
        self.objects.look([IDENTITY])

    def identity(self) -> Identity | None:
        """Return what `registry.json` says; None if there is none."""
        data = self.get_bytes(IDENTITY, _LARGEST_IDENTITY)
        if data is None:
            return None
        try:
            found = json.loads(data)
            number, table_id = found["format"], found.get("table_id")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise self._failed(_DAMAGED) from None
        if type(number) is int and number > FORMAT:
            raise self._failed(
                f"it has format {number}, and this localreg knows {FORMAT}: install a "
                "newer localreg"
            )
        if number != FORMAT or type(table_id) is not str or not is_id(table_id):
            raise self._failed(_DAMAGED)
        return Identity(FORMAT, table_id)

    def create(self) -> Identity:
        """Make the remote where there is none; return its identity, also if it was there."""
        found = self.identity()
        if found is not None:
            return found
        self.objects.prepare([LOG])
        if self.objects.look([commit_key(1)])[0] is not None:
            raise self._failed(
                f"it has events, but no {IDENTITY}: `localreg remote check --repair` writes it"
            )
        with self.log.local() as folder:
            self.objects.create(commit_key(0), first_commit(folder))
        self._write_identity()
        found = self.identity()
        if found is None:
            raise self._failed(f"{IDENTITY} was written, but is not there")
        return found

    # events -------------------------------------------------------------------------------

    def head(self) -> Head:
        """Return the newest commit.

        Raises:
            RemoteError: there is no table, or this commit is damaged.
        """
        return self.log.head()

    def is_still(self, head: Head) -> bool:
        """Return True if a commit is there as it was, and none after it; asks for two objects."""
        return self.compare(head) == "same"

    def compare(self, head: Head) -> Compared:
        """Return how the remote compares with a commit that was its newest; asks for two objects.

        Returns:
            "same": it still is; "grown": there are further ones after it; "other": it is not there,
            or another commit has its number.
        """
        return self.log.compare(head)

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
        tail = self.log.tail(after, end)
        for files in grouped(tail or ()):
            try:
                with self.log.fetched(files) as folder:
                    yield from read_rows(folder, files, after, end, columns)
            except MissingFileError:  # a compaction replaced it
                tail = None
                break
            after = max(each.last or 0 for each in files)
        if tail is None:
            for files in grouped(self.log.files(after, end)):
                with self._fetched(files) as folder:
                    yield from read_rows(folder, files, after, end, columns)

    def count_rows(self, until: int) -> int | None:
        """Return how many rows there are up to a commit, from the log; None if it cannot say.

        Notes are counted. It cannot say it if a compaction joined older rows with newer ones.
        """
        files = self.log.files(0, min(until, self.head().version))
        if any(each.rows is None or each.last is None or each.last > until for each in files):
            return None
        return sum(each.rows or 0 for each in files)

    def commit_id(self, version: int) -> str | None:
        """Return the id of a commit: no other commit has it, and a copy has it, too.

        None if the commit does not exist.
        """
        found = self.log.commit(version)
        return None if found is None else found.id

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
            for file in self.log.files(positions[0] - 1, min(positions[-1], self.head().version))
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
        with self.log.local("written") as folder:
            files = write_rows(rows, version, folder)
            if not self.log.can_follow(version):
                raise CommitConflict(f"{self.url}: commit {version} cannot follow what is there")
            for each in files:
                self.objects.put(f"{EVENTS}/{each.name}", each.path, None, None)
            lines = [json.dumps({"add": each.action}) for each in files]
            data = commit_bytes(lines, added=len(files), rows=len(rows))
        try:
            found = self.objects.create(commit_key(version), data)
        except UnsureError as error:
            raise CommitConflict(str(error)) from None
        if found is None:
            raise CommitConflict(f"{self.url}: somebody else wrote commit {version}")
        head = self.log.saw(Head(version, found.mark), parse_commit(version, data))
        if version % CHECKPOINT_INTERVAL == 0:
            self.log.make_checkpoint(version)
        return head

    # upkeep -------------------------------------------------------------------------------

    def compact(self) -> Compacted:
        """Join the small files of the table; no row changes its place.

        Raises:
            RemoteBusyError: others wrote all the time.
        """
        return compact(self.objects, self.log)

    def vacuum(self) -> Vacuumed:
        """Delete files that have not been needed for a week."""
        return vacuum(self.objects, self.log)

    def check(self) -> list[str]:
        """Return what is wrong with the table, a sentence for each; every commit is read."""
        return check(self.objects, self.log)

    def repair(self) -> list[str]:
        """Remove newest commits that cannot be read; return what was done, a sentence for each.

        A lost `registry.json` is written again.
        """
        done = repair(self.objects, self.log)
        if self.identity() is None:
            self._write_identity()
            done.append(f"{IDENTITY} was missing, and was written again")
        return done

    # objects ------------------------------------------------------------------------------

    def size_of(self, key: str) -> int | None:
        """Return the size of an object in bytes; None if it does not exist."""
        found = self.objects.look([key])[0]
        return None if found is None else found.size

    def sizes_of(self, keys: Sequence[str]) -> list[int | None]:
        """Return the sizes of many objects, asked for several at once; None for each missing."""
        found: list[int | None] = []
        for start in range(0, len(keys), _AT_ONCE):
            some = self.objects.look(keys[start : start + _AT_ONCE])
            found += [None if each is None else each.size for each in some]
        return found

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

    def replace_bytes(self, key: str, data: bytes) -> None:
        """Write an object, also if it is there."""
        self.objects.replace(key, data)

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

    @contextmanager
    def _fetched(self, files: Sequence[AddedFile]) -> Iterator[Path]:
        try:
            with self.log.fetched(files) as folder:
                yield folder
        except MissingFileError as error:
            raise self.log.missing(error) from None

    def _write_identity(self) -> None:
        data = json.dumps({"format": FORMAT, "table_id": self.log.table_id()})
        self.objects.create(IDENTITY, data.encode())

    def _failed(self, what: str) -> RemoteError:
        return self.log.failed(what)
