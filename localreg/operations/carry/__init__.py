"""Carry models to other machines, and through time: bundles, merge, backup, as of, undo.

The decisions that bind this package:

- What arrives is taken in by one transaction, with everything that belongs to it; the bytes come
  before it (`weights.arriving_blobs`). So a kill changes nothing, and the next try goes on.
- An import and a merge are one operation (`arrival`): events that this registry lacks are inserted,
  and what they concern is folded again. It is known by the ids of the events, so what came twice is
  here once, and the source is never written to.
- What came is read back and checked before the commit: a bundle is made by strangers.
- A backup is the whole registry, private places too: it is for the same user. All that its database
  names is in it, though others write meanwhile.
- Nothing private travels in bundles and merges: URLs with secrets, paths of a machine, places of
  tasks.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.carry import as_of as as_of
    from localreg.operations.carry import backup as backup
    from localreg.operations.carry import container_registries as container_registries
    from localreg.operations.carry import export as export
    from localreg.operations.carry import import_bundle as import_bundle
    from localreg.operations.carry import merge as merge
    from localreg.operations.carry import selection as selection
    from localreg.operations.carry import undo as undo

__getattr__ = modules_of(__name__)
