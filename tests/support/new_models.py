"""Models whose URLs are never fetched, for tests of records."""

from __future__ import annotations

from localreg import InputModel


def imported(name, url=None, **facts):
    """Import a model of a name, at a URL made of the name unless one is given."""
    return InputModel.import_model(url or f"s3://bucket/{name}.pt", name=name, **facts)
