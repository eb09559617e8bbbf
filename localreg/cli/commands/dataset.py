"""List and show data sets, and copy their files out."""

from __future__ import annotations

import os
from pathlib import Path

import click

from localreg.cli.filters import named
from localreg.cli.nearby import say_nearby
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    LIMIT,
    QUIET,
    Column,
    counted,
    iso,
    opened,
    print_facts,
    print_json,
    print_table,
    say,
    signatures_json,
)
from localreg.cli.streams import already
from localreg.cli.suggestions import DATASET_SYNONYMS, CommandGroup
from localreg.errors import PathExistsError
from localreg.filesystem.given_paths import absolute
from localreg.operations.datasets import copies, looking
from localreg.operations.datasets.contents import Difference
from localreg.operations.datasets.details import Details, Version, counts, details
from localreg.operations.datasets.looking import DatasetRow
from localreg.operations.finding.upstream import id_text
from localreg.operations.trust.shown import shown_signatures
from localreg.progress import shown_progress
from localreg.values.datasets import DatasetFile
from localreg.values.records import Json
from localreg.values.secrets import masked_text
from localreg.values.units import amount_text, when
from localreg.values.urls import public_url, safe_filename

COLUMNS = (
    Column("DATA SET", "name"),
    Column("FILES", "number", 4),
    Column("SIZE", "size", 3),
    Column("STATUS", "text", 2),
    Column("TAGS", "words", 5),
    Column("UPDATED", "time", 1),
    Column("ID", "id"),
)
FILE_COLUMNS = (
    Column("PATH", "path"),
    Column("SIZE", "size"),
    Column("SHA256", "id", 2),
    Column("LINK", "path", 1),
)
_SHOWN = 5  # paths of a change
REFERENCE = click.argument("dataset", metavar="DATASET")


@click.group("dataset", cls=CommandGroup, synonyms=DATASET_SYNONYMS)
def dataset_command() -> None:
    """List and show data sets, and copy their files out.

    DATASET is an id, the first 6 or more digits of one, or [project/]name. The name may end with
    :VERSION or @alias; without them it means the highest version.
    """


@dataset_command.command("ls")
@click.argument("pattern", required=False)
@click.option("-p", "--project", metavar="NAME", help="Only data sets of this project.")
@click.option("-n", "--name", metavar="NAME", help="Only of this name; it may be a pattern.")
@click.option(
    "-t", "--tag", "tags", multiple=True, metavar="TAG", help="Only with one of these tags."
)
@click.option("--final", is_flag=True, help="Only finalized ones.")
@click.option("-a", "--archived", is_flag=True, help="Archived ones too.")
@LIMIT
@AS_JSON
@QUIET
@HEADER
@IN_REGISTRY
def ls_command(
    pattern: str | None,
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    final: bool,
    archived: bool,
    limit: int,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """List the versions of data sets, last changed first.

    PATTERN is a data set's name or project/name; in it * is any text: 'vision/*'.
    """
    names = named(pattern, project, name)
    with opened(directory) as chain:
        found = [
            each
            for each in looking.listed(
                chain,
                project=names.project,
                tags=list(tags),
                completed=final,
                recursive=False,
                archived=archived,
            )
            if names.match(each.shown_project, each.name)
        ]
        shown = found[:limit] if limit else found
        if quiet:
            for each in shown:
                click.echo(each.id)
        elif as_json:
            files = counts(chain, shown)
            print_json([_row_json(each, files.get(each.tree or "")) for each in shown])
        elif shown:
            files = counts(chain, shown)
            print_table(COLUMNS, (_row(each, files.get(each.tree or "")) for each in shown))
    if len(found) > len(shown):
        say(f"These are the newest {limit}; -l 0 shows all.")
    elif not found and not as_json:
        if any((pattern, name, project, tags, final)):
            say(f"No data sets match in {chain.first.root}.")
        else:
            say(f"There are no data sets in {chain.first.root}.")
            say("Dataset.create of Python makes one: see `localreg guide datasets`.")
        say_nearby(chain.first.root)


def _row(each: DatasetRow, files: int | None) -> tuple[object, ...]:
    status = f"{each.status}{' archived' if each.archived else ''}"
    return (each.ref, files, each.size, status, each.tags, each.updated, each.id[:8])


def _row_json(each: DatasetRow, files: int | None) -> Json:
    return {
        "id": each.id,
        "ref": each.ref,
        "name": each.name,
        "project": each.shown_project or None,
        "version": each.version,
        "status": each.status,
        "archived": each.archived,
        "tags": list(each.tags),
        "parents": list(each.parents),
        "size": each.size,
        "files": files,
        "digest": each.tree,
        "created": iso(each.created),
        "updated": iso(each.updated),
    }


@dataset_command.command("show")
@REFERENCE
@click.option("--files", "with_files", is_flag=True, help="Only list the files.")
@AS_JSON
@HEADER
@IN_REGISTRY
def show_command(dataset: str, with_files: bool, as_json: bool, directory: str | None) -> None:
    """Show everything about a DATASET.

    With --files: the path, size, and first digits of the sha256 of each file, or the URL of a link.
    """
    with opened(directory) as chain:
        found = looking.resolve(chain, dataset)
        shown = details(chain, found)
        made_by = id_text(chain, shown.row.task) if shown.row.task else ""
        signatures = shown_signatures(chain, found)
    if as_json:
        print_json(_details_json(shown) | {"signatures": signatures_json(signatures)})
    elif with_files:
        print_table(FILE_COLUMNS, map(_file_row, shown.files.values()))
        if not shown.files:
            say("The data set has no files.")
    else:
        facts = _facts(shown, made_by)
        place = [name for name, _ in facts].index("sha256") + 1
        print_facts([*facts[:place], *signatures.facts, *facts[place:]])


def _file_row(each: DatasetFile) -> tuple[object, ...]:
    link = public_url(each.link) if each.link else None
    return (each.path, each.size, (each.digest or "")[:12], link)


def _facts(shown: Details, made_by: str) -> list[tuple[str, str]]:
    row = shown.row
    own = len(shown.files) - shown.links
    amount = amount_text(shown.size, own) if own else "no files"
    links = f", {counted(shown.links, 'link')}" if shown.links else ""
    return [
        ("data set", row.ref),
        ("id", row.id),
        ("status", f"{row.status}{' archived' if row.archived else ''}"),
        ("not uploaded", _pending(shown)),
        ("tags", " ".join(row.tags)),
        ("description", masked_text(row.comment or "")),
        ("files", f"{amount}{links}"),
        ("sha256", row.tree or ""),
        ("parents", _versions(shown.parents)),
        ("changed", _changed(shown.difference)),
        ("children", _versions(shown.children)),
        ("versions", _versions(shown.versions)),
        ("made by task", made_by),
        ("used by", "\n".join(f"{each.name} ({each.task[:8]}) as {each.alias}"
                              for each in shown.uses)),
        ("created", when(row.created)),
        ("updated", when(row.updated)),
    ]  # fmt: skip


def _pending(shown: Details) -> str:
    found = shown.counters
    if found is None or found.changes == found.stored:
        return ""
    return f"{found.added} added, {found.modified} modified, {found.removed} removed since it began"


def _versions(versions: tuple[Version, ...]) -> str:
    return "\n".join(
        f"{each.ref} ({each.id[:8]}){f' {each.status}' if each.status != 'completed' else ''}"
        if each.status
        else each.ref
        for each in versions
    )


def _changed(found: Difference | None) -> str:
    """Return what is different from the parents: numbers, and some paths."""
    if found is None:
        return ""
    lines = []
    for word, paths in (
        ("added", found.added), ("modified", found.modified), ("removed", found.removed),
    ):  # fmt: skip
        if paths:
            some = ", ".join(paths[:_SHOWN]) + (", …" if len(paths) > _SHOWN else "")
            lines.append(f"{len(paths):,} {word}: {some}")
    return "\n".join(lines) or "nothing since its parents"


def _details_json(shown: Details) -> Json:
    row = shown.row
    difference = shown.difference
    return _row_json(row, len(shown.files) - shown.links) | {
        "description": row.comment and masked_text(row.comment),
        "size": shown.size,
        "links": shown.links,
        "task": row.task,
        "children": [each.id for each in shown.children],
        "changed": None
        if difference is None
        else {
            "added": list(difference.added),
            "modified": list(difference.modified),
            "removed": list(difference.removed),
        },
        "tasks": [
            {"task": each.task, "task_name": each.name, "alias": each.alias}
            for each in shown.uses
        ],
        "entries": [
            {
                "path": each.path,
                "size": each.size,
                "digest": each.digest,
                "link": public_url(each.link) if each.link else None,
            }
            for each in shown.files.values()
        ],
    }  # fmt: skip


@dataset_command.command("get")
@REFERENCE
@click.option(
    "-o", "--output", default=".", metavar="DIR", help="A new folder, or where to put it."
)
@click.option(
    "--part", metavar="K/N", help="Only part K of N, from 0: --part 0/4. Each file is in one part."
)
@AS_JSON
@IN_REGISTRY
def get_command(
    dataset: str, output: str, part: str | None, as_json: bool, directory: str | None
) -> None:
    """Copy the files of a DATASET to a folder of yours.

    By default it is a new folder in the working directory, with the name of the data set. You may
    change the files. What links lead to is fetched.
    """
    number, of = _part(part)
    with opened(directory) as chain:
        found = looking.resolve(chain, dataset)
        place = Path(output)
        if place.is_dir() and (output[-1:] in ("/", os.sep) or place == Path()):
            place /= safe_filename(looking.row(found).name) or "dataset"
        if os.path.lexists(place):
            raise PathExistsError(
                f"{place} exists already; give another folder with -o, or write {place}/ to put "
                "the data set into it",
                path=str(place),
            )
        with shown_progress("Fetching files") as progress:
            folder = copies.local_folder(
                chain, found, part=copies.check_part(number, of, 1), progress=progress
            )
        copies.copy_out(chain, folder, absolute("--output", place), overwrite=False)
        row = looking.row(found)
    with already(f"{place} was written"):
        if as_json:
            print_json({"id": row.id, "ref": row.ref, "path": str(place)})
        else:
            click.echo(place)


def _part(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and len(text) < 20):
        raise click.UsageError(f"--part needs K/N, such as 0/4, not {text!r}.")
    return int(number), int(of)
