"""Where an object is: what its URL says, and the store that serves it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib.util import find_spec
from urllib.parse import parse_qs, unquote, urlsplit

from localreg.blobs.transfer.cloud.aws_settings import aws_settings
from localreg.blobs.transfer.cloud.azure_settings import azure_settings
from localreg.errors import InvalidURLError
from localreg.values.frozen import Frozen
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from obstore.store import ObjectStore

_HOST = re.compile(r"[A-Za-z0-9._~-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
EXTRA = "pip install 'localreg[cloud]'"
AZURE_HOST = ".blob.core.windows.net"
# What obstore reads of its client's settings from the environment, and forgets when it is given
# any: they are read here, and given with ours.
_CLIENT_SETTINGS = (
    "allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only",
    "pool_idle_timeout", "pool_max_idle_per_host", "proxy_url", "proxy_excludes",
    "proxy_ca_certificate", "randomize_addresses", "user_agent",
)  # fmt: skip
_PREFIXES = {"s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_", "AZURE_STORAGE_")}
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL", "GOOGLE_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_CA_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")


class Place(Frozen):
    """An object, or what a folder would be.

    Attributes:
        scheme: "s3", "gs" or "az".
        bucket: the bucket, or Azure's container.
        key: the object's name, decoded; "" for the whole bucket.
        host: a server that the URL names (``s3://host:port/bucket/key``), None for the default.
        account: Azure's account, where the URL names one.
        version: of the object; None for the newest.
    """

    scheme: str
    bucket: str
    key: str
    host: str | None = None
    account: str | None = None
    version: str | None = None


def place_of(url: str) -> Place:
    """Return the place that a URL names.

    Raises:
        InvalidURLError: its parts cannot be the name of an object.

    >>> place_of("s3://bucket/models/my%20net.pt").key
    'models/my net.pt'
    >>> place_of("s3://minio.lan:9000/bucket/net.pt").host
    'minio.lan:9000'
    >>> place_of("azure://acme.blob.core.windows.net/weights/net.pt").account
    'acme'
    """
    parts = urlsplit(url)
    scheme = "az" if parts.scheme.lower() == "azure" else parts.scheme.lower()
    bucket, host, account = parts.netloc, None, None
    try:
        key = unquote(parts.path, errors="strict").removeprefix("/")
    except UnicodeDecodeError:
        raise _unusable(url, "its percent-encoding is no UTF-8") from None
    if "@" in parts.netloc:
        raise _unusable(url, "credentials belong into the environment, not into it")
    if scheme == "s3" and parts.port is not None:
        host, (bucket, _, key) = parts.netloc, key.partition("/")
    elif scheme == "az" and parts.netloc.endswith(AZURE_HOST):
        account = parts.netloc.removesuffix(AZURE_HOST)
        bucket, _, key = key.partition("/")
    if not bucket:
        raise _unusable(url, "it names no bucket")
    if any(part in ("", ".", "..") for part in key.split("/")) and key:
        raise _unusable(url, "names of objects with empty parts, '.' or '..' cannot be reached")
    return Place(scheme, bucket, key, host, account, _version(url, parts.query))


def _version(url: str, query: str) -> str | None:
    if not query:
        return None
    fields = parse_qs(query)
    if len(fields) == 1 and fields.keys() <= {"versionId", "generation"}:
        return next(iter(fields.values()))[0]
    raise _unusable(
        url, "of a query only versionId=… (S3, Azure) and generation=… (Google) mean something; "
        "a '?' in a name is %3F"
    )  # fmt: skip


def _unusable(url: str, why: str) -> InvalidURLError:
    return InvalidURLError(f"{public_url(url)} cannot be used: {why}", argument="weights_url")


def check_extra(url: str) -> None:
    """Check that what clouds need is installed.

    Raises:
        InvalidURLError: it is not.
    """
    if find_spec("obstore") is None:
        raise InvalidURLError(
            f"{public_url(url)} needs what only some users need: {EXTRA}", argument="weights_url"
        )


def open_store(
    place: Place, *, retries: int, patience: float, connect: float, pause: float
) -> ObjectStore:
    """Return the store of a place, set up by the provider's own environment variables.

    Args:
        retries: how often obstore itself asks again.
        patience: seconds for one request, from its begin to its end.
        connect: seconds for a connection.
        pause: seconds before the first time it asks again.

    Raises:
        InvalidURLError: obstore is not installed.
        ValueError, obstore.exceptions.BaseError: the environment's settings cannot be used.
    """
    from obstore import store

    options: dict[str, Any] = _own_options(place)
    environment = os.environ
    client: dict[str, Any] = _client_settings(place.scheme, environment)
    endpoint = str(options.get("endpoint", "")) or _endpoint(place.scheme, environment)
    _check_settings(place.scheme, environment, endpoint)
    # As the providers' own tools do: who writes http:// means it.
    if endpoint.lower().startswith("http://"):
        client["allow_http"] = True
    certificates = _certificates(environment)
    if certificates is not None:
        client["root_certificate"] = certificates
    client.setdefault("connect_timeout", timedelta(seconds=connect))
    client |= {
        "timeout": timedelta(seconds=patience),
        "read_timeout": timedelta(seconds=patience),
    }
    backoff = {"init_backoff": timedelta(seconds=pause), "max_backoff": timedelta(seconds=15)}
    from_url: Callable[..., ObjectStore] = store.from_url  # typed for each provider, not for all
    return from_url(
        f"{place.scheme}://{place.bucket}",
        client_options=client,
        retry_config={"max_retries": retries, "backoff": backoff},
        **options,
    )


def _check_settings(scheme: str, environment: Mapping[str, str], endpoint: str) -> None:
    """Check what obstore would panic at, or tell of in words that name nothing.

    Raises:
        InvalidURLError: a variable cannot be used.
    """
    for name, value in environment.items():
        if name.startswith(_PREFIXES[scheme]) and _CONTROL.search(value):
            raise _setting(f"{name} holds a line break, or another control character")
    if endpoint:
        try:
            parts = urlsplit(endpoint)
            good = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.netloc) is not None
            parts.port  # noqa: B018  (reading it checks it)
        except ValueError:
            good = False
        if not good:
            raise _setting(
                "the endpoint in the environment, or in AWS's files, is no http:// or https:// URL"
            )
    account = environment.get("GOOGLE_APPLICATION_CREDENTIALS")
    if scheme == "gs" and account and not os.path.isfile(account):  # noqa: PTH113  (may not raise)
        raise _setting(f"GOOGLE_APPLICATION_CREDENTIALS names no file: {account!r:.200}")


def _certificates(environment: Mapping[str, str]) -> bytes | None:
    for name in _CA_BUNDLES:
        path = environment.get(name)
        if not path:
            continue
        try:
            with open(path, "rb") as file:
                found = file.read()
        except OSError as error:
            raise _setting(f"{name} names {path!r:.200}: {error.strerror or error}") from None
        if b"-----BEGIN CERTIFICATE-----" not in found:
            raise _setting(f"{name} names {path!r:.200}, which holds no certificate in PEM")
        return found
    return None


def _setting(what: str) -> InvalidURLError:
    return InvalidURLError(what, argument="weights_url")


def _own_options(place: Place) -> dict[str, Any]:
    if place.scheme == "az":
        return azure_settings(os.environ) | (
            {} if place.account is None else {"account_name": place.account}
        )
    if place.scheme == "gs":
        return {}
    options = aws_settings(os.environ)
    if place.host is not None:
        plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on")
        options["endpoint"] = f"{'http' if plain else 'https'}://{place.host}"
        told = os.environ.get("AWS_ENDPOINT_URL_S3", options["endpoint"])
        if told.rstrip("/") != options["endpoint"]:  # in obstore nothing wins over this variable
            raise _setting(
                "AWS_ENDPOINT_URL_S3 names another server than the URL does; unset it, or leave "
                "the server out of the URL"
            )
        options["virtual_hosted_style_request"] = False
    return options


def _client_settings(scheme: str, environment: Mapping[str, str]) -> dict[str, Any]:
    found = {
        setting: environment[f"{prefix}{setting.upper()}"]
        for prefix in _PREFIXES[scheme]
        for setting in _CLIENT_SETTINGS
        if environment.get(f"{prefix}{setting.upper()}")
    }
    return dict(found)


def _endpoint(scheme: str, environment: Mapping[str, str]) -> str:
    return next((environment[name] for name in _ENDPOINTS[scheme] if environment.get(name)), "")
