"""The full record of one model, and where the bytes of its weights are."""

from __future__ import annotations

from pathlib import Path

from localreg.operations.finding.references import require_model
from localreg.operations.weights.files import file_counts
from localreg.operations.weights.locations import holder, upstream_state
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import blob_rows, model_rows
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
        record = model_rows.record(connection, found.id)
        assert record is not None
        weights = record.current_weights
        digest = weights.digest
        if digest is None:
            return Details(record, weights, None, None, None, None)
        blob = blob_rows.blob(connection, digest)
    held = holder(chain, digest, weights.size)
    if blob is not None and blob.upstream is not None:
        missing: str | None = upstream_state(chain, blob.upstream, digest)
    else:
        missing = found.registry.why_gone(digest) if held is None else None
    return Details(
        record=record,
        weights=weights,
        holder=held,
        missing=missing,
        verified=blob.verified if blob else None,
        facts=blob.facts if blob else None,
        files=file_counts(chain, [digest]).get(digest) if weights.tree else None,
    )


def where_text(
    weights: WeightsRecord, *, held: bool, upstream: str | None = None, lost: str | None = None
) -> str:
    """Return a text that says where the bytes of weights with a known digest are.

    Args:
        held: the registry has the bytes.
        upstream: name of the upstream registry that has them instead.
        lost: what to say if no registry has them; None if this one should have them.
    """
    if upstream is not None and (weights.kept or weights.url is None):
        return f"kept by {upstream}"
    if weights.kept:
        if held:
            return "kept here"
        return f"MISSING: {lost or 'the registry should have them; try `localreg repair`'}"
    if weights.uploaded:
        return "uploaded to the URL"
    if weights.url is not None and weights.url.startswith("file://"):
        return "referenced, not copied"
    return "in the cache" if held else "not in the cache; downloaded when needed"


def shares_bytes(registry: OpenRegistry, digest: str, path: Path) -> bool:
    """Return True if a file is a hard link to the stored bytes of a digest."""
    blob = registry.blobs.path(digest)
    return blob.exists() and path.exists() and blob.samefile(path)
