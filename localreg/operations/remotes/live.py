"""What in a remote is of use: the bytes that its events and reports need.

What refers to bytes is the same as for `gc` of a registry: revisions of models, artifacts, pictures
and files in reports, and packages for their files. The state of a model or task here is that of the
remote, if the remote has all its events. Of others all bytes count that any of their events names:
those with events that the remote lacks, those that were removed here only, and those that lost
something so lately that somebody may want it back. No event names the pictures and files that were
reported to them: if the model or task is not here, they are found in the stream of its reports.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress

from localreg.errors import DigestMismatchError, InvalidValueError, StorageError
from localreg.registry import Chain
from localreg.store.rows import (
    blob_rows,
    event_rows,
    forgotten_rows,
    logged_rows,
    remote_report_rows,
    remote_rows,
    tree_rows,
)
from localreg.store.rows.remote_rows import RemoteRow
from localreg.values.canonical import canonical
from localreg.values.frozen import Frozen
from localreg.values.manifest import parse_manifest
from localreg.values.remote_format import REPORTS, blob_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.remote_store.store import RemoteStore
    from localreg.store.rows.logged_rows import Connection

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
_DIGEST_OF_MEDIA = re.compile(rb'"([0-9a-f]{64})"')
_LONGEST_NAME = 65  # bytes of one of these that a piece may cut
_PIECE = 1 << 20
_LARGEST_MANIFEST = 256 * 1024 * 1024


class Live(Frozen):
    """What is of use in a remote.

    Attributes:
        blobs: the digests of bytes.
        streams: those of reports.
        unknown: packages whose files are not known, and which may be any: their digests.
        newest: the key of the newest event that was looked at.
        spared: the models and tasks of which all counts that was ever there.
    """

    blobs: frozenset[str]
    streams: frozenset[str]
    unknown: tuple[str, ...]
    newest: int
    spared: frozenset[str]


def find_live(chain: Chain, remote: RemoteRow, store: RemoteStore, since: int) -> Live:
    """Return what is of use in a remote, all of whose events are here.

    Args:
        since: what was removed, dropped or replaced later than this counts, too; microseconds, by
            the clock of this machine.
    """
    with chain.first.store.read() as connection:
        newest = event_rows.newest_key(connection)
        waiting = remote_rows.waiting(connection, remote, newest)
        spared = {each.event.subject for each in waiting}
        spared |= forgotten_rows.every(connection)
        spared |= event_rows.lately_lost(connection, since)
        blobs = {digest for digest, _ in blob_rows.referred_blobs(connection)}
        packages = {digest for digest, _ in blob_rows.unlisted_packages(connection)}
        _add_named(connection, spared, blobs, packages)
        streams = remote_report_rows.streams(connection, remote.pk, spared)
        joined = remote_report_rows.streams(connection, remote.pk)
        listed = _listed(connection, packages)
    unknown = _add_files(chain, store, packages, listed, blobs)
    _add_media(chain, store, streams - joined, blobs)
    return Live(frozenset(blobs), frozenset(streams), unknown, newest, frozenset(spared))


def find_later(chain: Chain, remote: RemoteRow, store: RemoteStore, live: Live) -> Live:
    """Return what is of use by now: with all that events name which came since `find_live`."""
    with chain.first.store.read() as connection:
        newest = event_rows.newest_key(connection)
        subjects = {*logged_rows.subjects(connection, live.newest)}
        blobs, packages = {*live.blobs}, set[str]()
        _add_named(connection, subjects, blobs, packages)
        spared = live.spared | subjects
        streams = remote_report_rows.streams(connection, remote.pk, spared)
        # What was reported since may have pictures, which no event names.
        blobs |= {digest for digest, _ in blob_rows.referred_blobs(connection)}
        listed = _listed(connection, packages)
    unknown = _add_files(chain, store, packages, listed, blobs)
    return Live(
        frozenset(blobs), frozenset(streams), live.unknown + unknown, newest, frozenset(spared)
    )


def _add_named(
    connection: Connection, subjects: Iterable[str], blobs: set[str], packages: set[str]
) -> None:
    """Add all digests that events of models and tasks name, and those that are packages."""
    for subject in subjects:
        for event in logged_rows.of_unit(connection, subject):
            blobs.update(_DIGEST.findall(canonical(event.payload)))
            packages.update(_packages_in(event.payload))


def _listed(connection: Connection, packages: Iterable[str]) -> dict[str, set[str]]:
    """Return the files of packages that are recorded."""
    found = {digest: tree_rows.manifest(connection, digest) for digest in packages}
    return {
        digest: {each.digest for each in manifest.files}
        for digest, manifest in found.items()
        if manifest is not None
    }


def _add_files(
    chain: Chain,
    store: RemoteStore,
    packages: Iterable[str],
    listed: dict[str, set[str]],
    blobs: set[str],
) -> tuple[str, ...]:
    """Add the files of packages; return those whose files are not known."""
    unknown = []
    for digest in sorted(packages):
        files = listed[digest] if digest in listed else _files_of(chain, store, digest)
        blobs.update(files or ())
        if files is None:
            unknown.append(digest)
    return tuple(unknown)


def _add_media(chain: Chain, store: RemoteStore, streams: Iterable[str], blobs: set[str]) -> None:
    """Add all digests that streams of reports name; one that is not there as it was has none."""
    with chain.first.blobs.temporary_folder("reports") as folder:
        for digest in sorted(streams):
            key, path = blob_path(digest, REPORTS), folder / digest
            if store.size_of(key) is None:
                continue
            with suppress(DigestMismatchError):
                store.download(key, path, wanted=digest, durable=False)
                with path.open("rb") as reader:
                    text = b""
                    while piece := reader.read(_PIECE):
                        text = text[-_LONGEST_NAME:] + piece
                        blobs.update(each.decode() for each in _DIGEST_OF_MEDIA.findall(text))
            path.unlink(missing_ok=True)


def _packages_in(payload: object) -> Iterator[str]:
    """Yield the digests in a payload that are said to be packages."""
    if isinstance(payload, dict):
        digest = payload.get("digest", payload.get("new"))
        is_package = payload.get("tree") is True or payload.get("kind") == "package"
        if is_package and isinstance(digest, str):
            yield digest
        for each in payload.values():
            yield from _packages_in(each)
    elif isinstance(payload, list):
        for each in payload:
            yield from _packages_in(each)


def _files_of(chain: Chain, store: RemoteStore, digest: str) -> Iterable[str] | None:
    """Return the files of a package that no row lists; None if its list is nowhere."""
    data: bytes | None = None
    try:
        data = chain.first.blobs.blob(digest).read_bytes()
    except (OSError, StorageError):
        data = store.get_bytes(blob_path(digest), _LARGEST_MANIFEST)
    if data is None or hashlib.sha256(data).hexdigest() != digest:
        return None
    try:
        return [each.digest for each in parse_manifest(data).files]
    except InvalidValueError:
        return None
