"""Which known weights a file or folder of the user has: by where it is, or by its bytes.

A script may load thousands of files that are no models. So a file is only read if some blob has its
size and the same bytes at both ends, and its digest is remembered.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from localreg.blobs.staging import hashing
from localreg.blobs.trees.listing import file_entries, folder_entries
from localreg.blobs.trees.staging import SMALL
from localreg.errors import LocalregError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.upstream import read_each
from localreg.operations.weights.known_digests import digest_at, known_digest, status_of
from localreg.operations.weights.packages import manifest_of
from localreg.registry import Chain
from localreg.store.rows import blob_rows
from localreg.values.urls import is_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.filesystem.plain_files import FileStatus


def recognized(chain: Chain, path: Path, files: tuple[Path, ...] = ()) -> str | None:
    """Return the digest of the weights that a file or folder has, if they may be known; or None.

    Of a file in the local folder of a package it is that of the package.

    Args:
        files: those of a folder that belong to the weights; all if there are none.
    """
    for each in chain.registries:
        inside = each.blobs.in_package(path)
        own = each.blobs.digest_of(path) if inside is None else inside[0]
        if own is not None:
            return own
    try:
        if is_folder(path):
            return _of_folder(chain, path, files)
        status = status_of(path)
        return None if status is None else _of_file(chain, path, status)
    except LocalregError:  # it cannot be read, or changes: its bytes are not known
        return None


def _of_file(chain: Chain, path: Path, status: FileStatus) -> str | None:
    known = known_digest(chain.first, status)
    if known is not None:
        return known
    sizes = read_each(chain, lambda each: blob_rows.sizes_of(each, [status.size]))
    if not any(some for _, some in sizes):
        return None
    with disk_errors("hashing weights", path):
        if status.size > SMALL:  # of small files in packages no sample is recorded
            ends = hashing.sample(path)
            looks = read_each(chain, lambda each: blob_rows.has_sample(each, status.size, ends))
            if not any(alike for _, alike in looks):
                return None
        return digest_at(chain.first, path)


def _of_folder(chain: Chain, folder: Path, files: tuple[Path, ...]) -> str | None:
    with disk_errors("hashing weights", folder):
        entries = file_entries(files) if files else folder_entries(folder).entries
    total = sum(each.size for each in entries)
    if not any(some for _, some in read_each(chain, lambda c: blob_rows.has_total(c, total))):
        return None
    digests = {}
    for each in entries:
        if each.status is not None:
            digest = _of_file(chain, Path(each.path), each.status)
            if digest is None:
                return None
            digests[each.name] = digest
    return hashlib.sha256(manifest_of(entries, digests).encoded()).hexdigest()
