"""Copy weights here that only upstream registries have."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    counted,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
    say,
)
from localreg.cli.streams import already
from localreg.operations.upkeep import adopt
from localreg.progress import shown_progress
from localreg.values.units import size_text


@click.command("adopt")
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def adopt_command(as_json: bool, quiet: bool, directory: str | None) -> int:
    """Copy weights here that only upstream registries have.

    Afterwards the models of this registry need no upstream registry. The exit code is 4 if some
    weights could not be copied.
    """
    with opened(directory) as chain, shown_progress("Adopting") as progress:
        done = adopt.adopt(chain, progress=progress)
    if as_json:
        print_json(record_json(done))
    else:
        with already(f"{counted(len(done.adopted), 'blob')} were copied"):
            print_table(
                (
                    Column("WEIGHTS", "id"),
                    Column("SIZE", "size"),
                    Column("FROM", "path", 2),
                    Column("MODELS", "words", 1),
                ),
                (
                    (each.digest[:12], each.size, each.upstream, each.models)
                    for each in done.adopted
                ),
            )
        for each in done.failed:
            say(f"Not adopted: {each}")
        if done.adopted:
            blobs = counted(len(done.adopted), "blob")
            remark(f"Copied {size_text(done.size)} ({blobs}) to {chain.first.root}.")
        elif not done.failed:
            remark("Nothing to adopt: no weights are only upstream.")
    return CORRUPT if done.failed else 0
