"""Files outside the registry by their URLs: list them, look at them, upload and download them."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from urllib.parse import unquote, urlsplit

from localreg.errors import (
    DownloadError,
    InvalidValueError,
    NotSupportedError,
    SourceNotFoundError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain
from localreg.operations.weights.fetching import check_scheme
from localreg.operations.weights.local_copies import check_outside, check_wish, copy_of_url, copy_to
from localreg.registry import Chain
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path, printable_path
from localreg.values.urls import (
    WeightsURL,
    below,
    is_cloud,
    is_folder,
    local_url,
    parse_named_url,
    public_url,
)

_GONE = (404, 410)
_ARGUMENT = "remote_url"


class FileElsewhere(Frozen):
    """A file outside the registry.

    Attributes:
        url: its URL.
        name: its path below the folder that was asked for, with slashes.
        size: number of bytes.
    """

    url: str
    name: str
    size: int


def check_url(url: object) -> WeightsURL:
    """Return the checked form of a path or URL of a file or folder."""
    parsed = parse_named_url(_ARGUMENT, url)
    if parsed.path is None:
        check_scheme(parsed.text)
    return parsed


def files_at(url: WeightsURL) -> list[FileElsewhere]:
    """Return a file, or all files in a folder and below, by name; none if nothing is there.

    Raises:
        NotSupportedError: it is a folder of a web server, which lists nothing.
        DownloadError: a server does not answer.
    """
    if url.path is not None:
        return sorted(_local_files(url.path), key=lambda each: each.name)
    if not is_cloud(url.text):
        raise NotSupportedError(
            f"{public_url(url.text)} cannot be listed: a web server does not say what is in a "
            "folder; name the files, or use an object store",
            name="StorageManager.list",
        )
    from localreg.blobs.transfer import remote_files

    try:
        found = remote_files.files_at(url.text)
    except DownloadError as error:
        if getattr(error, "status", None) in _GONE:
            return []
        raise
    return [FileElsewhere(each.url, each.name, each.size) for each in found]


def _local_files(path: Path) -> Iterator[FileElsewhere]:
    with disk_errors("looking at files", path):
        if path.is_file():
            yield FileElsewhere(local_url(path), path.name, path.stat().st_size)
        elif is_folder(path):
            for each in path.rglob("*"):
                if each.is_file():
                    name = each.relative_to(path).as_posix()
                    yield FileElsewhere(local_url(each), name, each.stat().st_size)


def size_of(url: WeightsURL) -> int | None:
    """Return the number of bytes of a file; -1 if a web server does not say it.

    Returns:
        None if there is no file.

    Raises:
        DownloadError, UploadError: a server does not answer.
    """
    if url.path is not None:
        with disk_errors("looking at files", url.path):
            return url.path.stat().st_size if url.path.is_file() else None
    if is_cloud(url.text):
        from localreg.blobs.transfer.cloud.upload import seen

        if url.text.endswith("/"):
            return None
        found = seen(url.text)
        return None if found is None else found.size
    from localreg.blobs.transfer import remote_files

    try:
        size = remote_files.size_of(url.text)
    except DownloadError as error:
        if getattr(error, "status", None) in _GONE:
            return None
        raise
    return -1 if size is None else size


def digest_of(chain: Chain, url: WeightsURL) -> str:
    """Return the sha256 of a file, which is fetched if it is remote."""
    path = local_copy(chain, url)
    with disk_errors("reading a file", path), open_plain(path, _ARGUMENT) as reader:
        return file_digest(reader, "sha256").hexdigest()


def local_copy(chain: Chain, url: WeightsURL) -> Path:
    """Return a local file of what a URL serves; a local path is returned unchanged."""
    wish = check_wish(_ARGUMENT, url.text, name=None, expected=None, force=False)
    return Path(copy_of_url(chain, wish, extract=False))


def download(chain: Chain, url: WeightsURL, folder: Path, *, overwrite: bool) -> Path:
    """Copy what a URL serves into a folder, and return the file.

    It keeps its path in the bucket, on the web server or on the disk, below the folder.

    Args:
        overwrite: replace a file that is there; otherwise it is returned as it is.
    """
    place = folder.joinpath(*_path_in(url).split("/"))
    if place.is_file() and not overwrite:
        return place
    check_outside(chain, "local_folder", place)
    return copy_to(chain, local_copy(chain, url), place, replace=True)


def _path_in(url: WeightsURL) -> str:
    """Return the path of a file in its bucket, on its server, or on its disk."""
    if url.path is not None:
        path = url.path.relative_to(url.path.anchor).as_posix()
    elif is_cloud(url.text):
        from localreg.blobs.transfer.cloud.place import place_of

        path = place_of(url.text).key
    else:
        path = unquote(urlsplit(url.text).path).lstrip("/")
    if not is_package_path(path):
        raise InvalidValueError(
            f"{public_url(url.text)} has no path that a file below a folder can have",
            argument=_ARGUMENT,
        )
    return path


def upload(chain: Chain, path: Path, url: WeightsURL) -> str:
    """Copy a local file to a path or an object, which is replaced; return its URL.

    Raises:
        SourceNotFoundError: there is no such file.
        NotSupportedError: the URL is one of a web server.
        UploadError: the server did not accept it.
    """
    if not path.is_file():
        raise SourceNotFoundError(
            f"there is no file {printable_path(path)}; check the path", reference=str(path)
        )
    if url.path is not None:
        check_outside(chain, _ARGUMENT, url.path)
        copy_to(chain, path, url.path, replace=True)
    elif is_cloud(url.text):
        from localreg.blobs.transfer.cloud import upload as cloud

        cloud.upload(path, url.text, replace=True)
    else:
        raise NotSupportedError(
            f"{public_url(url.text)}: localreg uploads to folders and object stores, not by http",
            name="StorageManager.upload_file",
        )
    return url.text


def upload_folder(chain: Chain, folder: Path, url: WeightsURL, pattern: str | None) -> str:
    """Copy the files of a folder, and of those below, to another folder; return its URL.

    Args:
        pattern: of the files, as for `Path.rglob`; all if None.
    """
    if not is_folder(folder):
        raise SourceNotFoundError(
            f"there is no folder {printable_path(folder)}; check the path", reference=str(folder)
        )
    with disk_errors("looking at files", folder):
        found = sorted(each for each in folder.rglob(pattern or "*") if each.is_file())
    for each in found:
        target = below(url.text, *each.relative_to(folder).parts)
        upload(chain, each, parse_named_url(_ARGUMENT, target))
    return url.text
