"""Show what was changed, by whom and when."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime

import click

from localreg.cli.output import (
    AS_JSON,
    AS_OF,
    HEADER,
    IN_REGISTRY,
    LIMIT,
    Column,
    opened,
    print_json,
    print_json_list,
    print_table,
    remark,
    say,
)
from localreg.errors import ModelNotFoundError
from localreg.operations.finding.references import resolve_model, resolve_removed
from localreg.operations.finding.upstream import Found
from localreg.operations.models import history, reading
from localreg.registry import Chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.models.history import Conflicts, HistoryEntry, Serving

_DIGITS = 8
COLUMNS = (
    Column("WHEN (UTC)", "time"),
    Column("WHO", "path", 2),
    Column("FROM", "path", 3),
    Column("EVENT", "id", 1),
    Column("ID", "id"),
    Column("WHAT", "prose"),
)


@click.command("history")
@click.argument("model", required=False, metavar="[MODEL|NAME]")
@click.option("--alias", metavar="ALIAS", help="Which versions this alias pointed to, and when.")
@click.option(
    "--conflicts",
    is_flag=True,
    help="What is not in effect, or contested, since other registries were imported or merged.",
)
@LIMIT
@AS_JSON
@AS_OF
@HEADER
@IN_REGISTRY
def history_command(
    model: str | None,
    alias: str | None,
    conflicts: bool,
    limit: int,
    as_json: bool,
    as_of: str | None,
    directory: str | None,
) -> None:
    """Show every change of a MODEL, or of the registry, newest first.

    A removed model is found by its id or its old name. EVENT is what `localreg undo` and --as-of
    take. FROM is the registry that made a change, if it came from another one.
    """
    if conflicts and (model is not None or alias is not None):
        raise click.UsageError(
            "--conflicts is about the whole registry; give no MODEL and no ALIAS."
        )
    with opened(directory, as_of=as_of) as chain:
        if conflicts:
            _print_conflicts(history.conflicts(chain.first, limit or None), as_json=as_json)
            return
        if alias is not None:
            line = None if model is None else _line_of(chain, model)
            found = history.servings(chain.first, alias, line)
            _print_servings(found[: limit or None], as_json=as_json)
            return
        if model is None:
            entries = history.changes(chain.first, None, limit or None)
        else:
            of_model = _model_or_removed(chain, model)
            entries = history.changes(of_model.registry, of_model.id, limit or None)
        if as_json:
            print_json_list(map(_as_json, entries))
        elif model is not None:
            columns = [each for each in COLUMNS if each.title != "ID"]
            print_table(columns, map(_row, history.shown_once(entries)))
        else:
            _print_all(history.shown_once(entries))


def _print_all(entries: Iterator[HistoryEntry]) -> None:
    first = next(entries, None)
    shown = () if first is None else itertools.chain((first,), entries)
    rows = ((*_row(each)[:-1], each.subject[:_DIGITS], each.line) for each in shown)
    print_table(COLUMNS, rows)
    if first is None:
        remark("Nothing was changed in this registry yet.")


def _row(entry: HistoryEntry) -> tuple[object, ...]:
    event = entry.event_id[:_DIGITS]
    return (_when(entry.at), entry.actor, _from(entry), event, entry.line)


def _when(moment: datetime) -> int:
    """Return a time in microseconds."""
    return round(moment.timestamp() * 1_000_000)


def _from(entry: HistoryEntry) -> str:
    return "" if entry.arrived is None else entry.origin


def _as_json(entry: HistoryEntry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "subject": entry.subject,
        "kind": entry.kind,
        "field": entry.field,
        "payload": history.shown_payload(entry),
        "event_id": entry.event_id,
        "origin": entry.origin,
        "outcome": entry.outcome,
        "arrived": None if entry.arrived is None else entry.arrived.isoformat(),
    }


def _print_servings(found: list[Serving], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "alias": each.name,
                    "ref": each.ref if each.model else None,
                    "model": each.model,
                    "from": each.begin.isoformat(),
                    "until": None if each.end is None else each.end.isoformat(),
                    "actor": each.actor,
                    "origin": each.origin,
                    "event_id": each.event_id,
                    "override": each.override,
                }
                for each in found
            ]
        )
        return
    print_table(
        (
            Column("ALIAS", "name", 3),
            Column("FROM (UTC)", "time"),
            Column("UNTIL (UTC)", "time", 4),
            Column("MODEL", "name"),
            Column("WHO", "path", 1),
            Column("EVENT", "id", 2),
            Column("OVERRIDE", "prose", 1),
        ),
        (
            (
                each.name,
                _when(each.begin),
                "now" if each.end is None else _when(each.end),
                each.ref,
                each.actor,
                each.event_id[:_DIGITS],
                each.override or "",
            )
            for each in found
        ),
    )


def _print_conflicts(found: Conflicts, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "contested": list(found.contested),
                "losing": [_as_json(each) for each in found.losing],
                "arrivals": [
                    {
                        "at": each.at.isoformat(),
                        "source": each.source,
                        "events": each.events,
                        "differences": list(each.differences),
                    }
                    for each in found.arrivals
                ],
            }
        )
        return
    shown = ("WHEN (UTC)", "WHO", "EVENT", "WHAT")
    print_table([each for each in COLUMNS if each.title in shown], _conflict_rows(found))
    if not (found.contested or found.losing or any(e.differences for e in found.arrivals)):
        say("No conflicts: all that came from other registries agrees with what was here.")


def _conflict_rows(found: Conflicts) -> Iterator[tuple[object, ...]]:
    for ref in found.contested:
        yield "now", "", "", f"contested: {ref} was published with different content"
    for each in found.losing:
        yield _when(each.at), each.actor, each.event_id[:_DIGITS], each.line
    for arrival in found.arrivals:
        for line in arrival.differences:
            yield _when(arrival.at), arrival.source, "", line


def _line_of(chain: Chain, model: str) -> str:
    """Return the project and name of a model, or of models that are gone, as they were named."""
    try:
        row = reading.row(resolve_model(chain, model))
    except ModelNotFoundError:
        return model
    return f"{row.project.name}/{row.name}" if row.project else row.name


def _model_or_removed(chain: Chain, model: str) -> Found:
    try:
        return resolve_model(chain, model)
    except ModelNotFoundError as error:
        try:
            return Found(chain.first, resolve_removed(chain.first, model))
        except ModelNotFoundError:
            raise error from None
