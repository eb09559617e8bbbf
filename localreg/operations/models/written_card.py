"""The model card that somebody wrote: a metadata entry, or the README.md of a package."""

from __future__ import annotations

import hashlib
import re

from localreg.errors import StorageError
from localreg.filesystem.disk_errors import disk_errors
from localreg.filesystem.plain_files import content_of
from localreg.operations.finding.upstream import Found, read_each
from localreg.operations.weights.locations import holder
from localreg.operations.weights.trusted import trust_of, why_untrusted
from localreg.registry import Chain, OpenRegistry
from localreg.store.rows import tree_rows
from localreg.values.frozen import Frozen
from localreg.values.records import ModelRecord, WeightsRecord
from localreg.values.secrets import masked_text

CARD = "card"  # the key of the metadata entry
README = "README.md"
LONGEST = 1_000_000  # bytes of a README that is read
_HEAD = re.compile(r"\A---[ \t]*\r?\n(.*?\r?\n)??(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)


class WrittenCard(Frozen):
    """A card in Markdown; URLs in it have no secrets.

    Attributes:
        head: the YAML head, without its lines of dashes; "" without one.
        text: the rest.
        source: where it is: `CARD` or `README`.
    """

    head: str
    text: str
    source: str


def written_card(chain: Chain, registry: OpenRegistry, record: ModelRecord) -> WrittenCard | None:
    """Return the card of a model, or None if it has none, or none whose bytes are here.

    A README.md is no card if only signed weights are given out, and no trusted key signed it.

    Args:
        registry: the registry that has the model.
    """
    entry = record.metadata.get(CARD)
    if entry is not None and entry.value.strip():
        return WrittenCard(*split_head(masked_text(entry.value)), CARD)
    weights = record.current_weights
    if not weights.tree or weights.digest is None:
        return None
    package = weights.digest
    files = (file for _, file in read_each(chain, lambda one: tree_rows.file(one, package, README)))
    file = next((each for each in files if each is not None), None)
    if file is None or file.size > LONGEST:
        return None
    found = holder(chain, file.digest, file.size)
    if found is None or not _is_given_out(chain, Found(registry, record.id), weights):
        return None
    try:
        with disk_errors("reading a model card", found.root):
            data = content_of(found.blobs.blob(file.digest), file.size)
    except StorageError:  # the model has other sides; `localreg verify` says what is wrong
        return None
    if found != chain.first and hashlib.sha256(data or b"").hexdigest() != file.digest:
        return None  # somebody changed it upstream
    text = (data or b"").decode("utf-8", "replace")
    return WrittenCard(*split_head(masked_text(text)), README) if text.strip() else None


def _is_given_out(chain: Chain, found: Found, weights: WeightsRecord) -> bool:
    trust = trust_of(chain)
    return (
        trust is None
        or not trust.enforced
        or why_untrusted(chain, trust, found, weights, only_here=True) is None
    )


def split_head(text: str) -> tuple[str, str]:
    r"""Return the YAML head of a card, without its lines of dashes, and the rest.

    >>> split_head("---\nlicense: mit\n---\n# Card"), split_head("# Card")
    (('license: mit\n', '# Card'), ('', '# Card'))
    """
    text = text.removeprefix("\ufeff")
    found = _HEAD.match(text)
    return (found[1] or "", text[found.end() :]) if found else ("", text)
