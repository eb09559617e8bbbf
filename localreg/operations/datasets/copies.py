"""Local copies of data sets: the folder of the package, or one that is put together for a part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from localreg.blobs.local_files.private_copy import replace_folder
from localreg.errors import (
    ConflictError,
    DigestMismatchError,
    InvalidValueError,
    NotFoundError,
    PathExistsError,
    SourceNotFoundError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.given_paths import output_path
from localreg.operations.datasets import contents, looking
from localreg.operations.datasets.contents import Files
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.fetching import Wish, held_bytes
from localreg.operations.weights.ingest import digest_of, taken_in
from localreg.operations.weights.local_copies import (
    check_outside,
    copy_to,
    current,
    local_copy,
    verifies_always,
)
from localreg.operations.weights.package_copies import folder_of_manifest
from localreg.operations.weights.sources import Held, Source
from localreg.operations.weights.trusted import Trust, check_hashes, trust_of
from localreg.registry import Chain
from localreg.values import dataset_names
from localreg.values.checks import check_text, shown
from localreg.values.datasets import DatasetFile
from localreg.values.frozen import Frozen
from localreg.values.manifest import Manifest, PackageFile
from localreg.values.paths import printable_path
from localreg.values.urls import local_path, public_url, safe_filename

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.progress import Progress

MOST_PARTS = 10**9
_NAMED = 3  # links that an error names
CHUNK = 512 * 1024 * 1024  # bytes: ClearML's data sets are zips of this size


class Part(Frozen):
    """A part of the files: every so many, beginning with one.

    Attributes:
        number: from 0.
        of: the number of parts.
    """

    number: int
    of: int


def check_part(part: object, num_parts: object, chunks: int) -> Part | None:
    """Return which part is wanted, None for all.

    Args:
        part, num_parts: what was given.
        chunks: the number of parts if none is given.
    """
    if part is None:
        return None
    for argument, value, least in (("part", part, 0), ("num_parts", num_parts, 1)):
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or not least <= value < MOST_PARTS
        ):
            raise InvalidValueError(
                f"{argument} must be a whole number from {least} to {MOST_PARTS - 1:,}, not "
                f"{shown(value)}",
                argument=argument,
            )
    count = num_parts or max(chunks, 1)
    assert isinstance(part, int)
    assert isinstance(count, int)
    if part >= count:
        raise InvalidValueError(
            f"part must be from 0 to {count - 1}, since there are {count} parts, not {part}",
            argument="part",
        )
    return Part(part, count)


def local_folder(
    chain: Chain,
    found: Found,
    *,
    part: Part | None = None,
    files: object = None,
    progress: Progress | None = None,
) -> Path:
    """Return a read-only folder with the files of a finalized data set.

    Args:
        part: only these files.
        files: only files with these paths; None for all.
        progress: called with the number of bytes of a link that were downloaded.

    Raises:
        ConflictError: the data set is not finalized.
        NotFoundError: it has no file of a path.
        CorruptBlobError: bytes are missing or damaged.
        DownloadError, DigestMismatchError: what a link leads to cannot be had, or has changed.
    """
    row = looking.row(found)
    if row.status == dataset_names.OPEN:
        raise ConflictError(
            f"data set {row.ref} ({row.id}) is not finalized, and its files may still change; call "
            "finalize() first"
        )
    there = contents.contents(chain, found)
    wanted = _chosen(there, part, files)
    is_package = row.tree is not None and bool(wanted) and wanted == there
    if is_package and not any(each.link for each in wanted.values()):
        return local_copy(chain, found, extract=None, progress=progress)
    return put_together(chain, found, wanted, progress)


def _chosen(there: Files, part: Part | None, files: object) -> Files:
    if files is not None:
        if isinstance(files, str) or not isinstance(files, Iterable):
            raise InvalidValueError(
                f"files must be a list of paths, not {type(files).__name__}", argument="files"
            )
        paths = [check_text("files", each) for each in files]
        if paths:
            for path in paths:
                if path not in there:
                    raise _no_file(path, there)
            there = {path: there[path] for path in sorted(set(paths))}
    if part is None:
        return there
    return dict(list(there.items())[part.number :: part.of])


def _no_file(path: str, there: Files) -> NotFoundError:
    from difflib import get_close_matches

    close = get_close_matches(path, list(there), n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(map(printable_path, close))}?" if close else ""
    return NotFoundError(f"the data set has no file {printable_path(path)}{hint}", reference=path)


def put_together(
    chain: Chain, found: Found, files: Files, progress: Progress | None = None
) -> Path:
    """Return a read-only folder with some files; those that links lead to are fetched.

    Raises:
        TrustError: no trusted key signed the package, or there are links.
    """
    trust = _check_trusted(chain, found, files)
    own = []
    for each in files.values():
        held = None if each.link is None else fetch(chain, each, progress)
        digest, size = (held.digest, held.size) if held else (each.digest, each.size)
        assert digest is not None
        assert size is not None
        own.append(PackageFile(each.path, digest, size, each.executable))
    folder = folder_of_manifest(
        chain, found.registry, Manifest(tuple(own), ()), verify=verifies_always()
    )
    if trust is not None and trust.hashes(chain):
        check_hashes(chain, {folder / each.path: each.digest for each in own})
    return folder


def _check_trusted(chain: Chain, found: Found, files: Files) -> Trust | None:
    """Check that files are signed, and return what else is to be checked of them."""
    trust = trust_of(chain)
    weights = None if trust is None else current(found)
    if trust is None or weights is None:
        return trust
    links = [path for path, each in files.items() if each.link]
    if len(links) < len(files):
        trust.check(chain, found, weights)
    if links:
        some = ", ".join(map(printable_path, links[:_NAMED]))
        more = f" and {len(links) - _NAMED:,} more" if len(links) > _NAMED else ""
        trust.refuse(found, weights.id, f"has links, which no signature covers: {some}{more}")
    return trust


def fetch(chain: Chain, file: DatasetFile, progress: Progress | None = None) -> Held:
    """Return the bytes that a link leads to, which are kept as a cache; they are checked.

    Raises:
        DigestMismatchError: they are not those of the link.
        DownloadError: they cannot be downloaded.
    """
    url = str(file.link)
    path = local_path(url)
    if path is not None:
        return _checked(file, _local(chain, path, file))
    name = safe_filename(file.path.rpartition("/")[2])
    wish = Wish(url=url, filename=name, wanted=file.digest, progress=progress)
    return _checked(file, held_bytes(chain, wish))


def _local(chain: Chain, path: Path, file: DatasetFile) -> Held:
    source = Source(path=path, filename=None, wanted=file.digest)
    if chain.first.store.readonly:
        return digest_of(chain.first, source)
    with taken_in(chain, source) as (_, held):
        return held


def _checked(file: DatasetFile, held: Held) -> Held:
    if file.size is not None and held.size != file.size:
        raise DigestMismatchError(
            f"{public_url(str(file.link))} has {held.size:,} bytes now, and had {file.size:,} when "
            f"{printable_path(file.path)} was added to the data set",
            wanted=file.digest or "",
            found=held.digest,
        )
    return held


def copy_out(chain: Chain, folder: Path, target: object, *, overwrite: bool) -> Path:
    """Copy a folder to a new place, where it may be changed.

    Args:
        target: the path of the copy.
        overwrite: replace a folder that is there, when the copy is complete.

    Raises:
        PathExistsError: something is there, and `overwrite` is False.
        InvalidValueError: the place is inside a registry, or around it.
    """
    place = output_path("target_folder", target)
    check_outside(chain, "target_folder", place)
    with disk_errors("copying files", place):
        replaced = place.is_dir() and not place.is_symlink()
        if replaced and not overwrite:
            if any(place.iterdir()):
                raise PathExistsError(
                    f"{printable_path(place)} exists already and is not empty; "
                    "overwrite=True replaces it",
                    path=str(place),
                )
            place.rmdir()
    if not (replaced and overwrite):
        return copy_to(chain, folder, place, replace=False)
    with chain.first.blobs.writing_outside(place.parent):
        return replace_folder(folder, place)


def chunks(chain: Chain, found: Found, *, parents: bool) -> int:
    """Return how many zips of 512 MB ClearML would make of the files of a data set.

    Args:
        parents: also of those that its parents added.
    """
    files = {
        path: each for path, each in contents.contents(chain, found).items() if each.link is None
    }
    sizes: dict[str, int] = {}
    for path, maker in contents.makers(chain, found, files).items():
        sizes[maker] = sizes.get(maker, 0) + (files[path].size or 0)
    return sum(
        max(1, -(-size // CHUNK)) for maker, size in sizes.items() if parents or maker == found.id
    )


def differing(files: Files, folder: object, *, sizes_only: bool) -> list[str]:
    """Return the paths of the files that are not the same in a folder.

    Args:
        folder: its path.
        sizes_only: compare sizes only.

    Raises:
        SourceNotFoundError: there is no such folder.
    """
    place = output_path("local_copy_path", folder)
    with disk_errors("comparing local_copy_path", place):
        if not place.is_dir():
            raise SourceNotFoundError(
                f"local_copy_path {printable_path(place)} is no folder; check the path",
                reference=str(place),
            )
    return [
        path
        for path, each in files.items()
        if each.link is None and not _is_in(place / path, each, sizes_only)
    ]


def _is_in(place: Path, file: DatasetFile, sizes_only: bool) -> bool:
    try:
        with open(place, "rb") as reader:
            if place.stat().st_size != file.size:
                return False
            return sizes_only or hashlib.file_digest(reader, "sha256").hexdigest() == file.digest
    except OSError:  # missing, or not a file
        return False
