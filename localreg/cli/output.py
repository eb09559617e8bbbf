"""What the commands have in common: opening the registry, and showing things."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import click

from localreg.api import ambient
from localreg.registry import OpenRegistry, open_registry
from localreg.values.records import Json, ModelRecord, WeightsRecord
from localreg.values.urls import public_url

Command = TypeVar("Command", bound=Callable[..., object])

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="Print ids only.")
IN_REGISTRY = click.option("-R", "--registry", metavar="DIR", help="The registry to work on.")

LIMIT = click.option(
    "-l",
    "--limit",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    metavar="N",
    help="0 for all.",
)


@contextmanager
def opened(directory: str | None) -> Iterator[OpenRegistry]:
    """Yield the registry of ``-R``, given before or after the command, else the current one."""
    chosen = directory or click.get_current_context().find_root().obj
    if chosen:
        registry = open_registry(chosen, durability=ambient.default_durability())
    else:
        registry = ambient.open_located()
    try:
        yield registry
    finally:
        registry.close()


def say(text: str) -> None:
    """Print a remark on stderr, where no script reads it."""
    click.echo(text, err=True)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows: a table on a terminal, tab-separated lines elsewhere."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(one_line(cell) for cell in row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", ratio=None, no_wrap=index == 0)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    Console(highlight=False, no_color="NO_COLOR" in os.environ or None).print(table)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values, aligned; several lines of a value stand below each other."""
    shown = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *rest = printable(value).split("\n")
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {first}")
        for line in rest:
            click.echo(f"{' ' * width}  {line}")


def one_line(text: str) -> str:
    """Return text without what would break a line of a table, or a terminal."""
    return printable(text.replace("\n", "⏎").replace("\t", " "))


def printable(text: str) -> str:
    """Return text without control characters, which could steer a terminal."""
    return "".join(
        char if char == "\n" or (char.isprintable() or char == " ") else "\ufffd" for char in text
    )


def served(record: ModelRecord) -> WeightsRecord:
    """Return the weights of a model that are served; an empty record when there are none."""
    return next((each for each in record.weights if each.current), WeightsRecord())


def model_json(record: ModelRecord, registry: OpenRegistry) -> Json:
    """Return a model of a registry as JSON values; URLs without their secrets."""
    weights = served(record)
    return {
        "id": record.id,
        "ref": record.ref,
        "name": record.name,
        "project": record.project.name if record.project else None,
        "version": record.version,
        "aliases": list(record.aliases),
        "tags": list(record.tags),
        "system_tags": list(record.system_tags),
        "published": record.published,
        "archived": record.archived,
        "package": record.package,
        "framework": record.framework,
        "comment": record.comment,
        "metadata": {
            key: {"value": each.value, "type": each.type} for key, each in record.metadata.items()
        },
        "labels": dict(record.labels),
        "config": record.config,
        "task": record.task,
        "parent": record.parent,
        "url": public_url(weights.url) if weights.url else None,
        "filename": weights.filename,
        "digest": weights.digest,
        "size": weights.size,
        "pinned": weights.pinned,
        "kept": weights.kept,
        "created": iso(record.created),
        "updated": iso(record.updated),
        "registry": str(registry.root),
    }


def iso(microseconds: int) -> str:
    """Return a time of a record in ISO 8601, UTC."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat()


def pairs(argument: str, given: Iterable[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` arguments as a dict.

    Raises:
        click.UsageError: one has no "=".
    """
    found: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{argument} takes KEY=VALUE, not {text!r}")
        found[key] = value
    return found
