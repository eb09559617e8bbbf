"""Compare models and tasks: a page, or their values as JSON."""

from __future__ import annotations

import math

import click

from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    OPEN,
    opened,
    pairs,
    print_json,
    print_new_page,
    print_page,
)
from localreg.errors import NotFoundError
from localreg.operations.finding import queries
from localreg.operations.finding.upstream import search
from localreg.operations.finding.values import Metric, Values
from localreg.operations.reports import pages
from localreg.operations.reports.comparison import Run, compared_runs, find_run, names_of, values_of
from localreg.operations.tasks.search import check_search, search_tasks
from localreg.registry import Chain
from localreg.values.metrics import better
from localreg.values.records import Json, Owner


@click.command("compare")
@click.argument("references", nargs=-1, metavar="[REF]...")
@click.option("-p", "--project", metavar="NAME", help="What is in this project.")
@click.option("-n", "--name", metavar="PATTERN", help="With this name, or matching 'net*'.")
@click.option("-t", "--tag", "tags", multiple=True, metavar="TAG", help="With one of these tags.")
@click.option("-m", "--meta", multiple=True, metavar="KEY=VALUE", help="Models with this metadata.")
@click.option("--tasks", is_flag=True, help="Choose tasks by -p, -n and -t, not models.")
@click.option(
    "--sort",
    metavar="KEY",
    help="With -l: which come first; as for ls, for example metric:loss/val for the best.",
)
@click.option(
    "-l", "--limit", type=click.IntRange(1), metavar="N", help="The first N of the query."
)
@click.option(
    "-o", "--output", metavar="FILE", help="Write one file with everything in it; - is stdout."
)
@OPEN
@AS_JSON
@IN_REGISTRY
def compare_command(
    references: tuple[str, ...],
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    tasks: bool,
    sort: str | None,
    limit: int | None,
    output: str | None,
    show: bool,
    as_json: bool,
    directory: str | None,
) -> None:
    """Write a page that compares 2 to 50 models and tasks, and print its path.

    REF is a model, or the id or [project/]name of a task. Filters choose models, or tasks if no
    model matches: localreg compare -p vision -t sweep --sort metric:loss/val -l 20

    For every value that a model lacks, the page shows that of the task that made it. --json prints
    the values; it writes a page only with -o or --open.
    """
    if output == "-" and as_json:
        raise click.UsageError("With -o - the page goes to stdout, so --json cannot be used.")
    filtered = bool(project or name or tags or meta or tasks)
    if not references and not filtered:
        raise click.UsageError("Give models or tasks, or choose them by -p, -n, -t or -m.")
    if not filtered and (sort or limit):
        raise click.UsageError("--sort and -l are about what -p, -n, -t and -m choose.")
    with opened(directory) as chain:
        runs = [find_run(chain, each) for each in references]
        if filtered:
            found = [] if tasks else _models(chain, project, name, tags, meta, sort, limit)
            if not found and not meta:
                found = _tasks(chain, project, name, tags, sort, limit)
            if not found:
                raise NotFoundError(
                    f"no {'tasks' if tasks else 'models or tasks'} match in {chain.first.root}",
                    reference=" ".join(each for each in (project, name, *tags) if each),
                )
            runs += found
        runs = compared_runs(runs)
        if output == "-":
            print_new_page(lambda path: pages.write_comparison(chain, runs, path))
            return
        about = None
        if as_json:
            about = {"runs": _json(chain, runs)}
            if output is None and not show:
                print_json({**about, "path": None})
                return
        page = pages.write_comparison(chain, runs, output)
    print_page(page, show=show, about=about)


def _models(
    chain: Chain,
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    meta: tuple[str, ...],
    sort: str | None,
    limit: int | None,
) -> list[Run]:
    query = queries.check_query(
        project=project,
        patterns=(name,) if name else (),
        tags=list(tags),
        metadata=pairs("--meta", meta),
        limit=limit,
        order=sort and _order(sort),
    )
    return [Run(each.registry, Owner("model", each.id)) for each in search(chain, query)]


def _order(sort: str) -> str:
    """Return ``--sort`` as `order_by` of `query_models` spells it."""
    sign = sort[:1] if sort[:1] in ("-", "+") else ""
    kind, colon, key = sort[len(sign) :].partition(":")
    names = {"metric": "metrics", "param": "parameters", "meta": "metadata"}
    return f"{sign}{names[kind]}.{key}" if colon and kind in names else sort


def _tasks(
    chain: Chain,
    project: str | None,
    name: str | None,
    tags: tuple[str, ...],
    sort: str | None,
    limit: int | None,
) -> list[Run]:
    wanted = check_search(
        project=project, patterns=(name,) if name else (), tags=list(tags) or None, archived=False
    )
    runs = [Run(each.registry, Owner("task", each.id)) for each in search_tasks(chain, wanted)]
    return _sorted(runs, sort)[:limit] if sort else runs[:limit]


def _sorted(runs: list[Run], sort: str) -> list[Run]:
    """Return tasks by a metric or parameter, the best first; those that lack it are left out."""
    sign = sort[:1] if sort[:1] in ("-", "+") else ""
    kind, _, key = sort[len(sign) :].partition(":")
    if kind not in ("metric", "param") or not key:
        raise click.UsageError(
            f"Tasks are sorted by metric:TITLE/SERIES or param:SECTION/NAME, not {sort!r}."
        )
    direction = {"-": 1, "+": -1}.get(sign) or (better(key) if kind == "metric" else 1) or 1

    def value(found: Values) -> float:
        try:
            number = found.metrics[key].last if kind == "metric" else float(found.parameters[key])
        except (KeyError, ValueError):
            return math.nan
        return math.nan if number is None else number

    numbers = {run.owner: value(each) for run, each in zip(runs, values_of(runs), strict=True)}
    known = [run for run in runs if math.isfinite(numbers[run.owner])]
    return sorted(known, key=lambda run: -direction * numbers[run.owner])


def _json(chain: Chain, runs: list[Run]) -> list[Json]:
    """Return the values of runs as JSON."""
    return [
        {
            "kind": run.owner.kind,
            "id": run.owner.id,
            "name": name,
            "metrics": {name: _metric(each) for name, each in sorted(found.metrics.items())},
            "parameters": dict(sorted(found.parameters.items())),
            "metadata": dict(found.metadata),
        }
        for run, name, found in zip(runs, names_of(runs), values_of(runs), strict=True)
    ]


def _metric(metric: Metric) -> Json:
    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return {
        "last": finite(metric.last),
        "min": finite(metric.low),
        "max": finite(metric.high),
        "points": metric.points,
        "single": metric.single,
    }
