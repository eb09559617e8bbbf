"""Paths of pages, and the links from one to another."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from localreg.filesystem.plain_files import discard
from localreg.pages.page_values import Link
from localreg.registry import OpenRegistry
from localreg.values.frozen import Frozen
from localreg.values.layout import REPORTS
from localreg.values.records import Owner

INDEX = "index.html"


class Site(Frozen):
    """The pages of a registry, as the targets of links on one page.

    Attributes:
        folder: the folder of all pages.
        planned: pages that are being written now, such as ``models/<id>.html``.
        root: relative path from the page to `folder`, "" or "../"; None for a standalone page,
            which has no links to other pages.
    """

    folder: Path
    planned: frozenset[str] = frozenset()
    root: str | None = "../"

    def page(self, kind: str, owner_id: str) -> str | None:
        """Return the link to the page of a model or task, or None if it has no page."""
        return self._link(page_name(kind, owner_id))

    def index(self) -> str | None:
        """Return the link to the overview, or None if there is no overview."""
        return self._link(INDEX)

    def project(self, name: str) -> Link:
        """Return a project's name with a link to its models in the overview."""
        index = self.index()
        return Link(name, None if index is None else f"{index}#project={quote(name)}")

    def _link(self, name: str) -> str | None:
        if self.root is None:
            return None
        exists = name in self.planned or os.path.isfile(f"{self.folder}/{name}")  # noqa: PTH113
        return f"{self.root}{name}" if exists else None


def page_name(kind: str, owner_id: str) -> str:
    """Return the path of the page of a model or task, relative to the folder of the pages.

    >>> page_name("model", "0123")
    'models/0123.html'
    """
    return f"{kind}s/{owner_id}.html"


def reports_folder(registry: OpenRegistry) -> Path:
    """Return the folder of a registry's pages, which may not exist yet."""
    return registry.root / REPORTS


def delete_page(registry: OpenRegistry, owner: Owner) -> None:
    """Delete the page of a model or task that was removed, if there is one."""
    discard(reports_folder(registry) / page_name(owner.kind, owner.id))
