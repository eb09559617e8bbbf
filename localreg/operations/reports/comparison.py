"""Collects what a comparison of models and tasks shows.

A model has what was recorded on it, and for every key that it lacks what the task that made it
has: metrics, curves, plots, configuration and facts, as in `operations/finding/values.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from localreg.errors import (
    AmbiguousReferenceError,
    ConfigTextError,
    InvalidValueError,
    ModelNotFoundError,
    TaskNotFoundError,
)
from localreg.operations.finding import values
from localreg.operations.finding.references import require_model, require_task, resolve_model
from localreg.operations.reports.charts import reported_values, with_inherited
from localreg.operations.reports.model_page import Described, described_model
from localreg.operations.reports.page_links import Site
from localreg.operations.reports.task_page import described_task
from localreg.operations.tasks.search import look_up_reference, named_tasks
from localreg.pages.comparing import flat_config
from localreg.pages.page_values import Compared, ComparePage, Measured, Reported
from localreg.plots.thinning import POINTS
from localreg.registry import Chain, OpenRegistry
from localreg.values.config_text import text_to_config
from localreg.values.frozen import Frozen
from localreg.values.metrics import better
from localreg.values.records import Owner
from localreg.values.secrets import masked_config, masked_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from localreg.operations.reports.charts import BlobUrl

LARGEST = 50  # runs on one page
DRAWN = 600_000  # points of all lines of a page
LEAST = 150  # points of a line
STEPS = 300  # iterations of one plot in all runs


class Run(Frozen):
    """A model or a task to compare, and the registry that has it."""

    registry: OpenRegistry
    owner: Owner


def find_run(chain: Chain, reference: object, argument: str = "reference") -> Run:
    """Return the model, or else the task, that a reference names.

    Args:
        reference: of a model, see `resolve_model`; the id of a task, or its first 6 or more digits;
            or ``[project/]name`` of a task.
        argument: the argument's name, for the error.

    Raises:
        ModelNotFoundError: neither exists.
        AmbiguousReferenceError: it means several models, or else several tasks.
    """
    try:
        model = resolve_model(chain, reference, argument)
    except ModelNotFoundError as no_model:
        try:
            task = look_up_reference(chain, reference)
        except TaskNotFoundError:
            named = named_tasks(chain, str(reference))
            if len(named) > 1:
                ids = ", ".join(each.id for each in named[:10])
                raise AmbiguousReferenceError(
                    f"{reference!r:.200} is the name of {len(named)} tasks; give one of these ids: "
                    f"{ids}. To compare several tasks of one name, use -n",
                    reference=str(reference),
                    hits=tuple(each.id for each in named),
                ) from None
            if not named:
                raise ModelNotFoundError(
                    f"no task has this id or name, and {no_model}", reference=no_model.reference
                ) from None
            (task,) = named
        return Run(task.registry, Owner("task", task.id))
    return Run(model.registry, Owner("model", model.id))


def compared_runs(runs: Sequence[Run]) -> list[Run]:
    """Return the runs of a comparison, each once.

    Raises:
        InvalidValueError: they are less than 2, or more than 50.
    """
    chosen = list({run.owner: run for run in runs}.values())
    if len(chosen) < 2:
        raise InvalidValueError(
            f"a comparison needs 2 to {LARGEST} different runs, models or tasks, not {len(chosen)}",
            argument="runs",
        )
    if len(chosen) > LARGEST:
        raise InvalidValueError(
            f"a comparison takes at most {LARGEST} runs, models and tasks, not {len(chosen):,}. "
            "Choose fewer by project, name, tags or metadata, or take the best: "
            f"`localreg compare -p PROJECT --sort metric:TITLE/SERIES -l {LARGEST}`",
            argument="runs",
        )
    return chosen


def values_of(runs: Sequence[Run]) -> list[values.Values]:
    """Return what each of the runs has, in their order."""
    found: dict[tuple[OpenRegistry, Owner], values.Values] = {}
    for kind, read in (("model", values.model_values), ("task", values.task_values)):
        for registry in dict.fromkeys(run.registry for run in runs):
            ids = [r.owner.id for r in runs if r.registry == registry and r.owner.kind == kind]
            if ids:
                every = read(registry, ids)
                found |= {(registry, Owner(kind, id_)): each for id_, each in every.items()}
    return [
        found.get((run.registry, run.owner)) or values.Values({}, {}, {})  # removed meanwhile
        for run in runs
    ]


def names_of(runs: Sequence[Run]) -> list[str]:
    """Return the references of models, and ``project/name`` of tasks."""
    found = []
    for run in runs:
        with run.registry.store.read() as connection:
            if run.owner.kind == "model":
                found.append(require_model(connection, run.owner.id).ref)
                continue
            task = require_task(connection, run.owner.id)
            found.append(f"{task.project.name}/{task.name}" if task.project else task.name)
    return found


def comparison_values(
    chain: Chain, runs: Sequence[Run], site: Site, blob_url: BlobUrl
) -> ComparePage:
    """Return what the page of a comparison shows."""
    every = values_of(runs)
    lines = sum(not metric.single for each in every for metric in each.metrics.values())
    points = max(LEAST, min(POINTS, DRAWN // max(lines, 1)))
    reader = _Reader(chain, site, blob_url, points, max(1, STEPS // len(runs)))
    compared = tuple(reader.compared(run, each) for run, each in zip(runs, every, strict=True))
    names = {name for each in compared for name in (*each.metadata, *each.metrics)}
    kinds = {run.owner.kind for run in runs}
    what = "models and tasks" if len(kinds) > 1 else f"{kinds.pop()}s"
    return ComparePage(what, compared, {name: better(name) for name in names})


class _Reader:
    """Reads what is compared; of a task that made several of the models only once."""

    def __init__(
        self, chain: Chain, site: Site, blob_url: BlobUrl, points: int, steps: int
    ) -> None:
        self.chain = chain
        self.site = site
        self.blob_url = blob_url
        self.points = points
        self.steps = steps
        self.tasks: dict[tuple[OpenRegistry, str], tuple[Described, Reported]] = {}

    def compared(self, run: Run, found: values.Values) -> Compared:
        """Return what the page shows of one run."""
        if run.owner.kind == "task":
            own, reported = self._task(run.registry, run.owner.id)
            facts, configs = own.facts, [own.configs]
        else:
            own = described_model(self.chain, run.registry, run.owner.id, self.site)
            reported = self._reported(run.registry, run.owner)
            facts, configs = own.facts, [own.configs]
            maker = None if own.task is None else self._maker(run.registry, own.task)
            if maker is not None:
                described, inherited = maker
                facts = _joined(facts, described.facts)
                configs = [own.configs, described.configs]
                reported = with_inherited(reported, inherited)
        config, texts = _configurations(configs)
        return Compared(
            link=own.link,
            facts=facts,
            metrics={
                name: Measured(each.last, each.low, each.high, each.single)
                for name, each in found.metrics.items()
            },
            parameters=found.parameters,
            metadata=own.metadata,
            config=config,
            texts=texts,
            reported=reported,
        )

    def _maker(self, registry: OpenRegistry, task: str) -> tuple[Described, Reported] | None:
        """Return what the task that made a model has, or None if it is elsewhere."""
        try:
            return self._task(registry, task)
        except TaskNotFoundError:
            return None

    def _task(self, registry: OpenRegistry, task: str) -> tuple[Described, Reported]:
        known = self.tasks.get((registry, task))
        if known is None:
            described = described_task(self.chain, registry, task, self.site)
            known = described, self._reported(registry, Owner("task", task))
            self.tasks[registry, task] = known
        return known

    def _reported(self, registry: OpenRegistry, owner: Owner) -> Reported:
        return reported_values(registry, owner, self.blob_url, points=self.points, steps=self.steps)


def _joined(own: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """Return texts by name, inherited ones where there is none; a state is not inherited."""
    found = dict(own)
    for name, text in inherited.items():
        if name != "state" and not found.get(name):
            found[name] = text
    return found


def _configurations(
    configs: Sequence[Mapping[str, str]],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the keys and values of configurations, and the texts of those that cannot be read.

    Args:
        configs: texts by name; what the first has counts before what the others have.
    """
    found: dict[str, str] = {}
    texts: dict[str, str] = {}
    for some in configs:
        for name, text in some.items():
            flat = _flat(text)
            if flat is None:
                texts.setdefault(name or "configuration", masked_config(text))
                continue
            for key, value in flat.items():
                found.setdefault(f"{name}.{key}" if name else key, value)
    return found, texts


def _flat(text: str) -> dict[str, str] | None:
    try:
        return flat_config(masked_json(text_to_config(text)))
    except (ConfigTextError, RecursionError):
        return None
