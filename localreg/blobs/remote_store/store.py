"""A remote: its identity, its table of events, and its objects."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from localreg.blobs.remote_store.objects import Objects, UnsureError
from localreg.blobs.remote_store.table import (
    LOG,
    Written,
    commit_bytes,
    commit_key,
    count_rows,
    first_commit,
    read_rows,
    rows_at,
    write_files,
)
from localreg.errors import InvalidURLError, LocalregError, MissingPackageError, RemoteError
from localreg.values.frozen import Frozen
from localreg.values.ids import new_id
from localreg.values.remote_format import (
    COLUMNS,
    EVENTS,
    FORMAT,
    IDENTITY,
    MOST_ROWS,
    Identity,
)
from localreg.values.urls import CLOUDS, parse_named_url, public_url, scheme_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from deltalake import DeltaTable

    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress

EXTRA = "pip install 'localreg[remote]'"
_PACKAGES = ("deltalake", "obstore")
_LARGEST_IDENTITY = 65_536  # bytes
_PROBE = "probe"


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

    return RemoteStore(path.as_uri(), FolderObjects(path, str(path)), str(path / EVENTS), dict)


def _in_cloud(url: str) -> RemoteStore:
    from localreg.blobs.remote_store.cloud_objects import CloudObjects
    from localreg.blobs.remote_store.table_options import table_options, table_url
    from localreg.blobs.transfer.cloud.place import place_of
    from localreg.blobs.transfer.pace import pace_from_environment

    try:
        place = place_of(url)
    except InvalidURLError as error:
        raise InvalidURLError(str(error), argument="url") from None
    shown = public_url(url)
    if place.version is not None:
        raise InvalidURLError(f"{shown} names a version; a remote has none", argument="url")
    table = f"{table_url(place)}/{EVENTS}"
    return RemoteStore(
        shown,
        CloudObjects(url, place, shown),
        table,
        lambda: table_options(place, pace_from_environment()),
        place.scheme,
    )


class RemoteStore:
    """A remote; make it with `open_remote`.

    Every method raises RemoteError where the remote cannot be used.

    Attributes:
        url: its URL, without secrets.
        objects: its objects.
    """

    def __init__(
        self,
        url: str,
        objects: Objects,
        table: str,
        options: Callable[[], dict[str, str]],
        scheme: str | None = None,
    ) -> None:
        self.url = url
        self.objects = objects
        self._table = table
        self._options = options
        self._scheme = scheme

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
        data = self.objects.get(IDENTITY, _LARGEST_IDENTITY)
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
        with tempfile.TemporaryDirectory(prefix="localreg-") as folder:
            self.objects.create(commit_key(0), first_commit(Path(folder)))
        identity = Identity(FORMAT, str(self._open().metadata().id).replace("-", ""))
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
        version = self._open().version()
        found = self.objects.look([commit_key(version)])[0]
        if found is None or found.size == 0:
            raise self._failed(
                f"its newest commit, {version}, is damaged: `localreg remote check --repair` "
                "removes it"
            )
        return Head(version, found.mark)

    def is_still(self, head: Head) -> bool:
        """Return True if a commit is there as it was, and none after it; asks for two objects."""
        found, later = self.objects.look([commit_key(head.version), commit_key(head.version + 1)])
        return found is not None and found.mark == head.mark and later is None

    def rows(
        self, after: int, until: int | None = None, *, columns: Sequence[str] = COLUMNS
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows in batches, ordered by position and n; `time` is in microseconds.

        Args:
            after: rows of later commits only.
            until: the last commit; None for the newest.
            columns: which columns, in which order.
        """
        table = self._open()
        with self._translated():
            yield from read_rows(table, after, until, columns)

    def count(self, until: int) -> tuple[int, int | None]:
        """Return how many events there are up to a commit, and the place of its last row.

        Notes are not counted, but may be the last row.
        """
        table = self._open()
        with self._translated():
            return count_rows(table, until)

    def at(self, places: Iterable[int]) -> list[tuple[Any, ...]]:
        """Return the rows at some places, ordered by them, as `rows` does.

        Few places are read quickly, wherever they are.
        """
        table = self._open()
        with self._translated():
            return rows_at(table, places)

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
        with tempfile.TemporaryDirectory(prefix="localreg-") as folder:
            files = write_files(rows, version, Path(folder))
            before, there = self.objects.look([commit_key(version - 1), commit_key(version)])
            if there is not None or before is None:
                raise CommitConflict(f"{self.url}: commit {version} cannot follow what is there")
            for each in files:
                self._bring(each)
            data = commit_bytes(files, len(rows))
        try:
            found = self.objects.create(commit_key(version), data)
        except UnsureError as error:
            raise CommitConflict(str(error)) from None
        if found is None:
            raise CommitConflict(f"{self.url}: somebody else wrote commit {version}")
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
        return self.objects.get(key, limit)

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

    def _open(self) -> DeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        with self._translated():
            try:
                return DeltaTable(self._table, storage_options=self._options() or None)
            except TableNotFoundError:
                raise self._failed("there are no events: it is no remote of localreg") from None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from deltalake.exceptions import DeltaError

        try:
            yield
        except LocalregError:
            raise
        except (DeltaError, OSError, ValueError) as error:
            from localreg.blobs.remote_store.table_options import plain_text
            from localreg.blobs.transfer.cloud.errors import trouble_of

            text = plain_text(error)
            what = f"its events cannot be read: {text}"
            if self._scheme is not None:
                what = f"its events cannot be read: {trouble_of(OSError(text), self._scheme).what}"
            raise self._failed(what) from None

    def _failed(self, what: str) -> RemoteError:
        return RemoteError(f"{self.url}: {what}", remote=self.url)
