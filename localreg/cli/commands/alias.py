"""Set, remove or show the aliases of a model."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import (
    AS_JSON,
    HEADER,
    IN_REGISTRY,
    MODEL,
    SILENT,
    Column,
    opened,
    print_json,
    print_table,
    record_json,
    remark,
)
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found, model_row, why_absent
from localreg.operations.models import aliases, reading
from localreg.operations.models.reading import LineAlias
from localreg.registry import Chain
from localreg.values.checks import kept_name

COLUMNS = (Column("ALIAS", "id"), Column("MODEL", "name"), Column("ID", "id"))


@click.command("alias")
@MODEL
@click.argument("alias", required=False)
@click.option(
    "--expect",
    metavar="MODEL",
    help="Move the alias only if it points to this model now; with 'none', only if it is new.",
)
@click.option("--drop", is_flag=True, help="Remove the alias.")
@AS_JSON
@SILENT
@HEADER
@IN_REGISTRY
def alias_command(
    model: str,
    alias: str | None,
    expect: str | None,
    drop: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Point an ALIAS at a MODEL, or show its aliases.

    Without ALIAS the aliases are shown: of a name those of all its versions, of a version its own.
    """
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        if alias is None:
            changed, before = False, None
        elif drop:
            before = aliases.remove_alias(found.registry, found.id, alias)
            changed = True
        else:
            wanted = aliases.ANYTHING
            if expect is not None:
                wanted = None if expect == "none" else resolve_model(chain, expect).id
            before = aliases.set_alias(found.registry, found.id, alias, wanted)
            changed = before != found.id
        now = reading.aliases(found)
        done = change_json(found, changed, alias=alias, was=before, aliases=now)
        shown = _shown(found, model)
        moved = f", from {_ref(chain, before)}" if before and not drop else ""
    if as_json:
        print_json(done | {"line": [record_json(each) for each in shown]})
    elif alias is None:
        print_table(COLUMNS, ((each.alias, each.ref, each.id[:8]) for each in shown))
        if not shown:
            remark(f"{model} has no aliases.")
    elif drop:
        say_change(True, f"Removed the alias {alias} of {done['ref']}", "")
    else:
        say_change(
            changed,
            f"{'Moved' if moved else 'Set'} the alias {alias} to {done['ref']}{moved}",
            f"the alias {alias} points to {done['ref']} already",
        )


def _shown(found: Found, given: str) -> list[LineAlias]:
    """Return the aliases of what was given: of all versions of a name, or of one version."""
    row = reading.row(found)
    line = f"{row.project.name}/{row.name}" if row.project else row.name
    every = reading.versions(found, 1).aliases
    is_name = kept_name(given) in (line, row.name)
    return [each for each in every if is_name or each.id == found.id]


def _ref(chain: Chain, model_id: str) -> str:
    """Return what names the model that an alias pointed to."""
    hit = model_row(chain, model_id)
    return why_absent(chain, model_id) if hit is None else hit[1].ref
