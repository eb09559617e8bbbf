"""``clearml.storage.filepaths`` and ``clearml.utilities.matching``: paths of files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePath


def get_common_path(filepaths: Sequence[str | os.PathLike[str]]) -> str | None:
    """Return the folder that has all files, None without a file."""
    folders = [Path(each).absolute().parent for each in filepaths]
    try:
        return PurePath(os.path.commonpath(folders)).as_posix() if folders else None
    except ValueError:  # on several drives
        return None


def is_within_directory(directory: str, target: str) -> bool:
    """Return True if a path is that of a folder, or below it."""
    folder = Path(os.path.abspath(directory))  # noqa: PTH100  (links are not followed)
    return Path(os.path.abspath(target)).is_relative_to(folder)  # noqa: PTH100


def is_windows() -> bool:
    """Return True on Windows."""
    return sys.platform == "win32"


def matches_any_wildcard(
    path: str, wildcards: str | list[str] | None, recursive: bool = True
) -> bool:
    """Return True if a path matches one of some patterns.

    Args:
        path: with slashes.
        wildcards: patterns such as ``*.pt``; None matches all.
        recursive: a pattern counts in every folder below its own.
    """
    text = PurePath(path).as_posix()
    given = (
        ["*"] if wildcards is None else wildcards if isinstance(wildcards, list) else [wildcards]
    )
    for pattern in map(str, given):
        folder, slash, name = pattern.rpartition("/")
        if recursive:
            if fnmatch(text, f"{folder}{slash}*") and fnmatch(f"/{text}", f"*/{name}"):
                return True
        else:
            parts, wanted = text.split("/"), pattern.split("/")
            if len(parts) == len(wanted) and all(map(fnmatch, parts, wanted)):
                return True
    return False
