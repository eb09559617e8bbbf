"""Models: record, import, change, publish, alias, remove and restore them."""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.models import adding as adding
    from localreg.operations.models import aliases as aliases
    from localreg.operations.models import designs as designs
    from localreg.operations.models import details as details
    from localreg.operations.models import diff as diff
    from localreg.operations.models import edits as edits
    from localreg.operations.models import history as history
    from localreg.operations.models import importing as importing
    from localreg.operations.models import lineage as lineage
    from localreg.operations.models import outputs as outputs
    from localreg.operations.models import reading as reading
    from localreg.operations.models import recording as recording
    from localreg.operations.models import removal as removal
    from localreg.operations.models import revisions as revisions

__getattr__ = modules_of(__name__)
