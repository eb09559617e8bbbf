"""Show what takes space."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    Column,
    opened,
    print_json,
    print_table,
    record_json,
    say,
)
from localreg.operations.upkeep import du
from localreg.values.units import size_text


@click.command("du")
@click.option(
    "--by",
    type=click.Choice(["project", "model", "blob"]),
    default="project",
    show_default=True,
    help="What the lines are.",
)
@AS_JSON
@HEADER
@IN_REGISTRY
def du_command(by: str, as_json: bool, directory: str | None) -> None:
    """Show what takes space.

    SIZE counts weights in every line that has them. ALONE counts those that no other line has:
    what its removal would free.
    """
    with opened(directory) as chain:
        found = du.usage(chain.first)
    if as_json:
        print_json(record_json(found) | {"total": found.total})
        return
    shares = {"project": found.projects, "model": found.lines, "blob": found.blobs}[by]
    print_table(
        (
            Column(by.upper(), "name"),
            Column("SIZE", "size"),
            Column("ALONE", "size", 1),
            Column("BLOBS", "number", 3),
            Column("VERSIONS", "number", 2),
        ),
        ((each.name, each.size, each.alone, each.blobs, each.models) for each in shares),
    )
    parts = {
        "kept": found.kept,
        "cache": found.cached,
        "local copies": found.copies,
        "unpacked": found.trees,
        "in no model": found.unused,
        "temporary": found.temporary,
        "database": found.database,
    }
    sizes = ", ".join(f"{name} {size_text(size)}" for name, size in parts.items() if size)
    say(f"Total {size_text(found.total)}: {sizes}.")
    if found.upstream:
        say(f"Kept only upstream: {size_text(found.upstream)}.")
