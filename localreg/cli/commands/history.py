"""Show what was changed, by whom and when."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    AS_OF,
    IN_REGISTRY,
    LIMIT,
    opened,
    print_json,
    print_table,
)
from localreg.errors import ModelNotFoundError
from localreg.operations.finding.references import resolve_model, resolve_removed
from localreg.operations.finding.upstream import Found
from localreg.operations.models import history
from localreg.registry import Chain


@click.command("history")
@click.argument("model", required=False)
@LIMIT
@AS_JSON
@AS_OF
@IN_REGISTRY
def history_command(
    model: str | None, limit: int, as_json: bool, as_of: str | None, directory: str | None
) -> None:
    """Show every change of a MODEL, or of the registry, newest first.

    A removed model is found by its id or its old name.
    """
    with opened(directory, as_of=as_of) as chain:
        if model is None:
            entries = history.history(chain.first, None, limit or None)
        else:
            found = _model_or_removed(chain, model)
            entries = history.history(found.registry, found.id, limit or None)
    if as_json:
        print_json(
            [
                {
                    "seq": each.seq,
                    "at": each.at.isoformat(),
                    "actor": each.actor,
                    "subject": each.subject,
                    "kind": each.kind,
                    "field": each.field,
                    "payload": history.shown_payload(each),
                }
                for each in entries
            ]
        )
        return
    when = "%Y-%m-%d %H:%M:%S"
    if model is not None:
        rows = ((f"{each.at:{when}}", each.actor, each.text) for each in entries)
        print_table(("WHEN (UTC)", "WHO", "WHAT"), rows)
    else:
        every = ((f"{e.at:{when}}", e.actor, e.subject[:8], e.text) for e in entries)
        print_table(("WHEN (UTC)", "WHO", "ID", "WHAT"), every)


def _model_or_removed(chain: Chain, model: str) -> Found:
    try:
        return resolve_model(chain, model)
    except ModelNotFoundError as error:
        try:
            return Found(chain.first, resolve_removed(chain.first, model))
        except ModelNotFoundError:
            raise error from None
