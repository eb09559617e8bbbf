"""Print what a collection of garbage deleted, or would delete."""

from __future__ import annotations

from collections.abc import Iterable

import click

from localreg.cli.output import Column, print_table, remark
from localreg.errors import InvalidValueError
from localreg.values.ids import now
from localreg.values.units import moment, parse_span, size_text, span_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from localreg.operations.upkeep.gc import Garbage


def grace_seconds(text: str) -> float:
    """Return the value of ``--grace`` in seconds."""
    try:
        return parse_span(int(text) if text.isdecimal() else text)
    except InvalidValueError as error:
        raise click.UsageError(f"--grace: {error}") from error


def print_garbage(garbage: Iterable[Garbage]) -> None:
    """Print what nothing needs."""
    print_table(
        (
            Column("KIND", "id"),
            Column("SIZE", "size"),
            Column("FILE", "path"),
            Column("WHY", "prose", 1),
        ),
        ((each.kind, each.size, each.path, each.why) for each in garbage),
    )


def say_waiting(size: int, next_due: datetime | None) -> None:
    """Say what is in its grace period, if something is."""
    if next_due is None:
        return
    due = int(next_due.timestamp() * 1_000_000)
    remark(
        f"{size_text(size)} wait for the end of the grace period: the first can be deleted from "
        f"{moment(due)} UTC on, in {span_text((due - now()) / 1e6)}."
    )
