"""Print the local path of a model's weights."""

from __future__ import annotations

from pathlib import Path

import click

from localreg.cli.output import AS_JSON, AS_OF, IN_REGISTRY, MODEL, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import reading
from localreg.operations.weights import local_copies
from localreg.progress import shown_progress
from localreg.registry import Chain
from localreg.values.records import Json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.finding.upstream import Found

ARCHIVE = click.option(
    "--archive", is_flag=True, help="Give a package as an archive, not a folder."
)
FILE = click.option(
    "--file", metavar="PATH", help="Only this file of a package; `localreg files` lists them."
)


@click.command("path")
@MODEL
@FILE
@ARCHIVE
@AS_JSON
@AS_OF
@IN_REGISTRY
def path_command(
    model: str,
    file: str | None,
    archive: bool,
    as_json: bool,
    as_of: str | None,
    directory: str | None,
) -> None:
    """Print the local path of a MODEL's weights.

    Weights that are only at a remote or a URL are downloaded first. The path is a file, or a
    folder for a package. It is read-only if the registry keeps the weights.
    """
    with opened(directory, as_of=as_of) as chain:
        found = resolve_model(chain, model)
        path = local_path(chain, found, file=file, archive=archive)
        if as_json:
            print_json(path_json(found, path))
        else:
            click.echo(path)


def path_json(found: Found, path: Path) -> Json:
    """Return the path of a model's weights, or of one of its files, as JSON values."""
    row = reading.row(found)
    return {"id": row.id, "ref": row.ref, "path": str(path), "folder": path.is_dir()}


def local_path(chain: Chain, found: Found, *, file: str | None, archive: bool) -> Path:
    """Return a file of a model, or the folder of a package; show progress on a terminal.

    Args:
        file: which file of a package; None for the whole.
        archive: give a package as an archive.
    """
    if file is not None and archive:
        raise click.UsageError("--file and --archive exclude each other; give one of them")
    with shown_progress(f"Fetching {reading.row(found).ref}") as progress:
        return local_copies.local_copy(
            chain, found, extract=False if archive else None, file=file, progress=progress
        )
