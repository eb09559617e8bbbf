"""Download what a URL serves over http, with retries that continue where a try stopped."""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import unquote

import requests

from localreg.blobs.staging.staging import check_room
from localreg.blobs.transfer.http.request import PIECE, BrokenConnectionError, Client
from localreg.blobs.transfer.pace import Pace, Watch
from localreg.blobs.transfer.partial import Part
from localreg.blobs.transfer.transferred import Downloaded, check_wanted
from localreg.values.urls import safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.transfer.http.request import Access

TRIES = 5  # in a row without a new byte
ALL_TRIES = 100
RESTARTS = 3
LONGEST_PAUSE = 120.0  # seconds, even if Retry-After asks for more
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_FILENAME = re.compile(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', re.IGNORECASE)
_MEANINGS = {
    401: "wants other credentials (in the URL, or in .netrc)",
    403: "refuses access",
    404: "does not have it",
    410: "does not have it any more",
}


def download_to(
    part: Part,
    url: str,
    pace: Pace,
    wanted: str | None,
    progress: Callable[[int, int | None], None] | None,
    access: Access | None = None,
    most: int | None = None,
) -> Downloaded:
    """Download what a URL serves; as `localreg.blobs.transfer.downloading.download`."""
    with (
        Watch(pace) as watch,
        closing(Client(url, pace, watch, pinned=wanted is not None, access=access)) as client,
    ):
        return _Download(url, client, part, watch, pace, wanted, progress, most).to_the_end()


class _Download:
    """One download: its tries, and what they brought."""

    def __init__(
        self,
        url: str,
        client: Client,
        part: Part,
        watch: Watch,
        pace: Pace,
        wanted: str | None,
        progress: Callable[[int, int | None], None] | None,
        most: int | None,
    ) -> None:
        self._url = url
        self._client = client
        self._part = part
        self._watch = watch
        self._pace = pace
        self._wanted = wanted
        self._progress = progress
        self._most = most
        self._restarts = 0
        self._retry_after: float | None = None  # seconds

    def to_the_end(self) -> Downloaded:
        failed = 0
        for _ in range(ALL_TRIES):
            before = self._part.size
            self._watch.start()
            try:
                found = self._try()
                if found is not None:
                    return found
                reason = "its bytes changed during the download"
            except BrokenConnectionError as error:
                reason = str(error)
            finally:
                self._watch.stop()
            failed = 1 if self._part.size > before else failed + 1
            if failed >= TRIES:
                break
            self._pause(failed)
        raise self._client.refused(f"did not deliver it in {failed} tries: {reason}")

    def _pause(self, failed: int) -> None:
        asked, self._retry_after = self._retry_after, None
        pause = self._pace.pause * 2 ** (failed - 1) * random.uniform(0.5, 1.0)
        time.sleep(min(max(pause, asked or 0.0), self._watch.time_left()))
        if self._watch.gave_up():
            raise self._client.refused(f"was too slow: {self._watch.verdict}")

    def _try(self) -> Downloaded | None:
        """Make one try; return None if the download must start again from the beginning.

        Raises:
            BrokenConnectionError: it was cut, and another try may succeed.
            DownloadError: the server does not give it.
        """
        part, headers = self._part, {}
        if part.note is not None and part.size:
            headers = {"Range": f"bytes={part.size}-", "If-Range": part.note.etag}
        with self._client.answer(headers) as response:
            if response.status_code == 416 and headers:
                if part.note is not None and part.size == part.note.total:
                    return self._finish(response)
                self._restart()
                return None
            self._check_status(response)
            self._check_encoding(response)
            if response.status_code == 206:
                if not self._continues(response):
                    self._restart()
                    return None
            else:
                self._begin(response)
            self._read(response)
            return self._finish(response)

    def _restart(self) -> None:
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise self._client.refused("answers with other ranges than requested", 206)
        self._part.restart()

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status in (200, 206):
            return
        if status in LATER:
            self._retry_after = retry_after(response.headers.get("Retry-After"))
            raise BrokenConnectionError(f"it answers {status}")
        what = _MEANINGS.get(status, "does not give it")
        raise self._client.refused(f"{what} (HTTP {status})", status)

    def _check_encoding(self, response: requests.Response) -> None:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        # Some servers declare a .gz file as an encoding of its content.
        packed = self._url.partition("?")[0].partition("#")[0].lower().endswith((".gz", ".tgz"))
        if encoding in ("", "identity") or (encoding in ("gzip", "x-gzip") and packed):
            return
        raise self._client.refused(
            f"sends it compressed ({encoding!r:.20}), though it was asked not to",
            response.status_code,
        )

    def _continues(self, response: requests.Response) -> bool:
        """Return True if a partial answer is exactly the rest of the part."""
        note = self._part.note
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if note is None or match is None:
            return False
        first, last, total = int(match[1]), int(match[2]), match[3]
        etag = response.headers.get("ETag")
        return (
            first == self._part.size
            and last == note.total - 1
            and total in ("*", str(note.total))
            and etag in (None, note.etag)
        )

    def _begin(self, response: requests.Response) -> None:
        """Prepare the part for a whole answer."""
        self._part.restart()
        total = self._length(response)
        if total is None and not self._is_chunked(response) and self._wanted is None:
            raise self._client.refused(
                "does not say how long it is, so a part would look like the whole; give a "
                "checksum (expected_sha256) to allow that",
                response.status_code,
            )
        if total is not None:
            check_room(self._part.path.parent, total)
        etag = response.headers.get("ETag", "")
        self._part.begin(etag if etag.startswith('"') else None, total)

    def _length(self, response: requests.Response) -> int | None:
        text = response.headers.get("Content-Length")
        if text is None or self._is_chunked(response):
            return None
        if not text.strip().isdecimal():
            raise self._client.refused("gives an invalid length", response.status_code)
        return int(text)

    def _is_chunked(self, response: requests.Response) -> bool:
        return "chunked" in response.headers.get("Transfer-Encoding", "").lower()

    def _read(self, response: requests.Response) -> None:
        """Read the body into the part, to its end."""
        coming = self._length(response)
        begun, part = self._part.size, self._part
        total = None if coming is None else begun + coming
        while True:
            with self._client.translated():
                data = response.raw.read1(PIECE, decode_content=False)
            if not data:
                break
            self._watch.arrived(len(data))
            if self._most is not None and part.size + len(data) > self._most:
                part.restart()
                raise self._client.refused(f"sends more than {self._most:,} bytes")
            part.write(data)
            if self._progress is not None:
                self._progress(part.size, total)
        if self._watch.gave_up():
            raise self._client.refused(f"was too slow: {self._watch.verdict}")
        if total is not None and part.size != total:
            raise BrokenConnectionError(f"it sent {part.size - begun:,} bytes of {coming:,}")

    def _finish(self, response: requests.Response) -> Downloaded:
        digest = self._part.finish()
        check_wanted(self._url, digest, self._wanted)
        headers = response.headers
        return Downloaded(
            digest,
            self._part.size,
            headers.get("ETag"),
            headers.get("Last-Modified"),
            sent_filename(headers.get("Content-Disposition", "")),
        )


def retry_after(text: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, written as seconds or as a date.

    >>> retry_after("7"), retry_after("9" * 400), retry_after("soon")
    (7.0, 120.0, None)
    >>> retry_after("Fri, 31 Dec 9998 23:59:59 GMT"), retry_after("Sat, 01 Jan 2000 00:00:00 GMT")
    (120.0, 0.0)
    """
    if text is None:
        return None
    if text.strip().isdecimal():
        seconds = float(text.strip()[:9])
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return min(LONGEST_PAUSE, max(0.0, seconds))


def sent_filename(disposition: str) -> str | None:
    """Return the file name in a Content-Disposition header (RFC 6266), or None.

    >>> sent_filename("attachment; filename=x.bin; filename*=UTF-8''n%C3%A4t.pt")
    'nät.pt'
    >>> sent_filename('attachment; filename="../../etc/passwd"')
    'passwd'
    """
    extended = re.search(r"filename\*\s*=\s*([\w-]*)'[^']*'([^;\s]+)", disposition, re.IGNORECASE)
    if extended is not None and extended[1].lower() in ("utf-8", "iso-8859-1"):
        return safe_filename(unquote(extended[2], encoding=extended[1], errors="replace"))
    plain = _FILENAME.search(disposition)
    if plain is None:
        return None
    quoted, token = plain.groups()
    return safe_filename(token if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
