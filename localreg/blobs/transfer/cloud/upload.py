"""Uploading to an object store, looking at what was uploaded, and deleting it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from localreg import log
from localreg.blobs.staging.staging import source_size
from localreg.blobs.transfer.cloud.download import DIGEST_ATTRIBUTE, Seen, look
from localreg.blobs.transfer.cloud.errors import errors_of_obstore, trouble_of
from localreg.blobs.transfer.cloud.event_loop import ForkedError, in_thread, run_apart
from localreg.blobs.transfer.cloud.place import Place, place_of
from localreg.blobs.transfer.cloud.stores import check_extra, open_store
from localreg.blobs.transfer.http.download import TRIES
from localreg.blobs.transfer.pace import Pace, pace_from_environment
from localreg.blobs.transfer.transferred import Uploaded
from localreg.errors import InvalidValueError, UploadError
from localreg.filesystem.disk_errors import disk_errors
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from typing import Any, TypeAlias, TypeVar

    from obstore.store import ObjectStore

    from localreg.progress import Progress

    Result = TypeVar("Result")
    Run: TypeAlias = Callable[[Callable[[], Coroutine[object, object, Result]]], Result]

SMALL = 8 * 1024 * 1024  # up to here an object goes in one piece, and is created only where none is
MOST_PARTS = 9_000  # of 10,000 that S3 takes
IN_MEMORY = 32 * 1024 * 1024  # of parts that are on their way; as much waits to be
RETRIES = 6  # of a part
FEW_RETRIES = 2  # of a question
PATIENCE = 10.0  # times as long as a server may be silent, a part may be on its way
ABORT_SECONDS = 10.0
_one_large = threading.Lock()  # at a time: each sends several parts at once, and has them in memory


def upload(
    source: Path,
    url: str,
    *,
    progress: Progress | None = None,
    pace: Pace | None = None,
    run: Run[Uploaded] = run_apart,
) -> Uploaded:
    """Upload a file to an object that is not there yet.

    Args:
        source: a plain file.
        url: the object's, which nobody else uses.
        progress: told of the bytes that were read.
        pace: how slow the server may be; by the environment when None.
        run: runs the coroutine of the upload to its end.

    Raises:
        SourceNotFoundError, InvalidValueError, StorageError: the file cannot be read, is none, or
            changed meanwhile; nothing is there then.
        UploadError: the server did not take it; nothing is there then, unless it fell silent
            while it was told to delete what it had.
    """
    check_extra(url)
    with disk_errors("uploading weights", source):
        size = source_size(source)
        work = _Upload(source, size, url, progress, pace or pace_from_environment())
        with _one_large if size > SMALL else nullcontext():
            try:
                return work.asked.apart(work.to_the_end, run)
            except BaseException:
                if work.arrived:  # interrupted between its end and here: nobody will know of it
                    run_apart(work.withdraw)
                raise


def seen(url: str) -> Seen | None:
    """Return what a look at an object shows; None when there is none.

    Raises:
        UploadError: the server does not tell.
    """
    check_extra(url)
    asked = _Asked(url, pace_from_environment())

    async def find() -> Seen | None:
        try:
            return await look(asked.store(), asked.place, partial(asked.translated, "looked at"))
        except _MissingError:
            return None

    return asked.apart(find)


def delete(url: str) -> None:
    """Delete an object; one that is gone already is fine.

    Raises:
        UploadError: the server does not do it.
    """
    check_extra(url)
    asked = _Asked(url, pace_from_environment())
    asked.apart(asked.delete)


class _MissingError(Exception):
    """There is no such object."""


class _Asked:
    """Requests about one object."""

    def __init__(self, url: str, pace: Pace) -> None:
        self.url = url
        self.place: Place = place_of(url)
        self.pace = pace

    def apart(
        self, begin: Callable[[], Coroutine[object, object, Result]], run: Run[Result] = run_apart
    ) -> Result:
        try:
            return run(begin)
        except ForkedError as error:
            raise self.failed(str(error)) from None

    def store(self, retries: int = FEW_RETRIES, patience: float = 1.0) -> ObjectStore:
        """Return the store; patience counts in times that a server may be silent."""
        with self.translated():
            return open_store(
                self.place,
                retries=retries,
                patience=self.pace.silence * patience,
                connect=self.pace.connect,
                pause=self.pace.pause,
            )

    async def delete(self) -> None:
        try:
            with self.translated("deleted"):
                await self.store().delete_async(self.place.key)
        except _MissingError:
            return

    @contextmanager
    def translated(self, doing: str = "uploaded to") -> Iterator[None]:
        try:
            yield
        except errors_of_obstore() as error:
            trouble = trouble_of(error, self.place.scheme)
            if trouble.missing:
                raise _MissingError from None
            raise self.failed(trouble.what, doing) from None

    def failed(self, what: str, doing: str = "uploaded to") -> UploadError:
        shown = public_url(self.url)
        return UploadError(f"{shown} cannot be {doing}: {what}", urls=(shown,))


class _Upload:
    """One upload."""

    def __init__(
        self, source: Path, size: int, url: str, progress: Progress | None, pace: Pace
    ) -> None:
        self._source = source
        self._size = size
        self._url = url
        self._progress = progress
        self.asked = _Asked(url, pace)
        self._key = self.asked.place.key
        self._hash: hashlib._Hash
        self._read = 0
        self._stopped = False
        self._failure: BaseException | None = None
        self.arrived = False

    async def to_the_end(self) -> Uploaded:
        import hashlib

        self._hash = hashlib.sha256()
        large = self._size > SMALL
        store = self.asked.store(RETRIES, PATIENCE) if large else self.asked.store(0)
        with open(self._source, "rb", buffering=0) as reader:
            before = os.fstat(reader.fileno())
            try:
                await self._put(store, reader)
                self._check_unchanged(before, os.fstat(reader.fileno()))
                etag = await self._check_arrived(store)
            except BaseException:
                await self.withdraw()
                raise
        self.arrived = True
        return Uploaded(self._url, self._hash.hexdigest(), self._size, True, etag)

    async def _put(self, store: ObjectStore, reader: Any) -> None:  # noqa: ANN401  (a raw file)
        try:
            await (self._small if self._size <= SMALL else self._large)(store, reader)
        except UploadError as error:
            if self._failure is not None:  # not the server's
                raise self._failure from None
            # An answer that is lost tells nothing: it may be there all the same, from a try before
            # too, which a later one meets. Nobody else has its name.
            if self._read != self._size or not await self._is_there():
                raise
            log.info("%s; but it is there", error)

    async def _small(self, store: ObjectStore, reader: Any) -> None:  # noqa: ANN401  (a raw file)
        data = b"".join([piece async for piece in self._pieces(reader, SMALL)])
        with self._answered():
            for failed in range(1, TRIES + 1):
                try:
                    await self._create(store, data)
                except errors_of_obstore() as error:
                    # obstore itself tries again what is in parts, and not what is created.
                    if failed == TRIES or not trouble_of(error, self.asked.place.scheme).passing:
                        raise
                    await asyncio.sleep(self.asked.pace.pause * 2 ** (failed - 1))
                else:
                    return

    async def _create(self, store: ObjectStore, data: bytes) -> None:
        from obstore.exceptions import NotSupportedError

        attributes = {DIGEST_ATTRIBUTE: self._hash.hexdigest()}
        put = partial(store.put_async, self._key, data, use_multipart=False, attributes=attributes)
        try:
            await put(mode="create")
        except errors_of_obstore() as error:
            status = trouble_of(error, self.asked.place.scheme).status
            if status != 501 and not isinstance(error, NotSupportedError):
                raise
            await put()  # a server that cannot create only where nothing is; there is nothing

    async def _large(self, store: ObjectStore, reader: Any) -> None:  # noqa: ANN401  (a raw file)
        part = part_size(self._size)
        put = asyncio.ensure_future(
            store.put_async(
                self._key,
                self._pieces(reader, part),
                use_multipart=True,
                chunk_size=part,
                max_concurrency=max(1, IN_MEMORY // part),
            )
        )
        try:
            with self._answered():
                await asyncio.shield(put)
        except asyncio.CancelledError:
            self._stopped = True  # by a failing file obstore takes back what the server has of it
            await asyncio.wait({put}, timeout=ABORT_SECONDS)
            put.cancel()
            raise

    async def _pieces(self, reader: Any, step: int) -> AsyncIterator[bytes]:  # noqa: ANN401
        """Yield the file, hashed; obstore takes more while parts are on their way."""
        try:
            while data := await in_thread(self._next, reader, step):
                yield data
                if self._progress is not None:
                    self._progress(self._read, self._size)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._failure = error
            raise

    def _next(self, reader: Any, step: int) -> bytes:  # noqa: ANN401  (a raw file)
        if self._stopped:
            raise InterruptedError
        with disk_errors("uploading weights", self._source):
            data: bytes = reader.read(step)
        self._hash.update(data)
        self._read += len(data)
        return data

    def _check_unchanged(self, before: os.stat_result, after: os.stat_result) -> None:
        facts = [(each.st_size, each.st_mtime_ns) for each in (before, after)]
        if facts[0] != facts[1] or self._read != self._size:
            raise InvalidValueError(
                f"{self._source} changed while it was uploaded; upload it when it is finished",
                argument="weights_filename",
            )

    async def _is_there(self) -> bool:
        try:
            found = await look(self.asked.store(), self.asked.place, self.asked.translated)
        except (_MissingError, UploadError):
            return False
        return found.size == self._size

    async def _check_arrived(self, store: ObjectStore) -> str | None:
        try:
            found = await look(store, self.asked.place, self.asked.translated)
        except _MissingError:
            raise self.asked.failed("the server took it, and has not got it") from None
        if found.size != self._size:
            raise self.asked.failed(
                f"the server took {self._size:,} bytes, and has {found.size:,} of them"
            )
        return found.etag

    async def withdraw(self) -> None:
        asked = _Asked(self._url, self.asked.pace)
        try:
            with asked.translated("deleted"):
                store = asked.store(0, min(1.0, ABORT_SECONDS / asked.pace.silence))
                await store.delete_async(self._key)
        except (_MissingError, UploadError) as error:
            log.info("what may be left of an upload: %s", error)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            with self.asked.translated():
                yield
        except _MissingError:
            raise self.asked.failed("there is no such bucket") from None


def part_size(size: int) -> int:
    """Return how large the parts are that an object is uploaded in, in bytes.

    >>> part_size(10**9), part_size(10**12)
    (8388608, 111149056)
    """
    mebibyte = 1024 * 1024
    return max(SMALL, -(-size // MOST_PARTS // mebibyte) * mebibyte)
