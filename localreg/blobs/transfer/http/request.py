"""Send requests: follow redirects, keep credentials with their host, translate errors."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from localreg.blobs.transfer.http.request_log import without_queries
from localreg.blobs.transfer.pace import Pace, Watch
from localreg.errors import DownloadError
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Any, Protocol

    class Access(Protocol):
        """Credentials of one server, which may have to be renewed."""

        def auth(self, url: str) -> AuthBase | None:
            """Return what adds them to a request; None for a URL of another server."""

        def renew(self, url: str, response: requests.Response) -> bool:
            """Get new ones after a refusal; return True if the request should be sent again."""


REDIRECTS = 10
PIECE = 262_144
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# What OpenSSL calls an answer that is not encrypted; its releases differ.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
# What a connection, urllib3 or requests raise when a request fails; ValueError comes from invalid
# headers and chunk lengths.
NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


class BrokenConnectionError(Exception):
    """A try failed, and another may succeed; the text holds no secret."""


class Client:
    """Sends requests for one URL.

    Args:
        url: with its secrets.
        pace: how slow a server may be.
        watch: gets every connection.
        pinned: True if a checksum is known, so that an insecure redirect does no harm.
        access: credentials that are not in the URL.
    """

    def __init__(
        self, url: str, pace: Pace, watch: Watch, *, pinned: bool, access: Access | None = None
    ) -> None:
        self._url = url
        self._access = access
        self._pace = pace
        self._watch = watch
        self._pinned = pinned
        self._session = _Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, WatchedAdapter(watch))

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    @contextmanager
    def answer(
        self,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: bytes | Iterable[bytes] | None = None,
    ) -> Iterator[requests.Response]:
        """Yield the answer to a request, after all redirects, before its body is read.

        Args:
            body: what is sent; it may be read twice.

        Raises:
            BrokenConnectionError: there was no answer; another try may succeed.
            DownloadError: a redirect is refused, or the server was too slow.
        """
        url, auth = _without_userinfo(self._url)
        renewed, redirects = False, 0
        while redirects <= REDIRECTS:
            if self._access is not None and auth is None:
                auth = self._access.auth(url)
            response = self._send(method, url, auth, headers, body)
            try:
                refused = response.status_code in (401, 403) and not renewed
                if refused and self._access is not None and self._access.renew(url, response):
                    renewed, auth = True, None
                    continue
                location = response.headers.get("Location")
                if response.status_code not in _REDIRECTING or location is None:
                    yield response
                    return
            finally:
                response.close()
            if body is not None:
                raise self.refused("redirects what is sent to it", response.status_code)
            target, given = _without_userinfo(self._target(url, location))
            auth = given or (auth if origin(target) == origin(url) else None)
            url, redirects = target, redirects + 1
        raise self.refused(f"redirects more than {REDIRECTS} times")

    def _send(
        self,
        method: str,
        url: str,
        auth: AuthBase | None,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
    ) -> requests.Response:
        with self.translated(), without_queries():
            response = self._session.request(
                method,
                url,
                data=body,
                auth=auth,
                headers={"Accept-Encoding": "identity", "User-Agent": "localreg", **headers},
                stream=True,
                allow_redirects=False,
                timeout=(self._pace.connect, self._pace.silence),
            )
        if self._watch.gave_up():  # headers that were cut short look complete
            response.close()
            raise self.refused(f"was too slow: {self._watch.verdict}")
        return response

    def _target(self, url: str, location: str) -> str:
        with suppress(UnicodeError):  # http.client reads Latin-1; servers write UTF-8
            location = location.encode("latin-1").decode("utf-8")
        try:
            target = urljoin(url, location)
            parts = urlsplit(target)
            parts.port  # noqa: B018  (reading it checks it)
        except ValueError:
            raise self.refused("redirects to an invalid URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            named = parts.scheme if _URL.match(target) else "none"
            raise self.refused(
                f"redirects to a URL with the scheme {named!r:.20}; only http and https are allowed"
            )
        if parts.scheme == "http" and url.startswith("https:") and not self._pinned:
            raise self.refused(
                "redirects from https to http, where others could change the bytes; give a "
                "checksum (expected_sha256) to allow that"
            )
        return target

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Translate errors of the network into our own, without the URLs in them.

        Raises:
            BrokenConnectionError: another try may succeed.
            DownloadError: no other try will succeed.
        """
        try:
            yield
        except NETWORK_ERRORS as error:
            if self._watch.gave_up():
                raise self.refused(f"was too slow: {self._watch.verdict}") from None
            if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
                if any(each in str(error) for each in _NO_TLS):
                    raise self.refused(
                        "does not speak https; plain http must be asked for (http://, or of a "
                        "container registry --plain-http, in Python plain_http=True)"
                    ) from None
                raise self.refused(
                    "cannot be trusted: its certificate was not accepted (REQUESTS_CA_BUNDLE can "
                    "name more)"
                ) from None
            raise BrokenConnectionError(_reason(error)) from None

    def refused(self, what: str, status: int | None = None) -> DownloadError:
        """Return the error for what the server did."""
        shown = public_url(self._url)
        return DownloadError(
            f"{shown} cannot be fetched: the server {what}", url=shown, status=status
        )


def _reason(error: BaseException) -> str:
    """Return what went wrong, as text without URLs."""
    chain: list[BaseException] = []
    found: object = error
    while isinstance(found, BaseException) and found not in chain:
        chain.append(found)
        inner = getattr(found, "reason", None) or (found.args[-1] if found.args else None)
        found = inner if isinstance(inner, BaseException) else found.__cause__
    names = [type(each).__name__ for each in chain]
    if any("Timeout" in name or name == "timeout" for name in names):
        return "it did not answer in time"
    if "NameResolutionError" in names or "gaierror" in names:
        return "its name cannot be resolved"
    if "ProxyError" in names:
        return "the proxy refused the request"
    errors = [each for each in chain if isinstance(each, OSError) and each.strerror]
    if errors:
        return str(errors[-1].strerror).lower()
    return "the connection broke off"


def _without_userinfo(url: str) -> tuple[str, AuthBase | None]:
    """Return a URL without user name and password, and an object that adds them to requests.

    It is not a plain header, because requests would let a .netrc file replace that.
    """
    parts: SplitResult = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = userinfo.partition(":")
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    return bare, HTTPBasicAuth(unquote(name).encode(), unquote(password).encode())


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of a URL: credentials are for one of these only."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname, port


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: `Client` follows redirects itself, and requests would fail for some."""
        return None


class WatchedAdapter(HTTPAdapter):
    """Makes connections that the watch knows, direct ones and those through a proxy."""

    def __init__(self, watch: Watch) -> None:
        self._pools = _watched_pools(watch)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (requests')
        """Make what gives direct connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  (requests')
        """Return what gives connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        if manager.proxy is not None:  # a SOCKS proxy has pools of its own
            manager.pool_classes_by_scheme = self._pools
        return manager


class _Answer(http.client.HTTPResponse):
    """An answer that fails here, where it is closed, if it has two different lengths.

    urllib3 would refuse it too, but leave its socket open until garbage collection.
    """

    def begin(self) -> None:
        super().begin()
        lengths = ",".join(self.headers.get_all("Content-Length", ()))
        if len({length.strip() for length in lengths.split(",")}) > 1:
            raise http.client.HTTPException("it has two lengths")


def _watched_pools(watch: Watch) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class Plain(urllib3.connection.HTTPConnection):
        response_class = _Answer

        def _new_conn(self) -> socket.socket:
            line = super()._new_conn()
            watch.attach(line)
            return line

    class Secure(urllib3.connection.HTTPSConnection):
        response_class = _Answer

        def _new_conn(self) -> socket.socket:
            line = super()._new_conn()
            watch.attach(line)
            return line

        def _tunnel(self) -> None:
            super()._tunnel()
            # A proxy's answer that was cut short looks complete, and TLS would start.
            if watch.gave_up():
                raise ConnectionAbortedError(watch.verdict)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
