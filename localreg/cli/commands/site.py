"""Write the overview and the pages of all models and tasks."""

from __future__ import annotations

import click

from localreg.cli.output import AS_JSON, IN_REGISTRY, OPEN, opened, print_page
from localreg.operations import reports


@click.command("site")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Write the pages of all models and tasks, not only of the 2,000 that changed last.",
)
@OPEN
@AS_JSON
@IN_REGISTRY
def site_command(everything: bool, show: bool, as_json: bool, directory: str | None) -> None:
    """Write an overview and all pages, and print its path."""
    with opened(directory) as chain:
        page = reports.pages.write_site(chain, None if everything else reports.pages.PAGES)
    print_page(page, show=show, about={} if as_json else None)
