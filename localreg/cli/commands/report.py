"""Write the page of a model or of a task."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    MODEL,
    OPEN,
    counted,
    opened,
    print_json,
    print_new_page,
    print_page,
    remark,
)
from localreg.cli.owners import model_or_task
from localreg.cli.streams import already
from localreg.operations import reports
from localreg.registry import OpenRegistry
from localreg.values.records import Json, Owner


@click.command("report")
@MODEL
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Write one file with everything in it, to mail to someone; - is stdout. With --images, "
    "the folder of the images.",
)
@click.option("--standalone", is_flag=True, help="Write one file with everything in it.")
@click.option(
    "--images",
    metavar="FORMATS",
    help="Write image files instead of a page: png, svg, pdf, jpg or webp; separate several with "
    "commas. Needs Chrome or Chromium.",
)
@OPEN
@AS_JSON
@IN_REGISTRY
def report_command(
    model: str,
    output: str | None,
    standalone: bool,
    images: str | None,
    show: bool,
    as_json: bool,
    directory: str | None,
) -> None:
    """Write the page of a MODEL or a task, and print its path.

    A task is named by its id. The page shows everything that was reported, what the model
    contains, and where it comes from. It needs no network and no server.
    """
    if images is not None and output == "-":
        raise click.UsageError("--images writes several files; give -o the name of a folder")
    if output == "-" and as_json:
        raise click.UsageError("With -o - the page goes to stdout, so --json cannot be used.")
    with opened(directory) as chain:
        registry, owner = model_or_task(chain, model)
        if images is not None:
            _export(registry, owner, images, output, as_json=as_json)
            return
        if output == "-":
            print_new_page(lambda path: reports.pages.write_page(chain, registry, owner, path=path))
            return
        page = reports.pages.write_page(chain, registry, owner, standalone=standalone, path=output)
    print_page(page, show=show, about=_json(owner) if as_json else None)


def _json(owner: Owner) -> Json:
    return {"kind": owner.kind, "id": owner.id}


def _export(
    registry: OpenRegistry, owner: Owner, formats: str, folder: str | None, *, as_json: bool
) -> None:
    kinds = [each.strip() for each in formats.split(",") if each.strip()]
    written = reports.images.export_images(
        registry, owner, folder or ".", kinds, width=1000, height=600, scale=2
    )
    with already(f"{counted(len(written), 'image')} were written"):
        if as_json:
            print_json({**_json(owner), "images": [str(path) for path in written]})
        else:
            for path in written:
                click.echo(path)
    if not written:
        remark("There are no reports to draw.")
