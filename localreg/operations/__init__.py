"""What can be done to a registry.

Each operation is a function that takes the open registry, checks its arguments before anything
is written, and owns its transaction: all of it happens, or nothing.

What holds for all of them, and is not repeated in their docstrings:

- an argument that cannot be used: InvalidValueError, which names it; nothing was changed;
- a model or task that does not exist (any more): ModelNotFoundError, TaskNotFoundError;
- a write to a read-only registry: ReadOnlyRegistryError;
- a full disk, or one that refuses: StorageError;
- a value that is set again to what it is makes no event.

The topics, each above those it may import: importers, exporters and remotes; carry; reports and
upkeep; data sets; tasks; models; trust; weights; finding.
A module is imported when it is first named, as in ``operations.models.edits.rename(...)``, so
programs start faster.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations import carry as carry
    from localreg.operations import datasets as datasets
    from localreg.operations import exporters as exporters
    from localreg.operations import finding as finding
    from localreg.operations import importers as importers
    from localreg.operations import models as models
    from localreg.operations import remotes as remotes
    from localreg.operations import reports as reports
    from localreg.operations import tasks as tasks
    from localreg.operations import trust as trust
    from localreg.operations import upkeep as upkeep
    from localreg.operations import weights as weights

__getattr__ = modules_of(__name__)
