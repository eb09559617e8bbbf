"""Commands that show: ls, show, history."""

from __future__ import annotations

import click

from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    LIMIT,
    QUIET,
    model_json,
    opened,
    pairs,
    print_facts,
    print_json,
    print_table,
    say,
    served,
)
from localreg.errors import ModelNotFoundError
from localreg.operations.finding import queries
from localreg.operations.finding import upstream as chain
from localreg.operations.finding.references import resolve_model, resolve_removed
from localreg.operations.finding.upstream import Found
from localreg.operations.models import history
from localreg.operations.reports.model_page import where_text
from localreg.operations.weights.locations import holder, where_left
from localreg.registry import OpenRegistry
from localreg.store.rows import blob_rows, model_rows
from localreg.store.rows.blob_rows import BlobRow
from localreg.values.records import ModelRecord, WeightsRecord
from localreg.values.units import moment, size_text
from localreg.values.urls import public_url


@click.command("ls")
@click.argument("name", required=False)
@click.option("-p", "--project", metavar="NAME", help="Only models of this project.")
@click.option(
    "-t",
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    help="Any of these tags; -TAG for without it. Operators as in query_models: "
    "-t '__$all' -t a -t b.",
)
@click.option("-m", "--meta", multiple=True, metavar="KEY=VALUE", help="Only with this metadata.")
@click.option("--published", is_flag=True, help="Only published models.")
@click.option("-a", "--archived", is_flag=True, help="Archived models too.")
@click.option(
    "--sort",
    default="updated",
    metavar="KEY",
    help="updated (by default), created, name, or metric:TITLE/SERIES, the best first; models "
    "without it are left out. With - in front the greatest first, with + the least.",
)
@LIMIT
@AS_JSON
@QUIET
@IN_REGISTRY
def ls_command(
    name: str | None,
    project: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    published: bool,
    archived: bool,
    sort: str,
    limit: int,
    as_json: bool,
    quiet: bool,
    registry: str | None,
) -> None:
    """List models, the one updated last first.

    NAME is a model's name, or project/name.
    """
    if name and "/" in name and project is None:
        project, _, name = name.rpartition("/")
    query = queries.check_query(
        project=project,
        name=name or None,
        tags=list(tags),
        metadata=pairs("--meta", meta),
        published=published,
        archived=archived,
        limit=limit + 1 if limit else None,
        order=_order(sort),
    )
    with opened(registry) as target:
        found = chain.search(target, query)
        shown = found[:limit] if limit else found
        if quiet:
            for each in shown:
                click.echo(each.id)
        else:
            _print_models(target, chain.records(target, shown), as_json)
    if len(found) > len(shown):
        say(f"These are the {'newest' if sort == 'updated' else 'first'} {limit}; -l 0 shows all.")
    elif not found and not as_json:
        _say_none(target, sort)


def _say_none(target: OpenRegistry, sort: str) -> None:
    _, is_metric, metric = sort.partition("metric:")
    if not is_metric:
        say(f"No models match in {target.root}.")
        return
    say(f"No models match in {target.root}, or none has the metric {metric!r}.")
    say("What a task or its logger reported is not the model's: report it on the model as well.")


def _order(sort: str) -> str:
    """Return ``--sort`` as `order_by` has it."""
    sign = sort[:1] if sort[:1] in ("-", "+") else ""
    key = sort[len(sign) :]
    return f"{sign}metrics.{key[7:]}" if key.startswith("metric:") else sort


def _print_models(
    target: OpenRegistry, told: list[tuple[OpenRegistry, ModelRecord]], as_json: bool
) -> None:
    if as_json:
        print_json([model_json(record, home) for home, record in told])
        return
    columns = ("MODEL", "ALIASES", "TAGS", "FRAMEWORK", "SIZE", "STATE", "UPDATED", "ID")
    if not target.upstream:
        print_table(columns, (_row(record) for _, record in told))
    elif told:
        rows = ((*_row(record), "" if home is target else str(home.root)) for home, record in told)
        print_table((*columns, "UPSTREAM"), rows)


def _row(record: ModelRecord) -> tuple[str, ...]:
    return (
        record.ref,
        " ".join(record.aliases),
        " ".join(record.tags),
        record.framework or "",
        size_text(served(record).size),
        _state(record),
        moment(record.updated),
        record.id[:8],
    )


def _state(record: ModelRecord) -> str:
    states = (("published", record.published), ("archived", record.archived))
    return " ".join(name for name, holds in states if holds)


@click.command("show")
@click.argument("model")
@AS_JSON
@IN_REGISTRY
def show_command(model: str, as_json: bool, registry: str | None) -> None:
    """Show all there is to know of a MODEL."""
    with opened(registry) as target:
        found = resolve_model(target, model)
        with found.registry.store.read() as connection:
            record = model_rows.record(connection, found.id)
            blob = blob_rows.blob(connection, served(record).digest or "") if record else None
        uses = chain.uses(found)
        assert record is not None
        if as_json:
            tasks = [
                {"task": task, "task_name": name, "role": role, "name": entry}
                for task, name, role, entry in uses
            ]
            inside = blob.facts if blob else None
            print_json(model_json(record, found.registry) | {"inside": inside, "tasks": tasks})
            return
        print_facts([*_facts(found.registry, record, blob), ("tasks", "\n".join(map(_use, uses)))])


def _use(use: tuple[str, str, str, str]) -> str:
    task, name, role, entry = use
    return f"{role} {entry!r} of {name} ({task[:8]})"


def _weights(registry: OpenRegistry, weights: WeightsRecord, blob: BlobRow | None) -> str:
    if weights.digest is None:
        where = "only pointed to, not read yet" if weights.url else "none"
        return where + (f"\nmust be sha256 {weights.pinned}" if weights.pinned else "")
    home = holder(registry, weights.digest, weights.size)
    held = home == registry
    upstream = None if home is None or held else f"the registry {home.root}"
    lost = (
        where_left(registry, blob.upstream, blob.digest)
        if blob is not None and blob.upstream
        else None
    )
    where = where_text(weights, held=held, upstream=upstream, lost=lost)
    if held and blob is not None and blob.verified:
        where += f", verified {moment(blob.verified)}"
    lines = [f"sha256 {weights.digest}{' (pinned)' if weights.pinned else ''}",
             f"{size_text(weights.size)}, {where}"]  # fmt: skip
    return "\n".join(lines)


def _facts(
    registry: OpenRegistry, record: ModelRecord, blob: BlobRow | None
) -> list[tuple[str, str]]:
    from localreg.blobs.headers.contents import lines

    weights = served(record)
    return [
        ("model", record.ref),
        ("id", record.id),
        ("state", _state(record) or "draft"),
        ("aliases", " ".join(record.aliases)),
        ("tags", " ".join(record.tags)),
        ("system tags", " ".join(record.system_tags)),
        ("framework", record.framework or ""),
        ("comment", record.comment or ""),
        ("url", public_url(weights.url) if weights.url else ""),
        ("weights", _weights(registry, weights, blob)),
        ("inside", "\n".join(lines(blob.facts)) if blob and blob.facts else ""),
        ("package", "yes" if record.package else ""),
        ("metadata", "\n".join(f"{key} = {each.value}" for key, each in record.metadata.items())),
        ("labels", "\n".join(f"{value} {label}" for label, value in record.labels.items())),
        ("configuration", record.config.rstrip("\n")),
        ("made by task", record.task or ""),
        ("parent", record.parent or ""),
        ("created", f"{moment(record.created)} UTC"),
        ("updated", f"{moment(record.updated)} UTC"),
    ]


@click.command("history")
@click.argument("model", required=False)
@LIMIT
@AS_JSON
@IN_REGISTRY
def history_command(model: str | None, limit: int, as_json: bool, registry: str | None) -> None:
    """Show every change of a MODEL, or of the whole registry, the newest first.

    A removed model is found by its id or its old name.
    """
    with opened(registry) as target:
        if model is None:
            entries = history.history(target, None, limit or None)
        else:
            found = _model_or_removed(target, model)
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
                    "payload": each.payload,
                }
                for each in entries
            ]
        )
        return
    subjects = [] if model else ["ID"]
    print_table(
        ["WHEN (UTC)", "WHO", *subjects, "WHAT"],
        (
            (
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.actor,
                *([each.subject[:8]] if subjects else []),
                each.text,
            )
            for each in entries
        ),
    )


def _model_or_removed(registry: OpenRegistry, model: str) -> Found:
    try:
        return resolve_model(registry, model)
    except ModelNotFoundError as error:
        try:
            return Found(registry, resolve_removed(registry, model))
        except ModelNotFoundError:
            raise error from None
