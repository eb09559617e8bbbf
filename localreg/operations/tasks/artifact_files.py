"""The files that an artifact is given as: a path, a wildcard, several paths, or a URL."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from localreg import log
from localreg.blobs.trees.listing import Entry, Listing, file_entries, folder_entries
from localreg.errors import InvalidURLError, SourceNotFoundError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.operations.weights.sources import Source
from localreg.registry import Chain
from localreg.values.checks import shown
from localreg.values.frameworks import infer_framework
from localreg.values.paths import check_utf8, printable_path
from localreg.values.urls import (
    is_folder,
    is_remote,
    parse_named_url,
    safe_filename,
    without_secrets,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.staging.staging import Mode

_ARGUMENT = "artifact_object"
_LONGEST = 4_096  # characters of a path
_WILDCARDS = "*?["
# A path on one line. Text in which quotes or brackets stand is more than that.
_LIKE_A_PATH = re.compile(r"""[^\0-\x1f"'<>|{}\[\]();=]{1,260}""")
_ENDINGS = frozenset(
    "7z avi bin bmp bz2 ckpt cfg conf csv db feather gif gz html ini ipynb jpeg jpg json jsonl log"
    " md mp3 mp4 npy npz parquet pdf pickle pkl png pt pth py rar rst sh sqlite svg tar tgz tif"
    " tiff tsv txt wav webp xls xlsx xml xz yaml yml zip zst".split()
)


def source_of(chain: Chain, name: str, value: object, *, move: bool) -> Source | None:
    """Return where the bytes of an artifact come from; None for a value that names no file.

    Args:
        chain: its registries are never part of an artifact.
        name: of the artifact, for packages that have no folder of their own.
        value: an `os.PathLike` is a path or a wildcard, a list of them several files. A str is one
            if there is such a file, folder or match; else it is text, with a warning if it looks
            like a path.
        move: remove a single file when it is stored.

    Raises:
        SourceNotFoundError: there is no file at a path that is no str.
        InvalidValueError: a file cannot be kept.
    """
    if isinstance(value, os.PathLike):
        path = check_path(_ARGUMENT, value)
        found = _at(chain, str(path), _WILDCARDS, move=move)
        if found is None:
            raise SourceNotFoundError(
                f"there is no file, folder or match {printable_path(path)}; check the path given "
                f"as {_ARGUMENT}",
                reference=str(path),
            )
        return found
    if isinstance(value, list | tuple):
        if value and all(isinstance(each, os.PathLike) for each in value):
            return _several(name, [check_path(_ARGUMENT, each) for each in value])
        return None
    if not isinstance(value, str) or not 0 < len(value) < _LONGEST or "\0" in value:
        return None
    text = value
    if text.startswith("file://"):
        try:
            text = str(parse_named_url(_ARGUMENT, text).path)
        except InvalidURLError:
            text = value
    found = _at(chain, text, "*?" if _has_separator(text) else "", move=move)
    if found is None and not is_remote(value) and looks_like_a_path(value):
        log.warning(
            "artifact %s: there is no file, folder or match %s here, so the text itself is stored; "
            "check the path, or give a pathlib.Path to have an error instead",
            shown(name), shown(without_secrets(value)),
        )  # fmt: skip
    return found


def looks_like_a_path(text: str) -> bool:
    """Return True for text with a separator and no blanks, or with the ending of a file.

    >>> [looks_like_a_path(each) for each in ("out/best", "my notes.csv", "./*.jpg", "best.pt")]
    [True, True, True, True]
    >>> [looks_like_a_path(each) for each in ("it works", "and/or more", '{"a": "b/c"}', "1.5")]
    [False, False, False, False]
    """
    if not _LIKE_A_PATH.fullmatch(text):
        return False
    if not re.search(r"\s", text) and ("/" in text or "\\" in text):
        return True
    name, dot, ending = text.rpartition(".")
    return bool(name and dot and (ending.lower() in _ENDINGS or infer_framework(text)))


def _has_separator(text: str) -> bool:
    return any(each in text for each in (os.sep, os.altsep) if each)


def _at(chain: Chain, text: str, wildcards: str, *, move: bool) -> Source | None:
    """Return the file or folder at a path, or what matches a wildcard; None without any."""
    if os.path.exists(text):  # noqa: PTH110  (Path.exists raises for some texts)
        check_utf8(_ARGUMENT, text)
        return _plain(absolute(_ARGUMENT, Path(text)), move=move)
    if any(each in text for each in wildcards):
        with disk_errors("listing files", Path(text)):
            folder, entries = _matches(chain, text)
        if entries:
            return Source(
                path=None,
                filename=safe_filename(str(folder)) or "files",
                look=lambda: Listing(entries, []),
            )
    return None


def _plain(path: Path, *, move: bool) -> Source:
    mode: Mode = "move" if move and not is_folder(path) else "copy"
    return Source(path=path, filename=safe_filename(str(path)), mode=mode)


def _matches(chain: Chain, text: str) -> tuple[Path, list[Entry]]:
    """Return the files that a wildcard matches, named as they are below its folder.

    The folder ends before the first part with a wildcard. Is that the last part, then files in the
    folders below are matched as well, as in ClearML.
    """
    parts = Path(text).parts
    first = next(at for at, part in enumerate(parts) if any(each in part for each in _WILDCARDS))
    folder = absolute(_ARGUMENT, Path(*parts[:first]))
    if not is_folder(folder):
        return folder, []
    roots = {os.path.realpath(each.root) for each in chain.registries}
    if first < len(parts) - 1:
        below = os.path.join(glob.escape(str(folder)), *parts[first:])
        found = [Path(each) for each in glob.glob(below, recursive=True)]  # noqa: PTH207  (wants a pattern)
        files = [
            each for each in found
            if each.is_file() and not _is_below(os.path.realpath(each), roots)
        ]  # fmt: skip
        return folder, _named(folder, files)
    pattern = parts[-1]

    def is_left_out(name: str, is_a_folder: bool) -> bool:
        if is_a_folder:
            return os.path.realpath(folder / name) in roots
        return not fnmatchcase(name.rpartition("/")[2], pattern)

    if _is_below(os.path.realpath(folder), roots) or not any(folder.iterdir()):
        return folder, []
    found_entries = folder_entries(folder, is_left_out).entries
    return folder, [each for each in found_entries if each.status is not None]


def _is_below(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(root + os.sep) for root in roots)


def _several(name: str, paths: list[Path]) -> Source:
    """Return a package of several files, named as they are below the folder that has them all."""
    files: list[Path] = []
    missing: list[Path] = []
    for path in paths:
        given = absolute(_ARGUMENT, path)
        there = Path(os.path.realpath(given.parent)) / given.name
        if is_folder(there):
            files += [Path(each.path) for each in folder_entries(there).entries if each.status]
        else:
            (files if there.is_file() else missing).append(there)
    if missing:
        shown_paths = ", ".join(str(each) for each in missing[:5])
        if not files:
            raise SourceNotFoundError(
                f"there is no file {shown_paths}; check the paths", reference=str(missing[0])
            )
        log.warning("artifact %s: there is no file %s; it is left out", shown(name), shown_paths)
    folder = Path(os.path.commonpath([each.parent for each in files]))
    entries = _named(folder, list(dict.fromkeys(files)))
    filename = safe_filename(name) or "files"
    return Source(path=None, filename=filename, look=lambda: Listing(entries, []))


def _named(folder: Path, files: list[Path]) -> list[Entry]:
    """Return files under their paths below a folder, sorted by name."""
    found = []
    for file in files:
        check_utf8(_ARGUMENT, file)
        (entry,) = file_entries([file])
        found.append(entry._replace(name=file.relative_to(folder).as_posix()))
    return sorted(found)
