"""Commands that write pages and images: report, site, compare."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from localreg.cli.output import IN_REGISTRY, opened, say
from localreg.errors import ModelNotFoundError
from localreg.operations.finding.references import resolve_model
from localreg.operations.reports import images as imaging
from localreg.operations.reports import pages
from localreg.registry import OpenRegistry
from localreg.store.rows import model_rows
from localreg.values.records import Owner

OPEN = click.option("--open", "show", is_flag=True, help="Open it in the browser.")


@click.command("report")
@click.argument("model")
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Write one file with everything in it there, to mail to someone; with --images, the "
    "folder of the images.",
)
@click.option("--standalone", is_flag=True, help="One file with everything in it.")
@click.option(
    "--images",
    metavar="FORMATS",
    help="Image files instead of a page: png, svg, pdf, jpg or webp, several with commas. Needs "
    "Chrome or Chromium.",
)
@OPEN
@IN_REGISTRY
def report_command(
    model: str,
    output: str | None,
    standalone: bool,
    images: str | None,
    show: bool,
    registry: str | None,
) -> None:
    """Write the page of a MODEL, or of a task by its id, and print where it is.

    Everything that was reported to it is there, what it is made of, and where it comes from. It
    needs no network and no server.
    """
    with opened(registry) as target:
        home, owner = _owner(target, model)
        if images is not None:
            _export(home, owner, images, output)
            return
        page = pages.write_page(home, owner, standalone=standalone, path=output)
    _tell(page, show)


def _owner(registry: OpenRegistry, reference: str) -> tuple[OpenRegistry, Owner]:
    """Return the model, or else the task, that a reference names, and whose it is."""
    try:
        found = resolve_model(registry, reference)
        return found.registry, Owner("model", found.id)
    except ModelNotFoundError:
        with registry.store.read() as connection:
            tasks = model_rows.with_prefix(connection, "task", reference) if reference else []
        if len(tasks) == 1 and len(reference) >= 6:
            return registry, Owner("task", tasks[0])
        raise


def _export(registry: OpenRegistry, owner: Owner, formats: str, folder: str | None) -> None:
    kinds = [each.strip() for each in formats.split(",") if each.strip()]
    written = imaging.export_images(
        registry, owner, folder or ".", kinds, width=1000, height=600, scale=2
    )
    for path in written:
        click.echo(path)
    if not written:
        say("Nothing that could be drawn was reported to it.")


@click.command("site")
@OPEN
@IN_REGISTRY
def site_command(show: bool, registry: str | None) -> None:
    """Write the overview of all models and tasks, and their pages; print where it is."""
    with opened(registry) as target:
        page = pages.write_site(target)
    _tell(page, show)


@click.command("compare")
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@click.option("-o", "--output", metavar="FILE", help="Write one file with everything in it there.")
@OPEN
@IN_REGISTRY
def compare_command(
    models: tuple[str, ...], output: str | None, show: bool, registry: str | None
) -> None:
    """Write a page that shows 2 to 6 MODELs side by side, and print where it is."""
    with opened(registry) as target:
        found = [resolve_model(target, each) for each in models]
        page = pages.write_comparison(target, found, output)
    _tell(page, show)


def _tell(page: Path, show: bool) -> None:
    click.echo(page)
    if show and not webbrowser.open(page.as_uri()):
        say("No browser could be opened; open the file above in one.")
