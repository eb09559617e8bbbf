"""Objects in an object store, with obstore."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from localreg.blobs.remote_store.objects import Found, UnsureError
from localreg.blobs.staging.staging import source_size
from localreg.blobs.transfer.cloud.errors import errors_of_obstore, trouble_of
from localreg.blobs.transfer.cloud.event_loop import ForkedError, run_in_loop, run_in_threads
from localreg.blobs.transfer.cloud.place import Place
from localreg.blobs.transfer.cloud.stores import open_store
from localreg.blobs.transfer.cloud.upload import SMALL, upload
from localreg.blobs.transfer.downloading import download
from localreg.blobs.transfer.pace import Pace
from localreg.blobs.transfer.transferred import check_sent
from localreg.errors import RemoteError, UploadError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import unchanged
from localreg.values.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from localreg.blobs.transfer.transferred import Downloaded
    from localreg.progress import Progress

    Given = TypeVar("Given")
    Result = TypeVar("Result")

RETRIES = 4  # of each request that reads or deletes
TRIES = 4  # of a write
LITTLE = 256 * 1024  # bytes; more may take longer than a server may be silent
PATIENCE = 10.0  # times the allowed silence: the time limit of a request with more
AT_ONCE = 16  # requests
PIECE = 1024 * 1024  # bytes
_TAKEN = frozenset({304, 409, 412})  # answers to a create-only put of a name that is taken


class CloudObjects:
    """As `Objects`, in an object store."""

    def __init__(self, url: str, place: Place, shown: str, pace: Pace) -> None:
        self.url = url
        self.place = place
        self.shown = shown
        self._pace = pace
        self._stores: dict[tuple[int, float], ObjectStore] = {}

    def look(self, keys: Sequence[str]) -> list[Found | None]:
        """Return facts about objects, asked at once; None for each that does not exist."""

        def one(key: str) -> Found | None:
            try:
                with self._translated(f"{key} cannot be looked at"):
                    return _found(self._store(RETRIES).head(self._full(key)))
            except _MissingError:
                return None

        self._store(RETRIES)  # made once, not by each thread
        found: list[Found | None] = []
        for start in range(0, len(keys), AT_ONCE):
            some = [partial(one, key) for key in keys[start : start + AT_ONCE]]
            found += self._guarded(lambda some=some: run_in_threads(some))  # type: ignore[misc]
        return found

    def create(self, key: str, data: bytes) -> Found | None:
        """Write a new object; None if another one has its key."""
        unsure = False
        for failed in range(1, TRIES + 1):
            try:
                mark = self._run(lambda: self._create(key, data))
            except _TakenError:
                return self._ours(key, data)
            except _LostError as error:
                reason, unsure = str(error), unsure or error.unsure
            else:
                return Found(len(data), mark) if mark else self.look([key])[0]
            if failed < TRIES:
                self._run(lambda n=failed: self._pause(n))  # type: ignore[misc]
        failure = UnsureError if unsure else RemoteError
        raise failure(f"{self.shown}: {key} cannot be written: {reason}", remote=self.shown)

    async def _create(self, key: str, data: bytes) -> str | None:
        from obstore.exceptions import AlreadyExistsError, NotSupportedError, PreconditionError

        try:
            put = self._store(0, len(data)).put_async(
                self._full(key), data, mode="create", use_multipart=False
            )
            return (await put)["e_tag"]
        except (AlreadyExistsError, PreconditionError):
            raise _TakenError from None
        except errors_of_obstore() as error:
            trouble = trouble_of(error, self.place.scheme)
            if trouble.status in _TAKEN:
                raise _TakenError from None
            if trouble.status == 501 or isinstance(error, NotSupportedError):
                raise self.failed(
                    "this store cannot write an object only if there is none, so two machines that "
                    "write at once could not be kept apart"
                ) from None
            if trouble.passing:
                raise _LostError(trouble.what, unsure=trouble.status not in (429, 503)) from None
            raise self.failed(f"{key} cannot be written: {trouble.what}") from None

    async def _pause(self, failed: int) -> None:
        await asyncio.sleep(self._pace.pause * 2 ** (failed - 1) * random.uniform(0.5, 1.0))

    def _ours(self, key: str, data: bytes) -> Found | None:
        """Return an object if an earlier try of this very write made it, whose answer was lost."""
        try:
            (seen,) = self.look([key])
            found = self.get(key, len(data)) if seen and seen.size == len(data) else None
        except RemoteError as error:
            raise UnsureError(str(error), remote=self.shown) from None
        return found[1] if found is not None and found[0] == data else None

    def put(self, key: str, path: Path, digest: str | None, progress: Progress | None) -> None:
        """Write a file as an object."""
        size = source_size(path)
        if size <= SMALL:
            with unchanged(path, "weights_filename") as reader:
                data = reader.read(size + 1)
            check_sent(path, hashlib.sha256(data).hexdigest(), digest)
            if self.create(key, data) is not None:
                if progress is not None:
                    progress(size, size)
                return
        try:
            upload(
                path,
                self.url_of(key),
                replace=True,
                wanted=digest,
                progress=progress,
                pace=self._pace,
            )
        except UploadError as error:
            raise RemoteError(str(error), remote=self.shown) from None

    def replace(self, key: str, data: bytes) -> None:
        """Write an object, also if it is there."""

        async def write() -> None:
            with self._translated(f"{key} cannot be written"):
                await self._store(RETRIES).put_async(self._full(key), data, use_multipart=False)

        self._run(write)

    def get(self, key: str, limit: int) -> tuple[bytes, Found] | None:
        """Return an object, None if it does not exist."""
        return self._run(lambda: self._get(key, limit))

    def get_many(self, keys: Sequence[str], limit: int) -> list[bytes | None]:
        """Return the bytes of objects; None for each that does not exist."""

        async def one(key: str) -> bytes | None:
            found = await self._get(key, limit)
            return None if found is None else found[0]

        return self._run(lambda: _several(one, keys))

    async def _get(self, key: str, limit: int) -> tuple[bytes, Found] | None:
        try:
            with self._translated(f"{key} cannot be read"):
                result = await self._store(RETRIES).get_async(self._full(key))
                if result.meta["size"] > limit:
                    raise self.failed(f"{key} is larger than {limit:,} bytes")
                return bytes(await result.bytes_async()), _found(result.meta)
        except _MissingError:
            return None

    def fetch(self, files: Sequence[tuple[str, Path]]) -> list[str]:
        """Download objects, and return the keys that do not exist."""

        async def one(file: tuple[str, Path]) -> str | None:
            key, path = file
            try:
                with self._translated(f"{key} cannot be read"):
                    result = await self._store(RETRIES, LITTLE + 1).get_async(self._full(key))
                    with open(path, "wb") as writer:
                        async for piece in result.stream(min_chunk_size=PIECE):
                            writer.write(piece)
            except _MissingError:
                return key
            if path.stat().st_size != result.meta["size"]:
                raise self.failed(f"{key} cannot be read: the connection broke off")
            return None

        with disk_errors("reading a remote", files[0][1].parent if files else Path()):
            found = self._run(lambda: _several(one, files))
        return [key for key in found if key is not None]

    def names(self, folder: str, start: str) -> list[str]:
        """Return the names of the objects in a folder, those from `start` on in their order."""
        prefix = self._full(folder)
        before = f"{prefix}/{start[:-1]}" if start else None  # the server leaves out this one

        async def listed() -> list[str]:
            found: list[str] = []
            with self._translated(f"{folder} cannot be listed"):
                pages = self._store(RETRIES).list(prefix=prefix, offset=before, chunk_size=1000)
                async for batch in pages:
                    found += [each["path"][len(prefix) + 1 :] for each in batch]
            return sorted(name for name in found if name >= start and "/" not in name)

        return self._run(listed)

    def download(
        self,
        key: str,
        path: Path,
        wanted: str | None,
        progress: Callable[[int, int | None], None] | None,
        durable: bool,
    ) -> Downloaded:
        """Download an object to a file, verified."""
        return download(
            self.url_of(key),
            path,
            wanted=wanted,
            progress=progress,
            pace=self._pace,
            durable=durable,
        )

    def keys(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Yield key, size and time of the objects in a folder, and below it."""
        start = len(self._full(""))

        async def listed() -> list[tuple[str, int, float]]:
            found: list[tuple[str, int, float]] = []
            with self._translated(f"{prefix} cannot be listed"):
                async for batch in self._store(RETRIES).list(prefix=self._full(prefix)):
                    found += [
                        (each["path"][start:], each["size"], each["last_modified"].timestamp())
                        for each in batch
                    ]
            return found

        yield from sorted(self._run(listed))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that do not exist are no error."""

        async def one(key: str) -> None:
            try:
                with self._translated(f"{key} cannot be deleted"):
                    await self._store(RETRIES).delete_async(self._full(key))
            except _MissingError:
                return

        named = list(keys)
        self._run(lambda: _several(one, named))

    def now(self) -> float:
        """Return the time by the clock of the server."""
        folder = f"now-{new_id()}"
        self.create(f"{folder}/now", b"")
        try:
            times = [modified for _, _, modified in self.keys(folder)]
        finally:
            self.delete([f"{folder}/now"])
        if not times:
            raise self.failed("the server does not list an object that was just written")
        return times[0]

    def clear(self, before: float) -> None:
        """Do nothing: the parts of uploads that were cut are deleted by rules of the bucket."""

    def prepare(self, folders: Sequence[str]) -> None:
        """Do nothing: object stores have no folders."""

    def url_of(self, key: str) -> str:
        """Return the URL of an object."""
        return f"{self.url}/{quote(key)}"

    def failed(self, what: str) -> RemoteError:
        """Return the error that says what is wrong with the place."""
        return RemoteError(f"{self.shown}: {what}", remote=self.shown)

    def _full(self, key: str) -> str:
        return f"{self.place.key}/{key}" if self.place.key else key

    def _run(self, begin: Callable[[], Coroutine[object, object, Result]]) -> Result:
        return self._guarded(lambda: run_in_loop(begin))

    def _guarded(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except ForkedError as error:
            raise self.failed(str(error)) from None

    def _store(self, retries: int, size: int = 0) -> ObjectStore:
        """Return the store for requests that send or get so many bytes."""
        patience = 1.0 if size <= LITTLE else PATIENCE
        key = (retries, patience)
        if key not in self._stores:
            with self._translated("it cannot be opened"):
                self._stores[key] = open_store(
                    self.place,
                    retries=retries,
                    patience=self._pace.silence * patience,
                    silence=self._pace.silence,
                    connect=self._pace.connect,
                    pause=self._pace.pause,
                )
        return self._stores[key]

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RemoteError:
            raise
        except errors_of_obstore() as error:
            trouble = trouble_of(error, self.place.scheme)
            if trouble.missing:
                raise _MissingError from None
            raise self.failed(f"{doing}: {trouble.what}") from None


async def _several(
    ask: Callable[[Given], Coroutine[object, object, Result]], every: Sequence[Given]
) -> list[Result]:
    """Return what `ask` returns for each, asked at once; not more than a server likes."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(each: Given) -> Result:
        async with free:
            return await ask(each)

    return list(await asyncio.gather(*map(one, every)))


def _found(meta: ObjectMeta) -> Found:
    mark = meta["e_tag"] or f"{meta['size']}-{meta['last_modified'].isoformat()}"
    return Found(meta["size"], mark)


class _MissingError(Exception):
    """The object does not exist."""


class _TakenError(Exception):
    """Another object has the key."""


class _LostError(Exception):
    """A write failed, and another try may succeed; `unsure`: this one may have done its work."""

    def __init__(self, what: str, *, unsure: bool) -> None:
        super().__init__(what)
        self.unsure = unsure
