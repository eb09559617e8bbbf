"""Set, remove or show the aliases of a model."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODEL, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import model_row, why_absent
from localreg.operations.models import aliases, reading
from localreg.registry import Chain


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

    Without ALIAS the aliases of the model are shown.
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
        moved = f", from {_ref(chain, before)}" if before and not drop else ""
    if as_json:
        print_json(done)
    elif alias is None:
        for each in now:
            click.echo(each)
    elif drop:
        say_change(True, f"Removed the alias {alias} of {done['ref']}", "")
    else:
        say_change(
            changed,
            f"{'Moved' if moved else 'Set'} the alias {alias} to {done['ref']}{moved}",
            f"the alias {alias} points to {done['ref']} already",
        )


def _ref(chain: Chain, model_id: str) -> str:
    """Return what names the model that an alias pointed to."""
    hit = model_row(chain, model_id)
    return why_absent(chain, model_id) if hit is None else hit[1].ref
