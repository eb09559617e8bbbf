"""Files of data sets that stay outside: where they are, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from localreg.blobs.trees.listing import folder_entries
from localreg.errors import InvalidValueError, SourceNotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import plain_status
from localreg.operations.datasets import changes, copies, looking
from localreg.operations.datasets.changes import Changed, check_folder, check_patterns
from localreg.operations.weights.fetching import check_scheme
from localreg.registry import Chain
from localreg.values.checks import shown
from localreg.values.datasets import DatasetFile, matches
from localreg.values.frozen import replace
from localreg.values.paths import is_package_path, printable_path
from localreg.values.urls import WeightsURL, is_cloud, is_folder, local_url, parse_named_url

_ARGUMENT = "source_url"


def add_links(
    chain: Chain,
    dataset_id: str,
    urls: object,
    *,
    patterns: object = None,
    folder: object = None,
    recursive: bool = True,
    hashed: bool = False,
) -> Changed:
    """Add files to a data set by their URLs; their bytes stay where they are.

    Args:
        urls: a URL or path, or several. A folder means all files in it.
        patterns: of the names in a folder that are added; None for all.
        folder: where in the data set they are put; or one for each URL.
        recursive: also what is in folders below.
        hashed: fetch each file to know its sha256.

    Raises:
        SourceNotFoundError: there is no such file.
        DownloadError: a server does not have it, or cannot be reached.
        ConflictError: the data set is finalized.
    """
    with chain.first.store.read() as connection:
        looking.require_open(connection, dataset_id)
    listed = _listed(urls)
    folders = _folders(folder, len(listed))
    names = check_patterns("wildcard", patterns) or ("*",)
    files: dict[str, DatasetFile] = {}
    for url, prefix in zip(listed, folders, strict=True):
        for each in _files_at(url, names, recursive):
            path = prefix + each.path
            if not is_package_path(path):
                raise InvalidValueError(
                    f"{printable_path(path)} cannot be a path in a data set", argument=_ARGUMENT
                )
            files[path] = replace(each, path=path)
    if hashed:
        for path, each in files.items():
            held = copies.fetch(chain, each)
            files[path] = replace(each, digest=held.digest, size=held.size)
    return changes.put(chain, dataset_id, files)


def _listed(urls: object) -> list[WeightsURL]:
    given = [urls] if isinstance(urls, (str, Path)) else urls
    if not isinstance(given, Iterable) or isinstance(given, bytes):
        raise InvalidValueError(
            f"{_ARGUMENT} must be a URL or a list of URLs, not {type(urls).__name__}",
            argument=_ARGUMENT,
        )
    return [parse_named_url(_ARGUMENT, each) for each in given]


def _folders(folder: object, count: int) -> list[str]:
    if folder is None or isinstance(folder, (str, Path)):
        return [check_folder("dataset_path", folder)] * count
    if not isinstance(folder, Sequence) or len(folder) != count:
        raise InvalidValueError(
            f"dataset_path must be one folder, or one for each of the {count} URLs, not "
            f"{shown(folder)}",
            argument="dataset_path",
        )
    return [check_folder("dataset_path", each) for each in folder]


def _files_at(url: WeightsURL, patterns: tuple[str, ...], recursive: bool) -> list[DatasetFile]:
    if url.path is not None:
        return _local_files(url, url.path, patterns, recursive)
    check_scheme(url.text)
    from localreg.blobs.transfer import remote_files

    if not is_cloud(url.text):
        name = url.filename or "file"
        size = remote_files.size_of(url.text)
        return [DatasetFile(name, url.pinned, size, False, url.text)]
    return [
        DatasetFile(
            each.name, url.pinned if each.url == url.text else None, each.size, False, each.url
        )
        for each in remote_files.files_at(url.text)
        if matches(each.name, patterns, recursive=recursive)
    ]


def _local_files(
    url: WeightsURL, path: Path, patterns: tuple[str, ...], recursive: bool
) -> list[DatasetFile]:
    with disk_errors("looking at files", path):
        if not path.exists():
            raise SourceNotFoundError(
                f"there is no file or folder {printable_path(path)}; check the path",
                reference=str(path),
            )
        if not is_folder(path):
            size = plain_status(path, _ARGUMENT).st_size
            return [DatasetFile(path.name, url.pinned, size, False, url.text)]
        entries = folder_entries(path, may_be_empty=True).entries
    return [
        DatasetFile(each.name, None, each.size, False, local_url(path / each.name))
        for each in entries
        if each.status is not None and matches(each.name, patterns, recursive=recursive)
    ]
