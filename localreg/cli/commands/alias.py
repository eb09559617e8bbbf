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

COLUMNS = (
    Column("ALIAS", "id"),
    Column("MODEL", "name"),
    Column("ID", "id"),
    Column("GATE", "words"),
)


@click.command("alias")
@MODEL
@click.argument("alias", required=False)
@click.option(
    "--expect",
    metavar="MODEL",
    help="Move the alias only if it points to this model now; with 'none', only if it is new.",
)
@click.option(
    "--override",
    metavar="REASON",
    help="Set the alias although the model lacks what its gate asks for; the history keeps REASON.",
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
    override: str | None,
    drop: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Point an ALIAS at a MODEL, or show its aliases.

    Without ALIAS the aliases are shown: of a name those of all its versions, of a version its own.

    An alias with a gate (`localreg protect`) is only set to a model that passes it. One that came
    from another registry without that is held: setting it here checks the gate again.
    """
    if override is not None and (drop or alias is None):
        raise click.UsageError("--override is for setting an alias.")
    with opened(directory) as chain:
        found = resolve_model(chain, model)
        kept = None
        if alias is None:
            changed, before = False, None
        elif drop:
            before = aliases.remove_alias(found.registry, found.id, alias)
            changed = True
        else:
            wanted = aliases.ANYTHING
            if expect is not None:
                wanted = None if expect == "none" else resolve_model(chain, expect).id
            set_ = aliases.set_alias(
                chain.starting_at(found.registry), found.id, alias, wanted, override=override
            )
            changed, before, kept = set_.changed, set_.before, set_.override
        now = reading.aliases(found)
        done = change_json(found, changed, alias=alias, was=before, aliases=now, override=kept)
        shown = _shown(found, model)
        moved = f", from {_ref(chain, before)}" if before not in (None, found.id) else ""
        although = ", although it does not pass the gate" if kept else ""
    if as_json:
        print_json(done | {"line": [record_json(each) for each in shown]})
    elif alias is None:
        print_table(COLUMNS, (_row(each) for each in shown))
        if not shown:
            remark(f"{model} has no aliases.")
    elif drop:
        say_change(True, f"Removed the alias {alias} of {done['ref']}", "")
    else:
        say_change(
            changed,
            f"{'Moved' if moved else 'Set'} the alias {alias} to {done['ref']}{moved}{although}",
            f"the alias {alias} points to {done['ref']} already",
        )


def _row(each: LineAlias) -> tuple[object, ...]:
    return each.alias, each.ref, each.id[:8], ("held",) if each.held else ()


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
