"""Which names of ClearML localreg has, where they are, and what to use instead of the others."""

from __future__ import annotations

VERSION = "2.1.12"  # of the ClearML SDK whose signatures are kept
TOP = "clearml"
_HERE = "localreg.clearml_shim.modules"
_ENTRIES = "localreg.api.datasets.entries"
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
        "Dataset": "localreg",
        "UsageError": "localreg.errors:InvalidValueError",
    },
    "clearml.datasets": {"Dataset": "localreg", "FileEntry": _ENTRIES},
    "clearml.datasets.dataset": {
        "Dataset": "localreg",
        "FileEntry": _ENTRIES,
        "LinkEntry": _ENTRIES,
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
    "clearml.binding.frameworks": {"WeightsFileHandler": "localreg.api.tasks.weights_callbacks"},
    "clearml.binding.frameworks.base_bind": {"PatchBaseModelIO": f"{_HERE}.patches"},
    "clearml.binding.frameworks.pytorch_bind": {"PatchPyTorchModelIO": f"{_HERE}.patches"},
    "clearml.binding.frameworks.tensorflow_bind": {
        "WeightsGradientHistHelper": f"{_HERE}.histograms",
        **dict.fromkeys(
            (
                "PatchKerasModelIO",
                "PatchTensorflowModelIO",
                "PatchTensorflow2ModelIO",
                "PatchModelCheckPointCallback",
                "PatchSummaryToEventTransformer",
                "EventTrainsWriter",
            ),
            f"{_HERE}.patches",
        ),
    },
    "clearml.binding.frameworks.xgboost_bind": {"PatchXGBoostModelIO": f"{_HERE}.patches"},
    "clearml.binding.frameworks.lightgbm_bind": {"PatchLIGHTgbmModelIO": f"{_HERE}.patches"},
    "clearml.binding.frameworks.catboost_bind": {"PatchCatBoostModelIO": f"{_HERE}.patches"},
    "clearml.binding.frameworks.megengine_bind": {"PatchMegEngineModelIO": f"{_HERE}.patches"},
    "clearml.binding.frameworks.fastai_bind": {"PatchFastai": f"{_HERE}.patches"},
    "clearml.binding.joblib_bind": {"PatchedJoblib": f"{_HERE}.patches"},
    "clearml.binding.matplotlib_bind": {"PatchedMatplotlib": f"{_HERE}.patches"},
    "clearml.binding.hydra_bind": {"PatchHydra": f"{_HERE}.patches"},
    "clearml.binding.jsonargs_bind": {"PatchJsonArgParse": f"{_HERE}.patches"},
    "clearml.task_parameters": dict.fromkeys(
        ("TaskParameters", "param", "percent_param", "range_validator"),
        f"{_HERE}.task_parameters",
    ),
    "clearml.config": {
        "config": f"{_HERE}.configuration:Config",
        "config_obj": f"{_HERE}.configuration:Config",
        "ConfigWrapper": f"{_HERE}.configuration:Config",
        "ConfigSDKWrapper": f"{_HERE}.configuration:Config",
        **dict.fromkeys(
            (
                "deferred_config",
                "running_remotely",
                "get_remote_task_id",
                "get_cache_dir",
                "get_node_id",
                "get_is_master_node",
            ),
            f"{_HERE}.configuration",
        ),
    },
    "clearml.debugging.log": dict.fromkeys(
        ("LoggerRoot", "get_logger", "get_null_logger"), f"{_HERE}.debugging"
    ),
    "clearml.debugging.timer": {"Timer": f"{_HERE}.debugging"},
    "clearml.storage.hashing": dict.fromkeys(
        ("sha256sum", "crc32text", "hash_text", "md5text", "hash_dict"), f"{_HERE}.hashing"
    ),
    "clearml.storage.filepaths": dict.fromkeys(
        ("get_common_path", "is_within_directory"), f"{_HERE}.file_paths"
    ),
    "clearml.storage.helper": {"StorageHelper": f"{_HERE}.storage_helper"},
    "clearml.storage.util": {"is_windows": f"{_HERE}.file_paths"},
    "clearml.utilities.dicts": dict.fromkeys(
        (
            "ReadOnlyDict",
            "RequirementsDict",
            "merge_dicts",
            "hocon_quote_key",
            "hocon_unquote_key",
            "cast_str_to_bool",
        ),
        f"{_HERE}.dicts",
    ),
    "clearml.utilities.hashing": dict.fromkeys(
        (
            "safe_hash",
            "md5_safe_hash",
            "sha256_safe_hash",
            "sha384_safe_hash",
            "sha512_safe_hash",
        ),
        f"{_HERE}.hashing",
    ),
    "clearml.utilities.matching": {"matches_any_wildcard": f"{_HERE}.file_paths"},
    "clearml.utilities.proxy_object": dict.fromkeys(
        (
            "flatten_dictionary",
            "nested_from_flat_dictionary",
            "naive_nested_from_flat_dictionary",
            "walk_nested_dict_tuple_list",
            "verify_basic_type",
            "get_basic_type",
            "get_type_from_basic_type_str",
            "convert_bool",
            "cast_basic_type",
        ),
        f"{_HERE}.proxy_object",
    ),
    "clearml.utilities.seed": {"make_deterministic": "localreg.api.tasks.random_seed"},
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
    "PipelineController": "run the steps from a script, or `localreg task run` from a scheduler",
    "PipelineDecorator": "call the functions from a script",
    "HyperParameterOptimizer": "`localreg task clone ID --set-param NAME=VALUE`, then "
    "`localreg task run`, from any optimizer",
    "TaskScheduler": "`localreg task run` from cron, or any scheduler",
    "ClearmlJob": "`localreg task clone` and `localreg task run`",
    "browser_login": "leave it out: there is no server to log in to",
    "APIClient": "there is no server to ask: use Task.get_tasks, Model.query_models and "
    "Task.get_projects",
    "ClearmlTunerCallback": "report the best trials by Logger.report_table",
    "ClearmlTunerLogger": "report the trials by Logger.report_table",
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
