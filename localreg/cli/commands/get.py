"""Copy a model's weights out of the registry."""

from __future__ import annotations

import os
from pathlib import Path

import click

from localreg.cli.commands.path import ARCHIVE, FILE, local_path, path_json
from localreg.cli.output import AS_JSON, AS_OF, IN_REGISTRY, MODEL, opened, print_file, print_json
from localreg.cli.streams import already, print_bytes
from localreg.errors import PathExistsError
from localreg.filesystem.given_paths import absolute
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.weights import local_copies
from localreg.registry import Chain


@click.command("get")
@MODEL
@click.option(
    "-o",
    "--output",
    default=".",
    metavar="PATH",
    help="A folder, or the name of a new file; - is stdout.",
)
@click.option("-f", "--force", is_flag=True, help="Replace a file that exists.")
@FILE
@ARCHIVE
@click.option("--signature", is_flag=True, help="Copy the signature of the weights instead.")
@AS_JSON
@AS_OF
@IN_REGISTRY
def get_command(
    model: str,
    output: str,
    force: bool,
    file: str | None,
    archive: bool,
    signature: bool,
    as_json: bool,
    as_of: str | None,
    directory: str | None,
) -> None:
    """Copy a MODEL's weights to a file or folder of yours.

    By default the copy is in the working directory and has the original name. You may change it.
    A package becomes a folder. The signature is a file for `model_signing verify`, model.sig.
    """
    if output == "-" and as_json:
        raise click.UsageError("With -o - the weights go to stdout, so --json cannot be used.")
    with opened(directory, as_of=as_of) as chain:
        found = resolve_model(chain, model)
        if signature:
            if file is not None or archive:
                raise click.UsageError("--signature copies no weights: leave --file out.")
            _copy_signature(chain, found, output, force=force, as_json=as_json)
            return
        source = local_path(chain, found, file=file, archive=archive)
        if output == "-":
            _print_file(source)
            return
        place = Path(output)
        if place.is_dir() and source.is_dir() and output[-1:] not in ("/", os.sep, "."):
            raise PathExistsError(
                f"{place} exists already; write {place}/ to put the package into it",
                path=str(place),
            )
        if place.is_dir() or output.endswith(("/", os.sep)):
            name = file and file.rstrip("/").rpartition("/")[2]
            place /= name or local_copies.own_name(chain, found, source)
        if os.path.lexists(place) and not force:
            remedy = "delete it first" if source.is_dir() or place.is_dir() else "-f replaces it"
            raise PathExistsError(f"{place} exists already; {remedy}", path=str(place))
        local_copies.copy_to(
            chain,
            source,
            absolute("--output", place),
            replace=force,
            executable=local_copies.is_executable(chain, found, file),
        )
        done = path_json(found, place)
    with already(f"{place} was written"):
        if as_json:
            print_json(done)
        else:
            click.echo(place)


def _copy_signature(chain: Chain, found: Found, output: str, *, force: bool, as_json: bool) -> None:
    from localreg.operations.trust import keys, signing

    data = signing.signature_file(chain, found, keys.trusted_keys_of(chain))
    if output == "-":
        print_bytes(data)
        return
    place = signing.write_signature(found, output, data, replace=force)
    with already(f"{place} was written"):
        if as_json:
            print_json(path_json(found, place))
        else:
            click.echo(place)


def _print_file(source: Path) -> None:
    """Write a file to stdout, byte by byte."""
    if source.is_dir():
        raise click.UsageError(
            "a package is a folder; to stdout goes one file of it (--file), or all as an archive "
            "(--archive)"
        )
    print_file(source)
