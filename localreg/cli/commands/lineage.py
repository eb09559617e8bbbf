"""Show where a model comes from, and what was made from it."""

from __future__ import annotations

import click

from localreg.cli.output import AS_JSON, AS_OF, IN_REGISTRY, MODEL, opened, print_json, printable
from localreg.operations.finding.references import resolve_model
from localreg.operations.models.lineage import as_json as lineage_json
from localreg.operations.models.lineage import dot, lineage, tree


@click.command("lineage")
@MODEL
@click.option("--dot", "as_dot", is_flag=True, help="Print a graph for Graphviz.")
@AS_JSON
@AS_OF
@IN_REGISTRY
def lineage_command(
    model: str, as_dot: bool, as_json: bool, as_of: str | None, directory: str | None
) -> None:
    """Show where a MODEL comes from, and what was made from it."""
    if as_dot and as_json:
        raise click.UsageError("give --dot or --json, not both")
    with opened(directory, as_of=as_of) as chain:
        found = resolve_model(chain, model)
        family = lineage(chain, found)
    if as_json:
        print_json(lineage_json(family))
    else:
        click.echo(printable(dot(family) if as_dot else tree(family)))
