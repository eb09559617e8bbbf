"""List the files of a model."""

from __future__ import annotations

import sys

import click

from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    MODEL,
    Column,
    counted,
    opened,
    print_json,
    print_table,
    say,
)
from localreg.errors import NoWeightsError
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models import reading
from localreg.operations.weights.files import Files, ModelFile, model_files
from localreg.registry import Chain
from localreg.values.units import amount_text

_DIGITS = 12  # of a digest
COLUMNS = (
    Column("PATH", "path"),
    Column("SIZE", "size"),
    Column("SHA256", "id", 2),
    Column("INSIDE", "text", 1),
)


@click.command("files")
@MODEL
@AS_JSON
@HEADER
@IN_REGISTRY
def files_command(model: str, as_json: bool, directory: str | None) -> None:
    """List the files of a MODEL, and what is inside.

    Of each its path, size, the first digits of its sha256, and what its headers say. A package has
    many; other weights are one file. In a pipe the columns are separated by tabs, and sizes are
    bytes.
    """
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        ref = reading.row(found).ref
        files = known_files(chain, found)
    if as_json:
        print_json(
            {
                "model": ref,
                "bytes": files.total,
                "files": [file_json(each) for each in files.files],
                "folders": list(files.folders),
            }
        )
        return
    rows: list[tuple[object, ...]] = [
        (each.path, each.size, each.digest[:_DIGITS], each.summary) for each in files.files
    ]
    print_table(COLUMNS, rows + [(f"{each}/", 0, "", "empty folder") for each in files.folders])
    if sys.stdout.isatty():
        folders = f", {counted(len(files.folders), 'empty folder')}" if files.folders else ""
        say(f"{amount_text(files.total, len(files.files))}{folders}")


def known_files(chain: Chain, found: Found) -> Files:
    """Return the files of a model's weights.

    Raises:
        NoWeightsError: they are not known.
    """
    files = model_files(chain, found)
    if files is None:
        ref = reading.row(found).ref
        raise NoWeightsError(
            f"the files of {ref} are not known: its weights are not here; `localreg path {ref}` "
            "fetches a download, and adding a folder without --reference keeps its files",
            model=found.id,
        )
    return files


def file_json(file: ModelFile) -> dict[str, object]:
    """Return a file as JSON values."""
    return {
        "path": file.path,
        "size": file.size,
        "digest": file.digest,
        "executable": file.executable,
        "inside": file.facts,
    }
