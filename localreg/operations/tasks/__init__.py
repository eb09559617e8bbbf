"""Tasks: record, run, search, copy and remove them; their parameters, models and artifacts.

A task that does not exist is a TaskNotFoundError. What means something on any machine goes into
the event log; paths, arguments and the process, which mean something here only, are its "place".
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.tasks import artifacts as artifacts
    from localreg.operations.tasks import asked as asked
    from localreg.operations.tasks import cloning as cloning
    from localreg.operations.tasks import dataframes as dataframes
    from localreg.operations.tasks import details as details
    from localreg.operations.tasks import exported as exported
    from localreg.operations.tasks import fields as fields
    from localreg.operations.tasks import git_state as git_state
    from localreg.operations.tasks import inputs as inputs
    from localreg.operations.tasks import lifecycle as lifecycle
    from localreg.operations.tasks import parameters as parameters
    from localreg.operations.tasks import ranks as ranks
    from localreg.operations.tasks import removal as removal
    from localreg.operations.tasks import rerunning as rerunning
    from localreg.operations.tasks import run_facts as run_facts
    from localreg.operations.tasks import search as search

__getattr__ = modules_of(__name__)
