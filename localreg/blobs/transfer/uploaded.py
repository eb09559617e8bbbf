"""What an upload came to, whatever kind of place it went to."""

from __future__ import annotations

from localreg.values.frozen import Frozen


class Uploaded(Frozen):
    """An object at a destination.

    Attributes:
        url: where it is.
        digest: sha256 of its bytes.
        size: how many they are.
        made: whether this upload put it there, and not one before.
        etag: what the server calls this version of it; None of a file.
    """

    url: str
    digest: str
    size: int
    made: bool
    etag: str | None = None
