"""Examine a registry and the place where it lies."""

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
)
from localreg.operations.upkeep import doctor


@click.command("doctor")
@AS_JSON
@HEADER
@IN_REGISTRY
def doctor_command(as_json: bool, directory: str | None) -> int:
    """Examine the database, file system, disk space and leftovers.

    The exit code is 1 if you should do something.
    """
    with opened(directory) as chain:
        findings = doctor.examine(chain)
    if as_json:
        print_json([record_json(each) for each in findings])
    else:
        marks = {"ok": "ok", "note": "note", "bad": "BAD"}
        print_table(
            (Column("WHAT", "id"), Column("", "id"), Column("FOUND", "prose")),
            ((each.what, marks[each.state], each.text) for each in findings),
        )
    return 1 if any(each.state == "bad" for each in findings) else 0
