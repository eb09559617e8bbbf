"""Finding what something is reported to."""

from __future__ import annotations

from localreg.errors import ModelNotFoundError, TaskNotFoundError
from localreg.store.rows import report_rows
from localreg.store.rows.report_rows import Connection
from localreg.values.records import Owner


def owner_key(connection: Connection, owner: Owner) -> int:
    """Return the key of what something is reported to.

    Raises:
        ModelNotFoundError, TaskNotFoundError: it is gone.
    """
    found = report_rows.owner_pk(connection, owner)
    if found is None:
        kind = ModelNotFoundError if owner.kind == "model" else TaskNotFoundError
        raise kind(
            f"nothing can be reported to {owner.kind} {owner.id}: it is not in the registry",
            reference=owner.id,
        )
    return found
