"""Runs that other programs recorded, brought into a registry: one module a source.

- What comes is a stranger's. A path in it never becomes a path here: it names one of the files that
  were listed before, or nothing.
- It becomes events of an origin of its own, as if another registry had made them, with the times of
  the source. Their ids are computed from what they say. So twice is once, registries that imported
  the same can meet, and a source that has grown brings what is new.
- Bytes come first; then everything in one transaction.
- Nothing is unpickled.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.importers import clearml_session as clearml_session

__getattr__ = modules_of(__name__)
