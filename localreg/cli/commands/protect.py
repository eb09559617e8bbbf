"""Give an alias a gate, show it, or drop it."""

from __future__ import annotations

import click

from localreg.cli.changes import say_change
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    SILENT,
    one_line,
    opened,
    print_facts,
    print_json,
    remark,
)
from localreg.operations.finding.gates import find_alias
from localreg.operations.trust import gates
from localreg.values.conditions import check_conditions


@click.command("protect")
@click.argument("model", metavar="[PROJECT/]NAME@ALIAS")
@click.option(
    "--require",
    multiple=True,
    metavar="CONDITION,…",
    help="What a model must have: signed, scanned, published, or a comparison as in `ls -m`: "
    "'accuracy>=0.9', 'metric:val/acc>=0.9'. May be repeated.",
)
@click.option(
    "--override",
    metavar="REASON",
    help="Leave the alias where it points to, although that model lacks some of it; the history "
    "keeps REASON.",
)
@click.option("--drop", is_flag=True, help="Remove the gate.")
@AS_JSON
@SILENT
@IN_REGISTRY
def protect_command(
    model: str,
    require: tuple[str, ...],
    override: str | None,
    drop: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> None:
    """Give an alias a gate: what a model needs before it may have the alias.

    Without options the gate is shown. Whoever sets the alias is refused if the model lacks
    something, and `localreg alias MODEL ALIAS --override REASON` sets it in any case. To remove an
    alias is always allowed.

    An alias that others set without the gate is held here: it leads to no model.
    """
    if drop and require:
        raise click.UsageError("--require gives a gate, --drop removes it: give one of them.")
    if override is not None and not require:
        raise click.UsageError("--override goes with --require.")
    reason = gates.check_override(override)
    conditions = check_conditions(",".join(require), "--require") if require else ()
    with opened(directory) as chain:
        place = find_alias(chain, model, "MODEL")
        of = chain.starting_at(place.registry)
        if require:
            done = gates.protect(of, place.line, place.alias, conditions, override=reason)
        elif drop:
            done = gates.unprotect(of, place.line, place.alias)
        else:
            done = None
        shown = gates.look(of, place.line, place.alias)
    if as_json:
        print_json(
            {
                "name": place.name,
                "changed": done is not None and done.changed,
                "require": list(shown.conditions),
                "model": shown.target,
                "held": shown.held,
                "missing": list(shown.missing),
                "override": shown.override,
            }
        )
    elif done is None:
        _show(shown)
    elif drop:
        say_change(done.changed, f"Removed the gate of {place.name}", f"{place.name} has no gate")
    else:
        also = (
            f"; {done.target} stays there, although it lacks some of it" if done.overridden else ""
        )
        say_change(
            done.changed,
            f"{place.name} needs {', '.join(done.conditions)} from now on{also}",
            f"{place.name} needs {', '.join(done.conditions)} already",
        )
        if not place.is_known:
            remark(f"There is no model {one_line(place.name.rpartition('@')[0])} yet.")


def _show(shown: gates.Gate) -> None:
    if not shown.conditions:
        remark(f"{shown.name} has no gate; --require gives it one.")
        return
    print_facts(
        [
            ("alias", shown.name),
            ("needs", "\n".join(shown.conditions)),
            ("model", f"{shown.target} ({shown.state})" if shown.target else "none"),
            ("missing", "\n".join(shown.missing)),
            ("override", shown.override or ""),
        ]
    )
