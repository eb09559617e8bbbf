"""The check of signatures that comes before weights are given out.

Every road calls it before it gives out a path, a URL with a local path, or bytes: local copies,
URLs of local copies, revisions, and the folders that parts of a data set are put together in. What
carries models to other registries (bundles, merge, push, backup) is no such road: the receiver
checks.

Which registry decides: the first of the chain that has the setting ``trust.mode``, and with its own
keys. If none has it, nothing is checked, and this module is not imported where a registry has no
upstream ones.

A signature is of sha256s. Bytes of other directories are hashed under "enforce" before they are
given out, again whenever a file changed: who may write to an upstream registry could exchange them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from localreg import log
from localreg.blobs.staging.hashing import file_digest
from localreg.errors import (
    CorruptBlobError,
    LocalregError,
    ReadOnlyRegistryError,
    StorageFullError,
    TrustError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.known_digests import is_settled, status_of
from localreg.operations.weights.remote_packages import sound_manifest
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, model_rows
from localreg.store.rows.checked_values import damaged_row
from localreg.values.frozen import Frozen
from localreg.values.records import WeightsRecord
from localreg.values.registry_settings import TRUST_MODE, TRUST_MODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.filesystem.plain_files import FileStatus

NO_SIGNER = "has no signature by a trusted key"
_OFF, _WARN, _ENFORCE = TRUST_MODES


class Trust(Frozen):
    """What happens to weights without a valid signature, and whose keys make one valid.

    Attributes:
        mode: "warn" or "enforce".
        registry: the registry that has this setting, and the keys.
        first: the registry that commands change if they name none.
    """

    mode: str
    registry: OpenRegistry
    first: OpenRegistry

    @property
    def enforced(self) -> bool:
        """True if weights without a valid signature are not given out."""
        return self.mode == _ENFORCE

    def hashes(self, chain: Chain) -> bool:
        """Return True if bytes are hashed before they are given out: some may be upstream."""
        return self.enforced and bool(chain.others)

    def check(self, chain: Chain, found: Found, weights: WeightsRecord) -> None:
        """Check that a trusted key signed weights.

        Args:
            found: the model.
            weights: the revision that is given out.

        Raises:
            TrustError: no trusted key signed them, and the mode is "enforce"; else it is a warning.
        """
        reason = why_untrusted(chain, self, found, weights)
        if reason is not None:
            self.refuse(found, weights.id, reason)

    def refuse(self, found: Found, revision: str, reason: str) -> None:
        """Raise TrustError, or warn once in a process of one revision.

        Args:
            found: the model.
            revision: the id of the revision.
            reason: what the model is or has, such as "is not signed".
        """
        text = (
            f"{_named(found)} {reason}. The setting {TRUST_MODE} of {self.registry.root} is "
            f"{self.mode}: sign the model (`{self._command(found.registry)} sign {found.id[:8]} "
            f"--key FILE`), trust the key that signed it (`{self._command(self.registry)} key add "
            f"FILE`), or change the setting (`{self._command(self.registry)} config {TRUST_MODE}`)"
        )
        if self.enforced:
            raise TrustError(text, model=found.id)
        _warn_once(found.id, revision, text)

    def _command(self, registry: OpenRegistry) -> str:
        """Return how a command begins that changes a registry."""
        is_usual = registry.root == self.first.root  # also a view of it as it was
        return "localreg" if is_usual else f"localreg -R {registry.root}"


def trust_of(chain: Chain) -> Trust | None:
    """Return what is to be checked of weights that a chain gives out; None for nothing.

    The setting of the first registry counts as it is now, that of an upstream one as it was when it
    was opened: what is here does not wait for another machine.

    Raises:
        DamagedRowError: the setting of a registry cannot be one.
    """
    return trust_by(chain, chain.own_trust_mode())


def trust_by(chain: Chain, mode: str | None) -> Trust | None:
    """Return the same, if the setting of the first registry is known; None if it is not set."""
    first, *others = chain.trust_from or chain.registries
    for each, chosen in ((first, mode), *((other, other.store.trust_mode) for other in others)):
        if chosen is None:
            continue
        if chosen not in TRUST_MODES:
            raise damaged_row(
                "setting", TRUST_MODE, "value", f"must be off, warn or enforce, not {chosen!r:.60}"
            )
        return None if chosen == _OFF else Trust(chosen, each, first)
    return None


def trusting(chain: Chain) -> OpenRegistry:
    """Return the registry whose keys count; if nothing is to be checked, the first one."""
    trust = trust_of(chain)
    return trust.registry if trust else (chain.trust_from or chain.registries)[0]


def why_untrusted(
    chain: Chain,
    trust: Trust,
    found: Found,
    weights: WeightsRecord,
    *,
    only_here: bool = False,
) -> str | None:
    """Return why weights do not count as signed, such as "is not signed"; None if they do.

    Args:
        only_here: fetch no signature from a remote.
    """
    if weights.digest is None:
        return "is not signed: the sha256 of its weights is not known yet"
    from localreg.operations.weights.signatures import signatures_of

    rejected: dict[str, None] = {}
    try:
        for each in signatures_of(
            chain, found, weights, trusted=trust.registry, only_here=only_here
        ):
            if each.valid:
                return None
            if len(rejected) < _NAMED:
                rejected[f"by {each.signer}: {each.reason}"] = None
    except LocalregError as error:
        return f"has signatures that cannot be checked: {error}"
    if not rejected:
        return "is not signed"
    return f"{NO_SIGNER} ({'; '.join(rejected)})"


def check_given(
    chain: Chain, trust: Trust, weights: WeightsRecord, path: Path, file: str | None = None
) -> None:
    """Hash what is given out, if some of it may come from the directory of others.

    Args:
        weights: what was checked to be signed.
        path: its file or folder, or that of `file`.
        file: which file of a package.

    Raises:
        CorruptBlobError: the bytes are not those that were signed.
    """
    if not trust.hashes(chain):
        return
    digest = weights.digest or ""
    if not weights.tree:
        check_hashes(chain, {path: digest})
        return
    manifest = sound_manifest(chain, digest)
    signed = {} if manifest is None else {each.path: each.digest for each in manifest.files}
    if file is not None:
        wanted = file.replace(os.sep, "/").removeprefix("./")
        there = {wanted: path}
    else:
        there = {
            each.relative_to(path).as_posix(): each for each in path.rglob("*") if not each.is_dir()
        }
    if not there.keys() <= signed.keys() or (file is None and there.keys() != signed.keys()):
        raise CorruptBlobError(
            f"{path} has other files than those that were signed; `localreg adopt` copies the "
            "weights here, and `localreg verify` says what is wrong",
            digest=digest,
            path=str(path),
        )
    check_hashes(chain, {place: signed[name] for name, place in there.items()})


def check_hashes(chain: Chain, wanted: Mapping[Path, str]) -> None:
    """Check that files have the bytes of their sha256; what is unchanged is not hashed again.

    Raises:
        CorruptBlobError: one of them has not.
    """
    first = chain.first
    statuses = {path: status for path in wanted if (status := status_of(path)) is not None}
    with first.store.read() as connection:
        answers = blob_rows.known_digests(connection, [*statuses.values()])
    known = dict(zip(statuses, answers, strict=True))
    new: list[tuple[FileStatus, str]] = []
    for path, digest in wanted.items():
        found = known.get(path)
        if found is None:
            with disk_errors("checking weights", path):
                status = statuses.get(path)
                settled = status is not None and is_settled(status)
                found = file_digest(path)
            if status is not None and settled and status == status_of(path):
                new.append((status, found))
        if found != digest:
            raise CorruptBlobError(
                f"{path} has the sha256 {found}, and {digest} was signed; somebody changed it. "
                "`localreg verify` looks for more, here and where it comes from",
                digest=digest,
                path=str(path),
            )
    if new:
        with suppress(ReadOnlyRegistryError, StorageFullError), first.store.write() as change:
            blob_rows.remember_files(change.connection, new)


_NAMED = 3  # signatures that do not count, in a message


def _named(found: Found) -> str:
    with found.registry.store.read() as connection:
        row = model_rows.model_row(connection, found.id)
    return f"model {found.id}" if row is None else f"model {row.ref} ({found.id[:8]})"


@lru_cache(maxsize=10_000)
def _warn_once(model_id: str, revision: str, text: str) -> None:
    """Log a warning, unless this process logged it of the same revision before."""
    log.warning("%s", text)
