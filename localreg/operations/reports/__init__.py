"""Reports: values in, figures, images and pages out."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.reports import charts as charts
    from localreg.operations.reports import images as images
    from localreg.operations.reports import index_page as index_page
    from localreg.operations.reports import media as media
    from localreg.operations.reports import model_page as model_page
    from localreg.operations.reports import page_links as page_links
    from localreg.operations.reports import pages as pages
    from localreg.operations.reports import reading as reading
    from localreg.operations.reports import task_page as task_page
    from localreg.operations.reports import writing as writing

_MODULES = frozenset(
    "charts images index_page media model_page page_links pages reading task_page writing".split()
)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
