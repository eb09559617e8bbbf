"""Values that `Dataset.set_metadata` keeps: small ones as metadata, others as files."""

from __future__ import annotations

import json

from localreg import log, operations
from localreg.values.checks import check_key
from localreg.values.records import Owner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found
    from localreg.registry import Chain

_PREFIX = "dataset.metadata."
_TITLE = "Dataset Metadata"


def keep(chain: Chain, found: Found, value: object, name: object) -> None:
    """Keep a value of a data set under a name."""
    key = check_key("metadata_name", name)
    prepared = operations.tasks.artifacts.prepare(
        chain, key, value, ending=None, serialize=None, move=False
    )
    note: dict[str, object] = {"kind": prepared.kind, "layout": prepared.layout}
    if prepared.kind in ("json", "text"):
        assert prepared.source.stream is not None
        note["text"] = prepared.source.stream.read().decode()
    else:
        held = operations.reports.writing.report_file(
            chain, Owner("model", found.id), _TITLE, f"{key} (file)", 0, prepared.source, keep=1
        )
        note |= {"digest": held.digest, "size": held.size, "total": held.total,
                 "filename": prepared.source.filename}  # fmt: skip
    operations.models.edits.set_metadata(
        chain.first, found.id, f"{_PREFIX}{key}", json.dumps(note, ensure_ascii=False), "json"
    )


def load(chain: Chain, found: Found, name: object) -> object:
    """Return a value of a data set, None and a warning if there is none of this name."""
    key = check_key("metadata_name", name)
    entry = operations.models.reading.metadata_value(found, f"{_PREFIX}{key}")
    if entry is None:
        log.warning("the data set has no metadata %r", key)
        return None
    return operations.datasets.kept_values.value_of(chain, found, entry.value)
