"""Upload to an object store, look at an object, and delete it."""

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
from localreg.blobs.transfer.cloud.event_loop import ForkedError, in_thread, run_in_loop
from localreg.blobs.transfer.cloud.place import Place, place_of
from localreg.blobs.transfer.cloud.stores import check_extra, open_store
from localreg.blobs.transfer.http.download import TRIES
from localreg.blobs.transfer.pace import Pace, pace_from_environment
from localreg.blobs.transfer.transferred import Uploaded, UploadMark, check_sent
from localreg.errors import UploadError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import changed, status_of, unchanged
from localreg.filesystem.temporary_owners import is_alive
from localreg.values.ids import new_id
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from typing import Any, TypeAlias, TypeVar

    from obstore.store import ObjectStore

    from localreg.progress import Progress

    Result = TypeVar("Result")
    Run: TypeAlias = Callable[[Callable[[], Coroutine[object, object, Result]]], Result]

SMALL = 8 * 1024 * 1024  # bytes; up to this size an object is sent in one piece
MOST_PARTS = 9_000  # S3 allows 10,000
IN_MEMORY = 32 * 1024 * 1024  # bytes of the parts that are sent at once; about as many wait
RETRIES = 6  # of each part
FEW_RETRIES = 2  # of a look or a deletion
PATIENCE = 10.0  # times the allowed silence: the time limit of one part
ABORT_SECONDS = 10.0
UPLOAD_ATTRIBUTE = "localregupload"  # in the metadata of each object: the id of its upload
_one_large = threading.Lock()  # one large upload at a time: each has many parts in memory


def upload(
    source: Path,
    url: str,
    *,
    upload_id: str | None = None,
    replace: bool = False,
    wanted: str | None = None,
    progress: Progress | None = None,
    pace: Pace | None = None,
    run: Run[Uploaded] = run_in_loop,
) -> Uploaded:
    """Upload a file to a new object.

    After an error there is no object, unless the server does not answer the request to delete it.
    With `replace` there is the object that was there before, or the whole new one.

    Args:
        source: a regular file.
        url: URL of the object, which nothing else uses.
        upload_id: kept in the object's metadata; None for a new one.
        replace: an object of this URL is replaced when all bytes have arrived.
        wanted: the sha256 that the file must have; it is known before the object is complete.
        progress: called with the number of bytes read, and the total.
        pace: how slow the server may be; by default as the environment says.
        run: runs the coroutine of the upload to its end.

    Raises:
        SourceNotFoundError: the file does not exist.
        InvalidValueError: it is not a regular file, or changed during the upload.
        DigestMismatchError: it has another digest.
        UploadError: the server did not accept it.
    """
    check_extra(url)
    with disk_errors("uploading weights", source):
        size = source_size(source)
        work = _Upload(
            source,
            size,
            url,
            upload_id or new_id(),
            replace,
            wanted,
            progress,
            pace or pace_from_environment(),
        )
        with _one_large if size > SMALL else nullcontext():
            try:
                return work.target.run(work.to_the_end, run)
            except BaseException:
                if work.arrived:  # the upload had ended, but the caller does not get its URL
                    run_in_loop(work.withdraw)
                raise


def seen(url: str) -> Seen | None:
    """Return facts about an object; None if it does not exist.

    Raises:
        UploadError: the server does not answer the question.
    """
    check_extra(url)
    target = _Object(url, pace_from_environment())

    async def find() -> Seen | None:
        try:
            return await look(target.store(), target.place, partial(target.translated, "looked at"))
        except _MissingError:
            return None

    return target.run(find)


def left_of(url: str, mark: UploadMark, etag: str | None) -> list[str]:
    """Return the URL if its object is of this upload, or has this ETag; else nothing.

    Some servers lose the metadata of large objects. Then it counts that a process of this machine
    made up the URL: no other one knows the mark of this machine.

    Raises:
        UploadError: the server does not answer the question.
    """
    found = seen(url)
    if found is None:
        return []
    if etag is not None:
        return [url] if found.etag == etag else []
    written = found.attributes.get(UPLOAD_ATTRIBUTE)
    ours = written == mark.id or (written is None and is_alive(mark.owner) is not None)
    return [url] if ours else []


def delete(url: str) -> None:
    """Delete an object, if it exists.

    Raises:
        UploadError: the server did not delete it.
    """
    check_extra(url)
    target = _Object(url, pace_from_environment())
    target.run(target.delete)


class _MissingError(Exception):
    """The object does not exist."""


class _Object:
    """The requests about one object."""

    def __init__(self, url: str, pace: Pace) -> None:
        self.url = url
        self.place: Place = place_of(url)
        self.pace = pace

    def run(
        self, begin: Callable[[], Coroutine[object, object, Result]], run: Run[Result] = run_in_loop
    ) -> Result:
        try:
            return run(begin)
        except ForkedError as error:
            raise self.failed(str(error)) from None

    def store(self, retries: int = FEW_RETRIES, patience: float = 1.0) -> ObjectStore:
        """Return the store; `patience` is a multiple of the time that a server may be silent."""
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
        self,
        source: Path,
        size: int,
        url: str,
        upload_id: str,
        replace: bool,
        wanted: str | None,
        progress: Progress | None,
        pace: Pace,
    ) -> None:
        self._source = source
        self._replace = replace
        self._wanted = wanted
        self._id = upload_id
        self._attributes = {UPLOAD_ATTRIBUTE: upload_id}
        self._size = size
        self._url = url
        self._progress = progress
        self.target = _Object(url, pace)
        self._key = self.target.place.key
        self._hash: hashlib._Hash
        self._read = 0
        self._stopped = False
        self._failure: BaseException | None = None
        self.arrived = False

    async def to_the_end(self) -> Uploaded:
        import hashlib

        self._hash = hashlib.sha256()
        large = self._size > SMALL
        store = self.target.store(RETRIES, PATIENCE) if large else self.target.store(0)
        try:
            with unchanged(self._source, "weights_filename") as reader:
                await self._put(store, reader)
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
            # The answer may be lost although the object was stored, perhaps by an earlier try. No
            # other upload uses its name.
            if self._read != self._size or not await self._is_there():
                raise
            log.info("%s; but the object exists", error)

    async def _small(self, store: ObjectStore, reader: Any) -> None:  # noqa: ANN401  (a raw file)
        data = b"".join([piece async for piece in self._pieces(reader, SMALL)])
        with self._answered():
            for failed in range(1, TRIES + 1):
                try:
                    await self._create(store, data)
                except errors_of_obstore() as error:
                    # obstore itself retries parts, but not an object that is created.
                    if failed == TRIES or not trouble_of(error, self.target.place.scheme).passing:
                        raise
                    await asyncio.sleep(self.target.pace.pause * 2 ** (failed - 1))
                else:
                    return

    async def _create(self, store: ObjectStore, data: bytes) -> None:
        from obstore.exceptions import NotSupportedError

        attributes = {**self._attributes, DIGEST_ATTRIBUTE: self._hash.hexdigest()}
        put = partial(store.put_async, self._key, data, use_multipart=False, attributes=attributes)
        if self._replace:
            await put()
            return
        try:
            await put(mode="create")
        except errors_of_obstore() as error:
            status = trouble_of(error, self.target.place.scheme).status
            if status != 501 and not isinstance(error, NotSupportedError):
                raise
            await put()  # the server does not know the condition; no object has this name

    async def _large(self, store: ObjectStore, reader: Any) -> None:  # noqa: ANN401  (a raw file)
        part = part_size(self._size)
        put = asyncio.ensure_future(
            store.put_async(
                self._key,
                self._pieces(reader, part),
                attributes=self._attributes,
                use_multipart=True,
                chunk_size=part,
                max_concurrency=max(1, IN_MEMORY // part),
            )
        )
        try:
            with self._answered():
                await asyncio.shield(put)
        except asyncio.CancelledError:
            self._stopped = True  # when the file fails, obstore deletes the parts on the server
            await asyncio.wait({put}, timeout=ABORT_SECONDS)
            put.cancel()
            raise

    async def _pieces(self, reader: Any, step: int) -> AsyncIterator[bytes]:  # noqa: ANN401
        """Yield the file in pieces, and hash it; obstore reads ahead while parts are sent."""
        before = status_of(os.fstat(reader.fileno()))
        try:
            while data := await in_thread(self._next, reader, step):
                yield data
                if self._progress is not None:
                    self._progress(self._read, self._size)
            # The object is complete after this, and then replaces another one.
            if self._read != self._size or status_of(os.fstat(reader.fileno())) != before:
                raise changed(self._source, "weights_filename")
            check_sent(self._source, self._hash.hexdigest(), self._wanted)
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
        if self._read > self._size:  # it grows, perhaps without end
            raise changed(self._source, "weights_filename")
        return data

    async def _is_there(self) -> bool:
        try:
            found = await look(self.target.store(), self.target.place, self.target.translated)
        except (_MissingError, UploadError):
            return False
        if self._replace and found.attributes.get(UPLOAD_ATTRIBUTE) != self._id:
            return False  # perhaps the object that was there before
        return found.size == self._size

    async def _check_arrived(self, store: ObjectStore) -> str | None:
        try:
            found = await look(store, self.target.place, self.target.translated)
        except _MissingError:
            raise self.target.failed("the server accepted it, but does not have it") from None
        if found.size != self._size:
            raise self.target.failed(
                f"the server accepted {self._size:,} bytes, but has {found.size:,}"
            )
        return found.etag

    async def withdraw(self) -> None:
        if self._replace:
            return  # what is there may be the object from before
        target = _Object(self._url, self.target.pace)
        try:
            with target.translated("deleted"):
                store = target.store(0, min(1.0, ABORT_SECONDS / target.pace.silence))
                await store.delete_async(self._key)
        except (_MissingError, UploadError) as error:
            log.info("an upload that failed may have left an object: %s", error)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            with self.target.translated():
                yield
        except _MissingError:
            raise self.target.failed("there is no such bucket") from None


def part_size(size: int) -> int:
    """Return the size of the parts of an upload, in bytes.

    >>> part_size(10**9), part_size(10**12)
    (8388608, 111149056)
    """
    mebibyte = 1024 * 1024
    return max(SMALL, -(-size // MOST_PARTS // mebibyte) * mebibyte)
