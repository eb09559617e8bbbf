"""Ask the database of the registry in SQL."""

from __future__ import annotations

import json
import math
import sys
from itertools import islice

import click

from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    Column,
    opened,
    print_csv,
    print_table,
    say,
)
from localreg.cli.streams import stdout_is_utf8
from localreg.errors import QueryError, QueryTimeoutError
from localreg.operations.finding import sql
from localreg.operations.finding.sql import Answer
from localreg.values.ids import ID_LENGTH

ROWS_OF_A_TABLE = 1_000


@click.command("sql")
@click.argument("query")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with the names of the columns.")
@click.option(
    "-l",
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    help=f"Print at most N rows; 0 for all. By default {ROWS_OF_A_TABLE:,} of a table, and all of "
    "JSON and CSV.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop the query after this time.",
)
@AS_JSON
@HEADER
@IN_REGISTRY
def sql_command(
    query: str,
    as_csv: bool,
    limit: int | None,
    timeout: float,
    as_json: bool,
    directory: str | None,
) -> None:
    """Ask the database in SQL; nothing can be changed.

    QUERY is one SELECT; - reads it from stdin. The views models, tasks, metrics, parameters,
    metadata, configurations, tags, aliases, inputs and changes are made for it: see `localreg guide
    sql`.
    """
    if as_csv and as_json:
        raise click.UsageError("Choose one of --csv and --json.")
    text = sys.stdin.read() if query == "-" else query
    most = limit if limit is not None else 0 if as_csv or as_json else ROWS_OF_A_TABLE
    with opened(directory) as chain:
        try:
            with sql.query(chain.first, text, seconds=timeout) as answer:
                rows = islice(answer.rows, most or None)
                if as_json:
                    _print_json(Answer(answer.columns, rows))
                elif as_csv:
                    _print_csv(Answer(answer.columns, rows))
                else:
                    _print_table(Answer(answer.columns, rows))
                if most and next(answer.rows, None) is not None:
                    say(f"These are the first {most:,} rows; -l 0 prints all.")
        except QueryTimeoutError:
            raise
        except QueryError as error:
            raise click.UsageError(str(error)) from error


def _print_json(answer: Answer) -> None:
    """Print a list of objects, one on a line, while they are read."""
    names = _different(answer.columns)
    ascii_only = not stdout_is_utf8()
    before = "["
    for row in answer.rows:
        line = dict(zip(names, map(_plain, row), strict=True))
        click.echo(f"{before}\n  {json.dumps(line, ensure_ascii=ascii_only)}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def _different(names: tuple[str, ...]) -> list[str]:
    """Return names of columns that are all different.

    >>> _different(("id", "id", "a"))
    ['id', 'id:2', 'a']
    """
    found: list[str] = []
    for name in names:
        count = 1
        while (f"{name}:{count}" if count > 1 else name) in found:
            count += 1
        found.append(f"{name}:{count}" if count > 1 else name)
    return found


def _print_csv(answer: Answer) -> None:
    print_csv([answer.columns])
    for row in answer.rows:
        print_csv([[each.hex() if isinstance(each, bytes) else each for each in row]])


def _plain(value: object) -> object:
    """Return a value as JSON has it: bytes in hex digits, and no infinity."""
    if isinstance(value, bytes):
        return value.hex()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_table(answer: Answer) -> None:
    rows = [tuple(each.hex() if isinstance(each, bytes) else each for each in row)
            for row in answer.rows]  # fmt: skip
    kinds = [_kind([row[place] for row in rows]) for place in range(len(answer.columns))]
    columns = [Column(name, kind) for name, kind in zip(answer.columns, kinds, strict=True)]
    print_table(columns, [tuple(map(_cell, row)) for row in rows])


def _kind(values: list[object]) -> str:
    """Return how a column of a table is shown: ids and other short words are never cut."""
    texts = [each for each in values if isinstance(each, str)]
    if not texts:
        return "number"
    return (
        "id" if all(len(each) <= ID_LENGTH and len(each.split()) < 2 for each in texts) else "text"
    )


def _cell(value: object) -> str | None:
    return None if value is None else str(value)
