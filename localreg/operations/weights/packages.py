"""Keep packages: a folder, or several files, of which each is a blob; the manifest is one, too.

Bytes are staged and synced before the transaction. In it they are only renamed, and recorded.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from localreg import log
from localreg.blobs.headers.package_facts import framework_of, package_facts
from localreg.blobs.staging import hashing, staging
from localreg.blobs.trees.listing import Entry, Listing, file_entries, folder_entries
from localreg.blobs.trees.staging import SMALL, StagedFile, stage_files
from localreg.errors import CorruptBlobError, InvalidValueError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import FileStatus, changed, wait_for_tick
from localreg.filesystem.portable_files import make_readonly_at, remove_file
from localreg.filesystem.syncing import open_for_sync, sync_tree
from localreg.operations.finding.upstream import read_each
from localreg.operations.weights.known_digests import UNTRUSTED_SECONDS, status_of
from localreg.operations.weights.sources import (
    Held,
    KeptUpstream,
    Source,
    check_wanted,
    keeper,
    record_kept_upstream,
)
from localreg.registry import Chain, OpenRegistry
from localreg.store.events.change import Change
from localreg.store.rows import blob_rows, tree_rows
from localreg.values.frozen import Frozen
from localreg.values.manifest import Manifest, PackageFile
from localreg.values.paths import printable_path
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.blobs.blobstore import Kept


_MOST_NAMED = 3  # files in a warning


class StagedPackage(Frozen, kw_only=True):
    """A package whose new bytes are in ``tmp/``, synced if the registry is durable.

    Attributes:
        entries: its files and empty folders where they are now.
        manifest: the same by digest.
        digest, size: of the manifest's own bytes.
        files: what is to be kept, the manifest included; each has another digest.
        here: digests and sizes of what the registry has already.
        checked: those of them that were hashed again, with the change times of their files.
        upstream: what upstream registries keep, by digest, with its size.
        damaged: digests of blobs that must be replaced.
        seen: the files that were read and have been at rest, with their digests.
        left_out: the names that were excluded.
    """

    entries: list[Entry]
    manifest: Manifest
    digest: str
    size: int
    files: tuple[StagedFile, ...]
    here: dict[str, int]
    checked: dict[str, int]
    upstream: dict[str, tuple[KeptUpstream, int]]
    damaged: frozenset[str]
    seen: list[tuple[FileStatus, str]]
    left_out: list[str]


@contextmanager
def taken_in_package(chain: Chain, source: Source) -> Iterator[tuple[Change, Held]]:
    """Keep a package; yield it within the transaction that records it, as `ingest.taken_in`.

    In mode "move" the files are deleted afterwards, and then the folders that are empty.

    Raises:
        SourceNotFoundError: there is no such folder or file.
        InvalidValueError: it cannot be kept as a package, or in this mode, or it changed meanwhile.
        DigestMismatchError: its manifest does not have the expected sha256.
    """
    registry = chain.first
    registry.store.check_writable()  # before a file is looked at
    check_source(registry, source)
    listing = listing_of(source)
    known = None if source.mode == "move" else _known_listing(registry, source, listing)
    if known is not None:
        with registry.store.write() as change:
            held = _record_known(registry, change, source, known, listing)
            if held is not None:
                yield change, held
        if held is not None:
            return
    done = False
    for every in (False, True):
        with staged_package(chain, source, listing=listing, every=every) as staged:
            with registry.store.write() as change:
                kept = keep_files(registry, change, staged)
                if kept is not None:
                    try:
                        held = record_package(change, staged, kept)
                        _warn_if_missing(source, blob_rows.facts(change.connection, held.digest))
                        yield change, held
                    except BaseException:
                        registry.blobs.give_back(kept)
                        raise
                    done = True
            if done and source.mode == "move":
                _delete_source(source, staged)
        if done:
            return


def _known_listing(registry: OpenRegistry, source: Source, listing: Listing) -> str | None:
    """Return the digest of the package that a folder was when it was last seen, if it has a row.

    The names and the facts of all files are as they were then. So it is not looked at twice:
    nothing is read that could change meanwhile.
    """
    status = _status_of_listing(source, listing)
    if status is None:
        return None
    with registry.store.read() as connection:
        digest = blob_rows.known_digest(connection, status)
        row = None if digest is None else blob_rows.blob(connection, digest)
    if row is None or row.total is None:
        return None
    check_wanted(source, row.digest)
    if source.progress is not None:
        source.progress(row.total, row.total)
    return row.digest


def _status_of_listing(source: Source, listing: Listing) -> FileStatus | None:
    """Return the facts by which a folder counts as unchanged; None if it has none."""
    if source.path is None or source.look is not None:
        return None
    from array import array

    try:
        facts = array("q", [fact for each in listing.entries for fact in each.status or ()])
    except OverflowError:  # a network file system with numbers of 64 bits
        return None
    digest = hashlib.sha256("\n".join([each.name for each in listing.entries]).encode())
    digest.update(bytes([each.executable + 2 * (each.status is None) for each in listing.entries]))
    digest.update(facts.tobytes())
    first, second = (int.from_bytes(digest.digest()[at : at + 8], "big") >> 1 for at in (0, 8))
    found = source.path.stat()
    return FileStatus(found.st_dev, found.st_ino, len(listing.entries), first, second)


def _record_known(
    registry: OpenRegistry, change: Change, source: Source, digest: str, listing: Listing
) -> Held | None:
    """Record a package that is known; None if one of its blobs is not here as it was.

    The files are looked at once, and in the transaction: pruning the cache deletes bytes in one,
    too, and their rows stay.
    """
    connection = change.connection
    row = blob_rows.blob(connection, digest)
    if row is None or row.total is None:
        return None
    if not tree_rows.is_recorded(connection, digest, row.total, len(listing.entries)):
        return None
    state = registry.blobs.state_reader()
    states = tree_rows.states(connection, digest)
    if state(digest) != (row.size, row.ctime) or any(
        state(file) != (size, ctime) for file, size, ctime in states
    ):
        return None
    blob_rows.mark_referred(connection, digest)
    _warn_if_missing(source, row.facts)
    return Held(
        digest,
        row.size,
        total=row.total,
        files=len(states),
        left_out=tuple(listing.left_out),
    )


def _warn_if_missing(source: Source, facts: Json | None) -> None:
    """Say which files a package needs and lacks; it is kept as it is."""
    missing = (facts or {}).get("missing")
    if isinstance(missing, list) and missing:
        shown = ", ".join(map(str, missing[:_MOST_NAMED]))
        more = len(missing) - _MOST_NAMED
        log.warning(
            "%s lacks files that it needs: %s%s; %s",
            source.path or "the package",
            shown,
            f" and {more} more" if more > 0 else "",
            "add it again with them" if source.path else "add them, too",
        )


def keep_package(registry: OpenRegistry, change: Change, staged: StagedPackage) -> Held | None:
    """Move a staged package into the blob store and record it, within a transaction.

    Returns:
        None if bytes that the registry had were deleted since the package was staged. Then nothing
        was done: stage it again, with `every`.
    """
    kept = keep_files(registry, change, staged)
    return None if kept is None else record_package(change, staged, kept)


def keep_files(registry: OpenRegistry, change: Change, staged: StagedPackage) -> Kept | None:
    """Move the files of a staged package into the blob store, within a transaction.

    Returns:
        What was done; None if bytes that the registry had were deleted meanwhile.
    """
    if not blob_rows.have_rows(change.connection, staged.here):
        return None
    # Pruning the cache deletes bytes, and their rows stay. It does so in a transaction, too.
    states = registry.blobs.states(staged.here)
    if {digest: size for digest, (size, _) in states.items()} != staged.here:
        return None
    recorded = blob_rows.recorded(change.connection, [each.digest for each in staged.files])
    return registry.blobs.keep_many(staged.files, staged.damaged, recorded)


def record_files(change: Change, staged: StagedPackage, kept: Kept) -> None:
    """Record the files of a package that are in the blob store, within the same transaction."""
    connection = change.connection
    blob_rows.record_many(
        connection,
        [
            blob_rows.New(each.digest, each.size, ctime, each.sample, each.facts)
            for each, ctime in zip(staged.files, kept.ctimes, strict=True)
        ],
    )
    for digest, (upstream, size) in staged.upstream.items():
        record_kept_upstream(change, upstream, digest, size)
    blob_rows.mark_many_referred(connection, staged.here)
    blob_rows.record_verified(connection, staged.checked)
    blob_rows.remember_files(connection, staged.seen)


def record_package(change: Change, staged: StagedPackage, kept: Kept) -> Held:
    """Record a package whose files are in the blob store, within the same transaction."""
    record_files(change, staged, kept)
    connection = change.connection
    count = len(staged.manifest.files) + len(staged.manifest.folders)
    if not tree_rows.is_recorded(connection, staged.digest, staged.manifest.total, count):
        tree_rows.record(connection, staged.digest, staged.manifest)
    new = set(kept.new)
    return Held(
        staged.digest,
        staged.size,
        total=staged.manifest.total,
        files=len(staged.manifest.files),
        new=sum(
            each.size
            for each in staged.files
            if each.digest in new and each.digest != staged.digest
        ),
        left_out=tuple(staged.left_out),
    )


def record_files_of(connection: blob_rows.Connection, digest: str, manifest: Manifest) -> None:
    """Record the files of a package that came by itself, and what is known about it."""
    blob_rows.record_sizes(connection, {each.digest: each.size for each in manifest.files})
    tree_rows.record(connection, digest, manifest)
    blob_rows.record_facts(connection, digest, facts_of(connection, manifest))


def facts_of(connection: blob_rows.Connection, manifest: Manifest) -> Json:
    """Return what is known about a package by what is known about its files."""
    rows = blob_rows.rows_of(connection, {each.digest for each in manifest.files})
    whole = package_facts([(each, rows[each.digest].facts) for each in manifest.files])
    return whole | {"framework": framework_of(whole, [each.path for each in manifest.files])}


def known_package(chain: Chain, digest: str) -> StagedPackage | None:
    """Return a package of which nothing must be staged; None if bytes of it are missing.

    Each of its files is in the first registry, or an upstream one keeps it. `keep_package` records
    it.
    """
    for _, found in read_each(chain, lambda connection: tree_rows.manifest(connection, digest)):
        if found is None:
            continue
        encoded = found.encoded()
        if hashlib.sha256(encoded).hexdigest() != digest:
            continue  # the rows are damaged; verify says so
        sizes = {each.digest: each.size for each in found.files} | {digest: len(encoded)}
        here, kept = held(chain, sizes)
        if len(here) + len(kept) == len(sizes):
            return _all_held(found, digest, len(encoded), (), here, kept)
    return None


def held(
    chain: Chain, sizes: dict[str, int]
) -> tuple[dict[str, int], dict[str, tuple[KeptUpstream, int]]]:
    """Return which of some bytes, by digest, are here, and which an upstream registry keeps."""
    states = chain.first.blobs.states(sizes)
    with chain.first.store.read() as connection:
        rows = blob_rows.rows_of(connection, states)
    here = {
        name: size
        for name, size in sizes.items()
        # Of a damaged one no time is recorded.
        if name in rows and states[name][0] == size and rows[name].ctime is not None
    }
    kept = {
        name: (upstream, size)
        for name, size in sizes.items()
        if name not in here and (upstream := keeper(chain, name, size)) is not None
    }
    return here, kept


def _all_held(
    manifest: Manifest,
    digest: str,
    size: int,
    files: tuple[StagedFile, ...],
    here: dict[str, int],
    kept: dict[str, tuple[KeptUpstream, int]],
) -> StagedPackage:
    return StagedPackage(
        entries=[],
        manifest=manifest,
        digest=digest,
        size=size,
        files=files,
        here=here,
        checked={},
        upstream=kept,
        damaged=frozenset(),
        seen=[],
        left_out=[],
    )


@contextmanager
def staged_manifest(chain: Chain, manifest: Manifest) -> Iterator[StagedPackage]:
    """Stage a package of files that the registry, or an upstream one, has already.

    Raises:
        CorruptBlobError: the bytes of one are missing.
    """
    registry = chain.first
    registry.store.check_writable()
    encoded = manifest.encoded()
    digest = hashlib.sha256(encoded).hexdigest()
    here, kept = held(chain, {each.digest: each.size for each in manifest.files})
    for each in manifest.files:
        if each.digest not in here and each.digest not in kept:
            raise CorruptBlobError(
                f"the bytes of {printable_path(each.path)} are missing or damaged; add it again",
                digest=each.digest,
                path=str(registry.blobs.path(each.digest)),
            )
    with registry.blobs.temporary_folder() as folder:
        staging = _Staging(chain, Source(path=None, filename=None), folder, every=False)
        files = (staging.manifest(manifest, digest, encoded),)
        yield _all_held(manifest, digest, len(encoded), files, here, kept)


@contextmanager
def staged_files(chain: Chain, source: Source, *, every: bool = False) -> Iterator[StagedPackage]:
    """Stage the new bytes of files that do not become a package now, as `staged_package`.

    `keep_files` and `record_files` keep them.

    Args:
        source: one that lists its files (`look`).
    """
    registry = chain.first
    registry.store.check_writable()
    moment = (time.time() - UNTRUSTED_SECONDS) * 1e9
    with registry.blobs.temporary_folder() as folder:
        staging = _Staging(chain, source, folder, every=every)
        yield staging.run(listing_of(source), moment, whole=False)


@contextmanager
def staged_package(
    chain: Chain, source: Source, *, listing: Listing | None = None, every: bool = False
) -> Iterator[StagedPackage]:
    """Stage the new bytes of a package; what is in ``tmp/`` is deleted at the end of the block.

    A file is not read if it is unchanged since it was hashed, and not copied if the registry or an
    upstream one has its bytes.

    Args:
        source: a folder or several files.
        listing: what is in it, if that is known already.
        every: stage all files, also those that the registry has.

    Raises:
        LocalregError: as `taken_in_package`.
    """
    registry = chain.first
    registry.store.check_writable()  # before a byte is copied
    check_source(registry, source)
    moment = (time.time() - UNTRUSTED_SECONDS) * 1e9
    listed = listing_of(source) if listing is None else listing
    with registry.blobs.temporary_folder() as folder:
        yield _Staging(chain, source, folder, every=every).run(listed, moment)


def check_source(registry: OpenRegistry, source: Source) -> None:
    """Raise InvalidValueError for a folder that holds the registry itself."""
    folder = source.path
    if folder is not None and Path(os.path.realpath(registry.root)).is_relative_to(
        os.path.realpath(folder)
    ):
        raise InvalidValueError(
            f"{folder} holds the registry itself; keep another folder", argument="weights_url"
        )


def listing_of(source: Source) -> Listing:
    """Return the files of a package that are to be kept, as they are now."""
    if source.look is not None:
        return source.look()
    where = source.files[0] if source.path is None else source.path
    with disk_errors("keeping weights", where):
        if source.path is None:
            return Listing(file_entries(source.files), [])
        return folder_entries(source.path, source.excluded)


class _Staging:
    """One package on its way into ``tmp/``; `run` does it."""

    def __init__(self, chain: Chain, source: Source, folder: Path, *, every: bool) -> None:
        self._chain = chain
        self._registry = chain.first
        self._source = source
        self._folder = folder
        self._every = every
        self._here: dict[str, int] = {}
        self._upstream: dict[str, tuple[KeptUpstream, int]] = {}
        self._checked: dict[str, int] = {}
        self._damaged: set[str] = set()
        self._sizes: set[int] = set()
        self._written: set[str] = set()
        self._state = self._registry.blobs.state_reader()
        self._done = 0
        self._total = 0

    def run(self, listing: Listing, moment: float, *, whole: bool = True) -> StagedPackage:
        """Stage what is new.

        Args:
            listing: what is in the package.
            moment: files that changed after it are not remembered, nanoseconds since 1970.
            whole: stage the manifest, too.
        """
        files = [each for each in listing.entries if each.status is not None]
        self._total = sum(each.size for each in files)
        digests: dict[str, str] = {} if self._every else self._known(files)
        new = [each for each in files if each.name not in digests]
        with disk_errors("keeping weights", self._folder), open_for_sync(self._folder) as opened:
            staged = self._stage(new)
            self._check_unchanged(listing, staged, new)
            digests |= {each.name: one.digest for each, one in zip(new, staged, strict=True)}
            manifest = manifest_of(listing.entries, digests)
            encoded = manifest.encoded()
            digest = hashlib.sha256(encoded).hexdigest()
            check_wanted(self._source, digest)
            kept = {each.digest: each for each in staged if each.path is not None}
            if whole and not self._is_held(digest, len(encoded)):
                kept[digest] = self._write_manifest(digest, encoded, self._facts(manifest, kept))
            if self._registry.blobs.durable and kept:
                sync_tree(self._folder, opened)
        for each in [*kept.values()]:
            if each.digest in self._upstream:  # it was large, so it had to be copied first
                del kept[each.digest]
        return StagedPackage(
            entries=listing.entries,
            manifest=manifest,
            digest=digest,
            size=len(encoded),
            files=tuple(kept.values()),
            here={name: size for name, size in self._here.items() if name not in kept},
            checked=self._checked,
            upstream=self._upstream,
            damaged=self._found_damaged(kept) if self._every else frozenset(self._damaged),
            seen=self._seen(listing, new, digests, digest, moment),
            left_out=listing.left_out,
        )

    def _seen(
        self,
        listing: Listing,
        new: list[Entry],
        digests: dict[str, str],
        package: str,
        moment: float,
    ) -> list[tuple[FileStatus, str]]:
        """Return the digests to remember: of files that had been at rest, and of their folder."""
        if self._source.mode != "copy":
            return []  # a link to a file changes one of its times
        statuses = [(each.status, each.name) for each in new if each.status is not None]
        seen = [
            (status, digests[name])
            for status, name in statuses
            if status.modified < moment and status.changed < moment
        ]
        every = [each.status for each in listing.entries if each.status is not None]
        if all(each.modified < moment and each.changed < moment for each in every):
            whole = _status_of_listing(self._source, listing)
            if whole is not None:
                seen.append((whole, package))
        return seen

    def _known(self, files: list[Entry]) -> dict[str, str]:
        """Return the digests, by name, of the files whose bytes are here already, or upstream."""
        statuses = [each.status for each in files if each.status is not None]
        with self._registry.store.read() as connection:
            found = blob_rows.known_digests(connection, statuses)
            rows = blob_rows.rows_of(connection, {each for each in found if each is not None})
        known: dict[str, str] = {}
        for each, digest in zip(files, found, strict=True):
            if digest is None and each.size > SMALL and self._source.mode != "link":
                digest = self._digest_of_alike(each)
            if digest is not None and self._is_held(digest, each.size, rows):
                known[each.name] = digest
                self._report(each.size)
        return known

    def _digest_of_alike(self, entry: Entry) -> str | None:
        """Return the digest of a large file if it looks like bytes that exist already."""
        path = Path(entry.path)
        with disk_errors("keeping weights", path):
            ends = hashing.sample(path)
            looks = read_each(
                self._chain, lambda each: blob_rows.has_sample(each, entry.size, ends)
            )
            if not any(alike for _, alike in looks):
                return None
            assert entry.status is not None
            wait_for_tick([entry.status])
            digest = hashing.file_digest(path)
            if status_of(path) != entry.status:
                raise changed(path, "weights_url")
        return digest

    def _is_held(
        self, digest: str, size: int, rows: dict[str, blob_rows.BlobRow] | None = None
    ) -> bool:
        """Return True if bytes are here as they were, or if an upstream registry keeps them."""
        if digest in self._here or digest in self._upstream:
            return True
        if not self._every and self._is_here(digest, size, rows):
            self._here[digest] = size
            return True
        upstream = keeper(self._chain, digest, size)
        if upstream is not None:
            self._upstream[digest] = (upstream, size)
        return upstream is not None

    def _is_here(self, digest: str, size: int, rows: dict[str, blob_rows.BlobRow] | None) -> bool:
        state = self._state(digest)
        if state is None or state[0] != size:
            return False
        row = None if rows is None else rows.get(digest)
        if row is None:
            with self._registry.store.read() as connection:
                row = blob_rows.blob(connection, digest)
        if row is None or row.size != size:
            return False
        if row.ctime != state[1]:  # perhaps a local copy was linked to it
            if not self._registry.blobs.is_sound(digest):
                self._damaged.add(digest)
                return False
            self._checked[digest] = state[1]
        return True

    def _need_not_write(self, digest: str, size: int) -> bool:
        if digest in self._written or (
            # To look for a file that cannot be there takes as long as to hash a small one.
            (size in self._sizes or self._chain.others) and self._is_held(digest, size)
        ):
            return True
        self._written.add(digest)
        return False

    def _stage(self, entries: list[Entry]) -> list[StagedFile]:
        blobs = self._registry.blobs
        if not entries:
            return []
        if not self._every:
            with self._registry.store.read() as connection:
                self._sizes = blob_rows.sizes_of(connection, {each.size for each in entries})
        wait_for_tick([each.status for each in entries if each.status is not None])
        if self._source.mode == "copy":
            staging.check_room(self._folder, sum(each.size for each in entries))
        staged = stage_files(
            entries,
            self._folder,
            self._source.mode,
            durable=blobs.durable,
            group=blobs.group,
            held=self._need_not_write,
            report=self._report,
        )
        for each in staged:
            # Only small files that are copied were asked about. A damaged one must be replaced.
            if each.size > SMALL or self._source.mode != "copy":
                self._is_held(each.digest, each.size)
        return staged

    def _report(self, more: int) -> None:
        self._done += more
        if self._source.progress is not None:
            self._source.progress(self._done, self._total)

    def _check_unchanged(
        self, listing: Listing, staged: Sequence[StagedFile], new: Sequence[Entry]
    ) -> None:
        """Raise InvalidValueError if a file changed while the package was read, came or went."""
        found = listing_of(self._source).entries
        if found == listing.entries:
            return
        shared = {_file(each) for each, one in zip(new, staged, strict=True) if one.shared}
        before = {each.name: each for each in listing.entries}
        after = {each.name: each for each in found}
        for name in sorted(before.keys() | after.keys()):
            first, second = before.get(name), after.get(name)
            if first == second:
                continue
            if first is not None and second is not None and _file(first) in shared:
                # A link to it was made, which changes one of its times.
                assert first.status is not None
                if (
                    second.status is not None
                    and first.status.same_content(second.status)
                    and first.executable == second.executable
                ):
                    continue
            one = first or second
            assert one is not None
            raise changed(Path(one.path), "weights_url")

    def manifest(self, manifest: Manifest, digest: str, encoded: bytes) -> StagedFile:
        """Stage only the manifest of a package whose files are held."""
        with disk_errors("keeping weights", self._folder), open_for_sync(self._folder) as opened:
            staged = self._write_manifest(digest, encoded, self._facts(manifest, {}))
            if self._registry.blobs.durable:
                sync_tree(self._folder, opened)
        return staged

    def _write_manifest(self, digest: str, encoded: bytes, facts: Json) -> StagedFile:
        path = self._folder / "manifest"
        path.write_bytes(encoded)
        make_readonly_at(path, self._registry.blobs.group)
        return StagedFile(digest, len(encoded), str(path), None, facts)

    def _facts(self, manifest: Manifest, kept: dict[str, StagedFile]) -> Json:
        """Return the facts about the whole package, from those about its files."""
        facts = {digest: each.facts for digest, each in kept.items()}
        facts |= {digest: each.facts for digest, (each, _) in self._upstream.items()}
        known = {each.digest for each in manifest.files} - facts.keys()
        with self._registry.store.read() as connection:
            rows = blob_rows.rows_of(connection, known)
        facts |= {digest: row.facts for digest, row in rows.items()}
        whole = package_facts([(each, facts.get(each.digest)) for each in manifest.files])
        # Not found again for each model: a package may have 20,000 names.
        return whole | {"framework": framework_of(whole, [each.path for each in manifest.files])}

    def _found_damaged(self, kept: dict[str, StagedFile]) -> frozenset[str]:
        """Return the digests of the blobs that are here with the right size, and other bytes."""
        blobs = self._registry.blobs
        states = blobs.states(kept)
        alike = [digest for digest, (size, _) in states.items() if size == kept[digest].size]
        if not alike:
            return frozenset()
        with self._registry.store.read() as connection:
            rows = blob_rows.rows_of(connection, alike)
        return frozenset(
            digest
            for digest in alike
            if (digest not in rows or rows[digest].ctime != states[digest][1])
            and not blobs.is_sound(digest)
        )


def manifest_of(entries: list[Entry], digests: dict[str, str]) -> Manifest:
    """Return the manifest of files and empty folders as they were listed: checked, and sorted."""
    return Manifest(
        tuple(
            PackageFile(each.name, digests[each.name], each.status.size, each.executable)
            for each in entries
            if each.status is not None
        ),
        tuple(each.name for each in entries if each.status is None),
    )


def _file(entry: Entry) -> tuple[int, int] | None:
    """Return the numbers by which the system knows a file; links to it have the same."""
    return None if entry.status is None else (entry.status.device, entry.status.inode)


def _delete_source(source: Source, staged: StagedPackage) -> None:
    """Delete the files that were moved, then links, then the folders that are empty.

    What a link leads to stays, and what was left out.
    """
    if source.path is not None and source.path.is_symlink():
        source.path.unlink()
        return
    trouble: list[str] = []
    for each in staged.entries:
        path = Path(each.path)
        if each.status is None or (each.linked and not path.is_symlink()):
            continue  # a folder, or below a link to one
        found = status_of(path)
        if not each.linked and (found is None or not each.status.same_content(found)):
            trouble.append(f"{path} has changed since")
            continue
        try:
            remove_file(path)
        except OSError as error:
            trouble.append(f"{path}: {error.strerror or error}")
    if source.path is not None:
        _delete_folders(source.path, staged.left_out, trouble)
    if trouble:
        log.warning(
            "%s was kept, but %d of its files could not be deleted (%s)",
            source.path or "the package",
            len(trouble),
            trouble[0],
        )


def _delete_folders(folder: Path, left_out: list[str], trouble: list[str]) -> None:
    """Delete a folder with the links and folders in it, where no other files are left."""
    stays = tuple(f"{folder}/{name}" for name in left_out)
    for place, folders, _ in os.walk(folder, topdown=False):
        for path in (f"{place}/{name}" for name in folders):
            if os.path.islink(path) and not f"{path}/".startswith(stays):  # noqa: PTH114
                try:
                    os.unlink(path)  # noqa: PTH108
                except OSError as error:
                    trouble.append(f"{path}: {error.strerror or error}")
        with suppress(OSError):  # what was left out, or could not be deleted, is in it
            os.rmdir(place)  # noqa: PTH106
