"""What the URL of an object says: provider, bucket, key, and sometimes server, account, version."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from localreg.errors import InvalidURLError
from localreg.values.frozen import Frozen
from localreg.values.urls import public_url

AZURE_HOST = ".blob.core.windows.net"


class Place(Frozen):
    """An object, or a folder of objects.

    Attributes:
        scheme: "s3", "gs" or "az".
        bucket: the bucket, or Azure's container.
        key: the object's name, decoded; "" for the whole bucket.
        host: the server in the URL (``s3://host:port/bucket/key``); None for the default.
        account: the Azure account in the URL; None without one.
        version: the object's version; None for the newest.
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
        InvalidURLError: it cannot be the URL of an object.

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
        raise _unusable(url, "its percent-encoding is not UTF-8") from None
    if "@" in parts.netloc:
        raise _unusable(url, "credentials belong into the environment, not into a URL")
    if scheme == "s3" and parts.port is not None:
        host, (bucket, _, key) = parts.netloc, key.partition("/")
    elif scheme == "az" and parts.netloc.endswith(AZURE_HOST):
        account = parts.netloc.removesuffix(AZURE_HOST)
        bucket, _, key = key.partition("/")
    if not bucket:
        raise _unusable(url, "it names no bucket")
    if any(part in ("", ".", "..") for part in key.split("/")) and key:
        raise _unusable(url, "object names with empty parts, '.' or '..' cannot be reached")
    return Place(scheme, bucket, key, host, account, _version(url, parts.query))


def _version(url: str, query: str) -> str | None:
    if not query:
        return None
    fields = parse_qs(query)
    if len(fields) == 1 and fields.keys() <= {"versionId", "generation"}:
        return next(iter(fields.values()))[0]
    raise _unusable(
        url, "its query may only be versionId=… (S3, Azure) or generation=… (Google); write a '?' "
        "in a name as %3F"
    )  # fmt: skip


def _unusable(url: str, why: str) -> InvalidURLError:
    return InvalidURLError(f"{public_url(url)} cannot be used: {why}", argument="weights_url")
