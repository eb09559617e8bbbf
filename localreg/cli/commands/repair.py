"""Verify, and repair what is damaged."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    CORRUPT,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    opened,
    print_json,
    print_problems,
    print_table,
    problem_place,
    record_json,
    remark,
    say,
)
from localreg.operations.upkeep import repair
from localreg.progress import shown_progress


@click.command("repair")
@click.option("--full", is_flag=True, help="Hash every byte first.")
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def repair_command(full: bool, as_json: bool, quiet: bool, directory: str | None) -> int:
    """Verify, and replace damaged weights by good copies.

    Good copies are looked for among local copies, upstream, at the original path and at the URL.
    Damaged files are moved to the folder quarantine of the registry. The exit code is 4 if
    something is lost.
    """
    with opened(directory) as chain, shown_progress("Verifying") as progress:
        done = repair.repair(chain, full=full, progress=progress)
    if as_json:
        print_json(record_json(done))
    else:
        mended = ((problem_place(each.problem), each.how) for each in done.mended)
        print_table((Column("REPAIRED", "path"), Column("HOW", "prose")), mended)
        print_problems(done.lost)
        if done.lost:
            _say_what_is_lost(done)
        elif done.mended:
            remark(f"{len(done.mended)} repaired, nothing lost.")
        else:
            remark("Nothing to repair.")
    return CORRUPT if done.lost else 0


def _say_what_is_lost(done: repair.Repair) -> None:
    database = sum(each.digest is None for each in done.lost)
    weights = len(done.lost) - database
    if weights:
        say(
            f"{len(done.mended)} repaired, {weights} lost: no source has the right bytes. "
            "`localreg add` of the same file brings them back."
        )
    if database:
        say("The database cannot be repaired: restore the registry from a backup.")
