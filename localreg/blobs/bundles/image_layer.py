"""The layer of a plain image: a tar of the files of a model below ``models/``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from localreg.blobs.bundles.blob_bytes import sound_pieces
from localreg.blobs.bundles.tar_entries import end, header, padding
from localreg.errors import InvalidValueError
from localreg.values.frozen import Frozen
from localreg.values.manifest import PackageFile

ABOVE = "models/"
_WHITEOUT = ".wh."  # in an image such a name deletes a file of the layers before it


class ImageLayer(Frozen):
    """The layer of an image.

    Attributes:
        files: what is in it, sorted by path.
        digest: the sha256 of its bytes.
        size: number of bytes.
    """

    files: tuple[PackageFile, ...]
    digest: str
    size: int

    def pieces(self, find: Callable[[str], Path]) -> Iterator[bytes | memoryview]:
        """Yield its bytes; be done with a piece before the next one.

        Args:
            find: returns the path of the blob with a digest.

        Raises:
            CorruptBlobError: a blob is damaged or missing.
        """
        return _pieces(self.files, find)


def image_layer(files: Sequence[PackageFile], find: Callable[[str], Path]) -> ImageLayer:
    """Return the layer of some files; they are read once to find its digest.

    Raises:
        InvalidValueError: the name of a file has a meaning of its own in images.
        CorruptBlobError: a blob is damaged or missing.
    """
    for each in files:
        if any(part.startswith(_WHITEOUT) for part in each.path.split("/")):
            raise InvalidValueError(
                f"{each.path} cannot be in an image, where names that begin with {_WHITEOUT} "
                "delete files; export without image",
                argument="image",
            )
    ordered = tuple(sorted(files, key=lambda each: each.path))
    found = hashlib.sha256()
    size = 0
    for piece in _pieces(ordered, find):
        found.update(piece)
        size += len(piece)
    return ImageLayer(ordered, found.hexdigest(), size)


def _pieces(
    files: Sequence[PackageFile], find: Callable[[str], Path]
) -> Iterator[bytes | memoryview]:
    written = 0
    folders = {ABOVE}
    yield header(ABOVE, 0, 0o755)
    for each in files:
        path = ABOVE + each.path
        heads = []
        for place, char in enumerate(path):
            if char == "/" and path[: place + 1] not in folders:
                folders.add(path[: place + 1])
                heads.append(header(path[: place + 1], 0, 0o755))
        heads.append(header(path, each.size, 0o755 if each.executable else 0o644))
        head = b"".join(heads)
        yield head
        yield from sound_pieces(find(each.digest), each.digest, each.size)
        tail = padding(each.size)
        yield tail
        written += len(head) + each.size + len(tail)
    yield end(written + len(header(ABOVE, 0, 0o755)))
