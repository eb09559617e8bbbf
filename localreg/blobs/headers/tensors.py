"""The tensors of a file, and which of them differ between two files; nothing is loaded whole.

Known are safetensors, ``.npz`` and ``.npy``. Two tensors are compared byte by byte.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from localreg.blobs.headers.header_errors import HeaderError, TooLongError
from localreg.blobs.headers.numpy_header import MAGIC, ArrayHeader, read_array_header
from localreg.blobs.headers.safetensors_header import looks_like_safetensors, read_spans
from localreg.blobs.headers.zip_members import broken_archive, opened_zip
from localreg.values.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, TypeVar

    Result = TypeVar("Result")

_CHUNK = 1024 * 1024
_THREADS = 2  # hashing and comparing release the GIL
_LARGEST_FACTOR = 100  # arrays that are this much larger than their archive are not unpacked,
_SMALL = 2**30  # unless all have no more bytes


class Shape(Frozen):
    """The type of a tensor and its shape.

    Attributes:
        dtype: as the format names it: "F32" in safetensors, "float32" in NumPy's files.
        shape: the length of each dimension.
    """

    dtype: str
    shape: tuple[int, ...]


class Tensor(Frozen):
    """A tensor of a file.

    Attributes:
        dtype, shape: as in `Shape`.
        digest: sha256 of its bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    digest: str


class TensorChanges(Frozen):
    """How the tensors of two files differ.

    Attributes:
        added: those that only the second file has, by name.
        removed: those that only the first file has.
        reshaped: those whose type or shape differs: before and after.
        changed: the names of those with the same type and shape, but other values.
        same: number of the tensors that are the same.
    """

    added: dict[str, Shape]
    removed: dict[str, Shape]
    reshaped: dict[str, tuple[Shape, Shape]]
    changed: tuple[str, ...]
    same: int


def tensors(path: Path, filename: str | None) -> dict[str, Tensor] | None:
    """Return the tensors of a file by name; None if it is damaged, or in another format.

    Args:
        path: the file.
        filename: its original name; it decides the format if the bytes do not.
    """
    try:
        with _opened(path, filename) as file:
            digests = _in_threads(list(file.places), lambda name: _digest(file, name))
            return {
                name: Tensor(place.kind.dtype, place.kind.shape, digest)
                for (name, place), digest in zip(file.places.items(), digests, strict=True)
            }
    except HeaderError:
        return None


def changed_tensors(
    before: Path, after: Path, before_name: str | None, after_name: str | None
) -> TensorChanges | None:
    """Return how the tensors of two files differ; None if one is damaged, or in another format.

    Only tensors of the same name, type and shape are read.

    Args:
        before, after: the files.
        before_name, after_name: their original names.
    """
    try:
        with _opened(before, before_name) as old, _opened(after, after_name) as new:
            both = [name for name in old.places if name in new.places]
            alike = [name for name in both if old.places[name].kind == new.places[name].kind]
            differ = _in_threads(alike, lambda name: _differ(old, new, name))
            changed = [name for name, other in zip(alike, differ, strict=True) if other]
            return TensorChanges(
                added={
                    name: place.kind for name, place in new.places.items() if name not in old.places
                },
                removed={
                    name: place.kind for name, place in old.places.items() if name not in new.places
                },
                reshaped={
                    name: (old.places[name].kind, new.places[name].kind)
                    for name in both
                    if old.places[name].kind != new.places[name].kind
                },
                changed=tuple(changed),
                same=len(alike) - len(changed),
            )
    except HeaderError:
        return None


class _Place(Frozen):
    """Where the bytes of a tensor are.

    Attributes:
        kind: its type and shape.
        start: where they begin, in the file or in the member of the archive.
        size: how many there are.
        member: the name of the member; "" if the file is no archive.
    """

    kind: Shape
    start: int
    size: int
    member: str = ""


class _File:
    """An open file of tensors; several threads may read it."""

    def __init__(
        self, path: Path, places: dict[str, _Place], archive: zipfile.ZipFile | None = None
    ) -> None:
        self.places = places
        self._path = path
        self._archive = archive

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a tensor, all but the last of `_CHUNK` bytes.

        Raises:
            HeaderError: the file ends before, or the archive is damaged.
        """
        place = self.places[name]
        with broken_archive(), self._reader(place) as reader:
            reader.seek(place.start)
            left = place.size
            while left:
                chunk = reader.read(min(_CHUNK, left))
                if not chunk:
                    raise HeaderError("it ends within a tensor")
                left -= len(chunk)
                yield chunk

    def _reader(self, place: _Place) -> IO[bytes]:
        if self._archive is None:
            return open(self._path, "rb")
        return self._archive.open(place.member)


@contextmanager
def _opened(path: Path, filename: str | None) -> Iterator[_File]:
    """Open a file of tensors.

    Raises:
        HeaderError: it is damaged, or in another format.
    """
    name = (filename or "").lower()
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(MAGIC):
        with open(path, "rb") as file:
            place = _array_place(read_array_header(file, path.stat().st_size), path.stat().st_size)
        yield _File(path, {"": place})
    elif start.startswith(b"PK\3\4"):
        size = path.stat().st_size
        with opened_zip(io.FileIO(path), size) as archive:
            yield _File(path, _members(archive, size), archive)
    elif name.endswith(".safetensors") or looks_like_safetensors(start):
        spans, _ = read_spans(path)
        places = {
            name: _Place(Shape(dtype, shape), start, end - start)
            for name, (dtype, shape, (start, end)) in spans.items()
        }
        yield _File(path, places)
    else:
        raise HeaderError("it is in a format whose tensors are not known")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, _Place]:
    members = archive.infolist()
    if not members or not all(each.filename.endswith(".npy") for each in members):
        raise HeaderError("it has members that are no arrays")
    if sum(each.file_size for each in members) > max(_SMALL, size * _LARGEST_FACTOR):
        raise TooLongError("its arrays are much larger than it is")
    found = {}
    for each in members:
        with archive.open(each) as member:
            header = read_array_header(member, each.file_size)
        name = each.filename.removesuffix(".npy")
        found[name] = _array_place(header, each.file_size, each.filename)
    return found


def _array_place(header: ArrayHeader, size: int, member: str = "") -> _Place:
    dtype = f"{header.dtype} ({header.layout})" if header.layout else header.dtype
    return _Place(Shape(dtype, header.shape), header.start, size - header.start, member)


def _in_threads(names: list[str], work: Callable[[str], Result]) -> list[Result]:
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(work, names))


def _digest(file: _File, name: str) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks(name):
        digest.update(chunk)
    return digest.hexdigest()


def _differ(before: _File, after: _File, name: str) -> bool:
    """Return True if the bytes of a tensor differ between two files."""
    if before.places[name].size != after.places[name].size:
        return True
    pairs = zip(before.chunks(name), after.chunks(name), strict=True)
    return any(one != other for one, other in pairs)
