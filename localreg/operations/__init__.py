"""What can be done to a registry.

Each operation is a function that takes the open registry, checks its arguments before anything
is written, and owns its transaction: it happens whole, or not at all.

A module of this package is imported when it is first named: ``operations.edits.rename(...)``.
Programs start faster for it, and most need few of them.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations import adding as adding
    from localreg.operations import adopting as adopting
    from localreg.operations import aliases as aliases
    from localreg.operations import artifacts as artifacts
    from localreg.operations import caching as caching
    from localreg.operations import catalog as catalog
    from localreg.operations import chain as chain
    from localreg.operations import charting as charting
    from localreg.operations import checkup as checkup
    from localreg.operations import collecting as collecting
    from localreg.operations import creation as creation
    from localreg.operations import edits as edits
    from localreg.operations import fetching as fetching
    from localreg.operations import history as history
    from localreg.operations import imaging as imaging
    from localreg.operations import ingest as ingest
    from localreg.operations import labels as labels
    from localreg.operations import lineage as lineage
    from localreg.operations import lookup as lookup
    from localreg.operations import media as media
    from localreg.operations import outputs as outputs
    from localreg.operations import parameters as parameters
    from localreg.operations import publishing as publishing
    from localreg.operations import removal as removal
    from localreg.operations import repairing as repairing
    from localreg.operations import reported as reported
    from localreg.operations import reporting as reporting
    from localreg.operations import revising as revising
    from localreg.operations import runs as runs
    from localreg.operations import searching as searching
    from localreg.operations import sharing as sharing
    from localreg.operations import tabling as tabling
    from localreg.operations import task_copies as task_copies
    from localreg.operations import task_inputs as task_inputs
    from localreg.operations import tracking as tracking
    from localreg.operations import uploading as uploading
    from localreg.operations import usage as usage
    from localreg.operations import verifying as verifying
    from localreg.operations import weights as weights

_MODULES = frozenset(
    "adding adopting aliases artifacts caching catalog chain charting checkup collecting creation "
    "edits fetching history imaging ingest labels lineage lookup media outputs parameters "
    "publishing removal repairing reported reporting revising runs searching sharing tabling "
    "task_copies task_inputs tracking uploading usage verifying weights".split()
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
