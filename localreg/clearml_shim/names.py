"""The names of ClearML, the modules that scripts import them from, and what localreg has."""

from __future__ import annotations

VERSION = "2.1.12"  # of the ClearML SDK whose signatures are kept
TOP = "clearml"
_MODEL_NAMES = ("InputModel", "OutputModel", "Model", "Framework")

# Modules of ClearML, and the modules of localreg that define their names.
PRESENT: dict[str, dict[str, str]] = {
    TOP: {
        "Task": "localreg",
        "TaskTypes": "localreg.api.tasks.task",
        "InputModel": "localreg",
        "OutputModel": "localreg",
        "Model": "localreg",
        "Logger": "localreg",
        "StorageManager": "localreg",
        "UsageError": "localreg.errors:InvalidValueError",
    },
    "clearml.task": {"Task": "localreg", "TaskTypes": "localreg.api.tasks.task"},
    "clearml.model": dict.fromkeys(_MODEL_NAMES, "localreg"),
    "clearml.logger": {"Logger": "localreg"},
    "clearml.storage": {"StorageManager": "localreg"},
    "clearml.storage.manager": {"StorageManager": "localreg"},
    "clearml.errors": {"UsageError": "localreg.errors:InvalidValueError"},
    "clearml.version": {},
    "clearml.utilities": {},
    "clearml.utilities.plotly_reporter": {"SeriesInfo": "localreg.plots.line_series"},
    "clearml.datasets": {},
    "clearml.datasets.dataset": {},
    "clearml.automation": {},
    "clearml.automation.controller": {},
    "clearml.automation.optuna": {},
    "clearml.hyperdatasets": {},
}

_PIPELINES = ("PipelineController", "PipelineDecorator")
_HYPER = (
    "HyperDataset", "HyperDatasetManagement", "HyperDatasetQuery", "DataView", "DataEntry",
    "DataEntryImage", "DataSubEntry", "DataSubEntryImage",
)  # fmt: skip
_AUTOMATION = (
    "ClearmlJob", "DiscreteParameterRange", "GridSearch", "HyperParameterOptimizer",
    "LogUniformParameterRange", "Objective", "ParameterSet", "RandomSearch", "TaskScheduler",
    "TriggerScheduler", "UniformIntegerParameterRange", "UniformParameterRange",
)  # fmt: skip

# Names that localreg does not support, by the modules that scripts import them from.
ABSENT: dict[str, tuple[str, ...]] = {
    TOP: ("Dataset", *_PIPELINES, *_HYPER, "browser_login"),
    "clearml.datasets": ("Dataset",),
    "clearml.datasets.dataset": ("Dataset",),
    "clearml.automation": (*_PIPELINES, *_AUTOMATION),
    "clearml.automation.controller": _PIPELINES,
    "clearml.automation.optuna": ("OptimizerOptuna",),
    "clearml.hyperdatasets": _HYPER,
}

# What to do instead of using a name.
INSTEAD = {
    "Dataset": "keep files as artifacts (Task.upload_artifact), or as the weights of a model",
    "PipelineController": "run the steps from a script, or `localreg task run` from a scheduler",
    "PipelineDecorator": "call the functions from a script",
    "HyperParameterOptimizer": "`localreg task clone ID --set-param NAME=VALUE`, then "
    "`localreg task run`, from any optimizer",
    "TaskScheduler": "`localreg task run` from cron, or any scheduler",
    "ClearmlJob": "`localreg task clone` and `localreg task run`",
    "browser_login": "leave it out: there is no server to log in to",
}
