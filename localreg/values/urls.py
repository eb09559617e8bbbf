"""Weights URLs: which are accepted, how they are compared, and what of them may be shown.

- A path becomes ``file://`` and its absolute form; a ``file://`` URL is decoded once and encoded
  again, so that two spellings of one path compare equal (`Path.as_uri`, RFC 8089).
- Every other URL is kept unchanged.
- A URL may hold secrets: a password, or a signature or token in its query. The public form,
  which goes into errors, logs, pages and the event log, shows neither.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path, PurePath
from urllib.parse import SplitResult, quote, unquote, urlsplit

from localreg.errors import InvalidURLError, InvalidValueError
from localreg.values.checks import check_text
from localreg.values.frozen import Frozen
from localreg.values.paths import is_utf8, not_utf8
from localreg.values.secrets import PIN, public_parts

URL_LIMIT = 32_768
FILENAME_BYTES = 200  # file systems allow 255; localreg adds suffixes
CLOUDS = ("s3", "gs", "az", "azure")  # schemes of object stores; ClearML writes azure

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ONE_SLASH = re.compile(rf"(https?|file|ftp|{'|'.join(CLOUDS)}):(?!//)", re.IGNORECASE)
_REMOTE = re.compile(rf"(?:https?|{'|'.join(CLOUDS)})://[^\s/]\S*", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f]")
_DRIVE = re.compile(r"/[A-Za-z]:(/|$)")
# With nothing that is hidden, decoded or refused, so that it need not be taken apart.
_PLAIN = re.compile(r"(?:https?|s3|gs)://[A-Za-z0-9][A-Za-z0-9.-]*(/[A-Za-z0-9._/-]*)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNSAFE_IN_FILENAMES = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")


class WeightsURL(Frozen):
    """A weights URL that was checked.

    Attributes:
        text: the URL as it is stored and compared.
        public: the URL without its secrets; None for a local path, which means nothing on another
            machine.
        filename: the last part of its path, usable as a file name, or None.
        path: the local path of a ``file://`` URL, else None.
        pinned: the sha256 in its fragment ``#sha256=…``, else None.
    """

    text: str
    public: str | None
    filename: str | None
    path: Path | None
    pinned: str | None = None


def parse_weights_url(url: object) -> WeightsURL:
    """Return the checked form of a path or URL.

    Args:
        url: a str or `os.PathLike`.

    Raises:
        InvalidURLError: it is empty, malformed, or holds characters that no URL holds.

    >>> parse_weights_url("/data/my model.pt").text
    'file:///data/my%20model.pt'
    >>> parse_weights_url("https://me:secret@example.org/m.pt?sig=abc").public
    'https://***@example.org/m.pt?sig=***'
    """
    plain = _PLAIN.fullmatch(url) if type(url) is str and len(url) <= URL_LIMIT else None
    if plain is not None:
        return WeightsURL(plain[0], plain[0], safe_filename(plain[1] or ""), None, None)
    text = _as_text(url)
    match = _SCHEME.match(text)
    if match is None:
        if _ONE_SLASH.match(text):
            raise _invalid(text, "two slashes are missing after the scheme")
        return _local(Path(text))
    if match[1].lower() == "file":
        return _local(_path_of_file_url(text))
    parts = _split(text)
    filename = safe_filename(unquote(parts.path))
    return WeightsURL(text, public_parts(parts), filename, None, _pinned(text, parts.fragment))


def parse_named_url(argument: str, url: object) -> WeightsURL:
    """Return the checked form of a path or URL; errors name `argument`.

    Raises:
        InvalidURLError: as in `parse_weights_url`.
    """
    try:
        return parse_weights_url(url)
    except InvalidURLError as error:
        text = str(error).replace("weights_url", argument, 1)
        raise InvalidURLError(text, argument=argument) from None


def _pinned(text: str, fragment: str) -> str | None:
    match = PIN.fullmatch(fragment)
    if match is None:
        return None
    if not is_sha256(match[1].lower()):
        raise _invalid(text, "a checksum in the fragment is #sha256= and 64 hex digits")
    return match[1].lower()


def is_sha256(text: str) -> bool:
    """Return True if a text is a sha256 in lower-case hex."""
    return _SHA256.fullmatch(text) is not None


def is_stored_url(value: object) -> bool:
    """Return True if a value can be a stored URL; another program may have written it.

    >>> is_stored_url("s3://bucket/x.pt"), is_stored_url("http://[x"), is_stored_url("file:///%00")
    (True, False, False)
    """
    if type(value) is not str or len(value) > URL_LIMIT or "://" not in value:
        return False
    if _UNPRINTABLE.search(value):
        return False
    if value.startswith("file:///"):
        return "%00" not in value  # no path has a NUL; other URLs never become one
    try:
        return urlsplit(value).port != 0 and not value.startswith("file://")
    except ValueError:
        return False


def local_url(path: Path) -> str:
    """Return the ``file://`` URL of an absolute path."""
    return path.as_uri()


def local_path(url: str) -> Path | None:
    """Return the path of a stored ``file://`` URL, None for any other URL."""
    return Path(path_text(unquote(url[7:]))) if url.startswith("file://") else None


def path_text(text: str, kind: type[PurePath] = Path) -> str:
    """Return what is after the two slashes of a decoded ``file://`` URL as the text of a path.

    Args:
        text: with a slash at the start, or with the name of a server before it.
        kind: the class of the path; Windows' have drives and servers.

    >>> from pathlib import PurePosixPath, PureWindowsPath
    >>> path_text("/C:/data/net.pt", PureWindowsPath), path_text("nas/share/x", PureWindowsPath)
    ('C:/data/net.pt', '//nas/share/x')
    >>> path_text("/C:/data/net.pt", PurePosixPath)
    '/C:/data/net.pt'
    """
    if not _has_drives(kind):
        return text
    return text[1:] if _DRIVE.match(text) else text if text.startswith("/") else f"//{text}"


@cache
def _has_drives(kind: type[PurePath]) -> bool:
    return kind("C:/").drive != ""


def scheme_of(url: str) -> str:
    """Return the scheme of a stored URL, in lower case."""
    return url.partition("://")[0].lower()


def is_cloud(url: str) -> bool:
    """Return True if a stored URL is one of an object store."""
    return scheme_of(url) in CLOUDS


def is_remote(value: object) -> bool:
    """Return True for text that is the URL of a file elsewhere: on the web or in an object store.

    >>> is_remote("https://host/a.png"), is_remote("see https://host"), is_remote("file:///a.png")
    (True, False, False)
    """
    if not isinstance(value, str) or len(value) >= URL_LIMIT or not _REMOTE.fullmatch(value):
        return False
    try:
        urlsplit(value)
    except ValueError:  # such as "http://[x"
        return False
    return True


def below(folder: str, *names: str) -> str:
    """Return the URL of a file or folder below the folder of a stored URL.

    >>> below("file:///share", "a b", "net.pt"), below("s3://bucket/x/", "a b", "net.pt")
    ('file:///share/a%20b/net.pt', 's3://bucket/x/a%20b/net.pt')
    """
    path = local_path(folder)
    if path is not None:
        return local_url(path.joinpath(*names))
    return "/".join([folder.rstrip("/"), *(quote(name, safe="") for name in names)])


def is_folder(path: Path | None) -> bool:
    """Return True if a path is a folder; False also for a path that no file system allows."""
    return path is not None and os.path.isdir(path)  # noqa: PTH112  (Path.is_dir may raise)


def public_url(url: str) -> str:
    """Return a stored URL without its password and the values of its query.

    >>> public_url("https://example.org/m.pt?X-Amz-Signature=1f&v=2")
    'https://example.org/m.pt?X-Amz-Signature=***&v=***'
    """
    return url if url.startswith("file://") else public_parts(urlsplit(url))


def without_secrets(text: str) -> str:
    """Return a name or reference without secrets: it may be a URL that was given by mistake.

    >>> without_secrets("https://me:secret@example.org/m.pt")
    'https://***@example.org/m.pt'
    >>> without_secrets("vision/resnet@prod")
    'vision/resnet@prod'
    """
    match = _SCHEME.match(text)
    if match is None:
        return text
    try:
        return public_url(text)
    except ValueError:
        return f"{match[1]}:…"


def safe_filename(path: str) -> str | None:
    """Return the last part of `path` as a name that every file system allows, or None.

    >>> safe_filename("models/resnet.pt")
    'resnet.pt'
    >>> safe_filename("models/..") is None
    True
    """
    name = _UNSAFE_IN_FILENAMES.sub("_", path.rstrip("/").rpartition("/")[2]).strip()
    if name.strip(".") == "":
        return None
    if len(name.encode()) <= FILENAME_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    kept = (dot + ending) if stem and len(ending.encode()) <= 20 else ""
    room = FILENAME_BYTES - len(kept.encode())
    return name.encode()[:room].decode(errors="ignore") + kept


def _as_text(url: object) -> str:
    if not isinstance(url, (str, os.PathLike)):
        raise InvalidURLError(
            f"weights_url must be a path or URL, not {type(url).__name__}", argument="weights_url"
        )
    if _is_path(url) and not is_utf8(url):
        raise InvalidURLError(not_utf8("weights_url", url), argument="weights_url")
    try:
        text = check_text("weights_url", os.fspath(url), limit=URL_LIMIT, empty=False)
    except InvalidValueError as error:
        # Not "from error": the cause of that error holds the text, with its secrets.
        raise InvalidURLError(f"{error}; give a path or URL", argument="weights_url") from None
    if "\0" in text:
        raise _invalid(text, "it holds a NUL character")
    plain = text.strip()
    is_url = isinstance(url, str) and (_SCHEME.match(plain) or _ONE_SLASH.match(plain))
    return plain if is_url else text


def _is_path(url: str | os.PathLike[str]) -> bool:
    text = os.fspath(url)
    return isinstance(text, str) and _SCHEME.match(text) is None


def _local(path: Path) -> WeightsURL:
    try:
        absolute = path.absolute()
    except FileNotFoundError:
        raise _invalid(str(path), "the working directory no longer exists") from None
    if absolute.root == "//":
        # POSIX does not define two slashes at the start; Linux and macOS read them as one.
        absolute = Path("/", *absolute.parts[1:])
    if ".." in absolute.parts:
        # Only the file system knows what ".." after a symbolic link means.
        absolute = Path(os.path.realpath(absolute.parent)) / absolute.name
        if absolute.name == "..":
            absolute = Path(os.path.realpath(absolute))
    return WeightsURL(absolute.as_uri(), None, safe_filename(absolute.as_posix()), absolute)


def _path_of_file_url(text: str) -> Path:
    host, slash, rest = text[7:].partition("/")
    host = "" if host.lower() == "localhost" else host
    if not slash or (host and not _has_drives(Path)):
        raise _invalid(text, "a file URL is file:// and an absolute path: file:///home/me/model.pt")
    try:
        decoded = path_text(unquote(f"{host}/{rest}", errors="strict"))
    except UnicodeDecodeError:
        raise _invalid(text, "its percent-encoding is not UTF-8") from None
    if "\0" in decoded:
        raise _invalid(text, "it holds a NUL character")
    return Path(decoded)


def _split(text: str) -> SplitResult:
    if _UNPRINTABLE.search(text):
        raise _invalid(text, "blanks and control characters must be percent-encoded")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (reading it checks it)
    except ValueError:
        # The message of the parser may hold a password, so it is not passed on.
        raise _invalid(text, "its host or port is malformed") from None
    if not parts.hostname:
        raise _invalid(text, "it has no host or bucket")
    return parts


def _invalid(text: str, reason: str) -> InvalidURLError:
    # The text may hold a secret that no parser finds, so only its scheme is shown.
    shown = _SCHEME.match(text) or _ONE_SLASH.match(text)
    start = f"{shown[1]}:…" if shown else "a path"
    return InvalidURLError(
        f"weights_url is not a URL that can be used ({start!r}): {reason}", argument="weights_url"
    )
