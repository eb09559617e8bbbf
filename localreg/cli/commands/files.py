"""List the files of a model."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    MODEL,
    counted,
    cut_end,
    cut_middle,
    one_line,
    opened,
    print_json,
    say,
    terminal_width,
)
from localreg.errors import NoWeightsError
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models import reading
from localreg.operations.weights.files import Files, ModelFile, model_files
from localreg.registry import Chain
from localreg.values.units import amount_text, size_text

_DIGITS = 12  # of a digest


@click.command("files")
@MODEL
@AS_JSON
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
    elif sys.stdout.isatty():
        _print_table(files)
        folders = f", {counted(len(files.folders), 'empty folder')}" if files.folders else ""
        say(f"{amount_text(files.total, len(files.files))}{folders}")
    else:
        for each in files.files:
            cells = (each.path, str(each.size), each.digest[:_DIGITS], each.summary)
            click.echo("\t".join(map(one_line, cells)))
        for folder in files.folders:
            click.echo(f"{one_line(folder)}/\t0\t\tempty folder")


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


def _print_table(files: Files) -> None:
    """Print one line for each file, cut to the width of the terminal."""
    longest = max((len(path) for path in _paths(files)), default=4)
    most = max((len(each.summary) for each in files.files), default=0)
    room = terminal_width() - _DIGITS - 3 * 2 - 8
    # Paths take what they need, but leave some room to what is inside, if that needs it.
    path_width = max(min(longest, max(room - most, room * 3 // 5)), 4)
    inside_width = room - path_width
    heads = ("PATH".ljust(path_width), "    SIZE", "SHA256".ljust(_DIGITS), "INSIDE")
    click.echo(click.style("  ".join(heads).rstrip(), bold=True))
    for path, size, digest, inside in _rows(files):
        cells = (
            cut_middle(one_line(path), path_width).ljust(path_width),
            size.rjust(8),
            digest.ljust(_DIGITS),
            cut_end(one_line(inside), inside_width),
        )
        click.echo("  ".join(cells).rstrip())


def _rows(files: Files) -> Iterator[tuple[str, str, str, str]]:
    for each in files.files:
        yield each.path, size_text(each.size), each.digest[:_DIGITS], each.summary
    for folder in files.folders:
        yield f"{folder}/", "", "", "empty folder"


def _paths(files: Files) -> Iterable[str]:
    return (path for path, *_ in _rows(files))
