"""The user's own files that weights come from: their paths, checked, and their deletion."""

from __future__ import annotations

import os
from pathlib import Path

from localreg import log
from localreg.errors import InvalidURLError, InvalidValueError
from localreg.filesystem.given_paths import absolute, check_path
from localreg.filesystem.plain_files import FileStatus
from localreg.filesystem.portable_files import remove_file
from localreg.operations.weights.known_digests import status_of
from localreg.registry import Chain
from localreg.values.frozen import Frozen
from localreg.values.paths import is_utf8
from localreg.values.urls import is_folder, parse_named_url


def check_local_path(argument: str, path: object, *, named: bool = False) -> Path:
    """Return the path of a local file or folder, given as a path or a ``file://`` URL.

    Args:
        argument: the argument's name, for errors.
        named: True if the bytes get another name than that of the path, which need not be UTF-8.

    Raises:
        InvalidURLError: it is not a local path.
    """
    if named and is_foreign(path):
        return absolute(argument, check_path(argument, path))
    parsed = parse_named_url(argument, path)
    if parsed.path is None:
        raise InvalidURLError(
            f"{argument} must be a local path, not {parsed.public}; register_uri takes the URL of "
            "existing weights",
            argument=argument,
        )
    return parsed.path


def is_foreign(path: object) -> bool:
    """Return True if a path holds bytes that are not UTF-8, so that it cannot be recorded."""
    return isinstance(path, (str, os.PathLike)) and not is_utf8(os.fsdecode(path))


class Planned(Frozen):
    """A file or folder to delete; of a file, its status before it was read."""

    path: Path
    status: FileStatus | None


def plan_deletion(chain: Chain, paths: tuple[Path, ...]) -> tuple[Planned, ...]:
    """Return what must be deleted to delete files and folders: a folder after its content.

    Call it before they are read. Of a link, only the link is deleted.

    Raises:
        InvalidValueError: a path is inside a registry of the chain, or around it.
    """
    planned: list[Path] = []
    for path in paths:
        inside = any(each.blobs.contains(path) for each in chain.registries)
        if inside or any(each.root.is_relative_to(path) for each in chain.registries):
            raise InvalidValueError(
                f"auto_delete_file=True would delete {path}, which belongs to the registry; leave "
                "it False, or give a copy of the file",
                argument="auto_delete_file",
            )
        if is_folder(path) and not path.is_symlink():
            for folder, folders, files in os.walk(path, topdown=False):
                links = [each for each in folders if (Path(folder) / each).is_symlink()]
                planned += [Path(folder) / each for each in (*files, *links)]
                planned.append(Path(folder))
        else:
            planned.append(path)
    return tuple(Planned(path, status_of(path)) for path in planned)


def delete_planned(planned: tuple[Planned, ...]) -> None:
    """Delete files and folders whose bytes are stored; what fails is logged.

    A file that changed in the meantime stays, and so does a folder that got new files.
    """
    for path, status in ((each.path, each.status) for each in planned):
        found = status_of(path)
        if status is not None and found is not None and not status.same_content(found):
            log.warning("%s was stored, but is not deleted: it has changed since", path)
            continue
        try:
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                remove_file(path)
        except OSError as error:
            log.warning(
                "%s was stored, but could not be deleted: %s", path, error.strerror or error
            )
