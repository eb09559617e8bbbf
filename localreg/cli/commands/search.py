"""Search models, data sets and tasks for words."""

from __future__ import annotations

import click

from localreg.cli.filters import TAG
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    QUIET,
    Column,
    iso,
    opened,
    print_json,
    print_table,
    say,
)
from localreg.operations.finding import search
from localreg.operations.finding.search import KINDS, Hit
from localreg.values.records import Json

COLUMNS = (
    Column("FOUND", "name"),
    Column("KIND", "id", 4),
    Column("WHERE", "words", 3),
    Column("ID", "id"),
    Column("TEXT", "text", 1),
)


@click.command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("-p", "--project", metavar="NAME", help="Only in this project.")
@click.option("-n", "--name", metavar="NAME", help="Only models and tasks of exactly this name.")
@TAG
@click.option("--models", is_flag=True, help="Only models.")
@click.option("--datasets", is_flag=True, help="Only data sets.")
@click.option("--tasks", is_flag=True, help="Only tasks.")
@click.option("-a", "--archived", is_flag=True, help="Archived ones too.")
@click.option(
    "-l",
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Show at most N; 0 for all.",
)
@AS_JSON
@QUIET
@HEADER
@IN_REGISTRY
def search_command(
    words: tuple[str, ...],
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    models: bool,
    datasets: bool,
    tasks: bool,
    archived: bool,
    limit: int,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Search models, data sets and tasks for words.

    All WORDS must be in the name, project, tags, aliases, comment, metadata, configuration or
    parameters. A word matches the beginning of a longer one; one with blanks ('learning rate') or
    signs (lr=0.1) is a phrase. See `localreg guide search`.
    """
    wanted = [kind for kind, chosen in zip(KINDS, (models, datasets, tasks), strict=True) if chosen]
    with opened(directory) as chain:
        found = search.search(
            chain,
            words,
            project=project,
            name=name,
            tags=list(tags),
            kinds=wanted or KINDS,
            archived=archived,
            limit=limit + 1 if limit else None,
        )
        shown = found[:limit] if limit else found
        if quiet:
            for each in shown:
                click.echo(each.id)
        elif as_json:
            print_json([_json(each) for each in shown])
        else:
            upstream = any(each.registry != str(chain.first.root) for each in shown)
            columns = (*COLUMNS, Column("UPSTREAM", "path", 2)) if upstream else COLUMNS
            print_table(columns, (_row(each, chain.first.root, upstream) for each in shown))
    if len(found) > len(shown):
        say(f"These are the best {limit}; -l 0 shows all.")
    elif not found and not as_json and not quiet:
        said = " ".join(words)
        archived_too = "" if archived else "; -a searches archived ones, too"
        say(f"Nothing in {chain.first.root} has {said!r}{archived_too}.")


def _row(hit: Hit, root: object, upstream: bool) -> tuple[object, ...]:
    named = f"{hit.project}/{hit.name}" if hit.project else hit.name
    row = (named if hit.kind == "task" else hit.ref, hit.kind, hit.fields, hit.id[:8], hit.text)
    return (*row, None if hit.registry == str(root) else hit.registry) if upstream else row


def _json(hit: Hit) -> Json:
    return {
        "kind": hit.kind,
        "id": hit.id,
        "ref": hit.ref,
        "project": hit.project or None,
        "name": hit.name,
        "updated": iso(hit.updated),
        "fields": list(hit.fields),
        "text": hit.text,
        "registry": hit.registry,
    }
