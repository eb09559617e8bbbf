"""Values that belong to a data set, read back."""

from __future__ import annotations

import json

from localreg.errors import InvalidValueError
from localreg.operations.finding.upstream import Found
from localreg.operations.tasks import artifacts
from localreg.registry import Chain
from localreg.values.records import ArtifactRecord
from localreg.values.urls import is_sha256, safe_filename


def value_of(chain: Chain, found: Found, note: str) -> object:
    """Return the value that a note describes, as it was kept.

    Raises:
        InvalidValueError: the note is not one of localreg.
        CorruptBlobError: its bytes are damaged or missing.
    """
    try:
        said = json.loads(note)
        kind = said["kind"]
        if kind == "text":
            return str(said["text"])
        if kind == "json":
            return json.loads(said["text"])
        digest, size, total = said["digest"], said["size"], said["total"]
        filename, layout = safe_filename(said["filename"]), said["layout"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _strange() from error
    if not (isinstance(digest, str) and is_sha256(digest)) or type(size) is not int or not filename:
        raise _strange()
    details = {"layout": layout if isinstance(layout, dict) else {}}
    record = ArtifactRecord(
        name="metadata",
        kind=str(kind), digest=digest, size=size, total=total if type(total) is int else None,
        filename=filename, details=details, at=0,
    )  # fmt: skip
    path = artifacts.local_path(chain, found.registry, record, extract=record.total is not None)
    return artifacts.load(path, record.kind, details)


def _strange() -> InvalidValueError:
    return InvalidValueError(
        "the metadata of the data set was not written by Dataset.set_metadata; set it again",
        argument="metadata_name",
    )
