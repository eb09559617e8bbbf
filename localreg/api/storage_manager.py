"""`StorageManager`: files at paths and URLs, with or without a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatch

from localreg import log, operations
from localreg.api.models.local_copies import or_none
from localreg.api.models.model import open_of
from localreg.api.not_supported import refusing
from localreg.errors import LocalregError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import check_path
from localreg.filesystem.plain_files import open_plain
from localreg.values.checks import check_flag, check_text
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path
    from typing import Any

    from localreg.api.registry import Registry

    Names = list[str] | list[dict[str, Any]]  # in the class `list` is a method

_CHUNK = 1_048_576


@refusing
class StorageManager:
    """Files at paths, http(s) URLs, and in object stores (``s3://``, ``gs://``, ``azure://``).

    Downloads go through the registry: each URL once, verified, by one process at a time.

    Source: ``StorageManager`` of the ClearML SDK.
    """

    __slots__ = ()

    @classmethod
    def get_local_copy(
        cls,
        remote_url: str | os.PathLike[str],
        cache_context: str | None = None,
        extract_archive: bool = True,
        name: str | None = None,
        force_download: bool = False,
        *,
        expected_sha256: str | None = None,
        raise_on_error: bool = False,
        registry: Registry | None = None,
    ) -> str | None:
        """Return the path of a local copy of a URL's file; a local path is returned unchanged.

        Args:
            remote_url: a URL or a path.
            cache_context: ignored: there is one cache, by content.
            extract_archive: unpack an archive, and return the folder, which is read-only.
            name: the name of the copy; if None, that of the URL.
            force_download: download it again.
            expected_sha256: the digest that the bytes must have, 64 hex digits.
            raise_on_error: raise an error instead of a warning and None.
            registry: the registry with the cache; the current one if None.

        Raises:
            InvalidURLError: (a ValueError) the URL cannot be used.
            WeightsError, StorageError: with `raise_on_error`, if there is no copy.

        Source: ``StorageManager.get_local_copy`` of the ClearML SDK, which does not have the
        keyword-only arguments.
        """
        chain = open_of(registry, make=True)
        if cache_context is not None:
            log.info("cache_context=%r is ignored: there is one cache", cache_context)
        wish = operations.weights.local_copies.check_wish(
            "remote_url",
            remote_url,
            name=name,
            expected=expected_sha256,
            force=check_flag("force_download", force_download),
        )
        return or_none(
            lambda: operations.weights.local_copies.copy_of_url(
                chain, wish, extract=check_flag("extract_archive", extract_archive)
            ),
            raise_on_error,
        )

    @classmethod
    def upload_file(
        cls,
        local_file: str | os.PathLike[str],
        remote_url: str | os.PathLike[str],
        wait_for_upload: bool = True,
        retries: int | None = None,
        *,
        registry: Registry | None = None,
    ) -> str:
        """Copy a local file to a path or an object in an object store, and return its URL.

        What is there is replaced when all bytes have arrived; after an error it is as it was.

        Args:
            local_file: the file.
            remote_url: the path or URL of the copy, not of its folder.
            wait_for_upload, retries: ignored: the call waits, and what can be tried again is.
            registry: for temporary files; the current one if None.

        Raises:
            SourceNotFoundError: (an OSError) there is no such file.
            NotSupportedError: `remote_url` is one of a web server.
            InvalidValueError: (a ValueError) `remote_url` is inside a registry.
            UploadError: (an OSError) the server did not accept it.

        Source: ``StorageManager.upload_file`` of the ClearML SDK.
        """
        chain = open_of(registry, make=True)
        url = operations.weights.elsewhere.check_url(remote_url)
        path = check_path("local_file", local_file)
        return operations.weights.elsewhere.upload(chain, path, url)

    @classmethod
    def upload_folder(
        cls,
        local_folder: str | os.PathLike[str],
        remote_url: str | os.PathLike[str],
        match_wildcard: str | None = None,
        retries: int | None = None,
        *,
        registry: Registry | None = None,
    ) -> str:
        """Copy the files of a folder, and of those below, to another folder; return its URL.

        Args:
            local_folder: the folder.
            remote_url: the path or URL of the other folder.
            match_wildcard: a pattern of the files, such as ``*.csv``; all if None.
            retries, registry: as for `upload_file`.

        Raises:
            SourceNotFoundError: (an OSError) there is no such folder.
            NotSupportedError, UploadError: as for `upload_file`.

        Source: ``StorageManager.upload_folder`` of the ClearML SDK.
        """
        chain = open_of(registry, make=True)
        url = operations.weights.elsewhere.check_url(remote_url)
        folder = check_path("local_folder", local_folder)
        pattern = None if match_wildcard is None else check_text("match_wildcard", match_wildcard)
        return operations.weights.elsewhere.upload_folder(chain, folder, url, pattern)

    @classmethod
    def download_file(
        cls,
        remote_url: str | os.PathLike[str],
        local_folder: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        skip_zero_size_check: bool = False,
        silence_errors: bool = False,
        *,
        raise_on_error: bool = False,
        registry: Registry | None = None,
    ) -> str | None:
        """Copy what a URL serves into a folder, and return the path of the file.

        It keeps its path in the bucket, on the web server or on the disk:
        ``download_file("s3://bucket/sub/file.ext", "folder")`` makes ``folder/sub/file.ext``.

        Args:
            remote_url: a path or URL.
            local_folder: the folder; a new temporary one if None.
            overwrite: replace a file that is there; otherwise it is returned as it is.
            skip_zero_size_check: ignored: an empty file is a file.
            silence_errors: None instead of a warning and None.
            raise_on_error: raise an error instead.
            registry: the registry with the cache; the current one if None.

        Raises:
            InvalidURLError: (a ValueError) the URL cannot be used.
            WeightsError, StorageError: with `raise_on_error`, if there is no copy.

        Source: ``StorageManager.download_file`` of the ClearML SDK.
        """
        chain = open_of(registry, make=True)
        url = operations.weights.elsewhere.check_url(remote_url)
        folder = _folder(local_folder)
        replace = check_flag("overwrite", overwrite)

        def get() -> str:
            found = operations.weights.elsewhere.download(chain, url, folder, overwrite=replace)
            return str(found)

        if not check_flag("silence_errors", silence_errors):
            return or_none(get, raise_on_error)
        try:
            return get()
        except LocalregError:
            return None

    @classmethod
    def download_folder(
        cls,
        remote_url: str | os.PathLike[str],
        local_folder: str | os.PathLike[str] | None = None,
        match_wildcard: str | None = None,
        overwrite: bool = False,
        skip_zero_size_check: bool = False,
        silence_errors: bool = False,
        max_workers: int | None = None,
        *,
        raise_on_error: bool = False,
        registry: Registry | None = None,
    ) -> str | None:
        """Copy all files below a URL into a folder, as `download_file` does; return the folder.

        Args:
            remote_url: the path or URL of a folder; a web server has none.
            match_wildcard: a pattern of the files' URLs, such as ``*.csv``; all if None.
            max_workers: ignored.
            local_folder, overwrite, skip_zero_size_check, silence_errors, raise_on_error, registry:
                as for `download_file`.

        Raises:
            InvalidURLError: (a ValueError) the URL cannot be used.
            NotSupportedError: it is one of a web server.
            WeightsError, StorageError: with `raise_on_error`, if a file cannot be copied.

        Source: ``StorageManager.download_folder`` of the ClearML SDK.
        """
        quiet = check_flag("silence_errors", silence_errors)
        url = operations.weights.elsewhere.check_url(remote_url)
        found = [
            each
            for each in operations.weights.elsewhere.files_at(url)
            if match_wildcard is None or fnmatch(each.url, match_wildcard)
        ]
        folder = _folder(local_folder)
        if not found and not quiet:
            log.warning("no files are at %s", public_url(url.text))
        for each in found:
            cls.download_file(
                each.url,
                folder,
                overwrite=overwrite,
                silence_errors=quiet,
                raise_on_error=raise_on_error,
                registry=registry,
            )
        return str(folder)

    @classmethod
    def list(
        cls,
        remote_url: str | os.PathLike[str],
        return_full_path: bool = False,
        with_metadata: bool = False,
        read_hash: bool = False,
        *,
        registry: Registry | None = None,
    ) -> Names:
        """Return the names of the files in a folder and below, sorted; [] if there are none.

        Args:
            remote_url: the path or URL of a folder; a web server has none.
            return_full_path: return URLs, not paths below the folder.
            with_metadata: return dicts with "name" and "size".
            read_hash: with "hash", the sha256; the files are fetched.
            registry: the registry with the cache; the current one if None.

        Raises:
            NotSupportedError: it is the URL of a web server.
            DownloadError: (an OSError) the server does not answer.

        Source: ``StorageManager.list`` of the ClearML SDK.
        """
        url = operations.weights.elsewhere.check_url(remote_url)
        found = operations.weights.elsewhere.files_at(url)
        full = check_flag("return_full_path", return_full_path)
        if not check_flag("with_metadata", with_metadata):
            return [each.url if full else each.name for each in found]
        hashed = check_flag("read_hash", read_hash)
        return [
            {"name": each.url if full else each.name, "size": each.size}
            | ({"hash": _digest(each.url, registry)} if hashed else {})
            for each in found
        ]

    @classmethod
    def exists_file(cls, remote_url: str | os.PathLike[str]) -> bool:
        """Return True if a path or URL is that of a file; False for a folder.

        Raises:
            DownloadError, UploadError: (OSErrors) the server does not answer.

        Source: ``StorageManager.exists_file`` of the ClearML SDK.
        """
        url = operations.weights.elsewhere.check_url(remote_url)
        return operations.weights.elsewhere.size_of(url) is not None

    @classmethod
    def get_file_size_bytes(
        cls, remote_url: str | os.PathLike[str], silence_errors: bool = False
    ) -> int | None:
        """Return the size of a file, None if there is none or the server does not say its size.

        Args:
            remote_url: a path or URL.
            silence_errors: None instead of a warning and None, if the server does not answer.

        Source: ``StorageManager.get_file_size_bytes`` of the ClearML SDK.
        """
        url = operations.weights.elsewhere.check_url(remote_url)
        try:
            size = operations.weights.elsewhere.size_of(url)
        except LocalregError as error:
            if not check_flag("silence_errors", silence_errors):
                log.warning("%s", error)
            return None
        return None if size == -1 else size

    @classmethod
    def get_metadata(
        cls,
        remote_url: str | os.PathLike[str],
        return_full_path: bool = False,
        read_hash: bool = False,
        *,
        registry: Registry | None = None,
    ) -> dict[str, Any] | None:
        """Return "name" and "size" of a file, None if there is none.

        Args:
            remote_url: a path or URL.
            return_full_path: the name is the URL.
            read_hash: with "hash", the sha256; the file is fetched.
            registry: the registry with the cache; the current one if None.

        Source: ``StorageManager.get_metadata`` of the ClearML SDK.
        """
        url = operations.weights.elsewhere.check_url(remote_url)
        size = operations.weights.elsewhere.size_of(url)
        if size is None:
            return None
        full = check_flag("return_full_path", return_full_path)
        found: dict[str, Any] = {
            "name": url.text if full else url.filename,
            "size": None if size == -1 else size,
        }
        if check_flag("read_hash", read_hash):
            found["hash"] = _digest(url.text, registry)
        return found

    @classmethod
    def get_stream(
        cls,
        remote_url: str | os.PathLike[str],
        chunk_size: int | None = None,
        *,
        registry: Registry | None = None,
    ) -> Iterator[bytes]:
        """Yield the bytes of a file in pieces; a remote one is fetched before.

        Args:
            remote_url: a path or URL.
            chunk_size: bytes of a piece; 1 MiB if None.
            registry: the registry with the cache; the current one if None.

        Raises:
            WeightsError, StorageError: there is no copy.

        Source: ``StorageManager.get_stream`` of the ClearML SDK.
        """
        url = operations.weights.elsewhere.check_url(remote_url)
        path = operations.weights.elsewhere.local_copy(open_of(registry, make=True), url)
        with disk_errors("reading a file", path):
            reader = open_plain(path, "remote_url")
        return _pieces(reader, chunk_size or _CHUNK)

    @classmethod
    def set_cache_file_limit(cls, cache_file_limit: int, cache_context: str | None = None) -> int:
        """Return the limit, and do nothing: `localreg cache` limits the cache by its size."""
        return cache_file_limit

    @classmethod
    def set_report_upload_chunk_size(cls, chunk_size_mb: int) -> None:
        """Do nothing: on a terminal a bar shows the progress."""

    @classmethod
    def set_report_download_chunk_size(cls, chunk_size_mb: int) -> None:
        """Do nothing: on a terminal a bar shows the progress."""


def _folder(given: str | os.PathLike[str] | None) -> Path:
    if given is not None:
        return check_path("local_folder", given)
    import tempfile
    from pathlib import Path

    return Path(tempfile.mkdtemp(prefix="localreg-"))


def _digest(url: str, registry: Registry | None) -> str:
    parsed = operations.weights.elsewhere.check_url(url)
    return operations.weights.elsewhere.digest_of(open_of(registry, make=True), parsed)


def _pieces(reader: FileIO, size: int) -> Iterator[bytes]:
    with reader:
        while piece := reader.read(size):
            yield piece
