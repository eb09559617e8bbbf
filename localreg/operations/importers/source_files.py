"""The files of a source, which a stranger may have made: nothing outside its folder is read."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from errno import ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from localreg.errors import MissingPackageError, SourceError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import open_plain, plain_status
from localreg.operations.importers.plain_yaml import plain_values
from localreg.values.paths import is_package_path, printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

TEXT_LIMIT = 64_000_000  # bytes of a file that is read at once
LINE_LIMIT = 16_000_000
MOST_FILES = 1_000_000
LONGEST_PATH = 4_095  # bytes; the system finds nothing at a longer one
YAML_LIMIT = 4_000_000  # its reader is slow: a minute for this


def damaged(place: object, problem: str, line: int | None = None) -> SourceError:
    """Return the error for a part of a source that is damaged or forged.

    Args:
        place: the file, or what it is in.
        problem: the rest of the sentence, such as "is not JSON".
        line: counted from 1.
    """
    name = printable_path(str(place))
    where = name if line is None else f"{name} line {line:,}"
    return SourceError(
        f"{where} {problem}. Nothing was imported: mend or remove it, and import again",
        file=str(place),
        line=line,
    )


class SourceFolder:
    """A folder of a source. Names in it are looked up without leaving it.

    A link is followed only to a place inside of `root`.

    Attributes:
        path: the folder, absolute.
        root: the real path of what nothing may lead out of.
    """

    def __init__(self, path: Path, root: Path | None = None) -> None:
        """Look at a folder.

        Args:
            path: the folder, absolute.
            root: what nothing may lead out of; the folder itself by default.
        """
        self.path = path
        self.root = Path(os.path.realpath(path if root is None else root))

    def folder(self, name: str) -> SourceFolder:
        """Return a folder in this one; it need not exist.

        Raises:
            SourceError: the name leads out of the source.
        """
        return SourceFolder(self._inside(name), self.root)

    def file(self, name: str) -> Path | None:
        """Return a file by its path in the folder, with slashes; None if there is none.

        Raises:
            SourceError: the name leads out of the source.
        """
        place = self._inside(name)
        return place if S_ISREG(_mode(place)) else None

    def names(self) -> list[str]:
        """Return the names in the folder, sorted; none if it does not exist."""
        if not S_ISDIR(_mode(self.path)):
            return []
        with disk_errors("reading what is imported", self.path):
            names = sorted(os.listdir(self.path))
        if len(names) > MOST_FILES:
            raise damaged(self.path, f"has more than {MOST_FILES:,} files")
        return names

    def folders(self) -> Iterator[SourceFolder]:
        """Yield the folders in this one, by their names; links out of the source raise."""
        for name in self.names():
            if S_ISDIR(_mode(self.path / name)):
                yield self.folder(name)

    def files_below(self) -> Iterator[tuple[str, Path]]:
        """Yield all files below, with their paths in the folder, sorted within each folder.

        Raises:
            SourceError: a link leads out of the source, or there are too many.
        """
        for name, found in self.entries_below():
            yield name, self._inside(name) if found is None else found

    def entries_below(self) -> Iterator[tuple[str, Path | None]]:
        """Yield what `files_below` yields; for links that lead out of the source None as the file.

        Raises:
            SourceError: there are too many, or one has a name that no package can have.
        """
        # Each with the folders that it is in, as they are without links.
        first: tuple[str, ...] = (os.path.realpath(self.path),)
        waiting, count = [("", self.path, first)], 0
        while waiting:
            prefix, place, above = waiting.pop()
            for name in SourceFolder(place, self.root).names():
                count += 1
                if count > MOST_FILES:
                    raise damaged(self.path, f"has more than {MOST_FILES:,} files")
                path, found = f"{prefix}{name}", place / name
                if len(os.fsencode(found)) > LONGEST_PATH:
                    raise damaged(found, "is too deep: its path is too long")
                if not is_package_path(path):
                    raise damaged(self.path, f"has a file of the name {printable_path(path)}")
                if not self._is_inside(found):
                    yield path, None
                elif S_ISDIR(mode := _mode(found)):
                    real = os.path.realpath(found)
                    if real in above or len(prefix) > 4_000:
                        raise damaged(found, "is too deep: is it a circle of links?")
                    waiting.append((f"{path}/", found, (*above, real)))
                elif S_ISREG(mode):
                    yield path, found

    def _inside(self, name: str) -> Path:
        if not is_package_path(name):
            raise damaged(self.path, f"names a file that cannot be in it: {printable_path(name)}")
        place = self.path / name
        if not self._is_inside(place):
            raise damaged(place, "leads to a place outside of what is imported")
        return place

    def _is_inside(self, place: Path) -> bool:
        return Path(os.path.realpath(place)).is_relative_to(self.root)


def _mode(place: Path) -> int:
    """Return the mode of what is at a path, as `stat` has it; 0 if there is nothing.

    Raises:
        StorageError: it may not be looked at.
    """
    with disk_errors("reading what is imported", place):
        try:
            return place.stat().st_mode
        except OSError as error:
            # A name that is too long is that of no file; a circle of links leads to none.
            if error.errno in (ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP):
                return 0
            raise


def read_bytes(path: Path, limit: int = TEXT_LIMIT) -> bytes:
    """Return the bytes of a file.

    Raises:
        SourceError: it has more than `limit` bytes.
    """
    with disk_errors("reading what is imported", path):
        size = plain_status(path, "source").st_size
        if size > limit:
            raise damaged(path, f"has {size:,} bytes; at most {limit:,} are read")
        with open_plain(path, "source") as reader:
            return reader.read()


def read_text(path: Path, limit: int = TEXT_LIMIT) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        SourceError: it is not UTF-8, or too long.
    """
    try:
        return read_bytes(path, limit).decode()
    except UnicodeDecodeError as error:
        raise damaged(path, f"is not UTF-8 (byte {error.start:,})") from error


def read_json(path: Path, limit: int = TEXT_LIMIT) -> object:
    """Return the JSON of a file.

    Raises:
        SourceError: it is not JSON, nests too deep, or is too long.
    """
    return parsed_json(read_bytes(path, limit), path)


def parsed_json(text: bytes | str, place: object, line: int | None = None) -> object:
    """Return JSON.

    Raises:
        SourceError: it is not JSON, or nests too deep.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(place, f"is not JSON: {str(error)[:100]}", line) from error


def lines_of(path: Path, limit: int = LINE_LIMIT) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, without their ends.

    Raises:
        SourceError: a line is too long.
    """
    with disk_errors("reading what is imported", path), open_plain(path, "source") as raw:
        reader = io.BufferedReader(raw, 1 << 18)
        number = 0
        while line := reader.readline(limit + 1):
            number += 1
            if len(line) > limit:
                raise damaged(path, f"has more than {limit:,} bytes", number)
            yield number, line.rstrip(b"\r\n")


def is_rest_zeros(reader: BinaryIO) -> bool:
    """Return True if only zeros follow: what a file ends with whose system was stopped."""
    while piece := reader.read(1 << 18):
        if piece.count(0) < len(piece):
            return False
    return True


def read_yaml(path: Path, limit: int = YAML_LIMIT, *, by_pyyaml: bool = False) -> object:
    """Return the YAML 1.2 of a file, as plain values; nothing in it is executed.

    Args:
        by_pyyaml: as for `parsed_yaml`.

    Raises:
        MissingPackageError: ruamel.yaml is not installed.
        SourceError: it is not YAML, is too long, nests too deep, or repeats itself too often.
    """
    return parsed_yaml(read_text(path, limit), path, by_pyyaml=by_pyyaml)


def parsed_yaml(text: str, place: object, *, by_pyyaml: bool = False) -> object:
    """Return YAML 1.2 as plain values; nothing in it is executed.

    Args:
        by_pyyaml: PyYAML wrote it, which leaves texts such as 7e12 without quotes, since they are
            no numbers in its YAML 1.1.

    Raises:
        MissingPackageError: ruamel.yaml is not installed.
        SourceError: it is not YAML, nests too deep, or repeats itself too often.
    """
    try:
        return plain_values(text, by_pyyaml=by_pyyaml)
    except ValueError as error:
        raise damaged(place, f"is not YAML that can be read: {str(error)[:200]}") from error
    except ImportError as error:
        raise MissingPackageError(
            f"{printable_path(str(place))} is YAML; to read it: pip install 'localreg[import]'",
            package="ruamel.yaml",
        ) from error
