"""Write a bundle: to a file, to parts of one, to a stream, or as a folder.

A file of a model is hashed while it is written. If its bytes are not those of its digest, the
bundle is not finished: no file and no folder appears, and a stream ends without the end of a tar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from localreg.blobs.bundles.blob_bytes import PIECE
from localreg.blobs.bundles.drafting import Contents
from localreg.blobs.bundles.parts import part_paths
from localreg.blobs.bundles.tar_entries import end, header, padding
from localreg.blobs.staging.staging import FAT_LIMIT, check_room, check_size_allowed
from localreg.errors import StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.pipes import widen
from localreg.filesystem.plain_files import replacing_plain
from localreg.filesystem.syncing import EarlySync, sync, sync_folder
from localreg.values.bundle_format import BLOBS_NAME, INDEX_NAME, LAYOUT, LAYOUT_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol

    from localreg.progress import Progress

    class Sink(Protocol):
        """Takes the bytes of a bundle."""

        def write(self, data: bytes | memoryview, /) -> object:
            """Take all of these bytes."""


BUFFER = 262_144  # bytes; larger pieces are written by themselves

Find = Callable[[str], Path]


def write_file(
    contents: Contents,
    find: Find,
    path: Path,
    *,
    split: int | None = None,
    progress: Progress | None = None,
    argument: str = "path",
) -> list[Path]:
    """Write a bundle to a file, or to several; they are there when all is on disk, or not at all.

    Args:
        contents: of the bundle.
        find: returns the path of the blob with a digest.
        path: a new path, or that of a plain file, which is replaced.
        split: the number of bytes of each part; None for one file.
        progress: called with the number of bytes done, and the total.
        argument: the name of the argument that gave the path, for errors.

    Returns:
        The paths of the files.

    Raises:
        InvalidValueError: something else than a plain file is at the path; or the parts would be
            too small or too many.
        PathExistsError: a part of another bundle would follow the last part.
        CorruptBlobError: a blob is damaged or missing.
    """
    total = contents.tar_size
    paths = [path] if split is None else part_paths(path, total, split)
    with disk_errors("writing the bundle", path), ExitStack() as stack:
        check_room(path.parent, total)
        # The last part gets its name first: a bundle without its first part is not read.
        temporaries = [stack.enter_context(replacing_plain(each, argument)) for each in paths]
        with _Files(temporaries, split, total) as files:
            _write_tar(contents, find, files, progress, total)
    sync_folder(path.parent)
    return paths


def write_stream(
    contents: Contents, find: Find, stream: BinaryIO, *, progress: Progress | None = None
) -> None:
    """Write a bundle to a stream.

    Args:
        contents, find, progress: as for `write_file`.
        stream: takes bytes; its errors are raised as they are.

    Raises:
        CorruptBlobError: a blob is damaged or missing.
    """
    widen(stream)
    _write_tar(contents, find, _Stream(stream), progress, contents.tar_size)
    stream.flush()


def write_folder(
    contents: Contents, find: Find, folder: Path, *, progress: Progress | None = None
) -> None:
    """Write a bundle as a folder; it is there when all is on disk, or not at all.

    Args:
        contents, find, progress: as for `write_file`.
        folder: a new path, or that of an empty folder.

    Raises:
        PathExistsError: something is there.
        CorruptBlobError: a blob is damaged or missing.
    """
    from localreg.blobs.local_files.new_folder import new_folder

    with new_folder(folder, contents.tar_size, "the bundle") as temporary:
        place = temporary.joinpath(*BLOBS_NAME.rstrip("/").split("/"))
        place.mkdir(parents=True)
        (temporary / LAYOUT_NAME).write_bytes(LAYOUT)
        _write_pieces(temporary / INDEX_NAME, contents.index())
        for digest, _, pieces in contents.spooled():
            _write_pieces(place / digest, pieces)
        done, total = 0, contents.blob_bytes
        for digest, size in contents.blobs():
            with open(place / digest, "xb") as writer:
                early = EarlySync(writer.fileno())
                for piece in contents.pieces(digest, size, find):
                    writer.write(piece)
                    early.wrote(len(piece))
                    done += len(piece)
                    if progress is not None:
                        progress(done, total)
                if size >= PIECE:
                    writer.flush()
                    early.wrote_all()


def _write_tar(
    contents: Contents, find: Find, sink: Sink, progress: Progress | None, total: int
) -> None:
    done = 0

    def wrote(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    def put(name: str, size: int, pieces: Iterator[bytes]) -> None:
        head = header(name, size)
        sink.write(head)
        for piece in pieces:
            sink.write(piece)
        tail = padding(size)
        sink.write(tail)
        wrote(len(head) + size + len(tail))

    put(LAYOUT_NAME, len(LAYOUT), iter([LAYOUT]))
    put(INDEX_NAME, sum(map(len, contents.index())), contents.index())
    for digest, size, pieces in contents.spooled():
        put(f"{BLOBS_NAME}{digest}", size, pieces)
    for digest, size in contents.blobs():
        head, tail = header(f"{BLOBS_NAME}{digest}", size), padding(size)
        sink.write(head)
        wrote(len(head))
        for piece in contents.pieces(digest, size, find):
            sink.write(piece)
            wrote(len(piece))
        sink.write(tail)
        wrote(len(tail))
    sink.write(end(done))
    wrote(len(end(done)))


def _write_pieces(path: Path, pieces: Iterator[bytes]) -> None:
    with open(path, "xb") as writer:
        for piece in pieces:
            writer.write(piece)


def _check_size_allowed(writer: BinaryIO, size: int) -> None:
    try:
        check_size_allowed(Path(writer.name), writer, size)
    except OSError as error:
        raise StorageError(
            f"the bundle has {size:,} bytes, and the file system of {Path(writer.name).parent} "
            "allows no file that large (FAT allows at most 4 GiB); write parts of it: split",
            path=writer.name,
        ) from error


class _Stream:
    """Writes to a stream, also to one that takes a part of what it is given."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._stream.write(rest) :]


class _Files:
    """Writes one file, or one after the other; each has at most so many bytes."""

    def __init__(self, paths: list[Path], most: int | None, total: int) -> None:
        self._paths = iter(paths)
        self._size = min(total, most or total)
        self._most = most
        self._done = 0
        self._open: tuple[BinaryIO, EarlySync] | None = None

    def write(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            if self._open is None or self._done == self._most:
                self._close()
                writer = open(next(self._paths), "xb", BUFFER)  # noqa: SIM115  (by _close)
                self._open = writer, EarlySync(writer.fileno())
                if self._size > FAT_LIMIT:
                    _check_size_allowed(writer, self._size)
                self._done = 0
            writer, early = self._open
            piece = rest if self._most is None else rest[: self._most - self._done]
            writer.write(piece)
            early.wrote(len(piece))
            self._done += len(piece)
            rest = rest[len(piece) :]

    def _close(self) -> None:
        if self._open is not None:
            with self._open[0] as writer:
                writer.flush()
                sync(writer.fileno())

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._close()
        elif self._open is not None:
            self._open[0].close()
