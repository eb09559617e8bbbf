"""Write the overview and the pages of all models and tasks."""

from __future__ import annotations

import click

from localreg.cli.output import AS_JSON, IN_REGISTRY, OPEN, opened, print_page
from localreg.operations import reports


@click.command("site")
@OPEN
@AS_JSON
@IN_REGISTRY
def site_command(show: bool, as_json: bool, directory: str | None) -> None:
    """Write an overview and all pages, and print its path."""
    with opened(directory) as chain:
        page = reports.pages.write_site(chain)
    print_page(page, show=show, about={} if as_json else None)
