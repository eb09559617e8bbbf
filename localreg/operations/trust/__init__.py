"""Signatures, trusted keys, and the gates of aliases.

- A signature is a file in the format of OpenSSF Model Signing (OMS): a Sigstore bundle with an
  in-toto statement that lists the files of a model and their sha256. The registry knows these, so
  nothing is hashed again. It is kept as a blob, and recorded by an event, `model.signed`: it goes
  wherever the model goes. Nothing takes a signature back; what counts is who is trusted.
- Which keys are trusted is a matter of each registry. Trust never comes with a bundle, a merge or
  a remote.
- A gate says what a model must have before an alias may point to it. Who sets the alias checks
  that, in the transaction which sets it, and the event names the gate that was passed, or the
  reason why it was overridden. An alias that was set without this, by another registry that did not
  know the gate, is held: it leads to no model until it was checked here.

Bytes are given out below, in `operations/weights/`, so the check of signatures is there.
"""

from __future__ import annotations

from localreg.lazy import modules_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.trust import gates as gates
    from localreg.operations.trust import keys as keys
    from localreg.operations.trust import signing as signing

__getattr__ = modules_of(__name__)
