"""Show where a model comes from, and what was made from it."""

from __future__ import annotations

import re
import sys

import click

from localreg.cli.cells import cut_middle, one_line, printable, steady, terminal_width, wrapped
from localreg.cli.output import AS_JSON, AS_OF, IN_REGISTRY, MODEL, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models.lineage import Family, dot, lineage, tree
from localreg.operations.models.lineage import as_json as lineage_json

_BRANCH = re.compile("(│  |   )?[├└]─ ")
_BESIDE, _SHORTEST = 32, 12  # cells of a line beside a name, and of a name


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
    elif as_dot or not sys.stdout.isatty():
        click.echo(printable(dot(family) if as_dot else tree(family)))
    else:
        _print_tree(family)


def _print_tree(family: Family) -> None:
    """Print the tree on a terminal: names are cut, and long lines are wrapped; ids are whole."""
    width = terminal_width()
    room = max(width - _BESIDE, _SHORTEST)
    for line in tree(family, lambda text: cut_middle(steady(one_line(text)), room)).split("\n"):
        branch = _BRANCH.match(line)
        before = branch[0] if branch else ""
        first, *rest = wrapped(printable(line[len(before) :]), width - len(before))
        below = before.replace("├─", "│ ").replace("└─", "  ")
        click.echo(f"{before}{first}")
        for part in rest:
            click.echo(f"{below}{part}")
