"""Local copies of packages: the folder of one, checked each time; and single files of it.

The rows that list the files come from the registry that has the model, or from any of the chain.
The bytes of each file may be in another registry of the chain than those of the next.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache, partial
from pathlib import Path

from localreg import log
from localreg.blobs.headers.needed_files import joined
from localreg.blobs.trees import local_tree
from localreg.errors import (
    CorruptBlobError,
    InvalidValueError,
    LocalregError,
    NotFoundError,
    RegistryError,
    StorageError,
    StorageFullError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.portable_files import set_folder_mode
from localreg.operations.weights.locations import (
    check_local_copy,
    check_upstream,
    holder,
    local_file,
    missing,
    upstream_holders,
    whole_local_file,
)
from localreg.operations.weights.sources import is_known_damaged
from localreg.registry import Chain, OpenRegistry
from localreg.store.database.sqlite_errors import translated
from localreg.store.rows import blob_rows, tree_rows
from localreg.store.rows.checked_values import damaged_row
from localreg.values.checks import shown
from localreg.values.manifest import Manifest, PackageFile, make_manifest
from localreg.values.paths import is_package_path, printable_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from localreg.blobs.blobstore import BlobStore
    from localreg.blobs.trees.local_tree import Entry
    from localreg.progress import Progress

    Answer = TypeVar("Answer")

_TRIES = 20  # each time another program changes the folder while it is looked at
_SUGGESTED = 3


def existing_folder(first: OpenRegistry, digest: str, entries: Sequence[Entry]) -> Path | None:
    """Return the folder of a package in the first registry if it is whole, or None.

    This is fast, and may say None of a folder that `package_folder` finds to be whole.

    Args:
        entries: what is recorded of the package; it may be nothing.
    """
    found = local_tree.whole_tree(str(first.root), digest, entries) if entries else None
    return None if found is None else Path(found)


def package_folder(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    *,
    verify: bool,
    only_here: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Return the read-only folder of a package, whole; it is made if it does not exist.

    One that is not whole any more is moved to ``quarantine``, with a warning, and made again. The
    whole folder of an upstream registry is returned itself.

    Args:
        registry: the registry that has the model.
        digest: sha256 of the manifest.
        verify: hash each file.
        only_here: ask no remote.
        progress: called with the bytes brought from a remote so far, and with all bytes.

    Raises:
        CorruptBlobError: the bytes of a file are missing or damaged; it names the file.
        LocalregError: a remote should have them, and they did not come: as `remote_bytes.bring`.
        StorageError: this file system cannot have a folder with these names.
    """
    package = _Package(chain, registry, digest, verify, only_here=only_here, progress=progress)
    return _folder(chain, package)


def folder_of_manifest(
    chain: Chain, registry: OpenRegistry, manifest: Manifest, *, verify: bool
) -> Path:
    """Return a read-only folder of some files, as `package_folder` does; no package has to be.

    It is a cache, which `gc` deletes.

    Args:
        registry: the registry that has what the files belong to.
        manifest: the files, sorted; it may have none.
    """
    digest = hashlib.sha256(manifest.encoded()).hexdigest()
    return _folder(chain, _Package(chain, registry, digest, verify, manifest))


def _folder(chain: Chain, package: _Package) -> Path:
    blobs = chain.first.blobs
    try:
        return package.folder(blobs)
    except StorageFullError:
        if blobs.cache_name is not None:
            raise
        return package.folder(chain.first.blobs_of_full_disk)


def differences(chain: Chain, registry: OpenRegistry, digest: str, folder: Path) -> list[str]:
    """Return how a folder differs from a package, a sentence each; the bytes are not looked at.

    Args:
        registry: the registry with the folder.

    Raises:
        CorruptBlobError: no registry has recorded the files of the package.
    """
    package = _Package(chain, registry, digest, verify=False, only_here=True)
    return package.differences(registry.blobs, folder)


def package_file(
    chain: Chain,
    registry: OpenRegistry,
    digest: str,
    path: str,
    *,
    verify: bool,
    progress: Progress | None = None,
) -> Path:
    """Return a read-only local file with the bytes of one file of a package, under its name.

    It is not executable, even if the file of the package is.

    Args:
        path: in the package, with slashes.
        registry, digest, verify, progress: as for `package_folder`.

    Raises:
        NotFoundError: the package has no such file.
        InvalidValueError: it is a folder of the package, or cannot be a path in one.
        CorruptBlobError: its bytes are missing or damaged.
    """
    file = file_of(chain, registry, digest, path)
    name = file.path.rpartition("/")[2]
    if holder(chain, file.digest, file.size) is None:
        from localreg.operations.weights.remote_bytes import Wanted, bring

        bring(chain, registry, digest, [Wanted(file.digest, file.size, name)], progress=progress)
    try:
        found = local_file(chain, registry, file.digest, file.size, name)
        if verify:
            check_local_copy(chain, file.digest, file.size, found)
    except CorruptBlobError as error:
        raise _lacking(digest, file, error) from error
    return found


def file_of(chain: Chain, registry: OpenRegistry, digest: str, path: str) -> PackageFile:
    """Return one file of a package; arguments and errors are those of `package_file`."""
    wanted = in_package(path)
    found = _read(chain, registry, lambda connection: tree_rows.file(connection, digest, wanted))
    if found is None and not _read(
        chain, registry, lambda connection: tree_rows.entries(connection, digest)
    ):
        from localreg.operations.weights.remote_packages import bring_manifest

        if bring_manifest(chain, registry, digest) is not None:
            return file_of(chain, registry, digest, path)
    if found is None:
        entries = _read(chain, registry, lambda connection: tree_rows.entries(connection, digest))
        raise no_file(wanted, [entry[0] for entry in entries or [] if entry[3] is not None],
                       [entry[0] for entry in entries or [] if entry[3] is None])  # fmt: skip
    return found


def digest_at_local_copy(
    registry: OpenRegistry, connection: tree_rows.Connection, path: Path
) -> str | None:
    """Return the digest of the weights, package, or file of one whose local copy is at a path.

    It is None if the registry did not make what is there. Nothing is read but the database.
    """
    digest = registry.blobs.digest_of(path)
    inside = registry.blobs.in_package(path)
    if digest is not None or inside is None:
        return digest
    file = tree_rows.file(connection, *inside)
    return None if file is None else file.digest


def in_package(path: str) -> str:
    """Return a path in a package, with slashes, if it leads to nothing outside."""
    wanted = path.replace(os.sep, "/").removeprefix("./")
    if not is_package_path(wanted):
        raise InvalidValueError(
            "file must be the path of a file in the package, such as config.json, not "
            f"{shown(path)}",
            argument="file",
        )
    return wanted


def no_file(path: str, files: list[str], folders: list[str]) -> LocalregError:
    """Return the error for a file that a package does not have, with names like it.

    Args:
        files, folders: the paths of its files, and of its empty folders.
    """
    name = printable_path(path)
    inside = [each for each in files if each.startswith(f"{path}/")]
    if inside or any(f"{each}/".startswith(f"{path}/") for each in folders):
        some = ", ".join(map(printable_path, inside[:_SUGGESTED]))
        return InvalidValueError(
            f"{name} is a folder of the package; name a file{some and f' in it, such as {some}'}",
            argument="file",
        )
    from difflib import get_close_matches

    close = get_close_matches(path, files, n=_SUGGESTED, cutoff=0.6)
    last = path.rpartition("/")[2]
    close += [each for each in files if each.rpartition("/")[2] == last and each not in close]
    hint = (
        f"did you mean {' or '.join(map(printable_path, close[:_SUGGESTED]))}?"
        if close
        else f"it has {', '.join(map(printable_path, files[:_SUGGESTED]))}"
        + (f" and {len(files) - _SUGGESTED:,} more" if len(files) > _SUGGESTED else "")
    )
    return NotFoundError(f"the package has no file {name}; {hint}", reference=path)


def _read(
    chain: Chain, registry: OpenRegistry, question: Callable[[tree_rows.Connection], Answer]
) -> Answer | None:
    """Return the first answer that is not empty: of the model's registry, or of another one."""
    with registry.store.one_statement() as connection:
        answer = question(connection)
    if answer:
        return answer
    for each in chain.registries:
        if each == registry:
            continue
        try:
            with each.store.one_statement() as connection:
                answer = question(connection)
        except RegistryError as error:
            if each == chain.first:
                raise
            log.warning("the upstream registry %s is skipped: %s", each.root, error)
            continue
        if answer:
            return answer
    return None


def _lacking(digest: str, file: PackageFile, why: CorruptBlobError) -> CorruptBlobError:
    return CorruptBlobError(
        f"{printable_path(file.path)} of the package {digest[:12]}… cannot be given: {why}",
        digest=file.digest,
        path=why.path,
    )


class _Package:
    """One package whose folder is wanted: what is recorded of it, and where its bytes are."""

    def __init__(
        self,
        chain: Chain,
        registry: OpenRegistry,
        digest: str,
        verify: bool,
        manifest: Manifest | None = None,
        *,
        only_here: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._chain = chain
        self._registry = registry
        self._digest = digest
        self._verify = verify
        self._given = manifest
        self._only_here = only_here
        self._progress = progress
        self._entries: list[Entry]
        if manifest is not None:
            self._entries = [(each.path, each.size, each.executable, 0) for each in manifest.files]
            return
        found = _read(chain, registry, lambda connection: tree_rows.entries(connection, digest))
        if not found and not only_here:
            from localreg.operations.weights.remote_packages import bring_manifest

            if bring_manifest(chain, registry, digest) is not None:
                found = _read(
                    chain, registry, lambda connection: tree_rows.entries(connection, digest)
                )
        self._entries = found or []
        if not found:
            gone = registry.why_gone(digest)
            raise CorruptBlobError(
                f"the files of the package {digest[:12]}… are gone: {gone}"
                if gone is not None
                else f"the files of the package {digest[:12]}… are not recorded in {registry.root};"
                " `localreg repair` reads its manifest again",
                digest=digest,
                path=str(chain.first.blobs.path(digest)),
            )

    def folder(self, blobs: BlobStore) -> Path:
        """Return the folder of the package.

        Args:
            blobs: those of the first registry; also says where a new folder is made.
        """
        place = local_tree.place_of(blobs, self._digest)
        with disk_errors("looking for a local copy", place):
            seen = local_tree.seen_at(place)
            if seen is None:
                known = self._elsewhere(blobs)
                if known is not None:
                    return known
            for _ in range(_TRIES):
                try:
                    wrong = [] if seen is None else self.differences(blobs, place)
                except FileNotFoundError:  # it was moved away meanwhile
                    seen = local_tree.seen_at(place)
                    continue
                if seen is not None and not wrong:
                    return place
                if self._is_made(blobs, seen, wrong):
                    return place
                seen = local_tree.seen_at(place)
        raise StorageError(
            f"{place} is changed all the time by another program; find out which one, and stop it",
            path=str(place),
        )

    def _elsewhere(self, blobs: BlobStore) -> Path | None:
        """Return the whole folder of a registry in which nothing is made, or None."""
        given = self._chain.registries if blobs.cache_name is not None else self._chain.others
        for each in given:
            try:
                place = each.blobs.folder_path("trees") / self._digest
                if local_tree.seen_at(place) and not self.differences(each.blobs, place):
                    return place
            except OSError:  # it cannot be read any more
                continue
        return None

    def differences(self, blobs: BlobStore, place: Path) -> list[str]:
        """Return how a folder differs from the package, a sentence each."""
        wrong: list[str] = []
        if not local_tree.is_whole(str(place), self._entries):
            wrong = local_tree.differences(place, self._entries, executable=True)
            without = wrong and local_tree.differences(place, self._entries, executable=False)
            if without != wrong and not self._has_executable_bits(blobs, place):
                wrong = without
        if not wrong and self._verify:
            wrong = local_tree.changed_bytes(place, self._manifest().files)
        return wrong

    def _has_executable_bits(self, blobs: BlobStore, place: Path) -> bool:
        """Return True if files in a registry are executable or not, as a program wants them."""
        manifest = blobs.blob(self._digest)
        if os.path.lexists(manifest) and manifest.lstat().st_mode & 0o100:
            return False  # no blob is executable where that can be chosen
        seen = local_tree.seen_at(place)
        if seen is None or blobs.root != self._chain.first.root or blobs.cache_name is not None:
            return True  # nothing is written there
        return _keeps_executable_bits(blobs, seen.device)

    def _manifest(self) -> Manifest:
        """Return the files of the package, after checking that they have its digest."""
        if self._given is not None:
            return self._given
        digest = self._digest
        found = _read(
            self._chain, self._registry, lambda connection: tree_rows.manifest(connection, digest)
        )
        why = "must be the files of its manifest"
        with translated(self._registry.store.place):
            if found is None:
                raise damaged_row("tree_file", digest, "path", why)
            try:
                manifest = make_manifest([*found.files], [*found.folders])
            except InvalidValueError as error:
                raise damaged_row("tree_file", digest, "path", f"{why}; {error}") from error
            if hashlib.sha256(manifest.encoded()).hexdigest() != digest:
                raise damaged_row("tree_file", digest, "path", why)
        return manifest

    def _is_made(self, blobs: BlobStore, seen: local_tree.Seen | None, wrong: list[str]) -> bool:
        """Make the folder; return False if another process was faster.

        Args:
            seen: what is there and is not whole; it is moved away.
            wrong: why it is not.
        """
        alone: AbstractContextManager[object] = nullcontext()
        if seen is not None and blobs.cache_name is None:
            # The lock of the database: processes that repair the folder wait for each other.
            alone = self._chain.first.store.write()
        manifest = self._manifest()
        self._bring(manifest)
        unlinked = _external_data(self._chain, self._registry, manifest)
        find = _Find(self._chain, self._registry, blobs, self._digest, self._verify, unlinked)
        with local_tree.new_tree(blobs, self._digest, manifest, find) as temporary, alone:
            made, moved = local_tree.put_in_place(blobs, self._digest, temporary, seen)
        if moved is not None:
            log.warning(
                "the local copy of the package %s… had changed: %s; it was made again, and what "
                "was there is in %s",
                self._digest[:12], local_tree.shown(wrong), moved,
            )  # fmt: skip
        if made:
            self._record_links(find)
        return made

    def _bring(self, manifest: Manifest) -> None:
        """Bring from a remote what no registry of the chain has."""
        if self._only_here:
            return
        from localreg.operations.weights.remote_bytes import Wanted, bring, should_have
        from localreg.operations.weights.remote_packages import bring_package

        if self._given is None:
            if should_have(self._chain, self._registry, self._digest):
                bring_package(self._chain, self._registry, self._digest, progress=self._progress)
            return
        for each in (Wanted(file.digest, file.size) for file in manifest.files):
            # They may be of several packages.
            if holder(self._chain, each.digest, each.size) is None:
                bring(self._chain, self._registry, each.digest, [each], progress=self._progress)

    def _record_links(self, find: _Find) -> None:
        """Record the change times of blobs that got a further name: else they are hashed again."""
        linked = find.linked()
        if linked:
            # It only saves time, so what forbids it is no failure.
            with suppress(RegistryError), self._chain.first.store.write_unsynced() as change:
                blob_rows.record_linked(change.connection, linked)


def _external_data(chain: Chain, registry: OpenRegistry, manifest: Manifest) -> frozenset[str]:
    """Return the paths of the files that ONNX models of a package name as their data.

    The onnx library refuses to load data from a file that has several hard links.
    """
    found: set[str] = set()
    for file in manifest.files:
        if file.path.lower().endswith(".onnx"):
            facts = _read(chain, registry, partial(blob_rows.facts, digest=file.digest)) or {}
            folder = file.path.rpartition("/")[0]
            names = facts.get("external") or ()
            found.update(joined(folder, str(each)) or "" for each in names)
    return frozenset(found)


@cache
def _keeps_executable_bits(blobs: BlobStore, device: int) -> bool:
    """Return True if files on a device, where a registry is, can be executable or not."""
    with blobs.temporary("probe") as probe:
        return local_tree.keeps_executable_bits(probe)


def _made_readonly(path: str, status: os.stat_result) -> bool:
    """Make a blob read-only again; return False if it is another user's, who changed its mode."""
    try:
        set_folder_mode(Path(path), stat.S_IMODE(status.st_mode) & 0o444)
    except PermissionError:
        return False
    return True


class _Find:
    """Finds the sound bytes of a package's files: in the first registry, or upstream."""

    def __init__(
        self,
        chain: Chain,
        registry: OpenRegistry,
        blobs: BlobStore,
        digest: str,
        verify: bool,
        copied: frozenset[str],
    ) -> None:
        self._chain = chain
        self._registry = registry
        self._blobs = blobs
        self._copied = copied
        self._digest = digest
        self._verify = verify
        self._may_link = blobs.cache_name is None
        self._folders: dict[str, str] = {}
        self._sound: dict[str, bool] = {}
        self._given: dict[str, tuple[str, os.stat_result]] = {}

    def linked(self) -> list[tuple[str, int, int]]:
        """Return the digest and the change times, before and now, of blobs that were linked to.

        One that was written to meanwhile is left out.
        """
        found = []
        for digest, (path, before) in self._given.items():
            with suppress(FileNotFoundError):  # deleted meanwhile
                after = os.lstat(path)
                if after.st_ctime_ns != before.st_ctime_ns and after.st_ino == before.st_ino and (
                    (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
                ):  # fmt: skip
                    found.append((digest, before.st_ctime_ns, after.st_ctime_ns))
        return found

    def __call__(self, file: PackageFile) -> tuple[str, bool]:
        path, may_link = self._own(file) or (str(self._other(file)), False)
        return path, may_link and file.path not in self._copied

    def _own(self, file: PackageFile) -> tuple[str, bool] | None:
        """Return the bytes in the first registry if they are sound, or None."""
        digest = file.digest
        folder = self._folders.get(digest[:2])
        if folder is None:
            folder = self._folders[digest[:2]] = str(self._blobs.blob(digest).parent)
        path = f"{folder}/{digest[2:]}"
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
            return None
        if self._verify and not self._is_sound(digest):
            return None
        if self._may_link:
            self._given.setdefault(digest, (path, status))
        return path, self._may_link and (not status.st_mode & 0o333 or _made_readonly(path, status))

    def _is_sound(self, digest: str) -> bool:
        if digest not in self._sound:
            self._sound[digest] = self._blobs.is_sound(digest)
        return self._sound[digest]

    def _other(self, file: PackageFile) -> Path:
        first, digest = self._chain.first, file.digest
        for each in self._holders(file):
            if self._verify:
                try:
                    check_upstream(first, each, digest)
                except (CorruptBlobError, StorageError):  # damaged, or unreadable
                    continue
            return each.blobs.blob(digest)
        copy = whole_local_file(first, digest, file.size)
        if copy is not None:
            return copy
        is_own = self._blobs.has(digest, file.size)
        why = missing(self._chain, self._registry, digest, file.size, changed=is_own)
        raise _lacking(self._digest, file, why)

    def _holders(self, file: PackageFile) -> Iterable[OpenRegistry]:
        found = list(upstream_holders(self._chain, file.digest, file.size))
        found.sort(key=lambda each: is_known_damaged(self._chain.first, each, file.digest))
        return found
