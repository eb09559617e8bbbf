"""Remove models."""

from __future__ import annotations

import click

from localreg.cli.output import IN_REGISTRY, MODELS, opened, say
from localreg.operations.finding.references import resolve_model
from localreg.operations.models import reading, removal
from localreg.operations.reports.page_links import delete_page
from localreg.values.records import Owner
from localreg.values.units import size_text


@click.command("rm")
@MODELS
@click.option("-f", "--force", is_flag=True, help="Remove models that tasks use, too.")
@click.option(
    "--delete-weights",
    is_flag=True,
    help="Also delete weights that only these models have. Restoring cannot bring them back.",
)
@click.option(
    "--local",
    is_flag=True,
    help="Remove them from this registry only: others that merge with it keep them.",
)
@IN_REGISTRY
def rm_command(
    models: tuple[str, ...], force: bool, delete_weights: bool, local: bool, directory: str | None
) -> int:
    """Remove models; `localreg restore` brings them back.

    The exit code is 1 if some weights could not be deleted.
    """
    if local and delete_weights:
        raise click.UsageError("--local leaves the weights to `localreg gc`: give one of both")
    done = True
    with opened(directory) as chain:
        for found in dict.fromkeys(resolve_model(chain, model) for model in models):
            ref = reading.row(found).ref
            if local:
                removal.forget_model(found.registry, found.id, force=force)
                delete_page(found.registry, Owner("model", found.id))
                say(
                    f"Removed {ref} from this registry only; `localreg restore {found.id[:8]}` "
                    "brings it back."
                )
                continue
            removed = removal.remove_model(
                found.registry, found.id, delete_weights=delete_weights, force=force
            )
            delete_page(found.registry, Owner("model", found.id))
            done &= removed.complete
            how = "brings it back"
            if removed.lost:
                how = (
                    "brings it back without its weights: "
                    f"{size_text(removed.lost)} were deleted for good"
                )
            say(f"Removed {ref}; `localreg restore {found.id[:8]}` {how}.")
    return 0 if done else 1
