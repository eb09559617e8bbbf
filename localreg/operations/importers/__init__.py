"""What other programs recorded, brought into a registry: one module a source.

A module reads one kind of source, and yields values (`found`); `bringing` records them. A source is
only read, in one pass, and nothing in it is executed.

- What comes is a stranger's. A path in it never becomes a path here: it names a file inside of the
  source (`source_files`), or it is an error.
- It becomes events of an origin of its own, as if another registry had made them, with the times of
  the source. Their ids are computed from what they say. So twice is once, registries that imported
  the same can meet, and a source that has grown brings what is new.
- The event that creates a task or model has its id in every registry: only what the source never
  changes belongs into it. Everything else is an event of its own.
- Bytes come first; then everything in one transaction.
- Memory does not grow with the source: what comes waits in temporary files.
- Nothing is unpickled.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers import clearml_session as clearml_session
    from localreg.operations.importers import kinds as kinds
    from localreg.operations.importers import mlflow_store as mlflow_store

__getattr__ = modules_of(__name__)
