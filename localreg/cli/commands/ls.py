"""List models."""

from __future__ import annotations

from collections.abc import Mapping

import click

from localreg.cli.output import (
    AS_JSON,
    AS_OF,
    HEADER,
    IN_REGISTRY,
    LIMIT,
    QUIET,
    Column,
    model_json,
    model_state,
    opened,
    pairs,
    print_json,
    print_table,
    say,
)
from localreg.operations.finding import queries
from localreg.operations.finding.upstream import records, search
from localreg.operations.weights.files import file_counts
from localreg.registry import Chain, OpenRegistry
from localreg.values.records import ModelRecord

COLUMNS = (
    Column("MODEL", "name"),
    Column("ALIASES", "words", 2),
    Column("TAGS", "words", 3),
    Column("FRAMEWORK", "text", 6),
    Column("FILES", "number", 7),
    Column("SIZE", "size", 4),
    Column("STATE", "words", 5),
    Column("UPDATED", "time", 1),
    Column("ID", "id"),
)


@click.command("ls")
@click.argument("name", required=False)
@click.option("-p", "--project", metavar="NAME", help="Only models of this project.")
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="Only models with one of these tags; with -TAG, models without it. Operators are those "
    "of query_models: -t '__$all' -t a -t b.",
)
@click.option("-m", "--meta", multiple=True, metavar="KEY=VALUE", help="Only with this metadata.")
@click.option("--published", is_flag=True, help="Only published models.")
@click.option("-a", "--archived", is_flag=True, help="Archived models too.")
@click.option(
    "--sort",
    default="updated",
    show_default=True,
    metavar="KEY",
    help="updated, created, name, or metric:TITLE/SERIES with the best first, which leaves out "
    "models without that metric. -KEY puts the greatest first, +KEY the least.",
)
@LIMIT
@AS_JSON
@QUIET
@AS_OF
@HEADER
@IN_REGISTRY
def ls_command(
    name: str | None,
    project: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    published: bool,
    archived: bool,
    sort: str,
    limit: int,
    as_json: bool,
    quiet: bool,
    as_of: str | None,
    directory: str | None,
) -> None:
    """List models, last updated first.

    NAME is a model's name, or project/name.
    """
    if name and "/" in name and project is None:
        project, _, name = name.rpartition("/")
    query = queries.check_query(
        project=project,
        name=name or None,
        tags=list(tags),
        metadata=pairs("--meta", meta),
        published=published,
        archived=archived,
        limit=limit + 1 if limit else None,
        order=_order(sort),
    )
    with opened(directory, as_of=as_of) as chain:
        found = search(chain, query)
        shown = found[:limit] if limit else found
        if quiet:
            for each in shown:
                click.echo(each.id)
        elif as_json:
            print_json([model_json(record, registry) for registry, record in records(chain, shown)])
        else:
            _print_models(chain, records(chain, shown))
    if len(found) > len(shown):
        say(f"These are the {'newest' if sort == 'updated' else 'first'} {limit}; -l 0 shows all.")
    elif not found and not as_json:
        if any((name, project, tags, meta, published)) or "metric" in sort:
            say(f"No models match in {chain.first.root}.")
        elif as_of is not None:
            say(f"There were no models in {chain.first.root} as of {as_of}.")
        else:
            say(f"There are no models in {chain.first.root}.")
            archived_too = "" if archived else "; -a lists archived ones, too"
            say(f"`localreg add FILE -n PROJECT/NAME` adds one{archived_too}.")
        _, is_metric, metric = sort.partition("metric:")
        if is_metric:
            say(f"Only models that have the metric {metric!r} are listed.")
            say("What a task reported is not a metric of its model: report it on the model, too.")


def _order(sort: str) -> str:
    """Return ``--sort`` as `order_by` of `query_models` spells it."""
    sign = sort[:1] if sort[:1] in ("-", "+") else ""
    key = sort[len(sign) :]
    if key not in ("updated", "created", "name") and not key.startswith(("metric:", "metrics.")):
        raise click.UsageError(
            "--sort must be updated, created, name or metric:TITLE/SERIES, with or without + or - "
            f"in front, not {sort!r}"
        )
    return f"{sign}metrics.{key[7:]}" if key.startswith("metric:") else sort


def _print_models(chain: Chain, found: list[tuple[OpenRegistry, ModelRecord]]) -> None:
    weights = (record.current_weights for _, record in found)
    files = file_counts(chain, [each.digest for each in weights if each.tree and each.digest])
    if not chain.others:
        print_table(COLUMNS, (_row(record, files) for _, record in found))
    elif found:
        rows = (
            (*_row(record, files), "" if registry == chain.first else str(registry.root))
            for registry, record in found
        )
        print_table((*COLUMNS, Column("UPSTREAM", "path", 8)), rows)


def _row(record: ModelRecord, files: Mapping[str, int]) -> tuple[object, ...]:
    weights = record.current_weights
    return (
        record.ref,
        record.aliases,
        record.tags,
        record.framework,
        files.get(weights.digest or "") if weights.tree else None,
        weights.bytes,
        tuple(model_state(record).split()),
        record.updated,
        record.id[:8],
    )
