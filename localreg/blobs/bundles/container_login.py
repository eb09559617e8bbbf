"""Credentials of container registries, as docker and podman keep them, and tokens; by oras.

oras reads the credentials, also from credential helpers, and asks for tokens. It sends no other
request: its requests have no time limit, read answers of any size, and are repeated for two minutes
after a refusal.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import requests
from requests.auth import AuthBase

from localreg.blobs.transfer.http.request import NETWORK_ERRORS, PIECE, WatchedAdapter, origin
from localreg.blobs.transfer.http.request_log import without_queries
from localreg.blobs.transfer.pace import Watch
from localreg.errors import DownloadError, InvalidValueError, MissingPackageError
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from localreg.blobs.transfer.pace import Pace

EXTRA = "pip install 'localreg[oci]'"
_PACKAGE = "oras"
_LARGEST_CONFIG = 1_048_576  # bytes
_LARGEST_TOKEN = 1_048_576
_LONGEST_CHALLENGE = 4_096  # characters; oras takes minutes for 64 KiB
# Docker Hub's credentials are kept by this name.
_DOCKER_HUB = ("docker.io", "registry-1.docker.io", "index.docker.io")
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"


def check_package() -> None:
    """Raise MissingPackageError if oras is not installed."""
    if sys.modules.get(_PACKAGE) is None and find_spec(_PACKAGE) is None:
        raise MissingPackageError(
            f"container registries need the package {_PACKAGE}, which is not installed: {EXTRA}",
            package=_PACKAGE,
        )


class Login:
    """The credentials of one container registry; an `Access` of its requests.

    Args:
        host: of the registry.
        url: of its API; credentials are for this scheme, host and port only.
        pace: how slow the server that gives tokens may be.

    Attributes:
        known: True if there are credentials; False if there are none, None before it is known.
    """

    def __init__(self, host: str, url: str, pace: Pace) -> None:
        check_package()
        self._host = host
        self._url = url
        self._pace = pace
        self._header: str | None = None
        self.known: bool | None = None

    def auth(self, url: str) -> AuthBase | None:
        """Return what adds the credentials to a request; None for a URL of another server."""
        if self._header is None or origin(url) != origin(self._url):
            return None
        return _Header(self._header)

    def renew(self, url: str, response: requests.Response) -> bool:
        """Get credentials as an answer asks for them; return True if there are new ones.

        Raises:
            DownloadError: the server that gives tokens does not answer, or is not to be trusted.
            InvalidValueError: the files with credentials cannot be read.
        """
        challenge = response.headers.get("WWW-Authenticate", "")
        kind = challenge.partition(" ")[0].lower()
        if origin(url) != origin(self._url) or kind not in ("basic", "bearer"):
            return False
        if len(challenge) > _LONGEST_CHALLENGE:
            raise self._refused("says at too great length which credentials it wants")
        basic = self._kept()
        if kind == "basic":
            header = None if basic is None else f"Basic {basic}"
            if header in (None, self._header):
                return False
        else:
            token = self._token(response, challenge, basic)
            if token is None:
                return False
            header = f"Bearer {token}"
        self._header = header
        return True

    def _kept(self) -> str | None:
        """Return user name and password as they are sent; None without any."""
        from oras.auth.base import AuthBackend

        class Kept(AuthBackend):  # type: ignore[misc]  # oras has no types
            def found(self, config: dict[str, Any], names: list[str]) -> str | None:
                self._auth_config = config
                known = any(self._load_auth(name) for name in names)
                return str(self._basic_auth) if known else None

        names = [self._host]
        if self._host in _DOCKER_HUB:
            names = [_DOCKER_HUB_KEY, *_DOCKER_HUB]
        for path in _config_paths():
            config = _config_at(path)
            with _silenced(), _named(path):
                found = Kept().found(config, names)
            if found is not None:
                self.known = True
                return found
        self.known = False
        return None

    def _token(self, response: requests.Response, challenge: str, basic: str | None) -> str | None:
        """Return a new token, as a challenge asks for one; None if none is given."""
        from oras.auth import get_auth_backend
        from oras.auth.utils import parse_auth_header

        realm = parse_auth_header(challenge).realm or ""
        secure = self._url.startswith("https:")
        if not realm.startswith(("https://",) if secure else ("https://", "http://")):
            raise self._refused("wants tokens to be asked for without encryption")
        with Watch(self._pace) as watch, _TokenSession(self._pace, watch) as session:
            backend = get_auth_backend("token", session=session, insecure=not secure)
            if basic is not None:
                with _named(None):
                    name, _, password = base64.b64decode(basic).decode().partition(":")
                backend.set_basic_auth(name, password)
            try:
                with _silenced(), without_queries():
                    headers, changed = backend.authenticate_request(response, {}, refresh=True)
            except (*NETWORK_ERRORS, AttributeError, TypeError, KeyError):  # it is no JSON object
                raise self._refused(
                    "has a server for tokens that does not answer as it should"
                ) from None
        found = headers.get("Authorization") if changed else None
        if type(found) is not str or not found.isascii() or not found.isprintable():
            return None
        return found.removeprefix("Bearer ")

    def _refused(self, what: str) -> DownloadError:
        shown = public_url(self._url)
        return DownloadError(f"{shown} cannot be asked: the server {what}", url=shown, status=401)


class _Header(AuthBase):
    """Adds a header; requests would let a .netrc file replace a plain one."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class _TokenSession(requests.Session):
    """Asks for tokens: with time limits, without redirects, and for small answers only."""

    def __init__(self, pace: Pace, watch: Watch) -> None:
        super().__init__()
        self._pace = pace
        self._watch = watch
        for scheme in ("http://", "https://"):
            self.mount(scheme, WatchedAdapter(watch))

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]  # noqa: ANN401  (requests')
        options |= {
            "timeout": (self._pace.connect, self._pace.silence),
            "allow_redirects": False,
            "stream": True,
            "auth": lambda request: request,  # no .netrc file
        }
        self._watch.start()
        try:
            response = super().request(method, url, **options)
            with response:
                data = self._body(response)
        finally:
            self._watch.stop()
        if self._watch.gave_up():
            raise ValueError("the answer came too slowly")
        response._content = data
        return response

    def _body(self, response: requests.Response) -> bytes:
        data = b""
        while piece := response.raw.read1(PIECE, decode_content=True):
            self._watch.arrived(len(piece))
            data += piece
            if len(data) > _LARGEST_TOKEN:
                raise ValueError("the answer is too large")
        return data


def _config_paths() -> list[Path]:
    """Return the files that may hold credentials; the first that has some counts."""
    found = []
    if os.environ.get("REGISTRY_AUTH_FILE"):
        found.append(Path(os.environ["REGISTRY_AUTH_FILE"]))
    if os.environ.get("XDG_RUNTIME_DIR"):
        found.append(Path(os.environ["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    folder = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")  # noqa: PTH111  (Path raises without a home)
    return [*found, Path(folder) / "config.json"]


def _config_at(path: Path) -> dict[str, Any]:
    """Return what a file of credentials says; nothing if there is no such file."""
    with _named(path):
        try:
            with open(path, "rb") as reader:  # it may be a link, as in Kubernetes
                data = reader.read(_LARGEST_CONFIG)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        found = json.loads(data or b"{}")
        return {
            "auths": dict(found.get("auths") or {}),
            "credHelpers": dict(found.get("credHelpers") or {}),
            "credsStore": found.get("credsStore"),
        }


@contextmanager
def _named(path: Path | None) -> Iterator[None]:
    """A block whose errors say which file of credentials is wrong, without what is in it."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
            binascii.Error):  # fmt: skip
        where = "the files of docker" if path is None else str(path)
        raise InvalidValueError(
            f"the credentials of container registries in {where} cannot be read, or its "
            "credential helper fails; log in again (`docker login`, `podman login`)",
            argument="DOCKER_CONFIG",
        ) from None


class _silenced(logging.Filter):  # noqa: N801  (used as a function)
    """Run a block in which oras logs nothing in this thread: it may log answers with tokens."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        logging.getLogger("oras.logger").addFilter(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("oras.logger").removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the messages of other threads."""
        return record.thread != self._thread
