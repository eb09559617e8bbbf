"""The signatures of a model's weights, read wherever they are, and checked.

A signature counts if it is by a key that is trusted, and lists exactly the files of the weights.
What it says about them is compared with what the registry knows: no bytes of the weights are read,
and they need not be here. Anybody may record any number of signatures, so that they are looked at
one by one, those first that name what is trusted, and not more than a limit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from localreg.errors import (
    LocalregError,
    MissingPackageError,
    RegistryError,
    RemoteError,
    SignatureError,
    StorageError,
    WeightsError,
)
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import content_of
from localreg.operations.finding.upstream import Found
from localreg.operations.weights.locations import holder
from localreg.operations.weights.remote_packages import sound_manifest
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import key_rows, model_rows, signature_rows
from localreg.values.checks import shown
from localreg.values.frozen import Frozen
from localreg.values.ids import now
from localreg.values.signatures import (
    LARGEST,
    SINGLE,
    Bundle,
    SignedFile,
    Trusted,
    largest,
    parse_bundle,
    problems,
)
from localreg.values.urls import is_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.store.rows.signature_rows import SignatureRow
    from localreg.values.manifest import Manifest
    from localreg.values.records import WeightsRecord

LIMIT = 500  # signatures of some weights that name what is trusted, and others, that are looked at


class Signed(Frozen):
    """A signature of some weights.

    Attributes:
        signer: the name of the key that is trusted, or of the certificate and its authority; else
            the first digits of what the signature names.
        key: the id of the key that is trusted, or of the authority's certificate; else what the
            signature names, which may be "".
        at: when it was recorded here, microseconds.
        digest: sha256 of the signature file.
        size: number of bytes of that file.
        valid: True if it counts.
        reason: why it does not; None if it does.
    """

    signer: str
    key: str
    at: int
    digest: str
    size: int
    valid: bool
    reason: str | None


def signatures_of(
    chain: Chain,
    found: Found,
    weights: WeightsRecord | None = None,
    *,
    trusted: OpenRegistry | Sequence[Trusted],
    only_here: bool = False,
) -> Iterator[Signed]:
    """Yield the signatures of some weights of a model, each when it was checked.

    First come those that name what is trusted. Of these, and of the others, those that were
    recorded in this registry come first, then the rest as they came here.

    Args:
        weights: which; those that are served by default.
        trusted: the registry whose keys count, or what counts instead.
        only_here: read nothing that is not in a registry of the chain. In a write transaction it
            must be so.

    Raises:
        MissingPackageError: there are signatures, and cryptography is not installed.
    """
    # Not `local_copies.current`: local copies are made above, and look for signatures.
    with found.registry.store.one_statement() as connection:
        if weights is None:
            weights = model_rows.current_weights(connection, found.id)
        if weights is None or weights.digest is None:
            return
        if not signature_rows.some(connection, found.id, weights.digest):
            return
    keys = _keys(trusted)
    with found.registry.store.one_statement() as connection:
        rows = signature_rows.of_weights(
            connection, found.id, weights.digest, first=[each.id for each in keys], limit=LIMIT
        )
    source = _Source(chain, found, weights, only_here=only_here)
    for row in rows:
        yield _checked(source, row, keys)


def files_of_weights(
    chain: Chain, found: Found, weights: WeightsRecord, *, only_here: bool = False
) -> list[SignedFile]:
    """Return the files of some weights, as signatures list them.

    The file of a model that is a single one has the name of the weights.

    Raises:
        SignatureError: they are not known.
    """
    if weights.digest is None:
        raise _unknown("its weights were never read, so that their sha256 is not known")
    if not weights.tree:
        return [SignedFile(weights.filename or SINGLE, weights.digest)]
    manifest = _manifest(chain, found, weights.digest, only_here=only_here)
    if manifest is None:
        raise _unknown("the list of its files is not here, or damaged; see `localreg verify`")
    return [SignedFile(each.path, each.digest) for each in manifest.files]


def check_size(size: int, files: Sequence[SignedFile]) -> None:
    """Raise SignatureError if a signature file is too large to be one of some files."""
    if size > largest(files):
        raise _unknown(
            f"it has {size:,} bytes, and at most {largest(files):,} are possible for these files"
        )


def file_of(
    chain: Chain,
    found: Found,
    weights: WeightsRecord,
    digest: str,
    size: int,
    *,
    only_here: bool = False,
) -> bytes:
    """Return a signature file of some weights, wherever it is.

    Args:
        digest, size: of the file.

    Raises:
        SignatureError: it is nowhere, damaged, or too large.
    """
    return _Source(chain, found, weights, only_here=only_here).file(digest, size)


def _keys(trusted: OpenRegistry | Sequence[Trusted]) -> Sequence[Trusted]:
    if not isinstance(trusted, OpenRegistry):
        return trusted
    with trusted.store.one_statement() as connection:
        return key_rows.keys(connection)


def _checked(source: _Source, row: SignatureRow, keys: Sequence[Trusted]) -> Signed:
    from localreg.blobs.signing.verifying import check

    try:
        bundle = source.bundle(row)
        reasons = source.problems(bundle)
        if reasons:
            raise SignatureError("; ".join(reasons), reason="; ".join(reasons))
        by = check(bundle, keys, now())
    except SignatureError as error:
        names = (each.name for each in keys if each.id == row.signer)
        signer = next(names, _short(row.signer))
        return Signed(signer, row.signer, row.at, row.file, row.size, False, error.reason)
    return Signed(by.name, by.id, row.at, row.file, row.size, True, None)


def _short(signer: str) -> str:
    """Return what a signature names, which may be any text, for people."""
    return f"{signer[:12]}…" if is_sha256(signer) else shown(signer) if signer else ""


class _Source:
    """Where the signatures of some weights and the list of their files are read."""

    def __init__(
        self, chain: Chain, found: Found, weights: WeightsRecord, *, only_here: bool
    ) -> None:
        self._chain = chain
        self._found = found
        self._weights = weights
        self._only_here = only_here
        self._files: list[SignedFile] | None = None
        self._ref = ""

    def bundle(self, row: SignatureRow) -> Bundle:
        """Return what a signature file says."""
        check_size(row.size, self.files())
        return parse_bundle(self.file(row.file, row.size))

    def file(self, digest: str, size: int) -> bytes:
        """Return the bytes of a signature file."""
        if size > LARGEST:
            raise _unknown(f"it has {size:,} bytes, and at most {LARGEST:,} are possible")
        holding = holder(self._chain, digest, size)
        if holding is None and not self._only_here:
            self._bring(digest, size)
            holding = holder(self._chain, digest, size)
        if holding is None:
            raise _unknown("its file is not here; `localreg pull --blobs` brings it")
        path = holding.blobs.blob(digest)
        try:
            with disk_errors("reading a signature", path):
                data = content_of(path, LARGEST)
        except StorageError as error:
            raise _unknown(f"its file cannot be read: {error}") from error
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            raise _unknown(f"its file {path} is damaged")
        return data

    def files(self) -> list[SignedFile]:
        """Return the files of the weights."""
        if self._files is None:
            self._files = files_of_weights(
                self._chain, self._found, self._weights, only_here=self._only_here
            )
            with self._found.registry.store.one_statement() as connection:
                row = model_rows.model_row(connection, self._found.id)
            self._ref = "the model" if row is None else row.ref
        return self._files

    def problems(self, bundle: Bundle) -> list[str]:
        """Return what differs between a signature's files and those of the weights."""
        return problems(bundle, self.files(), package=self._weights.tree, ref=self._ref)

    def _bring(self, digest: str, size: int) -> None:
        from localreg.operations.weights.remote_bytes import Wanted, bring

        assert self._weights.digest is not None
        registry, wanted = self._found.registry, [Wanted(digest, size)]
        try:
            # A remote is known by the weights, which it has an event of.
            bring(self._chain, registry, self._weights.digest, wanted)
        except (WeightsError, RemoteError, RegistryError, MissingPackageError) as error:
            raise _unknown(f"its file is not here, and cannot be fetched: {error}") from error


def _manifest(chain: Chain, found: Found, digest: str, *, only_here: bool) -> Manifest | None:
    known = sound_manifest(chain, digest)
    if known is not None or only_here:
        return known
    from localreg.operations.weights.remote_packages import bring_manifest

    try:
        bring_manifest(chain, found.registry, digest)
    except LocalregError as error:
        raise _unknown(f"the list of its files is not here: {error}") from error
    return sound_manifest(chain, digest)


def _unknown(reason: str) -> SignatureError:
    return SignatureError(f"the signature cannot be checked: {reason}", reason=reason)
