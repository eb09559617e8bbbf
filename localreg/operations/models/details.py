"""The full record of one model, and where the bytes of its weights are."""

from __future__ import annotations

from pathlib import Path

from localreg.operations.finding.references import require_model
from localreg.operations.weights.files import file_counts
from localreg.operations.weights.locations import holder, upstream_state
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, model_rows, tree_rows
from localreg.store.rows.checked_values import taken_apart
from localreg.values.frozen import Frozen
from localreg.values.records import Json, ModelRecord, WeightsRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found


class Details(Frozen):
    """A model and the facts about its weights.

    Attributes:
        record: the full record of the model.
        weights: the current weights; an empty record if there are none.
        holder: the registry that has their bytes, its own or an upstream one; None if none has.
        remotes: the names of the remotes that should have them, and are not known to lack them.
        missing: why they are not there: what the upstream registry that must keep them says, or
            what removed them since the time that is looked at; else None.
        verified: when they were last hashed and found unchanged, in microseconds.
        facts: the facts in the header of the file, as of `blobs.headers`; of a package those of
            all its files.
        files: number of files of a package; None for anything else, and if they are not known.
    """

    record: ModelRecord
    weights: WeightsRecord
    holder: OpenRegistry | None
    remotes: tuple[str, ...]
    missing: str | None
    verified: int | None
    facts: Json | None
    files: int | None = None

    @property
    def inside(self) -> list[str]:
        """The facts in the header of the file, as lines of text."""
        from localreg.blobs.headers.facts_text import lines

        with taken_apart("blob", self.weights.digest, "facts"):
            return lines(self.facts) if self.facts else []


def model_details(chain: Chain, found: Found) -> Details:
    """Return a model and the facts about its weights."""
    with found.registry.store.read() as connection:
        require_model(connection, found.id)
        record = model_rows.current_record(connection, found.id)
        assert record is not None
        weights = record.current_weights
        digest = weights.digest
        if digest is None:
            return Details(record, weights, None, (), None, None, None)
        blob = blob_rows.blob(connection, digest)
    remotes, lacking = at_remotes(chain, found.registry, digest)
    held = holder_of(chain, weights, digest, remotes)
    if blob is not None and blob.upstream is not None:
        missing: str | None = upstream_state(chain, blob.upstream, digest)
    else:
        missing = found.registry.why_gone(digest) if held is None else None
    if held is None and missing is None and lacking:
        missing = f"{lacking} should have them, and does not"
    return Details(
        record=record,
        weights=weights,
        holder=held,
        remotes=remotes,
        missing=missing,
        verified=blob.verified if blob else None,
        facts=blob.facts if blob else None,
        files=file_counts(chain, [digest]).get(digest) if weights.tree else None,
    )


def holder_of(
    chain: Chain, weights: WeightsRecord, digest: str, remotes: tuple[str, ...]
) -> OpenRegistry | None:
    """Return the registry that has the bytes of weights; None if none has.

    Args:
        digest: of the weights.
        remotes: the remotes that should have them, too. Then the list of a package may be here
            without its files, and no registry has the package.
    """
    held = holder(chain, digest, weights.size)
    if held is None or not weights.tree or not remotes:
        return held
    with held.store.read() as connection:
        manifest = tree_rows.manifest(connection, digest)
    files = {each.digest: each.size for each in manifest.files} if manifest else {}
    here = chain.first.blobs.states(files)
    lacking = files.keys() - here.keys()
    if not lacking or all(holder(chain, each, files[each]) for each in lacking):
        return held
    return None


def at_remotes(
    chain: Chain, registry: OpenRegistry, digest: str
) -> tuple[tuple[str, ...], str | None]:
    """Return the names of the remotes that should have some bytes, and which of them have not.

    No remote is asked: it is remembered which of them lacked the bytes. Those are a text.

    Args:
        registry: the registry that has the model.
    """
    from localreg.operations.weights.remote_bytes import should_have

    found = should_have(chain, registry, digest)
    lacking = ", ".join(each.name for each in found if each.lacks)
    names = tuple(each.name for each in found if not each.lacks)
    return names, f"the remote {lacking}" if lacking else None


def where_text(
    weights: WeightsRecord,
    *,
    held: bool,
    upstream: str | None = None,
    remotes: tuple[str, ...] = (),
    lost: str | None = None,
) -> str:
    """Return a text that says where the bytes of weights with a known digest are.

    Args:
        held: the registry has the bytes.
        upstream: name of the upstream registry that has them instead.
        remotes: names of the remotes that should have them, too.
        lost: what to say if no registry has them; None if this one should have them.
    """
    there = f"at the remote {' and '.join(remotes)}" if remotes else ""
    if upstream is not None and (weights.kept or weights.url is None):
        return ", and ".join(filter(None, (f"kept by {upstream}", there)))
    if weights.kept or weights.url is None:
        if held:
            return ", and ".join(filter(None, ("kept here", there)))
        if there:
            return f"{there}; fetched when needed"
        return f"MISSING: {lost or 'the registry should have them; try `localreg repair`'}"
    if weights.uploaded:
        return "uploaded to the URL"
    if weights.url is not None and weights.url.startswith("file://"):
        return "referenced, not copied"
    if held:
        return ", and ".join(filter(None, ("in the cache", there)))
    return f"not in the cache; {f'{there}, fetched' if there else 'downloaded'} when needed"


def shares_bytes(registry: OpenRegistry, digest: str, path: Path) -> bool:
    """Return True if a file is a hard link to the stored bytes of a digest."""
    blob = registry.blobs.path(digest)
    return blob.exists() and path.exists() and blob.samefile(path)
