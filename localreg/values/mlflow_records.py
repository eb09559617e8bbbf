"""What MLflow records, as values: the same from its files and from its tables.

Times are milliseconds, as MLflow writes them. Nothing but the types was checked.
"""

from __future__ import annotations

from collections.abc import Mapping

from localreg.values.frozen import Frozen


class Experiment(Frozen, kw_only=True):
    """An experiment; `active` is False if it was deleted."""

    id: str
    name: str
    active: bool = True
    tags: Mapping[str, str] = {}


class DatasetUse(Frozen, kw_only=True):
    """A data set that a run used: what MLflow knows of it, and the tags of this use."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = {}


class RunHead(Frozen):
    """What orders the runs.

    Attributes:
        active: False if it was deleted.
        parent: id of another run, "" for none.
        start: milliseconds.
    """

    id: str
    experiment: str
    active: bool
    parent: str
    start: int


class Run(Frozen, kw_only=True):
    """A run, without its metrics.

    Attributes:
        status: "RUNNING", "SCHEDULED", "FINISHED", "FAILED" or "KILLED".
        facts: what old versions wrote of its source, under the tags that new ones write.
        outputs: ids of logged models that it made, with their steps.
        inputs: ids of logged models that it used.
    """

    id: str
    experiment: str
    name: str
    status: str
    active: bool
    user: str
    start: int
    end: int | None
    artifacts: str
    tags: Mapping[str, str] = {}
    facts: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    datasets: tuple[DatasetUse, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[tuple[str, int], ...] = ()


class LoggedModel(Frozen, kw_only=True):
    """A logged model of MLflow 3.

    Attributes:
        status: such as "READY".
        kind: what the user calls its type.
        metrics: the newest values by name; of a data set `name@data set`.
    """

    id: str
    experiment: str
    name: str
    location: str
    created: int
    updated: int
    status: str
    kind: str
    run: str
    active: bool
    tags: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    metrics: Mapping[str, float] = {}


class Version(Frozen, kw_only=True):
    """A version of a registered model.

    Attributes:
        source: where it was registered from.
        location: where its files are, if that is another place.
        model: id of the logged model, if it was one.
    """

    number: int
    created: int
    updated: int
    description: str = ""
    user: str = ""
    stage: str = ""
    source: str = ""
    location: str = ""
    run: str = ""
    run_link: str = ""
    status: str = ""
    model: str = ""
    tags: Mapping[str, str] = {}


class Registered(Frozen, kw_only=True):
    """A registered model with its versions, by number; aliases with the versions they point to."""

    name: str
    created: int
    description: str = ""
    tags: Mapping[str, str] = {}
    aliases: Mapping[str, int] = {}
    versions: tuple[Version, ...] = ()


def source_facts(name: str, kind: str, commit: str, entry_point: str) -> dict[str, str]:
    """Return what old versions wrote of the source of a run, by the tags that new ones write.

    New versions write a kind there, too, which says nothing: "LOCAL" or "UNKNOWN".
    """
    facts = {
        "mlflow.source.name": name,
        "mlflow.source.type": kind if kind in ("NOTEBOOK", "JOB", "PROJECT") else "",
        "mlflow.source.git.commit": commit,
        "mlflow.project.entryPoint": entry_point,
    }
    return {key: value for key, value in facts.items() if value}
