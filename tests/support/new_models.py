"""Models whose URLs are never fetched, for tests of records."""

from __future__ import annotations

from itertools import count

from localreg import InputModel

_numbers = count()


def imported(name, url=None, **facts):
    """Import a model of a name, at a URL made of the name unless one is given."""
    return InputModel.import_model(url or f"s3://bucket/{name}.pt", name=name, **facts)


def new(name="resnet", project="vision", **facts):
    """Import a model at a URL that no other model has: the next version of its name."""
    url = f"s3://bucket/{next(_numbers)}.pt"
    return InputModel.import_model(url, name=name, project=project, **facts)
