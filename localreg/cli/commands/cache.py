"""List and delete what can be downloaded or unpacked again."""

from __future__ import annotations

from collections.abc import Iterable

import click

from localreg.cli.output import (
    AS_JSON,
    DELETE,
    HEADER,
    IN_REGISTRY,
    SILENT,
    Column,
    iso,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
    say_deleted,
)
from localreg.cli.suggestions import CACHE_SYNONYMS, CommandGroup
from localreg.errors import InvalidValueError
from localreg.operations.upkeep import cache
from localreg.values.records import Json


@click.group("cache", cls=CommandGroup, synonyms=CACHE_SYNONYMS)
def cache_command() -> None:
    """List and delete downloads and unpacked packages.

    The cache holds only what can be downloaded or unpacked again, never weights that the registry
    must keep.
    """


@cache_command.command("ls")
@AS_JSON
@HEADER
@IN_REGISTRY
def ls_command(as_json: bool, directory: str | None) -> None:
    """List the cache, last used first."""
    with opened(directory) as chain:
        found = cache.cached(chain)
    if as_json:
        print_json([_json(each) for each in found])
        return
    _print_cached(found)
    if not found:
        remark("The cache is empty.")


@cache_command.command("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@AS_JSON
@SILENT
@IN_REGISTRY
def rm_command(names: tuple[str, ...], as_json: bool, quiet: bool, directory: str | None) -> None:
    """Delete what NAME, or its first digits, names."""
    with opened(directory) as chain:
        found = [each for name in names for each in cache.remove(chain, name)]
    freed = sum(each.size for each in found)
    if as_json:
        print_json(_pruned_json(cache.Pruned(tuple(found), freed, (), dry_run=False)))
    else:
        say_deleted(len(found), freed, (), dry_run=False)


@cache_command.command("prune")
@click.option("--max-size", metavar="SIZE", help="Keep at most this much, such as 20GB.")
@click.option(
    "--older-than", metavar="TIME", help="Delete what was not used for this long, such as 30d."
)
@click.option("--partials", is_flag=True, help="Delete unfinished downloads.")
@DELETE
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def prune_command(
    max_size: str | None,
    older_than: str | None,
    partials: bool,
    delete: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Delete what was not used for the longest time.

    The exit code is 1 if something could not be deleted.
    """
    if not (max_size or older_than or partials):
        raise click.UsageError("say what to delete: --max-size, --older-than or --partials")
    with opened(directory) as chain:
        try:
            done = cache.prune(
                chain,
                max_size=max_size,
                older_than=older_than,
                partials=partials,
                dry_run=not delete,
            )
        except InvalidValueError as error:
            raise click.UsageError(str(error)) from error
    if as_json:
        print_json(_pruned_json(done))
    else:
        _print_cached(done.deleted)
        say_deleted(len(done.deleted), done.freed, done.failed, dry_run=done.dry_run)
    return 1 if done.failed else 0


def _print_cached(found: Iterable[cache.Cached]) -> None:
    print_table(
        (
            Column("NAME", "id"),
            Column("KIND", "id", 1),
            Column("SIZE", "size"),
            Column("FROM", "path", 3),
            Column("MODELS", "words", 2),
        ),
        ((_name(each), each.kind, each.size, each.source, each.models) for each in found),
    )


def _name(each: cache.Cached) -> str:
    return each.name if each.kind == "partial" else each.name[:12]


def _json(cached: cache.Cached) -> Json:
    return record_json(cached) | {"used": iso(int(cached.used * 1_000_000))}


def _pruned_json(done: cache.Pruned) -> Json:
    return record_json(done) | {"deleted": [_json(each) for each in done.deleted]}
