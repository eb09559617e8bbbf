"""Write a page that compares models."""

from __future__ import annotations

import click

from localreg.cli.output import AS_JSON, IN_REGISTRY, OPEN, opened, print_new_page, print_page
from localreg.operations import reports
from localreg.operations.finding.references import resolve_model


@click.command("compare")
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@click.option(
    "-o", "--output", metavar="FILE", help="Write one file with everything in it; - is stdout."
)
@OPEN
@AS_JSON
@IN_REGISTRY
def compare_command(
    models: tuple[str, ...],
    output: str | None,
    show: bool,
    as_json: bool,
    directory: str | None,
) -> None:
    """Write a page that compares 2 to 6 models, and print its path."""
    if output == "-" and as_json:
        raise click.UsageError("With -o - the page goes to stdout, so --json cannot be used.")
    with opened(directory) as chain:
        found = [resolve_model(chain, each) for each in models]
        if output == "-":
            print_new_page(lambda path: reports.pages.write_comparison(chain, found, path))
            return
        page = reports.pages.write_comparison(chain, found, output)
    print_page(page, show=show, about={"models": [each.id for each in found]} if as_json else None)
