"""Remove models."""

from __future__ import annotations

import click

from localreg.cli.changes import change_json, say_change
from localreg.cli.output import AS_JSON, IN_REGISTRY, MODELS, SILENT, opened, print_json
from localreg.operations.finding.references import resolve_model
from localreg.operations.finding.upstream import Found
from localreg.operations.models import removal
from localreg.operations.models.removal import Removed
from localreg.operations.models.removed import restorable
from localreg.operations.reports.page_links import delete_page
from localreg.registry import Chain
from localreg.values.records import Json, Owner
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
@AS_JSON
@SILENT
@IN_REGISTRY
def rm_command(
    models: tuple[str, ...],
    force: bool,
    delete_weights: bool,
    local: bool,
    as_json: bool,
    quiet: bool,
    directory: str | None,
) -> int:
    """Remove models; `localreg restore` brings them back.

    The exit code is 1 if some weights could not be deleted.
    """
    if local and delete_weights:
        raise click.UsageError("--local leaves the weights to `localreg gc`: give one of both")
    with opened(directory) as chain:
        done = []
        for found in dict.fromkeys(resolve_model(chain, model) for model in models):
            done.append(_remove(found, force=force, delete_weights=delete_weights, local=local))
            say_change(True, _sentence(chain, done[-1]), "")
    if as_json:
        print_json(done)
    return 0 if all(each["complete"] for each in done) else 1


def _remove(found: Found, *, force: bool, delete_weights: bool, local: bool) -> Json:
    about = change_json(found, True)
    removed = Removed(complete=True, lost=0)
    if local:
        removal.forget_model(found.registry, found.id, force=force)
    else:
        removed = removal.remove_model(
            found.registry, found.id, delete_weights=delete_weights, force=force
        )
    delete_page(found.registry, Owner("model", found.id))
    return about | {"local": local, "lost": removed.lost, "complete": removed.complete}


def _how(chain: Chain, removed: Json) -> str:
    """Return what `localreg restore` does then, which is nothing more than it says."""
    if removed["lost"]:
        lost = size_text(removed["lost"])
        return f"brings it back without its weights: {lost} were deleted for good"
    if restorable(chain, removed["id"]).weights == "deleted":
        return "brings it back without its weights, which were deleted before"
    return "brings it back"


def _sentence(chain: Chain, removed: Json) -> str:
    where = " from this registry only" if removed["local"] else ""
    how = _how(chain, removed)
    return f"Removed {removed['ref']}{where}; `localreg restore {removed['id'][:8]}` {how}"
