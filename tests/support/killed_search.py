"""Searches that are killed: the first one, and one after changes; for `support.kills`."""

from __future__ import annotations

from localreg import Registry
from localreg.filesystem import temporary_owners


def _searched():
    registry = Registry("registry", durability="fast")
    temporary_owners.owner_mark()  # it reads files of the system, once

    def call():
        registry.search("net", limit=None)

    return call


CALLS = {"search": _searched}
