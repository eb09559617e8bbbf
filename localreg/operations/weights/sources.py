"""Where bytes that are to be kept come from, what keeps them upstream, and what is kept here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localreg import log
from localreg.errors import DigestMismatchError
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.weights.known_digests import digest_at, known_digest, status_of
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows
from localreg.values.frozen import Frozen
from localreg.values.records import Json
from localreg.values.urls import is_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from localreg.blobs.staging.staging import Mode
    from localreg.blobs.trees.listing import Excluded, Listing
    from localreg.progress import Progress
    from localreg.store.events.change import Change


class Source(Frozen, kw_only=True):
    """Where bytes come from.

    Attributes:
        path: a file or a folder; None for a stream, or for several files.
        stream: an open binary file, or None.
        files: files that become one package; their folders are not kept.
        filename: the name of local copies.
        mode: "copy", "move" or "link".
        wanted: the sha256 that the bytes must have, or None.
        progress: called with the bytes read so far and, if it is known, with all bytes.
        excluded: names what is left out of a folder; None for nothing.
        look: lists the files of a package that are no folder of the user; None without one.
    """

    path: Path | None
    stream: BinaryIO | None = None
    files: tuple[Path, ...] = ()
    filename: str | None
    mode: Mode = "copy"
    wanted: str | None = None
    progress: Progress | None = None
    excluded: Excluded | None = None
    look: Callable[[], Listing] | None = None

    @property
    def package(self) -> bool:
        """True for a folder or several files, each of which is kept as a file of its own."""
        return bool(self.files) or self.look is not None or is_folder(self.path)


class Held(Frozen):
    """Bytes that the registry has, or knows.

    Attributes:
        digest, size: of the file, or of the manifest of a package.
        filename: the name that the server gave; None without one.
        total: number of bytes of the files of a package; None for anything else.
        archive, archive_size: sha256 and number of bytes of the archive that a package was
            unpacked from, or uploaded as; None without one.
        files: number of files of a package that was kept just now; else None.
        new: number of bytes that the registry did not have before.
        left_out: what was excluded from a folder: its names, relative to the folder.
    """

    digest: str
    size: int
    filename: str | None = None
    total: int | None = None
    archive: str | None = None
    archive_size: int | None = None
    files: int | None = None
    new: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def tree(self) -> bool:
        """True if it is a package."""
        return self.total is not None

    def facts(self) -> Json:
        """Return what an event says about the bytes, without their digest."""
        return {
            "size": self.size,
            "tree": self.tree,
            "total": self.total,
            "archive": self.archive,
            "archive_size": self.archive_size,
            "filename": self.filename,
        }


def check_wanted(source: Source, digest: str) -> None:
    """Raise DigestMismatchError if bytes do not have the expected sha256."""
    if source.wanted is not None and digest != source.wanted:
        raise DigestMismatchError(
            f"{source.path or 'the stream'} has sha256 {digest}, and {source.wanted} was expected; "
            "nothing was kept",
            wanted=source.wanted,
            found=digest,
        )


class KeptUpstream(Frozen):
    """Where bytes are kept: the directory of an upstream registry, and facts from their header."""

    root: str
    facts: Json | None


def keeper(chain: Chain, digest: str, size: int) -> KeptUpstream | None:
    """Return the upstream registry that keeps some bytes, or None if the first must keep them.

    The bytes must be unchanged since the upstream registry hashed them. Where their change time
    cannot show that, as in a copied directory, they are hashed again, once.
    """
    if not chain.others or chain.first.blobs.has(digest, size):
        return None
    for each in chain.others:
        try:
            with each.store.read() as connection:
                row = blob_rows.blob(connection, digest)
            if row is None or not each.blobs.has(digest, size):
                continue
            path = each.blobs.blob(digest)
            with disk_errors("hashing weights upstream", path):
                if not is_known_damaged(chain.first, each, digest) and (
                    each.blobs.ctime(digest) == row.ctime or digest_at(chain.first, path) == digest
                ):
                    return KeptUpstream(str(each.root), row.facts)
            log.warning("%s is damaged; the bytes are kept in this registry, too", path)
        except OSError as error:  # the next one may have them
            log.warning("the upstream registry %s is skipped: %s", each.root, error)
    return None


def is_known_damaged(registry: OpenRegistry, upstream: OpenRegistry, digest: str) -> bool:
    """Return True if `check_upstream` found bytes damaged and the file is unchanged since.

    Args:
        registry: the first registry, which remembers that; `upstream` hashed the bytes when
            they were right.
        upstream: the upstream registry that has the bytes.
    """
    found = known_digest(registry, status_of(upstream.blobs.blob(digest)))
    return found is not None and found != digest


def record_kept_upstream(
    change: Change, kept: KeptUpstream, digest: str, size: int, facts: Json | None = None
) -> None:
    """Record in a transaction that an upstream registry keeps some bytes."""
    known = kept.facts if facts is None else facts
    blob_rows.record_upstream(change.connection, digest, size, kept.root, known)
