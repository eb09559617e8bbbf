"""Asking a server: one request, its redirects followed by hand, its errors made ours."""

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

from localreg.blobs.transfer.pace import Pace, Watch
from localreg.errors import DownloadError
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

REDIRECTS = 10
PIECE = 262_144
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# What a connection, urllib3 or requests raise when bytes cannot be had; ValueError: of nonsense in
# headers and chunk lengths.
NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


class BrokenConnectionError(Exception):
    """A try that failed on the way, and may be made again; its text holds no secret."""


class Client:
    """Sends requests for one URL.

    Args:
        url: with its secrets.
        pace: how slow a server may be.
        watch: told of connections.
        pinned: whether a checksum tells the right bytes, so that the way need not be safe.
    """

    def __init__(self, url: str, pace: Pace, watch: Watch, *, pinned: bool) -> None:
        self._url = url
        self._pace = pace
        self._watch = watch
        self._pinned = pinned
        self._session = _Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(watch))

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    @contextmanager
    def answer(self, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Yield the answer to a request, after its redirects, with the body not yet read.

        Raises:
            BrokenConnectionError: there was none; another try may do better.
            DownloadError: a redirect leads where none is followed, or the watch gave up.
        """
        url, auth = _without_userinfo(self._url)
        for _ in range(REDIRECTS + 1):
            response = self._send(url, auth, headers)
            try:
                location = response.headers.get("Location")
                if response.status_code not in _REDIRECTING or location is None:
                    yield response
                    return
            finally:
                response.close()
            target, told = _without_userinfo(self._target(url, location))
            auth = told or (auth if _origin(target) == _origin(url) else None)
            url = target
        raise self.refused(f"redirects more than {REDIRECTS} times")

    def _send(
        self, url: str, auth: AuthBase | None, headers: Mapping[str, str]
    ) -> requests.Response:
        with self.translated():
            response = self._session.get(
                url,
                auth=auth,
                headers={"Accept-Encoding": "identity", "User-Agent": "localreg", **headers},
                stream=True,
                allow_redirects=False,
                timeout=(self._pace.connect, self._pace.silence),
            )
        if self._watch.gave_up():  # headers that were cut off look like whole ones
            response.close()
            raise self.refused(f"was given up on: {self._watch.verdict}")
        return response

    def _target(self, url: str, location: str) -> str:
        with suppress(UnicodeError):  # Latin-1 to http.client; servers write UTF-8 into it
            location = location.encode("latin-1").decode("utf-8")
        try:
            target = urljoin(url, location)
            parts = urlsplit(target)
            parts.port  # noqa: B018  (reading it checks it)
        except ValueError:
            raise self.refused("redirects to what is no URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            named = parts.scheme if _URL.match(target) else "none"
            raise self.refused(
                f"redirects to a URL of the scheme {named!r:.20}; only http and https are followed"
            )
        if parts.scheme == "http" and url.startswith("https:") and not self._pinned:
            raise self.refused(
                "redirects from https to http, where others could change the bytes; with a "
                "checksum (expected_sha256) that would be followed"
            )
        return target

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what the network raises as errors of ours, without the URLs they carry.

        Raises:
            BrokenConnectionError: another try may do better.
            DownloadError: none will.
        """
        try:
            yield
        except NETWORK_ERRORS as error:
            if self._watch.gave_up():
                raise self.refused(f"was given up on: {self._watch.verdict}") from None
            if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
                raise self.refused(
                    "cannot be trusted: its certificate was not accepted (REQUESTS_CA_BUNDLE names "
                    "further ones)"
                ) from None
            raise BrokenConnectionError(_reason(error)) from None

    def refused(self, what: str, status: int | None = None) -> DownloadError:
        """Return the error that says what the server did."""
        shown = public_url(self._url)
        return DownloadError(
            f"{shown} cannot be fetched: the server {what}", url=shown, status=status
        )


def _reason(error: BaseException) -> str:
    """Return what went wrong in words that hold no URL."""
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
        return "its name is not known"
    if "ProxyError" in names:
        return "the proxy does not let through"
    errors = [each for each in chain if isinstance(each, OSError) and each.strerror]
    if errors:
        return str(errors[-1].strerror).lower()
    return "the connection broke off"


def _without_userinfo(url: str) -> tuple[str, AuthBase | None]:
    """Return a URL without name and password, and these as what requests signs requests with.

    As an object, since requests lets a .netrc replace a plain header.
    """
    parts: SplitResult = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = userinfo.partition(":")
    bare = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    return bare, HTTPBasicAuth(unquote(name).encode(), unquote(password).encode())


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, parts.hostname, port


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: `Client` follows redirects; requests would raise for some all the same."""
        return None


class _Adapter(HTTPAdapter):
    """Makes connections that the watch knows of, straight ones and those through a proxy."""

    def __init__(self, watch: Watch) -> None:
        self._pools = _watched_pools(watch)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (requests')
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  (requests')
        manager = super().proxy_manager_for(proxy, **options)
        if manager.proxy is not None:  # a SOCKS proxy has pools of its own
            manager.pool_classes_by_scheme = self._pools
        return manager


class _Answer(http.client.HTTPResponse):
    """An answer that is refused here, and closed, when it has two different lengths.

    urllib3 refuses it as well, but leaves its socket open until the garbage collector comes.
    """

    def begin(self) -> None:
        super().begin()
        told = ",".join(self.headers.get_all("Content-Length", ()))
        if len({length.strip() for length in told.split(",")}) > 1:
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
            # A proxy's answer that was cut off looks like a whole one, and TLS would go on.
            if watch.gave_up():
                raise ConnectionAbortedError(watch.verdict)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
