"""Look at the objects of a remote: are those there that its models need, as they should be?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import sample

from localreg.errors import DigestMismatchError, DownloadError, InvalidValueError, RemoteError
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows, tree_rows
from localreg.values.manifest import parse_manifest
from localreg.values.remote_format import BLOBS, REPORTS, blob_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.progress import Progress

_SAMPLE, _SAMPLE_SIZE = 16, 64 << 20  # objects that are hashed without `full`, and their bytes


class ObjectCheck:
    """The blobs of a remote, and the streams of its reports.

    Args:
        clone: a registry that has all events of the remote, and no bytes.
        reports: the streams that must be there: sizes by digest.
        store: the remote.

    Attributes:
        blobs, size: how many blobs are named, and there, and their bytes.
        hashed: how many objects were read and hashed.
        missing: how many are not there, of those that only the remote can have.
        unused, unused_size: objects that nothing names, and their bytes.
        cut: how many have another size than they should.
        lost: the streams of reports that are not there as they should be.
    """

    def __init__(self, clone: OpenRegistry, reports: Mapping[str, int], store: RemoteStore) -> None:
        self._clone = clone
        self._store = store
        with clone.store.read() as connection:
            self._named = dict(blob_rows.referred_blobs(connection))
            self._alone = blob_rows.alone_here(connection)
            self._packages = sorted(
                digest
                for digest in blob_rows.packages(connection) & self._named.keys()
                if tree_rows.manifest(connection, digest) is None
            )
        self._users: dict[str, str] = {}  # of files of packages: the package
        for digest in self._packages:
            self._add_files(digest)
        self._reports = reports
        there = {
            folder: {key: size for key, size, _ in store.keys(folder)}
            for folder in (BLOBS, REPORTS)
        }
        wanted = {
            BLOBS: {blob_path(digest) for digest in self._named},
            REPORTS: {blob_path(digest, REPORTS) for digest in reports},
        }
        self._there = there[BLOBS] | there[REPORTS]
        unused = [
            size
            for folder, sizes in there.items()
            for key, size in sizes.items()
            if key not in wanted[folder]
        ]
        self.unused, self.unused_size = len(unused), sum(unused)
        self.blobs = self.size = self.hashed = self.missing = self.cut = 0
        self.lost: set[str] = set()

    def problems(
        self, folder: Path, *, full: bool, progress: Progress | None = None
    ) -> Iterator[str]:
        """Yield a sentence for each object that is missing, or is not as it should be.

        Args:
            folder: for temporary files.
            full: hash all; else some that are chosen by chance.
            progress: called with the bytes that were hashed so far, and with all.
        """
        sound: dict[str, tuple[str, int]] = {}  # digest and size by key
        for digest, size in sorted(self._named.items()):
            key = blob_path(digest)
            found = self._there.get(key)
            if found == size:
                sound[key] = digest, size
                self.blobs, self.size = self.blobs + 1, self.size + size
            elif found is not None:
                self.cut += 1
                yield f"{key} has {found:,} bytes instead of {size:,}{self._needed_by(digest)}"
            elif digest in self._alone:
                self.missing += 1
                yield f"{key} of {size:,} bytes is missing{self._needed_by(digest)}"
        for digest, size in sorted(self._reports.items()):
            key = blob_path(digest, REPORTS)
            found = self._there.get(key)
            if found == size:
                sound[key] = digest, size
            else:
                self.lost.add(digest)
                has = "is missing" if found is None else f"has {found:,} bytes instead of {size:,}"
                yield f"{key}, what was reported to a model or task, {has}"
        chosen = sound if full else _some(sound)
        yield from self._hash(chosen, folder, progress)

    def _hash(
        self, chosen: Mapping[str, tuple[str, int]], folder: Path, progress: Progress | None
    ) -> Iterator[str]:
        done, total = 0, sum(size for _, size in chosen.values())
        path = folder / "object"
        for key, (digest, size) in chosen.items():
            try:
                self._store.download(key, path, wanted=digest, durable=False)
            except DigestMismatchError:
                yield f"{key} is damaged: its bytes have another digest{self._needed_by(digest)}"
            except DownloadError as error:
                yield f"{key} cannot be read: {error}"
            self.hashed += 1
            path.unlink(missing_ok=True)
            done += size
            if progress is not None:
                progress(done, total)

    def _add_files(self, package: str) -> None:
        """Add the files of a package whose list is only at the remote; a damaged one has none."""
        try:
            data = self._store.get_bytes(blob_path(package), self._named[package])
        except RemoteError:  # it is larger than it should be, which its size shows
            return
        if data is None or hashlib.sha256(data).hexdigest() != package:
            return
        with suppress(InvalidValueError):
            for each in parse_manifest(data).files:
                self._named[each.digest] = each.size
                self._users[each.digest] = package
                if package in self._alone:
                    self._alone.add(each.digest)

    def _needed_by(self, digest: str) -> str:
        with self._clone.store.read() as connection:
            uses = blob_rows.uses(connection, self._users.get(digest, digest))
        return f"; {uses[0].ref} needs it" if uses else ""


def _some(sound: Mapping[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """Choose some objects by chance, which are not too large."""
    chosen: dict[str, tuple[str, int]] = {}
    size = 0
    for key in sample(sorted(sound), min(len(sound), _SAMPLE)):
        size += sound[key][1]
        if size > _SAMPLE_SIZE and chosen:
            break
        chosen[key] = sound[key]
    return chosen
