"""The bytes of files that DVC tracks: looked up by md5 in its cache, else in the working copy.

DVC 3 keeps a file at ``files/md5/ab/cdef…``, DVC 2 at ``ab/cdef…``. The md5 of DVC 2 is that of a
text with the line ends of Unix. A folder is a file ``ab/cdef….dir``, which lists its files in JSON.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import posixpath
import re
from pathlib import Path

from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain
from localreg.operations.importers.foreign_values import mapping_of, text_of
from localreg.operations.importers.found import FoundFile
from localreg.operations.importers.source_files import (
    SourceFolder,
    damaged,
    parsed_json,
    read_bytes,
    read_text,
)
from localreg.values.frozen import Frozen
from localreg.values.paths import is_package_path

_PIECE = 1 << 20  # DVC 2 looks at each piece of this size by itself
_LOOKED_AT = 512  # bytes of a piece that say if it is text
_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


class Hashes(Frozen):
    """The hashes of a file: md5, the md5 by the rules of DVC 2, and sha256."""

    md5: str
    old_md5: str
    sha256: str

    def __contains__(self, md5: str) -> bool:
        """Return True if a file with this md5 may be this one."""
        return md5 in (self.md5, self.old_md5)


class Entry(Frozen):
    """A file that DVC tracks: its path in what is tracked, and its md5."""

    name: str
    md5: str


def check_md5(value: object, place: object) -> str:
    """Return an md5, with ".dir" at its end if it is that of a folder.

    Raises:
        SourceError: it is none.
    """
    if not isinstance(value, str) or not _MD5.fullmatch(value):
        raise damaged(place, f"has {str(value)[:80]!r} where an md5 should be")
    return value


def hashes_of(path: Path) -> Hashes:
    """Return the hashes of a file, read once."""
    md5, old = (hashlib.md5(usedforsecurity=False) for _ in range(2))
    sha256 = hashlib.sha256()
    with disk_errors("reading what is imported", path), open_plain(path, "source") as reader:
        while piece := reader.read(_PIECE):
            md5.update(piece)
            sha256.update(piece)
            old.update(piece.replace(b"\r\n", b"\n") if _is_text(piece[:_LOOKED_AT]) else piece)
    return Hashes(md5.hexdigest(), old.hexdigest(), sha256.hexdigest())


def _is_text(start: bytes) -> bool:
    others = start.translate(None, _TEXT)
    return b"\0" not in start and len(others) <= 0.3 * len(start)


class DvcCache:
    """The cache of a repository, and its working copy.

    Attributes:
        elsewhere: the folder of a cache outside of the repository, which is not read; or None.
    """

    def __init__(self, root: SourceFolder) -> None:
        self.elsewhere: str | None = None
        self._root = root
        self._folder: SourceFolder | None = root.folder(".dvc/cache")
        said = _folder_of_cache(root)
        if said is None:
            return
        inside = os.path.relpath(os.path.join(root.path, ".dvc", said), root.path)
        name = inside.replace(os.sep, "/")
        if name.startswith("../") or name in (".", ".."):
            self._folder, self.elsewhere = None, said
        else:
            self._folder = root.folder(name)

    def entries(self, md5: str, path: str, place: object) -> list[Entry] | None:
        """Return the files of a folder that is tracked; None if the list is missing.

        Args:
            md5: of the folder.
            path: of the folder in the repository.
            place: the file that names it.

        Raises:
            SourceError: the list is damaged, or has a path that leads out.
        """
        listed = self._in_cache(md5)
        if listed is None:
            return self._listed_again(md5, path)
        text = read_bytes(listed)
        if f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir" != md5:
            raise damaged(listed, f"does not have the md5 that {place} says")
        found = parsed_json(text, listed)
        if not isinstance(found, list):
            raise damaged(listed, "is no list of files")
        return [entry_of(each, listed) for each in found]

    def file(self, entry: Entry, path: str) -> FoundFile | None:
        """Return a file by its md5; None if neither the cache nor the working copy has it.

        Args:
            entry: its name in what is tracked, and its md5.
            path: where the working copy would be.

        Raises:
            SourceError: the file in the cache has another md5.
        """
        cached = self._in_cache(entry.md5)
        if cached is not None:
            hashes = hashes_of(cached)
            if entry.md5 not in hashes:
                raise damaged(cached, f"should have the md5 {entry.md5}; it has {hashes.md5}")
            return FoundFile(entry.name, cached, hashes.sha256)
        working = self._root.file(path)
        if working is not None:
            hashes = hashes_of(working)
            if entry.md5 in hashes:
                return FoundFile(entry.name, working, hashes.sha256)
        return None

    def why_missing(self, path: str) -> str:
        """Return why the bytes of a path do not come."""
        if self.elsewhere is not None:
            return (
                f"the cache of DVC is elsewhere, at {self.elsewhere}, and {path} is not as it was "
                "tracked: dvc checkout brings it"
            )
        return f"neither the cache of DVC nor {path} has it: dvc fetch brings it"

    def _in_cache(self, md5: str) -> Path | None:
        if self._folder is None:
            return None
        name = f"{md5[:2]}/{md5[2:]}"
        return self._folder.file(f"files/md5/{name}") or self._folder.file(name)

    def _listed_again(self, md5: str, path: str) -> list[Entry] | None:
        """Return the files of the working copy of a folder, if they are those that have its md5."""
        files = sorted(self._root.folder(path).files_below())
        for kind in ("md5", "old_md5"):
            entries = [Entry(name, getattr(hashes_of(file), kind)) for name, file in files]
            listed = [{"md5": each.md5, "relpath": each.name} for each in entries]
            text = json.dumps(listed, sort_keys=True).encode()
            if f"{hashlib.md5(text, usedforsecurity=False).hexdigest()}.dir" == md5:
                return entries
        return None


def entry_of(value: object, place: object) -> Entry:
    """Return a file in the list of a folder.

    Raises:
        SourceError: it has another form, or its path leads out.
    """
    known = mapping_of(value, place, "a file")
    name = text_of(known.get("relpath"), place, "relpath")
    if not is_package_path(name):
        raise damaged(place, f"names a file that cannot be in a folder: {name[:200]!r}")
    md5 = check_md5(known.get("md5"), place)
    if md5.endswith(".dir"):
        raise damaged(place, f"names a folder where a file should be: {name[:200]!r}")
    return Entry(name, md5)


def _folder_of_cache(root: SourceFolder) -> str | None:
    """Return the folder of the cache as the configuration names it."""
    place = root.file(".dvc/config")
    if place is None:
        return None
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(read_text(place, 1_000_000))
        return parser.get("cache", "dir", fallback=None)
    except configparser.Error as error:
        raise damaged(place, f"is no configuration of DVC: {str(error)[:100]}") from error


def path_in(base: str, name: str, place: object) -> str | None:
    """Return a path in the repository; None for an address elsewhere.

    Args:
        base: the folder that the path is relative to.
        name: as DVC wrote it.
        place: the file that says it.

    Raises:
        SourceError: it leads out of the repository.
    """
    if "://" in name:
        return None
    joined = posixpath.normpath(posixpath.join("/", base, name))[1:]
    climbed = posixpath.normpath(posixpath.join(base, name))
    if name.startswith("/") or climbed.startswith("..") or not is_package_path(joined):
        raise damaged(place, f"names a path that is not in the repository: {name[:200]!r}")
    return joined
