"""Which names of ClearML localreg has, where they are, and what to use instead of the others."""

from __future__ import annotations

VERSION = "2.1.12"  # of the ClearML SDK whose signatures are kept
TOP = "clearml"
_MODELS = ("InputModel", "OutputModel", "Model", "Framework")

# Modules of ClearML, their names that localreg has, and the modules that define these. A name that
# another module of ClearML only imports from one of these is found there: see `listing.py`.
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
    "clearml.model": dict.fromkeys(_MODELS, "localreg"),
    "clearml.logger": {"Logger": "localreg"},
    "clearml.storage": {"StorageManager": "localreg"},
    "clearml.storage.manager": {"StorageManager": "localreg"},
    "clearml.errors": {"UsageError": "localreg.errors:InvalidValueError"},
    "clearml.backend_interface.task.task": {"Task": "localreg"},
    "clearml.binding.artifacts": dict.fromkeys(
        ("Artifact", "Artifacts"), "localreg.api.tasks.artifacts"
    ),
    "clearml.utilities.plotly_reporter": {"SeriesInfo": "localreg.plots.line_series"},
}

# Modules of ClearML that are copies of libraries, and the names of these.
LIBRARIES = {
    "clearml.utilities.pyhocon": "pyhocon",
    "clearml.utilities.requests_toolbelt": "requests_toolbelt",
    "clearml.utilities.gpu.pynvml": "pynvml",
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
    "APIClient": "there is no server to ask: use Task.get_tasks, Model.query_models and "
    "Task.get_projects",
    "StorageHelper": "use StorageManager",
    "CreateAndPopulate": "use Task.create",
    "ResourceMonitor": "Task.init starts it: see its auto_resource_monitoring",
}

# Why localreg lacks the other names of a module, and of those below it.
REASONS = {
    TOP: "`localreg guide clearml` lists what there is",
    "clearml.automation": "there are no queues and agents: `localreg task clone` and "
    "`localreg task run` run a task with other parameters",
    "clearml.backend_api": "there is no server: use the methods of Task, Model and Logger",
    "clearml.backend_config": "there is no configuration file: `localreg config` lists the "
    "settings of a registry",
    "clearml.backend_interface": "there is no server: use the methods of Task, Model and Logger",
    "clearml.binding": "it is an inner part of ClearML's automatic logging",
    "clearml.cli": "run the commands of `localreg` instead",
    "clearml.config": "`localreg config` lists the settings of a registry",
    "clearml.hyperdatasets": "HyperDatasets need ClearML's own server",
    "clearml.router": "localreg serves no models",
    "clearml.storage": "it is an inner part of ClearML's storage: use StorageManager",
    "clearml.utilities": "it is an inner part of ClearML",
    "clearml.utilities.pyhocon": "install the library: pip install pyhocon",
    "clearml.utilities.requests_toolbelt": "install the library: pip install requests-toolbelt",
    "clearml.utilities.gpu.pynvml": "install the library: pip install nvidia-ml-py",
    "clearml.debugging": "it is an inner part of ClearML: use logging",
}
