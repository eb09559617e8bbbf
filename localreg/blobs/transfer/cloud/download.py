"""Download an object: in ranges of one version, several at once, verified."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from localreg.blobs.staging.staging import check_room
from localreg.blobs.transfer.cloud.errors import errors_of_obstore, trouble_of
from localreg.blobs.transfer.cloud.event_loop import ForkedError, in_thread, run_in_loop
from localreg.blobs.transfer.cloud.place import Place, place_of
from localreg.blobs.transfer.cloud.stores import check_extra, open_store
from localreg.blobs.transfer.http.download import RESTARTS, TRIES, sent_filename
from localreg.blobs.transfer.pace import Pace, too_late, too_slow
from localreg.blobs.transfer.partial import Part
from localreg.blobs.transfer.transferred import Downloaded, check_wanted
from localreg.errors import DownloadError, InvalidURLError
from localreg.values.frozen import Frozen
from localreg.values.urls import is_sha256, public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from obstore.store import ObjectStore

RANGE = 8 * 1024 * 1024
AT_ONCE = 6
PIECE = 64 * 1024  # bytes to count at once: fewer cost time, more look like silence
A_DAY = 86_400.0  # obstore itself must not time out: the pace limits the download
DIGEST_ATTRIBUTE = "localregsha256"  # Azure takes no hyphens in names, proxies no underscores


class _ChangedError(Exception):
    """The object changed since the first request."""


class _BrokenError(Exception):
    """A try failed, and another may succeed."""


class Seen(Frozen):
    """Facts about an object, without its bytes.

    Attributes:
        size: number of bytes.
        etag: its ETag; None if the server has none.
        version: its version; None if the server has none.
        modified: when it was written.
        attributes: its headers and metadata.
    """

    size: int
    etag: str | None
    version: str | None
    modified: str
    attributes: dict[str, str]


def download_to(
    part: Part,
    url: str,
    pace: Pace,
    wanted: str | None,
    progress: Callable[[int, int | None], None] | None,
) -> Downloaded:
    """Download an object; as `localreg.blobs.transfer.downloading.download`."""
    try:
        check_extra(url)
        place = place_of(url)
    except InvalidURLError as error:
        raise DownloadError(str(error), url=public_url(url), status=None) from None
    run = _Download(url, place, part, pace, wanted, progress)
    try:
        return run_in_loop(run.to_the_end)
    except ForkedError as error:
        raise run.failed(str(error)) from None


class _Download:
    """One download of an object: its requests, and the bytes that arrived."""

    def __init__(
        self,
        url: str,
        place: Place,
        part: Part,
        pace: Pace,
        wanted: str | None,
        progress: Callable[[int, int | None], None] | None,
    ) -> None:
        self._url = url
        self._place = place
        self._part = part
        self._pace = pace
        self._wanted = wanted
        self._progress = progress
        self._requests = 0  # in progress
        self._arrived = 0
        self._store: ObjectStore

    async def to_the_end(self) -> Downloaded:
        watch = asyncio.ensure_future(self._verdict())
        work = asyncio.ensure_future(self._all_of_it())
        try:
            await asyncio.wait({watch, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise self.failed(f"the server was too slow: {watch.result()}")
            return work.result()
        finally:
            watch.cancel()
            work.cancel()
            await asyncio.gather(watch, work, return_exceptions=True)

    async def _verdict(self) -> str:
        """Wait until the server is too slow, and return why."""
        clock = asyncio.get_running_loop().time
        deadline = self._pace.deadline
        begun = window = clock()
        while True:
            await asyncio.sleep(min(1.0, self._pace.silence / 8, (deadline or 8.0) / 8))
            now = clock()
            if deadline is not None and now - begun >= deadline:
                return too_late(self._pace)
            passed = now - window
            if self._requests and passed >= self._pace.silence:
                verdict = too_slow(self._pace, self._arrived, passed)
                if verdict is not None:
                    return verdict
                window, self._arrived = now, 0
            elif not self._requests:
                window, self._arrived = now, 0

    async def _all_of_it(self) -> Downloaded:
        with self._translated():
            self._store = open_store(
                self._place, retries=0, patience=A_DAY, connect=self._pace.connect, pause=0.1
            )
        for _ in range(RESTARTS + 1):
            seen = await self._again(lambda: look(self._store, self._place, self._translated))
            self._begin(seen)
            try:
                await self._ranges(seen)
            except _ChangedError:
                self._part.restart()
                continue
            return await self._finish(seen)
        raise self.failed("the object changes with each request")

    def _begin(self, seen: Seen) -> None:
        part = self._part
        if part.note is not None and (part.note.etag, part.note.total) == (seen.etag, seen.size):
            return
        part.restart()
        check_room(part.path.parent, seen.size)
        part.begin(seen.etag, seen.size)

    async def _ranges(self, seen: Seen) -> None:
        """Download the missing ranges, and write them in order."""
        starts = iter(range(self._part.size, seen.size, RANGE))
        coming = deque(self._coming(start, seen) for start in islice(starts, AT_ONCE))
        try:
            while coming:
                pieces = await coming[0]
                coming.popleft()
                coming.extend(self._coming(start, seen) for start in islice(starts, 1))
                await in_thread(self._write, pieces, seen.size)
        finally:
            for each in coming:
                each.cancel()
            await asyncio.gather(*coming, return_exceptions=True)

    def _write(self, pieces: list[bytes], total: int) -> None:
        for piece in pieces:
            self._part.write(piece)
        if self._progress is not None:
            self._progress(self._part.size, total)

    def _coming(self, start: int, seen: Seen) -> asyncio.Task[list[bytes]]:
        end = min(start + RANGE, seen.size)
        return asyncio.ensure_future(self._again(lambda: self._range(start, end, seen)))

    async def _range(self, start: int, end: int, seen: Seen) -> list[bytes]:
        options: dict[str, Any] = {"range": (start, end)}
        if seen.etag is not None:
            options["if_match"] = seen.etag
        if self._place.version is not None:
            options["version"] = self._place.version
        pieces: list[bytes] = []
        with self._translated():
            result = await self._store.get_async(self._place.key, options=options)  # type: ignore[arg-type]
            if tuple(result.range) != (start, end) or result.meta["size"] != seen.size:
                raise _ChangedError
            async for piece in result.stream(min_chunk_size=PIECE):
                pieces.append(bytes(piece))
                self._arrived += len(piece)
        came = sum(map(len, pieces))
        if came != end - start:
            raise _BrokenError(f"it sent {came:,} bytes of {end - start:,}")
        return pieces

    async def _finish(self, seen: Seen) -> Downloaded:
        digest = await in_thread(self._part.finish)
        stored = seen.attributes.get(DIGEST_ATTRIBUTE, "").lower()
        check_wanted(self._url, digest, self._wanted or (stored if is_sha256(stored) else None))
        filename = sent_filename(seen.attributes.get("Content-Disposition", ""))
        return Downloaded(digest, seen.size, seen.etag, seen.modified, filename)

    async def _again(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401  (what `ask` returns)
        """Return what `ask` returns, after retries if it breaks."""
        for failed in range(1, TRIES + 1):
            try:
                return await ask()
            except _BrokenError as error:
                reason = str(error)
            if failed < TRIES:
                pause = self._pace.pause * 2 ** (failed - 1) * random.uniform(0.5, 1.0)
                await asyncio.sleep(pause)
        raise self.failed(f"no success in {TRIES} tries: {reason}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        self._requests += 1
        try:
            yield
        except errors_of_obstore() as error:
            from obstore.exceptions import PreconditionError

            if isinstance(error, PreconditionError):
                raise _ChangedError from None
            trouble = trouble_of(error, self._place.scheme)
            if trouble.status == 416:
                raise _ChangedError from None
            if trouble.passing:
                raise _BrokenError(trouble.what) from None
            raise self.failed(trouble.what, trouble.status) from None
        finally:
            self._requests -= 1

    def failed(self, what: str, status: int | None = None) -> DownloadError:
        """Return the error that says why the download failed."""
        shown = public_url(self._url)
        return DownloadError(f"{shown} cannot be fetched: {what}", url=shown, status=status)


async def look(store: ObjectStore, place: Place, translated: Callable[[], Any]) -> Seen:
    """Return facts about an object, without its bytes.

    Args:
        store, place: where it is.
        translated: returns a context manager that translates obstore's errors.
    """
    options: dict[str, Any] = {"head": True}
    if place.version is not None:
        options["version"] = place.version
    with translated():
        result = await store.get_async(place.key, options=options)  # type: ignore[arg-type]
        meta = result.meta
        attributes = {str(name): str(value) for name, value in result.attributes.items()}
    modified = meta["last_modified"].isoformat()
    return Seen(meta["size"], meta["e_tag"] or None, meta["version"], modified, attributes)
