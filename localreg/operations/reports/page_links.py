"""Where pages are, and which of them there are to lead to."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from localreg.pages.page_values import Link
from localreg.registry import OpenRegistry
from localreg.values.frozen import Frozen

REPORTS = "reports"
INDEX = "index.html"


class Site(Frozen):
    """The pages of a registry, as one page sees them.

    Attributes:
        folder: where all of them are.
        planned: those that are being written now, such as ``models/<id>.html``.
        root: the way from the page to `folder`: "" or "../"; None for a page that stands alone
            and leads nowhere.
    """

    folder: Path
    planned: frozenset[str] = frozenset()
    root: str | None = "../"

    def page(self, kind: str, owner_id: str) -> str | None:
        """Return the way to the page of a model or task, None when there is none."""
        return self._way(page_name(kind, owner_id))

    def index(self) -> str | None:
        """Return the way to the overview, None when there is none."""
        return self._way(INDEX)

    def project(self, name: str) -> Link:
        """Return a project's name, which leads to its models in the overview."""
        index = self.index()
        return Link(name, None if index is None else f"{index}#project={quote(name)}")

    def _way(self, name: str) -> str | None:
        if self.root is None:
            return None
        there = name in self.planned or os.path.isfile(f"{self.folder}/{name}")  # noqa: PTH113
        return f"{self.root}{name}" if there else None


def page_name(kind: str, owner_id: str) -> str:
    """Return the name of the page of a model or task, below the folder of the pages.

    >>> page_name("model", "0123")
    'models/0123.html'
    """
    return f"{kind}s/{owner_id}.html"


def reports_folder(registry: OpenRegistry) -> Path:
    """Return the folder of a registry's pages, which need not be there."""
    return registry.root / REPORTS
