"""Remotes: push, pull and clone, and the upkeep of what is there.

All registries of a remote agree on one order of events: that in which they came there. So the first
remote of a registry gives places to its events; other remotes are mirrors, which do not.

The decisions that bind this package:

- A push commits with the number after that of the commit up to which all events are here, both read
  in one transaction. So of two that choose the same events, also two processes of one registry, one
  is refused; it pulls, and what it finds there by its id is sent.
- Events, what they are folded to, and the cursor are one transaction. Places of events are set from
  rows that were read in the table, or after a commit that surely succeeded.
- What is at the cursor is known by the id of its commit. If another commit is there, all rows up to
  there are compared. Whoever finds another history changes nothing, and says what to do.
- Nothing is asked of a remote while the lock of the database is held, but by a clone, whose
  registry is used by no other process yet.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.remotes import checkpoints as checkpoints
    from localreg.operations.remotes import cloning as cloning
    from localreg.operations.remotes import names as names
    from localreg.operations.remotes import pulling as pulling
    from localreg.operations.remotes import pushing as pushing
    from localreg.operations.remotes import resetting as resetting

__getattr__ = modules_of(__name__)
