"""Move models to another project, name or number."""

from __future__ import annotations

import re

import click

from localreg.cli.changes import say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import moving, reading
from localreg.registry import Chain
from localreg.values.records import Json


@click.command("mv")
@click.argument("models", metavar="MODEL... TARGET", nargs=-1, required=True)
@click.option(
    "--release",
    is_flag=True,
    help="Free the numbers of these models, which were removed or moved away.",
)
@AS_JSON
@SILENT
@IN_REGISTRY
def mv_command(
    models: tuple[str, ...], release: bool, as_json: bool, quiet: bool, directory: str | None
) -> None:
    """Move models to TARGET, which is [PROJECT/]NAME[:VERSION].

    Each gets the next version there. Under another project or name a model loses its aliases. A
    version that was named before is never given to another model, unless it was released.

    Where two models have one number, `localreg mv vision/resnet:4~laptop vision/resnet` gives
    another one to the model of the registry "laptop".
    """
    lost: dict[str, list[str]] = {}
    with opened(directory) as chain:
        if release:
            done = [_json(moving.release_number(chain.first, text), text, None) for text in models]
        else:
            done = _move(chain, models, lost)
    if as_json:
        print_json(done)
    for each in done:
        released = f"Released {each['was']}, which model {each['id'][:8]} had"
        dropped = f"; it lost {', '.join(lost[each['id']])}" if lost.get(each["id"]) else ""
        moved = f"Moved {each['was']} to {each['ref']}{dropped}"
        say_change(
            each["changed"], released if release else moved, f"{each['was']} is there already"
        )


def _move(chain: Chain, models: tuple[str, ...], lost: dict[str, list[str]]) -> list[Json]:
    """Move models, and note in `lost` which aliases each of them lost."""
    *sources, last = models
    if not sources:
        raise click.UsageError("Name one or more models, and where to move them.")
    target = moving.parse_target(last)
    if re.fullmatch(r".+(?::[0-9]+|@[^/:@\s]+)", target.name):
        raise click.UsageError(
            f"the name {target.name!r} ends like a version or an alias; "
            "`localreg alias` sets an alias"
        )
    found = list(dict.fromkeys(resolve_model(chain, each) for each in sources))
    before = [reading.row(each).ref for each in found]
    aliases = [set(reading.aliases(each)) for each in found]
    for each in found:
        each.registry.store.check_writable()
    after = moving.move_models(chain.first, [each.id for each in found], target)
    for each, names in zip(found, aliases, strict=True):
        lost[each.id] = [f"@{name}" for name in sorted(names.difference(reading.aliases(each)))]
    return [_json(each.id, old, new) for each, old, new in zip(found, before, after, strict=True)]


def _json(model_id: str, was: str, ref: str | None) -> Json:
    return {"id": model_id, "was": was, "ref": ref, "changed": was != ref}
