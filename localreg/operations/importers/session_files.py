"""The files of a ClearML offline session: a folder, or the zip of one."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from localreg.blobs.archives.unpacking import limits_from_environment, unpack
from localreg.errors import ArchiveError, InvalidValueError, SessionError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import absolute, check_path
from localreg.filesystem.plain_files import open_plain, plain_status
from localreg.registry import OpenRegistry
from localreg.values.frozen import Frozen
from localreg.values.paths import is_utf8

TASK, METRICS, LOG = "task.json", "metrics.jsonl", "log.jsonl"
LINE_LIMIT = 256_000_000  # bytes of a line, and of task.json
_MOST_FILES = 1_000_000
_QUOTED = "'[]{}()$^,.; -_+-=/"  # what ClearML does not quote in paths of projects and tasks


class SessionFile(Frozen):
    """A file of a session: its name there, and where it is now."""

    name: str
    path: Path


class SessionFiles:
    """The files of a session, by their names in it, such as ``data/a/b.png``.

    Only these are read: what the session says about paths is looked up here.

    Attributes:
        source: where the session is, for people.
        closed: True if ClearML ended it: then it wrote a zip.
        modified: when it was written, microseconds.
    """

    def __init__(
        self, source: str, files: Mapping[str, Path], *, closed: bool, modified: int
    ) -> None:
        self.source = source
        self.closed = closed
        self.modified = modified
        self._files = files

    def find(self, name: str) -> SessionFile | None:
        """Return a file by its name in the session, or None.

        ClearML quotes a part of some names, and not of others.
        """
        plain = name.replace("\\", "/")
        if not is_utf8(plain):
            return None
        for each in (plain, unquote(plain), quote(plain, safe=_QUOTED), quote(plain)):
            found = self._files.get(each)
            if found is not None:
                return SessionFile(each, found)
        return None

    def find_path(self, path: str, root: str) -> SessionFile | None:
        """Return the file that had a path on the machine of the session, or None.

        Args:
            root: the folder of the session there.
        """
        plain, start = path.replace("\\", "/"), root.replace("\\", "/").rstrip("/")
        if start and plain.startswith(f"{start}/"):
            return self.find(plain.removeprefix(f"{start}/"))
        _, offline, rest = plain.rpartition("/offline/offline-")
        inner = rest.partition("/")[2] if offline else ""
        return self.find(inner) if inner else None

    def task(self) -> object:
        """Return the JSON of task.json.

        Raises:
            SessionError: it is not JSON.
        """
        path = self._files[TASK]
        with disk_errors("reading an offline session", path):
            size = plain_status(path, "session").st_size
            if size > LINE_LIMIT:
                raise broken(TASK, None, f"has {size:,} bytes; at most {LINE_LIMIT:,} are read")
            with open_plain(path, "session") as reader:
                return parsed(reader.read(), TASK, None)

    def lines(self, name: str, limit: int = LINE_LIMIT) -> Iterator[tuple[int, object]]:
        """Yield the lines of a file with their numbers, as JSON; none if there is no such file.

        The last line may be cut off, if the program was killed while it wrote: it is skipped.

        Args:
            limit: the most bytes of a line.

        Raises:
            SessionError: a line is not JSON, or too long.
        """
        path = self._files.get(name)
        if path is None:
            return
        with disk_errors("reading an offline session", path), open_plain(path, "session") as raw:
            reader = io.BufferedReader(raw)
            number = 0
            while line := reader.readline(limit + 1):
                number += 1
                if len(line) > limit:
                    raise broken(name, number, f"has more than {limit:,} bytes")
                if not line.strip():
                    continue
                try:
                    yield number, parsed(line, name, number)
                except SessionError:
                    if line.endswith(b"\n"):
                        raise
                    return


def parsed(text: bytes, name: str, number: int | None) -> object:
    """Return JSON.

    Raises:
        SessionError: it is not JSON, or nests too deep.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise broken(name, number, f"is not JSON: {str(error)[:100]}") from error


def broken(name: str, number: int | None, problem: str) -> SessionError:
    """Return the error for a damaged file of a session."""
    where = name if number is None else f"{name} line {number:,}"
    return SessionError(
        f"the offline session is damaged: {where} {problem}. Nothing was imported",
        file=name,
        line=number,
    )


def is_session(source: object) -> bool:
    """Return True if a path is a folder with a task.json, or a zip that is no bundle."""
    if not isinstance(source, (str, os.PathLike)):
        return False
    path = os.fspath(source)
    if isinstance(path, bytes) or "\0" in path:
        return False
    if os.path.isdir(path):  # noqa: PTH112
        return os.path.lexists(os.path.join(path, TASK))
    if not os.path.isfile(path):  # noqa: PTH113
        return False
    with open(path, "rb", buffering=0) as reader:
        return reader.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


@contextmanager
def opened_session(registry: OpenRegistry, source: object) -> Iterator[SessionFiles]:
    """Open a session; its zip is unpacked into the registry's temporary folder meanwhile.

    Raises:
        InvalidValueError: it is no session.
        SourceNotFoundError: there is no such file.
        ArchiveError: its zip is broken, unsafe or too large.
    """
    path = absolute("session_folder_zip", check_path("session_folder_zip", source))
    if path.is_dir():
        with disk_errors("reading an offline session", path):
            files = dict(_listed(path))
            closed = path.with_name(f"{path.name}.zip").is_file()
        yield _session(path, files, closed=closed)
        return
    with disk_errors("reading an offline session", path):
        plain_status(path, "session_folder_zip")
    with registry.blobs.temporary_folder() as folder:
        try:
            there = unpack(path, "session.zip", folder, limits_from_environment())
        except ArchiveError as error:
            if is_session(path):
                raise
            raise InvalidValueError(
                f"{path} is no offline session: it is neither a folder nor a zip",
                argument="session_folder_zip",
            ) from error
        yield _session(path, {each.name: each.path for each in there.files}, closed=True)


def _session(path: Path, files: dict[str, Path], *, closed: bool) -> SessionFiles:
    found = files
    if TASK not in files:  # perhaps somebody packed the folder itself
        above = [name for name in files if name.endswith(f"/{TASK}") and name.count("/") == 1]
        if len(above) != 1:
            raise InvalidValueError(
                f"{path} is no offline session of ClearML: it has no {TASK}; if it is a packed "
                "folder of another program, unpack it, and import the folder",
                argument="session_folder_zip",
            )
        start = above[0].removesuffix(TASK)
        found = {
            name.removeprefix(start): place
            for name, place in files.items()
            if name.startswith(start)
        }
    modified = path.stat().st_mtime_ns // 1_000
    return SessionFiles(str(path), found, closed=closed, modified=modified)


def _listed(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the plain files of a folder; links and devices are left out."""
    waiting = [("", folder)]
    count = 0
    while waiting:
        prefix, place = waiting.pop()
        with os.scandir(place) as entries:
            for each in entries:
                count += 1
                if count > _MOST_FILES:
                    raise InvalidValueError(
                        f"{folder} has more than {_MOST_FILES:,} files", argument="session"
                    )
                if each.is_dir(follow_symlinks=False):
                    waiting.append((f"{prefix}{each.name}/", Path(each.path)))
                elif each.is_file(follow_symlinks=False):
                    yield f"{prefix}{each.name}", Path(each.path)
