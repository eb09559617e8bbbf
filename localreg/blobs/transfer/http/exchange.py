"""Ask a server for small answers, and send it bytes: many requests over one connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from localreg.blobs.transfer.http.download import ALL_TRIES, LATER, TRIES, retry_after
from localreg.blobs.transfer.http.request import PIECE, BrokenConnectionError, Client, origin
from localreg.blobs.transfer.pace import Pace, Watch
from localreg.errors import DownloadError, LocalregError, UploadError
from localreg.values.frozen import Frozen, replace
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    import requests

    from localreg.blobs.transfer.http.request import Access

# Bytes that are sent at once. The time limit of a connection is for each of them, so a slow line
# must be able to take one.
_SENT_AT_ONCE = 32_768


class Answer(Frozen):
    """What a server answered.

    Attributes:
        status: of HTTP.
        headers: by their names, in any case.
        data: the body.
        method, url: of the request.
    """

    status: int
    headers: Mapping[str, str]
    data: bytes
    method: str
    url: str


class Request(Frozen):
    """A request that may have to be made several times.

    Attributes:
        url: what is asked.
        headers: of the request.
        body: what is sent.
        begun: how many bytes the server has of it already; more of them are a success.
        pinned: True if the caller knows the checksum of the answer.
    """

    url: str
    headers: Mapping[str, str] = {}
    body: bytes | Body | None = None
    begun: int = 0
    pinned: bool = False


class Body:
    """Bytes that are sent, and can be sent again.

    Args:
        pieces: begins to read them.
        size: how many there are.
        sent: called with the number of bytes of each piece that is sent.

    Attributes:
        failure: the error with which they could not be read.
    """

    def __init__(
        self,
        pieces: Callable[[], Iterable[bytes | memoryview]],
        size: int,
        sent: Callable[[int], None] | None = None,
    ) -> None:
        self._pieces = pieces
        self._size = size
        self._sent = sent
        self.watch: Watch | None = None
        self.failure: LocalregError | None = None

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._pieces():
                rest = memoryview(piece)
                while rest:
                    some, rest = rest[:_SENT_AT_ONCE], rest[_SENT_AT_ONCE:]
                    yield bytes(some)
                    if self.watch is not None:
                        self.watch.arrived(len(some))
                    if self._sent is not None:
                        self._sent(len(some))
        except LocalregError as error:  # also an OSError, as are those of the connection
            self.failure = error
            raise


class _Failure(Frozen):
    """Why a try failed, and the seconds that the server asks to wait."""

    reason: str
    after: float = 0.0


class Exchange:
    """Requests to one server, one after the other; use it as a context manager.

    Args:
        url: of the server, for `inside`.
        access: its credentials.
        pace: how slow it may be; its deadline is for one download, and does not count.
    """

    def __init__(self, url: str, access: Access | None, pace: Pace) -> None:
        pace = replace(pace, deadline=None)
        self._origin = origin(url)
        self._pace = pace
        self._watch = Watch(pace)
        self._client = _Client(url, pace, self._watch, pinned=False, access=access)

    def __enter__(self) -> Exchange:
        self._watch.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._watch.__exit__(kind, error, trace)
        self._client.close()

    def inside(self, url: str) -> bool:
        """Return True if a URL is of this server, and asked in the same way."""
        return origin(url) == self._origin

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        *,
        most: int = PIECE,
        pinned: bool = False,
    ) -> Answer:
        """Return the answer to a request; what may go better later is tried again.

        Args:
            body: what is sent.
            most: the most bytes of an answer.
            pinned: True if the caller knows the checksum of the answer, so that an insecure
                redirect does no harm.

        Raises:
            DownloadError: no answer came, or one that is too large.
            UploadError: the same, of a request that sends or changes something.
        """
        request = Request(url, headers or {}, body, pinned=pinned)
        return self.send(method, lambda: request, most=most)

    def send(self, method: str, make: Callable[[], Request], *, most: int = PIECE) -> Answer:
        """Return the answer to a request that is made again for each try.

        Args:
            make: returns the request; it may ask the server how far the last one came.
            most: as for `ask`.

        Raises:
            DownloadError, UploadError: as for `ask`.
        """
        failed = begun = 0
        reason = ""
        for _ in range(ALL_TRIES):
            request = make()
            if request.begun > begun:
                failed, begun = 0, request.begun
            with _uploading(method, request.url):
                found = self._try(method, request, most)
                if isinstance(found, Answer):
                    return found
                failed, reason = failed + 1, found.reason
                if failed == TRIES:
                    break
                pause = self._pace.pause * 2 ** (failed - 1) * random.uniform(0.5, 1.0)
                time.sleep(min(max(pause, found.after), self._watch.time_left()))
                self._check_pace()
        with _uploading(method, request.url):
            raise self._client.refused(f"did not answer as it should in {failed} tries: {reason}")

    def _try(self, method: str, request: Request, most: int) -> Answer | _Failure:
        body = request.body
        if isinstance(body, Body):
            body.watch = self._watch
        self._watch.start()
        try:
            with self._client.answer_of(request, method) as response:
                data = b"" if method == "HEAD" else self._read(response, most)
                status = response.status_code
                if status in LATER:
                    after = retry_after(response.headers.get("Retry-After"))
                    return _Failure(f"it answers {status}", after or 0.0)
                return Answer(status, response.headers, data, method, request.url)
        except BrokenConnectionError as error:
            if isinstance(body, Body) and body.failure is not None:
                raise body.failure from None
            return _Failure(str(error))
        finally:
            self._watch.stop()

    def _check_pace(self) -> None:
        if self._watch.gave_up():
            raise self._client.refused(f"was too slow: {self._watch.verdict}")

    def _read(self, response: requests.Response, most: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            with self._client.translated():
                piece = response.raw.read1(PIECE, decode_content=False)
            if not piece:
                break
            self._watch.arrived(len(piece))
            size += len(piece)
            if size > most:
                raise self._client.refused(
                    f"answers with more than {most:,} bytes", response.status_code
                )
            pieces.append(piece)
        self._check_pace()
        length = response.headers.get("Content-Length", "")
        if length.strip().isdecimal() and int(length) != size:
            raise BrokenConnectionError(f"it sent {size:,} bytes of {int(length):,}")
        return b"".join(pieces)


class _Client(Client):
    """Sends requests for any URL of a server."""

    def answer_of(self, request: Request, method: str) -> AbstractContextManager[requests.Response]:
        """Yield the answer to a request; as `Client.answer`."""
        self._url, self._pinned = request.url, request.pinned
        return self.answer(request.headers, method=method, body=request.body)


@contextmanager
def _uploading(method: str, url: str) -> Iterator[None]:
    """A block whose DownloadError becomes an UploadError, if something is sent in it."""
    try:
        yield
    except DownloadError as error:
        if method in ("GET", "HEAD"):
            raise
        text = str(error).replace("cannot be fetched", "cannot be written", 1)
        raise UploadError(text, urls=(public_url(url),)) from None
