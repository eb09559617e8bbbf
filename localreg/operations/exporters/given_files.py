"""Files of models and artifacts on their way out: which they are, where their bytes are, copies.

Only bytes that a registry of the chain has go out; nothing is downloaded. They are hashed on the
way, so what was damaged, or exchanged in the directory of others, does not get out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from localreg.blobs.blob_files import size_of
from localreg.blobs.bundles.blob_bytes import PIECE, sound_pieces
from localreg.blobs.staging.hashing import file_digest
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import make_executable
from localreg.filesystem.syncing import EarlySync
from localreg.operations.carry.export import Missing, file_at, has_bytes, pointed_to
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.locations import holder
from localreg.operations.weights.remote_bytes import should_have
from localreg.operations.weights.remote_packages import sound_manifest
from localreg.operations.weights.trusted import trust_of
from localreg.registry import Chain
from localreg.values.frozen import Frozen, replace
from localreg.values.paths import is_package_path
from localreg.values.records import ModelRecord, WeightsRecord
from localreg.values.urls import safe_filename


class GivenFile(Frozen):
    """A file that goes out.

    Attributes:
        name: its name; in a package its path, with slashes.
        digest, size: of its bytes.
        executable: True if its owner may run it.
        path: where its bytes are.
    """

    name: str
    digest: str
    size: int
    executable: bool
    path: Path


class GivenFiles(Frozen):
    """The files of a model or an artifact.

    Attributes:
        files: those whose bytes are here.
        folders: empty folders of a package.
        missing: why others do not go out.
    """

    files: tuple[GivenFile, ...] = ()
    folders: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def size(self) -> int:
        """The number of bytes of the files."""
        return sum(each.size for each in self.files)


def files_of_model(chain: Chain, found: Found, record: ModelRecord) -> GivenFiles:
    """Return the files of the current weights of a model.

    Raises:
        TrustError: only signed weights are given out, and no trusted key signed these.
    """
    weights = record.current_weights
    if weights.digest is None and weights.url is None:
        return GivenFiles()
    if record.contested:
        why = "it was published twice, with different content"
        return GivenFiles(missing=(Missing(record.ref, weights.digest, weights.bytes, why),))
    known = _hashed(weights)
    digest, size = known.digest, known.size or 0
    if digest is None:
        return GivenFiles(missing=(Missing(record.ref, None, None, pointed_to(weights)[0]),))
    trust = trust_of(chain)
    if trust is not None:
        trust.check(chain, found, weights)  # as it is recorded: that is what was signed
    if weights.tree:
        return _package(chain, found, record.ref, digest, weights.total, kept=weights.kept)
    path = _path_of(chain, digest, size)
    outside = file_at(weights)
    if path is None and outside is not None and has_bytes(outside, digest, size):
        path = outside
    if path is None:
        why = pointed_to(weights)[0]
        missing = _missing(chain, found, record.ref, digest, size, why, lost=weights.kept)
        return GivenFiles(missing=(missing,))
    name = safe_filename(weights.filename or record.name) or "weights"
    name = name if is_package_path(name) else "weights"
    return GivenFiles((GivenFile(name, digest, size, False, path),))


def _hashed(weights: WeightsRecord) -> WeightsRecord:
    """Return weights that point to a file of the user, with its sha256; others as they are."""
    path = None if weights.digest else file_at(weights)
    if path is None or (size := size_of(path)) is None:
        return weights
    return replace(weights, digest=file_digest(path), size=size)


def files_of_artifact(
    chain: Chain, found: Found, ref: str, digest: str, size: int, name: str, *, package: bool
) -> GivenFiles:
    """Return the file of an artifact or of a report, or the files of an artifact that is a package.

    Args:
        found: the task or model.
        ref: how it is called.
        digest, size, name: of the file, or of the package.
    """
    if package:
        return _package(chain, found, ref, digest, size, kept=True)
    path = _path_of(chain, digest, size)
    if path is None:
        why = f"{name} is not here"
        return GivenFiles(missing=(_missing(chain, found, ref, digest, size, why, lost=True),))
    return GivenFiles((GivenFile(name, digest, size, False, path),))


def _package(
    chain: Chain, found: Found, ref: str, digest: str, total: int | None, *, kept: bool
) -> GivenFiles:
    manifest = sound_manifest(chain, digest)
    if manifest is None:
        why = "the list of its files is not here"
        return GivenFiles(missing=(_missing(chain, found, ref, digest, total, why, lost=kept),))
    files, missing = [], []
    for each in manifest.files:
        path = _path_of(chain, each.digest, each.size)
        if path is None:
            why = f"{each.path} of the package is not here"
            missing.append(_missing(chain, found, ref, each.digest, each.size, why, lost=kept))
        else:
            files.append(GivenFile(each.path, each.digest, each.size, each.executable, path))
    return GivenFiles(tuple(files), manifest.folders, tuple(missing))


def _path_of(chain: Chain, digest: str, size: int) -> Path | None:
    holding = holder(chain, digest, size)
    return None if holding is None else holding.blobs.blob(digest)


def _missing(
    chain: Chain, found: Found, ref: str, digest: str, size: int | None, why: str, *, lost: bool
) -> Missing:
    if lost and any(not place.lacks for place in should_have(chain, found.registry, digest)):
        why = "only a remote has its bytes: `localreg pull --blobs` brings them"
        return Missing(ref, digest, size, why)
    return Missing(ref, digest, size, why, lost)


def write_files(
    given: GivenFiles, folder: Path, wrote: Callable[[int], None], *, without: str | None = None
) -> None:
    """Write files into a folder, which is made.

    Args:
        given: their paths never lead out of the folder.
        wrote: called with the number of bytes of each piece.
        without: the name of one that is left out.

    Raises:
        CorruptBlobError: bytes are damaged or missing.
    """
    with disk_errors("writing files", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in given.folders:
            folder.joinpath(*name.split("/")).mkdir(parents=True, exist_ok=True)
    for each in given.files:
        if each.name != without:
            write_file(each, folder.joinpath(*each.name.split("/")), wrote)


def write_file(given: GivenFile, place: Path, wrote: Callable[[int], None]) -> None:
    """Write a file to a new path; as `write_files`."""
    with disk_errors("writing files", place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "xb") as writer:
            early = EarlySync(writer.fileno())
            for piece in sound_pieces(given.path, given.digest, given.size):
                writer.write(piece)
                early.wrote(len(piece))
                wrote(len(piece))
            if given.size >= PIECE:
                writer.flush()
                early.wrote_all()
        if given.executable:
            make_executable(place)


def content(given: GivenFile) -> bytes:
    """Return the bytes of a small file; as `write_files`."""
    return b"".join(map(bytes, sound_pieces(given.path, given.digest, given.size)))
