"""Compare models and tasks: a page, or their values as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import click

from localreg.cli.columns import SORT_HELP, check_sort
from localreg.cli.filters import META, TAG, model_conditions, named, task_conditions
from localreg.cli.output import (
    AS_JSON,
    IN_REGISTRY,
    OPEN,
    opened,
    print_json,
    print_new_page,
    print_page,
)
from localreg.errors import NotFoundError
from localreg.operations.finding.queries import check_query
from localreg.operations.finding.upstream import search
from localreg.operations.finding.values import Metric
from localreg.operations.reports import pages
from localreg.operations.reports.comparison import (
    Run,
    compared_runs,
    find_run,
    names_of,
    values_of,
)
from localreg.operations.tasks.search import check_search, search_tasks
from localreg.registry import Chain
from localreg.values.records import Json, Owner

KINDS = ("metric", "param", "meta")


@click.command("compare")
@click.argument("references", nargs=-1, metavar="[REF]...")
@click.option("-p", "--project", metavar="NAME", help="Of this project.")
@click.option("-n", "--name", metavar="NAME", help="Of this name; it may be a pattern.")
@TAG
@META
@click.option("--tasks", is_flag=True, help="-p, -n, -t and -m choose tasks, not models.")
@click.option(
    "--sort", metavar="KEY", help=SORT_HELP.format(" or meta:KEY"),
)  # fmt: skip
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
            filters: dict[str, object] = {"tags": list(tags), "limit": limit}
            names = (project, name)
            found = [] if tasks else _models(chain, names, filters, meta, sort)
            found = found or _tasks(chain, names, filters, meta, sort)
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
    names: tuple[str | None, str | None],
    filters: Mapping[str, object],
    meta: Sequence[str],
    sort: str | None,
) -> list[Run]:
    wanted = named(None, *names)
    order = check_sort(sort, KINDS)[0] if sort else None
    query = check_query(
        project=wanted.project,
        name=wanted.name,
        patterns=wanted.patterns,
        order=order,
        **filters,
        **model_conditions(meta),
    )
    return [Run(each.registry, Owner("model", each.id)) for each in search(chain, query)]


def _tasks(
    chain: Chain,
    names: tuple[str | None, str | None],
    filters: Mapping[str, object],
    meta: Sequence[str],
    sort: str | None,
) -> list[Run]:
    if sort and sort.lstrip("+-").startswith("meta"):
        return []  # tasks have no metadata
    wanted = named(None, *names)
    found = check_search(
        project=wanted.project,
        name=wanted.name,
        patterns=wanted.patterns,
        archived=False,
        order=check_sort(sort, KINDS[:2])[0] if sort else None,
        **filters,
        **task_conditions(meta),
    )
    return [Run(each.registry, Owner("task", each.id)) for each in search_tasks(chain, found)]


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
