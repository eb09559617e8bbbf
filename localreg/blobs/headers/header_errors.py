"""The errors of reading headers; `contents.inside` reports them as facts."""

from __future__ import annotations


class HeaderError(ValueError):
    """A header is invalid; the text says why."""


class TooLongError(HeaderError):
    """A header may be valid, but reading it would take too long; the text says why."""
