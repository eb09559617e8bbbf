"""Move models to another project, name or number."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, opened, say
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import moving, reading


@click.command("mv")
@click.argument("models", metavar="MODEL... TARGET", nargs=-1, required=True)
@click.option(
    "--release",
    is_flag=True,
    help="Free the numbers of these models, which were removed or moved away.",
)
@IN_REGISTRY
def mv_command(models: tuple[str, ...], release: bool, directory: str | None) -> None:
    """Move models to TARGET, which is [PROJECT/]NAME[:VERSION].

    Each gets the next version there. Under another project or name a model loses its aliases. A
    version that was named before is never given to another model, unless it was released.

    Where two models have one number, `localreg mv vision/resnet:4~laptop vision/resnet` gives
    another one to the model of the registry "laptop".
    """
    with opened(directory) as chain:
        if release:
            for text in models:
                model_id = moving.release_number(chain.first, text)
                say(f"Released {text}, which model {model_id[:8]} had.")
            return
        *sources, last = models
        if not sources:
            raise click.UsageError("Name one or more models, and where to move them.")
        target = moving.parse_target(last)
        found = list(dict.fromkeys(resolve_model(chain, each) for each in sources))
        before = [reading.row(each).ref for each in found]
        for each in found:
            each.registry.store.check_writable()
        after = moving.move_models(chain.first, [each.id for each in found], target)
        for old, new in zip(before, after, strict=True):
            say(f"Moved {old} to {new}." if old != new else f"{old} is there already.")
