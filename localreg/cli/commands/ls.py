"""List models, also the removed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

import click

from localreg import operations
from localreg.cli.columns import (
    COLUMNS_HELP,
    SORT_HELP,
    check_columns,
    check_sort,
    only_with,
    table,
    values_json,
    values_of,
)
from localreg.cli.filters import META, TAG, Named, model_conditions, named
from localreg.cli.nearby import say_nearby
from localreg.cli.output import (
    AS_JSON,
    AS_OF,
    HEADER,
    IN_REGISTRY,
    LIMIT,
    QUIET,
    Column,
    iso,
    model_json,
    model_state,
    opened,
    print_json_list,
    print_lines,
    print_table,
    say,
)
from localreg.cli.unknown_keys import say_unknown
from localreg.operations.finding import queries
from localreg.operations.finding.listing import Listing, listed
from localreg.operations.finding.upstream import Found, records, search
from localreg.operations.finding.values import Values, model_values
from localreg.registry import Chain, OpenRegistry
from localreg.values.records import Json, ModelRecord
from localreg.values.secrets import masked_text
from localreg.values.urls import public_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.models.removed import RemovedModel

KINDS = ("metric", "param", "meta")
USUAL = ("model", "aliases", "tags", "framework", "files", "size", "state", "updated", "id")
REMOVED_COLUMNS = (
    Column("MODEL", "name"),
    Column("WEIGHTS", "text", 1),
    Column("SIZE", "size", 4),
    Column("ALIASES BACK", "words", 3),
    Column("REMOVED", "time", 2),
    Column("BY", "path", 5),
    Column("ID", "id"),
)
OTHER_COLUMNS = "created, comment, task, digest, url, signed"

_LOOKED_AT = 500  # models, for names that are similar to one that no model has
Row = tuple[OpenRegistry, ModelRecord]


@click.command("ls")
@click.argument("pattern", required=False)
@click.option("-p", "--project", metavar="NAME", help="Only models of this project.")
@click.option("-n", "--name", metavar="NAME", help="Only models of this name; it may be a pattern.")
@TAG
@META
@click.option("--published", is_flag=True, help="Only published models.")
@click.option("--signed", is_flag=True, help="Only models that a trusted key signed.")
@click.option("-a", "--archived", is_flag=True, help="Archived models too.")
@click.option(
    "--removed",
    is_flag=True,
    help="Removed models, with what `localreg restore` brings back, and if their weights are here.",
)
@click.option(
    "--sort", default="updated", show_default=True, metavar="KEY",
    help=SORT_HELP.format(" or meta:KEY"),
)  # fmt: skip
@click.option(
    "--columns", multiple=True, metavar="NAMES",
    help=COLUMNS_HELP.format(f"{', '.join(USUAL)}, {OTHER_COLUMNS}", ", meta:KEY"),
)  # fmt: skip
@LIMIT
@AS_JSON
@QUIET
@AS_OF
@HEADER
@IN_REGISTRY
def ls_command(
    pattern: str | None,
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    published: bool,
    signed: bool,
    archived: bool,
    removed: bool,
    sort: str,
    columns: tuple[str, ...],
    limit: int,
    as_json: bool,
    quiet: bool,
    as_of: str | None,
    directory: str | None,
) -> None:
    """List models, last updated first.

    PATTERN is a model's name or project/name; in it * is any text: 'vision/*', '*resnet*'.
    """
    names = named(pattern, project, name)
    order, sorted_by = check_sort(sort, KINDS)
    wanted = check_columns(columns, FIXED, (*KINDS, "min", "max"))
    if removed:
        if any((tags, meta, published, signed, archived, columns, sort != "updated")):
            raise click.UsageError("--removed takes PATTERN, -p, -n, -l, --as-of and -R only.")
        with opened(directory, as_of=as_of) as chain:
            _list_removed(chain, names, limit, as_json=as_json, quiet=quiet)
        return
    conditions = model_conditions(meta)
    filters = {
        "tags": list(tags),
        **conditions,
        "published": published,
        "signed": signed,
        "archived": archived,
        "limit": limit + 1 if limit and not signed else None,
        "order": order,
    }
    with opened(directory, as_of=as_of) as chain:
        found = _find(chain, filters, names) or _find(chain, filters, names.otherwise)
        if signed:
            trusted = (each for each, by in operations.trust.shown.signers(chain, found) if by)
            found = Listing.of(islice(trusted, limit + 1 if limit else None))
        parts = partial(found.parts, limit or None)
        if quiet:
            print_lines(each.id for part in parts() for each in part)
        elif as_json:
            print_json_list(_json(chain, parts()))
        elif found:
            usual = (*USUAL, "upstream") if chain.others else USUAL
            rows = partial(_rows, chain, parts)
            shown = table(FIXED, usual, wanted, sorted_by, rows, partial(_cells, chain), _values)
            print_table(*shown)
        if limit and len(found) > limit:
            which = "newest" if sort == "updated" else "first"
            say(f"These are the {which} {limit}; -l 0 shows all.")
        elif not found and not as_json:
            filtered = any((pattern, project, name, tags, meta, published, signed, sorted_by))
            _say_none(chain, filtered=filtered, archived=archived, as_of=as_of)
            if signed and not operations.trust.shown.trusts_any(chain):
                say("No key is trusted, so no signature counts. `localreg key add FILE` adds one.")
            say_unknown(chain, "model", conditions)
            if sorted_by is not None:
                say(only_with(sorted_by, "models", _values_of_newest(chain, archived=archived)))


def _find(chain: Chain, filters: Mapping[str, object], names: Named | None) -> Listing:
    if names is None:
        return Listing.of(())
    query = queries.check_query(
        project=names.project, name=names.name, patterns=names.patterns, **filters
    )
    return listed(chain, query)


def _say_none(chain: Chain, *, filtered: bool, archived: bool, as_of: str | None) -> None:
    root = chain.first.root
    archived_too = "" if archived else "; -a lists archived ones, too"
    if filtered:
        say(f"No models match in {root}{archived_too}.")
    elif as_of is not None:
        say(f"There were no models in {root} as of {as_of}.")
    else:
        say(f"There are no models in {root}{archived_too}.")
        say("`localreg add FILE -n PROJECT/NAME` adds one; `localreg demo` shows how it all works.")
    say_nearby(root)


def _values_of_newest(chain: Chain, *, archived: bool) -> list[Values]:
    query = queries.check_query(archived=archived, limit=_LOOKED_AT)
    return values_of(search(chain, query), model_values)


def _rows(chain: Chain, parts: Callable[[], Iterator[Sequence[Found]]]) -> Iterator[list[Row]]:
    return (records(chain, part) for part in parts())


def _values(rows: Sequence[Row]) -> list[Values]:
    return values_of([Found(registry, record.id) for registry, record in rows], model_values)


def _json(chain: Chain, parts: Iterator[Sequence[Found]]) -> Iterator[Json]:
    for part in parts:
        rows = records(chain, part)
        for (registry, record), values in zip(rows, _values(rows), strict=True):
            yield model_json(record, registry) | values_json(values)


FIXED = {
    "model": Column("MODEL", "name"),
    "aliases": Column("ALIASES", "words", 2),
    "tags": Column("TAGS", "words", 3),
    "framework": Column("FRAMEWORK", "text", 6),
    "files": Column("FILES", "number", 7),
    "size": Column("SIZE", "size", 4),
    "state": Column("STATE", "words", 5),
    "updated": Column("UPDATED", "time", 1),
    "id": Column("ID", "id"),
    "created": Column("CREATED", "time", 1),
    "comment": Column("COMMENT", "text"),
    "task": Column("TASK", "id"),
    "digest": Column("DIGEST", "id"),
    "url": Column("URL", "path"),
    "signed": Column("SIGNED BY", "words", 3),
    "upstream": Column("UPSTREAM", "path", 8),
}
_OF_RECORD: dict[str, Callable[[ModelRecord], object]] = {
    "model": lambda record: record.ref,
    "aliases": lambda record: record.shown_aliases,
    "tags": lambda record: record.tags,
    "framework": lambda record: record.framework,
    "size": lambda record: record.current_weights.bytes,
    "state": lambda record: tuple(model_state(record).split()),
    "updated": lambda record: record.updated,
    "id": lambda record: record.id[:8],
    "created": lambda record: record.created,
    "comment": lambda record: masked_text(record.comment or ""),
    "task": lambda record: (record.task or "")[:8],
    "digest": lambda record: (record.current_weights.digest or "")[:12],
    "url": lambda record: public_url(record.current_weights.url or ""),
}


def _of_record(cell: Callable[[ModelRecord], object]) -> Callable[[Row], object]:
    return lambda row: cell(row[1])


def _cells(chain: Chain, rows: Sequence[Row]) -> dict[str, Callable[[Row], object]]:
    """Return what makes the cells of some rows, by the names of the columns."""
    weights = (record.current_weights for _, record in rows)
    packages = [each.digest for each in weights if each.tree and each.digest]
    files = operations.weights.files.file_counts(chain, packages) if packages else {}

    def count(row: Row) -> object:
        current = row[1].current_weights
        return files.get(current.digest or "") if current.tree else None

    def upstream(row: Row) -> object:
        return None if row[0] == chain.first else str(row[0].root)

    signed_by: dict[str, tuple[str, ...]] = {}

    def signed(row: Row) -> object:
        if not signed_by:  # of all at once, when it is wanted
            models = [Found(registry, record.id) for registry, record in rows]
            signers = operations.trust.shown.signers(chain, models)
            signed_by.update({each.id: names for each, names in signers})
        return signed_by[row[1].id]

    more = {"files": count, "upstream": upstream, "signed": signed}
    return {name: _of_record(cell) for name, cell in _OF_RECORD.items()} | more


def _list_removed(chain: Chain, names: Named, limit: int, *, as_json: bool, quiet: bool) -> None:
    found = operations.models.removed.removed_models(
        chain,
        project=names.project,
        name=names.name,
        patterns=names.patterns,
        limit=limit + 1 if limit else None,
    )
    shown = found[:limit] if limit else found
    if quiet:
        print_lines(each.id for each in shown)
    elif as_json:
        print_json_list(map(_removed_json, shown))
    else:
        print_table(REMOVED_COLUMNS, map(_removed_row, shown))
    if len(found) > len(shown):
        say(f"These are the last {limit} that were removed; -l 0 shows all.")
    elif not found and not as_json:
        match = " match" if any((names.project, names.name, names.patterns)) else ""
        say(f"No removed models{match} in {chain.first.root}.")


def _removed_row(each: RemovedModel) -> tuple[object, ...]:
    by = "this registry only" if each.at is None else each.actor
    aliases = (*each.aliases, *(f"({alias})" for alias in each.aliases_elsewhere))
    return (each.ref, each.weights, each.size, aliases, each.at, by, each.id[:8])


def _removed_json(each: RemovedModel) -> Json:
    return {
        "id": each.id,
        "ref": each.ref,
        "removed": None if each.at is None else iso(each.at),
        "actor": each.actor,
        "here_only": each.at is None,
        "aliases": list(each.aliases),
        "aliases_elsewhere": list(each.aliases_elsewhere),
        "size": each.size,
        "weights": each.weights,
    }
